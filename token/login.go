package token

import (
	"fmt"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/store"
)

// A userState is who is logged in to a token. Being logged in is common to all sessions of an application.
type userState uint8

const (
	nobody userState = iota
	theUser
	theSO
)

// Login implements C_Login, section 5.6.9.
func (m *Module) Login(h ck.SessionHandle, userType ck.UserType, pin []byte) error {
	a, s, err := m.session(h)
	if err != nil {
		return err
	}
	defer a.endCall()
	switch userType {
	case ck.CKU_USER:
		return s.slot.logIn(theUser, store.User, pin)
	case ck.CKU_SO:
		return s.slot.logIn(theSO, store.SO, pin)
	case ck.CKU_CONTEXT_SPECIFIC:
		return s.contextLogin(pin)
	}
	return ck.CKR_USER_TYPE_INVALID
}

// LoginUser implements C_LoginUser, section 5.6.9 of PKCS#11 3.2. A token has one user and one security officer, who have no
// names: with an empty name it is C_Login, and any other name is nobody's, so that no failed login is counted.
func (m *Module) LoginUser(h ck.SessionHandle, userType ck.UserType, pin, username []byte) error {
	if len(username) == 0 {
		return m.Login(h, userType, pin)
	}
	a, _, err := m.session(h)
	if err != nil {
		return err
	}
	defer a.endCall()
	return fmt.Errorf("%w: users have no names", ck.CKR_USER_TYPE_INVALID)
}

// boundedPIN cuts a PIN to one byte more than PINs have. A longer one is wrong, whatever the rest of it.
func boundedPIN(pin []byte) []byte { return pin[:min(len(pin), maxPIN+1)] }

// logIn logs in to a token.
func (s *appSlot) logIn(user userState, pinOf store.UserType, pin []byte) error {
	if pin == nil {
		return ck.CKR_ARGUMENTS_BAD
	}
	if err := s.mayLogIn(user); err != nil {
		return err
	}
	token, err := s.storedToken()
	if err != nil {
		return err
	}
	keys, err := token.Unlock(pinOf, boundedPIN(pin))
	if err != nil {
		return err
	}
	changesPending := keys.HasUnvouched()
	fingerprint, err := fingerprintLogin(keys)
	if err != nil {
		keys.Wipe()
		return err
	}
	before, cache, err := s.setUser(user, keys, fingerprint)
	if err != nil {
		keys.Wipe()
		return err
	}
	before.endUse()
	if changesPending && !token.ReadOnly() {
		if err := s.adopt(cache.keys); err != nil {
			s.app.log.Error("what was asked for without a login is not vouched for yet", "token", s.serial, "error", err)
		}
	}
	return nil
}

// setUser makes the user the one who is logged in, with the keys that the login has opened. It returns the cache of the objects that were read before,
// and that of those that are read now.
func (s *appSlot) setUser(user userState, keys *store.Keys, fingerprint []byte) (before, now *objectCache, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions.lock()
	defer s.sessions.unlock()
	// Another thread may have logged in, or opened a session that forbids it, while the key was derived.
	if err := s.mayLogIn(user); err != nil {
		return nil, nil, err
	}
	if s.sessions.any() == nil {
		return nil, nil, ck.CKR_SESSION_HANDLE_INVALID
	}
	now = s.openCache(keys, fingerprint)
	return s.login.Swap(&login{user, now}).cache, now, nil
}

// mayLogIn tells whether the user can log in with the sessions and the login that there are.
func (s *appSlot) mayLogIn(user userState) error {
	now, _ := s.currentLogin()
	all, writable := s.sessions.counts()
	switch {
	case now == user:
		return ck.CKR_USER_ALREADY_LOGGED_IN
	case now != nobody:
		return ck.CKR_USER_ANOTHER_ALREADY_LOGGED_IN
	case user == theSO && writable < all:
		return ck.CKR_SESSION_READ_ONLY_EXISTS
	}
	return nil
}

