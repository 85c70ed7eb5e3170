package token

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"maps"
	"testing"

	"github.com/softcsp/softcsp/capi"
	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/mechanisms"
)

// deriveParam is a CK_SOFTCSP_CRYPT_DERIVE_KEY_PARAMS in a mechanism.
func deriveParam(provider uint, hash, cipher capi.AlgID, flags uint) *ck.Mechanism {
	var b []byte
	for _, v := range []uint{provider, uint(hash), uint(cipher), flags} {
		b = ck.AppendUlong(b, v)
	}
	return &ck.Mechanism{Type: ck.CKM_SOFTCSP_CRYPT_DERIVE_KEY, Param: ck.NewParam(b, nil)}
}

// baseKey is a template of base data.
func baseKey(value string) []ck.Attribute {
	return []ck.Attribute{
		attr(ck.CKA_CLASS, ck.CKO_SECRET_KEY), attr(ck.CKA_KEY_TYPE, ck.CKK_GENERIC_SECRET), attr(ck.CKA_VALUE, value), attr(ck.CKA_DERIVE, true),
	}
}

func deviceError(t *testing.T, m *Module, s ck.SessionHandle) uint {
	t.Helper()
	i, err := m.GetSessionInfo(s)
	must(t, err)
	return i.DeviceError
}

const exportable = capi.CRYPT_EXPORTABLE

func TestDeriveBothWays(t *testing.T) {
	m, slot := newToken(t)
	s := loggedIn(t, m, slot)
	base, err := m.CreateObject(s, baseKey("apple-camshaft"))
	must(t, err)
	h := md5.Sum([]byte("apple-camshaft"))

	var one, two, again ck.ObjectHandle
	must(t, m.DeriveKey(s, deriveParam(3, capi.CALG_MD5, capi.CALG_RC2, 128<<16|exportable), base, nil, &one))
	must(t, m.DigestInit(s, &ck.Mechanism{Type: ck.CKM_MD5}))
	must(t, m.DigestUpdate(s, []byte("apple-")))
	must(t, m.DigestUpdate(s, []byte("camshaft")))
	mech := func() *ck.Mechanism { return deriveParam(3, 0, capi.CALG_RC2, 128<<16|exportable) }
	must(t, m.DeriveKey(s, mech(), 0, nil, &two))
	want(t, "more data", m.DigestUpdate(s, []byte("x")), ck.CKR_OPERATION_NOT_INITIALIZED)
	if deviceError(t, m, s) != uint(capi.NTE_BAD_HASH_STATE) {
		t.Errorf("device error %#x", deviceError(t, m, s))
	}
	must(t, m.DeriveKey(s, mech(), 0, nil, &again))
	if deviceError(t, m, s) != 0 {
		t.Errorf("device error %#x after a success", deviceError(t, m, s))
	}
	for _, k := range []ck.ObjectHandle{one, two, again} {
		if v, err := read(m, s, k, ck.CKA_VALUE); err != nil || !bytes.Equal(v, h[:]) {
			t.Errorf("value %x, %v", v, err)
		}
	}
	sum := ck.Into(make([]byte, 16))
	must(t, m.DigestFinal(s, &sum))
	if !bytes.Equal(sum.Data, h[:]) {
		t.Errorf("digest %x", sum.Data)
	}
	want(t, "no digest", m.DeriveKey(s, mech(), 0, nil, &again), ck.CKR_OPERATION_NOT_INITIALIZED)
	if deviceError(t, m, s) != uint(capi.NTE_BAD_HASH) {
		t.Errorf("device error %#x", deviceError(t, m, s))
	}
	want(t, "no such key", m.DeriveKey(s, mech(), 12345, nil, &again), ck.CKR_KEY_HANDLE_INVALID)
	if deviceError(t, m, s) != uint(capi.ERROR_INVALID_HANDLE) {
		t.Errorf("device error %#x", deviceError(t, m, s))
	}
}

