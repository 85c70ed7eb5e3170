package mechanisms

import (
	"encoding/hex"
	"errors"
	"testing"

	"github.com/softcsp/softcsp/ck"
)

// TestSSHData derives the initial IVs, which are data and no keys: the values are OpenSSL's. testdata/openssl.txt has those of keys.
func TestSSHData(t *testing.T) {
	t.Parallel()
	unhex := func(s string) []byte {
		b, err := hex.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	exchange := unhex("0123456789abcdef23456789abcdef010123456789abcdef23456789abcdef01")
	session := unhex("0123456789abcdef23456789abcdef01456789abcdef0123")
	k := secretKey(ck.CKK_GENERIC_SECRET, unhex("000000100123456789abcdef23456789abcdef01"))
	for letter, want := range map[byte]string{'A': "5c3031c65abce6eae9f6c7a50a99fa41887ce375c36ce8f4", 'B': "efd7fa5728be754a87540f42d60b4cea1008dbc035bc62e6"} {
		var d Derived
		p := params(ck.CKM_SHA_1, []byte{letter, 0, 0, 0, 0, 0, 0, 0}, pointed(exchange), pointed(session))
		if err := deriveSSH(&Base{Key: k, Template: length(24)}, &p, &d); err != nil || !d.Data || hex.EncodeToString(d.Value) != want {
			t.Errorf("%c: %x, %v; data: %t", letter, d.Value, err, d.Data)
		}
	}
	for _, letter := range []byte{'@', 'G', 'a', 0} {
		p := params(ck.CKM_SHA_1, []byte{letter, 0, 0, 0, 0, 0, 0, 0}, pointed(exchange), pointed(session))
		if err := deriveSSH(&Base{Key: k, Template: length(24)}, &p, new(Derived)); !errors.Is(err, ck.CKR_MECHANISM_PARAM_INVALID) {
			t.Errorf("%c: %v", letter, err)
		}
	}
}

// TestSSHNumber is RFC 4251, 5: the examples of mpint there that are not negative.
func TestSSHNumber(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{"": "00000000", "0000": "00000000", "09a378f9b2e332a7": "0000000809a378f9b2e332a7", "80": "000000020080"} {
		b, err := hex.DecodeString(value)
		if err != nil {
			t.Fatal(err)
		}
		if got := hex.EncodeToString(sshNumber(b)); got != want {
			t.Errorf("%s: %s, want %s", value, got, want)
		}
	}
}
