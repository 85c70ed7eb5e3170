package weierstrass

import (
	"crypto/elliptic"
	"math/big"
	"math/rand/v2"
	"testing"
)

// TestField compares with math/big, for numbers drawn and those at the edges, in the fields of all curves and of that with the longest numbers.
func TestField(t *testing.T) {
	primes := []*big.Int{elliptic.P521().Params().P}
	for _, w := range curves {
		primes = append(primes, w.group.P)
	}
	chance := rand.New(rand.NewPCG(1, 2))
	for _, p := range primes {
		f := newField(p)
		for _, x := range samples(p, chance) {
			for _, y := range samples(p, chance) {
				a, b := f.number(x.Bytes()), f.number(y.Bytes())
				for name, op := range map[string]struct {
					got  func(dst, a, b *element)
					want *big.Int
				}{"+": {f.add, new(big.Int).Add(x, y)}, "-": {f.sub, new(big.Int).Sub(x, y)}, "*": {f.mul, new(big.Int).Mul(x, y)}} {
					var sum element
					op.got(&sum, &a, &b)
					into := a
					op.got(&into, &into, &b)
					also := b
					op.got(&also, &a, &also)
					got := new(big.Int).SetBytes(f.bytes(&sum))
					if want := op.want.Mod(op.want, p); got.Cmp(want) != 0 || into != sum || also != sum {
						t.Fatalf("modulo %x: %x %s %x = %x, want %x; in place %x, %x", p, x, name, y, got, want, into, also)
					}
				}
			}
		}
	}
}

// samples are numbers below p.
func samples(p *big.Int, chance *rand.Rand) []*big.Int {
	list := []*big.Int{new(big.Int), big.NewInt(1), big.NewInt(2), new(big.Int).Sub(p, big.NewInt(1)), new(big.Int).Rsh(p, 1)}
	r := new(big.Int).Lsh(big.NewInt(1), uint((p.BitLen()+63)/64*64))
	list = append(list, r.Mod(r, p), new(big.Int).ModInverse(r, p))
	for range 20 {
		b := make([]byte, (p.BitLen()+7)/8)
		for i := range b {
			b[i] = []byte{0, 0xff, byte(chance.Uint32())}[chance.IntN(3)]
		}
		x := new(big.Int).SetBytes(b)
		list = append(list, x.Mod(x, p))
	}
	return list
}
