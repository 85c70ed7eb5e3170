// Package chacha is ChaCha20 with a counter of 64 bits, and ChaCha20-Poly1305 in parts: what golang.org/x/crypto lacks.
//
// Ciphers hold their key: they are made where temporary storage is erased, which is the caller's business.
package chacha

import (
	"crypto/cipher"
	"encoding/binary"
	"math"

	"golang.org/x/crypto/chacha20"

	"github.com/softcsp/softcsp/internal/secret"
)

// BlockSize is the length in bytes of what the counter counts.
const BlockSize = 64

// New returns the cipher of RFC 8439 from a block on. key has 32 bytes and nonce 12.
func New(key, nonce []byte, counter uint32) *chacha20.Cipher {
	c, err := chacha20.NewUnauthenticatedCipher(key, nonce)
	if err != nil {
		panic(err)
	}
	c.SetCounter(counter)
	return c
}

// A long is ChaCha20 with a counter of 64 bits: that of RFC 8439, which takes the upper half as the first part of its
// nonce, over and over.
type long struct {
	key     [chacha20.KeySize]byte
	nonce   [chacha20.NonceSize]byte
	left    uint64 // bytes until the upper half goes on
	current *chacha20.Cipher
}

// NewLong returns ChaCha20 as its author has it, with a nonce of 8 bytes, or XChaCha20 with one of 24, from a block on. key has 32 bytes.
func NewLong(key, nonce []byte, counter uint64) cipher.Stream {
	c := new(long)
	copy(c.key[:], key)
	if len(nonce) == chacha20.NonceSizeX {
		sub, err := chacha20.HChaCha20(key, nonce[:16])
		if err != nil {
			panic(err) // the lengths have been checked
		}
		copy(c.key[:], sub)
		clear(sub)
		nonce = nonce[16:]
	}
	copy(c.nonce[4:], nonce)
	c.at(counter)
	return c
}

// at goes to a block.
func (c *long) at(counter uint64) {
	binary.LittleEndian.PutUint32(c.nonce[:], uint32(counter>>32))
	c.left = (1<<32 - counter&math.MaxUint32) * BlockSize
	c.current = New(c.key[:], c.nonce[:], uint32(counter))
}

func (c *long) XORKeyStream(dst, src []byte) {
	for len(src) > 0 {
		if c.left == 0 {
			next := binary.LittleEndian.Uint32(c.nonce[:]) + 1
			secret.Do(func() { c.at(uint64(next) << 32) })
		}
		n := int(min(uint64(len(src)), c.left))
		c.current.XORKeyStream(dst[:n], src[:n])
		c.left -= uint64(n)
		dst, src = dst[n:], src[n:]
	}
}
