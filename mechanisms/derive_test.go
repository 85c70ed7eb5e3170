package mechanisms

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/softcsp/softcsp/ck"
)

func template(pairs ...uint) (t []ck.Attribute) {
	for i := 0; i < len(pairs); i += 2 {
		t = append(t, ck.Attribute{Type: ck.AttributeType(pairs[i]), Value: ck.UlongValue(pairs[i+1])})
	}
	return t
}

// TestLeadingBytes tries the rule for type and length of what is derived.
func TestLeadingBytes(t *testing.T) {
	t.Parallel()
	const kt, vl = uint(ck.CKA_KEY_TYPE), uint(ck.CKA_VALUE_LEN)
	material := pattern(32)
	for _, c := range []struct {
		template []ck.Attribute
		t        ck.KeyType
		n        int
		err      error
	}{
		{template(), ck.CKK_GENERIC_SECRET, 32, nil},
		{template(vl, 5), ck.CKK_GENERIC_SECRET, 5, nil},
		{template(vl, 33), 0, 0, ck.CKR_KEY_SIZE_RANGE},
		{template(kt, uint(ck.CKK_DES3)), ck.CKK_DES3, 24, nil},
		{template(kt, uint(ck.CKK_DES3), vl, 24), ck.CKK_DES3, 24, nil},
		{template(kt, uint(ck.CKK_DES3), vl, 16), 0, 0, ck.CKR_TEMPLATE_INCONSISTENT},
		{template(kt, uint(ck.CKK_AES)), 0, 0, ck.CKR_TEMPLATE_INCOMPLETE},
		{template(kt, uint(ck.CKK_AES), vl, 24), ck.CKK_AES, 24, nil},
		{template(kt, uint(ck.CKK_AES), vl, 20), 0, 0, ck.CKR_KEY_SIZE_RANGE},
		{template(kt, uint(ck.CKK_RSA), vl, 20), 0, 0, ck.CKR_KEY_SIZE_RANGE},
		{[]ck.Attribute{{Type: ck.CKA_VALUE_LEN, Value: []byte{1}}}, 0, 0, ck.CKR_ATTRIBUTE_VALUE_INVALID},
	} {
		var d Derived
		err := d.setLeading(&Base{Template: c.template}, bytes.Clone(material))
		if err != c.err || err == nil && (d.Type != c.t || len(d.Value) != c.n) {
			t.Errorf("%v: %d bytes of type %v, %v; want %d of %v, %v", c.template, len(d.Value), d.Type, err, c.n, c.t, c.err)
		}
		want := bytes.Clone(material[:c.n])
		if FixParity(c.t, want); !bytes.Equal(d.Value, want) {
			t.Errorf("%v: %x, want %x", c.template, d.Value, want)
		}
	}
}

// TestDerive is the battery of Derive: it needs a key, and gives the same again, in the room that the caller reuses.
func TestDerive(t *testing.T) {
	t.Parallel()
	n := 0
	for _, s := range samples(t) {
		if s.row.Derive == nil || onlySize(s.row) != 0 {
			continue
		}
		n++
		want := s.size(8)
		var d Derived
		var first []byte
		for range 2 {
			p := s.param()
			before := bytes.Clone(s.key.Value)
			if err := s.row.Derive(&Base{Key: s.key, Template: template(uint(ck.CKA_VALUE_LEN), want, uint(ck.CKA_KEY_TYPE), uint(ck.CKK_GENERIC_SECRET)), Lookup: s.lookup}, &p, &d); err != nil {
				t.Fatalf("%s: %v", s.name, err)
			}
			if len(d.Value) != int(want) || &d.Value[0] != &d.buf[0] || first != nil && !bytes.Equal(first, d.Value) {
				t.Errorf("%s: %x after %x", s.name, d.Value, first)
			}
			if !bytes.Equal(before, s.key.Value) {
				t.Errorf("%s changes its base key", s.name)
			}
			first = bytes.Clone(d.Value)
			d.Wipe()
			if d.buf != [len(d.buf)]byte{} {
				t.Errorf("%s leaves something behind", s.name)
			}
		}
		p := s.param()
		if err := s.row.Derive(&Base{}, &p, &d); err != ck.CKR_KEY_HANDLE_INVALID {
			t.Errorf("%s without a key: %v", s.name, err)
		}
	}
	if n < 100 {
		t.Errorf("%d derivations", n)
	}
}

// TestEncryptDataDES3 compares with encryption.
func TestEncryptDataDES3(t *testing.T) {
	t.Parallel()
	for _, kt := range tdeKeys {
		n, _ := Size(kt)
		k, iv, data := secretKey(kt, pattern(int(n))), pattern(8), pattern(40)
		var d Derived
		p := params(iv, pointed(data))
		if err := Lookup(ck.CKM_DES3_CBC_ENCRYPT_DATA).Derive(&Base{Key: k}, &p, &d); err != nil {
			t.Fatal(err)
		}
		if want := mustWhole(t, Lookup(ck.CKM_DES3_CBC).Encrypt, k, params(iv), data); !bytes.Equal(d.Value, want) {
			t.Errorf("%v: %x, want %x", kt, d.Value, want)
		}
	}
}

// TestConcatenateKeys is the example of PKCS #11, "Concatenation of a base key and another key".
func TestConcatenateKeys(t *testing.T) {
	t.Parallel()
	base := secretKey(ck.CKK_GENERIC_SECRET, []byte{0x01, 0x23, 0x45, 0x67})
	lookup := func(ck.ObjectHandle) (*Key, error) { return secretKey(ck.CKK_AES, []byte{0x89, 0xab, 0xcd, 0xef}), nil }
	got, err := derived(ck.CKM_CONCATENATE_BASE_AND_KEY, base, lookup, nil, 1)
	if err != nil || fmt.Sprintf("%x", got) != "0123456789abcdef" {
		t.Errorf("%x, %v", got, err)
	}
}
