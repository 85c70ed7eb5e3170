package store

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/softcsp/softcsp/ck"
)

// The file, version 1. Integers are big-endian.
//
//	bucket header
//	  static      "softcsp\0" | version 2 | uuid 16 | era 16 | kdf 1 | flags 1 | max tries 4 | label
//	  slot.user   salt 16 | passes 4 | memory in KiB 4 | lanes 1 | nonce 24 | sealed master key 48      (absent: no PIN)
//	  slot.so     likewise
//	  state       epoch 8 | count 8 | nonce 24 | sealed set-hash                                       (roster.go)
//	  tries       counted 8 | cleared 8, for the user and for the SO                                   (login.go)
//	  generation  8: the number of the last commit
//	  floor       8: the generation since which the journal is complete
//	bucket objects
//	  id 16       revision 8 | n 2 | n terms of 16 | length 4 | public | nonce 24 | sealed              (seal.go)
//	bucket roll
//	  id 16       revision 8 | tag 16: of the object of that id
//	bucket index
//	  term 16 | id 16                                                                                  (index.go)
//	bucket journal
//	  generation 8   the ids of the objects that the commit created, changed or deleted                (journal.go)
//
// The era is drawn anew whenever the token is initialised. The state authenticates static, both slots, epoch, count and
// the set of all (id, revision, tag). Terms that an object can be found by are authenticated with the object.
const version = 1

const magic = "softcsp\x00"

var (
	keyStatic     = []byte("static")
	keyState      = []byte("state")
	keyTries      = []byte("tries")
	keyGeneration = []byte("generation")
	keyFloor      = []byte("floor")
	keySlots      = [ways][]byte{User: []byte("slot.user"), SO: []byte("slot.so")}
)

const (
	flagRelaxed = 1 << iota
	flagsKnown  = flagRelaxed
)

// A static is what is fixed when a token is initialised.
type static struct {
	uuid, era [16]byte
	kdf       kdf
	relaxed   bool
	maxTries  uint32
	label     string
}

const staticSize = len(magic) + 2 + 16 + 16 + 1 + 1 + 4

// encode returns s as it stands in the file.
func (s *static) encode() []byte {
	b := make([]byte, 0, staticSize+len(s.label))
	b = append(b, magic...)
	b = binary.BigEndian.AppendUint16(b, version)
	b = append(b, s.uuid[:]...)
	b = append(b, s.era[:]...)
	var flags byte
	if s.relaxed {
		flags |= flagRelaxed
	}
	b = append(b, byte(s.kdf), flags)
	b = binary.BigEndian.AppendUint32(b, s.maxTries)
	return append(b, s.label...)
}

// parseStatic reads what encode made. A file of another version is told apart from one that is damaged.
func parseStatic(b []byte) (*static, error) {
	if len(b) < len(magic)+2 || string(b[:len(magic)]) != magic {
		return nil, unrecognized("not a token of softcsp")
	}
	if v := binary.BigEndian.Uint16(b[len(magic):]); v != version {
		return nil, unrecognized("format version %d: this softcsp reads version %d", v, version)
	}
	if len(b) < staticSize {
		return nil, tampered("the header is cut short")
	}
	b = b[len(magic)+2:]
	s := &static{uuid: [16]byte(b), era: [16]byte(b[16:]), kdf: kdf(b[32])}
	s.relaxed = b[33]&flagRelaxed != 0
	s.maxTries = binary.BigEndian.Uint32(b[34:])
	s.label = string(b[38:])
	if s.kdf >= kdfs || b[33]&^flagsKnown != 0 || s.maxTries == 0 {
		return nil, tampered("the header is damaged")
	}
	return s, nil
}

// readStatic reads the static part and tests that it is this token's.
func (t *Token) readStatic(x tx) (*static, error) {
	s, err := parseStatic(x.get(bHeader, keyStatic))
	if err != nil {
		return nil, err
	}
	if s.uuid != t.raw {
		return nil, unrecognized("the file holds token %s: a token file must keep its name", formatUUID(s.uuid))
	}
	return s, nil
}

// number reads an integer of the header, 0 where there is none.
func number(x tx, key []byte) uint64 {
	if b := x.get(bHeader, key); len(b) == 8 {
		return be(b)
	}
	return 0
}

// be reads what be64 made.
func be(b []byte) uint64 { return binary.BigEndian.Uint64(b) }

// be64 returns n as 8 bytes.
func be64(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

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
