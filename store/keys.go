package store

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"hash"
	"sync"
	"sync/atomic"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/locked"
	"github.com/softcsp/softcsp/internal/secret"
)

// A purpose is what a key is for. The key of each is derived from the master key by HKDF-SHA-256 under a label of its own, in which the
// version of the format stands (schema.go).
type purpose int

const (
	forObjects    purpose = iota // objects
	forTerms                     // terms of private objects
	forAudit                     // the audit trail
	forState                     // the state
	forSetHash                   // the set-hash
	forOperations                // the states of operations, which applications keep
	forSignatures                // public parts, signed: the seed of an Ed25519 key
	purposes
)

var purposeNames = [purposes]string{
	forObjects: "seal", forTerms: "index", forAudit: "audit", forState: "header", forSetHash: "set", forOperations: "operation", forSignatures: "voucher",
}

const keySize = 32

// Keys are the unlocked keys of a token. Wipe ends them; what is called with them later answers CKR_USER_NOT_LOGGED_IN.
type Keys struct {
	token        *Token
	initID       [16]byte      // of the token when it was unlocked: keys do not outlive C_InitToken
	version      atomic.Uint32 // of the token's format, which may be upgraded meanwhile
	voucher      []byte        // the public half of the key that public parts are signed under
	remembered   bool          // the token is one that a machine remembers
	hasUnvouched bool          // there were requests without a PIN when it was unlocked: unvouched.go

	mu sync.RWMutex
	// The master key, then the key of each purpose in the present version, then, of a token of version 1, those of that one. In
	// locked memory; nil when wiped.
	secret []byte
	wiped  atomic.Bool // the same, for who only asks

	verified verifiedSet
	searches searchCache
	termMACs sync.Pool // of *termMAC; emptied with the keys
}

// HasUnvouched reports whether there were requests of callers without a PIN when the keys were unlocked: Token.Unvouched returns them.
func (k *Keys) HasUnvouched() bool { return k.hasUnvouched }

// newKeys derives the keys from master, which it keeps.
func newKeys(t *Token, h *fixedHeader, master []byte) (*Keys, error) {
	versions := 1 + version - int(h.version)
	k := &Keys{token: t, initID: h.initID, remembered: h.remembered(), secret: locked.Alloc(masterSize + versions*int(purposes)*keySize)}
	k.version.Store(uint32(h.version))
	copy(k.secret, master)
	locked.Free(master)
	salt := append(h.uuid[:], h.initID[:]...)
	var err error
	secret.Do(func() {
		for v := h.version; v <= version && err == nil; v++ {
			err = k.derive(v, h.index, salt)
		}
		if err == nil {
			k.voucher = voucherOf(k.purposeKey(version, forSignatures))
		}
	})
	if err != nil {
		k.Wipe()
		return nil, err
	}
	return k, nil
}

// derive makes the keys of a version v of the format. The key for terms has the label of version index: a token that was upgraded keeps its terms
// and with them the old key.
func (k *Keys) derive(v, index uint16, salt []byte) error {
	for p := range purposes {
		label := v
		if p == forTerms {
			label = index
		}
		key, err := hkdf.Key(sha256.New, k.secret[:masterSize], salt, fmt.Sprintf("softcsp %d %s", label, purposeNames[p]), keySize)
		if err != nil {
			return err
		}
		copy(k.purposeKey(v, p), key)
	}
	return nil
}

// purposeKey returns the key of a purpose in a version of the format. The caller runs inside use.
func (k *Keys) purposeKey(v uint16, p purpose) []byte {
	at := masterSize + ((version-int(v))*int(purposes)+int(p))*keySize
	return k.secret[at : at+keySize : at+keySize]
}

// canRead reports whether there are keys for a version of the format.
func (k *Keys) canRead(v uint16) bool {
	return v <= version && len(k.secret) >= masterSize+(version-int(v)+1)*int(purposes)*keySize
}

// formatVersion returns the version that the token's format had when it was last looked at.
func (k *Keys) formatVersion() uint16 { return uint16(k.version.Load()) }

// master returns the master key. The caller runs inside use.
func (k *Keys) master() []byte { return k.secret[:masterSize:masterSize] }

// Wipe overwrites the keys. It waits for what uses them at that moment.
func (k *Keys) Wipe() {
	k.mu.Lock()
	locked.Free(k.secret)
	k.secret = nil
	k.wiped.Store(true)
	k.termMACs = sync.Pool{}
	k.mu.Unlock()
	k.searches.forget()
	k.verified.forget()
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
	if k == nil || k.token != t || k.wiped.Load() {
		return ck.CKR_USER_NOT_LOGGED_IN
	}
	return nil
}

// mac returns HMAC-SHA-256 under the key of a purpose. The caller runs inside use and secret.Do.
func (k *Keys) mac(p purpose) hash.Hash {
	h := hmac.New(sha256.New, k.purposeKey(version, p))
	h.Reset() // keeps the state after the key, to which each further Reset goes back
	return h
}
