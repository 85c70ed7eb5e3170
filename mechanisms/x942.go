package mechanisms

import (
	"errors"
	"io"

	"filippo.io/bigmod"
	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/algorithm/modular"
	"github.com/softcsp/softcsp/internal/algorithm/primes"
)

// x942Rows are Diffie-Hellman as ANSI X9.42 has it: section 6.4.
var x942Rows = []Mechanism{
	{Type: ck.CKM_X9_42_DH_KEY_PAIR_GEN, Min: minDH, Max: maxDH, Makes: ck.CKK_X9_42_DH, GeneratePair: x942Generate},
	{Type: ck.CKM_X9_42_DH_PARAMETER_GEN, Min: minDH, Max: maxX942, Makes: ck.CKK_X9_42_DH, GenerateDomain: x942Parameters},
	dhEncapsulates(Mechanism{Type: ck.CKM_X9_42_DH_DERIVE, Keys: x942Keys, Min: minDH, Max: maxDH, Derive: x942Derive}, &x942FFC, readX942Kem),
	{Type: ck.CKM_X9_42_DH_HYBRID_DERIVE, Keys: x942Keys, Min: minDH, Max: maxDH, Derive: x942Hybrid},
	{Type: ck.CKM_X9_42_MQV_DERIVE, Keys: x942Keys, Min: minDH, Max: maxDH, Derive: x942MQV},
}

var x942Keys = []ck.KeyType{ck.CKK_X9_42_DH}

// maxX942 is the length in bits of the longest prime that is made, minSubprime and maxSubprime those of the subprimes.
const (
	maxX942     = 4096
	minSubprime = 160
	maxSubprime = 512
)

func x942Generate(random io.Reader, p *ck.Param, public []ck.Attribute) (pub, priv []ck.Attribute, err error) {
	if err := p.None(); err != nil {
		return nil, nil, err
	}
	return x942FFC.generate(random, public, dhSizes, 0)
}

// x942Parameters makes primes and a base as FIPS 186-4 does, but of more lengths.
func x942Parameters(random io.Reader, p *ck.Param, template []ck.Attribute) ([]ck.Attribute, []Result, error) {
	if err := p.None(); err != nil {
		return nil, nil, err
	}
	L, N, err := sizesOf(template)
	switch {
	case err != nil:
		return nil, nil, err
	case N == 0:
		return nil, nil, ck.CKR_TEMPLATE_INCOMPLETE
	case L < minDH || L > maxX942 || L%256 != 0 || N < minSubprime || N > maxSubprime || N%8 != 0:
		return nil, nil, ck.CKR_KEY_SIZE_RANGE
	}
	h := hashOf(ck.CKM_SHA256)
	if N > 256 {
		h = hashOf(ck.CKM_SHA512)
	}
	r, err := findPrimes(random, primes.Probable, h, int(L), int(N))
	if err != nil {
		return nil, nil, err
	}
	return append(x942FFC.primeAttributes(r), ck.Attribute{Type: ck.CKA_BASE, Value: primes.AnyGenerator(r.P, r.Q).Bytes()}), nil, nil
}

// x942KDF finds a function of CK_X9_42_DH_KDF_TYPE.
func x942KDF(kdf uint, other []byte) (*ecdhKDF, error) {
	f := &ecdhKDF{hash: hashOf(ck.CKM_SHA_1), shared: other}
	switch kdf {
	case ck.CKD_NULL:
		if len(other) != 0 {
			return nil, ck.FieldError("ulOtherInfoLen")
		}
		return new(ecdhKDF), nil
	case ck.CKD_SHA1_KDF_CONCATENATE:
		return f, nil
	case ck.CKD_SHA1_KDF_ASN1:
		if f.counterAt = counterIn(other); f.counterAt > 0 {
			return f, nil
		}
	}
	return nil, ck.FieldError("kdf or pOtherInfo")
}

// counterIn returns where the counter is in an OtherInfo of RFC 2631, section 2.1.2, which is that of X9.42; 0 where there is none.
func counterIn(other []byte) int {
	in := cryptobyte.String(other)
	var body, info, count cryptobyte.String
	if !in.ReadASN1(&body, der.SEQUENCE) || !in.Empty() || !body.ReadASN1(&info, der.SEQUENCE) ||
		!info.SkipASN1(der.OBJECT_IDENTIFIER) || !info.ReadASN1(&count, der.OCTET_STRING) || !info.Empty() || len(count) != 4 {
		return 0
	}
	return len(other) - len(body) - len(count)
}

// readX942 reads the beginning of the parameters of X9.42: the function, its OtherInfo, and the first public value.
func readX942(p *ck.Param) (kdf uint, other, public []byte) {
	kdf = p.Ulong()
	return kdf, p.BytesAfter(), p.BytesAfter()
}

// x942Derive reads a CK_X9_42_DH1_DERIVE_PARAMS and derives.
func x942Derive(b *Base, p *ck.Param, d *Derived) error {
	kdf, other, public := readX942(p)
	if err := p.Done(); err != nil {
		return err
	}
	f, err := x942KDF(kdf, other)
	if err != nil {
		return err
	}
	if len(public) == 0 {
		return ck.FieldError("ulPublicDataLen")
	}
	key, err := x942FFC.private(b.Key)
	if err != nil {
		return err
	}
	return f.deriveFrom(b, d, func() ([]byte, error) { return key.agree(public) })
}

