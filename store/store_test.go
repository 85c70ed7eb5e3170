package store

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/locked"
)

func TestObjects(t *testing.T) {
	eachBackend(t, func(t *testing.T, p *Place) {
		tok, k := makeToken(t, p)
		a, b := private("a"), public("b")
		empty := &Record{}
		create(t, tok, k, a, b, empty)
		if a.ID == b.ID || a.Rev != 1 {
			t.Errorf("created %v and %v", a, b)
		}
		for _, r := range []*Record{a, b, empty} {
			got, err := tok.Get(k, r.ID)
			wantRecord(t, got, err, r)
		}

		// Without keys: public parts alone.
		got, err := tok.Get(nil, b.ID)
		wantRecord(t, got, err, &Record{ID: b.ID, Rev: b.Rev, Public: b.Public})
		_, err = tok.Get(nil, a.ID)
		wants(t, err, ck.CKR_OBJECT_HANDLE_INVALID)

		// A new revision, of the other kind and with other terms.
		a.Public, a.Terms = []byte("now public"), [][]byte{[]byte("x")}
		wants(t, update(tok, k, a), ck.CKR_OK)
		if a.Rev != 2 {
			t.Errorf("revision %d after Update", a.Rev)
		}
		got, err = tok.Get(k, a.ID)
		wantRecord(t, got, err, a)
		stale := *a
		stale.Rev = 1
		if err := update(tok, k, &stale); !errors.Is(err, ErrStale) || stale.Rev != 1 {
			t.Errorf("Update of an old revision answers %v", err)
		}

		wants(t, tok.Delete(k, a.ID, a.ID), ck.CKR_OBJECT_HANDLE_INVALID)
		got, err = tok.Get(k, a.ID) // a Delete that fails deletes nothing
		wantRecord(t, got, err, a)
		wants(t, tok.Delete(k, a.ID, empty.ID), ck.CKR_OK)
		_, err = tok.Get(k, a.ID)
		wants(t, err, ck.CKR_OBJECT_HANDLE_INVALID)
		wants(t, tok.Update(k, a), ck.CKR_OBJECT_HANDLE_INVALID)
		wants(t, tok.Delete(k, a.ID), ck.CKR_OBJECT_HANDLE_INVALID)
		wants(t, tok.Delete(k), ck.CKR_OK)
		wants(t, tok.Create(k), ck.CKR_OK)
	})
}

func TestFind(t *testing.T) {
	eachBackend(t, func(t *testing.T, p *Place) {
		tok, k := makeToken(t, p)
		a, b, c := private("a"), public("b"), private("c")
		create(t, tok, k, a, b, c)
		find := func(k *Keys, term string, want ...*Record) {
			t.Helper()
			for range 2 { // the second answer comes from memory
				ids, err := tok.Find(k, []byte(term))
				if err != nil {
					t.Fatal(err)
				}
				var w []ID
				for _, r := range want {
					w = append(w, r.ID)
				}
				if !slices.Equal(ids, sortIDs(w)) {
					t.Errorf("Find(%q): %v, want %v", term, ids, w)
				}
			}
		}
		find(k, "class", a, b, c)
		find(nil, "class", b)
		find(k, "label a", a)
		find(nil, "label a")
		find(k, "label b", b)
		find(k, "nothing")
		find(k, string(make([]byte, 1000)))
		wants(t, tok.Delete(k, a.ID), ck.CKR_OK)
		find(k, "class", b, c)
		find(k, "label a")
		c.Terms = [][]byte{[]byte("other")}
		wants(t, update(tok, k, c), ck.CKR_OK)
		find(k, "class", b)
		find(k, "other", c)
	})
}

func TestFindLimit(t *testing.T) {
	f := &searchCache{}
	ids := make([]ID, 10_000)
	for i := range 200 {
		f.put(1, term{byte(i)}, ids)
	}
	if now := f.now.Load(); now.size > maxSearchCache || len(now.ids) == 0 {
		t.Errorf("%d results of %d bytes are kept", len(now.ids), now.size)
	}
	f.put(1, term{9, 9}, make([]ID, maxSearchCache/16))
	if _, ok := f.get(1, term{9, 9}); ok {
		t.Error("a result beyond the limit is kept")
	}
}

