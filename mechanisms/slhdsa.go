package mechanisms

import (
	"bytes"
	"crypto/rand"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/algorithm/slhdsa"
)

// slhdsaSets are the parameter sets of FIPS 205, and where each stands in NIST's list of signatures.
var slhdsaSets = []struct {
	set uint
	oid int
	*slhdsa.Parameters
}{
	{ck.CKP_SLH_DSA_SHA2_128S, 20, slhdsa.SHA2_128s},
	{ck.CKP_SLH_DSA_SHAKE_128S, 26, slhdsa.SHAKE_128s},
	{ck.CKP_SLH_DSA_SHA2_128F, 21, slhdsa.SHA2_128f},
	{ck.CKP_SLH_DSA_SHAKE_128F, 27, slhdsa.SHAKE_128f},
	{ck.CKP_SLH_DSA_SHA2_192S, 22, slhdsa.SHA2_192s},
	{ck.CKP_SLH_DSA_SHAKE_192S, 28, slhdsa.SHAKE_192s},
	{ck.CKP_SLH_DSA_SHA2_192F, 23, slhdsa.SHA2_192f},
	{ck.CKP_SLH_DSA_SHAKE_192F, 29, slhdsa.SHAKE_192f},
	{ck.CKP_SLH_DSA_SHA2_256S, 24, slhdsa.SHA2_256s},
	{ck.CKP_SLH_DSA_SHAKE_256S, 30, slhdsa.SHAKE_256s},
	{ck.CKP_SLH_DSA_SHA2_256F, 25, slhdsa.SHA2_256f},
	{ck.CKP_SLH_DSA_SHAKE_256F, 31, slhdsa.SHAKE_256f},
}

var slhdsaType = parameterType{keyType: ck.CKK_SLH_DSA, sets: func() (all []*parameterSet) {
	for _, p := range slhdsaSets {
		all = append(all, &parameterSet{
			Name: p.Name(), Set: p.set, OID: nistSignature(p.oid), Seed: p.SeedSize(), Public: p.PublicKeySize(), Private: p.PrivateKeySize(), Signature: p.SignatureSize(),
			expand: p.NewKeys, public: p.PublicKey,
		})
	}
	return all
}()}

var slhdsaPair = slhdsaType.pairType()

// slhdsaFamily is SLH-DSA and HashSLH-DSA: section 6.69.
var slhdsaFamily = pqFamily{
	keys: &slhdsaType, generate: ck.CKM_SLH_DSA_KEY_PAIR_GEN, pure: ck.CKM_SLH_DSA, hashed: ck.CKM_HASH_SLH_DSA,
	mechanism: func(h *preHash) ck.MechanismType { return h.SLHDSA },
	signer: func(s *parameterSet, k *Key, _ bool) (pqSigner, error) {
		p, private := slhdsaParameters(s), bytes.Clone(k.Attr(ck.CKA_VALUE))
		return func(m *pqMessage, hedged bool) ([]byte, error) {
			var random []byte
			if hedged {
				random = make([]byte, p.RandomSize())
				rand.Read(random) // which does not fail
			}
			return p.Sign(private, random, m.prefix(), m.data), nil
		}, nil
	},
	verifier: func(s *parameterSet, k *Key, _ bool) (pqVerifier, error) {
		p, public := slhdsaParameters(s), bytes.Clone(k.Attr(ck.CKA_VALUE))
		return func(m *pqMessage, sig []byte) bool { return p.Verify(public, sig, m.prefix(), m.data) }, nil
	},
}

var slhdsaRows = slhdsaFamily.rows()

func slhdsaParameters(s *parameterSet) *slhdsa.Parameters {
	for _, p := range slhdsaSets {
		if p.set == s.Set {
			return p.Parameters
		}
	}
	return nil
}
