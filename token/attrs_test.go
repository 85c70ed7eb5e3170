package token

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/mechanisms"
)

func TestRead(t *testing.T) {
	closed := derivedKey(t, ck.CKA_LABEL, "label", ck.CKA_WRAP_TEMPLATE, rows(ck.CKA_ID, "id", ck.CKA_TOKEN, true))
	closed.uniqueNumber = 0x123
	open := built(t, creating(with(aesKey, ck.CKA_SENSITIVE, false, ck.CKA_EXTRACTABLE, true)))
	halves := []*Object{built(t, creating(with(aesKey, ck.CKA_SENSITIVE, false, ck.CKA_EXTRACTABLE, false))), built(t, creating(with(aesKey, ck.CKA_SENSITIVE, true, ck.CKA_EXTRACTABLE, true)))}
	des, cert := built(t, creating(desKey)), built(t, creating(certificateTemplate))
	for _, c := range []struct {
		o    *Object
		t    ck.AttributeType
		want any // the value, or the error
	}{
		{closed, ck.CKA_LABEL, "label"}, {closed, ck.CKA_ID, ""}, {closed, ck.CKA_UNIQUE_ID, "0000000000000123"},
		{closed, ck.CKA_CLASS, ck.CKO_SECRET_KEY}, {closed, ck.CKA_KEY_TYPE, ck.CKK_AES}, {closed, ck.CKA_SENSITIVE, true}, {closed, ck.CKA_TOKEN, false},
		{closed, ck.CKA_VALUE_LEN, 16}, {closed, ck.CKA_CHECK_VALUE, mechanisms.CheckValue(ck.CKK_AES, value16)},
		{closed, ck.CKA_KEY_GEN_MECHANISM, ck.UnavailableInformation}, {closed, ck.CKA_ALLOWED_MECHANISMS, ""}, {closed, ck.CKA_START_DATE, ""},
		{closed, ck.CKA_OBJECT_VALIDATION_FLAGS, 0}, {closed, ck.CKA_SOFTCSP_SALT, "salt"}, {closed, ck.CKA_SOFTCSP_EFFECTIVE_BITS, 128},
		{closed, ck.CKA_VALUE, ck.CKR_ATTRIBUTE_SENSITIVE}, {halves[0], ck.CKA_VALUE, ck.CKR_ATTRIBUTE_SENSITIVE}, {halves[1], ck.CKA_VALUE, ck.CKR_ATTRIBUTE_SENSITIVE},
		{open, ck.CKA_VALUE, value16}, {open, ck.CKA_SOFTCSP_SALT, ck.CKR_ATTRIBUTE_TYPE_INVALID},
		{closed, mechanisms.CKA_SOFTCSP_BASE_HASH, ck.CKR_ATTRIBUTE_TYPE_INVALID}, {closed, ck.CKA_MODULUS, ck.CKR_ATTRIBUTE_TYPE_INVALID},
		{des, ck.CKA_VALUE_LEN, ck.CKR_ATTRIBUTE_TYPE_INVALID}, {cert, ck.CKA_SENSITIVE, ck.CKR_ATTRIBUTE_TYPE_INVALID},
		{cert, ck.CKA_VALUE, "certificate"}, {cert, ck.CKA_NAME_HASH_ALGORITHM, ck.CKM_SHA_1}, {cert, ck.CKA_CERTIFICATE_CATEGORY, 0},
		{cert, ck.CKA_CHECK_VALUE, []byte{0x73, 0x5a, 0xd5}}, {cert, ck.CKA_CERTIFICATE_TYPE, ck.CKC_X_509}, {cert, ck.CKA_ISSUER, ""},
	} {
		what := fmt.Sprint(c.o.class(), " ", c.t)
		query := ck.AttributeBuffer{Type: c.t}
		err := c.o.readAttribute(&query)
		if rv, ok := c.want.(ck.RV); ok {
			want(t, what, err, rv)
			if query.N != ck.UnavailableInformation {
				t.Errorf("%s: length %d", what, query.N)
			}
			continue
		}
		exact := rows(c.t, c.want)[0].Value
		if err != nil || query.N != uint(len(exact)) {
			t.Errorf("%s: query: %v, length %d", what, err, query.N)
		}
		data := bytes.Repeat([]byte{0xaa}, len(exact)+1)
		row := ck.AttributeBuffer{Type: c.t, Buffer: ck.Into(data)}
		if err := c.o.readAttribute(&row); err != nil || !bytes.Equal(data[:row.N], exact) || data[len(exact)] != 0xaa {
			t.Errorf("%s: %v, %x, want %x", what, err, data, exact)
		}
		if len(exact) == 0 {
			continue
		}
		row = ck.AttributeBuffer{Type: c.t, Buffer: ck.Into(data[:len(exact)-1])}
		want(t, what, c.o.readAttribute(&row), ck.CKR_BUFFER_TOO_SMALL)
		if row.N != ck.UnavailableInformation {
			t.Errorf("%s: length %d in a short buffer", what, row.N)
		}
	}
}

