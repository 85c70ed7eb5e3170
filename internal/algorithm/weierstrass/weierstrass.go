// Package weierstrass implements elliptic curves y^2 = x^3 + ax + b of prime order that the standard library does not have: the Brainpool
// curves (brainpool.go) and P-192 (p192.go) over one arithmetic for all such curves, and secp256k1 (secp256k1.go) over that of dcrd.
//
// Points are added in [Curve.add], multiplied in [Curve.scalarMult] and [Curve.scalarBaseMult], and read in [Curve.Check]. What is
// done with them is ECDSA (FIPS 186-5), Diffie-Hellman and MQV (SP 800-56A). Public keys are points as X9.62 encodes them without
// compression: 4, and both coordinates. Private keys are numbers, highest byte first, as long as the order.
package weierstrass

import (
	"crypto/elliptic"
	"crypto/subtle"
	"errors"
	"math/big"
	"sync"

	"filippo.io/bigmod"

	"github.com/softcsp/softcsp/internal/algorithm/modular"
)

// A Curve is a curve for which there is no arithmetic of its own, over bigmod. It uses the complete formulas of Renes, Costello and
// Batina ("Complete addition formulas for prime order elliptic curves", 2016), which need no branches, so that a multiplication
// takes a time that does not depend on the numbers.
type Curve struct {
	p, n  *bigmod.Modulus
	a, b3 *bigmod.Nat // a and 3b
	group *elliptic.CurveParams
	bigA  *big.Int
	base  func() [][]point // 16 multiples of 16^i times the generator, for each i
}

// A point is a point in projective coordinates.
type point struct{ x, y, z *bigmod.Nat }

// What is wrong with a key.
var (
	ErrPublicKey  = errors.New("weierstrass: invalid public key")
	ErrPrivateKey = errors.New("weierstrass: invalid private key")
	// ErrRandom is the error of a source of randomness that fails.
	ErrRandom = errors.New("weierstrass: no random numbers")

	// errInternal is the error of what does not happen.
	errInternal = errors.New("weierstrass: internal error")
)

// NewCurve makes a curve. a is between 0 and p. Parameters that are none are a mistake of the caller's and panic.
func NewCurve(group *elliptic.CurveParams, a *big.Int) *Curve {
	p, err1 := bigmod.NewModulus(group.P.Bytes())
	n, err2 := bigmod.NewModulus(group.N.Bytes())
	if err := errors.Join(err1, err2); err != nil {
		panic("weierstrass: " + err.Error())
	}
	w := &Curve{p: p, n: n, group: group, bigA: a}
	b3 := new(big.Int).Mul(group.B, big.NewInt(3))
	w.a, w.b3 = w.element(a), w.element(b3.Mod(b3, group.P))
	w.base = sync.OnceValue(func() [][]point {
		at := point{w.element(group.Gx), w.element(group.Gy), w.element(big.NewInt(1))}
		rows := make([][]point, 2*n.Size())
		s := w.newScratch()
		for i := range rows {
			rows[i] = w.multiples(at, s)
			next := w.infinity()
			w.add(&next, &rows[i][15], &at, s)
			at = next
		}
		return rows
	})
	return w
}

// Params returns the parameters of the curve but a.
func (w *Curve) Params() *elliptic.CurveParams { return w.group }

// A returns the coefficient a.
func (w *Curve) A() *big.Int { return w.bigA }

// element makes a number below p an element of the field.
func (w *Curve) element(x *big.Int) *bigmod.Nat {
	e, err := bigmod.NewNat().SetBytes(x.FillBytes(make([]byte, w.p.Size())), w.p)
	if err != nil {
		panic("weierstrass: no element of the field")
	}
	return e
}

// infinity is the neutral point, in memory of its own.
func (w *Curve) infinity() point {
	return point{bigmod.NewNat().ExpandFor(w.p), w.element(big.NewInt(1)), bigmod.NewNat().ExpandFor(w.p)}
}

// A scratch is room for an addition.
type scratch struct {
	x, y, z, t0, t1, t2, t3, t4, t5, spare *bigmod.Nat
	picked                                 point
}

func (w *Curve) newScratch() *scratch {
	n := func() *bigmod.Nat { return bigmod.NewNat().ExpandFor(w.p) }
	return &scratch{n(), n(), n(), n(), n(), n(), n(), n(), n(), n(), w.infinity()}
}

