// Package shake hashes with the extendable-output functions of FIPS 202, as the signatures of FIPS 204, FIPS 205 and SP 800-208 do
// it: what is hashed comes in parts, and the result has a length.
package shake

import "crypto/sha3"

// Sum256 hashes the parts, one after the other, to n bytes with SHAKE256.
func Sum256(n int, parts ...[]byte) []byte {
	h := sha3.NewSHAKE256()
	for _, p := range parts {
		h.Write(p)
	}
	out := make([]byte, n)
	h.Read(out)
	return out
}
