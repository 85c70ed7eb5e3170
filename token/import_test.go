package token

import (
	"bytes"
	"slices"
	"testing"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/store"
)

// importedKey is a key that was generated in another token, as Import takes it.
func importedKey(more ...ck.Attribute) []ck.Attribute {
	return append([]ck.Attribute{
		{Type: ck.CKA_CLASS, Value: secretKeyClass}, {Type: ck.CKA_KEY_TYPE, Value: ck.UlongValue(uint(ck.CKK_AES))},
		{Type: ck.CKA_TOKEN, Value: ck.BoolValue(true)}, {Type: ck.CKA_LABEL, Value: []byte("moved")},
		{Type: ck.CKA_VALUE, Value: bytes.Repeat([]byte{7}, 16)}, {Type: ck.CKA_VALUE_LEN, Value: ck.UlongValue(16)},
		{Type: ck.CKA_SENSITIVE, Value: ck.BoolValue(true)}, {Type: ck.CKA_EXTRACTABLE, Value: ck.BoolValue(false)},
	}, more...)
}

// wholePast is what is said of a key that never left the token that generated it.
var wholePast = []ck.Attribute{
	{Type: ck.CKA_LOCAL, Value: ck.BoolValue(true)}, {Type: ck.CKA_KEY_GEN_MECHANISM, Value: ck.UlongValue(uint(ck.CKM_AES_KEY_GEN))},
	{Type: ck.CKA_ALWAYS_SENSITIVE, Value: ck.BoolValue(true)}, {Type: ck.CKA_NEVER_EXTRACTABLE, Value: ck.BoolValue(true)},
}

// objectOf returns the object of a handle. The caller releases it.
func objectOf(t *testing.T, m *Module, h ck.SessionHandle, o ck.ObjectHandle) *Object {
	t.Helper()
	a, s, err := m.session(h)
	must(t, err)
	defer a.endCall()
	_, object, err := s.object(o)
	must(t, err)
	return object
}

// TestImportPast sees that an imported key has its past, and that the token does not take it for its own.
func TestImportPast(t *testing.T) {
	m, slot := newToken(t)
	h := loggedIn(t, m, slot)
	k, made, err := m.Import(h, importedKey(wholePast...))
	must(t, err)
	if !made {
		t.Error("it was there already")
	}
	o := objectOf(t, m, h, k)
	defer o.release()
	for _, a := range wholePast {
		row := ck.AttributeBuffer{Type: a.Type, Buffer: ck.Into(make([]byte, 8))}
		rows := []ck.AttributeBuffer{row}
		must(t, m.GetAttributeValue(h, k, rows))
		if got := rows[0].Data[:rows[0].N]; !bytes.Equal(got, a.Value) {
			t.Errorf("%v is %x", a.Type, got)
		}
	}
	if o.origin != store.OriginImported || !o.protection().imported {
		t.Errorf("its origin is %v", o.origin)
	}
	_, err = m.CreateObject(h, importedKey(wholePast...))
	want(t, "C_CreateObject with a past", err, ck.CKR_ATTRIBUTE_READ_ONLY)
}

// TestImportFalsePast refuses a past that the key's attributes belie.
func TestImportFalsePast(t *testing.T) {
	m, slot := newToken(t)
	h := loggedIn(t, m, slot)
	for _, lie := range []ck.Attribute{{Type: ck.CKA_SENSITIVE, Value: ck.BoolValue(false)}, {Type: ck.CKA_EXTRACTABLE, Value: ck.BoolValue(true)}} {
		template := importedKey(wholePast...)
		template[slices.IndexFunc(template, func(a ck.Attribute) bool { return a.Type == lie.Type })] = lie
		_, _, err := m.Import(h, template)
		want(t, lie.Type.String(), err, ck.CKR_TEMPLATE_INCONSISTENT)
	}
	template := importedKey(wholePast...)
	template = slices.DeleteFunc(template, func(a ck.Attribute) bool { return a.Type == ck.CKA_SENSITIVE })
	_, _, err := m.Import(h, template)
	want(t, "always sensitive, and nothing of CKA_SENSITIVE", err, ck.CKR_TEMPLATE_INCONSISTENT)
	_, _, err = m.Import(h, importedKey(ck.Attribute{Type: ck.CKA_KEY_GEN_MECHANISM, Value: []byte{1}}))
	want(t, "a mechanism of one byte", err, ck.CKR_TEMPLATE_INCONSISTENT)
	_, _, err = m.Import(h, nil)
	want(t, "nothing", err, ck.CKR_TEMPLATE_INCOMPLETE)
}

// TestImportLeavesOut sees what of a template is left out: what keys do not have, what is the token's own, and trust, which the security officer gives.
func TestImportLeavesOut(t *testing.T) {
	m, slot := newToken(t)
	h := loggedIn(t, m, slot)
	more := []ck.Attribute{
		{Type: ck.CKA_MODULUS_BITS, Value: ck.UlongValue(7)}, {Type: roleWrapping, Value: ck.BoolValue(true)}, {Type: ck.CKA_UNIQUE_ID, Value: []byte("mine")},
		{Type: ck.CKA_TRUSTED, Value: ck.BoolValue(true)}, {Type: ck.CKA_PRIVATE, Value: ck.BoolValue(false)},
	}
	k, _, err := m.Import(h, importedKey(more...))
	must(t, err)
	o := objectOf(t, m, h, k)
	if o.flag(ck.CKA_TRUSTED) || o.flag(roleWrapping) {
		t.Error("the user has made a key trusted, or given it a role")
	}
	o.release()
	must(t, m.DestroyObject(h, k))
	must(t, m.Logout(h))
	must(t, m.Login(h, ck.CKU_SO, []byte(soPIN)))
	k, _, err = m.Import(h, importedKey(more...))
	must(t, err)
	o = objectOf(t, m, h, k)
	defer o.release()
	if !o.flag(ck.CKA_TRUSTED) {
		t.Error("the security officer has not made a key trusted")
	}
}

// TestImportTwice makes an object once, and another one where anything of class, type, label, id and value is different.
func TestImportTwice(t *testing.T) {
	m, slot := newToken(t)
	h := loggedIn(t, m, slot)
	k, _, err := m.Import(h, importedKey(wholePast...))
	must(t, err)
	again, made, err := m.Import(h, importedKey(wholePast...))
	must(t, err)
	if made || again != k {
		t.Errorf("handles %d and %d, made %v", k, again, made)
	}
	for _, other := range []ck.Attribute{
		{Type: ck.CKA_LABEL, Value: []byte("other")}, {Type: ck.CKA_VALUE, Value: bytes.Repeat([]byte{8}, 16)},
		{Type: ck.CKA_KEY_TYPE, Value: ck.UlongValue(uint(ck.CKK_GENERIC_SECRET))}, {Type: ck.CKA_LABEL}, {Type: ck.CKA_TOKEN, Value: ck.BoolValue(false)},
	} {
		template := importedKey()
		template[slices.IndexFunc(template, func(a ck.Attribute) bool { return a.Type == other.Type })] = other
		o, made, err := m.Import(h, template)
		must(t, err)
		if isToken := other.Type != ck.CKA_TOKEN; isToken && (!made || o == k) || !isToken && made {
			t.Errorf("with another %v: %d, made %v", other.Type, o, made)
		}
	}
	if _, made, err := m.Import(h, importedKey(ck.Attribute{Type: ck.CKA_ID, Value: []byte{1}})); err != nil || !made {
		t.Errorf("with an id: %v, %v", made, err)
	}
}
