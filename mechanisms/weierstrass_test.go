package mechanisms

import (
	"bytes"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"math/big"
	"testing"

	"github.com/softcsp/softcsp/internal/algorithm/rfc6979"
)

// TestWcurveNIST runs the generic arithmetic on curves that have arithmetic of their own, and compares.
func TestWcurveNIST(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"P-256", "P-384", "P-521", "secp256k1"} {
		c := curveNamed(t, name)
		w := newWcurve(c.Group, new(big.Int).Mod(c.A, c.Group.P))
		for i := range 4 {
			value, point, err := c.generate(rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			if i == 0 { // numbers whose windows are all zeros but the last, or all ones
				value = append(make([]byte, c.Size-1), 1)
				point, _ = c.Public(value)
			}
			if got, err := w.public(value); err != nil || !bytes.Equal(got, point) {
				t.Errorf("%s: %x times the generator is %x, %v; want %x", name, value, got, err, point)
			}
			_, peer, err := c.generate(rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			mine, err1 := w.agree(value)
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
func crossSign(t *testing.T, c *curve, w *wcurve, value, point []byte) {
	t.Helper()
	digest := pattern(48)
	s1, err1 := w.sign(value)
	s2, err2 := c.Sign(value)
	v1, err3 := w.verify(point)
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

// TestWcurveDeterministic is RFC 6979, appendix A.2.5.
func TestWcurveDeterministic(t *testing.T) {
	t.Parallel()
	unhex := func(s string) []byte { b, _ := hex.DecodeString(s); return b }
	w := newWcurve(elliptic.P256().Params(), new(big.Int).Sub(elliptic.P256().Params().P, big.NewInt(3)))
	private := unhex("c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721")
	d, err := w.scalar(private)
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256([]byte("sample"))
	sig := make([]byte, 64)
	if err := w.signWith(rfc6979.Deterministic(w.n, private, digest[:], nil), d, sig, digest[:]); err != nil {
		t.Fatal(err)
	}
	want := unhex("efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8")
	if !bytes.Equal(sig, want) {
		t.Errorf("%x, want %x", sig, want)
	}
}

// TestWcurveEdges adds what formulas with exceptions would get wrong: equal and opposite points, and the neutral one.
func TestWcurveEdges(t *testing.T) {
	t.Parallel()
	for _, c := range brainpoolCurves {
		w := newWcurve(c.Group, c.A)
		s := w.newScratch()
		at := func(k *big.Int) wpoint { return w.multiplyBase(k.FillBytes(make([]byte, w.n.Size()))) }
		n := c.Group.N
		for _, k := range []*big.Int{new(big.Int), big.NewInt(1), big.NewInt(2), new(big.Int).Sub(n, big.NewInt(1)), n} {
			for _, l := range []*big.Int{new(big.Int), big.NewInt(1), big.NewInt(15), new(big.Int).Sub(n, big.NewInt(1))} {
				p, q := at(k), at(l)
				w.add(&p, &p, &q, s)
				sum := new(big.Int).Add(k, l)
				want := at(sum.Mod(sum, n))
				x1, y1, ok1 := w.affine(p)
				x2, y2, ok2 := w.affine(want)
				if ok1 != ok2 || ok1 && (x1.Equal(x2) == 0 || y1.Equal(y2) == 0) {
					t.Errorf("%s: %v + %v", c.Name, k, l)
				}
			}
		}
		// The multiplication of any point agrees with that of the generator.
		k := new(big.Int).Sub(n, big.NewInt(5)).Bytes()
		g := wpoint{w.element(c.Group.Gx), w.element(c.Group.Gy), w.element(big.NewInt(1))}
		x1, y1, _ := w.affine(w.multiply(k, w.multiples(g, s)))
		x2, y2, _ := w.affine(w.multiplyBase(k))
		if x1.Equal(x2) == 0 || y1.Equal(y2) == 0 {
			t.Errorf("%s: -5 times the generator is two points", c.Name)
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

func BenchmarkWcurve(b *testing.B) {
	for _, name := range []string{"secp256k1", "generic secp256k1", "brainpoolP256r1", "brainpoolP384r1", "brainpoolP512r1"} {
		var c *curve
		if name == "generic secp256k1" {
			k1 := curveNamed(b, "secp256k1")
			c = weierstrassCurve(newWcurve(k1.Group, k1.A), k1.OIDs[0])
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
