package mechanisms

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/algorithm/rawrsa"
)

// The encryptions of TPM 1.1b and 1.2: sections 6.1.18 and 6.1.19. What is encrypted stands in a TPM_BOUND_DATA, after its
// version and the type of its payload.

// tpmRows are both mechanisms.
var tpmRows = []Mechanism{
	rsaWraps(rsaCrypts(Mechanism{Type: ck.CKM_RSA_PKCS_TPM_1_1, Seals: true}, func(p *ck.Param) (*rsaScheme, error) { return boundScheme(p, pkcs1Scheme) })),
	rsaWraps(rsaCrypts(Mechanism{Type: ck.CKM_RSA_PKCS_OAEP_TPM_1_1, Seals: true}, func(p *ck.Param) (*rsaScheme, error) { return boundScheme(p, tpmOAEP) })),
}

// boundHeader is the version 1.1.0.0 and TPM_PT_BIND.
var boundHeader = [...]byte{1, 1, 0, 0, 2}

// tpmOAEP is OAEP with the hash and the label of the TPM.
func tpmOAEP(*ck.Param) (*rsaScheme, error) {
	options := &rsa.OAEPOptions{Hash: crypto.SHA1, Label: []byte("TCPA")}
	return &rsaScheme{
		encrypt: func(pub *rawrsa.PublicKey, data []byte) ([]byte, error) {
			out, err := rsa.EncryptOAEPWithOptions(rand.Reader, pub.PublicKey, data, options)
			return out, rsaError(err, ck.CKR_DATA_LEN_RANGE)
		},
		decrypt: func(priv *rawrsa.PrivateKey, data []byte) ([]byte, error) {
			out, err := priv.Decrypt(nil, data, options)
			return out, rsaError(err, ck.CKR_ENCRYPTED_DATA_INVALID)
		},
	}, nil
}

// boundScheme puts data into the structure and takes it out. A wrong padding and a wrong structure give the same error.
func boundScheme(p *ck.Param, inner func(*ck.Param) (*rsaScheme, error)) (*rsaScheme, error) {
	if err := p.None(); err != nil {
		return nil, err
	}
	s, err := inner(p)
	if err != nil {
		return nil, err
	}
	return &rsaScheme{
		encrypt: func(pub *rawrsa.PublicKey, data []byte) ([]byte, error) {
			bound := append(append(make([]byte, 0, len(boundHeader)+len(data)), boundHeader[:]...), data...)
			defer clear(bound)
			return s.encrypt(pub, bound)
		},
		decrypt: func(priv *rawrsa.PrivateKey, data []byte) ([]byte, error) {
			bound, err := s.decrypt(priv, data)
			if err != nil {
				return nil, err
			}
			if len(bound) < len(boundHeader) || bound[0] != 1 || bound[1] != 1 || bound[4] != boundHeader[4] {
				clear(bound)
				return nil, ck.CKR_ENCRYPTED_DATA_INVALID
			}
			return bound[len(boundHeader):], nil
		},
	}, nil
}
