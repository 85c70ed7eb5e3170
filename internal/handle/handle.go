// Package handle gives out the numbers by which callers know sessions, objects, contexts and keys, and finds by such a number
// what it stands for, without a lock.
//
// A handle of something that is gone is not the handle of what came after it. Nobody but this package looks into a handle.
package handle

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"github.com/softcsp/softcsp/internal/stripe"
)

// In the lower half of a handle stands its place in the table, above its kind if it has one. The upper half is a tag, another
// one each time that the place is used.
const (
	kindBits  = 2
	tagShift  = 32
	chunkBits = 6
	chunkSize = 1 << chunkBits
)

// A Table gives handles of type H to values of type V. In the zero Table they begin with 1, and tags count how often a place
// has been used. 0 is never a handle.
//
// The places are in chunks, each of which belongs to a stripe: threads that give out handles at the same time take them from different ones.
type Table[H ~uint | ~uint64, V any] struct {
	kind   uint32 // 0 where handles have no kind
	chunks atomic.Pointer[[]*chunk[V]]

	growing sync.Mutex // serialises those who add chunks
	_       stripe.Gap
	stripes [stripe.Count]writers
}

// A chunk is chunkSize places.
type chunk[V any] struct {
	rows   [chunkSize]row[V]
	stripe uint32
	used   [chunkSize]uint32 // how often a place was used; of the stripe's
}

// A row is a place of the table. A new handle is written before its value, and after the old value is erased: a value that is
// read while the handle stays the same is what has that handle.
type row[V any] struct {
	handle atomic.Uint64
	value  atomic.Pointer[V]
}

// writers are those who change the places of a stripe.
type writers struct {
	mu        sync.Mutex // serialises them
	free      []uint32   // places that were used and are not
	next, end uint32     // places that were never used
	_         [stripe.Line - 40]byte
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

// at returns a place and its chunk. The place has to be there.
func (t *Table[H, V]) at(place uint32) (*row[V], *chunk[V]) {
	c := (*t.chunks.Load())[place>>chunkBits]
	return &c.rows[place%chunkSize], c
}

// Get returns what has the handle h, nil if nothing has.
func (t *Table[H, V]) Get(h H) *V {
	chunks, i := t.chunks.Load(), t.place(h)
	if chunks == nil || uint64(i>>chunkBits) >= uint64(len(*chunks)) {
		return nil
	}
	r := &(*chunks)[i>>chunkBits].rows[i%chunkSize]
	if r.handle.Load() != uint64(h) {
		return nil
	}
	v := r.value.Load()
	if r.handle.Load() != uint64(h) {
		return nil
	}
	return v
}

// Stripe returns a stripe, of which the last bits count, that the handles have in common which were given out where h was. Any number can be asked for.
func (t *Table[H, V]) Stripe(h H) uint32 { return t.place(h) >> chunkBits }

// Add gives v a handle, and writes it to *h before anybody can find v by it.
func (t *Table[H, V]) Add(v *V, h *H) { t.AddOn(stripe.Here(), v, h) }

// AddOn is Add on a stripe.
func (t *Table[H, V]) AddOn(s uint32, v *V, h *H) {
	w := &t.stripes[s]
	w.mu.Lock()
	defer w.mu.Unlock()
	i := t.take(w, s)
	r, c := t.at(i)
	tag := c.used[i%chunkSize]
	if t.kind != 0 {
		tag = rand.Uint32()
	}
	*h = H(uint64(tag)<<tagShift | uint64(t.number(i)))
	r.handle.Store(uint64(*h))
	r.value.Store(v)
}

// take returns a place that is free, of the stripe s, which is locked.
func (t *Table[H, V]) take(w *writers, s uint32) uint32 {
	if n := len(w.free); n > 0 {
		i := w.free[n-1]
		w.free = w.free[:n-1]
		return i
	}
	if w.next == w.end {
		w.next = t.grow(s)
		w.end = w.next + chunkSize
	}
	w.next++
	return w.next - 1
}

// grow adds a chunk for a stripe, and returns its first place.
func (t *Table[H, V]) grow(s uint32) uint32 {
	t.growing.Lock()
	defer t.growing.Unlock()
	var chunks []*chunk[V]
	if old := t.chunks.Load(); old != nil {
		chunks = *old
	}
	first := uint32(len(chunks)) << chunkBits
	chunks = append(chunks, &chunk[V]{stripe: s}) // who still reads a shorter slice sees the same chunks
	t.chunks.Store(&chunks)
	return first
}

// Remove takes the handle h back, and returns what had it, nil if nothing had.
func (t *Table[H, V]) Remove(h H) *V {
	if t.Get(h) == nil {
		return nil
	}
	i := t.place(h)
	_, c := t.at(i)
	w := &t.stripes[c.stripe]
	w.mu.Lock()
	defer w.mu.Unlock()
	v := t.Get(h) // once more: another may have been faster
	if v != nil {
		t.release(w, i)
	}
	return v
}

// Sweep takes the handles of all values back for which gone is true.
func (t *Table[H, V]) Sweep(gone func(*V) bool) {
	chunks := t.chunks.Load()
	if chunks == nil {
		return
	}
	for n, c := range *chunks {
		t.sweep(c, uint32(n)<<chunkBits, gone)
	}
}

func (t *Table[H, V]) sweep(c *chunk[V], first uint32, gone func(*V) bool) {
	w := &t.stripes[c.stripe]
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range c.rows {
		if v := c.rows[i].value.Load(); v != nil && gone(v) {
			t.release(w, first+uint32(i))
		}
	}
}

// release frees a place. Its stripe is locked.
func (t *Table[H, V]) release(w *writers, i uint32) {
	r, c := t.at(i)
	r.value.Store(nil)
	c.used[i%chunkSize]++
	w.free = append(w.free, i)
}
