package rawrsa

import (
	"bytes"
	"testing"

	"github.com/softcsp/softcsp/internal/timetest"
)

// TestTime measures whether the operation with the private key takes another time for 1 than for a number with many bits.
func TestTime(t *testing.T) {
	k := generated(t, 1024)
	numbers := [2][]byte{append(make([]byte, 127), 1), append([]byte{0}, bytes.Repeat([]byte{0xef}, 127)...)}
	timetest.Alike(t, "signature", func(which int) {
		if _, err := k.Raw(numbers[which]); err != nil {
			t.Error(err)
		}
	})
}
