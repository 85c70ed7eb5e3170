package mechanisms

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/subtle"
	"encoding/binary"
	"hash"
	"io"

	"github.com/softcsp/softcsp/ck"
)

// mgfHashes are the hashes of CK_RSA_PKCS_MGF_TYPE.
var mgfHashes = map[uint]crypto.Hash{
	ck.CKG_MGF1_SHA1: crypto.SHA1, ck.CKG_MGF1_SHA224: crypto.SHA224, ck.CKG_MGF1_SHA256: crypto.SHA256,
	ck.CKG_MGF1_SHA384: crypto.SHA384, ck.CKG_MGF1_SHA512: crypto.SHA512,
	ck.CKG_MGF1_SHA3_224: crypto.SHA3_224, ck.CKG_MGF1_SHA3_256: crypto.SHA3_256,
	ck.CKG_MGF1_SHA3_384: crypto.SHA3_384, ck.CKG_MGF1_SHA3_512: crypto.SHA3_512,
}

// A pss is RSASSA-PSS (RFC 8017, section 8.1) with its parameter.
type pss struct {
	hash, mgf crypto.Hash
	salt      int
}

// pssSigner reads a CK_RSA_PKCS_PSS_PARAMS. fixed is the hash of the mechanism, nil where the data is a digest already.
func pssSigner(fixed *rsaHash) func(p *ck.Param) (*rsaSigner, error) {
	return func(p *ck.Param) (*rsaSigner, error) {
		h, mgf, salt := findRSAHash(ck.MechanismType(p.Ulong())), p.Ulong(), p.Ulong()
		if err := p.Done(); err != nil {
			return nil, err
		}
		mask, ok := mgfHashes[mgf]
		if !ok || h == nil || h.std == 0 || fixed != nil && h != fixed || salt > maxRSA/8 {
			return nil, ck.FieldError("hashAlg, mgf or sLen")
		}
		s := &pss{h.std, mask, int(salt)}
		r := &rsaSigner{sign: s.sign, verify: s.verify, fits: s.fits}
		if fixed != nil {
			r.hash = h.row()
		}
		return r, nil
	}
}

// fits tells whether a key is long enough for the hash and the salt.
func (s *pss) fits(pub *rsa.PublicKey) error {
	room := encodedSize(pub) - s.hash.Size() - 2
	switch {
	case room < 0:
		return ck.CKR_KEY_SIZE_RANGE
	case s.salt > room:
		return ck.FieldError("sLen")
	}
	return nil
}

// encodedSize is the length of an encoded message in bytes: it has a bit less than the modulus.
func encodedSize(pub *rsa.PublicKey) int { return (pub.N.BitLen() + 6) / 8 }

// standard reports whether crypto/rsa has it: it takes one hash for both purposes, and no empty salt.
func (s *pss) standard() bool { return s.hash == s.mgf && s.salt > 0 }

func (s *pss) sign(priv *rsa.PrivateKey, digest []byte) ([]byte, error) {
	if len(digest) != s.hash.Size() {
		return nil, ck.CKR_DATA_LEN_RANGE
	}
	if s.standard() {
		sig, err := rsa.SignPSS(rand.Reader, priv, s.hash, digest, &rsa.PSSOptions{SaltLength: s.salt})
		return sig, rsaError(err, ck.CKR_KEY_SIZE_RANGE)
	}
	salt := make([]byte, s.salt)
	if _, err := io.ReadFull(rand.Reader, salt); err != nil {
		return nil, ck.CKR_DEVICE_ERROR
	}
	return rsaRawPrivate(priv, s.encode(digest, salt, priv.N.BitLen()-1))
}

func (s *pss) verify(pub *rsa.PublicKey, digest, sig []byte) error {
	if len(digest) != s.hash.Size() {
		return ck.CKR_DATA_LEN_RANGE
	}
	if s.standard() {
		return rsaError(rsa.VerifyPSS(pub, s.hash, digest, sig, &rsa.PSSOptions{SaltLength: s.salt}), ck.CKR_KEY_SIZE_RANGE)
	}
	m, err := rsaRawPublic(pub, sig)
	if err != nil {
		return ck.CKR_SIGNATURE_INVALID
	}
	// The message as it is encoded with the salt that the signature has: the same, or the signature is another's. Where the
	// encoding has a byte less than the modulus, that is 0.
	size := encodedSize(pub)
	encoded := m[len(m)-size:]
	h := encoded[size-1-s.hash.Size() : size-1]
	block := append([]byte(nil), encoded[:size-1-len(h)]...)
	s.mask(block, h, pub.N.BitLen()-1)
	want := make([]byte, len(m))
	copy(want[len(m)-size:], s.encode(digest, block[len(block)-s.salt:], pub.N.BitLen()-1))
	if subtle.ConstantTimeCompare(m, want) != 1 {
		return ck.CKR_SIGNATURE_INVALID
	}
	return nil
}

// encode is EMSA-PSS-ENCODE (RFC 8017, section 9.1.1) into the given number of bits.
func (s *pss) encode(digest, salt []byte, bits int) []byte {
	hasher := s.hash.New()
	hasher.Write(make([]byte, 8))
	hasher.Write(digest)
	hasher.Write(salt)
	h := hasher.Sum(nil)
	size := (bits + 7) / 8
	encoded := make([]byte, size)
	block := encoded[:size-1-len(h)]
	block[len(block)-len(salt)-1] = 1
	copy(block[len(block)-len(salt):], salt)
	s.mask(block, h, bits)
	copy(encoded[len(block):], h)
	encoded[size-1] = 0xbc
	return encoded
}

// mask puts the mask that comes of h on a block or takes it off, and clears the bits in front.
func (s *pss) mask(block, h []byte, bits int) {
	mgf1(block, s.mgf.New(), h)
	block[0] &= 0xff >> (-bits & 7)
}

// mgf1 adds the mask of MGF1 (RFC 8017, appendix B.2.1) to dst.
func mgf1(dst []byte, h hash.Hash, seed []byte) {
	var counter [4]byte
	for n := uint32(0); len(dst) > 0; n++ {
		binary.BigEndian.PutUint32(counter[:], n)
		h.Reset()
		h.Write(seed)
		h.Write(counter[:])
		dst = dst[subtle.XORBytes(dst, dst, h.Sum(nil)):]
	}
}
