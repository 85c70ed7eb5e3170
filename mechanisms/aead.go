package mechanisms

import (
	"crypto/cipher"

	"github.com/softcsp/softcsp/ck"
)

// An aead is an authenticated encryption or decryption in progress. Input in parts is collected until the end: a plaintext is
// not released before its tag has been found right.
type aead struct {
	cipher.AEAD
	nonce, aad []byte
	decrypt    bool
	exact      bool // whether the data must have the length that the parameter told
	length     uint // that length
	gather
}

var _ Cipher = (*aead)(nil)

func (a *aead) WholeLen(n int) int {
	if a.decrypt {
		return max(n-a.Overhead(), 0)
	}
	return n + a.Overhead()
}

func (a *aead) UpdateLen(int) int                 { return 0 }
func (a *aead) Update(_, src []byte) (int, error) { a.add(src); return 0, nil }
func (a *aead) FinalLen() int                     { return a.WholeLen(len(a.data)) }

func (a *aead) Final(dst []byte) (int, error) {
	n, err := a.Whole(dst, a.data)
	a.wipe()
	return n, err
}

func (a *aead) Whole(dst, src []byte) (int, error) {
	n := a.WholeLen(len(src))
	switch {
	case a.decrypt && (len(src) < a.Overhead() || a.exact && uint(n) != a.length):
		return 0, ck.CKR_ENCRYPTED_DATA_LEN_RANGE
	case !a.decrypt && a.exact && uint(len(src)) != a.length:
		return 0, ck.CKR_DATA_LEN_RANGE
	}
	if any, exact := overlap(dst[:n], src); any && !exact {
		src = ck.Clone(src)
		defer clear(src)
	}
	if !a.decrypt {
		a.Seal(dst[:0:n], a.nonce, src, a.aad)
		return n, nil
	}
	if _, err := a.Open(dst[:0:n], a.nonce, src, a.aad); err != nil {
		clear(dst[:n])
		return 0, ck.CKR_ENCRYPTED_DATA_INVALID
	}
	return n, nil
}
