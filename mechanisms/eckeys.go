package mechanisms

import (
	"crypto/subtle"
	"encoding/asn1"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/secret"
)

// oidEC is id-ecPublicKey (RFC 5480): its parameters name the curve. The other curves have identifiers of their own.
var oidEC = asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}

// The types of key pairs on elliptic curves: PKCS #11, section "Elliptic Curve".
var (
	ecPair         = curvePair(ck.CKK_EC, oidEC.Equal)
	edwardsPair    = curvePair(ck.CKK_EC_EDWARDS, ownsCurve(ck.CKK_EC_EDWARDS))
	montgomeryPair = curvePair(ck.CKK_EC_MONTGOMERY, ownsCurve(ck.CKK_EC_MONTGOMERY))
)

func curvePair(t ck.KeyType, owns func(asn1.ObjectIdentifier) bool) *pairType {
	return &pairType{
		Type: t,
		owns: owns,
		public: func(v Values) ([]ck.Attribute, *publicKeyInfo, error) {
			c, err := curveFor(t, v)
			if err != nil {
				return nil, nil, err
			}
			point, err := c.readPoint(v(ck.CKA_EC_POINT))
			if err != nil {
				return nil, nil, err
			}
			return nil, c.info(point), nil
		},
		private: func(v Values) ([]ck.Attribute, *publicKeyInfo, error) {
			c, _, point, err := privateFor(t, v)
			if err != nil {
				return nil, nil, err
			}
			return nil, c.info(point), nil
		},
		marshal: func(v Values) (*privateKeyInfo, error) {
			c, value, point, err := privateFor(t, v)
			if err != nil {
				return nil, err
			}
			return c.marshal(value, point)
		},
		unmarshal: func(p *privateKeyInfo) ([]ck.Attribute, error) { return unmarshalCurve(t, p) },
		numbers: func(i *publicKeyInfo) ([]ck.Attribute, error) {
			params := i.params
			if t != ck.CKK_EC {
				if len(params) != 0 {
					return nil, errNotKey
				}
				params = curveByOID(t, i.oid).Params()
			}
			return []ck.Attribute{{Type: ck.CKA_EC_PARAMS, Value: params}, {Type: ck.CKA_EC_POINT, Value: writePoint(i.key)}}, nil
		},
	}
}

// ownsCurve finds out whether an identifier is that of a curve of the type.
func ownsCurve(t ck.KeyType) func(asn1.ObjectIdentifier) bool {
	return func(oid asn1.ObjectIdentifier) bool { return curveByOID(t, oid) != nil }
}

func curveByOID(t ck.KeyType, oid asn1.ObjectIdentifier) *curve {
	for _, c := range curves {
		for _, known := range c.OIDs {
			if c.Type == t && known.Equal(oid) {
				return c
			}
		}
	}
	return nil
}

// curveFor finds the curve of a key of the type.
func curveFor(t ck.KeyType, v Values) (*curve, error) {
	c, err := findCurve(v(ck.CKA_EC_PARAMS))
	if err == nil && c.Type != t {
		err = ck.CKR_CURVE_NOT_SUPPORTED
	}
	return c, err
}

// privateFor reads a private key and makes its public key.
func privateFor(t ck.KeyType, v Values) (c *curve, value, point []byte, err error) {
	if c, err = curveFor(t, v); err != nil {
		return nil, nil, nil, err
	}
	if value, err = c.readPrivate(v(ck.CKA_VALUE)); err != nil {
		return nil, nil, nil, err
	}
	point, err = c.Public(value)
	return c, value, point, err
}

// info makes the SubjectPublicKeyInfo of RFC 5480, and of RFC 8410 for the other curves.
func (c *curve) info(point []byte) *publicKeyInfo {
	if c.Type == ck.CKK_EC {
		return &publicKeyInfo{oidEC, c.Params(), point}
	}
	return &publicKeyInfo{c.OIDs[0], nil, point}
}

