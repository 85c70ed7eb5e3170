package token

import (
	"errors"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/mechanisms"
	"github.com/softcsp/softcsp/store"
)

// What the CryptoAPI door (package csp) needs of the token beside the functions of PKCS #11: making keys of what is no key, a
// hash object say, and reading keys whose value goes into a hash or a sealed blob. Both are for code of this process that
// applies CryptoAPI's own rules; C programs do not reach them.

// capiRow is the mechanism under whose rules Derive makes keys.
var capiRow = mechanisms.Lookup(ck.CKM_SOFTCSP_CRYPT_DERIVE_KEY)

// Derive is C_DeriveKey with what make makes in the place of what a mechanism derives. key holds the new key's handle
// afterwards, and on entry that of the key that is changed where what is made replaces one, else 0. make is given that key as it is,
// and called again with what it has become where somebody else was faster.
func (m *Module) Derive(h ck.SessionHandle, template []ck.Attribute, key *ck.ObjectHandle, make func(*mechanisms.Derived, *mechanisms.Key) error) error {
	s, err := m.lock(h)
	if err != nil {
		return err
	}
	defer s.unlock()
	if !s.restriction.permits(capiRow.Type, ck.CKF_DERIVE) {
		return ck.CKR_MECHANISM_INVALID
	}
	defer s.derived.wipe()
	for {
		err := s.deriveBy(template, key, make)
		if !errors.Is(err, store.ErrStale) {
			return err
		}
		s.derived.wipe()
	}
}

// deriveBy does one attempt at Derive.
func (s *session) deriveBy(template []ck.Attribute, key *ck.ObjectHandle, make func(*mechanisms.Derived, *mechanisms.Key) error) error {
	d := &s.derived
	var target object
	var old *mechanisms.Key
	if *key != ck.InvalidHandle {
		var err error
		if target, err = s.target(*key); err != nil {
			return keyHandle(err)
		}
		defer target.release()
		old = target.key()
	}
	if err := make(&d.out, old); err != nil {
		return err
	}
	switch {
	case !d.out.Replaces:
		return s.makeDerived(capiRow, template, nil, d, key)
	case old == nil:
		return ck.CKR_KEY_HANDLE_INVALID
	}
	return s.rederive(target, d)
}

// UseKey has use look at a key as mechanisms see it. The key is valid while use runs.
func (m *Module) UseKey(h ck.SessionHandle, key ck.ObjectHandle, use func(*mechanisms.Key) error) error {
	a, s, err := m.session(h)
	if err != nil {
		return err
	}
	defer a.endCall()
	_, o, err := s.object(key)
	if err != nil {
		return keyHandle(err)
	}
	defer o.release()
	switch {
	case !o.table.isKey():
		return ck.CKR_KEY_HANDLE_INVALID
	case o.missing:
		return ck.CKR_USER_NOT_LOGGED_IN
	}
	return use(o.key())
}
