package mechanisms

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"io"
	"math/big"
	"os"
	"slices"
	"testing"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/vectors"
)

// keyOf makes a key of attributes.
func keyOf(class ck.ObjectClass, t ck.KeyType, attrs ...ck.Attribute) *Key {
	k := &Key{Class: class, Type: t, Attr: func(a ck.AttributeType) []byte { return findAttr(attrs, a) }}
	if class == ck.CKO_SECRET_KEY {
		k.Value = findAttr(attrs, ck.CKA_VALUE)
	}
	return k
}

// private makes a private key of the curve.
func (c *curve) private(value []byte) *Key {
	return keyOf(ck.CKO_PRIVATE_KEY, c.Type, ck.Attribute{Type: ck.CKA_EC_PARAMS, Value: c.Params()}, ck.Attribute{Type: ck.CKA_VALUE, Value: value})
}

// public makes a public key of the curve.
func (c *curve) public(point []byte) *Key {
	return keyOf(ck.CKO_PUBLIC_KEY, c.Type, ck.Attribute{Type: ck.CKA_EC_PARAMS, Value: c.Params()}, ck.Attribute{Type: ck.CKA_EC_POINT, Value: point})
}

// pair generates a key pair as C_GenerateKeyPair does.
func (c *curve) pair(t testing.TB) (pub, priv *Key) {
	t.Helper()
	for i := range table {
		if m := &table[i]; m.GeneratePair != nil && m.Makes == c.Type {
			params := ck.Attribute{Type: ck.CKA_EC_PARAMS, Value: c.Params()}
			var p ck.Param
			a, b, err := m.GeneratePair(rand.Reader, &p, []ck.Attribute{params})
			if err != nil {
				t.Fatal(err)
			}
			return keyOf(ck.CKO_PUBLIC_KEY, c.Type, append(a, params)...), keyOf(ck.CKO_PRIVATE_KEY, c.Type, b...)
		}
	}
	t.Fatalf("%s: no mechanism makes its keys", c.Name)
	return nil, nil
}

func curveNamed(t testing.TB, name string) *curve {
	t.Helper()
	for _, c := range curves {
		if c.Name == name || slices.Contains(c.Aliases, name) {
			return c
		}
	}
	t.Fatalf("no curve %s", name)
	return nil
}

// explicitParams writes the parameters of a curve out.
func explicitParams(c *curve, point []byte, change func(p, a, b, n, h *big.Int)) []byte {
	p, b, n, h := new(big.Int).Set(c.Group.P), new(big.Int).Set(c.Group.B), new(big.Int).Set(c.Group.N), big.NewInt(1)
	a := new(big.Int).Mod(c.A, p)
	change(p, a, b, n, h)
	var out cryptobyte.Builder
	out.AddASN1(der.SEQUENCE, func(out *cryptobyte.Builder) {
		out.AddASN1Int64(1)
		out.AddASN1(der.SEQUENCE, func(out *cryptobyte.Builder) {
			out.AddASN1ObjectIdentifier(oidPrimeField)
			out.AddASN1BigInt(p)
		})
		out.AddASN1(der.SEQUENCE, func(out *cryptobyte.Builder) {
			out.AddASN1OctetString(a.FillBytes(make([]byte, c.Size)))
			out.AddASN1OctetString(b.FillBytes(make([]byte, c.Size)))
			out.AddASN1BitString([]byte("any seed"))
		})
		out.AddASN1OctetString(point)
		out.AddASN1BigInt(n)
		out.AddASN1BigInt(h)
	})
	return out.BytesOrPanic()
}

// generator returns the generator of a curve, whole and compressed.
func generator(c *curve) (whole, compressed []byte) {
	x, y := c.Group.Gx.FillBytes(make([]byte, c.Size)), c.Group.Gy.FillBytes(make([]byte, c.Size))
	return slices.Concat([]byte{4}, x, y), append([]byte{2 + y[len(y)-1]&1}, x...)
}

