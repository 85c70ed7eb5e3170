package mechanisms

import (
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"

	"golang.org/x/crypto/chacha20"
	"golang.org/x/crypto/chacha20poly1305"
	"golang.org/x/crypto/poly1305" //lint:ignore SA1019 the older construction needs it

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/secret"
)

// chachaPoly is ChaCha20 with Poly1305, with a CK_SALSA20_CHACHA20_POLY1305_PARAMS.
func chachaPoly(decrypt bool) begin {
	return func(k *Key, p *ck.Param) (Cipher, error) {
		nonce, aad, err := readChaChaPoly(p)
		if err != nil {
			return nil, err
		}
		if len(k.Value) != chachaKey {
			return nil, ck.CKR_KEY_SIZE_RANGE
		}
		a := &aead{nonce: ck.Clone(nonce), aad: ck.Clone(aad), decrypt: decrypt}
		secret.Do(func() { a.AEAD, err = newChaChaPoly(k.Value, len(nonce)) })
		return a, err
	}
}

// newChaChaPoly returns the construction for nonces of a length.
func newChaChaPoly(key []byte, nonce int) (cipher.AEAD, error) {
	switch nonce {
	case 8:
		return &firstChaChaPoly{[chachaKey]byte(key)}, nil
	case chacha20poly1305.NonceSize:
		return chacha20poly1305.New(key)
	}
	return chacha20poly1305.NewX(key)
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

// A firstChaChaPoly is the construction before RFC 7539, with a nonce of 64 bits: draft-agl-tls-chacha20poly1305-04, 5.
type firstChaChaPoly struct{ key [chachaKey]byte }

var _ cipher.AEAD = (*firstChaChaPoly)(nil)

func (f *firstChaChaPoly) NonceSize() int { return 8 }
func (f *firstChaChaPoly) Overhead() int  { return polyTag }

// start makes the MAC, with the associated data in it, and the stream behind the block that keys it.
func (f *firstChaChaPoly) start(nonce, aad []byte) (*poly1305.MAC, *chacha20.Cipher) {
	long := make([]byte, chacha20.NonceSize)
	copy(long[4:], nonce)
	stream := newChaCha(f.key[:], long, 0)
	var first [chachaBlock]byte
	stream.XORKeyStream(first[:], first[:])
	m := poly1305.New((*[chachaKey]byte)(first[:]))
	clear(first[:])
	writeLong(m, aad)
	return m, stream
}

// writeLong adds data and its length.
func writeLong(m *poly1305.MAC, data []byte) {
	m.Write(data)
	m.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(data))))
}

func (f *firstChaChaPoly) Seal(dst, nonce, data, aad []byte) []byte {
	n := len(dst)
	dst = append(dst, data...)
	secret.Do(func() {
		m, stream := f.start(nonce, aad)
		stream.XORKeyStream(dst[n:], dst[n:])
		writeLong(m, dst[n:])
		dst = m.Sum(dst)
	})
	return dst
}

func (f *firstChaChaPoly) Open(dst, nonce, sealed, aad []byte) (plain []byte, err error) {
	data, tag := sealed[:len(sealed)-polyTag], sealed[len(sealed)-polyTag:]
	secret.Do(func() {
		m, stream := f.start(nonce, aad)
		writeLong(m, data)
		if subtle.ConstantTimeCompare(m.Sum(nil), tag) != 1 {
			err = errTag
			return
		}
		n := len(dst)
		plain = append(dst, data...)
		stream.XORKeyStream(plain[n:], plain[n:])
	})
	return plain, err
}
