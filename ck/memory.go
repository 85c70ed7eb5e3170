package ck

import (
	"runtime"
	"syscall"
)

// Memory whose size a caller's number decides. A Go program ends where it cannot have the memory that it asks for: what is
// not small is asked of the system first, and nothing is asked for before the caller's memory has been found to be there.
//
// The functions panic with CKR_HOST_MEMORY, which the C boundary takes for what the call returns.

const (
	// MostCopied is how much of a caller's memory is copied at most, in bytes: one argument, or all parts of what has to be
	// there in full before it can be processed.
	MostCopied = 1 << 30

	small = 1 << 20  // what is not asked for first
	spare = 64 << 20 // what the runtime reserves at once
	page  = 4096
)

// Available tells whether n bytes can be had: nil or CKR_HOST_MEMORY.
func Available(n int) error {
	switch {
	case n <= small:
		return nil
	case n > 2*MostCopied:
		return CKR_HOST_MEMORY
	}
	trial, err := syscall.Mmap(-1, 0, n+n/8+spare, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
	if err != nil {
		return CKR_HOST_MEMORY
	}
	_ = syscall.Munmap(trial)
	return nil
}

// Allocate returns n zero bytes.
func Allocate(n int) []byte {
	if err := Available(n); err != nil {
		panic(err)
	}
	return make([]byte, n)
}

// AllocateFor returns n zero bytes for what is made of b.
func AllocateFor(b []byte, n int) []byte {
	if len(b) > MostCopied {
		panic(CKR_HOST_MEMORY)
	}
	ProbeRead(b)
	return Allocate(n)
}

// Clone returns a copy of b, nil for nil.
func Clone(b []byte) []byte {
	if b == nil {
		return nil
	}
	return AppendWiping([]byte{}, b)
}

// AppendWiping appends b to a, and wipes the memory that a leaves when it grows.
func AppendWiping(a, b []byte) []byte {
	n := len(a) + len(b)
	if n <= cap(a) {
		return append(a, b...)
	}
	if len(b) > MostCopied || n > MostCopied {
		panic(CKR_HOST_MEMORY)
	}
	ProbeRead(b)
	grown := n // a little more where it grows again and again
	if len(a) > 0 {
		grown = n + min(n, max(spare, n/2), MostCopied-n)
	}
	c := append(Allocate(grown)[:0], a...)
	clear(a)
	return append(c, b...)
}

// nothing is 0, which the compiler does not know: it leaves out what stores what is there.
var nothing byte

// ProbeWrite writes b here and there, without a change, so that a fault in memory that cannot be written happens before anything
// is done that could not be undone.
func ProbeWrite(b []byte) {
	for i := 0; i < len(b); i += page {
		b[i] |= nothing
	}
	if len(b) > 0 {
		b[len(b)-1] |= nothing
	}
}

// ProbeRead reads b here and there, so that a fault in memory that is not there happens before anything is allocated for it.
func ProbeRead(b []byte) {
	if len(b) <= small {
		return
	}
	var sum byte
	for i := 0; i < len(b); i += page {
		sum ^= b[i]
	}
	runtime.KeepAlive(sum ^ b[len(b)-1])
}
