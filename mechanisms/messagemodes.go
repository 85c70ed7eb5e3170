package mechanisms

import (
	"crypto/cipher"
	"encoding/binary"
	"math"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/secret"
)

// A gcmMessages is GCM for messages, over the forms of the key that C_Encrypt uses.
type gcmMessages struct {
	block cipher.Block
	aead  cipher.AEAD // for nonces of size bytes
	size  int
	usual cipher.AEAD // for nonces of the usual length
	one   gcm
}

func messageGCM(k *Key, p *ck.Param, decrypt bool) (MessageCipher, error) {
	block, err := openAES(k, nil)
	if err != nil {
		return nil, err
	}
	usual, err := gcmFor(k, gcmNonce)
	if err != nil {
		return nil, err
	}
	return newMessages(&gcmMessages{block: block, usual: usual}, p, ivsOf(k), decrypt)
}

// read reads a CK_GCM_MESSAGE_PARAMS.
func (g *gcmMessages) read(p *ck.Param) (c messageParam, err error) {
	c.nonce, c.fixed, c.generator = p.Bytes(), p.Ulong(), p.Ulong()
	at, bits := p.Ulong(), p.Ulong()
	c.tag = p.BytesAt(at, bits/8)
	if err = p.Done(); err == nil && !(&gcmParam{nonce: c.nonce, tag: bits}).good() {
		err = ck.CKR_MECHANISM_PARAM_INVALID
	}
	return c, err
}

// with returns GCM for nonces of a length.
func (g *gcmMessages) with(nonce int) (cipher.AEAD, error) {
	if nonce == gcmNonce {
		return g.usual, nil
	}
	if g.size != nonce {
		a, err := newGCM(g.block, nonce)
		if err != nil {
			return nil, err
		}
		g.aead, g.size = a, nonce
	}
	return g.aead, nil
}

func (g *gcmMessages) cipher(nonce, aad []byte, tag int, decrypt bool) (Cipher, error) {
	a, err := g.with(len(nonce))
	g.one = gcm{aead: a, nonce: nonce, aad: aad, tag: tag, decrypt: decrypt}
	return &g.one, err
}

func (g *gcmMessages) limit(int) uint64 { return gcmMaxLen }

// stream begins the counter mode behind the first counter block, which encrypts the tag: SP 800-38D, 7.1, step 3. That block is
// had without GHASH: the tag of nothing is its encryption.
func (g *gcmMessages) stream(nonce []byte) (cipher.Stream, error) {
	a, err := g.with(len(nonce))
	if err != nil {
		return nil, err
	}
	s := &gcmStream{block: g.block}
	secret.Do(func() {
		g.block.Decrypt(s.counter[:], a.Seal(nil, nonce, nil, nil))
		s.at(binary.BigEndian.Uint32(s.counter[12:]) + 1)
	})
	return s, nil
}

// A gcmStream is the counter mode of GCM, in which the last 32 bits count, and wrap around.
type gcmStream struct {
	block   cipher.Block
	counter [aesBlock]byte
	left    uint64 // bytes until they wrap around
	current cipher.Stream
}

func (s *gcmStream) at(counter uint32) {
	binary.BigEndian.PutUint32(s.counter[12:], counter)
	s.left = (1<<32 - uint64(counter)) * aesBlock
	s.current = cipher.NewCTR(s.block, s.counter[:])
}

func (s *gcmStream) XORKeyStream(dst, src []byte) {
	for len(src) > 0 {
		if s.left == 0 {
			secret.Do(func() { s.at(0) })
		}
		n := int(min(uint64(len(src)), s.left))
		s.current.XORKeyStream(dst[:n], src[:n])
		s.left -= uint64(n)
		dst, src = dst[n:], src[n:]
	}
}

// A ccmMessages is CCM for messages.
type ccmMessages struct {
	mode ccm
	one  aead
}

func messageCCM(k *Key, p *ck.Param, decrypt bool) (MessageCipher, error) {
	block, err := openAES(k, nil)
	if err != nil {
		return nil, err
	}
	return newMessages(&ccmMessages{mode: ccm{block: block}}, p, ivsOf(k), decrypt)
}

// read reads a CK_CCM_MESSAGE_PARAMS.
func (m *ccmMessages) read(p *ck.Param) (c messageParam, err error) {
	c.exact = true
	c.length, c.nonce, c.fixed, c.generator, c.tag = p.Ulong(), p.Bytes(), p.Ulong(), p.Ulong(), p.Bytes()
	if err = p.Done(); err == nil && !(&ccmParam{nonce: c.nonce, tag: uint(len(c.tag))}).tagsAndNonce() {
		err = ck.CKR_MECHANISM_PARAM_INVALID
	}
	return c, err
}

func (m *ccmMessages) cipher(nonce, aad []byte, tag int, decrypt bool) (Cipher, error) {
	m.mode.tag = tag
	m.one = aead{AEAD: &m.mode, nonce: nonce, aad: aad, decrypt: decrypt}
	return &m.one, nil
}

// limit is what the bytes that the nonce leaves can tell: SP 800-38C, A.1.
func (m *ccmMessages) limit(nonce int) uint64 {
	if q := 15 - nonce; q < 8 {
		return 1<<(8*q) - 1
	}
	return math.MaxUint64
}

func (m *ccmMessages) stream(nonce []byte) (cipher.Stream, error) {
	return m.mode.stream(nonce, nil), nil
}

// A chachaMessages is ChaCha20 with Poly1305 for messages.
type chachaMessages struct {
	key   [chachaKey]byte
	aeads [chacha20poly1305.NonceSizeX + 1]cipher.AEAD // by the length of the nonce
	one   aead
}

func messageChaChaPoly(k *Key, p *ck.Param, decrypt bool) (m MessageCipher, err error) {
	if len(k.Value) != chachaKey {
		return nil, ck.CKR_KEY_SIZE_RANGE
	}
	secret.Do(func() { m, err = newMessages(&chachaMessages{key: [chachaKey]byte(k.Value)}, p, nil, decrypt) })
	return m, err
}

// read reads a CK_SALSA20_CHACHA20_POLY1305_MSG_PARAMS.
func (m *chachaMessages) read(p *ck.Param) (c messageParam, err error) {
	if c.nonce, err = readPolyNonce(p); err == nil {
		c.tag = p.BytesOf(polyTag)
		err = p.Done()
	}
	return c, err
}

func (m *chachaMessages) cipher(nonce, aad []byte, _ int, decrypt bool) (_ Cipher, err error) {
	n := len(nonce)
	if m.aeads[n] == nil {
		secret.Do(func() { m.aeads[n], err = newChaChaPoly(m.key[:], n) })
	}
	m.one = aead{AEAD: m.aeads[n], nonce: nonce, aad: aad, decrypt: decrypt}
	return &m.one, err
}

// limit is how far a counter of 32 bits gets: RFC 8439, 2.8.
func (m *chachaMessages) limit(int) uint64 { return (1<<32 - 1) * chachaBlock }

// stream is the cipher behind the block that keys the MAC.
func (m *chachaMessages) stream(nonce []byte) (s cipher.Stream, err error) {
	secret.Do(func() {
		if len(nonce) == chacha20poly1305.NonceSize {
			s = newChaCha(m.key[:], nonce, 1)
		} else {
			s = newLongChaCha(m.key[:], nonce, 1)
		}
	})
	return s, nil
}
