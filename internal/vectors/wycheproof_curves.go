package vectors

import (
	"bytes"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/softcsp/softcsp/ck"
)

// A namedCurve is a curve by its identifier.
type namedCurve struct {
	name string
	oid  asn1.ObjectIdentifier
	size int // of a number below the order, in bytes
	kind ck.KeyType
}

func certicom(n int) asn1.ObjectIdentifier { return asn1.ObjectIdentifier{1, 3, 132, 0, n} }

func brainpool(n int) asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{1, 3, 36, 3, 3, 2, 8, 1, 1, n}
}

// curveTable are the curves that files of Wycheproof and of NIST name: SEC 2, RFC 5639, RFC 8410.
var curveTable = []namedCurve{
	{"secp160k1", certicom(9), 21, ck.CKK_EC}, {"secp160r1", certicom(8), 21, ck.CKK_EC}, {"secp160r2", certicom(30), 21, ck.CKK_EC},
	{"secp192k1", certicom(31), 24, ck.CKK_EC}, {"secp192r1", asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 1}, 24, ck.CKK_EC},
	{"secp224k1", certicom(32), 29, ck.CKK_EC}, {"secp224r1", certicom(33), 28, ck.CKK_EC},
	{"secp256k1", certicom(10), 32, ck.CKK_EC}, {"secp256r1", asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 7}, 32, ck.CKK_EC},
	{"secp384r1", certicom(34), 48, ck.CKK_EC}, {"secp521r1", certicom(35), 66, ck.CKK_EC},
	{"brainpoolP224r1", brainpool(5), 28, ck.CKK_EC}, {"brainpoolP256r1", brainpool(7), 32, ck.CKK_EC},
	{"brainpoolP320r1", brainpool(9), 40, ck.CKK_EC}, {"brainpoolP384r1", brainpool(11), 48, ck.CKK_EC},
	{"brainpoolP512r1", brainpool(13), 64, ck.CKK_EC},
	{"brainpoolP224t1", brainpool(6), 28, ck.CKK_EC}, {"brainpoolP256t1", brainpool(8), 32, ck.CKK_EC},
	{"brainpoolP320t1", brainpool(10), 40, ck.CKK_EC}, {"brainpoolP384t1", brainpool(12), 48, ck.CKK_EC},
	{"brainpoolP512t1", brainpool(14), 64, ck.CKK_EC},
	{"sect283k1", certicom(16), 36, ck.CKK_EC}, {"sect283r1", certicom(17), 36, ck.CKK_EC},
	{"sect409k1", certicom(36), 52, ck.CKK_EC}, {"sect409r1", certicom(37), 52, ck.CKK_EC},
	{"sect571k1", certicom(38), 72, ck.CKK_EC}, {"sect571r1", certicom(39), 72, ck.CKK_EC},
	{"ed25519", asn1.ObjectIdentifier{1, 3, 101, 112}, 32, ck.CKK_EC_EDWARDS},
	{"ed448", asn1.ObjectIdentifier{1, 3, 101, 113}, 57, ck.CKK_EC_EDWARDS},
	{"x25519", asn1.ObjectIdentifier{1, 3, 101, 110}, 32, ck.CKK_EC_MONTGOMERY},
	{"x448", asn1.ObjectIdentifier{1, 3, 101, 111}, 56, ck.CKK_EC_MONTGOMERY},
}

func curveNamed(name string) (*namedCurve, error) {
	for i := range curveTable {
		if curveTable[i].name == name {
			return &curveTable[i], nil
		}
	}
	return nil, fmt.Errorf("no curve %q", name)
}

// curveInName finds the curve that the name of a file says.
func (s *Suite) curveInName() (*namedCurve, error) {
	parts := strings.Split(s.Name, "_")
	if strings.HasPrefix(parts[0], "ec") {
		return curveNamed(parts[1])
	}
	return curveNamed(parts[0])
}

func (c *namedCurve) params() []byte { return encode(c.oid) }

