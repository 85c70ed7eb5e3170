package weierstrass

import (
	"errors"

	"filippo.io/bigmod"

	"github.com/softcsp/softcsp/internal/algorithm/modular"
	"github.com/softcsp/softcsp/internal/algorithm/rfc6979"
)

// NewSigner prepares signing with ECDSA: FIPS 186-5, section 6.4.1. What it returns signs a digest and writes r and s, each as long as the
// order.
func (w *Curve) NewSigner(private []byte) (func(dst, digest []byte) error, error) {
	d, err := w.scalar(private)
	if err != nil {
		return nil, err
	}
	value := append([]byte(nil), private...)
	return func(dst, digest []byte) error {
		n, err := rfc6979.New(w.n, value, digest)
		if err != nil {
			return errors.Join(ErrRandom, err)
		}
		defer n.Wipe()
		return w.signWith(n, d, dst, digest)
	}, nil
}

// signWith signs with the first number that makes a signature.
func (w *Curve) signWith(n *rfc6979.Nonces, d *bigmod.Nat, dst, digest []byte) error {
	z, half := rfc6979.Bits2Int(digest, w.n), len(dst)/2
	for {
		secret := n.Next(w.n)
		x, _, ok := w.affine(w.scalarBaseMult(secret))
		k, err := bigmod.NewNat().SetBytes(secret, w.n)
		clear(secret)
		if !ok || err != nil {
			return errInternal
		}
		r := bigmod.NewNat().Mod(x, w.n)
		s := bigmod.NewNat().Mod(d, w.n).Mul(r, w.n).Add(z, w.n).Mul(modular.Inverse(k, w.n), w.n)
		if r.IsZero() == 0 && s.IsZero() == 0 {
			copy(dst[:half], r.Bytes(w.n))
			copy(dst[half:], s.Bytes(w.n))
			return nil
		}
	}
}

// NewVerifier prepares the verification of ECDSA with a point that [Curve.Check] has returned: section 6.4.2.
func (w *Curve) NewVerifier(point []byte) (func(digest, sig []byte) bool, error) {
	q, err := w.read(point)
	if err != nil {
		return nil, err
	}
	table := w.multiples(&q)
	return func(digest, sig []byte) bool {
		half := len(sig) / 2
		r, err1 := bigmod.NewNat().SetBytes(sig[:half], w.n)
		s, err2 := bigmod.NewNat().SetBytes(sig[half:], w.n)
		if err1 != nil || err2 != nil || r.IsZero()|s.IsZero() == 1 {
			return false
		}
		s = modular.Inverse(s, w.n)
		u1 := rfc6979.Bits2Int(digest, w.n).Mul(s, w.n)
		u2 := s.Mul(r, w.n)
		a, b := w.scalarBaseMult(u1.Bytes(w.n)), w.scalarMult(u2.Bytes(w.n), table)
		w.add(&a, &a, &b)
		x, _, ok := w.affine(a)
		return ok && bigmod.NewNat().Mod(x, w.n).Equal(r) == 1
	}, nil
}
