package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"math/bits"
	"slices"
	"sync"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/softcsp/softcsp/ck"
)

// The set of all objects is held together by a keyed multiset hash (MSet-Add-Hash of Clarke, Devadas, van Dijk, Gassend,
// Suh, "Incremental Multiset Hash Functions", ASIACRYPT 2003): the sum modulo 2^256 of HMAC-SHA-256(id, revision, tag). It
// costs the same to change whatever the number of objects. The sum must not be seen, or enough of them could be
// combined to another's; it is sealed in the header's state, and the seal's tag authenticates the rest of the header.
//
// Beside the sum stands, for each bit of an ID, the sum modulo 2^64 of the elements that have the bit. Where one object was
// deleted or put back, each of these is off by that object's element or by nothing, and so they spell its ID.

// An entry is what makes one state of one object: its revision and the tag of its seal.
type entry struct {
	rev uint64
	tag [tagSize]byte
}

const (
	tagSize   = chacha20poly1305.Overhead
	entrySize = 8 + tagSize
)

// encode returns the entry as it stands in the roll.
func (e entry) encode() []byte {
	return append(be64(e.rev), e.tag[:]...)
}

// parseEntry reads what encode made.
func parseEntry(b []byte) (e entry, ok bool) {
	if len(b) != entrySize {
		return e, false
	}
	return entry{binary.BigEndian.Uint64(b), [tagSize]byte(b[8:])}, true
}

// A sum is the multiset hash, least significant word first, and its part for each bit of the IDs.
type sum struct {
	all  [4]uint64
	bits [128]uint64
}

const sumSize = 8 * (4 + 128)

// An element is the value of one entry of one ID.
type element [4]uint64

// A meter makes elements. It is used inside use, by one goroutine.
type meter struct {
	h   hash.Hash
	in  [len(ID{}) + entrySize]byte
	out [sha256.Size]byte
}

// meter returns one under the key of the set-hash.
func (k *Keys) meter() *meter { return &meter{h: k.mac(counting)} }

// measure returns the element of an entry.
func (m *meter) measure(id ID, e entry) (v element) {
	copy(m.in[:], id[:])
	binary.BigEndian.PutUint64(m.in[len(id):], e.rev)
	copy(m.in[len(id)+8:], e.tag[:])
	m.h.Reset()
	m.h.Write(m.in[:])
	m.h.Sum(m.out[:0])
	for i := range v {
		v[i] = binary.LittleEndian.Uint64(m.out[8*i:])
	}
	return v
}

// add adds an element to the total.
func (s *sum) add(v element) {
	var carry uint64
	for i := range s.all {
		s.all[i], carry = bits.Add64(s.all[i], v[i], carry)
	}
}

// sub takes an element from the total.
func (s *sum) sub(v element) {
	var borrow uint64
	for i := range s.all {
		s.all[i], borrow = bits.Sub64(s.all[i], v[i], borrow)
	}
}

// mark adds sign times an element to the parts of the bits of id.
func (s *sum) mark(id ID, v element, sign uint64) {
	for i := range s.bits {
		s.bits[i] += sign * v[0] * uint64(id[i/8]>>(i%8)&1)
	}
}

// encode returns the sum as it is sealed.
func (s *sum) encode() []byte {
	b := make([]byte, 0, sumSize)
	for _, v := range s.all {
		b = binary.BigEndian.AppendUint64(b, v)
	}
	for _, v := range s.bits {
		b = binary.BigEndian.AppendUint64(b, v)
	}
	return b
}

// decode reads what encode made; b has the right length.
func (s *sum) decode(b []byte) {
	for i := range s.all {
		s.all[i] = binary.BigEndian.Uint64(b[8*i:])
	}
	for i := range s.bits {
		s.bits[i] = binary.BigEndian.Uint64(b[8*(len(s.all)+i):])
	}
}

// A roster is what a process knows to be true of a token's objects, since it verified the set and followed it.
type roster struct {
	mu      sync.Mutex
	gen     uint64 // the commit up to which it follows
	epoch   uint64 // how many commits changed the state
	head    [sha256.Size]byte
	sum     sum
	entries map[ID]entry
}

// forget drops everything.
func (r *roster) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gen, r.epoch, r.head, r.sum, r.entries = 0, 0, [sha256.Size]byte{}, sum{}, nil
}

// A state is the authenticated part of the header that changes.
type state struct {
	epoch, count uint64
	sum          sum
}

const (
	stateHead = 8 + 8
	stateSize = stateHead + chacha20poly1305.NonceSizeX + sumSize + chacha20poly1305.Overhead
)

// stateContext returns the associated data of the state: everything of the header that nobody without the keys may change.
func stateContext(x tx, head []byte) []byte {
	ad := append([]byte("softcsp state"), 0, version)
	for _, part := range [][]byte{x.get(bHeader, keyStatic), x.get(bHeader, keySlots[User]), x.get(bHeader, keySlots[SO])} {
		ad = binary.BigEndian.AppendUint32(ad, uint32(len(part)))
		ad = append(ad, part...)
	}
	return append(ad, head...)
}

