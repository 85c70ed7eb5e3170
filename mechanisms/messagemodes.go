package mechanisms

import (
	"crypto/cipher"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/algorithm/ccm"
	"github.com/softcsp/softcsp/internal/algorithm/chacha"
	"github.com/softcsp/softcsp/internal/algorithm/gcm"
	"github.com/softcsp/softcsp/internal/algorithm/inparts"
	"github.com/softcsp/softcsp/internal/secret"
)

// A gcmMessages is GCM for messages, over the prepared form that C_Encrypt uses.
type gcmMessages struct {
	usual *gcm.AEAD // for nonces of the usual length and whole tags
	other *gcm.AEAD // for the lengths that were asked for last, if other than those
}

func messageGCM(k *Key, p *ck.Param, decrypt bool) (MessageCipher, error) {
	usual, err := gcmFor(k, gcm.NonceSize, gcm.TagSize)
	if err != nil {
		return nil, err
	}
	return newMessages(&gcmMessages{usual, usual}, p, nonceSourceOf(k), decrypt)
}

// read reads a CK_GCM_MESSAGE_PARAMS.
func (g *gcmMessages) read(p *ck.Param) (c messageParam, err error) {
	c.nonce, c.fixed, c.generator = p.Bytes(), p.Ulong(), p.Ulong()
	at, bits := p.Ulong(), p.Ulong()
	c.tag = p.BytesAt(at, bits/8)
	if err = p.Done(); err == nil && !(&gcmParam{nonce: c.nonce, tag: bits}).good() {
		err = ck.FieldError("ulIvLen or ulTagBits")
	}
	return c, err
}

func (g *gcmMessages) mode(nonce, tag int) (inparts.AEAD, error) {
	if nonce == gcm.NonceSize && tag == gcm.TagSize {
		return g.usual, nil
	}
	if other := g.other; nonce != other.NonceSize() || tag != other.Overhead() {
		if nonce == gcm.NonceSize {
			other = g.usual
		}
		other, err := other.WithSizes(nonce, tag)
		if err != nil {
			return nil, err
		}
		g.other = other
	}
	return g.other, nil
}

func (g *gcmMessages) limit(int) uint64 { return gcm.MaxLen }

// A ccmMessages is CCM for messages.
type ccmMessages struct{ block cipher.Block }

func messageCCM(k *Key, p *ck.Param, decrypt bool) (MessageCipher, error) {
	block, err := keyedAES(k, nil)
	if err != nil {
		return nil, err
	}
	return newMessages(&ccmMessages{block}, p, nonceSourceOf(k), decrypt)
}

// read reads a CK_CCM_MESSAGE_PARAMS.
func (m *ccmMessages) read(p *ck.Param) (c messageParam, err error) {
	c.exact = true
	c.length, c.nonce, c.fixed, c.generator, c.tag = p.Ulong(), p.Bytes(), p.Ulong(), p.Ulong(), p.Bytes()
	if err = p.Done(); err == nil && !(&ccmParam{nonce: c.nonce, tag: uint(len(c.tag))}).goodSizes() {
		err = ck.FieldError("ulNonceLen or ulMACLen")
	}
	return c, err
}

func (m *ccmMessages) mode(_, tag int) (inparts.AEAD, error) {
	return ccm.New(m.block, tag), nil
}

func (m *ccmMessages) limit(nonce int) uint64 { return ccm.MaxLen(nonce) }

// A chachaMessages is ChaCha20 with Poly1305 for messages.
type chachaMessages struct {
	key   [chachaKey]byte
	modes [chacha20poly1305.NonceSizeX + 1]inparts.AEAD // by the length of the nonce
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

func (m *chachaMessages) mode(nonce, _ int) (_ inparts.AEAD, err error) {
	if m.modes[nonce] == nil {
		secret.Do(func() { m.modes[nonce], err = chacha.NewPoly1305(m.key[:], nonce) })
	}
	return m.modes[nonce], err
}

func (m *chachaMessages) limit(int) uint64 { return chacha.MaxLen }
