package mechanisms

import (
	"crypto/ecdh"
	"crypto/elliptic"
	"encoding/asn1"
	"errors"
	"io"
	"math/big"
	"slices"

	"filippo.io/bigmod"
	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/algorithm/modular"
	"github.com/softcsp/softcsp/internal/algorithm/weierstrass"
	"github.com/softcsp/softcsp/internal/secret"
)

// A curve is a row of the one list of elliptic curves. A function is nil where the curve is not used for that.
//
// Public keys are points as X9.62 encodes them without compression, and the bytes of RFC 8032 and RFC 7748 for the Edwards
// and Montgomery curves. Private keys have Size bytes: a number, highest byte first, or the bytes of those documents.
type curve struct {
	Name    string
	Aliases []string // further names that a curveName may be
	OIDs    []asn1.ObjectIdentifier
	Type    ck.KeyType
	Bits    uint
	Size    int                   // of a private key and of each half of a signature, in bytes
	Point   int                   // of a public key, in bytes
	Group   *elliptic.CurveParams // of a Weierstrass curve
	A       *big.Int              // its coefficient a
	// Generic returns the arithmetic that works for any Weierstrass curve, for what the other functions do not offer.
	Generic func() *weierstrass.Curve

	// Check returns a public key in the form described above, or CKR_PUBLIC_KEY_INVALID.
	Check func(point []byte) ([]byte, error)
	// Public makes the public key of a private one.
	Public func(private []byte) ([]byte, error)
	// Sign prepares ECDSA: what it returns writes r and s.
	Sign func(private []byte) (ecdsaSign, error)
	// Verify prepares the verification of ECDSA signatures, halves of Size bytes each.
	Verify func(point []byte) (ecdsaVerify, error)
	// EdSign and EdVerify do EdDSA.
	EdSign   func(private []byte) (edSign, error)
	EdVerify func(point, message, signature []byte, v *edVariant) bool
	// Agree prepares Diffie-Hellman: what it returns makes the shared secret with a public key that Check has seen.
	Agree func(private []byte) (agreement, error)
}

// ecMin and ecMax are the sizes of the Weierstrass curves in bits, cfrgMin and cfrgMax of the others.
const (
	ecMin, ecMax     = 192, 521
	cfrgMin, cfrgMax = 255, 448
)

// curves is the list. The first identifier is the curve's own; the others name the same curve in older software.
var curves = append([]*curve{
	nistCurve("P-224", []string{"secp224r1"}, asn1.ObjectIdentifier{1, 3, 132, 0, 33}, elliptic.P224(), nistP224),
	nistCurve("P-256", []string{"secp256r1", "prime256v1"}, asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 7}, elliptic.P256(), nistP256),
	nistCurve("P-384", []string{"secp384r1"}, asn1.ObjectIdentifier{1, 3, 132, 0, 34}, elliptic.P384(), nistP384),
	nistCurve("P-521", []string{"secp521r1"}, asn1.ObjectIdentifier{1, 3, 132, 0, 35}, elliptic.P521(), nistP521),
	secp256k1Curve(asn1.ObjectIdentifier{1, 3, 132, 0, 10}),
	{Name: "edwards25519", Aliases: []string{"Ed25519"}, OIDs: []asn1.ObjectIdentifier{{1, 3, 101, 112}, {1, 3, 6, 1, 4, 1, 11591, 15, 1}},
		Type: ck.CKK_EC_EDWARDS, Bits: 255, Size: 32, Point: 32,
		Check: ed25519Check, Public: ed25519Public, EdSign: ed25519Sign, EdVerify: ed25519Verify},
	{Name: "edwards448", Aliases: []string{"Ed448"}, OIDs: []asn1.ObjectIdentifier{{1, 3, 101, 113}},
		Type: ck.CKK_EC_EDWARDS, Bits: 448, Size: 57, Point: 57,
		Check: ed448Check, Public: ed448Public, EdSign: ed448Sign, EdVerify: ed448Verify},
	{Name: "curve25519", Aliases: []string{"X25519"}, OIDs: []asn1.ObjectIdentifier{{1, 3, 101, 110}, {1, 3, 6, 1, 4, 1, 3029, 1, 5, 1}},
		Type: ck.CKK_EC_MONTGOMERY, Bits: 255, Size: 32, Point: 32,
		Check: anyOfSize(32), Public: x25519Public, Agree: nistAgree(ecdh.X25519())},
	{Name: "curve448", Aliases: []string{"X448"}, OIDs: []asn1.ObjectIdentifier{{1, 3, 101, 111}},
		Type: ck.CKK_EC_MONTGOMERY, Bits: 448, Size: 56, Point: 56,
		Check: anyOfSize(56), Public: x448Public, Agree: x448Agree},
}, weierstrassCurves...)

