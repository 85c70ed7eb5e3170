package mechanisms

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"math/big"
	"os"
	"slices"
	"testing"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/algorithm/modular"
	"github.com/softcsp/softcsp/internal/vectors"
)

// groupPair reads one of OpenSSL's key pairs.
func groupPair(t testing.TB, kt ck.KeyType, name string) (pub, priv *Key) {
	t.Helper()
	value, err := os.ReadFile("testdata/groups/" + name + ".der")
	if err != nil {
		t.Fatal(err)
	}
	attrs, err := UnmarshalPrivate(kt, value)
	if err != nil {
		t.Fatal(err)
	}
	p, g, x := new(big.Int).SetBytes(findAttr(attrs, ck.CKA_PRIME)), new(big.Int).SetBytes(findAttr(attrs, ck.CKA_BASE)), new(big.Int).SetBytes(findAttr(attrs, ck.CKA_VALUE))
	y := g.Exp(g, x, p).Bytes()
	return pairKey(ck.CKO_PUBLIC_KEY, kt, replaced(attrs, ck.CKA_VALUE, y)), pairKey(ck.CKO_PRIVATE_KEY, kt, attrs)
}

// x942Params is a CK_X9_42_DH1_DERIVE_PARAMS, and with more fields one of the others.
func x942Params(kdf uint, other, public []byte, more ...any) ck.Param {
	return params(append([]any{kdf, len(other), alone(other), len(public), alone(public)}, more...)...)
}

// runDH runs the vectors of Diffie-Hellman.
func runDH(t *testing.T, seen *tried) {
	records, err := vectors.Records(os.DirFS("testdata/groups"), "dh.txt")
	if err != nil {
		t.Fatal(err)
	}
	for i := range records {
		v := &vector{Record: &records[i]}
		m, _ := ck.ParseMechanismType(v.Fields["Mechanism"])
		seen.add(m)
		kt := Lookup(m).Keys[0]
		attrs := groupAttrs(v.bytes("P"), v.bytes("Q"), v.bytes("G"), v.bytes("X"))
		p := params(v.bytes("Public"))
		if kt == ck.CKK_X9_42_DH {
			p = x942Params(ck.CKD_NULL, nil, v.bytes("Public"))
		}
		if v.Has("Y") {
			info, err := Complete(ck.CKO_PRIVATE_KEY, kt, values(attrs))
			want, err2 := Complete(ck.CKO_PUBLIC_KEY, kt, values(replaced(attrs, ck.CKA_VALUE, v.bytes("Y"))))
			if err := errors.Join(err, err2); err != nil || !bytes.Equal(findAttr(info, ck.CKA_PUBLIC_KEY_INFO), findAttr(want, ck.CKA_PUBLIC_KEY_INFO)) {
				t.Errorf("%s: another public value, %v", v.At, err)
			}
		}
		var d Derived
		err := Lookup(m).Derive(&Base{Key: pairKey(ck.CKO_PRIVATE_KEY, kt, attrs)}, &p, &d)
		if err := errors.Join(err, v.err, same("secret", d.Value, modular.LeftPadded(v.bytes("Z"), len(modular.TrimZeros(v.bytes("P")))))); err != nil {
			t.Errorf("%s: %v", v.At, err)
		}
	}
	t.Logf("%d records", len(records))
	runX942KDF(t, seen)
}

// runX942KDF runs the example of RFC 2631, section 2.1.6, whose secret is no power of anything.
func runX942KDF(t *testing.T, seen *tried) {
	unhex := func(s string) []byte { b, _ := hex.DecodeString(s); return b }
	other := unhex("301d3013060b2a864886f70d0109100306" + "040400000001" + "a2060404000000c0")
	f, err := x942KDF(ck.CKD_SHA1_KDF_ASN1, other)
	if err != nil {
		t.Fatal(err)
	}
	out, secret := make([]byte, 24), make([]byte, 20)
	for i := range secret {
		secret[i] = byte(i)
	}
	f.derive(out, secret)
	if err := same("key", out, unhex("a09661392376f7044d9052a397883246b67f5f1ef63eb5fb")); err != nil {
		t.Error(err)
	}
	for n := range other {
		if _, err := x942KDF(ck.CKD_SHA1_KDF_ASN1, other[:n]); !errors.Is(err, ck.CKR_MECHANISM_PARAM_INVALID) {
			t.Errorf("other information cut at %d: %v", n, err)
		}
	}
	if _, err := x942KDF(ck.CKD_SHA256_KDF, nil); !errors.Is(err, ck.CKR_MECHANISM_PARAM_INVALID) {
		t.Errorf("a function that X9.42 does not have: %v", err)
	}
}

