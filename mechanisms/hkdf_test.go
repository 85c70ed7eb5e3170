package mechanisms

import (
	"bytes"
	"errors"
	"testing"

	"github.com/softcsp/softcsp/ck"
)

// TestHKDFSteps takes the two steps one after the other, with the salt as data, as a key and not at all.
func TestHKDFSteps(t *testing.T) {
	t.Parallel()
	s := sample{}
	k := secretKey(ck.CKK_GENERIC_SECRET, pattern(33))
	for _, salt := range []struct {
		source ck.Flags
		data   []byte
		key    int
		same   []byte
	}{
		{ck.CKF_HKDF_SALT_DATA, pattern(5), 0, pattern(5)},
		{ck.CKF_HKDF_SALT_KEY, nil, otherKey, otherValue},
		{ck.CKF_HKDF_SALT_NULL, pattern(5), otherKey, nil},
	} {
		prk, err := derived(ck.CKM_HKDF_DERIVE, k, s.lookup, nil, hkdfFields(true, false, ck.CKM_SHA384, salt.source, salt.data, salt.key, nil)...)
		if err != nil || len(prk) != 48 {
			t.Fatalf("%d bytes, %v", len(prk), err)
		}
		got, err := derived(ck.CKM_HKDF_DERIVE, secretKey(ck.CKK_HKDF, prk), nil, length(99), hkdfFields(false, true, ck.CKM_SHA384, 9, nil, 0, pattern(3))...)
		if err != nil {
			t.Fatal(err)
		}
		want, err := derived(ck.CKM_HKDF_DERIVE, k, nil, length(99), hkdfFields(true, true, ck.CKM_SHA384, ck.CKF_HKDF_SALT_DATA, salt.same, 0, pattern(3))...)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%v: %x, want %x, %v", salt, got, want, err)
		}
	}
	for _, c := range []struct {
		fields   []any
		template []ck.Attribute
		err      error
	}{
		{hkdfFields(false, false, ck.CKM_SHA256, 1, nil, 0, nil), length(4), ck.CKR_MECHANISM_PARAM_INVALID},
		{hkdfFields(true, true, ck.CKM_SHA256_HMAC, 1, nil, 0, nil), length(4), ck.CKR_MECHANISM_PARAM_INVALID},
		{hkdfFields(true, true, ck.CKM_SHA256, 3, nil, 0, nil), length(4), ck.CKR_MECHANISM_PARAM_INVALID},
		{hkdfFields(true, true, ck.CKM_SHA256, ck.CKF_HKDF_SALT_KEY, nil, 8, nil), length(4), ck.CKR_KEY_HANDLE_INVALID},
		{hkdfFields(true, true, ck.CKM_SHA256, ck.CKF_HKDF_SALT_KEY, nil, 0, nil), length(4), ck.CKR_KEY_HANDLE_INVALID},
		{hkdfFields(true, true, ck.CKM_SHA256, 1, nil, 0, nil), nil, ck.CKR_TEMPLATE_INCOMPLETE},
		{hkdfFields(true, true, ck.CKM_SHA256, 1, nil, 0, nil), length(255*32 + 1), ck.CKR_KEY_SIZE_RANGE},
		{hkdfFields(true, false, ck.CKM_SHA256, 1, nil, 0, nil), length(31), ck.CKR_TEMPLATE_INCONSISTENT},
	} {
		if _, err := derived(ck.CKM_HKDF_DERIVE, k, s.lookup, c.template, c.fields...); !errors.Is(err, c.err) {
			t.Errorf("%v: %v, want %v", c.fields, err, c.err)
		}
	}
}
