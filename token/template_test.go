package token

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/mechanisms"
)

// rows makes a template of types and values: bool, string, []byte, []ck.Attribute, or a number of any of ck's types.
func rows(pairs ...any) []ck.Attribute {
	var list []ck.Attribute
	for i := 0; i < len(pairs); i += 2 {
		a := ck.Attribute{Type: pairs[i].(ck.AttributeType)}
		switch v := pairs[i+1].(type) {
		case bool:
			a.Value = ck.BoolValue(v)
		case string:
			a.Value = []byte(v)
		case []byte:
			a.Value = v
		case []ck.Attribute:
			a.Value = ck.AppendTemplate([]byte{}, v)
		case int:
			a.Value = ck.UlongValue(uint(v))
		case uint:
			a.Value = ck.UlongValue(v)
		case ck.ObjectClass:
			a.Value = ck.UlongValue(uint(v))
		case ck.KeyType:
			a.Value = ck.UlongValue(uint(v))
		case ck.CertificateType:
			a.Value = ck.UlongValue(uint(v))
		case ck.MechanismType:
			a.Value = ck.UlongValue(uint(v))
		default:
			panic(fmt.Sprintf("a value of type %T", v))
		}
		list = append(list, a)
	}
	return list
}

var (
	value16 = []byte("0123456789abcdef")
	aesKey  = rows(ck.CKA_CLASS, ck.CKO_SECRET_KEY, ck.CKA_KEY_TYPE, ck.CKK_AES, ck.CKA_VALUE, value16)
	desKey  = rows(ck.CKA_CLASS, ck.CKO_SECRET_KEY, ck.CKA_KEY_TYPE, ck.CKK_DES, ck.CKA_VALUE, value16[:8])
	// typed is a template without a value, for keys that are unwrapped or derived.
	typed = rows(ck.CKA_CLASS, ck.CKO_SECRET_KEY, ck.CKA_KEY_TYPE, ck.CKK_AES)
)

// with appends rows to a template.
func with(t []ck.Attribute, pairs ...any) []ck.Attribute {
	return append(t[:len(t):len(t)], rows(pairs...)...)
}

// creating, generating, unwrapping and deriving are requests as the functions of those names make them.
func creating(template []ck.Attribute) *request { return &request{how: byCreate, template: template} }

func generating(pairs ...any) *request {
	return &request{how: byGenerate, template: rows(pairs...), fixed: aesKey, mechanism: ck.CKM_AES_KEY_GEN}
}

func unwrapping(base *Object, template []ck.Attribute) *request {
	return madeFrom(base, &request{how: byUnwrap, template: template, fixed: rows(ck.CKA_VALUE, value16)})
}

func deriving(base *Object, pairs ...any) *request {
	return madeFrom(base, &request{how: byDerive, template: rows(pairs...), fixed: aesKey})
}

func copyOf(base *Object, pairs ...any) *request {
	return madeFrom(base, &request{how: byCopy, template: rows(pairs...)})
}

// madeFrom gives a request its base.
func madeFrom(base *Object, r *request) *request {
	if err := r.setBase(base); err != nil {
		panic(err)
	}
	return r
}

