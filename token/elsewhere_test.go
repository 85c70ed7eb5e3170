package token

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/store"
)

// An outsider is another process that looks after the tokens that an application uses.
type outsider struct {
	t     *testing.T
	place *store.Place
	uuid  string
}

// newOutsider returns one for the first token of an application.
func newOutsider(t *testing.T, m *Module) *outsider {
	t.Helper()
	place, err := store.OpenPlace(m.Config())
	must(t, err)
	t.Cleanup(func() { _ = place.Close() })
	list, _, err := place.List()
	must(t, err)
	return &outsider{t, place, list[0]}
}

func (o *outsider) token() *store.Token {
	o.t.Helper()
	token, err := o.place.Token(o.uuid)
	must(o.t, err)
	return token
}

// backup writes a backup, and opens it.
func (o *outsider) backup() *store.TokenFile {
	o.t.Helper()
	path := filepath.Join(o.t.TempDir(), "backup")
	must(o.t, o.token().Backup(func(c *store.Copy) error {
		b, err := io.ReadAll(c)
		must(o.t, err)
		return os.WriteFile(path, b, 0o600)
	}))
	f, err := store.OpenFile(path)
	must(o.t, err)
	o.t.Cleanup(func() { _ = f.Close() })
	return f
}

// TestRenamedElsewhere has another process rename the token of an application: it sees that with its next C_GetTokenInfo, and stays logged in.
func TestRenamedElsewhere(t *testing.T) {
	m, slot := applications(t, 1)
	s := loggedIn(t, m[0], slot)
	key, err := m[0].CreateObject(s, aesTemplate(true, "k"))
	must(t, err)
	o := newOutsider(t, m[0])
	keys, err := o.token().Unlock(store.SO, []byte(soPIN))
	must(t, err)
	defer keys.Wipe()
	must(t, o.token().Rename(keys, "renamed"))
	info, err := m[0].GetTokenInfo(slot)
	must(t, err)
	if info.Label != "renamed" {
		t.Errorf("the label is %q", info.Label)
	}
	_, err = m[0].CopyObject(s, key, nil)
	must(t, err)
}

// TestRemovedElsewhere has another process remove the token that an application uses: no key is there any more, also where nobody lists slots.
func TestRemovedElsewhere(t *testing.T) {
	m, slot := applications(t, 1)
	s := loggedIn(t, m[0], slot)
	key, err := m[0].CreateObject(s, aesTemplate(true, "k"))
	must(t, err)
	begin := func() error {
		return m[0].EncryptInit(s, &ck.Mechanism{Type: ck.CKM_AES_ECB}, key)
	}
	must(t, begin())
	must(t, m[0].SessionCancel(s, ck.CKF_ENCRYPT))
	o := newOutsider(t, m[0])
	must(t, o.place.Remove(o.uuid))
	if err := begin(); err == nil {
		t.Error("a key of a token that is gone can be used")
	}
	_, err = m[0].GetTokenInfo(slot)
	want(t, "information on it", err, ck.CKR_TOKEN_NOT_PRESENT)
	_, err = m[0].GetSlotList(true)
	must(t, err)
	_, err = m[0].GetSessionInfo(s)
	want(t, "a session with it", err, ck.CKR_SESSION_HANDLE_INVALID)
}

// TestRestoredElsewhere has another process put the token back to what it was, while an application is logged in: it is told, and goes on after it
// has logged in again.
func TestRestoredElsewhere(t *testing.T) {
	m, slot := applications(t, 1)
	s := loggedIn(t, m[0], slot)
	_, err := m[0].CreateObject(s, aesTemplate(true, "early"))
	must(t, err)
	o := newOutsider(t, m[0])
	f := o.backup()
	late, err := m[0].CreateObject(s, aesTemplate(true, "late"))
	must(t, err)
	must(t, o.place.Restore(f, true))
	_, err = m[0].CreateObject(s, aesTemplate(true, "later"))
	want(t, "a commit to what was put back", err, ck.CKR_DEVICE_ERROR)
	must(t, m[0].Logout(s))
	must(t, m[0].Login(s, ck.CKU_USER, []byte(userPIN)))
	if n := len(find(t, m[0], s, attr(ck.CKA_CLASS, ck.CKO_SECRET_KEY))); n != 1 {
		t.Errorf("%d objects, want the one of the backup", n)
	}
	if _, err := m[0].GetObjectSize(s, late); err == nil {
		t.Error("what was made later is there")
	}
	_, err = m[0].CreateObject(s, aesTemplate(true, "later"))
	must(t, err)
}
