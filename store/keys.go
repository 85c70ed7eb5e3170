package store

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"hash"
	"sync"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/locked"
	"github.com/softcsp/softcsp/internal/secret"
)

// A purpose is what a key is for. Each is derived from the master key by HKDF-SHA-256 under its own label.
type purpose int

const (
	sealing  purpose = iota // objects
	blinding                // terms of private objects
	auditing                // the audit trail
	heading                 // the header's state
	counting                // the set-hash
	saving                  // the states of operations, which applications keep
	purposes
)

var labels = [purposes]string{
	sealing:  "softcsp 1 seal",
	blinding: "softcsp 1 index",
	auditing: "softcsp 1 audit",
	heading:  "softcsp 1 header",
	counting: "softcsp 1 set",
	saving:   "softcsp 1 operation",
}

const keySize = 32

// Keys are the unlocked keys of a token. Wipe ends them; what is called with them later answers CKR_USER_NOT_LOGGED_IN.
type Keys struct {
	token *Token
	era   [16]byte // of the token when it was unlocked: keys do not outlive C_InitToken

	mu     sync.RWMutex
	secret []byte // the master key, then the key of each purpose, in locked memory; nil when wiped

	set   roster
	finds finds
}

// newKeys derives the keys from master, which it keeps.
func newKeys(t *Token, s *static, master []byte) (*Keys, error) {
	k := &Keys{token: t, era: s.era, secret: locked.Alloc(masterSize + int(purposes)*keySize)}
	copy(k.secret, master)
	locked.Free(master)
	salt := append(s.uuid[:], s.era[:]...)
	var err error
	secret.Do(func() {
		for p := range purposes {
			var key []byte
			if key, err = hkdf.Key(sha256.New, k.secret[:masterSize], salt, labels[p], keySize); err != nil {
				return
			}
			copy(k.key(p), key)
		}
	})
	if err != nil {
		k.Wipe()
		return nil, err
	}
	return k, nil
}

// key returns the key of a purpose. The caller runs inside use.
func (k *Keys) key(p purpose) []byte {
	at := masterSize + int(p)*keySize
	return k.secret[at : at+keySize : at+keySize]
}

// master returns the master key. The caller runs inside use.
func (k *Keys) master() []byte { return k.secret[:masterSize:masterSize] }

// Wipe overwrites the keys. It waits for what uses them at that moment.
func (k *Keys) Wipe() {
	k.mu.Lock()
	locked.Free(k.secret)
	k.secret = nil
	k.mu.Unlock()
	k.finds.forget()
	k.set.forget()
}

// use runs f, which may use the keys. What handles key bytes runs inside secret.Do besides; not all of f does, because a
// transaction's memory is not worth erasing.
func (k *Keys) use(f func() error) error {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.secret == nil {
		return ck.CKR_USER_NOT_LOGGED_IN
	}
	return f()
}

// alive returns an error where the keys are wiped, or another token's.
func (k *Keys) alive(t *Token) error {
	if k == nil || k.token != t {
		return ck.CKR_USER_NOT_LOGGED_IN
	}
	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.secret == nil {
		return ck.CKR_USER_NOT_LOGGED_IN
	}
	return nil
}

// mac returns HMAC-SHA-256 under the key of a purpose. The caller runs inside use and secret.Do.
func (k *Keys) mac(p purpose) hash.Hash { return hmac.New(sha256.New, k.key(p)) }
