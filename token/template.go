package token

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
	"sync"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/store"
)

// An origin is how an object comes to be, or to be changed.
type origin int

const (
	byCreate origin = iota
	byGenerate
	byUnwrap
	byEncapsulate
	byDecapsulate
	byDerive
	byCopy
	bySet
	allOrigins
)

// A request is what an object is built from.
type request struct {
	how origin
	// template is the caller's. Its values are valid during the call only and are not kept.
	template []ck.Attribute
	// fixed is what the operation itself decides. A template that says otherwise is CKR_TEMPLATE_INCONSISTENT. It may have
	// attributes that the footnotes forbid to applications.
	fixed []ck.Attribute
	// defaults are used where the template is silent, before the tables' own.
	defaults []ck.Attribute
	// mechanism is the CKA_KEY_GEN_MECHANISM of a key that is generated.
	mechanism ck.MechanismType
	// base is the object that is copied, the base key of a derivation, or the key that unwraps, encapsulates or decapsulates; nil
	// if there is none.
	base *Object
	// so says that the SO is logged in, who may set CKA_TRUSTED.
	so bool
	// inherits says that the key that is derived may not be less protected than its base, as of the mechanisms that hand
	// on parts of the base key's value: section 6.43.
	inherits bool
	// others are the keys that a derivation uses beside its base.
	others []*Object
	// either says how their history counts: mechanisms.Mechanism.Either.
	either bool
	// data says that a derivation makes a data object, and a generation domain parameters.
	data bool
	// strict says that the token's separation is strict.
	strict bool
	// taken says that the new key has bytes of the base and of the others.
	taken bool
	// guards says that what a copy unwraps has CKA_WRAP_WITH_TRUSTED.
	guards bool
	// serves says that a copy does anything else than to wrap sensitive keys.
	serves bool
	// before is asked of the new object before it is anywhere, nil where nobody asks.
	before func(*Object) error

	read  bool // imposed has been called
	asked []ck.Attribute
	t     *table // what table has found
}

// A draft is an object that is being built: every value it will have, not yet copied.
type draft struct {
	t       *table
	seen    uint64 // the rows that somebody decided
	set     uint64 // the rows of stored kinds that have a value
	bits    uint64 // the booleans that are true
	gen     ck.MechanismType
	noCheck bool // the check value was refused by an empty CKA_CHECK_VALUE
	length  uint // CKA_VALUE_LEN of a value that is not here
	v       [maxRows][]byte
}

// build makes the object of a request: create, generate, unwrap, derive and copy, sections 4.1.1 and 4.1.3. Nothing comes of a
// request with an error in it.
func build(r *request) (*Object, error) {
	d := drafts.Get().(*draft)
	defer func() {
		*d = draft{}
		drafts.Put(d)
	}()
	var err error
	if r.how == byCopy {
		err = d.copy(r)
	} else {
		err = d.compose(r)
	}
	if err != nil {
		return nil, err
	}
	o := d.object()
	if !r.strict {
		o.birth = store.SeparationStandard
	}
	if o.origin = historyOf[r.how]; r.how == byCopy {
		o.origin, o.birth = r.base.origin, r.base.birth
		if !o.isToken() && !r.base.isToken() {
			o.shares(r.base)
		}
	}
	return o, nil
}

// drafts are empty drafts. A draft is large, and there is one for each object that is made.
var drafts = sync.Pool{New: func() any { return new(draft) }}

// wrong is the error of an attribute.
func wrong(rv ck.RV, t ck.AttributeType) error { return fmt.Errorf("%w: %v", rv, t) }