// sealState returns the state as it stands in the file. The rest of the header is in x already. The caller runs inside use.
func (k *Keys) sealState(x tx, s *state) []byte {
	b := make([]byte, stateHead+chacha20poly1305.NonceSizeX, stateSize)
	binary.BigEndian.PutUint64(b, s.epoch)
	binary.BigEndian.PutUint64(b[8:], s.count)
	random(b[stateHead:])
	aead, _ := chacha20poly1305.NewX(k.key(heading))
	return aead.Seal(b, b[stateHead:], s.sum.encode(), stateContext(x, b[:stateHead]))
}

// openState reads the state and verifies the header. The caller runs inside use.
func (k *Keys) openState(x tx) (*state, error) {
	b := x.get(bHeader, keyState)
	if len(b) != stateSize {
		return nil, tampered("the header's state is damaged")
	}
	aead, _ := chacha20poly1305.NewX(k.key(heading))
	nonce := b[stateHead : stateHead+chacha20poly1305.NonceSizeX]
	plain, err := aead.Open(nil, nonce, b[stateHead+len(nonce):], stateContext(x, b[:stateHead]))
	if err != nil {
		return nil, tampered("the header was changed by something else than softcsp")
	}
	s := &state{epoch: binary.BigEndian.Uint64(b), count: binary.BigEndian.Uint64(b[8:])}
	s.sum.decode(plain)
	return s, nil
}

// headOf returns a digest of the whole header as the state sees it.
func headOf(x tx) [sha256.Size]byte {
	return sha256.Sum256(stateContext(x, x.get(bHeader, keyState)))
}

// follow brings the roster to the transaction's generation. The caller holds r.mu and runs inside use. It costs as much as
// there are changes; where they cannot be followed it looks at every object.
func (k *Keys) follow(x tx) error {
	r := &k.set
	gen := x.generation()
	if r.entries != nil && r.gen == gen {
		return nil
	}
	s, err := k.token.readStatic(x)
	if err != nil {
		return err
	}
	if s.era != k.era {
		return fmt.Errorf("%w: the token was initialised anew", ck.CKR_USER_NOT_LOGGED_IN)
	}
	head := headOf(x)
	if r.entries != nil && r.head == head {
		r.gen = gen
		return nil
	}
	st, err := k.openState(x)
	if err != nil {
		return err
	}
	if st.epoch < r.epoch {
		return tampered("the file was put back to an earlier state")
	}
	if !k.catchUp(x, st) {
		if err := k.takeStock(x, st); err != nil {
			return err
		}
	}
	r.gen, r.epoch, r.head, r.sum = gen, st.epoch, head, st.sum
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
	m := k.meter()
	now := r.sum
	fresh := map[ID]entry{}
	count := len(r.entries)
	for _, id := range ids {
		if _, done := fresh[id]; done {
			continue
		}
		if old, had := r.entries[id]; had {
			now.sub(m.measure(id, old))
			count--
		}
		e, has := parseEntry(x.get(bRoll, id[:]))
		if fresh[id] = e; has {
			now.add(m.measure(id, e))
			count++
		}
	}
	if now.all != s.sum.all || uint64(count) != s.count {
		return false
	}
	for id, e := range fresh {
		if e == (entry{}) {
			delete(r.entries, id)
		} else {
			r.entries[id] = e
		}
	}
	return true
}

// takeStock reads the whole roll, and compares its sum with that of the state s.
func (k *Keys) takeStock(x tx, s *state) error {
	m := k.meter()
	var now sum
	entries := make(map[ID]entry, min(s.count, 1<<20))
	err := x.each(bRoll, nil, func(key, value []byte) error {
		e, ok := parseEntry(value)
		if !ok || len(key) != len(ID{}) {
			return tampered("the roll has a damaged entry at %x", key)
		}
		now.add(m.measure(ID(key), e))
		entries[ID(key)] = e
		return nil
	})
	if err != nil {
		return err
	}
	if now.all != s.sum.all || uint64(len(entries)) != s.count {
		return k.accuse(entries, s)
	}
	k.set.entries = entries
	return nil
}

// accuse says what is wrong with a set of entries that does not sum to the state s.
func (k *Keys) accuse(entries map[ID]entry, s *state) error {
	m := k.meter()
	off := s.sum // less what is there: what is missing
	for id, e := range entries {
		v := m.measure(id, e)
		off.sub(v)
		off.mark(id, v, ^uint64(0))
	}
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
	if uint64(len(entries)) > s.count {
		was = "added"
	} else if _, there := entries[id]; there {
		was = "put back to an earlier state"
	}
	return tampered("object %s was %s", id, was)
}

// sortIDs sorts ids and returns them.
func sortIDs(ids []ID) []ID {
	slices.SortFunc(ids, func(a, b ID) int { return bytes.Compare(a[:], b[:]) })
	return ids
}
