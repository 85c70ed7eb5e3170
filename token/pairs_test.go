package token

import (
	"bytes"
	"os"
	"slices"
	"testing"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/mechanisms"
)

// rsaValues are the attributes of the key of the mechanisms' tests.
func rsaValues(t testing.TB) []ck.Attribute {
	t.Helper()
	der, err := os.ReadFile("../mechanisms/testdata/rsa/key.der")
	if err != nil {
		t.Fatal(err)
	}
	attrs, err := mechanisms.UnmarshalPrivate(ck.CKK_RSA, der)
	if err != nil {
		t.Fatal(err)
	}
	return attrs
}

// rsaTemplates are the templates of both keys.
func rsaTemplates(t testing.TB) (public, private []ck.Attribute) {
	attrs := rsaValues(t)
	public = append(rows(ck.CKA_CLASS, ck.CKO_PUBLIC_KEY, ck.CKA_KEY_TYPE, ck.CKK_RSA), attrs[:2]...)
	private = append(rows(ck.CKA_CLASS, ck.CKO_PRIVATE_KEY, ck.CKA_KEY_TYPE, ck.CKK_RSA), attrs...)
	return public, private
}

// importRSA creates both keys.
func importRSA(t *testing.T, m *Module, s ck.SessionHandle, more ...ck.Attribute) (pub, priv ck.ObjectHandle) {
	t.Helper()
	public, private := rsaTemplates(t)
	pub, err := m.CreateObject(s, public)
	must(t, err)
	priv, err = m.CreateObject(s, append(private, more...))
	must(t, err)
	return pub, priv
}

// signWith signs and returns the signature.
func signWith(t *testing.T, m *Module, s ck.SessionHandle, k ck.ObjectHandle, mech ck.MechanismType, data string) []byte {
	t.Helper()
	must(t, m.SignInit(s, &ck.Mechanism{Type: mech}, k))
	out := ck.Into(make([]byte, 512))
	must(t, m.Sign(s, []byte(data), &out))
	return out.Data[:out.N]
}

func verifyWith(m *Module, s ck.SessionHandle, k ck.ObjectHandle, mech ck.MechanismType, data string, sig []byte) error {
	if err := m.VerifyInit(s, &ck.Mechanism{Type: mech}, k); err != nil {
		return err
	}
	return m.Verify(s, []byte(data), sig)
}

func TestPairTables(t *testing.T) {
	all := mechanisms.PairTypes()
	if len(all) == 0 {
		t.Fatal("no types of key pairs")
	}
	for _, kt := range all {
		for _, class := range []ck.ObjectClass{ck.CKO_PUBLIC_KEY, ck.CKO_PRIVATE_KEY} {
			verifies := class == ck.CKO_PRIVATE_KEY && (kt == ck.CKK_HSS || kt == ck.CKK_XMSS || kt == ck.CKK_XMSSMT)
			if (tables[objectType{class, uint(kt)}] == nil) != verifies {
				t.Errorf("no table for %v %v", class, kt)
			}
		}
	}
}

