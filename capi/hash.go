package capi

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"hash"
	"slices"

	"golang.org/x/crypto/md4" //lint:ignore SA1019 what Windows made with MD4 needs it

	"github.com/softcsp/softcsp/internal/algorithm/md2"
	"github.com/softcsp/softcsp/internal/cloneable"
	"github.com/softcsp/softcsp/internal/secret"
)

// A Hash is a hash whose values keys are derived from.
type Hash struct {
	ID   AlgID // 0 for a hash that CryptoAPI has no number for
	Name string
	Size int // of a value, in bytes
	// New begins a hash. It is nil where nothing but a value is known (CALG_MAC): no key can be made of it that needs H.
	New func() hash.Hash

	// digestInfo is what PKCS #1 puts before a value that is signed: RFC 8017, section 9.2, note 1.
	digestInfo string
}

// The hashes that have a number in CryptoAPI, and need no key.
var (
	MD2 = &Hash{ID: CALG_MD2, Name: "MD2", Size: md2.Size, New: md2.New,
		digestInfo: "\x30\x20\x30\x0c\x06\x08\x2a\x86\x48\x86\xf7\x0d\x02\x02\x05\x00\x04\x10"}
	MD4 = &Hash{ID: CALG_MD4, Name: "MD4", Size: md4.Size, New: func() hash.Hash { return cloneable.Hash{Hash: md4.New()} },
		digestInfo: "\x30\x20\x30\x0c\x06\x08\x2a\x86\x48\x86\xf7\x0d\x02\x04\x05\x00\x04\x10"} // its OID is in RFC 8017, appendix C
	MD5 = &Hash{ID: CALG_MD5, Name: "MD5", Size: md5.Size, New: md5.New,
		digestInfo: "\x30\x20\x30\x0c\x06\x08\x2a\x86\x48\x86\xf7\x0d\x02\x05\x05\x00\x04\x10"}
	SHA1 = &Hash{ID: CALG_SHA1, Name: "SHA-1", Size: sha1.Size, New: sha1.New,
		digestInfo: "\x30\x21\x30\x09\x06\x05\x2b\x0e\x03\x02\x1a\x05\x00\x04\x14"}
	SHA256 = &Hash{ID: CALG_SHA_256, Name: "SHA-256", Size: sha256.Size, New: sha256.New,
		digestInfo: "\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20"}
	SHA384 = &Hash{ID: CALG_SHA_384, Name: "SHA-384", Size: sha512.Size384, New: sha512.New384,
		digestInfo: "\x30\x41\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x02\x05\x00\x04\x30"}
	SHA512 = &Hash{ID: CALG_SHA_512, Name: "SHA-512", Size: sha512.Size, New: sha512.New,
		digestInfo: "\x30\x51\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03\x05\x00\x04\x40"}
	// SSL3SHAMD5 is the hash of SSL 3.0 handshakes: MD5, then SHA-1.
	SSL3SHAMD5 = &Hash{ID: CALG_SSL3_SHAMD5, Name: "SSL3_SHAMD5", Size: md5.Size + sha1.Size,
		New: func() hash.Hash { return shaMD5{md5.New(), sha1.New()} }}
)

var hashes = [...]*Hash{MD2, MD4, MD5, SHA1, SHA256, SHA384, SHA512, SSL3SHAMD5}

// maxHashSize is the length in bytes of the longest hash value that keys are derived from.
const maxHashSize = 64

// Hashes returns the hashes that have a number, and need no key.
func Hashes() []*Hash { return slices.Clone(hashes[:]) }

// HashByID finds the hash that CryptoAPI knows as id, nil where there is none. CALG_HMAC and CALG_MAC need a key and are none.
func HashByID(id AlgID) *Hash {
	for _, h := range hashes {
		if h.ID == id {
			return h
		}
	}
	return nil
}

// sum writes the hash of data to dst, which has h.Size bytes. The hashes of every day need no memory; the others allocate
// theirs, which internal/secret erases.
func (h *Hash) sum(dst, data []byte) {
	switch h {
	case MD5:
		s := md5.Sum(data)
		copy(dst, s[:])
	case SHA1:
		s := sha1.Sum(data)
		copy(dst, s[:])
	case SHA256:
		s := sha256.Sum256(data)
		copy(dst, s[:])
	case SHA384:
		s := sha512.Sum384(data)
		copy(dst, s[:])
	case SHA512:
		s := sha512.Sum512(data)
		copy(dst, s[:])
	default:
		f := h.New()
		f.Write(data)
		f.Sum(dst[:0])
		f.Reset()
	}
}

