package csp

import (
	"github.com/softcsp/softcsp/capi"
	"github.com/softcsp/softcsp/internal/handle"
)

// A Handle is the number by which C programs know a context, a hash object or a key: HCRYPTPROV, HCRYPTHASH, HCRYPTKEY. 0 is
// none.
type Handle uint64

// The kinds of handles. A handle says of which it is, so that one kind is never taken for another.
const (
	contextKind = iota + 1
	hashKind
	keyKind
)

// Handles is a System as C programs see it: its functions take and return handles, and refuse those that stand for nothing, or
// for something of another kind, with ERROR_INVALID_PARAMETER, as advapi32 does before any provider sees them.
type Handles struct {
	*System
	contexts handle.Table[Handle, Context]
	hashes   handle.Table[Handle, Hash]
	keys     handle.Table[Handle, Key]
}

// NewHandles returns the handles of a System.
func NewHandles(s *System) *Handles {
	t := &Handles{System: s}
	t.contexts.Draw(contextKind)
	t.hashes.Draw(hashKind)
	t.keys.Draw(keyKind)
	return t
}

// What has ended with its context still has its handle until all of that are taken back, and is not found by it any more.
func (c *Context) ended() bool { return c.closed.Load() }
func (h *Hash) ended() bool    { return h.ctx.closed.Load() }
func (k *Key) ended() bool     { return k.ctx.closed.Load() }

// Context finds a context.
func (t *Handles) Context(h Handle) (*Context, error) {
	if c := t.contexts.Get(h); c != nil && !c.ended() {
		return c, nil
	}
	return nil, capi.ERROR_INVALID_PARAMETER
}

// Hash finds a hash object.
func (t *Handles) Hash(h Handle) (*Hash, error) {
	if v := t.hashes.Get(h); v != nil && !v.ended() {
		return v, nil
	}
	return nil, capi.ERROR_INVALID_PARAMETER
}

// Key finds a key.
func (t *Handles) Key(h Handle) (*Key, error) {
	if k := t.keys.Get(h); k != nil && !k.ended() {
		return k, nil
	}
	return nil, capi.ERROR_INVALID_PARAMETER
}

// OptionalHash is Hash, and nil for 0.
func (t *Handles) OptionalHash(h Handle) (*Hash, error) {
	if h == 0 {
		return nil, nil
	}
	return t.Hash(h)
}

// OptionalKey is Key, and nil for 0.
func (t *Handles) OptionalKey(h Handle) (*Key, error) {
	if h == 0 {
		return nil, nil
	}
	return t.Key(h)
}

// AddHash gives a hash object a handle.
func (t *Handles) AddHash(h *Hash, err error) (Handle, error) {
	if err != nil {
		return 0, err
	}
	t.hashes.Add(h, &h.handle)
	return h.handle, nil
}

// AddKey gives a key a handle, if it has none yet.
func (t *Handles) AddKey(k *Key, err error) (Handle, error) {
	if err != nil {
		return 0, err
	}
	if t.keys.Get(k.handle) != k { // CRYPT_UPDATE_KEY changes one that has
		t.keys.Add(k, &k.handle)
	}
	return k.handle, nil
}

// AcquireContext is CryptAcquireContext. The handle is 0 with CRYPT_DELETEKEYSET.
func (t *Handles) AcquireContext(container, provider string, typ, flags uint32) (Handle, error) {
	c, err := t.System.AcquireContext(container, provider, typ, flags)
	if c == nil {
		return 0, err
	}
	t.contexts.Add(c, &c.handle)
	return c.handle, nil
}

// ReleaseContext is CryptReleaseContext.
func (t *Handles) ReleaseContext(h Handle, flags uint32) error {
	c, err := t.Context(h)
	if err != nil {
		return err
	}
	if err = c.Release(flags); c.ended() {
		t.contexts.Sweep((*Context).ended)
		t.hashes.Sweep((*Hash).ended)
		t.keys.Sweep((*Key).ended)
	}
	return err
}

// DestroyHash is CryptDestroyHash.
func (t *Handles) DestroyHash(h Handle) error {
	v := t.hashes.Remove(h)
	if v == nil || v.ended() {
		return capi.ERROR_INVALID_PARAMETER
	}
	return v.Destroy()
}

// DestroyKey is CryptDestroyKey.
func (t *Handles) DestroyKey(h Handle) error {
	k := t.keys.Remove(h)
	if k == nil || k.ended() {
		return capi.ERROR_INVALID_PARAMETER
	}
	return k.Destroy()
}

// DeriveKey is CryptDeriveKey. Where the provider refuses, *key becomes 0; where it is not asked, *key stays. On entry *key is
// what CRYPT_UPDATE_KEY may name a key by.
func (t *Handles) DeriveKey(prov Handle, algid capi.AlgID, base Handle, flags uint32, key *Handle) error {
	c, err := t.Context(prov)
	if err != nil {
		return err
	}
	h, err := t.Hash(base)
	if err != nil {
		return err
	}
	if key == nil {
		return capi.ERROR_INVALID_PARAMETER
	}
	if flags&capi.CRYPT_UPDATE_KEY != 0 {
		old, _ := t.Key(*key)
		*key, err = t.AddKey(c.UpdateKey(algid, h, flags, old))
	} else {
		*key, err = t.AddKey(c.DeriveKey(algid, h, flags))
	}
	return err
}
