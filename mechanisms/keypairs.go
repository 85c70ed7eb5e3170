package mechanisms

import (
	"bytes"
	"encoding/asn1"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/secret"
)

// Values reads the attributes of a key, nil for those that it does not have. It is Key.Attr, or reads the attributes of a key that package token is
// making. The values of a private key lie in the token's memory, and are valid only while the function that has them runs.
type Values func(ck.AttributeType) []byte

// A pairType is a row of the one table of types of key pairs: how the attributes of a key have to fit each other, and how keys are encoded for
// others. Each family has its rows in its own file.
type pairType struct {
	Type ck.KeyType
	// public and private check the attributes of a key. They return those that the token adds, because they follow from the others and were
	// not given (CKA_MODULUS_BITS, say), and its SubjectPublicKeyInfo. They run inside secret.Do. Where a type has no private keys here, all
	// functions for them are nil.
	public  func(v Values) (added []ck.Attribute, info *publicKeyInfo, err error)
	private func(v Values) (added []ck.Attribute, info *publicKeyInfo, err error)
	// parameters checks domain parameters of the type and returns what the token adds; nil where there are no such objects.
	parameters func(v Values) (added []ck.Attribute, err error)
	// owns reports whether the algorithm of a PrivateKeyInfo or of a SubjectPublicKeyInfo is that of the type.
	owns func(oid asn1.ObjectIdentifier) bool
	// numbers returns the attributes that a public key consists of from its SubjectPublicKeyInfo. It does not check them: public does.
	numbers func(i *publicKeyInfo) ([]ck.Attribute, error)
	// marshal makes the PrivateKeyInfo of a key, unmarshal the attributes of a key from one. They run inside secret.Do.
	marshal   func(v Values) (*privateKeyInfo, error)
	unmarshal func(p *privateKeyInfo) ([]ck.Attribute, error)
}

// pairTypes is the table.
var pairTypes = []*pairType{&rsaPair, &dsaPair, &dhPair, &x942Pair, ecPair, edwardsPair, montgomeryPair, mlkemPair, mldsaPair, slhdsaPair, hssPair, xmssPair, xmssmtPair}

// findPairType returns the row of a type, nil if there is none.
func findPairType(t ck.KeyType) *pairType {
	for _, row := range pairTypes {
		if row.Type == t {
			return row
		}
	}
	return nil
}

// PairTypes returns the types of key pairs.
func PairTypes() (all []ck.KeyType) {
	for _, row := range pairTypes {
		all = append(all, row.Type)
	}
	return all
}

// Complete checks the attributes of a public or private key, or of domain parameters, from whatever source, and returns those that the token
// computes: CKA_PUBLIC_KEY_INFO, the DER encoding of the SubjectPublicKeyInfo, and what the type of key has beside. What
// the attributes say already is among them, so that the caller can compare. A bad value is CKR_ATTRIBUTE_VALUE_INVALID,
// CKR_DOMAIN_PARAMS_INVALID, CKR_CURVE_NOT_SUPPORTED or CKR_PUBLIC_KEY_INVALID; a type that is none of key pairs
// CKR_TEMPLATE_INCONSISTENT. The caller wipes the values of a private key.
func Complete(class ck.ObjectClass, t ck.KeyType, v Values) (added []ck.Attribute, err error) {
	row := findPairType(t)
	if row == nil {
		return nil, ck.CKR_TEMPLATE_INCONSISTENT
	}
	if class == ck.CKO_DOMAIN_PARAMETERS {
		if row.parameters == nil {
			return nil, ck.CKR_TEMPLATE_INCONSISTENT
		}
		return row.parameters(v)
	}
	complete := row.public
	if class == ck.CKO_PRIVATE_KEY {
		complete = row.private
	}
	if complete == nil {
		return nil, ck.CKR_TEMPLATE_INCONSISTENT
	}
	secret.Do(func() {
		var info *publicKeyInfo
		if added, info, err = complete(v); err != nil {
			return
		}
		var spki []byte
		if spki, err = info.marshal(); err == nil {
			added = append(added, ck.Attribute{Type: ck.CKA_PUBLIC_KEY_INFO, Value: spki})
		}
	})
	return added, err
}

// MarshalPrivate returns the value of a private key as C_WrapKey encrypts it: the DER encoding of a PKCS #8
// PrivateKeyInfo (section 6.7). The caller wipes it.
func MarshalPrivate(k *Key) (value []byte, err error) {
	row := findPairType(k.Type)
	if row == nil || row.marshal == nil {
		return nil, ck.CKR_KEY_NOT_WRAPPABLE
	}
	secret.Do(func() {
		var p *privateKeyInfo
		if p, err = row.marshal(k.Attr); err == nil {
			value, err = p.marshal()
			clear(p.key)
		}
	})
	return value, err
}

