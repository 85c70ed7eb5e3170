package token

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/locked"
)

// applications returns modules over one core, initialised, with a token that has both PINs, and its slot.
func applications(t *testing.T, n int) ([]*Module, ck.SlotID) {
	t.Helper()
	core, conf := NewCore(), "tokendir='"+t.TempDir()+"' kdf='test' key_separation='strict'"
	list := make([]*Module, n)
	for i := range list {
		list[i] = core.NewModule()
		must(t, list[i].Initialize(ck.InitArgs{Reserved: conf}))
		t.Cleanup(func() { _ = list[i].Finalize() })
	}
	slot := lastSlot(t, list[0])
	must(t, list[0].MakeToken(slot, []byte(soPIN), []byte(userPIN), []byte(pad("shared"))))
	return list, slot
}

// sessionState returns the state of a session.
func sessionState(t *testing.T, m *Module, s ck.SessionHandle) ck.State {
	t.Helper()
	info, err := m.GetSessionInfo(s)
	must(t, err)
	return info.State
}

// What is an application's own is not seen by another: sessions, logins, session objects, operations and handles.
func TestApplicationsApart(t *testing.T) {
	m, slot := applications(t, 2)
	a, b := m[0], m[1]
	as := loggedIn(t, a, slot)
	bs := open(t, b, slot, true)
	if got := sessionState(t, b, bs); got != ck.CKS_RW_PUBLIC_SESSION {
		t.Errorf("a session of another application is in state %v after a login", got)
	}
	more := open(t, a, slot, false)
	_, err := b.GetSessionInfo(more)
	want(t, "a session of another application", err, ck.CKR_SESSION_HANDLE_INVALID)
	for i, sessions := range []uint{2, 1} {
		info, err := m[i].GetTokenInfo(slot)
		must(t, err)
		if info.SessionCount != sessions {
			t.Errorf("application %d has %d sessions, want %d", i, info.SessionCount, sessions)
		}
	}

	session, err := a.CreateObject(as, aesTemplate(false, "session"))
	must(t, err)
	private, err := a.CreateObject(as, aesTemplate(true, "private"))
	must(t, err)
	public, err := a.CreateObject(as, aesTemplate(true, "public", attr(ck.CKA_PRIVATE, false), attr(ck.CKA_SENSITIVE, true)))
	must(t, err)
	for _, h := range []ck.ObjectHandle{session, private, public} {
		_, err := b.GetObjectSize(bs, h)
		want(t, "a handle of another application", err, ck.CKR_OBJECT_HANDLE_INVALID)
	}
	if found := find(t, b, bs); len(found) != 1 {
		t.Fatalf("without a login an application finds %d objects, want the public one", len(found))
	}
	key := find(t, b, bs, attr(ck.CKA_LABEL, "public"))[0]
	want(t, "a key that another application has opened", b.EncryptInit(bs, &ck.Mechanism{Type: ck.CKM_AES_ECB}, key), ck.CKR_USER_NOT_LOGGED_IN)
	want(t, "logout without a login", b.Logout(bs), ck.CKR_USER_NOT_LOGGED_IN)

	must(t, a.EncryptInit(as, &ck.Mechanism{Type: ck.CKM_AES_ECB}, session))
	must(t, b.Login(bs, ck.CKU_SO, []byte(soPIN))) // beside the user of the other application
	if got := sessionState(t, a, as); got != ck.CKS_RW_USER_FUNCTIONS {
		t.Errorf("state %v after a login in another application", got)
	}
	if found := find(t, b, bs); len(found) != 1 {
		t.Errorf("the security officer finds %d objects, want the public one", len(found))
	}
	must(t, b.EncryptInit(bs, &ck.Mechanism{Type: ck.CKM_AES_ECB}, key))
	must(t, b.Logout(bs))
	must(t, a.Encrypt(as, make([]byte, 16), &ck.Buffer{Data: make([]byte, 16), Has: true}))
}

