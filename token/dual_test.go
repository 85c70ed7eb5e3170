package token

import (
	"bytes"
	"crypto/sha256"
	"testing"

	"github.com/softcsp/softcsp/ck"
)

// TestDual runs each dual function beside the two functions that it stands for, in place, with a short buffer before each
// part.
func TestDual(t *testing.T) {
	m, slot := newToken(t)
	s := loggedIn(t, m, slot)
	k, err := m.CreateObject(s, aesTemplate(false, "k"))
	must(t, err)
	mac, err := m.CreateObject(s, append(baseKey("mac key"), attr(ck.CKA_SIGN, true), attr(ck.CKA_VERIFY, true)))
	must(t, err)
	cbc := func() *ck.Mechanism {
		return &ck.Mechanism{Type: ck.CKM_AES_CBC, Param: ck.NewParam(bytes.Repeat([]byte{5}, 16), nil)}
	}
	hmac := &ck.Mechanism{Type: ck.CKM_SHA256_HMAC}
	data := bytes.Repeat([]byte("sixteen bytes, a"), 4)
	parts := func(f func(ck.SessionHandle, []byte, *ck.Buffer) error, in []byte) []byte {
		t.Helper()
		buf := bytes.Clone(in)
		for at := 0; at < len(buf); at += 32 {
			part := buf[at : at+32]
			short := ck.Into(make([]byte, 31))
			want(t, "short buffer", f(s, part, &short), ck.CKR_BUFFER_TOO_SMALL)
			out := ck.Into(part)
			must(t, f(s, part, &out))
		}
		return buf
	}
	finish := func(f func(ck.SessionHandle, *ck.Buffer) error) []byte {
		t.Helper()
		out := ck.Into(make([]byte, 64))
		must(t, f(s, &out))
		return out.Data[:out.N]
	}

	must(t, m.EncryptInit(s, cbc(), k))
	want(t, "without a digest", m.DigestEncryptUpdate(s, data, &ck.Buffer{}), ck.CKR_OPERATION_NOT_INITIALIZED)
	must(t, m.DigestInit(s, &ck.Mechanism{Type: ck.CKM_SHA256}))
	encrypted := parts(m.DigestEncryptUpdate, data)
	sum := sha256.Sum256(data)
	if finish(m.EncryptFinal); !bytes.Equal(finish(m.DigestFinal), sum[:]) {
		t.Error("C_DigestEncryptUpdate: another digest")
	}
	must(t, m.DecryptInit(s, cbc(), k))
	must(t, m.DigestInit(s, &ck.Mechanism{Type: ck.CKM_SHA256}))
	if got := parts(m.DecryptDigestUpdate, encrypted); !bytes.Equal(got, data) {
		t.Errorf("C_DecryptDigestUpdate: %q", got)
	}
	if finish(m.DecryptFinal); !bytes.Equal(finish(m.DigestFinal), sum[:]) {
		t.Error("C_DecryptDigestUpdate: another digest")
	}
	must(t, m.EncryptInit(s, cbc(), k))
	must(t, m.SignInit(s, hmac, mac))
	if got := parts(m.SignEncryptUpdate, data); !bytes.Equal(got, encrypted) {
		t.Errorf("C_SignEncryptUpdate: %x", got)
	}
	finish(m.EncryptFinal)
	signature := finish(m.SignFinal)
	must(t, m.DecryptInit(s, cbc(), k))
	must(t, m.VerifyInit(s, hmac, mac))
	if got := parts(m.DecryptVerifyUpdate, encrypted); !bytes.Equal(got, data) {
		t.Errorf("C_DecryptVerifyUpdate: %q", got)
	}
	finish(m.DecryptFinal)
	must(t, m.VerifyFinal(s, signature))
}
