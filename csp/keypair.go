package csp

import (
	"sync/atomic"

	"github.com/softcsp/softcsp/capi"
	"github.com/softcsp/softcsp/ck"
)

// A keyPair is the objects of an RSA key pair, or of a public key alone. Several Keys may share it.
type keyPair struct {
	public, private ck.ObjectHandle   // private 0 for a public key alone
	spec            uint32            // AT_KEYEXCHANGE or AT_SIGNATURE
	inContainer     bool              // of a named container: it stays when the last Key is destroyed
	smallExponent   *smallExponentKey // a key that is no object, in the place of both
	refs            atomic.Int32
}

// hasPrivate tells whether there is more than a public key.
func (p *keyPair) hasPrivate() bool {
	return p.private != 0 || p.smallExponent != nil && p.smallExponent.parts != nil
}

func (p *keyPair) retain() { p.refs.Add(1) }

// release counts one Key less. Without any the objects are destroyed, unless they belong to a container.
func (p *keyPair) release(c *Context) {
	if p.refs.Add(-1) != 0 || p.inContainer {
		return
	}
	for _, o := range [...]ck.ObjectHandle{p.public, p.private} {
		if o != 0 {
			c.cryptoki.DestroyObject(c.session, o) //nolint:errcheck // nothing can be done
		}
	}
}

// keySpec is AT_KEYEXCHANGE or AT_SIGNATURE for what names a kind of pairs, 0 for other algorithms.
func keySpec(algid capi.AlgID) uint32 {
	switch algid {
	case capi.AT_KEYEXCHANGE, capi.CALG_RSA_KEYX:
		return capi.AT_KEYEXCHANGE
	case capi.AT_SIGNATURE, capi.CALG_RSA_SIGN:
		return capi.AT_SIGNATURE
	}
	return 0
}

// keyPairALGID is the ALG_ID of a kind of pairs.
func keyPairALGID(spec uint32) capi.AlgID {
	if spec == capi.AT_SIGNATURE {
		return capi.CALG_RSA_SIGN
	}
	return capi.CALG_RSA_KEYX
}

// keyPairTemplates are the templates of the two objects of a pair.
func (c *Context) keyPairTemplates(spec uint32, exportable bool) (public, private []ck.Attribute) {
	common := []ck.Attribute{
		ulongAttribute(ck.CKA_KEY_TYPE, uint(ck.CKK_RSA)), attribute(ck.CKA_TOKEN, ck.BoolValue(!c.isVerifyContext())),
	}
	if !c.isVerifyContext() {
		common = append(common, attribute(ck.CKA_LABEL, []byte(c.name)), attribute(ck.CKA_ID, keyPairID(c.name, spec)))
	}
	public = append(append([]ck.Attribute{ulongAttribute(ck.CKA_CLASS, uint(ck.CKO_PUBLIC_KEY))}, common...),
		attribute(ck.CKA_PRIVATE, no), attribute(ck.CKA_ENCRYPT, yes), attribute(ck.CKA_VERIFY, yes), attribute(ck.CKA_WRAP, yes))
	private = append(append([]ck.Attribute{ulongAttribute(ck.CKA_CLASS, uint(ck.CKO_PRIVATE_KEY))}, common...),
		attribute(ck.CKA_PRIVATE, ck.BoolValue(!c.isVerifyContext())), attribute(ck.CKA_DECRYPT, yes), attribute(ck.CKA_SIGN, yes), attribute(ck.CKA_UNWRAP, yes),
		attribute(ck.CKA_SENSITIVE, ck.BoolValue(!exportable)), attribute(ck.CKA_EXTRACTABLE, ck.BoolValue(exportable)))
	return public, private
}

// checkContainer logs in, and makes the container where it was waiting for a PIN, before a key pair is made.
func (c *Context) checkContainer(flags uint32) error {
	if flags&capi.CRYPT_USER_PROTECTED != 0 && c.flags&capi.CRYPT_SILENT != 0 {
		return capi.NTE_SILENT_CONTEXT
	}
	if err := c.login(); err != nil {
		return err
	}
	c.mu.Lock()
	pending := c.containerPending
	c.mu.Unlock()
	if pending {
		return c.makeContainer()
	}
	return nil
}

// generateKeyPair is CryptGenKey of a key pair.
func (c *Context) generateKeyPair(spec, flags uint32) (*Key, error) {
	r := c.provider.rsaLengths(keyPairALGID(spec))
	bits := flags >> 16
	switch {
	case bits == 0:
		bits = 1024 // Base too, although it says 512
	case bits%8 != 0 || bits < r.min || bits > r.max:
		return nil, capi.NTE_BAD_DATA
	}
	if err := c.checkContainer(flags); err != nil {
		return nil, err
	}
	public, private := c.keyPairTemplates(spec, flags&capi.CRYPT_EXPORTABLE != 0)
	public = append(public, ulongAttribute(ck.CKA_MODULUS_BITS, uint(bits)), attribute(ck.CKA_PUBLIC_EXPONENT, []byte{1, 0, 1}))
	old, err := c.storedObjects(spec)
	if err != nil {
		return nil, err
	}
	p := &keyPair{spec: spec, inContainer: !c.isVerifyContext()}
	p.public, p.private, err = c.cryptoki.GenerateKeyPair(c.session, &ck.Mechanism{Type: ck.CKM_RSA_PKCS_KEY_PAIR_GEN}, public, private)
	if err != nil {
		return nil, translated(err)
	}
	return c.replaceKeyPair(p, bits, flags, old)
}

