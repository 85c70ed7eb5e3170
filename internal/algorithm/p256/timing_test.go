package p256

import (
	"bytes"
	"testing"

	"github.com/softcsp/softcsp/internal/timetest"
)

// TestTime measures whether a private key of next to no bits takes another time than one of many, and whether numbers do.
func TestTime(t *testing.T) {
	var signers [2]*Signer
	for i, private := range [][]byte{append(make([]byte, Size-1), 1), bytes.Repeat([]byte{0xef}, Size)} {
		var err error
		if signers[i], err = NewSigner(private); err != nil {
			t.Fatal(err)
		}
	}
	digest, sig := make([]byte, Size), make([]byte, 2*Size)
	timetest.Alike(t, "signature", func(which int) {
		if err := signers[which].Sign(sig, digest); err != nil {
			t.Error(err)
		}
	})
	numbers := [2]scalar{{1}, {0xf3b9cac2fc632550, 0xbce6faada7179e84, 0xffffffffffffffff, 0xffffffff00000000}}
	timetest.Alike(t, "inverse", func(which int) {
		x := numbers[which]
		x.invert(&x)
	})
}
