// Package rfc6979 makes the secret numbers of signatures with DSA and ECDSA, as RFC 6979 does.
package rfc6979

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"hash"
	"io"

	"filippo.io/bigmod"

	"github.com/softcsp/softcsp/internal/secret"
)

// Nonces make the secret numbers of a signature with DSA or ECDSA: those of RFC 6979 over HMAC with SHA-256, with fresh
// randomness as the additional data of its section 3.6. A number is good where either the randomness or the key is: the
// same digest does not give the same number twice, and a generator that fails does not give the key away.
type Nonces struct {
	inner, outer hash.Hash
	k, v         [sha256.Size]byte
	block        [sha256.BlockSize]byte // K with one of HMAC's constants
	fresh        [freshNonce]byte
	separator    [1]byte
	number       [maxNumber]byte
	size         int // of a number in bytes
	bits         int
}

const (
	freshNonce = 32                      // the length of the randomness in bytes
	maxNumber  = (521+7)/8 + sha256.Size // of the longest number, and what is drawn too much
)

// New prepares the numbers below the order n for one signature. private has the length of n. The caller wipes what it gets. The only
// error is that of a source of randomness that fails.
func New(n *bigmod.Modulus, private, digest []byte) (*Nonces, error) {
	s := new(Nonces)
	return s, s.Begin(n.Size(), n.BitLen(), private, Bits2Int(digest, n).Bytes(n))
}

// Begin prepares the numbers below an order of size bytes and of bits bits for one signature, in memory that may have served another one. private and
// digest have the length of the order, and the digest is below it.
func (s *Nonces) Begin(size, bits int, private, digest []byte) error {
	if _, err := io.ReadFull(rand.Reader, s.fresh[:]); err != nil {
		return fmt.Errorf("rfc6979: %w", err)
	}
	s.begin(size, bits, private, digest, s.fresh[:])
	return nil
}

// Deterministic are the numbers of steps a to g of section 3.2, which depend on extra for chance (section 3.6) and on nothing where that
// is nil.
func Deterministic(n *bigmod.Modulus, private, digest, extra []byte) *Nonces {
	s := new(Nonces)
	s.begin(n.Size(), n.BitLen(), private, Bits2Int(digest, n).Bytes(n), extra)
	return s
}

func (s *Nonces) begin(size, bits int, private, digest, extra []byte) {
	if s.inner == nil {
		s.inner, s.outer = sha256.New(), sha256.New()
	}
	s.size, s.bits = size, bits
	clear(s.k[:])
	for i := range s.v {
		s.v[i] = 1
	}
	s.update(0, private, digest, extra)
	s.update(1, private, digest, extra)
}

// update makes K of V, a byte and data, and V anew.
func (s *Nonces) update(separator byte, data ...[]byte) {
	s.separator[0] = separator
	s.start()
	s.inner.Write(s.v[:])
	s.inner.Write(s.separator[:])
	for _, d := range data {
		s.inner.Write(d)
	}
	s.finish(&s.k)
	s.next()
}

func (s *Nonces) next() {
	s.start()
	s.inner.Write(s.v[:])
	s.finish(&s.v)
}

// start and finish are HMAC (RFC 2104) under K of what is written to inner between them. crypto/hmac allocates for each key, and there are five
// for a number.
func (s *Nonces) start() {
	s.inner.Reset()
	s.inner.Write(s.keyed(0x36))
}

func (s *Nonces) finish(mac *[sha256.Size]byte) {
	s.outer.Reset()
	s.outer.Write(s.keyed(0x5c))
	s.outer.Write(s.inner.Sum(mac[:0]))
	s.outer.Sum(mac[:0])
}

// keyed is the first block of a hash of HMAC.
func (s *Nonces) keyed(constant byte) []byte {
	for i := range s.block {
		s.block[i] = constant
	}
	subtle.XORBytes(s.block[:], s.block[:], s.k[:])
	return s.block[:]
}

// Draw returns the next number of the right length, which may be 0 or too large: then Reject comes before the next. It is gone with the next call.
func (s *Nonces) Draw() []byte {
	for n := 0; n < s.size; n += len(s.v) {
		s.next()
		copy(s.number[n:], s.v[:])
	}
	k := s.number[:s.size]
	shiftRight(k, 8*s.size-s.bits)
	return k
}

// Reject throws the last number away: step h.3.
func (s *Nonces) Reject() { s.update(0) }

// Next returns the next number between 0 and n, both not included, in memory of its own. How many are thrown away says nothing of the one
// that is not. The caller wipes it.
func (s *Nonces) Next(n *bigmod.Modulus) []byte {
	for {
		k := s.Draw()
		if x, err := bigmod.NewNat().SetBytes(k, n); err == nil && x.IsZero() == 0 {
			return bytes.Clone(k)
		}
		s.Reject()
	}
}

// Wipe erases what the numbers are made of.
func (s *Nonces) Wipe() {
	clear(s.k[:])
	clear(s.v[:])
	clear(s.block[:])
	clear(s.fresh[:])
	clear(s.number[:])
	if s.inner != nil {
		secret.Overwrite(s.inner)
		secret.Overwrite(s.outer)
	}
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
