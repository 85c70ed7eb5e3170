package mechanisms

import (
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"errors"

	"github.com/softcsp/softcsp/ck"
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
		err = ck.CKR_MECHANISM_PARAM_INVALID
	}
	return n + int(c.tag), err
}

// tagsAndNonce reports whether the lengths are some that CCM has: SP 800-38C, A.1.
func (c *ccmParam) tagsAndNonce() bool {
	return len(c.nonce) >= 7 && len(c.nonce) <= 13 && c.tag >= 4 && c.tag <= 16 && c.tag%2 == 0
}

func beginCCM(read func(*ck.Param) (ccmParam, error), decrypt bool) begin {
	return func(k *Key, p *ck.Param) (Cipher, error) {
		c, err := read(p)
		if err != nil {
			return nil, err
		}
		if !c.tagsAndNonce() || c.exact && !ccmFits(len(c.nonce), uint64(c.length)) {
			return nil, ck.CKR_MECHANISM_PARAM_INVALID
		}
		if !decrypt {
			if err := makeNonce(k, c.nonce, c.fixed, c.generator); err != nil {
				return nil, err
			}
		}
		b, err := openAES(k, nil)
		if err != nil {
			return nil, err
		}
		return &aead{AEAD: &ccm{b, int(c.tag)}, nonce: ck.Clone(c.nonce), aad: ck.Clone(c.aad),
			decrypt: decrypt, exact: c.exact, length: c.length}, nil
	}
}

// ccmFits reports whether the length of the data can be written in the bytes that the nonce leaves for it.
func ccmFits(nonce int, length uint64) bool {
	q := 15 - nonce
	return q >= 8 || length>>(8*q) == 0
}

// A ccm is CCM as a cipher.AEAD.
type ccm struct {
	block cipher.Block
	tag   int
}

var _ cipher.AEAD = (*ccm)(nil)

func (c *ccm) NonceSize() int { return 13 } // one of those that there are
func (c *ccm) Overhead() int  { return c.tag }

// authenticate computes T of SP 800-38C, 6.1, steps 1 to 4, with the formatting of appendix A.
func (c *ccm) authenticate(nonce, data, aad []byte) []byte {
	var b [aesBlock]byte
	q := 15 - len(nonce)
	binary.BigEndian.PutUint64(b[8:], uint64(len(data)))
	copy(b[1:], nonce)
	b[0] = byte(8*((c.tag-2)/2) + q - 1)
	m := &chainMAC{block: c.block, size: aesBlock}
	if len(aad) > 0 {
		b[0] |= 1 << 6
	}
	m.Write(b[:])
	if len(aad) > 0 {
		m.Write(ccmLength(uint64(len(aad))))
		m.Write(aad)
		if m.n > 0 {
			m.fill()
		}
	}
	m.Write(data)
	return m.Sum(nil)[:c.tag]
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

// stream begins the counter mode, and masks the tag with its first block: SP 800-38C, 6.1, steps 5 to 8, and A.3.
func (c *ccm) stream(nonce, tag []byte) (s cipher.Stream) {
	var a, mask [aesBlock]byte
	a[0] = byte(14 - len(nonce))
	copy(a[1:], nonce)
	secret.Do(func() { s = cipher.NewCTR(c.block, a[:]) })
	s.XORKeyStream(mask[:], mask[:])
	subtle.XORBytes(tag, tag, mask[:])
	return s
}

func (c *ccm) Seal(dst, nonce, data, aad []byte) []byte {
	tag := c.authenticate(nonce, data, aad)
	n := len(dst)
	dst = append(dst, data...)
	c.stream(nonce, tag).XORKeyStream(dst[n:], dst[n:])
	return append(dst, tag...)
}

// errTag says that a tag is not the one of the data.
var errTag = errors.New("wrong tag")

func (c *ccm) Open(dst, nonce, sealed, aad []byte) ([]byte, error) {
	data, want := sealed[:len(sealed)-c.tag], append([]byte(nil), sealed[len(sealed)-c.tag:]...)
	n := len(dst)
	dst = append(dst, data...)
	c.stream(nonce, want).XORKeyStream(dst[n:], dst[n:])
	if subtle.ConstantTimeCompare(c.authenticate(nonce, dst[n:], aad), want) != 1 {
		clear(dst[n:])
		return nil, errTag
	}
	return dst, nil
}
