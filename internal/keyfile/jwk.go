package keyfile

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/mechanisms"
)

// A jwk is a JSON Web Key (RFC 7517), with the members of RFC 7518, section 6, and RFC 8037, section 2. Numbers are in base64url.
type jwk struct {
	Kty  string            `json:"kty"`
	Kid  string            `json:"kid,omitempty"`
	Alg  string            `json:"alg,omitempty"`
	Crv  string            `json:"crv,omitempty"`
	N    string            `json:"n,omitempty"`
	E    string            `json:"e,omitempty"`
	X    string            `json:"x,omitempty"`
	Y    string            `json:"y,omitempty"`
	D    string            `json:"d,omitempty"`
	P    string            `json:"p,omitempty"`
	Q    string            `json:"q,omitempty"`
	DP   string            `json:"dp,omitempty"`
	DQ   string            `json:"dq,omitempty"`
	QI   string            `json:"qi,omitempty"`
	K    string            `json:"k,omitempty"`
	X5c  []string          `json:"x5c,omitempty"`
	Oth  []json.RawMessage `json:"oth,omitempty"`
	Keys []jwk             `json:"keys,omitempty"`

	Ciphertext string `json:"ciphertext,omitempty"` // of what is no key, but a JWE
}

// jwkCurves are the curves of the registry (RFC 7518, 8037 and 8812), with the "kty" of their keys.
var jwkCurves = map[string]string{
	"P-256": "EC", "P-384": "EC", "P-521": "EC", "secp256k1": "EC", "Ed25519": "OKP", "Ed448": "OKP", "X25519": "OKP", "X448": "OKP",
}

// jwkSecrets are the types of secret keys by the algorithm of a JWK: RFC 7518, sections 3 to 5.
var jwkSecrets = map[string]ck.KeyType{
	"HS256": ck.CKK_SHA256_HMAC, "HS384": ck.CKK_SHA384_HMAC, "HS512": ck.CKK_SHA512_HMAC,
	"A128KW": ck.CKK_AES, "A192KW": ck.CKK_AES, "A256KW": ck.CKK_AES,
	"A128GCM": ck.CKK_AES, "A192GCM": ck.CKK_AES, "A256GCM": ck.CKK_AES,
	"A128GCMKW": ck.CKK_AES, "A192GCMKW": ck.CKK_AES, "A256GCMKW": ck.CKK_AES,
}

// readJWK reads a key, a set of keys, or a list of them.
func (r *reader) readJWK(text []byte) error {
	r.found("JWK")
	r.aSet = true
	var list []jwk
	if text[0] == '[' {
		if err := json.Unmarshal(text, &list); err != nil {
			return jsonError(err)
		}
	} else {
		var one jwk
		if err := json.Unmarshal(text, &one); err != nil {
			return jsonError(err)
		}
		switch {
		case one.Ciphertext != "":
			return errors.New("the file is an encrypted JWK, which softcsp does not open: decrypt it first")
		case one.Kty == "" && one.Keys == nil:
			return errors.New("the file is JSON, but no JWK: it has no \"kty\" and no \"keys\"")
		case one.Kty == "":
			r.Format = "JWK set"
			list = one.Keys
		default:
			list = []jwk{one}
		}
	}
	for i := range list {
		if err := r.readOneJWK(&list[i]); err != nil {
			return err
		}
	}
	return nil
}

// jsonError tells where the JSON is wrong, and nothing of what is there.
func jsonError(err error) error {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Errorf("the file looks like a JWK, but is no JSON at byte %d", syntax.Offset)
	}
	return errors.New("the file is JSON, but no JWK: a member has another type than it should")
}

// member reads a member in base64url, whose name is for errors. The first that is wrong counts.
func member(text, name string, err *error) []byte {
	b, wrong := base64.RawURLEncoding.DecodeString(strings.TrimRight(text, "="))
	if wrong != nil && *err == nil {
		*err = fmt.Errorf("the JWK is damaged: %q is not in base64url", name)
	}
	return b
}

