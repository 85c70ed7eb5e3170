package attrtext

import (
	"bytes"
	"strings"
	"testing"

	"github.com/softcsp/softcsp/ck"
)

// TestValues reads what people write, and writes it again.
func TestValues(t *testing.T) {
	for _, c := range []struct {
		text  string
		value []byte
		again string // where it is written otherwise
	}{
		{"CKA_LABEL=a=b", []byte("a=b"), ""},
		{"label=0x00", []byte("0x00"), "CKA_LABEL=0x00"},
		{"id=0A:0b 0c", []byte{10, 11, 12}, "CKA_ID=0a0b0c"},
		{"CKA_ID=", nil, ""},
		{"always-authenticate=yes", []byte{1}, "CKA_ALWAYS_AUTHENTICATE=true"},
		{"CKA_SIGN=false", []byte{0}, ""},
		{"CKA_VALUE_LEN=32", ck.UlongValue(32), ""},
		{"value_len=0x20", ck.UlongValue(32), "CKA_VALUE_LEN=32"},
		{"CKA_CLASS=data", ck.UlongValue(uint(ck.CKO_DATA)), "CKA_CLASS=CKO_DATA"},
		{"key-type=aes", ck.UlongValue(uint(ck.CKK_AES)), "CKA_KEY_TYPE=CKK_AES"},
		{"CKA_KEY_GEN_MECHANISM=CK_UNAVAILABLE_INFORMATION", ck.UlongValue(ck.UnavailableInformation), ""},
		{"certificate-category=authority", ck.UlongValue(ck.CK_CERTIFICATE_CATEGORY_AUTHORITY), "CKA_CERTIFICATE_CATEGORY=CK_CERTIFICATE_CATEGORY_AUTHORITY"},
		{"CKA_TRUST_SERVER_AUTH=CKT_TRUST_ANCHOR", ck.UlongValue(ck.CKT_TRUST_ANCHOR), ""},
		{"CKA_START_DATE=2026-11-29", []byte("20261129"), ""},
		{"CKA_END_DATE=20261129", []byte("20261129"), "CKA_END_DATE=2026-11-29"},
		{"CKA_END_DATE=", nil, ""},
		{"CKA_ALLOWED_MECHANISMS=CKM_AES_GCM,aes_cbc", ck.AppendUlong(ck.UlongValue(uint(ck.CKM_AES_GCM)), uint(ck.CKM_AES_CBC)), "CKA_ALLOWED_MECHANISMS=CKM_AES_GCM,CKM_AES_CBC"},
		{"CKA_UNWRAP_TEMPLATE={CKA_SIGN=true; CKA_DERIVE_TEMPLATE={CKA_LABEL=a; CKA_ID=01}}", ck.AppendTemplate(nil, []ck.Attribute{
			{Type: ck.CKA_SIGN, Value: []byte{1}},
			{Type: ck.CKA_DERIVE_TEMPLATE, Value: ck.AppendTemplate(nil, []ck.Attribute{{Type: ck.CKA_LABEL, Value: []byte("a")}, {Type: ck.CKA_ID, Value: []byte{1}}})},
		}), ""},
		{"0x80001234=ff", []byte{255}, "CKA_0x80001234=ff"},
	} {
		a, err := ParseAssignment(c.text)
		if err != nil || !bytes.Equal(a.Value, c.value) {
			t.Errorf("%s: %x, %v", c.text, a.Value, err)
			continue
		}
		if c.again == "" {
			c.again = c.text
		}
		if again := a.Type.String() + "=" + Format(a.Type, a.Value); again != c.again {
			t.Errorf("%s is written %s", c.text, again)
		}
	}
}

// TestWrong sees that the error says what is wrong.
func TestWrong(t *testing.T) {
	for text, want := range map[string]string{
		"label":                         "is not NAME=VALUE",
		"lable=x":                       `"lable" is not an attribute`,
		"id=0":                          "even number of hex digits",
		"sign=perhaps":                  "neither true nor false",
		"value_len=x":                   "not a number",
		"class=keys":                    "neither a number nor a name",
		"certificate_category=mine":     "nor one of CK_CERTIFICATE_CATEGORY_UNSPECIFIED",
		"start_date=2026-13-01":         "YYYY-MM-DD",
		"start_date=2026-1-1":           "YYYY-MM-DD",
		"allowed_mechanisms=CKM_NONE":   "no mechanism CKM_NONE",
		"unwrap_template={sign=true":    "not an attribute",
		"unwrap_template={{sign=true}":  "not an attribute",
		"wrap_template={a=1}":           `"a" is not an attribute`,
		"wrap_template=label={; sign=1": "braces",
	} {
		if _, err := ParseAssignment(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

// TestFormat writes what is no value of the attribute's form, and names.
func TestFormat(t *testing.T) {
	for _, c := range []struct {
		typ   ck.AttributeType
		value []byte
		want  string
	}{
		{ck.CKA_LABEL, []byte{0x1b, '['}, "1b5b"},
		{ck.CKA_LABEL, []byte{0xff}, "ff"},
		{ck.CKA_SIGN, []byte{2}, "02"},
		{ck.CKA_VALUE_LEN, []byte{1}, "01"},
		{ck.CKA_START_DATE, []byte("never"), "6e65766572"},
		{ck.CKA_ALLOWED_MECHANISMS, nil, ""},
		{ck.CKA_SUBJECT, []byte("0\x0c1\n0\x08\x06\x03U\x04\x03\x0c\x01x"), "CN=x"},
		{ck.CKA_SUBJECT, []byte("0\x00"), "3000"},
		{ck.CKA_CERTIFICATE_CATEGORY, ck.UlongValue(9), "9"},
	} {
		if got := Format(c.typ, c.value); got != c.want {
			t.Errorf("%v of %x is %q, want %q", c.typ, c.value, got, c.want)
		}
	}
	if FormOf(ck.CKA_ID) != Bytes || !IsSecret(ck.CKA_VALUE) || IsSecret(ck.CKA_MODULUS) {
		t.Error("the table is not asked")
	}
}

// FuzzParse sees that what is read is written so that it reads the same.
func FuzzParse(f *testing.F) {
	for _, text := range []string{"label=x", "id=0a0b", "sign=true", "value_len=32", "start_date=2026-11-29", "allowed_mechanisms=CKM_AES_*",
		"unwrap_template={CKA_SIGN=true; CKA_DERIVE_TEMPLATE={CKA_ID=01}}", "class=data", "0x80001234=ff"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := ParseAssignment(text)
		if err != nil || FormOf(a.Type) == Text || FormOf(a.Type) == Template || FormOf(a.Type) == Name {
			return // a text may be anything, and what is in a template too
		}
		again, err := ParseAssignment(a.Type.String() + "=" + Format(a.Type, a.Value))
		if err != nil || again.Type != a.Type || !bytes.Equal(again.Value, a.Value) {
			t.Errorf("%q is %v, written and read %v, %v", text, a, again, err)
		}
	})
}