// marshal makes the PrivateKeyInfo: an ECPrivateKey of RFC 5915, or a CurvePrivateKey of RFC 8410.
func (c *curve) marshal(value, point []byte) (*privateKeyInfo, error) {
	b := cryptobyte.NewBuilder(make([]byte, 0, len(value)+len(point)+32))
	if c.Type != ck.CKK_EC {
		b.AddASN1OctetString(value)
		key, err := b.Bytes()
		return &privateKeyInfo{c.OIDs[0], nil, key}, err
	}
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Uint64(1)
		b.AddASN1OctetString(value)
		b.AddASN1(der.Tag(1).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) { b.AddASN1BitString(point) })
	})
	key, err := b.Bytes()
	return &privateKeyInfo{oidEC, c.Params(), key}, err
}

// unmarshalCurve reads what marshal makes. Where the ECPrivateKey repeats the curve and the public key, both have to be right.
func unmarshalCurve(t ck.KeyType, p *privateKeyInfo) ([]ck.Attribute, error) {
	in := cryptobyte.String(p.key)
	var value cryptobyte.String
	if t != ck.CKK_EC {
		c := curveByOID(t, p.oid)
		if c == nil || !in.ReadASN1(&value, der.OCTET_STRING) || !in.Empty() || len(value) != c.Size {
			return nil, errNotKey
		}
		return privateAttributes(c.Params(), value), nil
	}
	c, err := findCurve(p.params)
	if err != nil || c.Type != t {
		return nil, errNotKey
	}
	var body, params, public cryptobyte.String
	var version uint
	var hasParams, hasPublic bool
	if !in.ReadASN1(&body, der.SEQUENCE) || !in.Empty() || !body.ReadASN1Integer(&version) || version != 1 ||
		!body.ReadASN1(&value, der.OCTET_STRING) ||
		!body.ReadOptionalASN1(&params, &hasParams, der.Tag(0).ContextSpecific().Constructed()) ||
		!body.ReadOptionalASN1(&public, &hasPublic, der.Tag(1).ContextSpecific().Constructed()) || !body.Empty() {
		return nil, errNotKey
	}
	private, err := c.readPrivate(value)
	if err != nil {
		return nil, errNotKey
	}
	point, err := c.Public(private)
	if err != nil {
		return nil, errNotKey
	}
	if hasParams {
		if again, err := findCurve(params); err != nil || again != c {
			return nil, errNotKey
		}
	}
	if hasPublic {
		var stated []byte
		if !public.ReadASN1BitStringAsBytes(&stated) || !public.Empty() {
			return nil, errNotKey
		}
		if stated, err = c.Check(stated); err != nil || subtle.ConstantTimeCompare(stated, point) != 1 {
			return nil, errNotKey
		}
	}
	return privateAttributes(p.params, private), nil
}

// privateAttributes are what a private key consists of.
func privateAttributes(params, value []byte) []ck.Attribute {
	return []ck.Attribute{{Type: ck.CKA_EC_PARAMS, Value: params}, {Type: ck.CKA_VALUE, Value: append([]byte(nil), value...)}}
}

// preparePrivate makes a prepared form from the curve and the value of a private key.
func preparePrivate(k *Key, build func(c *curve, value []byte) (any, error)) (form any, err error) {
	c, err := curveOf(k)
	if err != nil {
		return nil, err
	}
	secret.Do(func() {
		var value []byte
		if value, err = privateValue(c, k); err == nil {
			form, err = build(c, value)
		}
	})
	return form, err
}

// preparePublic makes a prepared form from the curve and the point of a public key.
func preparePublic(k *Key, build func(c *curve, point []byte) (any, error)) (any, error) {
	c, err := curveOf(k)
	if err != nil {
		return nil, err
	}
	point, err := publicPoint(c, k)
	if err != nil {
		return nil, err
	}
	return build(c, point)
}