func (r *reader) readOneJWK(k *jwk) (err error) {
	if k.Kty == "oct" {
		return r.readOct(k)
	}
	var t ck.KeyType
	var public, private []ck.Attribute
	defer func() { wipe(private) }()
	switch k.Kty {
	case "RSA":
		t = ck.CKK_RSA
		public, private, err = k.rsa()
	case "EC", "OKP":
		t, public, private, err = k.curve()
	default:
		err = fmt.Errorf("a JWK of a type that softcsp does not have: %q", k.Kty)
	}
	if err != nil {
		return err
	}
	added, err := mechanisms.Complete(ck.CKO_PUBLIC_KEY, t, func(t ck.AttributeType) []byte { return find(public, t) })
	if err != nil {
		return keyError("public key", err)
	}
	info := find(added, ck.CKA_PUBLIC_KEY_INFO)
	if private == nil {
		err = r.addPublic(info, k.Kid)
	} else if err = r.addPrivateAttributes(t, private, k.Kid); err == nil && !bytes.Equal(r.Entries[len(r.Entries)-1].PublicKeyInfo, info) {
		err = errors.New("the two halves of the key in the JWK do not belong together")
	}
	if err != nil {
		return err
	}
	for _, text := range k.X5c {
		encoded, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return errors.New("the JWK is damaged: \"x5c\" is not in base64")
		}
		if err := r.addCertificate(encoded, ""); err != nil {
			return err
		}
	}
	return nil
}

// addPrivateAttributes adds a private key of its attributes.
func (r *reader) addPrivateAttributes(t ck.KeyType, attrs []ck.Attribute, name string) error {
	info, err := mechanisms.MarshalPrivate(&mechanisms.Key{Class: ck.CKO_PRIVATE_KEY, Type: t, Attr: func(t ck.AttributeType) []byte { return find(attrs, t) }})
	if err != nil {
		return keyError("private key", err)
	}
	defer clear(info)
	return r.addPrivate(info, name)
}

// rsa returns the attributes of an RSA key: RFC 7518, section 6.3. A private key may be without its primes.
func (k *jwk) rsa() (public, private []ck.Attribute, err error) {
	if len(k.Oth) > 0 {
		return nil, nil, errors.New("an RSA key of more than two primes, which softcsp does not have")
	}
	public = []ck.Attribute{
		{Type: ck.CKA_MODULUS, Value: member(k.N, "n", &err)}, {Type: ck.CKA_PUBLIC_EXPONENT, Value: member(k.E, "e", &err)},
	}
	if k.D == "" {
		return public, nil, err
	}
	private = []ck.Attribute{
		{Type: ck.CKA_MODULUS, Value: public[0].Value}, {Type: ck.CKA_PUBLIC_EXPONENT, Value: public[1].Value},
		{Type: ck.CKA_PRIVATE_EXPONENT, Value: member(k.D, "d", &err)},
		{Type: ck.CKA_PRIME_1, Value: member(k.P, "p", &err)}, {Type: ck.CKA_PRIME_2, Value: member(k.Q, "q", &err)},
		{Type: ck.CKA_EXPONENT_1, Value: member(k.DP, "dp", &err)}, {Type: ck.CKA_EXPONENT_2, Value: member(k.DQ, "dq", &err)},
		{Type: ck.CKA_COEFFICIENT, Value: member(k.QI, "qi", &err)},
	}
	return public, private, err
}

// curve returns the attributes of a key on a curve: RFC 7518, section 6.2, and RFC 8037, section 2.
func (k *jwk) curve() (t ck.KeyType, public, private []ck.Attribute, err error) {
	var params []byte
	for _, c := range mechanisms.NamedCurves() {
		if jwkCurves[k.Crv] == k.Kty && slices.Contains(c.Names, k.Crv) {
			t, params = c.Type, c.Params
		}
	}
	if params == nil {
		return 0, nil, nil, fmt.Errorf("a JWK on a curve that softcsp does not have: %q", k.Crv)
	}
	point := member(k.X, "x", &err)
	if k.Kty == "EC" {
		y := member(k.Y, "y", &err)
		if err == nil && len(y) != len(point) { // RFC 7518, section 6.2.1.2: both have the length of the field
			return 0, nil, nil, errors.New("the JWK is damaged: \"x\" and \"y\" are not equally long")
		}
		point = append(append([]byte{4}, point...), y...)
	}
	public = []ck.Attribute{{Type: ck.CKA_EC_PARAMS, Value: params}, {Type: ck.CKA_EC_POINT, Value: point}}
	if k.D != "" {
		private = []ck.Attribute{{Type: ck.CKA_EC_PARAMS, Value: bytes.Clone(params)}, {Type: ck.CKA_VALUE, Value: member(k.D, "d", &err)}}
	}
	return t, public, private, err
}

