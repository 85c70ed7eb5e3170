package token

import (
	"errors"
	"strings"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/store"
)

// PIN lengths in bytes, as C_GetTokenInfo tells them.
const (
	minPIN = 4
	maxPIN = 255
)

// InitToken implements C_InitToken, section 5.5.7. The slot keeps its number and the token its serial number. label is
// padded with blanks.
func (m *Module) InitToken(id ck.SlotID, pin, label []byte) error {
	return m.initToken(id, pin, nil, label)
}

// MakeToken is C_InitToken and C_InitPIN in one: the token has both PINs or is not made.
func (m *Module) MakeToken(id ck.SlotID, soPIN, userPIN, label []byte) error {
	if err := checkPIN(userPIN); err != nil {
		return err
	}
	return m.initToken(id, soPIN, userPIN, label)
}

func (m *Module) initToken(id ck.SlotID, pin, userPIN, label []byte) error {
	a, err := m.beginCall()
	if err != nil {
		return err
	}
	defer a.endCall()
	s, err := a.slot(id)
	if err != nil {
		return err
	}
	a.mayHaveSecrets.Store(true)
	s.initMu.Lock()
	defer s.initMu.Unlock()
	if s.hasSessions() {
		return ck.CKR_SESSION_EXISTS
	}
	token, _ := s.storedToken()
	// Where the token has a PIN, one of a length that no PIN has is a wrong PIN, and counted.
	if err := checkPIN(pin); err != nil && (token == nil || err != ck.CKR_PIN_LEN_RANGE) {
		return err
	}
	f := store.Format{
		Label: strings.TrimRight(string(label), " \x00"), SOPIN: pin, UserPIN: userPIN, KDF: a.core.config.KDF,
		MaxTries: a.core.config.MaxTries, Relaxed: a.core.config.Durability == "relaxed",
	}
	if f.Separation, err = store.ParseSeparation(a.core.config.KeySeparation); err != nil {
		return err
	}
	if token == nil {
		_, err := a.core.place.Format(s.uuid, f)
		s.openToken()
		if !errors.Is(err, store.ErrExists) {
			return errors.Join(err, a.refresh())
		}
		// Another process has just made the token: it is initialised like any other.
		if token, err = s.storedToken(); err != nil {
			return err
		}
	}
	if err := token.Reformat(f); err != nil {
		return err
	}
	s.forget()
	return nil
}

// hasSessions reports whether any application has a session with the token.
func (s *slot) hasSessions() bool {
	for _, side := range s.appSlots() {
		if all, _ := side.sessions.counts(); all > 0 {
			return true
		}
	}
	return false
}

// forget drops what is known of the slot's token, which has become another one.
func (s *slot) forget() {
	for _, side := range s.appSlots() {
		side.objects.forget(func(*entry) bool { return true })
		side.cache().dropAll()
		side.app.jobs.dropSlot(s.id)
	}
}

// checkPIN checks the length of a PIN that is to be set. nil is a NULL pointer, which asks for a protected
// authentication path; there is none.
func checkPIN(pin []byte) error {
	switch {
	case pin == nil:
		return ck.CKR_ARGUMENTS_BAD
	case len(pin) < minPIN || len(pin) > maxPIN:
		return ck.CKR_PIN_LEN_RANGE
	}
	return nil
}