// compose decides every attribute of a new object.
func (d *draft) compose(r *request) error {
	imposed, err := r.imposed()
	if err != nil {
		return err
	}
	if d.t, err = r.table(imposed); err != nil {
		return err
	}
	d.bits, d.gen = d.t.defaults, ck.MechanismType(ck.UnavailableInformation)
	if d.t.isSecret() || d.t.class == ck.CKO_PRIVATE_KEY || d.t.class == ck.CKO_DATA {
		d.bits |= 1 << rowPrivate
	}
	for _, a := range r.template {
		if err := d.ask(r, a); err != nil {
			return err
		}
	}
	if err := d.decide(r.fixed); err != nil {
		return err
	}
	for _, a := range imposed {
		if err := d.impose(r, a); err != nil {
			return err
		}
	}
	if r.inherits {
		if err := d.inherit(r); err != nil {
			return err
		}
	}
	if err := d.fall(r.defaults); err != nil {
		return err
	}
	d.open()
	if missing := d.t.required[r.how] &^ d.seen; missing != 0 {
		return wrong(ck.CKR_TEMPLATE_INCOMPLETE, d.t.rows[bits.TrailingZeros64(missing)].Type)
	}
	d.history(r)
	return d.consistent(r)
}

// imposing are the attributes of the base that have what it asks of the new key.
var imposing = [allOrigins]ck.AttributeType{
	byUnwrap: ck.CKA_UNWRAP_TEMPLATE, byEncapsulate: ck.CKA_ENCAPSULATE_TEMPLATE, byDecapsulate: ck.CKA_DECAPSULATE_TEMPLATE, byDerive: ck.CKA_DERIVE_TEMPLATE,
}

// imposed returns what the base asks of the new key.
func (r *request) imposed() ([]ck.Attribute, error) {
	t := imposing[r.how]
	if r.base == nil || t == 0 || r.read {
		return r.asked, nil
	}
	var err error
	r.asked, err = ck.ParseTemplate(nil, r.base.bytes(t))
	r.read = err == nil
	return r.asked, err
}

// table finds out of which class and type the new object is.
func (r *request) table(imposed []ck.Attribute) (*table, error) {
	if r.t != nil {
		return r.t, nil
	}
	t, err := r.findTable(imposed)
	r.t = t
	return t, err
}

// findTable does the work of table.
func (r *request) findTable(imposed []ck.Attribute) (*table, error) {
	c, err := r.number(ck.CKA_CLASS, imposed)
	if err != nil {
		return nil, err
	}
	class, subtype := ck.ObjectClass(c), uint(0)
	name, ok := subtypeName(class)
	if ok {
		if subtype, err = r.number(name, imposed); err != nil {
			return nil, err
		}
	} else {
		name = ck.CKA_CLASS
	}
	t := tables[tableName{class, subtype}]
	switch {
	case t == nil && name == ck.CKA_KEY_TYPE && ofAnother(class, subtype):
		return nil, wrong(ck.CKR_TEMPLATE_INCONSISTENT, name)
	case t == nil:
		return nil, wrong(ck.CKR_ATTRIBUTE_VALUE_INVALID, name)
	case t.builtin(), r.how != byCreate && !t.isKey() && !r.data:
		return nil, wrong(ck.CKR_TEMPLATE_INCONSISTENT, ck.CKA_CLASS)
	}
	return t, nil
}

// ofAnother reports whether a class of keys has none of a type that another has.
func ofAnother(class ck.ObjectClass, t uint) bool {
	classes := []ck.ObjectClass{ck.CKO_SECRET_KEY, ck.CKO_PUBLIC_KEY, ck.CKO_PRIVATE_KEY, ck.CKO_OTP_KEY}
	return slices.Contains(classes, class) && slices.ContainsFunc(classes, func(c ck.ObjectClass) bool { return tables[tableName{c, t}] != nil })
}

// number returns a CK_ULONG from the first place that has it.
func (r *request) number(t ck.AttributeType, imposed []ck.Attribute) (uint, error) {
	for _, list := range [...][]ck.Attribute{r.fixed, r.template, imposed, r.defaults} {
		for _, a := range list {
			if a.Type == t {
				if len(a.Value) != ulongSize {
					return 0, wrong(ck.CKR_ATTRIBUTE_VALUE_INVALID, t)
				}
				return number(a.Value), nil
			}
		}
	}
	return 0, wrong(ck.CKR_TEMPLATE_INCOMPLETE, t)
}