// built builds and fails the test if that fails.
func built(t testing.TB, r *request) *Object {
	t.Helper()
	o, err := build(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(o.release)
	return o
}

func TestTemplateErrors(t *testing.T) {
	so := func(r *request) *request { r.isSO = true; return r }
	base := built(t, creating(with(aesKey, ck.CKA_DERIVE, true)))
	other := rows(ck.CKA_LABEL, "one", ck.CKA_ENCRYPT, false)
	strict := built(t, creating(with(aesKey, ck.CKA_UNWRAP_TEMPLATE, other, ck.CKA_DERIVE_TEMPLATE, other)))
	sly := built(t, creating(with(aesKey, ck.CKA_UNWRAP_TEMPLATE, rows(ck.CKA_TRUSTED, true), ck.CKA_DERIVE_TEMPLATE, rows(ck.CKA_MODULUS, "n"))))
	forbidden := []any{ck.CKA_LOCAL, true, ck.CKA_KEY_GEN_MECHANISM, ck.CKM_AES_KEY_GEN, ck.CKA_ALWAYS_SENSITIVE, true, ck.CKA_NEVER_EXTRACTABLE, true,
		ck.CKA_UNIQUE_ID, "id", ck.CKA_SOFTCSP_ALGID, 1, ck.CKA_SOFTCSP_SALT, "salt", ck.CKA_SOFTCSP_EFFECTIVE_BITS, 40, ck.CKA_SOFTCSP_PERMISSIONS, 1, ck.CKA_SOFTCSP_PROVIDER, 0}
	type row struct {
		what string
		r    *request
		want ck.RV
	}
	list := []row{
		{"nothing", creating(nil), ck.CKR_TEMPLATE_INCOMPLETE},
		{"no class", creating(rows(ck.CKA_KEY_TYPE, ck.CKK_AES, ck.CKA_VALUE, value16)), ck.CKR_TEMPLATE_INCOMPLETE},
		{"no key type", creating(rows(ck.CKA_CLASS, ck.CKO_SECRET_KEY, ck.CKA_VALUE, value16)), ck.CKR_TEMPLATE_INCOMPLETE},
		{"no value", creating(typed), ck.CKR_TEMPLATE_INCOMPLETE},
		{"class of three bytes", creating(rows(ck.CKA_CLASS, "abc")), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"unknown class", creating(rows(ck.CKA_CLASS, 77)), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"domain parameters", creating(rows(ck.CKA_CLASS, ck.CKO_DOMAIN_PARAMETERS, ck.CKA_KEY_TYPE, ck.CKK_RSA)), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"hardware feature", creating(rows(ck.CKA_CLASS, ck.CKO_HW_FEATURE, ck.CKA_HW_FEATURE_TYPE, uint(ck.CKH_CLOCK))), ck.CKR_TEMPLATE_INCONSISTENT},
		{"profile", creating(rows(ck.CKA_CLASS, ck.CKO_PROFILE, ck.CKA_PROFILE_ID, 1)), ck.CKR_TEMPLATE_INCONSISTENT},
		{"mechanism", creating(rows(ck.CKA_CLASS, ck.CKO_MECHANISM)), ck.CKR_TEMPLATE_INCONSISTENT},
		{"validation", creating(rows(ck.CKA_CLASS, ck.CKO_VALIDATION)), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"unknown key type", creating(rows(ck.CKA_CLASS, ck.CKO_SECRET_KEY, ck.CKA_KEY_TYPE, 0x7777, ck.CKA_VALUE, value16)), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"unknown certificate type", creating(rows(ck.CKA_CLASS, ck.CKO_CERTIFICATE, ck.CKA_CERTIFICATE_TYPE, 9)), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"the same twice", creating(with(aesKey, ck.CKA_LABEL, "x", ck.CKA_LABEL, "x")), ck.CKR_OK},
		{"class twice", creating(with(aesKey, ck.CKA_CLASS, ck.CKO_SECRET_KEY)), ck.CKR_OK},
		{"unknown type", creating(with(aesKey, ck.AttributeType(0x80001234), "x")), ck.CKR_ATTRIBUTE_TYPE_INVALID},
		{"a type of other classes", creating(with(aesKey, ck.CKA_MODULUS, "x")), ck.CKR_ATTRIBUTE_TYPE_INVALID},
		{"the internal type", creating(with(aesKey, mechanisms.CKA_SOFTCSP_BASE_HASH, "x")), ck.CKR_ATTRIBUTE_TYPE_INVALID},
		{"CKA_VALUE_LEN of DES", creating(with(desKey, ck.CKA_VALUE_LEN, 8)), ck.CKR_ATTRIBUTE_TYPE_INVALID},
		{"CKA_VALUE_LEN in creation", creating(with(aesKey, ck.CKA_VALUE_LEN, 16)), ck.CKR_ATTRIBUTE_READ_ONLY},
		{"boolean 2", creating(with(aesKey, ck.CKA_TOKEN, []byte{2})), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"boolean of no bytes", creating(with(aesKey, ck.CKA_TOKEN, []byte(nil))), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"boolean of eight bytes", creating(with(aesKey, ck.CKA_TOKEN, 1)), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"date with letters", creating(with(aesKey, ck.CKA_START_DATE, "2026ab01")), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"thirteenth month", creating(with(aesKey, ck.CKA_END_DATE, "20261301")), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"end before start", creating(with(aesKey, ck.CKA_START_DATE, "20260102", ck.CKA_END_DATE, "20260101")), ck.CKR_TEMPLATE_INCONSISTENT},
		{"mechanisms of nine bytes", creating(with(aesKey, ck.CKA_ALLOWED_MECHANISMS, "123456789")), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"template cut", creating(with(aesKey, ck.CKA_WRAP_TEMPLATE, "0123456789abcdefg")), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"template with a type twice", creating(with(aesKey, ck.CKA_WRAP_TEMPLATE, rows(ck.CKA_LABEL, "a", ck.CKA_LABEL, "b"))), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"templates too deep", creating(with(aesKey, ck.CKA_UNWRAP_TEMPLATE, nested(templateDepth+1))), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"value of a wrong length", creating(with(typed, ck.CKA_VALUE, value16[:15])), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"empty value", creating(with(typed, ck.CKA_VALUE, "")), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"empty generic secret", creating(rows(ck.CKA_CLASS, ck.CKO_SECRET_KEY, ck.CKA_KEY_TYPE, ck.CKK_GENERIC_SECRET, ck.CKA_VALUE, "")), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"wrong check value", creating(with(aesKey, ck.CKA_CHECK_VALUE, "abc")), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"check value of two bytes", creating(with(aesKey, ck.CKA_CHECK_VALUE, mechanisms.CheckValue(ck.CKK_AES, value16)[:2])), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"trusted by a user", creating(with(aesKey, ck.CKA_TRUSTED, true)), ck.CKR_ATTRIBUTE_READ_ONLY},
		{"always authenticate in public", creating(with(aesKey, ck.CKA_PRIVATE, false, ck.CKA_ALWAYS_AUTHENTICATE, true)), ck.CKR_TEMPLATE_INCONSISTENT},
		{"trusted by the SO", so(creating(with(aesKey, ck.CKA_TRUSTED, true))), ck.CKR_OK},
		{"not trusted by a user", creating(with(aesKey, ck.CKA_TRUSTED, false)), ck.CKR_OK},
		{"no dates", creating(with(aesKey, ck.CKA_START_DATE, "", ck.CKA_END_DATE, "")), ck.CKR_OK},
		{"one day", creating(with(aesKey, ck.CKA_START_DATE, "20260101", ck.CKA_END_DATE, "20260101")), ck.CKR_OK},
		{"templates deep enough", creating(with(aesKey, ck.CKA_UNWRAP_TEMPLATE, nested(templateDepth))), ck.CKR_OK},

		{"generated without a length", generating(), ck.CKR_TEMPLATE_INCOMPLETE},
		{"generated with another length", generating(ck.CKA_VALUE_LEN, 32), ck.CKR_TEMPLATE_INCONSISTENT},
		{"generated with a value", generating(ck.CKA_VALUE_LEN, 16, ck.CKA_VALUE, value16), ck.CKR_ATTRIBUTE_READ_ONLY},
		{"generated of another type", generating(ck.CKA_VALUE_LEN, 16, ck.CKA_KEY_TYPE, ck.CKK_RC4), ck.CKR_TEMPLATE_INCONSISTENT},
		{"generated of another class", generating(ck.CKA_VALUE_LEN, 16, ck.CKA_CLASS, ck.CKO_DATA), ck.CKR_TEMPLATE_INCONSISTENT},
		{"generated, class and type repeated", generating(ck.CKA_VALUE_LEN, 16, ck.CKA_CLASS, ck.CKO_SECRET_KEY, ck.CKA_KEY_TYPE, ck.CKK_AES), ck.CKR_OK},

		{"unwrapped without a type", unwrapping(base, rows(ck.CKA_CLASS, ck.CKO_SECRET_KEY)), ck.CKR_TEMPLATE_INCOMPLETE},
		{"unwrapped data", unwrapping(base, rows(ck.CKA_CLASS, ck.CKO_DATA)), ck.CKR_TEMPLATE_INCONSISTENT},
		{"unwrapped with a value", unwrapping(base, aesKey), ck.CKR_ATTRIBUTE_READ_ONLY},
		{"unwrapped with another length", unwrapping(base, with(typed, ck.CKA_VALUE_LEN, 24)), ck.CKR_WRAPPED_KEY_LEN_RANGE},
		{"unwrapped with the length", unwrapping(base, with(typed, ck.CKA_VALUE_LEN, 16)), ck.CKR_OK},
		{"unwrapped to a type it does not fit", unwrapping(base, rows(ck.CKA_CLASS, ck.CKO_SECRET_KEY, ck.CKA_KEY_TYPE, ck.CKK_DES3)), ck.CKR_WRAPPED_KEY_LEN_RANGE},
		{"unwrapped against the unwrap template", unwrapping(strict, with(typed, ck.CKA_LABEL, "two")), ck.CKR_TEMPLATE_INCONSISTENT},
		{"unwrapped, boolean against the unwrap template", unwrapping(strict, with(typed, ck.CKA_ENCRYPT, true)), ck.CKR_TEMPLATE_INCONSISTENT},
		{"unwrapped as the unwrap template says", unwrapping(strict, with(typed, ck.CKA_ENCRYPT, false, ck.CKA_LABEL, "one")), ck.CKR_OK},
		{"trust through an unwrap template", unwrapping(sly, typed), ck.CKR_TEMPLATE_INCONSISTENT},

		{"derived with a value", deriving(base, ck.CKA_VALUE, value16), ck.CKR_ATTRIBUTE_READ_ONLY},
		{"derived with another length", deriving(base, ck.CKA_VALUE_LEN, 24), ck.CKR_TEMPLATE_INCONSISTENT},
		{"derived with the length", deriving(base, ck.CKA_VALUE_LEN, 16), ck.CKR_OK},
		{"derived with another type", deriving(base, ck.CKA_KEY_TYPE, ck.CKK_RC4), ck.CKR_TEMPLATE_INCONSISTENT},
		{"derived against the derive template", deriving(strict, ck.CKA_LABEL, "two"), ck.CKR_TEMPLATE_INCONSISTENT},
		{"derived, derive template of other classes", deriving(sly), ck.CKR_TEMPLATE_INCONSISTENT},
		{"derived without a base", deriving(nil), ck.CKR_OK},
		{"derived DES with the length", &request{how: byDerive, template: rows(ck.CKA_VALUE_LEN, 8), fixed: desKey}, ck.CKR_OK},
		{"derived DES with another length", &request{how: byDerive, template: rows(ck.CKA_VALUE_LEN, 7), fixed: desKey}, ck.CKR_TEMPLATE_INCONSISTENT},
		{"unwrapped DES with the length", &request{how: byUnwrap, template: rows(ck.CKA_VALUE_LEN, 8), fixed: desKey}, ck.CKR_OK},
		{"unwrapped DES with another length", &request{how: byUnwrap, template: rows(ck.CKA_VALUE_LEN, 7), fixed: desKey}, ck.CKR_WRAPPED_KEY_LEN_RANGE},
		{"derived against what is fixed", &request{how: byDerive, template: rows(ck.CKA_EXTRACTABLE, true), fixed: with(aesKey, ck.CKA_EXTRACTABLE, false)}, ck.CKR_TEMPLATE_INCONSISTENT},
	}
	for i := 0; i < len(forbidden); i += 2 {
		a := forbidden[i].(ck.AttributeType)
		list = append(list,
			row{fmt.Sprint("created with ", a), creating(with(aesKey, forbidden[i:i+2]...)), ck.CKR_ATTRIBUTE_READ_ONLY},
			row{fmt.Sprint("generated with ", a), generating(ck.CKA_VALUE_LEN, 16, a, forbidden[i+1]), ck.CKR_ATTRIBUTE_READ_ONLY},
			row{fmt.Sprint("unwrapped with ", a), unwrapping(base, with(typed, forbidden[i:i+2]...)), ck.CKR_ATTRIBUTE_READ_ONLY},
			row{fmt.Sprint("derived with ", a), deriving(base, forbidden[i:i+2]...), ck.CKR_ATTRIBUTE_READ_ONLY},
			row{fmt.Sprint("copied with ", a), copyOf(base, forbidden[i:i+2]...), ck.CKR_ATTRIBUTE_READ_ONLY})
	}
	for _, c := range list {
		o, err := build(c.r)
		want(t, c.what, err, c.want)
		if err == nil {
			o.release()
		}
	}
}

// nested makes templates in templates.
func nested(depth int) []ck.Attribute {
	if depth == 1 {
		return rows(ck.CKA_LABEL, "innermost")
	}
	return rows(ck.CKA_UNWRAP_TEMPLATE, nested(depth-1))
}

// What the tables and the history of a key say of its booleans.
func TestDefaults(t *testing.T) {
	open := []any{ck.CKA_SENSITIVE, false, ck.CKA_EXTRACTABLE, true}
	exposed := built(t, generating(append(open, ck.CKA_VALUE_LEN, 16)...))
	guarded := built(t, generating(ck.CKA_VALUE_LEN, 16, ck.CKA_SENSITIVE, true))
	foreign := built(t, creating(aesKey))
	type want struct{ sensitive, extractable, always, never, local bool }
	for _, c := range []struct {
		what string
		r    *request
		want
	}{
		{"created", creating(aesKey), want{}},
		{"created sensitive", creating(with(aesKey, ck.CKA_SENSITIVE, true)), want{sensitive: true}},
		{"created open", creating(with(aesKey, open...)), want{extractable: true}},
		{"generated", generating(ck.CKA_VALUE_LEN, 16), want{never: true, local: true}},
		{"generated sensitive", generating(ck.CKA_VALUE_LEN, 16, ck.CKA_SENSITIVE, true), want{sensitive: true, always: true, never: true, local: true}},
		{"generated open", generating(append(open, ck.CKA_VALUE_LEN, 16)...), want{extractable: true, local: true}},
		{"generated extractable", generating(ck.CKA_VALUE_LEN, 16, ck.CKA_EXTRACTABLE, true), want{extractable: true, local: true}},
		{"unwrapped", unwrapping(guarded, typed), want{}},
		{"derived from a guarded key", deriving(guarded), want{never: true}},
		{"derived sensitive from a guarded key", deriving(guarded, ck.CKA_SENSITIVE, true), want{sensitive: true, always: true, never: true}},
		{"derived open from a guarded key", deriving(guarded, open...), want{extractable: true}},
		{"derived from an exposed key", deriving(exposed), want{}},
		{"derived from a foreign key", deriving(foreign), want{}},
		{"derived from no key", deriving(nil), want{}},
		{"copied", copyOf(guarded), want{sensitive: true, always: true, never: true, local: true}},
		{"copied and closed", copyOf(exposed, ck.CKA_SENSITIVE, true, ck.CKA_EXTRACTABLE, false), want{sensitive: true, local: true}},
	} {
		o := built(t, c.r)
		got := want{o.flag(ck.CKA_SENSITIVE), o.flag(ck.CKA_EXTRACTABLE), o.flag(ck.CKA_ALWAYS_SENSITIVE), o.flag(ck.CKA_NEVER_EXTRACTABLE), o.flag(ck.CKA_LOCAL)}
		if got != c.want {
			t.Errorf("%s: %+v, want %+v", c.what, got, c.want)
		}
		mech := ck.MechanismType(ck.UnavailableInformation)
		if got.local {
			mech = ck.CKM_AES_KEY_GEN
		}
		if !o.matches(rows(ck.CKA_KEY_GEN_MECHANISM, mech)) {
			t.Errorf("%s: CKA_KEY_GEN_MECHANISM is not %v", c.what, mech)
		}
	}
	for _, p := range []ck.AttributeType{ck.CKA_PRIVATE, ck.CKA_MODIFIABLE, ck.CKA_COPYABLE, ck.CKA_DESTROYABLE, ck.CKA_ENCRYPT, ck.CKA_DECRYPT, ck.CKA_SIGN, ck.CKA_VERIFY, ck.CKA_WRAP, ck.CKA_UNWRAP} {
		if !foreign.flag(p) {
			t.Errorf("%v is false by default", p)
		}
	}
	for _, p := range []ck.AttributeType{ck.CKA_TOKEN, ck.CKA_DERIVE, ck.CKA_TRUSTED, ck.CKA_WRAP_WITH_TRUSTED, ck.CKA_ALWAYS_AUTHENTICATE} {
		if foreign.flag(p) {
			t.Errorf("%v is true by default", p)
		}
	}
	if data := built(t, creating(rows(ck.CKA_CLASS, ck.CKO_DATA))); !data.isPrivate() {
		t.Error("data is not private by default")
	}
}

// The template comes before the request's defaults, and those before the tables'.
func TestRequestDefaults(t *testing.T) {
	defaults := rows(ck.CKA_PRIVATE, false, ck.CKA_LABEL, "default", ck.CKA_KEY_TYPE, ck.CKK_AES, ck.CKA_MODULUS, "left out", ck.CKA_CLASS, ck.CKO_SECRET_KEY)
	r := unwrapping(nil, rows(ck.CKA_LABEL, "asked"))
	r.defaults = defaults
	if o := built(t, r); o.isPrivate() || string(o.bytes(ck.CKA_LABEL)) != "asked" || o.keyType() != ck.CKK_AES {
		t.Errorf("private %v, label %q, type %v", o.isPrivate(), o.bytes(ck.CKA_LABEL), o.keyType())
	}
	r = unwrapping(nil, rows(ck.CKA_PRIVATE, true))
	r.defaults = defaults
	if o := built(t, r); !o.isPrivate() || string(o.bytes(ck.CKA_LABEL)) != "default" {
		t.Errorf("private %v, label %q", o.isPrivate(), o.bytes(ck.CKA_LABEL))
	}
}

// A mechanism that hands on parts of the base key cannot be used to open it.
func TestInherits(t *testing.T) {
	closed := built(t, creating(with(aesKey, ck.CKA_SENSITIVE, true)))
	open := built(t, creating(with(aesKey, ck.CKA_SENSITIVE, false, ck.CKA_EXTRACTABLE, true)))
	derive := func(base *Object, pairs ...any) (*Object, error) {
		r := deriving(base, pairs...)
		r.inherits, r.defaults = true, rows(ck.CKA_EXTRACTABLE, true, ck.CKA_SENSITIVE, false)
		return build(r)
	}
	_, err := derive(closed, ck.CKA_EXTRACTABLE, true)
	want(t, "extractable", err, ck.CKR_TEMPLATE_INCONSISTENT)
	_, err = derive(closed, ck.CKA_SENSITIVE, false)
	want(t, "not sensitive", err, ck.CKR_TEMPLATE_INCONSISTENT)
	for _, c := range []struct {
		base *Object
		want bool
	}{{closed, true}, {open, false}} {
		o, err := derive(c.base)
		if err != nil {
			t.Fatal(err)
		}
		if o.flag(ck.CKA_SENSITIVE) != c.want || o.flag(ck.CKA_EXTRACTABLE) == c.want {
			t.Errorf("sensitive %v, extractable %v", o.flag(ck.CKA_SENSITIVE), o.flag(ck.CKA_EXTRACTABLE))
		}
		o.release()
	}
}

// What the unwrapping key and the base key impose is added.
func TestImposed(t *testing.T) {
	imposed := rows(ck.CKA_LABEL, "imposed", ck.CKA_DECRYPT, false, ck.CKA_UNWRAP_TEMPLATE, rows(ck.CKA_ID, "1", ck.CKA_LABEL, "2"))
	base := built(t, creating(with(aesKey, ck.CKA_UNWRAP_TEMPLATE, imposed, ck.CKA_DERIVE_TEMPLATE, imposed)))
	turned := rows(ck.CKA_UNWRAP_TEMPLATE, rows(ck.CKA_LABEL, "2", ck.CKA_ID, "1"))
	for _, r := range []*request{unwrapping(base, append(turned, typed...)), madeFrom(base, &request{how: byDerive, template: turned, fixed: aesKey})} {
		o := built(t, r)
		if !o.matches(imposed) {
			t.Errorf("origin %d: not as imposed", r.how)
		}
	}
}

// FuzzTemplate reads any bytes as the template of any operation. What is built keeps all its attributes through the
// encoding, and can be read, found and wiped.
func FuzzTemplate(f *testing.F) {
	for how, t := range [][]ck.Attribute{with(aesKey, ck.CKA_LABEL, "l", ck.CKA_WRAP_TEMPLATE, nested(2)), rows(ck.CKA_VALUE_LEN, 16), typed, rows(ck.CKA_ID, "i"), rows(ck.CKA_PRIVATE, false),
		rows(ck.CKA_CLASS, ck.CKO_DATA, ck.CKA_VALUE, "v"), certificateTemplate, with(desKey, ck.CKA_PRIVATE, false, ck.CKA_CHECK_VALUE, "")} {
		f.Add(byte(how%5), ck.AppendTemplate(nil, t))
		f.Add(byte(byCreate), ck.AppendTemplate(nil, t))
	}
	base := built(f, creating(with(aesKey, ck.CKA_UNWRAP_TEMPLATE, nested(2))))
	f.Fuzz(func(t *testing.T, how byte, b []byte) {
		template, err := ck.ParseTemplate(nil, b)
		if err != nil {
			return
		}
		r := madeFrom(base, &request{how: createdBy(how) % bySet, template: template})
		switch r.how {
		case byGenerate, byDerive:
			r.fixed = aesKey
		case byUnwrap:
			r.fixed = aesKey[2:]
		}
		before := bytes.Clone(b)
		o, err := build(r)
		if !bytes.Equal(b, before) {
			t.Fatal("the template was changed")
		}
		if err != nil {
			if rv := ck.Code(err); rv == ck.CKR_OK || rv == ck.CKR_GENERAL_ERROR {
				t.Fatalf("an error without a code: %v", err)
			}
			return
		}
		defer o.release()
		for _, a := range template {
			_ = o.matches([]ck.Attribute{a})
			row := ck.AttributeBuffer{Type: a.Type}
			_ = o.readAttribute(&row)
		}
		if r.how == byCreate && !o.flag(ck.CKA_SENSITIVE) && o.flag(ck.CKA_EXTRACTABLE) && !o.matches(template) && !o.noCheck {
			t.Fatal("the object is not as its template")
		}
		same(t, o, reread(t, o))
	})
}
