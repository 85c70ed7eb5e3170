package token

import (
	"bytes"
	"testing"

	"github.com/softcsp/softcsp/ck"
)

// generate makes an AES key in the token.
func generate(t *testing.T, m *Module, s ck.SessionHandle, pairs ...any) ck.ObjectHandle {
	t.Helper()
	k, err := m.GenerateKey(s, &ck.Mechanism{Type: ck.CKM_AES_KEY_GEN}, sized(rows(pairs...)))
	must(t, err)
	return k
}

// sized is a template that says how long the key is.
func sized(template []ck.Attribute) []ck.Attribute {
	for _, a := range template {
		if a.Type == ck.CKA_VALUE_LEN {
			return template
		}
	}
	return with(template, ck.CKA_VALUE_LEN, 16)
}

// wrapped wraps a key.
func wrapped(t *testing.T, m *Module, s ck.SessionHandle, mech ck.MechanismType, w, k ck.ObjectHandle) []byte {
	t.Helper()
	out := ck.Into(make([]byte, 256))
	must(t, m.WrapKey(s, &ck.Mechanism{Type: mech}, w, k, &out))
	return bytes.Clone(out.Data[:out.N])
}

// started is a module over a directory, with a session of the user's, as another process would have it.
func started(t *testing.T, conf string) (*Module, ck.SessionHandle) {
	t.Helper()
	m := New()
	must(t, m.Initialize(ck.InitArgs{Reserved: conf}))
	t.Cleanup(func() { must(t, m.Finalize()) })
	list, err := m.GetSlotList(true)
	must(t, err)
	if len(list) == 1 {
		must(t, m.InitToken(list[0], []byte(soPIN), bytes.Repeat([]byte{' '}, 32)))
		s := open(t, m, list[0], true)
		must(t, m.Login(s, ck.CKU_SO, []byte(soPIN)))
		must(t, m.InitPIN(s, []byte(userPIN)))
		must(t, m.CloseSession(s))
	}
	return m, loggedIn(t, m, list[0])
}

// What has wrapped a sensitive key does nothing else, in this process and in others, under this handle and as a copy.
func TestSeparate(t *testing.T) {
	conf := "tokendir='" + t.TempDir() + "' kdf='test'"
	m, s := started(t, conf)
	ecb := func() *ck.Mechanism { return &ck.Mechanism{Type: ck.CKM_AES_ECB} }
	for _, private := range []bool{true, false} {
		label := map[bool]string{true: "private", false: "public"}[private]
		w := generate(t, m, s, ck.CKA_TOKEN, true, ck.CKA_PRIVATE, private, ck.CKA_LABEL, label, ck.CKA_DERIVE, true)
		before, err := m.CopyObject(s, w, rows(ck.CKA_LABEL, label+" copy"))
		must(t, err)
		session, err := m.CopyObject(s, w, rows(ck.CKA_TOKEN, false))
		must(t, err)
		open := generate(t, m, s, ck.CKA_SENSITIVE, false, ck.CKA_EXTRACTABLE, true)
		wrapped(t, m, s, ck.CKM_AES_KEY_WRAP, w, open)
		must(t, m.EncryptInit(s, ecb(), w)) // an open key is no secret
		must(t, m.SessionCancel(s, ck.CKF_ENCRYPT))

		must(t, m.DecryptInit(s, ecb(), before))
		wrapped(t, m, s, ck.CKM_AES_KEY_WRAP, w, generate(t, m, s, ck.CKA_EXTRACTABLE, true))
		out := ck.Into(make([]byte, 16))
		want(t, "in progress", m.Decrypt(s, make([]byte, 16), &out), ck.CKR_KEY_FUNCTION_NOT_PERMITTED)
		after, err := m.CopyObject(s, w, rows(ck.CKA_LABEL, label+" second copy"))
		must(t, err)
		kept, err := m.CopyObject(s, session, rows(ck.CKA_TOKEN, true, ck.CKA_LABEL, label+" third copy"))
		must(t, err)
		for _, k := range []ck.ObjectHandle{w, before, session, after, kept} {
			want(t, "decrypt", m.DecryptInit(s, ecb(), k), ck.CKR_KEY_FUNCTION_NOT_PERMITTED)
			want(t, "encrypt", m.EncryptInit(s, ecb(), k), ck.CKR_KEY_FUNCTION_NOT_PERMITTED)
			want(t, "sign", m.SignInit(s, &ck.Mechanism{Type: ck.CKM_AES_MAC}, k), ck.CKR_KEY_FUNCTION_NOT_PERMITTED)
			wrapped(t, m, s, ck.CKM_AES_KEY_WRAP, k, open)
		}
		other, os := started(t, conf)
		for _, l := range []string{label, label + " copy", label + " second copy", label + " third copy"} {
			found := find(t, other, os, attr(ck.CKA_LABEL, l))
			if len(found) != 1 {
				t.Fatalf("%d objects %q", len(found), l)
			}
			want(t, l+" elsewhere", other.DecryptInit(os, ecb(), found[0]), ck.CKR_KEY_FUNCTION_NOT_PERMITTED)
		}
		lax, ls := started(t, conf+" key_separation='standard'")
		must(t, lax.DecryptInit(ls, ecb(), find(t, lax, ls, attr(ck.CKA_LABEL, label))[0]))
	}
}

