package mechanisms

import (
	"hash"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/secret"
)

// ecdsaSign writes r and s of the signature of a digest to the halves of dst, and ecdsaVerify checks them.
type (
	ecdsaSign   = func(dst, digest []byte) error
	ecdsaVerify = func(digest, signature []byte) bool
)

// ecdsaHashes are the mechanisms that hash what they sign.
var ecdsaHashes = []struct{ signs, digest ck.MechanismType }{
	{ck.CKM_ECDSA_SHA1, ck.CKM_SHA_1},
	{ck.CKM_ECDSA_SHA224, ck.CKM_SHA224},
	{ck.CKM_ECDSA_SHA256, ck.CKM_SHA256},
	{ck.CKM_ECDSA_SHA384, ck.CKM_SHA384},
	{ck.CKM_ECDSA_SHA512, ck.CKM_SHA512},
	{ck.CKM_ECDSA_SHA3_224, ck.CKM_SHA3_224},
	{ck.CKM_ECDSA_SHA3_256, ck.CKM_SHA3_256},
	{ck.CKM_ECDSA_SHA3_384, ck.CKM_SHA3_384},
	{ck.CKM_ECDSA_SHA3_512, ck.CKM_SHA3_512},
}

// ecdsaRows are ECDSA (FIPS 186-5, section 6.4) over a digest and over data.
var ecdsaRows = func() []Mechanism {
	rows := []Mechanism{ecdsaRow(ck.CKM_ECDSA, nil)}
	for _, m := range ecdsaHashes {
		if h := hashOf(m.digest); h != nil {
			rows = append(rows, ecdsaRow(m.signs, h.New))
		}
	}
	return rows
}()

// hashOf returns the row of the hash of a digest mechanism, nil if there is none.
func hashOf(digest ck.MechanismType) *Hash {
	for _, h := range hashes {
		if digest != 0 && h.Digest == digest {
			return h
		}
	}
	return nil
}

func ecdsaRow(t ck.MechanismType, newHash func() hash.Hash) Mechanism {
	begin := func(p *ck.Param) (*ecdsaInput, error) {
		if err := p.None(); err != nil {
			return nil, err
		}
		in := new(ecdsaInput)
		if newHash != nil {
			in.hash = newHash()
		}
		return in, nil
	}
	return Mechanism{Type: t, Keys: []ck.KeyType{ck.CKK_EC}, Min: ecMin, Max: ecMax, ExtraFlags: weierstrassFlags,
		Sign: func(k *Key, p *ck.Param) (Signer, error) {
			in, err := begin(p)
			if err != nil {
				return nil, err
			}
			form, err := k.Prepared(ck.CKM_ECDSA, prepareECDSA)
			if err != nil {
				return nil, err
			}
			return &ecdsaSigner{in, form.(*ecdsaPrivate)}, nil
		},
		Verify: func(k *Key, p *ck.Param) (Verifier, error) {
			in, err := begin(p)
			if err != nil {
				return nil, err
			}
			form, err := k.Prepared(ck.CKM_ECDSA_KEY_PAIR_GEN, prepareECDSAPublic)
			if err != nil {
				return nil, err
			}
			return &ecdsaVerifier{in, form.(*ecdsaPublic)}, nil
		}}
}

// An ecdsaPrivate is the prepared form of a private key, an ecdsaPublic of a public key.
type (
	ecdsaPrivate struct {
		size int // of a signature
		sign ecdsaSign
	}
	ecdsaPublic struct {
		size   int
		verify ecdsaVerify
	}
)

func prepareECDSA(k *Key) (any, error) {
	return preparePrivate(k, func(c *curve, value []byte) (any, error) {
		sign, err := c.Sign(value)
		return &ecdsaPrivate{2 * c.Size, sign}, err
	})
}

func prepareECDSAPublic(k *Key) (any, error) {
	return preparePublic(k, func(c *curve, point []byte) (any, error) {
		verify, err := c.Verify(point)
		return &ecdsaPublic{2 * c.Size, verify}, err
	})
}

// An ecdsaInput is what is to be signed. Without a hash the data is the digest itself, of which no curve uses more than the first maxField bytes.
type ecdsaInput struct {
	hash  hash.Hash
	ended bool
	n     int
	data  [maxField]byte
}

func (i *ecdsaInput) Update(data []byte) error {
	if i.ended {
		return ck.CKR_OPERATION_NOT_INITIALIZED
	}
	if i.hash != nil {
		_, err := i.hash.Write(data)
		return err
	}
	i.n += copy(i.data[i.n:], data)
	return nil
}

// end returns the digest, and ends the operation. There has to be one.
func (i *ecdsaInput) end() ([]byte, error) {
	if i.ended {
		return nil, ck.CKR_OPERATION_NOT_INITIALIZED
	}
	i.ended = true
	if i.hash != nil {
		return i.hash.Sum(i.data[:0]), nil
	}
	if i.n == 0 {
		return nil, ck.CKR_DATA_LEN_RANGE
	}
	return i.data[:i.n], nil
}

type ecdsaSigner struct {
	*ecdsaInput
	key *ecdsaPrivate
}

type ecdsaVerifier struct {
	*ecdsaInput
	key *ecdsaPublic
}

var (
	_ Signer   = (*ecdsaSigner)(nil)
	_ Verifier = (*ecdsaVerifier)(nil)
)

func (s *ecdsaSigner) Size() int { return s.key.size }

func (s *ecdsaSigner) Sign(dst []byte) (int, error) {
	digest, err := s.end()
	if err != nil {
		return 0, err
	}
	secret.Do(func() { err = s.key.sign(dst[:s.key.size], digest) })
	if err != nil {
		return 0, err
	}
	return s.key.size, nil
}

// Verify takes shorter signatures too, as the section "ECDSA" wants it: two halves of the same length, without zeros that both begin with.
func (v *ecdsaVerifier) Verify(signature []byte) error {
	digest, err := v.end()
	if err != nil {
		return err
	}
	n := len(signature)
	if n == 0 || n%2 != 0 || n > v.key.size {
		return ck.CKR_SIGNATURE_LEN_RANGE
	}
	if n < v.key.size {
		whole := make([]byte, v.key.size)
		copy(whole[(v.key.size-n)/2:], signature[:n/2])
		copy(whole[v.key.size-n/2:], signature[n/2:])
		signature = whole
	}
	if !v.key.verify(digest, signature) {
		return ck.CKR_SIGNATURE_INVALID
	}
	return nil
}
