package store

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/config"
	"github.com/softcsp/softcsp/internal/locked"
)

// backup writes a backup of a token to a file and returns its path.
func backup(t *testing.T, tok *Token) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a backup")
	wants(t, tok.Backup(func(c *Copy) error {
		b, err := io.ReadAll(c)
		if err == nil && int64(len(b)) != c.Size {
			err = fmt.Errorf("%d bytes of %d", len(b), c.Size)
		}
		return errors.Join(err, os.WriteFile(path, b, 0o600))
	}), ck.CKR_OK)
	return path
}

// openFile opens a token file, for the test's time.
func openFile(t *testing.T, path string) *TokenFile {
	t.Helper()
	f, err := OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// TestBackupBesideWriters makes backups while two processes write: each is sound, and has what was acknowledged before it was begun.
func TestBackupBesideWriters(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes seconds")
	}
	p := newPlace(t, "bolt")
	tok, k := makeToken(t, p)
	first := private("first")
	create(t, tok, k, first)
	done := make(chan int)
	for range 2 {
		go func() {
			n := 0
			run(t, "work:"+tok.uuid+":"+p.dir(), 3*time.Second, func([]string) { n++ })
			done <- n
		}()
	}
	commits, backups, last := 0, 0, uint64(0)
	for writing := 2; writing > 0; {
		select {
		case n := <-done:
			writing--
			commits += n
			continue
		default:
		}
		before := tok.Generation()
		f := openFile(t, backup(t, tok))
		gen := f.Generation()
		if gen < before || gen < last {
			t.Errorf("the backup is of generation %d, begun in %d, after one of %d", gen, before, last)
		}
		last = gen
		faults, err := f.CheckPIN(User, userPIN)
		if err != nil || len(faults) > 0 {
			t.Errorf("generation %d: %v, %v", gen, faults, err)
		}
		wants(t, f.Close(), ck.CKR_OK)
		backups++
	}
	t.Logf("%d backups during %d commits", backups, commits)
	if backups < 5 || commits < 50 {
		t.Errorf("%d backups during %d commits are no test", backups, commits)
	}
}

// TestBackupExact holds that a backup is the file, byte for byte.
func TestBackupExact(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "bolt")
	tok, k := makeToken(t, p)
	create(t, tok, k, private("a"), public("b"))
	want, err := os.ReadFile(p.file(tok.uuid + suffix))
	wants(t, err, ck.CKR_OK)
	got, err := os.ReadFile(backup(t, tok))
	wants(t, err, ck.CKR_OK)
	if !bytes.Equal(got, want) {
		t.Errorf("a backup of %d bytes of a file of %d is not the same", len(got), len(want))
	}
	m, _ := makeToken(t, newPlace(t, "memory"))
	wants(t, m.Backup(func(*Copy) error { panic("of what?") }), ck.CKR_FUNCTION_NOT_SUPPORTED)
}

// TestBackupOfDamaged names the faults of what it copies.
func TestBackupOfDamaged(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "bolt")
	tok, err := p.Format("", Format{SOPIN: soPIN, UserPIN: userPIN, KDF: "test"})
	wants(t, err, ck.CKR_OK)
	k := unlock(t, tok, User, userPIN)
	defer k.Wipe()
	r := public("a")
	create(t, tok, k, r)
	wants(t, tok.backend.update(func(x tx) error { return x.del(bManifest, r.ID[:]) }, nil), ck.CKR_OK)
	wants(t, tok.Backup(func(c *Copy) error {
		faults, err := c.File.Check(nil)
		if err != nil || !slices.ContainsFunc(faults, func(f Fault) bool { return f.Object == r.ID }) {
			t.Errorf("what is wrong is not named: %v, %v", faults, err)
		}
		return nil
	}), ck.CKR_OK)
}

// TestBackupOfUnreadable copies files of which nothing can be read: where the page of the header is damaged, which is named, where a page in use was
// cut off, and where it is no token file.
func TestBackupOfUnreadable(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "bolt")
	tok, err := p.Format("", Format{SOPIN: soPIN, KDF: "test", Relaxed: true})
	wants(t, err, ck.CKR_OK)
	k := unlock(t, tok, SO, soPIN)
	records := make([]*Record, 40) // so many that the header has a page of its own
	for i := range records {
		records[i] = private(fmt.Sprint(i))
	}
	create(t, tok, k, records...)
	k.Wipe()
	path := p.file(tok.uuid + suffix)
	clean, err := os.ReadFile(path)
	wants(t, err, ck.CKR_OK)
	header := uint64(0)
	wants(t, tok.backend.view(func(x tx) error {
		top, err := x.(*boltTx).pages.bucketRoot(bHeader)
		header = top.id
		return err
	}), ck.CKR_OK)
	if header == 0 {
		t.Fatal("the header has no page of its own")
	}
	damaged := bytes.Clone(clean)
	clear(damaged[header*pageSize:][:16])
	for what, b := range map[string][]byte{
		fmt.Sprintf("page %d, at byte %d, which held the header", header, header*pageSize): damaged,
		"it is cut short":     clean[:3*pageSize],
		"is not a token file": []byte("no token"),
	} {
		wants(t, os.WriteFile(path, b, 0o600), ck.CKR_OK)
		got, err := os.ReadFile(backup(t, sameToken(t, p, tok)))
		if err != nil || !bytes.Equal(got, b) {
			t.Errorf("%s: %d bytes of %d were copied, %v", what, len(got), len(b), err)
		}
		if _, err := sameToken(t, p, tok).Info(); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%s is not told: %v", what, err)
		}
	}
}