func (c *namedCurve) public(point []byte) *Key  { return curvePublic(c.kind, c.params(), point) }
func (c *namedCurve) private(value []byte) *Key { return curvePrivate(c.kind, c.params(), value) }

// An agreementTest has keys in one of many notations.
type agreementTest struct {
	test
	Public  json.RawMessage `json:"public"`
	Private json.RawMessage `json:"private"`
	Shared  Hex             `json:"shared"`
}

// ECDHParam are the fields of a CK_ECDH1_DERIVE_PARAMS without a key derivation function.
func ECDHParam(point []byte) []any { return []any{ck.CKD_NULL, Counted(nil), Counted(point)} }

// agreement derives with each mechanism of the curve.
func (c *namedCurve) agreement(s *Suite, t *agreementTest, point []byte, private *Key) {
	d := Case{At: t.at(s), Does: Derive, Mechanism: ck.CKM_ECDH1_DERIVE, Key: private, Param: ECDHParam(point), Out: t.Shared,
		Template: []ck.Attribute{{Type: ck.CKA_KEY_TYPE, Value: ck.UlongValue(uint(ck.CKK_GENERIC_SECRET))}}}
	if !t.invalid() && !t.acceptable() {
		s.add(d)
	} else {
		d.Refused, d.Maybe = badKeyCodes, t.acceptable()
		if private.PKCS8 != nil {
			d.Refused = append([]ck.RV{ck.CKR_WRAPPED_KEY_INVALID}, badKeyCodes...)
		}
		s.add(d)
	}
	if c.kind == ck.CKK_EC {
		d.Mechanism = ck.CKM_ECDH1_COFACTOR_DERIVE
		s.add(d)
	}
}

const badKeyEncoding = "only the encoding of the public key is wrong, and C_DeriveKey takes a point"

// errOther is the error of a public key of another curve or with parameters that are written out.
var errOther = errors.New("other parameters")

// loadECDH runs ECDH with keys in all notations. A public key whose parameters are not the name of the curve is imported
// with them: what they are has to be found out.
func loadECDH(s *Suite) error {
	curve, err := s.curveInName()
	if err != nil {
		return err
	}
	groups, err := read(s, func(g *tests[agreementTest]) []agreementTest { return g.Tests })
	for _, g := range groups {
		for i := range g.Tests {
			t := &g.Tests[i]
			private, err := curve.readPrivate(s, t)
			if err != nil {
				return fmt.Errorf("%s: %w", t.at(s), err)
			}
			params, point, err := curve.readPublic(s, t)
			switch {
			case errors.Is(err, errOther):
				curve.otherParams(s, t, params, point, private)
			case err != nil && t.Result == "valid":
				return fmt.Errorf("%s: %w", t.at(s), err)
			case err != nil:
				s.omit(badKeyEncoding)
			default:
				curve.agreement(s, t, point, private)
			}
		}
	}
	return err
}

// onThisCurve stands in the comment of a point that is none of the curve that its key names, but one of this curve.
const onThisCurve = "is a valid on "

// onBothCurves stands in the comment of a point that is one of the curve that its key names and of this curve.
const onBothCurves = "with a point shared with "

// otherParams imports a public key with parameters of its own.
func (c *namedCurve) otherParams(s *Suite, t *agreementTest, params, point []byte, private *Key) {
	var oid asn1.ObjectIdentifier
	if rest, err := asn1.Unmarshal(params, &oid); err == nil && len(rest) == 0 && !strings.Contains(t.Comment, onThisCurve) {
		for _, other := range curveTable {
			switch {
			case !other.oid.Equal(oid):
				continue
			case strings.Contains(t.Comment, onBothCurves):
				s.omit(badKeyEncoding)
			default: // a point of another curve
				c.agreement(s, t, point, private)
			}
			return
		}
	}
	if len(params) == 0 {
		s.omit(badKeyEncoding)
		return
	}
	s.add(Case{At: t.at(s), Does: Import, Key: private, Public: curvePublic(c.kind, params, point), Maybe: !t.invalid(),
		Refused: append([]ck.RV{ck.CKR_CURVE_NOT_SUPPORTED, ck.CKR_DOMAIN_PARAMS_INVALID}, badKeyCodes...)})
}

