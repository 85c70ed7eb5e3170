package token

import (
	"sync"
	"sync/atomic"

	"github.com/softcsp/softcsp/internal/stripe"
)

// A sessionSet is the sessions of an application with a token, in parts, so that threads which open and close sessions seldom wait for each other.
// What must not change while sessions come and go, who is logged in, changes under the locks of all parts.
type sessionSet struct {
	// anchor is a session that is open, nil where none is. While another one is closed it stays: so nobody has to look at all parts to know that
	// a session was not the last. It changes under the locks of all parts; the first session takes the place under one.
	anchor atomic.Pointer[session]
	_      stripe.Gap
	parts  [stripe.Count]sessionPart
}

// A sessionPart is the sessions that were opened on one stripe.
type sessionPart struct {
	mu       sync.Mutex
	list     []*session
	all      atomic.Int32 // how many sessions there are, and how many of them are read-write
	writable atomic.Int32
	_        [stripe.Line - 40]byte
}

// add adds a session to its part, which is locked.
func (t *sessionSet) add(s *session) {
	p := &t.parts[s.part]
	s.place = len(p.list)
	p.list = append(p.list, s)
	p.count(s, 1)
	if t.anchor.Load() == nil {
		t.anchor.CompareAndSwap(nil, s)
	}
}

// remove takes a session out, and tells whether it was the last.
func (t *sessionSet) remove(s *session) (last bool) {
	p := &t.parts[s.part]
	p.mu.Lock()
	if t.anchor.Load() != s {
		p.take(s)
		p.mu.Unlock()
		return false
	}
	p.mu.Unlock()
	t.lock() // it stays the anchor meanwhile: a session is removed once
	defer t.unlock()
	p.take(s)
	next := t.any()
	t.anchor.Store(next)
	return next == nil
}

// take takes a session out of the part, which is locked.
func (p *sessionPart) take(s *session) {
	n := len(p.list) - 1
	last := p.list[n]
	p.list[s.place], last.place = last, s.place
	p.list[n] = nil
	p.list = p.list[:n]
	p.count(s, -1)
}

// count counts a session that comes or goes.
func (p *sessionPart) count(s *session, n int32) {
	p.all.Add(n)
	if s.writable {
		p.writable.Add(n)
	}
}

// any returns a session, nil where there is none. All parts are locked.
func (t *sessionSet) any() *session {
	for i := range t.parts {
		if list := t.parts[i].list; len(list) > 0 {
			return list[0]
		}
	}
	return nil
}

// lock locks all parts.
func (t *sessionSet) lock() {
	for i := range t.parts {
		t.parts[i].mu.Lock()
	}
}

func (t *sessionSet) unlock() {
	for i := range t.parts {
		t.parts[i].mu.Unlock()
	}
}

// counts tells how many sessions there are, and how many of them are read-write.
func (t *sessionSet) counts() (all, writable uint) {
	for i := range t.parts {
		all += uint(t.parts[i].all.Load())
		writable += uint(t.parts[i].writable.Load())
	}
	return all, writable
}

// open returns the sessions that are open.
func (t *sessionSet) open() []*session {
	var list []*session
	for i := range t.parts {
		p := &t.parts[i]
		p.mu.Lock()
		list = append(list, p.list...)
		p.mu.Unlock()
	}
	return list
}
