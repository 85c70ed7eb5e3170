package office

import (
	"encoding/binary"

	"github.com/softcsp/softcsp/capi"
	"github.com/softcsp/softcsp/csp"
)

// CSP derives keys with a context of package csp: with one of [capi.MS_ENH_RSA_AES_PROV], which has all algorithms. The keys
// are objects of the context's token that cannot be exported.
type CSP struct{ Context *csp.Context }

var _ Keys = CSP{}

// Derive implements [Keys]: the calls that Office makes.
func (c CSP) Derive(algorithm capi.AlgID, bits uint32, base []byte) (Key, error) {
	hash, err := c.Context.CreateHash(capi.CALG_SHA1, nil, 0)
	if err != nil {
		return nil, err
	}
	defer hash.Destroy()
	if err := hash.HashData(base, 0); err != nil {
		return nil, err
	}
	key, err := c.Context.DeriveKey(algorithm, hash, bits<<16)
	if err != nil {
		return nil, err
	}
	if algorithm != capi.CALG_RC4 {
		mode := binary.LittleEndian.AppendUint32(nil, capi.CRYPT_MODE_ECB)
		if err := key.SetParam(capi.KP_MODE, mode, 0); err != nil {
			key.Destroy()
			return nil, err
		}
	}
	return cspKey{key}, nil
}

// A cspKey is a Key.
type cspKey struct{ key *csp.Key }

// Decrypt implements [Key]. What is decrypted has no padding, so none is taken off: that is what not being final means.
func (k cspKey) Decrypt(b []byte) error {
	_, err := k.key.Decrypt(nil, false, 0, b)
	return err
}

// Destroy implements [Key].
func (k cspKey) Destroy() { k.key.Destroy() }
