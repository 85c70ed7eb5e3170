package mechanisms

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"math/big"
	"os"
	"testing"

	"github.com/softcsp/softcsp/ck"
)

// values reads a list of attributes.
func values(attrs ...[]ck.Attribute) Values {
	return func(t ck.AttributeType) []byte {
		for _, list := range attrs {
			if v := findAttr(list, t); v != nil {
				return v
			}
		}
		return nil
	}
}

// without returns the attributes but those of some types.
func without(attrs []ck.Attribute, types ...ck.AttributeType) (rest []ck.Attribute) {
	for _, a := range attrs {
		keep := true
		for _, t := range types {
			keep = keep && a.Type != t
		}
		if keep {
			rest = append(rest, a)
		}
	}
	return rest
}

// replaced returns the attributes with another value for one.
func replaced(attrs []ck.Attribute, t ck.AttributeType, v []byte) []ck.Attribute {
	return append(without(attrs, t), ck.Attribute{Type: t, Value: v})
}

// onlyPublic reports whether there are no private keys of a type.
func onlyPublic(t ck.KeyType) bool { return t == ck.CKK_HSS || t == ck.CKK_XMSS || t == ck.CKK_XMSSMT }

// TestPairTypes holds the rows of the table against each other.
func TestPairTypes(t *testing.T) {
	t.Parallel()
	seen := make(map[ck.KeyType]bool)
	for _, row := range pairTypes {
		if seen[row.Type] || findKeyType(row.Type) != nil {
			t.Errorf("two rows for %v", row.Type)
		}
		seen[row.Type] = true
		if row.public == nil || row.owns == nil {
			t.Errorf("%v lacks a function", row.Type)
		}
		want := ck.CKR_WRAPPED_KEY_INVALID
		if onlyPublic(row.Type) {
			want = ck.CKR_TEMPLATE_INCONSISTENT
		}
		if (row.private == nil) != onlyPublic(row.Type) || (row.marshal == nil) != onlyPublic(row.Type) || (row.unmarshal == nil) != onlyPublic(row.Type) {
			t.Errorf("%v lacks a function of private keys, or has one", row.Type)
		}
		if _, err := UnmarshalPrivate(row.Type, nil); !errors.Is(err, want) {
			t.Errorf("%v of nothing: %v", row.Type, err)
		}
	}
	if _, err := Complete(ck.CKO_PUBLIC_KEY, ck.CKK_AES, values()); err != ck.CKR_TEMPLATE_INCONSISTENT {
		t.Errorf("a public AES key: %v", err)
	}
}