// A key that an application brought in itself may do everything: who has its value needs no token to decrypt.
func TestBroughtIn(t *testing.T) {
	m, slot := newToken(t)
	s := loggedIn(t, m, slot)
	w, err := m.CreateObject(s, with(aesKey, ck.CKA_SENSITIVE, false))
	must(t, err)
	k := generate(t, m, s, ck.CKA_EXTRACTABLE, true)
	wrapped(t, m, s, ck.CKM_AES_KEY_WRAP, w, k)
	must(t, m.DecryptInit(s, &ck.Mechanism{Type: ck.CKM_AES_ECB}, w))
	must(t, m.SessionCancel(s, ck.CKF_DECRYPT))
	asked, err := m.CreateObject(s, with(rows(ck.CKA_CLASS, ck.CKO_SECRET_KEY, ck.CKA_KEY_TYPE, ck.CKK_AES), ck.CKA_VALUE, "another value 16", ck.CKA_SENSITIVE, true))
	must(t, err)
	wrapped(t, m, s, ck.CKM_AES_KEY_WRAP, asked, k)
	want(t, "of a sensitive key", m.DecryptInit(s, &ck.Mechanism{Type: ck.CKM_AES_ECB}, asked), ck.CKR_KEY_FUNCTION_NOT_PERMITTED)
	must(t, m.SetAttributeValue(s, w, rows(ck.CKA_SENSITIVE, true)))
	wrapped(t, m, s, ck.CKM_AES_KEY_WRAP, w, k)
	want(t, "that was said to be sensitive", m.DecryptInit(s, &ck.Mechanism{Type: ck.CKM_AES_ECB}, w), ck.CKR_KEY_FUNCTION_NOT_PERMITTED)
}

// What is unwrapped is as protected as the keys with its value are, wherever they are.
func TestTwins(t *testing.T) {
	conf := "tokendir='" + t.TempDir() + "' kdf='test'"
	m, s := started(t, conf)
	kw := &ck.Mechanism{Type: ck.CKM_AES_KEY_WRAP}
	bare := with(typed, ck.CKA_SENSITIVE, false, ck.CKA_EXTRACTABLE, true)
	for _, c := range []struct{ token, private bool }{{false, true}, {true, true}, {true, false}} {
		w := generate(t, m, s, ck.CKA_TOKEN, true, ck.CKA_LABEL, "wrapping")
		k := generate(t, m, s, ck.CKA_TOKEN, c.token, ck.CKA_PRIVATE, c.private, ck.CKA_EXTRACTABLE, true)
		blob := wrapped(t, m, s, ck.CKM_AES_KEY_WRAP, w, k)
		for what, template := range map[string][]ck.Attribute{
			"open": bare, "not sensitive": with(typed, ck.CKA_SENSITIVE, false), "of another type": rows(ck.CKA_CLASS, ck.CKO_SECRET_KEY, ck.CKA_KEY_TYPE, ck.CKK_GENERIC_SECRET),
		} {
			_, err := m.UnwrapKey(s, kw, w, blob, template)
			want(t, what, err, ck.CKR_TEMPLATE_INCONSISTENT)
		}
		if c.token {
			other, os := started(t, conf)
			_, err := other.UnwrapKey(os, kw, find(t, other, os, attr(ck.CKA_LABEL, "wrapping"))[0], blob, bare)
			want(t, "in another process", err, ck.CKR_TEMPLATE_INCONSISTENT)
		}
		u, err := m.UnwrapKey(s, kw, w, blob, typed)
		must(t, err)
		must(t, m.DestroyObject(s, u))
		must(t, m.SetAttributeValue(s, k, rows(ck.CKA_EXTRACTABLE, false)))
		u, err = m.UnwrapKey(s, kw, w, blob, typed)
		must(t, err)
		if v, err := read(m, s, u, ck.CKA_EXTRACTABLE); err != nil || v[0] != 0 {
			t.Errorf("extractable %x, %v, though its twin is not", v, err)
		}
		must(t, m.DestroyObject(s, u))
		must(t, m.DestroyObject(s, k))
		_, err = m.UnwrapKey(s, kw, w, blob, bare)
		want(t, "that the token has no more", err, ck.CKR_TEMPLATE_INCONSISTENT)
		other, os := started(t, conf)
		_, err = other.UnwrapKey(os, kw, find(t, other, os, attr(ck.CKA_LABEL, "wrapping"))[0], blob, bare)
		want(t, "that the token has no more, in another process", err, ck.CKR_TEMPLATE_INCONSISTENT)
		must(t, m.DestroyObject(s, w))
	}
}

