package softcsp

import (
	"fmt"

	"github.com/softcsp/softcsp/capi"
	"github.com/softcsp/softcsp/ck"
)

// A Derivation says how CryptDeriveKey of Microsoft's CryptoAPI makes a key of a hashed password. Package capi has the providers and
// the numbers; docs/cryptderivekey.md says how to find out what a program used.
type Derivation struct {
	// Provider is the provider whose rules apply, capi.MSEnhancedAES where it is nil.
	Provider *capi.Provider
	// Hash is what the password is hashed with: capi.CALG_SHA1.
	Hash capi.AlgID
	// Algorithm is that of the key: capi.CALG_AES_256.
	Algorithm capi.AlgID
	// Flags are dwFlags: capi.CRYPT_NO_SALT say, and the length of the key in bits in the upper half, 0 for the provider's default.
	// CRYPT_EXPORTABLE is KeyOptions.Extractable.
	Flags uint32
}

// mechanism is CKM_SOFTCSP_CRYPT_DERIVE_KEY with its parameter.
func (d *Derivation) mechanism(o *KeyOptions) *ck.Mechanism {
	provider, flags := d.Provider, d.Flags
	if provider == nil {
		provider = capi.MSEnhancedAES
	}
	if o.Extractable {
		flags |= capi.CRYPT_EXPORTABLE
	}
	p := new(param).ulong(uint(provider.Number)).ulong(uint(d.Hash)).ulong(uint(d.Algorithm)).ulong(uint(flags))
	return p.mechanism(ck.CKM_SOFTCSP_CRYPT_DERIVE_KEY)
}

// CryptDeriveKey derives a key from a password as CryptDeriveKey does after CryptHashData. The password is hashed as it is: many programs
// for Windows hash it in UTF-16, low byte first. An error is a *ck.DeviceError with the code that Windows gives.
func (t *Token) CryptDeriveKey(password []byte, d Derivation, o KeyOptions) (*SecretKey, error) {
	base := []ck.Attribute{
		ulong(ck.CKA_CLASS, ck.CKO_SECRET_KEY), ulong(ck.CKA_KEY_TYPE, ck.CKK_GENERIC_SECRET), flag(ck.CKA_TOKEN, false),
		flag(ck.CKA_PRIVATE, false), flag(ck.CKA_DERIVE, true), {Type: ck.CKA_VALUE, Value: password},
	}
	return t.derive(d, o, func(s ck.SessionHandle) (ck.ObjectHandle, func() error, error) {
		h, err := t.module.CreateObject(s, base)
		return h, func() error { return t.module.DestroyObject(s, h) }, err
	})
}

// CryptDeriveKey derives a key from the value of another one, which is hashed inside the token, as [Token.CryptDeriveKey] does from a
// password.
func (k *SecretKey) CryptDeriveKey(d Derivation, o KeyOptions) (*SecretKey, error) {
	return k.token.derive(d, o, func(ck.SessionHandle) (ck.ObjectHandle, func() error, error) {
		return k.handle, func() error { return nil }, nil
	})
}

// derive derives from the key that base returns, beside what is to be done with it afterwards.
func (t *Token) derive(d Derivation, o KeyOptions, base func(ck.SessionHandle) (ck.ObjectHandle, func() error, error)) (*SecretKey, error) {
	o = o.withID()
	// The flags decide whether the key is sensitive and extractable.
	template := merge(o.named([]ck.Attribute{flag(ck.CKA_TOKEN, !o.Temporary), flag(ck.CKA_PRIVATE, true)}), o.Attributes)
	return t.makeSecretKey(&o, "deriving a key", func(s ck.SessionHandle) (o2 ck.ObjectHandle, err error) {
		from, after, err := base(s)
		if err != nil {
			return 0, err
		}
		if err = t.module.DeriveKey(s, d.mechanism(&o), from, template, &o2); err != nil {
			_ = after()
			return 0, err
		}
		if err = after(); err != nil {
			return 0, fmt.Errorf("forgetting the password: %w", err)
		}
		return o2, nil
	})
}
