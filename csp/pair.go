package csp

import (
	"sync/atomic"

	"github.com/softcsp/softcsp/capi"
	"github.com/softcsp/softcsp/ck"
)

// A pair is the objects behind the Keys of an RSA key pair, or of a public key alone.
type pair struct {
	public, private ck.ObjectHandle // private 0 for a public key alone
	spec            uint32          // AT_KEYEXCHANGE or AT_SIGNATURE
	kept            bool            // of a named container: no Key's end destroys it
	small           *smallRSA       // in the place of objects
	users           atomic.Int32
}

// hasPrivate tells whether there is more than a public key.
func (p *pair) hasPrivate() bool { return p.private != 0 || p.small != nil && p.small.parts != nil }

func (p *pair) hold() { p.users.Add(1) }

// letGo takes a user away, and with the last one destroys the objects.
func (p *pair) letGo(c *Context) {
	if p.users.Add(-1) != 0 || p.kept {
		return
	}
	for _, o := range [...]ck.ObjectHandle{p.public, p.private} {
		if o != 0 {
			c.module.DestroyObject(c.session, o) //nolint:errcheck // nothing can be done
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

// pairALGID is the ALG_ID of a kind of pairs.
func pairALGID(spec uint32) capi.AlgID {
	if spec == capi.AT_SIGNATURE {
		return capi.CALG_RSA_SIGN
	}
	return capi.CALG_RSA_KEYX
}

// halves are the templates of the two objects of a pair.
func (c *Context) halves(spec uint32, exportable bool) (public, private []ck.Attribute) {
	common := []ck.Attribute{
		number(ck.CKA_KEY_TYPE, uint(ck.CKK_RSA)), attribute(ck.CKA_TOKEN, ck.BoolValue(!c.verify())),
	}
	if !c.verify() {
		common = append(common, attribute(ck.CKA_LABEL, []byte(c.name)), attribute(ck.CKA_ID, pairID(c.name, spec)))
	}
	public = append(append([]ck.Attribute{number(ck.CKA_CLASS, uint(ck.CKO_PUBLIC_KEY))}, common...),
		attribute(ck.CKA_PRIVATE, no), attribute(ck.CKA_ENCRYPT, yes), attribute(ck.CKA_VERIFY, yes), attribute(ck.CKA_WRAP, yes))
	private = append(append([]ck.Attribute{number(ck.CKA_CLASS, uint(ck.CKO_PRIVATE_KEY))}, common...),
		attribute(ck.CKA_PRIVATE, ck.BoolValue(!c.verify())), attribute(ck.CKA_DECRYPT, yes), attribute(ck.CKA_SIGN, yes), attribute(ck.CKA_UNWRAP, yes),
		attribute(ck.CKA_SENSITIVE, ck.BoolValue(!exportable)), attribute(ck.CKA_EXTRACTABLE, ck.BoolValue(exportable)))
	return public, private
}

// mayPair tells whether a pair may be made: a container has to be there and open.
func (c *Context) mayPair(flags uint32) error {
	if flags&capi.CRYPT_USER_PROTECTED != 0 && c.flags&capi.CRYPT_SILENT != 0 {
		return capi.NTE_SILENT_CONTEXT
	}
	if err := c.login(); err != nil {
		return err
	}
	c.mu.Lock()
	pending := c.pending
	c.mu.Unlock()
	if pending {
		return c.makeContainer()
	}
	return nil
}

// genPair is CryptGenKey of a key pair.
func (c *Context) genPair(spec, flags uint32) (*Key, error) {
	r := c.provider.rsaLengths(pairALGID(spec))
	bits := flags >> 16
	switch {
	case bits == 0:
		bits = 1024 // Base too, although it says 512
	case bits%8 != 0 || bits < r.min || bits > r.max:
		return nil, capi.NTE_BAD_DATA
	}
	if err := c.mayPair(flags); err != nil {
		return nil, err
	}
	public, private := c.halves(spec, flags&capi.CRYPT_EXPORTABLE != 0)
	public = append(public, number(ck.CKA_MODULUS_BITS, uint(bits)), attribute(ck.CKA_PUBLIC_EXPONENT, []byte{1, 0, 1}))
	old, err := c.oldPair(spec)
	if err != nil {
		return nil, err
	}
	p := &pair{spec: spec, kept: !c.verify()}
	p.public, p.private, err = c.module.GenerateKeyPair(c.session, &ck.Mechanism{Type: ck.CKM_RSA_PKCS_KEY_PAIR_GEN}, public, private)
	if err != nil {
		return nil, translated(err)
	}
	return c.newPair(p, bits, flags, old)
}

// oldPair returns the objects that a new pair of a kind takes the place of.
func (c *Context) oldPair(spec uint32) ([]ck.ObjectHandle, error) {
	if c.verify() {
		return nil, nil
	}
	return c.find([]ck.Attribute{attribute(ck.CKA_TOKEN, yes), attribute(ck.CKA_ID, pairID(c.name, spec))})
}

// newPair makes the Key of a pair that is the container's from now on, in the place of the old one.
func (c *Context) newPair(p *pair, bits, flags uint32, old []ck.ObjectHandle) (*Key, error) {
	for _, o := range old {
		if err := c.module.DestroyObject(c.session, o); err != nil {
			return nil, translated(err)
		}
	}
	k := c.pairKey(p, pairALGID(p.spec), bits, flags&capi.CRYPT_EXPORTABLE != 0)
	if c.verify() {
		own := c.pairKey(p, k.algid, bits, flags&capi.CRYPT_EXPORTABLE != 0)
		c.mu.Lock()
		before := c.pairs[p.spec]
		c.pairs[p.spec] = own
		c.mu.Unlock()
		if before != nil {
			before.letGo()
		}
	}
	k.protect(flags)
	return k, nil
}

// pairKey makes a Key of a pair.
func (c *Context) pairKey(p *pair, algid capi.AlgID, bits uint32, exportable bool) *Key {
	p.hold()
	k := &Key{ctx: c, pair: p, algid: algid, bits: bits, effective: bits, permissions: 0x3b}
	k.users.Store(1)
	if exportable {
		k.permissions |= capi.CRYPT_EXPORT
	}
	return k
}

// UserKey is CryptGetUserKey: the container's key pair of a kind.
func (c *Context) UserKey(spec uint32) (*Key, error) {
	if err := c.alive(); err != nil {
		return nil, err
	}
	if spec != capi.AT_KEYEXCHANGE && spec != capi.AT_SIGNATURE {
		return nil, capi.NTE_NO_KEY
	}
	if c.verify() {
		c.mu.Lock()
		defer c.mu.Unlock()
		own := c.pairs[spec]
		if own == nil {
			return nil, capi.NTE_NO_KEY
		}
		return c.pairKey(own.pair, own.algid, own.bits, own.permissions&capi.CRYPT_EXPORT != 0), nil
	}
	public, err := c.find([]ck.Attribute{
		number(ck.CKA_CLASS, uint(ck.CKO_PUBLIC_KEY)), attribute(ck.CKA_TOKEN, yes), attribute(ck.CKA_ID, pairID(c.name, spec)),
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
	private, err := c.find([]ck.Attribute{
		number(ck.CKA_CLASS, uint(ck.CKO_PRIVATE_KEY)), attribute(ck.CKA_TOKEN, yes), attribute(ck.CKA_ID, pairID(c.name, spec)),
	})
	if err != nil {
		return nil, err
	}
	if len(private) == 0 {
		return nil, capi.NTE_NO_KEY
	}
	return c.storedPair(spec, public[0], private[0])
}

// storedPair makes the Key of a pair that the token has.
func (c *Context) storedPair(spec uint32, public, private ck.ObjectHandle) (*Key, error) {
	modulus, err := c.attr(public, ck.CKA_MODULUS)
	if err != nil {
		return nil, err
	}
	extractable, err := c.attr(private, ck.CKA_EXTRACTABLE)
	if err != nil {
		return nil, err
	}
	p := &pair{public: public, private: private, spec: spec, kept: true}
	return c.pairKey(p, pairALGID(spec), bitsOf(modulus), extractable[0] == 1), nil
}

// bitsOf is the length of a modulus, rounded up to whole bytes.
func bitsOf(modulus []byte) uint32 {
	for len(modulus) > 0 && modulus[0] == 0 {
		modulus = modulus[1:]
	}
	return uint32(len(modulus)) * 8
}
