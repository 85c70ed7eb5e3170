package token

import (
	"bytes"
	"testing"

	"github.com/softcsp/softcsp/ck"
)

// TestRecover tests sections 5.13.5, 5.13.6, 5.15.5 and 5.15.6.
func TestRecover(t *testing.T) {
	t.Parallel()
	m, slot := newToken(t)
	s := loggedIn(t, m, slot)
	pub, priv := importRSA(t, m, s)
	mech := &ck.Mechanism{Type: ck.CKM_RSA_PKCS}
	must(t, m.SignRecoverInit(s, mech, priv))
	want(t, "again", m.SignRecoverInit(s, mech, priv), ck.CKR_OPERATION_ACTIVE)
	query, short := ck.Buffer{}, ck.Into(make([]byte, 10))
	must(t, m.SignRecover(s, []byte("data"), &query))
	want(t, "short", m.SignRecover(s, []byte("data"), &short), ck.CKR_BUFFER_TOO_SMALL)
	sig := ck.Into(make([]byte, query.N))
	must(t, m.SignRecover(s, []byte("data"), &sig))
	if short.N != query.N || sig.N != query.N {
		t.Errorf("a signature of %d bytes; said to be %d and %d", sig.N, query.N, short.N)
	}
	want(t, "after the end", m.SignRecover(s, []byte("data"), &sig), ck.CKR_OPERATION_NOT_INITIALIZED)

	must(t, m.VerifyRecoverInit(s, mech, pub))
	query, short = ck.Buffer{}, ck.Into(make([]byte, 3))
	must(t, m.VerifyRecover(s, sig.Data, &query))
	want(t, "short", m.VerifyRecover(s, sig.Data, &short), ck.CKR_BUFFER_TOO_SMALL)
	data := ck.Into(make([]byte, 4))
	must(t, m.VerifyRecover(s, sig.Data, &data)) // no longer than it is, though the bound is greater
	if query.N < 4 || short.N != 4 || data.N != 4 || string(data.Data) != "data" {
		t.Errorf("%q of %d bytes; said to be %d and %d", data.Data, data.N, query.N, short.N)
	}
	want(t, "after the end", m.VerifyRecover(s, sig.Data, &data), ck.CKR_OPERATION_NOT_INITIALIZED)
	must(t, verifyWith(m, s, pub, ck.CKM_RSA_PKCS, "data", sig.Data))
}

// TestRecoverRefuses sees what each function refuses, and that an error ends the operation.
func TestRecoverRefuses(t *testing.T) {
	m, slot := newToken(t)
	s := loggedIn(t, m, slot)
	pub, priv := importRSA(t, m, s)
	mech := &ck.Mechanism{Type: ck.CKM_RSA_PKCS}
	buf := ck.Into(make([]byte, 512))
	want(t, "a mechanism without", m.SignRecoverInit(s, &ck.Mechanism{Type: ck.CKM_SHA256_RSA_PKCS}, priv), ck.CKR_MECHANISM_INVALID)
	want(t, "a public key signs", m.SignRecoverInit(s, mech, pub), ck.CKR_KEY_FUNCTION_NOT_PERMITTED)
	want(t, "a private key verifies", m.VerifyRecoverInit(s, mech, priv), ck.CKR_KEY_FUNCTION_NOT_PERMITTED)
	want(t, "no key", m.VerifyRecoverInit(s, mech, 4711), ck.CKR_KEY_HANDLE_INVALID)
	want(t, "cancelling nothing", m.SignRecoverInit(s, nil, 0), ck.CKR_ARGUMENTS_BAD)
	must(t, m.SetAttributeValue(s, priv, rows(ck.CKA_SIGN_RECOVER, false)))
	want(t, "a key that may not", m.SignRecoverInit(s, mech, priv), ck.CKR_KEY_FUNCTION_NOT_PERMITTED)
	must(t, m.SignInit(s, mech, priv))
	must(t, m.SetAttributeValue(s, priv, rows(ck.CKA_SIGN_RECOVER, true)))
	must(t, m.SignRecoverInit(s, mech, priv)) // beside a signature
	want(t, "too long", m.SignRecover(s, bytes.Repeat([]byte{1}, 500), &buf), ck.CKR_DATA_LEN_RANGE)
	want(t, "after the error", m.SignRecover(s, nil, &buf), ck.CKR_OPERATION_NOT_INITIALIZED)
	must(t, m.Sign(s, []byte("data"), &buf))
	sig := bytes.Clone(buf.Data[:buf.N])

	must(t, m.VerifyRecoverInit(s, mech, pub))
	want(t, "another length", m.VerifyRecover(s, sig[1:], &buf), ck.CKR_SIGNATURE_LEN_RANGE)
	sig[40] ^= 1
	must(t, m.VerifyRecoverInit(s, mech, pub))
	small := ck.Into(make([]byte, 1))
	want(t, "another signature, a short buffer", m.VerifyRecover(s, sig, &small), ck.CKR_SIGNATURE_INVALID)
	want(t, "after the error", m.VerifyRecover(s, sig, &buf), ck.CKR_OPERATION_NOT_INITIALIZED)

	must(t, m.VerifyRecoverInit(s, mech, pub))
	must(t, m.SignRecoverInit(s, mech, priv))
	must(t, m.SessionCancel(s, ck.CKF_SIGN_RECOVER))
	want(t, "cancelled", m.SignRecover(s, nil, &buf), ck.CKR_OPERATION_NOT_INITIALIZED)
	must(t, m.VerifyRecoverInit(s, nil, 0))
	want(t, "cancelled", m.VerifyRecover(s, sig, &buf), ck.CKR_OPERATION_NOT_INITIALIZED)
}

// TestRecoverConfirms sees that CKA_ALWAYS_AUTHENTICATE holds for signatures with recovery.
func TestRecoverConfirms(t *testing.T) {
	m, slot := newToken(t)
	s := loggedIn(t, m, slot)
	_, priv := importRSA(t, m, s, attr(ck.CKA_ALWAYS_AUTHENTICATE, true))
	buf := ck.Into(make([]byte, 512))
	must(t, m.SignRecoverInit(s, &ck.Mechanism{Type: ck.CKM_RSA_X_509}, priv))
	want(t, "before the PIN", m.SignRecover(s, []byte("data"), &buf), ck.CKR_USER_NOT_LOGGED_IN)
	must(t, m.SignRecoverInit(s, &ck.Mechanism{Type: ck.CKM_RSA_X_509}, priv))
	must(t, m.Login(s, ck.CKU_CONTEXT_SPECIFIC, []byte(userPIN)))
	must(t, m.SignRecover(s, []byte("data"), &buf))
}
