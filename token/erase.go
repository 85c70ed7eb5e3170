package token

import (
	"runtime"
	"sync/atomic"
	"time"
)

// An eraser has the collector erase what nothing refers to any more. Bytes of keys are wiped where they lie; but a
// prepared form of a key, an expanded AES key say, is the memory of others, which was allocated inside secret.Do and is
// erased by the collection that finds it unused.
type eraser struct{ due atomic.Bool }

// eraseAfter is how long the prepared form of a key that was destroyed may stay.
const eraseAfter = time.Second

// now erases at once: at logout and C_Finalize. What lies in a pool is given up by the first collection, and erased by the
// second.
func (e *eraser) now() {
	runtime.GC()
	runtime.GC()
}

// soon erases within eraseAfter: after a key was destroyed.
func (e *eraser) soon() {
	if e.due.CompareAndSwap(false, true) {
		time.AfterFunc(eraseAfter, func() {
			e.due.Store(false)
			e.now()
		})
	}
}