// readX942Kem reads the same for an encapsulation, where there is no public value.
func readX942Kem(p *ck.Param) (*ecdhKDF, error) {
	kdf, other, public := readX942(p)
	if err := p.Done(); err != nil {
		return nil, err
	}
	if len(public) != 0 {
		return nil, ck.FieldError("ulPublicDataLen")
	}
	return x942KDF(kdf, other)
}

// A twoPairs is an agreement in which each side has two key pairs: our private keys, and the public values of the other side. The standard calls the
// pairs the first and the second. Here the first is the static one, and the second the ephemeral one.
type twoPairs struct {
	kdf               *ecdhKDF
	static, ephemeral *dhPrivate
	theirs            [2][]byte
}

// readTwoPairs reads a CK_X9_42_DH2_DERIVE_PARAMS, or a CK_X9_42_MQV_DERIVE_PARAMS, which ends with a handle of our
// ephemeral public key. That follows from the private key, and is ignored.
func readTwoPairs(b *Base, p *ck.Param, mqv bool) (*twoPairs, error) {
	kdf, other, first := readX942(p)
	p.Ulong() // the length of a private key, of which there is a handle
	handle := ck.ObjectHandle(p.Ulong())
	second := p.BytesAfter()
	if mqv {
		p.Ulong()
	}
	if err := p.Done(); err != nil {
		return nil, err
	}
	f, err := x942KDF(kdf, other)
	if err != nil {
		return nil, err
	}
	if len(first) == 0 || len(second) == 0 {
		return nil, ck.FieldError("ulPublicDataLen or ulPublicDataLen2")
	}
	r := &twoPairs{kdf: f, theirs: [2][]byte{first, second}}
	if r.static, err = x942FFC.private(b.Key); err != nil {
		return nil, err
	}
	further, err := b.Lookup(handle)
	if err != nil {
		return nil, err
	}
	if r.ephemeral, err = x942FFC.private(further); err != nil {
		return nil, err
	}
	for i, n := range []int{r.static.public.p.Cmp(r.ephemeral.public.p), r.static.public.q.Cmp(r.ephemeral.public.q), r.static.public.g.Cmp(r.ephemeral.public.g)} {
		if n != 0 {
			return nil, errors.Join(ck.CKR_DOMAIN_PARAMS_INVALID, errNotSame[i])
		}
	}
	return r, nil
}

// errNotSame are the errors for two keys of different groups.
var errNotSame = [...]error{errors.New("two primes"), errors.New("two subprimes"), errors.New("two bases")}

// x942Hybrid is the scheme dhHybrid1 of SP 800-56A, section 6.1.1.1: the secret of the ephemeral keys, then that of the
// static ones.
func x942Hybrid(b *Base, p *ck.Param, d *Derived) error {
	r, err := readTwoPairs(b, p, false)
	if err != nil {
		return err
	}
	return r.kdf.deriveFrom(b, d, func() ([]byte, error) {
		static, err := r.static.agree(r.theirs[0])
		if err != nil {
			return nil, err
		}
		defer clear(static)
		ephemeral, err := r.ephemeral.agree(r.theirs[1])
		if err != nil {
			return nil, err
		}
		defer clear(ephemeral)
		return append(append(make([]byte, 0, len(static)+len(ephemeral)), ephemeral...), static...), nil
	})
}

// x942MQV is the primitive of SP 800-56A, section 5.7.2.1.
func x942MQV(b *Base, p *ck.Param, d *Derived) error {
	r, err := readTwoPairs(b, p, true)
	if err != nil {
		return err
	}
	return r.kdf.deriveFrom(b, d, r.mqv)
}

func (r *twoPairs) mqv() ([]byte, error) {
	k := r.ephemeral
	var y [2]*bigmod.Nat
	for i := range y {
		var err error
		if y[i], err = k.checkPublic(r.theirs[i]); err != nil {
			return nil, err
		}
	}
	// T_A and T_B of SP 800-56A, section 5.7.2.1, steps 2 and 4.
	ours, err := modular.Associate(k.power(k.g, k.x).Bytes(k.p), k.q)
	if err != nil {
		return nil, err
	}
	their, err := modular.Associate(y[1].Bytes(k.p), k.q)
	if err != nil {
		return nil, err
	}
	x, err := bigmod.NewNat().SetBytes(k.x, k.q)
	if err != nil {
		return nil, ck.CKR_ATTRIBUTE_VALUE_INVALID
	}
	s, err := bigmod.NewNat().SetBytes(r.static.x, k.q)
	if err != nil {
		return nil, ck.CKR_ATTRIBUTE_VALUE_INVALID
	}
	s.Mul(ours, k.q).Add(x, k.q)
	z := k.power(y[0], their.Bytes(k.q)).Mul(y[1], k.p)
	return k.sharedSecret(k.power(z, s.Bytes(k.q)))
}
