package p256

import (
	"errors"
	"sync"

	"filippo.io/nistec"

	"github.com/softcsp/softcsp/internal/algorithm/rfc6979"
)

// ErrPrivate says that a number is no private key.
var ErrPrivate = errors.New("p256: not a number between 0 and the order")

var errInternal = errors.New("p256: no signature")

// A Signer is a private key.
type Signer struct {
	private [Size]byte
	d       scalar // in Montgomery's form
}

// NewSigner prepares a private key of Size bytes.
func NewSigner(private []byte) (*Signer, error) {
	if len(private) != Size {
		return nil, ErrPrivate
	}
	s := &Signer{private: [Size]byte(private)}
	if s.d.read(&s.private)&^s.d.zero() == 0 {
		return nil, ErrPrivate
	}
	s.d.mul(&s.d, &square)
	return s, nil
}

// A room is the memory in which a signature is made. No secret is left in it.
type room struct {
	nonces       rfc6979.Nonces
	digest       [Size]byte
	point        nistec.P256Point
	k, r, e, sum scalar
}

var rooms = sync.Pool{New: func() any { return new(room) }}

// Sign signs a digest, of which no more than the first Size bytes count, and writes r and s to the halves of dst, which has 2 Size bytes. The secret number is that of
// package rfc6979, with fresh randomness. The only error that is to be expected is that of its source.
func (s *Signer) Sign(dst, digest []byte) error {
	m := rooms.Get().(*room)
	defer func() {
		m.wipe()
		rooms.Put(m)
	}()
	return m.sign(s, dst, digest)
}

func (m *room) sign(s *Signer, dst, digest []byte) error {
	m.digest = [Size]byte{}
	if len(digest) < Size {
		copy(m.digest[Size-len(digest):], digest)
	} else {
		copy(m.digest[:], digest)
	}
	m.e.read(&m.digest)
	m.e.write(m.digest[:]) // below the order
	if err := m.nonces.Begin(Size, 8*Size, s.private[:], m.digest[:]); err != nil {
		return err
	}
	for {
		k := m.nonces.Draw()
		if m.k.read((*[Size]byte)(k))&^m.k.zero() == 0 {
			m.nonces.Reject()
			continue
		}
		if _, err := m.point.ScalarBaseMult(k); err != nil {
			return errInternal
		}
		x, err := m.point.BytesX()
		if err != nil {
			return errInternal
		}
		m.r.read((*[Size]byte)(x))
		// s = (e + r d) / k
		m.k.mul(&m.k, &square)
		m.k.invert(&m.k)
		m.sum.mul(&m.r, &s.d)
		m.sum.add(&m.sum, &m.e)
		m.sum.mul(&m.sum, &m.k)
		if m.r.zero()|m.sum.zero() != 0 { // nobody has seen it yet
			m.nonces.Reject()
			continue
		}
		m.r.write(dst[:Size])
		m.sum.write(dst[Size:])
		return nil
	}
}

// wipe erases what a signature is made of.
func (m *room) wipe() {
	m.nonces.Wipe()
	m.digest, m.point = [Size]byte{}, nistec.P256Point{}
	m.k, m.r, m.e, m.sum = scalar{}, scalar{}, scalar{}, scalar{}
}
