package mechanisms

import (
	"errors"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/algorithm/keywrap"
)

// semiblock is the unit of AES key wrap in bytes (RFC 3394, 2).
const semiblock = 8

// keyWrapRows are AES key wrap (RFC 3394), with padding (RFC 5649), and with the padding of PKCS #7 before it.
// CKM_AES_KEY_WRAP_PAD, which PKCS #11 3.0 gave up without ever having defined it, is RFC 5649 as in SoftHSM2.
var keyWrapRows = []Mechanism{
	zeroFilled(keyWrapRow(ck.CKM_AES_KEY_WRAP, keywrap.RFC3394)),
	keyWrapRow(ck.CKM_AES_KEY_WRAP_PAD, keywrap.RFC5649),
	keyWrapRow(ck.CKM_AES_KEY_WRAP_KWP, keywrap.RFC5649),
	keyWrapRow(ck.CKM_AES_KEY_WRAP_PKCS7, keywrap.PKCS7),
}

func keyWrapRow(t ck.MechanismType, form keywrap.Form) Mechanism {
	encrypt := func(k *Key, p *ck.Param) (Cipher, error) {
		w, err := newKeyWrap(k, p, form)
		if err != nil {
			return nil, err
		}
		return &wholeInputCipher{size: w.WrappedLen, run: func(dst, src []byte) (int, error) {
			n, err := w.Wrap(dst, src)
			return n, keyWrapError(err, ck.CKR_DATA_LEN_RANGE)
		}}, nil
	}
	decrypt := func(k *Key, p *ck.Param) (Cipher, error) {
		w, err := newKeyWrap(k, p, form)
		if err != nil {
			return nil, err
		}
		return &wholeInputCipher{size: func(n int) int { return max(n-semiblock, 0) }, inexact: form != keywrap.RFC3394, run: func(dst, src []byte) (int, error) {
			err := w.CheckWrapped(len(src))
			if err != nil {
				return 0, keyWrapError(err, ck.CKR_ENCRYPTED_DATA_LEN_RANGE)
			}
			buf := ck.Clone(src)
			defer clear(buf)
			data, err := w.Unwrap(buf)
			return copy(dst, data), keyWrapError(err, ck.CKR_ENCRYPTED_DATA_LEN_RANGE)
		}}, nil
	}
	return Mechanism{Type: t, Keys: aesKeys, Min: 16, Max: 32, Encrypt: encrypt, Decrypt: decrypt, Authentic: true, Seals: true,
		Wrap: func(k *Key, p *ck.Param, value []byte) ([]byte, error) {
			w, err := newKeyWrap(k, p, form)
			if err != nil {
				return nil, err
			}
			if form == keywrap.RFC3394 && len(value)%semiblock != 0 { // PKCS #11: zeros fill the last semiblock
				value = append(make([]byte, 0, len(value)+semiblock), value...)
				value = value[:len(value)+semiblock-len(value)%semiblock]
				defer clear(value)
			}
			out := make([]byte, w.WrappedLen(len(value)))
			n, err := w.Wrap(out, value)
			if err != nil {
				return nil, ck.CKR_KEY_SIZE_RANGE
			}
			return out[:n], nil
		},
		Unwrap: unwrapWith(decrypt)}
}

// newKeyWrap reads the parameter, an IV or nothing, and returns key wrap with the key.
func newKeyWrap(k *Key, p *ck.Param, form keywrap.Form) (*keywrap.Wrapper, error) {
	var iv []byte
	if p.Present() {
		iv = p.Rest()
	}
	if err := p.Done(); err != nil {
		return nil, err
	}
	switch len(iv) {
	case 0:
		iv = nil
	case form.IVSize():
	default:
		return nil, ck.FieldError("the length of the IV")
	}
	b, err := keyedAES(k, nil)
	if err != nil {
		return nil, err
	}
	return keywrap.New(b, form, iv), nil
}

// keyWrapError is the code of an error of package keywrap. length is the one for a length that it does not take.
func keyWrapError(err error, length ck.RV) error {
	switch {
	case errors.Is(err, keywrap.ErrLength):
		return length
	case err != nil:
		return ck.CKR_ENCRYPTED_DATA_INVALID
	}
	return nil
}
