package vectors

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/softcsp/softcsp/ck"
)

var hashInNameRE = regexp.MustCompile(`sha(3_|512_)?(\d+)`)

// hashInName finds the hash that the name of a file says: hmac_sha3_256, pbkdf2_hmacsha1.
func hashInName(name string) (*hashNames, error) {
	m := hashInNameRE.FindStringSubmatch(name)
	switch {
	case m == nil:
		return nil, fmt.Errorf("no hash in the name %q", name)
	case m[1] == "3_":
		return hashNamed("SHA3-" + m[2])
	case m[1] != "":
		return hashNamed("SHA-512/" + m[2])
	}
	return hashNamed("SHA-" + m[2])
}

// HKDFParam are the fields of a CK_HKDF_PARAMS with the salt as data.
func HKDFParam(hash ck.MechanismType, salt, info []byte) []any {
	return []any{[]byte{1}, []byte{1}, make([]byte, 6), hash, uint(ck.CKF_HKDF_SALT_DATA), Pointed(salt), 0, Pointed(info)}
}

type hkdfTest struct {
	test
	IKM  Hex `json:"ikm"`
	Salt Hex `json:"salt"`
	Info Hex `json:"info"`
	Size int `json:"size"`
	OKM  Hex `json:"okm"`
}

// loadHKDF derives keys, and data.
func loadHKDF(s *Suite) error {
	h, err := hashInName(s.Name)
	if err != nil {
		return err
	}
	groups, err := read(s, func(g *tests[hkdfTest]) []hkdfTest { return g.Tests })
	for _, g := range groups {
		for _, t := range g.Tests {
			s.hkdf(h, t.at(s), t)
		}
	}
	return err
}

func (t *test) at(s *Suite) string { return s.at(t.ID) }

func (s *Suite) hkdf(h *hashNames, at string, t hkdfTest) {
	c := Case{At: at, Does: Derive, Mechanism: ck.CKM_HKDF_DERIVE, Key: Secret(ck.CKK_HKDF, t.IKM), Out: t.OKM,
		Param: HKDFParam(h.digest, t.Salt, t.Info), Template: sized(ck.CKK_GENERIC_SECRET, t.Size)}
	if t.invalid() {
		c.Refused = []ck.RV{ck.CKR_KEY_SIZE_RANGE}
	}
	s.add(c)
	c.Mechanism = ck.CKM_HKDF_DATA
	c.Template = []ck.Attribute{{Type: ck.CKA_CLASS, Value: ck.UlongValue(uint(ck.CKO_DATA))}, {Type: ck.CKA_VALUE_LEN, Value: ck.UlongValue(uint(t.Size))}}
	s.add(c)
}

type passwordTest struct {
	test
	Password   Hex `json:"password"`
	Salt       Hex `json:"salt"`
	Iterations int `json:"iterationCount"`
	Size       int `json:"dkLen"`
	Key        Hex `json:"dk"`
	IV         Hex `json:"iv"`
	Msg        Hex `json:"msg"`
	CT         Hex `json:"ct"`
}

// pbkdf2Case generates a key, with a CK_PKCS5_PBKD2_PARAMS2.
func pbkdf2Case(h *hashNames, k ck.KeyType, t *passwordTest, size int) Case {
	return Case{Does: Generate, Mechanism: ck.CKM_PKCS5_PBKD2, Template: sized(k, size), Out: t.Key,
		Param: []any{ck.CKZ_SALT_SPECIFIED, Pointed(t.Salt), t.Iterations, h.prf, Pointed(nil), Pointed(t.Password)}}
}

// older makes the parameter a CK_PKCS5_PBKD2_PARAMS, which points to the length of the password.
func older(c Case, password []byte) Case {
	c.Param = append(c.Param[:len(c.Param)-1:len(c.Param)-1], Alone(password), Structs{len(password)})
	return c
}

// longPBKDF2 is how many iterations are taken once only.
const longPBKDF2 = 1 << 20

func loadPBKDF2(s *Suite) error {
	h, err := hashInName(s.Name)
	if err != nil {
		return err
	}
	groups, err := read(s, func(g *tests[passwordTest]) []passwordTest { return g.Tests })
	for _, g := range groups {
		for i := range g.Tests {
			t := &g.Tests[i]
			c := pbkdf2Case(h, ck.CKK_GENERIC_SECRET, t, t.Size)
			c.At = t.at(s)
			s.add(c)
			if t.Iterations <= longPBKDF2 {
				s.add(older(c, t.Password))
			}
		}
	}
	return err
}

// loadPBES2 makes the key of a password, and encrypts with it: PBES2 (RFC 8018, section 6.2) in the two steps that PKCS #11
// has for it.
func loadPBES2(s *Suite) error {
	h, err := hashInName(s.Name)
	if err != nil {
		return err
	}
	size := map[string]int{"128": 16, "192": 24, "256": 32}[strings.TrimSuffix(s.Name, "_test.json")[len(s.Name)-len("128_test.json"):]]
	groups, err := read(s, func(g *tests[passwordTest]) []passwordTest { return g.Tests })
	for _, g := range groups {
		for i := range g.Tests {
			t := &g.Tests[i]
			from := pbkdf2Case(h, ck.CKK_AES, t, size)
			from.NoResult = true
			k := &Key{Class: ck.CKO_SECRET_KEY, Type: ck.CKK_AES, From: &from}
			s.add(Case{At: t.at(s), Does: Encrypt | Decrypt, Mechanism: ck.CKM_AES_CBC_PAD, Key: k, Param: []any{[]byte(t.IV)}, In: t.Msg, Out: t.CT})
		}
	}
	return err
}
