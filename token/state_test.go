package token

import (
	"bytes"
	"crypto/sha256"
	"testing"

	"github.com/softcsp/softcsp/ck"
)

func TestOperationState(t *testing.T) {
	m, slot := newToken(t)
	s, other := loggedIn(t, m, slot), open(t, m, slot, false)
	sha := &ck.Mechanism{Type: ck.CKM_SHA256}
	var query ck.Buffer
	want(t, "no state", m.SetOperationState(s, nil, 0, 0), ck.CKR_ARGUMENTS_BAD)
	want(t, "no operation", m.GetOperationState(s, &query), ck.CKR_OPERATION_NOT_INITIALIZED)
	must(t, m.DigestInit(s, sha))
	must(t, m.DigestUpdate(s, []byte("the first half, ")))
	must(t, m.GetOperationState(s, &query))
	short := ck.Into(make([]byte, query.N-1))
	want(t, "short buffer", m.GetOperationState(s, &short), ck.CKR_BUFFER_TOO_SMALL)
	state := ck.Into(make([]byte, query.N))
	must(t, m.GetOperationState(s, &state))
	if bytes.Contains(state.Data, []byte("first")) {
		t.Error("the state shows what was hashed")
	}
	want(t, "a digest in every session", m.SetOperationState(other, state.Data, 0, 0), ck.CKR_FUNCTION_FAILED)
	must(t, m.SetOperationState(s, state.Data, 0, 0))
	free := open(t, m, slot, false)
	must(t, m.SetOperationState(other, state.Data, 0, 0))
	must(t, m.CloseSession(free))
	sum := sha256.Sum256([]byte("the first half, the second"))
	for _, h := range []ck.SessionHandle{s, other} {
		must(t, m.DigestUpdate(h, []byte("the second")))
		out := ck.Into(make([]byte, 32))
		if must(t, m.DigestFinal(h, &out)); !bytes.Equal(out.Data, sum[:]) {
			t.Errorf("digest %x", out.Data)
		}
	}
	want(t, "a key", m.SetOperationState(s, state.Data, 1, 0), ck.CKR_KEY_NOT_NEEDED)
	for i := range state.Data {
		state.Data[i] ^= 1
		want(t, "damaged", m.SetOperationState(s, state.Data, 0, 0), ck.CKR_SAVED_STATE_INVALID)
		state.Data[i] ^= 1
	}
	want(t, "cut", m.SetOperationState(s, state.Data[:20], 0, 0), ck.CKR_SAVED_STATE_INVALID)
	k, err := m.CreateObject(s, aesTemplate(false, "k"))
	must(t, err)
	must(t, m.DigestInit(s, sha))
	must(t, m.EncryptInit(s, gcmMechanism(), k))
	want(t, "an encryption", m.GetOperationState(s, &query), ck.CKR_STATE_UNSAVEABLE)
	must(t, m.SetOperationState(s, state.Data, 0, 0))
	want(t, "the encryption is no more", m.Encrypt(s, make([]byte, 16), &query), ck.CKR_OPERATION_NOT_INITIALIZED)

	m2, slot2 := newToken(t)
	want(t, "another token", m2.SetOperationState(loggedIn(t, m2, slot2), state.Data, 0, 0), ck.CKR_SAVED_STATE_INVALID)
}

// stateOf saves the state of a session.
func stateOf(t *testing.T, m *Module, s ck.SessionHandle) []byte {
	t.Helper()
	out := ck.Into(make([]byte, 4096))
	must(t, m.GetOperationState(s, &out))
	return out.Data[:out.N]
}