// TestCurveParams reads the ways to name a curve, and what names none.
func TestCurveParams(t *testing.T) {
	t.Parallel()
	unchanged := func(_, _, _, _, _ *big.Int) {}
	for _, c := range curves {
		for _, name := range append([]string{c.Name}, c.Aliases...) {
			params, err := asn1.MarshalWithParams(name, "printable")
			if err != nil {
				t.Fatal(err)
			}
			if got, err := findCurve(params); got != c || err != nil {
				t.Errorf("%q: %v", name, err)
			}
		}
		if got, err := findCurve(c.Params()); got != c || err != nil {
			t.Errorf("%s by its identifier: %v", c.Name, err)
		}
		if c.Group == nil {
			continue
		}
		g, compressed := generator(c)
		for _, point := range [][]byte{g, compressed} {
			if got, err := findCurve(explicitParams(c, point, unchanged)); got != c || err != nil {
				t.Errorf("%s written out: %v", c.Name, err)
			}
		}
		minus := bytes.Clone(compressed)
		minus[0] ^= 1
		bad := [][]byte{explicitParams(c, minus, unchanged), explicitParams(c, nil, unchanged)}
		for i := range 5 {
			bad = append(bad, explicitParams(c, g, func(p, a, b, n, h *big.Int) {
				number := []*big.Int{p, a, b, n, h}[i]
				number.Xor(number, big.NewInt(2))
			}))
		}
		for i, params := range bad {
			if got, err := findCurve(params); err != ck.CKR_CURVE_NOT_SUPPORTED {
				t.Errorf("%s, changed in way %d: %v, %v", c.Name, i, got, err)
			}
		}
		whole := explicitParams(c, g, unchanged)
		for n := range whole {
			if got, err := findCurve(whole[:n]); err != ck.CKR_DOMAIN_PARAMS_INVALID {
				t.Fatalf("%s, cut at %d: %v, %v", c.Name, n, got, err)
			}
		}
	}
}

// TestNoCurve reads what names no curve of the list, and one name that is written wrongly.
func TestNoCurve(t *testing.T) {
	t.Parallel()
	if c, err := findCurve([]byte("\x13\x0bcurve25519")); err != nil || c.Name != "curve25519" {
		t.Errorf("curve25519 as pkcs11-tool writes it: %v", err)
	}
	for _, c := range []struct {
		params []byte
		want   error
	}{
		{nil, ck.CKR_DOMAIN_PARAMS_INVALID},
		{[]byte{5, 0}, ck.CKR_DOMAIN_PARAMS_INVALID},
		{[]byte{6, 0}, ck.CKR_DOMAIN_PARAMS_INVALID},
		{[]byte{6, 1}, ck.CKR_DOMAIN_PARAMS_INVALID},
		{[]byte("\x06\x05\x2b\x81\x04\x00\x01"), ck.CKR_CURVE_NOT_SUPPORTED},                 // sect163k1
		{[]byte("\x06\x09\x2b\x24\x03\x03\x02\x08\x01\x01\x01"), ck.CKR_CURVE_NOT_SUPPORTED}, // brainpoolP160r1
		{[]byte("\x13\x04none"), ck.CKR_CURVE_NOT_SUPPORTED},
		{[]byte("\x06\x05\x2b\x81\x04\x00\x22\x00"), ck.CKR_DOMAIN_PARAMS_INVALID}, // P-384 and more
		{[]byte("\x13\x0bsecp256r1"), ck.CKR_DOMAIN_PARAMS_INVALID},
		{[]byte("\x30\x00"), ck.CKR_DOMAIN_PARAMS_INVALID},
	} {
		if _, err := findCurve(c.params); err != c.want {
			t.Errorf("%x: %v, want %v", c.params, err, c.want)
		}
	}
}

// TestCurvePairs generates pairs, and tries that their halves fit, in every encoding.
func TestCurvePairs(t *testing.T) {
	t.Parallel()
	for _, c := range curves {
		pub, priv := c.pair(t)
		point, err := c.readPoint(pub.Attr(ck.CKA_EC_POINT))
		if err != nil || len(point) != c.Point {
			t.Fatalf("%s: a point of %d bytes, %v", c.Name, len(point), err)
		}
		if again, err := c.readPoint(point); err != nil || !bytes.Equal(again, point) {
			t.Errorf("%s: the point as it is: %v", c.Name, err)
		}
		value := priv.Attr(ck.CKA_VALUE)
		if derived, err := c.Public(value); err != nil || !bytes.Equal(derived, point) {
			t.Errorf("%s: the private key is of the point %x, %v", c.Name, derived, err)
		}
		added, err := Complete(ck.CKO_PUBLIC_KEY, c.Type, pub.Attr)
		info := findAttr(added, ck.CKA_PUBLIC_KEY_INFO)
		if err != nil || !bytes.Contains(info, point) {
			t.Errorf("%s: CKA_PUBLIC_KEY_INFO %x, %v", c.Name, info, err)
		}
		added, err = Complete(ck.CKO_PRIVATE_KEY, c.Type, priv.Attr)
		if err != nil || !bytes.Equal(findAttr(added, ck.CKA_PUBLIC_KEY_INFO), info) {
			t.Errorf("%s: CKA_PUBLIC_KEY_INFO of the private key %x, %v", c.Name, findAttr(added, ck.CKA_PUBLIC_KEY_INFO), err)
		}
		p8, err := MarshalPrivate(priv)
		if err != nil {
			t.Fatalf("%s: %v", c.Name, err)
		}
		attrs, err := UnmarshalPrivate(c.Type, append(bytes.Clone(p8), 0, 0, 0))
		if err != nil || !bytes.Equal(findAttr(attrs, ck.CKA_VALUE), value) || !bytes.Equal(findAttr(attrs, ck.CKA_EC_PARAMS), c.Params()) {
			t.Errorf("%s: unwrapped to %v, %v", c.Name, attrs, err)
		}
		for n := range p8 {
			if _, err := UnmarshalPrivate(c.Type, p8[:n]); !errors.Is(err, ck.CKR_WRAPPED_KEY_INVALID) {
				t.Fatalf("%s: cut at %d: %v", c.Name, n, err)
			}
		}
		inGo := c.Name != "secp256k1" && c.Bits != 448 && !slices.Contains(weierstrassCurves, c) // what crypto/x509 knows
		if _, err := x509.ParsePKIXPublicKey(info); (err == nil) != inGo {
			t.Errorf("%s: SubjectPublicKeyInfo: %v", c.Name, err)
		}
		if _, err := x509.ParsePKCS8PrivateKey(p8); (err == nil) != inGo {
			t.Errorf("%s: PrivateKeyInfo: %v", c.Name, err)
		}
	}
}

