package mechanisms

import (
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"

	"filippo.io/bigmod"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/algorithm/modular"
	"github.com/softcsp/softcsp/internal/algorithm/rfc6979"
)

// Lengths of the primes of DSA in bits: section 6.2 goes from 512, which nobody should use, to 3072.
const (
	minDSA = 1024
	maxDSA = 3072
)

// dsaSubprimes are the lengths of subprimes in bits.
var dsaSubprimes = []int{160, 224, 256}

// dsaHashes are the mechanisms that hash what they sign.
var dsaHashes = []struct{ signs, digest ck.MechanismType }{
	{ck.CKM_DSA_SHA1, ck.CKM_SHA_1},
	{ck.CKM_DSA_SHA224, ck.CKM_SHA224},
	{ck.CKM_DSA_SHA256, ck.CKM_SHA256},
	{ck.CKM_DSA_SHA384, ck.CKM_SHA384},
	{ck.CKM_DSA_SHA512, ck.CKM_SHA512},
	{ck.CKM_DSA_SHA3_224, ck.CKM_SHA3_224},
	{ck.CKM_DSA_SHA3_256, ck.CKM_SHA3_256},
	{ck.CKM_DSA_SHA3_384, ck.CKM_SHA3_384},
	{ck.CKM_DSA_SHA3_512, ck.CKM_SHA3_512},
}

// dsaRows are DSA (FIPS 186-4, section 4): section 6.2.
var dsaRows = func() []Mechanism {
	rows := []Mechanism{
		{Type: ck.CKM_DSA_KEY_PAIR_GEN, Min: minDSA, Max: maxDSA, Makes: ck.CKK_DSA, GeneratePair: dsaGenerate},
		dsaRow(ck.CKM_DSA, nil),
	}
	for _, m := range dsaHashes {
		rows = append(rows, dsaRow(m.signs, hashOf(m.digest)))
	}
	return append(rows, dsaParameterRows...)
}()

// dsaDigests are the lengths in bytes of what CKM_DSA signs: section 6.2.11.
var dsaDigests = []int{20, 28, 32, 48, 64}

func dsaRow(t ck.MechanismType, h *Hash) Mechanism {
	begin := func(p *ck.Param, g *ffcGroup) (*signature, error) {
		s := &signature{size: 2 * g.q.Size(), limit: slices.Max(dsaDigests)}
		if h != nil {
			s.hash = h.New()
		}
		return s, p.None()
	}
	return Mechanism{Type: t, Keys: []ck.KeyType{ck.CKK_DSA}, Min: minDSA, Max: maxDSA,
		Sign: func(k *Key, p *ck.Param) (Signer, error) {
			if k.Class != ck.CKO_PRIVATE_KEY {
				return nil, ck.CKR_KEY_TYPE_INCONSISTENT
			}
			key, err := preparedFFC(k, ck.CKM_DSA, &dsaFFC, newDSAPrivate)
			if err != nil {
				return nil, err
			}
			s, err := begin(p, key.ffcGroup)
			if err != nil {
				return nil, err
			}
			s.sign = func(digest []byte) ([]byte, error) {
				if h == nil && !slices.Contains(dsaDigests, len(digest)) {
					return nil, ck.CKR_DATA_LEN_RANGE
				}
				return key.sign(digest)
			}
			return s, nil
		},
		Verify: func(k *Key, p *ck.Param) (Verifier, error) {
			if k.Class != ck.CKO_PUBLIC_KEY {
				return nil, ck.CKR_KEY_TYPE_INCONSISTENT
			}
			key, err := preparedFFC(k, ck.CKM_DSA, &dsaFFC, newDSAPublic)
			if err != nil {
				return nil, err
			}
			s, err := begin(p, key.ffcGroup)
			if err != nil {
				return nil, err
			}
			s.verify = func(digest, sig []byte) error {
				if h == nil && !slices.Contains(dsaDigests, len(digest)) {
					return ck.CKR_DATA_LEN_RANGE
				}
				return key.verify(digest, sig)
			}
			return s, nil
		}}
}

// dsaSizes refuses lengths that FIPS 186-4, section 4.2, does not have.
func dsaSizes(g *ffcGroup) error {
	if n := g.public.p.BitLen(); n < minDSA || n > maxDSA || !slices.Contains(dsaSubprimes, g.public.q.BitLen()) {
		return fmt.Errorf("%w: %d and %d bits", ck.CKR_KEY_SIZE_RANGE, n, g.public.q.BitLen())
	}
	return nil
}

// A dsaPrivate is the prepared form of a private key.
type dsaPrivate struct {
	*ffcGroup
	x     *bigmod.Nat
	value []byte // x, in as many bytes as q has
}

func newDSAPrivate(g *ffcGroup, v Values) (*dsaPrivate, error) {
	if err := dsaSizes(g); err != nil {
		return nil, err
	}
	value, err := g.readPrivate(v)
	if err != nil {
		return nil, err
	}
	x, err := bigmod.NewNat().SetBytes(value, g.q)
	if err != nil || x.IsZero() == 1 {
		return nil, ck.CKR_ATTRIBUTE_VALUE_INVALID
	}
	return &dsaPrivate{g, x, value}, nil
}

