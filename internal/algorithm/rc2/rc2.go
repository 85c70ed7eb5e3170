// Package rc2 implements the RC2 block cipher of RFC 2268.
//
// A key has two lengths: its bytes, and how many bits of strength are left to it, the effective bits. It is here for old messages and
// for CryptoAPI; it is written plainly, with a table that is looked up by secret bytes.
package rc2

import (
	"crypto/cipher"
	"encoding/binary"
	"math/bits"
	"strconv"
)

const (
	// BlockSize is the length of a block in bytes.
	BlockSize = 8
	// MaxKeySize is the length of the longest key in bytes. The shortest has one.
	MaxKeySize = 128
	// MaxEffectiveBits is how many bits of a key can be effective.
	MaxEffectiveBits = 1024
)

// A KeySizeError is the length in bytes of a key that RC2 does not have.
type KeySizeError int

func (n KeySizeError) Error() string { return "rc2: invalid key size " + strconv.Itoa(int(n)) }

// An EffectiveBitsError is a number of effective bits that RC2 does not have.
type EffectiveBitsError uint

func (n EffectiveBitsError) Error() string {
	return "rc2: invalid number of effective bits " + strconv.FormatUint(uint64(n), 10)
}

// piTable is PITABLE (RFC 2268, 2): a permutation made from the digits of pi.
var piTable = [256]byte{
	0xd9, 0x78, 0xf9, 0xc4, 0x19, 0xdd, 0xb5, 0xed, 0x28, 0xe9, 0xfd, 0x79, 0x4a, 0xa0, 0xd8, 0x9d,
	0xc6, 0x7e, 0x37, 0x83, 0x2b, 0x76, 0x53, 0x8e, 0x62, 0x4c, 0x64, 0x88, 0x44, 0x8b, 0xfb, 0xa2,
	0x17, 0x9a, 0x59, 0xf5, 0x87, 0xb3, 0x4f, 0x13, 0x61, 0x45, 0x6d, 0x8d, 0x09, 0x81, 0x7d, 0x32,
	0xbd, 0x8f, 0x40, 0xeb, 0x86, 0xb7, 0x7b, 0x0b, 0xf0, 0x95, 0x21, 0x22, 0x5c, 0x6b, 0x4e, 0x82,
	0x54, 0xd6, 0x65, 0x93, 0xce, 0x60, 0xb2, 0x1c, 0x73, 0x56, 0xc0, 0x14, 0xa7, 0x8c, 0xf1, 0xdc,
	0x12, 0x75, 0xca, 0x1f, 0x3b, 0xbe, 0xe4, 0xd1, 0x42, 0x3d, 0xd4, 0x30, 0xa3, 0x3c, 0xb6, 0x26,
	0x6f, 0xbf, 0x0e, 0xda, 0x46, 0x69, 0x07, 0x57, 0x27, 0xf2, 0x1d, 0x9b, 0xbc, 0x94, 0x43, 0x03,
	0xf8, 0x11, 0xc7, 0xf6, 0x90, 0xef, 0x3e, 0xe7, 0x06, 0xc3, 0xd5, 0x2f, 0xc8, 0x66, 0x1e, 0xd7,
	0x08, 0xe8, 0xea, 0xde, 0x80, 0x52, 0xee, 0xf7, 0x84, 0xaa, 0x72, 0xac, 0x35, 0x4d, 0x6a, 0x2a,
	0x96, 0x1a, 0xd2, 0x71, 0x5a, 0x15, 0x49, 0x74, 0x4b, 0x9f, 0xd0, 0x5e, 0x04, 0x18, 0xa4, 0xec,
	0xc2, 0xe0, 0x41, 0x6e, 0x0f, 0x51, 0xcb, 0xcc, 0x24, 0x91, 0xaf, 0x50, 0xa1, 0xf4, 0x70, 0x39,
	0x99, 0x7c, 0x3a, 0x85, 0x23, 0xb8, 0xb4, 0x7a, 0xfc, 0x02, 0x36, 0x5b, 0x25, 0x55, 0x97, 0x31,
	0x2d, 0x5d, 0xfa, 0x98, 0xe3, 0x8a, 0x92, 0xae, 0x05, 0xdf, 0x29, 0x10, 0x67, 0x6c, 0xba, 0xc9,
	0xd3, 0x00, 0xe6, 0xcf, 0xe1, 0x9e, 0xa8, 0x2c, 0x63, 0x16, 0x01, 0x3f, 0x58, 0xe2, 0x89, 0xa9,
	0x0d, 0x38, 0x34, 0x1b, 0xab, 0x33, 0xff, 0xb0, 0xbb, 0x48, 0x0c, 0x5f, 0xb9, 0xb1, 0xcd, 0x2e,
	0xc5, 0xf3, 0xdb, 0x47, 0xe5, 0xa5, 0x9c, 0x77, 0x0a, 0xa6, 0x20, 0x68, 0xfe, 0x7f, 0xc1, 0xad,
}

