// Package rawrsa is what [crypto/rsa] does not let anybody at: the bare operation, m^e modulo n, with what can be worked out once kept with the
// key; PSS with any length of salt and any two hashes; and decryption of PKCS #1 version 1.5 with implicit rejection.
//
// What is secret goes through bigmod, whose arithmetic takes a time that does not depend on the values.
package rawrsa

import (
	"crypto/rsa"
	"errors"
	"math/big"

	"filippo.io/bigmod"

	"github.com/softcsp/softcsp/internal/algorithm/modular"
)

var (
	// ErrLength says that a number is longer than the modulus.
	ErrLength = errors.New("rawrsa: longer than the modulus")
	// ErrRange says that a number is not below the modulus, or that there is no such modulus.
	ErrRange = errors.New("rawrsa: not below the modulus")
	// ErrFault says that a result is wrong: the processor or the memory has failed, or the key is none.
	ErrFault = errors.New("rawrsa: the result does not lead back to the input")
)

// A PublicKey is a public key with its modulus as bigmod wants it.
type PublicKey struct {
	*rsa.PublicKey
	n *bigmod.Modulus
}

// NewPublicKey prepares a public key.
func NewPublicKey(pub *rsa.PublicKey) (*PublicKey, error) {
	n, err := bigmod.NewModulus(pub.N.Bytes())
	if err != nil {
		return nil, ErrRange
	}
	return &PublicKey{pub, n}, nil
}

// padded is m with zeros before it, as long as the modulus.
func (k *PublicKey) padded(m []byte) ([]byte, error) {
	if len(m) > k.n.Size() {
		return nil, ErrLength
	}
	return modular.LeftPadded(m, k.n.Size()), nil
}

// Encrypt computes m^e, where m is secret. The result is as long as the modulus.
func (k *PublicKey) Encrypt(m []byte) ([]byte, error) {
	m, err := k.padded(m)
	if err != nil {
		return nil, err
	}
	x, err := bigmod.NewNat().SetBytes(m, k.n)
	if err != nil {
		return nil, ErrRange
	}
	return x.ExpShortVarTime(x, uint(k.E), k.n).Bytes(k.n), nil
}

// longestShort is the length in bits up to which bigmod, which has faster code for some lengths, computes m^e faster than math/big.
const longestShort = 2048

// Open computes m^e, where m is a signature or another number that everybody may know: how long it takes depends on m.
// The result is as long as the modulus.
func (k *PublicKey) Open(m []byte) ([]byte, error) {
	if k.n.BitLen() <= longestShort {
		return k.Encrypt(m)
	}
	if len(m) > k.n.Size() {
		return nil, ErrLength
	}
	x := new(big.Int).SetBytes(m)
	if x.Cmp(k.N) >= 0 {
		return nil, ErrRange
	}
	return x.Exp(x, big.NewInt(int64(k.E)), k.N).FillBytes(make([]byte, k.n.Size())), nil
}
