package mechanisms

import (
	"github.com/softcsp/softcsp/ck"
)

// A NamedCurve is an elliptic curve as people speak of it.
type NamedCurve struct {
	Names  []string // "P-256", "secp256r1", "prime256v1": the first is the standard's
	Type   ck.KeyType
	Bits   uint
	Params []byte // CKA_EC_PARAMS
}

// NamedCurves returns all curves.
func NamedCurves() (all []NamedCurve) {
	for _, c := range curves {
		all = append(all, c.named())
	}
	return all
}

func (c *curve) named() NamedCurve {
	return NamedCurve{append([]string{c.Name}, c.Aliases...), c.Type, c.Bits, c.Params()}
}

// CurveOf finds the curve of a CKA_EC_PARAMS, in whichever of its forms.
func CurveOf(params []byte) (NamedCurve, error) {
	c, err := findCurve(params)
	if err != nil {
		return NamedCurve{}, err
	}
	return c.named(), nil
}

// A NamedSet is a value of CKA_PARAMETER_SET, and its name: that of NIST without the algorithm's.
type NamedSet struct {
	Name string
	Set  uint
}

// ParameterSets returns the parameter sets of a type of keys that can be generated, none for types that have none.
func ParameterSets(t ck.KeyType) (all []NamedSet) {
	for _, p := range []*parameterType{&mlkemType, &mldsaType, &slhdsaType} {
		if p.keyType == t {
			for _, s := range p.sets {
				all = append(all, NamedSet{s.Name, s.Set})
			}
		}
	}
	return all
}

// Sizes returns the lengths in bytes that values of a type of secret keys can have: from the least to the most, in steps. A type that is none
// of secret keys has none.
func Sizes(t ck.KeyType) (least, most, step uint) {
	row := findKeyType(t)
	if row == nil {
		return 0, 0, 0
	}
	return row.Min, row.Max, max(row.Step, 1)
}
