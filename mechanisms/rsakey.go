package mechanisms

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/secret"
)

// Lengths of moduli, in bits. The shortest are those of Windows, whose Base provider was made for export: what was signed or exchanged with them can
// be read here. crypto/rsa takes keys of less than 1024 bits only with GODEBUG=rsa1024min=0, which go.mod and the Makefile set.
const (
	minRSA = 384
	maxRSA = 16384
)

var oidRSA = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}

// rsaPair are RSA keys, section 6.1 of PKCS #11.
var rsaPair = pairType{
	Type: ck.CKK_RSA,
	public: func(v Values) ([]ck.Attribute, *publicKeyInfo, error) {
		pub, err := rsaPublicOf(v)
		if err != nil {
			return nil, nil, err
		}
		bits := ck.Attribute{Type: ck.CKA_MODULUS_BITS, Value: ck.UlongValue(uint(pub.N.BitLen()))}
		return []ck.Attribute{bits}, rsaInfo(pub), nil
	},
	private: func(v Values) ([]ck.Attribute, *publicKeyInfo, error) {
		priv, err := rsaPrivateOf(v)
		if err != nil {
			return nil, nil, err
		}
		return rsaRest(priv, v), rsaInfo(&priv.PublicKey), nil
	},
	owns:      oidRSA.Equal,
	marshal:   rsaMarshal,
	unmarshal: rsaUnmarshal,
	numbers:   rsaPublicAttributes,
}

// rsaInfo makes the SubjectPublicKeyInfo of RFC 3279, section 2.3.1.
func rsaInfo(pub *rsa.PublicKey) *publicKeyInfo {
	var b cryptobyte.Builder
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1BigInt(pub.N)
		b.AddASN1Int64(int64(pub.E))
	})
	return &publicKeyInfo{oidRSA, asn1.NullBytes, b.BytesOrPanic()}
}

// rsaPublicOf reads the public half of a key.
func rsaPublicOf(v Values) (*rsa.PublicKey, error) {
	n := new(big.Int).SetBytes(v(ck.CKA_MODULUS))
	if bits := n.BitLen(); bits < minRSA || bits > maxRSA || n.Bit(0) == 0 {
		return nil, fmt.Errorf("%w: %v of %d bits", ck.CKR_ATTRIBUTE_VALUE_INVALID, ck.CKA_MODULUS, bits)
	}
	e, err := rsaExponent(v(ck.CKA_PUBLIC_EXPONENT))
	if err != nil {
		return nil, err
	}
	return &rsa.PublicKey{N: n, E: e}, nil
}

// rsaExponent reads a public exponent: odd, and between 3 and 2^31, as crypto/rsa wants it.
func rsaExponent(value []byte) (int, error) {
	e := new(big.Int).SetBytes(value)
	if e.BitLen() < 2 || e.BitLen() > 31 || e.Bit(0) == 0 {
		return 0, fmt.Errorf("%w: %v", ck.CKR_ATTRIBUTE_VALUE_INVALID, ck.CKA_PUBLIC_EXPONENT)
	}
	return int(e.Int64()), nil
}

// rsaPrivateOf reads a private key, which has at least a modulus and a private exponent. Where the public exponent is not given, it follows from the
// primes, or is one of the usual ones.
func rsaPrivateOf(v Values) (*rsa.PrivateKey, error) {
	number := func(t ck.AttributeType) *big.Int { return new(big.Int).SetBytes(v(t)) }
	d, p, q := number(ck.CKA_PRIVATE_EXPONENT), number(ck.CKA_PRIME_1), number(ck.CKA_PRIME_2)
	primes := p.Sign() != 0 && q.Sign() != 0
	get := v
	if len(v(ck.CKA_PUBLIC_EXPONENT)) == 0 {
		e := usualExponent(number(ck.CKA_MODULUS), d)
		if primes {
			e = publicExponent(d, p, q)
		} else if e == nil {
			return nil, fmt.Errorf("%w: %v", ck.CKR_TEMPLATE_INCOMPLETE, ck.CKA_PUBLIC_EXPONENT)
		}
		get = func(t ck.AttributeType) []byte {
			if t == ck.CKA_PUBLIC_EXPONENT {
				return e
			}
			return v(t)
		}
	}
	pub, err := rsaPublicOf(get)
	if err != nil {
		return nil, err
	}
	priv := &rsa.PrivateKey{PublicKey: *pub, D: d}
	if !primes && d.Cmp(pub.N) < 0 && d.BitLen() > 1 && matchesPublic(priv) {
		p, q, primes = factor(pub, d)
	}
	if primes {
		priv.Primes = []*big.Int{p, q}
	}
	if primes {
		// The primes are checked against the rest.
		err = priv.Validate()
	} else if d.Cmp(pub.N) >= 0 || d.BitLen() < 2 || !matchesPublic(priv) {
		err = errNotKey
	}
	if err != nil {
		return nil, fmt.Errorf("%w: not an RSA key", ck.CKR_ATTRIBUTE_VALUE_INVALID)
	}
	priv.Precompute()
	if err := rsaAgrees(priv, v); err != nil {
		return nil, err
	}
	return priv, nil
}

