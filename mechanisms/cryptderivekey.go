package mechanisms

import (
	"fmt"
	"io"

	"github.com/softcsp/softcsp/capi"
	"github.com/softcsp/softcsp/ck"
)

// CryptDeriveKey of Microsoft's CryptoAPI as a key derivation mechanism. The algorithm is package capi's. This file reads the parameters
// of C_DeriveKey, writes the attributes of the key, and says what C_DeriveKey returns for each error. docs/cryptderivekey.md describes
// the mechanisms.

// cryptDeriveKeyRows take any secret key as base data, hence no Keys. The sizes are those of the keys made, in bits.
var cryptDeriveKeyRows = []Mechanism{
	{Type: ck.CKM_SOFTCSP_CRYPT_DERIVE_KEY, Min: 8, Max: 1024, FromDigest: true, Derive: cryptDeriveKey},
	{Type: ck.CKM_SOFTCSP_MD2_CRYPT_DERIVE_KEY, Min: 8, Max: 256, FromDigest: true, Derive: cryptDeriveKeyFrom(capi.MD2)},
	{Type: ck.CKM_SOFTCSP_MD4_CRYPT_DERIVE_KEY, Min: 8, Max: 256, FromDigest: true, Derive: cryptDeriveKeyFrom(capi.MD4)},
	{Type: ck.CKM_SOFTCSP_MD5_CRYPT_DERIVE_KEY, Min: 8, Max: 256, FromDigest: true, Derive: cryptDeriveKeyFrom(capi.MD5)},
	{Type: ck.CKM_SOFTCSP_SHA1_CRYPT_DERIVE_KEY, Min: 8, Max: 320, FromDigest: true, Derive: cryptDeriveKeyFrom(capi.SHA1)},
	{Type: ck.CKM_SOFTCSP_SHA256_CRYPT_DERIVE_KEY, Min: 8, Max: 512, FromDigest: true, Derive: cryptDeriveKeyFrom(capi.SHA256)},
	{Type: ck.CKM_SOFTCSP_SHA384_CRYPT_DERIVE_KEY, Min: 8, Max: 768, FromDigest: true, Derive: cryptDeriveKeyFrom(capi.SHA384)},
	{Type: ck.CKM_SOFTCSP_SHA512_CRYPT_DERIVE_KEY, Min: 8, Max: 1024, FromDigest: true, Derive: cryptDeriveKeyFrom(capi.SHA512)},
}

// deviceErrors are what C_DeriveKey returns for each error of CryptoAPI.
var deviceErrors = func() map[capi.Error]*ck.DeviceError {
	all := make(map[capi.Error]*ck.DeviceError)
	for code, rv := range map[capi.Error]ck.RV{
		capi.ERROR_INVALID_HANDLE:    ck.CKR_KEY_HANDLE_INVALID,
		capi.ERROR_INVALID_PARAMETER: ck.CKR_MECHANISM_PARAM_INVALID,
		capi.NTE_BAD_UID:             ck.CKR_MECHANISM_PARAM_INVALID,
		capi.NTE_BAD_HASH:            ck.CKR_OPERATION_NOT_INITIALIZED,
		capi.NTE_BAD_KEY:             ck.CKR_KEY_FUNCTION_NOT_PERMITTED,
		capi.NTE_BAD_DATA:            ck.CKR_KEY_SIZE_RANGE,
		capi.NTE_BAD_ALGID:           ck.CKR_MECHANISM_PARAM_INVALID,
		capi.NTE_BAD_FLAGS:           ck.CKR_MECHANISM_PARAM_INVALID,
		capi.NTE_BAD_HASH_STATE:      ck.CKR_OPERATION_NOT_INITIALIZED,
		capi.NTE_FAIL:                ck.CKR_FUNCTION_FAILED,
		capi.NTE_SILENT_CONTEXT:      ck.CKR_USER_NOT_LOGGED_IN,
	} {
		all[code] = &ck.DeviceError{RV: rv, Code: uint32(code), Name: code.Error()}
	}
	return all
}()