// TestCurveGenerate tries what generation refuses.
func TestCurveGenerate(t *testing.T) {
	t.Parallel()
	p256, x448 := curveNamed(t, "P-256").Params(), curveNamed(t, "X448").Params()
	for i := range ecRows {
		m := &ecRows[i]
		good := x448
		if m.Makes == ck.CKK_EC {
			good = p256
		}
		if m.Makes == ck.CKK_EC_EDWARDS {
			good = curveNamed(t, "Ed448").Params()
		}
		for _, c := range []struct {
			rand   io.Reader
			params []byte
			param  ck.Param
			want   error
		}{
			{rand.Reader, good, ck.Param{}, nil},
			{rand.Reader, good, params(1), nil}, // which is not looked at
			{rand.Reader, nil, ck.Param{}, ck.CKR_TEMPLATE_INCOMPLETE},
			{rand.Reader, []byte{}, ck.Param{}, ck.CKR_DOMAIN_PARAMS_INVALID},
			{rand.Reader, []byte("\x06\x05\x2b\x81\x04\x00\x01"), ck.Param{}, ck.CKR_CURVE_NOT_SUPPORTED},
			{bytes.NewReader(nil), good, ck.Param{}, ck.CKR_DEVICE_ERROR},
		} {
			var template []ck.Attribute
			if c.params != nil {
				template = append(template, ck.Attribute{Type: ck.CKA_EC_PARAMS, Value: c.params})
			}
			if _, _, err := m.GeneratePair(c.rand, &c.param, template); !errors.Is(err, c.want) {
				t.Errorf("%v with %x: %v, want %v", m.Type, c.params, err, c.want)
			}
		}
	}
	wrong := ck.Attribute{Type: ck.CKA_EC_PARAMS, Value: x448}
	var p ck.Param
	if _, _, err := Lookup(ck.CKM_EC_KEY_PAIR_GEN).GeneratePair(rand.Reader, &p, []ck.Attribute{wrong}); err != ck.CKR_CURVE_NOT_SUPPORTED {
		t.Errorf("X448 with CKM_EC_KEY_PAIR_GEN: %v", err)
	}
}

// TestCurvePoints gives what is no point to everything that reads one.
func TestCurvePoints(t *testing.T) {
	t.Parallel()
	for _, c := range curves {
		pub, _ := c.pair(t)
		point, err := c.readPoint(pub.Attr(ck.CKA_EC_POINT))
		if err != nil {
			t.Fatal(err)
		}
		bad := [][]byte{nil, {0}, {4}, point[1:], append(bytes.Clone(point), 0), writePoint(nil), writePoint(writePoint(point))}
		if c.Group != nil {
			off := bytes.Clone(point)
			off[len(off)-1] ^= 1
			hybrid := bytes.Clone(point)
			hybrid[0] = 6 + point[len(point)-1]&1
			if got, err := c.readPoint(writePoint(hybrid)); err != nil || !bytes.Equal(got, point) {
				t.Errorf("%s: the hybrid point: %x, %v", c.Name, got, err)
			}
			hybrid[0] ^= 1
			bad = append(bad, off, hybrid, writePoint(off), append([]byte{4}, make([]byte, c.Point-1)...))
			compressed := append([]byte{2 + point[len(point)-1]&1}, point[1:1+c.Size]...)
			if got, err := c.readPoint(compressed); err != nil || !bytes.Equal(got, point) {
				t.Errorf("%s: the point compressed: %x, %v", c.Name, got, err)
			}
		}
		for _, b := range bad {
			if got, err := c.readPoint(b); err != ck.CKR_PUBLIC_KEY_INVALID {
				t.Errorf("%s: %x is %x, %v", c.Name, b, got, err)
			}
			k := c.public(b)
			if _, err := Complete(ck.CKO_PUBLIC_KEY, c.Type, k.Attr); err != ck.CKR_PUBLIC_KEY_INVALID {
				t.Errorf("%s: %x makes a key: %v", c.Name, b, err)
			}
		}
	}
}

