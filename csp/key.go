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

// A Key is a key: a session key, a public key, or a key pair. It may be used by several threads at once; what they encrypt in
// pieces then runs together.
type Key struct {
	ctx    *Context
	self   Handle
	object ck.ObjectHandle // the secret key
	pair   *pair           // nil for a session key
	alg    *capi.Cipher
	algid  capi.AlgID

	users atomic.Int32 // its handle, and hash objects with it

	mu          sync.Mutex
	gone        bool // CryptDestroyKey
	bits        uint32
	effective   uint32
	permissions uint32
	flags       uint32
	saltLen     int // what KP_SALT tells
	salt        []byte
	hasSalt     bool // KP_SALT is a parameter of the key
	mode        uint32
	modeBits    uint32
	iv, chain   [maxBlock]byte
	decryptOnly bool   // longer than the provider makes keys: it can decrypt, but not encrypt
	noCipher    bool   // CRYPT_IPSEC_HMAC_KEY
	position    uint64 // in the key stream of RC4
	stream      ck.SessionHandle
}

// sessionKey is the template of every session key: what the mechanism decides, and that no login guards the object.
var sessionKey = []ck.Attribute{{Type: ck.CKA_PRIVATE, Value: no}}

// derived makes a Key of what make makes in the token.
func (c *Context) derived(key *ck.ObjectHandle, make func(*mechanisms.Derived, *mechanisms.Key) error) (*Key, error) {
	k := &Key{ctx: c}
	k.users.Store(1)
	err := c.module.Derive(c.session, sessionKey, key, func(d *mechanisms.Derived, old *mechanisms.Key) error {
		if err := make(d, old); err != nil {
			return err
		}
		k.describe(d.Session())
		return nil
	})
	if err != nil {
		return nil, translated(err)
	}
	k.object = *key
	return k, nil
}

// describe takes from a session key what CryptGetKeyParam tells of it.
func (k *Key) describe(s *capi.SessionKey) {
	k.alg, k.algid = s.Cipher, s.Cipher.ID
	k.bits, k.effective = uint32(len(s.Value))*8, uint32(s.EffectiveBits)
	k.permissions, k.mode = s.Permissions, s.Cipher.Mode
	k.hasSalt, k.saltLen = s.Salt != nil, len(s.Salt)
	if len(s.Salt) != 0 {
		k.salt = append([]byte(nil), s.Salt...)
	}
}

// DeriveKey is CryptDeriveKey: the session key that follows from a hash object, which takes no more data afterwards.
func (c *Context) DeriveKey(algid capi.AlgID, base *Hash, flags uint32) (*Key, error) {
	return c.deriveKey(algid, base, flags, nil)
}

// UpdateKey is CryptDeriveKey with CRYPT_UPDATE_KEY and a key to update. The Microsoft providers make a new key all the same,
// and leave the old one alone: the result is the key that the caller's handle stands for afterwards.
func (c *Context) UpdateKey(algid capi.AlgID, base *Hash, flags uint32, old *Key) (*Key, error) {
	return c.deriveKey(algid, base, flags|capi.CRYPT_UPDATE_KEY, old)
}

func (c *Context) deriveKey(algid capi.AlgID, base *Hash, flags uint32, old *Key) (*Key, error) {
	if err := c.alive(); err != nil {
		return nil, err
	}
	if err := base.alive(); err != nil {
		return nil, err
	}
	r := &capi.Request{Provider: c.provider.Provider, Cipher: algid, Flags: flags &^ capi.CRYPT_USER_PROTECTED}
	if !c.provider.UpdatesKeys() {
		r.Flags &^= capi.CRYPT_UPDATE_KEY
	}
	base.mu.Lock()
	defer base.mu.Unlock()
	was := base.finished
	row, value, err := base.digest()
	if err != nil {
		return nil, err
	}
	r.Hash, r.Value = row, value
	var object ck.ObjectHandle
	if r.Flags&capi.CRYPT_UPDATE_KEY != 0 && old != nil && old.pair == nil {
		object = old.object
	}
	k, err := c.derived(&object, func(d *mechanisms.Derived, was *mechanisms.Key) error {
		if was != nil {
			if r.Old != nil {
				clear(r.Old.BaseHash)
			}
			r.Old = mechanisms.OldKeyOf(was)
			r.Old.BaseHash = append([]byte(nil), r.Old.BaseHash...) // the key goes on having its own
		}
		return d.DeriveSessionKey(r)
	})
	if r.Old != nil {
		clear(r.Old.BaseHash)
	}
	if err != nil {
		base.reopen(was)
		return nil, err
	}
	k.protect(flags)
	if r.Old != nil {
		old.become(k)
		return old, nil
	}
	return k, nil
}

