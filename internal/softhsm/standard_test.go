package softhsm

import (
	"testing"

	"github.com/softcsp/softcsp/ck"
)

// TestStandardise changes what SoftHSM2 has otherwise than PKCS #11, and nothing else.
func TestStandardise(t *testing.T) {
	for _, c := range []struct {
		kind   ck.KeyType
		params string
		want   ck.KeyType
	}{
		{ck.CKK_EC_EDWARDS, "\x06\x03\x2b\x65\x6e", ck.CKK_EC_MONTGOMERY},
		{ck.CKK_EC_EDWARDS, "\x06\x03\x2b\x65\x6f", ck.CKK_EC_MONTGOMERY},
		{ck.CKK_EC_EDWARDS, "\x13\x0acurve25519", ck.CKK_EC_MONTGOMERY},
		{ck.CKK_EC_EDWARDS, "\x13\x08curve448", ck.CKK_EC_MONTGOMERY},
		{ck.CKK_EC_EDWARDS, "\x06\x03\x2b\x65\x70", ck.CKK_EC_EDWARDS},
		{ck.CKK_EC, "\x06\x03\x2b\x65\x6e", ck.CKK_EC},
		{ck.CKK_EC_EDWARDS, "", ck.CKK_EC_EDWARDS},
	} {
		o := []ck.Attribute{{Type: ck.CKA_EC_PARAMS, Value: []byte(c.params)}, {Type: ck.CKA_KEY_TYPE, Value: ck.UlongValue(uint(c.kind))}}
		changes := Standardise(o)
		got, err := ck.Ulong(value(o, ck.CKA_KEY_TYPE))
		if err != nil || ck.KeyType(got) != c.want || (len(changes) == 1) != (c.kind != c.want) {
			t.Errorf("%v of %q is %v, %q", c.kind, c.params, ck.KeyType(got), changes)
		}
	}
	o := []ck.Attribute{{Type: ck.CKA_KEY_GEN_MECHANISM, Value: ck.UlongValue(unavailable32)}}
	if changes := Standardise(o); len(changes) != 0 || string(o[0].Value) != "\xff\xff\xff\xff\xff\xff\xff\xff" {
		t.Errorf("%x, %q", o[0].Value, changes)
	}
}
