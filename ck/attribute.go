package ck

import (
	"encoding/binary"
	"slices"
	"time"
)

// Bool reads a CK_BBOOL value.
func Bool(v []byte) (bool, error) {
	if len(v) != 1 || v[0] > 1 {
		return false, CKR_ATTRIBUTE_VALUE_INVALID
	}
	return v[0] == 1, nil
}

var boolValues = [2][]byte{{0}, {1}}

// BoolValue writes a CK_BBOOL value. The result must not be changed.
func BoolValue(b bool) []byte {
	if b {
		return boolValues[1]
	}
	return boolValues[0]
}

// Ulong reads a CK_ULONG value.
func Ulong(v []byte) (uint, error) {
	if len(v) != ulongSize {
		return 0, CKR_ATTRIBUTE_VALUE_INVALID
	}
	return uint(binary.NativeEndian.Uint64(v)), nil
}

// AppendUlong appends a CK_ULONG value to b.
func AppendUlong(b []byte, u uint) []byte { return binary.NativeEndian.AppendUint64(b, uint64(u)) }

// UlongValue writes a CK_ULONG value.
func UlongValue(u uint) []byte { return AppendUlong(make([]byte, 0, ulongSize), u) }

// Date reads a CK_DATE value, eight digits YYYYMMDD; empty is no date, the zero time.
func Date(v []byte) (time.Time, error) {
	if len(v) == 0 {
		return time.Time{}, nil
	}
	if len(v) != 8 {
		return time.Time{}, CKR_ATTRIBUTE_VALUE_INVALID
	}
	t, err := time.Parse("20060102", string(v))
	if err != nil {
		return time.Time{}, CKR_ATTRIBUTE_VALUE_INVALID
	}
	return t, nil
}

// Mechanisms reads an array of CK_MECHANISM_TYPE (CKA_ALLOWED_MECHANISMS).
func Mechanisms(v []byte) ([]MechanismType, error) {
	if len(v)%ulongSize != 0 {
		return nil, CKR_ATTRIBUTE_VALUE_INVALID
	}
	m := make([]MechanismType, 0, len(v)/ulongSize)
	for ; len(v) > 0; v = v[ulongSize:] {
		m = append(m, MechanismType(binary.NativeEndian.Uint64(v)))
	}
	return m, nil
}

// IsTemplate reports whether the values of t are arrays of attributes.
func IsTemplate(t AttributeType) bool {
	switch t {
	case CKA_WRAP_TEMPLATE, CKA_UNWRAP_TEMPLATE, CKA_DERIVE_TEMPLATE, CKA_ENCAPSULATE_TEMPLATE, CKA_DECAPSULATE_TEMPLATE:
		return true
	}
	return false
}

// ContentOf says what the values of an attribute are: Public where they tell nothing that anybody may not know; Secret otherwise, also
// those that say what an object is for (CKA_LABEL, CKA_ID), as that of a private object is nobody else's business.
func ContentOf(t AttributeType) Content {
	if _, public := slices.BinarySearch(publicAttributes[:], t); public {
		return Public
	}
	return Secret
}

// AppendTemplate appends the encoding of attrs to b: for each its type and its length, eight bytes each in little-endian
// order, and its value. It is how attributes lie in a token file, and how the value of an attribute that is an array of
// attributes travels inside softcsp.
func AppendTemplate(b []byte, attrs []Attribute) []byte {
	for _, a := range attrs {
		b = binary.LittleEndian.AppendUint64(b, uint64(a.Type))
		b = binary.LittleEndian.AppendUint64(b, uint64(len(a.Value)))
		b = append(b, a.Value...)
	}
	return b
}

// TemplateLen returns the length in bytes of what AppendTemplate appends.
func TemplateLen(attrs []Attribute) int {
	n := 16 * len(attrs)
	for _, a := range attrs {
		n += len(a.Value)
	}
	return n
}

// ParseTemplate reads what AppendTemplate wrote and appends the rows to attrs. The values are parts of b. What is not
// such an encoding is CKR_ATTRIBUTE_VALUE_INVALID.
func ParseTemplate(attrs []Attribute, b []byte) ([]Attribute, error) {
	for len(b) > 0 {
		if len(b) < 16 {
			return nil, CKR_ATTRIBUTE_VALUE_INVALID
		}
		t, n := binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])
		b = b[16:]
		if n > uint64(len(b)) {
			return nil, CKR_ATTRIBUTE_VALUE_INVALID
		}
		attrs = append(attrs, Attribute{AttributeType(t), b[:n:n]})
		b = b[n:]
	}
	return attrs, nil
}
