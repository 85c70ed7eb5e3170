package mechanisms

import (
	"testing"

	"github.com/softcsp/softcsp/ck"
)

func TestUnit(t *testing.T) {
	t.Parallel()
	for m, want := range map[ck.MechanismType]uint{
		ck.CKM_AES_KEY_GEN: 8, ck.CKM_AES_GCM: 8, ck.CKM_AES_XTS: 8, ck.CKM_SHA256_HMAC: 8, ck.CKM_HKDF_DERIVE: 8, ck.CKM_RC5_CBC: 8, ck.CKM_TWOFISH_CBC: 8,
		ck.CKM_GENERIC_SECRET_KEY_GEN: 1, ck.CKM_RC2_CBC: 1, ck.CKM_RC2_KEY_GEN: 1, ck.CKM_RC4: 1, ck.CKM_CHACHA20: 1,
		ck.CKM_RSA_PKCS: 1, ck.CKM_RSA_PKCS_KEY_PAIR_GEN: 1, ck.CKM_ECDSA: 1, ck.CKM_EC_KEY_PAIR_GEN: 1, ck.CKM_DSA_SHA256: 1,
	} {
		if got := Lookup(m).Unit(); got != want {
			t.Errorf("%v counts in units of %d bits, want %d", m, got, want)
		}
	}
}

func TestKeyBits(t *testing.T) {
	t.Parallel()
	attr := func(is ck.AttributeType, v []byte) Values {
		return func(t ck.AttributeType) []byte {
			if t == is {
				return v
			}
			return nil
		}
	}
	for want, k := range map[uint]*Key{
		128:  {Class: ck.CKO_SECRET_KEY, Type: ck.CKK_AES, Value: make([]byte, 16)},
		1023: {Class: ck.CKO_PUBLIC_KEY, Type: ck.CKK_RSA, Attr: attr(ck.CKA_MODULUS, append([]byte{0x40}, make([]byte, 127)...))},
		9:    {Class: ck.CKO_PRIVATE_KEY, Type: ck.CKK_DH, Attr: attr(ck.CKA_PRIME, []byte{0, 1, 0})},
		384:  {Class: ck.CKO_PUBLIC_KEY, Type: ck.CKK_EC, Attr: attr(ck.CKA_EC_PARAMS, []byte("\x06\x05\x2b\x81\x04\x00\x22"))},
		255:  {Class: ck.CKO_PUBLIC_KEY, Type: ck.CKK_EC_EDWARDS, Attr: attr(ck.CKA_EC_PARAMS, []byte("\x06\x03\x2b\x65\x70"))},
		0:    {Class: ck.CKO_PUBLIC_KEY, Type: ck.CKK_ML_KEM, Attr: attr(ck.CKA_VALUE, []byte{1})},
	} {
		if got := KeyBits(k); got != want {
			t.Errorf("%v: %d bits, want %d", k.Type, got, want)
		}
	}
}
