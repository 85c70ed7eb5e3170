package token

import (
	"bytes"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/locked"
	"github.com/softcsp/softcsp/mechanisms"
)

var certificateTemplate = rows(ck.CKA_CLASS, ck.CKO_CERTIFICATE, ck.CKA_CERTIFICATE_TYPE, ck.CKC_X_509, ck.CKA_SUBJECT, "subject", ck.CKA_SERIAL_NUMBER, "serial", ck.CKA_VALUE, "certificate")

// derivedKey is a key with all that CryptDeriveKey leaves in one.
func derivedKey(t testing.TB, pairs ...any) *Object {
	fixed := with(aesKey, ck.CKA_SOFTCSP_ALGID, 0x660e, ck.CKA_SOFTCSP_SALT, "salt", ck.CKA_SOFTCSP_EFFECTIVE_BITS, 128, ck.CKA_SOFTCSP_PERMISSIONS, 0x3b,
		ck.CKA_SOFTCSP_PROVIDER, 0, mechanisms.CKA_SOFTCSP_BASE_HASH, "the hash of the base data")
	return built(t, &request{how: byDerive, template: rows(pairs...), fixed: fixed, defaults: rows(ck.CKA_SENSITIVE, true)})
}

// reread encodes an object and decodes it.
func reread(t testing.TB, o *Object) *Object {
	t.Helper()
	public, sealed := o.encode()
	p, err := decode(public, lockedCopy(sealed))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.release)
	return p
}

// lockedCopy copies to memory of the kind that the store returns.
func lockedCopy(b []byte) []byte {
	if b == nil {
		return nil
	}
	c := locked.Alloc(len(b))
	copy(c, b)
	return c
}

// same expects two objects to have the same attributes.
func same(t testing.TB, a, b *Object) {
	t.Helper()
	if a.table != b.table || a.noCheck != b.noCheck || a.length != b.length {
		t.Fatal("objects of other types")
	}
	for i := range a.table.rows {
		var x, y [ulongSize]byte
		if a.table.rows[i].kind == uniqueID {
			continue // the maker's, not encoded
		}
		if !bytes.Equal(a.value(i, &x), b.value(i, &y)) {
			t.Fatalf("%v differs", a.table.rows[i].Type)
		}
	}
	if !bytes.Equal(a.mechanismKey.Value, b.mechanismKey.Value) || !bytes.Equal(a.mechanismKey.Salt, b.mechanismKey.Salt) || a.mechanismKey.EffectiveBits != b.mechanismKey.EffectiveBits || a.mechanismKey.Type != b.mechanismKey.Type || a.mechanismKey.Class != b.mechanismKey.Class {
		t.Fatal("the keys differ")
	}
	if a.size() != b.size() {
		t.Fatalf("sizes %d and %d", a.size(), b.size())
	}
}

func TestEncode(t *testing.T) {
	public := []any{ck.CKA_PRIVATE, false}
	objects := map[string]*Object{
		"private key":       built(t, creating(with(aesKey, ck.CKA_LABEL, "label", ck.CKA_ID, "id", ck.CKA_ALLOWED_MECHANISMS, ck.CKM_AES_ECB))),
		"public key":        built(t, creating(with(aesKey, ck.CKA_PRIVATE, false, ck.CKA_LABEL, "label", ck.CKA_WRAP_TEMPLATE, nested(2)))),
		"no check value":    built(t, creating(with(aesKey, ck.CKA_CHECK_VALUE, ""))),
		"generated":         built(t, generating(ck.CKA_VALUE_LEN, 16)),
		"DES":               built(t, creating(desKey)),
		"public DES":        built(t, creating(with(desKey, public...))),
		"derived":           derivedKey(t, ck.CKA_LABEL, "label", ck.CKA_ID, "id", ck.CKA_START_DATE, "20260101"),
		"derived in public": derivedKey(t, public...),
		"certificate":       built(t, creating(certificateTemplate)),
		"hidden":            built(t, creating(with(certificateTemplate, ck.CKA_PRIVATE, true))),
		"data":              built(t, creating(rows(ck.CKA_CLASS, ck.CKO_DATA))),
	}
	for name, o := range objects {
		t.Run(name, func(t *testing.T) {
			public, sealed := o.encode()
			if n := len(public) + len(sealed); uint(n) != o.size() {
				t.Errorf("size %d, encoded %d", o.size(), n)
			}
			if o.isPrivate() != (public == nil) {
				t.Errorf("private %v with %d public bytes", o.isPrivate(), len(public))
			}
			for _, s := range []string{string(value16[:8]), "the hash of the base data"} {
				if o.table.class == ck.CKO_SECRET_KEY && strings.Contains(string(public), s) {
					t.Error("a secret value is in the public part")
				}
			}
			same(t, o, reread(t, o))
		})
	}
}

