package store

import (
	"bytes"
	"iter"
	"slices"
)

// A manifest says which objects a token has, and in which state each of them is. What was read at a login stays in the order in which it was
// read, that of the IDs; what changes from then on stands beside it. To fill a map with all of it would take as long as to
// verify it. A nil manifest lists nothing.
type manifest struct {
	ordered []member      // in the order of the IDs, each once
	changed map[ID]*entry // nil for an object that is gone
	n       int
}

// newManifest returns a manifest of members, which it keeps. A file that is damaged may have them in any order.
func newManifest(members []member) *manifest {
	m := &manifest{changed: make(map[ID]*entry)}
	for n := 1; n < len(members); n++ {
		if bytes.Compare(members[n-1].id[:], members[n].id[:]) >= 0 {
			for _, one := range members {
				m.set(one.id, one.entry)
			}
			return m
		}
	}
	m.ordered, m.n = members, len(members)
	return m
}

// count returns the number of entries.
func (m *manifest) count() int {
	if m == nil {
		return 0
	}
	return m.n
}

// get returns the entry of an ID.
func (m *manifest) get(id ID) (entry, bool) {
	if m == nil {
		return entry{}, false
	}
	if e, ok := m.changed[id]; ok {
		if e == nil {
			return entry{}, false
		}
		return *e, true
	}
	i, ok := m.search(id)
	if !ok {
		return entry{}, false
	}
	return m.ordered[i].entry, true
}

// search looks for an ID in what was read.
func (m *manifest) search(id ID) (int, bool) {
	return slices.BinarySearchFunc(m.ordered, id, func(m member, id ID) int { return bytes.Compare(m.id[:], id[:]) })
}

// set gives an ID an entry.
func (m *manifest) set(id ID, e entry) {
	if _, had := m.get(id); !had {
		m.n++
	}
	m.changed[id] = &e
}

// remove takes the entry of an ID away. It notes so only where the ID was read: a process that creates and deletes for as long
// as it lives remembers no more for it.
func (m *manifest) remove(id ID) {
	if _, had := m.get(id); !had {
		return
	}
	m.n--
	if _, read := m.search(id); read {
		m.changed[id] = nil
	} else {
		delete(m.changed, id)
	}
}

// all are the entries, in no order.
func (m *manifest) all() iter.Seq2[ID, entry] {
	return func(yield func(ID, entry) bool) {
		for _, one := range m.ordered {
			if _, other := m.changed[one.id]; !other && !yield(one.id, one.entry) {
				return
			}
		}
		for id, e := range m.changed {
			if e != nil && !yield(id, *e) {
				return
			}
		}
	}
}
