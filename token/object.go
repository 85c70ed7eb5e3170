package token

import (
	"fmt"
	"math/bits"
	"sync/atomic"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/locked"
	"github.com/softcsp/softcsp/mechanisms"
	"github.com/softcsp/softcsp/store"
)

// An Object is an object with all its attributes. Once others see it, it does not change, but for its role: a change of attributes
// makes another Object. Its memory is wiped when the last reference is released.
type Object struct {
	// Filled in by the maker.
	id           store.ID
	rev          uint64
	uniqueNumber uint64 // CKA_UNIQUE_ID of a session object
	origin       store.Origin
	separation   store.Separation // that was in force when it came to be
	// pending is what was requested for the object without a login, nil for nothing; unvouched says that the object is what comes of that.
	pending   *store.Unvouched
	unvouched bool

	table          *attributeTable
	bools          uint64           // the booleans that are true, by row
	present        uint64           // the rows that have a value in blob
	genMechanism   ck.MechanismType // CKA_KEY_GEN_MECHANISM
	length         uint             // CKA_VALUE_LEN
	places         []place          // of the values in blob, by row
	placeBuffer    [8]place         // where places usually lies
	blob           []byte           // the values
	blobLocked     bool             // blob is locked memory
	secretsMissing bool             // the secret values of the key were not read
	noCheck        bool             // it has no CKA_CHECK_VALUE
	refs           atomic.Int32
	mech           mechanisms.Key

	role             *atomic.Uint32 // the role of a key: recordrole.go
	ownRole          atomic.Uint32  // where role usually points
	cachedProtection atomic.Pointer[protection]
}

// A place is where a value lies in the blob.
type place struct{ off, n uint32 }

// errTooLarge is the error of an object whose values do not fit in 32 bits together.
var errTooLarge = fmt.Errorf("%w: attributes too long", ck.CKR_DEVICE_MEMORY)

// maxBlob is the most that the values of an object may have together, in bytes.
const maxBlob = 1 << 30

// newObject makes the object of a draft without its values.
func (d *draft) newObject() *Object {
	o := &Object{table: d.table, bools: d.bools, present: d.present, genMechanism: d.genMechanism, length: d.length, noCheck: d.noCheck}
	o.places = o.placeBuffer[:0]
	if n := bits.OnesCount64(d.present); n > len(o.placeBuffer) {
		o.places = make([]place, 0, n)
	}
	o.refs.Store(1)
	return o
}

// object makes the object of a draft and copies the values.
func (d *draft) object() *Object {
	o := d.newObject()
	n := 0
	for s := d.present; s != 0; s &= s - 1 {
		v := d.values[bits.TrailingZeros64(s)]
		o.places = append(o.places, place{uint32(n), uint32(len(v))})
		n += len(v)
		ck.ProbeRead(v)
	}
	if err := ck.Available(n); err != nil {
		panic(err)
	}
	if o.blobLocked = o.isPrivate() || d.present&d.table.having(concealed) != 0; o.blobLocked {
		o.blob = locked.Alloc(n)
	} else {
		o.blob = make([]byte, n)
	}
	o.copyValues(d)
	o.initKey()
	return o
}

// copyValues copies the values of a draft. A fault, where they lie in memory of the caller's that cannot be read, releases the object.
func (o *Object) copyValues(d *draft) {
	n, all := 0, false
	defer func() {
		if !all {
			o.release()
		}
	}()
	for s := d.present; s != 0; s &= s - 1 {
		n += copy(o.blob[n:], d.values[bits.TrailingZeros64(s)])
	}
	all = true
}

