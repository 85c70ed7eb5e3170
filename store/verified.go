package store

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"
	"sync"

	"github.com/softcsp/softcsp/ck"
)

// A verifiedSet is what a process knows to be true of a token's objects, since it verified the set and followed it.
type verifiedSet struct {
	mu sync.Mutex
	verifiedState
}

// A verifiedState is what is known as of one commit.
type verifiedState struct {
	gen          uint64 // the commit up to which it follows
	source       source // where it was read last
	epoch        uint64 // how many commits changed the state
	headerDigest [sha256.Size]byte
	setHash      setHash
	entries      *manifest // nil where it knows nothing
}

// forget drops everything.
func (r *verifiedSet) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forgetLocked()
}

// forgetLocked is forget for who has the lock.
func (r *verifiedSet) forgetLocked() {
	r.verifiedState = verifiedState{}
}

// errRolledBack says that the file is older than what was seen of it.
var errRolledBack = tampered("the file was put back to an earlier state")

// follow brings the roster to the transaction's generation. The caller holds r.mu and runs inside use. It costs as much as
// there are changes; where they cannot be followed it looks at every object. The number of a commit does not tell whether there are any: where
// the file was put back and others have committed, it comes again.
func (k *Keys) follow(x tx) error {
	r := &k.verified
	gen, from := x.generation(), x.source()
	if r.entries != nil && r.gen == gen && r.source == from {
		return nil
	}
	head := headerDigestOf(x)
	if r.entries != nil && r.headerDigest == head {
		r.gen, r.source = gen, from
		return nil
	}
	s, err := k.token.readHeader(x)
	if err != nil {
		return err
	}
	if s.initID != k.initID {
		return fmt.Errorf("%w: the token was initialised anew", ck.CKR_USER_NOT_LOGGED_IN)
	}
	if k.formatVersion() != s.version {
		if k.formatVersion() > s.version {
			return errRolledBack
		}
		k.version.Store(uint32(s.version)) // another process has upgraded the token
		r.forgetLocked()
	}
	st, err := k.openState(x)
	if err != nil {
		return err
	}
	if st.epoch < r.epoch || r.entries != nil && st.epoch == r.epoch {
		return errRolledBack // and perhaps on from there another way, up to the same number
	}
	if !k.followJournal(x, st) {
		if err := k.readManifest(x, st); err != nil {
			return err
		}
	}
	r.gen, r.source, r.epoch, r.headerDigest, r.setHash = gen, from, st.epoch, head, st.setHash
	return nil
}

// followJournal follows the journal from the roster's generation, and reports whether that leads to the state s.
func (k *Keys) followJournal(x tx, s *state) bool {
	r := &k.verified
	if r.entries == nil {
		return false
	}
	ids, ok := journalSince(x, r.gen)
	if !ok {
		return false
	}
	var old, fresh []member
	for _, id := range sortUnique(ids) {
		if e, had := r.entries.get(id); had {
			old = append(old, member{id, e})
		}
		if e, has := parseEntry(x.get(bManifest, id[:])); has {
			fresh = append(fresh, member{id, e})
		}
	}
	now := r.setHash
	k.updateSetHash(&now, fresh, old, false)
	if now.total != s.setHash.total || uint64(r.entries.count()-len(old)+len(fresh)) != s.count {
		return false
	}
	for _, i := range old {
		r.entries.remove(i.id)
	}
	for _, i := range fresh {
		r.entries.set(i.id, i.entry)
	}
	return true
}

// readManifest reads the whole roll, and compares its sum with that of the state s.
func (k *Keys) readManifest(x tx, s *state) error {
	items := make([]member, 0, min(s.count, 1<<20))
	err := x.each(bManifest, nil, func(key, value []byte) error {
		e, ok := parseEntry(value)
		if !ok || len(key) != len(ID{}) {
			return tampered("the roll has a damaged entry at %x", key)
		}
		items = append(items, member{ID(key), e})
		return nil
	})
	if err != nil {
		return err
	}
	var now setHash
	k.updateSetHash(&now, items, nil, false)
	if now.total != s.setHash.total || uint64(len(items)) != s.count {
		return k.explainMismatch(items, s)
	}
	k.verified.entries = newManifest(items)
	return nil
}

// explainMismatch says what is wrong with items that do not sum to the state s.
func (k *Keys) explainMismatch(items []member, s *state) error {
	off := s.setHash // less what is there: what is missing
	k.updateSetHash(&off, nil, items, true)
	var id ID
	for i, v := range off.perBit {
		switch v {
		case 0:
		case off.total[0]:
			id[i/8] |= 1 << (i % 8)
		default:
			return tampered("several of the %d objects were deleted, added or put back to an earlier state", s.count)
		}
	}
	was := "deleted"
	if uint64(len(items)) > s.count {
		was = "added"
	} else if slices.ContainsFunc(items, func(i member) bool { return i.id == id }) {
		was = "put back to an earlier state"
	}
	return tampered("object %s was %s", id, was)
}

// sortIDs sorts ids and returns them.
func sortIDs(ids []ID) []ID {
	slices.SortFunc(ids, func(a, b ID) int { return bytes.Compare(a[:], b[:]) })
	return ids
}
