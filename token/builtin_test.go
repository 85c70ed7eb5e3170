package token

import (
	"bytes"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/mechanisms"
)

// What nobody has made is found by its class, in any session, and by nothing else; and nobody can change it.
func TestBuiltin(t *testing.T) {
	m, slot := newToken(t)
	s, err := m.OpenSession(slot, ck.CKF_SERIAL_SESSION)
	must(t, err)
	if all := find(t, m, s); len(all) != 0 {
		t.Errorf("%d objects in a new token", len(all))
	}
	for class, n := range map[ck.ObjectClass]int{ck.CKO_PROFILE: len(profiles), ck.CKO_HW_FEATURE: 1, ck.CKO_MECHANISM: len(mechanisms.Types()), ck.CKO_VALIDATION: 0} {
		found := find(t, m, s, rows(ck.CKA_CLASS, class)...)
		if len(found) != n {
			t.Fatalf("%v: %d objects, want %d", class, len(found), n)
		}
		if again := find(t, m, s, rows(ck.CKA_CLASS, class, ck.CKA_TOKEN, true)...); !slices.Equal(again, found) {
			t.Errorf("%v: other handles the second time", class)
		}
		if session := find(t, m, s, rows(ck.CKA_CLASS, class, ck.CKA_TOKEN, false)...); len(session) != 0 {
			t.Errorf("%v: %d session objects", class, len(session))
		}
		ids := make(map[string]bool)
		for _, o := range found {
			id, err := read(m, s, o, ck.CKA_UNIQUE_ID)
			must(t, err)
			ids[string(id)] = true
		}
		if len(ids) != n {
			t.Errorf("%v: %d unique numbers of %d objects", class, len(ids), n)
		}
	}
	clock := find(t, m, s, rows(ck.CKA_CLASS, ck.CKO_HW_FEATURE, ck.CKA_HW_FEATURE_TYPE, uint(ck.CKH_CLOCK))...)[0]
	v, err := read(m, s, clock, ck.CKA_VALUE)
	must(t, err)
	if at, err := time.Parse("20060102150405", string(v[:14])); err != nil || len(v) != 16 || time.Since(at).Abs() > time.Minute {
		t.Errorf("the clock says %q", v)
	}
	must(t, m.CloseSession(s))
	s = loggedIn(t, m, slot)
	profile := find(t, m, s, rows(ck.CKA_CLASS, ck.CKO_PROFILE, ck.CKA_PROFILE_ID, uint(ck.CKP_BASELINE_PROVIDER))...)[0]
	for _, o := range []ck.ObjectHandle{clock, profile} {
		want(t, "destroy", m.DestroyObject(s, o), ck.CKR_ACTION_PROHIBITED)
		want(t, "change", m.SetAttributeValue(s, o, rows(ck.CKA_LABEL, "mine")), ck.CKR_ACTION_PROHIBITED)
		_, err := m.CopyObject(s, o, nil)
		want(t, "copy", err, ck.CKR_ACTION_PROHIBITED)
		want(t, "use", m.EncryptInit(s, &ck.Mechanism{Type: ck.CKM_AES_ECB}, o), ck.CKR_KEY_HANDLE_INVALID)
		if n, err := m.GetObjectSize(s, o); err != nil || n == 0 {
			t.Errorf("size %d, %v", n, err)
		}
	}
	label, err := read(m, s, profile, ck.CKA_LABEL)
	if must(t, err); !bytes.Equal(label, []byte("CKP_BASELINE_PROVIDER")) {
		t.Errorf("label %q", label)
	}
	must(t, m.Logout(s))
	if _, err := read(m, s, profile, ck.CKA_PROFILE_ID); err != nil {
		t.Errorf("after logging out: %v", err)
	}
}

// profileFunctions are the functions that "PKCS #11 Profiles" asks for, beside those of the baseline.
var profileFunctions = map[ck.ProfileID][]string{
	ck.CKP_BASELINE_PROVIDER: {"Initialize", "Finalize", "GetInfo", "GetSlotList", "GetSlotInfo", "GetTokenInfo", "OpenSession", "CloseSession",
		"GetSessionInfo", "FindObjectsInit", "FindObjects", "FindObjectsFinal", "GetAttributeValue"},
	ck.CKP_EXTENDED_PROVIDER:    {"GetMechanismList", "GetMechanismInfo", "Login", "LoginUser", "Logout"},
	ck.CKP_AUTHENTICATION_TOKEN: {"Login", "LoginUser", "Logout", "SignInit", "Sign", "SignUpdate", "SignFinal"},
	ck.CKP_HKDF_TLS_TOKEN:       {"DeriveKey"},
}

