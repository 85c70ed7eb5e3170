package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/config"
)

// planted are what a member of the group that shares a directory can put under a name there.
var planted = map[string]func(path, victim string) error{
	"symbolic link":     func(path, victim string) error { return os.Symlink(victim, path) },
	"dangling link":     func(path, victim string) error { return os.Symlink(victim+".new", path) },
	"hard link":         func(path, victim string) error { return os.Link(victim, path) },
	"FIFO":              func(path, _ string) error { return unix.Mkfifo(path, 0o666) },
	"directory":         func(path, _ string) error { return os.Mkdir(path, 0o777) },
	"socket":            func(path, _ string) error { return unix.Mknod(path, unix.S_IFSOCK|0o666, 0) },
	"link to a device":  func(path, _ string) error { return os.Symlink("/dev/zero", path) },
	"link to itself":    func(path, _ string) error { return os.Symlink(filepath.Base(path), path) },
	"link to directory": func(path, _ string) error { return os.Symlink(filepath.Dir(path), path) },
}

// TestPlanted puts what is none of ours under every name that this package uses. Nothing elsewhere is touched, nobody waits, and
// what goes wrong says which file it is.
func TestPlanted(t *testing.T) {
	for kind, plant := range planted {
		t.Run(kind, func(t *testing.T) { testPlanted(t, plant) })
	}
}

func testPlanted(t *testing.T, plant func(path, victim string) error) {
	p := newPlace(t, "bolt")
	tok, k := makeToken(t, p)
	create(t, tok, k, public("a"))
	victim := filepath.Join(t.TempDir(), "victim")
	const content = "what belongs to somebody else\n"
	wants(t, os.WriteFile(victim, []byte(content), 0o600), ck.CKR_OK)
	_, next, err := p.List()
	wants(t, err, ck.CKR_OK)
	f := tok.backend.(*boltFile)
	for _, name := range []string{nextName, ".next", placeName, f.sidecar, "." + tok.uuid + ".new", "." + tok.uuid + ".moved", "." + next + ".moved", "." + next + ".new", "." + next + ".lock", f.name, next + suffix} {
		path := p.file(name)
		wants(t, ignoreMissing(os.Rename(path, path+".away")), ck.CKR_OK)
		if err := plant(path, victim); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		for _, err := range usePlanted(t, p, tok) {
			if rv := ck.Code(err); err != nil && rv != ck.CKR_TOKEN_NOT_PRESENT && rv != ck.CKR_TOKEN_NOT_RECOGNIZED && !strings.Contains(err.Error(), p.dir()) {
				t.Errorf("%s: %v does not name the file", name, err)
			}
		}
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("%s: it took %v", name, took)
		}
		if b, err := os.ReadFile(victim); err != nil || string(b) != content {
			t.Errorf("%s: the victim is %q, %v", name, b, err)
		}
		if _, err := os.Lstat(victim + ".new"); err == nil {
			t.Errorf("%s: a file was made elsewhere", name)
		}
		_ = os.RemoveAll(path)
		wants(t, ignoreMissing(os.Rename(path+".away", path)), ck.CKR_OK)
	}
}