// TestDHTemplates asks for keys of several types and sizes: of the secret its end is taken.
func TestDHTemplates(t *testing.T) {
	t.Parallel()
	pub, priv := groupPair(t, ck.CKK_DH, "dh")
	derive := func(kt ck.KeyType, n uint) ([]byte, error) {
		var d Derived
		template := []ck.Attribute{{Type: ck.CKA_KEY_TYPE, Value: ck.UlongValue(uint(kt))}}
		if n != 0 {
			template = append(template, ck.Attribute{Type: ck.CKA_VALUE_LEN, Value: ck.UlongValue(n)})
		}
		p := params(pub.Attr(ck.CKA_VALUE))
		err := Lookup(ck.CKM_DH_PKCS_DERIVE).Derive(&Base{Key: priv, Template: template}, &p, &d)
		return bytes.Clone(d.Value), err
	}
	whole, err := derive(ck.CKK_GENERIC_SECRET, 0)
	if err != nil || len(whole) != 192 {
		t.Fatalf("%d bytes, %v", len(whole), err)
	}
	for _, c := range []struct {
		t       ck.KeyType
		n       uint
		want    error
		wantLen int
	}{
		{ck.CKK_AES, 32, nil, 32}, {ck.CKK_AES, 0, ck.CKR_TEMPLATE_INCOMPLETE, 0}, {ck.CKK_AES, 17, ck.CKR_KEY_SIZE_RANGE, 0},
		{ck.CKK_GENERIC_SECRET, 192, nil, 192}, {ck.CKK_GENERIC_SECRET, 193, ck.CKR_KEY_SIZE_RANGE, 0}, {ck.CKK_DES3, 0, nil, 24},
	} {
		got, err := derive(c.t, c.n)
		want := bytes.Clone(whole[len(whole)-c.wantLen:])
		FixParity(c.t, want)
		if !errors.Is(err, c.want) || err == nil && !bytes.Equal(got, want) {
			t.Errorf("%v of %d: %x, %v", c.t, c.n, got, err)
		}
	}
}

// TestDHRefuses tries public values that are none.
func TestDHRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kt   ck.KeyType
		name string
		m    ck.MechanismType
	}{{ck.CKK_DH, "dh", ck.CKM_DH_PKCS_DERIVE}, {ck.CKK_X9_42_DH, "x942", ck.CKM_X9_42_DH_DERIVE}} {
		pub, priv := groupPair(t, c.kt, c.name)
		try := func(k *Key, public []byte) error {
			p := params(public)
			if c.kt == ck.CKK_X9_42_DH {
				p = x942Params(ck.CKD_NULL, nil, public)
			}
			var d Derived
			return Lookup(c.m).Derive(&Base{Key: k}, &p, &d)
		}
		prime := new(big.Int).SetBytes(priv.Attr(ck.CKA_PRIME))
		outside := big.NewInt(3) // of the squares, or of the subgroup
		for c.kt == ck.CKK_DH && big.Jacobi(outside, prime) == 1 {
			outside.Add(outside, big.NewInt(1))
		}
		minus := func(n int64) []byte { return new(big.Int).Sub(prime, big.NewInt(n)).Bytes() }
		for what, y := range map[string][]byte{
			"0": {0}, "1": {1}, "p-1": minus(1), "p": prime.Bytes(), "p+1": new(big.Int).Add(prime, big.NewInt(1)).Bytes(), "outside": outside.Bytes(),
		} {
			if err := try(priv, y); err != ck.CKR_PUBLIC_KEY_INVALID {
				t.Errorf("%s: public value %s: %v", c.name, what, err)
			}
		}
		if err := try(priv, append([]byte{0, 0}, pub.Attr(ck.CKA_VALUE)...)); err != nil {
			t.Errorf("%s: a public value with zeros before it: %v", c.name, err)
		}
		if err := try(priv, nil); !errors.Is(err, ck.CKR_MECHANISM_PARAM_INVALID) {
			t.Errorf("%s: no public value: %v", c.name, err)
		}
		if err := try(pub, pub.Attr(ck.CKA_VALUE)); err != ck.CKR_KEY_TYPE_INCONSISTENT {
			t.Errorf("%s: with a public key: %v", c.name, err)
		}
		if err := try(nil, pub.Attr(ck.CKA_VALUE)); err != ck.CKR_KEY_HANDLE_INVALID {
			t.Errorf("%s: without a key: %v", c.name, err)
		}
	}
}

