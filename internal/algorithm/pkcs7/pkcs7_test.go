package pkcs7

import (
	"bytes"
	"testing"
)

func TestPadding(t *testing.T) {
	t.Parallel()
	data := []byte("0123456789abcdef")
	for n := range len(data) {
		block := Pad(make([]byte, len(data)), data[:n])
		if got, good := Unpad(block); got != n || good != 1 || !bytes.Equal(block[:n], data[:n]) {
			t.Errorf("%d bytes: %x, %d, %d", n, block, got, good)
		}
		for i := n; i < len(block); i++ { // another byte that makes no shorter padding
			block[i] ^= 0x80
			if got, good := Unpad(block); got != 0 || good != 0 {
				t.Errorf("%x: %d, %d", block, got, good)
			}
			block[i] ^= 0x80
		}
	}
	for _, last := range []byte{0, 17} {
		if _, good := Unpad(append(data[:15:15], last)); good != 0 {
			t.Errorf("padding of %d bytes", last)
		}
	}
}
