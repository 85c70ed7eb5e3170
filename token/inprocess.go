package token

import (
	"errors"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/mechanisms"
	"github.com/softcsp/softcsp/store"
)

// What another API than Cryptoki, in this process and over the same token, needs beside the functions of PKCS #11: making keys of what is
// no key of a token, and reading keys, under rules of its own. C programs do not reach these functions. Package csp has the interface
// that they implement.

// UseKey has use look at a key as mechanisms see it. The key is valid while use runs.
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

// Derive is C_DeriveKey with what derive makes in the place of what the mechanism of a row derives; the policy decides about it as about that
// mechanism. *key is the handle of the new key afterwards, and before it, where derive makes another value for a key that is there, the handle of
// that key, else 0. derive is given that key, and is called again with what the key has become where somebody else has changed it meanwhile.
func (m *Module) Derive(h ck.SessionHandle, row *mechanisms.Mechanism, template []ck.Attribute, key *ck.ObjectHandle, derive func(*mechanisms.Derived, *mechanisms.Key) error) error {
	s, err := m.lock(h)
	if err != nil {
		return err
	}
	defer s.unlock()
	if !s.restriction.allows(row.Type, ck.CKF_DERIVE) {
		return ck.CKR_MECHANISM_INVALID
	}
	defer s.derived.wipe()
	for {
		err := s.deriveBy(row, template, key, derive)
		if !errors.Is(err, store.ErrStale) {
			return err
		}
		s.derived.wipe()
	}
}

// deriveBy does one attempt at Derive.
func (s *session) deriveBy(row *mechanisms.Mechanism, template []ck.Attribute, key *ck.ObjectHandle, derive func(*mechanisms.Derived, *mechanisms.Key) error) error {
	d := &s.derived
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
