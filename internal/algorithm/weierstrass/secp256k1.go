package weierstrass

import (
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"math/big"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
)

// Secp256k1 is secp256k1 of SEC 2, with the arithmetic of dcrd. Its multiplications and inversions take a time that depends on the
// number, so that secret numbers are blinded here: a multiplier is split into two random parts, and a number that is
// inverted is multiplied with a random one first. Its methods do what those of a [Curve] do.
type Secp256k1 struct{}

// Params tells what crypto/elliptic would of secp256k1. Its coefficient a is 0.
func (Secp256k1) Params() *elliptic.CurveParams {
	p := secp256k1.Params()
	return &elliptic.CurveParams{Name: "secp256k1", P: p.P, N: p.N, B: big.NewInt(7), Gx: p.Gx, Gy: p.Gy, BitSize: p.BitSize}
}

// scalarSize is the length of a coordinate and of a private key in bytes.
const scalarSize = 32

// Check reads a point, as [Curve.Check] does.
func (Secp256k1) Check(point []byte) ([]byte, error) {
	if len(point) == 0 || point[0] == 6 || point[0] == 7 { // the hybrid form, which is nobody else's
		return nil, ErrPublicKey
	}
	p, err := secp256k1.ParsePubKey(point)
	if err != nil {
		return nil, ErrPublicKey
	}
	return p.SerializeUncompressed(), nil
}

// readScalar reads a private key.
func readScalar(private []byte) (*secp256k1.ModNScalar, error) {
	d := new(secp256k1.ModNScalar)
	if len(private) != scalarSize || d.SetByteSlice(private) || d.IsZero() {
		return nil, ErrPrivateKey
	}
	return d, nil
}

// randomScalar returns a random number that is not 0.
func randomScalar() (*secp256k1.ModNScalar, error) {
	var b [scalarSize]byte
	defer clear(b[:])
	for {
		if _, err := rand.Read(b[:]); err != nil {
			return nil, errors.Join(ErrRandom, err)
		}
		s := new(secp256k1.ModNScalar)
		if s.SetBytes(&b) == 0 && !s.IsZero() {
			return s, nil
		}
	}
}

// blindMultiply computes k times the point that mult multiplies, in two random parts.
func blindMultiply(k *secp256k1.ModNScalar, mult func(k *secp256k1.ModNScalar, result *secp256k1.JacobianPoint)) (*secp256k1.JacobianPoint, error) {
	first, err := randomScalar()
	if err != nil {
		return nil, err
	}
	var second secp256k1.ModNScalar
	second.NegateVal(first).Add(k)
	var a, b, sum secp256k1.JacobianPoint
	mult(first, &a)
	mult(&second, &b)
	secp256k1.AddNonConst(&a, &b, &sum)
	sum.ToAffine()
	first.Zero()
	second.Zero()
	return &sum, nil
}

// PublicKey makes the point of a private key.
func (Secp256k1) PublicKey(private []byte) ([]byte, error) {
	d, err := readScalar(private)
	if err != nil {
		return nil, err
	}
	p, err := blindMultiply(d, secp256k1.ScalarBaseMultNonConst)
	if err != nil {
		return nil, err
	}
	return secp256k1.NewPublicKey(&p.X, &p.Y).SerializeUncompressed(), nil
}

// NewSigner prepares signing with ECDSA.
func (Secp256k1) NewSigner(private []byte) (func(dst, digest []byte) error, error) {
	d, err := readScalar(private)
	if err != nil {
		return nil, err
	}
	return func(dst, digest []byte) error { return signDigest(d, dst, digest) }, nil
}

// signDigest signs as FIPS 186-5, section 6.4.1, says. The nonce is that of RFC 6979 with fresh randomness as its
// additional data (section 3.6), so that it is good where either is.
func signDigest(d *secp256k1.ModNScalar, dst, digest []byte) error {
	private := d.Bytes()
	defer clear(private[:])
	for {
		extra, err := randomScalar()
		if err != nil {
			return err
		}
		fresh := extra.Bytes()
		k := secp256k1.NonceRFC6979(private[:], digest, fresh[:], nil, 0)
		point, err := blindMultiply(k, secp256k1.ScalarBaseMultNonConst)
		if err != nil {
			return err
		}
		var r, e, s secp256k1.ModNScalar
		x := point.X.Bytes()
		r.SetBytes(x) // modulo the order
		e.SetByteSlice(digest)
		blind, err := randomScalar()
		if err != nil {
			return err
		}
		s.Mul2(d, &r).Add(&e).Mul(blind)
		s.Mul(k.Mul(blind).InverseNonConst())
		k.Zero()
		blind.Zero()
		if r.IsZero() || s.IsZero() {
			continue
		}
		r.PutBytesUnchecked(dst[:scalarSize])
		s.PutBytesUnchecked(dst[scalarSize:])
		return nil
	}
}

// NewVerifier prepares the verification of ECDSA.
func (Secp256k1) NewVerifier(point []byte) (func(digest, sig []byte) bool, error) {
	p, err := secp256k1.ParsePubKey(point)
	if err != nil {
		return nil, ErrPublicKey
	}
	return func(digest, sig []byte) bool {
		var r, s secp256k1.ModNScalar
		if r.SetByteSlice(sig[:scalarSize]) || s.SetByteSlice(sig[scalarSize:]) {
			return false // not below the order
		}
		return ecdsa.NewSignature(&r, &s).Verify(digest, p)
	}, nil
}

// NewAgreement prepares Diffie-Hellman.
func (Secp256k1) NewAgreement(private []byte) (func(point []byte) ([]byte, error), error) {
	d, err := readScalar(private)
	if err != nil {
		return nil, err
	}
	return func(point []byte) ([]byte, error) {
		p, err := secp256k1.ParsePubKey(point)
		if err != nil {
			return nil, ErrPublicKey
		}
		var at secp256k1.JacobianPoint
		p.AsJacobian(&at)
		z, err := blindMultiply(d, func(k *secp256k1.ModNScalar, result *secp256k1.JacobianPoint) {
			secp256k1.ScalarMultNonConst(k, &at, result)
		})
		if err != nil {
			return nil, err
		}
		return z.X.Bytes()[:], nil
	}, nil
}
