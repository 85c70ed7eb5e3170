package ck

import (
	"encoding/binary"
	"fmt"
	"sort"
)

// A Structure is a C structure that is the parameter of a mechanism, or that one leads to; or a number, or plain bytes, with one
// field. zparameters.go has all of them, and which mechanism takes which; it is generated from types.txt and parameters.txt.
type Structure struct {
	Name   string
	Size   uint // in bytes; 0 for bytes of any length
	Fields []Field
}

// A Field is a field of a Structure.
type Field struct {
	Name         string
	Offset, Size uint // in the structure
	Number       bool // a CK_ULONG, a CK_BBOOL or a CK_BYTE, which tells nothing that is secret
	Mechanism    bool // that names a mechanism
	Pointer      bool
	// Inner is the structure that the field is, or that the pointer leads to one or several of; nil for bytes.
	Inner *Structure
	// Unknown says that nothing tells how long is what the pointer leads to.
	Unknown bool
	// Written says that the function writes what the pointer leads to, or the field itself where it is no pointer; Read, that it
	// reads that too.
	Written, Read bool
	// Content says what the bytes are that the pointer leads to.
	Content Content

	// How many bytes, or elements of unit bytes, the pointer leads to: length, or what the field lengthField says.
	unit, length uint
	lengthField  string
	from         lengthPlace
	in           lengthUnit
	null         bool // it may be NULL whatever the length
	onlyIf       string
	equals       uint
}

// LengthField is the name of the field of the same structure that says how much a pointer leads to, "" where none does, and whether it
// counts bits.
func (f *Field) LengthField() (name string, bits bool) {
	if f.from != inStructure {
		return "", false
	}
	return f.lengthField, f.in == inBits
}

// A lengthPlace says where the field is that has a length.
type lengthPlace uint8

const (
	inStructure lengthPlace = iota
	atPointer               // the field points to it
	inParent                // it is in the structure that leads to this one
)

// A lengthUnit says what a length counts.
type lengthUnit uint8

const (
	inBytes lengthUnit = iota
	inBits
	inBitsOrBytes    // in bits where no length in bytes is so large
	inBytesOrPointer // or it is the address of the length: CK_PKCS5_PBKD2_PARAMS in the place of CK_PKCS5_PBKD2_PARAMS2
)

const (
	mostNonce    = 24      // in bytes: what is said to be longer is said in bits
	mostPassword = 1 << 16 // no address is lower, and no password longer
)

// lengthAtPointer is the field that a length is that lies elsewhere.
var lengthAtPointer = Field{Name: "length", Pointer: true}

// A parameterRow says that a mechanism takes a structure, by its place in parameterForms; -1 is none.
type parameterRow struct {
	mechanism MechanismType
	form      int8
	use       parameterUse
	optional  bool
}

// A parameterUse says in calls of which functions a mechanism has a parameter.
type parameterUse uint8

const (
	anyUse     parameterUse = iota // all but those with messages that are encrypted
	messageUse                     // those alone
	wrapUse                        // C_WrapKey and C_UnwrapKey
	deriveUse                      // C_DeriveKey
)

// includes says whether a mechanism has the parameter in a call of a function.
func (u parameterUse) includes(f Function) bool {
	switch u {
	case messageUse:
		return ofMessages(f)
	case wrapUse:
		return f == C_WrapKey || f == C_UnwrapKey
	case deriveUse:
		return f == C_DeriveKey
	}
	return !ofMessages(f)
}

// ofMessages says whether the parameter of a function is that of messages that are encrypted.
func ofMessages(f Function) bool {
	switch f {
	case C_MessageEncryptInit, C_EncryptMessage, C_EncryptMessageBegin, C_EncryptMessageNext,
		C_MessageDecryptInit, C_DecryptMessage, C_DecryptMessageBegin, C_DecryptMessageNext, C_WrapKeyAuthenticated, C_UnwrapKeyAuthenticated:
		return true
	}
	return false
}

