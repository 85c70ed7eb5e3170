package salsa

import (
	"bytes"
	"testing"

	"golang.org/x/crypto/salsa20"
)

// TestStream compares with golang.org/x/crypto, from the first block on and from a later one, in parts of many lengths.
func TestStream(t *testing.T) {
	t.Parallel()
	key, nonce := bytes.Repeat([]byte{1, 2}, 16), bytes.Repeat([]byte{3, 4, 5}, 8)
	for _, size := range []int{8, 24} {
		want := make([]byte, 3000)
		salsa20.XORKeyStream(want, want, nonce[:size], (*[32]byte)(key))
		for _, first := range []int{0, 5} {
			s, got := New(key, nonce[:size], uint64(first)), make([]byte, len(want)-64*first)
			for rest, n := got, 1; len(rest) > 0; n++ {
				part := rest[:min(n, len(rest))]
				s.XORKeyStream(part, part)
				rest = rest[len(part):]
			}
			if !bytes.Equal(got, want[64*first:]) {
				t.Errorf("nonce of %d bytes, from block %d on: %x", size, first, got[:64])
			}
		}
	}
}
