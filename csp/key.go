package csp

import (
	"crypto/rand"
	"sync"
	"sync/atomic"

	"github.com/softcsp/softcsp/capi"
	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/mechanisms"
)

// maxBlock is the largest block of any cipher in bytes.
const maxBlock = 16

// A Key is a session key, a public key, or a key pair, as an HCRYPTKEY stands for. It may be used by several threads at once; what they encrypt in
// pieces then runs together.
type Key struct {
	ctx    *Context
	handle Handle
	object ck.ObjectHandle // the secret key
	pair   *keyPair        // nil for a session key
	cipher *capi.Cipher
	algid  capi.AlgID

	refs atomic.Int32 // its handle, and hash objects with it

	mu             sync.Mutex
	destroyed      bool // CryptDestroyKey
	bits           uint32
	effectiveBits  uint32
	permissions    uint32
	flags          uint32
	saltLen        int // what KP_SALT tells
	salt           []byte
	hasSalt        bool // KP_SALT is a parameter of the key
	mode           uint32
	modeBits       uint32
	iv, feedback   [maxBlock]byte
	decryptOnly    bool   // longer than the provider makes keys: it can decrypt, but not encrypt
	hmacOnly       bool   // CRYPT_IPSEC_HMAC_KEY
	streamPosition uint64 // in the key stream of RC4
	streamSession  ck.SessionHandle
}

// cryptDeriveKey is the mechanism under whose rules session keys are made, also those that come of a blob.
var cryptDeriveKey = mechanisms.Lookup(ck.CKM_SOFTCSP_CRYPT_DERIVE_KEY)

// sessionKeyTemplate is the template of every session key: what the mechanism decides, and that no login guards the object.
var sessionKeyTemplate = []ck.Attribute{{Type: ck.CKA_PRIVATE, Value: no}}

// newKey returns a Key for a session key that is to be made, in the place of the object replaced if that is not 0.
func (c *Context) newKey(replaced ck.ObjectHandle) *Key {
	k := &Key{ctx: c, object: replaced}
	k.refs.Store(1)
	return k
}

// makeObject has the token make the object of k, or replace it. derive must call setParams when it has made the
// value.
func (k *Key) makeObject(derive func(*mechanisms.Derived, *mechanisms.Key) error) error {
	return translated(k.ctx.token.Derive(k.ctx.session, cryptDeriveKey, sessionKeyTemplate, &k.object, derive))
}

// setParams copies the parameters of the session key that d was made of, which CryptGetKeyParam tells, unless it failed with err.
func (k *Key) setParams(d *mechanisms.Derived, err error) error {
	if err != nil {
		return err
	}
	s := d.Session()
	k.cipher, k.algid = s.Cipher, s.Cipher.ID
	k.bits, k.effectiveBits = uint32(len(s.Value))*8, uint32(s.EffectiveBits)
	k.permissions, k.mode = s.Permissions, s.Cipher.Mode
	k.hasSalt, k.saltLen = s.Salt != nil, len(s.Salt)
	if len(s.Salt) != 0 {
		k.salt = append([]byte(nil), s.Salt...)
	}
	return nil
}

// DeriveKey is CryptDeriveKey: the session key that follows from a hash object, which takes no more data afterwards.
func (c *Context) DeriveKey(algid capi.AlgID, base *Hash, flags uint32) (*Key, error) {
	return c.deriveKey(algid, base, flags, nil)
}

// UpdateKey is CryptDeriveKey with CRYPT_UPDATE_KEY and a key to update. Microsoft's providers ignore old, leave it
// as it is, and make a new key: the caller's handle stands for the result afterwards.
func (c *Context) UpdateKey(algid capi.AlgID, base *Hash, flags uint32, old *Key) (*Key, error) {
	return c.deriveKey(algid, base, flags|capi.CRYPT_UPDATE_KEY, old)
}

func (c *Context) deriveKey(algid capi.AlgID, base *Hash, flags uint32, old *Key) (*Key, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if err := base.check(); err != nil {
		return nil, err
	}
	x := derivations.Get().(*derivation)
	defer x.release()
	r := &x.request
	r.Provider, r.Cipher, r.Flags = c.provider.Provider, algid, flags&^capi.CRYPT_USER_PROTECTED
	if !c.provider.UpdatesKeys() {
		r.Flags &^= capi.CRYPT_UPDATE_KEY
	}
	base.mu.Lock()
	defer base.mu.Unlock()
	wasFinished := base.finished
	hash, value, err := base.finishedValue()
	if err != nil {
		return nil, err
	}
	r.Hash, r.Value = hash, value
	var replaced ck.ObjectHandle
	if r.Flags&capi.CRYPT_UPDATE_KEY != 0 && old != nil && old.pair == nil {
		replaced = old.object
	}
	k := c.newKey(replaced)
	x.key = k
	if err = k.makeObject(x.run); err != nil {
		base.undoFinish(wasFinished)
		return nil, err
	}
	k.setProtection(flags)
	if r.Old != nil {
		old.replaceWith(k)
		return old, nil
	}
	return k, nil
}

// A derivation is what one CryptDeriveKey gives to the token. The next one uses it again, so that none has to be allocated.
type derivation struct {
	request capi.Request
	key     *Key
	run     func(*mechanisms.Derived, *mechanisms.Key) error // derive
}

var derivations = sync.Pool{New: func() any {
	x := new(derivation)
	x.run = x.derive
	return x
}}

// derive makes the key, in the place of current if that is not nil.
func (x *derivation) derive(d *mechanisms.Derived, current *mechanisms.Key) error {
	if current != nil {
		x.forgetOld()
		old := mechanisms.OldKeyOf(current)
		old.BaseHash = append([]byte(nil), old.BaseHash...) // the key goes on having its own
		x.request.Old = old
	}
	return x.key.setParams(d, d.DeriveSessionKey(&x.request))
}

