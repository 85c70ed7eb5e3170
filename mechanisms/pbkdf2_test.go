package mechanisms

import (
	"errors"
	"fmt"
	"testing"

	"github.com/softcsp/softcsp/ck"
)

// TestPBKDF2 tries what has no vectors of Wycheproof's, and what is wrong. The values are Python's hashlib.pbkdf2_hmac's.
func TestPBKDF2(t *testing.T) {
	t.Parallel()
	for prf, want := range map[uint]string{
		ck.CKP_PKCS5_PBKD2_HMAC_SHA512_224: "954b4da75a1bfd685efe6fd8629bc1fee8500c55bac38bf66a0ea05af18022b197d87913b90feeca",
		ck.CKP_PKCS5_PBKD2_HMAC_SHA512_256: "f94252b31eddbdfa213498897558956c8a6abfc52bcfa810fa33fd84561daeb4e6055f52346ef243",
	} {
		got, err := fromPassword(ck.CKM_PKCS5_PBKD2, length(40), pbkdf2Fields(prf, []byte("password"), []byte("salt"), 100)...)
		if err != nil || fmt.Sprintf("%x", got) != want {
			t.Errorf("%d: %x, %v", prf, got, err)
		}
	}
	good := func() []any { return pbkdf2Fields(ck.CKP_PKCS5_PBKD2_HMAC_SHA1, []byte("p"), []byte("s"), 1) }
	for at, bad := range map[int]any{0: 2, 1: pointed(nil), 2: 0, 3: ck.CKP_PKCS5_PBKD2_HMAC_GOSTR3411, 4: pointed("data"), 5: pointed(make([]byte, passwordLimit))} {
		fields := good()
		fields[at] = bad
		want := error(ck.CKR_MECHANISM_PARAM_INVALID)
		if at == 1 { // PKCS #5 wants a salt, and does not say how long
			want = nil
		}
		if _, err := fromPassword(ck.CKM_PKCS5_PBKD2, length(16), fields...); !errors.Is(err, want) {
			t.Errorf("field %d, %v: %v", at, bad, err)
		}
	}
	for _, c := range []struct {
		template []ck.Attribute
		err      error
	}{
		{nil, ck.CKR_TEMPLATE_INCOMPLETE},
		{template(uint(ck.CKA_KEY_TYPE), uint(ck.CKK_AES)), ck.CKR_TEMPLATE_INCOMPLETE},
		{template(uint(ck.CKA_KEY_TYPE), uint(ck.CKK_AES), uint(ck.CKA_VALUE_LEN), 17), ck.CKR_KEY_SIZE_RANGE},
		{template(uint(ck.CKA_KEY_TYPE), uint(ck.CKK_DES3)), nil},
	} {
		if _, err := fromPassword(ck.CKM_PKCS5_PBKD2, c.template, good()...); err != c.err {
			t.Errorf("%v: %v, want %v", c.template, err, c.err)
		}
	}
}
