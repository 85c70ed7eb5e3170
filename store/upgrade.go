package store

import (
	"context"
	"errors"
	"log/slog"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/locked"
)

// A token of version 1 becomes one of version 2 at the first login, whosever: the master key that the PIN opens is all that is
// needed. Every object is opened and sealed anew, in one commit. The key slots stay as they are, since the other PIN is not known,
// until their PINs are set anew; so do terms, which are hashes that cannot be made anew without what was hashed, and with them the
// key that they were hashed under.

// upgrade makes a token of version 1 one of version 2. Where another process has done so it has nothing to do. With keep a copy of
// the file is left beside it first.
func (t *Token) upgrade(k *Keys, keep bool) error {
	var next verifiedState
	commit, done := t.journalled(func(x tx) ([]ID, error) {
		next = verifiedState{}
		return nil, k.use(func() (err error) {
			k.verified.mu.Lock()
			defer k.verified.mu.Unlock()
			if err := k.follow(x); err != nil || k.formatVersion() == version {
				return err
			}
			next, err = k.resealAll(x)
			return err
		})
	}, func() { k.noteUpgraded(&next) })
	if c, ok := t.backend.(copier); ok && keep {
		return c.aloneWithCopy(func(update updater) error { return update(commit, done) })
	}
	return t.backend.update(commit, done)
}

// tryUpgrade is upgrade where it can be done: a token that cannot be written to is read as it is. What else is wrong with it shows
// when it is read.
func (t *Token) tryUpgrade(k *Keys) {
	if err := t.upgrade(k, false); err != nil {
		level := slog.LevelError
		if errors.Is(err, ck.CKR_TOKEN_WRITE_PROTECTED) {
			level = slog.LevelDebug
		}
		t.env.log.Log(context.Background(), level, "the token stays at format version 1", "token", t.uuid, "error", err)
		return
	}
	t.env.log.Info("the token was upgraded to format version 2", "token", t.uuid, "separation", t.env.separation.String())
}

// resealAll writes version 2 of everything, and returns what will be known of the objects then. The caller has the lock of k.verified, which
// follows x.
func (k *Keys) resealAll(x tx) (next verifiedState, err error) {
	h, err := k.token.readHeader(x)
	if err != nil {
		return next, err
	}
	v := &k.verified
	ids := make([]ID, 0, v.entries.count())
	for id := range v.entries.all() {
		ids = append(ids, id)
	}
	members := make([]member, 0, len(ids))
	for _, id := range sortIDs(ids) {
		m, err := k.reseal(x, id)
		if err != nil {
			return next, err
		}
		members = append(members, m)
	}
	fresh := *h
	fresh.version, fresh.separation, fresh.voucher = version, k.token.env.separation, k.voucher
	if err := x.put(bHeader, headerStatic, fresh.encode()); err != nil {
		return next, err
	}
	if err := restartJournal(x, x.generation()+1); err != nil {
		return next, err
	}
	now := state{number: v.stateNumber + 1, count: uint64(len(members))}
	k.updateSetHashIn(version, &now.setHash, members, nil, true)
	if err := x.put(bHeader, headerState, k.sealState(x, &now)); err != nil {
		return next, err
	}
	return verifiedState{gen: x.generation() + 1, stateNumber: now.number, setHash: now.setHash, headerDigest: headerDigestOf(x), entries: newManifest(members)}, nil
}

// reseal seals one object anew.
func (k *Keys) reseal(x tx, id ID) (m member, err error) {
	is, _ := k.verified.entries.get(id)
	raw := x.get(bObjects, id[:])
	if raw == nil {
		return m, tampered("object %s was deleted by something else than softcsp", id)
	}
	o, ok := parseObject(1, raw)
	if !ok || o.entry() != is {
		return m, tampered("object %s is not in the state that softcsp left it in", id)
	}
	r := Record{Public: o.public}
	if err := k.unseal(id, &o, &r); err != nil {
		return m, err
	}
	defer locked.Free(r.Sealed)
	terms := make([]term, o.count())
	for n := range terms {
		terms[n] = o.term(n)
	}
	sealed := k.sealObject(id, o.rev, terms, &r)
	fresh, ok := parseObject(version, sealed)
	if !ok {
		return m, ck.CKR_GENERAL_ERROR
	}
	m = member{id, fresh.entry()}
	if err := x.put(bObjects, id[:], sealed); err != nil {
		return m, err
	}
	return m, x.put(bManifest, id[:], m.encode())
}

// restartJournal begins the journal anew, after the commit start: it need not name every object to tell that all have changed.
func restartJournal(x tx, start uint64) error {
	var old [][]byte
	err := x.each(bJournal, nil, func(key, _ []byte) error {
		old = append(old, append([]byte{}, key...))
		return nil
	})
	for _, key := range old {
		if err == nil {
			err = x.del(bJournal, key)
		}
	}
	if err != nil {
		return err
	}
	return x.put(bHeader, headerJournalStart, beBytes(start))
}

// noteUpgraded notes what the upgrade has made true.
func (k *Keys) noteUpgraded(next *verifiedState) {
	k.verified.mu.Lock()
	defer k.verified.mu.Unlock()
	if k.verified.entries == nil || next.entries == nil {
		return // wiped meanwhile, or there was nothing to do
	}
	k.verified.verifiedState = *next
	k.version.Store(version)
}

// Upgrade makes a token of version 1 one of version 2, as the first login does, and leaves a copy of the file beside it. It
// counts an attempt as Unlock does. It reports whether there was anything to do.
func (t *Token) Upgrade(u UserType, pin []byte) (bool, error) {
	c, master, err := t.checkPIN(u, pin)
	if err != nil {
		return false, err
	}
	k, err := newKeys(t, c.header, master)
	if err != nil {
		return false, err
	}
	defer k.Wipe()
	if k.formatVersion() == version {
		return false, nil
	}
	if err := t.upgrade(k, true); err != nil {
		return false, err
	}
	t.rememberVoucher(k)
	return true, nil
}

// CopySuffix is how the name of a file's copy from before an upgrade ends. Nothing lists it as a token.
const CopySuffix = ".v1"

// aloneWithCopy implements copier.
func (b *boltFile) aloneWithCopy(f func(update updater) error) error {
	return b.aloneAfter(b.keepCopy, f)
}

// keepCopy leaves a copy of the token's file beside it. The caller has the lock.
func (b *boltFile) keepCopy(ld *lockedDir, from file, size int64) error {
	fresh := b.sidecar[:len(b.sidecar)-len(".lock")] + ".new"
	_ = ld.remove(fresh)
	out, err := ld.create(fresh)
	if err != nil {
		return err
	}
	err = copyContent(out, from, size, func() error { return nil })
	if err == nil {
		err = out.sync()
	}
	if e := out.close(); err == nil {
		err = e
	}
	if err == nil {
		err = ld.rename(fresh, b.name+CopySuffix, true)
	}
	if err != nil {
		_ = ld.remove(fresh)
		return err
	}
	return ld.sync()
}
