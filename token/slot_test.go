package token

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/locked"
)

// TestInitTokenAgain tests what C_InitToken says of a token that is initialised: section 5.5.7 has no CKR_PIN_LEN_RANGE.
func TestInitTokenAgain(t *testing.T) {
	m, slot := newToken(t)
	s := open(t, m, slot, false)
	want(t, "wrong PIN and a session", m.InitToken(slot, []byte("x"), []byte(pad("x"))), ck.CKR_SESSION_EXISTS)
	must(t, m.CloseSession(s))
	want(t, "wrong PIN, of a length that no PIN has", m.InitToken(slot, []byte("x"), []byte(pad("x"))), ck.CKR_PIN_INCORRECT)
	want(t, "NULL", m.InitToken(slot, nil, []byte(pad("x"))), ck.CKR_ARGUMENTS_BAD)
	i, err := m.GetTokenInfo(slot)
	must(t, err)
	if i.Flags&ck.CKF_SO_PIN_COUNT_LOW == 0 || i.Label != "test token" {
		t.Errorf("flags %x, label %q", i.Flags, i.Label)
	}
	must(t, m.InitToken(slot, []byte(soPIN), []byte(pad("again"))))
}

// TestTokenGone removes a token's file: the sessions with it end, and nothing of its keys stays.
func TestTokenGone(t *testing.T) {
	dir := t.TempDir()
	m := New()
	must(t, m.Initialize(ck.InitArgs{Reserved: "tokendir='" + dir + "' kdf='test'"}))
	defer m.Finalize()
	slot := lastSlot(t, m)
	must(t, m.InitToken(slot, []byte(soPIN), []byte(pad("x"))))
	before := locked.Usage().Live
	s := open(t, m, slot, true)
	must(t, m.Login(s, ck.CKU_SO, []byte(soPIN)))
	_, err := m.CreateObject(s, aesTemplate(false, "k"))
	must(t, err)
	files, err := filepath.Glob(filepath.Join(dir, "*.token"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	must(t, os.Remove(files[0]))
	_, err = m.GetSlotList(true)
	must(t, err)
	_, err = m.GetSessionInfo(s)
	want(t, "session", err, ck.CKR_SESSION_HANDLE_INVALID)
	if now := locked.Usage().Live; now != before {
		t.Errorf("%d blocks of locked memory, %d before", now, before)
	}
}
