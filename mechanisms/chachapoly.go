package mechanisms

import (
	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/algorithm/chacha"
	"github.com/softcsp/softcsp/internal/algorithm/inparts"
	"github.com/softcsp/softcsp/internal/secret"
)

// chachaPoly is ChaCha20 with Poly1305, with a CK_SALSA20_CHACHA20_POLY1305_PARAMS.
func chachaPoly(decrypt bool) beginFunc {
	return func(k *Key, p *ck.Param) (Cipher, error) {
		nonce, aad, err := readChaChaPoly(p)
		if err != nil {
			return nil, err
		}
		if len(k.Value) != chachaKey {
			return nil, ck.CKR_KEY_SIZE_RANGE
		}
		var mode inparts.AEAD
		secret.Do(func() { mode, err = chacha.NewPoly1305(k.Value, len(nonce)) })
		if err != nil {
			return nil, err
		}
		return newAEAD(mode, nonce, aad, decrypt, chacha.MaxLen), nil
	}
}

// readChaChaPoly reads the parameter.
func readChaChaPoly(p *ck.Param) (nonce, aad []byte, err error) {
	if nonce, err = readPolyNonce(p); err != nil {
		return nil, nil, err
	}
	aad = p.Bytes()
	return nonce, aad, p.Done()
}

// readPolyNonce reads pNonce and ulNonceLen. That is in bits in the standard, and in bytes in common callers. No number is a good length in
// both.
func readPolyNonce(p *ck.Param) ([]byte, error) {
	addr, n := p.Ulong(), p.Ulong()
	switch n {
	case 64, 96, 192:
		n /= 8
	case 8, 12, 24:
	default:
		return nil, ck.FieldError("ulNonceLen")
	}
	return p.BytesAt(addr, n), nil
}