// ParameterOf returns the structures that a mechanism's parameter can be in a call of a function, none where it has no parameter.
// optional says that it may be left out, known that the mechanism is in the table.
func ParameterOf(m MechanismType, f Function) (forms []*Structure, optional, known bool) {
	i := sort.Search(len(parameterRows), func(i int) bool { return parameterRows[i].mechanism >= m })
	for ; i < len(parameterRows) && parameterRows[i].mechanism == m; i++ {
		known = true
		if r := parameterRows[i]; r.form >= 0 && r.use.includes(f) {
			forms = append(forms, parameterForms[r.form])
			optional = optional || r.optional
		}
	}
	return forms, optional || len(forms) == 0 || f == C_MessageEncryptInit || f == C_MessageDecryptInit, known
}

// A Place is a field of a parameter, and what it leads to where it is a pointer.
type Place struct {
	Path      string // pAAD, or RandomInfo.pClientRandom, or pDataParams[1].pValue
	Field     *Field
	Structure *Structure // that the field is of
	At        uint64     // where the field is: an address, or its place in a parameter that was given as bytes
	Value     []byte     // of the field itself
	Address   uint64     // that a pointer leads to, 0 for NULL
	Target    []byte     // what lies there; has not been looked at, unless it is structures
}

// Number returns the value of a field that is a number or a pointer.
func (p *Place) Number() uint { return fieldNumber(p.Value) }

func fieldNumber(b []byte) uint {
	switch len(b) {
	case 1:
		return uint(b[0])
	case ulongSize:
		return uint(binary.NativeEndian.Uint64(b))
	}
	return 0
}

// Walk calls visit for each field of a parameter that is the structure, in order, and for those of the structures that it leads to. It
// returns what is wrong with the parameter as far as the table can tell: a length, or a pointer. It looks at nothing but structures and
// lengths; a fault there is a panic, as with every Param.
func (s *Structure) Walk(p *Param, visit func(*Place)) error {
	q := *p
	q.off, q.bad, q.stop = 0, false, nil
	if n := uint(q.Len()); n != s.Size && s.Size != 0 {
		return fmt.Errorf("%w: %s is %d bytes, got %d", CKR_MECHANISM_PARAM_INVALID, s.Name, s.Size, n)
	}
	data := q.Rest()
	if q.bad {
		return fmt.Errorf("%w: %s is at NULL", CKR_MECHANISM_PARAM_INVALID, s.Name)
	}
	w := walk{memory: q.memory, visit: visit, left: mostPlaces}
	return w.structure(s, "", q.addr, data, nil)
}

// mostPlaces is how many places a walk visits.
const mostPlaces = 1 << 17

// A walk is a walk through a parameter.
type walk struct {
	memory func(address uint64, n uint) []byte
	visit  func(*Place)
	left   int
}

// A within is a structure and its bytes.
type within struct {
	s    *Structure
	data []byte
}

