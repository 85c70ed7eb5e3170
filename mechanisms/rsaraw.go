package mechanisms

import (
	"crypto/rsa"
	"math/big"

	"filippo.io/bigmod"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/secret"
)

// crypto/rsa does not let anybody at the bare operation, m^e modulo n, of which CKM_RSA_X_509 is made, and PSS with salts
// and masks that it does not have. Here it is over bigmod, whose arithmetic takes a time that does not depend on the
// values. It goes without the primes, so that no fault in one half can tell them.

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

// rsaNumber reads m as a number below the modulus. What is longer than that is CKR_DATA_LEN_RANGE, and what is greater
// CKR_DATA_INVALID: section 6.1.7.
func rsaNumber(pub *rsa.PublicKey, m []byte) (*bigmod.Nat, *bigmod.Modulus, error) {
	if len(m) > pub.Size() {
		return nil, nil, ck.CKR_DATA_LEN_RANGE
	}
	n, err := bigmod.NewModulus(pub.N.Bytes())
	if err != nil {
		return nil, nil, ck.CKR_DATA_INVALID
	}
	padded := make([]byte, pub.Size())
	copy(padded[len(padded)-len(m):], m)
	x, err := bigmod.NewNat().SetBytes(padded, n)
	if err != nil {
		return nil, nil, ck.CKR_DATA_INVALID
	}
	return x, n, nil
}

// rsaRawPublic computes m^e.
func rsaRawPublic(pub *rsa.PublicKey, m []byte) ([]byte, error) {
	x, n, err := rsaNumber(pub, m)
	if err != nil {
		return nil, err
	}
	return bigmod.NewNat().ExpShortVarTime(x, uint(pub.E), n).Bytes(n), nil
}

// rsaRawPrivate computes m^d.
func rsaRawPrivate(priv *rsa.PrivateKey, m []byte) ([]byte, error) {
	x, n, err := rsaNumber(&priv.PublicKey, m)
	if err != nil {
		return nil, err
	}
	return bigmod.NewNat().Exp(x, fixedBytes(priv.D, priv.Size()), n).Bytes(n), nil
}

// fixedBytes writes a number in n bytes.
func fixedBytes(x *big.Int, n int) []byte { return x.FillBytes(make([]byte, n)) }
