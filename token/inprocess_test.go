package token

import (
	"bytes"
	"testing"

	"github.com/softcsp/softcsp/capi"
	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/mechanisms"
)

// cryptDerive is the row of CryptDeriveKey.
var cryptDerive = mechanisms.Lookup(ck.CKM_SOFTCSP_CRYPT_DERIVE_KEY)

// TestDerive makes a session key of no base key, gives it another salt, and looks at it.
func TestDerive(t *testing.T) {
	m, slot := newToken(t)
	h := open(t, m, slot, true)
	p := capi.MSEnhanced
	a, err := p.Cipher(capi.CALG_RC2)
	if err != nil {
		t.Fatal(err)
	}
	i := capi.ImportedKey{Provider: p, Cipher: a, Value: []byte("12345"), EffectiveBits: 40}
	makeKey := func(d *mechanisms.Derived, _ *mechanisms.Key) error { return d.ImportSessionKey(&i) }
	var key ck.ObjectHandle
	if err := m.Derive(h, cryptDerive, nil, &key, makeKey); err != nil {
		t.Fatal(err)
	}
	salt := func() (salt []byte) {
		if err := m.UseKey(h, key, func(k *mechanisms.Key) error {
			if string(k.Value) != "12345" {
				t.Errorf("value %q", k.Value)
			}
			salt = bytes.Clone(k.Salt)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return salt
	}
	if got := salt(); !bytes.Equal(got, bytes.Repeat([]byte{0}, 11)) {
		t.Errorf("salt %x", got)
	}
	was := key
	i.Salt, i.Salted, i.Replaces = []byte{1, 2, 3}, true, true
	if err := m.Derive(h, cryptDerive, nil, &key, makeKey); err != nil || key != was {
		t.Fatalf("handle %d, %v, want %d", key, err, was)
	}
	if got := salt(); !bytes.Equal(got, i.Salt) {
		t.Errorf("salt %x", got)
	}
	i.Salt = bytes.Repeat([]byte{1}, capi.MaxSalt+1)
	if err := m.Derive(h, cryptDerive, nil, &key, makeKey); err != error(capi.NTE_BAD_DATA) {
		t.Errorf("a salt that is too long: %v", err)
	}
	key = 99
	i.Salt = nil
	if err := m.Derive(h, cryptDerive, nil, &key, makeKey); ck.Code(err) != ck.CKR_KEY_HANDLE_INVALID {
		t.Errorf("replacing no key: %v", err)
	}
	if err := m.UseKey(h, 99, nil); ck.Code(err) != ck.CKR_KEY_HANDLE_INVALID {
		t.Errorf("using no key: %v", err)
	}
}

// TestDeriveAnew has another session change a key while what it is to be is being made of it: it is made of what the key has become.
func TestDeriveAnew(t *testing.T) {
	m, slot := newToken(t)
	h, other := open(t, m, slot, true), open(t, m, slot, true)
	p := capi.MSEnhanced
	a, err := p.Cipher(capi.CALG_RC2)
	if err != nil {
		t.Fatal(err)
	}
	i := capi.ImportedKey{Provider: p, Cipher: a, Value: []byte("12345"), EffectiveBits: 40, Salted: true}
	var key ck.ObjectHandle
	must(t, m.Derive(h, cryptDerive, nil, &key, func(d *mechanisms.Derived, _ *mechanisms.Key) error { return d.ImportSessionKey(&i) }))
	calls := 0
	must(t, m.Derive(h, cryptDerive, nil, &key, func(d *mechanisms.Derived, old *mechanisms.Key) error {
		next := i
		next.Replaces, next.Salt = true, append(bytes.Clone(old.Salt), 9)
		if calls++; calls == 1 {
			theirs := i
			theirs.Replaces, theirs.Salt = true, []byte{1, 2, 3}
			must(t, m.Derive(other, cryptDerive, nil, &key, func(d *mechanisms.Derived, _ *mechanisms.Key) error { return d.ImportSessionKey(&theirs) }))
		}
		return d.ImportSessionKey(&next)
	}))
	must(t, m.UseKey(h, key, func(k *mechanisms.Key) error {
		if calls != 2 || !bytes.Equal(k.Salt, []byte{1, 2, 3, 9}) {
			t.Errorf("%d calls made a salt of %x", calls, k.Salt)
		}
		return nil
	}))
}
