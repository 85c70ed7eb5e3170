// Package locked hands out memory for key bytes: outside the Go heap, locked against swapping where the limits of the
// process allow, left out of core dumps, empty in a forked child, and wiped when it is given back.
//
// Memory comes in slabs of one size class each, cut from anonymous mappings. Small blocks share a slab; a block larger
// than the largest class has a mapping of its own. Slabs are used again; [Drain] gives those that nobody uses back to
// the system.
package locked

import (
	"math/bits"
	"reflect"
	"sync"
	"sync/atomic"
)

const (
	minShift  = 5  // 32 bytes, the smallest class
	maxShift  = 14 // 16 KiB, the largest class
	slabShift = 16 // 64 KiB, a slab
	classes   = maxShift - minShift + 1
)

// A class hands out blocks of one size. Its lock guards the bits of its slabs too.
type class struct {
	mu   sync.Mutex
	free []block // the block freed last is used next: it is warm in the cache
}

// A block is one block of a slab.
type block struct {
	slab *slab
	n    uint32
}

var (
	table [classes]class
	live  atomic.Int64
)

// Alloc returns n zero bytes. It never fails: where locked memory cannot be had the bytes are ordinary ones.
func Alloc(n int) []byte {
	if n <= 0 {
		return []byte{}
	}
	if n > 1<<maxShift {
		return allocLarge(n)
	}
	i := classOf(n)
	c := &table[i]
	c.mu.Lock()
	if len(c.free) == 0 && !c.grow(i) {
		c.mu.Unlock()
		return make([]byte, n)
	}
	last := len(c.free) - 1
	b := c.free[last]
	c.free = c.free[:last]
	b.slab.used[b.n/64] |= 1 << (b.n % 64)
	b.slab.live++
	c.mu.Unlock()
	live.Add(1)
	at := int(b.n) << (i + minShift)
	return b.slab.mem[at : at+n : at+n]
}

// Free wipes b, which Alloc returned, and takes it back. Free of nil does nothing, and so does a second Free of the same
// bytes while nobody else has them. Any other slice is wiped and stays its owner's.
func Free(b []byte) {
	if cap(b) == 0 {
		return
	}
	b = b[:cap(b)]
	addr := reflect.ValueOf(&b[0]).Pointer()
	s := find(addr)
	switch {
	case s == nil:
		freeLarge(addr, b)
	case !s.release(addr):
		// Not the start of a block that is in use: freed already, or the tail of one.
		if s.inUse(addr) {
			clear(b)
		}
	}
}

// classOf returns the index of the smallest class that holds n bytes.
func classOf(n int) int { return max(bits.Len(uint(n-1)), minShift) - minShift }

// grow adds a slab to c, which is the class of index i. The caller holds c.mu.
func (c *class) grow(i int) bool {
	s := newSlab(i)
	if s == nil {
		return false
	}
	n := len(s.mem) >> (i + minShift)
	for k := n - 1; k >= 0; k-- {
		c.free = append(c.free, block{s, uint32(k)})
	}
	return true
}

// Stats are figures for tests and diagnosis.
type Stats struct {
	Live   int // blocks in use
	Mapped int // bytes mapped
	Locked int // bytes of them that cannot be swapped
}

// Usage returns what is in use now.
func Usage() Stats {
	return Stats{Live: int(live.Load()), Mapped: int(mapped.Load()), Locked: int(pinned.Load())}
}