// TestDHGenerate makes key pairs, and tries templates for which there is none.
func TestDHGenerate(t *testing.T) {
	t.Parallel()
	length := func(n uint) ck.Attribute { return ck.Attribute{Type: ck.CKA_VALUE_BITS, Value: ck.UlongValue(n)} }
	_, known := groupPair(t, ck.CKK_DH, "dh")
	_, x942 := groupPair(t, ck.CKK_X9_42_DH, "x942")
	own := func(k *Key) (list []ck.Attribute) {
		for _, a := range []ck.AttributeType{ck.CKA_PRIME, ck.CKA_BASE, ck.CKA_SUBPRIME} {
			if v := k.Attr(a); v != nil {
				list = append(list, ck.Attribute{Type: a, Value: v})
			}
		}
		return list
	}
	for name, c := range map[string]struct {
		m        ck.MechanismType
		template []ck.Attribute
		bits     uint
		want     error
	}{
		"known":          {ck.CKM_DH_PKCS_KEY_PAIR_GEN, own(known), 512, nil},
		"unknown":        {ck.CKM_DH_PKCS_KEY_PAIR_GEN, own(x942)[:2], 1023, nil},
		"with a length":  {ck.CKM_DH_PKCS_KEY_PAIR_GEN, append(own(known), length(257)), 257, nil},
		"too short":      {ck.CKM_DH_PKCS_KEY_PAIR_GEN, append(own(known), length(159)), 0, ck.CKR_ATTRIBUTE_VALUE_INVALID},
		"too long":       {ck.CKM_DH_PKCS_KEY_PAIR_GEN, append(own(known), length(1536)), 0, ck.CKR_ATTRIBUTE_VALUE_INVALID},
		"without a base": {ck.CKM_DH_PKCS_KEY_PAIR_GEN, own(known)[:1], 0, ck.CKR_TEMPLATE_INCOMPLETE},
		"nothing":        {ck.CKM_DH_PKCS_KEY_PAIR_GEN, nil, 0, ck.CKR_TEMPLATE_INCOMPLETE},
		"X9.42":          {ck.CKM_X9_42_DH_KEY_PAIR_GEN, own(x942), 0, nil},
		"X9.42, no q":    {ck.CKM_X9_42_DH_KEY_PAIR_GEN, own(x942)[:2], 0, ck.CKR_TEMPLATE_INCOMPLETE},
		"X9.42, p for q": {ck.CKM_X9_42_DH_KEY_PAIR_GEN, replaced(own(x942), ck.CKA_SUBPRIME, x942.Attr(ck.CKA_PRIME)), 0, ck.CKR_DOMAIN_PARAMS_INVALID},
	} {
		row := Lookup(c.m)
		pub, priv, err := row.GeneratePair(rand.Reader, new(ck.Param), c.template)
		if ck.Code(err) != ck.Code(c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil {
			continue
		}
		a, err1 := Complete(ck.CKO_PUBLIC_KEY, row.Makes, values(pub, c.template))
		b, err2 := Complete(ck.CKO_PRIVATE_KEY, row.Makes, values(priv))
		if err := errors.Join(err1, err2); err != nil || !bytes.Equal(findAttr(a, ck.CKA_PUBLIC_KEY_INFO), findAttr(b, ck.CKA_PUBLIC_KEY_INFO)) {
			t.Errorf("%s: the halves differ: %v", name, err)
		}
		if c.bits != 0 && (!bytes.Equal(findAttr(b, ck.CKA_VALUE_BITS), ck.UlongValue(c.bits)) || !bytes.Equal(findAttr(priv, ck.CKA_VALUE_BITS), ck.UlongValue(c.bits))) {
			t.Errorf("%s: %x bits, and it says %x", name, findAttr(b, ck.CKA_VALUE_BITS), findAttr(priv, ck.CKA_VALUE_BITS))
		}
	}
}

// TestDHParameters makes domain parameters.
func TestDHParameters(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("looks for primes")
	}
	sizes := func(L, N uint) []ck.Attribute {
		list := []ck.Attribute{{Type: ck.CKA_PRIME_BITS, Value: ck.UlongValue(L)}, {Type: ck.CKA_SUBPRIME_BITS, Value: ck.UlongValue(N)}}
		if N == 0 {
			list = list[:1]
		}
		return list
	}
	for _, c := range []struct {
		m    ck.MechanismType
		L, N uint
		want error
	}{
		{ck.CKM_DH_PKCS_PARAMETER_GEN, 2048, 0, nil}, {ck.CKM_DH_PKCS_PARAMETER_GEN, 1024, 0, nil},
		{ck.CKM_DH_PKCS_PARAMETER_GEN, 511, 0, ck.CKR_KEY_SIZE_RANGE}, {ck.CKM_DH_PKCS_PARAMETER_GEN, 2000, 0, ck.CKR_KEY_SIZE_RANGE},
		{ck.CKM_X9_42_DH_PARAMETER_GEN, 1024, 160, nil}, {ck.CKM_X9_42_DH_PARAMETER_GEN, 1280, 264, nil},
		{ck.CKM_X9_42_DH_PARAMETER_GEN, 1024, 0, ck.CKR_TEMPLATE_INCOMPLETE}, {ck.CKM_X9_42_DH_PARAMETER_GEN, 1025, 160, ck.CKR_KEY_SIZE_RANGE},
		{ck.CKM_X9_42_DH_PARAMETER_GEN, 1024, 152, ck.CKR_KEY_SIZE_RANGE},
	} {
		row := Lookup(c.m)
		made, _, err := row.GenerateDomain(rand.Reader, new(ck.Param), sizes(c.L, c.N))
		if !errors.Is(err, c.want) || err != nil {
			if err == nil || !errors.Is(err, c.want) {
				t.Errorf("%v of %d and %d: %v", c.m, c.L, c.N, err)
			}
			continue
		}
		added, err := Complete(ck.CKO_DOMAIN_PARAMETERS, row.Makes, values(made))
		if err != nil || !bytes.Equal(findAttr(added, ck.CKA_PRIME_BITS), ck.UlongValue(c.L)) {
			t.Errorf("%v of %d and %d: %v, %x", c.m, c.L, c.N, err, findAttr(added, ck.CKA_PRIME_BITS))
		}
		p := new(big.Int).SetBytes(findAttr(made, ck.CKA_PRIME))
		q := new(big.Int).SetBytes(findAttr(made, ck.CKA_SUBPRIME))
		if c.N == 0 {
			q.Rsh(p, 1)
		}
		if g := new(big.Int).SetBytes(findAttr(made, ck.CKA_BASE)); !p.ProbablyPrime(0) || !q.ProbablyPrime(0) || g.Exp(g, q, p).Cmp(big.NewInt(1)) != 0 {
			t.Errorf("%v of %d and %d is no group", c.m, c.L, c.N)
		}
	}
}