// readOct reads a secret key: RFC 7518, section 6.4. Its type is the one that is asked for, or the one of its algorithm.
func (r *reader) readOct(k *jwk) (err error) {
	value := member(k.K, "k", &err)
	defer clear(value)
	if err != nil {
		return err
	}
	t, ok := jwkSecrets[k.Alg]
	switch {
	case r.options.Secret != nil:
		t = *r.options.Secret
	case !ok:
		return &TypeError{}
	}
	return r.addSecret(t, value, k.Kid)
}

// A TypeError says that the type of a secret key must be told.
type TypeError struct{}

func (*TypeError) Error() string { return "the file has a secret key, and does not say of which type" }

// publicJWK writes a public key.
func publicJWK(info []byte, name string) ([]byte, error) {
	k, err := newJWK(info, name)
	if err != nil {
		return nil, err
	}
	return k.marshal()
}

// newJWK makes a JWK of a SubjectPublicKeyInfo.
func newJWK(info []byte, name string) (*jwk, error) {
	t, attrs, err := mechanisms.UnmarshalPublic(info)
	if err != nil {
		return nil, err
	}
	k := &jwk{Kid: name}
	if t == ck.CKK_RSA {
		k.Kty, k.N, k.E = "RSA", encodeMember(find(attrs, ck.CKA_MODULUS)), encodeMember(find(attrs, ck.CKA_PUBLIC_EXPONENT))
		return k, nil
	}
	c, err := mechanisms.CurveOf(find(attrs, ck.CKA_EC_PARAMS))
	if err != nil {
		return nil, ErrFormat
	}
	in := cryptobyte.String(find(attrs, ck.CKA_EC_POINT))
	var point cryptobyte.String
	if !in.ReadASN1(&point, der.OCTET_STRING) {
		return nil, errDER
	}
	for _, name := range c.Names {
		switch jwkCurves[name] {
		case "OKP":
			k.Kty, k.Crv, k.X = "OKP", name, encodeMember(point)
			return k, nil
		case "EC": // the point is a 4 and both coordinates
			half := 1 + len(point)/2
			k.Kty, k.Crv, k.X, k.Y = "EC", name, encodeMember(point[1:half]), encodeMember(point[half:])
			return k, nil
		}
	}
	return nil, ErrFormat
}

func encodeMember(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func (k *jwk) marshal() ([]byte, error) {
	b, err := json.MarshalIndent(k, "", "  ")
	return append(b, '\n'), err
}

// privateJWK writes a private key of its PrivateKeyInfo.
func privateJWK(t ck.KeyType, info []byte, name string) ([]byte, error) {
	attrs, err := mechanisms.UnmarshalPrivate(t, info)
	if err != nil {
		return nil, err
	}
	defer wipe(attrs)
	get := func(t ck.AttributeType) []byte { return find(attrs, t) }
	added, err := mechanisms.Complete(ck.CKO_PRIVATE_KEY, t, get)
	if err != nil {
		return nil, err
	}
	k, err := newJWK(find(added, ck.CKA_PUBLIC_KEY_INFO), name)
	if err != nil {
		return nil, err
	}
	if k.Kty != "RSA" {
		k.D = encodeMember(get(ck.CKA_VALUE))
		return k.marshal()
	}
	for t, to := range map[ck.AttributeType]*string{
		ck.CKA_PRIVATE_EXPONENT: &k.D, ck.CKA_PRIME_1: &k.P, ck.CKA_PRIME_2: &k.Q,
		ck.CKA_EXPONENT_1: &k.DP, ck.CKA_EXPONENT_2: &k.DQ, ck.CKA_COEFFICIENT: &k.QI,
	} {
		*to = encodeMember(get(t))
	}
	return k.marshal()
}

// secretJWK writes a secret key. Its algorithm is said where the type of key has one.
func secretJWK(t ck.KeyType, value []byte, name string) ([]byte, error) {
	k := &jwk{Kty: "oct", Kid: name, K: encodeMember(value)}
	for _, alg := range []string{"HS256", "HS384", "HS512"} {
		if jwkSecrets[alg] == t {
			k.Alg = alg
		}
	}
	return k.marshal()
}