// sign makes the signature of a digest: section 4.6.
func (k *dsaPrivate) sign(digest []byte) ([]byte, error) {
	n, err := rfc6979.New(k.q, k.value, digest)
	if err != nil {
		return nil, errors.Join(ck.CKR_DEVICE_ERROR, err)
	}
	defer n.Wipe()
	return k.signWith(n, digest), nil
}

// signWith signs with the first of the numbers that makes a signature. Nearly always that is the first one.
func (k *dsaPrivate) signWith(n *rfc6979.Nonces, digest []byte) []byte {
	z := rfc6979.Bits2Int(digest, k.q)
	for {
		secret := n.Next(k.q)
		r := bigmod.NewNat().Mod(k.power(k.g, secret), k.q)
		inverse, err := bigmod.NewNat().SetBytes(secret, k.q)
		clear(secret)
		if err != nil {
			continue
		}
		inverse = modular.Inverse(inverse, k.q)
		s := bigmod.NewNat().Mod(k.x, k.q).Mul(r, k.q).Add(z, k.q).Mul(inverse, k.q)
		if r.IsZero() == 0 && s.IsZero() == 0 {
			return append(r.Bytes(k.q), s.Bytes(k.q)...)
		}
	}
}

// A dsaPublic is the prepared form of a public key.
type dsaPublic struct {
	*ffcGroup
	y *big.Int
}

// newDSAPublic reads a public key, which has to be in the subgroup.
func newDSAPublic(g *ffcGroup, v Values) (*dsaPublic, error) {
	if err := dsaSizes(g); err != nil {
		return nil, err
	}
	if _, err := g.checkPublic(v(ck.CKA_VALUE)); err != nil {
		return nil, err
	}
	return &dsaPublic{g, new(big.Int).SetBytes(v(ck.CKA_VALUE))}, nil
}

// verify checks a signature: section 4.7. There is nothing secret in it.
func (k *dsaPublic) verify(digest, sig []byte) error {
	p, q := k.public.p, k.public.q
	half := len(sig) / 2
	r, s := new(big.Int).SetBytes(sig[:half]), new(big.Int).SetBytes(sig[half:])
	if r.Sign() == 0 || s.Sign() == 0 || r.Cmp(q) >= 0 || s.Cmp(q) >= 0 {
		return ck.CKR_SIGNATURE_INVALID
	}
	w := new(big.Int).ModInverse(s, q)
	if w == nil {
		return ck.CKR_SIGNATURE_INVALID
	}
	z := new(big.Int).SetBytes(rfc6979.Bits2Int(digest, k.q).Bytes(k.q))
	u1, u2 := z.Mul(z, w), w.Mul(w, r)
	u1.Exp(k.public.g, u1.Mod(u1, q), p)
	u2.Exp(k.y, u2.Mod(u2, q), p)
	v := u1.Mul(u1, u2)
	if v.Mod(v, p).Mod(v, q).Cmp(r) != 0 {
		return ck.CKR_SIGNATURE_INVALID
	}
	return nil
}

// dsaGenerate makes a key pair for the parameters in the template: section 6.2.7.
func dsaGenerate(random io.Reader, p *ck.Param, public []ck.Attribute) (pub, priv []ck.Attribute, err error) {
	if err := p.None(); err != nil {
		return nil, nil, err
	}
	return dsaFFC.generate(random, public, dsaSizes, 0)
}

// generate makes a key pair in the group of a template. checkSizes refuses groups. A private value has bits bits; 0 is as many
// as the group allows.
func (t *ffcType) generate(random io.Reader, public []ck.Attribute, checkSizes func(*ffcGroup) error, bits int) (pub, priv []ck.Attribute, err error) {
	v := func(t ck.AttributeType) []byte { return findAttr(public, t) }
	for _, a := range t.params {
		if v(a) == nil {
			return nil, nil, fmt.Errorf("%w: %v", ck.CKR_TEMPLATE_INCOMPLETE, a)
		}
	}
	g, err := t.prepare(v)
	if err == nil {
		err = checkSizes(g)
	}
	switch {
	case errors.Is(err, ck.CKR_ATTRIBUTE_VALUE_INVALID):
		return nil, nil, errors.Join(ck.CKR_DOMAIN_PARAMS_INVALID, err)
	case err != nil:
		return nil, nil, err
	case bits == 0:
		bits = g.maxBits
	}
	y, x, err := g.generatePair(random, bits)
	if err != nil {
		return nil, nil, err
	}
	for _, a := range t.params {
		priv = append(priv, ck.Attribute{Type: a, Value: v(a)})
	}
	return []ck.Attribute{{Type: ck.CKA_VALUE, Value: y}}, append(priv, ck.Attribute{Type: ck.CKA_VALUE, Value: x}), nil
}
