// Package camellia implements the Camellia block cipher of RFC 3713.
//
// It is written plainly, with tables that are looked up by secret bytes: its time depends on keys and data where the processor's
// cache does.
package camellia

import (
	"crypto/cipher"
	"encoding/binary"
	"math/bits"
	"strconv"
)

// BlockSize is the length of a block in bytes.
const BlockSize = 16

// A KeySizeError is the length in bytes of a key that Camellia does not have.
type KeySizeError int

func (n KeySizeError) Error() string { return "camellia: invalid key size " + strconv.Itoa(int(n)) }

// sbox1 is SBOX1 (RFC 3713, 2.4.1), from which the other three are made.
var sbox1 = [256]byte{
	0x70, 0x82, 0x2c, 0xec, 0xb3, 0x27, 0xc0, 0xe5, 0xe4, 0x85, 0x57, 0x35, 0xea, 0x0c, 0xae, 0x41,
	0x23, 0xef, 0x6b, 0x93, 0x45, 0x19, 0xa5, 0x21, 0xed, 0x0e, 0x4f, 0x4e, 0x1d, 0x65, 0x92, 0xbd,
	0x86, 0xb8, 0xaf, 0x8f, 0x7c, 0xeb, 0x1f, 0xce, 0x3e, 0x30, 0xdc, 0x5f, 0x5e, 0xc5, 0x0b, 0x1a,
	0xa6, 0xe1, 0x39, 0xca, 0xd5, 0x47, 0x5d, 0x3d, 0xd9, 0x01, 0x5a, 0xd6, 0x51, 0x56, 0x6c, 0x4d,
	0x8b, 0x0d, 0x9a, 0x66, 0xfb, 0xcc, 0xb0, 0x2d, 0x74, 0x12, 0x2b, 0x20, 0xf0, 0xb1, 0x84, 0x99,
	0xdf, 0x4c, 0xcb, 0xc2, 0x34, 0x7e, 0x76, 0x05, 0x6d, 0xb7, 0xa9, 0x31, 0xd1, 0x17, 0x04, 0xd7,
	0x14, 0x58, 0x3a, 0x61, 0xde, 0x1b, 0x11, 0x1c, 0x32, 0x0f, 0x9c, 0x16, 0x53, 0x18, 0xf2, 0x22,
	0xfe, 0x44, 0xcf, 0xb2, 0xc3, 0xb5, 0x7a, 0x91, 0x24, 0x08, 0xe8, 0xa8, 0x60, 0xfc, 0x69, 0x50,
	0xaa, 0xd0, 0xa0, 0x7d, 0xa1, 0x89, 0x62, 0x97, 0x54, 0x5b, 0x1e, 0x95, 0xe0, 0xff, 0x64, 0xd2,
	0x10, 0xc4, 0x00, 0x48, 0xa3, 0xf7, 0x75, 0xdb, 0x8a, 0x03, 0xe6, 0xda, 0x09, 0x3f, 0xdd, 0x94,
	0x87, 0x5c, 0x83, 0x02, 0xcd, 0x4a, 0x90, 0x33, 0x73, 0x67, 0xf6, 0xf3, 0x9d, 0x7f, 0xbf, 0xe2,
	0x52, 0x9b, 0xd8, 0x26, 0xc8, 0x37, 0xc6, 0x3b, 0x81, 0x96, 0x6f, 0x4b, 0x13, 0xbe, 0x63, 0x2e,
	0xe9, 0x79, 0xa7, 0x8c, 0x9f, 0x6e, 0xbc, 0x8e, 0x29, 0xf5, 0xf9, 0xb6, 0x2f, 0xfd, 0xb4, 0x59,
	0x78, 0x98, 0x06, 0x6a, 0xe7, 0x46, 0x71, 0xba, 0xd4, 0x25, 0xab, 0x42, 0x88, 0xa2, 0x8d, 0xfa,
	0x72, 0x07, 0xb9, 0x55, 0xf8, 0xee, 0xac, 0x0a, 0x36, 0x49, 0x2a, 0x68, 0x3c, 0x38, 0xf1, 0xa4,
	0x40, 0x28, 0xd3, 0x7b, 0xbb, 0xc9, 0x43, 0xc1, 0x15, 0xe3, 0xad, 0xf4, 0x77, 0xc7, 0x80, 0x9e,
}

// sp is the substitution and the diffusion of the F-function (RFC 3713, 2.4.1) together, for each byte of its input.
var sp = func() (t [8][256]uint64) {
	rotate := func(i, n int) func(byte) byte {
		return func(x byte) byte { return bits.RotateLeft8(sbox1[bits.RotateLeft8(x, i)], n) }
	}
	s1, s2, s3, s4 := rotate(0, 0), rotate(0, 1), rotate(0, 7), rotate(1, 0)
	for i, s := range [...]struct {
		box  func(byte) byte
		into uint8 // the bytes of the output that it goes into, a bit each
	}{{s1, 0xe9}, {s2, 0x7c}, {s3, 0xb6}, {s4, 0xd3}, {s2, 0x77}, {s3, 0xbb}, {s4, 0xdd}, {s1, 0xee}} {
		for x := range t[i] {
			for bit := range 8 {
				if s.into>>bit&1 != 0 {
					t[i][x] |= uint64(s.box(byte(x))) << (8 * bit)
				}
			}
		}
	}
	return t
}()

// sigma are the constants of the key schedule.
var sigma = [6]uint64{0xa09e667f3bcc908b, 0xb67ae8584caa73b2, 0xc6ef372fe94f82be, 0x54ff53a5f1d36f1c, 0x10e527fade682d1d, 0xb05688c2b3e6c1fd}

