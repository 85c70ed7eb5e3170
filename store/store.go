// Package store keeps tokens: sealed bytes, versions, PIN-wrapped keys and counters, in one bbolt file per token or in
// memory. It knows nothing of attributes: what is sealed and what is public arrives as bytes, and what can be searched
// for arrives as terms.
package store

import (
	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/config"
)

// A Place is where tokens live: a directory, or the memory of this process.
type Place struct{}

// OpenPlace opens the place that cfg names. It makes the directory where there is none (mode 0700).
func OpenPlace(cfg *config.Config) (*Place, error) { panic("contract") }

// Close lets go of every token. Everything in a memory place is gone then.
func (p *Place) Close() error { panic("contract") }

// List returns the UUIDs of the tokens there are, sorted, and of the token that the next Format will make, which is
// the same in every process until then.
func (p *Place) List() (tokens []string, next string, err error) { panic("contract") }

// Stamp changes when a token is added to or removed from the place. It is cheap enough to ask in every C_GetSlotList.
func (p *Place) Stamp() uint64 { panic("contract") }

// Token opens a token by its UUID. The same *Token is returned each time.
func (p *Place) Token(uuid string) (*Token, error) { panic("contract") }

// Format makes a new token. uuid is the next one as List told it, or "" for a new one.
func (p *Place) Format(uuid string, f Format) (*Token, error) { panic("contract") }

// A Format says how a token is to be initialised.
type Format struct {
	Label string
	SOPIN []byte
	// KDF is "interactive", "sensitive" or "test": DESIGN section 5.
	KDF string
	// MaxTries is the number of failed logins that locks a PIN.
	MaxTries uint
	// Relaxed says that commits need not wait for the disk.
	Relaxed bool
}

// A Way is a way to the master key.
type Way int

// The ways to the master key.
const (
	User Way = iota
	SO
)

// Info is what everyone may know of a token.
type Info struct {
	UUID, Serial string // Serial is the 16 hex digits that CK_TOKEN_INFO shows
	Label        string
	KDF          string
	Relaxed      bool
	UserPIN      bool // a user PIN is set
	// Tries left for each way, of MaxTries; 0 is locked.
	UserTries, SOTries, MaxTries uint
}

// Keys are the unlocked keys of a token. Wipe ends them; what is called with them later answers CKR_USER_NOT_LOGGED_IN.
type Keys struct{}

// Wipe overwrites the keys.
func (k *Keys) Wipe() { panic("contract") }

// An ID is the name of an object in its token.
type ID [16]byte

// A Record is an object as the store sees it.
type Record struct {
	ID  ID
	Rev uint64
	// Public is readable without a PIN and authenticated with one. It is empty for a private object.
	Public []byte
	// Sealed is what only the keys open. It comes back in locked memory that the caller frees with locked.Free, nil where the
	// record was read without keys.
	Sealed []byte
	// Terms are what the object can be found by: any bytes. They are blinded under the index key for an object without a
	// public part. They do not come back.
	Terms [][]byte
}

// A Token is one token.
type Token struct{}

// Info returns what everyone may know. It is kept in memory until the generation changes.
func (t *Token) Info() (Info, error) { panic("contract") }

// Generation changes with each commit of any process. Asking for it is no system call.
func (t *Token) Generation() uint64 { panic("contract") }

// Unlock counts a try, checks the PIN, and returns the keys: CKR_PIN_INCORRECT, CKR_PIN_LOCKED, or
// CKR_USER_PIN_NOT_INITIALIZED. A success clears the count. It verifies the set of all objects, and answers
// CKR_DEVICE_ERROR, with what is wrong in its text, where the file was tampered with.
func (t *Token) Unlock(w Way, pin []byte) (*Keys, error) { panic("contract") }

// SetPIN wraps the master key anew under pin, and clears that way's count of tries.
func (t *Token) SetPIN(k *Keys, w Way, pin []byte) error { panic("contract") }

// Reformat checks the SO PIN, counting as Unlock does, destroys every object and the user PIN, and makes a new master
// key: C_InitToken on a token that is initialised. UUID and serial stay.
func (t *Token) Reformat(f Format) error { panic("contract") }

// Get reads an object. k may be nil: then only the public part comes back, unauthenticated. CKR_OBJECT_HANDLE_INVALID where
// it is gone; CKR_DEVICE_ERROR where it was tampered with.
func (t *Token) Get(k *Keys, id ID) (Record, error) { panic("contract") }

// Find returns the objects that have the term: public ones, and private ones where k is not nil. Results are kept in memory
// until the generation changes, so that asking again is cheap.
func (t *Token) Find(k *Keys, term []byte) ([]ID, error) { panic("contract") }

// All calls f with every object that k opens, in one transaction; with the public ones where k is nil. f owns Sealed. f
// may be handed records that it knows by ID and Rev already: skip says so before they are opened.
func (t *Token) All(k *Keys, skip func(ID, uint64) bool, f func(Record) error) error { panic("contract") }

// Create adds objects in one durable transaction and returns their IDs and revisions in the records.
func (t *Token) Create(k *Keys, records ...*Record) error { panic("contract") }

// Update replaces an object of that revision: CKR_OBJECT_HANDLE_INVALID where it is gone. The new revision is in r. Where
// another process has changed it since it answers ErrStale and changes nothing.
func (t *Token) Update(k *Keys, r *Record) error { panic("contract") }

// Delete removes objects in one durable transaction.
func (t *Token) Delete(k *Keys, ids ...ID) error { panic("contract") }

// Changed returns the objects that were created, changed or deleted since a generation, and whether the answer is complete.
// Where it is not, the caller must look at every object anew.
func (t *Token) Changed(since uint64) (ids []ID, now uint64, complete bool) { panic("contract") }

var _ = ck.CKR_OK