func TestReadTemplate(t *testing.T) {
	o := built(t, creating(with(aesKey, ck.CKA_UNWRAP_TEMPLATE, rows(ck.CKA_ID, "id", ck.CKA_UNWRAP_TEMPLATE, rows(ck.CKA_LABEL, "inner")))))
	row := ck.AttributeBuffer{Type: ck.CKA_UNWRAP_TEMPLATE}
	if err := o.readAttribute(&row); err != nil || row.N != 2*attributeSize {
		t.Fatalf("%v, %d bytes", err, row.N)
	}
	row.Has, row.Sub = true, make([]ck.AttributeBuffer, 1)
	want(t, "one element", o.readAttribute(&row), ck.CKR_BUFFER_TOO_SMALL)
	row.Sub = make([]ck.AttributeBuffer, 2)
	if err := o.readAttribute(&row); err != nil || row.Sub[0].Type != ck.CKA_ID || row.Sub[0].N != 2 || row.Sub[1].N != attributeSize {
		t.Fatalf("%v, %+v", err, row.Sub)
	}
	id, label := make([]byte, 1), make([]byte, 5)
	row.Sub[0].Buffer = ck.Into(id)
	row.Sub[1].Has, row.Sub[1].Sub = true, []ck.AttributeBuffer{{Buffer: ck.Into(label)}}
	want(t, "short element", o.readAttribute(&row), ck.CKR_BUFFER_TOO_SMALL)
	if row.Sub[0].N != ck.UnavailableInformation || string(label) != "inner" || row.Sub[1].Sub[0].Type != ck.CKA_LABEL {
		t.Errorf("%+v, %q", row.Sub, label)
	}
}

func TestMatches(t *testing.T) {
	o := derivedKey(t, ck.CKA_LABEL, "label")
	o.uniqueNumber = 0x123
	open := built(t, creating(with(aesKey, ck.CKA_SENSITIVE, false, ck.CKA_EXTRACTABLE, true)))
	for _, c := range []struct {
		o    *Object
		tmpl []ck.Attribute
		want bool
	}{
		{o, nil, true},
		{o, rows(ck.CKA_CLASS, ck.CKO_SECRET_KEY, ck.CKA_LABEL, "label", ck.CKA_ID, "", ck.CKA_SENSITIVE, true), true},
		{o, rows(ck.CKA_CLASS, ck.CKO_SECRET_KEY, ck.CKA_LABEL, "other"), false},
		{o, rows(ck.CKA_CLASS, ck.CKO_DATA), false},
		{o, rows(ck.CKA_CLASS, "x"), false},
		{o, rows(ck.CKA_SENSITIVE, false), false},
		{o, rows(ck.CKA_SENSITIVE, ""), false},
		{o, rows(ck.CKA_UNIQUE_ID, "0000000000000123"), true},
		{o, rows(ck.CKA_UNIQUE_ID, "012"), false},
		{o, rows(ck.CKA_MODULUS, ""), false},
		{o, rows(ck.CKA_VALUE, value16), false},
		{o, rows(mechanisms.CKA_SOFTCSP_BASE_HASH, "the hash of the base data"), false},
		{o, rows(ck.CKA_SOFTCSP_PROVIDER, 0), true},
		{o, rows(ck.CKA_VALUE_LEN, 16), true},
		{open, rows(ck.CKA_VALUE, value16), true},
		{open, rows(ck.CKA_VALUE, value16[1:]), false},
		{open, rows(ck.CKA_SOFTCSP_SALT, ""), false},
	} {
		if got := c.o.matches(c.tmpl); got != c.want {
			t.Errorf("%v: %v", c.tmpl, got)
		}
	}
}

