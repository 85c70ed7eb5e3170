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

// A Curve is a curve with the arithmetic of this package, whether others have one for it or not: MQV needs sums of points of NIST's curves, too. It uses the complete formulas of Renes, Costello and
// Batina ("Complete addition formulas for prime order elliptic curves", 2016), which need no branches, so that a multiplication
// takes a time that does not depend on the numbers.
type Curve struct {
	p, n  *bigmod.Modulus
	field *field
	a, b3 element // a and 3b
	group *elliptic.CurveParams
	bigA  *big.Int
	base  func() [][]point // 16 multiples of 16^i times the generator, for each i
}

// A point is a point in projective coordinates.
type point struct{ x, y, z element }

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
	w := &Curve{p: p, n: n, field: newField(group.P), group: group, bigA: a}
	b3 := new(big.Int).Mul(group.B, big.NewInt(3))
	w.a, w.b3 = w.element(a), w.element(b3.Mod(b3, group.P))
	w.base = sync.OnceValue(func() [][]point {
		at := point{w.element(group.Gx), w.element(group.Gy), w.element(big.NewInt(1))}
		rows := make([][]point, 2*n.Size())
		for i := range rows {
			rows[i] = w.multiples(&at)
			w.add(&at, &rows[i][15], &at)
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
func (w *Curve) element(x *big.Int) element { return w.field.number(x.Bytes()) }

// infinity is the neutral point.
func (w *Curve) infinity() point { return point{y: w.element(big.NewInt(1))} }

// add is the addition of points of a Brainpool curve or any other: r = p + q, whatever they are (algorithm 1 of the paper). r may be one of them.
func (w *Curve) add(r, p, q *point) {
	f := w.field
	var x, y, z, t0, t1, t2, t3, t4, t5 element
	f.mul(&t0, &p.x, &q.x)
	f.mul(&t1, &p.y, &q.y)
	f.mul(&t2, &p.z, &q.z)
	f.cross(&t3, &p.x, &p.y, &q.x, &q.y, &t0, &t1)
	f.cross(&t4, &p.x, &p.z, &q.x, &q.z, &t0, &t2)
	f.cross(&t5, &p.y, &p.z, &q.y, &q.z, &t1, &t2)
	f.mul(&z, &w.a, &t4)
	f.mul(&x, &w.b3, &t2)
	f.add(&z, &x, &z)
	f.sub(&x, &t1, &z)
	f.add(&z, &t1, &z)
	f.mul(&y, &x, &z)
	f.add(&t1, &t0, &t0)
	f.add(&t1, &t1, &t0)
	f.mul(&t2, &w.a, &t2)
	f.mul(&t4, &w.b3, &t4)
	f.add(&t1, &t1, &t2)
	f.sub(&t2, &t0, &t2)
	f.mul(&t2, &w.a, &t2)
	f.add(&t4, &t4, &t2)
	f.mul(&t0, &t1, &t4)
	f.add(&y, &y, &t0)
	f.mul(&t0, &t5, &t4)
	f.mul(&x, &t3, &x)
	f.sub(&x, &x, &t0)
	f.mul(&t0, &t3, &t1)
	f.mul(&z, &t5, &z)
	f.add(&z, &z, &t0)
	r.x, r.y, r.z = x, y, z
}

// cross sets dst to a1*b2 + a2*b1, which is (a1+b1)*(a2+b2) less the products a1*a2 and b1*b2.
func (f *field) cross(dst, a1, b1, a2, b2, aa, bb *element) {
	var other element
	f.add(dst, a1, b1)
	f.add(&other, a2, b2)
	f.mul(dst, dst, &other)
	f.sub(dst, dst, aa)
	f.sub(dst, dst, bb)
}

// multiples are the first 16 of a point, from the neutral one on.
func (w *Curve) multiples(p *point) []point {
	table := make([]point, 16)
	table[0] = w.infinity()
	for i := range table[1:] {
		w.add(&table[i+1], &table[i], p)
	}
	return table
}

// lookup returns the point at an index of a table, which it goes through as a whole.
func lookup(table []point, index byte) (r point) {
	for i := range table {
		mask := -uint64(subtle.ConstantTimeByteEq(index, byte(i)))
		for k := range maxLimbs {
			r.x[k] |= table[i].x[k] & mask
			r.y[k] |= table[i].y[k] & mask
			r.z[k] |= table[i].z[k] & mask
		}
	}
	return r
}

// scalarMult computes k times the point of a table of multiples. k has as many bytes as n.
func (w *Curve) scalarMult(k []byte, table []point) point {
	r := w.infinity()
	for _, b := range k {
		for _, index := range [...]byte{b >> 4, b & 15} {
			for range 4 {
				w.add(&r, &r, &r)
			}
			picked := lookup(table, index)
			w.add(&r, &r, &picked)
		}
	}
	return r
}

// scalarBaseMult computes k times the generator.
func (w *Curve) scalarBaseMult(k []byte) point {
	r := w.infinity()
	base := w.base()
	for i := range k {
		b := k[len(k)-1-i]
		for j, index := range [...]byte{b & 15, b >> 4} {
			picked := lookup(base[2*i+j], index)
			w.add(&r, &r, &picked)
		}
	}
	return r
}

// affine returns the coordinates of a point, and reports whether it is not the neutral one.
func (w *Curve) affine(p point) (x, y *bigmod.Nat, ok bool) {
	z := w.number(&p.z)
	inverse := w.field.number(modular.Inverse(z, w.p).Bytes(w.p))
	w.field.mul(&p.x, &p.x, &inverse)
	w.field.mul(&p.y, &p.y, &inverse)
	return w.number(&p.x), w.number(&p.y), z.IsZero() == 0
}

// number returns the number that an element is.
func (w *Curve) number(e *element) *bigmod.Nat {
	x, err := bigmod.NewNat().SetBytes(w.field.bytes(e), w.p)
	if err != nil {
		panic("weierstrass: an element is not below p")
	}
	return x
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
	return point{w.field.number(x.Bytes(w.p)), w.field.number(y.Bytes(w.p)), w.element(big.NewInt(1))}, nil
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
