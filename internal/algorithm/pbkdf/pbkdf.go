// Package pbkdf is the derivations of keys from passwords in PKCS #5 (RFC 8018) and PKCS #12 (RFC 7292). Unlike those of the standard library
// they can be stopped.
package pbkdf

import (
	"crypto/subtle"
	"encoding/binary"
	"hash"
)

// maxSize is the length in bytes of the longest hash.
const maxSize = 64

// A Work is a derivation, which may take long.
type Work struct {
	// Stopped, asked now and then, tells the derivation to give up. nil is never.
	Stopped func() bool

	n      uint
	gaveUp bool
}

// GaveUp reports whether the derivation has given up: what it made is of no use.
func (w *Work) GaveUp() bool { return w.gaveUp }

// next counts a repetition, and tells whether there is to be another.
func (w *Work) next() bool {
	if w.n++; w.n%1024 == 0 && w.Stopped != nil && w.Stopped() {
		w.gaveUp = true
	}
	return !w.gaveUp
}

// PBKDF1 fills key with the first bytes that it makes, and iv with those after them: RFC 8018, section 6.1. h makes no fewer.
func (w *Work) PBKDF1(key, iv []byte, h hash.Hash, password, salt []byte, iterations int) {
	h.Write(password)
	h.Write(salt)
	t := h.Sum(nil)
	for i := 1; i < iterations && w.next(); i++ {
		h.Reset()
		h.Write(t)
		t = h.Sum(t[:0])
	}
	copy(iv, t[copy(key, t):])
	clear(t)
}

// PBKDF2 fills out with a keyed MAC of up to 64 bytes as RFC 8018, section 5.2, says. It reports whether it came to the end.
func (w *Work) PBKDF2(out []byte, prf hash.Hash, salt []byte, iterations int) bool {
	var u, t [maxSize]byte
	defer clear(u[:])
	defer clear(t[:])
	size := prf.Size()
	for block := uint32(1); len(out) > 0; block++ {
		prf.Reset()
		prf.Write(salt)
		prf.Write(binary.BigEndian.AppendUint32(u[:0], block))
		copy(t[:size], prf.Sum(u[:0]))
		for range iterations - 1 {
			if !w.next() {
				return false
			}
			prf.Reset()
			prf.Write(u[:size])
			prf.Sum(u[:0])
			subtle.XORBytes(t[:size], t[:size], u[:size])
		}
		out = out[copy(out, t[:size]):]
	}
	return true
}
