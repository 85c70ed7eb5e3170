package store

import (
	"maps"
	"math/rand/v2"
	"testing"
)

// TestRoll compares a roll with a map through changes of every kind, read in order, out of order and with an ID twice.
func TestRoll(t *testing.T) {
	if _, ok := (*manifest)(nil).get(ID{}); ok || (*manifest)(nil).count() != 0 {
		t.Error("a nil roll has entries")
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	for round := range 60 {
		var items []member
		want := map[ID]entry{}
		last := byte(0)
		for i := range rnd.IntN(20) {
			last += byte(rnd.IntN(3))
			if round%3 != 0 {
				last++
			}
			items = append(items, member{ID{last}, entry{rev: uint64(i)}})
			want[ID{last}] = entry{rev: uint64(i)}
		}
		if round%3 == 1 {
			rnd.Shuffle(len(items), func(i, j int) { items[i], items[j] = items[j], items[i] })
		}
		r := newManifest(items)
		for i := range rnd.IntN(60) {
			if id := (ID{byte(rnd.IntN(30))}); rnd.IntN(2) == 0 {
				r.remove(id)
				delete(want, id)
			} else {
				r.set(id, entry{rev: uint64(100 + i)})
				want[id] = entry{rev: uint64(100 + i)}
			}
			if r.count() != len(want) {
				t.Fatalf("%d entries, want %d", r.count(), len(want))
			}
		}
		if got := maps.Collect(r.all()); !maps.Equal(got, want) {
			t.Fatalf("%v, want %v", got, want)
		}
		for b := range byte(80) {
			e, ok := r.get(ID{b})
			if we, wok := want[ID{b}]; e != we || ok != wok {
				t.Errorf("%d: %v %v, want %v %v", b, e, ok, we, wok)
			}
		}
	}
}

// TestRollForgets holds that what was created and deleted leaves nothing.
func TestRollForgets(t *testing.T) {
	r := newManifest([]member{{id: ID{1}}})
	for n := range byte(200) {
		r.set(ID{2, n}, entry{rev: 1})
		r.remove(ID{2, n})
	}
	if len(r.changed) != 0 || r.count() != 1 {
		t.Errorf("%d changes are remembered, %d entries", len(r.changed), r.count())
	}
}
