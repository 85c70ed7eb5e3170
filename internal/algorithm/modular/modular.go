// Package modular is arithmetic modulo a prime with filippo.io/bigmod, in a time that does not depend on the numbers, and numbers as bytes,
// highest first.
package modular

import "filippo.io/bigmod"

// Inverse returns the inverse of x modulo the prime n: x to the power of n-2, which takes a time that does not depend on x.
func Inverse(x *bigmod.Nat, n *bigmod.Modulus) *bigmod.Nat {
	exponent := bigmod.NewNat().ExpandFor(n).SubOne(n).SubOne(n)
	return bigmod.NewNat().Exp(x, exponent.Bytes(n), n)
}

// Associate makes the number that stands for a public value in MQV (SP 800-56A, section 5.7.2.2), of whose bytes the last are looked at: its last w bits and
// 2^w, where w is half of the order's length.
func Associate(value []byte, n *bigmod.Modulus) (*bigmod.Nat, error) {
	w := (n.BitLen() + 1) / 2
	b := append([]byte(nil), LeftPadded(value, n.Size())...)
	b = b[len(b)-n.Size():]
	for i := range b { // from the highest byte on
		switch from := 8 * (len(b) - 1 - i); {
		case from > w:
			b[i] = 0
		case from+8 > w:
			b[i] = b[i]&(1<<(w-from)-1) | 1<<(w-from)
		}
	}
	return bigmod.NewNat().SetBytes(b, n)
}

// LeftPadded brings a big-endian number to n bytes. What is too long loses zeros alone.
func LeftPadded(b []byte, n int) []byte {
	for len(b) > n && b[0] == 0 {
		b = b[1:]
	}
	if len(b) >= n {
		return b
	}
	return append(make([]byte, n-len(b), n), b...)
}

// TrimZeros cuts the zeros before a number off.
func TrimZeros(b []byte) []byte {
	for len(b) > 1 && b[0] == 0 {
		b = b[1:]
	}
	return b
}