// A block is RC2 with an expanded key.
type block struct{ k [64]uint16 }

var _ cipher.Block = (*block)(nil)

// NewCipher returns RC2 with a key of 1 to [MaxKeySize] bytes, of whose strength effective bits are left, 1 to [MaxEffectiveBits].
// Other keys are a [KeySizeError], other numbers an [EffectiveBitsError].
func NewCipher(key []byte, effective uint) (cipher.Block, error) {
	if len(key) == 0 || len(key) > MaxKeySize {
		return nil, KeySizeError(len(key))
	}
	if effective == 0 || effective > MaxEffectiveBits {
		return nil, EffectiveBitsError(effective)
	}
	c := new(block)
	c.expand(key, effective)
	return c, nil
}

// expand is RFC 2268, 2.
func (c *block) expand(key []byte, effective uint) {
	var l [MaxKeySize]byte
	for i := copy(l[:], key); i < len(l); i++ {
		l[i] = piTable[l[i-1]+l[i-len(key)]]
	}
	t8 := (effective + 7) / 8
	first := len(l) - int(t8)
	l[first] = piTable[l[first]&(0xff>>(8*t8-effective))]
	for i := first - 1; i >= 0; i-- {
		l[i] = piTable[l[i+1]^l[i+int(t8)]]
	}
	for i := range c.k {
		c.k[i] = binary.LittleEndian.Uint16(l[2*i:])
	}
	clear(l[:])
}

func (*block) BlockSize() int { return BlockSize }

// Encrypt is RFC 2268, 3: sixteen mixing rounds, and a mashing round after the fifth and the eleventh.
func (c *block) Encrypt(dst, src []byte) {
	r0, r1, r2, r3 := load(src)
	for i := 0; i < len(c.k); i += 4 {
		k := c.k[i : i+4 : i+4]
		r0 = bits.RotateLeft16(r0+k[0]+r3&r2+^r3&r1, 1)
		r1 = bits.RotateLeft16(r1+k[1]+r0&r3+^r0&r2, 2)
		r2 = bits.RotateLeft16(r2+k[2]+r1&r0+^r1&r3, 3)
		r3 = bits.RotateLeft16(r3+k[3]+r2&r1+^r2&r0, 5)
		if i == 4*4 || i == 4*10 {
			r0 += c.k[r3&63]
			r1 += c.k[r0&63]
			r2 += c.k[r1&63]
			r3 += c.k[r2&63]
		}
	}
	store(dst, r0, r1, r2, r3)
}

// Decrypt is RFC 2268, 4.
func (c *block) Decrypt(dst, src []byte) {
	r0, r1, r2, r3 := load(src)
	for i := len(c.k) - 4; i >= 0; i -= 4 {
		if i == 4*4 || i == 4*10 {
			r3 -= c.k[r2&63]
			r2 -= c.k[r1&63]
			r1 -= c.k[r0&63]
			r0 -= c.k[r3&63]
		}
		k := c.k[i : i+4 : i+4]
		r3 = bits.RotateLeft16(r3, -5) - k[3] - r2&r1 - ^r2&r0
		r2 = bits.RotateLeft16(r2, -3) - k[2] - r1&r0 - ^r1&r3
		r1 = bits.RotateLeft16(r1, -2) - k[1] - r0&r3 - ^r0&r2
		r0 = bits.RotateLeft16(r0, -1) - k[0] - r3&r2 - ^r3&r1
	}
	store(dst, r0, r1, r2, r3)
}

func load(src []byte) (r0, r1, r2, r3 uint16) {
	le := binary.LittleEndian
	return le.Uint16(src), le.Uint16(src[2:]), le.Uint16(src[4:]), le.Uint16(src[6:])
}

func store(dst []byte, r0, r1, r2, r3 uint16) {
	le := binary.LittleEndian
	le.PutUint16(dst, r0)
	le.PutUint16(dst[2:], r1)
	le.PutUint16(dst[4:], r2)
	le.PutUint16(dst[6:], r3)
}