// A public object that is seen without login has everything but its secret values.
func TestDecodeWithoutLogin(t *testing.T) {
	o := derivedKey(t, ck.CKA_PRIVATE, false, ck.CKA_LABEL, "label", ck.CKA_SENSITIVE, false, ck.CKA_EXTRACTABLE, true)
	public, _ := o.encode()
	p, err := decode(public, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer p.release()
	if p.key().Value != nil || p.bytes(mechanisms.CKA_SOFTCSP_BASE_HASH) != nil || p.bytes(ck.CKA_CHECK_VALUE) != nil {
		t.Error("there is a secret value")
	}
	if !p.matches(rows(ck.CKA_LABEL, "label", ck.CKA_VALUE_LEN, 16, ck.CKA_SOFTCSP_SALT, "salt")) {
		t.Error("public attributes are not there")
	}
	for _, a := range []ck.AttributeType{ck.CKA_VALUE, ck.CKA_CHECK_VALUE} {
		row := ck.AttributeBuffer{Type: a}
		want(t, a.String(), p.readAttribute(&row), ck.CKR_ATTRIBUTE_SENSITIVE)
		if p.matches(rows(a, "")) {
			t.Errorf("%v matches nothing", a)
		}
	}
	_, err = p.changed(rows(ck.CKA_LABEL, "other"), false, false)
	want(t, "change", err, ck.CKR_USER_NOT_LOGGED_IN)
	_, err = build(copyOf(p))
	want(t, "copy", err, ck.CKR_USER_NOT_LOGGED_IN)
}

func TestDecodeDamaged(t *testing.T) {
	secret := built(t, creating(with(aesKey, ck.CKA_PRIVATE, false)))
	public, sealed := secret.encode()
	private, _ := built(t, creating(aesKey)).encode()
	if private != nil {
		t.Fatal("a private object has a public part")
	}
	_, hidden := built(t, creating(aesKey)).encode()
	join := func(a []byte, pairs ...any) []byte { return ck.AppendTemplate(bytes.Clone(a), rows(pairs...)) }
	for _, c := range []struct {
		what           string
		public, sealed []byte
	}{
		{"nothing", nil, nil},
		{"the sealed part alone", nil, sealed},
		{"a private object in public", hidden, nil},
		{"a public object sealed", nil, append(bytes.Clone(public), sealed...)},
		{"the value in public", append(bytes.Clone(public), sealed...), nil},
		{"cut", public[:len(public)-1], sealed},
		{"an attribute twice", join(public, ck.CKA_CLASS, ck.CKO_SECRET_KEY), sealed},
		{"an attribute of other classes", join(public, ck.CKA_MODULUS, "x"), sealed},
		{"a bad boolean", join(public, ck.CKA_TOKEN, []byte{2}), sealed},
		{"a unique id", join(public, ck.CKA_UNIQUE_ID, "x"), sealed},
		{"a public attribute sealed", public, join(sealed, ck.CKA_LABEL, "x")},
		{"a check value", join(public, ck.CKA_CHECK_VALUE, "abc"), sealed},
	} {
		before := locked.Usage().Live
		_, err := decode(c.public, lockedCopy(c.sealed))
		want(t, c.what, err, ck.CKR_DEVICE_ERROR)
		if live := locked.Usage().Live; live != before {
			t.Errorf("%s: %d locked blocks more", c.what, live-before)
		}
	}
}

func TestChanged(t *testing.T) {
	closed := built(t, creating(with(aesKey, ck.CKA_LABEL, "old", ck.CKA_SENSITIVE, true)))
	open := built(t, creating(with(aesKey, ck.CKA_SENSITIVE, false, ck.CKA_EXTRACTABLE, true)))
	trusted := func(template []ck.Attribute) *Object {
		return built(t, &request{how: byCreate, template: with(template, ck.CKA_TRUSTED, true), isSO: true})
	}
	rigid := built(t, creating(with(aesKey, ck.CKA_MODIFIABLE, false)))
	single := built(t, creating(with(aesKey, ck.CKA_COPYABLE, false)))
	data, cert := built(t, creating(rows(ck.CKA_CLASS, ck.CKO_DATA))), built(t, creating(certificateTemplate))
	for _, c := range []struct {
		what     string
		o        *Object
		template []ck.Attribute
		so       bool
		want     ck.RV
	}{
		{"label and id", closed, rows(ck.CKA_LABEL, "new", ck.CKA_ID, "id"), false, ck.CKR_OK},
		{"nothing", closed, nil, false, ck.CKR_OK},
		{"label to nothing", closed, rows(ck.CKA_LABEL, ""), false, ck.CKR_OK},
		{"purposes", closed, rows(ck.CKA_ENCRYPT, false, ck.CKA_DERIVE, true), false, ck.CKR_OK},
		{"dates", closed, rows(ck.CKA_START_DATE, "20260101", ck.CKA_END_DATE, "20260102"), false, ck.CKR_OK},
		{"dates in disorder", closed, rows(ck.CKA_START_DATE, "20260103", ck.CKA_END_DATE, "20260102"), false, ck.CKR_TEMPLATE_INCONSISTENT},
		{"not modifiable", rigid, rows(ck.CKA_LABEL, "x"), false, ck.CKR_ACTION_PROHIBITED},
		{"sensitive", open, rows(ck.CKA_SENSITIVE, true), false, ck.CKR_OK},
		{"not extractable", open, rows(ck.CKA_EXTRACTABLE, false), false, ck.CKR_OK},
		{"sensitive as it was asked", built(t, creating(with(aesKey, ck.CKA_SENSITIVE, true))), rows(ck.CKA_SENSITIVE, true), false, ck.CKR_ATTRIBUTE_READ_ONLY},
		{"no longer sensitive", closed, rows(ck.CKA_SENSITIVE, false), false, ck.CKR_ATTRIBUTE_READ_ONLY},
		{"extractable again", closed, rows(ck.CKA_EXTRACTABLE, true), false, ck.CKR_ATTRIBUTE_READ_ONLY},
		{"as it is", closed, rows(ck.CKA_SENSITIVE, true, ck.CKA_EXTRACTABLE, false), false, ck.CKR_ATTRIBUTE_READ_ONLY},
		{"wrapped with trusted", closed, rows(ck.CKA_WRAP_WITH_TRUSTED, true), false, ck.CKR_OK},
		{"not copyable", closed, rows(ck.CKA_COPYABLE, false), false, ck.CKR_OK},
		{"copyable again", single, rows(ck.CKA_COPYABLE, true), false, ck.CKR_ATTRIBUTE_READ_ONLY},
		{"token", closed, rows(ck.CKA_TOKEN, true), false, ck.CKR_ATTRIBUTE_READ_ONLY},
		{"public", closed, rows(ck.CKA_PRIVATE, false), false, ck.CKR_ATTRIBUTE_READ_ONLY},
		{"fixed", closed, rows(ck.CKA_MODIFIABLE, false), false, ck.CKR_ATTRIBUTE_READ_ONLY},
		{"indestructible", closed, rows(ck.CKA_DESTROYABLE, false), false, ck.CKR_ATTRIBUTE_READ_ONLY},
		{"class", closed, rows(ck.CKA_CLASS, ck.CKO_SECRET_KEY), false, ck.CKR_ATTRIBUTE_READ_ONLY},
		{"key type", closed, rows(ck.CKA_KEY_TYPE, ck.CKK_RC4), false, ck.CKR_ATTRIBUTE_READ_ONLY},
		{"value", open, rows(ck.CKA_VALUE, value16), false, ck.CKR_ATTRIBUTE_READ_ONLY},
		{"length", closed, rows(ck.CKA_VALUE_LEN, 16), false, ck.CKR_ATTRIBUTE_READ_ONLY},
		{"unique id", closed, rows(ck.CKA_UNIQUE_ID, ""), false, ck.CKR_ATTRIBUTE_READ_ONLY},
		{"local", closed, rows(ck.CKA_LOCAL, false), false, ck.CKR_ATTRIBUTE_READ_ONLY},
		{"allowed mechanisms", closed, rows(ck.CKA_ALLOWED_MECHANISMS, ck.CKM_AES_ECB), false, ck.CKR_ATTRIBUTE_READ_ONLY},
		{"unwrap template", closed, rows(ck.CKA_UNWRAP_TEMPLATE, nested(1)), false, ck.CKR_ATTRIBUTE_READ_ONLY},
		{"always authenticate", closed, rows(ck.CKA_ALWAYS_AUTHENTICATE, true), false, ck.CKR_ATTRIBUTE_READ_ONLY},
		{"salt", closed, rows(ck.CKA_SOFTCSP_SALT, "x"), false, ck.CKR_ATTRIBUTE_READ_ONLY},
		{"hidden attribute", closed, rows(mechanisms.CKA_SOFTCSP_BASE_HASH, "x"), false, ck.CKR_ATTRIBUTE_TYPE_INVALID},
		{"other classes", closed, rows(ck.CKA_MODULUS, "x"), false, ck.CKR_ATTRIBUTE_TYPE_INVALID},
		{"twice", closed, rows(ck.CKA_LABEL, "x", ck.CKA_LABEL, "y"), false, ck.CKR_TEMPLATE_INCONSISTENT},
		{"bad boolean", closed, rows(ck.CKA_ENCRYPT, "xx"), false, ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"no check value", closed, rows(ck.CKA_CHECK_VALUE, ""), false, ck.CKR_OK},
		{"the check value", closed, rows(ck.CKA_CHECK_VALUE, mechanisms.CheckValue(ck.CKK_AES, value16)), false, ck.CKR_ATTRIBUTE_READ_ONLY},
		{"another check value", closed, rows(ck.CKA_CHECK_VALUE, "abc"), false, ck.CKR_ATTRIBUTE_READ_ONLY},
		{"trusted", closed, rows(ck.CKA_TRUSTED, true), false, ck.CKR_ATTRIBUTE_READ_ONLY},
		{"trusted by the SO", closed, rows(ck.CKA_TRUSTED, true), true, ck.CKR_OK},
		{"trusted key's label", trusted(aesKey), rows(ck.CKA_LABEL, "x"), false, ck.CKR_OK},
		{"trusted certificate's label", trusted(certificateTemplate), rows(ck.CKA_LABEL, "x"), false, ck.CKR_ATTRIBUTE_READ_ONLY},
		{"trusted certificate's label by the SO", trusted(certificateTemplate), rows(ck.CKA_LABEL, "x"), true, ck.CKR_OK},
		{"data", data, rows(ck.CKA_VALUE, "x"), false, ck.CKR_ATTRIBUTE_READ_ONLY},
		{"issuer", cert, rows(ck.CKA_ISSUER, "x"), false, ck.CKR_OK},
		{"subject", cert, rows(ck.CKA_SUBJECT, "x"), false, ck.CKR_ATTRIBUTE_READ_ONLY},
	} {
		c.o.uniqueNumber, c.o.rev = 77, 3
		before, _ := encoded(c.o)
		o, err := c.o.changed(c.template, c.so, false)
		want(t, c.what, err, c.want)
		if after, _ := encoded(c.o); !bytes.Equal(before, after) {
			t.Errorf("%s: the object itself has changed", c.what)
		}
		if err != nil {
			continue
		}
		if !o.matches(c.template) || o.uniqueNumber != 77 || o.rev != 3 {
			t.Errorf("%s: not as asked", c.what)
		}
		if len(c.template) > 0 {
			// All or nothing: the good change with a bad one behind it.
			_, err := c.o.changed(with(c.template, ck.CKA_UNIQUE_ID, "x"), c.so, false)
			want(t, c.what+" and more", err, ck.CKR_ATTRIBUTE_READ_ONLY)
		}
		same(t, o, reread(t, o))
		o.release()
	}
}

// encoded joins both parts of an encoding.
func encoded(o *Object) ([]byte, error) {
	public, sealed := o.encode()
	return append(public, sealed...), nil
}

func TestCopied(t *testing.T) {
	closed := derivedKey(t, ck.CKA_LABEL, "old", ck.CKA_CHECK_VALUE, "")
	open := built(t, creating(with(aesKey, ck.CKA_SENSITIVE, false, ck.CKA_EXTRACTABLE, true, ck.CKA_PRIVATE, false)))
	single := built(t, creating(with(aesKey, ck.CKA_COPYABLE, false)))
	rigid := built(t, creating(with(aesKey, ck.CKA_MODIFIABLE, false)))
	for _, c := range []struct {
		what string
		r    *request
		want ck.RV
	}{
		{"no template", copyOf(closed), ck.CKR_OK},
		{"not copyable", copyOf(single), ck.CKR_ACTION_PROHIBITED},
		{"to the token", copyOf(closed, ck.CKA_TOKEN, true), ck.CKR_OK},
		{"new label", copyOf(closed, ck.CKA_LABEL, "new"), ck.CKR_OK},
		{"public to private", copyOf(open, ck.CKA_PRIVATE, true), ck.CKR_OK},
		{"private to public", copyOf(closed, ck.CKA_PRIVATE, false), ck.CKR_TEMPLATE_INCONSISTENT},
		{"rigid to modifiable", copyOf(rigid, ck.CKA_MODIFIABLE, true), ck.CKR_OK},
		{"indestructible", copyOf(closed, ck.CKA_DESTROYABLE, false), ck.CKR_OK},
		{"closing", copyOf(open, ck.CKA_SENSITIVE, true, ck.CKA_EXTRACTABLE, false), ck.CKR_OK},
		{"opening", copyOf(closed, ck.CKA_EXTRACTABLE, true), ck.CKR_ATTRIBUTE_READ_ONLY},
		{"showing", copyOf(closed, ck.CKA_SENSITIVE, false), ck.CKR_ATTRIBUTE_READ_ONLY},
		{"class and type repeated", copyOf(closed, ck.CKA_CLASS, ck.CKO_SECRET_KEY, ck.CKA_KEY_TYPE, ck.CKK_AES, ck.CKA_VALUE_LEN, 16), ck.CKR_ATTRIBUTE_READ_ONLY},
		{"class repeated", copyOf(closed, ck.CKA_CLASS, ck.CKO_SECRET_KEY, ck.CKA_KEY_TYPE, ck.CKK_AES, ck.CKA_LOCAL, false), ck.CKR_ATTRIBUTE_READ_ONLY},
		{"another type", copyOf(closed, ck.CKA_KEY_TYPE, ck.CKK_RC4), ck.CKR_ATTRIBUTE_READ_ONLY},
		{"a value", copyOf(open, ck.CKA_VALUE, value16), ck.CKR_ATTRIBUTE_READ_ONLY},
		{"trusted", copyOf(closed, ck.CKA_TRUSTED, true), ck.CKR_ATTRIBUTE_READ_ONLY},
		{"unknown", copyOf(closed, ck.CKA_MODULUS, ""), ck.CKR_ATTRIBUTE_TYPE_INVALID},
	} {
		o, err := build(c.r)
		want(t, c.what, err, c.want)
		if err != nil {
			continue
		}
		if !o.matches(c.r.template) || !bytes.Equal(o.key().Value, value16) || o.noCheck != c.r.base.noCheck {
			t.Errorf("%s: not a copy", c.what)
		}
		if len(c.r.template) == 0 {
			same(t, c.r.base, o)
		}
		o.release()
	}
}

func TestRederived(t *testing.T) {
	o := derivedKey(t, ck.CKA_LABEL, "label")
	fixed := with(typed, ck.CKA_VALUE, "fedcba9876543210", ck.CKA_SOFTCSP_ALGID, 0x660e)
	n, err := o.withDerivedValue(fixed)
	if err != nil {
		t.Fatal(err)
	}
	defer n.release()
	if string(n.key().Value) != "fedcba9876543210" || string(n.bytes(ck.CKA_LABEL)) != "label" || n.bytes(ck.CKA_SOFTCSP_SALT) != nil || n.bytes(mechanisms.CKA_SOFTCSP_BASE_HASH) != nil {
		t.Error("not as derived")
	}
	if !bytes.Equal(o.key().Value, value16) {
		t.Error("the old key has changed")
	}
	_, err = o.withDerivedValue(with(fixed, ck.CKA_EXTRACTABLE, true))
	want(t, "extractable", err, ck.CKR_TEMPLATE_INCONSISTENT)
	_, err = o.withDerivedValue(desKey)
	want(t, "another type", err, ck.CKR_TEMPLATE_INCONSISTENT)
	_, err = o.withDerivedValue(with(typed, ck.CKA_VALUE, "short"))
	if err == nil {
		t.Error("a value of a wrong length was taken")
	}
}

// The values are wiped with the last reference, and not before.
func TestRelease(t *testing.T) {
	before := locked.Usage().Live
	o, err := build(creating(aesKey))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.key().Prepared(1, func(*mechanisms.Key) (any, error) { return "form", nil }); err != nil {
		t.Fatal(err)
	}
	if !o.acquire() {
		t.Fatal("no second reference")
	}
	o.release()
	value := o.key().Value
	if !bytes.Equal(value, value16) {
		t.Fatal("wiped while there is a reference")
	}
	o.release()
	if o.acquire() {
		t.Error("a reference to what is gone")
	}
	if bytes.Contains(value[:len(value):cap(value)], value16) {
		t.Error("the value was not wiped")
	}
	if o.key().Value != nil || o.bytes(ck.CKA_VALUE) != nil {
		t.Error("the value is still there")
	}
	forget := errors.New("made anew")
	if _, err := o.key().Prepared(1, func(*mechanisms.Key) (any, error) { return nil, forget }); err != forget {
		t.Error("the prepared form is still there")
	}
	if live := locked.Usage().Live; live != before {
		t.Errorf("%d locked blocks more", live-before)
	}
}

func TestConcurrentUse(t *testing.T) {
	o, err := build(creating(with(aesKey, ck.CKA_LABEL, "label")))
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 200 {
				if !o.acquire() {
					return
				}
				if string(o.bytes(ck.CKA_LABEL)) != "label" || !bytes.Equal(o.key().Value, value16) {
					t.Error("wiped while there is a reference")
				}
				o.release()
			}
		})
	}
	o.release()
	group.Wait()
}

