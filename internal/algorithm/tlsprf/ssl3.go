package tlsprf

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"hash"
)

// SSL3 fills out as RFC 6101, sections 6.1 and 6.2.2, says: for each 16 bytes another letter, one time more.
func SSL3(out, key []byte, randoms ...[]byte) {
	outerHash, innerHash := md5.New(), sha1.New()
	var inner, outer [maxSize]byte
	for i := 1; len(out) > 0; i++ {
		innerHash.Reset()
		innerHash.Write(bytes.Repeat([]byte{'A' + byte(i) - 1}, i))
		innerHash.Write(key)
		for _, r := range randoms {
			innerHash.Write(r)
		}
		outerHash.Reset()
		outerHash.Write(key)
		outerHash.Write(innerHash.Sum(inner[:0]))
		out = out[copy(out, outerHash.Sum(outer[:0])):]
	}
	clear(inner[:])
	clear(outer[:])
}

// An ssl3MAC is a MAC of SSL 3.0.
// The states after the pads are kept, and are not the key's bytes.
type ssl3MAC struct {
	hash.Hash             // the inner hash so far
	inner     hash.Cloner // after key and first pad
	outer     hash.Cloner // after key and second pad
}

var _ hash.Cloner = (*ssl3MAC)(nil)

// NewSSL3MAC returns the MAC of RFC 6101, section 5.2.3.1: HMAC's forerunner, whose pads of so many bytes stand behind the key. newHash makes
// a [hash.Cloner] of up to 64 bytes.
func NewSSL3MAC(newHash func() hash.Hash, key []byte, pad int) (hash.Cloner, error) {
	begin := func(b byte) hash.Cloner {
		s := newHash()
		s.Write(key)
		s.Write(bytes.Repeat([]byte{b}, pad))
		return s.(hash.Cloner)
	}
	m := &ssl3MAC{inner: begin(0x36), outer: begin(0x5c)}
	s, err := m.inner.Clone()
	m.Hash = s
	return m, err
}

func (m *ssl3MAC) Reset() {
	if s, err := m.inner.Clone(); err == nil {
		m.Hash = s
	}
}

func (m *ssl3MAC) Clone() (hash.Cloner, error) {
	s, err := m.Hash.(hash.Cloner).Clone()
	return &ssl3MAC{s, m.inner, m.outer}, err
}

func (m *ssl3MAC) Sum(b []byte) []byte {
	var space [maxSize]byte
	s, err := m.outer.Clone()
	if err != nil {
		return nil
	}
	s.Write(m.Hash.Sum(space[:0]))
	return s.Sum(b)
}
