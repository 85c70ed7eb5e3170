package rfc6979

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"testing"
)

// TestWipe looks for the key in all that is left, the buffers of the hashes too.
func TestWipe(t *testing.T) {
	private := bytes.Repeat([]byte{0x5a}, 32)
	s := new(Nonces)
	s.begin(32, 256, private, make([]byte, 32), nil)
	s.Draw()
	s.Wipe()
	for _, h := range []any{s.inner, s.outer} {
		if all := fmt.Sprint(h); all != fmt.Sprint(sha256.New()) { // which has the buffer too
			t.Errorf("left in a hash: %s", all)
		}
	}
	if s.k != [32]byte{} || s.v != [32]byte{} || s.block != [64]byte{} || s.fresh != [freshNonce]byte{} || s.number != [maxNumber]byte{} {
		t.Error("something is left")
	}
}
