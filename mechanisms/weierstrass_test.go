package mechanisms

import (
	"bytes"
	"crypto/rand"
	"math/big"
	"testing"

	"github.com/softcsp/softcsp/internal/algorithm/weierstrass"
)

// TestWeierstrassNIST runs the generic arithmetic on curves that have arithmetic of their own, and compares.
func TestWeierstrassNIST(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"P-256", "P-384", "P-521", "secp256k1"} {
		c := curveNamed(t, name)
		w := weierstrass.NewCurve(c.Group, new(big.Int).Mod(c.A, c.Group.P))
		for i := range 4 {
			value, point, err := c.generate(rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			if i == 0 { // numbers whose windows are all zeros but the last, or all ones
				value = append(make([]byte, c.Size-1), 1)
				point, _ = c.Public(value)
			}
			if got, err := w.PublicKey(value); err != nil || !bytes.Equal(got, point) {
				t.Errorf("%s: %x times the generator is %x, %v; want %x", name, value, got, err, point)
			}
			_, peer, err := c.generate(rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			mine, err1 := w.NewAgreement(value)
			theirs, err2 := c.Agree(value)
			if err1 != nil || err2 != nil {
				t.Fatal(err1, err2)
			}
			a, err1 := mine(peer)
			b, err2 := theirs(peer)
			if err1 != nil || err2 != nil || !bytes.Equal(a, b) {
				t.Errorf("%s: agree on %x, %v; want %x, %v", name, a, err1, b, err2)
			}
			crossSign(t, c, w, value, point)
		}
	}
}

// crossSign lets each implementation verify what the other has signed.
func crossSign(t *testing.T, c *curve, w *weierstrass.Curve, value, point []byte) {
	t.Helper()
	digest := pattern(48)
	s1, err1 := w.NewSigner(value)
	s2, err2 := c.Sign(value)
	v1, err3 := w.NewVerifier(point)
	v2, err4 := c.Verify(point)
	for _, err := range []error{err1, err2, err3, err4} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for i, sign := range []ecdsaSign{s1, s2} {
		sig := make([]byte, 2*c.Size)
		if err := sign(sig, digest); err != nil || !v1(digest, sig) || !v2(digest, sig) {
			t.Errorf("%s, signer %d: %v, verified %v and %v", c.Name, i, err, v1(digest, sig), v2(digest, sig))
		}
		sig[3] ^= 1
		if v1(digest, sig) || v2(digest, sig) {
			t.Errorf("%s: a changed signature is good", c.Name)
		}
	}
}

// TestGenerateExtra compares with the definition.
func TestGenerateExtra(t *testing.T) {
	t.Parallel()
	for _, c := range curves {
		if c.Group == nil {
			continue
		}
		for _, wide := range [][]byte{make([]byte, c.Size+8), bytes.Repeat([]byte{0xff}, c.Size+8), pattern(c.Size + 8)} {
			x := new(big.Int).SetBytes(wide)
			x.Mod(x, new(big.Int).Sub(c.Group.N, big.NewInt(1))).Add(x, big.NewInt(1))
			value, point, err := c.generateExtra(bytes.NewReader(wide))
			want, err2 := c.Public(x.FillBytes(make([]byte, c.Size)))
			if err != nil || err2 != nil || x.Cmp(new(big.Int).SetBytes(value)) != 0 || !bytes.Equal(point, want) {
				t.Errorf("%s: %x, %v; want %x", c.Name, value, err, x)
			}
		}
		if _, _, err := c.generateExtra(bytes.NewReader(nil)); err == nil {
			t.Errorf("%s: a key of nothing", c.Name)
		}
	}
}

func BenchmarkWeierstrass(b *testing.B) {
	for _, name := range []string{"secp256k1", "generic secp256k1", "brainpoolP256r1", "brainpoolP384r1", "brainpoolP512r1"} {
		var c *curve
		if name == "generic secp256k1" {
			k1 := curveNamed(b, "secp256k1")
			c = genericCurve(weierstrass.NewCurve(k1.Group, k1.A), k1.OIDs[0])
		} else {
			c = curveNamed(b, name)
		}
		value, point, _ := c.generate(rand.Reader)
		sign, _ := c.Sign(value)
		verify, _ := c.Verify(point)
		agree, _ := c.Agree(value)
		digest, sig := pattern(32), make([]byte, 2*c.Size)
		b.Run(name+"/sign", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := sign(sig, digest); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/verify", func(b *testing.B) {
			for b.Loop() {
				if !verify(digest, sig) {
					b.Fatal("it does not verify")
				}
			}
		})
		b.Run(name+"/agree", func(b *testing.B) {
			for b.Loop() {
				if _, err := agree(point); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
