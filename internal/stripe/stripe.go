// Package stripe takes apart what every call writes to. A word that all processors write to moves from one to the other each time, which takes longer
// than a short call; so there are Count of it, and each thread has one that others seldom use.
package stripe

import (
	"sync"
	"sync/atomic"
)

// Count is how many stripes there are.
const Count = 16

// Line is how far apart two words have to be, in bytes, so that processors do not take them for one: a line of the cache and the next one, which they
// fetch with it.
const Line = 128

// A Gap stands between what is read by all and what a stripe writes to.
type Gap [Line]byte

var (
	last  atomic.Uint32
	cards = sync.Pool{New: func() any {
		n := last.Add(1) % Count
		return &n
	}}
)

// Here returns a stripe, below Count, that is another one on another processor, as a rule. It is for what begins now; what goes on keeps its own.
func Here() uint32 {
	card := cards.Get().(*uint32) // a Pool keeps apart what processors give back
	n := *card
	cards.Put(card)
	return n
}

// A Counter is a number in Count parts.
type Counter struct {
	_     Gap
	parts [Count]Part
}

// A Part is a part of a Counter.
type Part struct {
	n atomic.Int64
	_ [Line - 8]byte
}

// Part returns the part of a stripe, of which the last bits count.
func (c *Counter) Part(stripe uint32) *Part { return &c.parts[stripe%Count] }

// Add adds n to a part.
func (p *Part) Add(n int64) { p.n.Add(n) }

// Zero tells whether all parts together are 0. Where parts change meanwhile, it may be wrong; it is right where they are no longer increased and
// the answer is yes.
func (c *Counter) Zero() bool {
	var sum int64
	for i := range c.parts {
		sum += c.parts[i].n.Load()
	}
	return sum == 0
}