func TestGenerateKeyPair(t *testing.T) {
	if testing.Short() {
		t.Skip("makes RSA keys")
	}
	t.Parallel()
	m, slot := newToken(t)
	s := loggedIn(t, m, slot)
	mech := &ck.Mechanism{Type: ck.CKM_RSA_PKCS_KEY_PAIR_GEN}
	for _, token := range []bool{false, true} {
		label := map[bool]string{false: "session", true: "token"}[token]
		pub, priv, err := m.GenerateKeyPair(s, mech, rows(ck.CKA_TOKEN, token, ck.CKA_LABEL, label, ck.CKA_MODULUS_BITS, 1024),
			rows(ck.CKA_TOKEN, token, ck.CKA_LABEL, label, ck.CKA_ID, "id"))
		must(t, err)
		if found := find(t, m, s, attr(ck.CKA_LABEL, label)); len(found) != 2 {
			t.Errorf("%d objects found", len(found))
		}
		for _, c := range []struct {
			o    ck.ObjectHandle
			want []ck.Attribute
		}{
			{pub, rows(ck.CKA_CLASS, ck.CKO_PUBLIC_KEY, ck.CKA_KEY_TYPE, ck.CKK_RSA, ck.CKA_TOKEN, token, ck.CKA_PRIVATE, false, ck.CKA_LOCAL, true,
				ck.CKA_KEY_GEN_MECHANISM, ck.CKM_RSA_PKCS_KEY_PAIR_GEN, ck.CKA_MODULUS_BITS, 1024, ck.CKA_PUBLIC_EXPONENT, []byte{1, 0, 1},
				ck.CKA_VERIFY, true, ck.CKA_ENCRYPT, true, ck.CKA_WRAP, true, ck.CKA_DERIVE, false)},
			{priv, rows(ck.CKA_CLASS, ck.CKO_PRIVATE_KEY, ck.CKA_KEY_TYPE, ck.CKK_RSA, ck.CKA_TOKEN, token, ck.CKA_PRIVATE, true, ck.CKA_LOCAL, true,
				ck.CKA_KEY_GEN_MECHANISM, ck.CKM_RSA_PKCS_KEY_PAIR_GEN, ck.CKA_SENSITIVE, true, ck.CKA_EXTRACTABLE, false, ck.CKA_ALWAYS_SENSITIVE, true,
				ck.CKA_NEVER_EXTRACTABLE, true, ck.CKA_SIGN, true, ck.CKA_DECRYPT, true, ck.CKA_UNWRAP, true, ck.CKA_PUBLIC_EXPONENT, []byte{1, 0, 1}, ck.CKA_ID, "id")},
		} {
			for _, a := range c.want {
				if v, err := read(m, s, c.o, a.Type); err != nil || !bytes.Equal(v, a.Value) {
					t.Errorf("%s: %v is %x, %v; want %x", label, a.Type, v, err, a.Value)
				}
			}
		}
		for _, a := range []ck.AttributeType{ck.CKA_MODULUS, ck.CKA_PUBLIC_KEY_INFO} {
			x, err1 := read(m, s, pub, a)
			y, err2 := read(m, s, priv, a)
			must(t, err1)
			must(t, err2)
			if len(x) < 128 || !bytes.Equal(x, y) {
				t.Errorf("%v differs: %x, %x", a, x, y)
			}
		}
		for _, a := range []ck.AttributeType{ck.CKA_PRIVATE_EXPONENT, ck.CKA_PRIME_1, ck.CKA_COEFFICIENT} {
			_, err := read(m, s, priv, a)
			want(t, a.String(), err, ck.CKR_ATTRIBUTE_SENSITIVE)
		}
		sig := signWith(t, m, s, priv, ck.CKM_SHA256_RSA_PKCS, "data")
		must(t, verifyWith(m, s, pub, ck.CKM_SHA256_RSA_PKCS, "data", sig))
		want(t, "other data", verifyWith(m, s, pub, ck.CKM_SHA256_RSA_PKCS, "date", sig), ck.CKR_SIGNATURE_INVALID)
	}
}

// The caller's templates stay as they are, whatever the token wipes.
func TestGenerateKeyPairTwice(t *testing.T) {
	m, slot := newToken(t)
	s := loggedIn(t, m, slot)
	curve := []byte{6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7} // P-256
	template := rows(ck.CKA_EC_PARAMS, bytes.Clone(curve))
	seen := make(map[string]bool)
	for range 2 {
		pub, priv, err := m.GenerateKeyPair(s, &ck.Mechanism{Type: ck.CKM_EC_KEY_PAIR_GEN}, template, rows(ck.CKA_SENSITIVE, false, ck.CKA_EXTRACTABLE, true))
		must(t, err)
		if !bytes.Equal(template[0].Value, curve) {
			t.Fatalf("the template is %x", template[0].Value)
		}
		for _, o := range []ck.ObjectHandle{pub, priv} {
			if v, err := read(m, s, o, ck.CKA_EC_PARAMS); err != nil || !bytes.Equal(v, curve) {
				t.Errorf("parameters %x, %v", v, err)
			}
		}
		v, err := read(m, s, priv, ck.CKA_VALUE)
		must(t, err)
		if len(v) != 32 || seen[string(v)] {
			t.Errorf("value %x", v)
		}
		seen[string(v)] = true
	}
}