// namedCurves finds a curve by CKA_EC_PARAMS: the encodings of its identifiers and of its names.
var namedCurves = func() map[string]*curve {
	m := make(map[string]*curve)
	for _, c := range curves {
		for _, oid := range c.OIDs {
			var b cryptobyte.Builder
			b.AddASN1ObjectIdentifier(oid)
			m[string(b.BytesOrPanic())] = c
		}
		for _, name := range append([]string{c.Name}, c.Aliases...) {
			var b cryptobyte.Builder
			b.AddASN1(der.PrintableString, func(b *cryptobyte.Builder) { b.AddBytes([]byte(name)) })
			m[string(b.BytesOrPanic())] = c
		}
	}
	// pkcs11-tool of OpenSC up to 0.23 counts a letter too many in this name.
	m["\x13\x0bcurve25519"] = m["\x13\x0acurve25519"]
	return m
}()

// Params returns the CKA_EC_PARAMS that name the curve by its identifier.
func (c *curve) Params() []byte {
	var b cryptobyte.Builder
	b.AddASN1ObjectIdentifier(c.OIDs[0])
	return b.BytesOrPanic()
}

// findCurve reads a CKA_EC_PARAMS, the Parameters of X9.62 with the curveName of PKCS #11: CKR_CURVE_NOT_SUPPORTED where
// they are those of a curve that is not in the list, CKR_DOMAIN_PARAMS_INVALID where they are none.
func findCurve(params []byte) (*curve, error) {
	if c := namedCurves[string(params)]; c != nil {
		return c, nil
	}
	in := cryptobyte.String(params)
	var body cryptobyte.String
	var tag der.Tag
	if !in.ReadAnyASN1(&body, &tag) || !in.Empty() {
		return nil, ck.CKR_DOMAIN_PARAMS_INVALID
	}
	switch tag {
	case der.OBJECT_IDENTIFIER, der.PrintableString:
		if body.Empty() {
			return nil, ck.CKR_DOMAIN_PARAMS_INVALID
		}
		return nil, ck.CKR_CURVE_NOT_SUPPORTED
	case der.SEQUENCE:
		return explicitCurve(body)
	}
	return nil, ck.CKR_DOMAIN_PARAMS_INVALID // implicitlyCA among others: there is no curve to inherit
}

// ecParameters are the parameters of a curve over a prime field that are written out, the ECParameters of X9.62.
type ecParameters struct {
	p, n, cofactor *big.Int
	a, b, g        cryptobyte.String
}

var (
	oidPrimeField          = asn1.ObjectIdentifier{1, 2, 840, 10045, 1, 1}
	oidCharacteristicField = asn1.ObjectIdentifier{1, 2, 840, 10045, 1, 2}
)

// explicitCurve finds the curve whose parameters are written out. X9.62 lets the cofactor be left out; nobody does, and
// who validates a point wants it.
func explicitCurve(body cryptobyte.String) (*curve, error) {
	var version int64
	var field, coefficients cryptobyte.String
	var kind asn1.ObjectIdentifier
	if !body.ReadASN1Integer(&version) || version < 1 || version > 3 ||
		!body.ReadASN1(&field, der.SEQUENCE) || !field.ReadASN1ObjectIdentifier(&kind) {
		return nil, ck.CKR_DOMAIN_PARAMS_INVALID
	}
	if kind.Equal(oidCharacteristicField) {
		return nil, ck.CKR_CURVE_NOT_SUPPORTED
	}
	e := ecParameters{p: new(big.Int), n: new(big.Int), cofactor: new(big.Int)}
	if !kind.Equal(oidPrimeField) || !field.ReadASN1Integer(e.p) || !field.Empty() ||
		!body.ReadASN1(&coefficients, der.SEQUENCE) ||
		!coefficients.ReadASN1(&e.a, der.OCTET_STRING) || !coefficients.ReadASN1(&e.b, der.OCTET_STRING) ||
		!coefficients.SkipOptionalASN1(der.BIT_STRING) || !coefficients.Empty() ||
		!body.ReadASN1(&e.g, der.OCTET_STRING) || !body.ReadASN1Integer(e.n) ||
		!body.ReadASN1Integer(e.cofactor) || version == 1 && !body.Empty() {
		return nil, ck.CKR_DOMAIN_PARAMS_INVALID
	}
	for _, c := range curves {
		if c.Group != nil && e.describes(c) {
			return c, nil
		}
	}
	return nil, ck.CKR_CURVE_NOT_SUPPORTED
}

