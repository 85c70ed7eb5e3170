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
	must(t, m.SetOperationState(other, state.Data, 0, 0))
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
	must(t, m.EncryptInit(s, &ck.Mechanism{Type: ck.CKM_AES_ECB}, k))
	want(t, "an encryption", m.GetOperationState(s, &query), ck.CKR_STATE_UNSAVEABLE)
	must(t, m.SetOperationState(s, state.Data, 0, 0))
	want(t, "the encryption is no more", m.Encrypt(s, make([]byte, 16), &query), ck.CKR_OPERATION_NOT_INITIALIZED)

	m2, slot2 := newToken(t)
	want(t, "another token", m2.SetOperationState(loggedIn(t, m2, slot2), state.Data, 0, 0), ck.CKR_SAVED_STATE_INVALID)
}
