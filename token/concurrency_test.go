package token

import (
	"bytes"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/softcsp/softcsp/capi"
	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/locked"
)

// TestCancelledChunks cancels generations, and then everything, while a long input is being processed in chunks.
func TestCancelledChunks(t *testing.T) {
	t.Parallel()
	m, slot := newToken(t)
	s := sessionOf(t, m, loggedIn(t, m, slot))
	data := make([]byte, 3*chunkSize)
	chunks := 0
	must(t, s.inChunks(data, func([]byte) error { chunks++; s.generationsCancelled.Add(1); return nil }))
	want(t, "all is cancelled", s.inChunks(data, func([]byte) error { chunks++; s.cancellations.Add(1); return nil }), ck.CKR_FUNCTION_CANCELED)
	if chunks != 4 {
		t.Errorf("%d chunks", chunks)
	}
}

// TestTwoBusyModules does everything at once in two modules over one token, and looks at what is left of it.
func TestTwoBusyModules(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	before, goroutines := locked.Usage().Live, runtime.NumGoroutine()
	m, first := twoModules(t)
	info, err := m[0].GetSessionInfo(first[0])
	must(t, err)
	hammer(t, m[:], info.SlotID, before, goroutines)
}

// TestTwoBusyApplications does the same in two applications over one core.
func TestTwoBusyApplications(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	before, goroutines := locked.Usage().Live, runtime.NumGoroutine()
	m, slot := applications(t, 2)
	hammer(t, m, slot, before, goroutines)
}

// hammer does everything at once in two modules and ends them. Nothing may be left that was not there before.
func hammer(t *testing.T, m []*Module, slot ck.SlotID, before, goroutines int) {
	stop := time.Now().Add(4 * time.Second)
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(1, uint64(n)))
			for time.Now().Before(stop) {
				busy(t, m[n%2], slot, r)
			}
		})
	}
	wg.Wait()
	for i := range m {
		must(t, m[i].Finalize())
	}
	if now := locked.Usage().Live; now != before {
		t.Errorf("%d blocks of locked memory, %d before", now, before)
	}
	for end := time.Now().Add(3 * time.Second); runtime.NumGoroutine() > goroutines; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) { // timers have had their time
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), goroutines)
		}
	}
}

// A thread is one of several that use objects without asking the others.
type thread struct {
	t    *testing.T
	m    *Module
	s    ck.SessionHandle
	r    *rand.Rand
	keys []ck.ObjectHandle
}

// ok reports whether a call succeeded. What it answers otherwise must be what there is to be answered when other threads log
// out and destroy.
func (h *thread) ok(what string, err error) bool {
	switch ck.Code(err) {
	case ck.CKR_OK, ck.CKR_USER_NOT_LOGGED_IN, ck.CKR_OBJECT_HANDLE_INVALID, ck.CKR_KEY_HANDLE_INVALID, ck.CKR_USER_ALREADY_LOGGED_IN,
		ck.CKR_OPERATION_NOT_INITIALIZED, ck.CKR_WRAPPING_KEY_HANDLE_INVALID,
		// A search meets the RC4 keys and the key pairs of other threads too.
		ck.CKR_KEY_TYPE_INCONSISTENT, ck.CKR_WRAPPING_KEY_TYPE_INCONSISTENT, ck.CKR_KEY_UNEXTRACTABLE, ck.CKR_KEY_NOT_WRAPPABLE:
	default:
		h.t.Error(what, err)
	}
	return err == nil
}

func (h *thread) key() ck.ObjectHandle { return h.keys[h.r.IntN(len(h.keys))] }

// busy does one thing after another in a session.
func busy(t *testing.T, m *Module, slot ck.SlotID, r *rand.Rand) {
	s, err := m.OpenSession(slot, ck.CKF_SERIAL_SESSION|ck.CKF_RW_SESSION|ck.CKF_ASYNC_SESSION)
	must(t, err)
	h := &thread{t: t, m: m, s: s, r: r}
	h.ok("login", m.Login(s, ck.CKU_USER, []byte(userPIN)))
	for range 30 {
		if len(h.keys) == 0 || r.IntN(4) == 0 {
			k, err := m.CreateObject(s, aesTemplate(r.IntN(3) == 0, "busy", attr(ck.CKA_PRIVATE, r.IntN(2) == 0), attr(ck.CKA_WRAP, true),
				attr(ck.CKA_EXTRACTABLE, true), attr(ck.CKA_DERIVE, true)))
			if !h.ok("create", err) {
				break
			}
			h.keys = append(h.keys, k)
		}
		h.act()
	}
	h.ok("close", m.CloseSession(s))
}

