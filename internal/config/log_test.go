package config

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestLogFile opens log files that others may have put there, and some that are as they should be.
func TestLogFile(t *testing.T) {
	dir := t.TempDir()
	shared := filepath.Join(dir, "shared")
	victim := filepath.Join(dir, "victim")
	for _, err := range []error{os.Mkdir(shared, 0o700), os.Chmod(shared, 0o777), os.Chmod(dir, 0o755), os.WriteFile(victim, nil, 0o600)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		plant func(path string) error
		dir   string
		taken bool
	}{
		"nothing":              {func(string) error { return nil }, shared, true},
		"file":                 {func(path string) error { return os.WriteFile(path, nil, 0o600) }, shared, true},
		"link":                 {func(path string) error { return os.Symlink(victim, path) }, shared, false},
		"link to nothing":      {func(path string) error { return os.Symlink(victim+".new", path) }, shared, false},
		"hard link":            {func(path string) error { return os.Link(victim, path) }, shared, false},
		"FIFO":                 {func(path string) error { return syscall.Mkfifo(path, 0o600) }, shared, false},
		"link in our own":      {func(path string) error { return os.Symlink(victim+".log", path) }, dir, true},
		"link to a descriptor": {func(path string) error { return os.Symlink("/dev/null", path) }, dir, true},
	} {
		path := filepath.Join(c.dir, strings.ReplaceAll(name, " ", "-"))
		if err := c.plant(path); err != nil {
			t.Fatal(err)
		}
		o := newOutput("info", path)
		o.open()
		if taken := o.file != nil; taken != c.taken {
			t.Errorf("%s: opened %v, want %v", name, taken, c.taken)
		}
		if o.logger.Info("line"); o.close() != nil {
			t.Errorf("%s: cannot be closed", name)
		}
		if b, err := os.ReadFile(victim); err != nil || len(b) != 0 {
			t.Errorf("%s: the victim has %q, %v", name, b, err)
		}
		_ = os.Remove(path)
	}
}

// TestLogLimit writes more than a process may that has a limit on the size of files: lines are left out, and it lives.
func TestLogLimit(t *testing.T) {
	name := filepath.Join(t.TempDir(), "log")
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &was); err != nil {
		t.Fatal(err)
	}
	o := &output{name: name}
	line := []byte(strings.Repeat("x", 1023) + "\n")
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 4 << 10, Max: was.Max}); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if n, err := o.Write(line); n != len(line) || err != nil {
			t.Errorf("writes %d, %v", n, err)
		}
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &was); err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(name); err != nil || st.Size() != 4<<10 {
		t.Errorf("the file is %v, %v", st, err)
	}
}