// TestOpenFile reads a token file of any name, through a link, that has other names: it is checked with PINs, and not one byte
// of it or beside it changes.
func TestOpenFile(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "bolt")
	tok, k := makeToken(t, p)
	a := private("a")
	create(t, tok, k, a)
	path := backup(t, tok)
	before, err := os.ReadFile(path)
	wants(t, err, ck.CKR_OK)
	dir := filepath.Dir(path)
	wants(t, os.Link(path, filepath.Join(dir, "again")), ck.CKR_OK)
	wants(t, os.Symlink(path, filepath.Join(dir, "link")), ck.CKR_OK)
	f := openFile(t, filepath.Join(dir, "link"))
	if i, err := f.Info(); err != nil || i.Label != "label" || i.UUID != tok.uuid || i.Objects != 1 {
		t.Errorf("%+v, %v", i, err)
	}
	for range 12 {
		_, err := f.CheckPIN(User, []byte("wrong"))
		if rv := ck.Code(err); rv != ck.CKR_PIN_INCORRECT && rv != ck.CKR_PIN_LOCKED {
			t.Errorf("a wrong PIN: %v", err)
		}
	}
	g := openFile(t, path)
	keys := unlock(t, g.Token, User, userPIN)
	got, err := g.Get(keys, a.ID)
	wantRecord(t, got, err, a)
	wants(t, g.Create(keys, private("b")), ck.CKR_TOKEN_WRITE_PROTECTED)
	wants(t, g.Rename(keys, "x"), ck.CKR_TOKEN_WRITE_PROTECTED)
	keys.Wipe()
	if !g.ReadOnly() {
		t.Error("it can be written to")
	}
	after, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file has changed: %v", err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 3 {
		t.Errorf("beside it: %v, %v", entries, err)
	}
	wants(t, unix.Mkfifo(filepath.Join(dir, "fifo"), 0o600), ck.CKR_OK)
	wants(t, os.WriteFile(filepath.Join(dir, "text"), []byte("text"), 0o600), ck.CKR_OK)
	for _, name := range []string{"fifo", "text", ".", "none"} {
		if _, err := OpenFile(filepath.Join(dir, name)); err == nil {
			t.Errorf("%s is opened", name)
		}
	}
}

// TestRestore takes a token to another place, and back to what it was.
func TestRestore(t *testing.T) {
	t.Parallel()
	p, q := newPlace(t, "bolt"), newPlace(t, "bolt")
	tok, k := makeToken(t, p)
	a, b := private("a"), public("b")
	create(t, tok, k, a)
	f := openFile(t, backup(t, tok))
	create(t, tok, k, b)

	stamp := q.Stamp()
	wants(t, q.Restore(f, false), ck.CKR_OK)
	if q.Stamp() == stamp {
		t.Error("the stamp does not tell of it")
	}
	there, err := q.Token(tok.uuid)
	wants(t, err, ck.CKR_OK)
	k2 := unlock(t, there, User, userPIN)
	defer k2.Wipe()
	got, err := there.Get(k2, a.ID)
	wantRecord(t, got, err, a)
	wantSound(t, there)

	// Over one that is there only when that is said. Who is logged in is told, and can log in anew.
	if err := p.Restore(f, false); !errors.Is(err, ErrExists) {
		t.Errorf("over a token that is there: %v", err)
	}
	other := sameToken(t, p, tok)
	k3 := unlock(t, other, User, userPIN)
	defer k3.Wipe()
	so := unlock(t, other, SO, soPIN)
	wants(t, other.Rename(so, "later"), ck.CKR_OK)
	so.Wipe()
	wants(t, p.Restore(f, true), ck.CKR_OK)
	if i, err := other.Info(); err != nil || i.Label != "label" {
		t.Errorf("another process sees %+v, %v", i, err)
	}
	_, err = other.Get(k3, a.ID)
	wants(t, err, ck.CKR_DEVICE_ERROR)
	wants(t, other.Create(k3, private("c")), ck.CKR_DEVICE_ERROR)
	k4 := unlock(t, other, User, userPIN)
	defer k4.Wipe()
	got, err = other.Get(k4, a.ID)
	wantRecord(t, got, err, a)
	_, err = other.Get(k4, b.ID)
	wants(t, err, ck.CKR_OBJECT_HANDLE_INVALID)
	create(t, other, k4, private("d"))
	if entries, _ := filepath.Glob(p.file(".*.new")); len(entries) > 0 {
		t.Errorf("%v is left", entries)
	}
}

