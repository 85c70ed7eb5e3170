package mechanisms

import (
	"crypto/rand"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/algorithm/mldsa"
)

var mldsaType = parameterType{keyType: ck.CKK_ML_DSA, seeds: true, sets: []*parameterSet{
	mldsaSet("44", ck.CKP_ML_DSA_44, 17), mldsaSet("65", ck.CKP_ML_DSA_65, 18), mldsaSet("87", ck.CKP_ML_DSA_87, 19),
}}

var mldsaPair = mldsaType.pairType()

// mldsaFamily is ML-DSA and HashML-DSA: section 6.67.
var mldsaFamily = pqFamily{
	keys: &mldsaType, generate: ck.CKM_ML_DSA_KEY_PAIR_GEN, pure: ck.CKM_ML_DSA, hashed: ck.CKM_HASH_ML_DSA,
	mechanism: func(h *preHash) ck.MechanismType { return h.MLDSA },
	signer:    mldsaSigner,
	verifier:  mldsaVerifier,
}

var mldsaRows = mldsaFamily.rows()

// mldsaParameters are the parameter sets by CKA_PARAMETER_SET.
var mldsaParameters = map[uint]*mldsa.Parameters{
	uint(ck.CKP_ML_DSA_44): mldsa.MLDSA44, uint(ck.CKP_ML_DSA_65): mldsa.MLDSA65, uint(ck.CKP_ML_DSA_87): mldsa.MLDSA87,
}

func mldsaSet(name string, set uint, oid int) *parameterSet {
	p := mldsaParameters[set]
	return &parameterSet{
		Name: name, Set: set, OID: nistSignature(oid), Seed: mldsa.SeedSize, Public: p.PublicKeySize(), Private: p.PrivateKeySize(), Signature: p.SignatureSize(),
		expand: p.NewKeys,
		public: func(private []byte) ([]byte, error) {
			k, err := p.NewPrivateKey(private)
			if err != nil {
				return nil, err
			}
			return k.PublicKey()
		},
	}
}

func mldsaSigner(s *parameterSet, k *Key, hashed bool) (pqSigner, error) {
	p, value := mldsaParameters[s.Set], k.Attr(ck.CKA_VALUE)
	if !hashed {
		sign, err := p.NewSigner(value)
		return func(m *pqMessage, hedged bool) ([]byte, error) { return sign(m.data, m.context, hedged) }, err
	}
	priv, err := p.NewPrivateKey(value)
	if err != nil {
		return nil, err
	}
	return func(m *pqMessage, hedged bool) ([]byte, error) {
		var rnd [32]byte
		if hedged {
			rand.Read(rnd[:]) // which does not fail
		}
		return priv.SignMu(priv.Mu(m.prefix(), m.data), &rnd), nil
	}, nil
}

func mldsaVerifier(s *parameterSet, k *Key, hashed bool) (pqVerifier, error) {
	p, value := mldsaParameters[s.Set], k.Attr(ck.CKA_VALUE)
	if !hashed {
		verify, err := p.NewVerifier(value)
		return func(m *pqMessage, sig []byte) bool { return verify(m.data, m.context, sig) }, err
	}
	pub := p.NewPublicKey(value)
	return func(m *pqMessage, sig []byte) bool { return pub.VerifyMu(pub.Mu(m.prefix(), m.data), sig) }, nil
}
