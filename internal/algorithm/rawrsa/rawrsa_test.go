package rawrsa

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"math/big"
	"strconv"
	"testing"
	"time"
)

// generated returns a new key of a length in bits, prepared.
func generated(t *testing.T, bits int) *PrivateKey {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return prepared(t, k)
}

func prepared(t *testing.T, k *rsa.PrivateKey) *PrivateKey {
	t.Helper()
	p, err := NewPrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// uneven returns a key whose primes have different lengths.
func uneven(t *testing.T, bitsP, bitsQ int) *rsa.PrivateKey {
	t.Helper()
	one, e := big.NewInt(1), big.NewInt(65537)
	for {
		p, err1 := rand.Prime(rand.Reader, bitsP)
		q, err2 := rand.Prime(rand.Reader, bitsQ)
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
		if d := new(big.Int).ModInverse(e, phi); d != nil {
			k := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: new(big.Int).Mul(p, q), E: 65537}, D: d, Primes: []*big.Int{p, q}}
			k.Precompute()
			return k
		}
	}
}

// keys returns keys of many shapes: all lengths for which bigmod has code of its own, lengths beside them, primes of different lengths, the
// shorter one first and last, and no primes.
func keys(t *testing.T) map[string]*PrivateKey {
	t.Helper()
	list := map[string]*PrivateKey{
		"long and short prime": prepared(t, uneven(t, 700, 324)),
		"short and long prime": prepared(t, uneven(t, 324, 700)),
	}
	for _, bits := range []int{384, 1024, 1025, 2048, 2049, 3072, 4096} {
		list[strconv.Itoa(bits)] = generated(t, bits)
	}
	bare := *list["1024"].PrivateKey
	bare.Primes, bare.Precomputed = nil, rsa.PrecomputedValues{}
	list["no primes"] = prepared(t, &bare)
	return list
}

// TestRaw compares with math/big, and undoes what it did.
func TestRaw(t *testing.T) {
	t.Parallel()
	for name, k := range keys(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			public, one := k.Public(), big.NewInt(1)
			for _, m := range []*big.Int{new(big.Int), one, new(big.Int).Rsh(k.N, 3), new(big.Int).Sub(k.N, one)} {
				want := new(big.Int).Exp(m, big.NewInt(int64(k.E)), k.N)
				for name, f := range map[string]func([]byte) ([]byte, error){"Encrypt": public.Encrypt, "Open": public.Open} {
					if c, err := f(m.Bytes()); err != nil || new(big.Int).SetBytes(c).Cmp(want) != 0 || len(c) != k.Size() {
						t.Fatalf("%s of %x: %x, %v", name, m, c, err)
					}
				}
				if p, err := k.Raw(want.Bytes()); err != nil || new(big.Int).SetBytes(p).Cmp(m) != 0 || len(p) != k.Size() {
					t.Errorf("%x, %v; want %x", p, err, m)
				}
			}
			for name, f := range map[string]func([]byte) ([]byte, error){"Encrypt": public.Encrypt, "Open": public.Open, "Raw": k.Raw} {
				if _, err := f(k.N.Bytes()); !errors.Is(err, ErrRange) {
					t.Errorf("%s of the modulus: %v", name, err)
				}
				if _, err := f(make([]byte, k.Size()+1)); !errors.Is(err, ErrLength) {
					t.Errorf("%s of a byte too many: %v", name, err)
				}
			}
		})
	}
}

// TestFault has one number of a key wrong, and no result come of it.
func TestFault(t *testing.T) {
	t.Parallel()
	wrong := map[string]func(*PrivateKey){
		"exponent modulo p": func(k *PrivateKey) { k.halves.p.d[9] ^= 4 },
		"exponent modulo q": func(k *PrivateKey) { k.halves.q.d[9] ^= 4 },
		"q modulo n":        func(k *PrivateKey) { k.halves.qInN.Add(k.halves.qInN, k.public.n) },
		"inverse of q":      func(k *PrivateKey) { k.halves.qInv.Add(k.halves.qInv, k.halves.p.prime) },
		"exponent": func(k *PrivateKey) {
			k.halves = nil
			k.d[9] ^= 4
		},
	}
	for name, change := range wrong {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := generated(t, 1024)
			if _, err := k.Raw([]byte("data")); err != nil {
				t.Fatal(err)
			}
			change(k)
			if s, err := k.Raw([]byte("data")); !errors.Is(err, ErrFault) || s != nil {
				t.Errorf("%x, %v", s, err)
			}
		})
	}
}

// TestBoth has halves run in both orders and at the same time, and one of them panic.
func TestBoth(t *testing.T) {
	t.Parallel()
	for range 1000 {
		var a, b int
		if both(func() { a++ }, func() { b++ }); a != 1 || b != 1 {
			t.Fatalf("ran %d and %d times", a, b)
		}
	}
	for name, f := range map[string]func(){"begun elsewhere": func() { time.Sleep(20 * time.Millisecond) }, "or here": func() {}} {
		if p := panicOf(func() { both(f, func() { panic(name) }) }); p != name {
			t.Errorf("panic of the second half, %s: %v", name, p)
		}
	}
}

func panicOf(f func()) (p any) {
	defer func() { p = recover() }()
	f()
	return nil
}

func BenchmarkRaw(b *testing.B) {
	for _, bits := range []int{2048, 3072, 4096} {
		b.Run(strconv.Itoa(bits), func(b *testing.B) {
			key, err := rsa.GenerateKey(rand.Reader, bits)
			if err != nil {
				b.Fatal(err)
			}
			k, err := NewPrivateKey(key)
			if err != nil {
				b.Fatal(err)
			}
			m := make([]byte, k.Size())
			m[1] = 1
			b.Run("private", func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := k.Raw(m); err != nil {
						b.Fatal(err)
					}
				}
			})
			b.Run("open", func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := k.Public().Open(m); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}

// TestPSS has crypto/rsa verify what this package encodes, and the other way round, and refuses another digest.
func TestPSS(t *testing.T) {
	t.Parallel()
	k, digest := generated(t, 1025), sha256.Sum256([]byte("data")) // 1025: the encoding has a byte less than the modulus
	bits := k.N.BitLen() - 1
	for _, salt := range []int{1, 20, 32} {
		p := PSS{crypto.SHA256, crypto.SHA256, salt}
		sig, err := k.Raw(p.Encode(digest[:], bytes.Repeat([]byte{9}, salt), bits))
		if err != nil {
			t.Fatal(err)
		}
		if err := rsa.VerifyPSS(&k.PublicKey, crypto.SHA256, digest[:], sig, &rsa.PSSOptions{SaltLength: salt}); err != nil {
			t.Errorf("salt of %d bytes: %v", salt, err)
		}
		theirs, err := rsa.SignPSS(rand.Reader, k.PrivateKey, crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: salt})
		if err != nil {
			t.Fatal(err)
		}
		m, err := k.Public().Open(theirs)
		if err != nil || !p.Matches(m, digest[:], bits) {
			t.Errorf("salt of %d bytes: %v", salt, err)
		}
		if p.Matches(m, bytes.Repeat([]byte{1}, 32), bits) || (PSS{crypto.SHA256, crypto.SHA224, salt}).Matches(m, digest[:], bits) {
			t.Error("matches another digest, or another mask")
		}
	}
}