// TestCipherState saves encryptions and decryptions in the middle of a part, and goes on in another session: the output is the same.
func TestCipherState(t *testing.T) {
	t.Parallel()
	m, slot := newToken(t)
	s, other := loggedIn(t, m, slot), open(t, m, slot, true)
	k, err := m.CreateObject(s, aesTemplate(false, "k"))
	must(t, err)
	wrong, err := m.CreateObject(s, aesTemplate(false, "the same value"))
	must(t, err)
	data := bytes.Repeat([]byte("fifteen bytes a\x01"), 4)
	for _, name := range []string{"ECB", "CBC", "CBC_PAD"} {
		for _, encrypt := range []bool{true, false} {
			begin, update, final := m.EncryptInit, m.EncryptUpdate, m.EncryptFinal
			if !encrypt {
				begin, update, final = m.DecryptInit, m.DecryptUpdate, m.DecryptFinal
			}
			for cut := range len(data) {
				in := data
				if !encrypt {
					in = inParts(t, m, s, k, name, true, data, false)
				}
				want1 := inParts(t, m, s, k, name, encrypt, in, false)
				must(t, begin(s, partMechanisms()[name], k))
				first, second, last := ck.Into(make([]byte, 128)), ck.Into(make([]byte, 128)), ck.Into(make([]byte, 128))
				must(t, update(s, in[:cut], &first))
				state := stateOf(t, m, s)
				want(t, "no key", m.SetOperationState(other, state, 0, 0), ck.CKR_KEY_NEEDED)
				want(t, "the wrong kind of key", m.SetOperationState(other, state, k, k), ck.CKR_KEY_NOT_NEEDED)
				want(t, "another key", m.SetOperationState(other, state, wrong, 0), ck.CKR_KEY_CHANGED)
				want(t, "no key at all", m.SetOperationState(other, state, 99999, 0), ck.CKR_KEY_HANDLE_INVALID)
				must(t, m.SetOperationState(other, state, k, 0))
				for _, session := range []ck.SessionHandle{s, other} {
					second, last = ck.Into(make([]byte, 128)), ck.Into(make([]byte, 128))
					must(t, update(session, in[cut:], &second))
					must(t, final(session, &last))
					got := append(append(bytes.Clone(first.Data[:first.N]), second.Data[:second.N]...), last.Data[:last.N]...)
					if !bytes.Equal(got, want1) {
						t.Errorf("%s, encrypt %v, cut at %d: %x, want %x", name, encrypt, cut, got, want1)
					}
				}
			}
		}
	}
}

// TestSignState saves signatures and verifications, and a digest beside one, and goes on with both.
func TestSignState(t *testing.T) {
	t.Parallel()
	m, slot := newToken(t)
	s, other := loggedIn(t, m, slot), open(t, m, slot, true)
	pub, priv := importRSA(t, m, s, attr(ck.CKA_SIGN, true))
	for _, mech := range []ck.MechanismType{ck.CKM_SHA256_RSA_PKCS, ck.CKM_SHA3_256_RSA_PKCS, ck.CKM_RSA_PKCS} {
		signature := ck.Into(make([]byte, 512))
		must(t, m.SignInit(s, &ck.Mechanism{Type: mech}, priv))
		must(t, m.Sign(s, []byte("some data"), &signature))
		sum := sha256.Sum256([]byte("some data"))

		must(t, m.DigestInit(s, &ck.Mechanism{Type: ck.CKM_SHA256}))
		must(t, m.SignInit(s, &ck.Mechanism{Type: mech}, priv))
		must(t, m.DigestUpdate(s, []byte("some ")))
		must(t, m.SignUpdate(s, []byte("some ")))
		state := stateOf(t, m, s)
		must(t, m.SessionCancel(s, ck.CKF_SIGN|ck.CKF_DIGEST))
		must(t, m.DigestInit(other, &ck.Mechanism{Type: ck.CKM_MD5})) // which is ended
		want(t, "no key", m.SetOperationState(other, state, 0, 0), ck.CKR_KEY_NEEDED)
		want(t, "an encryption key", m.SetOperationState(other, state, priv, priv), ck.CKR_KEY_NOT_NEEDED)
		want(t, "the public key", m.SetOperationState(other, state, 0, pub), ck.CKR_KEY_CHANGED)
		must(t, m.SetOperationState(other, state, 0, priv))
		out, digest := ck.Into(make([]byte, 512)), ck.Into(make([]byte, 32))
		want(t, "one part", m.Sign(other, []byte("data"), &out), ck.CKR_OPERATION_ACTIVE)
		must(t, m.SetOperationState(other, state, 0, priv))
		must(t, m.DigestUpdate(other, []byte("data")))
		must(t, m.DigestFinal(other, &digest))
		must(t, m.SignUpdate(other, []byte("data")))
		must(t, m.SignFinal(other, &out))
		if !bytes.Equal(out.Data[:out.N], signature.Data[:signature.N]) || !bytes.Equal(digest.Data, sum[:]) {
			t.Errorf("%v: another signature %x or digest %x", mech, out.Data[:out.N], digest.Data)
		}

		must(t, m.VerifyInit(s, &ck.Mechanism{Type: mech}, pub))
		must(t, m.VerifyUpdate(s, []byte("some ")))
		state = stateOf(t, m, s)
		must(t, m.SetOperationState(other, state, 0, pub))
		must(t, m.VerifyUpdate(other, []byte("data")))
		must(t, m.VerifyFinal(other, signature.Data[:signature.N]))
		must(t, m.SetOperationState(other, state, 0, pub))
		must(t, m.VerifyUpdate(other, []byte("Data")))
		want(t, "other data", m.VerifyFinal(other, signature.Data[:signature.N]), ck.CKR_SIGNATURE_INVALID)
		must(t, m.SessionCancel(s, ck.CKF_VERIFY))

		// What the key does not permit any more does not go on, and the session is as it was.
		must(t, m.DigestInit(other, &ck.Mechanism{Type: ck.CKM_SHA256}))
		must(t, m.SetAttributeValue(s, pub, rows(ck.CKA_VERIFY, false)))
		want(t, "a key that may not", m.SetOperationState(other, state, 0, pub), ck.CKR_KEY_FUNCTION_NOT_PERMITTED)
		must(t, m.Digest(other, []byte("some data"), &digest))
		if !bytes.Equal(digest.Data, sum[:]) {
			t.Errorf("the digest that went on is %x", digest.Data)
		}
		must(t, m.SetAttributeValue(s, pub, rows(ck.CKA_VERIFY, true)))
	}
}

