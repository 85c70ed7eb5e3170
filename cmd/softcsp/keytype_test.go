package main

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/mechanisms"
)

// notGenerated are the mechanisms that generate something, and are of no use to key generate: from a password, for one handshake, or what is no
// key.
var notGenerated = []ck.MechanismType{
	ck.CKM_SSL3_PRE_MASTER_KEY_GEN, ck.CKM_TLS_PRE_MASTER_KEY_GEN,
	ck.CKM_PBE_MD2_DES_CBC, ck.CKM_PBE_MD5_DES_CBC, ck.CKM_PBE_SHA1_RC4_128, ck.CKM_PBE_SHA1_RC4_40, ck.CKM_PBE_SHA1_DES3_EDE_CBC,
	ck.CKM_PBE_SHA1_DES2_EDE_CBC, ck.CKM_PBE_SHA1_RC2_128_CBC, ck.CKM_PBE_SHA1_RC2_40_CBC, ck.CKM_PKCS5_PBKD2, ck.CKM_PBA_SHA1_WITH_SHA1_HMAC,
	ck.CKM_DSA_PARAMETER_GEN, ck.CKM_DSA_PROBABILISTIC_PARAMETER_GEN, ck.CKM_DSA_SHAWE_TAYLOR_PARAMETER_GEN, ck.CKM_DSA_FIPS_G_GEN,
	ck.CKM_DH_PKCS_PARAMETER_GEN, ck.CKM_X9_42_DH_PARAMETER_GEN,
}

// otherWays are the mechanisms that --mechanism chooses, for keys that another one makes by default.
var otherWays = []ck.MechanismType{ck.CKM_RSA_X9_31_KEY_PAIR_GEN, ck.CKM_EC_KEY_PAIR_GEN_W_EXTRA_BITS}

// TestGeneratedTypes holds the types of keys that can be generated against the mechanisms of the library.
func TestGeneratedTypes(t *testing.T) {
	named := make(map[ck.MechanismType]bool)
	words := make(map[string]bool)
	for i := range generatedTypes {
		g := &generatedTypes[i]
		if words[g.name] {
			t.Errorf("%s twice", g.name)
		}
		words[g.name], named[g.mech] = true, true
	}
	for _, m := range slices.Concat(notGenerated, otherWays) {
		if named[m] {
			t.Errorf("%v is generated all the same", m)
		}
		named[m] = true
	}
	for _, id := range mechanisms.Types() {
		m := mechanisms.Lookup(id)
		if generates := m.Has(ck.CKF_GENERATE) || m.Has(ck.CKF_GENERATE_KEY_PAIR); generates != named[id] {
			t.Errorf("%v generates: %v; key generate knows it: %v", id, generates, named[id])
		}
	}
	for _, id := range otherWays {
		makes := mechanisms.Lookup(id).Makes
		if !slices.ContainsFunc(generatedTypes, func(g generatedType) bool { return g.makes() == makes }) {
			t.Errorf("%v makes keys of no type", id)
		}
	}
}

// TestGenerateAll makes a key of each type and size in a token in memory, but for those that take long.
func TestGenerateAll(t *testing.T) {
	a := &app{out: new(strings.Builder), err: new(strings.Builder)}
	s, err := a.scratch()
	if err != nil {
		t.Fatal(err)
	}
	defer s.client.close()
	if err := errors.Join(s.loginWith(ck.CKU_SO, []byte("scratch")), s.InitPIN(s.handle, []byte("1234")), s.Logout(s.handle), s.loginWith(ck.CKU_USER, []byte("1234"))); err != nil {
		t.Fatal(err)
	}
	for i := range generatedTypes {
		g := &generatedTypes[i]
		for _, size := range append([]string{""}, g.sizes...) {
			typ := g.name
			if size != "" {
				typ += ":" + size
			}
			x := &generation{typ: typ, exponent: 65537, public: true, target: newTarget("key")}
			x.target.object.label = typ
			if err := x.check(); err != nil {
				t.Errorf("%s: %v", typ, err)
				continue
			}
			if slow(typ) {
				continue
			}
			checkGenerated(t, s, x)
		}
	}
}

// slow reports whether keys of a type take long to make.
func slow(typ string) bool {
	switch name, size, _ := strings.Cut(typ, ":"); name {
	case "dsa":
		return size != "1024"
	case "rsa":
		return size != "2048"
	case "dh", "dhx":
		return !strings.HasSuffix(size, "2048")
	case "slh-dsa":
		return !strings.HasSuffix(size, "f")
	}
	return false
}

// checkGenerated makes a key in a session, which is not kept, and looks at it.
func checkGenerated(t *testing.T, s *session, x *generation) {
	t.Helper()
	if err := x.run(s); err != nil {
		t.Errorf("%s: %v", x.typ, err)
		return
	}
	list, err := s.find(ck.Attribute{Type: ck.CKA_LABEL, Value: []byte(x.typ)})
	want := 1
	if x.what.isPair() {
		want = 2
	}
	if err != nil || len(list) != want {
		t.Errorf("%s: %d objects, %v", x.typ, len(list), err)
	}
	ids := make(map[string]bool)
	for _, o := range list {
		r, err := s.object(o)
		if err != nil || r.ID == "" || r.Bits == 0 && r.Set == "" {
			t.Errorf("%s: %+v, %v", x.typ, r, err)
		}
		if _, size, has := strings.Cut(x.typ, ":"); has && r.size != size {
			t.Errorf("%s has the size %s", x.typ, r.size)
		}
		ids[r.ID] = true
		if err := s.DestroyObject(s.handle, o); err != nil {
			t.Error(err)
		}
	}
	if len(ids) != 1 {
		t.Errorf("%s: the ids are %v", x.typ, ids)
	}
}