// A profile is claimed only where its functions are there.
func TestProfiles(t *testing.T) {
	for _, p := range profiles {
		names := profileFunctions[p]
		if len(names) == 0 {
			t.Errorf("%v is claimed, and nobody knows what it asks for", p)
		}
		for _, name := range names {
			f := reflect.ValueOf(New()).MethodByName(name)
			if name == "Initialize" {
				continue // every test calls it
			}
			args := make([]reflect.Value, f.Type().NumIn())
			for i := range args {
				args[i] = reflect.Zero(f.Type().In(i))
			}
			out := f.Call(args)
			if err, _ := out[len(out)-1].Interface().(error); ck.Code(err) == ck.CKR_FUNCTION_NOT_SUPPORTED {
				t.Errorf("%v asks for C_%s", p, name)
			}
		}
	}
	if mechanisms.Lookup(ck.CKM_HKDF_DATA) == nil {
		t.Error("CKP_HKDF_TLS_TOKEN asks for CKM_HKDF_DATA")
	}
}

// TestTrust makes trust objects (section 4.7).
func TestTrust(t *testing.T) {
	trust := rows(ck.CKA_CLASS, ck.CKO_TRUST, ck.CKA_ISSUER, "issuer", ck.CKA_SERIAL_NUMBER, "1")
	for what, c := range map[string]struct {
		template []ck.Attribute
		want     ck.RV
	}{
		"of nothing":          {trust, ck.CKR_OK},
		"without an issuer":   {rows(ck.CKA_CLASS, ck.CKO_TRUST, ck.CKA_SERIAL_NUMBER, "1"), ck.CKR_TEMPLATE_INCOMPLETE},
		"without a number":    {rows(ck.CKA_CLASS, ck.CKO_TRUST, ck.CKA_ISSUER, "issuer"), ck.CKR_TEMPLATE_INCOMPLETE},
		"distrust":            {with(trust, ck.CKA_TRUST_SERVER_AUTH, ck.CKT_NOT_TRUSTED), ck.CKR_OK},
		"trust in nothing":    {with(trust, ck.CKA_TRUST_SERVER_AUTH, ck.CKT_TRUST_ANCHOR), ck.CKR_TEMPLATE_INCOMPLETE},
		"trust":               {with(trust, ck.CKA_TRUST_SERVER_AUTH, ck.CKT_TRUST_ANCHOR, ck.CKA_HASH_OF_CERTIFICATE, "hash"), ck.CKR_OK},
		"another value":       {with(trust, ck.CKA_TRUST_OCSP_SIGNING, 5), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		"a value of one byte": {with(trust, ck.CKA_TRUST_OCSP_SIGNING, "5"), ck.CKR_ATTRIBUTE_VALUE_INVALID},
	} {
		o, err := build(creating(c.template))
		want(t, what, err, c.want)
		if o != nil {
			o.release()
		}
	}
	m, slot := newToken(t)
	s := loggedIn(t, m, slot)
	o, err := m.CreateObject(s, with(trust, ck.CKA_TOKEN, true))
	must(t, err)
	for _, is := range rows(ck.CKA_PRIVATE, false, ck.CKA_MODIFIABLE, true, ck.CKA_NAME_HASH_ALGORITHM, ck.CKM_SHA_1, ck.CKA_TRUST_CLIENT_AUTH, ck.CKT_TRUST_UNKNOWN) {
		if v, err := read(m, s, o, is.Type); err != nil || !bytes.Equal(v, is.Value) {
			t.Errorf("%v is %x, %v", is.Type, v, err)
		}
	}
	want(t, "trust in nothing", m.SetAttributeValue(s, o, rows(ck.CKA_TRUST_CLIENT_AUTH, ck.CKT_TRUSTED)), ck.CKR_TEMPLATE_INCONSISTENT)
	must(t, m.SetAttributeValue(s, o, rows(ck.CKA_TRUST_CLIENT_AUTH, ck.CKT_NOT_TRUSTED)))
	must(t, m.Logout(s))
	if found := find(t, m, s, rows(ck.CKA_SERIAL_NUMBER, "1", ck.CKA_CLASS, ck.CKO_TRUST, ck.CKA_TRUST_CLIENT_AUTH, ck.CKT_NOT_TRUSTED)...); len(found) != 1 {
		t.Errorf("%d trust objects found without a login", len(found))
	}
}
