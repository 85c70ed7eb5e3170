package token

import (
	"testing"

	"github.com/softcsp/softcsp/ck"
)

// A benchCall makes what is needed for calls in a session, and returns the calls.
type benchCall struct {
	name string
	make func(b *testing.B, m *Module, s ck.SessionHandle) func() error
}

// benchCalls are the calls that hosts make again and again.
var benchCalls = []benchCall{
	{"GetSessionInfo", func(_ *testing.B, m *Module, s ck.SessionHandle) func() error {
		return func() error { _, err := m.GetSessionInfo(s); return err }
	}},
	{"OpenSession", func(b *testing.B, m *Module, s ck.SessionHandle) func() error {
		info, err := m.GetSessionInfo(s)
		if err != nil {
			b.Fatal(err)
		}
		return func() error {
			s, err := m.OpenSession(info.SlotID, ck.CKF_SERIAL_SESSION)
			if err != nil {
				return err
			}
			return m.CloseSession(s)
		}
	}},
	{"Digest32", func(_ *testing.B, m *Module, s ck.SessionHandle) func() error {
		mech, data, dst := &ck.Mechanism{Type: ck.CKM_SHA256}, make([]byte, 32), make([]byte, 32)
		return func() error {
			out := ck.Into(dst)
			if err := m.DigestInit(s, mech); err != nil {
				return err
			}
			return m.Digest(s, data, &out)
		}
	}},
	{"Random32", func(_ *testing.B, m *Module, s ck.SessionHandle) func() error {
		dst := make([]byte, 32)
		return func() error { return m.GenerateRandom(s, dst) }
	}},
	{"CBC16", func(b *testing.B, m *Module, s ck.SessionHandle) func() error {
		k := benchSecret(b, m, s)
		mech, iv, data, dst := &ck.Mechanism{Type: ck.CKM_AES_CBC}, make([]byte, 16), make([]byte, 16), make([]byte, 32)
		return func() error {
			out := ck.Into(dst)
			mech.Param = ck.NewParam(iv, nil)
			if err := m.EncryptInit(s, mech, k); err != nil {
				return err
			}
			return m.Encrypt(s, data, &out)
		}
	}},
	{"GCM16", func(b *testing.B, m *Module, s ck.SessionHandle) func() error {
		k := benchSecret(b, m, s)
		mech, data, dst := gcmMechanism(), make([]byte, 16), make([]byte, 32)
		param := mech.Param
		return func() error {
			out := ck.Into(dst)
			mech.Param = param
			if err := m.EncryptInit(s, mech, k); err != nil {
				return err
			}
			return m.Encrypt(s, data, &out)
		}
	}},
	{"HMAC32", func(b *testing.B, m *Module, s ck.SessionHandle) func() error {
		k, err := m.CreateObject(s, []ck.Attribute{attr(ck.CKA_CLASS, ck.CKO_SECRET_KEY), attr(ck.CKA_KEY_TYPE, ck.CKK_GENERIC_SECRET),
			attr(ck.CKA_VALUE, "a key of thirty-two bytes or so."), attr(ck.CKA_SIGN, true)})
		if err != nil {
			b.Fatal(err)
		}
		mech, data, dst := &ck.Mechanism{Type: ck.CKM_SHA256_HMAC}, make([]byte, 32), make([]byte, 32)
		return func() error {
			out := ck.Into(dst)
			if err := m.SignInit(s, mech, k); err != nil {
				return err
			}
			return m.Sign(s, data, &out)
		}
	}},
	{"FindNone", func(_ *testing.B, m *Module, s ck.SessionHandle) func() error {
		template, found := []ck.Attribute{attr(ck.CKA_LABEL, "none")}, make([]ck.ObjectHandle, 1)
		return func() error {
			if err := m.FindObjectsInit(s, template); err != nil {
				return err
			}
			if _, err := m.FindObjects(s, found[:]); err != nil {
				return err
			}
			return m.FindObjectsFinal(s)
		}
	}},
	{"SignRSA2048", benchSign(ck.CKM_RSA_PKCS_KEY_PAIR_GEN, ck.CKM_SHA256_RSA_PKCS, attr(ck.CKA_MODULUS_BITS, 2048))},
	{"SignP256", benchSign(ck.CKM_EC_KEY_PAIR_GEN, ck.CKM_ECDSA, attr(ck.CKA_EC_PARAMS, "\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07"))},
	{"VerifyRSA2048", benchVerify(ck.CKM_RSA_PKCS_KEY_PAIR_GEN, ck.CKM_SHA256_RSA_PKCS, attr(ck.CKA_MODULUS_BITS, 2048))},
	{"VerifyRSA4096", benchVerify(ck.CKM_RSA_PKCS_KEY_PAIR_GEN, ck.CKM_SHA256_RSA_PKCS, attr(ck.CKA_MODULUS_BITS, 4096))},
	{"VerifyP256", benchVerify(ck.CKM_EC_KEY_PAIR_GEN, ck.CKM_ECDSA, attr(ck.CKA_EC_PARAMS, "\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07"))},
}