// A template that is at fault is found before a key is made, and leaves nothing.
func TestGenerateKeyPairErrors(t *testing.T) {
	m, slot := newToken(t)
	s := loggedIn(t, m, slot)
	bits := rows(ck.CKA_MODULUS_BITS, 16384) // which would take minutes
	mech := &ck.Mechanism{Type: ck.CKM_RSA_PKCS_KEY_PAIR_GEN}
	reading := open(t, m, slot, false)
	for what, c := range map[string]struct {
		s               ck.SessionHandle
		mech            *ck.Mechanism
		public, private []ck.Attribute
		want            ck.RV
	}{
		"no session":         {12345, mech, bits, nil, ck.CKR_SESSION_HANDLE_INVALID},
		"no mechanism":       {s, nil, bits, nil, ck.CKR_ARGUMENTS_BAD},
		"another mechanism":  {s, &ck.Mechanism{Type: ck.CKM_AES_KEY_GEN}, bits, nil, ck.CKR_MECHANISM_INVALID},
		"no size":            {s, mech, nil, nil, ck.CKR_TEMPLATE_INCOMPLETE},
		"modulus":            {s, mech, with(bits, ck.CKA_MODULUS, "n"), nil, ck.CKR_ATTRIBUTE_READ_ONLY},
		"another class":      {s, mech, with(bits, ck.CKA_CLASS, ck.CKO_PRIVATE_KEY), nil, ck.CKR_TEMPLATE_INCONSISTENT},
		"another type":       {s, mech, bits, rows(ck.CKA_KEY_TYPE, ck.CKK_EC), ck.CKR_TEMPLATE_INCONSISTENT},
		"not of public keys": {s, mech, with(bits, ck.CKA_SENSITIVE, true), nil, ck.CKR_ATTRIBUTE_TYPE_INVALID},
		"bad value":          {s, mech, bits, rows(ck.CKA_SIGN, "xy"), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		"twice":              {s, mech, bits, rows(ck.CKA_SIGN, true, ck.CKA_SIGN, false), ck.CKR_TEMPLATE_INCONSISTENT},
		"trusted":            {s, mech, with(bits, ck.CKA_TRUSTED, true), nil, ck.CKR_ATTRIBUTE_READ_ONLY},
		"read-only":          {reading, mech, bits, rows(ck.CKA_TOKEN, true), ck.CKR_SESSION_READ_ONLY},
		"too long":           {s, mech, rows(ck.CKA_MODULUS_BITS, 16385), nil, ck.CKR_KEY_SIZE_RANGE},
	} {
		_, _, err := m.GenerateKeyPair(c.s, c.mech, c.public, c.private)
		want(t, what, err, c.want)
	}
	must(t, m.Logout(s))
	_, _, err := m.GenerateKeyPair(s, mech, bits, rows(ck.CKA_PRIVATE, true))
	want(t, "without login", err, ck.CKR_USER_NOT_LOGGED_IN)
	must(t, m.Login(s, ck.CKU_USER, []byte(userPIN)))
	if found := find(t, m, s); len(found) != 0 {
		t.Errorf("%d objects are left", len(found))
	}
}

// TestWrapPrivateKey wraps a private key as PKCS #8 with each mechanism that can, and unwraps it.
func TestWrapPrivateKey(t *testing.T) {
	t.Parallel()
	m, slot := newToken(t)
	s := loggedIn(t, m, slot)
	pub, priv := importRSA(t, m, s, attr(ck.CKA_EXTRACTABLE, true), attr(ck.CKA_SENSITIVE, false))
	_, closed := importRSA(t, m, s, attr(ck.CKA_EXTRACTABLE, false))
	aes, err := m.CreateObject(s, aesTemplate(false, "wrapping"))
	must(t, err)
	iv := func(t ck.MechanismType, n int) *ck.Mechanism {
		return &ck.Mechanism{Type: t, Param: ck.NewParam(make([]byte, n), nil)}
	}
	template := rows(ck.CKA_CLASS, ck.CKO_PRIVATE_KEY, ck.CKA_KEY_TYPE, ck.CKK_RSA, ck.CKA_SENSITIVE, false, ck.CKA_EXTRACTABLE, true)
	for _, mech := range []func() *ck.Mechanism{
		func() *ck.Mechanism { return iv(ck.CKM_AES_KEY_WRAP_KWP, 0) }, func() *ck.Mechanism { return iv(ck.CKM_AES_KEY_WRAP_PAD, 0) },
		func() *ck.Mechanism { return iv(ck.CKM_AES_CBC_PAD, 16) }, func() *ck.Mechanism { return iv(ck.CKM_AES_CBC, 16) },
	} {
		name := mech().Type.String()
		size := ck.Buffer{}
		must(t, m.WrapKey(s, mech(), aes, priv, &size))
		out := ck.Into(make([]byte, size.N))
		must(t, m.WrapKey(s, mech(), aes, priv, &out))
		want(t, name+" of a closed key", m.WrapKey(s, mech(), aes, closed, &size), ck.CKR_KEY_UNEXTRACTABLE)
		want(t, name+" of a public key", m.WrapKey(s, mech(), aes, pub, &size), ck.CKR_KEY_NOT_WRAPPABLE)
		k, err := m.UnwrapKey(s, mech(), aes, out.Data, template)
		must(t, err)
		for _, a := range append(rsaValues(t), rows(ck.CKA_LOCAL, false, ck.CKA_ALWAYS_SENSITIVE, false)...) {
			if v, err := read(m, s, k, a.Type); err != nil || !bytes.Equal(v, a.Value) {
				t.Errorf("%s: %v is %x, %v", name, a.Type, v, err)
			}
		}
		x, err1 := read(m, s, pub, ck.CKA_PUBLIC_KEY_INFO)
		y, err2 := read(m, s, k, ck.CKA_PUBLIC_KEY_INFO)
		if err1 != nil || err2 != nil || !bytes.Equal(x, y) {
			t.Errorf("%s: public key info %x, %v, %v", name, y, err1, err2)
		}
		must(t, verifyWith(m, s, pub, ck.CKM_SHA1_RSA_PKCS, "data", signWith(t, m, s, k, ck.CKM_SHA1_RSA_PKCS, "data")))
		_, err = m.UnwrapKey(s, mech(), aes, out.Data, rows(ck.CKA_CLASS, ck.CKO_PUBLIC_KEY, ck.CKA_KEY_TYPE, ck.CKK_RSA))
		want(t, name+" to a public key", err, ck.CKR_TEMPLATE_INCONSISTENT)
		_, err = m.UnwrapKey(s, mech(), aes, out.Data, with(template, ck.CKA_MODULUS, "n"))
		want(t, name+" with a modulus", err, ck.CKR_ATTRIBUTE_READ_ONLY)
	}
	for _, c := range []struct {
		mech ck.MechanismType
		pub  []ck.Attribute
		kt   ck.KeyType
		same ck.AttributeType
	}{
		{ck.CKM_EC_KEY_PAIR_GEN, rows(ck.CKA_EC_PARAMS, "\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07"), ck.CKK_EC, ck.CKA_VALUE},
		{ck.CKM_EC_EDWARDS_KEY_PAIR_GEN, rows(ck.CKA_EC_PARAMS, "\x06\x03\x2b\x65\x70"), ck.CKK_EC_EDWARDS, ck.CKA_VALUE},
		{ck.CKM_ML_DSA_KEY_PAIR_GEN, rows(ck.CKA_PARAMETER_SET, uint(1)), ck.CKK_ML_DSA, ck.CKA_SEED},
	} {
		_, other, err := m.GenerateKeyPair(s, &ck.Mechanism{Type: c.mech}, c.pub, rows(ck.CKA_SENSITIVE, false, ck.CKA_EXTRACTABLE, true))
		must(t, err)
		out := ck.Into(make([]byte, 8192))
		must(t, m.WrapKey(s, iv(ck.CKM_AES_CBC_PAD, 16), aes, other, &out))
		back, err := m.UnwrapKey(s, iv(ck.CKM_AES_CBC_PAD, 16), aes, out.Data[:out.N], rows(ck.CKA_CLASS, ck.CKO_PRIVATE_KEY, ck.CKA_KEY_TYPE, c.kt, ck.CKA_SENSITIVE, false, ck.CKA_EXTRACTABLE, true))
		must(t, err)
		x, err1 := read(m, s, other, c.same)
		y, err2 := read(m, s, back, c.same)
		if err1 != nil || err2 != nil || !bytes.Equal(x, y) {
			t.Errorf("%v: unwrapped to %x, %v, %v", c.mech, y, err1, err2)
		}
	}
	oaepWrap := func() *ck.Mechanism {
		oaep := slices.Concat(ck.UlongValue(uint(ck.CKM_SHA256)), ck.UlongValue(ck.CKG_MGF1_SHA256), ck.UlongValue(ck.CKZ_DATA_SPECIFIED), make([]byte, 16))
		return &ck.Mechanism{Type: ck.CKM_RSA_AES_KEY_WRAP, Param: ck.NewParam(append(ck.UlongValue(256), ck.UlongValue(1)...),
			func(uint64, uint) []byte { return oaep })}
	}
	wrapped := ck.Into(make([]byte, 2048))
	must(t, m.WrapKey(s, oaepWrap(), pub, priv, &wrapped))
	k, err := m.UnwrapKey(s, oaepWrap(), closed, wrapped.Data[:wrapped.N], template)
	must(t, err)
	must(t, verifyWith(m, s, pub, ck.CKM_SHA1_RSA_PKCS, "data", signWith(t, m, s, k, ck.CKM_SHA1_RSA_PKCS, "data")))
	want(t, "too long for RSA", m.WrapKey(s, &ck.Mechanism{Type: ck.CKM_RSA_PKCS}, pub, priv, &wrapped), ck.CKR_KEY_SIZE_RANGE)

	// The value of an AES key is no private key.
	out := ck.Into(make([]byte, 64))
	secret, err := m.CreateObject(s, aesTemplate(false, "secret", attr(ck.CKA_EXTRACTABLE, true)))
	must(t, err)
	must(t, m.WrapKey(s, iv(ck.CKM_AES_KEY_WRAP_KWP, 0), aes, secret, &out))
	_, err = m.UnwrapKey(s, iv(ck.CKM_AES_KEY_WRAP_KWP, 0), aes, out.Data[:out.N], template)
	want(t, "an AES key as an RSA key", err, ck.CKR_WRAPPED_KEY_INVALID)
}

// TestPairUse tries each half for what is the other's.
func TestPairUse(t *testing.T) {
	m, slot := newToken(t)
	s := loggedIn(t, m, slot)
	pub, priv := importRSA(t, m, s)
	raw := func() *ck.Mechanism { return &ck.Mechanism{Type: ck.CKM_RSA_PKCS} }
	want(t, "sign", m.SignInit(s, raw(), pub), ck.CKR_KEY_FUNCTION_NOT_PERMITTED)
	want(t, "verify", m.VerifyInit(s, raw(), priv), ck.CKR_KEY_FUNCTION_NOT_PERMITTED)
	want(t, "encrypt", m.EncryptInit(s, raw(), priv), ck.CKR_KEY_FUNCTION_NOT_PERMITTED)
	want(t, "decrypt", m.DecryptInit(s, raw(), pub), ck.CKR_KEY_FUNCTION_NOT_PERMITTED)
	want(t, "AES", m.EncryptInit(s, &ck.Mechanism{Type: ck.CKM_AES_ECB}, pub), ck.CKR_KEY_TYPE_INCONSISTENT)
	aes, err := m.CreateObject(s, aesTemplate(false, "secret", attr(ck.CKA_EXTRACTABLE, true)))
	must(t, err)
	want(t, "an AES key", m.SignInit(s, raw(), aes), ck.CKR_KEY_TYPE_INCONSISTENT)

	must(t, m.EncryptInit(s, raw(), pub))
	ct := ck.Into(make([]byte, 256))
	must(t, m.Encrypt(s, []byte("a message"), &ct))
	must(t, m.DecryptInit(s, raw(), priv))
	var size ck.Buffer
	must(t, m.Decrypt(s, ct.Data, &size))
	plain := ck.Into(make([]byte, 9)) // shorter than the length asked for, and long enough
	must(t, m.Decrypt(s, ct.Data, &plain))
	if string(plain.Data[:plain.N]) != "a message" || size.N != 256 {
		t.Errorf("decrypted %q, length %d", plain.Data, size.N)
	}
	must(t, m.SignInit(s, raw(), priv))
	big := ck.Into(make([]byte, 256))
	want(t, "too much data", m.Sign(s, make([]byte, 246), &big), ck.CKR_DATA_LEN_RANGE)
	want(t, "after the error", m.Sign(s, make([]byte, 24), &big), ck.CKR_OPERATION_NOT_INITIALIZED)

	wrapped := ck.Into(make([]byte, 256))
	must(t, m.WrapKey(s, raw(), pub, aes, &wrapped))
	want(t, "wrap with a private key", m.WrapKey(s, raw(), priv, aes, &wrapped), ck.CKR_KEY_FUNCTION_NOT_PERMITTED)
	k, err := m.UnwrapKey(s, raw(), priv, wrapped.Data, with(typed, ck.CKA_SENSITIVE, false, ck.CKA_EXTRACTABLE, true))
	must(t, err)
	if v, err := read(m, s, k, ck.CKA_VALUE); err != nil || !bytes.Equal(v, bytes.Repeat([]byte{7}, 32)) {
		t.Errorf("unwrapped %x, %v", v, err)
	}
	_, err = m.UnwrapKey(s, raw(), priv, ct.Data, typed)
	want(t, "a wrong length", err, ck.CKR_WRAPPED_KEY_INVALID)
	_, err = m.UnwrapKey(s, raw(), priv, append([]byte{1}, ct.Data[1:]...), typed)
	want(t, "wrong padding", err, ck.CKR_WRAPPED_KEY_INVALID)
}

// TestCreatePair tries keys that are none, and CKA_PUBLIC_KEY_INFO of another.
func TestCreatePair(t *testing.T) {
	t.Parallel()
	public, private := rsaTemplates(t)
	is := func(t ck.AttributeType, template []ck.Attribute, v []byte) []ck.Attribute {
		out := bytes.Clone(v)
		list := append([]ck.Attribute(nil), template...)
		for i := range list {
			if list[i].Type == t {
				list[i].Value = out
			}
		}
		return list
	}
	for what, c := range map[string]struct {
		template []ck.Attribute
		want     ck.RV
	}{
		"public":                {public, ck.CKR_OK},
		"private":               {private, ck.CKR_OK},
		"exponents alone":       {private[:5], ck.CKR_OK},
		"no private exponent":   {private[:4], ck.CKR_TEMPLATE_INCOMPLETE},
		"no public exponent":    {public[:3], ck.CKR_TEMPLATE_INCOMPLETE},
		"bits":                  {with(public, ck.CKA_MODULUS_BITS, 2048), ck.CKR_ATTRIBUTE_READ_ONLY},
		"short modulus":         {is(ck.CKA_MODULUS, public, []byte{5}), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		"even exponent":         {is(ck.CKA_PUBLIC_EXPONENT, public, []byte{4}), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		"another prime":         {is(ck.CKA_PRIME_1, private, []byte{5}), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		"another public key":    {with(private, ck.CKA_PUBLIC_KEY_INFO, "info"), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		"value of a secret key": {with(private, ck.CKA_VALUE, "x"), ck.CKR_ATTRIBUTE_TYPE_INVALID},
	} {
		o, err := build(creating(c.template))
		want(t, what, err, c.want)
		if o != nil {
			o.release()
		}
	}
	o := built(t, creating(private))
	info := o.bytes(ck.CKA_PUBLIC_KEY_INFO)
	if _, err := o.changed(rows(ck.CKA_PUBLIC_KEY_INFO, "info"), false, false); ck.Code(err) != ck.CKR_ATTRIBUTE_VALUE_INVALID {
		t.Errorf("another public key: %v", err)
	}
	changed, err := o.changed(rows(ck.CKA_PUBLIC_KEY_INFO, info, ck.CKA_LABEL, "new"), false, false)
	must(t, err)
	defer changed.release()
	same := reread(t, changed)
	if !bytes.Equal(same.bytes(ck.CKA_PUBLIC_KEY_INFO), info) || !bytes.Equal(same.bytes(ck.CKA_PRIME_2), o.bytes(ck.CKA_PRIME_2)) || same.secretsMissing {
		t.Error("it does not come back from the file")
	}
}

// TestPublicPrivateKey keeps a private key that is a public object: everybody finds it, and only the user uses it.
func TestPublicPrivateKey(t *testing.T) {
	m, slot := newToken(t)
	s := loggedIn(t, m, slot)
	_, priv := importRSA(t, m, s, rows(ck.CKA_TOKEN, true, ck.CKA_PRIVATE, false, ck.CKA_LABEL, "open")...)
	signWith(t, m, s, priv, ck.CKM_SHA256_RSA_PKCS, "data")
	must(t, m.Logout(s))
	found := find(t, m, s, attr(ck.CKA_LABEL, "open"))
	if len(found) != 1 {
		t.Fatalf("%d found", len(found))
	}
	if v, err := read(m, s, found[0], ck.CKA_MODULUS); err != nil || len(v) != 256 {
		t.Errorf("modulus %x, %v", v, err)
	}
	want(t, "sign", m.SignInit(s, &ck.Mechanism{Type: ck.CKM_SHA256_RSA_PKCS}, found[0]), ck.CKR_USER_NOT_LOGGED_IN)
	must(t, m.Login(s, ck.CKU_USER, []byte(userPIN)))
	signWith(t, m, s, found[0], ck.CKM_SHA256_RSA_PKCS, "data")
}