// The errors of package token for a row that has FromDigest.
var (
	// ErrNoBaseKey says that the base key does not exist.
	ErrNoBaseKey = deviceErrors[capi.ERROR_INVALID_HANDLE]
	// ErrNoLogin says that CRYPT_USER_PROTECTED needs a user who is logged in.
	ErrNoLogin = deviceErrors[capi.NTE_SILENT_CONTEXT]
	// ErrDigestFinished says that the session's digest takes no more data.
	ErrDigestFinished = deviceErrors[capi.NTE_BAD_HASH_STATE]
)

// deviceError turns an error of CryptoAPI into that of C_DeriveKey, and returns others as they are.
func deviceError(err error) error {
	if code, ok := err.(capi.Error); ok && deviceErrors[code] != nil {
		return deviceErrors[code]
	}
	return err
}

// CKA_SOFTCSP_BASE_HASH is the base hash value of a key that provider 0 made, as capi.SessionKey.AppendBaseHash writes it. It
// is kept with the key for CRYPT_UPDATE_KEY, and is as secret as the key: no application reads, sets or finds it.
const CKA_SOFTCSP_BASE_HASH ck.AttributeType = 0xc3530180

// CK_SOFTCSP_HASH_VALUE, set in ulHashAlgId, says that the value of the base key is itself the finished hash value, as
// CryptSetHashParam with HP_HASHVAL sets it.
const CK_SOFTCSP_HASH_VALUE = 0x80000000

// cryptParams are a CK_SOFTCSP_CRYPT_DERIVE_KEY_PARAMS.
type cryptParams struct {
	provider     uint32
	hash, cipher capi.AlgID
	flags        uint32
}

// readCryptParams reads the parameter. Its fields are DWORDs in CK_ULONGs: what needs more than 32 bits is no such value.
func readCryptParams(p *ck.Param) (cryptParams, error) {
	var f [4]uint
	high := uint(0)
	for i := range f {
		f[i] = p.Ulong()
		high |= f[i] >> 32
	}
	if p.Done() != nil || high != 0 {
		return cryptParams{}, capi.ERROR_INVALID_PARAMETER
	}
	return cryptParams{uint32(f[0]), capi.AlgID(f[1]), capi.AlgID(f[2]), uint32(f[3])}, nil
}

// cryptDeriveKey is CKM_SOFTCSP_CRYPT_DERIVE_KEY.
func cryptDeriveKey(b *Base, p *ck.Param, d *Derived) error {
	c, err := readCryptParams(p)
	if err != nil {
		return deviceError(err)
	}
	r := capi.Request{Provider: capi.ProviderByNumber(c.provider), Cipher: c.cipher, Flags: c.flags}
	if r.Provider == nil {
		return deviceError(capi.NTE_BAD_UID)
	}
	if r.Provider.UpdatesKeys() && c.flags&capi.CRYPT_UPDATE_KEY != 0 {
		b = readOldKey(&r, b, c.hash)
	}
	return deviceError(b.cryptDeriveKey(&r, c.hash, d))
}

// cryptDeriveKeyFrom makes the Derive column of a mechanism with a hash in its name: provider 0, and the template says the rest.
func cryptDeriveKeyFrom(hash *capi.Hash) func(*Base, *ck.Param, *Derived) error {
	return func(b *Base, p *ck.Param, d *Derived) error {
		if p.None() != nil {
			return deviceError(capi.ERROR_INVALID_PARAMETER)
		}
		r := capi.Request{Provider: capi.Softcsp}
		if err := readRequest(&r, b.Template); err != nil {
			return deviceError(err)
		}
		return deviceError(b.cryptDeriveKey(&r, hash.ID, d))
	}
}

// readOldKey finds the key that CRYPT_UPDATE_KEY changes: the one that the caller's key handle names. Where ulHashAlgId is 0 and the session
// has a digest, it is the base key, and the base that readOldKey returns has the digest alone.
func readOldKey(r *capi.Request, b *Base, hash capi.AlgID) *Base {
	target := b.Target
	if hash == 0 && b.Key != nil && b.Digest != nil {
		target = b.Key
		digest := *b
		digest.Key = nil
		b = &digest
	}
	if target == nil {
		return b
	}
	r.Old = OldKeyOf(target)
	return b
}

