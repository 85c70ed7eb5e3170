package token

import (
	"bytes"
	"slices"
	"testing"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/timetest"
)

// A paddingCase is what somebody asks who wants to know whether a padding is right: two inputs that are both refused.
type paddingCase struct {
	name       string
	ask        func(input []byte) error
	want       ck.RV
	wrong, off []byte // with a wrong padding, and with a right one around what can be no key
}

// paddingCases has a key pair of RSA and a key of AES.
func paddingCases(t *testing.T) []paddingCase {
	m, slot := newToken(t)
	s := loggedIn(t, m, slot)
	on := func(types ...ck.AttributeType) (list []ck.Attribute) {
		for _, a := range types {
			list = append(list, attr(a, true))
		}
		return list
	}
	pub, priv, err := m.GenerateKeyPair(s, rsaPair, append(on(ck.CKA_ENCRYPT), attr(ck.CKA_MODULUS_BITS, 1024)),
		on(ck.CKA_UNWRAP, ck.CKA_DECRYPT, ck.CKA_DECAPSULATE))
	must(t, err)
	key, err := m.CreateObject(s, aesTemplate(false, "k", on(ck.CKA_UNWRAP)...))
	must(t, err)
	encrypted := func(mech *ck.Mechanism, k ck.ObjectHandle, data []byte) []byte {
		must(t, m.EncryptInit(s, mech, k))
		out := ck.Into(make([]byte, 128))
		must(t, m.Encrypt(s, data, &out))
		return out.Data[:out.N]
	}
	pkcs, raw := &ck.Mechanism{Type: ck.CKM_RSA_PKCS}, &ck.Mechanism{Type: ck.CKM_RSA_X_509}
	padded := func(kind byte, n int) []byte { // RFC 8017, section 7.2.1
		em := bytes.Repeat([]byte{0x55}, 128)
		em[0], em[1], em[127-n] = 0, kind, 0
		return encrypted(raw, pub, em)
	}
	iv := make([]byte, 16)
	cbc := func() *ck.Mechanism { return &ck.Mechanism{Type: ck.CKM_AES_CBC, Param: ck.NewParam(iv, nil)} }
	cbcPad := func() *ck.Mechanism { return &ck.Mechanism{Type: ck.CKM_AES_CBC_PAD, Param: ck.NewParam(iv, nil)} }
	ends := func(pad byte) []byte { return encrypted(cbc(), key, append(bytes.Repeat([]byte{0x55}, 31), pad)) }
	aes := []ck.Attribute{attr(ck.CKA_CLASS, ck.CKO_SECRET_KEY), attr(ck.CKA_KEY_TYPE, ck.CKK_AES)}
	private := []ck.Attribute{attr(ck.CKA_CLASS, ck.CKO_PRIVATE_KEY), attr(ck.CKA_KEY_TYPE, ck.CKK_EC)}
	sized := append(slices.Clone(aes), attr(ck.CKA_VALUE_LEN, 16))
	unwrap := func(mech func() *ck.Mechanism, with ck.ObjectHandle, template []ck.Attribute) func([]byte) error {
		return func(in []byte) error { _, err := m.UnwrapKey(s, mech(), with, in, template); return err }
	}
	isPKCS := func() *ck.Mechanism { return pkcs }
	return []paddingCase{
		{"C_UnwrapKey, CKM_RSA_PKCS", unwrap(isPKCS, priv, aes), ck.CKR_WRAPPED_KEY_INVALID, padded(3, 16), padded(2, 17)},
		{"C_UnwrapKey, CKM_RSA_PKCS, CKA_VALUE_LEN", unwrap(isPKCS, priv, sized), ck.CKR_WRAPPED_KEY_INVALID, padded(3, 16), padded(2, 32)},
		{"C_UnwrapKey, CKM_RSA_PKCS, a private key", unwrap(isPKCS, priv, private), ck.CKR_WRAPPED_KEY_INVALID, padded(3, 50), padded(2, 50)},
		{"C_UnwrapKey, CKM_AES_CBC_PAD", unwrap(cbcPad, key, aes), ck.CKR_WRAPPED_KEY_INVALID, ends(0x54), ends(1)},
		{"C_DecapsulateKey, CKM_RSA_PKCS", func(in []byte) error { _, err := m.DecapsulateKey(s, pkcs, priv, sized, in); return err },
			ck.CKR_WRAPPED_KEY_INVALID, padded(3, 16), padded(2, 17)},
		{"C_Decrypt, CKM_RSA_PKCS", func(in []byte) error {
			if err := m.DecryptInit(s, pkcs, priv); err != nil {
				return err
			}
			out := ck.Into(make([]byte, 128))
			return m.Decrypt(s, in, &out)
		}, ck.CKR_ENCRYPTED_DATA_INVALID, padded(3, 16), padded(2, 120)}, // of the wrong kind, and too short
	}
}

// TestPaddingError sees that a key that is wrong with a right padding is refused as a wrong padding is, whatever the template.
func TestPaddingError(t *testing.T) {
	for _, c := range paddingCases(t) {
		want(t, c.name+", a wrong padding", c.ask(c.wrong), c.want)
		want(t, c.name+", no key", c.ask(c.off), c.want)
	}
}

// TestPaddingTime measures whether the one takes another time than the other.
func TestPaddingTime(t *testing.T) {
	for _, c := range paddingCases(t) {
		timetest.Alike(t, c.name, func(which int) {
			want(t, c.name, c.ask([2][]byte{c.wrong, c.off}[which]), c.want)
		})
	}
}