// TestUnsaveable begins operations that cannot be saved, beside one that can.
func TestUnsaveable(t *testing.T) {
	m, slot := newToken(t)
	s := loggedIn(t, m, slot)
	k, err := m.CreateObject(s, aesTemplate(false, "k", attr(ck.CKA_SIGN, true)))
	must(t, err)
	pub, priv := importRSA(t, m, s, attr(ck.CKA_SIGN, true))
	pss := ck.AppendUlong(ck.AppendUlong(ck.AppendUlong(nil, uint(ck.CKM_SHA256)), uint(ck.CKG_MGF1_SHA256)), 32)
	for name, begin := range map[string]func() error{
		"GCM":  func() error { return m.EncryptInit(s, gcmMechanism(), k) },
		"OFB":  func() error { return m.DecryptInit(s, partMechanisms()["OFB"], k) },
		"CMAC": func() error { return m.SignInit(s, &ck.Mechanism{Type: ck.CKM_AES_CMAC}, k) },
		"PSS": func() error {
			return m.SignInit(s, &ck.Mechanism{Type: ck.CKM_SHA256_RSA_PKCS_PSS, Param: ck.NewParam(pss, nil)}, priv)
		},
		"messages":    func() error { return m.MessageEncryptInit(s, &ck.Mechanism{Type: ck.CKM_AES_GCM}, k) },
		"a signature": func() error { return m.VerifySignatureInit(s, &ck.Mechanism{Type: ck.CKM_RSA_PKCS}, pub, nil) },
		"SHA-512/t": func() error {
			must(t, m.SessionCancel(s, ck.CKF_DIGEST))
			return m.DigestInit(s, &ck.Mechanism{Type: ck.CKM_SHA512_T, Param: ck.NewParam(ck.UlongValue(256), nil)})
		},
		"finding":       func() error { return m.FindObjectsInit(s, nil) },
		"with recovery": func() error { return m.VerifyRecoverInit(s, &ck.Mechanism{Type: ck.CKM_RSA_PKCS}, pub) },
	} {
		must(t, m.DigestInit(s, &ck.Mechanism{Type: ck.CKM_SHA256}))
		if err := begin(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var out ck.Buffer
		want(t, name, m.GetOperationState(s, &out), ck.CKR_STATE_UNSAVEABLE)
		must(t, m.SessionCancel(s, allOperations))
	}
}
