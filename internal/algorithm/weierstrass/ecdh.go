package weierstrass

import "github.com/softcsp/softcsp/internal/algorithm/modular"

// NewAgreement prepares Diffie-Hellman: what it returns makes the shared secret, a coordinate, with a point that [Curve.Check] has
// returned.
func (w *Curve) NewAgreement(private []byte) (func(point []byte) ([]byte, error), error) {
	if _, err := w.scalar(private); err != nil {
		return nil, err
	}
	k := append([]byte(nil), private...)
	return func(point []byte) ([]byte, error) {
		q, err := w.read(point)
		if err != nil {
			return nil, err
		}
		x, _, ok := w.affine(w.scalarMult(k, w.multiples(&q)))
		if !ok {
			return nil, ErrPublicKey
		}
		return x.Bytes(w.p), nil
	}, nil
}

// MQV is the primitive of SP 800-56A, section 5.7.2.2: static and ephemeral are our private keys, own is the public key of the latter. The
// cofactor is 1.
func (w *Curve) MQV(static, ephemeral, own, theirStatic, theirEphemeral []byte) ([]byte, error) {
	half := 1 + w.p.Size()
	ours, err1 := modular.Associate(own[1:half], w.n)
	theirs, err2 := modular.Associate(theirEphemeral[1:half], w.n)
	if err1 != nil || err2 != nil {
		return nil, errInternal
	}
	x, err := w.scalar(ephemeral)
	if err != nil {
		return nil, err
	}
	s, err := w.scalar(static)
	if err != nil {
		return nil, err
	}
	s.Mul(ours, w.n).Add(x, w.n)
	first, err1 := w.read(theirStatic)
	second, err2 := w.read(theirEphemeral)
	if err1 != nil || err2 != nil {
		return nil, ErrPublicKey
	}
	sum := w.scalarMult(theirs.Bytes(w.n), w.multiples(&first))
	w.add(&sum, &sum, &second)
	z, _, ok := w.affine(w.scalarMult(s.Bytes(w.n), w.multiples(&sum)))
	if !ok {
		return nil, ErrPublicKey
	}
	return z.Bytes(w.p), nil
}
