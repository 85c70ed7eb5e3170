package mechanisms

import (
	"bytes"
	"errors"
	"os"
	"testing"

	"github.com/softcsp/softcsp/ck"
)

// TestGroupKeys compares with the encodings that OpenSSL makes, and tries keys that are none.
func TestGroupKeys(t *testing.T) {
	t.Parallel()
	for kt, name := range map[ck.KeyType]string{ck.CKK_DSA: "dsa", ck.CKK_DH: "dh", ck.CKK_X9_42_DH: "x942"} {
		value, err := os.ReadFile("testdata/groups/" + name + ".der")
		if err != nil {
			t.Fatal(err)
		}
		spki, err := os.ReadFile("testdata/groups/" + name + ".pub.der")
		if err != nil {
			t.Fatal(err)
		}
		attrs, err := UnmarshalPrivate(kt, value)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, err := MarshalPrivate(pairKey(ck.CKO_PRIVATE_KEY, kt, attrs))
		again, err2 := UnmarshalPrivate(kt, got)
		if err := errors.Join(err, err2); err != nil || len(again) != len(attrs) || !bytes.Equal(got, value) {
			t.Errorf("%s marshalled: %v\n%x, want\n%x", name, err, got, value)
		}
		added, err := Complete(ck.CKO_PRIVATE_KEY, kt, values(attrs))
		if info := findAttr(added, ck.CKA_PUBLIC_KEY_INFO); err != nil || !bytes.Equal(info, spki) {
			t.Errorf("%s: %v\n%x, want\n%x", name, err, info, spki)
		}
		for n := range value {
			if _, err := UnmarshalPrivate(kt, value[:n]); !errors.Is(err, ck.CKR_WRAPPED_KEY_INVALID) {
				t.Errorf("%s cut at %d: %v", name, n, err)
			}
		}
		if _, err := UnmarshalPrivate(ck.CKK_RSA, value); !errors.Is(err, ck.CKR_WRAPPED_KEY_INVALID) {
			t.Errorf("%s as an RSA key: %v", name, err)
		}
		prime := findAttr(attrs, ck.CKA_PRIME)
		even := append(bytes.Clone(prime[:len(prime)-1]), prime[len(prime)-1]&^1)
		for _, class := range []ck.ObjectClass{ck.CKO_PUBLIC_KEY, ck.CKO_PRIVATE_KEY} {
			for what, bad := range map[string]ck.Attribute{
				"no prime": {Type: ck.CKA_PRIME}, "an even prime": {Type: ck.CKA_PRIME, Value: even}, "a short prime": {Type: ck.CKA_PRIME, Value: []byte{23}},
				"base 1": {Type: ck.CKA_BASE, Value: []byte{1}}, "a large base": {Type: ck.CKA_BASE, Value: prime}, "no base": {Type: ck.CKA_BASE},
				"subprime 7": {Type: ck.CKA_SUBPRIME, Value: []byte{7}}, "no value": {Type: ck.CKA_VALUE}, "a large value": {Type: ck.CKA_VALUE, Value: prime},
			} {
				if kt == ck.CKK_DH && bad.Type == ck.CKA_SUBPRIME {
					continue
				}
				if _, err := Complete(class, kt, values(replaced(attrs, bad.Type, bad.Value))); !errors.Is(err, ck.CKR_ATTRIBUTE_VALUE_INVALID) {
					t.Errorf("%s, %v: %s: %v", name, class, what, err)
				}
			}
		}
		if _, err := Complete(ck.CKO_PUBLIC_KEY, kt, values(attrs)); err != nil { // any number below the prime will do
			t.Errorf("%s: %v", name, err)
		}
	}
}
