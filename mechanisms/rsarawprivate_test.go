package mechanisms

import (
	"bytes"
	"math/big"
	"slices"
	"testing"

	"github.com/softcsp/softcsp/ck"
)

// TestRawPrivate signs two data that differ in a byte, and looks at the blocks that are signed: a mechanism in whose block they
// differ in that byte alone, and whose block is mostly data, is RawPrivate.
func TestRawPrivate(t *testing.T) {
	t.Parallel()
	pub, priv := testRSA(t)
	key, err := rsaPublicKey(pub)
	if err != nil {
		t.Fatal(err)
	}
	bare := 0
	for _, m := range Types() {
		row := Lookup(m)
		if row.Sign == nil || !slices.Contains(row.Keys, ck.CKK_RSA) {
			continue
		}
		one := bytes.Repeat([]byte{0x1c}, key.Size()) // the longest that it takes, with an end that X9.31 wants
		var sig []byte
		for sig, err = signed(row, priv, rsaParams(m), one); err != nil && len(one) > 0; sig, err = signed(row, priv, rsaParams(m), one) {
			one = one[1:]
		}
		two := bytes.Clone(one)
		two[len(two)/2] ^= 0x40
		other, err2 := signed(row, priv, rsaParams(m), two)
		if err != nil || err2 != nil {
			t.Fatalf("%v: %v, %v", m, err, err2)
		}
		block := func(sig []byte) []byte {
			b, err := rsaOpen(key, sig)
			if err != nil {
				t.Fatal(err)
			}
			if b[len(b)-1]&15 != 12 && m == ck.CKM_RSA_X9_31 { // the lesser of two signatures, of which this is the other's block
				n := new(big.Int).SetBytes(b)
				n.Sub(key.N, n).FillBytes(b)
			}
			return b
		}
		a, b := block(sig), block(other)
		differ := 0
		for i := range a {
			if a[i] != b[i] {
				differ++
			}
		}
		if is := differ == 1 && 2*len(one) > key.Size(); is != row.RawPrivate {
			t.Errorf("%v: %d bytes of the block differ, of data of %d bytes; RawPrivate is %v", m, differ, len(one), row.RawPrivate)
		}
		if row.RawPrivate {
			bare++
		}
	}
	if bare != 3 {
		t.Errorf("%d mechanisms are bare", bare)
	}
}
