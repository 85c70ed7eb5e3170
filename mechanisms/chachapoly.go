package mechanisms

import (
	"crypto/cipher"
	"encoding/binary"

	"golang.org/x/crypto/chacha20poly1305"
	"golang.org/x/crypto/poly1305" //lint:ignore SA1019 what comes in parts needs it

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/algorithm/inparts"
	"github.com/softcsp/softcsp/internal/secret"
)

// chachaPoly is ChaCha20 with Poly1305, with a CK_SALSA20_CHACHA20_POLY1305_PARAMS.
func chachaPoly(decrypt bool) beginFunc {
	return func(k *Key, p *ck.Param) (Cipher, error) {
		nonce, aad, err := readChaChaPoly(p)
		if err != nil {
			return nil, err
		}
		if len(k.Value) != chachaKey {
			return nil, ck.CKR_KEY_SIZE_RANGE
		}
		var mode inparts.AEAD
		secret.Do(func() { mode, err = newChaChaPoly(k.Value, len(nonce)) })
		if err != nil {
			return nil, err
		}
		return newAEAD(mode, nonce, aad, decrypt, chachaMaxLen), nil
	}
}

// chachaMaxLen is how far a counter of 32 bits gets: RFC 8439, 2.8.
const chachaMaxLen = (1<<32 - 1) * chachaBlock

// newChaChaPoly returns the construction for nonces of a length.
func newChaChaPoly(key []byte, nonce int) (m inparts.AEAD, err error) {
	c := &chachaMode{key: [chachaKey]byte(key)}
	switch nonce {
	case 8:
		return firstChaChaPoly{c}, nil
	case chacha20poly1305.NonceSize:
		c.AEAD, err = chacha20poly1305.New(key)
	default:
		c.AEAD, err = chacha20poly1305.NewX(key)
	}
	return c, err
}

// readChaChaPoly reads the parameter.
func readChaChaPoly(p *ck.Param) (nonce, aad []byte, err error) {
	if nonce, err = readPolyNonce(p); err != nil {
		return nil, nil, err
	}
	aad = p.Bytes()
	return nonce, aad, p.Done()
}

// readPolyNonce reads pNonce and ulNonceLen, which is in bits, says the standard; the common callers of other modules give bytes.
// No length in bits is one in bytes too.
func readPolyNonce(p *ck.Param) ([]byte, error) {
	addr, n := p.Ulong(), p.Ulong()
	switch n {
	case 64, 96, 192:
		n /= 8
	case 8, 12, 24:
	default:
		return nil, ck.CKR_MECHANISM_PARAM_INVALID
	}
	return p.BytesAt(addr, n), nil
}

// A chachaMode is the construction of RFC 8439, 2.8, or that with the longer nonce of draft-irtf-cfrg-xchacha-03.
type chachaMode struct {
	cipher.AEAD
	key [chachaKey]byte
}

// A firstChaChaPoly is the construction before RFC 7539, with a nonce of 64 bits: draft-agl-tls-chacha20poly1305-04, 5.
type firstChaChaPoly struct{ *chachaMode }

var _, _ inparts.AEAD = (*chachaMode)(nil), firstChaChaPoly{}

func (firstChaChaPoly) NonceSize() int { return 8 }
func (firstChaChaPoly) Overhead() int  { return polyTag }

func (f firstChaChaPoly) Seal(dst, nonce, data, aad []byte) []byte {
	return inparts.Seal(f.Begin(nonce, aad, 0), dst, data)
}

func (f firstChaChaPoly) Open(dst, nonce, sealed, aad []byte) ([]byte, error) {
	return inparts.Open(f.Begin(nonce, aad, 0), polyTag, dst, sealed)
}

func (f firstChaChaPoly) Begin(nonce, aad []byte, _ uint64) inparts.Message {
	return f.sealing(nonce, aad, true)
}
func (c *chachaMode) Begin(nonce, aad []byte, _ uint64) inparts.Message {
	return c.sealing(nonce, aad, false)
}

// sealing begins an encryption in parts: the first block of the stream keys the MAC.
func (c *chachaMode) sealing(nonce, aad []byte, first bool) *polySealing {
	s := &polySealing{first: first}
	secret.Do(func() {
		if len(nonce) == chacha20poly1305.NonceSize {
			s.stream = newChaCha(c.key[:], nonce, 0)
		} else {
			s.stream = newLongChaCha(c.key[:], nonce, 0)
		}
		var key [chachaBlock]byte
		s.stream.XORKeyStream(key[:], key[:])
		s.mac = poly1305.New((*[chachaKey]byte)(key[:]))
		clear(key[:])
	})
	s.aad = uint64(len(aad))
	s.mac.Write(aad)
	s.end(s.aad)
	return s
}

// A polySealing is ChaCha20 with Poly1305 in parts.
type polySealing struct {
	stream    cipher.Stream
	mac       *poly1305.MAC
	first     bool // the older construction, in which each length stands behind what it is the length of
	aad, data uint64
}

// end ends associated data or ciphertext of n bytes.
func (s *polySealing) end(n uint64) {
	if s.first {
		s.count(n)
	} else if rest := n % polyBlock; rest != 0 {
		s.mac.Write(make([]byte, polyBlock-rest))
	}
}

func (s *polySealing) count(n uint64) { s.mac.Write(binary.LittleEndian.AppendUint64(nil, n)) }

func (s *polySealing) Encrypt(dst, src []byte) {
	s.stream.XORKeyStream(dst, src)
	s.mac.Write(dst)
	s.data += uint64(len(dst))
}

func (s *polySealing) Decrypt(dst, src []byte) {
	s.mac.Write(src)
	s.data += uint64(len(src))
	s.stream.XORKeyStream(dst, src)
}

func (s *polySealing) Tag(b []byte) []byte {
	s.end(s.data)
	if !s.first {
		s.count(s.aad)
		s.count(s.data)
	}
	return s.mac.Sum(b)
}
