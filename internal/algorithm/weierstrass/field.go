package weierstrass

import (
	"encoding/binary"
	"math/big"
	"math/bits"
)

// limbSize is the length of a limb in bytes, maxLimbs how many the longest numbers have: those of P-521.
const (
	limbSize = 8
	maxLimbs = 9
)

// An element is a number x of a field as x*R modulo p, where R is 2^64 to the power of the number of limbs (P. Montgomery, Modular
// multiplication without trial division, 1985). The lowest limb is the first; those that the field does not need are 0.
type element [maxLimbs]uint64

// A field is the integers modulo an odd prime p. What it does takes a time that does not depend on the numbers. It is here because bigmod,
// which works for a modulus of any length, brings numbers to this form and back in each multiplication.
type field struct {
	limbs   int
	size    int // of a number in bytes
	p       element
	inverse uint64  // of -p modulo 2^64
	square  element // R^2 modulo p, as it is
}

// newField makes the field of a prime.
func newField(p *big.Int) *field {
	f := &field{limbs: (p.BitLen() + 63) / 64, size: (p.BitLen() + 7) / 8}
	if f.limbs > maxLimbs || p.Bit(0) == 0 {
		panic("weierstrass: no modulus of a field")
	}
	f.p = f.limbsOf(p.Bytes())
	inverse := f.p[0] // to 3 bits, and to twice as many with each step
	for range 5 {
		inverse *= 2 - f.p[0]*inverse
	}
	f.inverse = -inverse
	square := new(big.Int).Lsh(big.NewInt(1), uint(2*64*f.limbs))
	f.square = f.limbsOf(square.Mod(square, p).Bytes())
	return f
}

// limbsOf returns the limbs of a number, highest byte first.
func (f *field) limbsOf(number []byte) (e element) {
	var padded [maxLimbs * limbSize]byte
	copy(padded[len(padded)-len(number):], number)
	for i := range e {
		e[i] = binary.BigEndian.Uint64(padded[len(padded)-limbSize*(i+1):])
	}
	return e
}

// number makes an element of a number below p, highest byte first.
func (f *field) number(b []byte) element {
	e := f.limbsOf(b)
	f.mul(&e, &e, &f.square)
	return e
}

// bytes returns the number of an element, as long as p.
func (f *field) bytes(e *element) []byte {
	x, one := *e, element{1}
	f.mul(&x, &x, &one)
	var padded [maxLimbs * limbSize]byte
	for i, limb := range x {
		binary.BigEndian.PutUint64(padded[len(padded)-limbSize*(i+1):], limb)
	}
	return append([]byte(nil), padded[len(padded)-f.size:]...)
}

// mul sets dst to a*b. dst may be one of them, here and below.
func (f *field) mul(dst, a, b *element) {
	var t element // below 2p together with top
	var top uint64
	n := f.limbs
	for _, d := range a[:n] {
		high := addProduct(t[:n], b[:n], d)
		high, c1 := bits.Add64(high, top, 0)
		low, c2 := bits.Add64(addProduct(t[:n], f.p[:n], t[0]*f.inverse), high, 0)
		copy(t[:n-1], t[1:n]) // the lowest limb is 0 now
		t[n-1], top = low, c1+c2
	}
	f.reduce(dst, &t, top)
}

// addProduct adds x*d to t, and returns what does not fit.
func addProduct(t, x []uint64, d uint64) (carry uint64) {
	t = t[:len(x)]
	for i, limb := range x {
		high, low := bits.Mul64(limb, d)
		low, c := bits.Add64(low, t[i], 0)
		high += c
		t[i], c = bits.Add64(low, carry, 0)
		carry = high + c
	}
	return carry
}

// reduce sets dst to t, or to t-p where t, whose highest limb is top, is not below p. It is below 2p.
func (f *field) reduce(dst, t *element, top uint64) {
	var less element
	var borrow uint64
	for i := range f.limbs {
		less[i], borrow = bits.Sub64(t[i], f.p[i], borrow)
	}
	keep := -(borrow &^ top) // all ones where t is below p
	for i := range f.limbs {
		dst[i] = t[i]&keep | less[i]&^keep
	}
}

// add sets dst to a+b.
func (f *field) add(dst, a, b *element) {
	var sum element
	var carry uint64
	for i := range f.limbs {
		sum[i], carry = bits.Add64(a[i], b[i], carry)
	}
	f.reduce(dst, &sum, carry)
}

// sub sets dst to a-b.
func (f *field) sub(dst, a, b *element) {
	var borrow, carry uint64
	for i := range f.limbs {
		dst[i], borrow = bits.Sub64(a[i], b[i], borrow)
	}
	back := -borrow
	for i := range f.limbs {
		dst[i], carry = bits.Add64(dst[i], f.p[i]&back, carry)
	}
}