// number reads a CK_ULONG whose length is known to be right.
func number(v []byte) uint { return uint(binary.NativeEndian.Uint64(v)) }

// ask applies a row of the caller's template.
func (d *draft) ask(r *request, a ck.Attribute) error {
	i := d.t.known(a.Type)
	if i < 0 || d.t.rows[i].rule.has(templateOnly) && (r.how < byUnwrap || r.how > byDerive) {
		return wrong(ck.CKR_ATTRIBUTE_TYPE_INVALID, a.Type)
	}
	row, bit := &d.t.rows[i], uint64(1)<<i
	switch {
	case d.seen&bit != 0:
		if d.repeats(i, a.Value) {
			return nil
		}
		return wrong(ck.CKR_TEMPLATE_INCONSISTENT, a.Type)
	case d.t.forbidden[r.how]&bit != 0 && !row.rule.has(templateOnly):
		return wrong(ck.CKR_ATTRIBUTE_READ_ONLY, a.Type)
	case row.kind.valid(a.Value) != nil:
		return wrong(ck.CKR_ATTRIBUTE_VALUE_INVALID, a.Type)
	case row.rule.has(soOnly) && a.Value[0] == 1 && !r.so:
		return wrong(ck.CKR_ATTRIBUTE_READ_ONLY, a.Type)
	}
	return d.put(i, a.Value)
}

// decide applies what the operation decides.
func (d *draft) decide(fixed []ck.Attribute) error {
	for _, a := range fixed {
		i := d.t.find(a.Type)
		if i < 0 || d.t.rows[i].kind.valid(a.Value) != nil {
			return wrong(ck.CKR_TEMPLATE_INCONSISTENT, a.Type)
		}
		if d.seen>>i&1 != 0 && !d.is(i, a.Value) {
			return wrong(ck.CKR_TEMPLATE_INCONSISTENT, a.Type)
		}
		if err := d.put(i, a.Value); err != nil {
			return err
		}
	}
	return nil
}

// impose adds a row that the base asks for. A conflict is CKR_TEMPLATE_INCONSISTENT, but CKR_KEY_HANDLE_INVALID with
// CKA_ENCAPSULATE_TEMPLATE: sections 5.18.4, 5.18.5, 5.18.8 and 5.18.9.
func (d *draft) impose(r *request, a ck.Attribute) error {
	conflict := ck.CKR_TEMPLATE_INCONSISTENT
	if r.how == byEncapsulate {
		conflict = ck.CKR_KEY_HANDLE_INVALID
	}
	if i := d.t.known(a.Type); i >= 0 && d.seen>>i&1 != 0 {
		if d.is(i, a.Value) {
			return nil
		}
		return wrong(conflict, a.Type)
	}
	if d.ask(r, a) != nil {
		return wrong(conflict, a.Type)
	}
	return nil
}

// any reports whether the base or one of the others has a boolean attribute so.
func (r *request) any(t ck.AttributeType, is bool) bool {
	if r.base.flag(t) == is {
		return true
	}
	for _, o := range r.others {
		if o.flag(t) == is {
			return true
		}
	}
	return false
}

// past tells whether what a key is derived from has a boolean attribute of its history.
func (r *request) past(t ck.AttributeType) bool {
	switch {
	case r.either:
		return r.any(t, true)
	case r.inherits:
		return !r.any(t, false)
	}
	return r.base.flag(t)
}

// inherit makes the object no less protected than what it comes from, and no more useful where it has bytes of that.
func (d *draft) inherit(r *request) error {
	if r.base == nil {
		return nil
	}
	for _, p := range narrowed {
		i := d.t.find(p.t)
		if i < 0 || !r.any(p.t, p.narrow) || p.strict && (!r.strict || !r.taken) {
			continue
		}
		v := ck.BoolValue(p.narrow)
		if d.seen>>i&1 != 0 && !d.is(i, v) {
			return wrong(ck.CKR_TEMPLATE_INCONSISTENT, p.t)
		}
		if err := d.put(i, v); err != nil {
			return err
		}
	}
	if !r.strict || !r.taken {
		return nil
	}
	for _, o := range append([]*Object{r.base}, r.others...) {
		if err := d.asks(r, o); err != nil {
			return err
		}
	}
	list := r.base.bytes(ck.CKA_ALLOWED_MECHANISMS)
	for _, o := range r.others {
		list = inCommon(list, o.bytes(ck.CKA_ALLOWED_MECHANISMS))
	}
	return d.allow(list)
}

