package mechanisms

import (
	"crypto/subtle"
	"encoding/binary"

	"github.com/softcsp/softcsp/internal/secret"
)

// A DeriveRequest is a call of CryptDeriveKey: its parameters and what its handles stand for.
type DeriveRequest struct {
	Provider *Provider
	ALGID    uint32
	Flags    uint32
	// Hash and Digest are the hash object, finished: which hash it is, and its value.
	Hash   *Hash
	Digest []byte
	// Old is the key that CRYPT_UPDATE_KEY changes, nil where the caller names none. A provider that does not honour the
	// flag does not look at it.
	Old *OldKey
}

// An OldKey is what is known of a key that CRYPT_UPDATE_KEY changes.
type OldKey struct {
	ALGID uint32
	Bits  uint // the length of its value
	// Permissions stay as they were: an update cannot make a sealed key exportable.
	Permissions uint32
	// BaseHash is what SessionKey.AppendBaseHash wrote when the key was made, nil if it was made otherwise.
	BaseHash []byte
}

// A SessionKey is a key that CryptDeriveKey made, with the parameters that a new key has. Its slices lie in the SessionKey
// itself, which the caller wipes.
type SessionKey struct {
	Provider  *Provider
	Algorithm *Algorithm
	// Value is the key. A key of the DES family has odd parity, as Windows exports it.
	Value []byte
	// Salt is KP_SALT: empty where there is none, nil where Windows has no such parameter (the DES family).
	Salt []byte
	// EffectiveBits is KP_EFFECTIVE_KEYLEN, and KP_KEYLEN: the length of Value.
	EffectiveBits uint
	// Permissions is KP_PERMISSIONS.
	Permissions uint32
	// UserProtected says that CRYPT_USER_PROTECTED was given.
	UserProtected bool
	// Updated says that the key is an older one, changed.
	Updated bool

	hash     *Hash
	digest   [maxHashSize]byte     // h, the base hash value
	material [2 * maxHashSize]byte // E, and in its front the key
	salt     [saltedBytes]byte
	pad      [padSize]byte
}

// padSize is the length of the two pads, for every hash.
const padSize = 64

// Wipe overwrites the key.
func (k *SessionKey) Wipe() { *k = SessionKey{} }

// IVLen returns the length of KP_IV in bytes; a new key's IV is zeros.
func (k *SessionKey) IVLen() uint { return k.Algorithm.BlockBits / 8 }

// CryptDeriveKey makes the session key that r asks for. On failure, one of the errors of CryptoAPI, k holds nothing.
//
// With h the value of the hash object, L its length and n the length of the key, the key is h[:n]; where n > L, or for an
// AES key from a hash of at most 20 bytes, it is E[:n] with
//
//	E = H(0x36… xor h) || H(0x5c… xor h)
//
// H being the hash of the hash object, and both pads 64 bytes long for every hash.
func CryptDeriveKey(k *SessionKey, r *DeriveRequest) error {
	n, err := k.begin(r)
	if err != nil {
		return err
	}
	if len(r.Digest) != r.Hash.Size {
		k.Wipe()
		return NTE_BAD_HASH
	}
	secret.Do(func() {
		copy(k.digest[:], r.Digest)
		k.finish(r, n)
	})
	return nil
}

// deriveFrom is CryptDeriveKey with a hash object that has been fed data and nothing else.
func deriveFrom(k *SessionKey, r *DeriveRequest, data []byte) error {
	n, err := k.begin(r)
	if err != nil {
		return err
	}
	secret.Do(func() {
		r.Hash.sum(k.digest[:r.Hash.Size], data)
		k.finish(r, n)
	})
	return nil
}

// begin makes every check, in the order in which CryptoAPI meets them: provider, hash, algorithm, length. It returns the
// length of the key in bytes.
func (k *SessionKey) begin(r *DeriveRequest) (int, error) {
	k.Wipe()
	p := r.Provider
	if p == nil {
		return 0, NTE_BAD_UID
	}
	if r.Hash == nil || r.Hash.Size > maxHashSize {
		return 0, NTE_BAD_HASH
	}
	if !p.Offers(r.Hash) {
		return 0, NTE_BAD_ALGID
	}
	a, err := p.Algorithm(r.ALGID)
	if err != nil {
		return 0, err
	}
	asked := uint(r.Flags >> 16)
	updates := p.updates && r.Flags&CRYPT_UPDATE_KEY != 0
	if updates {
		if err := r.Old.check(a, r.Hash); err != nil {
			return 0, err
		}
		if asked == 0 {
			asked = r.Old.Bits
		}
	}
	keyBits, err := a.KeyBits(asked)
	if err != nil {
		return 0, err
	}
	n := int(keyBits / 8)
	if expands(a, r.Hash, n) && (n > 2*r.Hash.Size || r.Hash.New == nil) {
		return 0, NTE_BAD_DATA
	}
	k.Provider, k.Algorithm, k.EffectiveBits, k.Updated = p, a, keyBits, updates
	return n, nil
}

