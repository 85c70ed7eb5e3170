package quiet

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func pipe(t *testing.T) (r, w int) {
	t.Helper()
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(ends[1]) })
	return ends[0], ends[1]
}

// TestFull writes to a pipe that nobody reads: the first line waits for a while, the others do not, and what was lost is told to who
// reads again.
func TestFull(t *testing.T) {
	r, w := pipe(t)
	defer func() { _ = unix.Close(r) }()
	size, err := unix.FcntlInt(uintptr(w), unix.F_SETPIPE_SZ, 4096)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := unix.Write(w, make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	out := &Writer{fd: w}
	begun := time.Now()
	for range 100 {
		if _, err := out.Write([]byte("lost\n")); err == nil {
			t.Fatal("written to a pipe that is full")
		}
	}
	if took := time.Since(begun); took > 10*patience {
		t.Errorf("100 lines took %v", took)
	}
	if _, err := unix.Read(r, make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Write([]byte("seen\n")); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, size)
	n, err := unix.Read(r, b)
	if err != nil || string(b[:n]) != "softcsp: 100 lines could not be written here\nseen\n" {
		t.Errorf("read %q, %v", b[:n], err)
	}
}

// TestClosed writes to a pipe whose reader has gone, and to a file that may not grow. No signal is left behind.
func TestClosed(t *testing.T) {
	r, w := pipe(t)
	_ = unix.Close(r)
	if _, err := (&Writer{fd: w}).Write([]byte("line\n")); err == nil {
		t.Error("written to a pipe that nobody has open")
	}
	if err := Do(func() error { _, err := unix.Write(w, []byte("x")); return err }); !errors.Is(err, unix.EPIPE) {
		t.Errorf("said %v", err)
	}
	if p := pending(); p.Val[0] != 0 {
		t.Errorf("signals %x are pending", p.Val[0])
	}
}

// TestFile has somebody else close a file's descriptor and open another file with its number.
func TestFile(t *testing.T) {
	dir := t.TempDir()
	open := func(name string) int {
		fd, err := unix.Open(filepath.Join(dir, name), unix.O_CREAT|unix.O_WRONLY|unix.O_APPEND|unix.O_CLOEXEC, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		return fd
	}
	f, err := NewFile(open("log"))
	if err != nil {
		t.Fatal(err)
	}
	if f.fd < firstDescriptor {
		t.Errorf("its descriptor is %d", f.fd)
	}
	if _, err := f.Write([]byte(strings.Repeat("x", 3*atOnce))); err != nil || !f.Genuine() {
		t.Errorf("genuine %v, %v", f.Genuine(), err)
	}
	if st, err := os.Stat(filepath.Join(dir, "log")); err != nil || st.Size() != 3*atOnce {
		t.Errorf("%v, %v", st, err)
	}
	other := open("other")
	if err := unix.Dup3(other, f.fd, unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	if f.Genuine() || f.Close() != nil {
		t.Error("another file is taken for it")
	}
	if _, err := unix.FcntlInt(uintptr(f.fd), unix.F_GETFD, 0); err != nil {
		t.Error("another file is closed")
	}
	_ = unix.Close(f.fd)
	_ = unix.Close(other)
}
