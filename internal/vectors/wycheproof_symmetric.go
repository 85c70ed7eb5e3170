package vectors

import (
	"bytes"
	"slices"

	"github.com/softcsp/softcsp/ck"
)

// A symmetricGroup is a group of ciphers and MACs, with the fields of all kinds.
type symmetricGroup struct {
	TagSize int             `json:"tagSize"`
	Tests   []symmetricTest `json:"tests"`
}

type symmetricTest struct {
	test
	Key Hex `json:"key"`
	IV  Hex `json:"iv"`
	AAD Hex `json:"aad"`
	Msg Hex `json:"msg"`
	CT  Hex `json:"ct"`
	Tag Hex `json:"tag"`
}

// symmetric reads a file and makes cases of its tests by f.
func symmetric(s *Suite, f func(g *symmetricGroup, t *symmetricTest) []Case) error {
	groups, err := read(s, func(g *symmetricGroup) []symmetricTest { return g.Tests })
	for i := range groups {
		for j := range groups[i].Tests {
			t := &groups[i].Tests[j]
			for _, c := range f(&groups[i], t) {
				c.At = s.at(t.ID)
				s.add(c)
			}
		}
	}
	return err
}

// cipherCase is both directions of what is valid, and the refusal of what is not.
func cipherCase(m ck.MechanismType, k *Key, t *symmetricTest, param ...any) Case {
	c := Case{Does: Encrypt | Decrypt, Mechanism: m, Key: k, Param: param, In: t.Msg, Out: slices.Concat(t.CT, t.Tag)}
	if t.invalid() {
		c.Does, c.Refused = Decrypt, BadCiphertext
		if t.flagged("ZeroLengthIv") || t.flagged("InvalidNonceSize") || t.flagged("InvalidTagSize") || t.flagged("InsecureTagSize") {
			c.Refused = []ck.RV{ck.CKR_MECHANISM_PARAM_INVALID}
			if len(t.Tag) == 0 { // there is no ciphertext either
				c.Refused = append(c.Refused, ck.CKR_ENCRYPTED_DATA_LEN_RANGE)
			}
		}
	}
	return c
}

func cbcPad(m ck.MechanismType, k ck.KeyType) func(*Suite) error {
	return func(s *Suite) error {
		return symmetric(s, func(_ *symmetricGroup, t *symmetricTest) []Case {
			return []Case{cipherCase(m, Secret(k, t.Key), t, []byte(t.IV))}
		})
	}
}

// loadGCM runs each case with the CK_GCM_PARAMS of today, and with that of 2.30, which lacks ulIvBits.
func loadGCM(s *Suite) error {
	return symmetric(s, func(g *symmetricGroup, t *symmetricTest) []Case {
		k := Secret(ck.CKK_AES, t.Key)
		return []Case{
			cipherCase(ck.CKM_AES_GCM, k, t, Pointed(t.IV), 8*len(t.IV), Pointed(t.AAD), g.TagSize),
			cipherCase(ck.CKM_AES_GCM, k, t, Pointed(t.IV), Pointed(t.AAD), g.TagSize),
		}
	})
}

func loadCCM(s *Suite) error {
	return symmetric(s, func(g *symmetricGroup, t *symmetricTest) []Case {
		return []Case{cipherCase(ck.CKM_AES_CCM, Secret(ck.CKK_AES, t.Key), t, len(t.CT), Pointed(t.IV), Pointed(t.AAD), g.TagSize/8)}
	})
}

// loadChaChaPoly says the length of the nonce in bits and in bytes.
func loadChaChaPoly(s *Suite) error {
	return symmetric(s, func(_ *symmetricGroup, t *symmetricTest) (cases []Case) {
		k := Secret(ck.CKK_CHACHA20, t.Key)
		for _, n := range []int{8 * len(t.IV), len(t.IV)} {
			cases = append(cases, cipherCase(ck.CKM_CHACHA20_POLY1305, k, t, Alone(t.IV), n, Pointed(t.AAD)))
		}
		return cases
	})
}

