package mechanisms

import (
	"crypto/cipher"
	"crypto/rand"

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
		src = append([]byte(nil), src...)
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

// leastFree is how many bits of a nonce must be free for its generation by chance.
const leastFree = 64

// generateNonce fills in a nonce behind its first fixed bits, in the caller's memory, as CK_GCM_WRAP_PARAMS and
// CK_CCM_WRAP_PARAMS ask for. The token may choose how for CKG_GENERATE: by chance, too. The counters are refused: the standard
// counts for each session, of which C_WrapKey keeps nothing from one call to the next.
func generateNonce(nonce []byte, fixed, generator uint) error {
	switch generator {
	case uint(ck.CKG_NO_GENERATE):
		return nil
	case uint(ck.CKG_GENERATE), uint(ck.CKG_GENERATE_RANDOM):
	default:
		return ck.CKR_MECHANISM_PARAM_INVALID
	}
	bits := 8 * uint(len(nonce))
	if fixed > bits || bits-fixed < min(leastFree, bits) {
		return ck.CKR_MECHANISM_PARAM_INVALID
	}
	first := nonce[fixed/8:]
	kept := first[0]
	if _, err := rand.Read(first); err != nil {
		return ck.CKR_DEVICE_ERROR
	}
	free := byte(0xff) >> (fixed % 8)
	first[0] = kept&^free | first[0]&free
	return nil
}
