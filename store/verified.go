package store

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"
	"sync"

	"github.com/softcsp/softcsp/ck"
)

// A verifiedSet is what a process with keys knows to be true of a token's objects: it has verified the set of them, and what was committed since.
type verifiedSet struct {
	mu sync.Mutex
	verifiedState
}

// A verifiedState is what is known as of one commit.
type verifiedState struct {
	gen          uint64 // the generation that it is of
	source       source // where it was read last
	stateNumber  uint64 // state.number
	headerDigest [sha256.Size]byte
	setHash      setHash
	entries      *manifest // nil where it knows nothing
}

// forget drops everything.
func (v *verifiedSet) forget() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.forgetLocked()
}

// forgetLocked is forget for who has the lock.
func (v *verifiedSet) forgetLocked() {
	v.verifiedState = verifiedState{}
}

// errRolledBack says that the file is older than what was seen of it.
var errRolledBack = tampered("the file was put back to an earlier state")

// follow brings what is known to the transaction's generation. The caller has the lock of k.verified and runs inside use. It costs as much as
// there are changes; where they cannot be followed it looks at every object. The generation alone does not tell whether there are changes:
// where the file was put back to an earlier state and others have committed to that, the same numbers come again.
func (k *Keys) follow(x tx) error {
	v := &k.verified
	gen, from := x.generation(), x.source()
	if v.entries != nil && v.gen == gen && v.source == from {
		return nil
	}
	head := headerDigestOf(x)
	if v.entries != nil && v.headerDigest == head {
		v.gen, v.source = gen, from
		return nil
	}
	h, err := k.token.readHeader(x)
	if err != nil {
		return err
	}
	if h.initID != k.initID {
		return fmt.Errorf("%w: the token was initialised anew", ck.CKR_USER_NOT_LOGGED_IN)
	}
	if k.formatVersion() != h.version {
		if k.formatVersion() > h.version {
			return errRolledBack
		}
		k.version.Store(uint32(h.version)) // another process has upgraded the token
		v.forgetLocked()
	}
	st, err := k.openState(x)
	if err != nil {
		return err
	}
	if st.number < v.stateNumber || v.entries != nil && st.number == v.stateNumber {
		return errRolledBack // and perhaps others have committed since, up to the same number
	}
	if !k.followJournal(x, st) {
		if err := k.readManifest(x, st); err != nil {
			return err
		}
	}
	v.gen, v.source, v.stateNumber, v.headerDigest, v.setHash = gen, from, st.number, head, st.setHash
	return nil
}

// followJournal follows the journal from the generation up to which the objects are known, and reports whether that leads to the state s.
func (k *Keys) followJournal(x tx, s *state) bool {
	v := &k.verified
	if v.entries == nil {
		return false
	}
	ids, ok := journalSince(x, v.gen)
	if !ok {
		return false
	}
	var old, fresh []member
	for _, id := range sortUnique(ids) {
		if e, had := v.entries.get(id); had {
			old = append(old, member{id, e})
		}
		if e, has := parseEntry(x.get(bManifest, id[:])); has {
			fresh = append(fresh, member{id, e})
		}
	}
	now := v.setHash
	k.updateSetHash(&now, fresh, old, false)
	if now.total != s.setHash.total || uint64(v.entries.count()-len(old)+len(fresh)) != s.count {
		return false
	}
	for _, m := range old {
		v.entries.remove(m.id)
	}
	for _, m := range fresh {
		v.entries.set(m.id, m.entry)
	}
	return true
}

// readManifest reads the whole manifest, and compares its hash with that of the state s.
func (k *Keys) readManifest(x tx, s *state) error {
	members := make([]member, 0, min(s.count, 1<<20))
	err := x.each(bManifest, nil, func(key, value []byte) error {
		e, ok := parseEntry(value)
		if !ok || len(key) != len(ID{}) {
			return tampered("the roll has a damaged entry at %x", key)
		}
		members = append(members, member{ID(key), e})
		return nil
	})
	if err != nil {
		return err
	}
	var now setHash
	k.updateSetHash(&now, members, nil, false)
	if now.total != s.setHash.total || uint64(len(members)) != s.count {
		return k.explainMismatch(members, s)
	}
	k.verified.entries = newManifest(members)
	return nil
}

// explainMismatch says what is wrong with members whose hash is not that of the state s.
func (k *Keys) explainMismatch(members []member, s *state) error {
	off := s.setHash // less what is there, this is the hash of what is missing
	k.updateSetHash(&off, nil, members, true)
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
	if uint64(len(members)) > s.count {
		was = "added"
	} else if slices.ContainsFunc(members, func(m member) bool { return m.id == id }) {
		was = "put back to an earlier state"
	}
	return tampered("object %s was %s", id, was)
}

// sortIDs sorts ids and returns them.
func sortIDs(ids []ID) []ID {
	slices.SortFunc(ids, func(a, b ID) int { return bytes.Compare(a[:], b[:]) })
	return ids
}
