package mechanisms

import (
	"encoding/asn1"
	"fmt"
	"math/big"

	"filippo.io/bigmod"
	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/softcsp/softcsp/ck"
)

// Lengths of the primes of groups, in bits.
const (
	minFFC = 512
	maxFFC = 16384
)

// An ffcType is a type of keys over the integers modulo a prime: its parameters, in the order of its AlgorithmIdentifier.
type ffcType struct {
	keyType ck.KeyType
	oid     asn1.ObjectIdentifier
	params  []ck.AttributeType
	// moreParams says that more numbers may follow: a length of private values, or the seed of the prime.
	moreParams bool
}

// The types are those of sections 6.2 and 6.4, encoded as RFC 3279, sections 2.3.2 and 2.3.3, and PKCS #3 have it.
var (
	dsaFFC = ffcType{ck.CKK_DSA, asn1.ObjectIdentifier{1, 2, 840, 10040, 4, 1},
		[]ck.AttributeType{ck.CKA_PRIME, ck.CKA_SUBPRIME, ck.CKA_BASE}, false}
	dhFFC = ffcType{ck.CKK_DH, asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 3, 1},
		[]ck.AttributeType{ck.CKA_PRIME, ck.CKA_BASE}, true}
	x942FFC = ffcType{ck.CKK_X9_42_DH, asn1.ObjectIdentifier{1, 2, 840, 10046, 2, 1},
		[]ck.AttributeType{ck.CKA_PRIME, ck.CKA_BASE, ck.CKA_SUBPRIME}, true}

	dsaPair, dhPair, x942Pair = dsaFFC.pairType(), dhFFC.pairType(), x942FFC.pairType()
)

// pairType makes the row of the table.
func (g ffcType) pairType() pairType {
	return pairType{
		Type: g.keyType,
		public: func(v Values) ([]ck.Attribute, *publicKeyInfo, error) {
			p, _, err := g.domain(v)
			if err != nil {
				return nil, nil, err
			}
			y := new(big.Int).SetBytes(v(ck.CKA_VALUE))
			if y.Cmp(big.NewInt(1)) <= 0 || y.Cmp(new(big.Int).Sub(p, big.NewInt(1))) >= 0 {
				return nil, nil, fmt.Errorf("%w: %v", ck.CKR_ATTRIBUTE_VALUE_INVALID, ck.CKA_VALUE)
			}
			return nil, g.info(v, y), nil
		},
		private: func(v Values) ([]ck.Attribute, *publicKeyInfo, error) {
			y, err := g.publicValue(v)
			if err != nil {
				return nil, nil, err
			}
			var added []ck.Attribute
			if g.keyType == ck.CKK_DH {
				bits := new(big.Int).SetBytes(v(ck.CKA_VALUE)).BitLen()
				added = []ck.Attribute{{Type: ck.CKA_VALUE_BITS, Value: ck.UlongValue(uint(bits))}}
			}
			return added, g.info(v, y), nil
		},
		parameters: func(v Values) ([]ck.Attribute, error) {
			p, q, err := g.domain(v)
			if err != nil {
				return nil, err
			}
			return g.lengthAttributes(p, q), nil
		},
		owns: g.oid.Equal,
		marshal: func(v Values) (*privateKeyInfo, error) {
			value := v(ck.CKA_VALUE)
			b := cryptobyte.NewBuilder(make([]byte, 0, len(value)+16))
			b.AddASN1BigInt(new(big.Int).SetBytes(value))
			key, err := b.Bytes()
			return &privateKeyInfo{g.oid, g.parameters(v), key}, err
		},
		unmarshal: func(p *privateKeyInfo) ([]ck.Attribute, error) { return g.read(p.params, p.key) },
		numbers:   func(i *publicKeyInfo) ([]ck.Attribute, error) { return g.read(i.params, i.key) },
	}
}