func TestDeriveNotExportable(t *testing.T) {
	m, slot := newToken(t)
	s := loggedIn(t, m, slot)
	base, err := m.CreateObject(s, baseKey("apple-camshaft"))
	must(t, err)
	mech := func() *ck.Mechanism { return deriveParam(4, capi.CALG_SHA1, capi.CALG_AES_256, 0) }
	var k ck.ObjectHandle
	want(t, "extractable", m.DeriveKey(s, mech(), base, []ck.Attribute{attr(ck.CKA_EXTRACTABLE, true)}, &k), ck.CKR_TEMPLATE_INCONSISTENT)
	want(t, "not sensitive", m.DeriveKey(s, mech(), base, []ck.Attribute{attr(ck.CKA_SENSITIVE, false)}, &k), ck.CKR_TEMPLATE_INCONSISTENT)
	must(t, m.DeriveKey(s, mech(), base, []ck.Attribute{attr(ck.CKA_TOKEN, true), attr(ck.CKA_LABEL, "kept")}, &k))
	_, err = read(m, s, k, ck.CKA_VALUE)
	want(t, "value", err, ck.CKR_ATTRIBUTE_SENSITIVE)
	var out ck.Buffer
	want(t, "wrap", m.WrapKey(s, &ck.Mechanism{Type: ck.CKM_AES_KEY_WRAP}, k, k, &out), ck.CKR_KEY_UNEXTRACTABLE)
	if got := find(t, m, s, attr(ck.CKA_LABEL, "kept")); len(got) != 1 || got[0] != k {
		t.Error("found", got)
	}
}

func TestUserProtected(t *testing.T) {
	m, slot := newToken(t)
	s := open(t, m, slot, true)
	var k ck.ObjectHandle
	must(t, m.DigestInit(s, &ck.Mechanism{Type: ck.CKM_SHA_1}))
	mech := func() *ck.Mechanism { return deriveParam(3, 0, capi.CALG_3DES, capi.CRYPT_USER_PROTECTED) }
	want(t, "nobody to ask", m.DeriveKey(s, mech(), 0, nil, &k), ck.CKR_USER_NOT_LOGGED_IN)
	if deviceError(t, m, s) != uint(capi.NTE_SILENT_CONTEXT) {
		t.Errorf("device error %#x", deviceError(t, m, s))
	}
	must(t, m.Login(s, ck.CKU_USER, []byte(userPIN)))
	must(t, m.DeriveKey(s, mech(), 0, nil, &k))
	ecb := &ck.Mechanism{Type: ck.CKM_DES3_ECB}
	out := ck.Into(make([]byte, 8))
	must(t, m.EncryptInit(s, ecb, k))
	want(t, "before the PIN", m.Encrypt(s, make([]byte, 8), &out), ck.CKR_USER_NOT_LOGGED_IN)
	must(t, m.EncryptInit(s, ecb, k))
	want(t, "wrong PIN", m.Login(s, ck.CKU_CONTEXT_SPECIFIC, []byte("wrong")), ck.CKR_PIN_INCORRECT)
	must(t, m.Login(s, ck.CKU_CONTEXT_SPECIFIC, []byte(userPIN)))
	must(t, m.Encrypt(s, make([]byte, 8), &out))
	must(t, m.DeriveKey(s, mech(), 0, []ck.Attribute{attr(ck.CKA_PRIVATE, false)}, &k))
	must(t, m.EncryptInit(s, ecb, k))
	must(t, m.SessionCancel(s, ck.CKF_ENCRYPT))
	want(t, "no operation", m.Login(s, ck.CKU_CONTEXT_SPECIFIC, []byte(userPIN)), ck.CKR_OPERATION_NOT_INITIALIZED)
}

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