// initKey makes the key that mechanisms see.
func (o *Object) initKey() {
	if !o.table.isKey() {
		return
	}
	o.role = &o.ownRole
	o.ownRole.Store(uint32(o.recordedRole()))
	k := &o.mech
	k.Class, k.Type, k.Attr = o.table.class, ck.KeyType(o.table.subtype), o.bytes
	if !o.table.isSecret() {
		must := o.table.having(concealed) & (o.table.having(mustCreate) | o.table.having(valueOrSeed))
		o.secretsMissing = o.present&must != must
		return
	}
	k.Value = o.at(o.table.value)
	if o.secretsMissing = k.Value == nil; !o.secretsMissing {
		o.length = uint(len(k.Value))
	}
	if o.present&o.table.having(optional) == 0 {
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
	p := o.places[bits.OnesCount64(o.present&(1<<i-1))]
	return o.blob[p.off : p.off+p.n : p.off+p.n]
}

// acquire takes a reference. It fails where the last one was released.
func (o *Object) acquire() bool {
	for {
		n := o.refs.Load()
		if n <= 0 {
			return false
		}
		if o.refs.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// release gives a reference back. With the last one the values are wiped.
func (o *Object) release() {
	if o.refs.Add(-1) != 0 {
		return
	}
	o.mech.Forget()
	o.mech.Value, o.mech.Salt = nil, nil
	o.present = 0
	if o.blobLocked {
		locked.Free(o.blob)
	}
	o.blob = nil
}

// key returns what mechanisms see of a key. It is valid as long as the Object.
func (o *Object) key() *mechanisms.Key { return &o.mech }

// startDraft starts a draft from the object as it is.
func (o *Object) startDraft(d *draft) {
	d.table, d.bools, d.present, d.genMechanism, d.noCheck = o.table, o.bools, o.present, o.genMechanism, o.noCheck
	for s := o.present; s != 0; s &= s - 1 {
		i := bits.TrailingZeros64(s)
		d.values[i] = o.at(i)
	}
}

// composeCopy makes a draft of C_CopyObject, section 4.1.3.
func (d *draft) composeCopy(r *request) error {
	switch {
	case !r.base.flag(ck.CKA_COPYABLE):
		return ck.CKR_ACTION_PROHIBITED
	case r.base.secretsMissing:
		return ck.CKR_USER_NOT_LOGGED_IN
	}
	r.base.startDraft(d)
	if r.base.role != nil {
		d.setRole(role(r.base.role.Load()))
	}
	d.setRole(r.role)
	return d.applyTemplate(r)
}

// changed makes the object that o becomes by C_SetAttributeValue with the template, section 4.1.2: the whole change or none.
func (o *Object) changed(template []ck.Attribute, so, strict bool) (*Object, error) {
	switch {
	case !o.flag(ck.CKA_MODIFIABLE):
		return nil, ck.CKR_ACTION_PROHIBITED
	case o.table.class == ck.CKO_CERTIFICATE && o.flag(ck.CKA_TRUSTED) && !so:
		// "Trusted certificates cannot be modified."
		return nil, ck.CKR_ATTRIBUTE_READ_ONLY
	case o.secretsMissing:
		return nil, ck.CKR_USER_NOT_LOGGED_IN
	}
	var d draft
	o.startDraft(&d)
	if err := d.applyTemplate(&request{how: bySet, template: template, isSO: so, strict: strict}); err != nil {
		return nil, err
	}
	return d.object().withIdentityOf(o), nil
}

// withDerivedValue makes the object that o becomes when a derivation gives it another value: fixed is what the derivation
// decides. It cannot make the key less protected.
func (o *Object) withDerivedValue(fixed []ck.Attribute) (*Object, error) {
	var d draft
	o.startDraft(&d)
	old := d.present & d.table.having(optional)
	d.present &^= old
	for ; old != 0; old &= old - 1 {
		d.values[bits.TrailingZeros64(old)] = nil
	}
	d.genMechanism = ck.MechanismType(ck.UnavailableInformation)
	if i := d.table.find(ck.CKA_LOCAL); i >= 0 {
		d.bools &^= 1 << i
	}
	before := d.bools
	if err := d.putFixed(fixed); err != nil {
		return nil, err
	}
	if before&^d.bools&d.table.having(staysTrue) != 0 || d.bools&^before&d.table.having(staysFalse) != 0 {
		return nil, fmt.Errorf("%w: the key would be less protected", ck.CKR_TEMPLATE_INCONSISTENT)
	}
	if err := d.checkConsistency(&request{how: byDerive}); err != nil {
		return nil, err
	}
	changed := d.object().withIdentityOf(o)
	changed.origin = store.OriginDerived
	return changed, nil
}

// withIdentityOf makes an object the same object of the token as another, whose changed attributes it has.
func (o *Object) withIdentityOf(p *Object) *Object {
	o.id, o.rev, o.uniqueNumber, o.origin, o.separation = p.id, p.rev, p.uniqueNumber, p.origin, p.separation
	o.shareRole(p)
	return o
}

// shareRole has two objects with the same value share one role.
func (o *Object) shareRole(p *Object) {
	if o.role == nil || p.role == nil {
		return
	}
	if has := o.ownRole.Load(); has != uint32(noRole) {
		p.role.CompareAndSwap(uint32(noRole), has)
	}
	o.role = p.role
}

// applyTemplate applies the template of a copy or a change to a draft that was started from the object.
func (d *draft) applyTemplate(r *request) error {
	wrapped := d.flag(ck.CKA_WRAP)
	d.mark(wasTrusted, d.flag(ck.CKA_TRUSTED))
	for _, a := range r.template {
		i := d.table.known(a.Type)
		if i < 0 || d.table.rows[i].rule.has(templateOnly) {
			return attributeError(ck.CKR_ATTRIBUTE_TYPE_INVALID, a.Type)
		}
		if d.decided>>i&1 != 0 {
			if d.repeats(i, a.Value) {
				continue
			}
			return attributeError(ck.CKR_TEMPLATE_INCONSISTENT, a.Type)
		}
		if d.table.rows[i].kind.valid(a.Value) != nil {
			return attributeError(ck.CKR_ATTRIBUTE_VALUE_INVALID, a.Type)
		}
		if rv := d.mayAlter(r, i, a.Value); rv != ck.CKR_OK {
			return attributeError(rv, a.Type)
		}
		if err := d.put(i, a.Value); err != nil {
			return err
		}
	}
	if d.flag(ck.CKA_SENSITIVE) || d.isDecided(ck.CKA_EXTRACTABLE) {
		d.unmark(makerKnowsValue)
	}
	if d.table.class == ck.CKO_SECRET_KEY && !wrapped && d.flag(ck.CKA_WRAP) && !d.flag(roleWrapping) {
		d.setRole(notWrapping) // it may have been used for anything before
	}
	return d.checkConsistency(r)
}

// mayAlter tells whether a copy or a change may give row i the value v.
func (d *draft) mayAlter(r *request, i int, v []byte) ck.RV {
	row := &d.table.rows[i]
	if row.rule.has(concealed) || row.kind == uniqueID {
		return ck.CKR_ATTRIBUTE_READ_ONLY // even if v is equal, which nobody is to learn
	}
	if row.kind == checkOf && (r.how == byCopy || len(v) == 0) {
		return ck.CKR_OK // consistent compares it; "C_SetAttributeValue may be used to destroy the attribute" (section 4.11)
	}
	same := d.hasValue(i, v)
	switch rule := row.rule; {
	case rule.has(soOnly):
		if r.isSO || v[0] == 0 || same && r.how == byCopy {
			return ck.CKR_OK
		}
	case rule.has(staysTrue): // "It becomes a read only attribute", also for the value that it has; a copy may repeat it
		if !same && v[0] == 1 || same && (v[0] == 0 || r.how == byCopy) {
			return ck.CKR_OK
		}
	case rule.has(staysFalse) && row.kind == boolean:
		if !same && v[0] == 0 || same && (v[0] == 1 || r.how == byCopy) {
			return ck.CKR_OK
		}
	case row.Type == ck.CKA_DERIVE && r.strict && !same && v[0] == 1 && d.table.isSecret() && d.flag(ck.CKA_SENSITIVE):
		// whether anything may be derived from a sensitive key is decided when it is made
	case rule.has(modifiable):
		return ck.CKR_OK
	case rule.has(copyOnly) && r.how == byCopy:
		if i == rowPrivate && !same && v[0] == 0 {
			return ck.CKR_TEMPLATE_INCONSISTENT
		}
		return ck.CKR_OK
	}
	return ck.CKR_ATTRIBUTE_READ_ONLY
}
