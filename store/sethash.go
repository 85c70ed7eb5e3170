package store

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"math/bits"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/softcsp/softcsp/internal/secret"
)

// The set of all objects is held together by a keyed multiset hash (MSet-Add-Hash of Clarke, Devadas, van Dijk, Gassend,
// Suh, "Incremental Multiset Hash Functions", ASIACRYPT 2003): the sum modulo 2^128 of AES-CMAC(id, revision, tag). It
// costs the same to change whatever the number of objects. The sum must not be seen: from enough sums one could make that of
// another set. So it is sealed in the header's state, and the seal's tag authenticates the rest of the header.
//
// Beside the sum stands, for each bit of an ID, the sum modulo 2^64 of the hashes of members whose ID has the bit. Where one object
// was deleted or put back, each of these is off by that object's hash or by nothing, and so they spell its ID.

// An entry of the manifest is the state of an object: its revision and the tag of its seal.
type entry struct {
	rev uint64
	tag [tagSize]byte
}

const (
	tagSize   = chacha20poly1305.Overhead
	entrySize = 8 + tagSize
)

// encode returns the entry as it stands in the manifest.
func (e entry) encode() []byte {
	return append(beBytes(e.rev), e.tag[:]...)
}

// parseEntry reads what encode made.
func parseEntry(b []byte) (e entry, ok bool) {
	if len(b) != entrySize {
		return e, false
	}
	return entry{binary.BigEndian.Uint64(b), [tagSize]byte(b[8:])}, true
}

// A setHash is the multiset hash, as two 64-bit numbers with the less significant one first, and its part for each bit of the IDs.
type setHash struct {
	total  [2]uint64
	perBit [128]uint64
}

const setHashSize = 8 * (2 + 128)

// A memberHash is the hash of one member, as two 64-bit numbers with the less significant one first.
type memberHash [2]uint64

// A member is one object in one state.
type member struct {
	id ID
	entry
}

// updateSetHash adds the hashes of some members to s, and takes those of others away; with marks in the sums for the bits of IDs, too. The
// caller runs inside use.
func (k *Keys) updateSetHash(s *setHash, plus, minus []member, marks bool) {
	k.updateSetHashIn(k.formatVersion(), s, plus, minus, marks)
}

// updateSetHashIn is updateSetHash in a version of the format.
func (k *Keys) updateSetHashIn(version uint16, s *setHash, plus, minus []member, marks bool) {
	secret.Do(func() {
		h := newMemberHasher(k.purposeKey(version, forSetHash))
		for n := range plus {
			v := h.hash(&plus[n])
			if s.add(v); marks {
				s.addBits(plus[n].id, v, 1)
			}
		}
		for n := range minus {
			v := h.hash(&minus[n])
			if s.sub(v); marks {
				s.addBits(minus[n].id, v, ^uint64(0))
			}
		}
	})
}

// A memberHasher computes hashes of members: AES-256-CMAC (SP 800-38B) of ID, revision and tag, which are always two blocks and a half.
type memberHasher struct {
	aes  cipher.Block
	k2   [aes.BlockSize]byte // the subkey for messages that are no whole number of blocks: section 6.1
	x, y [aes.BlockSize]byte
}

func newMemberHasher(key []byte) *memberHasher {
	b, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // the key is 32 bytes long
	}
	h := &memberHasher{aes: b}
	b.Encrypt(h.k2[:], h.k2[:])
	for range 2 {
		hi, lo := binary.BigEndian.Uint64(h.k2[:8]), binary.BigEndian.Uint64(h.k2[8:])
		const polynomial = 0x87
		binary.BigEndian.PutUint64(h.k2[:8], hi<<1|lo>>63)
		binary.BigEndian.PutUint64(h.k2[8:], lo<<1^polynomial*(hi>>63))
	}
	return h
}

// hash returns the hash of a member.
func (h *memberHasher) hash(m *member) (v memberHash) {
	h.aes.Encrypt(h.x[:], m.id[:])
	binary.BigEndian.PutUint64(h.y[:8], m.rev)
	copy(h.y[8:], m.tag[:8])
	h.nextBlock()
	h.y = h.k2
	for n, b := range m.tag[8:] {
		h.y[n] ^= b
	}
	h.y[8] ^= 0x80
	h.nextBlock()
	return memberHash{binary.LittleEndian.Uint64(h.x[:8]), binary.LittleEndian.Uint64(h.x[8:])}
}

// nextBlock takes the next block, which is in y.
func (h *memberHasher) nextBlock() {
	for _, at := range [...]int{0, 8} { // a call for sixteen bytes would cost as much as the cipher
		binary.LittleEndian.PutUint64(h.x[at:], binary.LittleEndian.Uint64(h.x[at:])^binary.LittleEndian.Uint64(h.y[at:]))
	}
	h.aes.Encrypt(h.x[:], h.x[:])
}

// add adds a member's hash to the total.
func (s *setHash) add(v memberHash) {
	var carry uint64
	for i := range s.total {
		s.total[i], carry = bits.Add64(s.total[i], v[i], carry)
	}
}

// sub takes a member's hash from the total.
func (s *setHash) sub(v memberHash) {
	var borrow uint64
	for i := range s.total {
		s.total[i], borrow = bits.Sub64(s.total[i], v[i], borrow)
	}
}

// addBits adds sign times a member's hash to the sums for the bits of id.
func (s *setHash) addBits(id ID, v memberHash, sign uint64) {
	for i := range s.perBit {
		s.perBit[i] += sign * v[0] * uint64(id[i/8]>>(i%8)&1)
	}
}

// encode returns the sum as it is sealed.
func (s *setHash) encode() []byte {
	b := make([]byte, 0, setHashSize)
	for _, v := range s.total {
		b = binary.BigEndian.AppendUint64(b, v)
	}
	for _, v := range s.perBit {
		b = binary.BigEndian.AppendUint64(b, v)
	}
	return b
}

// decode reads what encode made; b has the right length.
func (s *setHash) decode(b []byte) {
	for i := range s.total {
		s.total[i] = binary.BigEndian.Uint64(b[8*i:])
	}
	for i := range s.perBit {
		s.perBit[i] = binary.BigEndian.Uint64(b[8*(len(s.total)+i):])
	}
}
