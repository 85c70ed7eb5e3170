// Package handle gives out the numbers by which callers know sessions, objects, contexts and keys, and finds by such a number
// what it stands for, without a lock.
//
// A handle of something that is gone is not the handle of what came after it. Nobody but this package looks into a handle.
package handle

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
)

// In the lower half of a handle stands its place in the table, above its kind if it has one. The upper half is a tag, another
// one each time that the place is used.
const (
	kindBits = 2
	tagShift = 32
)

// A Table gives handles of type H to values of type V. In the zero Table they begin with 1, and tags count how often a place
// has been used. 0 is never a handle.
type Table[H ~uint | ~uint64, V any] struct {
	kind uint32 // 0 where handles have no kind
	rows atomic.Pointer[[]row[V]]

	mu   sync.Mutex // serialises the writers
	used []uint32   // how often a place was used
	free []uint32   // places that were used and are not
}

// A row is a place of the table. A new handle is written before its value, and after the old value is erased: a value that is
// read while the handle stays the same is what has that handle.
type row[V any] struct {
	handle atomic.Uint64
	value  atomic.Pointer[V]
}

// Draw has the tags of t drawn at random, so that nobody guesses a handle, and gives its handles a kind, 1 to 3: tables of
// different kinds have no handle in common. It is called before the table is used.
func (t *Table[H, V]) Draw(kind uint32) { t.kind = kind }

// number returns the lower half of the handles of a place.
func (t *Table[H, V]) number(place uint32) uint32 {
	if t.kind == 0 {
		return place + 1
	}
	return place<<kindBits | t.kind
}

// place returns the place that a handle names, which the table need not have.
func (t *Table[H, V]) place(h H) uint32 {
	if t.kind == 0 {
		return uint32(h) - 1
	}
	return uint32(h) >> kindBits
}

// Get returns what has the handle h, nil if nothing has.
func (t *Table[H, V]) Get(h H) *V {
	rows, i := t.rows.Load(), t.place(h)
	if rows == nil || uint64(i) >= uint64(len(*rows)) {
		return nil
	}
	r := &(*rows)[i]
	if r.handle.Load() != uint64(h) {
		return nil
	}
	v := r.value.Load()
	if r.handle.Load() != uint64(h) {
		return nil
	}
	return v
}

// Add gives v a handle, and writes it to *h before anybody can find v by it.
func (t *Table[H, V]) Add(v *V, h *H) {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := uint32(len(t.used))
	if n := len(t.free); n > 0 {
		i, t.free = t.free[n-1], t.free[:n-1]
	} else {
		t.used = append(t.used, 0)
	}
	tag := t.used[i]
	if t.kind != 0 {
		tag = rand.Uint32()
	}
	*h = H(uint64(tag)<<tagShift | uint64(t.number(i)))
	r := &t.grown(int(i))[i]
	r.handle.Store(uint64(*h))
	r.value.Store(v)
}

// grown returns the rows with room for the place i. Who still reads older ones sees what they held when they were replaced.
func (t *Table[H, V]) grown(i int) []row[V] {
	old := t.rows.Load()
	if old != nil && i < len(*old) {
		return *old
	}
	rows := make([]row[V], max(64, 2*i))
	if old != nil {
		for j := range *old {
			rows[j].handle.Store((*old)[j].handle.Load())
			rows[j].value.Store((*old)[j].value.Load())
		}
	}
	t.rows.Store(&rows)
	return rows
}

// Remove takes the handle h back, and returns what had it, nil if nothing had.
func (t *Table[H, V]) Remove(h H) *V {
	t.mu.Lock()
	defer t.mu.Unlock()
	v := t.Get(h)
	if v != nil {
		t.release(t.place(h))
	}
	return v
}

// Sweep takes the handles of all values back for which gone is true.
func (t *Table[H, V]) Sweep(gone func(*V) bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	rows := t.rows.Load()
	if rows == nil {
		return
	}
	for i := range *rows {
		if v := (*rows)[i].value.Load(); v != nil && gone(v) {
			t.release(uint32(i))
		}
	}
}

// release frees a place. The table is locked.
func (t *Table[H, V]) release(i uint32) {
	(*t.rows.Load())[i].value.Store(nil)
	t.used[i]++
	t.free = append(t.free, i)
}
