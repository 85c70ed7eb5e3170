package mechanisms

import (
	"fmt"

	"github.com/softcsp/softcsp/ck"
)

// CryptDeriveKey of Microsoft's CryptoAPI as a key derivation mechanism. This file reads the parameters of C_DeriveKey and
// writes the attributes of the key; the algorithm itself is CryptDeriveKey in capi_derive.go, which the CryptoAPI door
// calls too, over the tables in capi_provider.go. docs/cryptderivekey.md says where each rule comes from.

// capi are the rows. They take any secret key as base data, hence no Keys. The sizes are those of the keys made, in bits.
var capi = []Mechanism{
	{Type: ck.CKM_SOFTCSP_CRYPT_DERIVE_KEY, Min: 8, Max: 1024, FromDigest: true, Derive: deriveCAPI},
	{Type: ck.CKM_SOFTCSP_MD2_CRYPT_DERIVE_KEY, Min: 8, Max: 256, FromDigest: true, Derive: deriveNamed(CALG_MD2)},
	{Type: ck.CKM_SOFTCSP_MD4_CRYPT_DERIVE_KEY, Min: 8, Max: 256, FromDigest: true, Derive: deriveNamed(CALG_MD4)},
	{Type: ck.CKM_SOFTCSP_MD5_CRYPT_DERIVE_KEY, Min: 8, Max: 256, FromDigest: true, Derive: deriveNamed(CALG_MD5)},
	{Type: ck.CKM_SOFTCSP_SHA1_CRYPT_DERIVE_KEY, Min: 8, Max: 320, FromDigest: true, Derive: deriveNamed(CALG_SHA1)},
	{Type: ck.CKM_SOFTCSP_SHA256_CRYPT_DERIVE_KEY, Min: 8, Max: 512, FromDigest: true, Derive: deriveNamed(CALG_SHA_256)},
	{Type: ck.CKM_SOFTCSP_SHA384_CRYPT_DERIVE_KEY, Min: 8, Max: 768, FromDigest: true, Derive: deriveNamed(CALG_SHA_384)},
	{Type: ck.CKM_SOFTCSP_SHA512_CRYPT_DERIVE_KEY, Min: 8, Max: 1024, FromDigest: true, Derive: deriveNamed(CALG_SHA_512)},
}

// CKA_SOFTCSP_BASE_HASH is the base hash value of a key that provider 0 made, as SessionKey.AppendBaseHash writes it. It
// is kept with the key for CRYPT_UPDATE_KEY, and is as secret as the key: no application reads, sets or finds it.
const CKA_SOFTCSP_BASE_HASH ck.AttributeType = 0xc3530180

// CK_SOFTCSP_HASH_VALUE, set in ulHashAlgId, says that the value of the base key is itself the finished hash value, as
// CryptSetHashParam with HP_HASHVAL sets it.
const CK_SOFTCSP_HASH_VALUE = 0x80000000

// A capiParams is a CK_SOFTCSP_CRYPT_DERIVE_KEY_PARAMS.
type capiParams struct{ provider, hash, algid, flags uint32 }

// readCAPI reads the parameter. Its fields are DWORDs in CK_ULONGs: what needs more than 32 bits is no such value.
func readCAPI(p *ck.Param) (capiParams, error) {
	var f [4]uint
	high := uint(0)
	for i := range f {
		f[i] = p.Ulong()
		high |= f[i] >> 32
	}
	if p.Done() != nil || high != 0 {
		return capiParams{}, ERROR_INVALID_PARAMETER
	}
	return capiParams{uint32(f[0]), uint32(f[1]), uint32(f[2]), uint32(f[3])}, nil
}

// deriveCAPI is CKM_SOFTCSP_CRYPT_DERIVE_KEY.
func deriveCAPI(b *Base, p *ck.Param, d *Derived) error {
	c, err := readCAPI(p)
	if err != nil {
		return err
	}
	r := DeriveRequest{Provider: ProviderByNumber(c.provider), ALGID: c.algid, Flags: c.flags}
	if r.Provider == nil {
		return NTE_BAD_UID
	}
	if r.Provider.updates && c.flags&CRYPT_UPDATE_KEY != 0 {
		b = readOld(&r, b, c.hash)
	}
	return b.derive(&r, c.hash, d)
}