// UnmarshalPrivate returns the attributes of a private key of type t that C_UnwrapKey has decrypted, beside CKA_CLASS and
// CKA_KEY_TYPE. Zeros may follow the encoding, from a mode that needs whole blocks. Anything but a key of the type is CKR_WRAPPED_KEY_INVALID. The
// caller wipes the values.
func UnmarshalPrivate(t ck.KeyType, value []byte) (attrs []ck.Attribute, err error) {
	row := findPairType(t)
	if row == nil || row.unmarshal == nil {
		return nil, ck.CKR_TEMPLATE_INCONSISTENT
	}
	secret.Do(func() {
		var p *privateKeyInfo
		if p, err = parsePrivateKeyInfo(value); err == nil && !row.owns(p.oid) {
			err = fmt.Errorf("algorithm %v", p.oid)
		}
		if err == nil {
			attrs, err = row.unmarshal(p)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ck.CKR_WRAPPED_KEY_INVALID, err)
	}
	return attrs, nil
}

// PrivateKeyType returns the type of the key in a PrivateKeyInfo. One of an algorithm that there is not is CKR_KEY_TYPE_INCONSISTENT, what is none
// CKR_WRAPPED_KEY_INVALID.
func PrivateKeyType(value []byte) (ck.KeyType, error) {
	p, err := parsePrivateKeyInfo(value)
	if err != nil {
		return 0, fmt.Errorf("%w: %v", ck.CKR_WRAPPED_KEY_INVALID, err)
	}
	for _, row := range pairTypes {
		if row.unmarshal != nil && row.owns(p.oid) {
			return row.Type, nil
		}
	}
	return 0, fmt.Errorf("%w: algorithm %v", ck.CKR_KEY_TYPE_INCONSISTENT, p.oid)
}

// UnmarshalPublic returns the type and the attributes of the public key in a SubjectPublicKeyInfo (RFC 5280), checked, beside CKA_CLASS and
// CKA_KEY_TYPE. Errors are those of PrivateKeyType and Complete.
func UnmarshalPublic(value []byte) (ck.KeyType, []ck.Attribute, error) {
	i, err := parsePublicKeyInfo(value)
	if err != nil {
		return 0, nil, fmt.Errorf("%w: %v", ck.CKR_WRAPPED_KEY_INVALID, err)
	}
	for _, row := range pairTypes {
		if !row.owns(i.oid) {
			continue
		}
		attrs, err := row.numbers(i)
		if err != nil {
			return 0, nil, fmt.Errorf("%w: %v", ck.CKR_WRAPPED_KEY_INVALID, err)
		}
		_, _, err = row.public(func(t ck.AttributeType) []byte { return findAttr(attrs, t) })
		return row.Type, attrs, err
	}
	return 0, nil, fmt.Errorf("%w: algorithm %v", ck.CKR_KEY_TYPE_INCONSISTENT, i.oid)
}

// IsPrivate reports whether value has the form of a PrivateKeyInfo, of whatever type.
func IsPrivate(value []byte) bool {
	_, err := parsePrivateKeyInfo(value)
	return err == nil
}

// A publicKeyInfo is a SubjectPublicKeyInfo (RFC 5280, section 4.1).
type publicKeyInfo struct {
	oid    asn1.ObjectIdentifier
	params []byte // DER, nil where there are none
	key    []byte // what the bit string has
}

func (i *publicKeyInfo) marshal() ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		addAlgorithm(b, i.oid, i.params)
		b.AddASN1BitString(i.key)
	})
	return b.Bytes()
}

// parsePublicKeyInfo reads a SubjectPublicKeyInfo. The fields are parts of value.
func parsePublicKeyInfo(value []byte) (*publicKeyInfo, error) {
	input := cryptobyte.String(value)
	var body, algorithm cryptobyte.String
	i := new(publicKeyInfo)
	if !input.ReadASN1(&body, der.SEQUENCE) || !input.Empty() ||
		!body.ReadASN1(&algorithm, der.SEQUENCE) || !algorithm.ReadASN1ObjectIdentifier(&i.oid) ||
		!body.ReadASN1BitStringAsBytes(&i.key) || !body.Empty() {
		return nil, errNotKey
	}
	i.params = algorithm
	return i, nil
}

// A privateKeyInfo is a PrivateKeyInfo (RFC 5208) or a OneAsymmetricKey (RFC 5958) without the public key.
type privateKeyInfo struct {
	oid    asn1.ObjectIdentifier
	params []byte // DER, nil where there are none
	key    []byte // what the octet string has
}

func (p *privateKeyInfo) marshal() ([]byte, error) {
	// The room is more than what stands around the key, so that the builder does not leave a copy when it grows.
	b := cryptobyte.NewBuilder(make([]byte, 0, len(p.key)+len(p.params)+64))
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Uint64(0)
		addAlgorithm(b, p.oid, p.params)
		b.AddASN1OctetString(p.key)
	})
	return b.Bytes()
}

func addAlgorithm(b *cryptobyte.Builder, oid asn1.ObjectIdentifier, params []byte) {
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oid)
		b.AddBytes(params)
	})
}

// errNotKey is the error of what is no encoding of a key.
var errNotKey = fmt.Errorf("no encoding of a key")

// parsePrivateKeyInfo reads a PrivateKeyInfo. It ignores the attributes and the public key that may follow the key. The fields are parts of value.
func parsePrivateKeyInfo(value []byte) (*privateKeyInfo, error) {
	input := cryptobyte.String(value)
	var body, algorithm, key cryptobyte.String
	var version uint
	if len(value) == 0 || value[0] != byte(der.SEQUENCE) {
		return nil, errNotKey // before anything is allocated: nearly every value that is asked about is none
	}
	p := new(privateKeyInfo)
	if !input.ReadASN1(&body, der.SEQUENCE) || len(bytes.Trim(input, "\x00")) != 0 ||
		!body.ReadASN1Integer(&version) || version > 1 ||
		!body.ReadASN1(&algorithm, der.SEQUENCE) || !algorithm.ReadASN1ObjectIdentifier(&p.oid) ||
		!body.ReadASN1(&key, der.OCTET_STRING) {
		return nil, errNotKey
	}
	p.params, p.key = algorithm, key
	return p, nil
}

// findAttr returns the value of an attribute in a list, nil without one.
func findAttr(attrs []ck.Attribute, t ck.AttributeType) []byte {
	for _, a := range attrs {
		if a.Type == t {
			return a.Value
		}
	}
	return nil
}