// forgetOld wipes what is kept of a key that is updated.
func (x *derivation) forgetOld() {
	if x.request.Old != nil {
		clear(x.request.Old.BaseHash)
	}
}

// release gives the derivation to the next.
func (x *derivation) release() {
	x.forgetOld()
	x.request, x.key = capi.Request{}, nil
	derivations.Put(x)
}

// undoFinish lets a hash object take data again after a derivation that failed, unless it was finished before.
func (h *Hash) undoFinish(wasFinished bool) {
	if wasFinished {
		return
	}
	h.finished = false
	clear(h.value[:])
}

// setProtection notes CRYPT_USER_PROTECTED: the use of such a key is told in the log.
func (k *Key) setProtection(flags uint32) {
	if k.flags = flags & 0xffff; flags&capi.CRYPT_USER_PROTECTED != 0 {
		k.logUse("made")
	}
}

// logUse tells the log what is done with a key that CRYPT_USER_PROTECTED protects.
func (k *Key) logUse(what string) {
	if log := k.ctx.token.Log(); log != nil && k.flags&capi.CRYPT_USER_PROTECTED != 0 {
		log.Info("protected key", "use", what, "algid", uint32(k.algid), "container", k.ctx.name)
	}
}

// replaceWith gives a key that CRYPT_UPDATE_KEY changed the parameters of n. Its handle and its object stay.
func (k *Key) replaceWith(n *Key) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.cipher, k.algid, k.bits, k.effectiveBits = n.cipher, n.algid, n.bits, n.effectiveBits
	k.permissions, k.salt, k.saltLen, k.hasSalt = n.permissions, n.salt, n.saltLen, n.hasSalt
	k.resetFeedback()
}

// GenKey is CryptGenKey: a random session key, or a new key pair of the container for AT_KEYEXCHANGE, AT_SIGNATURE,
// CALG_RSA_KEYX and CALG_RSA_SIGN.
func (c *Context) GenKey(algid capi.AlgID, flags uint32) (*Key, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if spec := keySpec(algid); spec != 0 {
		return c.generateKeyPair(spec, flags)
	}
	k := c.newKey(0)
	err := k.makeObject(func(d *mechanisms.Derived, _ *mechanisms.Key) error {
		return k.setParams(d, d.GenerateSessionKey(c.provider.Provider, algid, flags&^capi.CRYPT_USER_PROTECTED, rand.Reader))
	})
	if err != nil {
		return nil, err
	}
	k.setProtection(flags)
	return k, nil
}

// check returns NTE_BAD_KEY for no key, or one whose context was released.
func (k *Key) check() error {
	if k == nil || k.ctx.closed.Load() {
		return capi.NTE_BAD_KEY
	}
	return nil
}

// blockLen is the length of a block of the cipher in bytes, 0 for a stream cipher.
func (k *Key) blockLen() int {
	if k.cipher == nil {
		return 0
	}
	return int(k.cipher.BlockBits / 8)
}

// retain counts one more reference. It reports false for a key that has none left.
func (k *Key) retain() bool {
	for {
		n := k.refs.Load()
		if n == 0 {
			return false
		}
		if k.refs.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// release counts one reference less. Without any the key is destroyed.
func (k *Key) release() {
	if k.refs.Add(-1) > 0 {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	clear(k.salt)
	k.endStream()
	k.destroyObjects()
}

// Destroy is CryptDestroyKey. A hash object with the key keeps it until it is destroyed itself.
func (k *Key) Destroy() error {
	k.mu.Lock()
	already := k.destroyed
	k.destroyed = true
	k.mu.Unlock()
	if already {
		return capi.ERROR_INVALID_PARAMETER
	}
	k.release()
	return nil
}

// destroyObjects destroys the objects of the key, unless they belong to a container. The key is locked.
func (k *Key) destroyObjects() {
	if k.ctx.closed.Load() {
		return // the session's end has done it
	}
	if k.pair != nil {
		k.pair.release(k.ctx)
		return
	}
	k.ctx.cryptoki.DestroyObject(k.ctx.session, k.object) //nolint:errcheck // nothing can be done
}

// withValue calls f with the value of a session key, which is valid until f returns.
func (k *Key) withValue(f func(value []byte) error) error {
	return translated(k.ctx.token.UseKey(k.ctx.session, k.object, func(m *mechanisms.Key) error { return f(m.Value) }))
}

// Duplicate is CryptDuplicateKey: a second key with the value and the state of this one.
func (k *Key) Duplicate(flags uint32) (*Key, error) {
	if err := k.check(); err != nil {
		return nil, err
	}
	if flags != 0 {
		return nil, capi.NTE_BAD_FLAGS
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	d := &Key{
		ctx: k.ctx, object: k.object, cipher: k.cipher, algid: k.algid, pair: k.pair, bits: k.bits, effectiveBits: k.effectiveBits,
		permissions: k.permissions, flags: k.flags, saltLen: k.saltLen, salt: append([]byte(nil), k.salt...), hasSalt: k.hasSalt,
		mode: k.mode, modeBits: k.modeBits, iv: k.iv, feedback: k.feedback, decryptOnly: k.decryptOnly, hmacOnly: k.hmacOnly,
		streamPosition: k.streamPosition,
	}
	d.refs.Store(1)
	if k.pair != nil {
		k.pair.retain()
		return d, nil
	}
	object, err := k.ctx.cryptoki.CopyObject(k.ctx.session, k.object, nil)
	d.object = object
	return d, translated(err)
}
