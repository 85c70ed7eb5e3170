package mechanisms

import (
	"bytes"
	"encoding/hex"
	"math/bits"
	"testing"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/algorithm/parity"
)

func TestValidValue(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		t         ck.KeyType
		good, bad []int
	}{
		{ck.CKK_AES, []int{16, 24, 32}, []int{0, 8, 15, 17, 20, 33, 40}},
		{ck.CKK_DES, []int{8}, []int{0, 7, 9, 16}},
		{ck.CKK_DES2, []int{16}, []int{8, 15, 24}},
		{ck.CKK_DES3, []int{24}, []int{8, 16, 32}},
		{ck.CKK_RC2, []int{1, 5, 16, 128}, []int{0, 129}},
		{ck.CKK_RC4, []int{1, 5, 16, 256}, []int{0, 257}},
		{ck.CKK_RC5, []int{0, 1, 255}, []int{256}},
		{ck.CKK_BLOWFISH, []int{1, 16, 56}, []int{0, 57}},
		{ck.CKK_TWOFISH, []int{16, 24, 32}, []int{0, 8, 17, 40}},
		{ck.CKK_CAST128, []int{16}, []int{0, 5, 10, 15, 17}},
		{ck.CKK_CHACHA20, []int{32}, []int{0, 16, 31, 33}},
		{ck.CKK_AES_XTS, []int{32, 64}, []int{0, 16, 48, 63, 96}},
		{ck.CKK_BLAKE2B_160_HMAC, []int{1, 64}, []int{0, 65}},
		{ck.CKK_GENERIC_SECRET, []int{1, 20, maxSecret}, []int{0, maxSecret + 1}},
		{ck.CKK_SHA256_HMAC, []int{1, 32, 200}, []int{0}},
	} {
		for _, n := range c.good {
			if err := ValidValue(c.t, make([]byte, n)); err != nil {
				t.Errorf("%v of %d bytes: %v", c.t, n, err)
			}
		}
		for _, n := range c.bad {
			if err := ValidValue(c.t, make([]byte, n)); err != ck.CKR_ATTRIBUTE_VALUE_INVALID {
				t.Errorf("%v of %d bytes: %v", c.t, n, err)
			}
		}
	}
	if err := ValidValue(ck.CKK_RSA, make([]byte, 8)); err != ck.CKR_TEMPLATE_INCONSISTENT {
		t.Errorf("the value of an RSA key: %v", err)
	}
}

func TestCheckValue(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		t           ck.KeyType
		value, want string
	}{
		{ck.CKK_AES, "00000000000000000000000000000000", "66e94b"}, // FIPS 197's cipher of a zero block
		{ck.CKK_DES, "0123456789abcdef", "d5d44f"},
		{ck.CKK_DES2, "0123456789abcdef0123456789abcdef", "d5d44f"},
		{ck.CKK_DES3, "0123456789abcdef0123456789abcdef0123456789abcdef", "d5d44f"},
		{ck.CKK_RC2, "88bca90e90875a7f0f79c384627bafb2", "226955"}, // RFC 2268, 5
		{ck.CKK_GENERIC_SECRET, "616263", "a9993e"},                // SHA-1 of "abc"
		{ck.CKK_RC4, "616263", "a9993e"},
		{ck.CKK_RC5, "616263", "a9993e"},
		{ck.CKK_SHA256_HMAC, "616263", "a9993e"},
		{ck.CKK_TWOFISH, "00000000000000000000000000000000", "9f589f"},
		{ck.CKK_CAST128, "0123456712345678234567893456789a", "35d121"},
		{ck.CKK_CHACHA20, "6162636465666768696a6b6c6d6e6f707172737475767778797a303132333435", "a3eb15"},
		{ck.CKK_AES, "00", ""},
		{ck.CKK_RSA, "00", ""},
	} {
		value, err := hex.DecodeString(c.value)
		if err != nil {
			t.Fatal(err)
		}
		if got := hex.EncodeToString(CheckValue(c.t, value)); got != c.want {
			t.Errorf("%v %s: %s, want %s", c.t, c.value, got, c.want)
		}
	}
}

func TestParity(t *testing.T) {
	t.Parallel()
	for _, kt := range secretKeys {
		value := pattern(256)
		FixParity(kt, value)
		switch kt {
		case ck.CKK_DES, ck.CKK_DES2, ck.CKK_DES3, ck.CKK_CDMF:
			for i, b := range value {
				if bits.OnesCount8(b)%2 != 1 || b>>1 != pattern(256)[i]>>1 {
					t.Errorf("%v: %02x becomes %02x", kt, pattern(256)[i], b)
				}
			}
		default:
			if !bytes.Equal(value, pattern(256)) {
				t.Errorf("%v has parity", kt)
			}
		}
	}
}

// TestWeakDES draws weak keys, which are not taken, and then a good one.
func TestWeakDES(t *testing.T) {
	t.Parallel()
	good := []byte("\x01\x23\x45\x67\x89\xab\xcd\xef\xfe\xdc\xba\x98\x76\x54\x32\x10\x02\x46\x8a\xce\x13\x57\x9b\xdf")
	for _, c := range []struct {
		m    ck.MechanismType
		weak [][]byte
	}{
		{ck.CKM_DES_KEY_GEN, [][]byte{make([]byte, 8), bytes.Repeat([]byte{0xff}, 8), []byte("\xe0\x1f\xe0\x1f\xf1\x0e\xf1\x0e")}},
		{ck.CKM_DES2_KEY_GEN, [][]byte{append(bytes.Clone(good[:8]), good[:8]...), append(bytes.Clone(good[:8]), make([]byte, 8)...)}},
		{ck.CKM_DES3_KEY_GEN, [][]byte{append(bytes.Clone(good[:16]), good[:8]...), append(bytes.Clone(good[:16]), good[8:16]...)}},
	} {
		row := Lookup(c.m)
		n, _ := Size(row.Makes)
		want := bytes.Clone(good[:n])
		parity.SetOdd(want)
		var p ck.Param
		got, err := row.Generate(bytes.NewReader(append(bytes.Join(c.weak, nil), good[:n]...)), &p, 0)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%v: %x, %v", c.m, got, err)
		}
		if _, err := row.Generate(zeros{}, &p, 0); err == nil {
			t.Errorf("%v makes a key of zeros", c.m)
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