// A check value that is not wanted is empty, and stays so.
func TestCheckValue(t *testing.T) {
	for _, c := range []struct {
		t     ck.KeyType
		value []byte
	}{{ck.CKK_AES, value16}, {ck.CKK_DES, value16[:8]}, {ck.CKK_GENERIC_SECRET, []byte("x")}, {ck.CKK_SHA256_HMAC, value16}, {ck.CKK_RC4, value16}} {
		template := rows(ck.CKA_CLASS, ck.CKO_SECRET_KEY, ck.CKA_KEY_TYPE, c.t, ck.CKA_VALUE, c.value)
		want := mechanisms.CheckValue(c.t, c.value)
		if len(want) != 3 {
			t.Fatalf("%v: check value of %d bytes", c.t, len(want))
		}
		if o := built(t, creating(with(template, ck.CKA_CHECK_VALUE, want))); !o.matches(rows(ck.CKA_CHECK_VALUE, want)) {
			t.Errorf("%v: another check value", c.t)
		}
		o := built(t, creating(with(template, ck.CKA_CHECK_VALUE, "")))
		for _, p := range []*Object{o, reread(t, o), built(t, copyOf(o))} {
			row := ck.AttributeBuffer{Type: ck.CKA_CHECK_VALUE}
			if err := p.readAttribute(&row); err != nil || row.N != 0 {
				t.Errorf("%v: %v, %d bytes", c.t, err, row.N)
			}
		}
	}
}

func TestTerms(t *testing.T) {
	o := built(t, creating(with(aesKey, ck.CKA_LABEL, "label", ck.CKA_ID, "id")))
	terms := o.terms()
	if len(terms) != 2 {
		t.Fatalf("%d terms", len(terms))
	}
	for i, a := range rows(ck.CKA_LABEL, "label", ck.CKA_ID, "id") {
		if b, ok := term(nil, a); !ok || !bytes.Equal(b, terms[i]) {
			t.Errorf("%v: %x, want %x", a.Type, b, terms[i])
		}
	}
	for _, a := range rows(ck.CKA_LABEL, "", ck.CKA_VALUE, value16, ck.CKA_CLASS, ck.CKO_SECRET_KEY) {
		if _, ok := term(nil, a); ok {
			t.Errorf("%v is indexed", a.Type)
		}
	}
	a, _ := term(nil, rows(ck.CKA_LABEL, "x")[0])
	b, _ := term(nil, rows(ck.CKA_ID, "x")[0])
	if bytes.Equal(a, b) {
		t.Error("label and id have the same term")
	}
}

func BenchmarkMatches(b *testing.B) {
	b.ReportAllocs()
	o := built(b, creating(session12))
	tmpl := rows(ck.CKA_CLASS, ck.CKO_SECRET_KEY, ck.CKA_KEY_TYPE, ck.CKK_AES, ck.CKA_TOKEN, false, ck.CKA_LABEL, "another key")
	for b.Loop() {
		if o.matches(tmpl) {
			b.Fatal("it matches")
		}
	}
}
