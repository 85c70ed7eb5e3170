package token

import (
	"bytes"
	"errors"
	"testing"

	"github.com/softcsp/softcsp/ck"
)

// TestWrapGCM wraps a key under one whose IV the token makes, and unwraps it with what the token has made.
func TestWrapGCM(t *testing.T) {
	m, slot := newToken(t)
	s := loggedIn(t, m, slot)
	wrapping, err := m.GenerateKey(s, &ck.Mechanism{Type: ck.CKM_AES_KEY_GEN}, []ck.Attribute{attr(ck.CKA_VALUE_LEN, 32)})
	must(t, err)
	key, err := m.CreateObject(s, append(baseKey("apple-camshaft"), attr(ck.CKA_SENSITIVE, false), attr(ck.CKA_EXTRACTABLE, true)))
	must(t, err)
	iv := make([]byte, 12)
	mech := func(generator uint) *ck.Mechanism {
		var b []byte
		for _, v := range []uint{1, uint(len(iv)), 32, generator, 0, 0, 128} { // CK_GCM_WRAP_PARAMS, with the IV at address 1
			b = ck.AppendUlong(b, v)
		}
		return &ck.Mechanism{Type: ck.CKM_AES_GCM, Param: ck.NewParam(b, func(_ uint64, n uint) []byte { return iv[:n] })}
	}
	out := ck.Into(make([]byte, 100))
	must(t, m.WrapKey(s, mech(uint(ck.CKG_GENERATE)), wrapping, key, &out))
	wrapped := out.Data[:out.N]
	if len(wrapped) != 14+16 || bytes.Equal(iv, make([]byte, 12)) || !bytes.Equal(iv[:4], make([]byte, 4)) {
		t.Errorf("%d bytes, IV %x", len(wrapped), iv)
	}
	template := []ck.Attribute{
		attr(ck.CKA_CLASS, ck.CKO_SECRET_KEY), attr(ck.CKA_KEY_TYPE, ck.CKK_GENERIC_SECRET), attr(ck.CKA_SENSITIVE, false), attr(ck.CKA_EXTRACTABLE, true),
	}
	back, err := m.UnwrapKey(s, mech(99), wrapping, wrapped, template)
	must(t, err)
	if value, err := read(m, s, back, ck.CKA_VALUE); err != nil || string(value) != "apple-camshaft" {
		t.Errorf("unwraps to %q, %v", value, err)
	}
	wrapped[3] ^= 1
	if _, err := m.UnwrapKey(s, mech(0), wrapping, wrapped, template); !errors.Is(err, ck.CKR_WRAPPED_KEY_INVALID) {
		t.Errorf("unwraps what was changed: %v", err)
	}
}

// A mechanism that does not seal wraps no sensitive key.
func TestSeals(t *testing.T) {
	m, slot := newToken(t)
	s := loggedIn(t, m, slot)
	w, k := generate(t, m, s), generate(t, m, s, ck.CKA_VALUE_LEN, 32, ck.CKA_EXTRACTABLE, true)
	out := ck.Into(make([]byte, 256))
	want(t, "ECB", m.WrapKey(s, &ck.Mechanism{Type: ck.CKM_AES_ECB}, w, k, &out), ck.CKR_KEY_NOT_WRAPPABLE)
	nonce, tag := make([]byte, 12), make([]byte, 16)
	gcm := func() *ck.Mechanism { return &ck.Mechanism{Type: ck.CKM_AES_GCM, Param: *gcmMessage(nonce, tag)} }
	want(t, "GCM", m.WrapKeyAuthenticated(s, gcm(), w, k, nil, &out), ck.CKR_KEY_NOT_WRAPPABLE)
	open := generate(t, m, s, ck.CKA_EXTRACTABLE, true, ck.CKA_SENSITIVE, false)
	must(t, m.WrapKeyAuthenticated(s, gcm(), w, open, nil, &out))
	_, err := m.UnwrapKeyAuthenticated(s, gcm(), w, out.Data[:out.N], typed, nil)
	must(t, err)
}
