package primes

import (
	"hash"
	"math/big"
)

// A prover makes primes that have a proof: the construction of Shawe and Taylor, FIPS 186-4, appendix C.6. seed goes on as
// it is used, and so does counter.
type prover struct {
	h       hash.Hash
	seed    []byte
	counter int
}

// Provable makes a prime of L bits and a subprime of N that have a proof: appendix A.1.2.1.2. Where no primes come of the seed the error is
// [ErrSeed]. What is returned as the seed is what appendix A.2.3 takes: the first seed, and
// those that are left after the prime and after the subprime.
func Provable(newHash func() hash.Hash, seed []byte, L, N int) (*Pair, error) {
	if new(big.Int).SetBytes(seed).Cmp(power2(N-1)) < 0 {
		return nil, ErrSeed
	}
	s := &prover{h: newHash(), seed: seed}
	q, err := s.prime(N)
	if err != nil {
		return nil, err
	}
	qseed := s.seed
	s.counter = 0
	p0, err := s.prime((L+1)/2 + 1)
	if err != nil {
		return nil, err
	}
	p, err := s.extend(L, p0, q, 4*L+s.counter)
	if err != nil {
		return nil, err
	}
	all := append(append(append([]byte{}, seed...), s.seed...), qseed...)
	return &Pair{p, q, all}, nil
}

// prime makes a prime of n bits.
func (s *prover) prime(n int) (*big.Int, error) {
	if n >= 33 {
		c0, err := s.prime((n+1)/2 + 1)
		if err != nil {
			return nil, err
		}
		return s.extend(n, c0, big.NewInt(1), 4*n+s.counter-1)
	}
	s.counter = 0
	top := power2(n - 1)
	for {
		c := hashOfSum(s.h, s.seed, 0)
		c.Xor(c, hashOfSum(s.h, s.seed, 1))
		c.Mod(c, top).Add(c, top).SetBit(c, 0, 1)
		s.counter++
		s.seed = plus(s.seed, 2)
		if c.ProbablyPrime(0) { // which makes no mistakes below 2^64
			return c, nil
		}
		if s.counter > 4*n {
			return nil, ErrSeed
		}
	}
}

// gather makes a number from the next hashes, as many as n bits need.
func (s *prover) gather(n int) *big.Int {
	iterations := (n+8*s.h.Size()-1)/(8*s.h.Size()) - 1
	x := stretch(s.h, s.seed, 0, iterations)
	s.seed = plus(s.seed, iterations+1)
	return x
}

// extend makes a prime p of n bits so that 2*c0*q divides p-1: the common part of appendices A.1.2.1.2 and C.6, which gives
// up when the counter is past last.
func (s *prover) extend(n int, c0, q *big.Int, last int) (*big.Int, error) {
	one, half := big.NewInt(1), power2(n-1)
	x := s.gather(n)
	x.Mod(x, half).Add(x, half)
	step := new(big.Int).Lsh(new(big.Int).Mul(q, c0), 1)
	t := ceilDiv(x, step)
	for ; ; t.Add(t, one) {
		p := new(big.Int).Mul(t, step)
		if p.Add(p, one).Cmp(power2(n)) > 0 {
			t = ceilDiv(half, step)
			p.Mul(t, step).Add(p, one)
		}
		s.counter++
		a := s.gather(n)
		if !hasSmallFactor(p) && proven(p, a, t, c0, q) {
			return p, nil
		}
		if s.counter > last {
			return nil, ErrSeed
		}
	}
}

// proven reports whether what was gathered proves that p, which is 2*t*c0*q + 1, is a prime. It never proves of another number that it
// is one.
func proven(p, gathered, t, c0, q *big.Int) bool {
	one := big.NewInt(1)
	a := new(big.Int).Mod(gathered, new(big.Int).Sub(p, big.NewInt(3)))
	a.Add(a, big.NewInt(2))
	z := a.Exp(a, new(big.Int).Lsh(new(big.Int).Mul(t, q), 1), p)
	gcd := new(big.Int).GCD(nil, nil, new(big.Int).Mod(new(big.Int).Sub(z, one), p), p)
	return gcd.Cmp(one) == 0 && new(big.Int).Exp(z, c0, p).Cmp(one) == 0
}

func ceilDiv(x, y *big.Int) *big.Int {
	q, r := new(big.Int).QuoRem(x, y, new(big.Int))
	if r.Sign() != 0 {
		q.Add(q, big.NewInt(1))
	}
	return q
}
