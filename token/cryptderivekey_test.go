package token

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
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
