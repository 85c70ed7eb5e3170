package token

import (
	"bytes"
	"fmt"
	"math/bits"
	"sync"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/locked"
	"github.com/softcsp/softcsp/store"
)

// A draft is an object that is being built: every value it will have, not yet copied.
type draft struct {
	table        *attributeTable
	decided      uint64 // the rows that the template or the token has decided
	present      uint64 // the rows of stored kinds that have a value
	bools        uint64 // the booleans that are true
	genMechanism ck.MechanismType
	noCheck      bool // an empty CKA_CHECK_VALUE asks for no check value
	length       uint // CKA_VALUE_LEN of a value that was not read
	values       [maxRows][]byte
}

// drafts are empty drafts. A draft is large, and there is one for each object that is made.
var drafts = sync.Pool{New: func() any { return new(draft) }}

// attributeError is the error of an attribute.
func attributeError(rv ck.RV, t ck.AttributeType) error { return fmt.Errorf("%w: %v", rv, t) }

// build makes the object of a request to create, generate, unwrap, derive or copy one: sections 4.1.1 and 4.1.3.
func build(r *request) (*Object, error) {
	d := drafts.Get().(*draft)
	defer func() {
		*d = draft{}
		drafts.Put(d)
	}()
	var err error
	if r.how == byCopy {
		err = d.composeCopy(r)
	} else {
		err = d.compose(r)
	}
	if err != nil {
		return nil, err
	}
	o := d.object()
	if !r.strict {
		o.separation = store.SeparationStandard
	}
	if o.origin = storedOrigins[r.how]; r.how == byCopy {
		o.origin, o.separation = r.base.origin, r.base.separation
		if !o.isToken() && !r.base.isToken() {
			o.shareRole(r.base)
		}
	}
	return o, nil
}

// put gives a row a value that is valid for its kind.
func (d *draft) put(i int, v []byte) error {
	bit := uint64(1) << i
	d.decided |= bit
	switch d.table.rows[i].kind {
	case boolean:
		d.bools &^= bit
		if v[0] == 1 {
			d.bools |= bit
		}
	case classOf, subtypeOf:
		if !d.hasValue(i, v) {
			return attributeError(ck.CKR_TEMPLATE_INCONSISTENT, d.table.rows[i].Type)
		}
	case genMechanism:
		d.genMechanism = ck.MechanismType(number(v))
	case uniqueID:
		return attributeError(ck.CKR_ATTRIBUTE_READ_ONLY, ck.CKA_UNIQUE_ID)
	case checkOf:
		d.noCheck = len(v) == 0
		d.values[i] = v
	case lengthOf:
		d.values[i] = v
	default:
		d.present &^= bit
		if len(v) != 0 || v != nil && d.table.rows[i].rule.has(optional) { // an empty CKA_SOFTCSP_SALT is there
			d.present |= bit
		}
		d.values[i] = v
	}
	return nil
}

// hasValue reports whether a row has the value v.
func (d *draft) hasValue(i int, v []byte) bool {
	switch row := &d.table.rows[i]; row.kind {
	case boolean:
		return len(v) == 1 && uint64(v[0]) == d.bools>>i&1
	case classOf:
		return len(v) == ulongSize && number(v) == uint(d.table.class)
	case subtypeOf:
		return len(v) == ulongSize && number(v) == d.table.subtype
	case genMechanism:
		return len(v) == ulongSize && number(v) == uint(d.genMechanism)
	case templateArray:
		return sameTemplate(d.values[i], v)
	case ulong:
		if d.present>>i&1 == 0 && !row.rule.has(optional) {
			return len(v) == ulongSize && number(v) == row.def
		}
	}
	return bytes.Equal(d.values[i], v)
}

// repeats reports whether v is the value that the template has given the row before. An attribute that is repeated counts once: section
// 4.1.1, number 6.
func (d *draft) repeats(i int, v []byte) bool {
	return d.table.rows[i].kind.valid(v) == nil && d.hasValue(i, v)
}

