package store

import "encoding/binary"

// # The format of a token file
//
// This describes format 2 to the byte, and what is different in format 1. schema_test.go reads a file by it, without this package.
// A field is its name and its length in bytes: "revision 8".
//
// # Byte order
//
// What this package writes is big-endian, with one exception: hashes of members are little-endian numbers (see "The set of objects"). Two
// things in the file are not this package's. Pages are bbolt's, in the byte order of the machine; contents of objects are attributes as PKCS #11
// has them in memory. Both are little-endian on the machines that softcsp runs on.
//
// # The container
//
// A file <uuid>.token is a bbolt database (format 2 of bbolt, pages of the machine's size), with the buckets below at its root and none within
// them. pages.go says how pages are laid out. A value may be empty.
//
//	bucket header
//	  static       "softcsp\0" 8 | version 2 | uuid 16 | initID 16 | parts: see below
//	  slot.user    a key slot: absent where the user has no PIN
//	  slot.so      a key slot
//	  state        number 8 | count 8 | nonce 24 | sealed 1056: the set of objects
//	  tries        attempts 8 | cleared 8, of the user; attempts 8 | cleared 8, of the SO
//	  generation   number 8 of the last commit, from 1 on
//	  floor        generation 8: the journal has all commits after it
//	bucket objects
//	  id 16        revision 8 | n 2 | n terms of 16 | length 4 | public | signature 64, absent where length is 0 | nonce 24 | sealed
//	bucket roll    the manifest
//	  id 16        revision 8 | tag 16: the last 16 bytes of the object of that id
//	bucket index
//	  term 16 | id 16   nothing: the object has that term
//	bucket journal
//	  generation 8      the ids of the objects that this commit created, changed or deleted, absent where there are none
//	bucket unvouched    absent in a file that format 1 made, until there is a request
//	  id 16        kind 1 | number 8 | template: a request
//
// # Parts of static
//
// A part is kind 2 | flags 1 | length 4 | value. Parts stand in the order of their kinds, each kind once. Bit 0 of the flags says that the part
// is critical: who does not know its kind must not use the token. The other bits are 0.
//
//	1  cost         1   critical      0 interactive, 1 sensitive, 2 test: what new PINs cost (keyslot.go has the numbers)
//	2  tries        4   critical      failed logins that lock a PIN
//	3  label        any               text
//	4  durability   1                 0 commits wait for the disk, 1 they do not
//	5  separation   1   critical      0 strict, 1 standard
//	6  voucher      32  critical      the Ed25519 key that public parts are signed under
//	7  index        1   critical      1: the key "index" is that of format 1. Absent where it is not
//
// Every token has the parts 1 to 6. 16 to 20 are reserved: lock, lab, audit, roles, limits. initID is drawn anew whenever the token is
// initialised.
//
// # Keys
//
// A key slot is salt 16 | passes 4 | memory 4 | lanes 1 | nonce 24 | sealed 48 | version 1. From the PIN, Argon2id (version 0x13) with the
// salt, the passes, the memory in KiB and the lanes makes a key of 32 bytes. It opens the sealed part, which is the master key of 32 bytes. Whatever
// is sealed is sealed with XChaCha20-Poly1305: the ciphertext and then the tag of 16 bytes. The associated data of a key slot are
//
//	"softcsp keyslot" | 0 1 | version 1 | uuid 16 | initID 16 | 0 1 for the user, 1 1 for the SO | the first 25 bytes of the slot
//
// From the master key HKDF-SHA-256 makes keys of 32 bytes. The salt is uuid | initID, the info "softcsp 2 NAME" in ASCII, the names are
//
//	seal       objects
//	index      terms
//	header     the state
//	set        hashes of members
//	voucher    the seed of the Ed25519 key of part 6
//	operation  states of operations (C_GetOperationState), which are not in the file
//	audit      nothing yet
//
// # Objects
//
// An object is found by its terms, which stand in order, each once. A term is the first 16 bytes of
//
//	SHA-256("softcsp public term\0" | found by)                         of a public object
//	HMAC-SHA-256 under "index" ("softcsp private term\0" | found by)    of a private one, which has no public part
//
// where "found by" is, for each of these that the object has:
//
//	type 4 | value                  CKA_LABEL, CKA_ID, CKA_SUBJECT, CKA_SERIAL_NUMBER, CKA_APPLICATION, CKA_OBJECT_ID, unless empty
//	CKA_VALUE 4 | F(wrapped)         a secret or private key; wrapped is what C_WrapKey would encrypt of it
//	CKA_PUBLIC_KEY_INFO 4 | F(value) a public or private key that has that attribute
//
// Types are little-endian. F(x) is HMAC-SHA-256 under "index" ("softcsp secret term\0" | x).
//
// The signature is of
//
//	"softcsp public" | 0 1 | version 1 | uuid 16 | id 16 | the object up to its public part
//
// The sealed part is secret | origin 1 | separation 1, under the key "seal". Its associated data are
//
//	"softcsp object" | 0 1 | version 1 | uuid 16 | id 16 | the object up to its nonce
//
// origin is 0 unknown, of an object from before format 2, 1 generated, 2 imported, 3 unwrapped, 4 derived, 5 restored. separation is the
// token's when the object was made: 0 strict, 1 standard.
//
// public and secret are attributes, each type 8 | length 8 | value, both numbers little-endian, in the order of the object's table
// (token/classes.go, token/keytypes.go, token/pairtypes.go). Values are those of PKCS #11 on a 64-bit machine: CK_ULONG is 8 bytes, little-endian, CK_BBOOL
// one; an array of attributes is a sequence of attributes like these. Of a public object the attributes that PKCS #11 does not
// reveal (footnote 7) are secret and the others are public; of a private one all are secret. Booleans that are false are left out, and so is what has
// no value; CKA_UNIQUE_ID, which is the id in hexadecimal digits; of a private object CKA_VALUE_LEN; and CKA_CHECK_VALUE, which stands there
// without a value where the object is to have none. Attributes of softcsp's own, which no application sees, have types from 0xc3530180 on
// (token/protection.go, mechanisms/cryptderivekey.go).
//
// # The set of objects
//
// The hash of a member is AES-256-CMAC, under the key "set", of id 16 | revision 8 | tag 16, read as a little-endian number of 128 bits. Sealed in the
// state, under the key "header", are 130 numbers of 8 bytes: the sum modulo 2^128 of the hashes of all objects, its lower 64 bits first;
// then for each bit of an ID, from the lowest of its first byte on, the sum modulo 2^64 of the lower halves of the hashes of objects
// whose ID has the bit. The associated data are
//
//	"softcsp state" | 0 1 | version 1 | length 4 | static | length 4 | slot.user | length 4 | slot.so | number 8 | count 8
//
// number is how many commits changed the state since the token was initialised, count how many objects there are. So the state authenticates
// what objects there are, the header's parts and both key slots.
//
// Outside of all authentication stand, because processes without a key change them: tries, generation, floor, the journal and requests. The
// index is not authenticated either: who finds an object by it looks at the object's terms, which are.
//
// # Counts, journal, requests
//
// A login makes attempts one more before the PIN is tried, and a success makes cleared equal to attempts: attempts - cleared failed, and
// at the number of part 2 the PIN is locked.
//
// The journal has the last 1024 commits, unless floor says that it begins later. A generation after floor that has no entry touched no object.
// Where a file is restored its generation is drawn anew, between 2^32 and 2^33 above what it was, and the journal begins there: no process takes for
// known what it has seen in another generation (backup.go).
//
// A request is of kind 1 to create the object of that id, 2 to change it, 3 to destroy it. number is how often it was written. template is
// the template of the call, as attributes. There are at most 256, of at most 64 KiB.
//
// # Beside the file
//
// .<uuid>.lock is counter 8 | commit 8, in the byte order of the machine: the generation times two, odd while somebody commits
// (sharedcounter.go), and the checksum of the last meta page that is known to be on the disk (lock.go). lock.go says which bytes are locked.
// Nothing is lost with the file. placedir.go says what else stands in a directory.
//
// # Format 1
//
// A file of format 1 is read, and becomes one of format 2 with the first login (upgrade.go). It differs in that
//
//   - static is "softcsp\0" 8 | version 2 | uuid 16 | initID 16 | cost 1 | flags 1, of which bit 0 is the durability | tries 4 | label;
//   - a key slot has no version at its end; in a token that was upgraded it is of format 1 until its PIN is set anew;
//   - an object has no signature, and its sealed part is secret alone;
//   - there is no bucket unvouched;
//   - version is 1 in whatever is sealed, and infos are "softcsp 1 NAME".
const version = 2

