package token

import (
	"bytes"
	"crypto/sha1"
	"encoding/binary"
	"fmt"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/secret"
	"github.com/softcsp/softcsp/mechanisms"
)

// class returns CKA_CLASS.
func (o *Object) class() ck.ObjectClass { return o.table.class }

// keyType returns CKA_KEY_TYPE of a key.
func (o *Object) keyType() ck.KeyType { return ck.KeyType(o.table.subtype) }

// isToken returns CKA_TOKEN.
func (o *Object) isToken() bool { return o.bools>>rowToken&1 != 0 }

// isPrivate returns CKA_PRIVATE.
func (o *Object) isPrivate() bool { return o.bools>>rowPrivate&1 != 0 }

// flag returns a boolean attribute, false where the object does not have it.
func (o *Object) flag(t ck.AttributeType) bool {
	i := o.table.find(t)
	return i >= 0 && o.bools>>i&1 != 0
}

// isConcealed reports whether the secret values of the object may not be read: footnote 7.
func (o *Object) isConcealed() bool {
	return o.secretsMissing || o.flag(ck.CKA_SENSITIVE) || !o.flag(ck.CKA_EXTRACTABLE)
}

// uniqueID returns CKA_UNIQUE_ID. It is formatted on demand, because it is seldom asked for.
func (o *Object) uniqueID() string {
	if o.uniqueNumber != 0 {
		return fmt.Sprintf("%016x", o.uniqueNumber)
	}
	return o.id.String()
}

// bytes returns the value of an attribute for the token's own use, even if no application may read it; nil where it is absent or empty.
// The result is valid as long as the Object.
func (o *Object) bytes(t ck.AttributeType) []byte {
	i := o.table.find(t)
	if i < 0 {
		return nil
	}
	if o.table.rows[i].kind.stored() {
		return o.at(i)
	}
	var space [ulongSize]byte
	v := o.value(i, &space)
	if len(v) == ulongSize && o.table.rows[i].kind != uniqueID {
		return bytes.Clone(v)
	}
	return v
}

// value returns the value of a row, or its default. space is used for a number that the object does not keep as bytes.
func (o *Object) value(i int, space *[ulongSize]byte) []byte {
	row := &o.table.rows[i]
	n := row.def
	switch row.kind {
	case boolean:
		return ck.BoolValue(o.bools>>i&1 != 0)
	case classOf:
		n = uint(o.table.class)
	case subtypeOf:
		n = o.table.subtype
	case genMechanism:
		n = uint(o.genMechanism)
	case lengthOf:
		n = o.length
	case checkOf:
		return o.checkValue()
	case uniqueID:
		return []byte(o.uniqueID())
	case clock:
		return []byte(utcTime())
	case ulong:
		if v := o.at(i); v != nil {
			return v
		}
	default:
		return o.at(i)
	}
	binary.NativeEndian.PutUint64(space[:], uint64(n))
	return space[:]
}

// checkValue computes CKA_CHECK_VALUE, nil where the object has none.
func (o *Object) checkValue() []byte {
	if o.noCheck || o.secretsMissing {
		return nil
	}
	return checkValue(o.table, o.at(o.table.value))
}

// checkValue computes the check value of an object with that value: sections 4.6.2 and 4.11.
func checkValue(t *attributeTable, value []byte) (check []byte) {
	switch {
	case len(value) == 0:
	case t.class == ck.CKO_CERTIFICATE:
		h := sha1.Sum(value)
		check = h[:3]
	case t.isSecret():
		secret.Do(func() { check = mechanisms.CheckValue(ck.KeyType(t.subtype), value) })
	}
	return check
}

// hasAttribute reports whether the object has the attribute of row i.
func (o *Object) hasAttribute(i int) bool {
	if i < 0 {
		return false
	}
	r := o.table.rows[i].rule
	return !r.has(templateOnly) && !(r.has(optional) && o.present>>i&1 == 0)
}

// readAttribute fills one row of C_GetAttributeValue, section 5.7.5.
func (o *Object) readAttribute(b *ck.AttributeBuffer) error {
	i := o.table.findForApplication(b.Type)
	if !o.hasAttribute(i) {
		b.N = ck.UnavailableInformation
		return ck.CKR_ATTRIBUTE_TYPE_INVALID
	}
	row := &o.table.rows[i]
	if row.rule.has(concealed) && o.isConcealed() || row.kind == checkOf && o.secretsMissing {
		b.N = ck.UnavailableInformation
		return ck.CKR_ATTRIBUTE_SENSITIVE
	}
	if row.kind == templateArray {
		return fillTemplate(b, o.at(i))
	}
	var space [ulongSize]byte
	return fillBuffer(b, o.value(i, &space))
}