// flag returns a boolean.
func (d *draft) flag(t ck.AttributeType) bool {
	i := d.table.find(t)
	return i >= 0 && d.bools>>i&1 != 0
}

// mark sets a boolean that only the token may set, where on is true and objects of the type have it.
func (d *draft) mark(t ck.AttributeType, on bool) {
	if i := d.table.find(t); i >= 0 && on {
		d.bools |= 1 << i
	}
}

// unmark takes back what mark has set.
func (d *draft) unmark(t ck.AttributeType) {
	if i := d.table.find(t); i >= 0 {
		d.bools &^= 1 << i
	}
}

// isDecided reports whether an attribute was decided.
func (d *draft) isDecided(t ck.AttributeType) bool {
	i := d.table.find(t)
	return i >= 0 && d.decided>>i&1 != 0
}

// setHistory sets the attributes that tell where a key comes from: sections 4.8 and 4.11.
func (d *draft) setHistory(r *request) {
	if d.table.isKey() && (r.how == byCreate || r.how == byGenerate) {
		d.mark(staysInside, !d.flag(ck.CKA_EXTRACTABLE))
	}
	if d.table.isSecret() && r.how == byCreate {
		d.mark(makerKnowsValue, !d.flag(ck.CKA_SENSITIVE) && !d.isDecided(ck.CKA_EXTRACTABLE))
	}
	switch {
	case !d.table.isKey():
		d.mark(ck.CKA_LOCAL, r.how == byGenerate) // of domain parameters
	case r.how == byGenerate:
		d.genMechanism = r.mechanism
		d.mark(ck.CKA_LOCAL, true)
		d.mark(ck.CKA_ALWAYS_SENSITIVE, d.flag(ck.CKA_SENSITIVE))
		d.mark(ck.CKA_NEVER_EXTRACTABLE, !d.flag(ck.CKA_EXTRACTABLE))
	case r.how == byDerive && r.base != nil:
		d.mark(ck.CKA_ALWAYS_SENSITIVE, r.historyFlag(ck.CKA_ALWAYS_SENSITIVE) && d.flag(ck.CKA_SENSITIVE))
		d.mark(ck.CKA_NEVER_EXTRACTABLE, r.historyFlag(ck.CKA_NEVER_EXTRACTABLE) && !d.flag(ck.CKA_EXTRACTABLE))
	}
}

// bytes returns the value of a row that has one.
func (d *draft) bytes(t ck.AttributeType) []byte {
	if i := d.table.find(t); i >= 0 {
		return d.values[i]
	}
	return nil
}

// startDraft starts a draft from the object as it is.
func (o *Object) startDraft(d *draft) {
	d.table, d.bools, d.present, d.genMechanism, d.noCheck = o.table, o.bools, o.present, o.genMechanism, o.noCheck
	for s := o.present; s != 0; s &= s - 1 {
		i := bits.TrailingZeros64(s)
		d.values[i] = o.at(i)
	}
}

// object makes the object of a draft and copies the values.
func (d *draft) object() *Object {
	o := d.newObject()
	n := 0
	for s := d.present; s != 0; s &= s - 1 {
		v := d.values[bits.TrailingZeros64(s)]
		o.spans = append(o.spans, span{uint32(n), uint32(len(v))})
		n += len(v)
		ck.ProbeRead(v)
	}
	if err := ck.Available(n); err != nil {
		panic(err)
	}
	if o.blobLocked = o.isPrivate() || d.present&d.table.rowsWith(concealed) != 0; o.blobLocked {
		o.blob = locked.Alloc(n)
	} else {
		o.blob = make([]byte, n)
	}
	o.copyValues(d)
	o.initKey()
	return o
}

// newObject makes the object of a draft without its values.
func (d *draft) newObject() *Object {
	o := &Object{table: d.table, bools: d.bools, present: d.present, genMechanism: d.genMechanism, length: d.length, noCheck: d.noCheck}
	o.spans = o.spanBuffer[:0]
	if n := bits.OnesCount64(d.present); n > len(o.spanBuffer) {
		o.spans = make([]span, 0, n)
	}
	o.refs.n.Store(1)
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