func TestAll(t *testing.T) {
	eachBackend(t, func(t *testing.T, p *Place) {
		tok, k := makeToken(t, p)
		a, b := private("a"), public("b")
		create(t, tok, k, a, b)
		all := func(k *Keys, skip ID) (got []ID) {
			err := tok.All(k, func(id ID, rev uint64) bool { return id == skip && rev == 1 }, func(r Record) error {
				got = append(got, r.ID)
				if (r.Sealed == nil) != (k == nil) {
					t.Errorf("object %v: sealed part %q", r.ID, r.Sealed)
				}
				locked.Free(r.Sealed)
				return nil
			})
			wants(t, err, ck.CKR_OK)
			return sortIDs(got)
		}
		for _, c := range []struct {
			k    *Keys
			skip ID
			want []ID
		}{
			{k, ID{}, []ID{a.ID, b.ID}},
			{k, a.ID, []ID{b.ID}},
			{nil, ID{}, []ID{b.ID}},
			{nil, b.ID, nil},
		} {
			if got := all(c.k, c.skip); !slices.Equal(got, sortIDs(c.want)) {
				t.Errorf("All: %v, want %v", got, c.want)
			}
		}
		stop := errors.New("stop")
		for _, k := range []*Keys{k, nil} {
			if err := tok.All(k, nil, func(r Record) error { locked.Free(r.Sealed); return stop }); !errors.Is(err, stop) {
				t.Errorf("All answers %v", err)
			}
		}
	})
}

func TestWipedKeys(t *testing.T) {
	eachBackend(t, func(t *testing.T, p *Place) {
		tok, k := makeToken(t, p)
		other, foreign := makeToken(t, p)
		a := private("a")
		create(t, tok, k, a)
		if _, err := tok.Find(k, []byte("class")); err != nil {
			t.Fatal(err)
		}
		dead := unlock(t, tok, User, userPIN)
		dead.Wipe()
		dead.Wipe()
		for _, k := range []*Keys{dead, foreign} {
			calls := map[string]error{
				"Create": tok.Create(k, private("x")),
				"Update": tok.Update(k, a),
				"Delete": tok.Delete(k, a.ID),
				"SetPIN": tok.SetPIN(k, User, userPIN),
				"All":    tok.All(k, nil, func(Record) error { return nil }),
			}
			_, calls["Get"] = tok.Get(k, a.ID)
			_, calls["Find"] = tok.Find(k, []byte("class"))
			_, calls["Check"] = tok.Check(k)
			for name, err := range calls {
				if ck.Code(err) != ck.CKR_USER_NOT_LOGGED_IN {
					t.Errorf("%s answers %v", name, err)
				}
			}
		}
		wants(t, tok.Create(nil, private("x")), ck.CKR_USER_NOT_LOGGED_IN)
		wants(t, other.Create(foreign, private("x")), ck.CKR_OK)
	})
}

func TestWipeWhileInUse(t *testing.T) {
	t.Parallel()
	eachBackend(t, func(t *testing.T, p *Place) {
		tok, k := makeToken(t, p)
		a := public("a")
		create(t, tok, k, a)
		var wg sync.WaitGroup
		for g := range 4 {
			k := unlock(t, tok, User, userPIN)
			wg.Go(func() {
				for i := 0; ; i++ {
					r, err := tok.Get(k, a.ID)
					locked.Free(r.Sealed)
					if err == nil {
						_, err = tok.Find(k, fmt.Appendf(nil, "%d", i))
					}
					if err == nil && i%8 == g {
						err = tok.Create(k, private("x"))
					}
					if err != nil {
						wants(t, err, ck.CKR_USER_NOT_LOGGED_IN)
						return
					}
					if i == 10+g {
						wg.Go(k.Wipe)
					}
				}
			})
		}
		wg.Wait()
	})
}

func TestGenerationAndChanged(t *testing.T) {
	eachBackend(t, func(t *testing.T, p *Place) {
		tok, k := makeToken(t, p)
		start := tok.Generation()
		a, b := private("a"), public("b")
		create(t, tok, k, a)
		create(t, tok, k, b)
		wants(t, tok.Delete(k, a.ID), ck.CKR_OK)
		if tok.Generation() != start+3 {
			t.Errorf("generation %d after three commits, was %d", tok.Generation(), start)
		}
		_, err := tok.Unlock(User, []byte("wrong"))
		wants(t, err, ck.CKR_PIN_INCORRECT)
		check := func(since uint64, want []ID, complete bool) {
			t.Helper()
			for range 2 {
				ids, now, ok := tok.Changed(since)
				if ok != complete || now != tok.Generation() || !slices.Equal(ids, sortIDs(want)) {
					t.Errorf("Changed(%d): %v %d %v, want %v %v", since, ids, now, ok, want, complete)
				}
				tok.journal = journal{} // the second answer comes from the file
			}
		}
		check(start, []ID{a.ID, b.ID}, true)
		check(start+2, []ID{a.ID}, true)
		check(tok.Generation(), nil, true)
		check(tok.Generation()+1, nil, false)
		check(0, nil, false)
		wants(t, tok.Reformat(Format{SOPIN: soPIN, KDF: "test"}), ck.CKR_OK)
		check(start, nil, false)
	})
}

