// Package cbcmac is CBC-MAC (FIPS 113) over any block cipher. Zeros fill the last block; where there is no data, there is a block of
// zeros. It is safe for messages of one length only: whoever may choose that uses CMAC.
package cbcmac

import (
	"crypto/cipher"
	"crypto/subtle"
	"hash"
)

const maxBlock = 16 // bytes

// A MAC is CBC-MAC as a [hash.Hash].
type MAC struct {
	block   cipher.Block
	size    int
	x       [maxBlock]byte // the chaining value, with the data of a block that is not yet full
	n       int            // how much that is
	started bool
}

var _ hash.Hash = (*MAC)(nil)

// New returns CBC-MAC with a cipher that has its key. Its blocks have up to 16 bytes.
func New(b cipher.Block) *MAC { return &MAC{block: b, size: b.BlockSize()} }

// Size implements [hash.Hash].
func (c *MAC) Size() int { return c.size }

// BlockSize implements [hash.Hash].
func (c *MAC) BlockSize() int { return c.size }

// Reset implements [hash.Hash].
func (c *MAC) Reset() {
	clear(c.x[:])
	c.n, c.started = 0, false
}

// Write implements [hash.Hash].
func (c *MAC) Write(p []byte) (int, error) {
	total := len(p)
	c.started = c.started || total > 0
	for len(p) > 0 {
		n := subtle.XORBytes(c.x[c.n:c.size], c.x[c.n:c.size], p)
		p = p[n:]
		if c.n += n; c.n == c.size {
			c.fill()
		}
	}
	return total, nil
}

// Pad fills a block that has begun with zeros.
func (c *MAC) Pad() {
	if c.n > 0 {
		c.fill()
	}
}

// fill goes on to the next block, as if zeros had been written up to the end of this one.
func (c *MAC) fill() {
	c.block.Encrypt(c.x[:c.size], c.x[:c.size])
	c.n = 0
}

// Sum implements [hash.Hash].
func (c *MAC) Sum(b []byte) []byte {
	last := *c
	if last.n > 0 || !last.started {
		last.fill()
	}
	return append(b, last.x[:c.size]...)
}
