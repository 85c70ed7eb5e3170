package token

import (
	"fmt"
	"math/bits"
	"sync/atomic"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/mechanisms"
	"github.com/softcsp/softcsp/store"
)

// An Object is an object with all its attributes, which do not change once others see it: a change makes another Object. What changes is
// the role of a key. The values of secrets are wiped when the last reference is released.
type Object struct {
	// Filled in by the maker.
	id           store.ID
	rev          uint64
	uniqueNumber uint64 // CKA_UNIQUE_ID of a session object
	origin       store.Origin
	separation   store.Separation // that was in force when it came to be
	// pending is a change that was made without a login, nil for none. unvouched says that it has been applied to
	// this object: it is false where the rules refused it.
	pending   *store.Unvouched
	unvouched bool

	table          *attributeTable
	bools          uint64           // the booleans that are true, by row
	present        uint64           // the rows that have a value in blob
	genMechanism   ck.MechanismType // CKA_KEY_GEN_MECHANISM
	length         uint             // CKA_VALUE_LEN
	spans          []span           // of the values in blob, by row
	spanBuffer     [8]span          // where spans usually lies
	blob           []byte           // the values
	blobLocked     bool             // blob is locked memory
	secretsMissing bool             // the secret values of the key were not read
	noCheck        bool             // it has no CKA_CHECK_VALUE
	refs           references
	mechanismKey   mechanisms.Key

	role             *atomic.Uint32 // the role of a key: recordrole.go
	ownRole          atomic.Uint32  // where role usually points
	cachedProtection atomic.Pointer[protection]
}

// A span is where a value lies in the blob.
type span struct{ off, n uint32 }

// errTooLarge is the error of an object whose values do not fit in 32 bits together.
var errTooLarge = fmt.Errorf("%w: attributes too long", ck.CKR_DEVICE_MEMORY)

// maxBlob is the most that the values of an object may have together, in bytes.
const maxBlob = 1 << 30

// initKey makes the key that mechanisms see.
func (o *Object) initKey() {
	if !o.table.isKey() {
		return
	}
	o.role = &o.ownRole
	o.ownRole.Store(uint32(o.recordedRole()))
	k := &o.mechanismKey
	k.Class, k.Type, k.Attr = o.table.class, ck.KeyType(o.table.subtype), o.bytes
	if !o.table.isSecret() {
		secrets := o.table.rowsWith(concealed) & (o.table.rowsWith(mustCreate) | o.table.rowsWith(valueOrSeed)) // none of a public key
		o.secretsMissing = o.present&secrets != secrets
		return
	}
	k.Value = o.at(o.table.value)
	if o.secretsMissing = k.Value == nil; !o.secretsMissing {
		o.length = uint(len(k.Value))
	}
	if o.present&o.table.rowsWith(optional) == 0 {
		return
	}
	k.Salt = o.bytes(ck.CKA_SOFTCSP_SALT)
	if v := o.bytes(ck.CKA_SOFTCSP_EFFECTIVE_BITS); v != nil {
		k.EffectiveBits = number(v)
	}
}

// at returns the value of a row that is in the blob, nil if it has none.
func (o *Object) at(i int) []byte {
	if i < 0 || o.present>>i&1 == 0 {
		return nil
	}
	p := o.spans[bits.OnesCount64(o.present&(1<<i-1))]
	return o.blob[p.off : p.off+p.n : p.off+p.n]
}

// key returns what mechanisms see of a key. It is valid as long as the Object.
func (o *Object) key() *mechanisms.Key { return &o.mechanismKey }
