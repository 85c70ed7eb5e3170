// Package rawrsa is what [crypto/rsa] does not let anybody at: the bare operation, m^e modulo n; PSS with any length of salt and any two hashes;
// and decryption of PKCS #1 version 1.5 with implicit rejection.
//
// It is over bigmod, whose arithmetic takes a time that does not depend on the values, and goes without the primes, so that no fault in one half
// can tell them.
package rawrsa

import (
	"crypto/rsa"
	"errors"

	"filippo.io/bigmod"
)

var (
	// ErrLength says that a number is longer than the modulus.
	ErrLength = errors.New("rawrsa: longer than the modulus")
	// ErrRange says that a number is not below the modulus, or that there is no such modulus.
	ErrRange = errors.New("rawrsa: not below the modulus")
)

// number reads m as a number below the modulus.
func number(pub *rsa.PublicKey, m []byte) (*bigmod.Nat, *bigmod.Modulus, error) {
	if len(m) > pub.Size() {
		return nil, nil, ErrLength
	}
	n, err := bigmod.NewModulus(pub.N.Bytes())
	if err != nil {
		return nil, nil, ErrRange
	}
	padded := make([]byte, pub.Size())
	copy(padded[len(padded)-len(m):], m)
	x, err := bigmod.NewNat().SetBytes(padded, n)
	if err != nil {
		return nil, nil, ErrRange
	}
	return x, n, nil
}

// Public computes m^e.
func Public(pub *rsa.PublicKey, m []byte) ([]byte, error) {
	x, n, err := number(pub, m)
	if err != nil {
		return nil, err
	}
	return bigmod.NewNat().ExpShortVarTime(x, uint(pub.E), n).Bytes(n), nil
}

// Private computes m^d.
func Private(priv *rsa.PrivateKey, m []byte) ([]byte, error) {
	x, n, err := number(&priv.PublicKey, m)
	if err != nil {
		return nil, err
	}
	return bigmod.NewNat().Exp(x, priv.D.FillBytes(make([]byte, priv.Size())), n).Bytes(n), nil
}
