package store

import (
	"bytes"
	"testing"
	"time"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/locked"
)

// remembered reports whether a login with the PIN would do without Argon2id.
func remembered(t *testing.T, tok *Token, u UserType, pin []byte) bool {
	t.Helper()
	c, err := tok.newPINCheck(u)
	wants(t, err, ck.CKR_OK)
	kek := tok.pinCache.get(c, pin)
	defer locked.Free(kek)
	want, err := c.keySlot.derive(pin)
	if wants(t, err, ck.CKR_OK); kek != nil && !bytes.Equal(kek, want) {
		t.Error("what is remembered is not what Argon2id gives")
	}
	return kek != nil
}

// TestRememberedPIN holds when a PIN is remembered, and what forgets it.
func TestRememberedPIN(t *testing.T) {
	now := time.Duration(0)
	defer func(was func() time.Duration) { uptime = was }(uptime)
	uptime = func() time.Duration { return now }
	eachBackend(t, func(t *testing.T, p *Place) {
		tok, k := makeToken(t, p)
		enter := func(u UserType, pin []byte) {
			t.Helper()
			unlock(t, tok, u, pin).Wipe()
			if !remembered(t, tok, u, pin) {
				t.Error("a PIN that was right is not remembered")
			}
		}
		enter(SO, soPIN)
		enter(User, userPIN)
		for _, wrong := range [][]byte{soPIN, nil, userPIN[:len(userPIN)-1], append(bytes.Clone(userPIN), 0)} {
			if remembered(t, tok, User, wrong) {
				t.Errorf("the wrong PIN %q is remembered", wrong)
			}
			_, err := tok.Unlock(User, wrong)
			wants(t, err, ck.CKR_PIN_INCORRECT)
		}
		wantTries(t, tok, User, defaultMaxTries-4) // what is remembered counts all the same
		enter(User, userPIN)
		wantTries(t, tok, User, defaultMaxTries)

		now += pinLifetime - 1
		enter(User, userPIN) // which begins its time anew, and not the SO's
		now += pinLifetime - 1
		for _, forgets := range []struct {
			name string
			do   func()
			so   bool // forgets the SO's PIN too
		}{
			{"time", func() { now++ }, true},
			{"time, pruned", func() { now += pinLifetime; tok.ForgetOldPINs() }, true},
			{"time, asked for something", func() { now += pinLifetime; tok.pinCache.lastExpired.Store(0); _, _ = tok.Info() }, true},
			{"the PIN set anew", func() { wants(t, tok.SetPIN(k, User, userPIN), ck.CKR_OK) }, false},
			{"the end", p.ForgetPINs, true},
		} {
			forgets.do()
			if forgets.name == "time, pruned" || forgets.name == "time, asked for something" || forgets.name == "the end" {
				if tok.pinCache.cached != [userTypes]*cachedPIN{} {
					t.Errorf("%s: wiped nothing", forgets.name)
				}
			}
			if remembered(t, tok, User, userPIN) || remembered(t, tok, SO, soPIN) == forgets.so {
				t.Errorf("%s: a PIN is remembered, or is not", forgets.name)
			}
			enter(User, userPIN)
			enter(SO, soPIN)
		}
	})
}

// TestRememberedPINElsewhere sets a PIN in another process: what this one remembers is forgotten, and was never of use.
func TestRememberedPINElsewhere(t *testing.T) {
	p := newPlace(t, "bolt")
	tok, _ := makeToken(t, p)
	other := sameToken(t, p, tok)
	wants(t, other.ChangePIN(User, userPIN, []byte("new")), ck.CKR_OK)
	_, err := tok.Unlock(User, userPIN)
	wants(t, err, ck.CKR_PIN_INCORRECT)
	if tok.pinCache.cached[User] != nil {
		t.Error("a PIN that is none any more is remembered")
	}
	unlock(t, tok, User, []byte("new")).Wipe()
}

// TestRememberedPINLocked holds that a PIN that is locked is so for who remembers it.
func TestRememberedPINLocked(t *testing.T) {
	p := newPlace(t, "bolt")
	tok, _ := makeToken(t, p)
	other := sameToken(t, p, tok)
	for range defaultMaxTries {
		_, err := other.Unlock(User, []byte("wrong"))
		wants(t, err, ck.CKR_PIN_INCORRECT)
	}
	_, err := tok.Unlock(User, userPIN)
	wants(t, err, ck.CKR_PIN_LOCKED)
}
