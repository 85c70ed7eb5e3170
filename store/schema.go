package store

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/softcsp/softcsp/ck"
)

// The file, version 2. Integers are big-endian.
//
//	bucket header
//	  static      "softcsp\0" | version 2 | uuid 16 | era 16 | parts: typed, critical or not               (header.go)
//	  slot.user   salt 16 | passes 4 | memory in KiB 4 | lanes 1 | nonce 24 | sealed master key 48 | 2       (absent: no PIN)
//	  slot.so     likewise; without the 2 at the end it was written by version 1
//	  state       epoch 8 | count 8 | nonce 24 | sealed set-hash                                           (roster.go)
//	  tries       counted 8 | cleared 8, for the user and for the SO                                       (login.go)
//	  generation  8: the number of the last commit
//	  floor       8: the generation since which the journal is complete
//	bucket objects
//	  id 16       revision 8 | n 2 | n terms of 16 | length 4 | public | signature 64, where the length is not 0 |
//	              nonce 24 | sealed: what is secret | origin 1 | separation at birth 1                     (seal.go)
//	bucket roll
//	  id 16       revision 8 | tag 16: of the object of that id
//	bucket index
//	  term 16 | id 16                                                                                      (index.go)
//	bucket journal
//	  generation 8   the ids of the objects that the commit created, changed or deleted                    (journal.go)
//	bucket unvouched, which a file that version 1 made may do without
//	  id 16       kind 1 | number 8 | the template of a call that was made without a login                 (unvouched.go)
//
// The era is drawn anew whenever the token is initialised. The state authenticates static, both slots, epoch, count and
// the set of all (id, revision, tag). Terms that an object can be found by are authenticated with the object. The version
// stands in what each seal authenticates, and in the labels by which keys are derived.
//
// Outside of all authentication stand, because processes change them that have no key: tries, generation, floor, the journal,
// and what was asked for without a login.
// The index is not authenticated either: who finds something by it looks at the object.
//
// In version 1, which is read until the first login makes version 2 of it (upgrade.go), static is "softcsp\0" | version 2 | uuid 16 |
// era 16 | kdf 1 | flags 1 (1: relaxed) | max tries 4 | label; objects have no signature, and nothing sealed beside what is
// secret; the slots end with the master key.
const version = 2

const magic = "softcsp\x00"

var (
	headerStatic       = []byte("static")
	headerState        = []byte("state")
	headerTries        = []byte("tries")
	headerGeneration   = []byte("generation")
	headerJournalStart = []byte("floor")
	headerSlots        = [userTypes][]byte{User: []byte("slot.user"), SO: []byte("slot.so")}
)

const (
	flagRelaxed = 1 << iota
	flagsKnown  = flagRelaxed
)

// A fixedHeader is what is fixed when a token is initialised.
type fixedHeader struct {
	version      uint16
	uuid, initID [16]byte
	kdf          kdf
	relaxed      bool
	maxTries     uint32
	label        string
	separation   Separation
	voucher      []byte // what public parts are signed under, nil in version 1
	index        uint16 // the version whose label the index key has
	others       []part // that this version does not know
}

const (
	fixedHeaderHead  = len(magic) + 2 + 16 + 16
	fixedHeader1Size = fixedHeaderHead + 1 + 1 + 4
)

// encode returns s as it stands in the file.
func (h *fixedHeader) encode() []byte {
	b := make([]byte, 0, fixedHeaderHead+128+len(h.label))
	b = append(b, magic...)
	b = binary.BigEndian.AppendUint16(b, version)
	b = append(b, h.uuid[:]...)
	b = append(b, h.initID[:]...)
	return appendParts(b, h.parts())
}

// parseHeader reads what encode made, or version 1 did. A file of another version is told apart from one that is damaged.
func parseHeader(b []byte) (*fixedHeader, error) {
	if len(b) < len(magic)+2 || string(b[:len(magic)]) != magic {
		return nil, unrecognized("not a token of softcsp")
	}
	h := &fixedHeader{version: binary.BigEndian.Uint16(b[len(magic):])}
	if h.version != 1 && h.version != version {
		return nil, unrecognizedVersion(h.version)
	}
	if len(b) < fixedHeaderHead {
		return nil, tampered("the header is cut short")
	}
	h.uuid, h.initID = [16]byte(b[len(magic)+2:]), [16]byte(b[len(magic)+2+16:])
	if h.version == 1 {
		if err := h.parse1(b); err != nil {
			return nil, err
		}
		return h, nil
	}
	list, ok := parseParts(b[fixedHeaderHead:])
	if !ok {
		return nil, tampered("the header is damaged")
	}
	if err := h.setParts(list); err != nil {
		return nil, err
	}
	return h, nil
}

// parse1 reads what version 1 has in the place of parts. How far keys are kept apart was a setting then.
func (h *fixedHeader) parse1(b []byte) error {
	if len(b) < fixedHeader1Size {
		return tampered("the header is cut short")
	}
	flags := b[fixedHeaderHead+1]
	h.kdf, h.relaxed = kdf(b[fixedHeaderHead]), flags&flagRelaxed != 0
	h.maxTries = binary.BigEndian.Uint32(b[fixedHeaderHead+2:])
	h.label = string(b[fixedHeader1Size:])
	h.separation, h.index = SeparationStandard, 1
	if h.kdf >= kdfs || flags&^flagsKnown != 0 || h.maxTries == 0 {
		return tampered("the header is damaged")
	}
	return nil
}

// readHeader reads the static part and tests that it is this token's.
func (t *Token) readHeader(x tx) (*fixedHeader, error) {
	raw := x.get(bHeader, headerStatic)
	if known := t.header.Load(); known != nil && known.raw == string(raw) {
		return known.fixedHeader, nil
	}
	h, err := parseHeader(raw)
	if err != nil {
		return nil, err
	}
	if h.uuid != t.uuidBytes {
		return nil, unrecognized("the file holds token %s: a token file must keep its name", formatUUID(h.uuid))
	}
	t.header.Store(&cachedHeader{string(raw), h})
	return h, nil
}

// A cachedHeader is a static part that was parsed, and what from.
type cachedHeader struct {
	raw string
	*fixedHeader
}

// headerNumber reads an integer of the header, 0 where there is none.
func headerNumber(x tx, key []byte) uint64 {
	if b := x.get(bHeader, key); len(b) == 8 {
		return beUint64(b)
	}
	return 0
}

// beUint64 reads what be64 made.
func beUint64(b []byte) uint64 { return binary.BigEndian.Uint64(b) }

// beBytes returns n as 8 bytes.
func beBytes(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// newUUID returns a random UUID (RFC 9562, version 4).
func newUUID() (u [16]byte) {
	random(u[:])
	u[6] = u[6]&0x0f | 0x40
	u[8] = u[8]&0x3f | 0x80
	return u
}

// random fills b. crypto/rand.Read does not fail: it ends the process where the system has no randomness.
func random(b []byte) { _, _ = rand.Read(b) }

// formatUUID returns the canonical form, in lower case.
func formatUUID(u [16]byte) string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}

// parseUUID reads the canonical form and no other, so that a name has one spelling.
func parseUUID(s string) (u [16]byte, err error) {
	b, err := hex.DecodeString(strings.ReplaceAll(s, "-", ""))
	if err != nil || len(b) != 16 || formatUUID([16]byte(b)) != s {
		return u, fmt.Errorf("%w: %q is not a UUID", ck.CKR_ARGUMENTS_BAD, s)
	}
	return [16]byte(b), nil
}
