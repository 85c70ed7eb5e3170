package modular

import (
	"bytes"
	"math/big"
	"testing"

	"filippo.io/bigmod"
)

// TestInverse compares with math/big.
func TestInverse(t *testing.T) {
	q, err := bigmod.NewModulus([]byte{0xfb}) // 251, a prime
	if err != nil {
		t.Fatal(err)
	}
	for x := byte(1); x < 0xfb; x++ {
		n, _ := bigmod.NewNat().SetBytes([]byte{x}, q)
		want := new(big.Int).ModInverse(big.NewInt(int64(x)), big.NewInt(0xfb))
		if got := Inverse(n, q).Bytes(q); !bytes.Equal(got, want.Bytes()) {
			t.Errorf("1/%d is %x, want %v", x, got, want)
		}
	}
}

func TestLengths(t *testing.T) {
	for _, c := range []struct {
		in, trimmed string
		n           int
		padded      string
	}{{"\x00\x01\x02", "\x01\x02", 4, "\x00\x00\x01\x02"}, {"\x00\x00\x03", "\x03", 1, "\x03"}, {"\x00", "\x00", 1, "\x00"}, {"\x01\x02", "\x01\x02", 1, "\x01\x02"}} {
		if got := TrimZeros([]byte(c.in)); string(got) != c.trimmed {
			t.Errorf("TrimZeros(%x) is %x", c.in, got)
		}
		if got := LeftPadded([]byte(c.in), c.n); string(got) != c.padded {
			t.Errorf("LeftPadded(%x, %d) is %x", c.in, c.n, got)
		}
	}
}