// TestUpdateKey derives twice into one key of provider 0: the base hash becomes H(h || h').
func TestUpdateKey(t *testing.T) {
	m, slot := newToken(t)
	s := loggedIn(t, m, slot)
	h1, h2 := sha1.Sum([]byte("first")), sha1.Sum([]byte("second"))
	both := sha1.Sum(append(h1[:], h2[:]...))
	for _, token := range []bool{false, true} {
		first, err := m.CreateObject(s, baseKey("first"))
		must(t, err)
		second, err := m.CreateObject(s, baseKey("second"))
		must(t, err)
		var k ck.ObjectHandle
		template := []ck.Attribute{attr(ck.CKA_TOKEN, token)}
		must(t, m.DeriveKey(s, deriveParam(0, capi.CALG_SHA1, capi.CALG_RC4, 128<<16|exportable), first, template, &k))
		same := k
		must(t, m.DeriveKey(s, deriveParam(0, capi.CALG_SHA1, capi.CALG_RC4, 128<<16|exportable|capi.CRYPT_UPDATE_KEY), second, nil, &k))
		if k != same {
			t.Error("the handle changed")
		}
		if v, err := read(m, s, k, ck.CKA_VALUE); err != nil || !bytes.Equal(v, both[:16]) {
			t.Errorf("value %x, %v, want %x", v, err, both[:16])
		}
		_, err = read(m, s, k, mechanisms.CKA_SOFTCSP_BASE_HASH)
		want(t, "base hash", err, ck.CKR_ATTRIBUTE_TYPE_INVALID)
	}
	var none ck.ObjectHandle
	base, err := m.CreateObject(s, baseKey("first"))
	must(t, err)
	want(t, "no key to update", m.DeriveKey(s, deriveParam(0, capi.CALG_SHA1, capi.CALG_RC4, capi.CRYPT_UPDATE_KEY), base, nil, &none),
		ck.CKR_KEY_HANDLE_INVALID)
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

// TestTwoModules has two modules over one directory, as two processes would be.
func TestTwoModules(t *testing.T) {
	dir := "tokendir='" + t.TempDir() + "' kdf='test'"
	a, b := New(), New()
	for _, m := range []*Module{a, b} {
		must(t, m.Initialize(ck.InitArgs{Reserved: dir}))
		defer m.Finalize()
	}
	slot := lastSlot(t, a)
	if lastSlot(t, b) != slot {
		t.Fatal("the free slot has two numbers")
	}
	must(t, a.InitToken(slot, []byte(soPIN), []byte(pad("shared"))))
	so := open(t, a, slot, true)
	must(t, a.Login(so, ck.CKU_SO, []byte(soPIN)))
	must(t, a.InitPIN(so, []byte(userPIN)))
	must(t, a.CloseSession(so))
	slots, err := b.GetSlotList(true)
	must(t, err)
	if len(slots) != 2 || slots[0] != slot && slots[1] != slot {
		t.Fatalf("slots %v, want %v among two", slots, slot)
	}
	sa, sb := loggedIn(t, a, slot), loggedIn(t, b, slot)
	ka, err := a.CreateObject(sa, aesTemplate(true, "k"))
	must(t, err)
	found := find(t, b, sb, attr(ck.CKA_LABEL, "k"))
	if len(found) != 1 {
		t.Fatal("the other does not see the key", found)
	}
	kb := found[0]
	must(t, a.SetAttributeValue(sa, ka, []ck.Attribute{attr(ck.CKA_ENCRYPT, false)}))
	want(t, "use of a key that may no more", b.EncryptInit(sb, &ck.Mechanism{Type: ck.CKM_AES_ECB}, kb), ck.CKR_KEY_FUNCTION_NOT_PERMITTED)
	must(t, b.SetAttributeValue(sb, kb, []ck.Attribute{attr(ck.CKA_LABEL, "b")}))
	if v, err := read(a, sa, ka, ck.CKA_LABEL); err != nil || string(v) != "b" {
		t.Errorf("label %q, %v", v, err)
	}
	must(t, b.DestroyObject(sb, kb))
	_, err = read(a, sa, ka, ck.CKA_LABEL)
	want(t, "destroyed by the other", err, ck.CKR_OBJECT_HANDLE_INVALID)
}

// TestInheritance derives from a sensitive key by a mechanism that hands on its bytes: section 6.43.
func TestInheritance(t *testing.T) {
	m, slot := newToken(t)
	s := loggedIn(t, m, slot)
	base, err := m.CreateObject(s, append(baseKey("sensitive"), attr(ck.CKA_SENSITIVE, true)))
	must(t, err)
	data := []byte("0123456789")
	mech := func() *ck.Mechanism {
		b := ck.AppendUlong(ck.AppendUlong(nil, 1), uint(len(data)))
		return &ck.Mechanism{Type: ck.CKM_CONCATENATE_BASE_AND_DATA, Param: ck.NewParam(b, func(uint64, uint) []byte { return data })}
	}
	var k ck.ObjectHandle
	for _, a := range []ck.Attribute{attr(ck.CKA_SENSITIVE, false), attr(ck.CKA_EXTRACTABLE, true)} {
		want(t, a.Type.String(), m.DeriveKey(s, mech(), base, []ck.Attribute{a}, &k), ck.CKR_TEMPLATE_INCONSISTENT)
	}
	must(t, m.DeriveKey(s, mech(), base, nil, &k))
	_, err = read(m, s, k, ck.CKA_VALUE)
	want(t, "value", err, ck.CKR_ATTRIBUTE_SENSITIVE)
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