// A logout takes nothing from another application that is logged in, and the last one wipes.
func TestLogoutOfOne(t *testing.T) {
	before := locked.Usage().Live
	m, slot := applications(t, 2)
	var s [2]ck.SessionHandle
	var k [2]ck.ObjectHandle
	for i := range m {
		s[i] = loggedIn(t, m[i], slot)
	}
	_, err := m[0].CreateObject(s[0], aesTemplate(true, "key"))
	must(t, err)
	var cached [2]*cachedObject
	for i := range m {
		k[i] = find(t, m[i], s[i], attr(ck.CKA_LABEL, "key"))[0]
		cached[i] = m[i].app.Load().objects.Get(k[i]).cached.Load()
	}
	if cached[0] != cached[1] {
		t.Error("a token object is in the cache twice")
	}
	object, keys := cached[0].object.Load(), cached[0].cache.keys
	ecb := func() *ck.Mechanism { return &ck.Mechanism{Type: ck.CKM_AES_ECB} }
	encrypt := func() {
		t.Helper()
		must(t, m[1].Encrypt(s[1], make([]byte, 16), &ck.Buffer{Data: make([]byte, 16), Has: true}))
	}
	must(t, m[1].EncryptInit(s[1], ecb(), k[1]))
	must(t, m[0].EncryptInit(s[0], ecb(), k[0]))

	must(t, m[0].Logout(s[0]))
	want(t, "an operation after its logout", m[0].Encrypt(s[0], make([]byte, 16), &ck.Buffer{Data: make([]byte, 16), Has: true}), ck.CKR_OPERATION_NOT_INITIALIZED)
	want(t, "a private key after its logout", m[0].EncryptInit(s[0], ecb(), k[0]), ck.CKR_KEY_HANDLE_INVALID)
	encrypt() // the operation that had begun
	must(t, m[1].EncryptInit(s[1], ecb(), k[1]))
	encrypt()
	if cached[1].object.Load() != object {
		t.Error("the object was read anew")
	}
	if _, err := keys.Fingerprint(nil); err != nil {
		t.Error("the keys of the other application's login: ", err)
	}
	must(t, m[1].DestroyObject(s[1], k[1]))

	must(t, m[1].Logout(s[1]))
	_, err = keys.Fingerprint(nil)
	want(t, "the keys after the last logout", err, ck.CKR_USER_NOT_LOGGED_IN)
	for i := range m {
		if found := find(t, m[i], s[i]); len(found) != 0 {
			t.Errorf("application %d finds %d objects", i, len(found))
		}
		must(t, m[i].Finalize())
	}
	if now := locked.Usage().Live; now != before {
		t.Errorf("%d blocks of locked memory, %d before", now, before)
	}
}

// A login with the wrong PIN does not succeed because another application is logged in.
func TestLoginBesideLogin(t *testing.T) {
	m, slot := applications(t, 2)
	loggedIn(t, m[0], slot)
	s := open(t, m[1], slot, true)
	want(t, "wrong PIN", m[1].Login(s, ck.CKU_USER, []byte("wrong")), ck.CKR_PIN_INCORRECT)
	if got := sessionState(t, m[1], s); got != ck.CKS_RW_PUBLIC_SESSION {
		t.Errorf("state %v", got)
	}
	must(t, m[1].Login(s, ck.CKU_USER, []byte(userPIN)))
}

