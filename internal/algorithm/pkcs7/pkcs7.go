// Package pkcs7 is the padding of PKCS #7: RFC 5652, 6.3.
package pkcs7

import "crypto/subtle"

// Pad writes rest, which is shorter than block, and its padding to block, and returns block.
func Pad(block, rest []byte) []byte {
	n := copy(block, rest)
	for i := n; i < len(block); i++ {
		block[i] = byte(len(block) - n)
	}
	return block
}

// Unpad returns how many bytes of the last block stand before the padding. good is 1 where the padding is right, and 0 otherwise; the time
// that it takes does not tell.
func Unpad(block []byte) (n, good int) {
	size := len(block)
	pad := int(block[size-1])
	good = subtle.ConstantTimeLessOrEq(1, pad) & subtle.ConstantTimeLessOrEq(pad, size)
	for i := 1; i <= size; i++ {
		within := subtle.ConstantTimeLessOrEq(i, pad)
		same := subtle.ConstantTimeByteEq(block[size-i], byte(pad))
		good &= same | (within ^ 1)
	}
	return (size - pad) * good, good
}
