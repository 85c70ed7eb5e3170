// Package cmac is CMAC (NIST SP 800-38B) over any cipher with blocks of 64 or 128 bits, and AES-XCBC-MAC (RFC 3566), from which it comes.
//
// What is expanded of a key is secret: MACs are made where temporary storage is erased, which is the caller's business.
package cmac

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"hash"
)

const (
	maxBlock    = 16 // bytes
	xcbcKeySize = 16 // bytes: RFC 3566, 4
)

// A MAC is a CMAC, or an XCBC-MAC, as a [hash.Hash].
type MAC struct {
	block  cipher.Block
	size   int
	k1, k2 [maxBlock]byte
	x      [maxBlock]byte // the chaining value
	buf    [maxBlock]byte // the last block so far, which is not chained before another follows
	n      int
}

var _ hash.Cloner = (*MAC)(nil)

// New returns CMAC with a cipher that has its key. Its blocks have 8 or 16 bytes.
func New(b cipher.Block) *MAC {
	c := &MAC{block: b, size: b.BlockSize()}
	b.Encrypt(c.k1[:c.size], c.k1[:c.size])
	double(c.k1[:c.size])
	c.k2 = c.k1
	double(c.k2[:c.size])
	return c
}

// double multiplies by x in GF(2^128) or GF(2^64): SP 800-38B, 6.1.
func double(b []byte) {
	r := byte(0x87)
	if len(b) == 8 {
		r = 0x1b
	}
	carry := b[0] >> 7
	for i := range b[:len(b)-1] {
		b[i] = b[i]<<1 | b[i+1]>>7
	}
	b[len(b)-1] = b[len(b)-1]<<1 ^ r&-carry
}

// Size implements [hash.Hash].
func (c *MAC) Size() int { return c.size }

// BlockSize implements [hash.Hash].
func (c *MAC) BlockSize() int { return c.size }

// Reset implements [hash.Hash].
func (c *MAC) Reset() {
	clear(c.x[:])
	clear(c.buf[:])
	c.n = 0
}

// Clone implements [hash.Cloner].
func (c *MAC) Clone() (hash.Cloner, error) {
	d := *c
	return &d, nil
}

// Write implements [hash.Hash].
func (c *MAC) Write(p []byte) (int, error) {
	total := len(p)
	for len(p) > 0 {
		if c.n == c.size {
			subtle.XORBytes(c.x[:], c.x[:], c.buf[:c.size])
			c.block.Encrypt(c.x[:c.size], c.x[:c.size])
			c.n = 0
		}
		n := copy(c.buf[c.n:c.size], p)
		c.n += n
		p = p[n:]
	}
	return total, nil
}

// Sum implements [hash.Hash].
func (c *MAC) Sum(b []byte) []byte {
	key, last := &c.k1, c.buf
	if c.n < c.size {
		key = &c.k2
		last[c.n] = 0x80
		clear(last[c.n+1:])
	}
	subtle.XORBytes(last[:c.size], last[:c.size], key[:c.size])
	subtle.XORBytes(last[:c.size], last[:c.size], c.x[:c.size])
	c.block.Encrypt(last[:c.size], last[:c.size])
	return append(b, last[:c.size]...)
}

// NewXCBC returns XCBC-MAC with AES. It is CMAC whose cipher and whose last block have keys that are made of the given one: RFC 3566, 4.
// That has 16 bytes. A shorter one is filled up with zeros, and of a longer one the MAC under a key of zeros is taken: RFC 4434.
func NewXCBC(key []byte) (hash.Hash, error) {
	var fitting [xcbcKeySize]byte
	defer clear(fitting[:])
	if len(key) <= xcbcKeySize {
		copy(fitting[:], key)
	} else {
		h, err := NewXCBC(make([]byte, xcbcKeySize))
		if err != nil {
			return nil, err
		}
		h.Write(key)
		h.Sum(fitting[:0])
		h.Reset()
	}
	master, err := aes.NewCipher(fitting[:])
	if err != nil {
		return nil, err
	}
	var keys [3][maxBlock]byte
	for i := range keys {
		for j := range keys[i] {
			keys[i][j] = byte(i + 1)
		}
		master.Encrypt(keys[i][:], keys[i][:])
	}
	block, err := aes.NewCipher(keys[0][:])
	return &MAC{block: block, size: aes.BlockSize, k1: keys[1], k2: keys[2]}, err
}
