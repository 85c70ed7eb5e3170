package mechanisms

import (
	"math/big"

	"github.com/softcsp/softcsp/ck"
)

// KeyBits returns the size of a key in bits, as sizes of keys are told: of the modulus, of the prime, of the curve, of the value.
// It is 0 for types of keys that have no such size.
func KeyBits(k *Key) uint {
	switch {
	case k.Class == ck.CKO_SECRET_KEY:
		return 8 * uint(len(k.Value))
	case k.Attr == nil:
		return 0
	}
	switch k.Type {
	case ck.CKK_RSA:
		return bitLen(k.Attr(ck.CKA_MODULUS))
	case ck.CKK_DSA, ck.CKK_DH, ck.CKK_X9_42_DH:
		return bitLen(k.Attr(ck.CKA_PRIME))
	case ck.CKK_EC, ck.CKK_EC_EDWARDS, ck.CKK_EC_MONTGOMERY:
		if c, err := curveOf(k); err == nil {
			return c.Bits
		}
	}
	return 0
}

func bitLen(number []byte) uint { return uint(new(big.Int).SetBytes(number).BitLen()) }

// Unit returns how many bits the unit has in which the row counts the sizes of keys: 8 where it counts bytes.
func (m *Mechanism) Unit() uint {
	types := m.Keys
	if types == nil && m.Generate != nil {
		types = []ck.KeyType{m.Makes}
	}
	longest := uint(0)
	for _, t := range types {
		row := findKeyType(t)
		if row == nil {
			return 1 // sizes of key pairs are in bits
		}
		longest = max(longest, row.Max)
	}
	if m.Max > longest {
		return 1
	}
	return 8
}
