package csp

import (
	"encoding/binary"

	"github.com/softcsp/softcsp/capi"
	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/mechanisms"
)

// baseSaltLen is how long KP_SALT is, as the Base provider has it: what is set with it is never longer or shorter.
const baseSaltLen = 11

// Param is CryptGetKeyParam: the value of a KP_ parameter, numbers as DWORDs in little-endian order.
func (k *Key) Param(param, flags uint32) ([]byte, error) {
	if err := k.check(); err != nil {
		return nil, err
	}
	if flags != 0 {
		return nil, capi.NTE_BAD_FLAGS
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	switch param {
	case capi.KP_ALGID:
		return dword(uint32(k.algid)), nil
	case capi.KP_KEYLEN:
		return dword(k.bits), nil
	case capi.KP_PERMISSIONS:
		return dword(k.permissions), nil
	case capi.KP_EFFECTIVE_KEYLEN:
		return dword(k.effectiveBits), nil
	}
	if k.pair != nil {
		return k.pairParam(param)
	}
	switch param {
	case capi.KP_IV:
		return append([]byte{}, k.iv[:k.blockLen()]...), nil
	case capi.KP_SALT:
		if !k.hasSalt {
			return nil, capi.NTE_BAD_KEY
		}
		return append([]byte{}, k.salt[:k.saltLen]...), nil
	case capi.KP_PADDING:
		return dword(capi.PKCS5_PADDING), nil
	case capi.KP_BLOCKLEN:
		return dword(uint32(k.cipher.BlockBits)), nil
	case capi.KP_MODE:
		return dword(k.mode), nil
	case capi.KP_MODE_BITS:
		return dword(k.modeBits), nil
	}
	return nil, capi.NTE_BAD_TYPE
}

// ReadParam is CryptGetKeyParam with the caller's buffer.
func (k *Key) ReadParam(param, flags uint32, out *ck.Buffer) error {
	v, err := k.Param(param, flags)
	if err != nil {
		return err
	}
	return translated(out.FillWith(v))
}

// pairParam is what else a public key or a key pair has.
func (k *Key) pairParam(param uint32) ([]byte, error) {
	switch param {
	case capi.KP_BLOCKLEN:
		return dword(k.bits), nil
	case capi.KP_SALT:
		return nil, capi.NTE_BAD_KEY
	}
	return nil, capi.NTE_BAD_TYPE
}

// ParamLen is how many bytes CryptSetKeyParam reads of a parameter that has no length of its own.
func (k *Key) ParamLen(param uint32) int {
	switch param {
	case capi.KP_IV:
		return k.blockLen()
	case capi.KP_SALT:
		return baseSaltLen
	}
	return 4
}

// SetParam is CryptSetKeyParam. The value of KP_SALT_EX is the salt itself. nil is a NULL pointer.
func (k *Key) SetParam(param uint32, value []byte, flags uint32) error {
	if err := k.check(); err != nil {
		return err
	}
	if flags != 0 {
		return capi.NTE_BAD_FLAGS
	}
	if value == nil {
		return capi.ERROR_INVALID_PARAMETER
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if param == capi.KP_PERMISSIONS {
		return k.setPermissions(value)
	}
	if k.pair != nil {
		return capi.NTE_BAD_TYPE
	}
	switch param {
	case capi.KP_IV:
		if len(value) < k.blockLen() {
			return capi.NTE_BAD_DATA
		}
		copy(k.iv[:k.blockLen()], value)
		k.resetFeedback()
		return nil
	case capi.KP_SALT:
		return k.setSalt(value[:min(len(value), baseSaltLen)], false)
	case capi.KP_SALT_EX:
		return k.setSalt(value, true)
	case capi.KP_PADDING, capi.KP_MODE, capi.KP_MODE_BITS, capi.KP_EFFECTIVE_KEYLEN:
		if len(value) < 4 {
			return capi.NTE_BAD_DATA
		}
		return k.setNumber(param, binary.LittleEndian.Uint32(value))
	}
	return capi.NTE_BAD_TYPE
}

func (k *Key) setNumber(param, n uint32) error {
	switch param {
	case capi.KP_PADDING:
		if n != capi.PKCS5_PADDING {
			return capi.NTE_BAD_DATA
		}
	case capi.KP_MODE:
		// A stream cipher takes it and goes on as before. OFB is taken, and CryptEncrypt refuses it.
		if k.blockLen() != 0 {
			k.mode = n
			k.resetFeedback()
		}
	case capi.KP_MODE_BITS:
		k.modeBits = n
	case capi.KP_EFFECTIVE_KEYLEN:
		return k.setEffective(n)
	}
	return nil
}

// setEffective is KP_EFFECTIVE_KEYLEN. The Base provider knows 40 alone: it refuses others, and has 40 from then on.
func (k *Key) setEffective(n uint32) error {
	switch {
	case k.algid != capi.CALG_RC2:
		return capi.NTE_BAD_TYPE
	case n == 0 || n > 1024:
		return capi.NTE_BAD_DATA
	}
	base := k.ctx.isBase()
	if k.effectiveBits = n; base {
		k.effectiveBits = 40
	}
	k.resetFeedback()
	if base && n != 40 {
		return capi.NTE_BAD_DATA
	}
	return nil
}

func (c *Context) isBase() bool { return c.provider.Number == 1 }

// setPermissions is KP_PERMISSIONS. CRYPT_EXPORT can neither be gained nor lost, although losing it is no error.
func (k *Key) setPermissions(value []byte) error {
	if len(value) < 4 {
		return capi.NTE_BAD_DATA
	}
	n := binary.LittleEndian.Uint32(value)
	if n&capi.CRYPT_EXPORT != 0 && k.permissions&capi.CRYPT_EXPORT == 0 {
		return capi.NTE_BAD_DATA
	}
	k.permissions = n | k.permissions&capi.CRYPT_EXPORT
	return nil
}

// setSalt gives the key another salt. KP_SALT, which has no length, leaves its length at 0 where the provider is neither
// Base nor Strong.
func (k *Key) setSalt(salt []byte, ex bool) error {
	if k.cipher == nil || !k.cipher.HasSalt() {
		return capi.NTE_BAD_KEY
	}
	if len(salt) > capi.MaxSalt {
		return capi.NTE_BAD_DATA
	}
	i := capi.ImportedKey{
		Provider: k.ctx.provider.Provider, Cipher: k.cipher, Salt: salt, Salted: true,
		Flags: k.permissions & capi.CRYPT_EXPORT >> 2, Replaces: true,
	}
	c, object := k.ctx, k.object
	err := c.token.Derive(c.session, cryptDeriveKey, sessionKeyTemplate, &object, func(d *mechanisms.Derived, m *mechanisms.Key) error {
		i.Value = append([]byte(nil), m.Value...)
		i.EffectiveBits = int(m.EffectiveBits) // those that it was made with: KP_EFFECTIVE_KEYLEN is no such thing
		i.BaseHash = append([]byte(nil), m.Attr(mechanisms.CKA_SOFTCSP_BASE_HASH)...)
		defer clear(i.Value)
		defer clear(i.BaseHash)
		return d.ImportSessionKey(&i)
	})
	if err != nil {
		return translated(err)
	}
	k.salt, k.saltLen = append([]byte(nil), salt...), len(salt)
	if n := c.provider.Number; !ex && n != 1 && n != 2 {
		k.saltLen = 0
	}
	k.resetFeedback()
	return nil
}

// Number reads a parameter that is a number.
func (k *Key) Number(param uint32) (uint32, error) {
	v, err := k.Param(param, 0)
	if err != nil {
		return 0, err
	}
	if len(v) != 4 {
		return 0, capi.NTE_BAD_TYPE
	}
	return binary.LittleEndian.Uint32(v), nil
}
