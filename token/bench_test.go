package token

import (
	"testing"

	"github.com/softcsp/softcsp/capi"
	"github.com/softcsp/softcsp/ck"
)

// bench returns a session of the user's for a benchmark.
func bench(b *testing.B) (*Module, ck.SessionHandle) {
	b.Helper()
	ok := func(err error) {
		if err != nil {
			b.Fatal(err)
		}
	}
	m := New()
	ok(m.Initialize(ck.InitArgs{Reserved: "tokendir='" + b.TempDir() + "' kdf='test'"}))
	b.Cleanup(func() { _ = m.Finalize() })
	slots, err := m.GetSlotList(true)
	ok(err)
	ok(m.InitToken(slots[0], []byte(soPIN), []byte(pad("bench"))))
	s, err := m.OpenSession(slots[0], ck.CKF_SERIAL_SESSION|ck.CKF_RW_SESSION)
	ok(err)
	ok(m.Login(s, ck.CKU_SO, []byte(soPIN)))
	ok(m.InitPIN(s, []byte(userPIN)))
	ok(m.Logout(s))
	ok(m.Login(s, ck.CKU_USER, []byte(userPIN)))
	return m, s
}

// each runs f with a session key and with a token key.
func each(b *testing.B, f func(b *testing.B, m *Module, s ck.SessionHandle, k ck.ObjectHandle)) {
	m, s := bench(b)
	for _, token := range []bool{false, true} {
		name := "session"
		if token {
			name = "token"
		}
		k, err := m.CreateObject(s, aesTemplate(token, name, attr(ck.CKA_SIGN, true), attr(ck.CKA_DERIVE, true)))
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			f(b, m, s, k)
		})
	}
}

func BenchmarkEncryptGCM16(b *testing.B) {
	each(b, func(b *testing.B, m *Module, s ck.SessionHandle, k ck.ObjectHandle) {
		mech, data, dst := gcmMechanism(), make([]byte, 16), make([]byte, 32)
		param := mech.Param
		for b.Loop() {
			mech.Param = param
			out := ck.Into(dst)
			if m.EncryptInit(s, mech, k) != nil || m.Encrypt(s, data, &out) != nil {
				b.Fatal("not encrypted")
			}
		}
	})
}

func BenchmarkSignCMAC16(b *testing.B) {
	each(b, func(b *testing.B, m *Module, s ck.SessionHandle, k ck.ObjectHandle) {
		mech, data, dst := &ck.Mechanism{Type: ck.CKM_AES_CMAC}, make([]byte, 16), make([]byte, 32)
		for b.Loop() {
			out := ck.Into(dst)
			if m.SignInit(s, mech, k) != nil || m.Sign(s, data, &out) != nil {
				b.Fatal("not signed")
			}
		}
	})
}

func BenchmarkWrapAES(b *testing.B) {
	m, s := bench(b)
	var keys [2]ck.ObjectHandle
	for i := range keys {
		var err error
		if keys[i], err = m.CreateObject(s, aesTemplate(false, "k", attr(ck.CKA_WRAP, true), attr(ck.CKA_EXTRACTABLE, true))); err != nil {
			b.Fatal(err)
		}
	}
	mech, dst := &ck.Mechanism{Type: ck.CKM_AES_KEY_WRAP}, make([]byte, 64)
	b.ReportAllocs()
	for b.Loop() {
		out := ck.Into(dst)
		if m.WrapKey(s, mech, keys[0], keys[1], &out) != nil {
			b.Fatal("not wrapped")
		}
	}
}

func BenchmarkUnwrapDestroy(b *testing.B) {
	m, s := bench(b)
	template := aesTemplate(false, "k", attr(ck.CKA_WRAP, true), attr(ck.CKA_UNWRAP, true), attr(ck.CKA_EXTRACTABLE, true))
	k, err := m.CreateObject(s, template)
	if err != nil {
		b.Fatal(err)
	}
	mech, out := &ck.Mechanism{Type: ck.CKM_AES_KEY_WRAP}, ck.Into(make([]byte, 64))
	if err := m.WrapKey(s, mech, k, k, &out); err != nil {
		b.Fatal(err)
	}
	if err := m.DestroyObject(s, k); err != nil { // a key with the same value would protect what is unwrapped
		b.Fatal(err)
	}
	if k, err = m.CreateObject(s, template); err != nil {
		b.Fatal(err)
	}
	wrapped := out.Data[:out.N]
	b.ReportAllocs()
	for b.Loop() {
		h, err := m.UnwrapKey(s, mech, k, wrapped, []ck.Attribute{attr(ck.CKA_CLASS, ck.CKO_SECRET_KEY), attr(ck.CKA_KEY_TYPE, ck.CKK_AES)})
		if err != nil || m.DestroyObject(s, h) != nil {
			b.Fatal("not unwrapped")
		}
	}
}

func BenchmarkDeriveDestroy(b *testing.B) {
	each(b, func(b *testing.B, m *Module, s ck.SessionHandle, k ck.ObjectHandle) {
		mech := deriveParam(0, capi.CALG_MD5, capi.CALG_RC2, 128<<16)
		param := mech.Param
		for b.Loop() {
			mech.Param = param
			var derived ck.ObjectHandle
			if m.DeriveKey(s, mech, k, nil, &derived) != nil || m.DestroyObject(s, derived) != nil {
				b.Fatal("not derived")
			}
		}
	})
}

func BenchmarkCreateDestroy(b *testing.B) {
	m, s := bench(b)
	template := aesTemplate(false, "a session key")
	b.ReportAllocs()
	for b.Loop() {
		k, err := m.CreateObject(s, template)
		if err != nil || m.DestroyObject(s, k) != nil {
			b.Fatal("not created")
		}
	}
}