// storedObjects returns the objects of the container's key pair of a kind, which a new one replaces.
func (c *Context) storedObjects(spec uint32) ([]ck.ObjectHandle, error) {
	if c.isVerifyContext() {
		return nil, nil
	}
	return c.findObjects([]ck.Attribute{attribute(ck.CKA_TOKEN, yes), attribute(ck.CKA_ID, keyPairID(c.name, spec))})
}

// replaceKeyPair makes p the key pair of the container, in the place of the old objects, and returns a Key for it.
func (c *Context) replaceKeyPair(p *keyPair, bits, flags uint32, old []ck.ObjectHandle) (*Key, error) {
	for _, o := range old {
		if err := c.cryptoki.DestroyObject(c.session, o); err != nil {
			return nil, translated(err)
		}
	}
	k := c.newPairKey(p, keyPairALGID(p.spec), bits, flags&capi.CRYPT_EXPORTABLE != 0)
	if c.isVerifyContext() {
		own := c.newPairKey(p, k.algid, bits, flags&capi.CRYPT_EXPORTABLE != 0)
		c.mu.Lock()
		previous := c.pairs[p.spec]
		c.pairs[p.spec] = own
		c.mu.Unlock()
		if previous != nil {
			previous.release()
		}
	}
	k.setProtection(flags)
	return k, nil
}

// newPairKey makes a Key of a key pair.
func (c *Context) newPairKey(p *keyPair, algid capi.AlgID, bits uint32, exportable bool) *Key {
	p.retain()
	k := &Key{ctx: c, pair: p, algid: algid, bits: bits, effectiveBits: bits, permissions: 0x3b}
	k.refs.Store(1)
	if exportable {
		k.permissions |= capi.CRYPT_EXPORT
	}
	return k
}

// UserKey is CryptGetUserKey: the container's key pair of a kind.
func (c *Context) UserKey(spec uint32) (*Key, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if spec != capi.AT_KEYEXCHANGE && spec != capi.AT_SIGNATURE {
		return nil, capi.NTE_NO_KEY
	}
	if c.isVerifyContext() {
		c.mu.Lock()
		defer c.mu.Unlock()
		own := c.pairs[spec]
		if own == nil {
			return nil, capi.NTE_NO_KEY
		}
		return c.newPairKey(own.pair, own.algid, own.bits, own.permissions&capi.CRYPT_EXPORT != 0), nil
	}
	public, err := c.findObjects([]ck.Attribute{
		ulongAttribute(ck.CKA_CLASS, uint(ck.CKO_PUBLIC_KEY)), attribute(ck.CKA_TOKEN, yes), attribute(ck.CKA_ID, keyPairID(c.name, spec)),
	})
	if err != nil {
		return nil, err
	}
	if len(public) == 0 {
		return nil, capi.NTE_NO_KEY
	}
	if err := c.login(); err != nil {
		return nil, err
	}
	private, err := c.findObjects([]ck.Attribute{
		ulongAttribute(ck.CKA_CLASS, uint(ck.CKO_PRIVATE_KEY)), attribute(ck.CKA_TOKEN, yes), attribute(ck.CKA_ID, keyPairID(c.name, spec)),
	})
	if err != nil {
		return nil, err
	}
	if len(private) == 0 {
		return nil, capi.NTE_NO_KEY
	}
	return c.loadKeyPair(spec, public[0], private[0])
}

// loadKeyPair makes a Key of a key pair that the token has.
func (c *Context) loadKeyPair(spec uint32, public, private ck.ObjectHandle) (*Key, error) {
	modulus, err := c.attributeValue(public, ck.CKA_MODULUS)
	if err != nil {
		return nil, err
	}
	extractable, err := c.attributeValue(private, ck.CKA_EXTRACTABLE)
	if err != nil {
		return nil, err
	}
	p := &keyPair{public: public, private: private, spec: spec, inContainer: true}
	return c.newPairKey(p, keyPairALGID(spec), modulusBits(modulus), extractable[0] == 1), nil
}

// modulusBits is the length of a modulus, rounded up to whole bytes.
func modulusBits(modulus []byte) uint32 {
	for len(modulus) > 0 && modulus[0] == 0 {
		modulus = modulus[1:]
	}
	return uint32(len(modulus)) * 8
}
