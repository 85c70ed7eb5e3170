// Package idea implements the IDEA block cipher: Lai and Massey, "A Proposal for a New Block Encryption Standard", 1990, as it is in
// ISO/IEC 9979, entry 2.
//
// Its blocks are short: nobody should encrypt more than some gigabytes with one key.
package idea

import (
	"crypto/cipher"
	"encoding/binary"
	"math/bits"
	"strconv"
)

const (
	// BlockSize is the length of a block in bytes.
	BlockSize = 8
	// KeySize is the length of a key in bytes.
	KeySize = 16
)

const rounds = 8

// A KeySizeError is the length in bytes of a key that IDEA does not have.
type KeySizeError int

func (n KeySizeError) Error() string { return "idea: invalid key size " + strconv.Itoa(int(n)) }

// A block is IDEA with its subkeys: six for each round, and four at the end.
type block struct{ enc, dec [6*rounds + 4]uint16 }

var _ cipher.Block = (*block)(nil)

// NewCipher returns IDEA with a key of [KeySize] bytes. Other lengths are a [KeySizeError].
func NewCipher(key []byte) (cipher.Block, error) {
	if len(key) != KeySize {
		return nil, KeySizeError(len(key))
	}
	c := new(block)
	c.expand(key)
	c.invert()
	return c, nil
}

// expand makes the subkeys for encryption: they are the parts of the key, then those of the key rotated by 25 bits, and so on.
func (c *block) expand(key []byte) {
	k := [2]uint64{binary.BigEndian.Uint64(key), binary.BigEndian.Uint64(key[8:])}
	for i := range c.enc {
		c.enc[i] = uint16(k[i%8/4] >> (48 - 16*(i%4)))
		if i%8 == 7 {
			k[0], k[1] = k[0]<<25|k[1]>>39, k[1]<<25|k[0]>>39
		}
	}
}

// invert makes the subkeys for decryption. In all rounds but the first and the last the two that are added change places,
// as the words between them do.
func (c *block) invert() {
	for i := range rounds + 1 {
		from, to := c.enc[6*(rounds-i):], c.dec[6*i:]
		to[0], to[1], to[2], to[3] = inverse(from[0]), -from[1], -from[2], inverse(from[3])
		if i > 0 && i < rounds {
			to[1], to[2] = to[2], to[1]
		}
		if i < rounds {
			copy(to[4:6], c.enc[6*(rounds-1-i)+4:])
		}
	}
}

func (*block) BlockSize() int { return BlockSize }

func (c *block) Encrypt(dst, src []byte) { crypt(&c.enc, dst, src) }
func (c *block) Decrypt(dst, src []byte) { crypt(&c.dec, dst, src) }

func crypt(keys *[6*rounds + 4]uint16, dst, src []byte) {
	be := binary.BigEndian
	a, b, c, d := be.Uint16(src), be.Uint16(src[2:]), be.Uint16(src[4:]), be.Uint16(src[6:])
	k := keys[:]
	for range rounds {
		a, b, c, d = multiply(a, k[0]), b+k[1], c+k[2], multiply(d, k[3])
		t := multiply(a^c, k[4])
		u := multiply((b^d)+t, k[5])
		t += u
		a, b, c, d = a^u, c^u, b^t, d^t
		k = k[6:]
	}
	be.PutUint16(dst, multiply(a, k[0]))
	be.PutUint16(dst[2:], c+k[1])
	be.PutUint16(dst[4:], b+k[2])
	be.PutUint16(dst[6:], multiply(d, k[3]))
}

// multiply multiplies modulo 2^16 + 1, where 0 stands for 2^16. It takes the same time for all values.
func multiply(x, y uint16) uint16 {
	p := uint32(x) * uint32(y)
	lo, hi := uint16(p), uint16(p>>16)
	_, borrow := bits.Sub32(uint32(lo), uint32(hi), 0)
	product := lo - hi + uint16(borrow)
	// Where a factor is 0 the product is 1 - x - y; p is 0 then, and only then.
	zero := uint16((uint64(p) - 1) >> 63 * 0xffff)
	return product&^zero | (1-x-y)&zero
}

// inverse is the inverse for multiply: x^(2^16 - 1).
func inverse(x uint16) uint16 {
	y := x
	for range 15 {
		y = multiply(multiply(y, y), x)
	}
	return y
}
