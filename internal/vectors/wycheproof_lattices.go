package vectors

import (
	"fmt"
	"strings"

	"github.com/softcsp/softcsp/ck"
)

// pqKey is a key of ML-KEM or ML-DSA.
func pqKey(class ck.ObjectClass, t ck.KeyType, set uint, attrs ...ck.Attribute) *Key {
	return &Key{Class: class, Type: t, Attributes: append([]ck.Attribute{{Type: ck.CKA_PARAMETER_SET, Value: ck.UlongValue(set)}}, attrs...)}
}

func (s *Suite) parameterSet() (uint, error) {
	set, ok := map[string]uint{
		"mlkem_512": ck.CKP_ML_KEM_512, "mlkem_768": ck.CKP_ML_KEM_768, "mlkem_1024": ck.CKP_ML_KEM_1024,
		"mldsa_44": ck.CKP_ML_DSA_44, "mldsa_65": ck.CKP_ML_DSA_65, "mldsa_87": ck.CKP_ML_DSA_87,
	}[strings.Join(strings.SplitN(s.Name, "_", 3)[:2], "_")]
	if !ok {
		return 0, fmt.Errorf("no parameter set in the name %q", s.Name)
	}
	return set, nil
}

type kemTest struct {
	test
	Seed Hex `json:"seed"`
	EK   Hex `json:"ek"`
	DK   Hex `json:"dk"`
	C    Hex `json:"c"`
	K    Hex `json:"K"`
}

// kem makes a case of each test of a file.
func kem(s *Suite, f func(set uint, t *kemTest) []Case) error {
	set, err := s.parameterSet()
	if err != nil {
		return err
	}
	groups, err := read(s, func(g *tests[kemTest]) []kemTest { return g.Tests })
	for _, g := range groups {
		for i := range g.Tests {
			for _, c := range f(set, &g.Tests[i]) {
				c.At = g.Tests[i].at(s)
				s.add(c)
			}
		}
	}
	return err
}

// badPQKey are the codes of a key that is none.
var badPQKey = []ck.RV{ck.CKR_ATTRIBUTE_VALUE_INVALID, ck.CKR_PUBLIC_KEY_INVALID, ck.CKR_TEMPLATE_INCONSISTENT}

func kemPublic(set uint, ek []byte) *Key {
	return pqKey(ck.CKO_PUBLIC_KEY, ck.CKK_ML_KEM, set, ck.Attribute{Type: ck.CKA_VALUE, Value: ek})
}

func kemDecaps(k *Key, t *kemTest) Case {
	c := Case{Does: Decapsulate, Mechanism: ck.CKM_ML_KEM, Key: k, In: t.C, Out: t.K, Template: sized(ck.CKK_GENERIC_SECRET, 32)}
	if t.invalid() {
		c.Refused = append([]ck.RV{ck.CKR_WRAPPED_KEY_LEN_RANGE, ck.CKR_WRAPPED_KEY_INVALID, ck.CKR_ENCRYPTED_DATA_LEN_RANGE, ck.CKR_ENCRYPTED_DATA_INVALID}, badPQKey...)
	}
	return c
}

// loadMLKEM decapsulates with the key of a seed.
func loadMLKEM(s *Suite) error {
	return kem(s, func(set uint, t *kemTest) []Case {
		return []Case{kemDecaps(pqKey(ck.CKO_PRIVATE_KEY, ck.CKK_ML_KEM, set, ck.Attribute{Type: ck.CKA_SEED, Value: t.Seed}), t)}
	})
}

func loadMLKEMExpanded(s *Suite) error {
	return kem(s, func(set uint, t *kemTest) []Case {
		return []Case{kemDecaps(pqKey(ck.CKO_PRIVATE_KEY, ck.CKK_ML_KEM, set, ck.Attribute{Type: ck.CKA_VALUE, Value: t.DK}), t)}
	})
}

// loadMLKEMKeyGen imports the seed and the key that has to come of it, which have to agree, and the public key.
func loadMLKEMKeyGen(s *Suite) error {
	return kem(s, func(set uint, t *kemTest) []Case {
		return []Case{
			{Does: Import, Key: pqKey(ck.CKO_PRIVATE_KEY, ck.CKK_ML_KEM, set, ck.Attribute{Type: ck.CKA_SEED, Value: t.Seed}, ck.Attribute{Type: ck.CKA_VALUE, Value: t.DK})},
			{Does: Import, Public: kemPublic(set, t.EK)},
		}
	})
}