// publicExponent computes e from d and the primes, nil where there is none.
func publicExponent(d, p, q *big.Int) []byte {
	one := big.NewInt(1)
	phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
	e := new(big.Int).ModInverse(d, phi)
	if e == nil {
		return nil
	}
	// d may be the inverse modulo the least common multiple only: then so is e.
	lambda := phi.Div(phi, new(big.Int).GCD(nil, nil, new(big.Int).Sub(p, one), new(big.Int).Sub(q, one)))
	return e.Mod(e, lambda).Bytes()
}

// usualExponent tries the public exponents that nearly all keys have, and returns the one of the key, nil where it is none of them.
func usualExponent(n, d *big.Int) []byte {
	if n.BitLen() < minRSA || n.BitLen() > maxRSA || n.Bit(0) == 0 || d.Cmp(n) >= 0 || d.BitLen() < 2 {
		return nil
	}
	for _, e := range []int{65537, 3, 17, 5, 257, 37} {
		if matchesPublic(&rsa.PrivateKey{PublicKey: rsa.PublicKey{N: n, E: e}, D: d}) {
			return big.NewInt(int64(e)).Bytes()
		}
	}
	return nil
}

// factor finds the two primes of a modulus from both exponents: SP 800-56B, appendix C.1. Its time depends on the key. It runs once, when a key
// without primes is imported.
func factor(pub *rsa.PublicKey, d *big.Int) (p, q *big.Int, found bool) {
	one := big.NewInt(1)
	k := new(big.Int).Mul(d, big.NewInt(int64(pub.E)))
	k.Sub(k, one)
	t := k.TrailingZeroBits()
	r := new(big.Int).Rsh(k, t)
	defer func() { clear(k.Bits()); clear(r.Bits()) }()
	for g := int64(2); g < 102; g++ { // each number succeeds with a probability of one half at least
		y := new(big.Int).Exp(big.NewInt(g), r, pub.N)
		for range t {
			x := new(big.Int).Exp(y, big.NewInt(2), pub.N)
			if x.Cmp(one) == 0 && y.Cmp(one) != 0 && y.Cmp(new(big.Int).Sub(pub.N, one)) != 0 {
				p = new(big.Int).GCD(nil, nil, y.Sub(y, one), pub.N)
				q = new(big.Int).Quo(pub.N, p)
				clear(y.Bits())
				if p.Cmp(q) < 0 {
					p, q = q, p
				}
				return p, q, p.ProbablyPrime(0) && q.ProbablyPrime(0)
			}
			clear(y.Bits())
			y = x
		}
		clear(y.Bits())
	}
	return nil, nil, false
}

// matchesPublic tells whether the private exponent undoes the public one.
func matchesPublic(k *rsa.PrivateKey) bool {
	m := big.NewInt(0x5c)
	c := new(big.Int).Exp(m, big.NewInt(int64(k.E)), k.N)
	return c.Exp(c, k.D, k.N).Cmp(m) == 0
}

