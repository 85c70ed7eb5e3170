package softhsm

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"errors"

	"github.com/softcsp/softcsp/internal/secret"
)

// A token has a key of 32 bytes, with which AES in CBC mode seals byte strings: an IV, and what was encrypted, padded as PKCS #7 pads. The
// token keeps the key for each PIN: a salt of 8 bytes, and what three bytes and the key are sealed to under a key of the PIN.
const (
	keySize  = 32
	saltSize = 8
	marker   = "RJR" // tells that a PIN was right
	// baseCount and the last byte of the salt are together how often SHA-256 is applied to the salt and the PIN.
	baseCount = 1500
)

// Unlock takes the PIN of the user or of the security officer: either opens everything. It reports whether it was the user's. SoftHSM2 counts no
// wrong PINs, and nor does this.
func (t *Token) Unlock(pin []byte) (isUsers bool, err error) {
	if t.key = openKey(t.user, pin); t.key != nil {
		return true, nil
	}
	if t.key = openKey(t.so, pin); t.key != nil {
		return false, nil
	}
	return false, ErrPIN
}

// Lock forgets the token's key.
func (t *Token) Lock() {
	clear(t.key)
	t.key = nil
}

// openKey opens the token's key with a PIN. It returns nil where that is not the PIN.
func openKey(sealed, pin []byte) (key []byte) {
	if len(sealed) < saltSize || len(pin) == 0 {
		return nil
	}
	salt, sealed := sealed[:saltSize], sealed[saltSize:]
	secret.Do(func() {
		hash := sha256.New()
		hash.Write(salt)
		hash.Write(pin)
		derived := hash.Sum(nil)
		for range baseCount + int(salt[saltSize-1]) - 1 {
			sum := sha256.Sum256(derived)
			copy(derived, sum[:])
		}
		if plain, err := unseal(derived, sealed); err == nil && len(plain) == len(marker)+keySize && string(plain[:len(marker)]) == marker {
			key = plain[len(marker):]
		}
	})
	return key
}

// unseal opens a byte string of the token.
func (t *Token) unseal(sealed []byte) (plain []byte, err error) {
	if t.key == nil {
		return nil, errors.New("the token is locked")
	}
	secret.Do(func() { plain, err = unseal(t.key, sealed) })
	return plain, err
}

// unseal opens a byte string with a key. Nothing authenticates it, but the padding of what another key has sealed is seldom right.
func unseal(key, sealed []byte) ([]byte, error) {
	if len(sealed) < 2*aes.BlockSize || len(sealed)%aes.BlockSize != 0 {
		return nil, errors.New("no whole number of blocks")
	}
	b, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	plain := make([]byte, len(sealed)-aes.BlockSize)
	cipher.NewCBCDecrypter(b, sealed[:aes.BlockSize]).CryptBlocks(plain, sealed[aes.BlockSize:])
	padding := int(plain[len(plain)-1])
	if padding == 0 || padding > aes.BlockSize {
		return nil, errors.New("not sealed with the token's key")
	}
	for _, c := range plain[len(plain)-padding:] {
		if int(c) != padding {
			return nil, errors.New("not sealed with the token's key")
		}
	}
	return plain[:len(plain)-padding], nil
}
