package mechanisms

import (
	"math/big"
	"sync/atomic"

	"github.com/softcsp/softcsp/ck"
)

// A Key is what a mechanism sees of a key object. Its bytes lie in package token's memory, and are valid only while a function of a row
// runs. An operation that goes on after that works with a prepared form.
type Key struct {
	Class ck.ObjectClass
	Type  ck.KeyType
	// Value is the value of a secret key.
	Value []byte
	// Salt and EffectiveBits are CKA_SOFTCSP_SALT and CKA_SOFTCSP_EFFECTIVE_BITS of a key that CryptDeriveKey made, nil and 0
	// otherwise.
	Salt          []byte
	EffectiveBits uint
	// Attr reads any other attribute, nil where the key does not have it.
	Attr func(ck.AttributeType) []byte

	prepared atomic.Pointer[prepared]
}

// A prepared is a form of a key that is costly to make, such as an expanded AES key. It is an entry of a list.
type prepared struct {
	id   ck.MechanismType
	form any
	next *prepared
}

// Prepared returns the form of k that is known as id, and makes it the first time. A mechanism names its forms by one of
// its types; mechanisms of a family share a form by sharing the name. Two callers at once may both make a form; one of
// the two is kept. Forms are used by many operations at once and must not change.
func (k *Key) Prepared(id ck.MechanismType, build func(*Key) (any, error)) (any, error) {
	if form := k.form(id); form != nil {
		return form, nil
	}
	form, err := build(k)
	if err != nil {
		return nil, err
	}
	for {
		head := k.prepared.Load()
		for p := head; p != nil; p = p.next {
			if p.id == id {
				return p.form, nil
			}
		}
		if k.prepared.CompareAndSwap(head, &prepared{id, form, head}) {
			return form, nil
		}
	}
}

// form returns the form of k that is known as id, nil where there is none.
func (k *Key) form(id ck.MechanismType) any {
	for p := k.prepared.Load(); p != nil; p = p.next {
		if p.id == id {
			return p.form
		}
	}
	return nil
}

// Forget drops the prepared forms, and reports whether there were any.
func (k *Key) Forget() bool { return k.prepared.Swap(nil) != nil }

// KeyBits returns the size of a key in bits, as it is usually given: of the modulus, of the prime, of the curve, of the value.
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
