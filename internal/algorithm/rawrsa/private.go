package rawrsa

import (
	"crypto/rsa"
	"errors"
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
	n    *bigmod.Modulus
	p, q half
	qInv *bigmod.Nat // of q modulo p
	qInN *bigmod.Nat // q, as a number modulo n
}

// A half is a prime and its exponent.
type half struct {
	prime *bigmod.Modulus
	d     []byte
	// shift is 2 to the power of the prime's length in bits, modulo the prime, where that length is half of the modulus' and a multiple of 8. So it nearly
	// always is. It is nil otherwise.
	shift *bigmod.Nat
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
	h, pre := &halves{n: public.n}, &priv.Precomputed
	if h.p, err = newHalf(priv.Primes[0], pre.Dp, public.n); err != nil {
		return nil, err
	}
	if h.q, err = newHalf(priv.Primes[1], pre.Dq, public.n); err != nil {
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

func newHalf(prime, d *big.Int, n *bigmod.Modulus) (half, error) {
	m, err := bigmod.NewModulus(prime.Bytes())
	if err != nil || m.Nat().IsOdd() == 0 {
		return half{}, ErrRange
	}
	h := half{prime: m, d: fill(d, m)}
	if bits := 8 * m.Size(); m.BitLen() == bits && n.BitLen() == 2*bits {
		power := new(big.Int).Lsh(big.NewInt(1), uint(bits))
		h.shift, err = bigmod.NewNat().SetBytes(fill(power.Sub(power, prime), m), m) // the prime is more than a half of it
	}
	return h, err
}

// reduce sets r to the number in b, which is below n and as long, modulo the prime. The halves of b are looked at one by one where that is possible,
// which takes a twentieth of the time.
func (h *half) reduce(r *bigmod.Nat, b []byte, n *bigmod.Modulus) error {
	if h.shift == nil {
		x, err := bigmod.NewNat().SetBytes(b, n)
		if err != nil {
			return ErrRange
		}
		r.Mod(x, h.prime)
		return nil
	}
	size := h.prime.Size()
	low, err1 := bigmod.NewNat().SetOverflowingBytes(b[size:], h.prime)
	_, err2 := r.SetOverflowingBytes(b[:size], h.prime)
	if err1 != nil || err2 != nil {
		return ErrRange
	}
	r.Mul(h.shift, h.prime).Add(low, h.prime)
	return nil
}

// fill writes x as long as a modulus.
func fill(x *big.Int, m *bigmod.Modulus) []byte { return x.FillBytes(make([]byte, m.Size())) }

// Public returns the public half.
func (k *PrivateKey) Public() *PublicKey { return &k.public }

// Raw computes m^d. What is longer than the modulus is ErrLength, and what is not below it ErrRange. The result is as long as the modulus. It
// leads back to m, or is not returned: of a signature that is right modulo one prime alone everybody could work out the other (Boneh, DeMillo
// and Lipton, 1997).
func (k *PrivateKey) Raw(m []byte) ([]byte, error) {
	m, err := k.public.padded(m)
	if err != nil {
		return nil, err
	}
	n := k.public.n
	x, err := bigmod.NewNat().SetBytes(m, n)
	if err != nil {
		return nil, ErrRange
	}
	if k.halves != nil {
		return k.halves.power(m, uint(k.E))
	}
	s := bigmod.NewNat().Exp(x, k.d, n)
	if bigmod.NewNat().ExpShortVarTime(s, uint(k.E), n).Equal(x) != 1 {
		return nil, ErrFault
	}
	return s.Bytes(n), nil
}

// power computes s = m^d modulo n = p q. It is ErrFault if s^e is not m modulo both primes, which is modulo n.
func (h *halves) power(m []byte, e uint) ([]byte, error) {
	var modP, modQ, sP, sQ, t bigmod.Nat
	if err := errors.Join(h.p.reduce(&modP, m, h.n), h.q.reduce(&modQ, m, h.n)); err != nil {
		return nil, err
	}
	both(
		func() { sP.Exp(&modP, h.p.d, h.p.prime) },
		func() { sQ.Exp(&modQ, h.q.d, h.q.prime) },
	)
	// s = sQ + q (qInv (sP - sQ) mod p): Garner.
	if h.p.shift == nil || h.q.shift == nil {
		t.Mod(&sQ, h.p.prime)
	} else if _, err := t.SetOverflowingBytes(sQ.Bytes(h.q.prime), h.p.prime); err != nil {
		return nil, ErrFault
	}
	sP.Sub(&t, h.p.prime).Mul(h.qInv, h.p.prime)
	s := sP.ExpandFor(h.n).Mul(h.qInN, h.n).Add(sQ.ExpandFor(h.n), h.n).Bytes(h.n)
	if !h.p.leadsBack(s, &modP, e, h.n) || !h.q.leadsBack(s, &modQ, e, h.n) {
		clear(s)
		return nil, ErrFault
	}
	return s, nil
}

// leadsBack tells whether s^e is m modulo the prime.
func (h *half) leadsBack(s []byte, m *bigmod.Nat, e uint, n *bigmod.Modulus) bool {
	var r bigmod.Nat
	return h.reduce(&r, s, n) == nil && r.ExpShortVarTime(&r, e, h.prime).Equal(m) == 1
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
