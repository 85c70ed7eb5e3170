package mechanisms

import (
	"bytes"
	"crypto/cipher"
	"crypto/subtle"
	"errors"

	"github.com/softcsp/softcsp/ck"
)

// An aeadMode is a mode of authenticated encryption with a key.
type aeadMode interface {
	cipher.AEAD
	// begin begins an encryption in parts, of length bytes where the mode must know that before.
	begin(nonce, aad []byte, length uint64) sealing
}

// A sealing is an authenticated encryption, or decryption, in parts.
type sealing interface {
	// encrypt and decrypt process the next part. dst and src are the same memory, or have none in common.
	encrypt(dst, src []byte)
	decrypt(dst, src []byte)
	// tag ends it and appends the tag to b.
	tag(b []byte) []byte
}

// encryptApart encrypts a part where dst and src may overlap in any way. They have the same length.
func encryptApart(s sealing, dst, src []byte) {
	if shared, exact := overlap(dst, src); shared && !exact {
		src = ck.Clone(src)
		defer clear(src)
	}
	s.encrypt(dst, src)
}

// sealWhole is Seal of a cipher.AEAD that works in parts.
func sealWhole(s sealing, dst, data []byte) []byte {
	n := len(dst)
	dst = append(dst, data...)
	s.encrypt(dst[n:], dst[n:])
	return s.tag(dst)
}

// errTag says that a tag is not the one of the data.
var errTag = errors.New("wrong tag")

// openWhole is Open of a cipher.AEAD that works in parts, with tags of so many bytes.
func openWhole(s sealing, tag int, dst, sealed []byte) ([]byte, error) {
	data, want := sealed[:len(sealed)-tag], bytes.Clone(sealed[len(sealed)-tag:])
	n := len(dst)
	dst = append(dst, data...)
	s.decrypt(dst[n:], dst[n:])
	if subtle.ConstantTimeCompare(s.tag(nil), want) != 1 {
		clear(dst[n:])
		return nil, errTag
	}
	return dst, nil
}

// An aead is an authenticated encryption or decryption in progress. Encryption in parts gives each part at once. Ciphertext in parts is
// collected until the end: a plaintext is not released before its tag has been found right.
type aead struct {
	cipher.AEAD
	mode       aeadMode // the same, and in parts
	nonce, aad []byte
	decrypt    bool
	exact      bool   // whether the data must have the length that the parameter told
	length     uint   // that length
	limit      uint64 // how long the data may be
	tag        int    // bytes
	*parts            // nil before the first
	small      [64]byte
}

// parts are what an aead in parts has.
type parts struct {
	running sealing
	done    uint64   // what has been encrypted
	held    segments // what is to be decrypted
}

var _ Cipher = (*aead)(nil)

// newAEAD begins an operation. It copies nonce and aad.
func newAEAD(mode aeadMode, nonce, aad []byte, decrypt bool, limit uint64) *aead {
	a := &aead{mode: mode, decrypt: decrypt, limit: limit}
	if g, ok := mode.(*gcm); ok { // the same methods, and a call less
		a.AEAD, a.tag = g.AEAD, gcmTag
	} else {
		a.AEAD, a.tag = mode, mode.Overhead()
	}
	a.nonce = ck.AppendWiping(a.small[:0:len(a.small)], nonce)
	if room := len(a.small) - len(nonce); room >= len(aad) {
		a.aad = append(a.small[len(nonce):len(nonce)], aad...)
	} else {
		a.aad = ck.Clone(aad)
	}
	return a
}

func (a *aead) WholeLen(n int) int {
	if a.decrypt {
		return max(n-a.tag, 0)
	}
	return n + a.tag
}

func (a *aead) UpdateLen(n int) int {
	if a.decrypt {
		return 0
	}
	return n
}

func (a *aead) FinalLen() int {
	switch {
	case !a.decrypt:
		return a.tag
	case a.parts == nil:
		return 0
	}
	return a.WholeLen(a.held.n)
}

func (a *aead) Update(dst, src []byte) (int, error) {
	a.start()
	if a.decrypt {
		return 0, a.held.add(src)
	}
	if all := a.done + uint64(len(src)); all > a.limit || a.exact && all > uint64(a.length) {
		return 0, ck.CKR_DATA_LEN_RANGE
	}
	encryptApart(a.running, dst[:len(src)], src)
	a.done += uint64(len(src))
	return len(src), nil
}

// start begins an operation in parts, if it has not begun.
func (a *aead) start() {
	if a.parts != nil {
		return
	}
	a.parts = new(parts)
	if !a.decrypt {
		a.running = a.mode.begin(a.nonce, a.aad, uint64(a.length))
	}
}

func (a *aead) Final(dst []byte) (int, error) {
	a.start()
	if a.decrypt {
		return a.decryptHeld(dst)
	}
	if a.exact && a.done != uint64(a.length) {
		return 0, ck.CKR_DATA_LEN_RANGE
	}
	return len(a.running.tag(dst[:0:a.tag])), nil
}

// decryptHeld decrypts what has come in parts.
func (a *aead) decryptHeld(dst []byte) (int, error) {
	defer a.held.wipe()
	if err := a.checkSealedLen(a.held.n); err != nil {
		return 0, err
	}
	tag := a.held.cut(a.tag)
	n := a.held.n
	if !a.held.decryptTo(a.mode.begin(a.nonce, a.aad, uint64(n)), tag, dst[:n]) {
		return 0, ck.CKR_ENCRYPTED_DATA_INVALID
	}
	return n, nil
}

// checkSealedLen tells whether n bytes can be a ciphertext with its tag.
func (a *aead) checkSealedLen(n int) error {
	data := uint64(n - a.tag)
	if n < a.tag || a.exact && data != uint64(a.length) || data > a.limit {
		return ck.CKR_ENCRYPTED_DATA_LEN_RANGE
	}
	return nil
}

func (a *aead) Whole(dst, src []byte) (int, error) {
	n := a.WholeLen(len(src))
	if a.decrypt {
		if err := a.checkSealedLen(len(src)); err != nil {
			return 0, err
		}
	} else if a.exact && uint(len(src)) != a.length || uint64(len(src)) > a.limit {
		return 0, ck.CKR_DATA_LEN_RANGE
	}
	if shared, exact := overlap(dst[:n], src); shared && !exact {
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