// What one application changes, makes and destroys in the token is so for the others.
func TestApplicationsTogether(t *testing.T) {
	m, slot := applications(t, 2)
	a, b := m[0], m[1]
	as, bs := loggedIn(t, a, slot), loggedIn(t, b, slot)
	ka, err := a.CreateObject(as, aesTemplate(true, "before"))
	must(t, err)
	kb := find(t, b, bs, attr(ck.CKA_LABEL, "before"))[0]
	must(t, a.SetAttributeValue(as, ka, []ck.Attribute{attr(ck.CKA_LABEL, "after")}))
	if v, err := read(b, bs, kb, ck.CKA_LABEL); err != nil || string(v) != "after" {
		t.Errorf("label %q, %v", v, err)
	}
	must(t, b.DestroyObject(bs, kb))
	_, err = read(a, as, ka, ck.CKA_LABEL)
	want(t, "destroyed", err, ck.CKR_OBJECT_HANDLE_INVALID)
	if n := len(a.app.Load().slots.find(slot).cache().objects); n != 0 {
		t.Errorf("%d objects in the cache", n)
	}

	want(t, "C_InitToken beside sessions of another application", a.InitToken(slot, []byte(soPIN), []byte(pad("x"))), ck.CKR_SESSION_EXISTS)
	must(t, a.CloseAllSessions(slot))
	want(t, "C_InitToken beside a session of another application", a.InitToken(slot, []byte(soPIN), []byte(pad("x"))), ck.CKR_SESSION_EXISTS)
	_, err = b.CreateObject(bs, aesTemplate(true, "open", attr(ck.CKA_PRIVATE, false)))
	must(t, err)
	must(t, b.CloseAllSessions(slot))
	must(t, a.InitToken(slot, []byte(soPIN), []byte(pad("x"))))
	if found := find(t, b, open(t, b, slot, true)); len(found) != 0 {
		t.Errorf("%d objects after C_InitToken in another application", len(found))
	}
}

// The first use of a key decides for all applications, where the key is in the token, and where each has it in a session.
func TestKeySeparationOfApplications(t *testing.T) {
	m, slot := applications(t, 2)
	a, b := m[0], m[1]
	as, bs := loggedIn(t, a, slot), loggedIn(t, b, slot)
	ecb := func() *ck.Mechanism { return &ck.Mechanism{Type: ck.CKM_AES_ECB} }
	kw := &ck.Mechanism{Type: ck.CKM_AES_KEY_WRAP}
	secret := generate(t, a, as, ck.CKA_EXTRACTABLE, true)
	out := ck.Into(make([]byte, 64))
	generate(t, a, as, ck.CKA_TOKEN, true, ck.CKA_LABEL, "wraps")
	wa, wb := find(t, a, as, attr(ck.CKA_LABEL, "wraps"))[0], find(t, b, bs, attr(ck.CKA_LABEL, "wraps"))[0]
	blob := wrapped(t, a, as, ck.CKM_AES_KEY_WRAP, wa, secret)
	want(t, "what wraps in one application decrypts in another", b.DecryptInit(bs, ecb(), wb), ck.CKR_KEY_FUNCTION_NOT_PERMITTED)

	generate(t, a, as, ck.CKA_TOKEN, true, ck.CKA_LABEL, "serves")
	must(t, b.DecryptInit(bs, ecb(), find(t, b, bs, attr(ck.CKA_LABEL, "serves"))[0]))
	want(t, "what decrypts in one application wraps in another",
		a.WrapKey(as, kw, find(t, a, as, attr(ck.CKA_LABEL, "serves"))[0], secret, &out), ck.CKR_KEY_FUNCTION_NOT_PERMITTED)

	// A session object of the one keeps the other from having its value with less protection.
	must(t, a.SetAttributeValue(as, secret, rows(ck.CKA_EXTRACTABLE, false)))
	k, err := b.UnwrapKey(bs, kw, wb, blob, typed)
	must(t, err)
	if v, err := read(b, bs, k, ck.CKA_EXTRACTABLE); err != nil || v[0] != 0 {
		t.Errorf("extractable %x, %v, though a key of another application with that value is not", v, err)
	}

	// Session objects with one value have one role, wherever they are.
	sameValue := func(m *Module, s ck.SessionHandle, fill byte) ck.ObjectHandle {
		k, err := m.CreateObject(s, rows(ck.CKA_CLASS, ck.CKO_SECRET_KEY, ck.CKA_KEY_TYPE, ck.CKK_AES, ck.CKA_VALUE, bytes.Repeat([]byte{fill}, 16),
			ck.CKA_SENSITIVE, true, ck.CKA_EXTRACTABLE, false))
		must(t, err)
		return k
	}
	must(t, b.SessionCancel(bs, ck.CKF_DECRYPT))
	victim := generate(t, a, as, ck.CKA_EXTRACTABLE, true)
	ta, tb := sameValue(a, as, 1), sameValue(b, bs, 1)
	must(t, b.DecryptInit(bs, ecb(), tb))
	want(t, "wrapping with the value of what decrypts", a.WrapKey(as, kw, ta, victim, &out), ck.CKR_KEY_FUNCTION_NOT_PERMITTED)
	must(t, b.SessionCancel(bs, ck.CKF_DECRYPT))
	ta, tb = sameValue(a, as, 2), sameValue(b, bs, 2)
	must(t, a.WrapKey(as, kw, ta, victim, &out))
	want(t, "decrypting with the value of what wraps", b.EncryptInit(bs, ecb(), tb), ck.CKR_KEY_FUNCTION_NOT_PERMITTED)
}

