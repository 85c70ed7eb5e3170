package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/locked"
)

// A loginCount counts the logins of one user: each is counted, durably, before the PIN is looked at, and a success clears the
// count. One login at a time is between the two, so that any number of logins with the right PIN do not lock each other out,
// and a process that is killed there has used one attempt up.
type loginCount struct{ attempts, cleared uint64 }

// remaining returns how many attempts are left of limit.
func (c loginCount) remaining(limit uint32) uint {
	if c.cleared > c.attempts || c.attempts-c.cleared >= uint64(limit) {
		return 0
	}
	return uint(uint64(limit) - (c.attempts - c.cleared))
}

// loginCounts are the counts of each user. Processes without a key change them, so no key authenticates them.
type loginCounts [userTypes]loginCount

const loginCountsSize = userTypes * 16

// readLoginCounts reads the counts. Counts that are damaged are those of a locked PIN.
func readLoginCounts(x tx) (counts loginCounts) {
	b := x.get(bHeader, headerTries)
	if len(b) != loginCountsSize {
		return loginCounts{{cleared: 1}, {cleared: 1}}
	}
	for w := range counts {
		counts[w] = loginCount{binary.BigEndian.Uint64(b[16*w:]), binary.BigEndian.Uint64(b[16*w+8:])}
	}
	return counts
}

// write puts the counts into the header.
func (counts loginCounts) write(x tx) error {
	b := make([]byte, 0, loginCountsSize)
	for _, w := range counts {
		b = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(b, w.attempts), w.cleared)
	}
	return x.put(bHeader, headerTries, b)
}

// A pinCheck is a login in the making, with the key slot that it is to open as it was before its PIN went through Argon2id.
type pinCheck struct {
	header  *fixedHeader
	keySlot keySlot
	user    UserType
}

// errSlotChanged says that the key slot is not the one that the PIN went through Argon2id for.
var errSlotChanged = fmt.Errorf("%w: the PIN was set anew meanwhile", ck.CKR_FUNCTION_FAILED)

// retryChanged calls f again where the key slot was changed meanwhile, but not for ever: somebody who can write the file could change it each
// time.
func retryChanged(f func() error) (err error) {
	for range 8 {
		if err = f(); !errors.Is(err, errSlotChanged) {
			return err
		}
	}
	return err
}

// newPINCheck reads what a login needs. A PIN that is locked is not worth computing anything for.
func (t *Token) newPINCheck(u UserType) (*pinCheck, error) {
	c := &pinCheck{user: u}
	err := t.backend.view(func(x tx) (err error) {
		if c.header, err = t.readHeader(x); err != nil {
			return err
		}
		t.cacheInfo(x, c.header) // for a process that gives up its rights once it is logged in
		c.keySlot = slices.Clone(x.get(bHeader, headerSlots[u]))
		if c.keySlot == nil && u == User {
			return ck.CKR_USER_PIN_NOT_INITIALIZED
		}
		if err := c.keySlot.check(); err != nil {
			return err
		}
		if t.uncounted.remaining(u, readLoginCounts(x)[u].remaining(c.header.maxTries)) == 0 {
			return ck.CKR_PIN_LOCKED
		}
		return nil
	})
	return c, err
}

// checkCurrent tests that the key slot is still the one in the file.
func (c *pinCheck) checkCurrent(t *Token, x tx) error {
	h, err := t.readHeader(x)
	if err != nil {
		return err
	}
	if h.initID != c.header.initID || !bytes.Equal(x.get(bHeader, headerSlots[c.user]), c.keySlot) {
		return errSlotChanged
	}
	return nil
}

