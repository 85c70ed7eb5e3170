package csp

import (
	"bytes"
	"slices"
	"testing"

	"github.com/softcsp/softcsp/capi"
	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/token"
)

const testPIN = "user-1234"

// environment makes an environment with a directory for tokens.
func environment(t *testing.T, more map[string]string) func(string) string {
	dir := t.TempDir()
	return func(name string) string {
		switch name {
		case "SOFTCSP_TOKENDIR", "XDG_STATE_HOME":
			return dir
		case "SOFTCSP_KDF":
			return "test"
		}
		return more[name]
	}
}

// initToken makes a token with a label in the directory of an environment.
func initToken(t *testing.T, getenv func(string) string, label string) {
	t.Helper()
	m := token.New()
	must(t, m.Initialize(ck.InitArgs{Getenv: getenv}))
	slots, err := m.GetSlotList(true)
	must(t, err)
	slot := slots[len(slots)-1]
	name := append([]byte(label), bytes.Repeat([]byte(" "), 32-len(label))...)
	must(t, m.InitToken(slot, []byte("so-12345678"), name))
	s, err := m.OpenSession(slot, ck.CKF_SERIAL_SESSION|ck.CKF_RW_SESSION)
	must(t, err)
	must(t, m.Login(s, ck.CKU_SO, []byte("so-12345678")))
	must(t, m.InitPIN(s, []byte(testPIN)))
	must(t, m.Finalize())
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func want(t testing.TB, what string, err error, code capi.Error) {
	t.Helper()
	if capi.Code(err) != code {
		t.Errorf("%s: %v, want %v", what, err, code)
	}
}

// system makes a System over an environment.
func system(t *testing.T, getenv func(string) string) *System {
	s := New(getenv)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func acquire(t *testing.T, s *System, container string, flags uint32) *Context {
	t.Helper()
	c, err := s.AcquireContext(container, capi.MS_ENHANCED_PROV, capi.PROV_RSA_FULL, flags)
	must(t, err)
	return c
}

// TestContainer makes a container in a token with a PIN that CryptSetProvParam gives, uses its key pairs from two contexts,
// from a System that comes later, and deletes it.
func TestContainer(t *testing.T) {
	getenv := environment(t, nil)
	s := system(t, getenv)
	_, err := s.AcquireContext("work", "", capi.PROV_RSA_FULL, 0)
	want(t, "no token", err, capi.SCARD_E_NO_SMARTCARD)
	initToken(t, getenv, "first")
	_, err = s.AcquireContext("work", "", capi.PROV_RSA_FULL, 0)
	want(t, "no container", err, capi.NTE_BAD_KEYSET)
	_, err = s.AcquireContext("work", "", capi.PROV_RSA_FULL, capi.CRYPT_DELETEKEYSET)
	want(t, "deleting no container", err, capi.NTE_BAD_KEYSET)

	c := acquire(t, s, "work", capi.CRYPT_NEWKEYSET)
	_, err = c.GenKey(capi.AT_SIGNATURE, 0)
	want(t, "a pair without a PIN", err, capi.NTE_SILENT_CONTEXT)
	want(t, "a wrong PIN", c.SetParam(capi.PP_SIGNATURE_PIN, []byte("wrong-1234"), 0), capi.SCARD_W_WRONG_CHV)
	must(t, c.SetParam(capi.PP_KEYEXCHANGE_PIN, []byte(testPIN), 0))
	_, err = s.AcquireContext("work", "", capi.PROV_RSA_FULL, capi.CRYPT_NEWKEYSET)
	want(t, "the container again", err, capi.NTE_EXISTS)
	for _, spec := range []uint32{capi.AT_KEYEXCHANGE, capi.AT_SIGNATURE} {
		_, err = c.UserKey(spec)
		want(t, "no pair yet", err, capi.NTE_NO_KEY)
		k, err := c.GenKey(capi.AlgID(spec), 1024<<16)
		must(t, err)
		must(t, k.Destroy())
	}
	sig := sign(t, c)

	other := acquire(t, s, "work", capi.CRYPT_SILENT|capi.CRYPT_MACHINE_KEYSET)
	checkSignature(t, other, sig)
	names, err := other.listContainers()
	if must(t, err); !slices.Equal(names, []string{"work"}) {
		t.Errorf("containers %q", names)
	}
	must(t, c.Release(0))
	want(t, "releasing twice", c.Release(0), capi.ERROR_INVALID_PARAMETER)
	must(t, other.Release(0))

	later := system(t, func(name string) string {
		if name == "SOFTCSP_PIN" {
			return testPIN
		}
		return getenv(name)
	})
	c = acquire(t, later, "work", 0)
	checkSignature(t, c, sig)
	if !bytes.Equal(sign(t, c), sig) {
		t.Error("another signature")
	}
	must(t, c.Release(0))
	_, err = later.AcquireContext("work", "", capi.PROV_RSA_FULL, capi.CRYPT_DELETEKEYSET)
	must(t, err)
	_, err = later.AcquireContext("work", "", capi.PROV_RSA_FULL, 0)
	want(t, "after the deletion", err, capi.NTE_BAD_KEYSET)
	c = acquire(t, later, "work", capi.CRYPT_NEWKEYSET)
	_, err = c.UserKey(capi.AT_SIGNATURE)
	want(t, "a pair of the container before", err, capi.NTE_NO_KEY)
	must(t, c.Release(0))
}

func hashOf(t *testing.T, c *Context, algid capi.AlgID, data string) *Hash {
	t.Helper()
	h, err := c.CreateHash(algid, nil, 0)
	must(t, err)
	must(t, h.HashData([]byte(data), 0))
	return h
}

func sign(t *testing.T, c *Context) []byte {
	t.Helper()
	sig, err := hashOf(t, c, capi.CALG_SHA1, "signed").Sign(capi.AT_SIGNATURE, nil, 0)
	must(t, err)
	return sig
}

func checkSignature(t *testing.T, c *Context, sig []byte) {
	t.Helper()
	k, err := c.UserKey(capi.AT_SIGNATURE)
	must(t, err)
	must(t, hashOf(t, c, capi.CALG_SHA1, "signed").Verify(sig, len(sig), k, nil, 0))
	want(t, "another text", hashOf(t, c, capi.CALG_SHA1, "forged").Verify(sig, len(sig), k, nil, 0), capi.NTE_BAD_SIGNATURE)
	must(t, k.Destroy())
}

// TestContainerToken finds the token that SOFTCSP_CSP_TOKEN names.
func TestContainerToken(t *testing.T) {
	more := map[string]string{"SOFTCSP_PIN": testPIN}
	getenv := environment(t, more)
	initToken(t, getenv, "first")
	initToken(t, getenv, "second")
	more["SOFTCSP_CSP_TOKEN"] = "second"
	acquire(t, system(t, getenv), "here", capi.CRYPT_NEWKEYSET)
	more["SOFTCSP_CSP_TOKEN"] = "first"
	_, err := system(t, getenv).AcquireContext("here", "", capi.PROV_RSA_FULL, 0)
	want(t, "in another token", err, capi.NTE_BAD_KEYSET)
	more["SOFTCSP_CSP_TOKEN"] = "third"
	_, err = system(t, getenv).AcquireContext("here", "", capi.PROV_RSA_FULL, 0)
	want(t, "no such token", err, capi.SCARD_E_NO_SMARTCARD)
}

// TestContainerObjects sees through PKCS#11 what a container is: a data object, and key pairs that are sealed.
func TestContainerObjects(t *testing.T) {
	getenv := environment(t, map[string]string{"SOFTCSP_PIN": testPIN})
	initToken(t, getenv, "first")
	c := acquire(t, system(t, getenv), "box", capi.CRYPT_NEWKEYSET)
	k, err := c.GenKey(capi.AT_KEYEXCHANGE, 1024<<16)
	must(t, err)
	_, err = k.Export(nil, capi.PRIVATEKEYBLOB, 0)
	want(t, "a pair that is not exportable", err, capi.NTE_BAD_KEY_STATE)
	must(t, k.Destroy())
	objects, err := c.findObjects([]ck.Attribute{attribute(ck.CKA_TOKEN, yes), attribute(ck.CKA_LABEL, []byte("box"))})
	if must(t, err); len(objects) != 3 {
		t.Fatalf("%d objects, want 3", len(objects))
	}
	private, err := c.findObjects([]ck.Attribute{ulongAttribute(ck.CKA_CLASS, uint(ck.CKO_PRIVATE_KEY)), attribute(ck.CKA_ID, keyPairID("box", capi.AT_KEYEXCHANGE))})
	if must(t, err); len(private) != 1 {
		t.Fatalf("%d private keys", len(private))
	}
	for a, is := range map[ck.AttributeType][]byte{ck.CKA_SENSITIVE: yes, ck.CKA_EXTRACTABLE: no, ck.CKA_PRIVATE: yes, ck.CKA_LOCAL: yes} {
		if v, err := c.attributeValue(private[0], a); err != nil || !bytes.Equal(v, is) {
			t.Errorf("%v is %x, %v", a, v, err)
		}
	}
}
