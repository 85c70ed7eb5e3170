package dpapi

import (
	"github.com/softcsp/softcsp/capi"
	"github.com/softcsp/softcsp/csp"
)

// CSP derives keys with a context of package csp: with one of [capi.MS_ENH_RSA_AES_PROV], which has all algorithms. The keys
// are objects of the context's token that cannot be exported.
type CSP struct{ Context *csp.Context }

var _ Keys = CSP{}

// Derive implements [Keys]: the calls that CryptUnprotectData makes.
func (c CSP) Derive(hash capi.AlgID, value []byte, cipher capi.AlgID) (Key, error) {
	h, err := c.Context.CreateHash(hash, nil, 0)
	if err != nil {
		return nil, err
	}
	defer h.Destroy()
	if err := h.SetValue(value); err != nil {
		return nil, err
	}
	key, err := c.Context.DeriveKey(cipher, h, 0)
	if err != nil {
		return nil, err
	}
	return cspKey{key}, nil
}

// A cspKey is a Key.
type cspKey struct{ key *csp.Key }

// Decrypt implements [Key].
func (k cspKey) Decrypt(b []byte) ([]byte, error) {
	n, err := k.key.Decrypt(nil, true, 0, b)
	if err != nil {
		return nil, err
	}
	return b[:n], nil
}

// Destroy implements [Key].
func (k cspKey) Destroy() { k.key.Destroy() }
