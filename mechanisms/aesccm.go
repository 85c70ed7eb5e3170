package mechanisms

import (
	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/algorithm/ccm"
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
	exact       bool // whether the data must have that length
	// How the nonce is made. Decryption ignores it.
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

// readCCMWrap reads a CK_CCM_WRAP_PARAMS, or a CK_CCM_PARAMS, with which callers bring their own nonce. The length of the data that they give
// is ignored: it is the key's.
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
	if err == nil && !c.goodSizes() {
		err = ck.FieldError("ulNonceLen or ulMACLen")
	}
	return n + int(c.tag), err
}

// goodSizes reports whether CCM has such lengths.
func (c *ccmParam) goodSizes() bool { return ccm.ValidSizes(uint(len(c.nonce)), c.tag) }

func beginCCM(read func(*ck.Param) (ccmParam, error), decrypt bool) beginFunc {
	return func(k *Key, p *ck.Param) (Cipher, error) {
		c, err := read(p)
		if err != nil {
			return nil, err
		}
		if !c.goodSizes() || c.exact && uint64(c.length) > ccm.MaxLen(len(c.nonce)) {
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
		a := newAEAD(ccm.New(b, int(c.tag)), c.nonce, c.aad, decrypt, ccm.MaxLen(len(c.nonce)))
		a.exact, a.length = c.exact, c.length
		return a, nil
	}
}
