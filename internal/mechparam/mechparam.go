// Package mechparam makes parameters of mechanisms from the values of their fields, for programs that have no C structures: the names are those of the
// standard, as package ck knows them.
//
// Lengths follow from the bytes that they belong to. A field without a value is 0 or NULL. The fields of a structure that a field leads to count as
// fields of the whole.
package mechparam

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/softcsp/softcsp/ck"
)

// Fields are values of fields by their names: numbers, and bytes of arrays and of what pointers lead to.
type Fields struct {
	Numbers map[string]uint
	Bytes   map[string][]byte
}

// SetNumber gives a field a value that is a number.
func (f *Fields) SetNumber(name string, n uint) {
	if f.Numbers == nil {
		f.Numbers = make(map[string]uint)
	}
	f.Numbers[name] = n
}

// SetBytes gives a field a value that is bytes.
func (f *Fields) SetBytes(name string, b []byte) {
	if f.Bytes == nil {
		f.Bytes = make(map[string][]byte)
	}
	f.Bytes[name] = b
}

// Has reports whether a field has a value.
func (f *Fields) Has(name string) bool {
	_, number := f.Numbers[name]
	_, bytes := f.Bytes[name]
	return number || bytes
}

// Find returns the field of a structure with a name, or of one that it leads to, nil if there is none.
func Find(s *ck.Structure, name string) *ck.Field {
	if f := own(s, name); f != nil {
		return f
	}
	for i := range s.Fields {
		if inner := innerOf(&s.Fields[i]); inner != nil {
			if f := Find(inner, name); f != nil {
				return f
			}
		}
	}
	return nil
}

// own returns the field of the structure itself with a name.
func own(s *ck.Structure, name string) *ck.Field {
	for i := range s.Fields {
		if s.Fields[i].Name == name {
			return &s.Fields[i]
		}
	}
	return nil
}

// innerOf returns the structure that a field leads to one of, nil if it does not, or if the function writes it.
func innerOf(f *ck.Field) *ck.Structure {
	if name, _ := f.LengthField(); name != "" || !f.Pointer || f.Written {
		return nil
	}
	return f.Inner
}

// A maker makes one parameter. The pieces that pointers lead to have addresses that are far apart, and that no memory has.
type maker struct {
	values Fields
	pieces [][]byte
}

// pieceAddress is the address of the first piece, and how far they are apart.
const pieceAddress = 1 << 40

// Make makes a parameter that is the structure.
func Make(s *ck.Structure, values Fields) (ck.Param, error) {
	if s.Size == 0 { // plain bytes, of any length
		return ck.NewParam(values.Bytes[s.Fields[0].Name], nil), nil
	}
	m := maker{values: values}
	data, err := m.structure(s)
	if err != nil {
		return ck.Param{}, err
	}
	return ck.NewParam(data, m.memory), nil
}

// structure makes a structure.
func (m *maker) structure(s *ck.Structure) ([]byte, error) {
	data := make([]byte, s.Size)
	for i := range s.Fields {
		if err := m.field(s, data, &s.Fields[i]); err != nil {
			return nil, fmt.Errorf("%s: %w", s.Name, err)
		}
	}
	for i := range s.Fields { // what is said of a length stands above what follows from the bytes
		f := &s.Fields[i]
		if n, given := m.values.Numbers[f.Name]; given {
			if err := number(data, f, n); err != nil {
				return nil, fmt.Errorf("%s: %w", s.Name, err)
			}
		}
	}
	return data, nil
}

// field places the bytes of a field, and the length of what it leads to in the field of that.
func (m *maker) field(s *ck.Structure, data []byte, f *ck.Field) error {
	if inner := innerOf(f); inner != nil && m.has(inner) {
		b, err := m.structure(inner)
		m.point(data, f, b)
		return err
	}
	b, given := m.values.Bytes[f.Name]
	switch {
	case !given:
		return nil
	case f.Number || f.Inner != nil:
		return fmt.Errorf("%s is not bytes", f.Name)
	case !f.Pointer:
		if uint(len(b)) != f.Size {
			return fmt.Errorf("%s has %d bytes, not %d", f.Name, f.Size, len(b))
		}
		copy(data[f.Offset:], b)
		return nil
	}
	m.point(data, f, b)
	name, bits := f.LengthField()
	if length := own(s, name); length != nil && length.Number {
		n := uint(len(b))
		if bits {
			n *= 8
		}
		return number(data, length, n)
	}
	return nil
}

// has reports whether a field of a structure has a value.
func (m *maker) has(s *ck.Structure) bool {
	return slices.ContainsFunc(s.Fields, func(f ck.Field) bool { return m.values.Has(f.Name) })
}

// point has a field point to bytes, if there are any.
func (m *maker) point(data []byte, f *ck.Field, b []byte) {
	if len(b) > 0 {
		m.pieces = append(m.pieces, b)
		binary.NativeEndian.PutUint64(data[f.Offset:], uint64(len(m.pieces))*pieceAddress)
	}
}

// number places a number.
func number(data []byte, f *ck.Field, n uint) error {
	switch {
	case !f.Number:
		return fmt.Errorf("%s is not a number", f.Name)
	case f.Size == 1 && n <= math.MaxUint8:
		data[f.Offset] = byte(n)
	case f.Size == 1:
		return fmt.Errorf("%s is at most %d", f.Name, math.MaxUint8)
	default:
		binary.NativeEndian.PutUint64(data[f.Offset:], uint64(n))
	}
	return nil
}

// memory returns what lies at an address of the parameter.
func (m *maker) memory(address uint64, n uint) []byte {
	i, at := address/pieceAddress, address%pieceAddress
	if i == 0 || i > uint64(len(m.pieces)) {
		return nil
	}
	piece := m.pieces[i-1]
	if at > uint64(len(piece)) || uint64(n) > uint64(len(piece))-at {
		return nil
	}
	return piece[at : at+uint64(n) : at+uint64(n)]
}
