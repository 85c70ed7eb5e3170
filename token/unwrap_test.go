package token

import (
	"bytes"
	"maps"
	"testing"

	"github.com/softcsp/softcsp/ck"
)

// TestUnwrappedKey looks at what section 5.18.4 says of a key that is unwrapped, unless its template says otherwise.
func TestUnwrappedKey(t *testing.T) {
	m, slot := newToken(t)
	s := loggedIn(t, m, slot)
	mech := &ck.Mechanism{Type: ck.CKM_AES_KEY_WRAP}
	template := []ck.Attribute{attr(ck.CKA_CLASS, ck.CKO_SECRET_KEY), attr(ck.CKA_KEY_TYPE, ck.CKK_AES)}
	unwrapped := func(w ck.ObjectHandle, wrapped []byte, more ...ck.Attribute) map[ck.AttributeType]bool {
		t.Helper()
		k, err := m.UnwrapKey(s, mech, w, wrapped, append(more, template...))
		must(t, err)
		flags := map[ck.AttributeType]bool{}
		for _, a := range []ck.AttributeType{ck.CKA_EXTRACTABLE, ck.CKA_SENSITIVE, ck.CKA_ALWAYS_SENSITIVE, ck.CKA_NEVER_EXTRACTABLE, ck.CKA_LOCAL} {
			v, err := read(m, s, k, a)
			must(t, err)
			flags[a] = v[0] == 1
		}
		return flags
	}
	w, err := m.CreateObject(s, aesTemplate(false, "w", attr(ck.CKA_WRAP, true), attr(ck.CKA_UNWRAP, true), attr(ck.CKA_EXTRACTABLE, true)))
	must(t, err)
	out := ck.Into(make([]byte, 64))
	must(t, m.WrapKey(s, mech, w, w, &out))
	wrapped := out.Data[:out.N]
	if got := unwrapped(w, wrapped); !maps.Equal(got, map[ck.AttributeType]bool{ck.CKA_EXTRACTABLE: true, ck.CKA_SENSITIVE: false,
		ck.CKA_ALWAYS_SENSITIVE: false, ck.CKA_NEVER_EXTRACTABLE: false, ck.CKA_LOCAL: false}) {
		t.Error(got)
	}
	if unwrapped(w, wrapped, attr(ck.CKA_EXTRACTABLE, false))[ck.CKA_EXTRACTABLE] {
		t.Error("extractable against the template")
	}
	closed, err := m.CreateObject(s, aesTemplate(false, "w", attr(ck.CKA_UNWRAP, true),
		attr(ck.CKA_UNWRAP_TEMPLATE, ck.AppendTemplate(nil, []ck.Attribute{attr(ck.CKA_EXTRACTABLE, false)}))))
	must(t, err)
	if unwrapped(closed, wrapped)[ck.CKA_EXTRACTABLE] {
		t.Error("extractable against CKA_UNWRAP_TEMPLATE")
	}
}

func TestWrapUnwrap(t *testing.T) {
	m, slot := newToken(t)
	s := loggedIn(t, m, slot)
	kek, err := m.CreateObject(s, aesTemplate(true, "kek", attr(ck.CKA_WRAP, true), attr(ck.CKA_UNWRAP, true)))
	must(t, err)
	k, err := m.CreateObject(s, aesTemplate(false, "k", attr(ck.CKA_EXTRACTABLE, true)))
	must(t, err)
	var query ck.Buffer
	wrap := &ck.Mechanism{Type: ck.CKM_AES_KEY_WRAP}
	must(t, m.WrapKey(s, wrap, kek, k, &query))
	out := ck.Into(make([]byte, query.N))
	must(t, m.WrapKey(s, wrap, kek, k, &out))
	template := []ck.Attribute{
		attr(ck.CKA_CLASS, ck.CKO_SECRET_KEY), attr(ck.CKA_KEY_TYPE, ck.CKK_AES), attr(ck.CKA_SENSITIVE, false), attr(ck.CKA_EXTRACTABLE, true),
	}
	u, err := m.UnwrapKey(s, wrap, kek, out.Data, template)
	must(t, err)
	if v, err := read(m, s, u, ck.CKA_VALUE); err != nil || !bytes.Equal(v, bytes.Repeat([]byte{7}, 32)) {
		t.Errorf("value %x, %v", v, err)
	}
	out.Data[0] ^= 1
	_, err = m.UnwrapKey(s, wrap, kek, out.Data, template)
	want(t, "damaged", err, ck.CKR_WRAPPED_KEY_INVALID)
	_, err = m.UnwrapKey(s, wrap, 999, out.Data, template)
	want(t, "no key", err, ck.CKR_UNWRAPPING_KEY_HANDLE_INVALID)
}

