package mechanisms

import (
	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/algorithm/gcm"
)

// gcmRows are the Galois/counter mode of SP 800-38D.
var gcmRows = []Mechanism{
	{Type: ck.CKM_AES_GCM, Keys: aesKeys, Min: 16, Max: 32, Encrypt: beginGCM(readGCM, false), Decrypt: beginGCM(readGCM, true),
		Authentic: true, Wrap: wrapWith(beginGCM(readGCMWrap, false)), Unwrap: unwrapWith(beginGCM(readGCMWrap, true)), WrapSize: gcmWrapSize, Message: messageGCM},
}

// A gcmParam is what CK_GCM_PARAMS and CK_GCM_WRAP_PARAMS say. tag is in bits.
type gcmParam struct {
	nonce, aad       []byte
	tag              uint
	fixed, generator uint // how the nonce is made; decryption ignores it
}

// good reports whether GCM has such lengths.
func (c *gcmParam) good() bool {
	return len(c.nonce) != 0 && c.tag%8 == 0 && c.tag >= 8*gcm.MinTag && c.tag <= 8*gcm.TagSize
}

const (
	gcmOldLen  = 40 // the length in bytes of a CK_GCM_PARAMS without ulIvBits
	gcmWrapLen = 56 // and of a CK_GCM_WRAP_PARAMS
)

// readGCM reads CK_GCM_PARAMS, with ulIvBits as versions from 2.40 on have it or without as some callers still pass it.
// ulIvBits repeats ulIvLen and is ignored.
func readGCM(p *ck.Param) (c gcmParam, err error) {
	c.nonce = p.Bytes()
	if p.Len() != gcmOldLen {
		p.Ulong()
	}
	c.aad, c.tag = p.Bytes(), p.Ulong()
	return c, p.Done()
}

// readGCMWrap reads the CK_GCM_WRAP_PARAMS of 3.2, or the CK_GCM_PARAMS that versions before it took.
func readGCMWrap(p *ck.Param) (c gcmParam, err error) {
	if p.Len() != gcmWrapLen {
		return readGCM(p)
	}
	c.nonce, c.fixed, c.generator = p.Bytes(), p.Ulong(), p.Ulong()
	c.aad, c.tag = p.Bytes(), p.Ulong()
	return c, p.Done()
}

// gcmWrapSize returns the length of a wrapped key.
func gcmWrapSize(p *ck.Param, n int) (int, error) {
	c, err := readGCMWrap(p)
	if err == nil && !c.good() {
		err = ck.FieldError("ulIvLen or ulTagBits")
	}
	return n + int(c.tag/8), err
}

// beginGCM begins GCM. read reads the parameter.
func beginGCM(read func(*ck.Param) (gcmParam, error), decrypt bool) beginFunc {
	return func(k *Key, p *ck.Param) (Cipher, error) {
		c, err := read(p)
		if err != nil {
			return nil, err
		}
		if !c.good() {
			return nil, ck.FieldError("ulIvLen or ulTagBits")
		}
		if !decrypt {
			if err := generateNonce(k, c.nonce, c.fixed, c.generator); err != nil {
				return nil, err
			}
		}
		mode, err := gcmFor(k, len(c.nonce), int(c.tag/8))
		if err != nil {
			return nil, err
		}
		return newAEAD(mode, c.nonce, c.aad, decrypt, gcm.MaxLen), nil
	}
}

// gcmFor returns GCM for nonces and tags of so many bytes. For nonces of 12 bytes the expanded key is the prepared one.
func gcmFor(k *Key, nonceSize, tagSize int) (*gcm.AEAD, error) {
	if nonceSize != gcm.NonceSize {
		b, err := keyedAES(k, nil)
		if err != nil {
			return nil, err
		}
		return gcm.New(b, nonceSize, tagSize)
	}
	form, err := k.Prepared(ck.CKM_AES_GCM, prepareGCM)
	if err != nil {
		return nil, err
	}
	return form.(*gcm.AEAD).WithSizes(nonceSize, tagSize)
}

func prepareGCM(k *Key) (any, error) {
	b, err := newAES(k.Value)
	if err != nil {
		return nil, err
	}
	return gcm.New(b, gcm.NonceSize, gcm.TagSize)
}
