package mechanisms

import (
	"errors"
	"fmt"
	"hash"
	"io"
	"math/big"
	"slices"

	"github.com/softcsp/softcsp/ck"
)

// Domain parameters as FIPS 186-4, appendix A, makes them. The letters are those of that document. Nothing in them is
// secret.

// dsaParameterRows make objects of class CKO_DOMAIN_PARAMETERS: sections 6.2.8 to 6.2.11.
var dsaParameterRows = []Mechanism{
	{Type: ck.CKM_DSA_PARAMETER_GEN, Min: minDSA, Max: maxDSA, Makes: ck.CKK_DSA, GenerateDomain: dsaParameters},
	{Type: ck.CKM_DSA_PROBABILISTIC_PARAMETER_GEN, Min: minDSA, Max: maxDSA, Makes: ck.CKK_DSA, GenerateDomain: dsaSeeded(probablePrimes)},
	{Type: ck.CKM_DSA_SHAWE_TAYLOR_PARAMETER_GEN, Min: minDSA, Max: maxDSA, Makes: ck.CKK_DSA, GenerateDomain: dsaSeeded(provablePrimes)},
	{Type: ck.CKM_DSA_FIPS_G_GEN, Min: minDSA, Max: maxDSA, Makes: ck.CKK_DSA, GenerateDomain: dsaBase},
}

// dsaLengths are the pairs of lengths of section 4.2.
var dsaLengths = [][2]uint{{1024, 160}, {2048, 224}, {2048, 256}, {3072, 256}}

// A primes is a subprime and a prime, and the seed that they come from.
type primes struct {
	p, q *big.Int
	seed []byte
}

// A primeMaker makes primes of L and N bits with a hash. seed is the first seed to try, and the maker returns errSeed where
// nothing comes of it.
type primeMaker func(h *Hash, seed []byte, L, N int) (*primes, error)

var errSeed = errors.New("no primes come of the seed")

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
	bits := find(template, ck.CKA_PRIME_BITS)
	if bits == nil {
		return 0, 0, fmt.Errorf("%w: %v", ck.CKR_TEMPLATE_INCOMPLETE, ck.CKA_PRIME_BITS)
	}
	if L, err = ck.Ulong(bits); err != nil {
		return 0, 0, err
	}
	if bits = find(template, ck.CKA_SUBPRIME_BITS); bits != nil {
		N, err = ck.Ulong(bits)
	}
	return L, N, err
}

// made are the attributes of primes.
func (r *primes) made(t *groupType) []ck.Attribute {
	return append(t.lengths(r.p, r.q), ck.Attribute{Type: ck.CKA_PRIME, Value: r.p.Bytes()}, ck.Attribute{Type: ck.CKA_SUBPRIME, Value: r.q.Bytes()})
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
	r, err := findPrimes(random, probablePrimes, hashOf(ck.CKM_SHA256), int(L), int(N))
	if err != nil {
		return nil, nil, err
	}
	return append(r.made(&dsaGroup), ck.Attribute{Type: ck.CKA_BASE, Value: anyBase(r.p, r.q).Bytes()}), nil, nil
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
		return nil, ck.CKR_MECHANISM_PARAM_INVALID
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
	return nil, ck.CKR_MECHANISM_PARAM_INVALID
}

// dsaSeeded makes primes and returns the seed that they come from, so that others can see that nobody chose them. Who does
// not want the seed gives no room for it.
func dsaSeeded(make primeMaker) func(io.Reader, *ck.Param, []ck.Attribute) ([]ck.Attribute, []Result, error) {
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
			return nil, nil, ck.CKR_MECHANISM_PARAM_INVALID // the hash is no weaker than the subprime
		}
		r, err := findPrimes(random, make, param.hash, int(L), int(N))
		if err != nil {
			return nil, nil, err
		}
		var results []Result
		if len(param.seed) != 0 {
			if len(param.seed) < len(r.seed) {
				return nil, nil, ck.CKR_MECHANISM_PARAM_INVALID
			}
			results = []Result{{param.seed, r.seed}, {param.length, ck.UlongValue(uint(len(r.seed)))}}
		}
		return r.made(&dsaGroup), results, nil
	}
}

