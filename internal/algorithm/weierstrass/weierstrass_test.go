package weierstrass

import (
	"bytes"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/hex"
	"math/big"
	"testing"

	"github.com/softcsp/softcsp/internal/algorithm/rfc6979"
)

// curves are all curves that there are parameters for.
var curves = []*Curve{P192, BrainpoolP224r1, BrainpoolP224t1, BrainpoolP256r1, BrainpoolP256t1, BrainpoolP320r1, BrainpoolP320t1, BrainpoolP384r1, BrainpoolP384t1, BrainpoolP512r1, BrainpoolP512t1}

// TestDeterministic is RFC 6979, appendix A.2.5.
func TestDeterministic(t *testing.T) {
	unhex := func(s string) []byte { b, _ := hex.DecodeString(s); return b }
	w := NewCurve(elliptic.P256().Params(), new(big.Int).Sub(elliptic.P256().Params().P, big.NewInt(3)))
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

// TestEdges adds what formulas with exceptions would get wrong: equal and opposite points, and the neutral one.
func TestEdges(t *testing.T) {
	for _, w := range curves {
		c := w.group
		at := func(k *big.Int) point { return w.scalarBaseMult(k.FillBytes(make([]byte, w.n.Size()))) }
		n := c.N
		for _, k := range []*big.Int{new(big.Int), big.NewInt(1), big.NewInt(2), new(big.Int).Sub(n, big.NewInt(1)), n} {
			for _, l := range []*big.Int{new(big.Int), big.NewInt(1), big.NewInt(15), new(big.Int).Sub(n, big.NewInt(1))} {
				p, q := at(k), at(l)
				w.add(&p, &p, &q)
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
		g := point{w.element(c.Gx), w.element(c.Gy), w.element(big.NewInt(1))}
		x1, y1, _ := w.affine(w.scalarMult(k, w.multiples(&g)))
		x2, y2, _ := w.affine(w.scalarBaseMult(k))
		if x1.Equal(x2) == 0 || y1.Equal(y2) == 0 {
			t.Errorf("%s: -5 times the generator is two points", c.Name)
		}
	}
}
