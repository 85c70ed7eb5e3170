package token

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/softcsp/softcsp/ck"
)

const (
	soPIN   = "so-87654321"
	userPIN = "user-1234"
)

// newModule returns an initialised module over a token directory of its own.
func newModule(t *testing.T, settings string) *Module {
	t.Helper()
	m := New()
	must(t, m.Initialize(ck.InitArgs{Reserved: "tokendir='" + t.TempDir() + "' kdf='test' " + settings}))
	t.Cleanup(func() {
		if err := m.Finalize(); err != nil && !errors.Is(err, ck.CKR_CRYPTOKI_NOT_INITIALIZED) {
			t.Error(err)
		}
	})
	return m
}

// newToken returns a module with an initialised token, and its slot.
func newToken(t *testing.T) (*Module, ck.SlotID) {
	t.Helper()
	m := newModule(t, "")
	slot := lastSlot(t, m)
	must(t, m.InitToken(slot, []byte(soPIN), []byte(pad("test token"))))
	s := open(t, m, slot, true)
	must(t, m.Login(s, ck.CKU_SO, []byte(soPIN)))
	must(t, m.InitPIN(s, []byte(userPIN)))
	must(t, m.CloseSession(s))
	return m, slot
}

func pad(label string) string { return label + strings.Repeat(" ", 32-len(label)) }

func lastSlot(t *testing.T, m *Module) ck.SlotID {
	t.Helper()
	slots, err := m.GetSlotList(true)
	must(t, err)
	return slots[len(slots)-1]
}

func open(t *testing.T, m *Module, slot ck.SlotID, writable bool) ck.SessionHandle {
	t.Helper()
	flags := ck.CKF_SERIAL_SESSION
	if writable {
		flags |= ck.CKF_RW_SESSION
	}
	s, err := m.OpenSession(slot, flags)
	must(t, err)
	return s
}

