package token

import (
	"encoding/binary"
	"slices"

	"github.com/softcsp/softcsp/ck"
)

// createdBy tells how an object comes to be, or to be changed.
type createdBy int

const (
	byCreate createdBy = iota
	byGenerate
	byUnwrap
	byEncapsulate
	byDecapsulate
	byDerive
	byCopy
	bySet
	createdByCount
)

// A request is what an object is built from.
type request struct {
	how createdBy
	// template is the caller's. Its values are valid during the call only and are not kept.
	template []ck.Attribute
	// fixed is what the operation itself decides. A template that says otherwise is CKR_TEMPLATE_INCONSISTENT. It may have
	// attributes that the footnotes forbid to applications.
	fixed []ck.Attribute
	// defaults are used for attributes that the template does not have, before the defaults of the tables.
	defaults []ck.Attribute
	// mechanism is the CKA_KEY_GEN_MECHANISM of a key that is generated.
	mechanism ck.MechanismType
	// base is the object that is copied, the base key of a derivation, or the key that unwraps, encapsulates or decapsulates; nil
	// if there is none.
	base *Object
	// isSO says that the SO is logged in, who may set CKA_TRUSTED.
	isSO bool
	// inherits says that the derived key must not be less protected than its base, because the mechanism takes parts of the base key's value:
	// section 6.43.
	inherits bool
	// others are the keys that a derivation uses beside its base.
	others []*Object
	// historyOfAny is HistoryOfAnyKey of the mechanism.
	historyOfAny bool
	// notKey says that what is derived is a data object, or that what is generated is domain parameters.
	notKey bool
	// strict says that the token's separation is strict.
	strict bool
	// takesKeyBytes says that the value of the new key has bytes of the base and of the others.
	takesKeyBytes bool
	// role is the role that a copy has in place of that of its original, noRole where it has the same.
	role role
	// beforeStoring is called with the new object before anybody else can see it, and may refuse it. It may be nil.
	beforeStoring func(*Object) error

	imposed    []ck.Attribute  // what the base asks of the new key; setBase reads it
	foundTable *attributeTable // the result of table
}

// baseTemplates are the attributes that have what a base asks of a new key.
var baseTemplates = [createdByCount]ck.AttributeType{
	byUnwrap: ck.CKA_UNWRAP_TEMPLATE, byEncapsulate: ck.CKA_ENCAPSULATE_TEMPLATE, byDecapsulate: ck.CKA_DECAPSULATE_TEMPLATE, byDerive: ck.CKA_DERIVE_TEMPLATE,
}

// setBase sets the base, and reads what it asks of the new key.
func (r *request) setBase(base *Object) (err error) {
	r.base = base
	if t := baseTemplates[r.how]; base != nil && t != 0 {
		r.imposed, err = ck.ParseTemplate(nil, base.bytes(t))
	}
	return err
}

// table finds the table of the class and type that the new object has.
func (r *request) table() (*attributeTable, error) {
	if r.foundTable != nil {
		return r.foundTable, nil
	}
	t, err := r.findTable()
	r.foundTable = t
	return t, err
}

// findTable does the work of table.
func (r *request) findTable() (*attributeTable, error) {
	c, err := r.number(ck.CKA_CLASS)
	if err != nil {
		return nil, err
	}
	class, subtype := ck.ObjectClass(c), uint(0)
	name, ok := subtypeAttribute(class)
	if ok {
		if subtype, err = r.number(name); err != nil {
			return nil, err
		}
	} else {
		name = ck.CKA_CLASS
	}
	t := tables[objectType{class, subtype}]
	switch {
	case t == nil && name == ck.CKA_KEY_TYPE && hasTypeOfOtherClass(class, subtype):
		return nil, attributeError(ck.CKR_TEMPLATE_INCONSISTENT, name)
	case t == nil:
		return nil, attributeError(ck.CKR_ATTRIBUTE_VALUE_INVALID, name)
	case t.builtin(), r.how != byCreate && !t.isKey() && !r.notKey:
		return nil, attributeError(ck.CKR_TEMPLATE_INCONSISTENT, ck.CKA_CLASS)
	}
	return t, nil
}

// hasTypeOfOtherClass reports whether another class of keys has the key type t.
func hasTypeOfOtherClass(class ck.ObjectClass, t uint) bool {
	classes := []ck.ObjectClass{ck.CKO_SECRET_KEY, ck.CKO_PUBLIC_KEY, ck.CKO_PRIVATE_KEY, ck.CKO_OTP_KEY}
	return slices.Contains(classes, class) && slices.ContainsFunc(classes, func(c ck.ObjectClass) bool { return tables[objectType{c, t}] != nil })
}

// number returns a CK_ULONG from the first list that has it.
func (r *request) number(t ck.AttributeType) (uint, error) {
	for _, list := range [...][]ck.Attribute{r.fixed, r.template, r.imposed, r.defaults} {
		for _, a := range list {
			if a.Type == t {
				if len(a.Value) != ulongSize {
					return 0, attributeError(ck.CKR_ATTRIBUTE_VALUE_INVALID, t)
				}
				return number(a.Value), nil
			}
		}
	}
	return 0, attributeError(ck.CKR_TEMPLATE_INCOMPLETE, t)
}

// number reads a CK_ULONG whose length is known to be right.
func number(v []byte) uint { return uint(binary.NativeEndian.Uint64(v)) }

// anyHas reports whether a boolean attribute of the base, or of one of the others, has a value.
func (r *request) anyHas(t ck.AttributeType, value bool) bool {
	if r.base.flag(t) == value {
		return true
	}
	for _, o := range r.others {
		if o.flag(t) == value {
			return true
		}
	}
	return false
}

// historyFlag tells whether CKA_ALWAYS_SENSITIVE or CKA_NEVER_EXTRACTABLE counts as true of what a key is derived from.
func (r *request) historyFlag(t ck.AttributeType) bool {
	switch {
	case r.historyOfAny:
		return r.anyHas(t, true)
	case r.inherits:
		return !r.anyHas(t, false)
	}
	return r.base.flag(t)
}

// fixedValue returns the value that the operation itself decides for an attribute, nil where it decides none.
func (r *request) fixedValue(t ck.AttributeType) []byte {
	for _, a := range r.fixed {
		if a.Type == t {
			return a.Value
		}
	}
	return nil
}
