package mechanisms

import (
	"errors"
	"fmt"
	"io"
	"math/big"

	"filippo.io/bigmod"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/algorithm/modular"
	"github.com/softcsp/softcsp/internal/algorithm/primes"
	"github.com/softcsp/softcsp/internal/secret"
)

// An ffcGroup is the integers modulo a prime, with the parameters of a key. For what is secret it has them for bigmod, whose arithmetic takes a
// time that does not depend on the numbers, and for what is not for math/big.
type ffcGroup struct {
	p, q    *bigmod.Modulus // q is nil where the keys have no subprime
	g       *bigmod.Nat
	public  struct{ p, q, g *big.Int }
	maxBits int // of a private value
}

// prepare makes the group of a key. Its subprime has to be a prime, or numbers would have no inverse modulo it.
func (t *ffcType) prepare(v Values) (*ffcGroup, error) {
	p, q, err := t.domain(v)
	if err != nil {
		return nil, err
	}
	g := &ffcGroup{maxBits: p.BitLen() - 1}
	g.public.p, g.public.q, g.public.g = p, q, new(big.Int).SetBytes(v(ck.CKA_BASE))
	if q != nil {
		if !q.ProbablyPrime(0) {
			return nil, fmt.Errorf("%w: %v", ck.CKR_DOMAIN_PARAMS_INVALID, ck.CKA_SUBPRIME)
		}
		if g.q, err = bigmod.NewModulus(q.Bytes()); err != nil {
			return nil, errors.Join(ck.CKR_DOMAIN_PARAMS_INVALID, err)
		}
		g.maxBits = q.BitLen()
	}
	if g.p, err = bigmod.NewModulus(p.Bytes()); err == nil {
		g.g, err = g.number(v(ck.CKA_BASE))
	}
	if err != nil {
		return nil, errors.Join(ck.CKR_DOMAIN_PARAMS_INVALID, err)
	}
	return g, nil
}

// number reads a number below p.
func (g *ffcGroup) number(b []byte) (*bigmod.Nat, error) {
	return bigmod.NewNat().SetBytes(modular.LeftPadded(b, g.p.Size()), g.p)
}

// power computes base to the power of a secret exponent, in as many bytes as p has.
func (g *ffcGroup) power(base *bigmod.Nat, exponent []byte) *bigmod.Nat {
	return bigmod.NewNat().Exp(base, exponent, g.p)
}

// checkPublic reads a public value that somebody else has sent: between 1 and p - 1, both not included, and in the subgroup
// where the key has one, or where the prime is one of those whose groups are known (SP 800-56A, section 5.6.2.3.1).
func (g *ffcGroup) checkPublic(value []byte) (*bigmod.Nat, error) {
	y := new(big.Int).SetBytes(value)
	one := big.NewInt(1)
	if y.Cmp(one) <= 0 || y.Cmp(new(big.Int).Sub(g.public.p, one)) >= 0 {
		return nil, ck.CKR_PUBLIC_KEY_INVALID
	}
	switch q := g.public.q; {
	case q != nil && new(big.Int).Exp(y, q, g.public.p).Cmp(one) != 0:
		return nil, ck.CKR_PUBLIC_KEY_INVALID
	case q == nil && g.public.g.Cmp(big.NewInt(2)) == 0 && primes.IsKnownSafe(g.public.p) && big.Jacobi(y, g.public.p) != 1:
		return nil, ck.CKR_PUBLIC_KEY_INVALID // the powers of 2 are the squares
	}
	return g.number(y.Bytes())
}

// newPrivate makes a private value: FIPS 186-5, appendix A.2.2, where there is a subprime, and otherwise a number that has as
// many bits as are asked for (PKCS #3, section 7). The caller wipes it.
func (g *ffcGroup) newPrivate(random io.Reader, bits int) (x []byte, err error) {
	secret.Do(func() {
		x = make([]byte, (bits+7)/8)
		for range 1000 { // at least every other draw is good
			if _, err = io.ReadFull(random, x); err != nil {
				err = errors.Join(ck.CKR_DEVICE_ERROR, err)
				break
			}
			x[0] &= byte(0xff >> (8*len(x) - bits))
			if g.q == nil {
				x[0] |= byte(1 << ((bits - 1) % 8))
				return
			}
			if n, err := bigmod.NewNat().SetBytes(x, g.q); err == nil && n.IsZero() == 0 {
				return
			}
			err = ck.CKR_DEVICE_ERROR
		}
		clear(x)
		x = nil
	})
	return x, err
}

// generatePair makes a key pair. Neither value has zeros before it.
func (g *ffcGroup) generatePair(random io.Reader, bits int) (public, private []byte, err error) {
	x, err := g.newPrivate(random, bits)
	if err != nil {
		return nil, nil, err
	}
	secret.Do(func() { public = modular.TrimZeros(g.power(g.g, x).Bytes(g.p)) })
	return public, modular.TrimZeros(x), nil
}

// readPrivate reads the private value of a key, in as many bytes as the largest has.
func (g *ffcGroup) readPrivate(v Values) ([]byte, error) {
	x := modular.TrimZeros(v(ck.CKA_VALUE))
	if len(x) == 0 || len(x) > (g.maxBits+7)/8 {
		return nil, ck.CKR_ATTRIBUTE_VALUE_INVALID
	}
	return modular.LeftPadded(x, (g.maxBits+7)/8), nil
}

// preparedFFC returns the prepared form of a key over a group, which build makes from the group and the attributes.
func preparedFFC[T any](k *Key, id ck.MechanismType, t *ffcType, build func(g *ffcGroup, v Values) (*T, error)) (*T, error) {
	form, err := k.Prepared(id, func(k *Key) (form any, err error) {
		secret.Do(func() {
			var g *ffcGroup
			if g, err = t.prepare(k.Attr); err == nil {
				form, err = build(g, k.Attr)
			}
		})
		return form, err
	})
	if err != nil {
		return nil, err
	}
	return form.(*T), nil
}
