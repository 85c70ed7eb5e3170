package csp

import (
	"encoding/binary"

	"github.com/softcsp/softcsp/capi"
	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/mechanisms"
)

// Import is CryptImportKey. with decrypts a SIMPLEBLOB or an encrypted PRIVATEKEYBLOB; nil is, for a SIMPLEBLOB, the
// container's own key exchange pair. A private key becomes the container's pair of its kind.
func (c *Context) Import(blob []byte, wrapKey *Key, flags uint32) (*Key, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if flags&0xffff&^(capi.CRYPT_EXPORTABLE|capi.CRYPT_USER_PROTECTED|capi.CRYPT_NO_SALT|capi.CRYPT_OAEP|capi.CRYPT_IPSEC_HMAC_KEY) != 0 {
		return nil, capi.NTE_BAD_FLAGS
	}
	kind, algid, rest, err := capi.ParseBlobHeader(blob)
	if err != nil {
		return nil, err
	}
	switch kind {
	case capi.PUBLICKEYBLOB:
		return c.importPublic(algid, rest, flags)
	case capi.PRIVATEKEYBLOB:
		return c.importPrivate(algid, rest, wrapKey, flags)
	case capi.SIMPLEBLOB:
		return c.importSimple(algid, rest, wrapKey, flags)
	case capi.PLAINTEXTKEYBLOB:
		return c.importPlain(algid, rest, flags)
	case capi.OPAQUEKEYBLOB:
		return c.importOpaque(algid, rest)
	}
	return nil, capi.NTE_BAD_TYPE
}

// ipsecCipher is the cipher of keys with CRYPT_IPSEC_HMAC_KEY: RC2, which they do not encrypt with.
var ipsecCipher = &capi.Cipher{ID: capi.CALG_RC2, BlockBits: 64, Mode: capi.CRYPT_MODE_CBC}

// flagsOfKeys are what CryptImportKey says of a session key itself.
const flagsOfKeys = capi.CRYPT_EXPORTABLE | capi.CRYPT_NO_SALT

// importPlain reads a PLAINTEXTKEYBLOB. A key for HMAC (CRYPT_IPSEC_HMAC_KEY) may have any length.
func (c *Context) importPlain(algid capi.AlgID, rest []byte, flags uint32) (*Key, error) {
	value, err := capi.ParsePlainKey(rest)
	if err != nil {
		return nil, err
	}
	if flags&capi.CRYPT_IPSEC_HMAC_KEY != 0 {
		if algid != capi.CALG_RC2 || len(value) == 0 {
			return nil, capi.NTE_BAD_DATA
		}
		k, err := c.importKey(&capi.ImportedKey{
			Cipher: ipsecCipher, Value: value, EffectiveBits: len(value) * 8, Flags: flags & (flagsOfKeys | capi.CRYPT_IPSEC_HMAC_KEY),
		}, flags)
		if err == nil {
			k.hmacOnly = true
		}
		return k, err
	}
	a, err := c.provider.Cipher(algid)
	if err != nil {
		return nil, err
	}
	if bits, err := a.KeyBits(len(value) * 8); err != nil || bits != len(value)*8 {
		return nil, capi.NTE_BAD_DATA
	}
	return c.importKey(&capi.ImportedKey{Cipher: a, Value: value, EffectiveBits: c.effectiveBits(a, value), Flags: flags & flagsOfKeys}, flags)
}

// effectiveBits are the effective bits of a key that was imported: all, but 40 of an RC2 key in the Base provider.
func (c *Context) effectiveBits(a *capi.Cipher, value []byte) int {
	if a.ID == capi.CALG_RC2 && c.isBase() {
		return 40
	}
	return len(value) * 8
}

// importKey makes the session key i with flags of CryptImportKey.
func (c *Context) importKey(i *capi.ImportedKey, flags uint32) (*Key, error) {
	i.Provider = c.provider.Provider
	k := c.newKey(0)
	err := k.makeObject(func(d *mechanisms.Derived, _ *mechanisms.Key) error { return k.setParams(d, d.ImportSessionKey(i)) })
	if err != nil {
		return nil, err
	}
	k.setProtection(flags)
	return k, nil
}

// importSimple reads a SIMPLEBLOB. Its key may be longer than the provider makes them: such a key decrypts only.
func (c *Context) importSimple(algid capi.AlgID, rest []byte, wrapKey *Key, flags uint32) (*Key, error) {
	if wrapKey == nil {
		own, err := c.UserKey(capi.AT_KEYEXCHANGE)
		if err != nil {
			return nil, err
		}
		defer own.Destroy() //nolint:errcheck // it is there
		wrapKey = own
	}
	if wrapKey.check() != nil || wrapKey.pair == nil || !wrapKey.pair.hasPrivate() || wrapKey.algid != capi.CALG_RSA_KEYX {
		return nil, capi.NTE_BAD_PUBLIC_KEY
	}
	if len(rest) < 4+wrapKey.modulusLen() {
		return nil, capi.NTE_BAD_DATA
	}
	if capi.AlgID(binary.LittleEndian.Uint32(rest)) != capi.CALG_RSA_KEYX {
		return nil, capi.NTE_BAD_ALGID
	}
	a, err := c.provider.Cipher(algid)
	if err != nil {
		return nil, err
	}
	m, _, err := rsaMechanism(flags & capi.CRYPT_OAEP)
	if err != nil {
		return nil, err
	}
	value, err := wrapKey.decryptPrivate(m, rest[4:4+wrapKey.modulusLen()])
	if err != nil {
		return nil, err
	}
	defer clear(value)
	n := len(value) * 8
	long := algid == capi.CALG_RC2 && n > a.Max
	if bits, err := a.KeyBits(n); !long && (err != nil || bits != n || n == 0) {
		return nil, capi.NTE_BAD_DATA
	}
	k, err := c.importKey(&capi.ImportedKey{Cipher: a, Value: value, EffectiveBits: c.effectiveBits(a, value), Flags: flags & flagsOfKeys}, flags)
	if err == nil {
		k.decryptOnly = long
	}
	return k, err
}

