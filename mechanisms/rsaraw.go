package mechanisms

import (
	"crypto/rsa"
	"errors"
	"math/big"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/algorithm/rawrsa"
	"github.com/softcsp/softcsp/internal/secret"
)

// rsaKey is the prepared form of a private key.
func rsaKey(k *Key) (*rsa.PrivateKey, error) {
	form, err := k.Prepared(ck.CKM_RSA_PKCS_KEY_PAIR_GEN, func(k *Key) (form any, err error) {
		secret.Do(func() { form, err = rsaPrivateOf(k.Attr) })
		return form, err
	})
	if err != nil {
		return nil, err
	}
	return form.(*rsa.PrivateKey), nil
}

// rsaPublicKey is the prepared form of a public key.
func rsaPublicKey(k *Key) (*rsa.PublicKey, error) {
	form, err := k.Prepared(ck.CKM_RSA_PKCS_KEY_PAIR_GEN, func(k *Key) (any, error) { return rsaPublicOf(k.Attr) })
	if err != nil {
		return nil, err
	}
	return form.(*rsa.PublicKey), nil
}

// rsaRawPublic computes m^e. What is longer than the modulus is CKR_DATA_LEN_RANGE, and what is not below it CKR_DATA_INVALID: section 6.1.7.
func rsaRawPublic(pub *rsa.PublicKey, m []byte) ([]byte, error) {
	out, err := rawrsa.Public(pub, m)
	return out, rsaRawError(err)
}

// rsaRawPrivate computes m^d, with the same errors.
func rsaRawPrivate(priv *rsa.PrivateKey, m []byte) ([]byte, error) {
	out, err := rawrsa.Private(priv, m)
	return out, rsaRawError(err)
}

func rsaRawError(err error) error {
	switch {
	case errors.Is(err, rawrsa.ErrLength):
		return ck.CKR_DATA_LEN_RANGE
	case err != nil:
		return ck.CKR_DATA_INVALID
	}
	return nil
}

// fixedBytes writes a number in n bytes.
func fixedBytes(x *big.Int, n int) []byte { return x.FillBytes(make([]byte, n)) }
