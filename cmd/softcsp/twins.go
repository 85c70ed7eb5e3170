package main

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/softcsp/softcsp/ck"
)

// identifying are the attributes by which Import of package token tells whether an object is there already: class, type, names and values.
var identifying = []ck.AttributeType{
	ck.CKA_CLASS, ck.CKA_KEY_TYPE, ck.CKA_CERTIFICATE_TYPE, ck.CKA_LABEL, ck.CKA_ID, ck.CKA_APPLICATION, ck.CKA_OBJECT_ID, ck.CKA_VALUE,
	ck.CKA_MODULUS, ck.CKA_PUBLIC_EXPONENT, ck.CKA_PRIVATE_EXPONENT, ck.CKA_EC_PARAMS, ck.CKA_EC_POINT, ck.CKA_PRIME, ck.CKA_SUBPRIME, ck.CKA_BASE,
}

// identity is the same for objects that are one in our token.
func identity(template []ck.Attribute) (id [sha256.Size]byte) {
	h := sha256.New()
	for _, t := range identifying {
		v := valueOf(template, t)
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(v))))
		h.Write(v)
	}
	h.Sum(id[:0])
	return id
}

// twins knows the objects that were carried, by their identities: SoftHSM2 keeps several of one, and here they are one.
type twins map[[sha256.Size]byte]string
