package cbcmac

import (
	"crypto/des"
	"encoding/hex"
	"testing"
)

// TestExample is the example of FIPS 113, appendix 2: the key, the message, and its authentication code.
func TestExample(t *testing.T) {
	t.Parallel()
	block, err := des.NewCipher([]byte{0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef})
	if err != nil {
		t.Fatal(err)
	}
	h := New(block)
	for range 2 {
		h.Write([]byte("7654321 Now is "))
		h.Write([]byte("the time for "))
		if got := hex.EncodeToString(h.Sum(nil)[:4]); got != "f1d30f68" {
			t.Errorf("%s", got)
		}
		h.Reset()
	}
}

// TestPad sees that what is shorter than a block is filled with zeros, and that nothing is a block of zeros.
func TestPad(t *testing.T) {
	t.Parallel()
	block, err := des.NewCipher(make([]byte, 8))
	if err != nil {
		t.Fatal(err)
	}
	sum := func(message ...byte) string {
		h := New(block)
		h.Write(message)
		return hex.EncodeToString(h.Sum(nil))
	}
	if sum() != sum(0) || sum(0) != sum(make([]byte, 8)...) || sum(1) != sum(1, 0, 0) || sum(1) == sum() {
		t.Error("zeros do not fill the last block")
	}
}
