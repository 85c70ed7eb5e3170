// Package parity has the parity of DES keys (FIPS 46-3).
package parity

import "math/bits"

// SetOdd sets the least bit of each byte so that the byte has an odd number of ones.
func SetOdd(key []byte) {
	for i, b := range key {
		key[i] = b&^1 | byte(^bits.OnesCount8(b>>1)&1)
	}
}
