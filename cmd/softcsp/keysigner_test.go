package main

import (
	"bytes"
	"encoding/asn1"
	"math/big"
	"testing"
)

// TestPairs writes signatures of two numbers as X.509 has them, and reads them back; what is none is refused.
func TestPairs(t *testing.T) {
	raw := append(append(make([]byte, 31), 1), bytes.Repeat([]byte{0xff}, 32)...)
	der, err := pairToDER(raw)
	if err != nil || len(der) != 2+3+2+33 {
		t.Fatalf("%x, %v", der, err)
	}
	if got, err := pairFromDER(der, 32); err != nil || !bytes.Equal(got, raw) {
		t.Errorf("%x, %v", got, err)
	}
	encode := func(r, s int64) []byte {
		b, err := asn1.Marshal(struct{ R, S *big.Int }{big.NewInt(r), big.NewInt(s)})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for name, bad := range map[string][]byte{
		"nothing": nil, "r and s alone": raw, "a negative number": encode(-1, 1), "something behind it": append(encode(1, 1), 0), "a cut one": der[:len(der)-1],
	} {
		if got, err := pairFromDER(bad, 32); err == nil {
			t.Errorf("%s is a signature: %x", name, got)
		}
	}
	if got, err := pairFromDER(der, 31); err == nil {
		t.Errorf("a longer number than the order has: %x", got)
	}
}