func (w *walk) structure(s *Structure, path string, at uint64, data []byte, parents []within) error {
	if len(parents) > 4 {
		return fmt.Errorf("%w: %sis too deep", CKR_MECHANISM_PARAM_INVALID, path)
	}
	here := append(parents, within{s, data})
	for i := range s.Fields {
		f := &s.Fields[i]
		end := f.Offset + f.Size
		if s.Size == 0 {
			end = uint(len(data))
		}
		p := &Place{Path: path + f.Name, Field: f, Structure: s, At: at + uint64(f.Offset), Value: data[f.Offset:end:end]}
		var err error
		switch {
		case f.Pointer:
			err = w.pointer(p, here)
		case f.Inner != nil:
			err = w.structure(f.Inner, p.Path+".", p.At, p.Value, parents)
		default:
			err = w.see(p)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *walk) see(p *Place) error {
	if w.left--; w.left < 0 {
		return fmt.Errorf("%w: %s: there are too many", CKR_MECHANISM_PARAM_INVALID, p.Path)
	}
	w.visit(p)
	return nil
}

// pointer visits a pointer, and what it leads to.
func (w *walk) pointer(p *Place, here []within) error {
	f := p.Field
	p.Address = uint64(p.Number())
	n, said, err := w.lengthOf(p, here)
	if err != nil || f.Unknown || !p.means(here) || p.Address == 0 && f.null {
		p.Address = 0
		return firstError(err, w.see(p))
	}
	if p.Address == 0 && n != 0 {
		return fmt.Errorf("%w: %s is NULL%s", CKR_MECHANISM_PARAM_INVALID, p.Path, said)
	}
	inner := f.Inner
	if inner == nil && p.isTemplate(here) {
		if inner = p.Structure; n%inner.Size != 0 {
			return fmt.Errorf("%w: %s is no whole number of attributes%s", CKR_MECHANISM_PARAM_INVALID, p.Path, said)
		}
		n /= inner.Size
	}
	size := n * f.unit
	if inner != nil {
		size = n * inner.Size
	}
	if n > 0 {
		p.Target, err = w.at(p.Path, p.Address, n, size, said)
	}
	if err = firstError(err, w.see(p)); err != nil || inner == nil {
		return err
	}
	for i := range n {
		path := p.Path + "."
		if f.length != 1 {
			path = fmt.Sprintf("%s[%d].", p.Path, i)
		}
		if err := w.structure(inner, path, p.Address+uint64(i*inner.Size), p.Target[i*inner.Size:(i+1)*inner.Size], here); err != nil {
			return err
		}
	}
	return nil
}

func firstError(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// at returns what a pointer leads to.
func (w *walk) at(path string, address uint64, n, size uint, said string) ([]byte, error) {
	if n > 1<<40 || w.memory == nil {
		return nil, fmt.Errorf("%w: %s leads to no memory%s", CKR_MECHANISM_PARAM_INVALID, path, said)
	}
	b := w.memory(address, size)
	if b == nil {
		return nil, fmt.Errorf("%w: %s leads to no memory%s", CKR_MECHANISM_PARAM_INVALID, path, said)
	}
	return b, nil
}

// means says whether a pointer means anything: whether the field that that hangs on has the value.
func (p *Place) means(here []within) bool {
	if p.Field.onlyIf == "" {
		return true
	}
	value, _ := here[len(here)-1].number(p.Field.onlyIf)
	return value == p.Field.equals
}

// isTemplate says whether what is a value of an attribute is an array of attributes itself.
func (p *Place) isTemplate(here []within) bool {
	return p.Structure.Name == "CK_ATTRIBUTE" && IsTemplate(AttributeType(fieldNumber(here[len(here)-1].data[:ulongSize])))
}

// number returns the value of a field.
func (w within) number(name string) (n uint, ok bool) {
	for i := range w.s.Fields {
		if f := &w.s.Fields[i]; f.Name == name {
			return fieldNumber(w.data[f.Offset : f.Offset+f.Size]), true
		}
	}
	return 0, false
}

// lengthOf is how many elements a pointer leads to, and what says so.
func (w *walk) lengthOf(p *Place, here []within) (n uint, said string, err error) {
	f := p.Field
	if f.lengthField == "" {
		return f.length, "", nil
	}
	holder := here[len(here)-1]
	if f.from == inParent {
		if len(here) < 2 {
			return 0, "", fmt.Errorf("%w: %s: nothing leads to its structure", CKR_MECHANISM_PARAM_INVALID, p.Path)
		}
		holder = here[len(here)-2]
	}
	n, _ = holder.number(f.lengthField)
	if f.Content != PIN {
		said = fmt.Sprintf(", and %s is %d", f.lengthField, n)
	}
	switch {
	case f.in == inBits, f.in == inBitsOrBytes && n > mostNonce:
		n = (n + 7) / 8
	case f.from == atPointer, f.in == inBytesOrPointer && n >= mostPassword:
		b, err := w.at(f.lengthField, uint64(n), 1, ulongSize, "")
		if err == nil && f.in == inBytesOrPointer { // it is declared as a length, and is seen as one
			err = w.see(&Place{Path: "*" + f.lengthField, Field: &lengthAtPointer, Structure: p.Structure, Address: uint64(n), Target: b})
		}
		if err != nil {
			return 0, said, err
		}
		return fieldNumber(b), said, nil
	}
	return n, said, nil
}

// MeasuresPIN says whether a field is the length of a password.
func (s *Structure) MeasuresPIN(f *Field) bool {
	for i := range s.Fields {
		if s.Fields[i].Content == PIN && s.Fields[i].lengthField == f.Name {
			return true
		}
	}
	return false
}

// A FieldError is CKR_MECHANISM_PARAM_INVALID with the fields of the parameter of which one is wrong: "ulIvLen or ulTagBits".
type FieldError string

func (e FieldError) Error() string { return CKR_MECHANISM_PARAM_INVALID.String() + ": " + string(e) }

// Unwrap returns the return value.
func (FieldError) Unwrap() error { return CKR_MECHANISM_PARAM_INVALID }
