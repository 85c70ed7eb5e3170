package mechanisms

import (
	"errors"
	"math/big"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/algorithm/rawrsa"
	"github.com/softcsp/softcsp/internal/secret"
)

// rsaKey is the prepared form of a private key.
func rsaKey(k *Key) (*rawrsa.PrivateKey, error) {
	form, err := k.Prepared(ck.CKM_RSA_PKCS_KEY_PAIR_GEN, func(k *Key) (form any, err error) {
		secret.Do(func() {
			priv, e := rsaPrivateOf(k.Attr)
			if err = e; err == nil {
				form, err = rawrsa.NewPrivateKey(priv)
			}
		})
		return form, err
	})
	if err != nil {
		return nil, err
	}
	return form.(*rawrsa.PrivateKey), nil
}

// rsaPublicKey is the prepared form of a public key.
func rsaPublicKey(k *Key) (*rawrsa.PublicKey, error) {
	form, err := k.Prepared(ck.CKM_RSA_PKCS_KEY_PAIR_GEN, func(k *Key) (any, error) {
		pub, err := rsaPublicOf(k.Attr)
		if err != nil {
			return nil, err
		}
		return rawrsa.NewPublicKey(pub)
	})
	if err != nil {
		return nil, err
	}
	return form.(*rawrsa.PublicKey), nil
}

// rsaEncrypt computes m^e of a secret m. What is longer than the modulus is CKR_DATA_LEN_RANGE, and what is not below it CKR_DATA_INVALID: section
// 6.1.7.
func rsaEncrypt(pub *rawrsa.PublicKey, m []byte) ([]byte, error) {
	out, err := pub.Encrypt(m)
	return out, rsaRawError(err)
}

// rsaOpen computes m^e of a signature, with the same errors.
func rsaOpen(pub *rawrsa.PublicKey, sig []byte) ([]byte, error) {
	out, err := pub.Open(sig)
	return out, rsaRawError(err)
}

// rsaRawPrivate computes m^d, with the same errors.
func rsaRawPrivate(priv *rawrsa.PrivateKey, m []byte) ([]byte, error) {
	out, err := priv.Raw(m)
	return out, rsaRawError(err)
}

func rsaRawError(err error) error {
	switch {
	case errors.Is(err, rawrsa.ErrLength):
		return ck.CKR_DATA_LEN_RANGE
	case errors.Is(err, rawrsa.ErrFault):
		return errors.Join(ck.CKR_FUNCTION_FAILED, err)
	case err != nil:
		return ck.CKR_DATA_INVALID
	}
	return nil
}

// fixedBytes writes a number in n bytes.
func fixedBytes(x *big.Int, n int) []byte { return x.FillBytes(make([]byte, n)) }
