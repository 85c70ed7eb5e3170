package mechanisms

import (
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"io"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/algorithm/keywrap"
	"github.com/softcsp/softcsp/internal/algorithm/rawrsa"
	"github.com/softcsp/softcsp/internal/secret"
)

// oaepScheme reads a CK_RSA_PKCS_OAEP_PARAMS: section 6.1.9.
func oaepScheme(p *ck.Param) (*rsaScheme, error) {
	h, mgf, source, label := findRSAHash(ck.MechanismType(p.Ulong())), p.Ulong(), p.Ulong(), p.Bytes()
	if err := p.Done(); err != nil {
		return nil, err
	}
	mask, ok := mgfHashes[mgf]
	// The standard has no source 0, but callers without a label write it.
	if !ok || h == nil || h.std == 0 || source != ck.CKZ_DATA_SPECIFIED && (source != 0 || len(label) != 0) {
		return nil, ck.FieldError("hashAlg, mgf or source")
	}
	options := &rsa.OAEPOptions{Hash: h.std, MGFHash: mask, Label: ck.Clone(label)}
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

// oaepParamSize is the size of a CK_RSA_PKCS_OAEP_PARAMS in bytes.
const oaepParamSize = 40

// oaepColumns and kwpColumns are the rows whose columns CKM_RSA_AES_KEY_WRAP combines.
var (
	oaepColumns = rsaWraps(rsaCrypts(Mechanism{}, oaepScheme))
	kwpColumns  = keyWrapRow(ck.CKM_AES_KEY_WRAP_KWP, keywrap.RFC5649)
)

// readRSAAES reads a CK_RSA_AES_KEY_WRAP_PARAMS: the length of the AES key in bytes, and the parameter of OAEP.
func readRSAAES(p *ck.Param) (size uint, oaep ck.Param, err error) {
	bits := p.Ulong()
	oaep = p.Structs(1, oaepParamSize)
	if err := p.Done(); err != nil {
		return 0, oaep, err
	}
	if bits%8 != 0 || !validSize(ck.CKK_AES, bits/8) {
		return 0, oaep, ck.FieldError("ulAESKeyBits")
	}
	return bits / 8, oaep, nil
}

// rsaAESWrap wraps with a new AES key, which it encrypts with OAEP: section 6.1.20. The encrypted AES key comes first.
func rsaAESWrap(k *Key, p *ck.Param, value []byte) (wrapped []byte, err error) {
	size, oaep, err := readRSAAES(p)
	if err != nil {
		return nil, err
	}
	secret.Do(func() {
		aes := make([]byte, size)
		defer clear(aes)
		if _, err = io.ReadFull(rand.Reader, aes); err != nil {
			err = errors.Join(ck.CKR_DEVICE_ERROR, err)
			return
		}
		if wrapped, err = oaepColumns.Wrap(k, &oaep, aes); err != nil {
			return
		}
		var inner []byte
		inner, err = kwpColumns.Wrap(&Key{Class: ck.CKO_SECRET_KEY, Type: ck.CKK_AES, Value: aes}, new(ck.Param), value)
		wrapped = append(wrapped, inner...)
	})
	return wrapped, err
}

func rsaAESUnwrap(k *Key, p *ck.Param, wrapped []byte) (value []byte, err error) {
	size, oaep, err := readRSAAES(p)
	if err != nil {
		return nil, err
	}
	priv, err := rsaKey(k)
	if err != nil {
		return nil, err
	}
	n := priv.Size()
	if len(wrapped) <= n {
		return nil, ck.CKR_WRAPPED_KEY_LEN_RANGE
	}
	secret.Do(func() {
		var aes []byte
		aes, err = oaepColumns.Unwrap(k, &oaep, wrapped[:n])
		defer clear(aes)
		if err == nil && uint(len(aes)) != size {
			err = ck.CKR_WRAPPED_KEY_INVALID
		}
		if err != nil {
			return
		}
		value, err = kwpColumns.Unwrap(&Key{Class: ck.CKO_SECRET_KEY, Type: ck.CKK_AES, Value: aes}, new(ck.Param), wrapped[n:])
	})
	return value, err
}
