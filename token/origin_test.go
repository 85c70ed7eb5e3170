package token

import (
	"testing"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/store"
)

// TestOrigins makes a key in every way, in a strict token and in a standard one, and reads what the token keeps of it after
// another login.
func TestOrigins(t *testing.T) {
	for _, separation := range []store.Separation{store.SeparationStrict, store.SeparationStandard} {
		m := newModule(t, "key_separation='"+separation.String()+"'")
		slot := lastSlot(t, m)
		must(t, m.InitToken(slot, []byte(soPIN), []byte(pad("test token"))))
		s := open(t, m, slot, true)
		must(t, m.Login(s, ck.CKU_SO, []byte(soPIN)))
		must(t, m.InitPIN(s, []byte(userPIN)))
		must(t, m.Logout(s))
		must(t, m.Login(s, ck.CKU_USER, []byte(userPIN)))
		made := map[ck.ObjectHandle]store.Origin{}
		secret := []ck.Attribute{attr(ck.CKA_CLASS, ck.CKO_SECRET_KEY), attr(ck.CKA_KEY_TYPE, ck.CKK_AES), attr(ck.CKA_TOKEN, true)}
		imported, err := m.CreateObject(s, aesTemplate(true, "a", attr(ck.CKA_DERIVE, true), attr(ck.CKA_WRAP, true), attr(ck.CKA_UNWRAP, true), attr(ck.CKA_EXTRACTABLE, true)))
		must(t, err)
		made[imported] = store.OriginImported
		generated, err := m.GenerateKey(s, &ck.Mechanism{Type: ck.CKM_AES_KEY_GEN}, append(secret, attr(ck.CKA_VALUE_LEN, 16), attr(ck.CKA_EXTRACTABLE, true)))
		must(t, err)
		made[generated] = store.OriginGenerated
		copied, err := m.CopyObject(s, generated, []ck.Attribute{attr(ck.CKA_LABEL, "copy")})
		must(t, err)
		made[copied] = store.OriginGenerated
		derived := ck.ObjectHandle(0)
		must(t, m.DeriveKey(s, &ck.Mechanism{Type: ck.CKM_SHA256_KEY_DERIVATION}, imported, append(secret, attr(ck.CKA_VALUE_LEN, 16)), &derived))
		made[derived] = store.OriginDerived
		wrapped := make([]byte, 64)
		out := ck.Into(wrapped)
		must(t, m.WrapKey(s, &ck.Mechanism{Type: ck.CKM_AES_KEY_WRAP}, imported, generated, &out))
		unwrapped, err := m.UnwrapKey(s, &ck.Mechanism{Type: ck.CKM_AES_KEY_WRAP}, imported, wrapped[:out.N], secret)
		must(t, err)
		made[unwrapped] = store.OriginUnwrapped
		must(t, m.SetAttributeValue(s, imported, []ck.Attribute{attr(ck.CKA_LABEL, "other")}))

		must(t, m.Logout(s))
		must(t, m.Login(s, ck.CKU_USER, []byte(userPIN)))
		found := map[store.Origin]int{}
		for _, h := range find(t, m, s, attr(ck.CKA_CLASS, ck.CKO_SECRET_KEY)) {
			ses := sessionOf(t, m, s)
			_, o, err := ses.object(h)
			must(t, err)
			if found[o.origin]++; o.separation != separation {
				t.Errorf("a key that is %v was born in %v, not %v", o.origin, o.separation, separation)
			}
			o.release()
		}
		want := map[store.Origin]int{}
		for _, o := range made {
			want[o]++
		}
		for o, n := range want {
			if found[o] != n {
				t.Errorf("%d keys are %v, want %d", found[o], o, n)
			}
		}
	}
}

// sessionOf returns the session behind a handle.
func sessionOf(t *testing.T, m *Module, h ck.SessionHandle) *session {
	t.Helper()
	a, s, err := m.session(h)
	must(t, err)
	a.endCall()
	return s
}
