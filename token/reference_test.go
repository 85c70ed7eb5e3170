package token

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/softcsp/softcsp/ck"
)

// TestReferences has threads acquire and release an Object in every way, while its owner lets it go: nobody who holds it sees it wiped, and it is
// wiped once, when the last has gone.
func TestReferences(t *testing.T) {
	for round := range 2000 {
		o := &Object{}
		o.refs.n.Store(1)
		o.blob = []byte{1}
		var held atomic.Int64
		var wait sync.WaitGroup
		start := make(chan struct{})
		for i := range uint32(4) {
			wait.Go(func() {
				<-start
				for range 20 + round%50 {
					part, ok := o.acquireOn(i)
					if !ok {
						return
					}
					held.Add(1)
					if o.refs.n.Load() == wiped || o.blob == nil {
						t.Error("wiped while it is held")
					}
					held.Add(-1)
					if o.releaseOn(part); i == 0 && o.acquire() {
						o.release()
					}
				}
			})
		}
		close(start)
		o.release()
		wait.Wait()
		if o.refs.n.Load() != wiped || o.blob != nil {
			t.Fatalf("round %d: %d references, not wiped", round, o.refs.n.Load())
		}
		if o.acquire() || o.refs.last() {
			t.Fatal("it comes back")
		}
	}
}

// TestSharedKeyParts has sessions use one key at the same time, and destroy it: its references are in parts then, and none is left.
func TestSharedKeyParts(t *testing.T) {
	m, slot := newToken(t)
	s := loggedIn(t, m, slot)
	k, err := m.CreateObject(s, aesTemplate(false, "k", attr(ck.CKA_ENCRYPT, true)))
	must(t, err)
	o := m.app.Load().objects.Get(k).object.Load()
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			h, err := m.OpenSession(slot, ck.CKF_SERIAL_SESSION)
			if err != nil {
				t.Error(err)
				return
			}
			for err == nil {
				if err = m.EncryptInit(h, &ck.Mechanism{Type: ck.CKM_AES_ECB}, k); err == nil {
					out := ck.Into(make([]byte, 16))
					err = m.Encrypt(h, make([]byte, 16), &out)
				}
				if o.refs.parts.Load() != nil { // they have met
					break
				}
			}
			if err != nil && ck.Code(err) != ck.CKR_KEY_HANDLE_INVALID {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	must(t, m.DestroyObject(s, k))
	if n := o.refs.n.Load(); n != wiped {
		t.Errorf("%d references to a key that is destroyed", n)
	}
}
