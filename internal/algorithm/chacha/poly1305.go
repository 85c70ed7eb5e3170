package chacha

import (
	"crypto/cipher"
	"encoding/binary"

	"golang.org/x/crypto/chacha20"
	"golang.org/x/crypto/chacha20poly1305"
	"golang.org/x/crypto/poly1305" //lint:ignore SA1019 what comes in parts needs it

	"github.com/softcsp/softcsp/internal/algorithm/inparts"
	"github.com/softcsp/softcsp/internal/secret"
)

const polyBlockSize = 16

// MaxLen is how many bytes a message of ChaCha20-Poly1305 may have, which is how far a counter of 32 bits gets: RFC 8439, 2.8.
const MaxLen = (1<<32 - 1) * BlockSize

// NewPoly1305 returns ChaCha20-Poly1305 for nonces of nonceSize bytes: 12 (RFC 8439), 24 (draft-irtf-cfrg-xchacha-03), or 8, which is the
// older construction of draft-agl-tls-chacha20poly1305-04. key has 32 bytes.
func NewPoly1305(key []byte, nonceSize int) (m inparts.AEAD, err error) {
	c := &poly{key: [chacha20.KeySize]byte(key)}
	switch nonceSize {
	case 8:
		return olderPoly{c}, nil
	case chacha20poly1305.NonceSize:
		c.AEAD, err = chacha20poly1305.New(key)
	default:
		c.AEAD, err = chacha20poly1305.NewX(key)
	}
	return c, err
}

// A poly is the construction of RFC 8439, 2.8, or that with the longer nonce of draft-irtf-cfrg-xchacha-03.
type poly struct {
	cipher.AEAD
	key [chacha20.KeySize]byte
}

// An olderPoly is the construction before RFC 7539, with a nonce of 64 bits: draft-agl-tls-chacha20poly1305-04, 5.
type olderPoly struct{ *poly }

var _, _ inparts.AEAD = (*poly)(nil), olderPoly{}

// NonceSize implements [cipher.AEAD].
func (olderPoly) NonceSize() int { return 8 }

// Overhead implements [cipher.AEAD].
func (olderPoly) Overhead() int { return poly1305.TagSize }

// Seal implements [cipher.AEAD].
func (o olderPoly) Seal(dst, nonce, data, aad []byte) []byte {
	return inparts.Seal(o.Begin(nonce, aad, 0), dst, data)
}

// Open implements [cipher.AEAD].
func (o olderPoly) Open(dst, nonce, sealed, aad []byte) ([]byte, error) {
	return inparts.Open(o.Begin(nonce, aad, 0), poly1305.TagSize, dst, sealed)
}

// Begin implements [inparts.AEAD].
func (o olderPoly) Begin(nonce, aad []byte, _ uint64) inparts.Message {
	return o.begin(nonce, aad, true)
}

// Begin implements [inparts.AEAD].
func (p *poly) Begin(nonce, aad []byte, _ uint64) inparts.Message {
	return p.begin(nonce, aad, false)
}

// begin begins a message in parts: the first block of the stream keys the MAC.
func (p *poly) begin(nonce, aad []byte, older bool) *message {
	s := &message{older: older}
	secret.Do(func() {
		if len(nonce) == chacha20poly1305.NonceSize {
			s.stream = New(p.key[:], nonce, 0)
		} else {
			s.stream = NewLong(p.key[:], nonce, 0)
		}
		var key [BlockSize]byte
		s.stream.XORKeyStream(key[:], key[:])
		s.mac = poly1305.New((*[chacha20.KeySize]byte)(key[:]))
		clear(key[:])
	})
	s.aad = uint64(len(aad))
	s.mac.Write(aad)
	s.end(s.aad)
	return s
}

// A message is one in parts.
type message struct {
	stream    cipher.Stream
	mac       *poly1305.MAC
	older     bool // the older construction, in which each length stands behind what it is the length of
	aad, data uint64
}

// end ends associated data or ciphertext of n bytes.
func (s *message) end(n uint64) {
	if s.older {
		s.count(n)
	} else if rest := n % polyBlockSize; rest != 0 {
		s.mac.Write(make([]byte, polyBlockSize-rest))
	}
}

func (s *message) count(n uint64) { s.mac.Write(binary.LittleEndian.AppendUint64(nil, n)) }

func (s *message) Encrypt(dst, src []byte) {
	s.stream.XORKeyStream(dst, src)
	s.mac.Write(dst)
	s.data += uint64(len(dst))
}

func (s *message) Decrypt(dst, src []byte) {
	s.mac.Write(src)
	s.data += uint64(len(src))
	s.stream.XORKeyStream(dst, src)
}

func (s *message) Tag(b []byte) []byte {
	s.end(s.data)
	if !s.older {
		s.count(s.aad)
		s.count(s.data)
	}
	return s.mac.Sum(b)
}