// C_Finalize of one application leaves the others as they are. The last closes the core, which can be opened again.
func TestFinalizeOfOne(t *testing.T) {
	before := locked.Usage().Live
	m, slot := applications(t, 3)
	conf := "tokendir='" + m[0].Config().TokenDir + "' kdf='test' log='info' log_file='" + filepath.Join(t.TempDir(), "log") + "'"
	var s [3]ck.SessionHandle
	for i := range m {
		s[i] = loggedIn(t, m[i], slot)
		_, err := m[i].CreateObject(s[i], aesTemplate(i == 0, fmt.Sprint("key ", i)))
		must(t, err)
	}
	_, _, err := m[1].GenerateKeyPair(s[1], &ck.Mechanism{Type: ck.CKM_EC_KEY_PAIR_GEN}, rows(ck.CKA_EC_PARAMS, []byte("\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07")), nil)
	must(t, err)
	must(t, m[0].Finalize()) // which had opened the core
	_, err = m[0].GetSlotList(true)
	want(t, "after C_Finalize", err, ck.CKR_CRYPTOKI_NOT_INITIALIZED)
	for i := 1; i < 3; i++ {
		if got := sessionState(t, m[i], s[i]); got != ck.CKS_RW_USER_FUNCTIONS {
			t.Errorf("application %d: state %v after another's C_Finalize", i, got)
		}
		if n := len(find(t, m[i], s[i], attr(ck.CKA_CLASS, ck.CKO_SECRET_KEY))); n != 2 {
			t.Errorf("application %d finds %d keys, want the token's and its own", i, n)
		}
	}
	must(t, m[0].Initialize(ck.InitArgs{Reserved: conf}))
	must(t, m[1].Finalize())
	must(t, m[2].Finalize())
	back := loggedIn(t, m[0], slot)
	if n := len(find(t, m[0], back, attr(ck.CKA_LABEL, "key 0"))); n != 1 {
		t.Errorf("%d keys", n)
	}
	must(t, m[0].Finalize())
	if now := locked.Usage().Live; now != before {
		t.Errorf("%d blocks of locked memory, %d before", now, before)
	}
	if m[0].core.place != nil || m[0].core.slots.list != nil {
		t.Error("the core is open though no application is")
	}
	must(t, m[2].Initialize(ck.InitArgs{Reserved: conf}))
	loggedIn(t, m[2], slot)
}

