// Package primes makes primes for groups of integers modulo one: the pairs of primes of DSA (FIPS 186-4, appendix A), probable and
// provable, and safe primes, among them those of RFC 3526 and RFC 7919.
package primes

import (
	"errors"
	"hash"
	"math/big"
)

// The letters are those of FIPS 186-4. Nothing here is secret.

// A Pair is a prime P and a subprime Q, which divides P-1, and the seed that they come from.
type Pair struct {
	P, Q *big.Int
	Seed []byte
}

// ErrSeed is the error of a seed that no primes come of.
var ErrSeed = errors.New("primes: no primes come of the seed")

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

// Probable makes a prime of L bits and a subprime of N, with a hash that is no shorter than that, from a seed of N bits or more: FIPS 186-4,
// appendix A.1.1.2, for one seed. Where no primes come of it the error is [ErrSeed].
func Probable(newHash func() hash.Hash, seed []byte, L, N int) (*Pair, error) {
	h := newHash()
	top := power2(N - 1)
	u := hashOfSum(h, seed, 0)
	q := u.Mod(u, top).Add(u, top)
	q.SetBit(q, 0, 1)
	if !isPrime(q) {
		return nil, ErrSeed
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
			return &Pair{p, q, seed}, nil
		}
		offset += n + 1
	}
	return nil, ErrSeed
}

// isPrime tests a number that was drawn at random: it is no prime with a probability below 2^-128 (appendix C.3 asks for 64
// rounds at most).
func isPrime(n *big.Int) bool { return n.ProbablyPrime(0) && n.ProbablyPrime(64) }

// AnyGenerator returns a generator of the subgroup of order q: appendix A.2.1.
func AnyGenerator(p, q *big.Int) *big.Int {
	e := new(big.Int).Div(new(big.Int).Sub(p, big.NewInt(1)), q)
	g := new(big.Int)
	for h := int64(2); ; h++ {
		if g.Exp(big.NewInt(h), e, p).Cmp(big.NewInt(1)) > 0 {
			return g
		}
	}
}

// VerifiableGenerator returns the generator of the subgroup of order q that a seed and an index lead to: appendix A.2.3, nil where there is
// none. seed is that of a [Pair].
func VerifiableGenerator(newHash func() hash.Hash, p, q *big.Int, seed []byte, index byte) *big.Int {
	e := new(big.Int).Div(new(big.Int).Sub(p, big.NewInt(1)), q)
	h := newHash()
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