// importPublic reads a PUBLICKEYBLOB.
func (c *Context) importPublic(algid capi.AlgID, rest []byte, flags uint32) (*Key, error) {
	spec := keySpec(algid)
	if algid != capi.CALG_RSA_KEYX && algid != capi.CALG_RSA_SIGN {
		return nil, capi.NTE_BAD_ALGID
	}
	r, err := capi.ParseRSAPubKey(capi.PUBLICKEYBLOB, rest)
	if err != nil {
		return nil, err
	}
	small, err := newSmallExponentKey(r, nil)
	if err != nil {
		return nil, err
	}
	if small != nil {
		return c.newPairKey(&keyPair{smallExponent: small, spec: spec}, algid, r.Bits, flags&capi.CRYPT_EXPORTABLE != 0), nil
	}
	template := []ck.Attribute{
		ulongAttribute(ck.CKA_CLASS, uint(ck.CKO_PUBLIC_KEY)), ulongAttribute(ck.CKA_KEY_TYPE, uint(ck.CKK_RSA)), attribute(ck.CKA_PRIVATE, no),
		attribute(ck.CKA_MODULUS, r.Modulus()), attribute(ck.CKA_PUBLIC_EXPONENT, r.Exponent),
	}
	o, err := c.cryptoki.CreateObject(c.session, template)
	if err != nil {
		return nil, translated(err)
	}
	return c.newPairKey(&keyPair{public: o, spec: spec}, algid, r.Bits, flags&capi.CRYPT_EXPORTABLE != 0), nil
}

// importPrivate reads a PRIVATEKEYBLOB. The private exponent may be cut off: it follows from the rest.
func (c *Context) importPrivate(algid capi.AlgID, rest []byte, wrapKey *Key, flags uint32) (*Key, error) {
	if algid != capi.CALG_RSA_KEYX && algid != capi.CALG_RSA_SIGN {
		return nil, capi.NTE_BAD_ALGID
	}
	if wrapKey != nil {
		plain, err := wrapKey.decryptBody(rest)
		if err != nil {
			return nil, err
		}
		defer clear(plain)
		rest = plain
	}
	r, err := capi.ParseRSAPubKey(capi.PRIVATEKEYBLOB, rest)
	if err != nil {
		return nil, err
	}
	numbers, err := r.Numbers()
	if err != nil {
		return nil, err
	}
	defer numbers.Wipe()
	if err := c.checkContainer(flags); err != nil {
		return nil, err
	}
	spec := keySpec(algid)
	small, err := newSmallExponentKey(r, r.Rest[r.Bits/8:])
	if err != nil {
		return nil, err
	}
	if small != nil {
		return c.importSmallExponent(&keyPair{smallExponent: small, spec: spec}, r.Bits, flags)
	}
	public, private := c.keyPairTemplates(spec, flags&capi.CRYPT_EXPORTABLE != 0)
	shared := []ck.Attribute{attribute(ck.CKA_MODULUS, numbers.Modulus), attribute(ck.CKA_PUBLIC_EXPONENT, numbers.Exponent)}
	public, private = append(public, shared...), append(private, shared...)
	for i, t := range privateParts {
		private = append(private, attribute(t, numbers.Private[i]))
	}
	return c.createKeyPair(spec, r.Bits, flags, public, private)
}

// importSmallExponent makes a Key of a key pair that is no object. A verify context has it as its own from then on; in a container it
// lives as long as the Key.
func (c *Context) importSmallExponent(p *keyPair, bits, flags uint32) (*Key, error) {
	if c.isVerifyContext() {
		return c.replaceKeyPair(p, bits, flags, nil)
	}
	k := c.newPairKey(p, keyPairALGID(p.spec), bits, flags&capi.CRYPT_EXPORTABLE != 0)
	k.setProtection(flags)
	return k, nil
}

// decryptBody decrypts the body of a PRIVATEKEYBLOB with a session key.
func (k *Key) decryptBody(body []byte) ([]byte, error) {
	if k.check() != nil || k.pair != nil {
		return nil, capi.NTE_BAD_KEY
	}
	plain := ck.Clone(body)
	n, err := k.Decrypt(nil, true, 0, plain)
	if err != nil {
		clear(plain)
		return nil, err
	}
	return plain[:n], nil
}

// createKeyPair makes the two objects of a key pair, which becomes the container's.
func (c *Context) createKeyPair(spec, bits, flags uint32, public, private []ck.Attribute) (*Key, error) {
	old, err := c.storedObjects(spec)
	if err != nil {
		return nil, err
	}
	p := &keyPair{spec: spec, inContainer: !c.isVerifyContext()}
	if p.private, err = c.cryptoki.CreateObject(c.session, private); err != nil {
		return nil, translated(err)
	}
	if p.public, err = c.cryptoki.CreateObject(c.session, public); err != nil {
		c.cryptoki.DestroyObject(c.session, p.private) //nolint:errcheck // the first error counts
		return nil, translated(err)
	}
	return c.replaceKeyPair(p, bits, flags, old)
}
