package capi

import (
	"crypto/subtle"
	"encoding/binary"

	"github.com/softcsp/softcsp/internal/algorithm/parity"
	"github.com/softcsp/softcsp/internal/secret"
)

// DeriveKey is CryptDeriveKey: the key that provider p makes for a cipher from the value of a finished hash object of hash h, a
// hashed password say. Its flags are dwFlags: the length of the key in bits in the upper 16 bits, 0 for the provider's default (with CRYPT_UPDATE_KEY, the old key's), and
// CRYPT_CREATE_SALT, CRYPT_NO_SALT and others in the lower 16.
//
// Let L be the length of the value, n that of the key in bytes, and H the hash. The key is
//
//	value[:n]
//
// or, where n > L, and for an AES key where L is at most 20,
//
//	E[:n]  with  E = H(0x36… xor value) || H(0x5c… xor value)
//
// where 0x36… and 0x5c… are 64 bytes long for every H, and the value is xored into their front. Keys of the DES family get odd
// parity. RC2 and RC4 keys may have a salt: see [SessionKey].
//
// The errors, in the order in which they are looked for:
//
//   - NTE_BAD_UID: no provider
//   - NTE_BAD_HASH: no hash, or one of more than 64 bytes
//   - NTE_BAD_ALGID: the provider does not offer the hash, or not the cipher
//   - NTE_FAIL: a cipher of the class of SSL's secrets
//   - ERROR_INVALID_HANDLE: CRYPT_UPDATE_KEY, which only [Softcsp] honours, without a key to update, as here; [SessionKey.Derive]
//     takes one, and adds NTE_BAD_KEY, NTE_BAD_ALGID and NTE_BAD_HASH where that key was not made by this cipher and this hash
//   - NTE_BAD_FLAGS: a DES key of another length than its two
//   - NTE_BAD_DATA: another key of a length that is not offered; any key that is longer than E, or that needs E of a hash whose value alone is
//     known
//   - NTE_BAD_HASH: a value of another length than the hash's
//
// Microsoft describes it at https://learn.microsoft.com/windows/win32/api/wincrypt/nf-wincrypt-cryptderivekey. Where that page is
// silent or wrong, docs/cryptderivekey.md says what Windows does, and how that is known.
func DeriveKey(p *Provider, cipher AlgID, h *Hash, value []byte, flags uint32) (*SessionKey, error) {
	k := new(SessionKey)
	if err := k.Derive(&Request{Provider: p, Cipher: cipher, Hash: h, Value: value, Flags: flags}); err != nil {
		return nil, err
	}
	return k, nil
}

// A Request is a call of CryptDeriveKey: its parameters and what its handles stand for.
type Request struct {
	Provider *Provider
	Cipher   AlgID
	Flags    uint32 // dwFlags
	// Hash and Value are the hash object, finished: which hash it is, and its value.
	Hash  *Hash
	Value []byte
	// Old is the key that CRYPT_UPDATE_KEY changes, nil where the caller names none. A provider that does not honour the
	// flag does not look at it.
	Old *OldKey
}

// An OldKey is what is known of a key that CRYPT_UPDATE_KEY changes.
type OldKey struct {
	Cipher AlgID
	Bits   int // the length of its value
	// Permissions stay as they were: an update cannot make a sealed key exportable.
	Permissions uint32
	// BaseHash is what [SessionKey.AppendBaseHash] wrote when the key was made, nil if it was made otherwise.
	BaseHash []byte
}

// padLen is the length of the two pads in bytes, for every hash.
const padLen = 64

// Derive makes k the key that r asks for, as [DeriveKey] does, in the memory of k. After an error k holds nothing.
func (k *SessionKey) Derive(r *Request) error {
	n, err := k.check(r)
	if err != nil {
		return err
	}
	if len(r.Value) != r.Hash.Size {
		k.Wipe()
		return NTE_BAD_HASH
	}
	secret.Do(func() {
		copy(k.hashValue[:], r.Value)
		k.compute(r, n)
	})
	return nil
}

// DeriveFrom is [SessionKey.Derive] with a hash object that has been fed data and nothing else, in the place of r.Value.
func (k *SessionKey) DeriveFrom(r *Request, data []byte) error {
	n, err := k.check(r)
	if err != nil {
		return err
	}
	secret.Do(func() {
		r.Hash.sum(k.hashValue[:r.Hash.Size], data)
		k.compute(r, n)
	})
	return nil
}

