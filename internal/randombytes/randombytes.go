// Package randombytes fills memory of callers with random bytes.
package randombytes

import (
	"crypto/rand"
	"sync"
)

// randomBuffers are what random bytes are made in.
var randomBuffers = sync.Pool{New: func() any { return new([1 << 10]byte) }}

// Fill fills out, which may be a caller's memory, with random bytes. They are made in memory of our own and copied, because a fault
// while the system writes to bad memory cannot be recovered from.
func Fill(out []byte) {
	if len(out) <= maxOnStack {
		var own [maxOnStack]byte
		randomOnStack(out, own[:len(out)])
		return
	}
	own := randomBuffers.Get().(*[1 << 10]byte)
	for len(out) > 0 {
		b := own[:min(len(own), len(out))]
		rand.Read(b) //nolint:errcheck // it does not fail
		out = out[copy(out, b):]
		clear(b)
	}
	randomBuffers.Put(own)
}

// maxOnStack is how many random bytes are made on the stack: enough for a key or a nonce.
const maxOnStack = 64

func randomOnStack(out, own []byte) {
	rand.Read(own) //nolint:errcheck // it does not fail
	copy(out, own)
	clear(own)
}
