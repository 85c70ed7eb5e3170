// Package p256 signs with ECDSA and the curve P-256 (FIPS 186-5, section 6.4.1), in the memory that a signature has from the one before: crypto/ecdsa
// allocates some sixty times for each, and what is allocated while a secret is in use has to be erased.
//
// Points are those of filippo.io/nistec. What that does not have, the integers modulo the order of the curve, is here. Nothing takes a time that
// depends on a secret.
package p256

import (
	"encoding/binary"
	"math/bits"
)

// Size is the length in bytes of a private key, and of each half of a signature.
const Size = 32

// A scalar is an integer modulo the order of the curve: four words of 64 bits, the lowest first, below the order. It stands for itself or, "in
// Montgomery's form", for itself divided by 2^256.
type scalar [4]uint64

var (
	// order is the order of the curve (SP 800-186, section 3.2.1.3).
	order = scalar{0xf3b9cac2fc632551, 0xbce6faada7179e84, 0xffffffffffffffff, 0xffffffff00000000}
	// square is 2^512 modulo the order, which brings a number to Montgomery's form.
	square = scalar{0x83244c95be79eea2, 0x4699799c49bd6fa6, 0x2845b2392b6bec59, 0x66e12d94f3d95620}
)

// orderInverse is -1/order modulo 2^64.
const orderInverse = 0xccd1c8aaee00bc4f

// read sets z to a number of 256 bits, less the order if it is not below that. It tells whether it was: 1 for yes.
func (z *scalar) read(b *[Size]byte) (below uint64) {
	for i := range z {
		z[i] = binary.BigEndian.Uint64(b[8*(3-i):])
	}
	return z.reduce(0)
}

// write writes z to b, highest byte first.
func (z *scalar) write(b []byte) {
	for i := range z {
		binary.BigEndian.PutUint64(b[8*(3-i):], z[i])
	}
}

// reduce takes the order off z, above which stands a further word, unless z is below it. It tells whether it was.
func (z *scalar) reduce(above uint64) (below uint64) {
	var less scalar
	var borrow uint64
	for i := range z {
		less[i], borrow = bits.Sub64(z[i], order[i], borrow)
	}
	_, borrow = bits.Sub64(above, 0, borrow)
	keep := -borrow
	for i := range z {
		z[i] = z[i]&keep | less[i]&^keep
	}
	return borrow
}

// zero tells whether z is 0: 1 for yes.
func (z *scalar) zero() uint64 {
	any := z[0] | z[1] | z[2] | z[3]
	return 1 ^ (any|-any)>>63
}

// add sets z to x + y.
func (z *scalar) add(x, y *scalar) {
	var carry uint64
	for i := range z {
		z[i], carry = bits.Add64(x[i], y[i], carry)
	}
	z.reduce(carry)
}

// mul sets z to x y / 2^256: Montgomery's multiplication, a word of y at a time.
func (z *scalar) mul(x, y *scalar) {
	var t0, t1, t2, t3, t4, t5, c uint64
	for _, word := range y {
		h0, l0 := bits.Mul64(x[0], word)
		h1, l1 := bits.Mul64(x[1], word)
		h2, l2 := bits.Mul64(x[2], word)
		h3, l3 := bits.Mul64(x[3], word)
		t0, c = bits.Add64(t0, l0, 0)
		t1, c = bits.Add64(t1, l1, c)
		t2, c = bits.Add64(t2, l2, c)
		t3, c = bits.Add64(t3, l3, c)
		t4, t5 = bits.Add64(t4, 0, c)
		t1, c = bits.Add64(t1, h0, 0)
		t2, c = bits.Add64(t2, h1, c)
		t3, c = bits.Add64(t3, h2, c)
		t4, c = bits.Add64(t4, h3, c)
		t5 += c

		m := t0 * orderInverse
		h0, l0 = bits.Mul64(order[0], m)
		h1, l1 = bits.Mul64(order[1], m)
		h2, l2 = bits.Mul64(order[2], m)
		h3, l3 = bits.Mul64(order[3], m)
		_, c = bits.Add64(t0, l0, 0)
		t1, c = bits.Add64(t1, l1, c)
		t2, c = bits.Add64(t2, l2, c)
		t3, c = bits.Add64(t3, l3, c)
		t4, c = bits.Add64(t4, 0, c)
		t5 += c
		t0, c = bits.Add64(t1, h0, 0)
		t1, c = bits.Add64(t2, h1, c)
		t2, c = bits.Add64(t3, h2, c)
		t3, c = bits.Add64(t4, h3, c)
		t4 = t5 + c
	}
	*z = scalar{t0, t1, t2, t3}
	z.reduce(t4)
}

// invert sets z to 1/x, both in Montgomery's form: x to the power of the order less 2, which everybody knows, four bits at a time.
func (z *scalar) invert(x *scalar) {
	var power [16]scalar // power[i] is x to the power of i
	power[1] = *x
	for i := 2; i < len(power); i++ {
		power[i].mul(&power[i-1], x)
	}
	r := power[order[3]>>60]
	for at := 256 - 8; at >= 0; at -= 4 {
		for range 4 {
			r.mul(&r, &r)
		}
		digits := order[at/64]
		if at < 64 {
			digits -= 2
		}
		if digit := digits >> (at % 64) & 15; digit != 0 {
			r.mul(&r, &power[digit])
		}
	}
	*z = r
	clear(power[:])
}