// twoPairsOf makes what each side of a scheme with two key pairs has: a base with the second key to be found, and the
// public values.
func twoPairsOf(t *testing.T) (base *Base, public [2][]byte) {
	t.Helper()
	_, domain := groupPair(t, ck.CKK_X9_42_DH, "x942")
	var keys [2]*Key
	for i := range keys {
		pub, priv, err := x942Generate(rand.Reader, new(ck.Param), []ck.Attribute{{Type: ck.CKA_PRIME, Value: domain.Attr(ck.CKA_PRIME)},
			{Type: ck.CKA_BASE, Value: domain.Attr(ck.CKA_BASE)}, {Type: ck.CKA_SUBPRIME, Value: domain.Attr(ck.CKA_SUBPRIME)}})
		if err != nil {
			t.Fatal(err)
		}
		keys[i], public[i] = pairKey(ck.CKO_PRIVATE_KEY, ck.CKK_X9_42_DH, priv), findAttr(pub, ck.CKA_VALUE)
	}
	return &Base{Key: keys[0], Lookup: func(h ck.ObjectHandle) (*Key, error) {
		if h != otherKey {
			return nil, ck.CKR_KEY_HANDLE_INVALID
		}
		return keys[1], nil
	}}, public
}

// TestX942TwoPairs lets two sides with two pairs each agree, and compares with the definitions of the schemes.
func TestX942TwoPairs(t *testing.T) {
	t.Parallel()
	a, ya := twoPairsOf(t)
	b, yb := twoPairsOf(t)
	derive := func(m ck.MechanismType, base *Base, kdf uint, other []byte, y [2][]byte, handle int) ([]byte, error) {
		more := []any{0, handle, len(y[1]), alone(y[1])}
		if m == ck.CKM_X9_42_MQV_DERIVE {
			more = append(more, 0)
		}
		p := x942Params(kdf, other, y[0], more...)
		var d Derived
		err := Lookup(m).Derive(base, &p, &d)
		return bytes.Clone(d.Value), err
	}
	for m, defined := range map[ck.MechanismType]func(*Base, [2][]byte, [2][]byte) []byte{ck.CKM_X9_42_DH_HYBRID_DERIVE: hybridOf, ck.CKM_X9_42_MQV_DERIVE: mqvOf} {
		left, err1 := derive(m, a, ck.CKD_NULL, nil, yb, otherKey)
		right, err2 := derive(m, b, ck.CKD_NULL, nil, ya, otherKey)
		if err := errors.Join(err1, err2); err != nil || !bytes.Equal(left, right) || !bytes.Equal(left, defined(a, ya, yb)) {
			t.Errorf("%v: %v\n%x\n%x\n%x", m, err, left, right, defined(a, ya, yb))
		}
		hashed, err := derive(m, a, ck.CKD_SHA1_KDF_CONCATENATE, []byte("other"), yb, otherKey)
		if !errors.Is(err, ck.CKR_TEMPLATE_INCOMPLETE) {
			t.Errorf("%v with a hash and no length: %x, %v", m, hashed, err)
		}
		for what, c := range map[string]struct {
			y      [2][]byte
			handle int
			want   error
		}{
			"no key":        {yb, 1, ck.CKR_KEY_HANDLE_INVALID},
			"no value":      {[2][]byte{yb[0], nil}, otherKey, ck.CKR_MECHANISM_PARAM_INVALID},
			"a bad value":   {[2][]byte{yb[0], {2}}, otherKey, ck.CKR_PUBLIC_KEY_INVALID},
			"another value": {[2][]byte{{2}, yb[0]}, otherKey, ck.CKR_PUBLIC_KEY_INVALID},
		} {
			if _, err := derive(m, a, ck.CKD_NULL, nil, c.y, c.handle); !errors.Is(err, c.want) {
				t.Errorf("%v, %s: %v", m, what, err)
			}
		}
	}
}

