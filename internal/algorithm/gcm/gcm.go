// Package gcm is the Galois/Counter Mode of NIST SP 800-38D and GMAC, over any cipher with blocks of 128 bits. It has what
// [crypto/cipher] lacks: tags of 4 to 16 bytes with nonces of any length, and messages that come in parts. Encryption and hashing are
// done by crypto/cipher, so in hardware where that is.
package gcm

import (
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"errors"

	"github.com/softcsp/softcsp/internal/algorithm/inparts"
	"github.com/softcsp/softcsp/internal/secret"
)

const (
	NonceSize = 12 // bytes; what GCM is made for, and any other number but 0 is possible
	TagSize   = 16 // bytes of the whole tag
	MinTag    = 4  // bytes: SP 800-38D, appendix C

	// MaxLen is how many bytes a message may have: SP 800-38D, 5.2.1.1.
	MaxLen = (1<<32 - 2) * blockSize

	blockSize = 16
)

// An AEAD is GCM with a key and lengths of nonce and tag.
type AEAD struct {
	whole   cipher.AEAD // with the whole tag
	block   cipher.Block
	tagSize int
}

var _ inparts.AEAD = (*AEAD)(nil)

// New returns GCM for nonces and tags of so many bytes.
func New(block cipher.Block, nonceSize, tagSize int) (g *AEAD, err error) {
	if tagSize < MinTag || tagSize > TagSize {
		return nil, errors.New("gcm: no such length of a tag")
	}
	g = &AEAD{block: block, tagSize: tagSize}
	secret.Do(func() { g.whole, err = cipher.NewGCMWithNonceSize(block, nonceSize) })
	if err != nil {
		return nil, err
	}
	return g, nil
}

// WithSizes returns GCM with the same key for other lengths of nonce and tag.
func (g *AEAD) WithSizes(nonceSize, tagSize int) (*AEAD, error) {
	switch {
	case nonceSize != g.NonceSize() || tagSize < MinTag || tagSize > TagSize:
		return New(g.block, nonceSize, tagSize)
	case tagSize == g.tagSize:
		return g, nil
	}
	return &AEAD{g.whole, g.block, tagSize}, nil
}

// NonceSize implements [cipher.AEAD].
func (g *AEAD) NonceSize() int { return g.whole.NonceSize() }

// Overhead implements [cipher.AEAD].
func (g *AEAD) Overhead() int { return g.tagSize }

// Seal implements [cipher.AEAD]. A short tag is the first bytes of the whole one: SP 800-38D, 7.1, step 6.
func (g *AEAD) Seal(dst, nonce, plaintext, aad []byte) []byte {
	if g.tagSize == TagSize {
		return g.whole.Seal(dst, nonce, plaintext, aad)
	}
	return inparts.Seal(g.begin(nonce, aad), dst, plaintext)
}

// Open implements [cipher.AEAD].
func (g *AEAD) Open(dst, nonce, sealed, aad []byte) ([]byte, error) {
	if g.tagSize == TagSize {
		return g.whole.Open(dst, nonce, sealed, aad)
	}
	if len(sealed) < g.tagSize {
		return nil, inparts.ErrTag
	}
	data, want := sealed[:len(sealed)-g.tagSize], sealed[len(sealed)-g.tagSize:]
	m := g.begin(nonce, aad)
	m.hash.write(data)
	if subtle.ConstantTimeCompare(m.Tag(nil), want) != 1 {
		return nil, inparts.ErrTag
	}
	n := len(dst)
	dst = append(dst, data...)
	m.stream.XORKeyStream(dst[n:], dst[n:])
	return dst, nil
}

// Begin implements [inparts.AEAD]. The nonce must not change until the end.
func (g *AEAD) Begin(nonce, aad []byte, _ uint64) inparts.Message { return g.begin(nonce, aad) }

// begin begins a message in parts: SP 800-38D, 7.1 and 7.2.
func (g *AEAD) begin(nonce, aad []byte) *message {
	m := &message{tagSize: g.tagSize}
	secret.Do(func() {
		m.hash = g.hash(nonce)
		m.stream = newStream(g.block, g.whole, nonce)
	})
	m.hash.write(aad)
	m.hash.ciphertext()
	return m
}

// A message is one in parts.
type message struct {
	stream  *stream
	hash    *ghash
	tagSize int
}

func (m *message) Encrypt(dst, src []byte) {
	m.stream.XORKeyStream(dst, src)
	m.hash.write(dst)
}

func (m *message) Decrypt(dst, src []byte) {
	m.hash.write(src)
	m.stream.XORKeyStream(dst, src)
}

func (m *message) Tag(b []byte) []byte { return append(b, m.hash.sum(nil)[:m.tagSize]...) }

// A stream is the counter mode of GCM, in which the last 32 bits count, and wrap around: SP 800-38D, 6.5.
type stream struct {
	block   cipher.Block
	counter [blockSize]byte
	left    uint64 // bytes until they wrap around
	current cipher.Stream
}

// newStream begins the counter mode behind the first counter block, which encrypts the tag: SP 800-38D, 7.1, step 3. That block is
// had without GHASH: the tag of nothing is its encryption.
func newStream(block cipher.Block, whole cipher.AEAD, nonce []byte) *stream {
	s := &stream{block: block}
	block.Decrypt(s.counter[:], whole.Seal(nil, nonce, nil, nil))
	s.startAt(binary.BigEndian.Uint32(s.counter[12:]) + 1)
	return s
}

func (s *stream) startAt(counter uint32) {
	binary.BigEndian.PutUint32(s.counter[12:], counter)
	s.left = (1<<32 - uint64(counter)) * blockSize
	s.current = cipher.NewCTR(s.block, s.counter[:])
}

func (s *stream) XORKeyStream(dst, src []byte) {
	for len(src) > 0 {
		if s.left == 0 {
			secret.Do(func() { s.startAt(0) })
		}
		n := int(min(uint64(len(src)), s.left))
		s.current.XORKeyStream(dst[:n], src[:n])
		s.left -= uint64(n)
		dst, src = dst[n:], src[n:]
	}
}