// countAndUnwrap counts the attempt, opens the key slot with the key that the PIN gave, and clears the count: one at a time in all processes.
// The count is on the disk before the slot is opened: who kills this process then has not had a guess that is not counted.
func (t *Token) countAndUnwrap(c *pinCheck, kek []byte) (master []byte, err error) {
	err = t.alone(func(update func(func(tx) error) error) error {
		err := update(func(x tx) error {
			if err := c.checkCurrent(t, x); err != nil {
				return err
			}
			counts := readLoginCounts(x)
			if counts[c.user].remaining(c.header.maxTries) == 0 {
				return ck.CKR_PIN_LOCKED
			}
			counts[c.user].attempts++
			return counts.write(x)
		})
		if err != nil {
			return err
		}
		if master, err = c.keySlot.unwrap(c.header, c.user, kek); err != nil {
			return err
		}
		return update(func(x tx) error {
			counts := readLoginCounts(x)
			counts[c.user].cleared = counts[c.user].attempts
			return counts.write(x)
		})
	})
	if t.env.readonlyLogin && ck.Code(err) == ck.CKR_TOKEN_WRITE_PROTECTED {
		return t.unwrapUncounted(c, kek)
	}
	if err != nil {
		locked.Free(master)
		return nil, err
	}
	t.uncounted.forget(c.user)
	return master, nil
}

// uncounted are the failed logins of this process that it did not count in the file.
type uncounted struct {
	mu    sync.Mutex
	wrong [userTypes]uint
}

// remaining returns how many of the attempts that are left by the file are left to this process.
func (c *uncounted) remaining(u UserType, left uint) uint {
	c.mu.Lock()
	defer c.mu.Unlock()
	return left - min(left, c.wrong[u])
}

// forget forgets failed logins, after one that did not fail.
func (c *uncounted) forget(u UserType) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wrong[u] = 0
}