// OldKeyOf describes a key that CRYPT_UPDATE_KEY changes for CryptDeriveKey.
func OldKeyOf(k *Key) *capi.OldKey {
	old := &capi.OldKey{Bits: len(k.Value) * 8}
	if k.Attr != nil {
		old.BaseHash = k.Attr(CKA_SOFTCSP_BASE_HASH)
		// A key without these has no base hash either, and is refused for that.
		algid, _ := ck.Ulong(k.Attr(ck.CKA_SOFTCSP_ALGID))
		permissions, _ := ck.Ulong(k.Attr(ck.CKA_SOFTCSP_PERMISSIONS))
		old.Cipher, old.Permissions = capi.AlgID(algid), uint32(permissions)
	}
	return old
}

// cryptDeriveKey makes the key that r asks for, from the base data and the hash that id names.
func (b *Base) cryptDeriveKey(r *capi.Request, id capi.AlgID, d *Derived) error {
	err := b.sessionKey(&d.session, r, id)
	if err == nil {
		err = d.describe(b.Template, r.Flags)
	}
	if err == nil && b.Key != nil && !b.ValueKnown && id&CK_SOFTCSP_HASH_VALUE != 0 && d.session.IsHashPrefix(r) {
		err = d.noteHashTaken(b.Key, r.Flags)
	}
	if err != nil {
		d.Wipe()
		return err
	}
	d.UsesDigest = b.Key == nil
	return nil
}

// sessionKey makes k from the value of the base key, hashed with the hash that id names, or from the session's digest.
func (b *Base) sessionKey(k *capi.SessionKey, r *capi.Request, id capi.AlgID) error {
	if b.Key == nil {
		if b.Hash == nil || b.Digest == nil {
			return capi.NTE_BAD_HASH
		}
		if r.Hash = b.Hash.forCryptoAPI(); id != 0 && id != r.Hash.ID {
			return capi.NTE_BAD_HASH
		}
		r.Value = b.Digest
		return k.Derive(r)
	}
	if b.Key.Class != ck.CKO_SECRET_KEY {
		return ck.CKR_KEY_TYPE_INCONSISTENT
	}
	r.Hash = capi.HashByID(id &^ CK_SOFTCSP_HASH_VALUE)
	if r.Hash == nil {
		return capi.NTE_BAD_ALGID
	}
	if id&CK_SOFTCSP_HASH_VALUE == 0 {
		return k.DeriveFrom(r, b.Key.Value)
	}
	if len(b.Key.Value) != r.Hash.Size {
		return capi.NTE_BAD_DATA
	}
	r.Value = b.Key.Value
	return k.Derive(r)
}

// forCryptoAPI is the hash as package capi knows it. One without a number in CryptoAPI can make keys of provider 0 all the same.
func (h *Hash) forCryptoAPI() *capi.Hash {
	if h.CryptoAPI != nil {
		return h.CryptoAPI
	}
	return &capi.Hash{Name: h.Name, Size: h.Size, New: h.New}
}

// noteHashTaken notes that the new key is the beginning of the base key's value, and that its salt is what comes next. The salt can be read, and
// so can a key that may be exported: a base key that may not be read makes neither.
func (d *Derived) noteHashTaken(base *Key, flags uint32) error {
	d.noteTaken(base, 0)
	switch {
	case !base.unreadable():
	case flags&capi.CRYPT_EXPORTABLE != 0:
		return fmt.Errorf("%w: CRYPT_EXPORTABLE, of a key that may not be read", ck.CKR_TEMPLATE_INCONSISTENT)
	case flags&capi.CRYPT_CREATE_SALT != 0 && len(d.session.Salt) != 0:
		return fmt.Errorf("%w: the salt would tell bytes of the key", ck.CKR_KEY_FUNCTION_NOT_PERMITTED)
	}
	return nil
}

