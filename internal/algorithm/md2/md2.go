// Package md2 implements the MD2 hash algorithm of RFC 1319.
//
// Collisions of MD2 are known. It is here for old signatures and for keys that were derived with it.
package md2

import "hash"

const (
	// Size is the length of a hash in bytes.
	Size = 16
	// BlockSize is the length of a block in bytes.
	BlockSize = 16
)

// pi is the substitution of MD2 (RFC 1319, 3.2): a permutation made from the digits of pi.
var pi = [256]byte{
	41, 46, 67, 201, 162, 216, 124, 1, 61, 54, 84, 161, 236, 240, 6, 19,
	98, 167, 5, 243, 192, 199, 115, 140, 152, 147, 43, 217, 188, 76, 130, 202,
	30, 155, 87, 60, 253, 212, 224, 22, 103, 66, 111, 24, 138, 23, 229, 18,
	190, 78, 196, 214, 218, 158, 222, 73, 160, 251, 245, 142, 187, 47, 238, 122,
	169, 104, 121, 145, 21, 178, 7, 63, 148, 194, 16, 137, 11, 34, 95, 33,
	128, 127, 93, 154, 90, 144, 50, 39, 53, 62, 204, 231, 191, 247, 151, 3,
	255, 25, 48, 179, 72, 165, 181, 209, 215, 94, 146, 42, 172, 86, 170, 198,
	79, 184, 56, 210, 150, 164, 125, 182, 118, 252, 107, 226, 156, 116, 4, 241,
	69, 157, 112, 89, 100, 113, 135, 32, 134, 91, 207, 101, 230, 45, 168, 2,
	27, 96, 37, 173, 174, 176, 185, 246, 28, 70, 97, 105, 52, 64, 126, 15,
	85, 71, 163, 35, 221, 81, 175, 58, 195, 92, 249, 206, 186, 197, 234, 38,
	44, 83, 13, 110, 133, 40, 132, 9, 211, 223, 205, 244, 65, 129, 77, 82,
	106, 220, 55, 200, 108, 193, 171, 250, 36, 225, 123, 8, 12, 189, 177, 74,
	120, 136, 149, 139, 227, 99, 232, 109, 233, 203, 213, 254, 59, 0, 29, 57,
	242, 239, 183, 14, 102, 88, 208, 228, 166, 119, 114, 248, 235, 117, 75, 10,
	49, 68, 80, 180, 143, 237, 31, 26, 219, 153, 141, 51, 159, 17, 131, 20,
}

// A digest is MD2 in progress.
type digest struct {
	x   [3 * BlockSize]byte // the state is the first block; the other two are scratch
	c   [BlockSize]byte     // the checksum
	buf [BlockSize]byte
	n   int
}

var _ hash.Cloner = (*digest)(nil)

// New returns a [hash.Hash] that computes the MD2 of what is written to it. It implements [hash.Cloner].
func New() hash.Hash { return new(digest) }

func (*digest) Size() int      { return Size }
func (*digest) BlockSize() int { return BlockSize }

func (m *digest) Reset() { *m = digest{} }

// Clone implements hash.Cloner.
func (m *digest) Clone() (hash.Cloner, error) {
	d := *m
	return &d, nil
}

func (m *digest) Write(p []byte) (int, error) {
	total := len(p)
	for len(p) > 0 {
		n := copy(m.buf[m.n:], p)
		p = p[n:]
		if m.n += n; m.n == BlockSize {
			m.checksum(&m.buf)
			m.block(&m.buf)
			m.n = 0
		}
	}
	return total, nil
}

func (m *digest) Sum(b []byte) []byte {
	d := *m
	pad := byte(BlockSize - d.n) // RFC 1319, 3.1
	for i := d.n; i < BlockSize; i++ {
		d.buf[i] = pad
	}
	d.checksum(&d.buf)
	d.block(&d.buf)
	c := d.c
	d.block(&c)
	return append(b, d.x[:Size]...)
}

// checksum is RFC 1319, 3.2, with erratum 555: a byte of the checksum is xored, not replaced.
func (m *digest) checksum(block *[BlockSize]byte) {
	last := m.c[BlockSize-1]
	for i, b := range block {
		m.c[i] ^= pi[b^last]
		last = m.c[i]
	}
}

// block is RFC 1319, 3.4.
func (m *digest) block(block *[BlockSize]byte) {
	for i, b := range block {
		m.x[BlockSize+i] = b
		m.x[2*BlockSize+i] = b ^ m.x[i]
	}
	t := byte(0)
	for round := range byte(18) {
		for i := range m.x {
			m.x[i] ^= pi[t]
			t = m.x[i]
		}
		t += round
	}
}
