package mechanisms

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/vectors"
)

// A group is a group of tests of Project Wycheproof, with the fields of all kinds.
type group struct {
	TagSize int `json:"tagSize"`
	Tests   []struct {
		ID      int         `json:"tcId"`
		Comment string      `json:"comment"`
		Key     vectors.Hex `json:"key"`
		IV      vectors.Hex `json:"iv"`
		AAD     vectors.Hex `json:"aad"`
		Msg     vectors.Hex `json:"msg"`
		CT      vectors.Hex `json:"ct"`
		Tag     vectors.Hex `json:"tag"`
		Result  string      `json:"result"`
	} `json:"tests"`
}

func runWycheproof(t *testing.T, seen tried) {
	for _, f := range []struct {
		name string
		m    ck.MechanismType
		// general is the mechanism for tags that are cut.
		general ck.MechanismType
	}{
		{"aes_cbc_pkcs5_test.json", ck.CKM_AES_CBC_PAD, 0},
		{"aria_cbc_pkcs5_test.json", ck.CKM_ARIA_CBC_PAD, 0},
		{"camellia_cbc_pkcs5_test.json", ck.CKM_CAMELLIA_CBC_PAD, 0},
		{"aes_gcm_test.json", ck.CKM_AES_GCM, 0},
		{"aes_wrap_test.json", ck.CKM_AES_KEY_WRAP, 0},
		{"aes_kwp_test.json", ck.CKM_AES_KEY_WRAP_KWP, 0},
		{"aes_ccm_test.json", ck.CKM_AES_CCM, 0},
		{"aes_xts_test.json", ck.CKM_AES_XTS, 0},
		{"chacha20_poly1305_test.json", ck.CKM_CHACHA20_POLY1305, 0},
		{"xchacha20_poly1305_test.json", ck.CKM_CHACHA20_POLY1305, 0},
		{"aes_gmac_test.json", ck.CKM_AES_GMAC, 0},
		{"aes_cmac_test.json", ck.CKM_AES_CMAC, ck.CKM_AES_CMAC_GENERAL},
		{"hmac_sha1_test.json", ck.CKM_SHA_1_HMAC, ck.CKM_SHA_1_HMAC_GENERAL},
		{"hmac_sha224_test.json", ck.CKM_SHA224_HMAC, ck.CKM_SHA224_HMAC_GENERAL},
		{"hmac_sha256_test.json", ck.CKM_SHA256_HMAC, ck.CKM_SHA256_HMAC_GENERAL},
		{"hmac_sha384_test.json", ck.CKM_SHA384_HMAC, ck.CKM_SHA384_HMAC_GENERAL},
		{"hmac_sha512_test.json", ck.CKM_SHA512_HMAC, ck.CKM_SHA512_HMAC_GENERAL},
		{"hmac_sha512_224_test.json", ck.CKM_SHA512_224_HMAC, ck.CKM_SHA512_224_HMAC_GENERAL},
		{"hmac_sha512_256_test.json", ck.CKM_SHA512_256_HMAC, ck.CKM_SHA512_256_HMAC_GENERAL},
		{"hmac_sha3_224_test.json", ck.CKM_SHA3_224_HMAC, ck.CKM_SHA3_224_HMAC_GENERAL},
		{"hmac_sha3_256_test.json", ck.CKM_SHA3_256_HMAC, ck.CKM_SHA3_256_HMAC_GENERAL},
		{"hmac_sha3_384_test.json", ck.CKM_SHA3_384_HMAC, ck.CKM_SHA3_384_HMAC_GENERAL},
		{"hmac_sha3_512_test.json", ck.CKM_SHA3_512_HMAC, ck.CKM_SHA3_512_HMAC_GENERAL},
	} {
		groups, err := vectors.Wycheproof(f.name, func(g *group) int { return len(g.Tests) })
		if err != nil {
			t.Fatal(err)
		}
		valid, invalid := 0, 0
		for i := range groups {
			for j := range groups[i].Tests {
				m := f.m
				if full := macSize(m); full != 0 && groups[i].TagSize != 8*full {
					m = f.general
				}
				seen[m]++
				c := &groups[i].Tests[j]
				if err := runCase(Lookup(m), &groups[i], j); err != nil {
					t.Errorf("%s %d (%s, %s): %v", f.name, c.ID, c.Comment, c.Result, err)
				}
				if c.Result == "invalid" {
					invalid++
				} else {
					valid++
				}
			}
		}
		t.Logf("%s: %d valid, %d invalid", f.name, valid, invalid)
	}
}

// macSize is the length in bytes of the whole of a MAC, 0 for what is no MAC.
func macSize(m ck.MechanismType) int {
	if m == ck.CKM_AES_CMAC {
		return aesBlock
	}
	for _, h := range hashes {
		if h.HMAC == m {
			return h.Size
		}
	}
	return 0
}

