package store

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"
	"sync"

	"github.com/softcsp/softcsp/ck"
)

// A roster is what a process knows to be true of a token's objects, since it verified the set and followed it.
type roster struct {
	mu sync.Mutex
	rosterState
}

// A rosterState is what is known as of one commit.
type rosterState struct {
	gen     uint64 // the commit up to which it follows
	from    source // where it was read last
	epoch   uint64 // how many commits changed the state
	head    [sha256.Size]byte
	sum     sum
	entries *roll // nil where it knows nothing
}

// forget drops everything.
func (r *roster) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reset()
}

// reset is forget for who has the lock.
func (r *roster) reset() {
	r.rosterState = rosterState{}
}

// errWentBack says that the file is older than what was seen of it.
var errWentBack = tampered("the file was put back to an earlier state")

// follow brings the roster to the transaction's generation. The caller holds r.mu and runs inside use. It costs as much as
// there are changes; where they cannot be followed it looks at every object. The number of a commit does not tell whether there are any: where
// the file was put back and others have committed, it comes again.
func (k *Keys) follow(x tx) error {
	r := &k.set
	gen, from := x.generation(), x.source()
	if r.entries != nil && r.gen == gen && r.from == from {
		return nil
	}
	head := headOf(x)
	if r.entries != nil && r.head == head {
		r.gen, r.from = gen, from
		return nil
	}
	s, err := k.token.readStatic(x)
	if err != nil {
		return err
	}
	if s.era != k.era {
		return fmt.Errorf("%w: the token was initialised anew", ck.CKR_USER_NOT_LOGGED_IN)
	}
	if k.now() != s.version {
		if k.now() > s.version {
			return errWentBack
		}
		k.version.Store(uint32(s.version)) // another process has upgraded the token
		r.reset()
	}
	st, err := k.openState(x)
	if err != nil {
		return err
	}
	if st.epoch < r.epoch || r.entries != nil && st.epoch == r.epoch {
		return errWentBack // and perhaps on from there another way, up to the same number
	}
	if !k.catchUp(x, st) {
		if err := k.takeStock(x, st); err != nil {
			return err
		}
	}
	r.gen, r.from, r.epoch, r.head, r.sum = gen, from, st.epoch, head, st.sum
	return nil
}

// catchUp follows the journal from the roster's generation, and reports whether that leads to the state s.
func (k *Keys) catchUp(x tx, s *state) bool {
	r := &k.set
	if r.entries == nil {
		return false
	}
	ids, ok := journalSince(x, r.gen)
	if !ok {
		return false
	}
	var old, fresh []item
	for _, id := range unique(ids) {
		if e, had := r.entries.get(id); had {
			old = append(old, item{id, e})
		}
		if e, has := parseEntry(x.get(bRoll, id[:])); has {
			fresh = append(fresh, item{id, e})
		}
	}
	now := r.sum
	k.tally(&now, fresh, old, false)
	if now.all != s.sum.all || uint64(r.entries.len()-len(old)+len(fresh)) != s.count {
		return false
	}
	for _, i := range old {
		r.entries.drop(i.id)
	}
	for _, i := range fresh {
		r.entries.set(i.id, i.entry)
	}
	return true
}

// takeStock reads the whole roll, and compares its sum with that of the state s.
func (k *Keys) takeStock(x tx, s *state) error {
	items := make([]item, 0, min(s.count, 1<<20))
	err := x.each(bRoll, nil, func(key, value []byte) error {
		e, ok := parseEntry(value)
		if !ok || len(key) != len(ID{}) {
			return tampered("the roll has a damaged entry at %x", key)
		}
		items = append(items, item{ID(key), e})
		return nil
	})
	if err != nil {
		return err
	}
	var now sum
	k.tally(&now, items, nil, false)
	if now.all != s.sum.all || uint64(len(items)) != s.count {
		return k.accuse(items, s)
	}
	k.set.entries = newRoll(items)
	return nil
}

// accuse says what is wrong with items that do not sum to the state s.
func (k *Keys) accuse(items []item, s *state) error {
	off := s.sum // less what is there: what is missing
	k.tally(&off, nil, items, true)
	var id ID
	for i, v := range off.bits {
		switch v {
		case 0:
		case off.all[0]:
			id[i/8] |= 1 << (i % 8)
		default:
			return tampered("several of the %d objects were deleted, added or put back to an earlier state", s.count)
		}
	}
	was := "deleted"
	if uint64(len(items)) > s.count {
		was = "added"
	} else if slices.ContainsFunc(items, func(i item) bool { return i.id == id }) {
		was = "put back to an earlier state"
	}
	return tampered("object %s was %s", id, was)
}

// sortIDs sorts ids and returns them.
func sortIDs(ids []ID) []ID {
	slices.SortFunc(ids, func(a, b ID) int { return bytes.Compare(a[:], b[:]) })
	return ids
}