// dsaBase is CKM_DSA_FIPS_G_GEN: appendix A.2.3.
func dsaBase(_ io.Reader, p *ck.Param, template []ck.Attribute) ([]ck.Attribute, []Result, error) {
	param, err := readDSAParam(p)
	if err != nil {
		return nil, nil, err
	}
	for _, t := range [...]ck.AttributeType{ck.CKA_PRIME, ck.CKA_SUBPRIME} {
		if find(template, t) == nil {
			return nil, nil, fmt.Errorf("%w: %v", ck.CKR_TEMPLATE_INCOMPLETE, t)
		}
	}
	P, Q := new(big.Int).SetBytes(find(template, ck.CKA_PRIME)), new(big.Int).SetBytes(find(template, ck.CKA_SUBPRIME))
	one := big.NewInt(1)
	switch {
	case !slices.Contains(dsaLengths, [2]uint{uint(P.BitLen()), uint(Q.BitLen())}):
		return nil, nil, ck.CKR_KEY_SIZE_RANGE
	case new(big.Int).Mod(new(big.Int).Sub(P, one), Q).Sign() != 0 || !P.ProbablyPrime(0) || !Q.ProbablyPrime(0):
		return nil, nil, ck.CKR_DOMAIN_PARAMS_INVALID
	case len(param.seed) == 0 || param.index > 0xff:
		return nil, nil, ck.CKR_MECHANISM_PARAM_INVALID
	}
	g := verifiableBase(param.hash, P, Q, param.seed, byte(param.index))
	if g == nil {
		return nil, nil, ck.CKR_DOMAIN_PARAMS_INVALID
	}
	return append(dsaGroup.lengths(P, Q), ck.Attribute{Type: ck.CKA_BASE, Value: g.Bytes()}), nil, nil
}

// findPrimes makes primes from one seed after the other.
func findPrimes(random io.Reader, make1 primeMaker, h *Hash, L, N int) (*primes, error) {
	seed := make([]byte, N/8)
	for {
		if _, err := io.ReadFull(random, seed); err != nil {
			return nil, errors.Join(ck.CKR_DEVICE_ERROR, err)
		}
		r, err := make1(h, slices.Clone(seed), L, N)
		if err == nil || !errors.Is(err, errSeed) {
			return r, err
		}
	}
}

// hashOfSum hashes a seed to which n is added, as a number of as many bytes: the seeds after it.
func hashOfSum(h hash.Hash, seed []byte, n int) *big.Int {
	h.Reset()
	h.Write(plus(seed, n))
	return new(big.Int).SetBytes(h.Sum(nil))
}

// plus adds n to a seed.
func plus(seed []byte, n int) []byte {
	sum := new(big.Int).Add(new(big.Int).SetBytes(seed), big.NewInt(int64(n)))
	modulus := new(big.Int).Lsh(big.NewInt(1), uint(8*len(seed)))
	return sum.Mod(sum, modulus).FillBytes(make([]byte, len(seed)))
}

// power2 is 2 to the power of n.
func power2(n int) *big.Int { return new(big.Int).Lsh(big.NewInt(1), uint(n)) }

// stretch gathers the hashes of n+1 seeds, the first being seed+from, into one number.
func stretch(h hash.Hash, seed []byte, from, n int) *big.Int {
	w := new(big.Int)
	for j := n; j >= 0; j-- {
		w.Lsh(w, uint(8*h.Size())).Add(w, hashOfSum(h, seed, from+j))
	}
	return w
}

// probablePrimes is appendix A.1.1.2, for one seed.
func probablePrimes(hash *Hash, seed []byte, L, N int) (*primes, error) {
	h := hash.New()
	top := power2(N - 1)
	u := hashOfSum(h, seed, 0)
	q := u.Mod(u, top).Add(u, top)
	q.SetBit(q, 0, 1)
	if !isPrime(q) {
		return nil, errSeed
	}
	n := (L+8*h.Size()-1)/(8*h.Size()) - 1
	half, double := power2(L-1), new(big.Int).Lsh(q, 1)
	offset := 1
	for range 4 * L {
		x := stretch(h, seed, offset, n)
		x.Mod(x, half).Add(x, half)
		c := new(big.Int).Mod(x, double)
		p := x.Sub(x, c.Sub(c, big.NewInt(1)))
		if p.BitLen() == L && isPrime(p) {
			return &primes{p, q, seed}, nil
		}
		offset += n + 1
	}
	return nil, errSeed
}

// isPrime tests a number that was drawn at random: it is no prime with a probability below 2^-128 (appendix C.3 asks for 64
// rounds at most).
func isPrime(n *big.Int) bool { return n.ProbablyPrime(0) && n.ProbablyPrime(64) }

// anyBase is appendix A.2.1.
func anyBase(p, q *big.Int) *big.Int {
	e := new(big.Int).Div(new(big.Int).Sub(p, big.NewInt(1)), q)
	g := new(big.Int)
	for h := int64(2); ; h++ {
		if g.Exp(big.NewInt(h), e, p).Cmp(big.NewInt(1)) > 0 {
			return g
		}
	}
}

// verifiableBase is appendix A.2.3, nil where there is none.
func verifiableBase(hash *Hash, p, q *big.Int, seed []byte, index byte) *big.Int {
	e := new(big.Int).Div(new(big.Int).Sub(p, big.NewInt(1)), q)
	h := hash.New()
	for count := uint16(1); count != 0; count++ {
		h.Reset()
		h.Write(seed)
		h.Write([]byte{'g', 'g', 'e', 'n', index, byte(count >> 8), byte(count)})
		g := new(big.Int).SetBytes(h.Sum(nil))
		if g.Exp(g, e, p).Cmp(big.NewInt(1)) > 0 {
			return g
		}
	}
	return nil
}
