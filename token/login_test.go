package token

import (
	"testing"

	"github.com/softcsp/softcsp/ck"
)

// protected returns a key that has CKA_ALWAYS_AUTHENTICATE.
func protected(t *testing.T, m *Module, s ck.SessionHandle) ck.ObjectHandle {
	t.Helper()
	k, err := m.CreateObject(s, aesTemplate(false, "protected", attr(ck.CKA_ALWAYS_AUTHENTICATE, true), attr(ck.CKA_WRAP, true), attr(ck.CKA_UNWRAP, true),
		attr(ck.CKA_DERIVE, true), attr(ck.CKA_EXTRACTABLE, true)))
	must(t, err)
	return k
}

// TestContextSpecific tests section 4.10 on CKA_ALWAYS_AUTHENTICATE.
func TestContextSpecific(t *testing.T) {
	m := newModule(t, "max_tries=3")
	slot := lastSlot(t, m)
	must(t, m.InitToken(slot, []byte(soPIN), []byte(pad("x"))))
	s := open(t, m, slot, true)
	must(t, m.Login(s, ck.CKU_SO, []byte(soPIN)))
	must(t, m.InitPIN(s, []byte(userPIN)))
	must(t, m.Logout(s))
	must(t, m.Login(s, ck.CKU_USER, []byte(userPIN)))
	again := func(pin string) error { return m.Login(s, ck.CKU_CONTEXT_SPECIFIC, []byte(pin)) }
	want(t, "no operation", again(userPIN), ck.CKR_OPERATION_NOT_INITIALIZED)
	k := protected(t, m, s)
	mech := &ck.Mechanism{Type: ck.CKM_AES_ECB}
	must(t, m.EncryptInit(s, mech, k))
	out := ck.Into(make([]byte, 16))
	want(t, "not confirmed", m.Encrypt(s, make([]byte, 16), &out), ck.CKR_USER_NOT_LOGGED_IN)
	want(t, "ended by that", m.Encrypt(s, make([]byte, 16), &out), ck.CKR_OPERATION_NOT_INITIALIZED)
	must(t, m.EncryptInit(s, mech, k))
	want(t, "wrong PIN", again("wrong"), ck.CKR_PIN_INCORRECT)
	want(t, "still not confirmed", m.Encrypt(s, make([]byte, 16), &out), ck.CKR_USER_NOT_LOGGED_IN)
	must(t, m.EncryptInit(s, mech, k))
	must(t, again(userPIN))
	must(t, m.Encrypt(s, make([]byte, 16), &out))
	must(t, m.EncryptInit(s, mech, k))
	for range 3 {
		want(t, "wrong PIN", again("wrong"), ck.CKR_PIN_INCORRECT)
	}
	want(t, "locked", again(userPIN), ck.CKR_PIN_LOCKED)
	if i, err := m.GetSessionInfo(s); err != nil || i.State != ck.CKS_RW_PUBLIC_SESSION {
		t.Errorf("state %v, %v: CKR_PIN_LOCKED is to log out", i.State, err)
	}
}

// TestProtectedAtOnce uses a key that has CKA_ALWAYS_AUTHENTICATE in the functions that begin and end in one call: there is
// no occasion to ask for the PIN, and so no use.
func TestProtectedAtOnce(t *testing.T) {
	m, slot := newToken(t)
	s := loggedIn(t, m, slot)
	k := protected(t, m, s)
	other, err := m.CreateObject(s, aesTemplate(false, "other", attr(ck.CKA_WRAP, true), attr(ck.CKA_EXTRACTABLE, true)))
	must(t, err)
	wrap := &ck.Mechanism{Type: ck.CKM_AES_KEY_WRAP}
	out := ck.Into(make([]byte, 64))
	want(t, "wrap with", m.WrapKey(s, wrap, k, other, &out), ck.CKR_USER_NOT_LOGGED_IN)
	want(t, "wrap", m.WrapKey(s, wrap, other, k, &out), ck.CKR_USER_NOT_LOGGED_IN)
	must(t, m.WrapKey(s, wrap, other, other, &out))
	secret := []ck.Attribute{attr(ck.CKA_CLASS, ck.CKO_SECRET_KEY), attr(ck.CKA_KEY_TYPE, ck.CKK_GENERIC_SECRET)}
	_, err = m.UnwrapKey(s, wrap, k, out.Data[:out.N], secret)
	want(t, "unwrap", err, ck.CKR_USER_NOT_LOGGED_IN)
	var derived ck.ObjectHandle
	err = m.DeriveKey(s, &ck.Mechanism{Type: ck.CKM_SHA256_KEY_DERIVATION}, k, secret, &derived)
	want(t, "derive", err, ck.CKR_USER_NOT_LOGGED_IN)
	must(t, m.DigestInit(s, &ck.Mechanism{Type: ck.CKM_SHA256}))
	want(t, "digest", m.DigestKey(s, k), ck.CKR_USER_NOT_LOGGED_IN)
	must(t, m.DigestUpdate(s, []byte("the digest goes on")))
}

// TestLogoutBesideInit logs out while other sessions begin operations: what began before the key's handle went is
// cancelled, and no operation outlives the login.
func TestLogoutBesideInit(t *testing.T) {
	t.Parallel()
	m, slot := newToken(t)
	mech := &ck.Mechanism{Type: ck.CKM_AES_ECB}
	for range 5 {
		s := loggedIn(t, m, slot)
		k, err := m.CreateObject(s, aesTemplate(false, "k"))
		must(t, err)
		var list []ck.SessionHandle
		for range 8 {
			list = append(list, open(t, m, slot, true))
		}
		held := m.app.Load().sessions.Get(s)
		held.mu.Lock() // as a call in that session does: the logout waits for it
		done := make(chan error)
		go func() { done <- m.Logout(list[0]) }()
		for user := theUser; user != nobody; {
			user, _ = held.slot.currentLogin()
		}
		for _, other := range list {
			_ = m.EncryptInit(other, mech, k)
		}
		held.mu.Unlock()
		must(t, <-done)
		for _, other := range list {
			out := ck.Into(make([]byte, 16))
			want(t, "after logout", m.Encrypt(other, make([]byte, 16), &out), ck.CKR_OPERATION_NOT_INITIALIZED)
		}
		must(t, m.CloseAllSessions(slot))
	}
}