// asks has the object ask of others what a key asks whose bytes it has. What that key asks of the object itself comes before.
func (d *draft) asks(r *request, k *Object) error {
	for _, t := range asking {
		i, v := d.t.find(t), k.bytes(t)
		switch {
		case i < 0 || v == nil || slices.ContainsFunc(r.asked, func(a ck.Attribute) bool { return a.Type == t }):
			continue
		case d.seen>>i&1 != 0 && !d.is(i, v):
			return wrong(ck.CKR_TEMPLATE_INCONSISTENT, t)
		}
		if err := d.put(i, v); err != nil {
			return err
		}
	}
	return nil
}

// allow makes a list of mechanisms all that are allowed, nil for what is allowed anyway.
func (d *draft) allow(list []byte) error {
	i := d.t.find(ck.CKA_ALLOWED_MECHANISMS)
	if list == nil || i < 0 {
		return nil
	}
	if d.seen>>i&1 != 0 {
		if d.v[i] == nil || !within(d.v[i], list) {
			return wrong(ck.CKR_TEMPLATE_INCONSISTENT, ck.CKA_ALLOWED_MECHANISMS)
		}
		return nil
	}
	return d.put(i, list)
}

// fall applies the defaults of the operation. Those that objects of this type do not have are left out.
func (d *draft) fall(defaults []ck.Attribute) error {
	for _, a := range defaults {
		i := d.t.find(a.Type)
		if i < 0 || d.seen>>i&1 != 0 {
			continue
		}
		if d.t.rows[i].kind.valid(a.Value) != nil {
			return wrong(ck.CKR_ATTRIBUTE_VALUE_INVALID, a.Type)
		}
		if err := d.put(i, a.Value); err != nil {
			return err
		}
	}
	return nil
}

// open makes extractable by default what a template says is not sensitive: whoever asks for a key that can be read means that.
func (d *draft) open() {
	sensitive, extractable := d.t.find(ck.CKA_SENSITIVE), d.t.find(ck.CKA_EXTRACTABLE)
	if sensitive >= 0 && extractable >= 0 && d.seen>>sensitive&1 != 0 && d.bits>>sensitive&1 == 0 && d.seen>>extractable&1 == 0 {
		d.bits |= 1 << extractable
	}
}

// put gives a row a value that is valid for its kind.
func (d *draft) put(i int, v []byte) error {
	bit := uint64(1) << i
	d.seen |= bit
	switch d.t.rows[i].kind {
	case boolean:
		d.bits &^= bit
		if v[0] == 1 {
			d.bits |= bit
		}
	case classOf, subtypeOf:
		if !d.is(i, v) {
			return wrong(ck.CKR_TEMPLATE_INCONSISTENT, d.t.rows[i].Type)
		}
	case generator:
		d.gen = ck.MechanismType(number(v))
	case uniqueID:
		return wrong(ck.CKR_ATTRIBUTE_READ_ONLY, ck.CKA_UNIQUE_ID)
	case checkOf:
		d.noCheck = len(v) == 0
		d.v[i] = v
	case lengthOf:
		d.v[i] = v
	default:
		d.set &^= bit
		if len(v) != 0 || v != nil && d.t.rows[i].rule.has(optional) { // an empty CKA_SOFTCSP_SALT is there
			d.set |= bit
		}
		d.v[i] = v
	}
	return nil
}