// readOld finds the key that CRYPT_UPDATE_KEY changes: the one that the caller's key handle names, or, where ulHashAlgId
// is 0 and the session has a digest, the base key. It returns the base without it.
func readOld(r *DeriveRequest, b *Base, hash uint32) *Base {
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

// derive makes the key that r asks for, from the base data and the hash that id names.
func (b *Base) derive(r *DeriveRequest, id uint32, d *Derived) error {
	err := b.sessionKey(&d.session, r, id)
	if err == nil {
		err = d.fill(b.Template, r.Flags)
	}
	if err == nil && b.Key != nil && !b.Open && id&CK_SOFTCSP_HASH_VALUE != 0 && d.session.cut(r) {
		err = d.takesHash(b.Key, r.Flags)
	}
	if err != nil {
		d.Wipe()
		return err
	}
	d.UsesDigest = b.Key == nil
	return nil
}

// sessionKey makes k from the value of the base key, hashed with the hash that id names, or from the session's digest.
func (b *Base) sessionKey(k *SessionKey, r *DeriveRequest, id uint32) error {
	if b.Key == nil {
		if b.Hash == nil || b.Digest == nil || id != 0 && id != b.Hash.ALGID {
			return NTE_BAD_HASH
		}
		r.Hash, r.Digest = b.Hash, b.Digest
		return CryptDeriveKey(k, r)
	}
	if b.Key.Class != ck.CKO_SECRET_KEY {
		return ck.CKR_KEY_TYPE_INCONSISTENT
	}
	r.Hash = HashByALGID(id &^ CK_SOFTCSP_HASH_VALUE)
	if r.Hash == nil {
		return NTE_BAD_ALGID
	}
	if id&CK_SOFTCSP_HASH_VALUE == 0 {
		return deriveFrom(k, r, b.Key.Value)
	}
	if len(b.Key.Value) != r.Hash.Size {
		return NTE_BAD_DATA
	}
	r.Digest = b.Key.Value
	return CryptDeriveKey(k, r)
}

// takesHash notes that the new key is the beginning of the base key's value, and its salt what comes next. A salt can be read, and a
// key that may be exported too: neither is had of a base key that cannot.
func (d *Derived) takesHash(base *Key, flags uint32) error {
	d.takes(base, 0)
	switch {
	case !base.sealed():
	case flags&CRYPT_EXPORTABLE != 0:
		return fmt.Errorf("%w: CRYPT_EXPORTABLE, of a key that may not be read", ck.CKR_TEMPLATE_INCONSISTENT)
	case flags&CRYPT_CREATE_SALT != 0 && len(d.session.Salt) != 0:
		return fmt.Errorf("%w: the salt would tell bytes of the key", ck.CKR_KEY_FUNCTION_NOT_PERMITTED)
	}
	return nil
}

// deriveNamed makes the Derive column of a mechanism with a hash in its name: provider 0, and the template says the rest.
func deriveNamed(hash uint32) func(*Base, *ck.Param, *Derived) error {
	return func(b *Base, p *ck.Param, d *Derived) error {
		if p.None() != nil {
			return ERROR_INVALID_PARAMETER
		}
		r := DeriveRequest{Provider: &providers[provSoftcsp]}
		if err := r.fromTemplate(b.Template); err != nil {
			return err
		}
		return b.derive(&r, hash, d)
	}
}

// fromTemplate reads the algorithm, the key length and CRYPT_EXPORTABLE from a template.
func (r *DeriveRequest) fromTemplate(template []ck.Attribute) error {
	t, err := readTemplate(template)
	if err != nil {
		return err
	}
	if !t.hasType {
		return ck.CKR_TEMPLATE_INCOMPLETE
	}
	known := false
	for i := range r.Provider.Algorithms {
		a := &r.Provider.Algorithms[i]
		if a.Type != t.keyType {
			continue
		}
		known = true
		switch {
		case !t.hasLen && a.double:
			return ck.CKR_TEMPLATE_INCOMPLETE
		case !t.hasLen || a.parity:
			r.ALGID = a.ALGID
		case t.valueLen >= a.Min/8 && t.valueLen <= a.Max/8:
			r.ALGID = a.ALGID
			r.Flags = uint32(t.valueLen*8) << 16
		}
	}
	if !known {
		return ck.CKR_TEMPLATE_INCONSISTENT
	}
	if r.ALGID == 0 {
		return NTE_BAD_DATA
	}
	if t.extractable {
		r.Flags |= CRYPT_EXPORTABLE
	}
	return nil
}

// A keyTemplate is what the mechanisms look at in a template.
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
// lets any key be hashed too (CryptHashSessionKey), but CKA_DERIVE would let simple derivations take a sealed key apart, so
// that only a key that may be exported has it unasked.
var (
	sealedDefaults = []ck.Attribute{
		{Type: ck.CKA_ENCRYPT, Value: ck.BoolValue(true)}, {Type: ck.CKA_DECRYPT, Value: ck.BoolValue(true)},
		{Type: ck.CKA_SIGN, Value: ck.BoolValue(true)}, {Type: ck.CKA_VERIFY, Value: ck.BoolValue(true)},
	}
	exportableDefaults = append(sealedDefaults[:len(sealedDefaults):len(sealedDefaults)],
		ck.Attribute{Type: ck.CKA_DERIVE, Value: ck.BoolValue(true)},
		ck.Attribute{Type: ck.CKA_EXTRACTABLE, Value: ck.BoolValue(true)},
		ck.Attribute{Type: ck.CKA_SENSITIVE, Value: ck.BoolValue(false)})
)

// fill writes d from the session key in it. A key that is updated stays what it was allowed to be: an update cannot make
// a sealed key exportable.
func (d *Derived) fill(template []ck.Attribute, flags uint32) error {
	k := &d.session
	t, err := readTemplate(template)
	if err != nil {
		return err
	}
	if t.hasLen && t.valueLen != uint(len(k.Value)) {
		return ck.CKR_TEMPLATE_INCONSISTENT
	}
	d.Type, d.Value, d.Replaces = k.Algorithm.Type, k.Value, k.Updated
	buf := d.buf[:0]
	ulong := func(t ck.AttributeType, u uint) {
		buf = ck.AppendUlong(buf, u)
		d.Attributes = append(d.Attributes, ck.Attribute{Type: t, Value: buf[len(buf)-8:]})
	}
	d.Attributes = d.Attributes[:0]
	ulong(ck.CKA_SOFTCSP_EFFECTIVE_BITS, k.EffectiveBits)
	if k.Salt != nil {
		d.Attributes = append(d.Attributes, ck.Attribute{Type: ck.CKA_SOFTCSP_SALT, Value: k.Salt})
	}
	if base := k.AppendBaseHash(buf[len(buf):]); len(base) != 0 {
		d.Attributes = append(d.Attributes, ck.Attribute{Type: CKA_SOFTCSP_BASE_HASH, Value: base})
		buf = buf[:len(buf)+len(base)]
	}
	ulong(ck.CKA_SOFTCSP_ALGID, uint(k.Algorithm.ALGID))
	ulong(ck.CKA_SOFTCSP_PERMISSIONS, uint(k.Permissions))
	ulong(ck.CKA_SOFTCSP_PROVIDER, uint(k.Provider.Number))
	if k.Updated {
		return nil
	}
	if k.UserProtected {
		d.Attributes = append(d.Attributes, ck.Attribute{Type: ck.CKA_ALWAYS_AUTHENTICATE, Value: ck.BoolValue(true)})
	}
	d.Defaults = exportableDefaults
	if flags&CRYPT_EXPORTABLE == 0 {
		d.Defaults = sealedDefaults
		d.Attributes = append(d.Attributes,
			ck.Attribute{Type: ck.CKA_SENSITIVE, Value: ck.BoolValue(true)},
			ck.Attribute{Type: ck.CKA_EXTRACTABLE, Value: ck.BoolValue(false)})
	}
	return nil
}
