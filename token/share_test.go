package token

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/softcsp/softcsp/ck"
)

// twoModules returns two modules over one token, as two processes are, and a session of the user's in each.
func twoModules(t *testing.T) (m [2]*Module, s [2]ck.SessionHandle) {
	t.Helper()
	dir := t.TempDir()
	for i := range m {
		m[i] = New()
		must(t, m[i].Initialize(ck.InitArgs{Reserved: "tokendir='" + dir + "' kdf='test'"}))
		t.Cleanup(func() { _ = m[i].Finalize() })
	}
	slot := lastSlot(t, m[0])
	must(t, m[0].InitToken(slot, []byte(soPIN), []byte(pad("shared"))))
	so := open(t, m[0], slot, true)
	must(t, m[0].Login(so, ck.CKU_SO, []byte(soPIN)))
	must(t, m[0].InitPIN(so, []byte(userPIN)))
	must(t, m[0].CloseSession(so))
	for i := range m {
		s[i] = loggedIn(t, m[i], slot)
	}
	return m, s
}

// TestSearchBesideWriters searches everything and uses a key while this process and another one write: who reads all
// objects holds the file, and wants the object table; who follows the other process wants both too.
func TestSearchBesideWriters(t *testing.T) {
	if testing.Short() {
		t.Skip("takes two seconds")
	}
	t.Parallel()
	m, s := twoModules(t)
	info, err := m[0].GetSessionInfo(s[0])
	must(t, err)
	k, err := m[0].CreateObject(s[0], aesTemplate(true, "used"))
	must(t, err)
	write := func(m *Module) func(ck.SessionHandle) error {
		return func(s ck.SessionHandle) error {
			k, err := m.CreateObject(s, aesTemplate(true, "written"))
			if err != nil {
				return err
			}
			return m.DestroyObject(s, k)
		}
	}
	jobs := []struct {
		m *Module
		f func(ck.SessionHandle) error
	}{
		{m[1], write(m[1])}, {m[0], write(m[0])},
		{m[0], func(s ck.SessionHandle) error {
			if err := m[0].FindObjectsInit(s, nil); err != nil {
				return err
			}
			return m[0].FindObjectsFinal(s)
		}},
		{m[0], func(s ck.SessionHandle) error {
			_, err := read(m[0], s, k, ck.CKA_LABEL)
			return err
		}},
	}
	stop, done := time.Now().Add(2*time.Second), make(chan bool)
	var wg sync.WaitGroup
	for _, job := range jobs {
		s := open(t, job.m, info.SlotID, true)
		wg.Go(func() {
			for time.Now().Before(stop) {
				if err := job.f(s); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	go func() { wg.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		panic("calls wait for each other")
	}
}

// TestDestroyOnce destroys one object from several threads: one of them does.
func TestDestroyOnce(t *testing.T) {
	m, slot := newToken(t)
	s := loggedIn(t, m, slot)
	for range 200 {
		k, err := m.CreateObject(s, aesTemplate(false, "k"))
		must(t, err)
		var done atomic.Int32
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				if m.DestroyObject(s, k) == nil {
					done.Add(1)
				}
			})
		}
		wg.Wait()
		if n := done.Load(); n != 1 {
			t.Fatalf("destroyed %d times", n)
		}
	}
}

// TestReadOfDropped reads a token object that another thread has taken out of the cache meanwhile: nothing is kept where
// nobody would wipe it.
func TestReadOfDropped(t *testing.T) {
	m, slot := newToken(t)
	s := loggedIn(t, m, slot)
	k, err := m.CreateObject(s, aesTemplate(true, "k"))
	must(t, err)
	e := m.app.Load().objects.Get(k)
	c := e.cached.Load()
	c.drop()
	_, err = e.get()
	want(t, "read", err, ck.CKR_OBJECT_HANDLE_INVALID)
	if c.object.Load() != nil {
		t.Error("an object without a place in the cache is kept")
	}
}

// TestTwoModules has two modules over one directory, as two processes would be.
func TestTwoModules(t *testing.T) {
	t.Parallel()
	dir := "tokendir='" + t.TempDir() + "' kdf='test'"
	a, b := New(), New()
	for _, m := range []*Module{a, b} {
		must(t, m.Initialize(ck.InitArgs{Reserved: dir}))
		defer m.Finalize()
	}
	slot := lastSlot(t, a)
	if lastSlot(t, b) != slot {
		t.Fatal("the free slot has two numbers")
	}
	must(t, a.InitToken(slot, []byte(soPIN), []byte(pad("shared"))))
	so := open(t, a, slot, true)
	must(t, a.Login(so, ck.CKU_SO, []byte(soPIN)))
	must(t, a.InitPIN(so, []byte(userPIN)))
	must(t, a.CloseSession(so))
	slots, err := b.GetSlotList(true)
	must(t, err)
	if len(slots) != 2 || slots[0] != slot && slots[1] != slot {
		t.Fatalf("slots %v, want %v among two", slots, slot)
	}
	sa, sb := loggedIn(t, a, slot), loggedIn(t, b, slot)
	ka, err := a.CreateObject(sa, aesTemplate(true, "k"))
	must(t, err)
	found := find(t, b, sb, attr(ck.CKA_LABEL, "k"))
	if len(found) != 1 {
		t.Fatal("the other does not see the key", found)
	}
	kb := found[0]
	must(t, a.SetAttributeValue(sa, ka, []ck.Attribute{attr(ck.CKA_ENCRYPT, false)}))
	want(t, "use of a key that may no more", b.EncryptInit(sb, &ck.Mechanism{Type: ck.CKM_AES_ECB}, kb), ck.CKR_KEY_FUNCTION_NOT_PERMITTED)
	must(t, b.SetAttributeValue(sb, kb, []ck.Attribute{attr(ck.CKA_LABEL, "b")}))
	if v, err := read(a, sa, ka, ck.CKA_LABEL); err != nil || string(v) != "b" {
		t.Errorf("label %q, %v", v, err)
	}
	must(t, b.DestroyObject(sb, kb))
	_, err = read(a, sa, ka, ck.CKA_LABEL)
	want(t, "destroyed by the other", err, ck.CKR_OBJECT_HANDLE_INVALID)
}
