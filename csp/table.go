package csp

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
)

// A Handle is the number by which C programs know a context, a hash object or a key: HCRYPTPROV, HCRYPTHASH, HCRYPTKEY. 0 is
// none.
type Handle uint64

// The kinds of handles. A handle says of which it is, so that one kind is never taken for another.
const (
	contextKind = iota
	hashKind
	keyKind
)

// Where the parts of a handle stand: its kind, its place in the table, and a number that is drawn anew each time the place
// is used. Who did not get the handle does not guess it, and who destroyed what it stood for does not reach what came after.
const (
	kindBits  = 2
	placeBits = 29
	tagShift  = kindBits + placeBits
	placeMask = 1<<placeBits - 1
)

// A handled is something that has a handle.
type handled[T any] interface {
	*T
	handle() Handle
	setHandle(Handle)
	ended() bool
}

func (c *Context) handle() Handle     { return c.self }
func (c *Context) setHandle(h Handle) { c.self = h }
func (c *Context) ended() bool        { return c.closed.Load() }
func (h *Hash) handle() Handle        { return h.self }
func (h *Hash) setHandle(n Handle)    { h.self = n }
func (h *Hash) ended() bool           { return h.ctx.closed.Load() }
func (k *Key) handle() Handle         { return k.self }
func (k *Key) setHandle(h Handle)     { k.self = h }
func (k *Key) ended() bool            { return k.ctx.closed.Load() }

// A table gives out handles of one kind, and finds what has them without a lock.
type table[T any, P handled[T]] struct {
	kind Handle
	rows atomic.Pointer[[]atomic.Pointer[T]]
	mu   sync.Mutex // serialises the writers
	used int
	free []uint32
}

// get returns what has the handle h, nil if nothing has or its context is released.
func (t *table[T, P]) get(h Handle) P {
	rows := t.rows.Load()
	i := int(h >> kindBits & placeMask)
	if rows == nil || i >= len(*rows) {
		return nil
	}
	v := P((*rows)[i].Load())
	if v == nil || v.handle() != h || v.ended() {
		return nil
	}
	return v
}

// add gives v a handle.
func (t *table[T, P]) add(v P) Handle {
	tag := Handle(rand.Uint64()>>tagShift | 1)
	t.mu.Lock()
	defer t.mu.Unlock()
	i := uint32(t.used)
	if n := len(t.free); n > 0 {
		i, t.free = t.free[n-1], t.free[:n-1]
	} else {
		t.used++
	}
	rows := t.grown(int(i))
	h := tag<<tagShift | Handle(i)<<kindBits | t.kind
	v.setHandle(h)
	rows[i].Store((*T)(v))
	return h
}

// grown returns the table with room for the place i.
func (t *table[T, P]) grown(i int) []atomic.Pointer[T] {
	old := t.rows.Load()
	if old != nil && i < len(*old) {
		return *old
	}
	rows := make([]atomic.Pointer[T], max(64, 2*i))
	if old != nil {
		for j := range *old {
			rows[j].Store((*old)[j].Load())
		}
	}
	t.rows.Store(&rows)
	return rows
}

// remove takes the handle h back and returns what had it, nil if nothing has.
func (t *table[T, P]) remove(h Handle) P {
	t.mu.Lock()
	defer t.mu.Unlock()
	v := t.get(h)
	if v != nil {
		t.drop(int(h >> kindBits & placeMask))
	}
	return v
}

// drop frees a place. The table is locked.
func (t *table[T, P]) drop(i int) {
	(*t.rows.Load())[i].Store(nil)
	t.free = append(t.free, uint32(i))
}

// sweep takes the handles of all that has ended.
func (t *table[T, P]) sweep() {
	t.mu.Lock()
	defer t.mu.Unlock()
	rows := t.rows.Load()
	if rows == nil {
		return
	}
	for i := range *rows {
		if v := P((*rows)[i].Load()); v != nil && v.ended() {
			t.drop(i)
		}
	}
}
