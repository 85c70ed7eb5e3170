package main

import (
	"testing"

	"github.com/softcsp/softcsp/ck"
)

// TestReason tells why keys are not carried that this library does not have, or that nobody has.
func TestReason(t *testing.T) {
	err := ck.CKR_ATTRIBUTE_VALUE_INVALID
	for _, c := range []struct {
		class ck.ObjectClass
		kind  ck.KeyType
		value string
		want  string
	}{
		{ck.CKO_PRIVATE_KEY, ck.CKK_GOSTR3410, "x", "softcsp has no keys of the type CKK_GOSTR3410"},
		{ck.CKO_SECRET_KEY, ck.CKK_GOST28147, "x", "softcsp has no keys of the type CKK_GOST28147"},
		{ck.CKO_SECRET_KEY, ck.CKK_DES, "", "the key has no value: its generation failed"},
		{ck.CKO_SECRET_KEY, ck.CKK_AES, "short", err.Error()},
	} {
		got := reason([]ck.Attribute{
			classIs(c.class), {Type: ck.CKA_KEY_TYPE, Value: ck.UlongValue(uint(c.kind))}, {Type: ck.CKA_VALUE, Value: []byte(c.value)},
		}, err)
		if got != c.want {
			t.Errorf("%v %v: %q", c.class, c.kind, got)
		}
	}
	if got := reason([]ck.Attribute{classIs(ck.CKO_DATA)}, err); got != err.Error() {
		t.Errorf("data: %q", got)
	}
}
