package store

import (
	"bytes"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/chacha20poly1305"
	"golang.org/x/sys/unix"

	"github.com/softcsp/softcsp/internal/locked"
	"github.com/softcsp/softcsp/internal/secret"
)

// A pinCache has the PINs that this process has logged in with, so that logging in with one of them again does not take another
// Argon2id: for each user the key that it gave, sealed under a key that comes of a random one and the PIN. So the PIN is needed
// all the same, and a wrong one costs what it always does. Attempts are counted as ever.
type pinCache struct {
	mu          sync.Mutex
	cached      [userTypes]*cachedPIN
	lastExpired perSecond
}

// A cachedPIN is one of them.
type cachedPIN struct {
	keySlot keySlot       // what it opens
	at      time.Duration // of the last login with it
	mem     []byte        // a random key, a nonce, and the sealed key that opens the key slot, in locked memory
}

const (
	// pinLifetime is how long a PIN is remembered that nobody logs in with. There is no timer for it: what is too old is not used,
	// and is wiped when the token is next asked for something: Info, Unlock, ForgetOldPINs.
	pinLifetime = 15 * time.Minute

	cachedNonce  = sha256.Size
	cachedSealed = cachedNonce + chacha20poly1305.NonceSizeX
	cachedSize   = cachedSealed + chacha20poly1305.KeySize + chacha20poly1305.Overhead
)

// uptime is a clock that goes on while the machine sleeps. Tests have one of their own.
var uptime = func() time.Duration {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &t)
	return time.Duration(t.Nano())
}

// get returns, in locked memory, the key that the PIN gave when it opened the same key slot before, nil where it did not.
func (p *pinCache) get(c *pinCheck, pin []byte) (kek []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.expireLocked()
	k := p.cached[c.user]
	if k == nil {
		return nil
	}
	if !bytes.Equal(k.keySlot, c.keySlot) {
		p.dropLocked(c.user)
		return nil
	}
	kek = locked.Alloc(chacha20poly1305.KeySize)
	var err error
	secret.Do(func() {
		ad := c.keySlot.associatedData(c.header, c.user)
		_, err = newAEAD(k.derive(pin, ad)).Open(kek[:0], k.mem[cachedNonce:cachedSealed], k.mem[cachedSealed:], ad)
	})
	if err != nil {
		locked.Free(kek)
		return nil
	}
	return kek
}

// put keeps the key that the PIN gave, now that it has opened the key slot.
func (p *pinCache) put(c *pinCheck, pin, kek []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dropLocked(c.user)
	k := &cachedPIN{keySlot: c.keySlot, at: uptime(), mem: locked.Alloc(cachedSize)}
	random(k.mem[:cachedSealed])
	secret.Do(func() {
		ad := c.keySlot.associatedData(c.header, c.user)
		newAEAD(k.derive(pin, ad)).Seal(k.mem[:cachedSealed], k.mem[cachedNonce:cachedSealed], kek, ad)
	})
	p.cached[c.user] = k
}

// derive is HKDF-SHA-256 of the random key, with what the key slot is bound to for its salt and the PIN for its info (RFC 5869; a key of
// this length is one block). The caller runs inside secret.Do.
func (k *cachedPIN) derive(pin, context []byte) []byte {
	prk, err := hkdf.Extract(sha256.New, k.mem[:cachedNonce], context)
	if err != nil {
		panic(err)
	}
	h := hmac.New(sha256.New, prk)
	h.Write(pin)
	h.Write([]byte{1})
	return h.Sum(nil)
}

// expire wipes what is too old.
func (p *pinCache) expire() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.expireLocked()
}

// expireIfDue is expire for callers that come often.
func (p *pinCache) expireIfDue() {
	if p.lastExpired.due() {
		p.expire()
	}
}

// A perSecond lets what is asked for often be done once a second, by the clock that is cheap: when it was last done, in milliseconds.
type perSecond struct{ atomic.Int64 }

// due reports whether a second has passed, or the clock was set.
func (s *perSecond) due() bool {
	now := time.Now().UnixMilli()
	if uint64(now-s.Load()) < 1000 {
		return false
	}
	s.Store(now)
	return true
}

// expireLocked is expire for who has the lock.
func (p *pinCache) expireLocked() {
	for w, k := range p.cached {
		if k != nil && uptime()-k.at >= pinLifetime {
			p.dropLocked(UserType(w))
		}
	}
}

// forget wipes everything.
func (p *pinCache) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for w := range p.cached {
		p.dropLocked(UserType(w))
	}
}

// forgetOne wipes the PIN of one user, which has been set anew.
func (p *pinCache) forgetOne(u UserType) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dropLocked(u)
}

// dropLocked wipes the PIN of one user, for who has the lock.
func (p *pinCache) dropLocked(u UserType) {
	if k := p.cached[u]; k != nil {
		locked.Free(k.mem)
		p.cached[u] = nil
	}
}