// numbersOf are the numbers of a base: prime, subprime, and the private values.
func numbersOf(b *Base) (p, q, static, ephemeral *big.Int) {
	n := func(k *Key, t ck.AttributeType) *big.Int { return new(big.Int).SetBytes(k.Attr(t)) }
	other, _ := b.Lookup(otherKey)
	return n(b.Key, ck.CKA_PRIME), n(b.Key, ck.CKA_SUBPRIME), n(b.Key, ck.CKA_VALUE), n(other, ck.CKA_VALUE)
}

// hybridOf is dhHybrid1 with math/big.
func hybridOf(b *Base, _, theirs [2][]byte) []byte {
	p, _, static, ephemeral := numbersOf(b)
	size := len(p.Bytes())
	power := func(y []byte, x *big.Int) []byte {
		return new(big.Int).Exp(new(big.Int).SetBytes(y), x, p).FillBytes(make([]byte, size))
	}
	return slices.Concat(power(theirs[1], ephemeral), power(theirs[0], static))
}

// mqvOf is MQV with math/big.
func mqvOf(b *Base, ours, theirs [2][]byte) []byte {
	p, q, static, ephemeral := numbersOf(b)
	half := new(big.Int).Lsh(big.NewInt(1), uint(q.BitLen()+1)/2)
	associate := func(y []byte) *big.Int { n := new(big.Int).SetBytes(y); return n.Mod(n, half).Add(n, half) }
	s := new(big.Int).Mul(associate(ours[1]), static)
	s.Add(s, ephemeral).Mod(s, q)
	z := new(big.Int).Exp(new(big.Int).SetBytes(theirs[0]), associate(theirs[1]), p)
	z.Mul(z, new(big.Int).SetBytes(theirs[1])).Mod(z, p).Exp(z, s, p)
	return z.FillBytes(make([]byte, len(p.Bytes())))
}
