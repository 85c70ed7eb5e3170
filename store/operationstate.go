package store

import (
	"golang.org/x/crypto/chacha20poly1305"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/locked"
)

// SavedOverhead is how much longer Save makes a state, in bytes.
const SavedOverhead = chacha20poly1305.NonceSizeX + chacha20poly1305.Overhead

// Save seals the state of an operation for an application to keep. Only keys of the same token open it.
func (k *Keys) Save(state []byte) (saved []byte, err error) {
	saved = make([]byte, chacha20poly1305.NonceSizeX, len(state)+SavedOverhead)
	random(saved)
	err = k.use(func() error {
		aead, err := chacha20poly1305.NewX(k.purposeKey(version, forOperations))
		if err == nil {
			saved = aead.Seal(saved, saved, state, k.savedData())
		}
		return err
	})
	return saved, err
}

// Restore opens what Save sealed, in locked memory that the caller frees: CKR_SAVED_STATE_INVALID where it is anything else.
func (k *Keys) Restore(saved []byte) (state []byte, err error) {
	if len(saved) < SavedOverhead {
		return nil, ck.CKR_SAVED_STATE_INVALID
	}
	state = locked.Alloc(len(saved) - SavedOverhead)
	err = k.use(func() error {
		aead, err := chacha20poly1305.NewX(k.purposeKey(version, forOperations))
		if err != nil {
			return err
		}
		nonce := saved[:chacha20poly1305.NonceSizeX]
		if _, err := aead.Open(state[:0], nonce, saved[len(nonce):], k.savedData()); err != nil {
			return ck.CKR_SAVED_STATE_INVALID
		}
		return nil
	})
	if err != nil {
		locked.Free(state)
		return nil, err
	}
	return state, nil
}

// savedData returns the associated data of a state: the token, and the format.
func (k *Keys) savedData() []byte {
	return append(append([]byte("softcsp operation"), 0, version), k.token.uuidBytes[:]...)
}
