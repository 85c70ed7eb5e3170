package mechanisms

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/vectors"
)

// A sample is a row with a key and a parameter that it takes.
type sample struct {
	row   *Mechanism
	name  string
	key   *Key
	param func() ck.Param
}

// goodParams are the parameters of the mechanisms that have some, in the notation of the vectors.
var goodParams = map[ck.MechanismType]string{
	ck.CKM_AES_CBC:                   "bytes 000102030405060708090a0b0c0d0e0f",
	ck.CKM_AES_CBC_PAD:               "bytes 000102030405060708090a0b0c0d0e0f",
	ck.CKM_AES_OFB:                   "bytes 000102030405060708090a0b0c0d0e0f",
	ck.CKM_AES_CFB8:                  "bytes 000102030405060708090a0b0c0d0e0f",
	ck.CKM_AES_CFB64:                 "bytes 000102030405060708090a0b0c0d0e0f",
	ck.CKM_AES_CFB128:                "bytes 000102030405060708090a0b0c0d0e0f",
	ck.CKM_AES_CTR:                   "ulong 32, bytes 00010203040506070809000000000000",
	ck.CKM_AES_GCM:                   "pointer 000102030405060708090a0b, ulong 96, pointer 00ff, ulong 128",
	ck.CKM_DES3_CMAC_GENERAL:         "ulong 3",
	ck.CKM_AES_CMAC_GENERAL:          "ulong 7",
	ck.CKM_AES_ECB_ENCRYPT_DATA:      "pointer 000102030405060708090a0b0c0d0e0f000102030405060708090a0b0c0d0e0f",
	ck.CKM_AES_CBC_ENCRYPT_DATA:      "bytes 000102030405060708090a0b0c0d0e0f, pointer 000102030405060708090a0b0c0d0e0f",
	ck.CKM_DES_CBC:                   "bytes 0001020304050607",
	ck.CKM_DES_CBC_PAD:               "bytes 0001020304050607",
	ck.CKM_DES3_CBC:                  "bytes 0001020304050607",
	ck.CKM_DES3_CBC_PAD:              "bytes 0001020304050607",
	ck.CKM_DES_CFB8:                  "bytes 0001020304050607",
	ck.CKM_DES_CFB64:                 "bytes 0001020304050607",
	ck.CKM_DES_OFB64:                 "bytes 0001020304050607",
	ck.CKM_DES_ECB_ENCRYPT_DATA:      "pointer 0001020304050607",
	ck.CKM_DES_CBC_ENCRYPT_DATA:      "bytes 0001020304050607, pointer 0001020304050607",
	ck.CKM_DES3_ECB_ENCRYPT_DATA:     "pointer 0001020304050607",
	ck.CKM_DES3_CBC_ENCRYPT_DATA:     "bytes 0001020304050607, pointer 0001020304050607",
	ck.CKM_AES_CTS:                   "bytes 000102030405060708090a0b0c0d0e0f",
	ck.CKM_AES_XTS:                   "bytes 000102030405060708090a0b0c0d0e0f",
	ck.CKM_AES_CFB1:                  "bytes 000102030405060708090a0b0c0d0e0f",
	ck.CKM_AES_CCM:                   "ulong 64, pointer 000102030405060708090a0b, pointer 00ff, ulong 16",
	ck.CKM_AES_GMAC:                  "bytes 000102030405060708090a0b",
	ck.CKM_AES_MAC_GENERAL:           "ulong 11",
	ck.CKM_DES_OFB8:                  "bytes 0001020304050607",
	ck.CKM_DES_MAC_GENERAL:           "ulong 3",
	ck.CKM_DES3_MAC_GENERAL:          "ulong 8",
	ck.CKM_RC2_MAC:                   "ulong 128",
	ck.CKM_RC2_MAC_GENERAL:           "ulong 128, ulong 5",
	ck.CKM_RC5_MAC:                   "ulong 4, ulong 12",
	ck.CKM_RC5_MAC_GENERAL:           "ulong 8, ulong 12, ulong 15",
	ck.CKM_CHACHA20:                  "alone 01000000, ulong 32, alone 000102030405060708090a0b, ulong 96",
	ck.CKM_SALSA20:                   "alone 0000000000000000, alone 0001020304050607, ulong 64",
	ck.CKM_CHACHA20_POLY1305:         "alone 000102030405060708090a0b, ulong 96, pointer 00ff",
	ck.CKM_BLOWFISH_CBC:              "bytes 0001020304050607",
	ck.CKM_BLOWFISH_CBC_PAD:          "bytes 0001020304050607",
	ck.CKM_TWOFISH_CBC:               "bytes 000102030405060708090a0b0c0d0e0f",
	ck.CKM_TWOFISH_CBC_PAD:           "bytes 000102030405060708090a0b0c0d0e0f",
	ck.CKM_CAST128_CBC:               "bytes 0001020304050607",
	ck.CKM_CAST128_CBC_PAD:           "bytes 0001020304050607",
	ck.CKM_CAST128_MAC_GENERAL:       "ulong 5",
	ck.CKM_CAMELLIA_CBC:              "bytes 000102030405060708090a0b0c0d0e0f",
	ck.CKM_CAMELLIA_CBC_PAD:          "bytes 000102030405060708090a0b0c0d0e0f",
	ck.CKM_CAMELLIA_MAC_GENERAL:      "ulong 5",
	ck.CKM_CAMELLIA_ECB_ENCRYPT_DATA: "pointer 000102030405060708090a0b0c0d0e0f",
	ck.CKM_CAMELLIA_CBC_ENCRYPT_DATA: "bytes 000102030405060708090a0b0c0d0e0f, pointer 000102030405060708090a0b0c0d0e0f",
	ck.CKM_SEED_CBC:                  "bytes 000102030405060708090a0b0c0d0e0f",
	ck.CKM_SEED_CBC_PAD:              "bytes 000102030405060708090a0b0c0d0e0f",
	ck.CKM_SEED_MAC_GENERAL:          "ulong 5",
	ck.CKM_SEED_ECB_ENCRYPT_DATA:     "pointer 000102030405060708090a0b0c0d0e0f",
	ck.CKM_SEED_CBC_ENCRYPT_DATA:     "bytes 000102030405060708090a0b0c0d0e0f, pointer 000102030405060708090a0b0c0d0e0f",
	ck.CKM_ARIA_CBC:                  "bytes 000102030405060708090a0b0c0d0e0f",
	ck.CKM_ARIA_CBC_PAD:              "bytes 000102030405060708090a0b0c0d0e0f",
	ck.CKM_ARIA_MAC_GENERAL:          "ulong 5",
	ck.CKM_ARIA_ECB_ENCRYPT_DATA:     "pointer 000102030405060708090a0b0c0d0e0f",
	ck.CKM_ARIA_CBC_ENCRYPT_DATA:     "bytes 000102030405060708090a0b0c0d0e0f, pointer 000102030405060708090a0b0c0d0e0f",
	ck.CKM_IDEA_CBC:                  "bytes 0001020304050607",
	ck.CKM_IDEA_CBC_PAD:              "bytes 0001020304050607",
	ck.CKM_IDEA_MAC_GENERAL:          "ulong 5",
	ck.CKM_CAMELLIA_CTR:              "ulong 32, bytes 00010203040506070809000000000000",
	ck.CKM_SOFTCSP_KMAC128:           "ulong 32, pointer 000102",
	ck.CKM_SOFTCSP_KMAC256:           "ulong 100, pointer 000102",
	ck.CKM_SOFTCSP_SSHKDF_DERIVE:     "ulong 592, bytes 4300000000000000, pointer 000102, pointer 0304",
	ck.CKM_CDMF_CBC:                  "bytes 0001020304050607",
	ck.CKM_CDMF_CBC_PAD:              "bytes 0001020304050607",
	ck.CKM_CDMF_MAC_GENERAL:          "ulong 5",
	ck.CKM_SHA512_T:                  "ulong 256",
	ck.CKM_SHA512_T_HMAC:             "ulong 200",
	ck.CKM_RC2_ECB:                   "ulong 128",
	ck.CKM_RC2_CBC:                   "ulong 128, bytes 0001020304050607",
	ck.CKM_RC2_CBC_PAD:               "ulong 128, bytes 0001020304050607",
	ck.CKM_SOFTCSP_RC2_CFB8:          "ulong 128, bytes 0001020304050607",
	ck.CKM_RC5_ECB:                   "ulong 4, ulong 12",
	ck.CKM_RC5_CBC:                   "ulong 4, ulong 12, pointer 0001020304050607",
	ck.CKM_RC5_CBC_PAD:               "ulong 8, ulong 20, pointer 000102030405060708090a0b0c0d0e0f",
	ck.CKM_CONCATENATE_BASE_AND_DATA: "pointer 00010203",
	ck.CKM_CONCATENATE_DATA_AND_BASE: "pointer 00010203",
	ck.CKM_XOR_BASE_AND_DATA:         "pointer 000102030405060708090a0b0c0d0e0f",
	ck.CKM_EXTRACT_KEY_FROM_KEY:      "ulong 13",
}

