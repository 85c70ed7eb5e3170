package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"strings"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/algorithm/primes"
	"github.com/softcsp/softcsp/internal/attrtext"
	"github.com/softcsp/softcsp/mechanisms"
)

// An attributeValue is an attribute of an object. One that the token does not reveal is hidden.
type attributeValue struct {
	ck.Attribute
	hidden bool
}

// attributes returns all attributes that an object has.
func (s *session) attributes(o ck.ObjectHandle) (all []attributeValue, err error) {
	for _, t := range attrtext.Types() {
		v, err := s.value(o, t)
		switch {
		case err == nil:
			all = append(all, attributeValue{Attribute: ck.Attribute{Type: t, Value: v}})
		case errors.Is(err, ck.CKR_ATTRIBUTE_SENSITIVE):
			all = append(all, attributeValue{Attribute: ck.Attribute{Type: t}, hidden: true})
		case !errors.Is(err, ck.CKR_ATTRIBUTE_TYPE_INVALID):
			return nil, err
		}
	}
	return all, nil
}

// value reads an attribute, one that is an array of attributes too.
func (s *session) value(o ck.ObjectHandle, t ck.AttributeType) ([]byte, error) {
	if !ck.IsTemplate(t) {
		return s.attribute(o, t)
	}
	rows := []ck.AttributeBuffer{{Type: t}}
	for {
		if err := s.GetAttributeValue(s.handle, o, rows); err != nil && !errors.Is(err, ck.CKR_BUFFER_TOO_SMALL) {
			return nil, err
		}
		if !enlarge(rows) {
			return templateValue(rows[0].Sub), nil
		}
	}
}

// arrayElement is the size of a CK_ATTRIBUTE in bytes.
const arrayElement = 24

// enlarge gives the rows room for the answers whose length the token has told, and reports whether there were any.
func enlarge(rows []ck.AttributeBuffer) (more bool) {
	for i := range rows {
		r := &rows[i]
		switch {
		case r.Has && ck.IsTemplate(r.Type):
			more = enlarge(r.Sub) || more
		case r.Has:
		case ck.IsTemplate(r.Type):
			r.Sub, r.Has, more = make([]ck.AttributeBuffer, r.N/arrayElement), true, r.N > 0
		default:
			r.Buffer, more = ck.Into(make([]byte, r.N)), true
		}
	}
	return more
}

// templateValue is the value of an array of attributes, as ck.AppendTemplate writes it.
func templateValue(rows []ck.AttributeBuffer) []byte {
	attrs := make([]ck.Attribute, len(rows))
	for i, r := range rows {
		attrs[i] = ck.Attribute{Type: r.Type, Value: r.Data}
		if ck.IsTemplate(r.Type) {
			attrs[i].Value = templateValue(r.Sub)
		}
	}
	return ck.AppendTemplate(nil, attrs)
}

// A keySize is how large a key is: a length in bits, and the curve, parameter set or group where that says more.
type keySize struct {
	bits             uint
	curve, set, name string
}

// String is the size as the type of a key to generate has it.
func (k keySize) String() string {
	for _, word := range []string{k.curve, k.set, k.name} {
		if word != "" {
			return word
		}
	}
	if k.bits == 0 {
		return ""
	}
	return fmt.Sprint(k.bits)
}

// size returns the size of a key or of domain parameters.
func (s *session) size(o ck.ObjectHandle, t ck.KeyType) (k keySize) {
	switch t {
	case ck.CKK_RSA:
		k.bits = s.numberBits(o, ck.CKA_MODULUS)
	case ck.CKK_EC, ck.CKK_EC_EDWARDS, ck.CKK_EC_MONTGOMERY:
		if params, err := s.attribute(o, ck.CKA_EC_PARAMS); err == nil {
			if c, err := mechanisms.CurveOf(params); err == nil {
				k.bits, k.curve = c.Bits, curveWord(c)
			}
		}
	case ck.CKK_DSA, ck.CKK_DH, ck.CKK_X9_42_DH:
		k.bits = s.numberBits(o, ck.CKA_PRIME)
		if p, err := s.attribute(o, ck.CKA_PRIME); err == nil && t != ck.CKK_DSA {
			k.name = primes.GroupName(new(big.Int).SetBytes(p))
		}
	case ck.CKK_ML_KEM, ck.CKK_ML_DSA, ck.CKK_SLH_DSA:
		n, _ := s.ulong(o, ck.CKA_PARAMETER_SET)
		for _, set := range mechanisms.ParameterSets(t) {
			if set.Set == n {
				k.set = strings.ToLower(set.Name)
			}
		}
	default:
		k.bits = s.keyBits(o)
		if n, fixed := mechanisms.Size(t); k.bits == 0 && fixed {
			k.bits = 8 * n
		}
	}
	return k
}

// numberBits is the length of a number in bits.
func (s *session) numberBits(o ck.ObjectHandle, t ck.AttributeType) uint {
	b, err := s.attribute(o, t)
	if err != nil {
		return 0
	}
	return uint(new(big.Int).SetBytes(b).BitLen())
}

// curveWord is what a curve is called here: P-256 is p256.
func curveWord(c mechanisms.NamedCurve) string {
	name := strings.ToLower(c.Names[0])
	if c.Type != ck.CKK_EC && len(c.Names) > 1 {
		name = strings.ToLower(c.Names[1])
	}
	return strings.ReplaceAll(name, "-", "")
}

// textOf writes an attribute of an object, "" where the object does not have it.
func (s *session) textOf(o ck.ObjectHandle, t ck.AttributeType) string {
	b, err := s.attribute(o, t)
	if err != nil {
		return ""
	}
	return attrtext.Format(t, b)
}

// hexOf writes the bytes of an attribute of an object.
func (s *session) hexOf(o ck.ObjectHandle, t ck.AttributeType) string {
	b, err := s.attribute(o, t)
	if err != nil {
		return ""
	}
	return hex.EncodeToString(b)
}