// check checks everything but the value, in the order in which CryptoAPI does: provider, hash, cipher, length. It returns the
// length of the key in bytes.
func (k *SessionKey) check(r *Request) (int, error) {
	k.Wipe()
	p := r.Provider
	if p == nil {
		return 0, NTE_BAD_UID
	}
	if r.Hash == nil || r.Hash.Size > maxHashSize {
		return 0, NTE_BAD_HASH
	}
	if !p.Offers(r.Hash.ID) {
		return 0, NTE_BAD_ALGID
	}
	c, err := p.Cipher(r.Cipher)
	if err != nil {
		return 0, err
	}
	asked := int(r.Flags >> 16)
	updates := p.updatesKeys && r.Flags&CRYPT_UPDATE_KEY != 0
	if updates {
		if err := r.Old.check(c, r.Hash); err != nil {
			return 0, err
		}
		if asked == 0 {
			asked = r.Old.Bits
		}
	}
	bits, err := c.KeyBits(asked)
	if err != nil {
		return 0, err
	}
	n := bits / 8
	if expands(c, r.Hash, n) && (n > 2*r.Hash.Size || r.Hash.New == nil) {
		return 0, NTE_BAD_DATA
	}
	k.Provider, k.Cipher, k.EffectiveBits, k.Updated = p, c, bits, updates
	return n, nil
}

// check reports whether the key can be changed into one of a cipher, with a further hash value of h.
func (o *OldKey) check(c *Cipher, h *Hash) error {
	if o == nil {
		return ERROR_INVALID_HANDLE
	}
	if len(o.BaseHash) < baseHashHeader {
		return NTE_BAD_KEY
	}
	if o.Cipher != c.ID {
		return NTE_BAD_ALGID
	}
	if h.ID == 0 || h.New == nil || AlgID(binary.LittleEndian.Uint32(o.BaseHash)) != h.ID || len(o.BaseHash) != baseHashHeader+h.Size {
		return NTE_BAD_HASH
	}
	return nil
}

// compute makes the key of n bytes from the value in k.hashValue.
func (k *SessionKey) compute(r *Request, n int) {
	value := k.hashValue[:r.Hash.Size]
	if k.Updated {
		both := append(k.material[:0], r.Old.BaseHash[baseHashHeader:]...)
		both = append(both, value...)
		r.Hash.sum(value, both)
		clear(both)
	}
	if expands(k.Cipher, r.Hash, n) {
		r.Hash.expand(k.material[:], value, &k.pad)
	} else {
		copy(k.material[:n], value)
	}
	clear(k.material[n:])
	k.hash, k.Value = r.Hash, k.material[:n]
	if k.Cipher.parity {
		parity.SetOdd(k.Value)
	}
	k.setSalt(value, r.Flags)
	k.Permissions = permissions(r.Flags)
	if k.Updated {
		k.Permissions = r.Old.Permissions
	}
	k.UserProtected = r.Flags&CRYPT_USER_PROTECTED != 0
}

// expands reports whether a key of n bytes is made of E and not of the hash value itself.
func expands(c *Cipher, h *Hash, n int) bool { return n > h.Size || c.expandsShort && h.Size <= 20 }

// expand writes E to dst, which has 2L bytes at least.
func (h *Hash) expand(dst, value []byte, pad *[padLen]byte) {
	for i, c := range [2]byte{0x36, 0x5c} {
		for j := range pad {
			pad[j] = c
		}
		subtle.XORBytes(pad[:], pad[:], value)
		h.sum(dst[i*h.Size:(i+1)*h.Size], pad[:])
	}
	clear(pad[:])
}

// setSalt decides the salt of a key that value was made into: that of CRYPT_CREATE_SALT, or else the 11 zero bytes that a 40-bit
// key has unless CRYPT_NO_SALT is given.
func (k *SessionKey) setSalt(value []byte, flags uint32) {
	n := len(k.Value)
	switch {
	case k.Cipher.parity:
		k.Salt = nil
	case !k.Cipher.salted:
		k.Salt = k.salt[:0]
	case flags&CRYPT_CREATE_SALT != 0:
		k.Salt = k.salt[:k.Provider.saltLen(n, len(value))]
		if n < len(value) {
			copy(k.Salt, value[n:])
		}
	case n == saltedLen-zeroSaltLen && flags&CRYPT_NO_SALT == 0:
		k.Salt = k.salt[:zeroSaltLen]
	default:
		k.Salt = k.salt[:0]
	}
}

// baseHashHeader is the length in bytes of the ALG_ID in front of a base hash value.
const baseHashHeader = 4

// AppendBaseHash appends what CRYPT_UPDATE_KEY must know later to change the key: the ALG_ID of the hash in little-endian
// order, and the base hash value, which is as secret as the key. It appends nothing where the provider does not update keys.
func (k *SessionKey) AppendBaseHash(b []byte) []byte {
	if k.Provider == nil || !k.Provider.updatesKeys || k.hash == nil {
		return b
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(k.hash.ID))
	return append(b, k.hashValue[:k.hash.Size]...)
}