// mul, plus and minus are the operations of the field. dst may be one of the others.
func (w *Curve) mul(dst, a, b *bigmod.Nat) {
	if dst == b {
		a, b = b, a
	}
	if dst != a {
		copy(dst.Bits(), a.Bits())
	}
	dst.Mul(b, w.p)
}

func (w *Curve) plus(dst, a, b *bigmod.Nat) {
	if dst == b {
		a, b = b, a
	}
	if dst != a {
		copy(dst.Bits(), a.Bits())
	}
	dst.Add(b, w.p)
}

func (w *Curve) minus(dst, a, b *bigmod.Nat, s *scratch) {
	if dst == b {
		copy(s.spare.Bits(), b.Bits())
		b = s.spare
	}
	if dst != a {
		copy(dst.Bits(), a.Bits())
	}
	dst.Sub(b, w.p)
}

// add is the addition of points of a Brainpool curve or any other: r = p + q, whatever they are (algorithm 1 of the paper). r may be one of them.
func (w *Curve) add(r, p, q *point, s *scratch) {
	x, y, z, t0, t1, t2, t3, t4, t5 := s.x, s.y, s.z, s.t0, s.t1, s.t2, s.t3, s.t4, s.t5
	w.mul(t0, p.x, q.x)
	w.mul(t1, p.y, q.y)
	w.mul(t2, p.z, q.z)
	w.cross(t3, p.x, p.y, q.x, q.y, t0, t1, s)
	w.cross(t4, p.x, p.z, q.x, q.z, t0, t2, s)
	w.cross(t5, p.y, p.z, q.y, q.z, t1, t2, s)
	w.mul(z, w.a, t4)
	w.mul(x, w.b3, t2)
	w.plus(z, x, z)
	w.minus(x, t1, z, s)
	w.plus(z, t1, z)
	w.mul(y, x, z)
	w.plus(t1, t0, t0)
	w.plus(t1, t1, t0)
	w.mul(t2, w.a, t2)
	w.mul(t4, w.b3, t4)
	w.plus(t1, t1, t2)
	w.minus(t2, t0, t2, s)
	w.mul(t2, w.a, t2)
	w.plus(t4, t4, t2)
	w.mul(t0, t1, t4)
	w.plus(y, y, t0)
	w.mul(t0, t5, t4)
	w.mul(x, t3, x)
	w.minus(x, x, t0, s)
	w.mul(t0, t3, t1)
	w.mul(z, t5, z)
	w.plus(z, z, t0)
	copy(r.x.Bits(), x.Bits())
	copy(r.y.Bits(), y.Bits())
	copy(r.z.Bits(), z.Bits())
}

// cross computes a1*b2 + a2*b1 as (a1+b1)*(a2+b2) less the products a1*a2 and b1*b2.
func (w *Curve) cross(dst, a1, b1, a2, b2, aa, bb *bigmod.Nat, s *scratch) {
	w.plus(dst, a1, b1)
	w.plus(s.x, a2, b2)
	w.mul(dst, dst, s.x)
	w.minus(dst, dst, aa, s)
	w.minus(dst, dst, bb, s)
}

// multiples are the first 16 of a point, from the neutral one on.
func (w *Curve) multiples(p point, s *scratch) []point {
	table := make([]point, 16)
	table[0] = w.infinity()
	for i := range table[1:] {
		table[i+1] = w.infinity()
		w.add(&table[i+1], &table[i], &p, s)
	}
	return table
}

// lookup copies the point at an index of a table, which it goes through as a whole.
func (w *Curve) lookup(r *point, table []point, index byte) {
	for _, n := range [...]*bigmod.Nat{r.x, r.y, r.z} {
		clear(n.Bits())
	}
	for i := range table {
		mask := -uint(subtle.ConstantTimeByteEq(index, byte(i)))
		for j, from := range [...]*bigmod.Nat{table[i].x, table[i].y, table[i].z} {
			to := [...]*bigmod.Nat{r.x, r.y, r.z}[j].Bits()
			for k, limb := range from.Bits() {
				to[k] |= limb & mask
			}
		}
	}
}