// reopen lets a hash object take data again after a derivation that failed, if it took any before.
func (h *Hash) reopen(was bool) {
	if was {
		return
	}
	h.finished = false
	clear(h.value[:])
}

// protect notes CRYPT_USER_PROTECTED: the use of such a key is told in the log.
func (k *Key) protect(flags uint32) {
	if k.flags = flags & 0xffff; flags&capi.CRYPT_USER_PROTECTED != 0 {
		k.notify("made")
	}
}

// notify tells the log what is done with a key that CRYPT_USER_PROTECTED protects.
func (k *Key) notify(what string) {
	if log := k.ctx.module.Log(); log != nil && k.flags&capi.CRYPT_USER_PROTECTED != 0 {
		log.Info("protected key", "use", what, "algid", uint32(k.algid), "container", k.ctx.name)
	}
}

// become gives a key that was updated what is new of it. Its handle and its object stay.
func (k *Key) become(n *Key) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.alg, k.algid, k.bits, k.effective = n.alg, n.algid, n.bits, n.effective
	k.permissions, k.salt, k.saltLen, k.hasSalt = n.permissions, n.salt, n.saltLen, n.hasSalt
	k.rewind()
}

// GenKey is CryptGenKey: a random session key, or a new key pair of the container for AT_KEYEXCHANGE, AT_SIGNATURE,
// CALG_RSA_KEYX and CALG_RSA_SIGN.
func (c *Context) GenKey(algid capi.AlgID, flags uint32) (*Key, error) {
	if err := c.alive(); err != nil {
		return nil, err
	}
	if spec := keySpec(algid); spec != 0 {
		return c.genPair(spec, flags)
	}
	var object ck.ObjectHandle
	k, err := c.derived(&object, func(d *mechanisms.Derived, _ *mechanisms.Key) error {
		return d.GenerateSessionKey(c.provider.Provider, algid, flags&^capi.CRYPT_USER_PROTECTED, rand.Reader)
	})
	if err != nil {
		return nil, err
	}
	k.protect(flags)
	return k, nil
}

// alive is nil as long as the key and its context are there.
func (k *Key) alive() error {
	if k == nil || k.ctx.closed.Load() {
		return capi.NTE_BAD_KEY
	}
	return nil
}

// block is the length of a block of the cipher in bytes, 0 for a stream cipher.
func (k *Key) block() int {
	if k.alg == nil {
		return 0
	}
	return int(k.alg.BlockBits / 8)
}

// hold adds a user. It reports false for a key that is gone.
func (k *Key) hold() bool {
	for {
		n := k.users.Load()
		if n == 0 {
			return false
		}
		if k.users.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// letGo takes a user away, and the last one destroys the key.
func (k *Key) letGo() {
	if k.users.Add(-1) > 0 {
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
	gone := k.gone
	k.gone = true
	k.mu.Unlock()
	if gone {
		return capi.ERROR_INVALID_PARAMETER
	}
	k.letGo()
	return nil
}

// destroyObjects destroys the objects of a key that is no container's. The key is locked.
func (k *Key) destroyObjects() {
	if k.ctx.closed.Load() {
		return // the session's end has done it
	}
	if k.pair != nil {
		k.pair.letGo(k.ctx)
		return
	}
	k.ctx.module.DestroyObject(k.ctx.session, k.object) //nolint:errcheck // nothing can be done
}

// use has f look at the value of a session key.
func (k *Key) use(f func(value []byte) error) error {
	return translated(k.ctx.module.UseKey(k.ctx.session, k.object, func(m *mechanisms.Key) error { return f(m.Value) }))
}

// Duplicate is CryptDuplicateKey: a second key with the value and the state of this one.
func (k *Key) Duplicate(flags uint32) (*Key, error) {
	if err := k.alive(); err != nil {
		return nil, err
	}
	if flags != 0 {
		return nil, capi.NTE_BAD_FLAGS
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	d := &Key{
		ctx: k.ctx, object: k.object, alg: k.alg, algid: k.algid, pair: k.pair, bits: k.bits, effective: k.effective,
		permissions: k.permissions, flags: k.flags, saltLen: k.saltLen, salt: append([]byte(nil), k.salt...), hasSalt: k.hasSalt,
		mode: k.mode, modeBits: k.modeBits, iv: k.iv, chain: k.chain, decryptOnly: k.decryptOnly, noCipher: k.noCipher,
		position: k.position,
	}
	d.users.Store(1)
	if k.pair != nil {
		k.pair.hold()
		return d, nil
	}
	object, err := k.ctx.module.CopyObject(k.ctx.session, k.object, nil)
	d.object = object
	return d, translated(err)
}