func TestJournalLength(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "memory")
	tok, k := makeToken(t, p)
	start := tok.Generation()
	for range journalLength {
		create(t, tok, k, &Record{})
	}
	if ids, _, ok := tok.Changed(start); !ok || len(ids) != journalLength {
		t.Errorf("after %d commits: %d changed, complete %v", journalLength, len(ids), ok)
	}
	create(t, tok, k, &Record{})
	for range 2 {
		if _, _, ok := tok.Changed(start); ok {
			t.Errorf("after %d commits the answer is complete", journalLength+1)
		}
		tok.journal = journal{}
	}
	if ids, _, ok := tok.Changed(start + 1); !ok || len(ids) != journalLength {
		t.Errorf("of the last %d commits: %d changed, complete %v", journalLength, len(ids), ok)
	}
}

// TestConcurrent lets several keys of one token work at once, so that each follows what the others commit.
func TestConcurrent(t *testing.T) {
	t.Parallel()
	eachBackend(t, func(t *testing.T, p *Place) {
		tok, _ := makeToken(t, p)
		var wg sync.WaitGroup
		for g := range 4 {
			k := unlock(t, tok, UserType(g%userTypes), [][]byte{userPIN, soPIN}[g%userTypes])
			wg.Go(func() {
				defer k.Wipe()
				for i := range 10 {
					r := private(fmt.Sprint(g, i))
					create(t, tok, k, r)
					ids, err := tok.Find(k, []byte("label "+fmt.Sprint(g, i)))
					if err != nil || len(ids) != 1 || ids[0] != r.ID {
						t.Errorf("Find: %v %v, want %v", ids, err, r.ID)
					}
					got, err := tok.Get(k, r.ID)
					wantRecord(t, got, err, r)
					if i%2 == 0 {
						wants(t, tok.Delete(k, r.ID), ck.CKR_OK)
					}
				}
			})
		}
		wg.Wait()
		n := 0
		wants(t, tok.All(nil, nil, func(Record) error { return nil }), ck.CKR_OK)
		k := unlock(t, tok, User, userPIN)
		defer k.Wipe()
		wants(t, tok.All(k, nil, func(r Record) error { n++; locked.Free(r.Sealed); return nil }), ck.CKR_OK)
		if n != 20 {
			t.Errorf("%d objects, want 20", n)
		}
	})
}

func TestLargeObject(t *testing.T) {
	t.Parallel()
	eachBackend(t, func(t *testing.T, p *Place) {
		tok, k := makeToken(t, p)
		r := &Record{Public: bytes.Repeat([]byte("p"), 1<<20), Sealed: bytes.Repeat([]byte("s"), 1<<20)}
		create(t, tok, k, r)
		got, err := tok.Get(k, r.ID)
		wantRecord(t, got, err, r)
		wants(t, tok.Create(k, &Record{Sealed: make([]byte, maxObject+1)}), ck.CKR_DEVICE_MEMORY)
		wants(t, tok.Create(k, &Record{Terms: make([][]byte, maxTerms+1)}), ck.CKR_DEVICE_MEMORY)
	})
}

// TestNoLeak holds that what is locked memory goes back, whatever fails.
func TestNoLeak(t *testing.T) {
	before := locked.Usage().Live
	eachBackend(t, func(t *testing.T, p *Place) {
		tok, k := makeToken(t, p)
		a := private("a")
		create(t, tok, k, a)
		_, err := tok.Unlock(User, []byte("wrong"))
		wants(t, err, ck.CKR_PIN_INCORRECT)
		wants(t, tok.Reformat(Format{SOPIN: []byte("wrong")}), ck.CKR_PIN_INCORRECT)
		wants(t, tok.Reformat(Format{SOPIN: soPIN, KDF: "none"}), ck.CKR_ARGUMENTS_BAD)
		if p.dir() != "" {
			_, err = p.Format(tok.uuid, Format{SOPIN: soPIN, KDF: "test"})
			if !errors.Is(err, ErrExists) {
				t.Errorf("Format of a token that exists answers %v", err)
			}
		}
	})
	if got := locked.Usage().Live; got != before {
		t.Errorf("%d blocks of locked memory are left", got-before)
	}
}

// TestWipedBeforeCommit holds that what a record has of secrets is gone before a commit begins, which waits for the disk.
func TestWipedBeforeCommit(t *testing.T) {
	tok, k := makeToken(t, newPlace(t, "memory"))
	r := private("a")
	gone := func(*change) error {
		for _, b := range append(r.Terms, r.Sealed) {
			if len(b) == 0 || len(bytes.Trim(b, "\x00")) != 0 {
				t.Errorf("%q is left", b)
			}
		}
		return nil
	}
	wants(t, tok.create(k, gone, r), ck.CKR_OK)
	r.Sealed, r.Terms = []byte("sealed value of b"), terms("b")
	sealed, err := k.seal(r.ID, r.Rev+1, r) // as Update does
	if err != nil || len(sealed) == 0 {
		t.Fatal(err)
	}
	_ = gone(nil)
}