func ignoreMissing(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// usePlanted does with a directory what programs do.
func usePlanted(t *testing.T, p *Place, tok *Token) (errs []error) {
	t.Helper()
	q, err := OpenPlace(&config.Config{Store: "bolt", TokenDir: p.dir()})
	wants(t, err, ck.CKR_OK)
	q.Stamp()
	uuids, _, err := q.List()
	wants(t, err, ck.CKR_OK)
	for _, uuid := range uuids {
		other, err := q.Token(uuid)
		if err == nil {
			_, err = other.Info()
		}
		errs = append(errs, err)
		other.ReadOnly()
	}
	_, err = tok.Find(nil, []byte("class"))
	errs = append(errs, err)
	if k, err := tok.Unlock(User, userPIN); err == nil {
		errs = append(errs, tok.Create(k, private("x")))
		k.Wipe()
	} else {
		errs = append(errs, err)
	}
	made, err := q.Format("", Format{SOPIN: soPIN, KDF: "test", Relaxed: true})
	if err == nil {
		_ = os.Remove(q.file(made.uuid + suffix))
	}
	return append(errs, err)
}

// TestShared has two users share a directory, each of whom makes files there, as docs/hosts.md tells them to, and another
// directory where one plants what the other must not use.
func TestShared(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to become two other users")
	}
	open := func(dir string) {
		for ; dir != filepath.Clean(os.TempDir()) && dir != "/"; dir = filepath.Dir(dir) {
			wants(t, os.Chmod(dir, 0o755), ck.CKR_OK)
		}
	}
	p := newPlace(t, "bolt")
	open(filepath.Dir(p.dir()))
	const group, one, two = 4242, 4243, 4244
	wants(t, os.RemoveAll(p.dir()), ck.CKR_OK)
	wants(t, os.Mkdir(p.dir(), 0o700), ck.CKR_OK)
	wants(t, os.Chown(p.dir(), 0, group), ck.CKR_OK)
	wants(t, os.Chmod(p.dir(), 0o770|os.ModeSetgid), ck.CKR_OK)
	var tok *Token
	asMember(t, one, group, func() {
		q, err := OpenPlace(&config.Config{Store: "bolt", TokenDir: p.dir()})
		wants(t, err, ck.CKR_OK)
		tok, _ = makeToken(t, q)
		wants(t, os.Chmod(q.file(tok.uuid+suffix), 0o660), ck.CKR_OK)
	})
	for _, uid := range []uint32{two, 0, one} {
		asMember(t, uid, group, func() {
			q, err := OpenPlace(&config.Config{Store: "bolt", TokenDir: p.dir()})
			wants(t, err, ck.CKR_OK)
			r, err := q.Token(tok.uuid)
			wants(t, err, ck.CKR_OK)
			k, err := r.Unlock(User, userPIN)
			wants(t, err, ck.CKR_OK)
			create(t, r, k, private(fmt.Sprint(uid)))
			k.Wipe()
			_, before, _ := q.List()
			_, err = q.Format("", Format{SOPIN: soPIN, KDF: "test", Relaxed: true})
			wants(t, err, ck.CKR_OK)
			if _, after, _ := q.List(); before == after {
				t.Error("the next token is the one that was made")
			}
		})
	}
	asMember(t, two, group, func() { wants(t, tok.Reformat(Format{SOPIN: soPIN, KDF: "test"}), ck.CKR_OK) })
	asMember(t, one, group, func() {
		_, err := tok.Info()
		wants(t, err, ck.CKR_OK)
	})

}

// TestStrangersFiles holds that what belongs to somebody who has no business in the directory is not used, whatever its mode.
func TestStrangersFiles(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to give files away")
	}
	p := newPlace(t, "bolt")
	tok, k := makeToken(t, p)
	give := func(name string, uid int) { wants(t, os.Chown(p.file(name), uid, uid), ck.CKR_OK) }
	give(placeName, 4243)
	_, err := p.Format("", Format{SOPIN: soPIN, KDF: "test"})
	wants(t, err, ck.CKR_FUNCTION_FAILED)
	give(placeName, 0)
	for _, name := range []string{tok.uuid + suffix, tok.backend.(*boltFile).sidecar} {
		give(name, 4243)
		wants(t, tok.Create(k, private("a")), ck.CKR_FUNCTION_FAILED)
		wants(t, os.Chown(p.dir(), 4243, 4243), ck.CKR_OK) // the directory is theirs: so are its files
		wants(t, tok.Create(k, private("a")), ck.CKR_OK)
		wants(t, os.Chown(p.dir(), 0, 0), ck.CKR_OK)
		give(name, 0)
	}
}

// asMember runs f with the rights of a user of a group.
func asMember(t *testing.T, uid uint32, gid int, f func()) {
	t.Helper()
	asUser(t, func() error {
		if err := unix.Setfsgid(gid); err != nil {
			return err
		}
		return unix.Setfsuid(int(uid))
	}, f)
}