const magic = "softcsp\x00"

// A bucket is one of the tables of keys and values that a token consists of: schema.go.
type bucket uint8

const (
	bHeader bucket = iota
	bObjects
	bManifest // "roll" in the file
	bIndex
	bJournal
	bUnvouched
	buckets
)

// String returns the bucket's name in the file.
func (b bucket) String() string {
	return [buckets]string{"header", "objects", "roll", "index", "journal", "unvouched"}[b]
}

// holds says for people what is in the bucket.
func (b bucket) holds() string {
	return [buckets]string{"the header", "objects", "the list of objects", "the index", "the journal", "what was asked for without a login"}[b]
}

// optional reports whether a file may do without the bucket: one that was made by version 1.
func (b bucket) optional() bool { return b == bUnvouched }

// The entries of the bucket header.
var (
	headerStatic       = []byte("static")
	headerState        = []byte("state")
	headerTries        = []byte("tries")
	headerGeneration   = []byte("generation")
	headerJournalStart = []byte("floor")
	headerSlots        = [userTypes][]byte{User: []byte("slot.user"), SO: []byte("slot.so")}
)

// Kinds of parts of the entry static.
const (
	kindCost       = 1
	kindTries      = 2
	kindLabel      = 3
	kindDurability = 4
	kindSeparation = 5
	kindVoucher    = 6
	kindIndex      = 7

	// Reserved, and not known to this version.
	kindLock   = 16
	kindLab    = 17
	kindAudit  = 18
	kindRoles  = 19
	kindLimits = 20
)

// beUint64 reads what be64 made.
func beUint64(b []byte) uint64 { return binary.BigEndian.Uint64(b) }

// beBytes returns n as 8 bytes.
func beBytes(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }
