// Package cryptotest has the tests that every block cipher and every hash of internal/algorithm passes, as crypto/internal/cryptotest
// has them for those of the standard library.
package cryptotest

import (
	"bytes"
	"crypto/cipher"
	"encoding/hex"
	"hash"
	"strings"
	"testing"
)

// A BlockVector is a known answer of a block cipher, in hexadecimal.
type BlockVector = struct{ Key, Plaintext, Ciphertext string }

// TestBlock tries a block cipher with known answers in both directions. A block may be processed in its place, and nothing is
// written behind it. refused are lengths of keys in bytes that the cipher does not have.
func TestBlock(t *testing.T, newCipher func(key []byte) (cipher.Block, error), vectors []BlockVector, refused ...int) {
	t.Helper()
	for _, v := range vectors {
		c, err := newCipher(Unhex(t, v.Key))
		if err != nil {
			t.Fatalf("key %s: %v", v.Key, err)
		}
		plain, sealed := Unhex(t, v.Plaintext), Unhex(t, v.Ciphertext)
		if c.BlockSize() != len(plain) {
			t.Fatalf("BlockSize is %d, want %d", c.BlockSize(), len(plain))
		}
		checkBlock(t, "Encrypt with key "+v.Key, c.Encrypt, plain, sealed)
		checkBlock(t, "Decrypt with key "+v.Key, c.Decrypt, sealed, plain)
	}
	for _, n := range refused {
		if c, err := newCipher(make([]byte, n)); err == nil || c != nil {
			t.Errorf("a key of %d bytes: %v, %v", n, c, err)
		}
	}
}

func checkBlock(t *testing.T, what string, crypt func(dst, src []byte), src, want []byte) {
	t.Helper()
	const guard = 0xa5
	n := len(src)
	for _, inPlace := range []bool{false, true} {
		dst := bytes.Repeat([]byte{guard}, n+8)
		from := bytes.Clone(src)
		if inPlace {
			copy(dst, src)
			from = dst
		}
		crypt(dst, from)
		if !bytes.Equal(dst[:n], want) {
			t.Errorf("%s, in place %v: %x, want %x", what, inPlace, dst[:n], want)
		}
		if !bytes.Equal(dst[n:], bytes.Repeat([]byte{guard}, 8)) {
			t.Errorf("%s, in place %v: wrote behind the block", what, inPlace)
		}
		if !inPlace && !bytes.Equal(from, src) {
			t.Errorf("%s: changed its input", what)
		}
	}
}

// A HashVector is a known answer of a hash: the data as they are, and the sum in hexadecimal.
type HashVector = struct{ Data, Sum string }

// TestHash tries a hash with known answers: in one part, in many, after Reset and after Sum, and with clones.
func TestHash(t *testing.T, newHash func() hash.Hash, vectors []HashVector) {
	t.Helper()
	for i, v := range vectors {
		h := newHash()
		if h.Size() != len(v.Sum)/2 {
			t.Fatalf("Size is %d, want %d", h.Size(), len(v.Sum)/2)
		}
		h.Write([]byte(v.Data))
		checkSum(t, h, i, "in one part", v)
		h.Reset()
		for n, rest := 1, []byte(v.Data); len(rest) > 0; n++ {
			k := min(n, len(rest))
			h.Write(rest[:k])
			h.Sum(nil) // which does not disturb what follows
			rest = rest[k:]
		}
		checkSum(t, h, i, "in parts, after Reset", v)
		h.Reset()
		half := len(v.Data) / 2
		h.Write([]byte(v.Data[:half]))
		c, err := h.(hash.Cloner).Clone()
		if err != nil {
			t.Fatal(err)
		}
		h.Write([]byte("something else"))
		c.Write([]byte(v.Data[half:]))
		checkSum(t, c, i, "a clone", v)
	}
}

func checkSum(t *testing.T, h hash.Hash, i int, what string, v HashVector) {
	t.Helper()
	if got := h.Sum([]byte{1})[1:]; !bytes.Equal(got, Unhex(t, v.Sum)) {
		t.Errorf("vector %d, %d bytes, %s: %x, want %s", i, len(v.Data), what, got, v.Sum)
	}
}

// Unhex returns the bytes of hexadecimal digits, which may stand in several lines, and ends the test where they are none.
func Unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, "\n", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}
