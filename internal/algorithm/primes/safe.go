package primes

import (
	"io"
	"math/big"
	"sync"
)

// safePrimes are the primes p of RFC 3526 and RFC 7919 for which (p-1)/2 is a prime too, and in whose groups 2 generates the
// subgroup of that order. Each is made of its length in bits, the digits of a number that nobody chose, pi or e, and the
// least addend that makes a prime of it.
var safePrimes = []struct {
	name   string
	bits   uint
	digits *func() *big.Int
	addend int64
}{
	{"ffdhe2048", 2048, &digitsOfE, 560316},
	{"ffdhe3072", 3072, &digitsOfE, 2625351},
	{"ffdhe4096", 4096, &digitsOfE, 5736041},
	{"ffdhe6144", 6144, &digitsOfE, 15705020},
	{"ffdhe8192", 8192, &digitsOfE, 10965728},
	{"modp1536", 1536, &digitsOfPi, 741804},
	{"modp2048", 2048, &digitsOfPi, 124476},
	{"modp3072", 3072, &digitsOfPi, 1690314},
	{"modp4096", 4096, &digitsOfPi, 240904},
	{"modp6144", 6144, &digitsOfPi, 929484},
	{"modp8192", 8192, &digitsOfPi, 4743158},
}

// maxDigits is how many bits of the numbers are needed, and a few more.
const maxDigits = 8192 + 64

// digitsOfE and digitsOfPi are those numbers, times 2 to the power of maxDigits.
var (
	digitsOfE = sync.OnceValue(func() *big.Int {
		sum, term := new(big.Int), power2(maxDigits)
		for n := int64(1); term.Sign() != 0; n++ {
			sum.Add(sum, term)
			term.Quo(term, big.NewInt(n))
		}
		return sum
	})
	digitsOfPi = sync.OnceValue(func() *big.Int { // Machin's formula
		pi := new(big.Int).Mul(big.NewInt(16), inverseTangent(5))
		return pi.Sub(pi, inverseTangent(239).Mul(inverseTangent(239), big.NewInt(4)))
	})
)

// inverseTangent is the inverse tangent of 1/x, times 2 to the power of maxDigits.
func inverseTangent(x int64) *big.Int {
	sum, square := new(big.Int), big.NewInt(x*x)
	power := new(big.Int).Quo(power2(maxDigits), big.NewInt(x))
	for n := int64(1); power.Sign() != 0; n += 2 {
		term := new(big.Int).Quo(power, big.NewInt(n))
		if n%4 == 3 {
			term.Neg(term)
		}
		sum.Add(sum, term)
		power.Quo(power, square)
	}
	return sum
}

// knownPrimes are the primes of the list, in its order.
var knownPrimes = sync.OnceValue(func() []*big.Int {
	list := make([]*big.Int, len(safePrimes))
	for i, row := range safePrimes {
		p := new(big.Int).Rsh((*row.digits)(), maxDigits-(row.bits-130))
		p.Add(p, big.NewInt(row.addend)).Lsh(p, 64)
		p.Add(p, power2(int(row.bits))).Sub(p, power2(int(row.bits-64)))
		list[i] = p.Sub(p, big.NewInt(1))
	}
	return list
})

// IsKnownSafe reports whether p is one of the safe primes of RFC 3526 and RFC 7919.
func IsKnownSafe(p *big.Int) bool { return GroupName(p) != "" }

// KnownSafe returns the safe prime of a length in bits, which is RFC 7919's where that has one; nil without any.
func KnownSafe(bits uint) *big.Int {
	for i, row := range safePrimes {
		if row.bits == bits {
			return knownPrimes()[i]
		}
	}
	return nil
}

// GroupNames are the names of the groups, as RFC 7919 and programs that know those of RFC 3526 have them.
func GroupNames() (all []string) {
	for _, row := range safePrimes {
		all = append(all, row.name)
	}
	return all
}

// Group returns the safe prime of the group with a name, nil if there is none. 2 is its base.
func Group(name string) *big.Int {
	for i, row := range safePrimes {
		if row.name == name {
			return knownPrimes()[i]
		}
	}
	return nil
}

// GroupName returns the name of the group of a prime, "" if it has none.
func GroupName(p *big.Int) string {
	for i, known := range knownPrimes() {
		if known.Cmp(p) == 0 {
			return safePrimes[i].name
		}
	}
	return ""
}

// NewSafe finds a safe prime p = 2q + 1 of a length in bits that is 7 modulo 8, so that 2 is a square. The only error is that of random.
func NewSafe(random io.Reader, bits int) (*big.Int, error) {
	b := make([]byte, (bits+7)/8)
	for {
		if _, err := io.ReadFull(random, b); err != nil {
			return nil, err
		}
		p := new(big.Int).SetBytes(b)
		p.Mod(p, power2(bits-1)).SetBit(p, bits-1, 1)
		for i, bit := range []uint{1, 1, 1} {
			p.SetBit(p, i, bit)
		}
		for range 1 << 12 {
			if q := new(big.Int).Rsh(p, 1); !hasSmallFactor(p) && !hasSmallFactor(q) && q.ProbablyPrime(0) && p.ProbablyPrime(0) && isPrime(q) && isPrime(p) {
				return p, nil
			}
			p.Add(p, big.NewInt(8))
		}
	}
}

// smallProduct is the product of the odd primes below 2^12.
var smallProduct = sync.OnceValue(func() *big.Int {
	product := big.NewInt(1)
	for n := int64(3); n < 1<<12; n += 2 {
		if prime := big.NewInt(n); prime.ProbablyPrime(0) {
			product.Mul(product, prime)
		}
	}
	return product
})

// hasSmallFactor tells whether one of the primes divides n.
func hasSmallFactor(n *big.Int) bool {
	return new(big.Int).GCD(nil, nil, new(big.Int).Mod(smallProduct(), n), n).Cmp(big.NewInt(1)) != 0
}