func loadXTS(s *Suite) error {
	return symmetric(s, func(_ *symmetricGroup, t *symmetricTest) []Case {
		unit := append(bytes.Clone(t.IV), make([]byte, 16)...)[:16]
		c := cipherCase(ck.CKM_AES_XTS, Secret(ck.CKK_AES_XTS, t.Key), t, unit)
		if len(t.Key) == 48 { // SP 800-38E leaves AES-192 out
			c.Does, c.Refused = Encrypt, []ck.RV{ck.CKR_KEY_SIZE_RANGE, ck.CKR_ATTRIBUTE_VALUE_INVALID}
		}
		return []Case{c}
	})
}

// macCase makes a MAC and verifies it, and sees that what is wrong is refused.
func macCase(m ck.MechanismType, k *Key, t *symmetricTest, param ...any) Case {
	c := Case{Does: Sign | Verify, Mechanism: m, Key: k, Param: param, In: t.Msg, Out: t.Tag}
	if t.invalid() {
		c.Does, c.Refused = Verify, BadSignature
		if t.flagged("InvalidKeySize") {
			c.Refused = []ck.RV{ck.CKR_KEY_SIZE_RANGE, ck.CKR_ATTRIBUTE_VALUE_INVALID}
		}
	}
	return c
}

// mac runs MACs: general is the mechanism of those that are cut.
func mac(k ck.KeyType, size int, whole, general ck.MechanismType) func(*Suite) error {
	return func(s *Suite) error {
		return symmetric(s, func(g *symmetricGroup, t *symmetricTest) []Case {
			if g.TagSize == 8*size {
				return []Case{macCase(whole, Secret(k, t.Key), t)}
			}
			return []Case{macCase(general, Secret(k, t.Key), t, g.TagSize/8)}
		})
	}
}

func loadHMAC(s *Suite) error {
	h, err := hashInName(s.Name)
	if err != nil {
		return err
	}
	return mac(ck.CKK_GENERIC_SECRET, h.sum().Size(), h.hmac, h.general)(s)
}

// kmac runs KMAC, whose length is a parameter, without a customization string.
func kmac(m ck.MechanismType) func(*Suite) error {
	return func(s *Suite) error {
		return symmetric(s, func(g *symmetricGroup, t *symmetricTest) []Case {
			return []Case{macCase(m, Secret(ck.CKK_GENERIC_SECRET, t.Key), t, g.TagSize/8, Pointed(nil))}
		})
	}
}

// loadGMAC gives the parameter as a CK_GCM_PARAMS, and as the nonce alone where that is of the usual length.
func loadGMAC(s *Suite) error {
	return symmetric(s, func(g *symmetricGroup, t *symmetricTest) []Case {
		k := Secret(ck.CKK_AES, t.Key)
		cases := []Case{macCase(ck.CKM_AES_GMAC, k, t, Pointed(t.IV), 8*len(t.IV), Pointed(nil), g.TagSize)}
		if len(t.IV) == 12 && g.TagSize == 128 {
			cases = append(cases, macCase(ck.CKM_AES_GMAC, k, t, []byte(t.IV)))
		}
		return cases
	})
}

// keyWrap runs the wrapping of keys. What is merely acceptable is a key of a single semiblock, which RFC 3394 does not have.
func keyWrap(m ck.MechanismType) func(*Suite) error {
	return func(s *Suite) error {
		return symmetric(s, func(_ *symmetricGroup, t *symmetricTest) []Case {
			c := cipherCase(m, Secret(ck.CKK_AES, t.Key), t)
			if t.acceptable() && m == ck.CKM_AES_KEY_WRAP && len(t.Msg) == 8 {
				c.Does, c.Refused = Encrypt, []ck.RV{ck.CKR_DATA_LEN_RANGE}
			}
			return []Case{c}
		})
	}
}
