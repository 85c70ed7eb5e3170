package mechanisms

import (
	"bytes"
	"crypto/subtle"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/secret"
)

// A parameterSet is a row of the lists of parameter sets of ML-KEM, ML-DSA and SLH-DSA: CKA_PARAMETER_SET, the identifier of its
// keys, and what they are made of. Lengths are in bytes.
type parameterSet struct {
	Name                  string // as NIST writes it, without that of the algorithm
	Set                   uint
	OID                   asn1.ObjectIdentifier
	Seed, Public, Private int
	Signature             int // 0 where keys do not sign

	// expand makes both keys from a seed.
	expand func(seed []byte) (public, private []byte)
	// check tells whether Public bytes are a public key: nil, or CKR_PUBLIC_KEY_INVALID. A nil function takes all.
	check func(public []byte) error
	// public makes the public key of a private one of Private bytes. A private key whose parts do not fit each other is an error.
	public func(private []byte) ([]byte, error)
}

// nistSignature and nistKEM are the identifiers of algorithms in NIST's lists.
func nistSignature(n int) asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 3, n}
}
func nistKEM(n int) asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 4, n}
}

// A parameterType is a type of keys whose CKA_PARAMETER_SET names one of a list.
type parameterType struct {
	keyType ck.KeyType
	sets    []*parameterSet
	// seeds says that private keys have a CKA_SEED. Their encoding then has the seed, the value or both (RFC 9935, section 6, and RFC 9881,
	// section 6); without it, it is the value as it is (RFC 9909, section 5).
	seeds bool
}

// find returns the parameter set of a CKA_PARAMETER_SET.
func (t *parameterType) find(value []byte) (*parameterSet, error) {
	if value == nil {
		return nil, fmt.Errorf("%w: %v", ck.CKR_TEMPLATE_INCOMPLETE, ck.CKA_PARAMETER_SET)
	}
	n, err := ck.Ulong(value)
	if err != nil {
		return nil, err
	}
	for _, s := range t.sets {
		if s.Set == n {
			return s, nil
		}
	}
	return nil, ck.CKR_PARAMETER_SET_NOT_SUPPORTED
}

// byOID returns the parameter set with an identifier, nil if there is none.
func (t *parameterType) byOID(oid asn1.ObjectIdentifier) *parameterSet {
	for _, s := range t.sets {
		if s.OID.Equal(oid) {
			return s
		}
	}
	return nil
}

// pairType makes the row of the table of key pairs.
func (t *parameterType) pairType() *pairType {
	return &pairType{
		Type: t.keyType,
		public: func(v Values) ([]ck.Attribute, *publicKeyInfo, error) {
			s, err := t.find(v(ck.CKA_PARAMETER_SET))
			if err != nil {
				return nil, nil, err
			}
			value := v(ck.CKA_VALUE)
			if err := s.checkPublic(value); err != nil {
				return nil, nil, err
			}
			return nil, &publicKeyInfo{s.OID, nil, value}, nil
		},
		private: t.private,
		owns:    func(oid asn1.ObjectIdentifier) bool { return t.byOID(oid) != nil },
		marshal: func(v Values) (*privateKeyInfo, error) {
			s, err := t.find(v(ck.CKA_PARAMETER_SET))
			if err != nil {
				return nil, err
			}
			key, err := t.marshal(v(ck.CKA_SEED), v(ck.CKA_VALUE))
			return &privateKeyInfo{s.OID, nil, key}, err
		},
		unmarshal: t.unmarshal,
		numbers: func(i *publicKeyInfo) ([]ck.Attribute, error) {
			if len(i.params) != 0 {
				return nil, errNotKey
			}
			set := ck.UlongValue(t.byOID(i.oid).Set)
			return []ck.Attribute{{Type: ck.CKA_PARAMETER_SET, Value: set}, {Type: ck.CKA_VALUE, Value: i.key}}, nil
		},
	}
}

// checkPublic checks a public key.
func (s *parameterSet) checkPublic(value []byte) error {
	if len(value) != s.Public {
		return fmt.Errorf("%w: %v of %d bytes", ck.CKR_ATTRIBUTE_VALUE_INVALID, ck.CKA_VALUE, len(value))
	}
	if s.check == nil {
		return nil
	}
	return s.check(value)
}

// private checks a private key. One with CKA_SEED gets the CKA_VALUE that follows from it.
func (t *parameterType) private(v Values) ([]ck.Attribute, *publicKeyInfo, error) {
	s, err := t.find(v(ck.CKA_PARAMETER_SET))
	if err != nil {
		return nil, nil, err
	}
	value := v(ck.CKA_VALUE)
	if t.seeds {
		if seed := v(ck.CKA_SEED); seed != nil {
			if len(seed) != s.Seed {
				return nil, nil, fmt.Errorf("%w: %v of %d bytes", ck.CKR_ATTRIBUTE_VALUE_INVALID, ck.CKA_SEED, len(seed))
			}
			public, private := s.expand(seed)
			return []ck.Attribute{{Type: ck.CKA_VALUE, Value: private}}, &publicKeyInfo{s.OID, nil, public}, nil
		}
	}
	switch len(value) {
	case s.Private:
	case 0:
		return nil, nil, fmt.Errorf("%w: %v", ck.CKR_TEMPLATE_INCOMPLETE, ck.CKA_VALUE)
	default:
		return nil, nil, fmt.Errorf("%w: %v of %d bytes", ck.CKR_ATTRIBUTE_VALUE_INVALID, ck.CKA_VALUE, len(value))
	}
	public, err := s.public(value)
	if err != nil {
		return nil, nil, errors.Join(ck.CKR_ATTRIBUTE_VALUE_INVALID, err)
	}
	return nil, &publicKeyInfo{s.OID, nil, public}, nil
}

