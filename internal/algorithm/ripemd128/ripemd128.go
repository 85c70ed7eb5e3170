// Package ripemd128 implements the RIPEMD-128 hash algorithm: "RIPEMD-160: A Strengthened Version of RIPEMD", Dobbertin, Bosselaers
// and Preneel, 1996, appendix B.
//
// Its result is too short for new signatures. It is here because PKCS #11 has it.
package ripemd128

import (
	"encoding/binary"
	"hash"
	"math/bits"
)

const (
	// Size is the length of a hash in bytes.
	Size = 16
	// BlockSize is the length of a block in bytes.
	BlockSize = 64
)

// The order of the message words, the rotations and the constants of the two parallel lines.
var (
	words = [2][64]byte{{
		0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
		7, 4, 13, 1, 10, 6, 15, 3, 12, 0, 9, 5, 2, 14, 11, 8,
		3, 10, 14, 4, 9, 15, 8, 1, 2, 7, 0, 6, 13, 11, 5, 12,
		1, 9, 11, 10, 0, 8, 12, 4, 13, 3, 7, 15, 14, 5, 6, 2,
	}, {
		5, 14, 7, 0, 9, 2, 11, 4, 13, 6, 15, 8, 1, 10, 3, 12,
		6, 11, 3, 7, 0, 13, 5, 10, 14, 15, 8, 12, 4, 9, 1, 2,
		15, 5, 1, 3, 7, 14, 6, 9, 11, 8, 12, 2, 10, 0, 4, 13,
		8, 6, 4, 1, 3, 11, 15, 0, 5, 12, 2, 13, 9, 7, 10, 14,
	}}
	rotations = [2][64]byte{{
		11, 14, 15, 12, 5, 8, 7, 9, 11, 13, 14, 15, 6, 7, 9, 8,
		7, 6, 8, 13, 11, 9, 7, 15, 7, 12, 15, 9, 11, 7, 13, 12,
		11, 13, 6, 7, 14, 9, 13, 15, 14, 8, 13, 6, 5, 12, 7, 5,
		11, 12, 14, 15, 14, 15, 9, 8, 9, 14, 5, 6, 8, 6, 5, 12,
	}, {
		8, 9, 9, 11, 13, 15, 15, 5, 7, 7, 8, 11, 14, 14, 12, 6,
		9, 13, 15, 7, 12, 8, 9, 11, 7, 7, 12, 7, 6, 15, 13, 11,
		9, 7, 15, 11, 8, 6, 6, 14, 12, 13, 5, 14, 13, 13, 7, 5,
		15, 5, 8, 11, 14, 14, 6, 14, 6, 9, 12, 9, 12, 5, 15, 8,
	}}
	constants = [2][4]uint32{{0, 0x5a827999, 0x6ed9eba1, 0x8f1bbcdc}, {0x50a28be6, 0x5c4dd124, 0x6d703ef3, 0}}
)

// A digest is RIPEMD-128 in progress.
type digest struct {
	h   [4]uint32
	buf [BlockSize]byte
	n   uint64 // of bytes so far
}

var _ hash.Cloner = (*digest)(nil)

// New returns a [hash.Hash] that computes the RIPEMD-128 of what is written to it. It implements [hash.Cloner].
func New() hash.Hash {
	r := new(digest)
	r.Reset()
	return r
}

func (*digest) Size() int      { return Size }
func (*digest) BlockSize() int { return BlockSize }

func (r *digest) Reset() {
	*r = digest{h: [4]uint32{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476}}
}

// Clone implements hash.Cloner.
func (r *digest) Clone() (hash.Cloner, error) {
	d := *r
	return &d, nil
}

func (r *digest) Write(p []byte) (int, error) {
	total := len(p)
	for len(p) > 0 {
		n := copy(r.buf[r.n%BlockSize:], p)
		p = p[n:]
		if r.n += uint64(n); r.n%BlockSize == 0 {
			r.block()
		}
	}
	return total, nil
}

func (r *digest) Sum(b []byte) []byte {
	d := *r
	var pad [BlockSize + 8]byte
	pad[0] = 0x80
	fill := BlockSize - (r.n+8)%BlockSize // up to the length, one byte at least
	binary.LittleEndian.PutUint64(pad[fill:], 8*r.n)
	d.Write(pad[:fill+8])
	for _, h := range d.h {
		b = binary.LittleEndian.AppendUint32(b, h)
	}
	return b
}

// block takes the buffer in.
func (r *digest) block() {
	var x [16]uint32
	for i := range x {
		x[i] = binary.LittleEndian.Uint32(r.buf[4*i:])
	}
	left, right := r.line(&x, 0), r.line(&x, 1)
	h := r.h
	for i := range r.h {
		r.h[i] = h[(i+1)%4] + left[(i+2)%4] + right[(i+3)%4]
	}
}

// line is one of the two lines of a block. The second has the functions in the other order.
func (r *digest) line(x *[16]uint32, which int) [4]uint32 {
	a, b, c, d := r.h[0], r.h[1], r.h[2], r.h[3]
	order, rotate := &words[which], &rotations[which]
	for i := range 64 {
		round := i / 16
		var f uint32
		switch round ^ 3*which {
		case 0:
			f = b ^ c ^ d
		case 1:
			f = b&c | ^b&d
		case 2:
			f = (b | ^c) ^ d
		case 3:
			f = b&d | c&^d
		}
		t := bits.RotateLeft32(a+f+x[order[i]]+constants[which][round], int(rotate[i]))
		a, b, c, d = d, t, b, c
	}
	return [4]uint32{a, b, c, d}
}