// domain reads the prime and the subprime, nil where the type has none, and checks that they and the base belong together. It does not check that
// they are prime.
func (g ffcType) domain(v Values) (p, q *big.Int, err error) {
	one := big.NewInt(1)
	p = new(big.Int).SetBytes(v(ck.CKA_PRIME))
	if n := p.BitLen(); n < minFFC || n > maxFFC || p.Bit(0) == 0 {
		return nil, nil, fmt.Errorf("%w: %v of %d bits", ck.CKR_ATTRIBUTE_VALUE_INVALID, ck.CKA_PRIME, n)
	}
	base := new(big.Int).SetBytes(v(ck.CKA_BASE))
	if base.Cmp(one) <= 0 || base.Cmp(new(big.Int).Sub(p, one)) >= 0 {
		return nil, nil, fmt.Errorf("%w: %v", ck.CKR_ATTRIBUTE_VALUE_INVALID, ck.CKA_BASE)
	}
	if g.keyType == ck.CKK_DH {
		return p, nil, nil
	}
	q = new(big.Int).SetBytes(v(ck.CKA_SUBPRIME))
	if q.Cmp(one) <= 0 || new(big.Int).Mod(new(big.Int).Sub(p, one), q).Sign() != 0 || new(big.Int).Exp(base, q, p).Cmp(one) != 0 {
		return nil, nil, fmt.Errorf("%w: %v", ck.CKR_ATTRIBUTE_VALUE_INVALID, ck.CKA_SUBPRIME)
	}
	return p, q, nil
}

// lengthAttributes are the attributes of domain parameters that tell how long their numbers are. q is nil where there is none.
func (g ffcType) lengthAttributes(p, q *big.Int) []ck.Attribute {
	attrs := []ck.Attribute{{Type: ck.CKA_PRIME_BITS, Value: ck.UlongValue(uint(p.BitLen()))}}
	if q != nil {
		attrs = append(attrs, ck.Attribute{Type: ck.CKA_SUBPRIME_BITS, Value: ck.UlongValue(uint(q.BitLen()))})
	}
	return attrs
}

// publicValue computes the public value of a private key.
func (g ffcType) publicValue(v Values) (*big.Int, error) {
	p, q, err := g.domain(v)
	if err != nil {
		return nil, err
	}
	x, limit := new(big.Int).SetBytes(v(ck.CKA_VALUE)), q
	if limit == nil {
		limit = new(big.Int).Sub(p, big.NewInt(1))
	}
	if x.Sign() == 0 || x.Cmp(limit) >= 0 {
		return nil, fmt.Errorf("%w: %v", ck.CKR_ATTRIBUTE_VALUE_INVALID, ck.CKA_VALUE)
	}
	n, err := bigmod.NewModulus(p.Bytes())
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ck.CKR_ATTRIBUTE_VALUE_INVALID, ck.CKA_PRIME)
	}
	size := len(p.Bytes())
	base, err := bigmod.NewNat().SetBytes(new(big.Int).SetBytes(v(ck.CKA_BASE)).FillBytes(make([]byte, size)), n)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ck.CKR_ATTRIBUTE_VALUE_INVALID, ck.CKA_BASE)
	}
	return new(big.Int).SetBytes(bigmod.NewNat().Exp(base, fixedBytes(x, size), n).Bytes(n)), nil
}

// parameters makes the parameters of the AlgorithmIdentifier.
func (g ffcType) parameters(v Values) []byte {
	var b cryptobyte.Builder
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		for _, t := range g.params {
			b.AddASN1BigInt(new(big.Int).SetBytes(v(t)))
		}
	})
	return b.BytesOrPanic()
}

func (g ffcType) info(v Values, y *big.Int) *publicKeyInfo {
	var b cryptobyte.Builder
	b.AddASN1BigInt(y)
	return &publicKeyInfo{g.oid, g.parameters(v), b.BytesOrPanic()}
}

// read returns the attributes of a private or a public key: its parameters, and its one number.
func (g ffcType) read(params, key cryptobyte.String) ([]ck.Attribute, error) {
	var body cryptobyte.String
	if !params.ReadASN1(&body, der.SEQUENCE) || !params.Empty() {
		return nil, errNotKey
	}
	var attrs []ck.Attribute
	read := func(from *cryptobyte.String, t ck.AttributeType) bool {
		n := new(big.Int)
		if !from.ReadASN1Integer(n) || n.Sign() <= 0 {
			return false
		}
		attrs = append(attrs, ck.Attribute{Type: t, Value: n.Bytes()})
		return true
	}
	for _, t := range g.params {
		if !read(&body, t) {
			return nil, errNotKey
		}
	}
	if !body.Empty() && !g.moreParams || !read(&key, ck.CKA_VALUE) || !key.Empty() {
		return nil, errNotKey
	}
	return attrs, nil
}
