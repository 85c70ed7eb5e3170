package mechanisms

import (
	"bytes"
	"crypto/rand"
	"crypto/subtle"
	"errors"

	"github.com/softcsp/softcsp/ck"
)

// slhSets are the parameter sets of FIPS 205.
var slhSets = []*slhParams{
	{"SHA2-128s", uint(ck.CKP_SLH_DSA_SHA2_128S), 20, false, 16, 7, 9, 12, 14},
	{"SHAKE-128s", uint(ck.CKP_SLH_DSA_SHAKE_128S), 26, true, 16, 7, 9, 12, 14},
	{"SHA2-128f", uint(ck.CKP_SLH_DSA_SHA2_128F), 21, false, 16, 22, 3, 6, 33},
	{"SHAKE-128f", uint(ck.CKP_SLH_DSA_SHAKE_128F), 27, true, 16, 22, 3, 6, 33},
	{"SHA2-192s", uint(ck.CKP_SLH_DSA_SHA2_192S), 22, false, 24, 7, 9, 14, 17},
	{"SHAKE-192s", uint(ck.CKP_SLH_DSA_SHAKE_192S), 28, true, 24, 7, 9, 14, 17},
	{"SHA2-192f", uint(ck.CKP_SLH_DSA_SHA2_192F), 23, false, 24, 22, 3, 8, 33},
	{"SHAKE-192f", uint(ck.CKP_SLH_DSA_SHAKE_192F), 29, true, 24, 22, 3, 8, 33},
	{"SHA2-256s", uint(ck.CKP_SLH_DSA_SHA2_256S), 24, false, 32, 8, 8, 14, 22},
	{"SHAKE-256s", uint(ck.CKP_SLH_DSA_SHAKE_256S), 30, true, 32, 8, 8, 14, 22},
	{"SHA2-256f", uint(ck.CKP_SLH_DSA_SHA2_256F), 25, false, 32, 17, 4, 9, 35},
	{"SHAKE-256f", uint(ck.CKP_SLH_DSA_SHAKE_256F), 31, true, 32, 17, 4, 9, 35},
}

var slhdsaType = parameterType{keyType: ck.CKK_SLH_DSA, sets: func() (all []*parameterSet) {
	for _, p := range slhSets {
		all = append(all, p.parameterSet())
	}
	return all
}()}

var slhdsaPair = slhdsaType.pair()

// slhdsaFamily is SLH-DSA and HashSLH-DSA: section 6.69. It is written here, as libraries sign no digests.
var slhdsaFamily = pqFamily{
	keys: &slhdsaType, generate: ck.CKM_SLH_DSA_KEY_PAIR_GEN, pure: ck.CKM_SLH_DSA, hashed: ck.CKM_HASH_SLH_DSA,
	hashing: func(h *preHash) ck.MechanismType { return h.SLHDSA },
	signer: func(s *parameterSet, k *Key, _ bool) (pqSigner, error) {
		p, private := slhParamsOf(s), bytes.Clone(k.Attr(ck.CKA_VALUE))
		return func(m *pqMessage, hedged bool) ([]byte, error) {
			random := bytes.Clone(private[2*p.n : 3*p.n])
			if hedged {
				rand.Read(random) // which does not fail
			}
			return p.sign(private, random, m.prefix(), m.data), nil
		}, nil
	},
	verifier: func(s *parameterSet, k *Key, _ bool) (pqVerifier, error) {
		p, public := slhParamsOf(s), bytes.Clone(k.Attr(ck.CKA_VALUE))
		return func(m *pqMessage, sig []byte) bool { return p.verify(public, sig, m.prefix(), m.data) }, nil
	},
}

var slhdsaRows = slhdsaFamily.rows()

func slhParamsOf(s *parameterSet) *slhParams {
	for _, p := range slhSets {
		if p.set == s.Set {
			return p
		}
	}
	return nil
}

// errNotSLHDSA is the error of a private key whose root is of another.
var errNotSLHDSA = errors.New("no private key of SLH-DSA")

func (p *slhParams) parameterSet() *parameterSet {
	return &parameterSet{
		Name: p.name, Set: p.set, OID: nistSignature(p.oid), Seed: 3 * p.n, Public: 2 * p.n, Private: 4 * p.n, Signature: p.signatureSize(),
		expand: p.expand,
		public: func(private []byte) ([]byte, error) {
			public, _ := p.expand(private[:3*p.n])
			if subtle.ConstantTimeCompare(public, private[2*p.n:]) != 1 {
				return nil, errNotSLHDSA
			}
			return public, nil
		},
	}
}
