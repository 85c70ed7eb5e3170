package token

import (
	"encoding/binary"
	"slices"

	"github.com/softcsp/softcsp/ck"
)

// An origin is how an object comes to be, or to be changed.
type origin int

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
	// isSO says that the SO is logged in, who may set CKA_TRUSTED.
	isSO bool
	// inherits says that the key that is derived may not be less protected than its base, as of the mechanisms that hand
	// on parts of the base key's value: section 6.43.
	inherits bool
	// others are the keys that a derivation uses beside its base.
	others []*Object
	// historyOfAny says how their history counts: mechanisms.Mechanism.HistoryOfAnyKey.
	historyOfAny bool
	// notKey says that a derivation makes a data object, and a generation domain parameters.
	notKey bool
	// strict says that the token's separation is strict.
	strict bool
	// hasKeyBytes says that the new key has bytes of the base and of the others.
	hasKeyBytes bool
	// role is the role that a copy has in place of its original's, noRole where it has that.
	role role
	// beforeStoring is asked of the new object before it is anywhere, nil where nobody asks.
	beforeStoring func(*Object) error

	imposed    []ck.Attribute // what the base asks of the new key: from
	foundTable *table         // what table has found
}

// baseTemplates are the attributes of a base that have what it asks of a new key.
var baseTemplates = [allOrigins]ck.AttributeType{
	byUnwrap: ck.CKA_UNWRAP_TEMPLATE, byEncapsulate: ck.CKA_ENCAPSULATE_TEMPLATE, byDecapsulate: ck.CKA_DECAPSULATE_TEMPLATE, byDerive: ck.CKA_DERIVE_TEMPLATE,
}

// from gives the request its base, and with it what that asks of the new key.
func (r *request) from(base *Object) (err error) {
	r.base = base
	if t := baseTemplates[r.how]; base != nil && t != 0 {
		r.imposed, err = ck.ParseTemplate(nil, base.bytes(t))
	}
	return err
}

// table finds out of which class and type the new object is.
func (r *request) table() (*table, error) {
	if r.foundTable != nil {
		return r.foundTable, nil
	}
	t, err := r.findTable()
	r.foundTable = t
	return t, err
}

// findTable does the work of table.
func (r *request) findTable() (*table, error) {
	c, err := r.number(ck.CKA_CLASS)
	if err != nil {
		return nil, err
	}
	class, subtype := ck.ObjectClass(c), uint(0)
	name, ok := subtypeName(class)
	if ok {
		if subtype, err = r.number(name); err != nil {
			return nil, err
		}
	} else {
		name = ck.CKA_CLASS
	}
	t := tables[tableName{class, subtype}]
	switch {
	case t == nil && name == ck.CKA_KEY_TYPE && hasTypeOfOtherClass(class, subtype):
		return nil, wrong(ck.CKR_TEMPLATE_INCONSISTENT, name)
	case t == nil:
		return nil, wrong(ck.CKR_ATTRIBUTE_VALUE_INVALID, name)
	case t.builtin(), r.how != byCreate && !t.isKey() && !r.notKey:
		return nil, wrong(ck.CKR_TEMPLATE_INCONSISTENT, ck.CKA_CLASS)
	}
	return t, nil
}

// hasTypeOfOtherClass reports whether a class of keys has none of a type that another has.
func hasTypeOfOtherClass(class ck.ObjectClass, t uint) bool {
	classes := []ck.ObjectClass{ck.CKO_SECRET_KEY, ck.CKO_PUBLIC_KEY, ck.CKO_PRIVATE_KEY, ck.CKO_OTP_KEY}
	return slices.Contains(classes, class) && slices.ContainsFunc(classes, func(c ck.ObjectClass) bool { return tables[tableName{c, t}] != nil })
}

// number returns a CK_ULONG from the first place that has it.
func (r *request) number(t ck.AttributeType) (uint, error) {
	for _, list := range [...][]ck.Attribute{r.fixed, r.template, r.imposed, r.defaults} {
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

// anyHas reports whether the base or one of the others has a boolean attribute so.
func (r *request) anyHas(t ck.AttributeType, is bool) bool {
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

// historyFlag tells whether what a key is derived from has a boolean attribute of its history.
func (r *request) historyFlag(t ck.AttributeType) bool {
	switch {
	case r.historyOfAny:
		return r.anyHas(t, true)
	case r.inherits:
		return !r.anyHas(t, false)
	}
	return r.base.flag(t)
}
