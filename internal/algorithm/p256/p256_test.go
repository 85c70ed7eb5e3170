package p256

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"math/big"
	"slices"
	"sync"
	"testing"
)

// number is a scalar as math/big has it.
func number(s *scalar) *big.Int {
	var b [Size]byte
	s.write(b[:])
	return new(big.Int).SetBytes(b[:])
}

// numbers are edges, and some at random.
func numbers(t testing.TB) (list [][Size]byte) {
	t.Helper()
	n, one := elliptic.P256().Params().N, big.NewInt(1)
	for _, x := range []*big.Int{
		new(big.Int), one, big.NewInt(2), new(big.Int).Sub(n, one), n, new(big.Int).Add(n, one),
		new(big.Int).Sub(new(big.Int).Lsh(one, 256), one), new(big.Int).Lsh(one, 255), new(big.Int).Lsh(one, 64),
	} {
		list = append(list, [Size]byte(x.FillBytes(make([]byte, Size))))
	}
	for range 200 {
		var b [Size]byte
		if _, err := rand.Read(b[:]); err != nil {
			t.Fatal(err)
		}
		list = append(list, b)
	}
	return list
}

// TestScalar compares with math/big.
func TestScalar(t *testing.T) {
	t.Parallel()
	n := elliptic.P256().Params().N
	if number(&order).Cmp(n) != 0 {
		t.Fatal("the order is another one")
	}
	list := numbers(t)
	for _, a := range list {
		var x scalar
		below := x.read(&a)
		want := new(big.Int).SetBytes(a[:])
		if (below == 1) != (want.Cmp(n) < 0) || number(&x).Cmp(want.Mod(want, n)) != 0 || (x.zero() == 1) != (want.Sign() == 0) {
			t.Fatalf("%x is %v, below the order: %d, 0: %d", a, x, below, x.zero())
		}
		var form, inverse, product scalar
		form.mul(&x, &square)
		inverse.invert(&form)
		product.mul(&inverse, &x)
		if x.zero() == 0 && number(&product).Cmp(big.NewInt(1)) != 0 || x.zero() == 1 && inverse.zero() == 0 {
			t.Fatalf("the inverse of %x is %v", a, inverse)
		}
		for _, b := range list {
			var y, sum, product scalar
			y.read(&b)
			sum.add(&x, &y)
			product.mul(&form, &y)
			other := number(&y)
			if s := new(big.Int).Add(want, other); number(&sum).Cmp(s.Mod(s, n)) != 0 {
				t.Fatalf("%x + %x is %v", a, b, sum)
			}
			if p := new(big.Int).Mul(want, other); number(&product).Cmp(p.Mod(p, n)) != 0 {
				t.Fatalf("%x * %x is %v", a, b, product)
			}
		}
	}
}

// verifies has crypto/ecdsa verify a signature.
func verifies(k *ecdsa.PrivateKey, digest, sig []byte) bool {
	return ecdsa.Verify(&k.PublicKey, digest, new(big.Int).SetBytes(sig[:Size]), new(big.Int).SetBytes(sig[Size:]))
}

// TestSign signs digests of many lengths with many keys, from several goroutines, and has crypto/ecdsa verify.
func TestSign(t *testing.T) {
	t.Parallel()
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			for length := range 80 {
				k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
				if err != nil {
					t.Error(err)
					return
				}
				raw, err := k.Bytes()
				if err != nil {
					t.Error(err)
					return
				}
				s, err := NewSigner(raw)
				if err != nil {
					t.Error(err)
					return
				}
				digest, sig, again := bytes.Repeat([]byte{0xff}, length), make([]byte, 2*Size), make([]byte, 2*Size)
				if err := s.Sign(sig, digest); err != nil || !verifies(k, digest, sig) {
					t.Errorf("%d bytes: %x, %v", length, sig, err)
				}
				if err := s.Sign(again, digest); err != nil || bytes.Equal(sig, again) {
					t.Errorf("twice the same signature: %x, %v", sig, err)
				}
				if length > 0 {
					if digest[0] ^= 1; verifies(k, digest, sig) {
						t.Error("verifies another digest")
					}
				}
			}
		})
	}
	wait.Wait()
}

func TestNewSigner(t *testing.T) {
	t.Parallel()
	n := elliptic.P256().Params().N
	for _, c := range []struct {
		private []byte
		good    bool
	}{
		{nil, false}, {make([]byte, Size), false}, {n.Bytes(), false}, {bytes.Repeat([]byte{0xff}, Size), false}, {make([]byte, Size-1), false},
		{append(make([]byte, Size-1), 1), true}, {new(big.Int).Sub(n, big.NewInt(1)).Bytes(), true},
	} {
		if _, err := NewSigner(c.private); (err == nil) != c.good {
			t.Errorf("%x: %v", c.private, err)
		}
	}
}

// TestWiped looks into the memory of a signature when it is done.
func TestWiped(t *testing.T) {
	t.Parallel()
	private := bytes.Repeat([]byte{0x5a}, Size)
	s, err := NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	m, sig := new(room), make([]byte, 2*Size)
	if err := m.sign(s, sig, []byte("digest")); err != nil {
		t.Fatal(err)
	}
	if m.k.zero() == 1 {
		t.Fatal("there is nothing to wipe")
	}
	m.wipe()
	for name, x := range map[string]*scalar{"k": &m.k, "r": &m.r, "e": &m.e, "sum": &m.sum} {
		if x.zero() == 0 {
			t.Errorf("%s is %v", name, x)
		}
	}
	if !slices.Equal(m.digest[:], make([]byte, Size)) || m.point.IsInfinity() == 0 {
		t.Error("the digest or the point is left")
	}
}

func BenchmarkSign(b *testing.B) {
	s, err := NewSigner(bytes.Repeat([]byte{7}, Size))
	if err != nil {
		b.Fatal(err)
	}
	digest, sig := make([]byte, Size), make([]byte, 2*Size)
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Sign(sig, digest); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkInvert(b *testing.B) {
	x := scalar{1, 2, 3, 4}
	for b.Loop() {
		x.invert(&x)
	}
}