// rsaAgrees compares the exponents and the coefficient, where they are given, with those that follow from the primes.
func rsaAgrees(k *rsa.PrivateKey, v Values) error {
	for t, want := range map[ck.AttributeType]*big.Int{
		ck.CKA_EXPONENT_1: k.Precomputed.Dp, ck.CKA_EXPONENT_2: k.Precomputed.Dq, ck.CKA_COEFFICIENT: k.Precomputed.Qinv,
	} {
		given := v(t)
		if len(given) != 0 && want != nil && new(big.Int).SetBytes(given).Cmp(want) != 0 {
			return fmt.Errorf("%w: %v", ck.CKR_ATTRIBUTE_VALUE_INVALID, t)
		}
	}
	return nil
}

// rsaRest returns the attributes of a private key that v does not have.
func rsaRest(k *rsa.PrivateKey, v Values) (added []ck.Attribute) {
	for _, a := range rsaPrivateAttributes(k) {
		if len(v(a.Type)) == 0 && len(a.Value) != 0 {
			added = append(added, a)
		}
	}
	return added
}

// rsaPrivateAttributes are all attributes of a private key.
func rsaPrivateAttributes(k *rsa.PrivateKey) []ck.Attribute {
	attrs := []ck.Attribute{
		{Type: ck.CKA_MODULUS, Value: k.N.Bytes()},
		{Type: ck.CKA_PUBLIC_EXPONENT, Value: big.NewInt(int64(k.E)).Bytes()},
		{Type: ck.CKA_PRIVATE_EXPONENT, Value: k.D.Bytes()},
	}
	if len(k.Primes) == 2 {
		attrs = append(attrs,
			ck.Attribute{Type: ck.CKA_PRIME_1, Value: k.Primes[0].Bytes()}, ck.Attribute{Type: ck.CKA_PRIME_2, Value: k.Primes[1].Bytes()},
			ck.Attribute{Type: ck.CKA_EXPONENT_1, Value: k.Precomputed.Dp.Bytes()}, ck.Attribute{Type: ck.CKA_EXPONENT_2, Value: k.Precomputed.Dq.Bytes()},
			ck.Attribute{Type: ck.CKA_COEFFICIENT, Value: k.Precomputed.Qinv.Bytes()})
	}
	return attrs
}

// rsaParts are the numbers of an RSAPrivateKey (RFC 8017, appendix A.1.2) after its version, in order.
var rsaParts = [...]ck.AttributeType{
	ck.CKA_MODULUS, ck.CKA_PUBLIC_EXPONENT, ck.CKA_PRIVATE_EXPONENT, ck.CKA_PRIME_1, ck.CKA_PRIME_2,
	ck.CKA_EXPONENT_1, ck.CKA_EXPONENT_2, ck.CKA_COEFFICIENT,
}

// rsaMarshal makes a PrivateKeyInfo. Where a key is without its primes, they are computed. A key with more than two primes has no such encoding.
func rsaMarshal(v Values) (*privateKeyInfo, error) {
	if len(v(ck.CKA_PRIME_1)) == 0 {
		priv, err := rsaPrivateOf(v)
		if err != nil {
			return nil, err
		}
		attrs := rsaPrivateAttributes(priv)
		v = func(t ck.AttributeType) []byte { return findAttr(attrs, t) }
	}
	room := 64
	for _, t := range rsaParts {
		n := len(v(t))
		if n == 0 {
			return nil, fmt.Errorf("%w: no %v", ck.CKR_KEY_NOT_WRAPPABLE, t)
		}
		room += n + 8
	}
	b := cryptobyte.NewBuilder(make([]byte, 0, room))
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Uint64(0)
		for _, t := range rsaParts {
			b.AddASN1BigInt(new(big.Int).SetBytes(v(t)))
		}
	})
	key, err := b.Bytes()
	return &privateKeyInfo{oidRSA, asn1.NullBytes, key}, err
}

func rsaUnmarshal(p *privateKeyInfo) ([]ck.Attribute, error) {
	input := cryptobyte.String(p.key)
	var body cryptobyte.String
	var version uint
	if !input.ReadASN1(&body, der.SEQUENCE) || !input.Empty() || !body.ReadASN1Integer(&version) || version != 0 {
		return nil, errNotKey
	}
	var attrs []ck.Attribute
	for _, t := range rsaParts {
		n := new(big.Int)
		if !body.ReadASN1Integer(n) || n.Sign() <= 0 {
			return nil, errNotKey
		}
		attrs = append(attrs, ck.Attribute{Type: t, Value: n.Bytes()})
	}
	if !body.Empty() {
		return nil, errNotKey
	}
	return attrs, nil
}

