package store

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/softcsp/softcsp/ck"
)

// TestTogether has threads create and delete objects at the same time, some of them in vain: each is told what came of its own, and there are fewer
// commits than changes.
func TestTogether(t *testing.T) {
	t.Parallel()
	eachBackend(t, func(t *testing.T, p *Place) {
		tok, k := makeToken(t, p)
		createTogether(t, tok, k)
	})
}

func createTogether(t *testing.T, tok *Token, k *Keys) {
	before := tok.Generation()
	const threads, each = 16, 20
	var wait sync.WaitGroup
	for n := range threads {
		wait.Go(func() {
			for i := range each {
				name := fmt.Appendf(nil, "object %d of %d", i, n)
				r := private(string(name))
				if err := tok.Create(k, r); err != nil || r.ID == (ID{}) || r.Rev != 1 {
					t.Errorf("%s: %v, %v", name, r, err)
					return
				}
				if i%2 == 0 {
					continue
				}
				if err := tok.Delete(k, r.ID); err != nil {
					t.Errorf("delete %s: %v", name, err)
				}
				if err := tok.Delete(k, r.ID); ck.Code(err) != ck.CKR_OBJECT_HANDLE_INVALID {
					t.Errorf("delete %s once more: %v", name, err)
				}
			}
		})
	}
	wait.Wait()
	changes := uint64(threads * (each + each/2))
	if commits := tok.Generation() - before; commits >= changes && strings.Contains(t.Name(), "bolt") { // in memory nobody waits
		t.Errorf("%d commits for %d changes", commits, changes)
	}
	for n := range threads {
		for i := range each {
			ids, err := tok.Find(k, terms(fmt.Sprintf("object %d of %d", i, n))[0])
			if want := 1 - i%2; err != nil || len(ids) != want {
				t.Errorf("object %d of %d: %d, %v; want %d", i, n, len(ids), err, want)
			}
		}
	}
	wantSound(t, tok)
	if tok.together.leading || len(tok.together.waiting) != 0 {
		t.Error("somebody still waits")
	}
}

// TestTogetherWiped wipes the keys while threads create objects: each gets an answer.
func TestTogetherWiped(t *testing.T) {
	t.Parallel()
	tok, k := makeToken(t, newPlace(t, "bolt"))
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for {
				if err := tok.Create(k, private("x")); err != nil {
					wants(t, err, ck.CKR_USER_NOT_LOGGED_IN)
					return
				}
			}
		})
	}
	for begin := tok.Generation(); tok.Generation() < begin+30; {
		time.Sleep(time.Millisecond)
	}
	k.Wipe()
	wait.Wait()
}
