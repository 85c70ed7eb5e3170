package store

import (
	"maps"
	"math/rand/v2"
	"testing"
)

// TestRoll compares a manifest with a map through changes of every kind, read in order, out of order and with an ID twice.
func TestRoll(t *testing.T) {
	if _, ok := (*manifest)(nil).get(ID{}); ok || (*manifest)(nil).count() != 0 {
		t.Error("a nil manifest has entries")
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	for round := range 60 {
		var members []member
		want := map[ID]entry{}
		last := byte(0)
		for i := range rnd.IntN(20) {
			last += byte(rnd.IntN(3))
			if round%3 != 0 {
				last++
			}
			members = append(members, member{ID{last}, entry{rev: uint64(i)}})
			want[ID{last}] = entry{rev: uint64(i)}
		}
		if round%3 == 1 {
			rnd.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
		}
		m := newManifest(members)
		for i := range rnd.IntN(60) {
			if id := (ID{byte(rnd.IntN(30))}); rnd.IntN(2) == 0 {
				m.remove(id)
				delete(want, id)
			} else {
				m.set(id, entry{rev: uint64(100 + i)})
				want[id] = entry{rev: uint64(100 + i)}
			}
			if m.count() != len(want) {
				t.Fatalf("%d entries, want %d", m.count(), len(want))
			}
		}
		if got := maps.Collect(m.all()); !maps.Equal(got, want) {
			t.Fatalf("%v, want %v", got, want)
		}
		for b := range byte(80) {
			e, ok := m.get(ID{b})
			if we, wok := want[ID{b}]; e != we || ok != wok {
				t.Errorf("%d: %v %v, want %v %v", b, e, ok, we, wok)
			}
		}
	}
}

// TestRollForgets holds that what was created and deleted leaves nothing.
func TestRollForgets(t *testing.T) {
	m := newManifest([]member{{id: ID{1}}})
	for n := range byte(200) {
		m.set(ID{2, n}, entry{rev: 1})
		m.remove(ID{2, n})
	}
	if len(m.changed) != 0 || m.count() != 1 {
		t.Errorf("%d changes are remembered, %d entries", len(m.changed), m.count())
	}
}
