package csp

import "github.com/softcsp/softcsp/capi"

// Handles is a System as C programs see it: its functions take and return handles, and refuse those that stand for nothing, or
// for something of another kind, with ERROR_INVALID_PARAMETER, as advapi32 does before any provider sees them.
type Handles struct {
	*System
	contexts table[Context, *Context]
	hashes   table[Hash, *Hash]
	keys     table[Key, *Key]
}

// NewHandles returns the handles of a System.
func NewHandles(s *System) *Handles {
	t := &Handles{System: s}
	t.contexts.kind, t.hashes.kind, t.keys.kind = contextKind, hashKind, keyKind
	return t
}

// Context finds a context.
func (t *Handles) Context(h Handle) (*Context, error) {
	if c := t.contexts.get(h); c != nil {
		return c, nil
	}
	return nil, capi.ERROR_INVALID_PARAMETER
}

// Hash finds a hash object.
func (t *Handles) Hash(h Handle) (*Hash, error) {
	if v := t.hashes.get(h); v != nil {
		return v, nil
	}
	return nil, capi.ERROR_INVALID_PARAMETER
}

// Key finds a key.
func (t *Handles) Key(h Handle) (*Key, error) {
	if k := t.keys.get(h); k != nil {
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
	return t.hashes.add(h), nil
}

// AddKey gives a key a handle, if it has none yet.
func (t *Handles) AddKey(k *Key, err error) (Handle, error) {
	if err != nil {
		return 0, err
	}
	if t.keys.get(k.self) == k { // CRYPT_UPDATE_KEY has changed it
		return k.self, nil
	}
	return t.keys.add(k), nil
}

// AcquireContext is CryptAcquireContext. The handle is 0 with CRYPT_DELETEKEYSET.
func (t *Handles) AcquireContext(container, provider string, typ, flags uint32) (Handle, error) {
	c, err := t.System.AcquireContext(container, provider, typ, flags)
	if c == nil {
		return 0, err
	}
	return t.contexts.add(c), nil
}

// ReleaseContext is CryptReleaseContext.
func (t *Handles) ReleaseContext(h Handle, flags uint32) error {
	c, err := t.Context(h)
	if err != nil {
		return err
	}
	if err = c.Release(flags); c.ended() {
		t.contexts.sweep()
		t.hashes.sweep()
		t.keys.sweep()
	}
	return err
}

// DestroyHash is CryptDestroyHash.
func (t *Handles) DestroyHash(h Handle) error {
	v := t.hashes.remove(h)
	if v == nil {
		return capi.ERROR_INVALID_PARAMETER
	}
	return v.Destroy()
}

// DestroyKey is CryptDestroyKey.
func (t *Handles) DestroyKey(h Handle) error {
	k := t.keys.remove(h)
	if k == nil {
		return capi.ERROR_INVALID_PARAMETER
	}
	return k.Destroy()
}

// DeriveKey is CryptDeriveKey. Where the provider refuses, *key becomes 0; where it is not asked, *key stays. On entry *key is
// what CRYPT_UPDATE_KEY may name a key by.
func (t *Handles) DeriveKey(prov Handle, algid uint32, base Handle, flags uint32, key *Handle) error {
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
		*key, err = t.AddKey(c.UpdateKey(algid, h, flags, t.keys.get(*key)))
	} else {
		*key, err = t.AddKey(c.DeriveKey(algid, h, flags))
	}
	return err
}
