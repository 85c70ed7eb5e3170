package capi

import (
	"encoding/binary"
	"io"
	"slices"

	"github.com/softcsp/softcsp/internal/algorithm/parity"
	"github.com/softcsp/softcsp/internal/secret"
)

// A SessionKey is a key that a provider made, with the parameters that a new key has. Its slices lie in the SessionKey itself, which
// the caller wipes.
type SessionKey struct {
	Provider *Provider
	Cipher   *Cipher
	// Value is the key. A key of the DES family has odd parity, as Windows exports it.
	Value []byte
	// Salt is KP_SALT: empty where there is none, nil where Windows has no such parameter (the DES family). The cipher is keyed
	// with Value and then Salt, 16 bytes of them at most.
	Salt []byte
	// EffectiveBits is KP_EFFECTIVE_KEYLEN of RC2, and KP_KEYLEN of all: the length of Value in bits. A salt adds none.
	EffectiveBits int
	// Permissions is KP_PERMISSIONS: CRYPT_ENCRYPT and so on.
	Permissions uint32
	// UserProtected says that CRYPT_USER_PROTECTED was given.
	UserProtected bool
	// Updated says that the key is an older one, changed.
	Updated bool

	hash      *Hash
	hashValue [maxHashSize]byte     // the base hash value
	material  [2 * maxHashSize]byte // E, and in its front the key
	salt      [saltedLen]byte
	pad       [padLen]byte
}

// Wipe overwrites the key.
func (k *SessionKey) Wipe() { *k = SessionKey{} }

// IVLen returns the length of KP_IV in bytes; a new key's IV is zeros.
func (k *SessionKey) IVLen() int { return k.Cipher.BlockBits / 8 }

// IsHashPrefix reports whether the key is the beginning of the hash value that r gave.
func (k *SessionKey) IsHashPrefix(r *Request) bool {
	return !k.Updated && !expands(k.Cipher, r.Hash, len(k.Value))
}

// Generate makes k the random key of a call of CryptGenKey. A key that CRYPT_CREATE_SALT salts has a random salt. After an error k
// holds nothing.
func (k *SessionKey) Generate(p *Provider, cipher AlgID, flags uint32, random io.Reader) error {
	c, err := p.Cipher(cipher)
	if err != nil {
		return err
	}
	bits, err := c.KeyBits(int(flags >> 16))
	if err != nil {
		return err
	}
	n := bits / 8
	k.Wipe()
	k.Provider, k.Cipher, k.EffectiveBits = p, c, bits
	secret.Do(func() {
		if n > len(k.material) {
			k.Value = make([]byte, n)
		} else {
			k.Value = k.material[:n]
		}
		_, err = io.ReadFull(random, k.Value)
		if err == nil && c.salted && flags&CRYPT_CREATE_SALT != 0 {
			_, err = io.ReadFull(random, k.salt[:])
		}
	})
	if err != nil {
		clear(k.Value)
		k.Wipe()
		return err
	}
	if c.parity {
		parity.SetOdd(k.Value)
	}
	k.setSalt(k.withSalt(), flags)
	k.Permissions = permissions(flags)
	k.UserProtected = flags&CRYPT_USER_PROTECTED != 0
	return nil
}

// withSalt returns the key followed by k.salt. That is what setSalt wants of a key that was made from no hash value: it takes the salt from
// behind the key.
func (k *SessionKey) withSalt() []byte {
	h := slices.Grow(slices.Clone(k.Value), saltedLen)
	return append(h, k.salt[:saltedLen]...)[:max(len(k.Value), saltedLen)]
}

// permissions is KP_PERMISSIONS of a new key.
func permissions(flags uint32) uint32 {
	p := uint32(CRYPT_ENCRYPT | CRYPT_DECRYPT | CRYPT_READ | CRYPT_WRITE | CRYPT_MAC)
	if flags&CRYPT_EXPORTABLE != 0 {
		p |= CRYPT_EXPORT
	}
	return p
}

// An ImportedKey is a session key whose value comes from outside the provider's own making: from a blob, or from a key whose
// salt changes.
type ImportedKey struct {
	Provider *Provider
	Cipher   *Cipher
	Value    []byte
	// Salt is KP_SALT, and Salted says that it was given: without it a 40-bit key has the zero salt that it has by default.
	Salt   []byte
	Salted bool
	// EffectiveBits are the bits of an RC2 key that count.
	EffectiveBits int
	Flags         uint32
	// Replaces says that the value and the salt go to a key that there is already. BaseHash is what [SessionKey.AppendBaseHash] wrote
	// of it, which it keeps.
	Replaces bool
	BaseHash []byte
}

// MaxSalt is the longest salt in bytes that KP_SALT_EX takes.
const MaxSalt = 24

// Import makes k the key i. A salt that is too long is NTE_BAD_DATA.
func (k *SessionKey) Import(i *ImportedKey) error {
	k.Wipe()
	if len(i.Salt) > MaxSalt {
		return NTE_BAD_DATA
	}
	k.Provider, k.Cipher, k.EffectiveBits, k.Updated = i.Provider, i.Cipher, i.EffectiveBits, i.Replaces
	k.Value = append(k.material[:0], i.Value...)
	if i.Cipher.parity {
		parity.SetOdd(k.Value)
	}
	if k.setSalt(k.withSalt(), i.Flags&^CRYPT_CREATE_SALT); i.Salted {
		k.Salt = slices.Clone(i.Salt)
		if k.Salt == nil {
			k.Salt = k.salt[:0]
		}
	}
	if len(i.BaseHash) > baseHashHeader {
		k.hash = HashByID(AlgID(binary.LittleEndian.Uint32(i.BaseHash)))
		copy(k.hashValue[:], i.BaseHash[baseHashHeader:])
	}
	k.Permissions = permissions(i.Flags)
	k.UserProtected = i.Flags&CRYPT_USER_PROTECTED != 0
	return nil
}
