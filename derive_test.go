package softcsp

import (
	"bytes"
	"errors"
	"testing"

	"github.com/softcsp/softcsp/capi"
	"github.com/softcsp/softcsp/ck"
)

// TestCryptDeriveKey derives what package capi derives, for each provider.
func TestCryptDeriveKey(t *testing.T) {
	token := memory(t)
	password := []byte("Hello, World!")
	n := 0
	for _, p := range capi.Providers() {
		for _, id := range []capi.AlgID{capi.CALG_RC2, capi.CALG_RC4, capi.CALG_DES, capi.CALG_3DES, capi.CALG_AES_256} {
			h := capi.HashByID(capi.CALG_SHA1)
			sum := h.New()
			sum.Write(password)
			want, refused := capi.DeriveKey(p, id, h, sum.Sum(nil), capi.CRYPT_EXPORTABLE)
			d := Derivation{Provider: p, Hash: capi.CALG_SHA1, Algorithm: id}
			key, err := token.CryptDeriveKey(password, d, KeyOptions{Extractable: true, Temporary: true})
			if refused != nil {
				var code *ck.DeviceError
				if !errors.As(err, &code) || code.Code != uint32(capi.Code(refused)) {
					t.Errorf("%s, %#x: %v, and not %v", p.Name, id, err, refused)
				}
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			n++
			if got := must(key.Bytes())(t); !bytes.Equal(got, want.Value) {
				t.Errorf("%s, %#x: %x, and not %x", p.Name, id, got, want.Value)
			}
		}
	}
	if n < 10 {
		t.Errorf("%d keys", n)
	}
	if left, err := token.search([]ck.Attribute{ulong(ck.CKA_KEY_TYPE, ck.CKK_GENERIC_SECRET)}); err != nil || len(left) != 0 {
		t.Errorf("%d passwords are left, %v", len(left), err)
	}
	d := Derivation{Hash: capi.CALG_SHA_256, Algorithm: capi.CALG_AES_256}
	kept := must(token.CryptDeriveKey(password, d, KeyOptions{Label: "report"}))(t)
	if _, err := kept.Bytes(); !errors.Is(err, ck.CKR_ATTRIBUTE_SENSITIVE) {
		t.Error(err)
	}
	base := must(token.ImportSecretKey(password, "hmac", KeyOptions{}))(t)
	same := must(base.CryptDeriveKey(d, KeyOptions{Label: "same"}))(t)
	iv, message := random(16), random(16)
	if a, b := must(kept.Encrypt(ck.CKM_AES_CBC, iv, message))(t), must(same.Encrypt(ck.CKM_AES_CBC, iv, message))(t); !bytes.Equal(a, b) {
		t.Error("a password and a key with its value give different keys")
	}
}
