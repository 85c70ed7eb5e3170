package token

import (
	"fmt"
	"math/bits"
	"strings"

	"github.com/softcsp/softcsp/ck"
)

// A rule is what the standard says of an attribute beside its type, one bit for each: the footnotes that its attribute tables have in
// common, by their numbers, and what it says in the text or in the footnotes of a single table. Ask for one bit at a time, with has.
type rule uint32

const (
	mustCreate   rule = 1 << iota // 1 MUST be specified with C_CreateObject
	notCreate                     // 2 MUST not be
	mustGenerate                  // 3 MUST be specified with C_GenerateKey
	notGenerate                   // 4 MUST not be
	mustUnwrap                    // 5 MUST be specified with C_UnwrapKey
	notUnwrap                     // 6 MUST not be; nor with C_DeriveKey, of which the footnotes do not speak
	concealed                     // 7 not revealed if the object is sensitive or not extractable
	modifiable                    // 8 may be modified by C_SetAttributeValue and C_CopyObject
	defaulted                     // 9 the default is ours
	soOnly                        // 10 only the SO may set it to true
	staysTrue                     // 11 cannot be changed once true
	staysFalse                    // 12 cannot be changed once false

	copyOnly     // may be changed by C_CopyObject alone: section 4.1.3
	valueOrURL   // of certificates: must be specified, non-empty where CKA_URL is empty
	urlOrValue   // of certificates: must be non-empty where CKA_VALUE is empty
	withURL      // of certificates: can only be empty where CKA_URL is empty
	withValue    // of certificates: can only be empty where CKA_VALUE is empty
	toTrust      // of trust objects: must be specified where the certificate is trusted for anything
	valueOrSeed  // of private keys: must be specified where CKA_SEED is not
	optional     // an object without a value does not have the attribute at all
	templateOnly // may stand in a template of a key that is unwrapped, derived, encapsulated or decapsulated, where it must be true of the new key; no object has it
	internal     // the token's own: unknown to applications
)

var ruleNames = []string{"copying", "value or URL", "URL or value", "with URL", "with value", "to trust", "value or seed", "optional", "template only", "internal"}

// has reports whether bit is among the rules.
func (r rule) has(bit rule) bool { return r&bit != 0 }

// String returns the rules in the notation of the standard, "1,4,6,7" say.
func (r rule) String() string {
	var s []string
	for ; r != 0; r &= r - 1 {
		if n := bits.TrailingZeros32(uint32(r)); n < 12 {
			s = append(s, fmt.Sprint(n+1))
		} else {
			s = append(s, ruleNames[n-12])
		}
	}
	return strings.Join(s, ",")
}

// A kind is the type of an attribute's values, and where an Object keeps them.
type kind uint8

const (
	octets         kind = iota // bytes, big integers and strings: anything goes
	boolean                    // CK_BBOOL, a bit in the Object
	ulong                      // CK_ULONG
	date                       // CK_DATE, or empty
	mechanismArray             // an array of CK_MECHANISM_TYPE
	templateArray              // an array of CK_ATTRIBUTE, in the encoding of ck.AppendTemplate

	classOf      // CKA_CLASS: the Object's table knows it
	subtypeOf    // CKA_KEY_TYPE or CKA_CERTIFICATE_TYPE: so with it
	genMechanism // CKA_KEY_GEN_MECHANISM: a field of the Object
	lengthOf     // CKA_VALUE_LEN: computed
	checkOf      // CKA_CHECK_VALUE: computed
	uniqueID     // CKA_UNIQUE_ID: a field of the Object
	clock        // CKA_VALUE of a clock: the time
)

var kindNames = [...]string{"bytes", "bool", "ulong", "date", "mechanism array", "attribute array", "class", "type", "mechanism", "ulong", "bytes", "string", "time"}

func (k kind) String() string { return kindNames[k] }

// stored reports whether values of this kind lie in the Object's memory as they are.
func (k kind) stored() bool { return k <= templateArray && k != boolean }

// templateDepth is how deep attribute arrays may be nested in each other.
const templateDepth = 3

// valid tells whether v is a value of the kind: nil or CKR_ATTRIBUTE_VALUE_INVALID.
func (k kind) valid(v []byte) error {
	switch k {
	case boolean:
		if len(v) != 1 || v[0] > 1 {
			return ck.CKR_ATTRIBUTE_VALUE_INVALID
		}
	case ulong, classOf, subtypeOf, genMechanism, lengthOf:
		if len(v) != ulongSize {
			return ck.CKR_ATTRIBUTE_VALUE_INVALID
		}
	case date:
		_, err := ck.Date(v)
		return err
	case mechanismArray:
		if len(v)%ulongSize != 0 {
			return ck.CKR_ATTRIBUTE_VALUE_INVALID
		}
	case templateArray:
		return validTemplate(v, templateDepth)
	}
	return nil
}

// ulongSize is the size of a CK_ULONG in bytes.
const ulongSize = 8

// validTemplate checks the value of an attribute array: well encoded, no type twice, not nested too deep.
func validTemplate(v []byte, depth int) error {
	if depth == 0 {
		return ck.CKR_ATTRIBUTE_VALUE_INVALID
	}
	rows, err := ck.ParseTemplate(nil, v)
	if err != nil {
		return err
	}
	if len(rows) > maxRows {
		return ck.CKR_ATTRIBUTE_VALUE_INVALID
	}
	for i, a := range rows {
		for _, b := range rows[:i] {
			if a.Type == b.Type {
				return ck.CKR_ATTRIBUTE_VALUE_INVALID
			}
		}
		if ck.IsTemplate(a.Type) {
			if err := validTemplate(a.Value, depth-1); err != nil {
				return err
			}
		}
	}
	return nil
}

