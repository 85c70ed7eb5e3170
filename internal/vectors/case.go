package vectors

import (
	"encoding/asn1"
	"slices"

	"github.com/softcsp/softcsp/ck"
)

// An Op is a set of what is done with a case.
type Op uint

// What is done: the input becomes the output, Decrypt and Unwrap turn it back. Import is the making of the key alone.
const (
	Encrypt Op = 1 << iota
	Decrypt
	Sign
	Verify
	Digest
	Derive
	Generate // from the password in the parameter
	Encapsulate
	Decapsulate
	Unwrap
	Import
)

// A Case is one vector in the terms of PKCS #11, for whoever runs it: the rows of package mechanisms, or a library
// through C.
type Case struct {
	At        string // file and number
	Does      Op
	Mechanism ck.MechanismType
	Param     []any // the fields of the mechanism's parameter, see LayOut; none for no parameter
	Key       *Key  // secret or private
	Public    *Key  // what encrypts, verifies, encapsulates
	In, Out   []byte
	Template  []ck.Attribute // of the key that is derived or generated
	// Refused are the codes that fit; without any, what the case does has to work. Maybe says that it may work as well, if
	// it gives what it should.
	Refused []ck.RV
	Maybe   bool
	// Written is what the mechanism writes into the Outs of the parameter, in their order.
	Written [][]byte
	// Keys are the lengths of the keys whose handles a derivation writes into the parameter, in the place of a key of its own.
	// Out is their values one after the other, and then what is written into the Outs.
	Keys []int
	// Unknown is how many bytes at the beginning of what is encrypted are not known, and not compared.
	Unknown int
	// NoResult says that what comes out is random or not known, and is not compared.
	NoResult bool
}

// Takes reports whether a code is an answer that fits.
func (c *Case) Takes(rv ck.RV) bool {
	if rv == ck.CKR_OK {
		return len(c.Refused) == 0 || c.Maybe
	}
	return slices.Contains(c.Refused, rv)
}

// Costly reports whether the case computes with large numbers or a password, so that a short test may leave out most.
func (c *Case) Costly() bool {
	return c.Does&Generate != 0 || c.Public != nil || c.Key != nil && (c.Key.Class == ck.CKO_PRIVATE_KEY || c.Key.From != nil)
}

// The codes that fit what is wrong with data.
var (
	BadCiphertext = []ck.RV{ck.CKR_ENCRYPTED_DATA_INVALID, ck.CKR_ENCRYPTED_DATA_LEN_RANGE}
	BadSignature  = []ck.RV{ck.CKR_SIGNATURE_INVALID, ck.CKR_SIGNATURE_LEN_RANGE}
)

// A Key is a key as a vector has it. Cases of one group share it.
type Key struct {
	Class      ck.ObjectClass
	Type       ck.KeyType
	Attributes []ck.Attribute // beside class and type
	// PKCS8 is a private key in an encoding instead, for C_UnwrapKey.
	PKCS8 []byte
	// From is what generates the key instead.
	From *Case
}

// Value returns an attribute, nil where the key does not have it.
func (k *Key) Value(t ck.AttributeType) []byte {
	for _, a := range k.Attributes {
		if a.Type == t {
			return a.Value
		}
	}
	return nil
}

// Secret is a secret key.
func Secret(t ck.KeyType, value []byte) *Key {
	return &Key{Class: ck.CKO_SECRET_KEY, Type: t, Attributes: []ck.Attribute{{Type: ck.CKA_VALUE, Value: value}}}
}

// curvePublic is a public key of a curve, curvePrivate a private one.
func curvePublic(t ck.KeyType, params, point []byte) *Key {
	if t == ck.CKK_EC { // section 6.3.3: an OCTET STRING, and of the other curves the bytes
		point = octets(point)
	}
	return &Key{Class: ck.CKO_PUBLIC_KEY, Type: t, Attributes: []ck.Attribute{
		{Type: ck.CKA_EC_PARAMS, Value: params}, {Type: ck.CKA_EC_POINT, Value: point}}}
}

func curvePrivate(t ck.KeyType, params, value []byte) *Key {
	return &Key{Class: ck.CKO_PRIVATE_KEY, Type: t, Attributes: []ck.Attribute{
		{Type: ck.CKA_EC_PARAMS, Value: params}, {Type: ck.CKA_VALUE, Value: value}}}
}

// octets is the DER encoding of an OCTET STRING.
func octets(b []byte) []byte { return encode(b) }

// encode is the DER encoding of a value that has one.
func encode(v any) []byte {
	b, err := asn1.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

// sized is a template for a key of n bytes.
func sized(t ck.KeyType, n int) []ck.Attribute {
	return []ck.Attribute{{Type: ck.CKA_KEY_TYPE, Value: ck.UlongValue(uint(t))}, {Type: ck.CKA_VALUE_LEN, Value: ck.UlongValue(uint(n))}}
}