// is reports whether a row has the value v.
func (d *draft) is(i int, v []byte) bool {
	switch row := &d.t.rows[i]; row.kind {
	case boolean:
		return len(v) == 1 && uint64(v[0]) == d.bits>>i&1
	case classOf:
		return len(v) == ulongSize && number(v) == uint(d.t.class)
	case subtypeOf:
		return len(v) == ulongSize && number(v) == d.t.subtype
	case generator:
		return len(v) == ulongSize && number(v) == uint(d.gen)
	case templateA:
		return sameTemplate(d.v[i], v)
	case ulong:
		if d.set>>i&1 == 0 && !row.rule.has(optional) {
			return len(v) == ulongSize && number(v) == row.def
		}
	}
	return bytes.Equal(d.v[i], v)
}

// repeats reports whether a template gives a row the value v that it gave it before, which counts once: section 4.1.1, number 6.
func (d *draft) repeats(i int, v []byte) bool { return d.t.rows[i].kind.valid(v) == nil && d.is(i, v) }

// flag returns a boolean.
func (d *draft) flag(t ck.AttributeType) bool {
	i := d.t.find(t)
	return i >= 0 && d.bits>>i&1 != 0
}

// mark sets a boolean that the tables forbid to everybody else.
func (d *draft) mark(t ck.AttributeType, on bool) {
	if i := d.t.find(t); i >= 0 && on {
		d.bits |= 1 << i
	}
}

// unmark takes back what mark has set.
func (d *draft) unmark(t ck.AttributeType) {
	if i := d.t.find(t); i >= 0 {
		d.bits &^= 1 << i
	}
}

// says reports whether the template says something of an attribute, or that it is true.
func (d *draft) says(t ck.AttributeType) bool {
	i := d.t.find(t)
	return i >= 0 && d.seen>>i&1 != 0
}

// history sets what the token says of where a key comes from: sections 4.8 and 4.11.
func (d *draft) history(r *request) {
	if d.t.isKey() && (r.how == byCreate || r.how == byGenerate) {
		d.mark(staysInside, !d.flag(ck.CKA_EXTRACTABLE))
	}
	if d.t.isSecret() && r.how == byCreate {
		d.mark(saidOpenly, !d.flag(ck.CKA_SENSITIVE) && !d.says(ck.CKA_EXTRACTABLE))
	}
	switch {
	case !d.t.isKey():
		d.mark(ck.CKA_LOCAL, r.how == byGenerate) // of domain parameters
	case r.how == byGenerate:
		d.gen = r.mechanism
		d.mark(ck.CKA_LOCAL, true)
		d.mark(ck.CKA_ALWAYS_SENSITIVE, d.flag(ck.CKA_SENSITIVE))
		d.mark(ck.CKA_NEVER_EXTRACTABLE, !d.flag(ck.CKA_EXTRACTABLE))
	case r.how == byDerive && r.base != nil:
		d.mark(ck.CKA_ALWAYS_SENSITIVE, r.past(ck.CKA_ALWAYS_SENSITIVE) && d.flag(ck.CKA_SENSITIVE))
		d.mark(ck.CKA_NEVER_EXTRACTABLE, r.past(ck.CKA_NEVER_EXTRACTABLE) && !d.flag(ck.CKA_EXTRACTABLE))
	}
}

// sameTemplate reports whether two attribute arrays have the same rows, in whatever order.
func sameTemplate(a, b []byte) bool {
	if len(a) != len(b) {
		return false
	}
	if bytes.Equal(a, b) {
		return true
	}
	var left, right [maxRows]ck.Attribute
	x, err1 := ck.ParseTemplate(left[:0], a)
	y, err2 := ck.ParseTemplate(right[:0], b)
	if err1 != nil || err2 != nil || len(x) != len(y) {
		return false
	}
	for _, p := range x {
		found := false
		for _, q := range y {
			found = found || p.Type == q.Type && (bytes.Equal(p.Value, q.Value) || ck.IsTemplate(p.Type) && sameTemplate(p.Value, q.Value))
		}
		if !found {
			return false
		}
	}
	return true
}