// TestCurveNumbers gives private keys more and fewer zeros, and numbers that are none of theirs.
func TestCurveNumbers(t *testing.T) {
	t.Parallel()
	for _, c := range curves {
		if c.Group == nil {
			if _, err := c.readPrivate(make([]byte, c.Size-1)); err != ck.CKR_ATTRIBUTE_VALUE_INVALID {
				t.Errorf("%s: a short key: %v", c.Name, err)
			}
			continue
		}
		one := make([]byte, c.Size)
		one[c.Size-1] = 1
		g, _ := generator(c)
		for _, v := range [][]byte{{1}, {0, 1}, one, append([]byte{0, 0}, one...)} {
			value, err := c.readPrivate(v)
			if err != nil || !bytes.Equal(value, one) {
				t.Errorf("%s: %x is read as %x, %v", c.Name, v, value, err)
				continue
			}
			if point, err := c.Public(value); err != nil || !bytes.Equal(point, g) {
				t.Errorf("%s: 1 times the generator: %x, %v", c.Name, point, err)
			}
		}
		order := c.Group.N.FillBytes(make([]byte, c.Size))
		more := bytes.Repeat([]byte{0xff}, c.Size)
		for _, v := range [][]byte{{}, {0}, make([]byte, c.Size), order, more, append([]byte{1}, one...)} {
			_, err := Complete(ck.CKO_PRIVATE_KEY, c.Type, c.private(v).Attr)
			if err != ck.CKR_ATTRIBUTE_VALUE_INVALID {
				t.Errorf("%s: %x makes a key: %v", c.Name, v, err)
			}
		}
	}
}

// TestCurveOpenSSL reads keys that OpenSSL has written.
func TestCurveOpenSSL(t *testing.T) {
	t.Parallel()
	keys, err := vectors.Records(os.DirFS("testdata"), "openssl-keys.rec")
	if err != nil || len(keys) != len(curves) {
		t.Fatalf("%d keys for %d curves, %v", len(keys), len(curves), err)
	}
	for _, r := range keys {
		v := &vector{Record: &r}
		c := curveNamed(t, r.Fields["Curve"])
		attrs, err := UnmarshalPrivate(c.Type, v.bytes("Private"))
		if err != nil {
			t.Errorf("%s: %v", r.At, err)
			continue
		}
		added, err := Complete(ck.CKO_PRIVATE_KEY, c.Type, keyOf(ck.CKO_PRIVATE_KEY, c.Type, attrs...).Attr)
		info := same("CKA_PUBLIC_KEY_INFO", findAttr(added, ck.CKA_PUBLIC_KEY_INFO), v.bytes("Public"))
		if err := errors.Join(err, info, v.err); err != nil {
			t.Errorf("%s: %v", r.At, err)
		}
	}
}

// runSignatureRecords runs the vectors of curves.rec that tell r and s.
func runSignatureRecords(t *testing.T, seen *tried) {
	records, err := vectors.Records(os.DirFS("testdata"), "curves.rec")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for i := range records {
		r := &records[i]
		if !r.Has("RS") {
			continue
		}
		n++
		v := &vector{Record: r}
		m, _ := ck.ParseMechanismType(r.Fields["Mechanism"])
		seen.add(m)
		k := curveNamed(t, r.Fields["Curve"]).public(v.bytes("Point"))
		if err := errors.Join(verifySignature(Lookup(m), k, v.bytes("Message"), v.bytes("RS")), v.err); err != nil {
			t.Errorf("%s: %v", r.At, err)
		}
	}
	if n == 0 {
		t.Error("no signatures in curves.rec")
	}
}

// verifySignature begins, feeds and ends a verification without a parameter.
func verifySignature(m *Mechanism, k *Key, msg, sig []byte) error {
	v, err := m.Verify(k, new(ck.Param))
	if err != nil {
		return err
	}
	if err := v.Update(msg); err != nil {
		return err
	}
	return v.Verify(sig)
}