// runCase runs a test. What is invalid has to be refused; what is merely acceptable has to work,
// unless it is shorter than the standard allows.
func runCase(m *Mechanism, g *group, i int) error {
	c := &g.Tests[i]
	param := func(fields ...any) func() *ck.Param {
		return func() *ck.Param { p := params(fields...); return &p }
	}
	k := secretKey(m.Keys[0], c.Key)
	var err error
	switch m.Type {
	case ck.CKM_AES_CBC_PAD, ck.CKM_ARIA_CBC_PAD, ck.CKM_CAMELLIA_CBC_PAD:
		err = cipherCase(m, k, param([]byte(c.IV)), c.Msg, c.CT, c.Result == "invalid")
	case ck.CKM_AES_GCM:
		p := param(pointed(c.IV), 8*len(c.IV), pointed(c.AAD), g.TagSize)
		if c.Result != "invalid" {
			p40 := param(pointed(c.IV), pointed(c.AAD), g.TagSize)
			if err := cipherCase(m, k, p40, c.Msg, append(bytes.Clone(c.CT), c.Tag...), false); err != nil {
				return fmt.Errorf("without ulIvBits: %w", err)
			}
		}
		err = cipherCase(m, k, p, c.Msg, append(bytes.Clone(c.CT), c.Tag...), c.Result == "invalid")
	case ck.CKM_AES_CCM:
		p := param(len(c.CT), pointed(c.IV), pointed(c.AAD), g.TagSize/8)
		err = cipherCase(m, k, p, c.Msg, append(bytes.Clone(c.CT), c.Tag...), c.Result == "invalid")
	case ck.CKM_CHACHA20_POLY1305:
		for _, n := range []int{8 * len(c.IV), len(c.IV)} { // in bits and in bytes
			p := param(alone(c.IV), n, pointed(c.AAD))
			err = errors.Join(err, cipherCase(m, k, p, c.Msg, append(bytes.Clone(c.CT), c.Tag...), c.Result == "invalid"))
		}
	case ck.CKM_AES_XTS:
		unit := append(bytes.Clone(c.IV), make([]byte, aesBlock)...)[:aesBlock]
		if len(c.Key) == 48 { // AES-192 has no XTS
			if _, err := m.Encrypt(k, param(unit)()); err != ck.CKR_KEY_SIZE_RANGE {
				return fmt.Errorf("takes a key of 48 bytes: %v", err)
			}
			return nil
		}
		err = cipherCase(m, k, param(unit), c.Msg, c.CT, c.Result == "invalid")
	case ck.CKM_AES_GMAC:
		p := param(pointed(c.IV), 8*len(c.IV), pointed(nil), g.TagSize)
		err = macCase(m, k, p, c.Msg, c.Tag, c.Result == "invalid")
		if len(c.IV) == gcmNonce {
			err = errors.Join(err, macCase(m, k, param([]byte(c.IV)), c.Msg, c.Tag, c.Result == "invalid"))
		}
	case ck.CKM_AES_KEY_WRAP, ck.CKM_AES_KEY_WRAP_KWP:
		if c.Result == "acceptable" && len(c.Msg) == semiblock { // RFC 3394 begins at two
			if _, err := whole(m.Encrypt, k, param()(), c.Msg); err != ck.CKR_DATA_LEN_RANGE {
				return fmt.Errorf("wraps a single semiblock: %v", err)
			}
			return nil
		}
		err = cipherCase(m, k, param(), c.Msg, c.CT, c.Result == "invalid")
	default:
		p := param()
		if macSize(m.Type) == 0 {
			p = param(g.TagSize / 8)
		}
		err = macCase(m, k, p, c.Msg, c.Tag, c.Result == "invalid")
	}
	return err
}

func cipherCase(m *Mechanism, k *Key, param func() *ck.Param, plain, cipher []byte, invalid bool) error {
	if !invalid {
		return checkCipher(m, k, param, plain, cipher)
	}
	got, err := whole(m.Decrypt, k, param(), cipher)
	for _, want := range []error{ck.CKR_ENCRYPTED_DATA_INVALID, ck.CKR_ENCRYPTED_DATA_LEN_RANGE, ck.CKR_MECHANISM_PARAM_INVALID} {
		if err == want {
			return nil
		}
	}
	return fmt.Errorf("decrypts to %x, %v", got, err)
}

func macCase(m *Mechanism, k *Key, param func() *ck.Param, data, tag []byte, invalid bool) error {
	if !invalid {
		return checkMAC(m, k, param, data, tag)
	}
	v, err := m.Verify(k, param())
	if errors.Is(err, ck.CKR_KEY_SIZE_RANGE) {
		return nil
	}
	if err == nil {
		err = v.Update(data)
	}
	if err != nil {
		return err
	}
	if err := v.Verify(tag); err != ck.CKR_SIGNATURE_INVALID && err != ck.CKR_SIGNATURE_LEN_RANGE {
		return fmt.Errorf("verifying %x: %v", tag, err)
	}
	return nil
}
