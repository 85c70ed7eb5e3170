package store

import (
	"errors"
	"testing"
)

// TestRevise changes several objects at once, and none where one of them, or which there are, is not what it was.
func TestRevise(t *testing.T) {
	t.Parallel()
	eachBackend(t, func(t *testing.T, p *Place) {
		tok, k := makeToken(t, p)
		term := []byte("term")
		one := func(n byte) *Record { return &Record{Sealed: []byte{n}, Terms: [][]byte{[]byte("term")}} }
		a, b := one(1), one(2)
		check(t, tok.Create(k, a, b))
		ids, err := tok.Find(k, term)
		check(t, err)
		again := func(r *Record, n byte) *Record {
			next := one(n)
			next.ID, next.Rev = r.ID, r.Rev
			return next
		}
		x, y := again(a, 3), again(b, 4)
		check(t, tok.Revise(k, term, ids, x, y))
		for _, r := range []*Record{x, y} {
			if got, err := tok.Get(k, r.ID); err != nil || got.Rev != 2 || r.Rev != 2 {
				t.Errorf("revision %d, %v", got.Rev, err)
			}
		}
		if err := tok.Revise(k, term, ids, again(a, 5), again(x, 5)); !errors.Is(err, ErrStale) {
			t.Errorf("an old revision: %v", err)
		}
		check(t, tok.Create(k, one(6)))
		if err := tok.Revise(k, term, ids, again(x, 7)); !errors.Is(err, ErrStale) {
			t.Errorf("one object more: %v", err)
		}
		if err := tok.CreateIfUnchanged(k, a.ID, 1, one(8)); !errors.Is(err, ErrStale) {
			t.Errorf("beside an old revision: %v", err)
		}
		check(t, tok.CreateIfUnchanged(k, a.ID, 2, one(8)))
		if ids, err := tok.Find(k, term); err != nil || len(ids) != 4 {
			t.Errorf("%d objects, %v", len(ids), err)
		}
	})
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
