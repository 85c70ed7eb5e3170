package token

import (
	"sync/atomic"

	"github.com/softcsp/softcsp/internal/locked"
	"github.com/softcsp/softcsp/internal/stripe"
)

// references count who needs the values of an Object. Whoever makes it has the first one. They are one number, until two threads meet at it: then
// there is a part for each stripe besides, because a key that all threads use is acquired and released with every call.
//
// The number decides: once it is 0 nobody gets a reference any more, and who gives the last one back, in whatever part, wipes the values. Parts are
// counted down only from then on, but for those who look at the number, find 0, and take back what they had added.
type references struct {
	n     atomic.Int32 // wiped for ever
	parts atomic.Pointer[stripe.Counter]
}

// wiped is the number of references of an Object whose values are wiped.
const wiped = -1 << 30

// acquire takes a reference. It fails where the last one was released.
func (r *references) acquire() bool {
	for {
		n := r.n.Load()
		if n <= 0 {
			return false
		}
		if r.n.CompareAndSwap(n, n+1) {
			return true
		}
		if r.parts.Load() == nil {
			r.parts.CompareAndSwap(nil, new(stripe.Counter))
		}
	}
}

// acquireOn takes a reference for a stripe. It is given back to part, or by release where that is nil.
func (r *references) acquireOn(s uint32) (part *stripe.Part, ok bool) {
	parts := r.parts.Load()
	if parts == nil {
		return nil, r.acquire()
	}
	part = parts.Part(s)
	if part.Add(1); r.n.Load() > 0 {
		return part, true
	}
	part.Add(-1)
	return part, false
}

// last tells, once, whether nobody has a reference any more.
func (r *references) last() bool {
	if r.n.Load() != 0 {
		return false
	}
	if parts := r.parts.Load(); parts != nil && !parts.Zero() {
		return false
	}
	return r.n.CompareAndSwap(0, wiped)
}

// acquireOn takes a reference for a stripe, to be given back with releaseOn.
func (o *Object) acquireOn(s uint32) (part *stripe.Part, ok bool) {
	part, ok = o.refs.acquireOn(s)
	if !ok && o.refs.last() {
		o.wipe()
	}
	return part, ok
}

// acquire takes a reference. It fails where the last one was released.
func (o *Object) acquire() bool { return o.refs.acquire() }

// release gives a reference back. With the last one the values of secrets are wiped.
func (o *Object) release() {
	if o.refs.n.Add(-1) == 0 && o.refs.last() {
		o.wipe()
	}
}

// releaseOn gives back what acquireOn has taken.
func (o *Object) releaseOn(part *stripe.Part) {
	if part == nil {
		o.release()
		return
	}
	if part.Add(-1); o.refs.last() {
		o.wipe()
	}
}

// wipe wipes the values of secrets.
func (o *Object) wipe() {
	o.mechanismKey.Forget()
	o.mechanismKey.Value, o.mechanismKey.Salt = nil, nil
	o.present = 0
	if o.blobLocked {
		locked.Free(o.blob)
	}
	o.blob = nil
}
