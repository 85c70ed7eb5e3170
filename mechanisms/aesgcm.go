package mechanisms

import (
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"

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

// A gcm is GCM with a key and with the whole tag.
type gcm struct {
	cipher.AEAD
	block cipher.Block
}

// A shortGCM is GCM with tags of less than 16 bytes.
type shortGCM struct {
	*gcm
	size int
}

var _, _ aeadMode = (*gcm)(nil), (*shortGCM)(nil)

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
		err = ck.FieldError("ulIvLen or ulTagBits")
	}
	return n + int(c.tag/8), err
}

// beginGCM begins GCM with a parameter that read reads.
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
		mode, err := gcmWith(k, len(c.nonce), int(c.tag/8))
		if err != nil {
			return nil, err
		}
		return newAEAD(mode, c.nonce, c.aad, decrypt, gcmMaxLen), nil
	}
}

// gcmWith returns GCM for nonces and tags of so many bytes.
func gcmWith(k *Key, nonce, tag int) (aeadMode, error) {
	g, err := gcmFor(k, nonce)
	if err != nil || tag == gcmTag {
		return g, err
	}
	return &shortGCM{g, tag}, nil
}

// gcmFor returns GCM with the whole tag: the key's prepared one for nonces of the usual length.
func gcmFor(k *Key, nonce int) (*gcm, error) {
	if nonce == gcmNonce {
		form, err := k.Prepared(ck.CKM_AES_GCM, prepareGCM)
		if err != nil {
			return nil, err
		}
		return form.(*gcm), nil
	}
	b, err := keyedAES(k, nil)
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

func newGCM(b cipher.Block, nonce int) (g *gcm, err error) {
	g = &gcm{block: b}
	secret.Do(func() { g.AEAD, err = cipher.NewGCMWithNonceSize(b, nonce) })
	return g, err
}

func (g *shortGCM) Overhead() int { return g.size }

// Seal cuts the whole tag: SP 800-38D, 7.1, step 6.
func (g *shortGCM) Seal(dst, nonce, data, aad []byte) []byte {
	return sealWhole(g.begin(nonce, aad, 0), dst, data)
}

// Open decrypts what has a short tag, which Go does not in every form.
func (g *shortGCM) Open(dst, nonce, sealed, aad []byte) ([]byte, error) {
	data, want := sealed[:len(sealed)-g.size], sealed[len(sealed)-g.size:]
	s := g.sealing(nonce, aad, g.size)
	s.hash.write(data)
	if subtle.ConstantTimeCompare(s.tag(nil), want) != 1 {
		return nil, errTag
	}
	n := len(dst)
	dst = append(dst, data...)
	s.stream.XORKeyStream(dst[n:], dst[n:])
	return dst, nil
}

func (g *gcm) begin(nonce, aad []byte, _ uint64) sealing { return g.sealing(nonce, aad, gcmTag) }

func (g *shortGCM) begin(nonce, aad []byte, _ uint64) sealing {
	return g.gcm.sealing(nonce, aad, g.size)
}

// sealing begins GCM in parts: SP 800-38D, 7.1 and 7.2.
func (g *gcm) sealing(nonce, aad []byte, tag int) *gcmSealing {
	s := &gcmSealing{size: tag}
	secret.Do(func() {
		s.hash = &ghash{block: g.block, gcm: g.AEAD, nonce: nonce}
		s.stream = newGCMStream(g.block, g.AEAD, nonce)
	})
	s.hash.write(aad)
	s.hash.ciphertext()
	return s
}

// A gcmSealing is GCM in parts.
type gcmSealing struct {
	stream *gcmStream
	hash   *ghash
	size   int // of the tag
}

func (s *gcmSealing) encrypt(dst, src []byte) {
	s.stream.XORKeyStream(dst, src)
	s.hash.write(dst)
}

func (s *gcmSealing) decrypt(dst, src []byte) {
	s.hash.write(src)
	s.stream.XORKeyStream(dst, src)
}

func (s *gcmSealing) tag(b []byte) []byte { return append(b, s.hash.sum(nil)[:s.size]...) }

// A gcmStream is the counter mode of GCM, in which the last 32 bits count, and wrap around.
type gcmStream struct {
	block   cipher.Block
	counter [aesBlock]byte
	left    uint64 // bytes until they wrap around
	current cipher.Stream
}

// newGCMStream begins the counter mode behind the first counter block, which encrypts the tag: SP 800-38D, 7.1, step 3. That block is
// had without GHASH: the tag of nothing is its encryption.
func newGCMStream(block cipher.Block, whole cipher.AEAD, nonce []byte) *gcmStream {
	s := &gcmStream{block: block}
	block.Decrypt(s.counter[:], whole.Seal(nil, nonce, nil, nil))
	s.at(binary.BigEndian.Uint32(s.counter[12:]) + 1)
	return s
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
