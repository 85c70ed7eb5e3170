package doctor

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestPlace(t *testing.T) {
	dir := open(t)
	tokens := filepath.Join(dir, "tokens")
	m := machine(t, dir)
	has(t, one(m, lookPlace), OK, "is made on first use")
	if _, err := os.Stat(tokens); err == nil {
		t.Error("looking made the directory")
	}
	write(t, tokens, "a file")
	has(t, one(m, lookPlace), Problem, "is not a directory")
	if err := os.Remove(tokens); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(tokens, 0o700); err != nil {
		t.Fatal(err)
	}
	fine(t, one(m, lookPlace))
	for perm, want := range map[os.FileMode]State{0o777: Problem, 0o770: Note, 0o755: Note} {
		mode(t, tokens, perm)
		if f := has(t, one(m, lookPlace), want, tokens); f.Do == "" {
			t.Errorf("%04o: nothing to do", perm)
		}
	}
	mode(t, tokens, 0o700)
	mode(t, dir, 0o777)
	has(t, one(m, lookPlace), Problem, "everybody may write to "+dir)
	mode(t, dir, 0o755|os.ModeSticky)
	fine(t, one(m, lookPlace))
}

// TestPlaceOfOthers is a directory of root that another user is to use, and the reverse.
func TestPlaceOfOthers(t *testing.T) {
	dir := open(t)
	tokens := filepath.Join(dir, "tokens")
	m := machine(t, dir)
	if err := os.Mkdir(tokens, 0o700); err != nil {
		t.Fatal(err)
	}
	as(t, stranger, func() {
		m.UID = stranger
		has(t, one(m, lookPlace), Problem, "is closed to user 54321")
		has(t, one(m, lookState), Note, "cannot be written")
	})
	mode(t, tokens, 0o755)
	as(t, stranger, func() { has(t, one(m, lookPlace), Problem, "belongs to root, and user 54321 may not write there") })
	mode(t, dir, 0o700)
	as(t, stranger, func() { has(t, one(m, lookPlace), Problem, dir+" (mode 0700, owner root) cannot be entered") })
	mode(t, dir, 0o755)
	if err := os.Remove(tokens); err != nil {
		t.Fatal(err)
	}
	as(t, stranger, func() { has(t, one(m, lookPlace), Problem, "is not there, and user 54321 may not make it") })

	if err := os.Mkdir(tokens, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(tokens, stranger, stranger); err != nil {
		t.Fatal(err)
	}
	m.UID = 0
	has(t, one(m, lookPlace), Note, "root uses the token directory of user 54321")
	write(t, filepath.Join(tokens, "00112233-4455-6677-8899-aabbccddeeff.token"), "")
	has(t, one(m, lookTokens), Note, "root would make .place there")
	if exists(filepath.Join(tokens, ".place")) {
		t.Error("looking made a file of root's")
	}
}

// TestDisk has file systems that are really of their kinds.
func TestDisk(t *testing.T) {
	m := machine(t, t.TempDir())
	var fs unix.Statfs_t
	if unix.Statfs("/dev/shm", &fs) == nil && fs.Type == tmpfs {
		m.Config.TokenDir = "/dev/shm"
		has(t, one(m, func(m *Machine, r *report) { lookDisk(m, r, "/dev/shm") }), Note, "is in memory")
	}
	if unix.Statfs("/sys", &fs) == nil && fs.Flags&unix.ST_RDONLY != 0 {
		has(t, one(m, func(m *Machine, r *report) { lookDisk(m, r, "/sys") }), Problem, "mounted read-only")
		m.Config.ReadonlyLogin = true
		has(t, one(m, func(m *Machine, r *report) { lookDisk(m, r, "/sys") }), Note, "mounted read-only")
	}
}

func TestElsewhere(t *testing.T) {
	dir := t.TempDir()
	m := machine(t, dir)
	if found := one(m, lookElsewhere); len(found) > 0 && found[0].State != OK {
		t.Log(show(found)) // this user's own, on a machine where tokens are made
	}
	write(t, m.system(filepath.Join(rootTokens, "x.token")), "")
	has(t, one(m, lookElsewhere), Note, "there are 1 tokens in "+m.system(rootTokens))
}

func TestState(t *testing.T) {
	dir := t.TempDir()
	m := machine(t, dir)
	fine(t, one(m, lookState))
	if err := os.MkdirAll(m.Config.StateDir, 0o700); err != nil {
		t.Fatal(err)
	}
	mode(t, m.Config.StateDir, 0o777)
	has(t, one(m, lookState), Problem, "others may write to ")
	m.Config.StateDir = ""
	has(t, one(m, lookState), Note, "there is no state directory")
}