// Each application is told of each event once, whoever has noticed it.
func TestEventsOfApplications(t *testing.T) {
	m, slot := applications(t, 2)
	var sessions [2]ck.SessionHandle
	for i, a := range m {
		lastSlot(t, a)
		for { // of the token that was made at first
			if _, err := a.WaitForSlotEvent(ck.CKF_DONT_BLOCK); err != nil {
				want(t, "at first", err, ck.CKR_NO_EVENT)
				break
			}
		}
		sessions[i] = loggedIn(t, a, slot)
	}
	made := lastSlot(t, m[0])
	must(t, m[0].InitToken(made, []byte(soPIN), []byte(pad("new"))))
	for i, a := range m {
		id, err := a.WaitForSlotEvent(ck.CKF_DONT_BLOCK)
		if err != nil || id == made {
			t.Errorf("application %d: event of slot %v, %v", i, id, err)
		}
		_, err = a.WaitForSlotEvent(ck.CKF_DONT_BLOCK)
		want(t, "another", err, ck.CKR_NO_EVENT)
	}
	files, err := filepath.Glob(filepath.Join(m[0].Config().TokenDir, "*.token"))
	must(t, err)
	for _, f := range files {
		must(t, os.Remove(f))
	}
	for end := time.Now().Add(5 * time.Second); ; { // the time of a directory goes in steps
		if list, err := m[0].GetSlotList(true); err != nil || len(list) == 1 {
			must(t, err)
			break
		}
		if time.Now().After(end) {
			t.Fatal("the tokens are still there")
		}
	}
	for i, a := range m {
		var gone []ck.SlotID
		for range 2 {
			id, err := a.WaitForSlotEvent(ck.CKF_DONT_BLOCK)
			must(t, err)
			gone = append(gone, id)
		}
		if gone[0] == gone[1] || gone[0] != slot && gone[1] != slot {
			t.Errorf("application %d: events of slots %v", i, gone)
		}
		_, err := a.GetSessionInfo(sessions[i])
		want(t, "a session with a token that is gone", err, ck.CKR_SESSION_HANDLE_INVALID)
	}
}

// A hundred applications over one core come and go and do not meet.
func TestHundredApplications(t *testing.T) {
	before := locked.Usage().Live
	m, slot := applications(t, 100)
	s := loggedIn(t, m[0], slot)
	_, err := m[0].CreateObject(s, aesTemplate(true, "shared"))
	must(t, err)
	var wg sync.WaitGroup
	for i, a := range m[1:] {
		wg.Go(func() {
			for round := range 3 {
				guest(t, a, slot, fmt.Sprint("application ", i))
				if (i+round)%3 == 0 {
					must(t, a.Finalize())
					must(t, a.Initialize(ck.InitArgs{Reserved: "tokendir='" + m[0].Config().TokenDir + "' kdf='test'"}))
				}
			}
		})
	}
	wg.Wait()
	if n := m[0].app.Load().slots.find(slot).cache().users; n != 1 {
		t.Errorf("%d applications use the cache of a login that one is left of", n)
	}
	if found := find(t, m[0], s); len(found) != 1 {
		t.Errorf("%d objects", len(found))
	}
	for _, a := range m {
		must(t, a.Finalize())
	}
	if now := locked.Usage().Live; now != before {
		t.Errorf("%d blocks of locked memory, %d before", now, before)
	}
}

// guest is what one of the hundred does.
func guest(t *testing.T, m *Module, slot ck.SlotID, label string) {
	s := loggedIn(t, m, slot)
	shared := find(t, m, s, attr(ck.CKA_LABEL, "shared"))
	if len(shared) != 1 {
		t.Errorf("%s finds %d shared keys", label, len(shared))
		return
	}
	own, err := m.CreateObject(s, aesTemplate(false, label))
	must(t, err)
	for _, k := range []ck.ObjectHandle{shared[0], own} {
		must(t, m.EncryptInit(s, &ck.Mechanism{Type: ck.CKM_AES_ECB}, k))
		must(t, m.Encrypt(s, make([]byte, 16), &ck.Buffer{Data: make([]byte, 16), Has: true}))
	}
	if found := find(t, m, s, attr(ck.CKA_TOKEN, false)); len(found) != 1 || found[0] != own {
		t.Errorf("%s finds session objects %v, want %v", label, found, own)
	}
	must(t, m.EncryptInit(s, &ck.Mechanism{Type: ck.CKM_AES_ECB}, shared[0]))
	must(t, m.Logout(s))
	want(t, label+": an operation after its logout", m.Encrypt(s, nil, &ck.Buffer{}), ck.CKR_OPERATION_NOT_INITIALIZED)
	if found := find(t, m, s); len(found) != 0 {
		t.Errorf("%s finds %d objects without a login", label, len(found))
	}
	must(t, m.CloseSession(s))
}
