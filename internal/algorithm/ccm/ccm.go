// Package ccm is the counter mode with CBC-MAC of NIST SP 800-38C and RFC 3610, over any cipher with blocks of 128 bits.
package ccm

import (
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"math"

	"github.com/softcsp/softcsp/internal/algorithm/cbcmac"
	"github.com/softcsp/softcsp/internal/algorithm/inparts"
	"github.com/softcsp/softcsp/internal/secret"
)

const blockSize = 16

// An AEAD is CCM with a key and a length of tags.
type AEAD struct {
	block   cipher.Block
	tagSize int
}

var _ inparts.AEAD = (*AEAD)(nil)

// New returns CCM with tags of so many bytes over a cipher that has its key, and whose blocks have 16 bytes.
func New(block cipher.Block, tagSize int) *AEAD { return &AEAD{block, tagSize} }

// ValidSizes reports whether CCM has nonces and tags of such lengths in bytes: SP 800-38C, A.1.
func ValidSizes(nonce, tag uint) bool {
	return nonce >= 7 && nonce <= 13 && tag >= 4 && tag <= 16 && tag%2 == 0
}

// MaxLen is how many bytes a message with a nonce of so many bytes may have. The nonce leaves that room for the length: SP 800-38C, A.1.
func MaxLen(nonce int) uint64 {
	if q := 15 - nonce; q < 8 {
		return 1<<(8*q) - 1
	}
	return math.MaxUint64
}

// NonceSize implements [cipher.AEAD]. Nonces of any length that [ValidSizes] takes will do.
func (c *AEAD) NonceSize() int { return 13 }

// Overhead implements [cipher.AEAD].
func (c *AEAD) Overhead() int { return c.tagSize }

// Seal implements [cipher.AEAD].
func (c *AEAD) Seal(dst, nonce, data, aad []byte) []byte {
	return inparts.Seal(c.Begin(nonce, aad, uint64(len(data))), dst, data)
}

// Open implements [cipher.AEAD].
func (c *AEAD) Open(dst, nonce, sealed, aad []byte) ([]byte, error) {
	return inparts.Open(c.Begin(nonce, aad, uint64(len(sealed)-c.tagSize)), c.tagSize, dst, sealed)
}

// A message is one in parts.
type message struct {
	mac    cbcmac.MAC // of the plaintext
	stream cipher.Stream
	mask   [blockSize]byte // of the tag
	size   int             // of the tag
}

// Begin implements [inparts.AEAD]: SP 800-38C, 6.1, with the formatting of appendix A.
func (c *AEAD) Begin(nonce, aad []byte, length uint64) inparts.Message {
	s := &message{mac: *cbcmac.New(c.block), size: c.tagSize}
	var b, counter [blockSize]byte
	q := 15 - len(nonce)
	binary.BigEndian.PutUint64(b[8:], length)
	copy(b[1:], nonce)
	b[0] = byte(8*((c.tagSize-2)/2) + q - 1)
	if len(aad) > 0 {
		b[0] |= 1 << 6
	}
	s.mac.Write(b[:])
	if len(aad) > 0 {
		s.mac.Write(lengthOf(uint64(len(aad))))
		s.mac.Write(aad)
		s.mac.Pad()
	}
	counter[0] = byte(q - 1)
	copy(counter[1:], nonce)
	secret.Do(func() { s.stream = cipher.NewCTR(c.block, counter[:]) })
	s.stream.XORKeyStream(s.mask[:], s.mask[:])
	return s
}

func (s *message) Encrypt(dst, src []byte) {
	s.mac.Write(src)
	s.stream.XORKeyStream(dst, src)
}

func (s *message) Decrypt(dst, src []byte) {
	s.stream.XORKeyStream(dst, src)
	s.mac.Write(dst)
}

func (s *message) Tag(b []byte) []byte {
	tag := s.mac.Sum(nil)
	subtle.XORBytes(tag, tag, s.mask[:])
	return append(b, tag[:s.size]...)
}

// lengthOf encodes the length of the associated data: SP 800-38C, A.2.2.
func lengthOf(n uint64) []byte {
	switch {
	case n < 1<<16-1<<8:
		return binary.BigEndian.AppendUint16(nil, uint16(n))
	case n < 1<<32:
		return binary.BigEndian.AppendUint32([]byte{0xff, 0xfe}, uint32(n))
	}
	return binary.BigEndian.AppendUint64([]byte{0xff, 0xff}, n)
}