// readRequest reads the cipher, the key length and CRYPT_EXPORTABLE from a template.
func readRequest(r *capi.Request, template []ck.Attribute) error {
	t, err := readTemplate(template)
	if err != nil {
		return err
	}
	if !t.hasType {
		return ck.CKR_TEMPLATE_INCOMPLETE
	}
	known := false
	for i := range r.Provider.Ciphers {
		c := &r.Provider.Ciphers[i]
		if SessionKeyType(c.ID) != t.keyType {
			continue
		}
		known = true
		switch {
		case !t.hasLen && t.keyType == ck.CKK_AES: // which of the three?
			return ck.CKR_TEMPLATE_INCOMPLETE
		case !t.hasLen || c.HasParity():
			r.Cipher = c.ID
		case t.valueLen >= uint(c.Min/8) && t.valueLen <= uint(c.Max/8):
			r.Cipher = c.ID
			r.Flags = uint32(t.valueLen*8) << 16
		}
	}
	if !known {
		return ck.CKR_TEMPLATE_INCONSISTENT
	}
	if r.Cipher == 0 {
		return capi.NTE_BAD_DATA
	}
	if t.extractable {
		r.Flags |= capi.CRYPT_EXPORTABLE
	}
	return nil
}

// SessionKeyType is the type of the session keys of a cipher.
func SessionKeyType(id capi.AlgID) ck.KeyType {
	switch id {
	case capi.CALG_DES:
		return ck.CKK_DES
	case capi.CALG_3DES_112:
		return ck.CKK_DES2
	case capi.CALG_3DES:
		return ck.CKK_DES3
	case capi.CALG_RC2:
		return ck.CKK_RC2
	case capi.CALG_RC4:
		return ck.CKK_RC4
	case capi.CALG_RC5:
		return ck.CKK_RC5
	}
	return ck.CKK_AES
}

// A keyTemplate is what CryptDeriveKey reads in a template.
type keyTemplate struct {
	hasType, hasLen, extractable bool
	keyType                      ck.KeyType
	valueLen                     uint
}

func readTemplate(template []ck.Attribute) (keyTemplate, error) {
	var t keyTemplate
	var err error
	for _, a := range template {
		var u uint
		switch a.Type {
		case ck.CKA_KEY_TYPE:
			u, err = ck.Ulong(a.Value)
			t.hasType, t.keyType = true, ck.KeyType(u)
		case ck.CKA_VALUE_LEN:
			t.valueLen, err = ck.Ulong(a.Value)
			t.hasLen = true
		case ck.CKA_EXTRACTABLE:
			t.extractable, err = ck.Bool(a.Value)
		}
		if err != nil {
			return keyTemplate{}, err
		}
	}
	return t, nil
}

// What a new session key may be used for is what KP_PERMISSIONS says: CRYPT_ENCRYPT, CRYPT_DECRYPT and CRYPT_MAC. CryptoAPI
// lets any key be hashed too (CryptHashSessionKey). But with CKA_DERIVE simple derivations could take a key apart that may not be exported, so
// that only one that may be exported has it by default.
var (
	unexportableDefaults = []ck.Attribute{
		{Type: ck.CKA_ENCRYPT, Value: ck.BoolValue(true)}, {Type: ck.CKA_DECRYPT, Value: ck.BoolValue(true)},
		{Type: ck.CKA_SIGN, Value: ck.BoolValue(true)}, {Type: ck.CKA_VERIFY, Value: ck.BoolValue(true)},
	}
	exportableDefaults = append(unexportableDefaults[:len(unexportableDefaults):len(unexportableDefaults)],
		ck.Attribute{Type: ck.CKA_DERIVE, Value: ck.BoolValue(true)},
		ck.Attribute{Type: ck.CKA_EXTRACTABLE, Value: ck.BoolValue(true)},
		ck.Attribute{Type: ck.CKA_SENSITIVE, Value: ck.BoolValue(false)})
)

