package randombytes

import (
	"bytes"
	"testing"
)

// TestFill fills memory of lengths around those that are made differently, to its end and no further.
func TestFill(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, maxOnStack, maxOnStack + 1, 1 << 10, 1<<10 + 1, 5000} {
		room := make([]byte, n+8)
		Fill(room[:n])
		if !bytes.Equal(room[n:], make([]byte, 8)) {
			t.Errorf("%d bytes: writes behind them", n)
		}
		if n >= 16 && (bytes.Equal(room[:8], make([]byte, 8)) || bytes.Equal(room[n-8:n], make([]byte, 8))) {
			t.Errorf("%d bytes: does not fill them", n)
		}
	}
}
