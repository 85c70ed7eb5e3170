package store

import (
	"log/slog"
	"strings"
	"sync/atomic"
)

// A Token is one token.
type Token struct {
	uuid      string
	uuidBytes [16]byte
	backend   backend

	header       atomic.Pointer[cachedHeader]
	info         atomic.Pointer[cachedInfo]
	searches     searchCache // what is found without keys
	unvouchedIDs atomic.Pointer[unvouchedIDs]
	journal      journal
	pinCache     pinCache
	publicChecks publicChecks
	together     together
	env          environment

	uncounted uncounted
}

// An environment is what a place tells its tokens.
type environment struct {
	log           *slog.Logger
	vouchers      *voucherDir
	separation    Separation // of a token of version 1 when it is upgraded
	readonlyLogin bool       // logins need not be counted in the file
}

// A cachedInfo is what everyone may know, in one generation.
type cachedInfo struct {
	gen uint64
	Info
}

// newToken returns the token of that name.
func newToken(raw [16]byte, be backend, env environment) *Token {
	return &Token{uuid: formatUUID(raw), uuidBytes: raw, backend: be, env: env}
}

// serial returns the 16 digits that stand for a token in CK_TOKEN_INFO.
func serial(uuid string) string { return strings.ReplaceAll(uuid, "-", "")[:16] }

// UUID returns the name of the token.
func (t *Token) UUID() string { return t.uuid }

// Generation changes with each commit of any process. Asking for it is no system call.
func (t *Token) Generation() uint64 { return t.backend.generation() }

// Info returns what everyone may know. It is kept in memory until the generation changes. Where the file is not a token of
// softcsp, or of a version that this one does not read, it answers CKR_TOKEN_NOT_RECOGNIZED; where it is damaged
// CKR_DEVICE_ERROR; where it is gone CKR_TOKEN_NOT_PRESENT.
func (t *Token) Info() (Info, error) {
	t.pinCache.expireIfDue()
	t.backend.refresh()
	if i := t.info.Load(); i != nil && i.gen == t.Generation() {
		return t.withUncounted(i.Info), nil
	}
	err := t.backend.view(func(x tx) error {
		h, err := t.readHeader(x)
		if err == nil {
			t.cacheInfo(x, h)
		}
		return err
	})
	if err != nil {
		if old := t.info.Load(); old != nil && t.Lost() {
			return t.withUncounted(old.Info), nil
		}
		return Info{}, err
	}
	return t.withUncounted(t.info.Load().Info), nil
}

// Separation returns how far the token's keys are to be kept apart, as Info does. It takes no lock while the generation stays.
func (t *Token) Separation() (Separation, error) {
	if i := t.info.Load(); i != nil && i.gen == t.Generation() {
		return i.Separation, nil
	}
	i, err := t.Info()
	return i.Separation, err
}

// cacheInfo keeps what everyone may know.
func (t *Token) cacheInfo(x tx, h *fixedHeader) {
	counts := readLoginCounts(x)
	objects := uint64(0)
	if b := x.get(bHeader, headerState); len(b) >= stateHead {
		objects = beUint64(b[8:])
	}
	t.info.Store(&cachedInfo{x.generation(), Info{
		UUID:       t.uuid,
		Serial:     serial(t.uuid),
		Label:      h.label,
		KDF:        h.kdf.String(),
		Relaxed:    h.relaxed,
		Version:    int(h.version),
		Separation: h.separation,
		Voucher:    fingerprint(h.voucher),
		Objects:    objects,
		UserPIN:    x.get(bHeader, headerSlots[User]) != nil,
		UserTries:  counts[User].remaining(h.maxTries),
		SOTries:    counts[SO].remaining(h.maxTries),
		MaxTries:   uint(h.maxTries),
	}})
}

// withUncounted takes off the failed logins that this process could not count in the file.
func (t *Token) withUncounted(i Info) Info {
	i.UserTries, i.SOTries = t.uncounted.remaining(User, i.UserTries), t.uncounted.remaining(SO, i.SOTries)
	return i
}

// update runs f and commits what it wrote. f returns the objects that it touched, for the journal; done is called when the
// commit is made, before anybody else sees it. f may be run again, as backend says.
func (t *Token) update(f func(tx) ([]ID, error), done func()) error {
	return t.backend.update(t.journalled(f, done))
}

// journalled returns f and done as a backend takes them, with the journal written and noted.
func (t *Token) journalled(f func(tx) ([]ID, error), done func()) (func(tx) error, func()) {
	var gen uint64
	var ids []ID
	return func(x tx) (err error) {
			if ids, err = f(x); err != nil {
				return err
			}
			gen = x.generation() + 1
			return writeJournal(x, gen, ids)
		}, func() {
			if done != nil {
				done()
			}
			t.journal.push(gen, ids)
		}
}

// alone runs f, which commits once or several times what touches no object, while nobody else reads or writes. What f gives to update may
// be run again, as backend says.
func (t *Token) alone(f func(update func(func(tx) error) error) error) error {
	return t.backend.alone(func(update updater) error {
		return f(func(g func(tx) error) error {
			return update(t.journalled(func(x tx) ([]ID, error) { return nil, g(x) }, nil))
		})
	})
}

// ForgetOldPINs wipes what this process remembers of PINs that nobody has logged in with for long.
func (t *Token) ForgetOldPINs() { t.pinCache.expire() }

// ForgetPINs wipes what this process remembers of PINs.
func (t *Token) ForgetPINs() { t.pinCache.forget() }