// TestRestoreTwice restores one backup twice: a process that has read the token in between does not take one for the other.
func TestRestoreTwice(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "bolt")
	tok, k := makeToken(t, p)
	f := openFile(t, backup(t, tok))
	seen := map[uint64]bool{}
	for range 3 {
		wants(t, p.Restore(f, true), ck.CKR_OK)
		if gen := sameToken(t, p, tok).Generation(); seen[gen] {
			t.Errorf("generation %d again", gen)
		} else {
			seen[gen] = true
		}
	}
	_ = k
}

// TestRestoreRefuses restores nothing that is damaged, nor a file in its own place.
func TestRestoreRefuses(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "bolt")
	tok, k := makeToken(t, p)
	r := public("a")
	create(t, tok, k, r)
	before, err := os.ReadFile(p.file(tok.uuid + suffix))
	wants(t, err, ck.CKR_OK)
	path := backup(t, tok)
	at := bytes.Index(before, r.Public)
	bad := bytes.Clone(before)
	bad[at]++
	wants(t, os.WriteFile(path, bad, 0o600), ck.CKR_OK)
	wants(t, p.Restore(openFile(t, path), true), ck.CKR_DEVICE_ERROR)
	wants(t, p.Restore(openFile(t, p.file(tok.uuid+suffix)), true), ck.CKR_ARGUMENTS_BAD)
	after, err := os.ReadFile(p.file(tok.uuid + suffix))
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the token has changed: %v", err)
	}
	wants(t, newPlace(t, "memory").Restore(openFile(t, p.file(tok.uuid+suffix)), false), ck.CKR_FUNCTION_NOT_SUPPORTED)
}

// TestRestoreOverDamaged replaces a file that nothing can be read of.
func TestRestoreOverDamaged(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "bolt")
	tok, k := makeToken(t, p)
	a := private("a")
	create(t, tok, k, a)
	path := backup(t, tok)
	wants(t, os.WriteFile(p.file(tok.uuid+suffix), []byte("no token"), 0o640), ck.CKR_OK)
	wants(t, os.Chmod(p.file(tok.uuid+suffix), 0o640), ck.CKR_OK)
	wants(t, p.Restore(openFile(t, path), true), ck.CKR_OK)
	st, err := os.Stat(p.file(tok.uuid + suffix))
	if err != nil || st.Mode() != 0o640 {
		t.Errorf("%v, %v", st, err)
	}
	k2 := unlock(t, sameToken(t, p, tok), User, userPIN)
	defer k2.Wipe()
	got, err := sameToken(t, p, tok).Get(k, a.ID)
	if err == nil {
		locked.Free(got.Sealed)
		t.Error("keys of one Token open another")
	}
}

// killedAtEachStep does something in processes that are killed at every step of theirs, until one is not, and calls check after each.
func killedAtEachStep(t *testing.T, dir string, do func(p *Place) error, check func(what string)) {
	t.Helper()
	for n := 0; ; n++ {
		p, err := OpenPlace(&config.Config{Store: "bolt", TokenDir: dir})
		wants(t, err, ck.CKR_OK)
		left := n
		p.backend.(*dirPlace).wrapDisk = func(d disk) disk { return killedDisk{d, &left} }
		err = do(p)
		check(fmt.Sprintf("killed at step %d", n))
		if t.Failed() || err == nil {
			if n < 3 {
				t.Errorf("done in %d steps", n)
			}
			return
		}
	}
}

// TestRestoreKilled restores in processes that are killed: the token is what it was, or what the backup is.
func TestRestoreKilled(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "bolt")
	tok, k := makeToken(t, p)
	a := private("a")
	create(t, tok, k, a)
	f := openFile(t, backup(t, tok))
	b := private("b")
	create(t, tok, k, b)
	wants(t, tok.Rename(k, "later"), ck.CKR_OK)
	later := openFile(t, backup(t, tok))
	killedAtEachStep(t, p.dir(), func(p *Place) error { return p.Restore(f, true) }, func(what string) {
		now := sameToken(t, p, tok)
		wantSound(t, now)
		i, err := now.Info()
		if err != nil || i.Label != "later" && i.Label != "label" || i.Label == "later" && i.Objects != 2 || i.Label == "label" && i.Objects != 1 {
			t.Errorf("%s: %+v, %v", what, i, err)
		}
		if i.Label == "label" { // it was done but for a step or two: the next begins anew
			wants(t, p.Restore(later, true), ck.CKR_OK)
		}
	})
	wantNoLeftovers(t, p.dir())

	dir := t.TempDir()
	killedAtEachStep(t, dir, func(p *Place) error {
		err := p.Restore(f, false)
		if errors.Is(err, ErrExists) {
			return nil
		}
		return err
	}, func(what string) {
		q, err := OpenPlace(&config.Config{Store: "bolt", TokenDir: dir})
		wants(t, err, ck.CKR_OK)
		list, _, err := q.List()
		wants(t, err, ck.CKR_OK)
		for _, uuid := range list {
			now, err := q.Token(uuid)
			wants(t, err, ck.CKR_OK)
			wantSound(t, now)
		}
		_ = what
	})
}