// fillBuffer copies a value to a row of C_GetAttributeValue.
func fillBuffer(b *ck.AttributeBuffer, v []byte) error {
	if b.Has {
		if len(b.Data) < len(v) {
			b.N = ck.UnavailableInformation
			return ck.CKR_BUFFER_TOO_SMALL
		}
		copy(b.Data, v)
	}
	b.N = uint(len(v))
	return nil
}

// attributeSize is the size of a CK_ATTRIBUTE in bytes.
const attributeSize = 3 * ulongSize

// fillTemplate fills a row whose value is an array of attributes: it sets the types, and fills each element like a row of its own.
func fillTemplate(b *ck.AttributeBuffer, v []byte) error {
	var space [maxRows]ck.Attribute
	rows, err := ck.ParseTemplate(space[:0], v)
	if err != nil {
		return err
	}
	b.N = uint(len(rows) * attributeSize)
	if !b.Has {
		return nil
	}
	if len(b.Sub) < len(rows) {
		b.N = ck.UnavailableInformation
		return ck.CKR_BUFFER_TOO_SMALL
	}
	var first error
	for k, a := range rows {
		sub := &b.Sub[k]
		sub.Type = a.Type
		err := error(nil)
		if ck.IsTemplate(a.Type) {
			err = fillTemplate(sub, a.Value)
		} else {
			err = fillBuffer(sub, a.Value)
		}
		if first == nil {
			first = err
		}
	}
	return first
}

// matches reports whether the object has every attribute of the template with that value, as C_FindObjects and
// CKA_WRAP_TEMPLATE compare: section 5.7.7. Values that may not be read match nothing.
func (o *Object) matches(template []ck.Attribute) bool {
	for _, a := range template {
		if !o.match(a) {
			return false
		}
	}
	return true
}

func (o *Object) match(a ck.Attribute) bool {
	i := o.table.findForApplication(a.Type)
	if !o.hasAttribute(i) {
		return false
	}
	row := &o.table.rows[i]
	switch {
	case row.rule.has(concealed) && o.isConcealed(), row.kind == checkOf && o.secretsMissing:
		return false
	case row.kind == boolean:
		return len(a.Value) == 1 && uint64(a.Value[0]) == o.bools>>i&1
	case row.kind == templateArray:
		return sameTemplate(o.at(i), a.Value)
	case row.kind == uniqueID:
		return string(a.Value) == o.uniqueID()
	}
	var space [ulongSize]byte
	return bytes.Equal(o.value(i, &space), a.Value)
}

// size returns what the object takes in a token file before it is sealed, in bytes: C_GetObjectSize.
func (o *Object) size() uint {
	var public, secret [maxRows]ck.Attribute
	a, b := o.appendAttributes(public[:0], secret[:0])
	return uint(ck.TemplateLen(a) + ck.TemplateLen(b))
}

// indexed are the attributes by which objects are found without looking at each.
var indexed = [...]ck.AttributeType{ck.CKA_LABEL, ck.CKA_ID, ck.CKA_SUBJECT, ck.CKA_SERIAL_NUMBER, ck.CKA_APPLICATION, ck.CKA_OBJECT_ID}

// terms returns what the object can be found by.
func (o *Object) terms() [][]byte {
	var terms [][]byte
	for _, t := range indexed {
		if v, ok := term(nil, ck.Attribute{Type: t, Value: o.bytes(t)}); ok {
			terms = append(terms, v)
		}
	}
	return terms
}

// term returns the term of a row of a template, in space where it fits, false where it is of a type that is not indexed, or empty:
// objects without a value have no term.
func term(space []byte, a ck.Attribute) ([]byte, bool) {
	if len(a.Value) == 0 {
		return nil, false
	}
	for _, t := range indexed {
		if t == a.Type {
			return ck.AppendWiping(binary.LittleEndian.AppendUint32(space[:0], uint32(t)), a.Value), true
		}
	}
	return nil, false
}
