package mechanisms

import (
	"crypto/subtle"
	"encoding/asn1"
	"encoding/binary"
	"hash"
	"io"
	"slices"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/secret"
)

// The keys of CryptoAPI beside those that C_DeriveKey makes: what package csp has the token make keys of.

// Session returns the session key that d was made of. It is valid until d is wiped.
func (d *Derived) Session() *SessionKey { return &d.session }

// DeriveSessionKey makes d the key of a call of CryptDeriveKey.
func (d *Derived) DeriveSessionKey(r *DeriveRequest) error {
	err := CryptDeriveKey(&d.session, r)
	if err == nil {
		err = d.fill(nil, r.Flags)
	}
	if err != nil {
		d.Wipe()
	}
	return err
}

// GenerateSessionKey makes d the random key of a call of CryptGenKey. A key that CRYPT_CREATE_SALT salts has a random salt.
func (d *Derived) GenerateSessionKey(p *Provider, algid, flags uint32, random io.Reader) error {
	a, err := p.Algorithm(algid)
	if err != nil {
		return err
	}
	bits, err := a.KeyBits(uint(flags >> 16))
	if err != nil {
		return err
	}
	k, n := &d.session, int(bits/8)
	k.Wipe()
	k.Provider, k.Algorithm, k.EffectiveBits = p, a, bits
	secret.Do(func() {
		if n > len(k.material) {
			k.Value = make([]byte, n)
		} else {
			k.Value = k.material[:n]
		}
		_, err = io.ReadFull(random, k.Value)
		if err == nil && a.salted && flags&CRYPT_CREATE_SALT != 0 {
			_, err = io.ReadFull(random, k.salt[:])
		}
	})
	if err == nil {
		if a.parity {
			setOddParity(k.Value)
		}
		k.setSalt(k.salted(), flags)
		k.Permissions = permissions(flags)
		k.UserProtected = flags&CRYPT_USER_PROTECTED != 0
		err = d.fill(nil, flags)
	}
	if err != nil {
		d.Wipe()
	}
	return err
}

// salted returns a stand-in for a hash value, of which the key is the beginning and the salt what follows.
func (k *SessionKey) salted() []byte {
	h := slices.Grow(slices.Clone(k.Value), saltedBytes)
	return append(h, k.salt[:saltedBytes]...)[:max(len(k.Value), saltedBytes)]
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
	Provider  *Provider
	Algorithm *Algorithm
	Value     []byte
	// Salt is KP_SALT, and Salted says that there is one: without it a 40-bit key has the zero salt that it has unasked.
	Salt   []byte
	Salted bool
	// EffectiveBits are the bits of an RC2 key that count.
	EffectiveBits uint
	Flags         uint32
	// Replaces says that the value and the salt go to a key that there is already, whose CKA_SOFTCSP_BASE_HASH stays.
	Replaces bool
	BaseHash []byte
}

// MaxSalt is the longest salt in bytes that KP_SALT_EX takes.
const MaxSalt = 24

// ImportSessionKey makes d the key i.
func (d *Derived) ImportSessionKey(i *ImportedKey) error {
	k := &d.session
	k.Wipe()
	if len(i.Salt) > MaxSalt || !validSize(i.Algorithm.Type, uint(len(i.Value))) {
		return NTE_BAD_DATA
	}
	k.Provider, k.Algorithm, k.EffectiveBits, k.Updated = i.Provider, i.Algorithm, i.EffectiveBits, i.Replaces
	k.Value = append(k.material[:0], i.Value...)
	if i.Algorithm.parity {
		setOddParity(k.Value)
	}
	if k.setSalt(k.salted(), i.Flags&^CRYPT_CREATE_SALT); i.Salted {
		k.Salt = slices.Clone(i.Salt)
		if k.Salt == nil {
			k.Salt = k.salt[:0]
		}
	}
	if len(i.BaseHash) > baseHashHeader {
		k.hash = HashByALGID(binary.LittleEndian.Uint32(i.BaseHash))
		copy(k.digest[:], i.BaseHash[baseHashHeader:])
	}
	k.Permissions = permissions(i.Flags)
	k.UserProtected = i.Flags&CRYPT_USER_PROTECTED != 0
	if err := d.fill(nil, i.Flags); err != nil {
		d.Wipe()
		return err
	}
	d.Replaces = i.Replaces
	return nil
}

// HasParity reports whether the algorithm is of the DES family.
func (a *Algorithm) HasParity() bool { return a.parity }

// HasSalt reports whether keys of the algorithm have a salt.
func (a *Algorithm) HasSalt() bool { return a.salted }

