package token

import (
	"runtime"
	"sync/atomic"
	"time"
)

// An eraser runs the garbage collector, which erases unused memory that was allocated inside secret.Do. The bytes of keys are wiped where
// they lie, but prepared forms of keys, such as an expanded AES key, lie in memory that Go's packages have allocated: only the
// collector can erase that.
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