// jwkCurves are the names of curves in RFC 7518 and RFC 8812; the last is one that was never registered.
var jwkCurves = map[string]string{
	"P-256": "secp256r1", "P-384": "secp384r1", "P-521": "secp521r1", "secp256k1": "secp256k1", "P-256K": "secp256k1",
}

// A jwk is a key in the notation of RFC 7517.
type jwk struct{ Kty, Crv, X, Y, D string }

func (c *namedCurve) readPrivate(s *Suite, t *agreementTest) (*Key, error) {
	switch {
	case strings.Contains(s.Name, "_webcrypto_"):
		var k jwk
		err1 := json.Unmarshal(t.Private, &k)
		d, err2 := base64.RawURLEncoding.DecodeString(k.D)
		return c.private(d), errors.Join(err1, err2)
	case strings.Contains(s.Name, "_pem_"):
		b, err := readPEM(t.Private)
		return &Key{Class: ck.CKO_PRIVATE_KEY, Type: c.kind, PKCS8: b}, err
	}
	var value Hex
	err := json.Unmarshal(t.Private, &value)
	return c.private(value), err
}

func readPEM(text json.RawMessage) ([]byte, error) {
	var p string
	if err := json.Unmarshal(text, &p); err != nil {
		return nil, err
	}
	block, _ := pem.Decode([]byte(p))
	if block == nil {
		return nil, errors.New("no PEM")
	}
	return block.Bytes, nil
}

// readPublic reads the point of a public key. errOther says that it comes with parameters of its own.
func (c *namedCurve) readPublic(s *Suite, t *agreementTest) (params, point []byte, err error) {
	if strings.Contains(s.Name, "_webcrypto_") {
		var k jwk
		if err := json.Unmarshal(t.Public, &k); err != nil {
			return nil, nil, err
		}
		x, err1 := base64.RawURLEncoding.DecodeString(k.X)
		y, err2 := base64.RawURLEncoding.DecodeString(k.Y)
		named, err := curveNamed(jwkCurves[k.Crv])
		if err = errors.Join(err, err1, err2); err == nil && named != c {
			err = errOther
		}
		return named.params(), slices.Concat([]byte{4}, x, y), err
	}
	var b Hex
	if strings.Contains(s.Name, "_pem_") {
		b, err = readPEM(t.Public)
	} else {
		err = json.Unmarshal(t.Public, &b)
	}
	if err != nil || strings.Contains(s.Name, "_ecpoint_") {
		return nil, b, err
	}
	oid, params, point, err := readInfo(b)
	if err == nil && !oid.Equal(asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}) {
		err = errors.New("no key of a curve")
	}
	if err == nil && !bytes.Equal(params, c.params()) {
		err = errOther
	}
	return params, point, err
}

// readInfo reads a SubjectPublicKeyInfo in DER.
func readInfo(b []byte) (oid asn1.ObjectIdentifier, params, key []byte, err error) {
	var info struct {
		Algorithm struct {
			OID    asn1.ObjectIdentifier
			Params asn1.RawValue `asn1:"optional"`
		}
		Key asn1.BitString
	}
	if rest, err := asn1.Unmarshal(b, &info); err != nil || len(rest) != 0 || info.Key.BitLength%8 != 0 {
		return nil, nil, nil, fmt.Errorf("no SubjectPublicKeyInfo: %w", err)
	}
	if !bytes.Equal(encode(info), b) {
		return nil, nil, nil, errors.New("not in DER")
	}
	return info.Algorithm.OID, info.Algorithm.Params.FullBytes, info.Key.Bytes, nil
}