// TestRSAEncoding compares with crypto/x509, both ways.
func TestRSAEncoding(t *testing.T) {
	t.Parallel()
	value, err := os.ReadFile("testdata/rsa/key.der")
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(value)
	if err != nil {
		t.Fatal(err)
	}
	std := parsed.(*rsa.PrivateKey)
	spki, err := x509.MarshalPKIXPublicKey(&std.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	attrs, err := UnmarshalPrivate(ck.CKK_RSA, value)
	if err != nil {
		t.Fatal(err)
	}
	got, err := MarshalPrivate(pairKey(ck.CKO_PRIVATE_KEY, ck.CKK_RSA, attrs))
	if err != nil || !bytes.Equal(got, value) {
		t.Errorf("marshalled: %v, %d bytes", err, len(got))
	}
	for _, class := range []ck.ObjectClass{ck.CKO_PUBLIC_KEY, ck.CKO_PRIVATE_KEY} {
		added, err := Complete(class, ck.CKK_RSA, values(attrs))
		if err != nil || !bytes.Equal(findAttr(added, ck.CKA_PUBLIC_KEY_INFO), spki) {
			t.Errorf("%v: %v, %x", class, err, findAttr(added, ck.CKA_PUBLIC_KEY_INFO))
		}
		if bits := findAttr(added, ck.CKA_MODULUS_BITS); class == ck.CKO_PUBLIC_KEY && !bytes.Equal(bits, ck.UlongValue(2048)) {
			t.Errorf("%x bits", bits)
		}
	}
	if _, err := UnmarshalPrivate(ck.CKK_RSA, append(value, 0, 0, 0)); err != nil {
		t.Errorf("with zeros behind: %v", err)
	}
	for n := range value {
		if _, err := UnmarshalPrivate(ck.CKK_RSA, value[:n]); !errors.Is(err, ck.CKR_WRAPPED_KEY_INVALID) {
			t.Errorf("cut at %d: %v", n, err)
		}
	}
	if _, err := UnmarshalPrivate(ck.CKK_RSA, append(value, 1)); !errors.Is(err, ck.CKR_WRAPPED_KEY_INVALID) {
		t.Errorf("with more behind: %v", err)
	}
}

// TestRSAComplete tries keys that lack parts, and keys that are none.
func TestRSAComplete(t *testing.T) {
	t.Parallel()
	value, err := os.ReadFile("testdata/rsa/key.der")
	if err != nil {
		t.Fatal(err)
	}
	attrs, err := UnmarshalPrivate(ck.CKK_RSA, value)
	if err != nil {
		t.Fatal(err)
	}
	crt := []ck.AttributeType{ck.CKA_EXPONENT_1, ck.CKA_EXPONENT_2, ck.CKA_COEFFICIENT}
	bare := without(attrs, append(crt, ck.CKA_PRIME_1, ck.CKA_PRIME_2)...)
	for name, c := range map[string]struct {
		attrs []ck.Attribute
		want  error
		added int
	}{
		"all":                     {attrs, nil, 1},
		"primes alone":            {without(attrs, crt...), nil, 4},
		"no public exponent":      {without(attrs, ck.CKA_PUBLIC_EXPONENT), nil, 2},
		"two exponents":           {bare, nil, 6},
		"neither, a usual one":    {without(bare, ck.CKA_PUBLIC_EXPONENT), nil, 7},
		"neither, none fits":      {replaced(without(bare, ck.CKA_PUBLIC_EXPONENT), ck.CKA_PRIVATE_EXPONENT, []byte{3}), ck.CKR_TEMPLATE_INCOMPLETE, 0},
		"another modulus":         {replaced(attrs, ck.CKA_MODULUS, bytes.Repeat([]byte{0xfd}, 256)), ck.CKR_ATTRIBUTE_VALUE_INVALID, 0},
		"a short modulus":         {replaced(attrs, ck.CKA_MODULUS, []byte{0xfd}), ck.CKR_ATTRIBUTE_VALUE_INVALID, 0},
		"another exponent":        {replaced(attrs, ck.CKA_PRIVATE_EXPONENT, []byte{3}), ck.CKR_ATTRIBUTE_VALUE_INVALID, 0},
		"another exponent, bare":  {replaced(bare, ck.CKA_PRIVATE_EXPONENT, []byte{3}), ck.CKR_ATTRIBUTE_VALUE_INVALID, 0},
		"an even public exponent": {replaced(attrs, ck.CKA_PUBLIC_EXPONENT, []byte{4}), ck.CKR_ATTRIBUTE_VALUE_INVALID, 0},
		"another prime":           {replaced(attrs, ck.CKA_PRIME_1, []byte{0xfd}), ck.CKR_ATTRIBUTE_VALUE_INVALID, 0},
		"another coefficient":     {replaced(attrs, ck.CKA_COEFFICIENT, []byte{0xfd}), ck.CKR_ATTRIBUTE_VALUE_INVALID, 0},
		"another CRT exponent":    {replaced(attrs, ck.CKA_EXPONENT_2, []byte{0xfd}), ck.CKR_ATTRIBUTE_VALUE_INVALID, 0},
		"nothing":                 {nil, ck.CKR_TEMPLATE_INCOMPLETE, 0},
	} {
		added, err := Complete(ck.CKO_PRIVATE_KEY, ck.CKK_RSA, values(c.attrs))
		if !errors.Is(err, c.want) || len(added) != c.added {
			t.Errorf("%s: %d added, %v", name, len(added), err)
			continue
		}
		for _, a := range added {
			want := findAttr(attrs, a.Type)
			if swapped := map[ck.AttributeType]ck.AttributeType{ // the primes come in an order of their own where they were looked for
				ck.CKA_PRIME_1: ck.CKA_PRIME_2, ck.CKA_PRIME_2: ck.CKA_PRIME_1, ck.CKA_EXPONENT_1: ck.CKA_EXPONENT_2, ck.CKA_EXPONENT_2: ck.CKA_EXPONENT_1,
			}[a.Type]; c.added > 5 && (swapped != 0 && bytes.Equal(a.Value, findAttr(attrs, swapped)) || a.Type == ck.CKA_COEFFICIENT) {
				continue
			}
			if want != nil && !bytes.Equal(a.Value, want) {
				t.Errorf("%s: another %v", name, a.Type)
			}
		}
	}
	p8, err := MarshalPrivate(pairKey(ck.CKO_PRIVATE_KEY, ck.CKK_RSA, bare))
	if again, err2 := UnmarshalPrivate(ck.CKK_RSA, p8); errors.Join(err, err2) != nil || !bytes.Equal(findAttr(again, ck.CKA_MODULUS), findAttr(attrs, ck.CKA_MODULUS)) {
		t.Errorf("marshalled without primes: %v, %v", err, err2)
	}
}

// TestRSAShort signs with keys as short as Windows has them, and keeps none that is shorter.
func TestRSAShort(t *testing.T) {
	t.Parallel()
	for bits, want := range map[int]error{383: ck.CKR_ATTRIBUTE_VALUE_INVALID, 384: nil, 512: nil, 1023: nil} {
		k, err := rsaNewKey(rand.Reader, bits, 3)
		if err != nil {
			t.Fatal(err)
		}
		attrs := rsaPrivateAttributes(k)
		if _, err := Complete(ck.CKO_PRIVATE_KEY, ck.CKK_RSA, values(attrs)); !errors.Is(err, want) {
			t.Fatalf("%d bits: %v", bits, err)
		}
		if want != nil {
			continue
		}
		row := Lookup(ck.CKM_SHA1_RSA_PKCS)
		s, err := row.Sign(pairKey(ck.CKO_PRIVATE_KEY, ck.CKK_RSA, attrs), &ck.Param{})
		if err != nil {
			t.Fatalf("signing with %d bits: %v", bits, err)
		}
		sig := make([]byte, s.Size())
		if _, err := s.Sign(sig); err != nil {
			t.Fatalf("signing with %d bits: %v", bits, err)
		}
		v, err := row.Verify(pairKey(ck.CKO_PUBLIC_KEY, ck.CKK_RSA, attrs), &ck.Param{})
		if err != nil {
			t.Fatalf("verifying with %d bits: %v", bits, err)
		}
		if err := v.Verify(sig); err != nil {
			t.Errorf("verifying with %d bits: %v", bits, err)
		}
	}
}

// TestRSAGenerate makes pairs, and tries templates for which there is none.
func TestRSAGenerate(t *testing.T) {
	t.Parallel()
	row := Lookup(ck.CKM_RSA_PKCS_KEY_PAIR_GEN)
	size := func(n uint) ck.Attribute { return ck.Attribute{Type: ck.CKA_MODULUS_BITS, Value: ck.UlongValue(n)} }
	exponent := func(e ...byte) ck.Attribute { return ck.Attribute{Type: ck.CKA_PUBLIC_EXPONENT, Value: e} }
	for name, c := range map[string]struct {
		template []ck.Attribute
		want     error
	}{
		"no size":           {nil, ck.CKR_TEMPLATE_INCOMPLETE},
		"too short":         {[]ck.Attribute{size(383)}, ck.CKR_KEY_SIZE_RANGE},
		"too long":          {[]ck.Attribute{size(16385)}, ck.CKR_KEY_SIZE_RANGE},
		"size of one byte":  {[]ck.Attribute{{Type: ck.CKA_MODULUS_BITS, Value: []byte{1}}}, ck.CKR_ATTRIBUTE_VALUE_INVALID},
		"exponent 1":        {[]ck.Attribute{size(1024), exponent(1)}, ck.CKR_ATTRIBUTE_VALUE_INVALID},
		"even exponent":     {[]ck.Attribute{size(1024), exponent(1, 0)}, ck.CKR_ATTRIBUTE_VALUE_INVALID},
		"exponent too long": {[]ck.Attribute{size(1024), exponent(1, 0, 0, 0, 1)}, ck.CKR_ATTRIBUTE_VALUE_INVALID},
	} {
		if _, _, err := row.GeneratePair(rand.Reader, new(ck.Param), c.template); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	bad := params(1)
	if _, _, err := row.GeneratePair(rand.Reader, &bad, []ck.Attribute{size(512)}); err != nil {
		t.Errorf("looks at a parameter: %v", err)
	}
	if testing.Short() {
		t.Skip("makes keys")
	}
	for _, template := range [][]ck.Attribute{{size(1024)}, {size(1025)}, {size(1024), exponent(3)}, {size(1031), exponent(0, 17)}} {
		pub, priv, err := row.GeneratePair(rand.Reader, new(ck.Param), template)
		if err != nil {
			t.Fatal(err)
		}
		public := values(pub, template)
		n, e := new(big.Int).SetBytes(public(ck.CKA_MODULUS)), new(big.Int).SetBytes(public(ck.CKA_PUBLIC_EXPONENT))
		if bits, _ := ck.Ulong(public(ck.CKA_MODULUS_BITS)); n.BitLen() != int(bits) || e.Cmp(new(big.Int).SetBytes(findAttr(priv, ck.CKA_PUBLIC_EXPONENT))) != 0 {
			t.Errorf("%d bits for %d, e is %d", n.BitLen(), bits, e)
		}
		a, err1 := Complete(ck.CKO_PUBLIC_KEY, ck.CKK_RSA, public)
		b, err2 := Complete(ck.CKO_PRIVATE_KEY, ck.CKK_RSA, values(priv))
		if err := errors.Join(err1, err2); err != nil || len(b) != 1 || !bytes.Equal(findAttr(a, ck.CKA_PUBLIC_KEY_INFO), b[0].Value) {
			t.Errorf("%v, %d added", err, len(b))
		}
	}
}
