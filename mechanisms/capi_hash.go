package mechanisms

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"hash"
)

// HashByALGID finds the hash that CryptoAPI knows as id, nil where there is none. CALG_HMAC and CALG_MAC need a key and
// are none.
func HashByALGID(id uint32) *Hash {
	if id == CALG_SSL3_SHAMD5 {
		return ssl3SHAMD5
	}
	if id == 0 {
		return nil
	}
	for _, h := range hashes {
		if h.ALGID == id {
			return h
		}
	}
	return nil
}

// sum writes the hash of data to dst, which has h.Size bytes. The hashes of every day need no memory; the others allocate
// theirs, which internal/secret erases.
func (h *Hash) sum(dst, data []byte) {
	switch h.ALGID {
	case CALG_MD5:
		s := md5.Sum(data)
		copy(dst, s[:])
	case CALG_SHA1:
		s := sha1.Sum(data)
		copy(dst, s[:])
	case CALG_SHA_256:
		s := sha256.Sum256(data)
		copy(dst, s[:])
	case CALG_SHA_384:
		s := sha512.Sum384(data)
		copy(dst, s[:])
	case CALG_SHA_512:
		s := sha512.Sum512(data)
		copy(dst, s[:])
	default:
		f := h.New()
		f.Write(data)
		f.Sum(dst[:0])
		f.Reset()
	}
}

// ssl3SHAMD5 is the hash of SSL 3.0 handshakes: MD5, then SHA-1.
var ssl3SHAMD5 = &Hash{
	Name: "SSL3_SHAMD5", ALGID: CALG_SSL3_SHAMD5, Size: md5.Size + sha1.Size, Block: 64,
	New: func() hash.Hash { return shaMD5{md5.New(), sha1.New()} },
}

type shaMD5 struct{ md5, sha1 hash.Hash }

func (s shaMD5) Write(p []byte) (int, error) {
	s.md5.Write(p)
	return s.sha1.Write(p)
}
func (s shaMD5) Sum(b []byte) []byte { return s.sha1.Sum(s.md5.Sum(b)) }
func (s shaMD5) Reset()              { s.md5.Reset(); s.sha1.Reset() }
func (shaMD5) Size() int             { return md5.Size + sha1.Size }
func (shaMD5) BlockSize() int        { return 64 }

// HMACHash makes the hash of a CALG_HMAC object: HMAC with inner and key, which must stay as it is while the Hash is in
// use. The pads are 64 bytes long whatever the block of inner is, as Wine's are for MD2.
func HMACHash(inner *Hash, key []byte) *Hash {
	padded := func() hash.Hash { return block64{inner.New()} }
	return &Hash{
		Name: "HMAC-" + inner.Name, ALGID: CALG_HMAC, Size: inner.Size, Block: 64,
		New: func() hash.Hash { return hmac.New(padded, key) },
	}
}

// A block64 is a hash that says that its block is 64 bytes.
type block64 struct{ hash.Hash }

func (block64) BlockSize() int { return 64 }