// loadXDH runs X25519 and X448 with keys in all notations.
func loadXDH(s *Suite) error {
	curve, err := s.curveInName()
	if err != nil {
		return err
	}
	groups, err := read(s, func(g *tests[agreementTest]) []agreementTest { return g.Tests })
	for _, g := range groups {
		for i := range g.Tests {
			t := &g.Tests[i]
			point, private, err := curve.readXDH(s, t)
			switch {
			case err != nil && !t.invalid():
				return fmt.Errorf("%s: %w", t.at(s), err)
			case err != nil:
				s.omit(badKeyEncoding)
			default:
				curve.agreement(s, t, point, private)
			}
		}
	}
	return err
}

func (c *namedCurve) readXDH(s *Suite, t *agreementTest) (point []byte, private *Key, err error) {
	if strings.Contains(s.Name, "_jwk_") {
		var pub, priv jwk
		err1, err2 := json.Unmarshal(t.Public, &pub), json.Unmarshal(t.Private, &priv)
		x, err3 := base64.RawURLEncoding.DecodeString(pub.X)
		d, err4 := base64.RawURLEncoding.DecodeString(priv.D)
		err = errors.Join(err1, err2, err3, err4)
		if !strings.EqualFold(pub.Crv, c.name) || pub.Kty != "OKP" || priv.Kty != "OKP" {
			err = errors.New("another type of key")
		}
		return x, c.private(d), err
	}
	if strings.HasPrefix(s.Name, c.name+"_test") {
		var pub, priv Hex
		err = errors.Join(json.Unmarshal(t.Public, &pub), json.Unmarshal(t.Private, &priv))
		return pub, c.private(priv), err
	}
	var pub, priv Hex
	if strings.Contains(s.Name, "_pem_") {
		var err1, err2 error
		pub, err1 = readPEM(t.Public)
		priv, err2 = readPEM(t.Private)
		err = errors.Join(err1, err2)
	} else {
		err = errors.Join(json.Unmarshal(t.Public, &pub), json.Unmarshal(t.Private, &priv))
	}
	if err != nil {
		return nil, nil, err
	}
	oid, params, point, err := readInfo(pub)
	if err == nil && (!oid.Equal(c.oid) || len(params) != 0) {
		err = errors.New("another type of key")
	}
	return point, &Key{Class: ck.CKO_PRIVATE_KEY, Type: c.kind, PKCS8: priv}, err
}

type curveTest struct {
	test
	Name       string `json:"name"`
	OID        string `json:"oid"`
	P, N, A, B Hex
	GX         Hex `json:"gx"`
	GY         Hex `json:"gy"`
	H          int `json:"h"`
}

// loadCurves imports the generator of each curve as a public key, with the parameters of the curve written out (X9.62,
// ECParameters).
func loadCurves(s *Suite) error {
	s.Mixed = true
	groups, err := read(s, func(g *tests[curveTest]) []curveTest { return g.Tests })
	for _, g := range groups {
		for i := range g.Tests {
			t := &g.Tests[i]
			size := len(unsigned(t.P))
			fill := func(b []byte) []byte { return new(big.Int).SetBytes(b).FillBytes(make([]byte, size)) }
			point := slices.Concat([]byte{4}, fill(t.GX), fill(t.GY))
			type field struct {
				OID asn1.ObjectIdentifier
				P   *big.Int
			}
			type equation struct{ A, B []byte }
			params := encode(struct {
				Version int
				Field   field
				Curve   equation
				G       []byte
				N       *big.Int
				H       int
			}{1, field{asn1.ObjectIdentifier{1, 2, 840, 10045, 1, 1}, new(big.Int).SetBytes(t.P)}, equation{fill(t.A), fill(t.B)},
				point, new(big.Int).SetBytes(t.N), t.H})
			s.add(Case{At: t.at(s), Does: Import, Public: curvePublic(ck.CKK_EC, params, point)})
		}
	}
	return err
}