// Updates reports whether the provider honours CRYPT_UPDATE_KEY.
func (p *Provider) Updates() bool { return p.updates }

// OldKeyOf tells CryptDeriveKey what it has to know of a key that CRYPT_UPDATE_KEY changes.
func OldKeyOf(k *Key) *OldKey {
	old := &OldKey{Bits: uint(len(k.Value)) * 8}
	if k.Attr != nil {
		old.BaseHash = k.Attr(CKA_SOFTCSP_BASE_HASH)
		// A key without these has no base hash either, and is refused for that.
		algid, _ := ck.Ulong(k.Attr(ck.CKA_SOFTCSP_ALGID))
		permissions, _ := ck.Ulong(k.Attr(ck.CKA_SOFTCSP_PERMISSIONS))
		old.ALGID, old.Permissions = uint32(algid), uint32(permissions)
	}
	return old
}

// MACHash makes the hash of a finished CALG_MAC object, whose value is size bytes long. Nothing can be hashed with it.
func MACHash(size int) *Hash { return &Hash{Name: "MAC", ALGID: CALG_MAC, Size: size} }

// PaddedHMAC makes the hash of a CALG_HMAC object whose HP_HMAC_INFO names its strings: what the key is xored into, before
// the data and before the inner hash value. A key that is longer than a string is hashed first. An empty string stands for 64
// bytes of 0x36 or 0x5c. The Hash holds secrets until it is no longer used; wipe overwrites them.
func PaddedHMAC(inner *Hash, key, first, second []byte) (h *Hash, wipe func()) {
	var pads [2][]byte
	secret.Do(func() {
		for i, s := range [2][]byte{first, second} {
			if len(s) == 0 {
				s = slices.Repeat([]byte{[2]byte{0x36, 0x5c}[i]}, padSize)
			}
			k := key
			if len(k) > len(s) || len(k) > padSize && inner.Size <= len(s) {
				sum := make([]byte, inner.Size)
				inner.sum(sum, key)
				k = sum[:min(len(sum), len(s))]
			}
			pads[i] = ck.Clone(s)
			subtle.XORBytes(pads[i], pads[i], k)
		}
	})
	h = &Hash{Name: "HMAC-" + inner.Name, ALGID: CALG_HMAC, Size: inner.Size, Block: padSize, New: func() hash.Hash {
		m := &paddedHMAC{inner: inner, outer: pads[1], first: pads[0], state: inner.New()}
		m.state.Write(m.first)
		return m
	}}
	return h, func() { clear(pads[0]); clear(pads[1]) }
}

// A paddedHMAC is an HMAC over strings of any length.
type paddedHMAC struct {
	inner        *Hash
	first, outer []byte
	state        hash.Hash
}

func (m *paddedHMAC) Write(p []byte) (int, error) { return m.state.Write(p) }
func (m *paddedHMAC) Size() int                   { return m.inner.Size }
func (m *paddedHMAC) BlockSize() int              { return padSize }

func (m *paddedHMAC) Reset() {
	m.state.Reset()
	m.state.Write(m.first)
}

func (m *paddedHMAC) Sum(b []byte) []byte {
	outer := m.inner.New()
	outer.Write(m.outer)
	value := m.state.Sum(nil)
	outer.Write(value)
	clear(value)
	return outer.Sum(b)
}

// Clone implements hash.Cloner.
func (m *paddedHMAC) Clone() (hash.Cloner, error) {
	state, err := CloneHash(m.state)
	if err != nil {
		return nil, err
	}
	c := *m
	c.state = state
	return &c, nil
}

// CloneHash copies a hash in progress, for CryptDuplicateHash.
func CloneHash(h hash.Hash) (hash.Hash, error) {
	if s, ok := h.(shaMD5); ok {
		a, err := CloneHash(s.md5)
		if err != nil {
			return nil, err
		}
		b, err := CloneHash(s.sha1)
		return shaMD5{a, b}, err
	}
	c, ok := h.(hash.Cloner)
	if !ok {
		return nil, NTE_FAIL
	}
	return c.Clone()
}

// DigestInfoPrefix is what PKCS #1 puts before a hash value: a DigestInfo up to the digest. It is empty for a hash that has no
// name there.
func DigestInfoPrefix(h *Hash) []byte {
	if h.ALGID == CALG_MD4 {
		return (&rsaHash{Digest: h.Digest, oid: oidMD4}).digestInfo()
	}
	if row := findRSAHash(h.Digest); row != nil && h.Digest != 0 {
		return row.digestInfo()
	}
	return nil
}

// oidMD4 is the name of MD4, RFC 8017, A.2.4, and RFC 1320: PKCS #11 has no mechanism that signs with it.
var oidMD4 = asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 4}