// marshal writes a private key: both its seed and its value, or its value alone where that is all there is.
func (t *parameterType) marshal(seed, value []byte) ([]byte, error) {
	if !t.seeds {
		return bytes.Clone(value), nil
	}
	b := cryptobyte.NewBuilder(make([]byte, 0, len(seed)+len(value)+16))
	if seed == nil {
		b.AddASN1OctetString(value)
	} else {
		b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1OctetString(seed)
			b.AddASN1OctetString(value)
		})
	}
	return b.Bytes()
}

// forms reads a private key: its seed, its value, or both.
func (t *parameterType) forms(key []byte) (seed, value []byte, ok bool) {
	if !t.seeds {
		return nil, key, true
	}
	in := cryptobyte.String(key)
	var a, b cryptobyte.String
	switch {
	case in.PeekASN1Tag(der.SEQUENCE):
		var both cryptobyte.String
		ok = in.ReadASN1(&both, der.SEQUENCE) && both.ReadASN1(&a, der.OCTET_STRING) && both.ReadASN1(&b, der.OCTET_STRING) && both.Empty()
	case in.PeekASN1Tag(der.OCTET_STRING):
		ok = in.ReadASN1(&b, der.OCTET_STRING)
	default:
		ok = in.ReadASN1(&a, der.Tag(0).ContextSpecific())
	}
	return a, b, ok && in.Empty()
}

// unmarshal reads a private key. Where it has both seed and value, the value has to follow from the seed.
func (t *parameterType) unmarshal(p *privateKeyInfo) ([]ck.Attribute, error) {
	s := t.byOID(p.oid)
	seed, value, ok := t.forms(p.key)
	if s == nil || !ok || len(p.params) != 0 || seed != nil && len(seed) != s.Seed || value != nil && len(value) != s.Private {
		return nil, errNotKey
	}
	attrs := []ck.Attribute{{Type: ck.CKA_PARAMETER_SET, Value: ck.UlongValue(s.Set)}}
	if seed == nil {
		return append(attrs, ck.Attribute{Type: ck.CKA_VALUE, Value: bytes.Clone(value)}), nil
	}
	_, private := s.expand(seed)
	if value != nil && subtle.ConstantTimeCompare(private, value) != 1 {
		clear(private)
		return nil, errNotKey
	}
	return append(attrs, ck.Attribute{Type: ck.CKA_SEED, Value: bytes.Clone(seed)}, ck.Attribute{Type: ck.CKA_VALUE, Value: private}), nil
}

// generate makes key pairs. The parameter set is the template's for the public key.
func (t *parameterType) generate(rand io.Reader, p *ck.Param, template []ck.Attribute) (pub, priv []ck.Attribute, err error) {
	if err := p.None(); err != nil {
		return nil, nil, err
	}
	s, err := t.find(findAttr(template, ck.CKA_PARAMETER_SET))
	if err != nil {
		return nil, nil, err
	}
	secret.Do(func() {
		seed := make([]byte, s.Seed)
		if _, err = io.ReadFull(rand, seed); err != nil {
			err = errors.Join(ck.CKR_DEVICE_ERROR, err)
			return
		}
		public, private := s.expand(seed)
		pub = []ck.Attribute{{Type: ck.CKA_VALUE, Value: public}}
		priv = []ck.Attribute{{Type: ck.CKA_PARAMETER_SET, Value: ck.UlongValue(s.Set)}, {Type: ck.CKA_VALUE, Value: private}}
		if t.seeds {
			priv = append(priv, ck.Attribute{Type: ck.CKA_SEED, Value: seed})
		} else {
			clear(seed)
		}
	})
	return pub, priv, err
}

// prepared returns a prepared form of a key, which build makes.
func (t *parameterType) prepared(k *Key, id ck.MechanismType, class ck.ObjectClass, build func(s *parameterSet, k *Key) (any, error)) (any, error) {
	if k == nil || k.Class != class {
		return nil, ck.CKR_KEY_TYPE_INCONSISTENT
	}
	return k.Prepared(id, func(k *Key) (form any, err error) {
		s, err := t.find(k.Attr(ck.CKA_PARAMETER_SET))
		if err != nil {
			return nil, err
		}
		secret.Do(func() { form, err = build(s, k) })
		return form, err
	})
}

// sizes returns the range of the public keys of a type in bytes, as C_GetMechanismInfo tells it.
func (t *parameterType) sizes() (least, most uint) {
	least, most = uint(t.sets[0].Public), 0
	for _, s := range t.sets {
		least, most = min(least, uint(s.Public)), max(most, uint(s.Public))
	}
	return least, most
}
