package mechanisms

import (
	"crypto/cipher"
	"crypto/subtle"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/secret"
)

const (
	gcmNonce  = 12 // bytes; what GCM is made for
	gcmTag    = 16
	gcmMaxLen = (1<<32 - 2) * aesBlock // SP 800-38D, 5.2.1.1
)

// gcmRows are the Galois/counter mode of SP 800-38D.
var gcmRows = []Mechanism{
	{Type: ck.CKM_AES_GCM, Keys: aesKeys, Min: 16, Max: 32, Encrypt: beginGCM(readGCM, false), Decrypt: beginGCM(readGCM, true),
		Authentic: true, Wrap: wrapWith(beginGCM(readGCMWrap, false)), Unwrap: unwrapWith(beginGCM(readGCMWrap, true)), WrapSize: gcmWrapSize, Message: messageGCM},
}

// A gcm is an AES-GCM operation. Input in parts is collected until the end: a plaintext is not released before its tag
// has been found right, and Go offers no GCM in parts.
type gcm struct {
	aead       cipher.AEAD // with the whole tag, or with a tag of exactly tag bytes
	nonce, aad []byte
	tag        int
	decrypt    bool
	gather
	small [64]byte // nonce and aad where they fit
}

// A gcmParam is what CK_GCM_PARAMS and CK_GCM_WRAP_PARAMS say. tag is in bits.
type gcmParam struct {
	nonce, aad       []byte
	tag              uint
	fixed, generator uint // how the nonce is made, which decryption does not look at
}

// good reports whether the lengths are some that GCM has.
func (c *gcmParam) good() bool {
	return len(c.nonce) != 0 && c.tag%8 == 0 && c.tag >= 32 && c.tag <= 8*gcmTag
}

const (
	gcmOldLen  = 40 // the length in bytes of a CK_GCM_PARAMS without ulIvBits
	gcmWrapLen = 56 // and of a CK_GCM_WRAP_PARAMS
)

// readGCM reads CK_GCM_PARAMS, with ulIvBits as versions from 2.40 on have it or without as some callers still pass it.
// ulIvBits repeats ulIvLen and is not looked at.
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
		err = ck.CKR_MECHANISM_PARAM_INVALID
	}
	return n + int(c.tag/8), err
}

// beginGCM begins GCM with a parameter that read reads.
func beginGCM(read func(*ck.Param) (gcmParam, error), decrypt bool) begin {
	return func(k *Key, p *ck.Param) (Cipher, error) {
		c, err := read(p)
		if err != nil {
			return nil, err
		}
		if !c.good() {
			return nil, ck.CKR_MECHANISM_PARAM_INVALID
		}
		if !decrypt {
			if err := makeNonce(k, c.nonce, c.fixed, c.generator); err != nil {
				return nil, err
			}
		}
		g := &gcm{tag: int(c.tag / 8), decrypt: decrypt}
		g.nonce = append(g.small[:0:len(g.small)], c.nonce...)
		if room := len(g.small) - len(c.nonce); room >= len(c.aad) {
			g.aad = append(g.small[len(c.nonce):len(c.nonce)], c.aad...)
		} else {
			g.aad = ck.Clone(c.aad)
		}
		g.aead, err = gcmFor(k, len(c.nonce))
		return g, err
	}
}

// gcmFor returns GCM with the whole tag: the key's prepared one for nonces of the usual length.
func gcmFor(k *Key, nonce int) (cipher.AEAD, error) {
	if nonce == gcmNonce {
		form, err := k.Prepared(ck.CKM_AES_GCM, prepareGCM)
		if err != nil {
			return nil, err
		}
		return form.(cipher.AEAD), nil
	}
	b, err := openAES(k, nil)
	if err != nil {
		return nil, err
	}
	return newGCM(b, nonce)
}

func prepareGCM(k *Key) (any, error) {
	b, err := newAES(k.Value)
	if err != nil {
		return nil, err
	}
	return newGCM(b, gcmNonce)
}

func newGCM(b cipher.Block, nonce int) (a cipher.AEAD, err error) {
	secret.Do(func() { a, err = cipher.NewGCMWithNonceSize(b, nonce) })
	return a, err
}

func (g *gcm) WholeLen(n int) int {
	if g.decrypt {
		return max(n-g.tag, 0)
	}
	return n + g.tag
}

func (g *gcm) UpdateLen(int) int                 { return 0 }
func (g *gcm) Update(_, src []byte) (int, error) { g.add(src); return 0, nil }
func (g *gcm) FinalLen() int                     { return g.WholeLen(len(g.data)) }

func (g *gcm) Final(dst []byte) (int, error) {
	n, err := g.Whole(dst, g.data)
	g.wipe()
	return n, err
}

func (g *gcm) Whole(dst, src []byte) (int, error) {
	n := g.WholeLen(len(src))
	if any, exact := overlap(dst[:n], src); any && !exact {
		src = ck.Clone(src)
		defer clear(src)
	}
	if g.decrypt {
		return g.open(dst[:n:n], src)
	}
	return g.seal(dst[:n:n], src)
}

func (g *gcm) seal(dst, src []byte) (int, error) {
	if len(src) > gcmMaxLen {
		return 0, ck.CKR_DATA_LEN_RANGE
	}
	if g.tag == gcmTag {
		g.aead.Seal(dst[:0], g.nonce, src, g.aad)
		return len(dst), nil
	}
	// A short tag is the whole one, cut: SP 800-38D, 7.1, step 6.
	return copy(dst, g.aead.Seal(nil, g.nonce, src, g.aad)), nil
}

func (g *gcm) open(dst, src []byte) (int, error) {
	if len(src) < g.tag || len(src)-g.tag > gcmMaxLen {
		return 0, ck.CKR_ENCRYPTED_DATA_LEN_RANGE
	}
	if g.tag == gcmTag {
		if _, err := g.aead.Open(dst[:0], g.nonce, src, g.aad); err != nil {
			return 0, ck.CKR_ENCRYPTED_DATA_INVALID
		}
		return len(dst), nil
	}
	return g.openShort(dst, src)
}

// openShort decrypts what has a short tag, which Go does not in every form. The mode adds one and the same key stream in
// both directions, so that encrypting the ciphertext gives the plaintext, and encrypting that gives the tag to compare.
func (g *gcm) openShort(dst, src []byte) (int, error) {
	n := len(src) - g.tag
	plain := g.aead.Seal(nil, g.nonce, src[:n], nil)
	again := g.aead.Seal(nil, g.nonce, plain[:n], g.aad)
	defer clear(plain)
	if subtle.ConstantTimeCompare(again[n:n+g.tag], src[n:]) != 1 {
		return 0, ck.CKR_ENCRYPTED_DATA_INVALID
	}
	return copy(dst, plain[:n]), nil
}
