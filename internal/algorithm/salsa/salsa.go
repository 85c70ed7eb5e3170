// Package salsa is Salsa20 and XSalsa20 as a [cipher.Stream] that begins at any block.
//
// A stream holds its key: it is made where temporary storage is erased, which is the caller's business.
package salsa

import (
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"

	"golang.org/x/crypto/salsa20/salsa" //lint:ignore SA1019 it is Salsa20
)

const (
	keySize   = 32 // bytes
	blockSize = 64
)

// A stream is Salsa20 from a block on.
type stream struct {
	key   [keySize]byte
	state [16]byte // the nonce and the number of the next block
	rest  [blockSize]byte
	used  int // how much of rest is used up
}

var _ cipher.Stream = (*stream)(nil)

// New returns Salsa20 with a nonce of 8 bytes, or XSalsa20 with one of 24, from a block on. key has 32 bytes.
func New(key, nonce []byte, counter uint64) cipher.Stream {
	s := &stream{used: blockSize}
	copy(s.key[:], key)
	if len(nonce) == 24 {
		var first [16]byte
		copy(first[:], nonce)
		salsa.HSalsa20(&s.key, &first, &s.key, &salsa.Sigma)
		nonce = nonce[16:]
	}
	copy(s.state[:8], nonce)
	binary.LittleEndian.PutUint64(s.state[8:], counter)
	return s
}

func (s *stream) XORKeyStream(dst, src []byte) {
	n := subtle.XORBytes(dst, src[:min(len(src), blockSize-s.used)], s.rest[s.used:])
	s.used += n
	dst, src = dst[n:], src[n:]
	if whole := len(src) - len(src)%blockSize; whole > 0 {
		s.blocks(dst[:whole], src[:whole])
		dst, src = dst[whole:], src[whole:]
	}
	if len(src) > 0 {
		clear(s.rest[:])
		s.blocks(s.rest[:], s.rest[:])
		s.used = subtle.XORBytes(dst, src, s.rest[:])
	}
}

// blocks processes whole blocks.
func (s *stream) blocks(dst, src []byte) {
	counter := s.state
	salsa.XORKeyStream(dst, src, &counter, &s.key)
	next := binary.LittleEndian.Uint64(s.state[8:]) + uint64(len(src)/blockSize)
	binary.LittleEndian.PutUint64(s.state[8:], next)
}