// rsaGenerate makes a key pair: section 6.1.4. A key pair for X9.31 is no different.
func rsaGenerate(random io.Reader, p *ck.Param, public []ck.Attribute) (pub, priv []ck.Attribute, err error) {
	if err := p.None(); err != nil {
		return nil, nil, err
	}
	value := findAttr(public, ck.CKA_MODULUS_BITS)
	if value == nil {
		return nil, nil, fmt.Errorf("%w: %v", ck.CKR_TEMPLATE_INCOMPLETE, ck.CKA_MODULUS_BITS)
	}
	bits, err := ck.Ulong(value)
	if err != nil {
		return nil, nil, err
	}
	if bits < minRSA || bits > maxRSA {
		return nil, nil, ck.CKR_KEY_SIZE_RANGE
	}
	e := 65537
	given := findAttr(public, ck.CKA_PUBLIC_EXPONENT)
	if given != nil {
		if e, err = rsaExponent(given); err != nil {
			return nil, nil, err
		}
	}
	secret.Do(func() {
		var key *rsa.PrivateKey
		if key, err = rsaNewKey(random, int(bits), e); err != nil {
			err = errors.Join(ck.CKR_DEVICE_ERROR, err)
			return
		}
		priv = rsaPrivateAttributes(key)
		pub = []ck.Attribute{{Type: ck.CKA_MODULUS, Value: key.N.Bytes()}}
		if given == nil {
			pub = append(pub, ck.Attribute{Type: ck.CKA_PUBLIC_EXPONENT, Value: big.NewInt(int64(e)).Bytes()})
		}
	})
	return pub, priv, err
}

// rsaNewKey makes a key with any public exponent. crypto/rsa makes keys with 65537 only.
func rsaNewKey(random io.Reader, bits, e int) (*rsa.PrivateKey, error) {
	if e == 65537 {
		return rsa.GenerateKey(random, bits)
	}
	one := big.NewInt(1)
	prime := func(bits int) (*big.Int, error) {
		for {
			p, err := rand.Prime(random, bits)
			if err != nil {
				return nil, err
			}
			if new(big.Int).GCD(nil, nil, new(big.Int).Sub(p, one), big.NewInt(int64(e))).Cmp(one) == 0 {
				return p, nil
			}
		}
	}
	for {
		p, err := prime((bits + 1) / 2)
		if err != nil {
			return nil, err
		}
		q, err := prime(bits / 2)
		if err != nil {
			return nil, err
		}
		// FIPS 186-5, appendix A.1.3: the primes are not close, and d is not small.
		k := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: new(big.Int).Mul(p, q), E: e}, Primes: []*big.Int{p, q}}
		if k.N.BitLen() != bits || new(big.Int).Sub(p, q).CmpAbs(new(big.Int).Lsh(one, uint(bits/2-100))) <= 0 {
			continue
		}
		p1, q1 := new(big.Int).Sub(p, one), new(big.Int).Sub(q, one)
		lambda := new(big.Int).Mul(p1, q1)
		lambda.Div(lambda, new(big.Int).GCD(nil, nil, p1, q1))
		if k.D = new(big.Int).ModInverse(big.NewInt(int64(e)), lambda); k.D == nil || k.D.BitLen() <= bits/2 {
			continue
		}
		k.Precompute()
		return k, k.Validate()
	}
}

// rsaPublicAttributes are the numbers of a public key.
func rsaPublicAttributes(info *publicKeyInfo) ([]ck.Attribute, error) {
	in := cryptobyte.String(info.key)
	var body cryptobyte.String
	n, e := new(big.Int), new(big.Int)
	if !in.ReadASN1(&body, der.SEQUENCE) || !in.Empty() ||
		!body.ReadASN1Integer(n) || !body.ReadASN1Integer(e) || !body.Empty() || n.Sign() <= 0 || e.Sign() <= 0 {
		return nil, errNotKey
	}
	return []ck.Attribute{{Type: ck.CKA_MODULUS, Value: n.Bytes()}, {Type: ck.CKA_PUBLIC_EXPONENT, Value: e.Bytes()}}, nil
}