// contextLogin is C_Login with CKU_CONTEXT_SPECIFIC: it lets an operation go on that was initialised with a key that has
// CKA_ALWAYS_AUTHENTICATE.
func (s *session) contextLogin(pin []byte) error {
	if pin == nil {
		return ck.CKR_ARGUMENTS_BAD
	}
	s.mu.Lock()
	waiting := s.awaitingLogin()
	s.mu.Unlock()
	if waiting == nil {
		return ck.CKR_OPERATION_NOT_INITIALIZED
	}
	user, _ := s.slot.currentLogin()
	if user == nobody {
		return ck.CKR_USER_NOT_LOGGED_IN
	}
	pinOf := store.User
	if user == theSO {
		pinOf = store.SO
	}
	token, err := s.slot.storedToken()
	if err != nil {
		return err
	}
	if err := token.Confirm(pinOf, boundedPIN(pin)); err != nil {
		if ck.Code(err) == ck.CKR_PIN_LOCKED {
			s.slot.logout(false) // section 4.10 says so
		}
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if op := s.awaitingLogin(); op != nil {
		op.loginDue = false
	}
	return nil
}

// Logout implements C_Logout, section 5.6.10.
func (m *Module) Logout(h ck.SessionHandle) error {
	a, s, err := m.session(h)
	if err != nil {
		return err
	}
	defer a.endCall()
	if !s.slot.logout(false) {
		return ck.CKR_USER_NOT_LOGGED_IN
	}
	return nil
}

// logout ends a login: the handles of private objects become invalid, private session objects are destroyed and operations
// are cancelled; keys are wiped where no other application is logged in. With ifNoSession it does so only if no
// session is open. It reports whether anybody was logged in.
func (s *appSlot) logout(ifNoSession bool) bool {
	cache := s.setNobody(ifNoSession)
	if cache == nil {
		return false
	}
	if token, err := s.storedToken(); err == nil {
		token.ForgetOldPINs()
	}
	// First the keys, then the operations: no operation begins with a private key after those of its session were ended.
	s.objects.forget(func(e *entry) bool { return e.private })
	s.objects.forgetPrepared()
	for _, ses := range s.sessions.open() {
		ses.stop(false)
		ses.abandonJobs(allOperations, false, false)
	}
	if cache.endUse() && !s.app.closing.Load() {
		s.core.eraser.now()
	}
	return true
}

// setNobody makes nobody the one who is logged in, and returns the cache of the login that there was, nil where nobody was logged in or, with
// ifNoSession, a session is open.
func (s *appSlot) setNobody(ifNoSession bool) *objectCache {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions.lock()
	defer s.sessions.unlock()
	if user, _ := s.currentLogin(); user == nobody || ifNoSession && s.sessions.any() != nil {
		return nil
	}
	return s.login.Swap(&login{nobody, s.openCache(nil, nil)}).cache
}

// InitPIN implements C_InitPIN, section 5.5.8.
func (m *Module) InitPIN(h ck.SessionHandle, pin []byte) error {
	a, s, err := m.session(h)
	if err != nil {
		return err
	}
	defer a.endCall()
	user, keys := s.slot.currentLogin()
	if user != theSO {
		return ck.CKR_USER_NOT_LOGGED_IN
	}
	if err := checkPIN(pin); err != nil {
		return err
	}
	token, err := s.slot.storedToken()
	if err != nil {
		return err
	}
	return token.SetPIN(keys, store.User, pin)
}

// SetPIN implements C_SetPIN, section 5.5.9: the SO's PIN in an SO session, the user's in any other.
func (m *Module) SetPIN(h ck.SessionHandle, old, pin []byte) error {
	a, s, err := m.session(h)
	if err != nil {
		return err
	}
	defer a.endCall()
	if !s.writable {
		return ck.CKR_SESSION_READ_ONLY
	}
	if old == nil {
		return ck.CKR_ARGUMENTS_BAD
	}
	if err := checkPIN(pin); err != nil {
		return err
	}
	token, err := s.slot.storedToken()
	if err != nil {
		return err
	}
	pinOf := store.User
	if user, _ := s.slot.currentLogin(); user == theSO {
		pinOf = store.SO
	}
	return token.ChangePIN(pinOf, boundedPIN(old), pin)
}