// check reports whether the key can be changed into one of a, with a further hash value of h.
func (o *OldKey) check(a *Algorithm, h *Hash) error {
	if o == nil {
		return ERROR_INVALID_HANDLE
	}
	if len(o.BaseHash) < baseHashHeader {
		return NTE_BAD_KEY
	}
	if o.ALGID != a.ALGID {
		return NTE_BAD_ALGID
	}
	if h.ALGID == 0 || h.New == nil || binary.LittleEndian.Uint32(o.BaseHash) != h.ALGID || len(o.BaseHash) != baseHashHeader+h.Size {
		return NTE_BAD_HASH
	}
	return nil
}

// finish makes the key of n bytes from the value in k.digest.
func (k *SessionKey) finish(r *DeriveRequest, n int) {
	h := k.digest[:r.Hash.Size]
	if k.Updated {
		both := append(k.material[:0], r.Old.BaseHash[baseHashHeader:]...)
		both = append(both, h...)
		r.Hash.sum(h, both)
		clear(both)
	}
	if expands(k.Algorithm, r.Hash, n) {
		r.Hash.expand(k.material[:], h, &k.pad)
	} else {
		copy(k.material[:n], h)
	}
	clear(k.material[n:])
	k.hash, k.Value = r.Hash, k.material[:n]
	if k.Algorithm.parity {
		setOddParity(k.Value)
	}
	k.setSalt(h, r.Flags)
	k.Permissions = permissions(r.Flags)
	if k.Updated {
		k.Permissions = r.Old.Permissions
	}
	k.UserProtected = r.Flags&CRYPT_USER_PROTECTED != 0
}

// expands reports whether a key of n bytes is made of expanded material.
func expands(a *Algorithm, h *Hash, n int) bool { return n > h.Size || a.double && h.Size <= 20 }

// cut reports whether the key is the beginning of the hash value in r as it was given.
func (k *SessionKey) cut(r *DeriveRequest) bool {
	return !k.Updated && !expands(k.Algorithm, r.Hash, len(k.Value))
}

// expand writes E to dst, which has 2L bytes at least.
func (h *Hash) expand(dst, value []byte, pad *[padSize]byte) {
	for i, c := range [2]byte{0x36, 0x5c} {
		for j := range pad {
			pad[j] = c
		}
		subtle.XORBytes(pad[:], pad[:], value)
		h.sum(dst[i*h.Size:(i+1)*h.Size], pad[:])
	}
	clear(pad[:])
}

// setSalt decides the salt: that of CRYPT_CREATE_SALT, or else the 11 zero bytes that a 40-bit key has unless
// CRYPT_NO_SALT is given.
func (k *SessionKey) setSalt(h []byte, flags uint32) {
	n := len(k.Value)
	switch {
	case k.Algorithm.parity:
		k.Salt = nil
	case !k.Algorithm.salted:
		k.Salt = k.salt[:0]
	case flags&CRYPT_CREATE_SALT != 0:
		k.Salt = k.salt[:k.Provider.createSalt(n, len(h))]
		if n < len(h) {
			copy(k.Salt, h[n:])
		}
	case n == saltedBytes-zeroSaltBytes && flags&CRYPT_NO_SALT == 0:
		k.Salt = k.salt[:zeroSaltBytes]
	default:
		k.Salt = k.salt[:0]
	}
}

// baseHashHeader is the length of the ALG_ID in front of a base hash value.
const baseHashHeader = 4

// AppendBaseHash appends what CRYPT_UPDATE_KEY must know later to change the key: the ALG_ID of the hash in little-endian
// order, and the base hash value, which is as secret as the key. It appends nothing where the provider does not update.
func (k *SessionKey) AppendBaseHash(b []byte) []byte {
	if k.Provider == nil || !k.Provider.updates || k.hash == nil {
		return b
	}
	b = binary.LittleEndian.AppendUint32(b, k.hash.ALGID)
	return append(b, k.digest[:k.hash.Size]...)
}
