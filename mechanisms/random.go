package mechanisms

import (
	"crypto/rand"
	"sync"
)

// chance is where random bytes come to be.
var chance = sync.Pool{New: func() any { return new([1 << 10]byte) }}

// Random fills out, which may be a caller's memory, with random bytes. They come to be in memory of our own: where the system
// writes them there is no recovering from a fault.
func Random(out []byte) {
	if len(out) <= few {
		var own [few]byte
		randomFew(out, own[:len(out)])
		return
	}
	own := chance.Get().(*[1 << 10]byte)
	for len(out) > 0 {
		b := own[:min(len(own), len(out))]
		rand.Read(b) //nolint:errcheck // it does not fail
		out = out[copy(out, b):]
		clear(b)
	}
	chance.Put(own)
}

// few is how many bytes, a key or a nonce say, come to be on the stack.
const few = 64

func randomFew(out, own []byte) {
	rand.Read(own) //nolint:errcheck // it does not fail
	copy(out, own)
	clear(own)
}