// loadMLKEMEncaps encapsulates: what comes out is random, and C_EncapsulateKey has no place for the m of the vectors.
func loadMLKEMEncaps(s *Suite) error {
	return kem(s, func(set uint, t *kemTest) []Case {
		c := Case{Does: Encapsulate, Mechanism: ck.CKM_ML_KEM, Public: kemPublic(set, t.EK), NoResult: true, Out: t.C, Template: sized(ck.CKK_GENERIC_SECRET, 32)}
		if t.invalid() {
			c.Refused = badPQKey
		}
		return []Case{c}
	})
}

type mldsaTest struct {
	test
	Msg Hex `json:"msg"`
	Mu  Hex `json:"mu"`
	Ctx Hex `json:"ctx"`
	Sig Hex `json:"sig"`
}

type mldsaGroup struct {
	PublicKey       Hex         `json:"publicKey"`
	PrivateKey      Hex         `json:"privateKey"`
	PrivateSeed     Hex         `json:"privateSeed"`
	PrivateKeyPKCS8 Hex         `json:"privateKeyPkcs8"`
	Tests           []mldsaTest `json:"tests"`
}

// mldsaParam are the fields of a CK_SIGN_ADDITIONAL_CONTEXT. CKH_DETERMINISTIC_REQUIRED makes signatures that can be compared.
func mldsaParam(ctx []byte) []any { return []any{ck.CKH_DETERMINISTIC_REQUIRED, Pointed(ctx)} }

const muOnly = "the test has the hash mu and no message, and PKCS #11 signs messages"

func mldsa(s *Suite, f func(set uint, g *mldsaGroup, t *mldsaTest) []Case) error {
	set, err := s.parameterSet()
	if err != nil {
		return err
	}
	groups, err := read(s, func(g *mldsaGroup) []mldsaTest { return g.Tests })
	for i := range groups {
		for j := range groups[i].Tests {
			t := &groups[i].Tests[j]
			if t.flagged("Internal") {
				s.omit(muOnly)
				continue
			}
			for _, c := range f(set, &groups[i], t) {
				c.At = t.at(s)
				s.add(c)
			}
		}
	}
	return err
}

func loadMLDSAVerify(s *Suite) error {
	return mldsa(s, func(set uint, g *mldsaGroup, t *mldsaTest) []Case {
		c := Case{Does: Verify, Mechanism: ck.CKM_ML_DSA, Param: mldsaParam(t.Ctx), In: t.Msg, Out: t.Sig,
			Public: pqKey(ck.CKO_PUBLIC_KEY, ck.CKK_ML_DSA, set, ck.Attribute{Type: ck.CKA_VALUE, Value: g.PublicKey})}
		if t.invalid() {
			c.Refused = append(append([]ck.RV{ck.CKR_MECHANISM_PARAM_INVALID}, BadSignature...), badPQKey...)
		}
		return []Case{c}
	})
}

// loadMLDSASign signs with the key, and with the one that its PKCS #8 has.
func loadMLDSASign(s *Suite) error {
	return mldsa(s, func(set uint, g *mldsaGroup, t *mldsaTest) (cases []Case) {
		if t.flagged("Randomized") {
			s.omit("the test has the randomness of the signature, and PKCS #11 has no place for that")
			return nil
		}
		c := Case{Does: Sign, Mechanism: ck.CKM_ML_DSA, Param: mldsaParam(t.Ctx), In: t.Msg, Out: t.Sig}
		if t.invalid() {
			c.Refused = append([]ck.RV{ck.CKR_MECHANISM_PARAM_INVALID}, badPQKey...)
		}
		value := ck.Attribute{Type: ck.CKA_VALUE, Value: g.PrivateKey}
		if g.PrivateSeed != nil {
			value = ck.Attribute{Type: ck.CKA_SEED, Value: g.PrivateSeed}
		}
		c.Key = pqKey(ck.CKO_PRIVATE_KEY, ck.CKK_ML_DSA, set, value)
		cases = append(cases, c)
		if len(g.PrivateKeyPKCS8) > 0 && !t.invalid() {
			c.Key = &Key{Class: ck.CKO_PRIVATE_KEY, Type: ck.CKK_ML_DSA, PKCS8: g.PrivateKeyPKCS8}
			cases = append(cases, c)
		}
		return cases
	})
}
