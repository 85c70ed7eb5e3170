// Package rc5 implements the RC5 block cipher of RFC 2040, with words of 16, 32 and 64 bits. RC5-32/12/16 there is RC5 with words of 4
// bytes, 12 rounds and a key of 16 bytes here.
package rc5

import (
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"strconv"
)

const (
	// MaxKeySize is the length of the longest key in bytes. The shortest has none.
	MaxKeySize = 255
	// MaxRounds is how many rounds there can be. RFC 2040 wants 12 at least.
	MaxRounds = 255
)

// A KeySizeError is the length in bytes of a key that RC5 does not have.
type KeySizeError int

func (n KeySizeError) Error() string { return "rc5: invalid key size " + strconv.Itoa(int(n)) }

var (
	errWord   = errors.New("rc5: words have 2, 4 or 8 bytes")
	errRounds = errors.New("rc5: more than 255 rounds")
)

// The constants of RC5 for words of 64 bits, from the binary expansions of e and of the golden ratio (RFC 2040, 5.1).
// Those of shorter words are the leading bits, made odd.
const (
	magicP uint64 = 0xb7e151628aed2a6b
	magicQ uint64 = 0x9e3779b97f4a7c15
)

// A block is RC5 (RFC 2040, 6) with words of 16, 32 or 64 bits.
type block struct {
	s    []uint64 // the expanded key
	bits uint     // of a word
	mask uint64
}

var _ cipher.Block = (*block)(nil)

// NewCipher returns RC5 with a key of up to [MaxKeySize] bytes, words of 2, 4 or 8 bytes and up to [MaxRounds] rounds. Its blocks are
// two words. A longer key is a [KeySizeError].
func NewCipher(key []byte, word, rounds uint) (cipher.Block, error) {
	switch {
	case len(key) > MaxKeySize:
		return nil, KeySizeError(len(key))
	case word != 2 && word != 4 && word != 8:
		return nil, errWord
	case rounds > MaxRounds:
		return nil, errRounds
	}
	return expand(key, word, rounds), nil
}

// expand is RFC 2040, 5.
func expand(key []byte, word, rounds uint) *block {
	c := &block{s: make([]uint64, 2*(rounds+1)), bits: 8 * word, mask: ^uint64(0) >> (64 - 8*word)}
	p, q := magicP>>(64-c.bits)|1, magicQ>>(64-c.bits)|1
	c.s[0] = p
	for i := 1; i < len(c.s); i++ {
		c.s[i] = (c.s[i-1] + q) & c.mask
	}
	l := make([]uint64, max(1, (uint(len(key))+word-1)/word))
	for i, b := range key {
		l[uint(i)/word] |= uint64(b) << (8 * (uint(i) % word))
	}
	var a, b uint64
	for n, i, j := 3*max(len(c.s), len(l)), 0, 0; n > 0; n-- {
		a = c.rotate(c.s[i]+a+b, 3)
		c.s[i] = a
		b = c.rotate(l[j]+a+b, a+b)
		l[j] = b
		i, j = (i+1)%len(c.s), (j+1)%len(l)
	}
	return c
}

// rotate rotates the word x left by the low bits of n.
func (c *block) rotate(x, n uint64) uint64 {
	x &= c.mask
	n &= uint64(c.bits - 1)
	return (x<<n | x>>(uint64(c.bits)-n)) & c.mask
}

func (c *block) BlockSize() int { return int(c.bits / 4) }

func (c *block) Encrypt(dst, src []byte) {
	a, b := c.load(src)
	a, b = a+c.s[0], b+c.s[1]
	for i := 2; i < len(c.s); i += 2 {
		a = c.rotate(a^b, b) + c.s[i]
		b = c.rotate(b^a, a) + c.s[i+1]
	}
	c.store(dst, a, b)
}

func (c *block) Decrypt(dst, src []byte) {
	a, b := c.load(src)
	for i := len(c.s) - 2; i > 0; i -= 2 {
		b = c.rotate(b-c.s[i+1], -a) ^ a
		a = c.rotate(a-c.s[i], -b) ^ b
	}
	c.store(dst, a-c.s[0], b-c.s[1])
}

func (c *block) load(src []byte) (a, b uint64) {
	switch c.bits {
	case 16:
		return uint64(binary.LittleEndian.Uint16(src)), uint64(binary.LittleEndian.Uint16(src[2:]))
	case 32:
		return uint64(binary.LittleEndian.Uint32(src)), uint64(binary.LittleEndian.Uint32(src[4:]))
	}
	return binary.LittleEndian.Uint64(src), binary.LittleEndian.Uint64(src[8:])
}

func (c *block) store(dst []byte, a, b uint64) {
	switch c.bits {
	case 16:
		binary.LittleEndian.PutUint16(dst, uint16(a))
		binary.LittleEndian.PutUint16(dst[2:], uint16(b))
	case 32:
		binary.LittleEndian.PutUint32(dst, uint32(a))
		binary.LittleEndian.PutUint32(dst[4:], uint32(b))
	default:
		binary.LittleEndian.PutUint64(dst, a)
		binary.LittleEndian.PutUint64(dst[8:], b)
	}
}
