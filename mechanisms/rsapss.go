package mechanisms

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"io"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/algorithm/rawrsa"
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
		r := &rsaSigner{sign: s.sign, verify: s.verify, checkKey: s.checkKey}
		if fixed != nil {
			r.hash = h.row()
		}
		return r, nil
	}
}

// checkKey tells whether a key is long enough for the hash and the salt.
func (s *pss) checkKey(pub *rsa.PublicKey) error {
	room := (pub.N.BitLen()+6)/8 - s.hash.Size() - 2 // the encoded message has a bit less than the modulus
	switch {
	case room < 0:
		return ck.CKR_KEY_SIZE_RANGE
	case s.salt > room:
		return ck.FieldError("sLen")
	}
	return nil
}

func (s *pss) sign(priv *rawrsa.PrivateKey, digest []byte) ([]byte, error) {
	if len(digest) != s.hash.Size() {
		return nil, ck.CKR_DATA_LEN_RANGE
	}
	salt := make([]byte, s.salt)
	if _, err := io.ReadFull(rand.Reader, salt); err != nil {
		return nil, ck.CKR_DEVICE_ERROR
	}
	return rsaRawPrivate(priv, s.encoding().Encode(digest, salt, priv.N.BitLen()-1))
}

func (s *pss) verify(pub *rawrsa.PublicKey, digest, sig []byte) error {
	if len(digest) != s.hash.Size() {
		return ck.CKR_DATA_LEN_RANGE
	}
	m, err := rsaOpen(pub, sig)
	if err != nil {
		return ck.CKR_SIGNATURE_INVALID
	}
	if !s.encoding().Matches(m, digest, pub.N.BitLen()-1) {
		return ck.CKR_SIGNATURE_INVALID
	}
	return nil
}

// encoding is the encoding of messages.
func (s *pss) encoding() rawrsa.PSS { return rawrsa.PSS{Hash: s.hash, MGF: s.mgf, SaltLength: s.salt} }