// ofPairs reports whether a row makes or takes key pairs or their parameters, which have tests of their own.
func ofPairs(m *Mechanism) bool {
	return m.GeneratePair != nil || m.GenerateDomain != nil || len(m.Keys) > 0 && findPairType(m.Keys[0]) != nil
}

// samples makes a sample of each row and each type of secret key that it takes. CryptDeriveKey has tests of its own.
func samples(t testing.TB) (all []sample) {
	for i := range table {
		m := &table[i]
		if m.FromDigest || ofPairs(m) || m.Type == ck.CKM_HOTP {
			continue
		}
		text, ok := goodParams[m.Type]
		if !ok && isGeneral(m.Type) {
			text = "ulong 9"
		}
		fields, err := vectors.ParamFields(text)
		if err != nil {
			t.Fatal(err)
		}
		if rich, ok := richParams[m.Type]; ok {
			fields = rich
		}
		param := func() ck.Param { return params(fields...) }
		if len(m.Keys) == 0 {
			all = append(all, sample{m, m.Type.String(), nil, param})
		}
		for _, kt := range m.Keys {
			n, fixed := Size(kt)
			if !fixed {
				n = keyLen(kt)
			}
			if ownSize[m.Type] != 0 {
				n = masterSize
			}
			name := fmt.Sprintf("%v/%v", m.Type, kt)
			all = append(all, sample{m, name, secretKey(kt, pattern(int(n))), param})
		}
	}
	if len(all) < len(table) {
		t.Fatalf("%d samples of %d rows", len(all), len(table))
	}
	return all
}

// keyLen is the length in bytes of the keys that the tests take for a type that has several.
func keyLen(t ck.KeyType) uint { return max(16, findKeyType(t).Min) }

// sized returns the parameter for n bytes of data: that of CCM tells how many there are.
func (s *sample) sized(n int) ck.Param {
	p := s.param()
	if s.row.Type == ck.CKM_AES_CCM {
		binary.NativeEndian.PutUint64(bytesOf(p), uint64(n))
	}
	return p
}

// beginSized is begin with the parameter for n bytes of plaintext.
func (s *sample) beginSized(t testing.TB, b beginFunc, n int) Cipher {
	t.Helper()
	p := s.sized(n)
	c, err := b(s.key, &p)
	if err != nil {
		t.Fatalf("%s: %v", s.name, err)
	}
	return c
}

func isGeneral(m ck.MechanismType) bool {
	for _, h := range hashes {
		if h.HMACGeneral != 0 && h.HMACGeneral == m {
			return true
		}
	}
	return false
}

func (s *sample) begin(t testing.TB, b beginFunc) Cipher {
	t.Helper()
	p := s.param()
	c, err := b(s.key, &p)
	if err != nil {
		t.Fatalf("%s: %v", s.name, err)
	}
	return c
}