// benchSecret makes an AES key in the session.
func benchSecret(b *testing.B, m *Module, s ck.SessionHandle) ck.ObjectHandle {
	b.Helper()
	k, err := m.CreateObject(s, aesTemplate(false, "k", attr(ck.CKA_ENCRYPT, true)))
	if err != nil {
		b.Fatal(err)
	}
	return k
}

// benchPair makes a key pair in the session.
func benchPair(b *testing.B, m *Module, s ck.SessionHandle, mechanism ck.MechanismType, public ck.Attribute) (pub, priv ck.ObjectHandle) {
	b.Helper()
	pub, priv, err := m.GenerateKeyPair(s, &ck.Mechanism{Type: mechanism}, []ck.Attribute{public, attr(ck.CKA_VERIFY, true)}, []ck.Attribute{attr(ck.CKA_SIGN, true)})
	if err != nil {
		b.Fatal(err)
	}
	return pub, priv
}

func benchSign(generation, mechanism ck.MechanismType, public ck.Attribute) func(*testing.B, *Module, ck.SessionHandle) func() error {
	return func(b *testing.B, m *Module, s ck.SessionHandle) func() error {
		_, priv := benchPair(b, m, s, generation, public)
		mech, data, dst := &ck.Mechanism{Type: mechanism}, make([]byte, 32), make([]byte, 512)
		return func() error {
			out := ck.Into(dst)
			if err := m.SignInit(s, mech, priv); err != nil {
				return err
			}
			return m.Sign(s, data, &out)
		}
	}
}

func benchVerify(generation, mechanism ck.MechanismType, public ck.Attribute) func(*testing.B, *Module, ck.SessionHandle) func() error {
	return func(b *testing.B, m *Module, s ck.SessionHandle) func() error {
		pub, priv := benchPair(b, m, s, generation, public)
		mech, data, out := &ck.Mechanism{Type: mechanism}, make([]byte, 32), ck.Into(make([]byte, 512))
		if err := m.SignInit(s, mech, priv); err != nil {
			b.Fatal(err)
		}
		if err := m.Sign(s, data, &out); err != nil {
			b.Fatal(err)
		}
		sig := out.Data[:out.N]
		return func() error {
			if err := m.VerifyInit(s, mech, pub); err != nil {
				return err
			}
			return m.Verify(s, data, sig)
		}
	}
}

// BenchmarkCall measures calls of one thread.
func BenchmarkCall(b *testing.B) {
	for _, c := range benchCalls {
		b.Run(c.name, func(b *testing.B) {
			m, s := bench(b)
			f := c.make(b, m, s)
			b.ReportAllocs()
			for b.Loop() {
				if err := f(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkTogether measures the same calls of as many threads as there are processors, each in a session of its own.
func BenchmarkTogether(b *testing.B) {
	for _, c := range benchCalls {
		b.Run(c.name, func(b *testing.B) {
			m, s := bench(b)
			info, err := m.GetSessionInfo(s)
			if err != nil {
				b.Fatal(err)
			}
			b.RunParallel(func(p *testing.PB) {
				s, err := m.OpenSession(info.SlotID, ck.CKF_SERIAL_SESSION|ck.CKF_RW_SESSION)
				if err != nil {
					b.Error(err)
					return
				}
				for f := c.make(b, m, s); p.Next(); {
					if err := f(); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}
