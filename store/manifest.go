package store

import (
	"bytes"
	"iter"
	"slices"
)

// A manifest is what objects there are to be, in which state. What is read at a login stays in the order in which it is read,
// that of the IDs; what changes from then on stands beside it. To fill a map with all of it would take as long as to
// verify it. A nil roll knows nothing.
type manifest struct {
	ordered []member      // in the order of the IDs, each once
	changed map[ID]*entry // nil for one that is gone
	n       int
}

// newManifest returns a roll of items, which it keeps. A file that is damaged may have them in any order.
func newManifest(items []member) *manifest {
	r := &manifest{changed: make(map[ID]*entry)}
	for n := 1; n < len(items); n++ {
		if bytes.Compare(items[n-1].id[:], items[n].id[:]) >= 0 {
			for _, i := range items {
				r.set(i.id, i.entry)
			}
			return r
		}
	}
	r.ordered, r.n = items, len(items)
	return r
}

// count returns the number of entries.
func (r *manifest) count() int {
	if r == nil {
		return 0
	}
	return r.n
}

// get returns the entry of an ID.
func (r *manifest) get(id ID) (entry, bool) {
	if r == nil {
		return entry{}, false
	}
	if e, ok := r.changed[id]; ok {
		if e == nil {
			return entry{}, false
		}
		return *e, true
	}
	i, ok := r.search(id)
	if !ok {
		return entry{}, false
	}
	return r.ordered[i].entry, true
}

// search looks for an ID in what was read.
func (r *manifest) search(id ID) (int, bool) {
	return slices.BinarySearchFunc(r.ordered, id, func(i member, id ID) int { return bytes.Compare(i.id[:], id[:]) })
}

// set gives an ID an entry.
func (r *manifest) set(id ID, e entry) {
	if _, had := r.get(id); !had {
		r.n++
	}
	r.changed[id] = &e
}

// remove takes the entry of an ID away. It notes so only where the ID was read: a process that creates and deletes for as long
// as it lives remembers no more for it.
func (r *manifest) remove(id ID) {
	if _, had := r.get(id); !had {
		return
	}
	r.n--
	if _, read := r.search(id); read {
		r.changed[id] = nil
	} else {
		delete(r.changed, id)
	}
}

// all are the entries, in no order.
func (r *manifest) all() iter.Seq2[ID, entry] {
	return func(yield func(ID, entry) bool) {
		for _, i := range r.ordered {
			if _, other := r.changed[i.id]; !other && !yield(i.id, i.entry) {
				return
			}
		}
		for id, e := range r.changed {
			if e != nil && !yield(id, *e) {
				return
			}
		}
	}
}
