package token

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/softcsp/softcsp/ck"
)

// generate makes an AES key in the token, sensitive unless it is said otherwise.
func generate(t *testing.T, m *Module, s ck.SessionHandle, pairs ...any) ck.ObjectHandle {
	t.Helper()
	template := sized(rows(pairs...))
	if !slices.ContainsFunc(template, func(a ck.Attribute) bool { return a.Type == ck.CKA_SENSITIVE }) {
		template = with(template, ck.CKA_SENSITIVE, true)
	}
	k, err := m.GenerateKey(s, &ck.Mechanism{Type: ck.CKM_AES_KEY_GEN}, template)
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
func TestWrapping(t *testing.T) {
	t.Parallel()
	conf := "tokendir='" + t.TempDir() + "' kdf='test'"
	m, s := started(t, conf)
	ecb := func() *ck.Mechanism { return &ck.Mechanism{Type: ck.CKM_AES_ECB} }
	for _, private := range []bool{true, false} {
		label := map[bool]string{true: "private", false: "public"}[private]
		w := generate(t, m, s, ck.CKA_TOKEN, true, ck.CKA_PRIVATE, private, ck.CKA_LABEL, label, ck.CKA_DERIVE, true)
		before, err := m.CopyObject(s, w, rows(ck.CKA_LABEL, label+" copy"))
		must(t, err)
		open := generate(t, m, s, ck.CKA_SENSITIVE, false, ck.CKA_EXTRACTABLE, true)
		wrapped(t, m, s, ck.CKM_AES_KEY_WRAP, w, open) // an open key is no secret
		wrapped(t, m, s, ck.CKM_AES_KEY_WRAP, w, generate(t, m, s, ck.CKA_EXTRACTABLE, true))
		session, err := m.CopyObject(s, w, rows(ck.CKA_TOKEN, false))
		must(t, err)
		after, err := m.CopyObject(s, w, rows(ck.CKA_LABEL, label+" second copy"))
		must(t, err)
		kept, err := m.CopyObject(s, session, rows(ck.CKA_TOKEN, true, ck.CKA_LABEL, label+" third copy"))
		must(t, err)
		for i, k := range []ck.ObjectHandle{w, before, session, after, kept} {
			want(t, "decrypt", m.DecryptInit(s, ecb(), k), ck.CKR_KEY_FUNCTION_NOT_PERMITTED)
			want(t, "encrypt", m.EncryptInit(s, ecb(), k), ck.CKR_KEY_FUNCTION_NOT_PERMITTED)
			want(t, "sign", m.SignInit(s, &ck.Mechanism{Type: ck.CKM_AES_MAC}, k), ck.CKR_KEY_FUNCTION_NOT_PERMITTED)
			out := ck.Into(make([]byte, 256))
			want(t, "wrap an open key as data is encrypted", m.WrapKey(s, ecb(), k, open, &out), ck.CKR_KEY_FUNCTION_NOT_PERMITTED)
			if wrapped(t, m, s, ck.CKM_AES_KEY_WRAP, k, open); t.Failed() {
				t.Fatal("key ", i)
			}
		}
		other, os := started(t, conf)
		for _, l := range []string{label, label + " copy", label + " second copy", label + " third copy"} {
			found := find(t, other, os, attr(ck.CKA_LABEL, l))
			if len(found) != 1 {
				t.Fatalf("%d objects %q", len(found), l)
			}
			want(t, l+" elsewhere", other.DecryptInit(os, ecb(), found[0]), ck.CKR_KEY_FUNCTION_NOT_PERMITTED)
		}
	}
}

// What has been used for anything else wraps no sensitive key, whoever used it first, and whether or not that has ended.
func TestServing(t *testing.T) {
	t.Parallel()
	conf := "tokendir='" + t.TempDir() + "' kdf='test'"
	m, s := started(t, conf)
	other, os := started(t, conf)
	victim := generate(t, m, s, ck.CKA_EXTRACTABLE, true)
	refused := func(what string, w ck.ObjectHandle) {
		t.Helper()
		out := ck.Into(make([]byte, 256))
		want(t, what, m.WrapKey(s, &ck.Mechanism{Type: ck.CKM_AES_KEY_WRAP}, w, victim, &out), ck.CKR_KEY_FUNCTION_NOT_PERMITTED)
	}
	ecb := func() *ck.Mechanism { return &ck.Mechanism{Type: ck.CKM_AES_ECB} }
	for _, token := range []bool{false, true} {
		k := generate(t, m, s, ck.CKA_TOKEN, token)
		copied, err := m.CopyObject(s, k, nil)
		must(t, err)
		must(t, m.DecryptInit(s, ecb(), k))
		refused("in progress", k)
		refused("a copy", copied)
		must(t, m.SessionCancel(s, ck.CKF_DECRYPT))
		refused("after", k)
		wrapped(t, m, s, ck.CKM_AES_KEY_WRAP, k, generate(t, m, s, ck.CKA_SENSITIVE, false, ck.CKA_EXTRACTABLE, true))
	}
	k := generate(t, m, s, ck.CKA_TOKEN, true, ck.CKA_LABEL, "elsewhere")
	must(t, other.DecryptInit(os, ecb(), find(t, other, os, attr(ck.CKA_LABEL, "elsewhere"))[0]))
	refused("in another process", k)

	session := generate(t, m, s)
	_, err := m.CopyObject(s, session, rows(ck.CKA_TOKEN, true))
	must(t, err)
	refused("that lies in two places", session)
	never := generate(t, m, s, ck.CKA_WRAP, false)
	must(t, m.SetAttributeValue(s, never, rows(ck.CKA_WRAP, true)))
	refused("that may wrap only now", never)
	refused("that may leave", generate(t, m, s, ck.CKA_EXTRACTABLE, true))
	once := generate(t, m, s, ck.CKA_EXTRACTABLE, true)
	must(t, m.SetAttributeValue(s, once, rows(ck.CKA_EXTRACTABLE, false)))
	refused("that could once leave", once)
	must(t, m.SetAttributeValue(s, generate(t, m, s, ck.CKA_SENSITIVE, false), rows(ck.CKA_DERIVE, true)))
	want(t, "derive from a sensitive key", m.SetAttributeValue(s, victim, rows(ck.CKA_DERIVE, true)), ck.CKR_ATTRIBUTE_READ_ONLY)
	_, err = m.CopyObject(s, victim, rows(ck.CKA_DERIVE, true))
	want(t, "derive from a copy of a sensitive key", err, ck.CKR_ATTRIBUTE_READ_ONLY)
}

// One of two processes wins that use a key at the same moment, one to wrap and one to decrypt.
func TestRoleOnce(t *testing.T) {
	t.Parallel()
	conf := "tokendir='" + t.TempDir() + "' kdf='test'"
	a, as := started(t, conf)
	b, bs := started(t, conf)
	victim := generate(t, a, as, ck.CKA_EXTRACTABLE, true)
	won := map[bool]int{}
	for i := range 12 {
		label := fmt.Sprint("key ", i)
		wa := generate(t, a, as, ck.CKA_TOKEN, true, ck.CKA_LABEL, label)
		wb := find(t, b, bs, attr(ck.CKA_LABEL, label))[0]
		if i%2 == 1 {
			var err error
			wb, err = b.CopyObject(bs, wb, rows(ck.CKA_LABEL, "copy"))
			must(t, err)
		}
		decrypts := make(chan error, 1)
		go func() { decrypts <- b.DecryptInit(bs, &ck.Mechanism{Type: ck.CKM_AES_ECB}, wb) }()
		out := ck.Into(make([]byte, 64))
		wraps := a.WrapKey(as, &ck.Mechanism{Type: ck.CKM_AES_KEY_WRAP}, wa, victim, &out)
		if err := <-decrypts; (err == nil) == (wraps == nil) {
			t.Fatalf("wrapping: %v, decrypting: %v", wraps, err)
		} else if err == nil {
			must(t, b.SessionCancel(bs, ck.CKF_DECRYPT))
		}
		won[wraps == nil]++
	}
	t.Log(won)
}

// The roles of a pair are those of both halves.
func TestPairRoles(t *testing.T) {
	t.Parallel()
	conf := "tokendir='" + t.TempDir() + "' kdf='test'"
	m, s := started(t, conf)
	other, os := started(t, conf)
	victim := generate(t, m, s, ck.CKA_EXTRACTABLE, true)
	for _, token := range []bool{false, true} {
		pair := func(label string) (ck.ObjectHandle, ck.ObjectHandle) {
			template := rows(ck.CKA_TOKEN, token, ck.CKA_LABEL, label, ck.CKA_DERIVE, true)
			pub, priv, err := m.GenerateKeyPair(s, &ck.Mechanism{Type: ck.CKM_RSA_PKCS_KEY_PAIR_GEN}, with(template, ck.CKA_MODULUS_BITS, 1024), template)
			must(t, err)
			return pub, priv
		}
		pub, priv := pair("wraps")
		blob := wrapped(t, m, s, ck.CKM_RSA_PKCS, pub, victim)
		pkcs := &ck.Mechanism{Type: ck.CKM_RSA_PKCS}
		want(t, "decrypt", m.DecryptInit(s, pkcs, priv), ck.CKR_KEY_FUNCTION_NOT_PERMITTED)
		for _, bare := range []ck.MechanismType{ck.CKM_RSA_X_509, ck.CKM_RSA_PKCS, ck.CKM_RSA_X9_31} {
			want(t, "sign with "+bare.String(), m.SignInit(s, &ck.Mechanism{Type: bare}, priv), ck.CKR_KEY_FUNCTION_NOT_PERMITTED)
		}
		want(t, "sign so that it can be recovered", m.SignRecoverInit(s, &ck.Mechanism{Type: ck.CKM_RSA_X_509}, priv), ck.CKR_KEY_FUNCTION_NOT_PERMITTED)
		_, err := m.DecapsulateKey(s, &ck.Mechanism{Type: ck.CKM_RSA_X_509}, priv, rows(ck.CKA_KEY_TYPE, ck.CKK_GENERIC_SECRET), blob)
		want(t, "decapsulate", err, ck.CKR_KEY_FUNCTION_NOT_PERMITTED)
		signWith(t, m, s, priv, ck.CKM_SHA256_RSA_PKCS, "data")
		_, err = m.UnwrapKey(s, pkcs, priv, blob, typed)
		must(t, err)
		if token {
			found := find(t, other, os, rows(ck.CKA_LABEL, "wraps", ck.CKA_CLASS, ck.CKO_PRIVATE_KEY)...)
			want(t, "decrypt elsewhere", other.DecryptInit(os, pkcs, found[0]), ck.CKR_KEY_FUNCTION_NOT_PERMITTED)
		}
		pub, priv = pair("decrypts")
		signWith(t, m, s, priv, ck.CKM_SHA256_RSA_PKCS, "data")
		must(t, m.DecryptInit(s, pkcs, priv))
		out := ck.Into(make([]byte, 256))
		want(t, "wrap", m.WrapKey(s, pkcs, pub, victim, &out), ck.CKR_KEY_FUNCTION_NOT_PERMITTED)
		must(t, m.SessionCancel(s, ck.CKF_DECRYPT))
	}
}

// A wrapping key that was imported does not lose its role with the trust that the security officer has put in it.
func TestOnceTrusted(t *testing.T) {
	t.Parallel()
	m, slot := newToken(t)
	s := loggedIn(t, m, slot)
	must(t, m.Logout(s))
	must(t, m.Login(s, ck.CKU_SO, []byte(soPIN)))
	imported := with(typed, ck.CKA_VALUE, "sixteen byte key", ck.CKA_SENSITIVE, false, ck.CKA_EXTRACTABLE, false, ck.CKA_PRIVATE, false, ck.CKA_TRUSTED, true, ck.CKA_LABEL, "trusted")
	_, err := m.CreateObject(s, with(imported, ck.CKA_TOKEN, true))
	must(t, err)
	must(t, m.Logout(s))
	must(t, m.Login(s, ck.CKU_USER, []byte(userPIN)))
	w := find(t, m, s, attr(ck.CKA_LABEL, "trusted"))[0]
	ecb := func() *ck.Mechanism { return &ck.Mechanism{Type: ck.CKM_AES_ECB} }
	before, err := m.CopyObject(s, w, rows(ck.CKA_TRUSTED, false))
	must(t, err)
	wrapped(t, m, s, ck.CKM_AES_KEY_WRAP, w, generate(t, m, s, ck.CKA_EXTRACTABLE, true, ck.CKA_WRAP_WITH_TRUSTED, true))
	want(t, "decrypt with a copy of before, without the trust", m.DecryptInit(s, ecb(), before), ck.CKR_KEY_FUNCTION_NOT_PERMITTED)
	after, err := m.CopyObject(s, w, rows(ck.CKA_TRUSTED, false))
	must(t, err)
	want(t, "decrypt with a copy, without the trust", m.DecryptInit(s, ecb(), after), ck.CKR_KEY_FUNCTION_NOT_PERMITTED)
	must(t, m.SetAttributeValue(s, w, rows(ck.CKA_TRUSTED, false)))
	want(t, "decrypt without the trust", m.DecryptInit(s, ecb(), w), ck.CKR_KEY_FUNCTION_NOT_PERMITTED)
}

// A call that fails, or asks for a length, does not decide what a key is for.
func TestFailedUses(t *testing.T) {
	t.Parallel()
	m, s := started(t, "tokendir='"+t.TempDir()+"' kdf='test'")
	victim := generate(t, m, s, ck.CKA_EXTRACTABLE, true)
	type call struct {
		name string
		rv   ck.RV
		do   func(k ck.ObjectHandle) error
	}
	wrap := func(mech ck.MechanismType, param []byte, room int) func(k ck.ObjectHandle) error {
		return func(k ck.ObjectHandle) error {
			out := ck.Into(make([]byte, room))
			return m.WrapKey(s, &ck.Mechanism{Type: mech, Param: ck.NewParam(param, nil)}, k, victim, &out)
		}
	}
	unwrap := func(k ck.ObjectHandle) error {
		_, err := m.UnwrapKey(s, &ck.Mechanism{Type: ck.CKM_AES_CBC, Param: ck.NewParam([]byte("no IV"), nil)}, k, make([]byte, 128), typed)
		return err
	}
	derive := func(k ck.ObjectHandle) error {
		var h ck.ObjectHandle
		return m.DeriveKey(s, &ck.Mechanism{Type: ck.CKM_AES_ECB_ENCRYPT_DATA, Param: ck.NewParam([]byte("none"), nil)}, k, typed, &h)
	}
	for _, token := range []bool{false, true} {
		for _, c := range []call{
			{"wrap with a wrong parameter", ck.CKR_MECHANISM_PARAM_INVALID, wrap(ck.CKM_AES_KEY_WRAP, []byte("short"), 256)},
			{"wrap to a short buffer", ck.CKR_BUFFER_TOO_SMALL, wrap(ck.CKM_AES_KEY_WRAP, nil, 1)},
			{"unwrap with a wrong parameter", ck.CKR_MECHANISM_PARAM_INVALID, unwrap},
			{"derive with a wrong parameter", ck.CKR_MECHANISM_PARAM_INVALID, derive},
			{"derive what has no length", ck.CKR_TEMPLATE_INCOMPLETE, func(k ck.ObjectHandle) error {
				var h ck.ObjectHandle
				return m.DeriveKey(s, inMemory(ck.CKM_EXTRACT_KEY_FROM_KEY, ulongs(0)), k, typed, &h)
			}},
			{"join with a key that is none", ck.CKR_KEY_HANDLE_INVALID, func(k ck.ObjectHandle) error {
				var h ck.ObjectHandle
				return m.DeriveKey(s, inMemory(ck.CKM_CONCATENATE_BASE_AND_KEY, ulongs(4711)), k, typed, &h)
			}},
			{"derive with another key and a wrong parameter", ck.CKR_MECHANISM_PARAM_INVALID, func(k ck.ObjectHandle) error {
				var h ck.ObjectHandle
				return m.DeriveKey(s, tooLong(k), generate(t, m, s, ck.CKA_DERIVE, true), with(typed, ck.CKA_VALUE_LEN, 32), &h)
			}},
			{"copy with a wrong template", ck.CKR_ATTRIBUTE_READ_ONLY, func(k ck.ObjectHandle) error {
				_, err := m.CopyObject(s, k, rows(ck.CKA_TOKEN, !token, ck.CKA_SENSITIVE, false))
				return err
			}},
		} {
			// The key decrypts after it, and another wraps.
			k := generate(t, m, s, ck.CKA_TOKEN, token, ck.CKA_DERIVE, true)
			want(t, c.name, c.do(k), c.rv)
			if err := m.DecryptInit(s, &ck.Mechanism{Type: ck.CKM_AES_ECB}, k); err != nil {
				t.Errorf("%s: decrypts no more: %v", c.name, err)
			} else {
				must(t, m.SessionCancel(s, ck.CKF_DECRYPT))
			}
			k = generate(t, m, s, ck.CKA_TOKEN, token, ck.CKA_DERIVE, true)
			want(t, c.name, c.do(k), c.rv)
			out := ck.Into(make([]byte, 256))
			if err := m.WrapKey(s, &ck.Mechanism{Type: ck.CKM_AES_KEY_WRAP}, k, victim, &out); err != nil {
				t.Errorf("%s: wraps no more: %v", c.name, err)
			}
		}
		template := rows(ck.CKA_TOKEN, token)
		pub, priv, err := m.GenerateKeyPair(s, &ck.Mechanism{Type: ck.CKM_RSA_PKCS_KEY_PAIR_GEN}, with(template, ck.CKA_MODULUS_BITS, 1024), template)
		must(t, err)
		want(t, "OAEP without its parameter", wrap(ck.CKM_RSA_PKCS_OAEP, nil, 256)(pub), ck.CKR_MECHANISM_PARAM_INVALID)
		must(t, m.DecryptInit(s, &ck.Mechanism{Type: ck.CKM_RSA_PKCS}, priv))
		must(t, m.SessionCancel(s, ck.CKF_DECRYPT))

		pub, priv, err = m.GenerateKeyPair(s, &ck.Mechanism{Type: ck.CKM_RSA_PKCS_KEY_PAIR_GEN}, with(template, ck.CKA_MODULUS_BITS, 1024), with(template, ck.CKA_DECAPSULATE, true))
		must(t, err)
		_, err = m.DecapsulateKey(s, &ck.Mechanism{Type: ck.CKM_RSA_PKCS_OAEP}, priv, typed, make([]byte, 128))
		want(t, "decapsulate without the parameter", err, ck.CKR_MECHANISM_PARAM_INVALID)
		if err := wrap(ck.CKM_RSA_PKCS, nil, 256)(pub); err != nil {
			t.Errorf("a pair that has decapsulated nothing wraps no more: %v", err)
		}
	}

	// What was used does not wrap, and what was copied so neither, nor its copy.
	k := generate(t, m, s, ck.CKA_DERIVE, true)
	var h ck.ObjectHandle
	must(t, m.DeriveKey(s, inMemory(ck.CKM_CONCATENATE_BASE_AND_KEY, ulongs(uint(k))), generate(t, m, s, ck.CKA_DERIVE, true), nil, &h))
	want(t, "wrap with what another was derived with", wrap(ck.CKM_AES_KEY_WRAP, nil, 256)(k), ck.CKR_KEY_FUNCTION_NOT_PERMITTED)
	for _, token := range []bool{false, true} {
		k := generate(t, m, s, ck.CKA_TOKEN, token)
		copied, err := m.CopyObject(s, k, rows(ck.CKA_TOKEN, !token))
		must(t, err)
		for _, w := range []ck.ObjectHandle{k, copied} {
			want(t, "wrap with what lies in two places", wrap(ck.CKM_AES_KEY_WRAP, nil, 256)(w), ck.CKR_KEY_FUNCTION_NOT_PERMITTED)
		}
	}
}

// tooLong is CKM_SP800_108_COUNTER_KDF with another key, and a field that has no room for the length of a key of 32 bytes.
func tooLong(other ck.ObjectHandle) *ck.Mechanism {
	fields := ulongs(ck.CK_SP800_108_ITERATION_VARIABLE, at(2), 16, ck.CK_SP800_108_KEY_HANDLE, at(3), 8, ck.CK_SP800_108_DKM_LENGTH, at(4), 24)
	return inMemory(ck.CKM_SP800_108_COUNTER_KDF, ulongs(uint(ck.CKM_SHA256_HMAC), 3, at(1), 0, 0), fields, ulongs(0, 16), ulongs(uint(other)),
		ulongs(ck.CK_SP800_108_DKM_LENGTH_SUM_OF_KEYS, 0, 8))
}