// loggedIn returns a read-write session of the user's.
func loggedIn(t *testing.T, m *Module, slot ck.SlotID) ck.SessionHandle {
	t.Helper()
	s := open(t, m, slot, true)
	must(t, m.Login(s, ck.CKU_USER, []byte(userPIN)))
	return s
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// want fails the test unless err has the code rv.
func want(t *testing.T, what string, err error, rv ck.RV) {
	t.Helper()
	if ck.Code(err) != rv {
		t.Errorf("%s: %v, want %v", what, err, rv)
	}
}

func attr(t ck.AttributeType, v any) ck.Attribute {
	switch v := v.(type) {
	case bool:
		return ck.Attribute{Type: t, Value: ck.BoolValue(v)}
	case string:
		return ck.Attribute{Type: t, Value: []byte(v)}
	case []byte:
		return ck.Attribute{Type: t, Value: v}
	case int:
		return ck.Attribute{Type: t, Value: ck.UlongValue(uint(v))}
	case ck.ObjectClass:
		return ck.Attribute{Type: t, Value: ck.UlongValue(uint(v))}
	case ck.KeyType:
		return ck.Attribute{Type: t, Value: ck.UlongValue(uint(v))}
	}
	panic("no such value")
}

// aesTemplate is a template of an AES key that can do everything.
func aesTemplate(token bool, label string, more ...ck.Attribute) []ck.Attribute {
	return append([]ck.Attribute{
		attr(ck.CKA_CLASS, ck.CKO_SECRET_KEY), attr(ck.CKA_KEY_TYPE, ck.CKK_AES), attr(ck.CKA_TOKEN, token), attr(ck.CKA_LABEL, label),
		attr(ck.CKA_VALUE, bytes.Repeat([]byte{7}, 32)), attr(ck.CKA_ENCRYPT, true), attr(ck.CKA_DECRYPT, true),
	}, more...)
}

// read returns an attribute's value.
func read(m *Module, s ck.SessionHandle, o ck.ObjectHandle, t ck.AttributeType) ([]byte, error) {
	rows := []ck.AttributeBuffer{{Type: t, Buffer: ck.Into(make([]byte, 512))}}
	err := m.GetAttributeValue(s, o, rows)
	if err != nil {
		return nil, err
	}
	return rows[0].Data[:rows[0].N], nil
}

func find(t *testing.T, m *Module, s ck.SessionHandle, template ...ck.Attribute) []ck.ObjectHandle {
	t.Helper()
	must(t, m.FindObjectsInit(s, template))
	out := make([]ck.ObjectHandle, 1000)
	n, err := m.FindObjects(s, out)
	must(t, err)
	must(t, m.FindObjectsFinal(s))
	return out[:n]
}

func TestNotInitialised(t *testing.T) {
	m := New()
	_, err := m.GetInfo()
	want(t, "GetInfo", err, ck.CKR_CRYPTOKI_NOT_INITIALIZED)
	want(t, "Finalize", m.Finalize(), ck.CKR_CRYPTOKI_NOT_INITIALIZED)
	m = newModule(t, "")
	want(t, "Initialize", m.Initialize(ck.InitArgs{}), ck.CKR_CRYPTOKI_ALREADY_INITIALIZED)
	must(t, m.Finalize())
	for _, args := range []ck.InitArgs{{Callbacks: true}, {Callbacks: true, Flags: ck.CKF_OS_LOCKING_OK}, {Flags: ck.CKF_LIBRARY_CANT_CREATE_OS_THREADS}} {
		must(t, m.Initialize(args))
		must(t, m.Finalize())
	}
}

// TestSessionStates walks through the states of section 4.2 of the usage guide.
func TestSessionStates(t *testing.T) {
	t.Parallel()
	m, slot := newToken(t)
	state := func(s ck.SessionHandle) ck.State {
		i, err := m.GetSessionInfo(s)
		must(t, err)
		return i.State
	}
	ro, rw := open(t, m, slot, false), open(t, m, slot, true)
	check := func(when string, r, w ck.State) {
		t.Helper()
		if state(ro) != r || state(rw) != w {
			t.Errorf("%s: states %v and %v, want %v and %v", when, state(ro), state(rw), r, w)
		}
	}
	check("nobody", ck.CKS_RO_PUBLIC_SESSION, ck.CKS_RW_PUBLIC_SESSION)
	want(t, "SO login beside a read-only session", m.Login(rw, ck.CKU_SO, []byte(soPIN)), ck.CKR_SESSION_READ_ONLY_EXISTS)
	want(t, "logout", m.Logout(rw), ck.CKR_USER_NOT_LOGGED_IN)
	must(t, m.Login(ro, ck.CKU_USER, []byte(userPIN)))
	check("user", ck.CKS_RO_USER_FUNCTIONS, ck.CKS_RW_USER_FUNCTIONS)
	want(t, "second login", m.Login(rw, ck.CKU_USER, []byte(userPIN)), ck.CKR_USER_ALREADY_LOGGED_IN)
	want(t, "SO login", m.Login(rw, ck.CKU_SO, []byte(soPIN)), ck.CKR_USER_ANOTHER_ALREADY_LOGGED_IN)
	must(t, m.Logout(rw))
	check("after logout", ck.CKS_RO_PUBLIC_SESSION, ck.CKS_RW_PUBLIC_SESSION)
	must(t, m.CloseSession(ro))
	must(t, m.Login(rw, ck.CKU_SO, []byte(soPIN)))
	if state(rw) != ck.CKS_RW_SO_FUNCTIONS {
		t.Error("SO", state(rw))
	}
	_, err := m.OpenSession(slot, ck.CKF_SERIAL_SESSION)
	want(t, "read-only session beside the SO", err, ck.CKR_SESSION_READ_WRITE_SO_EXISTS)
	must(t, m.CloseSession(rw))
	if rw = open(t, m, slot, true); state(rw) != ck.CKS_RW_PUBLIC_SESSION {
		t.Error("closing the last session did not log out")
	}
	_, err = m.OpenSession(slot, ck.CKF_RW_SESSION)
	want(t, "parallel session", err, ck.CKR_SESSION_PARALLEL_NOT_SUPPORTED)
}

func TestLockout(t *testing.T) {
	m := newModule(t, "max_tries=3")
	slot := lastSlot(t, m)
	must(t, m.InitToken(slot, []byte(soPIN), []byte(pad("x"))))
	s := open(t, m, slot, true)
	want(t, "no user PIN", m.Login(s, ck.CKU_USER, []byte(userPIN)), ck.CKR_USER_PIN_NOT_INITIALIZED)
	must(t, m.Login(s, ck.CKU_SO, []byte(soPIN)))
	must(t, m.InitPIN(s, []byte(userPIN)))
	must(t, m.Logout(s))
	flags := func() ck.Flags {
		i, err := m.GetTokenInfo(slot)
		must(t, err)
		return i.Flags & (ck.CKF_USER_PIN_COUNT_LOW | ck.CKF_USER_PIN_FINAL_TRY | ck.CKF_USER_PIN_LOCKED)
	}
	for i, w := range []ck.Flags{ck.CKF_USER_PIN_COUNT_LOW, ck.CKF_USER_PIN_COUNT_LOW | ck.CKF_USER_PIN_FINAL_TRY, ck.CKF_USER_PIN_LOCKED} {
		if i == 0 && flags() != 0 {
			t.Error("flags before the first try", flags())
		}
		want(t, "wrong PIN", m.Login(s, ck.CKU_USER, []byte("wrong")), ck.CKR_PIN_INCORRECT)
		if flags() != w {
			t.Errorf("after %d tries flags %x, want %x", i+1, flags(), w)
		}
	}
	want(t, "locked", m.Login(s, ck.CKU_USER, []byte(userPIN)), ck.CKR_PIN_LOCKED)
	must(t, m.Login(s, ck.CKU_SO, []byte(soPIN)))
	must(t, m.InitPIN(s, []byte(userPIN)))
	must(t, m.Logout(s))
	must(t, m.Login(s, ck.CKU_USER, []byte(userPIN)))
	if flags() != 0 {
		t.Error("flags after a good login", flags())
	}
}

func TestObjects(t *testing.T) {
	m, slot := newToken(t)
	public := open(t, m, slot, true)
	_, err := m.CreateObject(public, aesTemplate(true, "k"))
	want(t, "token key without login", err, ck.CKR_USER_NOT_LOGGED_IN)
	_, err = m.CreateObject(public, aesTemplate(false, "k", attr(ck.CKA_PRIVATE, true)))
	want(t, "private key without login", err, ck.CKR_USER_NOT_LOGGED_IN)
	must(t, m.Login(public, ck.CKU_USER, []byte(userPIN)))
	session, err := m.CreateObject(public, aesTemplate(false, "session"))
	must(t, err)
	stored, err := m.CreateObject(public, aesTemplate(true, "stored"))
	must(t, err)
	open, err := m.CreateObject(public, aesTemplate(true, "open", attr(ck.CKA_PRIVATE, false)))
	must(t, err)
	for label, h := range map[string]ck.ObjectHandle{"session": session, "stored": stored, "open": open} {
		if got := find(t, m, public, attr(ck.CKA_LABEL, label)); len(got) != 1 || got[0] != h {
			t.Errorf("found %v by label %s, want %v", got, label, h)
		}
		if v, err := read(m, public, h, ck.CKA_LABEL); err != nil || string(v) != label {
			t.Errorf("label %q, %v", v, err)
		}
		_, err := read(m, public, h, ck.CKA_VALUE)
		want(t, "value", err, ck.CKR_ATTRIBUTE_SENSITIVE)
	}
	if got := find(t, m, public); len(got) != 3 {
		t.Error("found", got)
	}
	must(t, m.SetAttributeValue(public, stored, []ck.Attribute{attr(ck.CKA_LABEL, "renamed")}))
	if got := find(t, m, public, attr(ck.CKA_LABEL, "renamed")); len(got) != 1 || got[0] != stored {
		t.Error("renamed", got)
	}
	must(t, m.Logout(public))
	if got := find(t, m, public); len(got) != 1 || got[0] != open {
		t.Error("found without login", got)
	}
	_, err = read(m, public, stored, ck.CKA_LABEL)
	want(t, "private object after logout", err, ck.CKR_OBJECT_HANDLE_INVALID)
	want(t, "use of a sealed key", m.EncryptInit(public, &ck.Mechanism{Type: ck.CKM_AES_ECB}, open), ck.CKR_USER_NOT_LOGGED_IN)
	must(t, m.Login(public, ck.CKU_USER, []byte(userPIN)))
	got := find(t, m, public, attr(ck.CKA_LABEL, "renamed"))
	if len(got) != 1 {
		t.Fatal("after login", got)
	}
	must(t, m.DestroyObject(public, got[0]))
	if got := find(t, m, public, attr(ck.CKA_LABEL, "renamed")); len(got) != 0 {
		t.Error("destroyed", got)
	}
	want(t, "destroyed twice", m.DestroyObject(public, got[0]), ck.CKR_OBJECT_HANDLE_INVALID)
}

func TestEncrypt(t *testing.T) {
	m, slot := newToken(t)
	s := loggedIn(t, m, slot)
	for _, token := range []bool{false, true} {
		k, err := m.CreateObject(s, aesTemplate(token, "k"))
		must(t, err)
		iv := bytes.Repeat([]byte{1}, 16)
		mech := func() *ck.Mechanism { return &ck.Mechanism{Type: ck.CKM_AES_CBC_PAD, Param: ck.NewParam(iv, nil)} }
		must(t, m.EncryptInit(s, mech(), k))
		want(t, "second init", m.EncryptInit(s, mech(), k), ck.CKR_OPERATION_ACTIVE)
		var query ck.Buffer
		must(t, m.Encrypt(s, []byte("attack at dawn"), &query))
		short := ck.Into(make([]byte, 15))
		want(t, "short buffer", m.Encrypt(s, []byte("attack at dawn"), &short), ck.CKR_BUFFER_TOO_SMALL)
		out := ck.Into(make([]byte, query.N))
		must(t, m.Encrypt(s, []byte("attack at dawn"), &out))
		want(t, "after the end", m.Encrypt(s, nil, &out), ck.CKR_OPERATION_NOT_INITIALIZED)
		must(t, m.DecryptInit(s, mech(), k))
		plain := ck.Into(make([]byte, 14))
		must(t, m.Decrypt(s, out.Data[:out.N], &plain))
		if string(plain.Data[:plain.N]) != "attack at dawn" {
			t.Errorf("%q", plain.Data[:plain.N])
		}
		must(t, m.DecryptInit(s, mech(), k))
		part := ck.Into(make([]byte, 32))
		must(t, m.DecryptUpdate(s, out.Data[:out.N], &part))
		tiny := ck.Into(make([]byte, 1))
		want(t, "short final", m.DecryptFinal(s, &tiny), ck.CKR_BUFFER_TOO_SMALL)
		if part.N+tiny.N != 14 {
			t.Error("lengths", part.N, tiny.N)
		}
		rest := ck.Into(make([]byte, tiny.N))
		must(t, m.DecryptFinal(s, &rest))
		must(t, m.DestroyObject(s, k))
	}
}

// inMemory is the parameter of a mechanism whose structure points to values by their index from 1 on.
func inMemory(t ck.MechanismType, data []byte, memory ...[]byte) *ck.Mechanism {
	return &ck.Mechanism{Type: t, Param: ck.NewParam(data, func(addr uint64, n uint) []byte {
		if i := addr>>32 - 1; i < uint64(len(memory)) && uint64(n)+addr<<32>>32 <= uint64(len(memory[i])) {
			return memory[i][addr<<32>>32:][:n]
		}
		return nil
	})}
}

// at is the address of the i-th value, from 1 on.
func at(i uint) uint { return i << 32 }

func ulongs(all ...uint) (b []byte) {
	for _, u := range all {
		b = ck.AppendUlong(b, u)
	}
	return b
}

func value(t *testing.T, m *Module, s ck.SessionHandle, o ck.ObjectHandle, a ck.AttributeType) []byte {
	t.Helper()
	v, err := read(m, s, o, a)
	must(t, err)
	return v
}
