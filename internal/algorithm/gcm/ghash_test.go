package gcm

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"math/rand/v2"
	"testing"
)

// slowTimes multiplies two elements bit by bit, as SP 800-38D, 6.3 has it.
func slowTimes(x, y element) (z element) {
	v := y
	for i := range 128 {
		word, bit := x.hi, 63-i
		if i >= 64 {
			word, bit = x.lo, 127-i
		}
		if word>>bit&1 == 1 {
			z = z.plus(v)
		}
		carry := v.lo & 1
		v = element{v.hi >> 1, v.lo>>1 | v.hi<<63}
		if carry == 1 {
			v.hi ^= 0xe1 << 56
		}
	}
	return z
}

// TestElements compares the product of elements with the definition.
func TestElements(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	special := []uint64{0, 1, 1 << 63, ^uint64(0), 0x5555555555555555, 0x8421084210842108}
	number := func() uint64 {
		if r.IntN(3) == 0 {
			return special[r.IntN(len(special))]
		}
		return r.Uint64()
	}
	for range 5000 {
		x, y := element{number(), number()}, element{number(), number()}
		if got, want := x.times(y), slowTimes(x, y); got != want {
			t.Fatalf("%x times %x is %x, want %x", x, y, got, want)
		}
	}
	x := element{number(), number()}
	want := element{hi: 1 << 63} // 1
	for n := 1; n < 70; n++ {
		if want = slowTimes(want, x); x.power(n) != want {
			t.Errorf("%x to the power of %d: %x, want %x", x, n, x.power(n), want)
		}
	}
	if hi, lo := carryless(^uint64(0), ^uint64(0)); lo != 0x5555555555555555 || hi != 0x5555555555555555 {
		t.Errorf("ones times ones: %x %x", hi, lo)
	}
}

// TestGHASH compares tags of data in parts with those of Go, around the length of a chunk.
func TestGHASH(t *testing.T) {
	t.Parallel()
	block, err := aes.NewCipher(pattern(32))
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{12, 7} {
		whole, err := cipher.NewGCMWithNonceSize(block, size)
		if err != nil {
			t.Fatal(err)
		}
		nonce := pattern(size)
		for _, n := range []int{0, 1, 15, 16, 17, 100, ghashChunk - 1, ghashChunk, ghashChunk + 1, 2 * ghashChunk, 3*ghashChunk + 33} {
			for _, a := range []int{0, 1, 16, 33, ghashChunk, ghashChunk + 1, 2*ghashChunk + 5} {
				aad := pattern(a)
				sealed := whole.Seal(nil, nonce, pattern(n), aad)
				for _, step := range []int{1, 16, 1000, ghashChunk, 1 << 20} {
					if step == 1 && n+a > 300 {
						continue
					}
					g := &ghash{block: block, gcm: whole, nonce: nonce}
					inSteps(aad, step, g.write)
					g.ciphertext()
					inSteps(sealed[:n], step, g.write)
					if got := g.sum(nil); !bytes.Equal(got, sealed[n:]) {
						t.Errorf("%d bytes with %d, in parts of %d: %x, want %x", n, a, step, got, sealed[n:])
					}
				}
			}
		}
	}
}

func inSteps(data []byte, step int, do func([]byte)) {
	for len(data) > 0 {
		n := min(step, len(data))
		do(data[:n])
		data = data[n:]
	}
}

func BenchmarkElementTimes(b *testing.B) {
	x, y := element{1 << 62, 77}, element{99, 1 << 61}
	for b.Loop() {
		x = x.times(y)
	}
}

func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8)
	}
	return b
}
