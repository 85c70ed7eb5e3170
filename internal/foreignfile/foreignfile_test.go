package foreignfile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

var region = Lock{1 << 30, 10}

// TestRead reads what is there, and refuses what is none.
func TestRead(t *testing.T) {
	dir := t.TempDir()
	pipe, file := filepath.Join(dir, "pipe"), filepath.Join(dir, "file")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("contents"), 0o400); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{dir, pipe} {
		if _, err := Read(name, region, 100, nil); !errors.Is(err, ErrUnfit) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Read(filepath.Join(dir, "none"), region, 100, nil); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	if b, err := Read(file, region, 8, nil); err != nil || string(b) != "contents" {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := Read(file, region, 7, nil); !errors.Is(err, ErrUnfit) {
		t.Errorf("too large: %v", err)
	}
	if _, err := Read(file, region, 8, func() error { return io.ErrNoProgress }); err != io.ErrNoProgress {
		t.Errorf("its check: %v", err)
	}
}

// TestLock does not read while another process writes, and keeps it off meanwhile.
func TestLock(t *testing.T) {
	const held = "FOREIGNFILE_TEST_HOLDS"
	if name := os.Getenv(held); name != "" {
		hold(t, name)
		return
	}
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	writer := func() (cmd *exec.Cmd, in io.Closer, said string) {
		cmd = exec.Command(os.Args[0], "-test.run=^TestLock$")
		cmd.Env = append(os.Environ(), held+"="+name)
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, len("holds\n"))
		if _, err := io.ReadFull(out, b); err != nil {
			t.Fatal(err)
		}
		return cmd, in, strings.TrimSpace(string(b))
	}
	end := func(cmd *exec.Cmd, in io.Closer) {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Fatal(err)
		}
	}
	cmd, in, said := writer()
	if _, err := read(name, region, 10, nil, 0); !errors.Is(err, ErrInUse) || said != "holds" {
		t.Errorf("while it is written, by who %s: %v", said, err)
	}
	end(cmd, in)
	if _, err := Read(name, region, 10, func() error {
		cmd, in, said := writer()
		if said != "waits" {
			t.Errorf("while it is read, a writer %s", said)
		}
		end(cmd, in)
		return nil
	}); err != nil {
		t.Errorf("after that: %v", err)
	}
}

// hold locks a file for writing if that can be, says so, and keeps it until its input ends.
func hold(t *testing.T, name string) {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	k := syscall.Flock_t{Type: syscall.F_WRLCK, Start: region.Start, Len: region.Size}
	if err := syscall.FcntlFlock(f.Fd(), syscall.F_SETLK, &k); err != nil {
		fmt.Println("waits")
	} else {
		fmt.Println("holds")
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
}
