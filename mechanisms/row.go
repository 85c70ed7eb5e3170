package mechanisms

import (
	"slices"

	"github.com/softcsp/softcsp/ck"
)

// flags returns what the row can do, as C_GetMechanismInfo tells it.
func (m *Mechanism) flags() ck.Flags {
	var f ck.Flags
	for _, column := range [...]struct {
		has  bool
		flag ck.Flags
	}{
		{m.Digest != nil, ck.CKF_DIGEST},
		{m.Encrypt != nil, ck.CKF_ENCRYPT},
		{m.Decrypt != nil, ck.CKF_DECRYPT},
		{m.Sign != nil, ck.CKF_SIGN},
		{m.Verify != nil, ck.CKF_VERIFY},
		{m.Wrap != nil, ck.CKF_WRAP},
		{m.Unwrap != nil, ck.CKF_UNWRAP},
		{m.Derive != nil, ck.CKF_DERIVE},
		{m.Generate != nil, ck.CKF_GENERATE},
	} {
		if column.has {
			f |= column.flag
		}
	}
	return f
}

// Has reports whether the row can do what a flag of C_GetMechanismInfo says.
func (m *Mechanism) Has(flag ck.Flags) bool {
	switch flag {
	case ck.CKF_ENCRYPT:
		return m.Encrypt != nil
	case ck.CKF_DECRYPT:
		return m.Decrypt != nil
	case ck.CKF_SIGN:
		return m.Sign != nil
	case ck.CKF_VERIFY:
		return m.Verify != nil
	}
	return m.flags()&flag != 0
}

// Takes reports whether a key of a class and type goes with the mechanism. A row that derives and names no types takes
// any secret key.
func (m *Mechanism) Takes(class ck.ObjectClass, t ck.KeyType) bool {
	if m.Keys == nil {
		return class == ck.CKO_SECRET_KEY
	}
	return slices.Contains(m.Keys, t)
}