// describes tells whether the parameters are those of c. All of them count: a curve with another generator is another
// curve, and one that an attacker may have chosen.
func (e *ecParameters) describes(c *curve) bool {
	same := func(b []byte, want *big.Int) bool { return new(big.Int).SetBytes(b).Cmp(want) == 0 }
	if c.Group.P.Cmp(e.p) != 0 || c.Group.N.Cmp(e.n) != 0 || e.cofactor.Cmp(big.NewInt(1)) != 0 ||
		!same(e.a, new(big.Int).Mod(c.A, e.p)) || !same(e.b, c.Group.B) {
		return false
	}
	g, err := c.Check(e.g)
	half := 1 + c.Point/2
	return err == nil && same(g[1:half], c.Group.Gx) && same(g[half:], c.Group.Gy)
}

// curveOf returns the curve of a key.
func curveOf(k *Key) (*curve, error) {
	c, err := findCurve(k.Attr(ck.CKA_EC_PARAMS))
	if err == nil && c.Type != k.Type {
		err = ck.CKR_CURVE_NOT_SUPPORTED
	}
	return c, err
}

// readPoint reads a CKA_EC_POINT or the public key of a CK_ECDH1_DERIVE_PARAMS: the point, or a DER OCTET STRING that
// holds it. Lengths keep the two apart: no encoding of a point is two or three bytes longer than another. PKCS #11 asks for
// the OCTET STRING with Weierstrass curves; with the others its versions differ, and applications with them.
func (c *curve) readPoint(b []byte) ([]byte, error) {
	in := cryptobyte.String(b)
	var inside cryptobyte.String
	if in.ReadASN1(&inside, der.OCTET_STRING) && in.Empty() && len(b) != c.Point {
		b = inside
	}
	return c.Check(c.uncompressed(b))
}

// uncompressed turns a point in the hybrid form of SEC 1, section 2.3.3, into the uncompressed form. The hybrid form has both coordinates, and
// the parity of y in its first byte.
func (c *curve) uncompressed(b []byte) []byte {
	if c.Type != ck.CKK_EC || len(b) != c.Point || b[0] != 6|b[len(b)-1]&1 {
		return b
	}
	b = slices.Clone(b)
	b[0] = 4
	return b
}

// writePoint makes the CKA_EC_POINT of a point.
func writePoint(point []byte) []byte {
	var b cryptobyte.Builder
	b.AddASN1OctetString(point)
	return b.BytesOrPanic()
}

// readPrivate brings a private key to its length. Numbers may come without their leading zeros, or with too many.
func (c *curve) readPrivate(value []byte) ([]byte, error) {
	if c.Type == ck.CKK_EC {
		for len(value) > c.Size && value[0] == 0 {
			value = value[1:]
		}
		if n := len(value); n > 0 && n < c.Size {
			return append(make([]byte, c.Size-n, c.Size), value...), nil
		}
	}
	if len(value) != c.Size {
		return nil, ck.CKR_ATTRIBUTE_VALUE_INVALID
	}
	return value, nil
}

// anyOfSize makes the Check of a curve on which any n bytes are a public key.
func anyOfSize(n int) func([]byte) ([]byte, error) {
	return func(point []byte) ([]byte, error) {
		if len(point) != n {
			return nil, ck.CKR_PUBLIC_KEY_INVALID
		}
		return point, nil
	}
}

// publicPoint returns the point of a public key.
func publicPoint(c *curve, k *Key) ([]byte, error) {
	if k.Class != ck.CKO_PUBLIC_KEY {
		return nil, ck.CKR_KEY_TYPE_INCONSISTENT
	}
	return c.readPoint(k.Attr(ck.CKA_EC_POINT))
}

// privateValue returns the value of a private key.
func privateValue(c *curve, k *Key) ([]byte, error) {
	if k.Class != ck.CKO_PRIVATE_KEY {
		return nil, ck.CKR_KEY_TYPE_INCONSISTENT
	}
	v := k.Value
	if v == nil {
		v = k.Attr(ck.CKA_VALUE)
	}
	return c.readPrivate(v)
}

// ecRows are the generation of key pairs.
var ecRows = []Mechanism{
	{Type: ck.CKM_EC_KEY_PAIR_GEN, Min: ecMin, Max: ecMax, ExtraFlags: weierstrassFlags, Makes: ck.CKK_EC, GeneratePair: generateEC(ck.CKK_EC, (*curve).generate)},
	{Type: ck.CKM_EC_KEY_PAIR_GEN_W_EXTRA_BITS, Min: ecMin, Max: ecMax, ExtraFlags: weierstrassFlags, Makes: ck.CKK_EC,
		GeneratePair: generateEC(ck.CKK_EC, (*curve).generateExtra)},
	{Type: ck.CKM_EC_EDWARDS_KEY_PAIR_GEN, Min: cfrgMin, Max: cfrgMax, ExtraFlags: namedFlags, Makes: ck.CKK_EC_EDWARDS, GeneratePair: generateEC(ck.CKK_EC_EDWARDS, (*curve).generate)},
	{Type: ck.CKM_EC_MONTGOMERY_KEY_PAIR_GEN, Min: cfrgMin, Max: cfrgMax, ExtraFlags: namedFlags, Makes: ck.CKK_EC_MONTGOMERY, GeneratePair: generateEC(ck.CKK_EC_MONTGOMERY, (*curve).generate)},
}

