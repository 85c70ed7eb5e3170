package store

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/softcsp/softcsp/ck"
)

// TestReachFollowsNothing asks about a token whose name is a link: what it leads to, which may be a device, is not opened.
func TestReachFollowsNothing(t *testing.T) {
	p := newPlace(t, "bolt")
	tok, _ := makeToken(t, p)
	path := p.file(tok.uuid + suffix)
	victim := filepath.Join(t.TempDir(), "victim")
	wants(t, os.WriteFile(victim, nil, 0o600), ck.CKR_OK)
	fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	wants(t, err, ck.CKR_OK)
	defer func() { _ = unix.Close(fd) }()
	_, err = unix.InotifyAddWatch(fd, victim, unix.IN_OPEN)
	wants(t, err, ck.CKR_OK)
	wants(t, os.Rename(path, path+".away"), ck.CKR_OK)
	wants(t, os.Symlink(victim, path), ck.CKR_OK)
	if tok.ReadOnly() || tok.Lost() {
		t.Error("a link is taken for a file that this process may not use")
	}
	_, err = tok.Info()
	wants(t, err, ck.CKR_FUNCTION_FAILED)
	b := make([]byte, 4096)
	if n, err := unix.Read(fd, b); err == nil {
		t.Errorf("it was opened: %d bytes of events", n)
	}
	wants(t, os.Remove(path), ck.CKR_OK)
	if tok.Lost() {
		t.Error("a token that was removed is out of reach")
	}
	wants(t, os.Rename(path+".away", path), ck.CKR_OK)
}