// session12 is the template of a session key with 12 attributes.
var session12 = with(aesKey, ck.CKA_TOKEN, false, ck.CKA_PRIVATE, true, ck.CKA_SENSITIVE, true, ck.CKA_EXTRACTABLE, false, ck.CKA_ENCRYPT, true, ck.CKA_DECRYPT, true,
	ck.CKA_LABEL, "a session key", ck.CKA_ID, "0001", ck.CKA_DERIVE, true)

func BenchmarkBuild(b *testing.B) {
	b.ReportAllocs()
	r := creating(session12)
	for b.Loop() {
		o, err := build(r)
		if err != nil {
			b.Fatal(err)
		}
		o.release()
	}
}

// FuzzDecode reads any bytes as both parts of an encoded object. What is one keeps its attributes through the encoding.
func FuzzDecode(f *testing.F) {
	for _, o := range []*Object{built(f, creating(with(aesKey, ck.CKA_PRIVATE, false))), built(f, creating(certificateTemplate)),
		built(f, generating(ck.CKA_VALUE_LEN, 16)), derivedKey(f), derivedKey(f, ck.CKA_PRIVATE, false)} {
		public, sealed := o.encode()
		f.Add(public, sealed)
	}
	f.Fuzz(func(t *testing.T, public, sealed []byte) {
		o, err := decode(public, lockedCopy(sealed))
		if err != nil {
			if ck.Code(err) != ck.CKR_DEVICE_ERROR {
				t.Fatal(err)
			}
			return
		}
		defer o.release()
		for _, row := range o.table.rows {
			_ = o.readAttribute(&ck.AttributeBuffer{Type: row.Type})
			_ = o.bytes(row.Type)
		}
		o.terms()
		if !o.secretsMissing {
			same(t, o, reread(t, o))
		}
	})
}