// TestUnwrapTruncates wraps a key that is no whole number of blocks by a mechanism without padding.
func TestUnwrapTruncates(t *testing.T) {
	m, slot := newToken(t)
	s := loggedIn(t, m, slot)
	kek, err := m.CreateObject(s, aesTemplate(false, "kek", attr(ck.CKA_WRAP, true), attr(ck.CKA_UNWRAP, true)))
	must(t, err)
	k, err := m.CreateObject(s, append(baseKey("odd bytes"), attr(ck.CKA_EXTRACTABLE, true)))
	must(t, err)
	ecb := &ck.Mechanism{Type: ck.CKM_AES_ECB}
	out := ck.Into(make([]byte, 64))
	must(t, m.WrapKey(s, ecb, kek, k, &out))
	for n, want := range map[int]string{9: "odd bytes", 16: "odd bytes\x00\x00\x00\x00\x00\x00\x00"} {
		u, err := m.UnwrapKey(s, ecb, kek, out.Data[:out.N], []ck.Attribute{
			attr(ck.CKA_CLASS, ck.CKO_SECRET_KEY), attr(ck.CKA_KEY_TYPE, ck.CKK_GENERIC_SECRET), attr(ck.CKA_VALUE_LEN, n),
			attr(ck.CKA_SENSITIVE, false), attr(ck.CKA_EXTRACTABLE, true),
		})
		must(t, err)
		if v, err := read(m, s, u, ck.CKA_VALUE); err != nil || string(v) != want {
			t.Errorf("%d bytes: %q, %v", n, v, err)
		}
	}
}

