package token

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/store"
)

// A kept is an object as softcsp 0.2 showed it: store/testdata/v1/README.md.
type kept struct {
	Label      string
	Attributes map[string]string
	ECB        string
	Signature  string
	Wrapped    string
}

// oldModule opens a copy of a token that softcsp 0.2 made.
func oldModule(t *testing.T, kind, settings string) (*Module, ck.SlotID, []kept) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("../store/testdata/v1", kind, "*.token"))
	must(t, err)
	if len(files) != 1 {
		t.Fatalf("files %v", files)
	}
	b, err := os.ReadFile(files[0])
	must(t, err)
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, filepath.Base(files[0])), b, 0o600))
	var list []kept
	b, err = os.ReadFile(filepath.Join("../store/testdata/v1", kind+".json"))
	must(t, err)
	must(t, json.Unmarshal(b, &list))
	m := New()
	must(t, m.Initialize(ck.InitArgs{Reserved: "tokendir='" + dir + "' " + settings}))
	t.Cleanup(func() { must(t, m.Finalize()) })
	slots, err := m.GetSlotList(true)
	must(t, err)
	return m, slots[0], list
}

// shown returns an object's attributes in the form of a kept.
func shown(m *Module, s ck.SessionHandle, h ck.ObjectHandle, like kept) (map[string]string, error) {
	out := map[string]string{}
	for name := range like.Attributes {
		at, ok := ck.ParseAttributeType(name)
		if !ok {
			return nil, ck.CKR_ATTRIBUTE_TYPE_INVALID
		}
		rows := []ck.AttributeBuffer{{Type: at, Buffer: ck.Into(make([]byte, 4096))}}
		if err := m.GetAttributeValue(s, h, rows); err == nil {
			out[name] = hex.EncodeToString(rows[0].Data[:rows[0].N])
		}
	}
	return out, nil
}

// TestOldTokens uses every object of tokens that 0.2 made, after the login that upgrades them and after another.
func TestOldTokens(t *testing.T) {
	for _, kind := range []string{"strict", "standard"} {
		for _, settings := range []string{"", "key_separation='strict'", "key_separation='standard'"} {
			t.Run(kind+" "+settings, func(t *testing.T) { testOldToken(t, kind, settings) })
		}
	}
}

func testOldToken(t *testing.T, kind, settings string) {
	t.Setenv("XDG_STATE_HOME", t.TempDir()) // for this machine has seen no later state of the token
	m, slot, list := oldModule(t, kind, settings)
	s := open(t, m, slot, true)
	if n := len(find(t, m, s, attr(ck.CKA_TOKEN, true))); n != 6 {
		t.Errorf("%d public objects before the login", n)
	}
	must(t, m.Login(s, ck.CKU_USER, []byte(userPIN)))
	for range 2 {
		if n := len(find(t, m, s, attr(ck.CKA_TOKEN, true))); n != len(list) {
			t.Errorf("%d objects, want %d", n, len(list))
		}
		for _, k := range list {
			class, _ := hex.DecodeString(k.Attributes["CKA_CLASS"])
			h := find(t, m, s, attr(ck.CKA_LABEL, k.Label), attr(ck.CKA_CLASS, class))
			if len(h) != 1 {
				t.Errorf("%d objects %q", len(h), k.Label)
				continue
			}
			useOld(t, m, s, h[0], k)
		}
		must(t, m.Logout(s))
		must(t, m.Login(s, ck.CKU_USER, []byte(userPIN)))
	}
	must(t, m.Logout(s))
	must(t, m.Login(s, ck.CKU_SO, []byte(soPIN)))
}

// useOld holds an object against what it was.
func useOld(t *testing.T, m *Module, s ck.SessionHandle, h ck.ObjectHandle, k kept) {
	t.Helper()
	got, err := shown(m, s, h, k)
	must(t, err)
	for name, v := range k.Attributes {
		if got[name] != v {
			t.Errorf("%s: %s is %q, was %q", k.Label, name, got[name], v)
		}
	}
	_, o, err := sessionOf(t, m, s).object(h)
	must(t, err)
	if o.origin != store.OriginBefore2 || o.separation != store.SeparationStandard {
		t.Errorf("%s: %v, born in %v", k.Label, o.origin, o.separation)
	}
	o.release()
	out := make([]byte, 256)
	buf := ck.Into(out)
	if k.ECB != "" {
		must(t, m.EncryptInit(s, &ck.Mechanism{Type: ck.CKM_AES_ECB}, h))
		must(t, m.Encrypt(s, make([]byte, 16), &buf))
		if got := hex.EncodeToString(out[:buf.N]); got != k.ECB {
			t.Errorf("%s encrypts to %s, did to %s", k.Label, got, k.ECB)
		}
	}
	if k.Signature != "" {
		mech := &ck.Mechanism{Type: map[string]ck.MechanismType{"rsa": ck.CKM_SHA256_RSA_PKCS, "ec": ck.CKM_ECDSA_SHA256}[k.Label]}
		signature, err := hex.DecodeString(k.Signature)
		must(t, err)
		public := find(t, m, s, attr(ck.CKA_LABEL, k.Label), attr(ck.CKA_CLASS, ck.CKO_PUBLIC_KEY))[0]
		must(t, m.VerifyInit(s, mech, public))
		must(t, m.Verify(s, []byte("softcsp"), signature))
		must(t, m.SignInit(s, mech, h))
		must(t, m.Sign(s, []byte("softcsp"), &buf))
		must(t, m.VerifyInit(s, mech, public))
		must(t, m.Verify(s, []byte("softcsp"), out[:buf.N]))
	}
	if k.Wrapped != "" {
		wrapped, err := hex.DecodeString(k.Wrapped)
		must(t, err)
		wrapper := find(t, m, s, attr(ck.CKA_LABEL, "wrapper"))[0]
		again, err := m.UnwrapKey(s, &ck.Mechanism{Type: ck.CKM_AES_KEY_WRAP_KWP}, wrapper, wrapped, []ck.Attribute{
			attr(ck.CKA_CLASS, ck.CKO_SECRET_KEY), attr(ck.CKA_KEY_TYPE, ck.CKK_AES), attr(ck.CKA_SENSITIVE, true), attr(ck.CKA_ENCRYPT, true),
		})
		must(t, err)
		must(t, m.EncryptInit(s, &ck.Mechanism{Type: ck.CKM_AES_ECB}, again))
		must(t, m.Encrypt(s, make([]byte, 16), &buf))
		if got := hex.EncodeToString(out[:buf.N]); got != k.ECB {
			t.Errorf("what the wrapper unwraps encrypts to %s, want %s", got, k.ECB)
		}
	}
}
