package mechanisms

import (
	"crypto/cipher"
	"crypto/hmac"
	"hash"
	"slices"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/algorithm/cmac"
)

// newPRF begins a MAC mechanism as a pseudo-random function under a key. A mechanism that is none is
// CKR_MECHANISM_PARAM_INVALID, a key that does not go with it CKR_KEY_TYPE_INCONSISTENT. The function that it returns
// computes the MAC of the concatenation of parts, and appends it to dst.
func newPRF(m ck.MechanismType, k *Key) (prf func(dst []byte, parts ...[]byte) []byte, size uint, err error) {
	var mac hash.Hash
	switch m {
	case ck.CKM_AES_CMAC:
		mac, err = cmacOf(k, newAES, ck.CKK_AES)
	case ck.CKM_DES3_CMAC:
		mac, err = cmacOf(k, newDES, ck.CKK_DES2, ck.CKK_DES3)
	default:
		h := findHash(m)
		if h == nil || h.HMAC != m {
			return nil, 0, ck.CKR_MECHANISM_PARAM_INVALID
		}
		mac = hmac.New(h.New, k.Value)
	}
	if err != nil {
		return nil, 0, err
	}
	return func(dst []byte, parts ...[]byte) []byte {
		mac.Reset()
		for _, p := range parts {
			mac.Write(p)
		}
		return mac.Sum(dst)
	}, uint(mac.Size()), nil
}

func cmacOf(k *Key, newCipher func([]byte) (cipher.Block, error), types ...ck.KeyType) (hash.Hash, error) {
	if !slices.Contains(types, k.Type) {
		return nil, ck.CKR_KEY_TYPE_INCONSISTENT
	}
	b, err := newCipher(k.Value)
	if err != nil {
		return nil, err
	}
	return cmac.New(b), nil
}
