package mechanisms

import (
	"errors"
	"fmt"
	"hash"
	"io"
	"math/big"
	"slices"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/algorithm/primes"
)

// Domain parameters as FIPS 186-4, appendix A, makes them. The letters are those of that document. Nothing in them is
// secret.

// dsaParameterRows make objects of class CKO_DOMAIN_PARAMETERS: sections 6.2.8 to 6.2.11.
var dsaParameterRows = []Mechanism{
	{Type: ck.CKM_DSA_PARAMETER_GEN, Min: minDSA, Max: maxDSA, Makes: ck.CKK_DSA, GenerateDomain: dsaParameters},
	{Type: ck.CKM_DSA_PROBABILISTIC_PARAMETER_GEN, Min: minDSA, Max: maxDSA, Makes: ck.CKK_DSA, GenerateDomain: dsaSeeded(primes.Probable)},
	{Type: ck.CKM_DSA_SHAWE_TAYLOR_PARAMETER_GEN, Min: minDSA, Max: maxDSA, Makes: ck.CKK_DSA, GenerateDomain: dsaSeeded(primes.Provable)},
	{Type: ck.CKM_DSA_FIPS_G_GEN, Min: minDSA, Max: maxDSA, Makes: ck.CKK_DSA, GenerateDomain: dsaBase},
}

// dsaLengths are the pairs of lengths of section 4.2.
var dsaLengths = [][2]uint{{1024, 160}, {2048, 224}, {2048, 256}, {3072, 256}}

// A primeMaker is [primes.Probable] or [primes.Provable].
type primeMaker func(newHash func() hash.Hash, seed []byte, L, N int) (*primes.Pair, error)

// dsaSizesOf reads the lengths that a template asks for: the defaults are those of section 6.2.6.
func dsaSizesOf(template []ck.Attribute) (L, N uint, err error) {
	if L, N, err = sizesOf(template); err != nil {
		return 0, 0, err
	}
	for _, pair := range dsaLengths {
		if N == 0 && pair[0] == L {
			N = pair[1]
		}
	}
	if !slices.Contains(dsaLengths, [2]uint{L, N}) {
		return 0, 0, fmt.Errorf("%w: %d and %d bits", ck.CKR_KEY_SIZE_RANGE, L, N)
	}
	return L, N, nil
}

// sizesOf reads CKA_PRIME_BITS, and CKA_SUBPRIME_BITS, which is 0 where the template does not say it.
func sizesOf(template []ck.Attribute) (L, N uint, err error) {
	bits := findAttr(template, ck.CKA_PRIME_BITS)
	if bits == nil {
		return 0, 0, fmt.Errorf("%w: %v", ck.CKR_TEMPLATE_INCOMPLETE, ck.CKA_PRIME_BITS)
	}
	if L, err = ck.Ulong(bits); err != nil {
		return 0, 0, err
	}
	if bits = findAttr(template, ck.CKA_SUBPRIME_BITS); bits != nil {
		N, err = ck.Ulong(bits)
	}
	return L, N, err
}

// primeAttributes are the attributes of primes.
func (t *ffcType) primeAttributes(r *primes.Pair) []ck.Attribute {
	return append(t.lengthAttributes(r.P, r.Q), ck.Attribute{Type: ck.CKA_PRIME, Value: r.P.Bytes()}, ck.Attribute{Type: ck.CKA_SUBPRIME, Value: r.Q.Bytes()})
}

// dsaParameters is CKM_DSA_PARAMETER_GEN: probable primes and any generator.
func dsaParameters(random io.Reader, p *ck.Param, template []ck.Attribute) ([]ck.Attribute, []Result, error) {
	if err := p.None(); err != nil {
		return nil, nil, err
	}
	L, N, err := dsaSizesOf(template)
	if err != nil {
		return nil, nil, err
	}
	r, err := findPrimes(random, primes.Probable, hashOf(ck.CKM_SHA256), int(L), int(N))
	if err != nil {
		return nil, nil, err
	}
	return append(dsaFFC.primeAttributes(r), ck.Attribute{Type: ck.CKA_BASE, Value: primes.AnyGenerator(r.P, r.Q).Bytes()}), nil, nil
}

// A dsaParam is a CK_DSA_PARAMETER_GEN_PARAM.
type dsaParam struct {
	hash   *Hash
	seed   []byte // the caller's memory
	length []byte // where the length of it stands
	index  uint
}