// scalarMult computes k times the point of a table of multiples. k has as many bytes as n.
func (w *Curve) scalarMult(k []byte, table []point) point {
	r, s := w.infinity(), w.newScratch()
	for _, b := range k {
		for _, index := range [...]byte{b >> 4, b & 15} {
			for range 4 {
				w.add(&r, &r, &r, s)
			}
			w.lookup(&s.picked, table, index)
			w.add(&r, &r, &s.picked, s)
		}
	}
	return r
}

// scalarBaseMult computes k times the generator.
func (w *Curve) scalarBaseMult(k []byte) point {
	r, s := w.infinity(), w.newScratch()
	base := w.base()
	for i := range k {
		b := k[len(k)-1-i]
		for j, index := range [...]byte{b & 15, b >> 4} {
			w.lookup(&s.picked, base[2*i+j], index)
			w.add(&r, &r, &s.picked, s)
		}
	}
	return r
}

// affine returns the coordinates of a point, and reports whether it is not the neutral one.
func (w *Curve) affine(p point) (x, y *bigmod.Nat, ok bool) {
	inverse := modular.Inverse(p.z, w.p)
	w.mul(p.x, p.x, inverse)
	w.mul(p.y, p.y, inverse)
	return p.x, p.y, p.z.IsZero() == 0
}

// read makes a point of its encoding, which Check has made.
func (w *Curve) read(encoded []byte) (point, error) {
	size := w.p.Size()
	if len(encoded) != 1+2*size {
		return point{}, ErrPublicKey
	}
	x, err1 := bigmod.NewNat().SetBytes(encoded[1:1+size], w.p)
	y, err2 := bigmod.NewNat().SetBytes(encoded[1+size:], w.p)
	if err1 != nil || err2 != nil {
		return point{}, ErrPublicKey
	}
	return point{x, y, w.element(big.NewInt(1))}, nil
}

// Check reads a point in any of the forms of X9.62 but the hybrid one, and returns it without compression, or [ErrPublicKey]. There is
// nothing secret in it.
func (w *Curve) Check(point []byte) ([]byte, error) {
	size, p := w.p.Size(), w.group.P
	if len(point) < 1+size {
		return nil, ErrPublicKey
	}
	x := new(big.Int).SetBytes(point[1 : 1+size])
	if x.Cmp(p) >= 0 {
		return nil, ErrPublicKey
	}
	square := new(big.Int).Mul(x, x)
	square.Add(square, w.bigA).Mul(square, x).Add(square, w.group.B).Mod(square, p)
	var y *big.Int
	switch {
	case point[0] == 4 && len(point) == 1+2*size:
		y = new(big.Int).SetBytes(point[1+size:])
		if y.Cmp(p) >= 0 || square.Cmp(new(big.Int).Exp(y, big.NewInt(2), p)) != 0 {
			return nil, ErrPublicKey
		}
	case (point[0] == 2 || point[0] == 3) && len(point) == 1+size:
		y = new(big.Int).ModSqrt(square, p)
		if y == nil {
			return nil, ErrPublicKey
		}
		if y.Bit(0) != uint(point[0]&1) {
			if y.Sign() == 0 {
				return nil, ErrPublicKey
			}
			y.Sub(p, y)
		}
	default:
		return nil, ErrPublicKey
	}
	out := make([]byte, 1+2*size)
	out[0] = 4
	x.FillBytes(out[1 : 1+size])
	y.FillBytes(out[1+size:])
	return out, nil
}

// scalar reads a private key: between 0 and the order, both not included.
func (w *Curve) scalar(private []byte) (*bigmod.Nat, error) {
	if len(private) != w.n.Size() {
		return nil, ErrPrivateKey
	}
	d, err := bigmod.NewNat().SetBytes(private, w.n)
	if err != nil || d.IsZero() == 1 {
		return nil, ErrPrivateKey
	}
	return d, nil
}

// PublicKey makes the point of a private key, or returns [ErrPrivateKey].
func (w *Curve) PublicKey(private []byte) ([]byte, error) {
	if _, err := w.scalar(private); err != nil {
		return nil, err
	}
	x, y, ok := w.affine(w.scalarBaseMult(private))
	if !ok {
		return nil, errInternal
	}
	return append(append([]byte{4}, x.Bytes(w.p)...), y.Bytes(w.p)...), nil
}