// What is unwrapped is as protected as the keys with its value are, wherever they are.
func TestSameValue(t *testing.T) {
	t.Parallel()
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
			t.Errorf("extractable %x, %v, though the key with the same value is not", v, err)
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

// What a key with the same value may not, a key that is unwrapped may not either.
func TestNarrow(t *testing.T) {
	m, slot := newToken(t)
	s := loggedIn(t, m, slot)
	kw := &ck.Mechanism{Type: ck.CKM_AES_KEY_WRAP}
	w := generate(t, m, s)
	k := generate(t, m, s, ck.CKA_EXTRACTABLE, true, ck.CKA_DECRYPT, false, ck.CKA_MODIFIABLE, false, ck.CKA_ALLOWED_MECHANISMS, ulongs(uint(ck.CKM_AES_GCM), uint(ck.CKM_AES_CBC)))
	blob := wrapped(t, m, s, ck.CKM_AES_KEY_WRAP, w, k)
	for _, a := range [][]ck.Attribute{rows(ck.CKA_DECRYPT, true), rows(ck.CKA_MODIFIABLE, true), rows(ck.CKA_ALLOWED_MECHANISMS, ulongs(uint(ck.CKM_AES_ECB)))} {
		_, err := m.UnwrapKey(s, kw, w, blob, append(a, typed...))
		want(t, a[0].Type.String(), err, ck.CKR_TEMPLATE_INCONSISTENT)
	}
	u, err := m.UnwrapKey(s, kw, w, blob, with(typed, ck.CKA_ALLOWED_MECHANISMS, ulongs(uint(ck.CKM_AES_GCM))))
	must(t, err)
	must(t, m.DestroyObject(s, u))
	u, err = m.UnwrapKey(s, kw, w, blob, typed)
	must(t, err)
	if v := value(t, m, s, u, ck.CKA_ALLOWED_MECHANISMS); !bytes.Equal(v, ulongs(uint(ck.CKM_AES_GCM), uint(ck.CKM_AES_CBC))) {
		t.Errorf("allowed: %x", v)
	}
	if v := value(t, m, s, u, ck.CKA_DECRYPT); v[0] != 0 {
		t.Error("it decrypts")
	}
}

// What a wrapping key asks of those that it unwraps does not widen what a key with the same value may, and what such a key asks of
// others is asked by the one that is unwrapped, or that has its bytes.
func TestNarrowTemplates(t *testing.T) {
	m, slot := newToken(t)
	s := loggedIn(t, m, slot)
	kw := &ck.Mechanism{Type: ck.CKM_AES_KEY_WRAP}
	template := func(pairs ...any) []byte { return ck.AppendTemplate(nil, rows(pairs...)) }
	asks, readable := template(ck.CKA_SENSITIVE, true, ck.CKA_EXTRACTABLE, false), rows(ck.CKA_CLASS, ck.CKO_SECRET_KEY, ck.CKA_KEY_TYPE, ck.CKK_GENERIC_SECRET, ck.CKA_VALUE_LEN, 16, ck.CKA_SENSITIVE, false, ck.CKA_EXTRACTABLE, true)
	k := generate(t, m, s, ck.CKA_EXTRACTABLE, true, ck.CKA_DERIVE, true, ck.CKA_ALLOWED_MECHANISMS, ulongs(uint(ck.CKM_XOR_BASE_AND_DATA), uint(ck.CKM_AES_ECB_ENCRYPT_DATA)),
		ck.CKA_DERIVE_TEMPLATE, asks)
	w := generate(t, m, s, ck.CKA_UNWRAP_TEMPLATE, template(ck.CKA_ALLOWED_MECHANISMS, ulongs(uint(ck.CKM_AES_ECB))))
	blob := wrapped(t, m, s, ck.CKM_AES_KEY_WRAP, w, k)
	_, err := m.UnwrapKey(s, kw, w, blob, typed)
	want(t, "mechanisms that the wrapping key asks for", err, ck.CKR_TEMPLATE_INCONSISTENT)

	w = generate(t, m, s)
	blob = wrapped(t, m, s, ck.CKM_AES_KEY_WRAP, w, k)
	_, err = m.UnwrapKey(s, kw, w, blob, with(typed, ck.CKA_DERIVE_TEMPLATE, template(ck.CKA_LABEL, "derived")))
	want(t, "another template", err, ck.CKR_TEMPLATE_INCONSISTENT)
	u, err := m.UnwrapKey(s, kw, w, blob, with(typed, ck.CKA_DERIVE_TEMPLATE, asks))
	must(t, err)
	must(t, m.DestroyObject(s, u)) // as it does not derive
	u, err = m.UnwrapKey(s, kw, w, blob, with(typed, ck.CKA_DERIVE, true))
	must(t, err)
	var taken, made ck.ObjectHandle
	must(t, m.DeriveKey(s, inMemory(ck.CKM_XOR_BASE_AND_DATA, ulongs(at(1), 16), make([]byte, 16)), k, rows(ck.CKA_KEY_TYPE, ck.CKK_AES, ck.CKA_VALUE_LEN, 16, ck.CKA_DERIVE, true), &taken))
	for what, h := range map[string]ck.ObjectHandle{"itself": k, "unwrapped": u, "with its bytes": taken} {
		data := inMemory(ck.CKM_AES_ECB_ENCRYPT_DATA, ulongs(at(1), 16), make([]byte, 16))
		want(t, what+": derive what can be read", m.DeriveKey(s, data, h, readable, &made), ck.CKR_TEMPLATE_INCONSISTENT)
	}

	k = generate(t, m, s, ck.CKA_EXTRACTABLE, true)
	_, err = m.UnwrapKey(s, kw, w, wrapped(t, m, s, ck.CKM_AES_KEY_WRAP, w, k), with(typed, ck.CKA_DERIVE, true))
	want(t, "derive from what is not derived from", err, ck.CKR_TEMPLATE_INCONSISTENT)
}

// A key that was wrapped by one that is trusted comes back as one that only such may wrap.
func TestWithTrusted(t *testing.T) {
	m, slot := newToken(t)
	s := open(t, m, slot, true)
	must(t, m.Login(s, ck.CKU_SO, []byte(soPIN)))
	w := generate(t, m, s, ck.CKA_TOKEN, true, ck.CKA_PRIVATE, false, ck.CKA_TRUSTED, true)
	must(t, m.Logout(s))
	must(t, m.Login(s, ck.CKU_USER, []byte(userPIN)))
	k := generate(t, m, s, ck.CKA_EXTRACTABLE, true, ck.CKA_WRAP_WITH_TRUSTED, true, ck.CKA_DERIVE, true)
	blob := wrapped(t, m, s, ck.CKM_AES_KEY_WRAP, w, k)
	var joined ck.ObjectHandle
	open := generate(t, m, s, ck.CKA_DERIVE, true)
	must(t, m.DeriveKey(s, inMemory(ck.CKM_CONCATENATE_BASE_AND_KEY, ulongs(uint(k))), open, nil, &joined))
	must(t, m.DestroyObject(s, k))
	untrusted, err := m.CopyObject(s, w, rows(ck.CKA_TRUSTED, false, ck.CKA_LABEL, "copy"))
	must(t, err)
	for _, u := range []ck.ObjectHandle{w, untrusted} {
		_, err = m.UnwrapKey(s, &ck.Mechanism{Type: ck.CKM_AES_KEY_WRAP}, u, blob, with(typed, ck.CKA_WRAP_WITH_TRUSTED, false))
		want(t, "without the condition", err, ck.CKR_TEMPLATE_INCONSISTENT)
		k, err = m.UnwrapKey(s, &ck.Mechanism{Type: ck.CKM_AES_KEY_WRAP}, u, blob, typed)
		must(t, err)
		for _, h := range []ck.ObjectHandle{k, joined} {
			if v := value(t, m, s, h, ck.CKA_WRAP_WITH_TRUSTED); v[0] != 1 {
				t.Error("the condition is lost")
			}
		}
	}
}

// A copy in memory of a wrapping key does not learn that the key has wrapped one for trusted keys alone in another process, and so
// unwraps such keys alone.
func TestGuardingCopies(t *testing.T) {
	t.Parallel()
	conf := "tokendir='" + t.TempDir() + "' kdf='test'"
	m, s := started(t, conf)
	kw := &ck.Mechanism{Type: ck.CKM_AES_KEY_WRAP}
	plain := func(m *Module, s ck.SessionHandle) ck.ObjectHandle {
		return generate(t, m, s, ck.CKA_EXTRACTABLE, true)
	}
	trusting := func(label string) {
		t.Helper()
		must(t, m.Logout(s))
		must(t, m.Login(s, ck.CKU_SO, []byte(soPIN)))
		generate(t, m, s, ck.CKA_TOKEN, true, ck.CKA_PRIVATE, false, ck.CKA_TRUSTED, true, ck.CKA_LABEL, label)
		must(t, m.Logout(s))
		must(t, m.Login(s, ck.CKU_USER, []byte(userPIN)))
	}
	trusting("in the token first")
	w := find(t, m, s, attr(ck.CKA_LABEL, "in the token first"))[0]
	wrapped(t, m, s, ck.CKM_AES_KEY_WRAP, w, plain(m, s))
	other, os := started(t, conf)
	copied, err := other.CopyObject(os, find(t, other, os, attr(ck.CKA_LABEL, "in the token first"))[0], rows(ck.CKA_TOKEN, false))
	must(t, err)
	blob := wrapped(t, m, s, ck.CKM_AES_KEY_WRAP, w, generate(t, m, s, ck.CKA_EXTRACTABLE, true, ck.CKA_WRAP_WITH_TRUSTED, true))
	unwraps := func(what string, m *Module, s ck.SessionHandle, with ck.ObjectHandle, blob []byte) {
		t.Helper()
		k, err := m.UnwrapKey(s, kw, with, blob, typed)
		must(t, err)
		if v := value(t, m, s, k, ck.CKA_WRAP_WITH_TRUSTED); v[0] != 1 {
			t.Errorf("%s: the condition is lost", what)
		}
	}
	unwraps("a copy in memory", other, os, copied, blob)

	// the other way round
	session, err := m.CopyObject(s, w, rows(ck.CKA_TOKEN, false))
	must(t, err)
	_ = session
	g := generate(t, m, s, ck.CKA_LABEL, "in memory first")
	wrapped(t, m, s, ck.CKM_AES_KEY_WRAP, g, plain(m, s))
	_, err = m.CopyObject(s, g, rows(ck.CKA_TOKEN, true, ck.CKA_PRIVATE, true))
	must(t, err)
	blob = wrapped(t, m, s, ck.CKM_AES_KEY_WRAP, g, plain(m, s))
	must(t, m.DestroyObject(s, find(t, m, s, attr(ck.CKA_LABEL, "in memory first"), attr(ck.CKA_TOKEN, true))[0]))
	unwraps("the original in memory", m, s, g, blob)
}