// act does one thing.
func (h *thread) act() {
	m, s, out := h.m, h.s, ck.Into(make([]byte, 64))
	switch h.r.IntN(14) {
	case 0:
		if h.ok("init", m.EncryptInit(s, &ck.Mechanism{Type: ck.CKM_AES_ECB}, h.key())) {
			if h.ok("encrypt", m.Encrypt(s, make([]byte, 32), &out)) && !bytes.Equal(out.Data[:16], out.Data[16:32]) {
				h.t.Error("encrypted wrong")
			}
		}
	case 1:
		h.ok("wrap", m.WrapKey(s, &ck.Mechanism{Type: ck.CKM_AES_KEY_WRAP}, h.key(), h.key(), &out))
	case 2:
		h.ok("set", m.SetAttributeValue(s, h.key(), []ck.Attribute{attr(ck.CKA_ID, string(rune('a'+h.r.IntN(26))))}))
	case 3:
		_, err := m.CopyObject(s, h.key(), []ck.Attribute{attr(ck.CKA_TOKEN, false)})
		h.ok("copy", err)
	case 4:
		mech := func(flags uint) *ck.Mechanism {
			return deriveParam(0, capi.CALG_SHA1, capi.CALG_RC4, 128<<16|exportable|flags)
		}
		var k ck.ObjectHandle
		if h.ok("derive", m.DeriveKey(s, mech(0), h.key(), nil, &k)) {
			h.ok("update", m.DeriveKey(s, mech(capi.CRYPT_UPDATE_KEY), h.key(), nil, &k))
			h.ok("destroy derived", m.DestroyObject(s, k))
		}
	case 5, 6:
		h.find()
	case 7:
		_, err := read(m, s, h.key(), ck.CKA_LABEL)
		h.ok("read", err)
	case 8, 9, 10:
		h.ok("destroy", m.DestroyObject(s, h.key()))
	case 11:
		if h.r.IntN(5) == 0 {
			h.ok("logout", m.Logout(s))
		}
	case 12:
		h.messages()
	case 13:
		h.later()
	}
}

// messages encrypts some, with a key that others may destroy meanwhile.
func (h *thread) messages() {
	if !h.ok("message init", h.m.MessageEncryptInit(h.s, &ck.Mechanism{Type: ck.CKM_AES_GCM}, h.key())) {
		return
	}
	nonce, tag, out := make([]byte, 12), make([]byte, 16), ck.Into(make([]byte, 16))
	for range h.r.IntN(3) {
		h.ok("message", h.m.EncryptMessage(h.s, gcmMessage(nonce, tag), nil, make([]byte, 16), &out))
	}
	if h.ok("message begin", h.m.EncryptMessageBegin(h.s, gcmMessage(nonce, tag), nil)) && h.r.IntN(2) == 0 {
		h.ok("message next", h.m.EncryptMessageNext(h.s, gcmMessage(nonce, tag), make([]byte, 16), &out, ck.CKF_END_OF_MESSAGE))
	}
	h.ok("message cancel", h.m.SessionCancel(h.s, ck.CKF_MESSAGE_ENCRYPT))
}

// later makes a key pair that is waited for, given up, or left to the end of the session.
func (h *thread) later() {
	p256 := []ck.Attribute{{Type: ck.CKA_EC_PARAMS, Value: []byte("\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07")}}
	_, _, err := h.m.GenerateKeyPair(h.s, &ck.Mechanism{Type: ck.CKM_EC_KEY_PAIR_GEN}, p256, nil)
	switch {
	case err == ck.CKR_OPERATION_ACTIVE: // one was left
	case err != ck.CKR_PENDING:
		h.ok("pair", err)
		return
	}
	switch h.r.IntN(3) {
	case 0:
		h.ok("cancel", h.m.SessionCancel(h.s, ck.CKF_GENERATE_KEY_PAIR))
	case 1:
		err = ck.CKR_PENDING
		for err == ck.CKR_PENDING {
			err = h.m.AsyncComplete(h.s, "C_GenerateKeyPair", new(ck.AsyncData))
			runtime.Gosched()
		}
		h.ok("complete", err)
	}
}

// find takes some objects of other threads over.
func (h *thread) find() {
	template := []ck.Attribute{attr(ck.CKA_LABEL, "busy")}
	if h.r.IntN(2) == 0 {
		template = nil
	}
	if !h.ok("find", h.m.FindObjectsInit(h.s, template)) {
		return
	}
	list := make([]ck.ObjectHandle, 5)
	n, err := h.m.FindObjects(h.s, list)
	h.ok("found", err)
	h.keys = append(h.keys, list[:n]...)
	h.ok("find final", h.m.FindObjectsFinal(h.s))
}