// An attribute is a row of a table.
type attribute struct {
	Type ck.AttributeType
	kind kind
	rule rule
	def  uint // the default of a boolean (1 is true) or a number; other kinds are empty
}

// A tablePart is a table as it stands in the standard, which objects of several types have in common.
type tablePart struct {
	name string
	rows []attribute
}

// maxRows is how many rows a table can have: sets of rows are words.
const maxRows = 64

// An attributeTable is the attributes of all objects of one class and type: the parts one after another. A set of its rows is a
// word, with a bit for each row.
type attributeTable struct {
	class   ck.ObjectClass
	subtype uint // the key or certificate type
	parts   []tablePart
	rows    []attribute

	index       [256]uint8             // from a hash of the type to 1 + the row, by open addressing
	with        [32]uint64             // the rows with each rule
	defaults    uint64                 // the booleans that are true by default
	restricting uint64                 // the rows that restrict the use of a key if they have a value
	forbidden   [createdByCount]uint64 // the rows that a template may not have, for each way to make an object
	required    [createdByCount]uint64 // the rows that must be decided
	roles       uint64                 // the rows of the roles
	value       int                    // the row of CKA_VALUE, -1 if there is none
}

// The rows of these are the same in all tables.
const (
	rowClass = iota
	rowUniqueID
	rowToken
	rowPrivate
	rowModifiable
	rowLabel
	rowCopyable
	rowDestroyable
)

// newTable composes a table. It panics where the parts have too many rows or a type twice.
func newTable(class ck.ObjectClass, subtype uint, parts ...tablePart) *attributeTable {
	t := &attributeTable{class: class, subtype: subtype, parts: parts, value: -1}
	for _, p := range parts {
		t.rows = append(t.rows, p.rows...)
	}
	if len(t.rows) > maxRows {
		panic("token: attribute table too long")
	}
	for i, a := range t.rows {
		if t.find(a.Type) >= 0 {
			panic("token: attribute twice in a table: " + a.Type.String())
		}
		h := hashType(a.Type)
		for t.index[h] != 0 {
			h++
		}
		t.index[h] = uint8(i + 1)
		bit := uint64(1) << i
		for r := a.rule; r != 0; r &= r - 1 {
			t.with[bits.TrailingZeros32(uint32(r))] |= bit
		}
		if a.kind == boolean && a.def != 0 {
			t.defaults |= bit
		}
		switch a.Type {
		case ck.CKA_ALLOWED_MECHANISMS, ck.CKA_START_DATE, ck.CKA_END_DATE:
			t.restricting |= bit
		case roleWrapping, roleWrappingTrusted, roleNotWrapping:
			t.roles |= bit
		case ck.CKA_VALUE:
			t.value = i
		}
	}
	t.forbidden = [createdByCount]uint64{
		byCreate: t.rowsWith(notCreate), byGenerate: t.rowsWith(notGenerate), byUnwrap: t.rowsWith(notUnwrap),
		byEncapsulate: t.rowsWith(notUnwrap), byDecapsulate: t.rowsWith(notUnwrap), byDerive: t.rowsWith(notUnwrap),
	}
	t.required = [createdByCount]uint64{byCreate: t.rowsWith(mustCreate), byGenerate: t.rowsWith(mustGenerate), byUnwrap: t.rowsWith(mustUnwrap)}
	return t
}

// rowsWith returns the rows that have the rule.
func (t *attributeTable) rowsWith(bit rule) uint64 { return t.with[bits.TrailingZeros32(uint32(bit))] }

// hashType spreads the types over a table's index.
func hashType(t ck.AttributeType) uint8 { return uint8(t ^ t>>5 ^ t>>16) }

// find returns the row of a type, -1 if there is none.
func (t *attributeTable) find(a ck.AttributeType) int {
	for h := hashType(a); ; h++ {
		i := t.index[h]
		if i == 0 {
			return -1
		}
		if t.rows[i-1].Type == a {
			return int(i - 1)
		}
	}
}

// findForApplication returns the row of a type that applications may name, -1 if there is none: attributes of the token's own they may not.
func (t *attributeTable) findForApplication(a ck.AttributeType) int {
	i := t.find(a)
	if i >= 0 && t.rows[i].rule.has(internal) {
		return -1
	}
	return i
}

// builtin reports whether applications cannot make the objects of the table.
func (t *attributeTable) builtin() bool {
	_, ok := builtinAttribute(t.class)
	return ok
}

// isKey reports whether the objects of the table are keys.
func (t *attributeTable) isKey() bool {
	return t.isSecret() || t.class == ck.CKO_PRIVATE_KEY || t.class == ck.CKO_PUBLIC_KEY
}

// isSecret reports whether the objects of the table are secret keys, those for one-time passwords among them.
func (t *attributeTable) isSecret() bool {
	return t.class == ck.CKO_SECRET_KEY || t.class == ck.CKO_OTP_KEY
}

// isAsymmetric reports whether the objects of the table are public or private keys.
func (t *attributeTable) isAsymmetric() bool {
	return t.class == ck.CKO_PUBLIC_KEY || t.class == ck.CKO_PRIVATE_KEY
}
