package token

import (
	"errors"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/mechanisms"
	"github.com/softcsp/softcsp/store"
)

// What another API than Cryptoki needs beside the functions of PKCS #11, if it is in this process and uses the same token: to make keys from
// what is no key of a token, and to read keys, under rules of its own. C programs cannot call these functions. Package csp has the interface
// that they implement.

// UseKey calls use with a key as mechanisms see it. The key is valid until use returns.
func (m *Module) UseKey(h ck.SessionHandle, key ck.ObjectHandle, use func(*mechanisms.Key) error) error {
	a, s, err := m.session(h)
	if err != nil {
		return err
	}
	defer a.endCall()
	k, err := s.useKey(key, &keyUse{purpose: anyPurpose, takes: anyKey})
	if err != nil {
		return err
	}
	defer k.release()
	return use(k.key())
}

// Derive is C_DeriveKey, but derive does what the mechanism of the row does there. The policy allows it where it allows the mechanism. It sets
// *key to the handle of the new key. If *key is not 0 before, it is a key whose value derive replaces, which derive gets as old; if another thread
// or process changes that key meanwhile, derive is called again with the changed key.
func (m *Module) Derive(h ck.SessionHandle, row *mechanisms.Mechanism, template []ck.Attribute, key *ck.ObjectHandle, derive func(*mechanisms.Derived, *mechanisms.Key) error) error {
	s, err := m.lock(h)
	if err != nil {
		return err
	}
	defer s.unlock()
	if !s.restriction.allows(row.Type, ck.CKF_DERIVE) {
		return ck.CKR_MECHANISM_INVALID
	}
	defer s.derivation.wipe()
	for {
		err := s.deriveBy(row, template, key, derive)
		if !errors.Is(err, store.ErrStale) {
			return err
		}
		s.derivation.wipe()
	}
}

// deriveBy tries once to do what Derive does: store.ErrStale where the key to replace has been changed meanwhile.
func (s *session) deriveBy(row *mechanisms.Mechanism, template []ck.Attribute, key *ck.ObjectHandle, derive func(*mechanisms.Derived, *mechanisms.Key) error) error {
	d := &s.derivation
	var target foundKey
	var old *mechanisms.Key
	if *key != ck.InvalidHandle {
		var err error
		if target, err = s.useKey(*key, &keyUse{purpose: anyPurpose, takes: keyToReplace}); err != nil {
			return err
		}
		defer target.release()
		old = target.key()
	}
	if err := derive(&d.out, old); err != nil {
		return err
	}
	switch {
	case !d.out.Replaces:
		return s.makeDerived(row, template, nil, d, key)
	case old == nil:
		return ck.CKR_KEY_HANDLE_INVALID
	}
	return s.replaceValue(target, d)
}