// unwrapUncounted is countAndUnwrap for a check, which writes nothing, and for a token that cannot be written to, where the administrator has said that
// this is to work. Who can read the file can copy it, and guess there as often as they like: what is counted here keeps off who can only call the library.
func (t *Token) unwrapUncounted(c *pinCheck, kek []byte) (master []byte, err error) {
	u := &t.uncounted
	u.mu.Lock()
	defer u.mu.Unlock()
	err = t.backend.view(func(x tx) error {
		if err := c.checkCurrent(t, x); err != nil {
			return err
		}
		if readLoginCounts(x)[c.user].remaining(c.header.maxTries) <= u.wrong[c.user] {
			return ck.CKR_PIN_LOCKED
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if master, err = c.keySlot.unwrap(c.header, c.user, kek); err != nil {
		u.wrong[c.user]++
		return nil, err
	}
	u.wrong[c.user] = 0
	return master, nil
}

// checkPIN counts an attempt, checks the PIN, and returns the master key. What takes long, Argon2id, is done before, and again where
// the PIN was set anew meanwhile; with a PIN that this process has logged in with before it is not done.
func (t *Token) checkPIN(u UserType, pin []byte) (c *pinCheck, master []byte, err error) {
	return t.checkPINBy(u, pin, t.countAndUnwrap)
}

// checkPINBy is checkPIN with the function that counts the attempt and opens the key slot.
func (t *Token) checkPINBy(u UserType, pin []byte, countAndUnwrap func(*pinCheck, []byte) ([]byte, error)) (c *pinCheck, master []byte, err error) {
	if u < 0 || u >= userTypes {
		return nil, nil, ck.CKR_USER_TYPE_INVALID
	}
	err = retryChanged(func() (err error) {
		if c, err = t.newPINCheck(u); err != nil {
			return err
		}
		kek := t.pinCache.get(c, pin)
		recalled := kek != nil
		if !recalled {
			if kek, err = c.keySlot.derive(pin); err != nil {
				return err
			}
		}
		defer func() { locked.Free(kek) }()
		if master, err = countAndUnwrap(c, kek); err == nil {
			t.pinCache.put(c, pin, kek)
		} else if recalled {
			// The attempt may not have been counted: then the time that it took must not tell that the PIN is right.
			again, _ := c.keySlot.derive(pin)
			locked.Free(again)
		}
		return err
	})
	return c, master, err
}

// Unlock counts an attempt, checks the PIN, and returns the keys: CKR_PIN_INCORRECT, CKR_PIN_LOCKED, or
// CKR_USER_PIN_NOT_INITIALIZED. A success clears the count. It verifies the set of all objects, and answers
// CKR_DEVICE_ERROR, with what is wrong in its text, where the file was tampered with.
func (t *Token) Unlock(u UserType, pin []byte) (*Keys, error) {
	k, _, err := t.unlock(u, pin)
	return k, err
}

// unlock is Unlock. It returns the key slot that the PIN opened as well.
func (t *Token) unlock(u UserType, pin []byte) (*Keys, keySlot, error) {
	c, master, err := t.checkPIN(u, pin)
	if err != nil {
		return nil, nil, err
	}
	k, err := newKeys(t, c.header, master)
	if err != nil {
		return nil, nil, err
	}
	if k.formatVersion() != version {
		t.tryUpgrade(k)
	}
	err = t.backend.view(func(x tx) error {
		if err := k.verify(x); err != nil {
			return err
		}
		return x.each(bUnvouched, nil, func(_, _ []byte) error {
			k.hasUnvouched = true
			return nil
		})
	})
	if err != nil {
		k.Wipe()
		return nil, nil, err
	}
	if k.formatVersion() == version {
		t.rememberVoucher(k)
	}
	return k, c.keySlot, nil
}

// Confirm counts an attempt and checks the PIN as Unlock does, for who has the keys already.
func (t *Token) Confirm(u UserType, pin []byte) error {
	_, master, err := t.checkPIN(u, pin)
	locked.Free(master)
	return err
}

// verify verifies the header and the set of all objects, or what has changed since that was done.
func (k *Keys) verify(x tx) error {
	return k.use(func() error {
		k.verified.mu.Lock()
		defer k.verified.mu.Unlock()
		return k.follow(x)
	})
}

// SetPIN wraps the master key anew under pin, and clears that user's count of failed logins.
func (t *Token) SetPIN(k *Keys, u UserType, pin []byte) error {
	if err := k.alive(t); err != nil {
		return err
	}
	if u < 0 || u >= userTypes {
		return ck.CKR_USER_TYPE_INVALID
	}
	return retryChanged(func() error { return t.setPIN(k, u, pin, nil) })
}

// ChangePIN sets a PIN for who knows the old one. It counts an attempt as Unlock does.
func (t *Token) ChangePIN(u UserType, old, pin []byte) error {
	return retryChanged(func() error {
		k, slot, err := t.unlock(u, old)
		if err != nil {
			return err
		}
		defer k.Wipe()
		return t.setPIN(k, u, pin, slot)
	})
}

// setPIN wraps the master key anew under pin. Where old is not nil and is not the key slot in the file any more it answers errSlotChanged. What
// Argon2id costs is read from the header, which is verified before, and again in the transaction that writes the new slot.
func (t *Token) setPIN(k *Keys, u UserType, pin []byte, old keySlot) error {
	var raw []byte
	var h *fixedHeader
	err := t.backend.view(func(x tx) error {
		return k.use(func() (err error) {
			if _, err = k.openState(x); err != nil {
				return err
			}
			raw = slices.Clone(x.get(bHeader, headerStatic))
			h, err = t.readHeader(x)
			return err
		})
	})
	if err != nil {
		return err
	}
	fresh := newKeySlot(h)
	kek, err := fresh.derive(pin)
	if err != nil {
		return err
	}
	defer locked.Free(kek)
	err = k.use(func() error {
		fresh = fresh.wrap(h, u, kek, k.master())
		return nil
	})
	if err != nil {
		return err
	}
	defer t.pinCache.forgetOne(u)
	return t.change(k, func(c *change) error {
		if !bytes.Equal(c.x.get(bHeader, headerStatic), raw) || old != nil && !bytes.Equal(c.x.get(bHeader, headerSlots[u]), old) {
			return errSlotChanged
		}
		if err := c.x.put(bHeader, headerSlots[u], fresh); err != nil {
			return err
		}
		n := readLoginCounts(c.x)
		if n[u].cleared > n[u].attempts {
			n[u] = loginCount{}
		}
		n[u].cleared = n[u].attempts
		return n.write(c.x)
	})
}

// Reformat checks the SO PIN, counting as Unlock does, destroys every object and the user PIN, and makes a new master
// key: C_InitToken on a token that is initialised. UUID and serial stay.
func (t *Token) Reformat(f Format) error {
	if err := f.check(); err != nil {
		return err
	}
	c, master, err := t.checkPIN(SO, f.SOPIN)
	if err != nil {
		return err
	}
	locked.Free(master)
	defer t.pinCache.forget()
	i, err := t.newInitialToken(f)
	if err != nil {
		return err
	}
	defer i.keys.Wipe()
	err = t.backend.replace(func(x tx) error {
		h, err := t.readHeader(x)
		if err == nil && h.initID != c.header.initID {
			return fmt.Errorf("%w: the token was initialised anew meanwhile", ck.CKR_FUNCTION_FAILED)
		}
		return err
	}, i.write)
	if err == nil {
		t.rememberVoucher(i.keys)
	}
	return err
}

// An initialToken is a token as it is made: a new master key under the SO PIN, and under the user's where there is one, and no
// object.
type initialToken struct {
	header *fixedHeader
	slots  [userTypes]keySlot
	keys   *Keys
}

// check tests what was asked for.
func (f *Format) check() error {
	if f.MaxTries > 1<<31 || len(f.Label) > 1<<10 || f.Separation >= separations {
		return fmt.Errorf("%w: a limit of %d tries, a label of %d bytes, %v", ck.CKR_ARGUMENTS_BAD, f.MaxTries, len(f.Label), f.Separation)
	}
	_, err := parseKDF(f.KDF)
	return err
}

// defaultMaxTries is the limit where none is asked for.
const defaultMaxTries = 10

// newInitialToken makes the keys of a new token. The caller wipes them.
func (t *Token) newInitialToken(f Format) (*initialToken, error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	cost, _ := parseKDF(f.KDF)
	h := &fixedHeader{
		version: version, index: version, uuid: t.uuidBytes, kdf: cost, relaxed: f.Relaxed, maxTries: uint32(f.MaxTries), label: f.Label,
		separation: f.Separation,
	}
	if h.maxTries == 0 {
		h.maxTries = defaultMaxTries
	}
	random(h.initID[:])
	master := locked.Alloc(masterSize)
	random(master)
	i := &initialToken{header: h}
	for w, pin := range [userTypes][]byte{User: f.UserPIN, SO: f.SOPIN} {
		if pin == nil && UserType(w) == User {
			continue
		}
		b := newKeySlot(h)
		kek, err := b.derive(pin)
		if err != nil {
			locked.Free(master)
			return nil, err
		}
		i.slots[w] = b.wrap(h, UserType(w), kek, master)
		locked.Free(kek)
	}
	var err error
	if i.keys, err = newKeys(t, h, master); err != nil {
		return nil, err
	}
	h.voucher = i.keys.voucher
	return i, nil
}

// write writes the header of the new token.
func (i *initialToken) write(x tx) error {
	parts := [][2][]byte{{headerStatic, i.header.encode()}, {headerJournalStart, beBytes(x.generation())}}
	for w, b := range i.slots {
		if b != nil {
			parts = append(parts, [2][]byte{headerSlots[w], b})
		}
	}
	for _, kv := range parts {
		if err := x.put(bHeader, kv[0], kv[1]); err != nil {
			return err
		}
	}
	if err := (loginCounts{}).write(x); err != nil {
		return err
	}
	return i.keys.use(func() error { return x.put(bHeader, headerState, i.keys.sealState(x, &state{})) })
}