func readDSAParam(p *ck.Param) (*dsaParam, error) {
	h := ck.MechanismType(p.Ulong())
	address := p.Ulong()
	length := p.Fixed(8)
	if length == nil {
		return nil, ck.FieldError("ulSeedLen")
	}
	n, err := ck.Ulong(length)
	if err != nil {
		return nil, err
	}
	r := &dsaParam{hash: hashOf(h), seed: p.BytesAt(address, n), length: length, index: p.Ulong()}
	if err := p.Done(); err != nil {
		return nil, err
	}
	switch h {
	case ck.CKM_SHA_1, ck.CKM_SHA224, ck.CKM_SHA256, ck.CKM_SHA384, ck.CKM_SHA512:
		return r, nil
	}
	return nil, ck.FieldError("hash")
}

// dsaSeeded makes primes and returns the seed that they were made from, so that others can see that nobody chose them. A caller who does not
// want the seed gives no memory for it.
func dsaSeeded(maker primeMaker) func(io.Reader, *ck.Param, []ck.Attribute) ([]ck.Attribute, []Result, error) {
	return func(random io.Reader, p *ck.Param, template []ck.Attribute) ([]ck.Attribute, []Result, error) {
		param, err := readDSAParam(p)
		if err != nil {
			return nil, nil, err
		}
		L, N, err := dsaSizesOf(template)
		if err != nil {
			return nil, nil, err
		}
		if uint(8*param.hash.Size) < N {
			return nil, nil, ck.FieldError("hash") // the hash is no weaker than the subprime
		}
		r, err := findPrimes(random, maker, param.hash, int(L), int(N))
		if err != nil {
			return nil, nil, err
		}
		var results []Result
		if len(param.seed) != 0 {
			if len(param.seed) < len(r.Seed) {
				return nil, nil, ck.FieldError("ulSeedLen")
			}
			results = []Result{{param.seed, r.Seed}, {param.length, ck.UlongValue(uint(len(r.Seed)))}}
		}
		return dsaFFC.primeAttributes(r), results, nil
	}
}

// dsaBase is CKM_DSA_FIPS_G_GEN: appendix A.2.3.
func dsaBase(_ io.Reader, p *ck.Param, template []ck.Attribute) ([]ck.Attribute, []Result, error) {
	param, err := readDSAParam(p)
	if err != nil {
		return nil, nil, err
	}
	for _, t := range [...]ck.AttributeType{ck.CKA_PRIME, ck.CKA_SUBPRIME} {
		if findAttr(template, t) == nil {
			return nil, nil, fmt.Errorf("%w: %v", ck.CKR_TEMPLATE_INCOMPLETE, t)
		}
	}
	P, Q := new(big.Int).SetBytes(findAttr(template, ck.CKA_PRIME)), new(big.Int).SetBytes(findAttr(template, ck.CKA_SUBPRIME))
	one := big.NewInt(1)
	switch {
	case !slices.Contains(dsaLengths, [2]uint{uint(P.BitLen()), uint(Q.BitLen())}):
		return nil, nil, ck.CKR_KEY_SIZE_RANGE
	case new(big.Int).Mod(new(big.Int).Sub(P, one), Q).Sign() != 0 || !P.ProbablyPrime(0) || !Q.ProbablyPrime(0):
		return nil, nil, ck.CKR_DOMAIN_PARAMS_INVALID
	case len(param.seed) == 0 || param.index > 0xff:
		return nil, nil, ck.FieldError("ulSeedLen or ulIndex")
	}
	g := primes.VerifiableGenerator(param.hash.New, P, Q, param.seed, byte(param.index))
	if g == nil {
		return nil, nil, ck.CKR_DOMAIN_PARAMS_INVALID
	}
	return append(dsaFFC.lengthAttributes(P, Q), ck.Attribute{Type: ck.CKA_BASE, Value: g.Bytes()}), nil, nil
}

// findPrimes tries one random seed after the other until one makes primes.
func findPrimes(random io.Reader, maker primeMaker, h *Hash, L, N int) (*primes.Pair, error) {
	seed := make([]byte, N/8)
	for {
		if _, err := io.ReadFull(random, seed); err != nil {
			return nil, errors.Join(ck.CKR_DEVICE_ERROR, err)
		}
		r, err := maker(h.New, slices.Clone(seed), L, N)
		if err == nil || !errors.Is(err, primes.ErrSeed) {
			return r, err
		}
	}
}
