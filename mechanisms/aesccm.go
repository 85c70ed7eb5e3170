package mechanisms

import (
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"math"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/algorithm/inparts"
	"github.com/softcsp/softcsp/internal/secret"
)

// ccmRows are the counter mode with CBC-MAC of SP 800-38C and RFC 3610.
var ccmRows = []Mechanism{{Type: ck.CKM_AES_CCM, Keys: aesKeys, Min: 16, Max: 32,
	Encrypt: beginCCM(readCCM, false), Decrypt: beginCCM(readCCM, true),
	Authentic: true, Wrap: wrapWith(beginCCM(readCCMWrap, false)), WrapSize: ccmWrapSize, Unwrap: unwrapWith(beginCCM(readCCMWrap, true)), Message: messageCCM,
}}

// A ccmParam is what CK_CCM_PARAMS and CK_CCM_WRAP_PARAMS say.
type ccmParam struct {
	nonce, aad  []byte
	length, tag uint
	exact       bool // whether length counts
	// How the nonce is made, which decryption does not look at:
	fixed, generator uint
}

// readCCM reads a CK_CCM_PARAMS.
func readCCM(p *ck.Param) (c ccmParam, err error) {
	c.exact = true
	c.length, c.nonce, c.aad, c.tag = p.Ulong(), p.Bytes(), p.Bytes(), p.Ulong()
	return c, p.Done()
}

// ccmWrapLen is the length of a CK_CCM_WRAP_PARAMS in bytes.
const ccmWrapLen = 64

// readCCMWrap reads a CK_CCM_WRAP_PARAMS. Callers that bring their own nonce may pass a CK_CCM_PARAMS too, as for encryption. The
// length of the data is the key's, and what the parameter says of it is not looked at.
func readCCMWrap(p *ck.Param) (c ccmParam, err error) {
	c.length, c.nonce = p.Ulong(), p.Bytes()
	if p.Len() == ccmWrapLen {
		c.fixed, c.generator = p.Ulong(), p.Ulong()
	}
	c.aad, c.tag = p.Bytes(), p.Ulong()
	return c, p.Done()
}

// ccmWrapSize returns the length of a wrapped key.
func ccmWrapSize(p *ck.Param, n int) (int, error) {
	c, err := readCCMWrap(p)
	if err == nil && !c.tagsAndNonce() {
		err = ck.FieldError("ulNonceLen or ulMACLen")
	}
	return n + int(c.tag), err
}

// tagsAndNonce reports whether the lengths are some that CCM has: SP 800-38C, A.1.
func (c *ccmParam) tagsAndNonce() bool {
	return len(c.nonce) >= 7 && len(c.nonce) <= 13 && c.tag >= 4 && c.tag <= 16 && c.tag%2 == 0
}

func beginCCM(read func(*ck.Param) (ccmParam, error), decrypt bool) beginFunc {
	return func(k *Key, p *ck.Param) (Cipher, error) {
		c, err := read(p)
		if err != nil {
			return nil, err
		}
		if !c.tagsAndNonce() || c.exact && uint64(c.length) > ccmLimit(len(c.nonce)) {
			return nil, ck.FieldError("ulNonceLen, ulMACLen or ulDataLen")
		}
		if !decrypt {
			if err := generateNonce(k, c.nonce, c.fixed, c.generator); err != nil {
				return nil, err
			}
		}
		b, err := keyedAES(k, nil)
		if err != nil {
			return nil, err
		}
		a := newAEAD(&ccm{b, int(c.tag)}, c.nonce, c.aad, decrypt, ccmLimit(len(c.nonce)))
		a.exact, a.length = c.exact, c.length
		return a, nil
	}
}

// ccmLimit returns how many bytes of data can be told in the bytes that the nonce leaves for that: SP 800-38C, A.1.
func ccmLimit(nonce int) uint64 {
	if q := 15 - nonce; q < 8 {
		return 1<<(8*q) - 1
	}
	return math.MaxUint64
}

// A ccm is CCM as a cipher.AEAD.
type ccm struct {
	block cipher.Block
	tag   int
}

var _ inparts.AEAD = (*ccm)(nil)

func (c *ccm) NonceSize() int { return 13 } // one of those that there are
func (c *ccm) Overhead() int  { return c.tag }

func (c *ccm) Seal(dst, nonce, data, aad []byte) []byte {
	return inparts.Seal(c.Begin(nonce, aad, uint64(len(data))), dst, data)
}

func (c *ccm) Open(dst, nonce, sealed, aad []byte) ([]byte, error) {
	return inparts.Open(c.Begin(nonce, aad, uint64(len(sealed)-c.tag)), c.tag, dst, sealed)
}

// A ccmSealing is CCM in parts.
type ccmSealing struct {
	mac    chainMAC // of the plaintext
	stream cipher.Stream
	mask   [aesBlock]byte // of the tag
	size   int            // of the tag
}

// begin begins CCM: SP 800-38C, 6.1, with the formatting of appendix A.
func (c *ccm) Begin(nonce, aad []byte, length uint64) inparts.Message {
	s := &ccmSealing{mac: chainMAC{block: c.block, size: aesBlock}, size: c.tag}
	var b, counter [aesBlock]byte
	q := 15 - len(nonce)
	binary.BigEndian.PutUint64(b[8:], length)
	copy(b[1:], nonce)
	b[0] = byte(8*((c.tag-2)/2) + q - 1)
	if len(aad) > 0 {
		b[0] |= 1 << 6
	}
	s.mac.Write(b[:])
	if len(aad) > 0 {
		s.mac.Write(ccmLength(uint64(len(aad))))
		s.mac.Write(aad)
		if s.mac.n > 0 {
			s.mac.fill()
		}
	}
	counter[0] = byte(q - 1)
	copy(counter[1:], nonce)
	secret.Do(func() { s.stream = cipher.NewCTR(c.block, counter[:]) })
	s.stream.XORKeyStream(s.mask[:], s.mask[:])
	return s
}

func (s *ccmSealing) Encrypt(dst, src []byte) {
	s.mac.Write(src)
	s.stream.XORKeyStream(dst, src)
}

func (s *ccmSealing) Decrypt(dst, src []byte) {
	s.stream.XORKeyStream(dst, src)
	s.mac.Write(dst)
}

func (s *ccmSealing) Tag(b []byte) []byte {
	tag := s.mac.Sum(nil)
	subtle.XORBytes(tag, tag, s.mask[:])
	return append(b, tag[:s.size]...)
}

// ccmLength encodes the length of the associated data: SP 800-38C, A.2.2.
func ccmLength(n uint64) []byte {
	switch {
	case n < 1<<16-1<<8:
		return binary.BigEndian.AppendUint16(nil, uint16(n))
	case n < 1<<32:
		return binary.BigEndian.AppendUint32([]byte{0xff, 0xfe}, uint32(n))
	}
	return binary.BigEndian.AppendUint64([]byte{0xff, 0xff}, n)
}
