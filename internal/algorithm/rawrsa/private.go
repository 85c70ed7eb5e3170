package rawrsa

import (
	"crypto/rsa"
	"math/big"
	"sync/atomic"

	"filippo.io/bigmod"

	"github.com/softcsp/softcsp/internal/secret"
)

// A PrivateKey is a private key with the numbers that its operation takes, as bigmod wants them.
type PrivateKey struct {
	*rsa.PrivateKey
	public PublicKey
	d      []byte  // the private exponent, as long as the modulus
	halves *halves // nil where the key has no two primes
}

// halves are what takes the operation apart into one modulo p and one modulo q (RFC 8017, section 5.1.2, step 2b), of which each
// takes an eighth of the time of the whole.
type halves struct {
	p, q half
	qInv *bigmod.Nat // of q modulo p
	qInN *bigmod.Nat // q, as a number modulo n
}

// A half is a prime and its exponent.
type half struct {
	prime *bigmod.Modulus
	d     []byte
}

// NewPrivateKey prepares a private key, on which Precompute was called.
func NewPrivateKey(priv *rsa.PrivateKey) (*PrivateKey, error) {
	public, err := NewPublicKey(&priv.PublicKey)
	if err != nil {
		return nil, err
	}
	k := &PrivateKey{PrivateKey: priv, public: *public, d: priv.D.FillBytes(make([]byte, priv.Size()))}
	if len(priv.Primes) != 2 {
		return k, nil
	}
	h, pre := new(halves), &priv.Precomputed
	if h.p, err = newHalf(priv.Primes[0], pre.Dp); err != nil {
		return nil, err
	}
	if h.q, err = newHalf(priv.Primes[1], pre.Dq); err != nil {
		return nil, err
	}
	if h.qInv, err = bigmod.NewNat().SetBytes(fill(pre.Qinv, h.p.prime), h.p.prime); err != nil {
		return nil, ErrRange
	}
	if h.qInN, err = bigmod.NewNat().SetBytes(fill(priv.Primes[1], public.n), public.n); err != nil {
		return nil, ErrRange
	}
	k.halves = h
	return k, nil
}

func newHalf(prime, d *big.Int) (half, error) {
	m, err := bigmod.NewModulus(prime.Bytes())
	if err != nil || m.Nat().IsOdd() == 0 {
		return half{}, ErrRange
	}
	return half{m, fill(d, m)}, nil
}

// fill writes x as long as a modulus.
func fill(x *big.Int, m *bigmod.Modulus) []byte { return x.FillBytes(make([]byte, m.Size())) }

// Public returns the public half.
func (k *PrivateKey) Public() *PublicKey { return &k.public }

// Raw computes m^d. What is longer than the modulus is ErrLength, and what is not below it ErrRange. The result is as long as the modulus. It
// leads back to m, or is not returned: of a signature that is right modulo one prime alone everybody could work out the other (Boneh, DeMillo
// and Lipton, 1997).
func (k *PrivateKey) Raw(m []byte) ([]byte, error) {
	x, err := k.public.number(m)
	if err != nil {
		return nil, err
	}
	n := k.public.n
	if k.halves == nil {
		s := bigmod.NewNat().Exp(x, k.d, n)
		if bigmod.NewNat().ExpShortVarTime(s, uint(k.E), n).Equal(x) != 1 {
			return nil, ErrFault
		}
		return s.Bytes(n), nil
	}
	s, right := k.halves.power(x, uint(k.E), n)
	if !right {
		return nil, ErrFault
	}
	return s.Bytes(n), nil
}

// power computes s = x^d modulo n = p q, and tells whether s^e = x modulo both primes, which is modulo n.
func (h *halves) power(x *bigmod.Nat, e uint, n *bigmod.Modulus) (s *bigmod.Nat, right bool) {
	var modP, modQ, sP, sQ bigmod.Nat
	both(
		func() { sP.Exp(modP.Mod(x, h.p.prime), h.p.d, h.p.prime) },
		func() { sQ.Exp(modQ.Mod(x, h.q.prime), h.q.d, h.q.prime) },
	)
	// s = sQ + q (qInv (sP - sQ) mod p): Garner.
	var t, back bigmod.Nat
	t.Mod(&sQ, h.p.prime)
	sP.Sub(&t, h.p.prime).Mul(h.qInv, h.p.prime)
	s = sP.ExpandFor(n).Mul(h.qInN, n).Add(sQ.ExpandFor(n), n)
	equal := back.ExpShortVarTime(t.Mod(s, h.p.prime), e, h.p.prime).Equal(&modP)
	equal &= back.ExpShortVarTime(t.Mod(s, h.q.prime), e, h.q.prime).Equal(&modQ)
	return s, equal == 1
}

// both runs f and g: at the same time where a processor is idle, one after the other where none is. So g is offered to another goroutine, and
// taken back if none has begun with it when f is done.
func both(f, g func()) {
	var taken atomic.Bool
	done := make(chan any, 1)
	go func() {
		if !taken.CompareAndSwap(false, true) {
			return
		}
		defer func() { done <- recover() }()
		secret.Do(g)
	}()
	f()
	if taken.CompareAndSwap(false, true) {
		g()
		return
	}
	if p := <-done; p != nil {
		panic(p)
	}
}
