// Package store keeps tokens: sealed bytes, versions, PIN-wrapped keys and counters, in one bbolt file per token or in
// memory. It knows nothing of attributes: what is sealed and what is public arrives as bytes, and what can be searched
// for arrives as terms.
//
// # What it promises
//
// A commit is on the disk before the call that made it returns, unless the token is relaxed. Whatever process dies at
// whatever point, the next one finds all of a commit or nothing of it.
//
// An object that was changed, swapped, deleted or put back to an earlier state by anything but this package is found when
// the token is unlocked or the object is read, and its bytes are never handed out. What cannot be found from inside is
// that the whole file was put back to an earlier state, and that the counts of failed logins were: they must be counted
// by processes that have no key yet, so no key protects them. [Token.Check] finds what the daily checks do not look for.
//
// schema.go describes the file to the byte. sethash.go says how the set of objects is held together, lock.go and sharedcounter.go how processes
// share a token, disk.go which files of a directory are trusted, pages.go and tree.go how a file is read and written.
package store

import (
	"fmt"

	"github.com/softcsp/softcsp/ck"
)

// A Format says how a token is to be initialised.
type Format struct {
	Label string
	SOPIN []byte
	// UserPIN is the user's, nil for none yet. A token is made with both PINs or not at all.
	UserPIN []byte
	// KDF is what a PIN costs: "interactive", which is the default, "sensitive" or "test" (keyslot.go).
	KDF string
	// MaxTries is the number of failed logins that locks a PIN, 10 where it is 0.
	MaxTries uint
	// Relaxed says that commits need not wait for the disk.
	Relaxed bool
	// Separation is how far keys are to be kept apart, strict by default.
	Separation Separation
}

// A UserType is whose PIN it is: each opens the master key.
type UserType int

// The users who have a PIN, as PKCS #11 has them.
const (
	User UserType = iota
	SO
)

const userTypes = 2

// Info is what everyone may know of a token.
type Info struct {
	UUID, Serial string // Serial is the 16 hex digits that CK_TOKEN_INFO shows
	Label        string
	KDF          string
	Relaxed      bool
	// Version is that of the file's format: 1 until the first login makes 2 of it.
	Version    int
	Separation Separation
	// Voucher is the SHA-256, in hexadecimal digits, of the key that public objects are signed under: what tells the token from
	// another that somebody put in its place. It is "" in format 1.
	Voucher string
	UserPIN bool // a user PIN is set
	// Objects is how many objects there are, private ones among them, as the file says: a login finds out whether that is so.
	Objects uint64
	// Attempts that each user has left, of MaxTries; at 0 the PIN is locked.
	UserTries, SOTries, MaxTries uint
}

// An ID is the name of an object in its token.
type ID [16]byte

// String returns the ID in hexadecimal digits.
func (id ID) String() string { return fmt.Sprintf("%x", id[:]) }

// A Record is an object as the store sees it.
type Record struct {
	ID  ID
	Rev uint64
	// Public is readable without a PIN and authenticated with one. It is empty for a private object.
	Public []byte
	// Sealed is what only the keys open. It comes back in locked memory that the caller frees with locked.Free, nil where the
	// record was read without keys.
	Sealed []byte
	// Origin and Birth are sealed with the object: how it came to be, and the separation that was in force then. They come back
	// where the record was read with keys.
	Origin Origin
	Birth  Separation
	// Unvouched is what somebody without a PIN has asked for since, nil for nothing. An object that is to be made has no other part.
	Unvouched *Unvouched
	// Terms are what the object can be found by: any bytes. They are blinded under the index key for an object without a
	// public part. They do not come back.
	Terms [][]byte
}

// ErrStale is the answer of Update where another process has changed the object since it was read.
var ErrStale = fmt.Errorf("%w: the object was changed by another process meanwhile", ck.CKR_FUNCTION_FAILED)

// ErrExists is the answer of Place.Format where another process has made the token meanwhile.
var ErrExists = fmt.Errorf("%w: the token was initialised by another process meanwhile", ck.CKR_FUNCTION_FAILED)

// tampered returns a CKR_DEVICE_ERROR that says what is wrong with the file.
func tampered(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ck.CKR_DEVICE_ERROR, fmt.Sprintf(format, args...))
}

// unrecognized returns a CKR_TOKEN_NOT_RECOGNIZED that says why the file is not a token's.
func unrecognized(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ck.CKR_TOKEN_NOT_RECOGNIZED, fmt.Sprintf(format, args...))
}