// describe writes the type, the value and the attributes of the session key to d. A key that is updated keeps what it may be used for: an
// update cannot make a key exportable.
func (d *Derived) describe(template []ck.Attribute, flags uint32) error {
	k := &d.session
	t, err := readTemplate(template)
	if err != nil {
		return err
	}
	if t.hasLen && t.valueLen != uint(len(k.Value)) {
		return ck.CKR_TEMPLATE_INCONSISTENT
	}
	d.Type, d.Value, d.Replaces = SessionKeyType(k.Cipher.ID), k.Value, k.Updated
	buf := d.buf[:0]
	ulong := func(t ck.AttributeType, u uint) {
		buf = ck.AppendUlong(buf, u)
		d.Attributes = append(d.Attributes, ck.Attribute{Type: t, Value: buf[len(buf)-8:]})
	}
	d.Attributes = d.Attributes[:0]
	ulong(ck.CKA_SOFTCSP_EFFECTIVE_BITS, uint(k.EffectiveBits))
	if k.Salt != nil {
		d.Attributes = append(d.Attributes, ck.Attribute{Type: ck.CKA_SOFTCSP_SALT, Value: k.Salt})
	}
	if base := k.AppendBaseHash(buf[len(buf):]); len(base) != 0 {
		d.Attributes = append(d.Attributes, ck.Attribute{Type: CKA_SOFTCSP_BASE_HASH, Value: base})
		buf = buf[:len(buf)+len(base)]
	}
	ulong(ck.CKA_SOFTCSP_ALGID, uint(k.Cipher.ID))
	ulong(ck.CKA_SOFTCSP_PERMISSIONS, uint(k.Permissions))
	ulong(ck.CKA_SOFTCSP_PROVIDER, uint(k.Provider.Number))
	if k.Updated {
		return nil
	}
	if k.UserProtected {
		d.Attributes = append(d.Attributes, ck.Attribute{Type: ck.CKA_ALWAYS_AUTHENTICATE, Value: ck.BoolValue(true)})
	}
	d.Defaults = exportableDefaults
	if flags&capi.CRYPT_EXPORTABLE == 0 {
		d.Defaults = unexportableDefaults
		d.Attributes = append(d.Attributes,
			ck.Attribute{Type: ck.CKA_SENSITIVE, Value: ck.BoolValue(true)},
			ck.Attribute{Type: ck.CKA_EXTRACTABLE, Value: ck.BoolValue(false)})
	}
	return nil
}

// The keys of CryptoAPI that C_DeriveKey does not make. Package csp has the token make them. Their errors are those of package capi.

// Session returns the session key that d was made from. It is valid until d is wiped.
func (d *Derived) Session() *capi.SessionKey { return &d.session }

// DeriveSessionKey makes d the key of a call of CryptDeriveKey.
func (d *Derived) DeriveSessionKey(r *capi.Request) error {
	return d.finishSession(d.session.Derive(r), r.Flags)
}

// GenerateSessionKey makes d the random key of a call of CryptGenKey.
func (d *Derived) GenerateSessionKey(p *capi.Provider, cipher capi.AlgID, flags uint32, random io.Reader) error {
	return d.finishSession(d.session.Generate(p, cipher, flags, random), flags)
}

// ImportSessionKey makes d the key i. With CRYPT_IPSEC_HMAC_KEY, which lets an RC2 key have any length, it is a generic secret.
func (d *Derived) ImportSessionKey(i *capi.ImportedKey) error {
	t := SessionKeyType(i.Cipher.ID)
	if i.Flags&capi.CRYPT_IPSEC_HMAC_KEY != 0 {
		t = ck.CKK_GENERIC_SECRET
	}
	if !validSize(t, uint(len(i.Value))) {
		return capi.NTE_BAD_DATA
	}
	if err := d.finishSession(d.session.Import(i), i.Flags); err != nil {
		return err
	}
	d.Type = t
	return nil
}

// finishSession describes the session key that was made with flags, unless it failed with err.
func (d *Derived) finishSession(err error, flags uint32) error {
	if err == nil {
		err = d.describe(nil, flags)
	}
	if err != nil {
		d.Wipe()
	}
	return err
}