// A block is Camellia with the subkeys in the order in which they are used: two whitening keys, six round keys, two keys of the layer FL, six round keys and so on, and two whitening keys. Those for decryption are the same ones from the end.
type block struct {
	enc, dec [34]uint64
	n        int // how many there are
}

var _ cipher.Block = (*block)(nil)

// NewCipher returns Camellia with a key of 16, 24 or 32 bytes. Other lengths are a [KeySizeError].
func NewCipher(key []byte) (cipher.Block, error) {
	if len(key) != 16 && len(key) != 24 && len(key) != 32 {
		return nil, KeySizeError(len(key))
	}
	c := new(block)
	c.expand(key)
	return c, nil
}

// A uint128 is a number of 128 bits, the upper half first.
type uint128 [2]uint64

// rotate rotates to the left.
func (h uint128) rotate(n uint) uint128 {
	if n >= 64 {
		h[0], h[1], n = h[1], h[0], n-64
	}
	return uint128{h[0]<<n | h[1]>>(64-n), h[1]<<n | h[0]>>(64-n)}
}

// expand is RFC 3713, 2.2.
func (c *block) expand(key []byte) {
	be := binary.BigEndian
	kl, kr := uint128{be.Uint64(key), be.Uint64(key[8:])}, uint128{}
	switch len(key) {
	case 24:
		kr[0] = be.Uint64(key[16:])
		kr[1] = ^kr[0]
	case 32:
		kr = uint128{be.Uint64(key[16:]), be.Uint64(key[24:])}
	}
	ka := uint128{kl[0] ^ kr[0], kl[1] ^ kr[1]}
	twoRounds(&ka, 0)
	ka[0], ka[1] = ka[0]^kl[0], ka[1]^kl[1]
	twoRounds(&ka, 2)
	kb := uint128{ka[0] ^ kr[0], ka[1] ^ kr[1]}
	twoRounds(&kb, 4)
	put := func(from uint128, n uint) {
		from = from.rotate(n)
		c.n += copy(c.enc[c.n:], from[:])
	}
	if len(key) == 16 {
		put(kl, 0)
		put(ka, 0)
		put(kl, 15)
		put(ka, 15)
		put(ka, 30)
		put(kl, 45)
		put(uint128{ka.rotate(45)[0], kl.rotate(60)[1]}, 0)
		put(ka, 60)
		put(kl, 77)
		put(kl, 94)
		put(ka, 94)
		put(kl, 111)
		put(ka, 111)
	} else {
		for _, s := range [...]struct {
			from uint128
			n    uint
		}{{kl, 0}, {kb, 0}, {kr, 15}, {ka, 15}, {kr, 30}, {kb, 30}, {kl, 45}, {ka, 45}, {kl, 60}, {kr, 60}, {kb, 60}, {kl, 77}, {ka, 77}, {kr, 94},
			{ka, 94}, {kl, 111}, {kb, 111}} {
			put(s.from, s.n)
		}
	}
	for i := range c.n {
		c.dec[i] = c.enc[c.n-1-i]
	}
	c.dec[0], c.dec[1] = c.dec[1], c.dec[0]
	c.dec[c.n-2], c.dec[c.n-1] = c.dec[c.n-1], c.dec[c.n-2]
}

// twoRounds is two rounds of the key schedule, from the constant i on.
func twoRounds(d *uint128, i int) {
	d[1] ^= f(d[0] ^ sigma[i])
	d[0] ^= f(d[1] ^ sigma[i+1])
}

func (*block) BlockSize() int { return BlockSize }

func (c *block) Encrypt(dst, src []byte) { crypt(c.enc[:c.n], dst, src) }
func (c *block) Decrypt(dst, src []byte) { crypt(c.dec[:c.n], dst, src) }

// crypt is RFC 3713, 2.3.
func crypt(k []uint64, dst, src []byte) {
	be := binary.BigEndian
	d1, d2 := be.Uint64(src)^k[0], be.Uint64(src[8:])^k[1]
	for k = k[2:]; ; k = k[8:] {
		for i := 0; i < 6; i += 2 {
			d2 ^= f(d1 ^ k[i])
			d1 ^= f(d2 ^ k[i+1])
		}
		if len(k) == 8 {
			break
		}
		d1, d2 = fl(d1, k[6]), flInverse(d2, k[7])
	}
	be.PutUint64(dst, d2^k[6])
	be.PutUint64(dst[8:], d1^k[7])
}

// f is the F-function of an input that the key has been added to.
func f(x uint64) uint64 {
	t := &sp
	return t[0][x>>56] ^ t[1][x>>48&0xff] ^ t[2][x>>40&0xff] ^ t[3][x>>32&0xff] ^
		t[4][x>>24&0xff] ^ t[5][x>>16&0xff] ^ t[6][x>>8&0xff] ^ t[7][x&0xff]
}

// fl is RFC 3713, 2.4.2, and flInverse 2.4.3.
func fl(x, k uint64) uint64 {
	x1, x2 := uint32(x>>32), uint32(x)
	x2 ^= bits.RotateLeft32(x1&uint32(k>>32), 1)
	x1 ^= x2 | uint32(k)
	return uint64(x1)<<32 | uint64(x2)
}

func flInverse(y, k uint64) uint64 {
	y1, y2 := uint32(y>>32), uint32(y)
	y1 ^= y2 | uint32(k)
	y2 ^= bits.RotateLeft32(y1&uint32(k>>32), 1)
	return uint64(y1)<<32 | uint64(y2)
}