// What C_GetMechanismInfo tells of the mechanisms of elliptic curves beside what they do.
const (
	namedFlags       = ck.CKF_EC_F_P | ck.CKF_EC_OID | ck.CKF_EC_CURVENAME
	weierstrassFlags = namedFlags | ck.CKF_EC_ECPARAMETERS | ck.CKF_EC_UNCOMPRESS | ck.CKF_EC_COMPRESS
)

// generateEC makes key pairs on the curves of a type.
func generateEC(t ck.KeyType, draw func(*curve, io.Reader) (value, point []byte, err error)) func(io.Reader, *ck.Param, []ck.Attribute) (pub, priv []ck.Attribute, err error) {
	return func(rand io.Reader, p *ck.Param, public []ck.Attribute) (pub, priv []ck.Attribute, err error) {
		if err := p.None(); err != nil {
			return nil, nil, err
		}
		params := findAttr(public, ck.CKA_EC_PARAMS)
		if params == nil {
			return nil, nil, ck.CKR_TEMPLATE_INCOMPLETE
		}
		c, err := findCurve(params)
		if err != nil {
			return nil, nil, err
		}
		if c.Type != t {
			return nil, nil, ck.CKR_CURVE_NOT_SUPPORTED
		}
		var value, point []byte
		secret.Do(func() { value, point, err = draw(c, rand) })
		if err != nil {
			return nil, nil, err
		}
		return []ck.Attribute{{Type: ck.CKA_EC_POINT, Value: writePoint(point)}},
			[]ck.Attribute{{Type: ck.CKA_EC_PARAMS, Value: params}, {Type: ck.CKA_VALUE, Value: value}}, nil
	}
}

// generate draws private keys until one is below the order of the curve: FIPS 186-5, appendix A.2.2. On the curves of RFC 8032 and RFC 7748
// the first one is good.
func (c *curve) generate(rand io.Reader) (value, point []byte, err error) {
	value = make([]byte, c.Size)
	for range 100 { // the Brainpool curves need a second draw about every third time; no other does once in 2^31
		if _, err = io.ReadFull(rand, value); err != nil {
			err = errors.Join(ck.CKR_DEVICE_ERROR, err)
			break
		}
		if c.Group != nil {
			value[0] &= byte(0xff >> (8*c.Size - c.Group.N.BitLen()))
		}
		if point, err = c.Public(value); err == nil {
			return value, point, nil
		}
	}
	clear(value)
	return nil, nil, err
}

// extraBytes is by how many bytes the number of FIPS 186-5, appendix A.2.1, is longer than the order.
const extraBytes = 8

// generateExtra draws a number that is 64 bits longer than the order and takes it modulo the order less one, plus one: FIPS
// 186-5, appendix A.2.1.
func (c *curve) generateExtra(rand io.Reader) (value, point []byte, err error) {
	wide := make([]byte, c.Size+extraBytes)
	defer clear(wide)
	if _, err = io.ReadFull(rand, wide); err != nil {
		return nil, nil, errors.Join(ck.CKR_DEVICE_ERROR, err)
	}
	n, err1 := bigmod.NewModulus(c.Group.N.Bytes())
	less, err2 := bigmod.NewModulus(new(big.Int).Sub(c.Group.N, big.NewInt(1)).Bytes())
	room, err3 := bigmod.NewModulus(append([]byte{1}, make([]byte, len(wide))...))
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, nil, errors.Join(ck.CKR_GENERAL_ERROR, err)
	}
	x, err1 := bigmod.NewNat().SetBytes(wide, room)
	one, err2 := bigmod.NewNat().SetBytes(modular.LeftPadded([]byte{1}, c.Size), n)
	if err := errors.Join(err1, err2); err != nil {
		return nil, nil, errors.Join(ck.CKR_GENERAL_ERROR, err)
	}
	if x, err = bigmod.NewNat().SetBytes(bigmod.NewNat().Mod(x, less).Bytes(less), n); err != nil {
		return nil, nil, errors.Join(ck.CKR_GENERAL_ERROR, err)
	}
	value = x.Add(one, n).Bytes(n)
	point, err = c.Public(value)
	return value, point, err
}
