package token

import (
	"bytes"
	"errors"
	"testing"

	"github.com/softcsp/softcsp/ck"
)

// TestOneLength generates keys of the types with one length that have a CKA_VALUE_LEN: it may be told, and need not be.
func TestOneLength(t *testing.T) {
	m, slot := newToken(t)
	s := loggedIn(t, m, slot)
	for mech, length := range map[ck.MechanismType]uint{
		ck.CKM_CHACHA20_KEY_GEN: 32, ck.CKM_SALSA20_KEY_GEN: 32, ck.CKM_POLY1305_KEY_GEN: 32, ck.CKM_CAST128_KEY_GEN: 16,
	} {
		for _, told := range []uint{0, length, length - 8, length + 8} {
			template := []ck.Attribute{attr(ck.CKA_SENSITIVE, false), attr(ck.CKA_EXTRACTABLE, true)}
			if told != 0 {
				template = append(template, attr(ck.CKA_VALUE_LEN, int(told)))
			}
			k, err := m.GenerateKey(s, &ck.Mechanism{Type: mech}, template)
			if told != 0 && told != length {
				want(t, mech.String(), err, ck.CKR_KEY_SIZE_RANGE)
				continue
			}
			must(t, err)
			value, err := read(m, s, k, ck.CKA_VALUE)
			must(t, err)
			n, err := read(m, s, k, ck.CKA_VALUE_LEN)
			must(t, err)
			if uint(len(value)) != length || !bytes.Equal(n, ck.UlongValue(length)) {
				t.Errorf("%v: %d bytes, and CKA_VALUE_LEN is %x", mech, len(value), n)
			}
		}
	}
}

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
