package softhsm

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/softcsp/softcsp/ck"
)

// montgomery are the values of CKA_EC_PARAMS that stand for X25519 and X448: their object identifiers of RFC 8410, and their names.
var montgomery = [][]byte{
	{0x06, 3, 0x2b, 0x65, 0x6e}, {0x06, 3, 0x2b, 0x65, 0x6f}, []byte("\x13\x0acurve25519"), []byte("\x13\x08curve448"),
}

// unavailable32 is CK_UNAVAILABLE_INFORMATION of 32 bits.
const unavailable32 = 1<<32 - 1

// Standardise puts right where SoftHSM2 is not like PKCS #11, and tells what it has changed: SoftHSM2 calls keys of X25519 and X448 keys of
// Edwards curves, CKK_EC_EDWARDS, and PKCS #11 3.0 has a type of its own for them. What is no change is not told: that a mechanism is not
// known has another number where SoftHSM2 ran on 32 bits.
func Standardise(o []ck.Attribute) (changes []string) {
	var kind, curve *ck.Attribute
	for i := range o {
		switch o[i].Type {
		case ck.CKA_KEY_TYPE:
			kind = &o[i]
		case ck.CKA_KEY_GEN_MECHANISM:
			if bytes.Equal(o[i].Value, ck.UlongValue(unavailable32)) {
				o[i].Value = ck.UlongValue(uint(ck.UnavailableInformation))
			}
		case ck.CKA_EC_PARAMS:
			curve = &o[i]
		}
	}
	if kind == nil || curve == nil || !bytes.Equal(kind.Value, ck.UlongValue(uint(ck.CKK_EC_EDWARDS))) {
		return nil
	}
	if slices.ContainsFunc(montgomery, func(p []byte) bool { return bytes.Equal(p, curve.Value) }) {
		kind.Value = ck.UlongValue(uint(ck.CKK_EC_MONTGOMERY))
		changes = append(changes, fmt.Sprintf("%v is %v, was %v", ck.CKA_KEY_TYPE, ck.CKK_EC_MONTGOMERY, ck.CKK_EC_EDWARDS))
	}
	return changes
}