// A mechanism that hides nothing of where a key was cut makes no open key of a part of a sensitive one.
func TestUnwrapParts(t *testing.T) {
	m, slot := newToken(t)
	s := loggedIn(t, m, slot)
	w := generate(t, m, s)
	k := generate(t, m, s, ck.CKA_VALUE_LEN, 32, ck.CKA_EXTRACTABLE, true)
	blob := wrapped(t, m, s, ck.CKM_AES_ECB, w, k)
	ecb := &ck.Mechanism{Type: ck.CKM_AES_ECB}
	_, err := m.UnwrapKey(s, ecb, w, blob[:16], with(typed, ck.CKA_SENSITIVE, false))
	want(t, "the first half", err, ck.CKR_TEMPLATE_INCONSISTENT)
	generic := rows(ck.CKA_CLASS, ck.CKO_SECRET_KEY, ck.CKA_KEY_TYPE, ck.CKK_GENERIC_SECRET, ck.CKA_VALUE_LEN, 1)
	must(t, m.DestroyObject(s, k))
	_, err = m.UnwrapKey(s, ecb, w, blob, generic)
	want(t, "the first byte", err, ck.CKR_WRAPPED_KEY_LEN_RANGE)
}

// A pair that has wrapped a sensitive key unwraps sensitive keys, and goes on with everything else.
func TestSeparatePair(t *testing.T) {
	conf := "tokendir='" + t.TempDir() + "' kdf='test'"
	m, s := started(t, conf)
	token := rows(ck.CKA_TOKEN, true, ck.CKA_LABEL, "pair")
	pub, priv, err := m.GenerateKeyPair(s, &ck.Mechanism{Type: ck.CKM_RSA_PKCS_KEY_PAIR_GEN}, with(token, ck.CKA_MODULUS_BITS, 1024), token)
	must(t, err)
	k := generate(t, m, s, ck.CKA_EXTRACTABLE, true)
	blob := wrapped(t, m, s, ck.CKM_RSA_PKCS, pub, k)
	must(t, m.DestroyObject(s, k))
	bare := with(typed, ck.CKA_SENSITIVE, false, ck.CKA_EXTRACTABLE, true)
	pkcs := &ck.Mechanism{Type: ck.CKM_RSA_PKCS}
	_, err = m.UnwrapKey(s, pkcs, priv, blob, bare)
	want(t, "open", err, ck.CKR_TEMPLATE_INCONSISTENT)
	_, err = m.UnwrapKey(s, pkcs, priv, blob, typed)
	must(t, err)
	signWith(t, m, s, priv, ck.CKM_SHA256_RSA_PKCS, "data")
	must(t, m.DecryptInit(s, pkcs, priv))
	other, os := started(t, conf)
	found := find(t, other, os, rows(ck.CKA_LABEL, "pair", ck.CKA_CLASS, ck.CKO_PRIVATE_KEY)...)
	_, err = other.UnwrapKey(os, pkcs, found[0], blob, bare)
	want(t, "open, in another process", err, ck.CKR_TEMPLATE_INCONSISTENT)
}
