package sha512t

import (
	"bytes"
	"crypto/sha512"
	"hash"
	"testing"
)

// TestGo compares with the two functions that the standard library has, and tries clones and Reset.
func TestGo(t *testing.T) {
	t.Parallel()
	for size, newHash := range map[int]func() hash.Hash{28: sha512.New512_224, 32: sha512.New512_256} {
		h, want := New(size), newHash()
		for range 2 {
			h.Reset()
			want.Reset()
			for n := range 200 {
				part := bytes.Repeat([]byte{byte(n)}, n)
				h.Write(part)
				want.Write(part)
				clone, err := h.Clone()
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(h.Sum(nil), want.Sum(nil)) || !bytes.Equal(clone.Sum(nil), want.Sum(nil)) || h.Size() != size {
					t.Fatalf("%d bytes after part %d: %x, want %x", size, n, h.Sum(nil), want.Sum(nil))
				}
			}
		}
	}
}
