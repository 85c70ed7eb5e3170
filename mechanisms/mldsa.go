package mechanisms

import (
	"crypto/rand"

	"github.com/cloudflare/circl/sign/mldsa/mldsa44"
	"github.com/cloudflare/circl/sign/mldsa/mldsa65"
	"github.com/cloudflare/circl/sign/mldsa/mldsa87"

	"github.com/softcsp/softcsp/ck"
)

var mldsaType = parameterType{keyType: ck.CKK_ML_DSA, seeds: true, sets: []*parameterSet{
	mldsaSet("44", &mldsaParams44, 17), mldsaSet("65", &mldsaParams65, 18), mldsaSet("87", &mldsaParams87, 19),
}}

var mldsaPair = mldsaType.pair()

// mldsaFamily is ML-DSA and HashML-DSA: section 6.67. The message itself is signed by circl, which is fast, but signs no hash and
// has no way in for what it is made of. Hashes are signed by mldsasign.go, which has the checks of keys too.
var mldsaFamily = pqFamily{
	keys: &mldsaType, generate: ck.CKM_ML_DSA_KEY_PAIR_GEN, pure: ck.CKM_ML_DSA, hashed: ck.CKM_HASH_ML_DSA,
	hashing:  func(h *preHash) ck.MechanismType { return h.MLDSA },
	signer:   mldsaSigner,
	verifier: mldsaVerifier,
}

var mldsaRows = mldsaFamily.rows()

// An mldsaScheme is a parameter set of circl.
type mldsaScheme struct {
	expand   func(seed []byte) (public, private []byte)
	signer   func(private []byte) (pqSigner, error)
	verifier func(public []byte) (pqVerifier, error)
}

var mldsaSchemes = map[uint]mldsaScheme{
	uint(ck.CKP_ML_DSA_44): {
		expand: func(seed []byte) (public, private []byte) {
			pub, priv := mldsa44.NewKeyFromSeed((*[mldsa44.SeedSize]byte)(seed))
			return pub.Bytes(), priv.Bytes()
		},
		signer: func(private []byte) (pqSigner, error) {
			k := new(mldsa44.PrivateKey)
			return pureSigner(mldsa44.SignatureSize, k, mldsa44.SignTo), k.UnmarshalBinary(private)
		},
		verifier: func(public []byte) (pqVerifier, error) {
			k := new(mldsa44.PublicKey)
			return pureVerifier(k, mldsa44.Verify), k.UnmarshalBinary(public)
		},
	},
	uint(ck.CKP_ML_DSA_65): {
		expand: func(seed []byte) (public, private []byte) {
			pub, priv := mldsa65.NewKeyFromSeed((*[mldsa65.SeedSize]byte)(seed))
			return pub.Bytes(), priv.Bytes()
		},
		signer: func(private []byte) (pqSigner, error) {
			k := new(mldsa65.PrivateKey)
			return pureSigner(mldsa65.SignatureSize, k, mldsa65.SignTo), k.UnmarshalBinary(private)
		},
		verifier: func(public []byte) (pqVerifier, error) {
			k := new(mldsa65.PublicKey)
			return pureVerifier(k, mldsa65.Verify), k.UnmarshalBinary(public)
		},
	},
	uint(ck.CKP_ML_DSA_87): {
		expand: func(seed []byte) (public, private []byte) {
			pub, priv := mldsa87.NewKeyFromSeed((*[mldsa87.SeedSize]byte)(seed))
			return pub.Bytes(), priv.Bytes()
		},
		signer: func(private []byte) (pqSigner, error) {
			k := new(mldsa87.PrivateKey)
			return pureSigner(mldsa87.SignatureSize, k, mldsa87.SignTo), k.UnmarshalBinary(private)
		},
		verifier: func(public []byte) (pqVerifier, error) {
			k := new(mldsa87.PublicKey)
			return pureVerifier(k, mldsa87.Verify), k.UnmarshalBinary(public)
		},
	},
}

// pureSigner signs messages as they are.
func pureSigner[K any](size int, k *K, sign func(k *K, msg, ctx []byte, randomized bool, sig []byte) error) pqSigner {
	return func(m *pqMessage, hedged bool) ([]byte, error) {
		sig := make([]byte, size)
		return sig, sign(k, m.data, m.context, hedged, sig)
	}
}

func pureVerifier[K any](k *K, verify func(k *K, msg, ctx, sig []byte) bool) pqVerifier {
	return func(m *pqMessage, sig []byte) bool { return verify(k, m.data, m.context, sig) }
}

func mldsaSet(name string, p *mldsaParams, oid int) *parameterSet {
	return &parameterSet{
		Name: name, Set: p.set, OID: nistSignature(oid), Seed: 32, Public: p.publicSize(), Private: p.privateSize(), Signature: p.signatureSize(),
		expand: mldsaSchemes[p.set].expand,
		public: func(private []byte) ([]byte, error) {
			k, err := p.readPrivate(private)
			if err != nil {
				return nil, err
			}
			return k.public()
		},
	}
}

func mldsaSigner(s *parameterSet, k *Key, hashed bool) (pqSigner, error) {
	value := k.Attr(ck.CKA_VALUE)
	if !hashed {
		return mldsaSchemes[s.Set].signer(value)
	}
	priv, err := mldsaParamsOf(s.Set).readPrivate(value)
	if err != nil {
		return nil, err
	}
	return func(m *pqMessage, hedged bool) ([]byte, error) {
		var rnd [32]byte
		if hedged {
			rand.Read(rnd[:]) // which does not fail
		}
		return priv.sign(priv.representative(m), &rnd), nil
	}, nil
}

func mldsaVerifier(s *parameterSet, k *Key, hashed bool) (pqVerifier, error) {
	value := k.Attr(ck.CKA_VALUE)
	if !hashed {
		return mldsaSchemes[s.Set].verifier(value)
	}
	pub := mldsaParamsOf(s.Set).readPublic(value)
	return func(m *pqMessage, sig []byte) bool { return pub.verify(pub.representative(m), sig) }, nil
}

func mldsaParamsOf(set uint) *mldsaParams {
	return map[uint]*mldsaParams{
		uint(ck.CKP_ML_DSA_44): &mldsaParams44, uint(ck.CKP_ML_DSA_65): &mldsaParams65, uint(ck.CKP_ML_DSA_87): &mldsaParams87,
	}[set]
}