// DigestInfo returns what PKCS #1 signs of a hash value: a DigestInfo with the OID of the hash, or the value alone where the hash
// has none (CALG_HMAC, CALG_MAC, CALG_SSL3_SHAMD5).
func (h *Hash) DigestInfo(value []byte) []byte { return append([]byte(h.digestInfo), value...) }

// A shaMD5 is a hash of SSL 3.0 in progress.
type shaMD5 struct{ md5, sha1 hash.Hash }

func (s shaMD5) Write(p []byte) (int, error) {
	s.md5.Write(p)
	return s.sha1.Write(p)
}
func (s shaMD5) Sum(b []byte) []byte { return s.sha1.Sum(s.md5.Sum(b)) }
func (s shaMD5) Reset()              { s.md5.Reset(); s.sha1.Reset() }
func (shaMD5) Size() int             { return md5.Size + sha1.Size }
func (shaMD5) BlockSize() int        { return 64 }

// Clone implements [hash.Cloner].
func (s shaMD5) Clone() (hash.Cloner, error) {
	a, err := CloneHash(s.md5)
	if err != nil {
		return nil, err
	}
	b, err := CloneHash(s.sha1)
	return shaMD5{a, b}, err
}

// CloneHash copies a hash in progress, for CryptDuplicateHash. It fails with NTE_FAIL for a hash that cannot be copied.
func CloneHash(h hash.Hash) (hash.Hash, error) {
	c, ok := h.(hash.Cloner)
	if !ok {
		return nil, NTE_FAIL
	}
	return c.Clone()
}

// NewMAC makes the Hash of a finished CALG_MAC object, whose value is size bytes long. Nothing can be hashed with it.
func NewMAC(size int) *Hash { return &Hash{ID: CALG_MAC, Name: "MAC", Size: size} }

// NewHMAC makes the Hash of a CALG_HMAC object with an HMAC_INFO: inner is the hash, and the key is xored into the strings ipad
// and opad, which stand before the data and before the inner hash value. A key that is longer than a string is hashed first. An
// empty string stands for 64 bytes of 0x36 or 0x5c, whatever the block of inner is. The strings become the Hash's own, and secret; wipe
// overwrites them when it is no longer used.
func NewHMAC(inner *Hash, key, ipad, opad []byte) (h *Hash, wipe func()) {
	var pads [2][]byte
	secret.Do(func() {
		for i, s := range [2][]byte{ipad, opad} {
			if len(s) == 0 {
				s = slices.Repeat([]byte{[2]byte{0x36, 0x5c}[i]}, padLen)
			}
			k := key
			if len(k) > len(s) || len(k) > padLen && inner.Size <= len(s) {
				sum := make([]byte, inner.Size)
				inner.sum(sum, key)
				k = sum[:min(len(sum), len(s))]
			}
			subtle.XORBytes(s, s, k)
			pads[i] = s
		}
	})
	h = &Hash{ID: CALG_HMAC, Name: "HMAC-" + inner.Name, Size: inner.Size, New: func() hash.Hash {
		m := &hmac{inner: inner, ipad: pads[0], opad: pads[1], state: inner.New()}
		m.state.Write(m.ipad)
		return m
	}}
	return h, func() { clear(pads[0]); clear(pads[1]) }
}

// An hmac is an HMAC in progress. Its pads have any length, which those of crypto/hmac have not.
type hmac struct {
	inner      *Hash
	ipad, opad []byte
	state      hash.Hash
}

func (m *hmac) Write(p []byte) (int, error) { return m.state.Write(p) }
func (m *hmac) Size() int                   { return m.inner.Size }
func (m *hmac) BlockSize() int              { return padLen }

func (m *hmac) Reset() {
	m.state.Reset()
	m.state.Write(m.ipad)
}

func (m *hmac) Sum(b []byte) []byte {
	outer := m.inner.New()
	outer.Write(m.opad)
	value := m.state.Sum(nil)
	outer.Write(value)
	clear(value)
	return outer.Sum(b)
}

// Clone implements [hash.Cloner].
func (m *hmac) Clone() (hash.Cloner, error) {
	state, err := CloneHash(m.state)
	if err != nil {
		return nil, err
	}
	c := *m
	c.state = state
	return &c, nil
}
