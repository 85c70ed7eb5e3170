package token

import (
	"sync"
	"sync/atomic"

	"github.com/softcsp/softcsp/ck"
)

// A handled is something that has a handle: a session, an object.
type handled[K ~uint, V any] interface {
	*V
	self() K
	called(K)
}

// handles gives out handles for values, and finds values by them without a lock. A handle is a place in a table, and how
// often that place has been used before: a handle of something that is gone is not the handle of what came after it.
type handles[K ~uint, V any, P handled[K, V]] struct {
	unknown ck.RV // what to answer for an unknown handle

	rows atomic.Pointer[[]atomic.Pointer[V]]
	mu   sync.Mutex // serialises the writers
	used []uint32   // how often a place was used
	free []int
}

// generationShift is where the use count of a place stands in a handle.
const generationShift = 32

// get returns the value with the handle h.
func (t *handles[K, V, P]) get(h K) (P, error) {
	rows := t.rows.Load()
	i := int(uint32(h)) - 1
	if rows == nil || i < 0 || i >= len(*rows) {
		return nil, t.unknown
	}
	v := P((*rows)[i].Load())
	if v == nil || v.self() != h {
		return nil, t.unknown
	}
	return v, nil
}

// add gives v a handle.
func (t *handles[K, V, P]) add(v P) K {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := len(t.used)
	if n := len(t.free); n > 0 {
		i, t.free = t.free[n-1], t.free[:n-1]
	} else {
		t.used = append(t.used, 0)
	}
	rows := t.grown(i)
	h := K(uint(t.used[i])<<generationShift | uint(i+1))
	v.called(h)
	rows[i].Store((*V)(v))
	return h
}

// grown returns the table with room for the place i. Readers of an older table see what it held when it was replaced.
func (t *handles[K, V, P]) grown(i int) []atomic.Pointer[V] {
	old := t.rows.Load()
	if old != nil && i < len(*old) {
		return *old
	}
	rows := make([]atomic.Pointer[V], max(64, 2*i))
	if old != nil {
		for j := range *old {
			rows[j].Store((*old)[j].Load())
		}
	}
	t.rows.Store(&rows)
	return rows
}

// remove takes the handle h back, and reports whether it was there.
func (t *handles[K, V, P]) remove(h K) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, err := t.get(h); err != nil {
		return false
	}
	i := int(uint32(h)) - 1
	(*t.rows.Load())[i].Store(nil)
	t.used[i]++
	t.free = append(t.free, i)
	return true
}
