// Package rfc6979 makes the secret numbers of signatures with DSA and ECDSA, as RFC 6979 does.
package rfc6979

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"

	"filippo.io/bigmod"
)

// Nonces make the secret numbers of a signature with DSA or ECDSA: those of RFC 6979 over HMAC with SHA-256, with fresh
// randomness as the additional data of its section 3.6. A number is good where either the randomness or the key is: the
// same digest does not give the same number twice, and a generator that fails does not give the key away.
type Nonces struct {
	mac  hash.Hash // keyed with K
	v    []byte
	size int // of a number in bytes
	bits int
}

// freshNonce is the length of the randomness in bytes.
const freshNonce = 32

// New prepares the numbers below the order n for one signature. private has the length of n. The caller wipes what it gets. The only
// error is that of a source of randomness that fails.
func New(n *bigmod.Modulus, private, digest []byte) (*Nonces, error) {
	var fresh [freshNonce]byte
	defer clear(fresh[:])
	if _, err := io.ReadFull(rand.Reader, fresh[:]); err != nil {
		return nil, fmt.Errorf("rfc6979: %w", err)
	}
	return Deterministic(n, private, digest, fresh[:]), nil
}

// Deterministic are the numbers of steps a to g of section 3.2, which depend on extra for chance (section 3.6) and on nothing where that
// is nil.
func Deterministic(n *bigmod.Modulus, private, digest, extra []byte) *Nonces {
	s := &Nonces{v: make([]byte, sha256.Size), size: n.Size(), bits: n.BitLen()}
	for i := range s.v {
		s.v[i] = 1
	}
	s.mac = hmac.New(sha256.New, make([]byte, sha256.Size))
	h := Bits2Int(digest, n).Bytes(n)
	s.update(0, private, h, extra)
	s.update(1, private, h, extra)
	return s
}

// update makes K of V, a byte and data, and V anew.
func (s *Nonces) update(separator byte, data ...[]byte) {
	s.mac.Reset()
	s.mac.Write(s.v)
	s.mac.Write([]byte{separator})
	for _, d := range data {
		s.mac.Write(d)
	}
	k := s.mac.Sum(nil)
	s.mac = hmac.New(sha256.New, k)
	clear(k)
	s.next()
}

func (s *Nonces) next() {
	s.mac.Reset()
	s.mac.Write(s.v)
	s.v = s.mac.Sum(s.v[:0])
}

// draw returns the next number of the right length, which may be 0 or too large.
func (s *Nonces) draw() []byte {
	k := make([]byte, 0, s.size+sha256.Size)
	for len(k) < s.size {
		s.next()
		k = append(k, s.v...)
	}
	k = k[:s.size]
	shiftRight(k, 8*s.size-s.bits)
	return k
}

// Next returns the next number between 0 and n, both not included. How many are thrown away says nothing of the one
// that is not. The caller wipes it.
func (s *Nonces) Next(n *bigmod.Modulus) []byte {
	for {
		k := s.draw()
		if x, err := bigmod.NewNat().SetBytes(k, n); err == nil && x.IsZero() == 0 {
			return k
		}
		clear(k)
		s.update(0)
	}
}

// Wipe erases what the numbers are made of.
func (s *Nonces) Wipe() {
	clear(s.v)
	s.mac.Reset()
}

// Bits2Int returns the leftmost bits of a digest, as many as n has, modulo n: section 2.3.2, and FIPS 186-5, section 6.4.1.
func Bits2Int(digest []byte, n *bigmod.Modulus) *bigmod.Nat {
	size := n.Size()
	z := make([]byte, size)
	if len(digest) < size {
		copy(z[size-len(digest):], digest)
	} else {
		copy(z, digest)
		shiftRight(z, 8*size-n.BitLen())
	}
	x, err := bigmod.NewNat().SetOverflowingBytes(z, n)
	if err != nil { // there are never more bits than n has
		panic("rfc6979: a digest longer than the order")
	}
	return x
}

// shiftRight shifts a number to the right by less than eight bits.
func shiftRight(b []byte, bits int) {
	var carry byte
	for i, x := range b {
		b[i] = x>>bits | carry
		carry = x << (8 - bits)
	}
}
