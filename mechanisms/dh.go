package mechanisms

import (
	"crypto/rand"
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

// Lengths of the primes of Diffie-Hellman in bits, and of the shortest private value.
const (
	minDH      = 512
	maxDH      = 8192
	minPrivate = 160
)

// dhRows are Diffie-Hellman as PKCS #3 has it: section 6.4.
var dhRows = []Mechanism{
	{Type: ck.CKM_DH_PKCS_KEY_PAIR_GEN, Min: minDH, Max: maxDH, Makes: ck.CKK_DH, GeneratePair: dhGenerate},
	{Type: ck.CKM_DH_PKCS_PARAMETER_GEN, Min: minDH, Max: maxDH, Makes: ck.CKK_DH, GenerateDomain: dhParameters},
	dhEncapsulates(Mechanism{Type: ck.CKM_DH_PKCS_DERIVE, Keys: []ck.KeyType{ck.CKK_DH}, Min: minDH, Max: maxDH, Derive: dhDerive},
		&dhFFC, func(p *ck.Param) (*ecdhKDF, error) { return new(ecdhKDF), p.None() }),
}

// dhSizes refuses groups that are too small to be of use, or too large.
func dhSizes(g *ffcGroup) error {
	if n := g.public.p.BitLen(); n < minDH || n > maxDH {
		return fmt.Errorf("%w: %d bits", ck.CKR_KEY_SIZE_RANGE, n)
	}
	return nil
}

// knownPrivate is the length in bits of private values in the groups of RFC 3526 and RFC 7919 where a template does not give it. It is more than
// twice the strength of any of them, so that a longer value would not be stronger.
const knownPrivate = 512

// dhGenerate makes a key pair for the parameters in the template: section 6.4.8. The private value has the length that the
// template asks for.
func dhGenerate(random io.Reader, p *ck.Param, public []ck.Attribute) (pub, priv []ck.Attribute, err error) {
	if err := p.None(); err != nil {
		return nil, nil, err
	}
	prime := new(big.Int).SetBytes(findAttr(public, ck.CKA_PRIME))
	bits := uint(max(prime.BitLen()-1, 0))
	if given := findAttr(public, ck.CKA_VALUE_BITS); given != nil {
		n, err := ck.Ulong(given)
		if err == nil && (n < minPrivate || n > bits) {
			err = fmt.Errorf("%w: %v", ck.CKR_ATTRIBUTE_VALUE_INVALID, ck.CKA_VALUE_BITS)
		}
		if err != nil {
			return nil, nil, err
		}
		bits = n
	} else if primes.IsKnownSafe(prime) {
		bits = knownPrivate
	}
	pub, priv, err = dhFFC.generate(random, public, dhSizes, int(bits))
	return pub, append(priv, ck.Attribute{Type: ck.CKA_VALUE_BITS, Value: ck.UlongValue(bits)}), err
}

// dhParameters makes domain parameters: a safe prime, and 2, which generates the subgroup of the squares. The prime is that of RFC 7919 or RFC 3526
// where there is one of the length: another would be no better, and take minutes to find.
func dhParameters(random io.Reader, p *ck.Param, template []ck.Attribute) ([]ck.Attribute, []Result, error) {
	if err := p.None(); err != nil {
		return nil, nil, err
	}
	bits, _, err := sizesOf(template)
	if err != nil {
		return nil, nil, err
	}
	prime := primes.KnownSafe(bits)
	if prime == nil {
		if bits < minDH || bits > maxFreshPrime {
			return nil, nil, ck.CKR_KEY_SIZE_RANGE
		}
		if prime, err = primes.NewSafe(random, int(bits)); err != nil {
			return nil, nil, errors.Join(ck.CKR_DEVICE_ERROR, err)
		}
	}
	return append(dhFFC.lengthAttributes(prime, nil), ck.Attribute{Type: ck.CKA_PRIME, Value: prime.Bytes()},
		ck.Attribute{Type: ck.CKA_BASE, Value: []byte{2}}), nil, nil
}

// maxFreshPrime is the length in bits of the longest safe prime that is looked for: a longer one takes too long to find.
const maxFreshPrime = 1536

// A dhPrivate is the prepared form of a private key.
type dhPrivate struct {
	*ffcGroup
	x []byte
}

func newDHPrivate(g *ffcGroup, v Values) (*dhPrivate, error) {
	if err := dhSizes(g); err != nil {
		return nil, err
	}
	x, err := g.readPrivate(v)
	if err == nil && g.q == nil {
		x = modular.TrimZeros(x) // its length is no secret: CKA_VALUE_BITS is it
	}
	return &dhPrivate{g, x}, err
}

// private returns the prepared form of a private key of the type.
func (t *ffcType) private(k *Key) (*dhPrivate, error) {
	switch {
	case k == nil:
		return nil, ck.CKR_KEY_HANDLE_INVALID
	case k.Class != ck.CKO_PRIVATE_KEY || k.Type != t.keyType:
		return nil, ck.CKR_KEY_TYPE_INCONSISTENT
	}
	return preparedFFC(k, ck.CKM_DH_PKCS_DERIVE, t, newDHPrivate)
}

// agree makes the shared secret with a public value, in as many bytes as the prime has: SP 800-56A, section 5.7.1.1.
func (k *dhPrivate) agree(public []byte) ([]byte, error) {
	y, err := k.checkPublic(public)
	if err != nil {
		return nil, err
	}
	return k.sharedSecret(k.power(y, k.x))
}

// sharedSecret returns the bytes of a shared secret, and refuses those that anybody could guess.
func (g *ffcGroup) sharedSecret(z *bigmod.Nat) ([]byte, error) {
	if z.IsZero()|z.IsOne()|z.IsMinusOne(g.p) == 1 {
		return nil, ck.CKR_PUBLIC_KEY_INVALID
	}
	return z.Bytes(g.p), nil
}

// dhDerive derives with the public value that is the parameter: section 6.4.10.
func dhDerive(b *Base, p *ck.Param, d *Derived) error {
	public := p.Rest()
	if len(public) == 0 {
		return ck.FieldError("the length of the public value")
	}
	key, err := dhFFC.private(b.Key)
	if err != nil {
		return err
	}
	return new(ecdhKDF).deriveFrom(b, d, func() ([]byte, error) { return key.agree(public) })
}

// deriveFrom makes the new key of the shared secret that agree makes.
func (f *ecdhKDF) deriveFrom(b *Base, d *Derived, agree func() ([]byte, error)) (err error) {
	secret.Do(func() {
		var z []byte
		if z, err = agree(); err == nil {
			err = f.setKey(b, d, z)
			clear(z)
		}
	})
	return err
}

// dhEncapsulates gives a row of Diffie-Hellman the columns of encapsulation. The ciphertext is the public value of a key pair that is made for it.
// read reads the parameter, which has no public value then.
func dhEncapsulates(m Mechanism, t *ffcType, read func(p *ck.Param) (*ecdhKDF, error)) Mechanism {
	m.Encapsulate = func(b *Base, p *ck.Param) (*Encapsulation, error) {
		f, err := read(p)
		if err != nil {
			return nil, err
		}
		if b.Key.Class != ck.CKO_PUBLIC_KEY {
			return nil, ck.CKR_KEY_TYPE_INCONSISTENT
		}
		g, err := preparedFFC(b.Key, ck.CKM_DH_PKCS_DERIVE, t, func(g *ffcGroup, _ Values) (*ffcGroup, error) { return g, dhSizes(g) })
		if err != nil {
			return nil, err
		}
		public := b.Key.Attr(ck.CKA_VALUE)
		if _, err := g.checkPublic(public); err != nil {
			return nil, err
		}
		return &Encapsulation{g.p.Size(), func(d *Derived) (ciphertext []byte, err error) {
			y, x, err := g.generatePair(rand.Reader, g.maxBits)
			if err != nil {
				return nil, err
			}
			defer clear(x)
			ours := &dhPrivate{g, x}
			return modular.LeftPadded(y, g.p.Size()), f.deriveFrom(b, d, func() ([]byte, error) { return ours.agree(public) })
		}}, nil
	}
	m.Decapsulate = func(b *Base, p *ck.Param, ciphertext []byte, d *Derived) error {
		f, err := read(p)
		if err != nil {
			return err
		}
		key, err := t.private(b.Key)
		if err != nil {
			return err
		}
		if len(ciphertext) != key.p.Size() {
			return decapsulated(ck.CKR_PUBLIC_KEY_INVALID)
		}
		return decapsulated(f.deriveFrom(b, d, func() ([]byte, error) { return key.agree(ciphertext) }))
	}
	return m
}
