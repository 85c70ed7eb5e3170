// Package tlsprf is the pseudo-random functions of TLS 1.0 to 1.2, and how SSL 3.0 derives keys and makes MACs.
//
// What has taken in a key is secret: functions are made where temporary storage is erased, which is the caller's business.
package tlsprf

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"hash"
)

// maxSize is the length in bytes of the longest hash.
const maxSize = 64

// A PRF is a pseudo-random function with its secret: the MACs whose output it adds up.
type PRF []hash.Hash

// New12 is the function of TLS 1.2 with a hash of up to 64 bytes: RFC 5246, section 5.
func New12(newHash func() hash.Hash, secret []byte) PRF {
	return PRF{hmac.New(newHash, secret)}
}

// New10 is the function of TLS 1.0 and 1.1: HMAC-MD5 with one half of the secret, and HMAC-SHA-1 with the other (RFC 2246, section 5).
func New10(secret []byte) PRF {
	half := (len(secret) + 1) / 2
	return PRF{hmac.New(md5.New, secret[:half]), hmac.New(sha1.New, secret[len(secret)-half:])}
}

// Fill fills out from a seed in parts, of which the first is the label: RFC 5246, section 5.
func (p PRF) Fill(out []byte, seed ...[]byte) {
	clear(out)
	var block [maxSize]byte
	for _, m := range p {
		sum := func(dst []byte, a []byte) []byte {
			m.Reset()
			m.Write(a)
			for _, s := range seed {
				m.Write(s)
			}
			return m.Sum(dst)
		}
		a := sum(nil, nil)
		for rest := out; len(rest) > 0; {
			for i, b := range sum(block[:0], a)[:min(m.Size(), len(rest))] {
				rest[i] ^= b
			}
			rest = rest[min(m.Size(), len(rest)):]
			m.Reset()
			m.Write(a)
			a = m.Sum(a[:0])
		}
		clear(a)
	}
	clear(block[:])
}
