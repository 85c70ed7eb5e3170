package conformance

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// tokenEnv is the environment of a program that has a token directory of its own.
func tokenEnv(t *testing.T) []string {
	t.Helper()
	return []string{"SOFTCSP_TOKENDIR=" + filepath.Join(t.TempDir(), "tokens"), "SOFTCSP_CONF=", "SOFTCSP_KDF=test"}
}

// TestKilledWithChild runs files/killed.c: what a child has inherited of a process that was killed in the middle of a commit
// keeps the token from nobody.
func TestKilledWithChild(t *testing.T) {
	t.Parallel()
	slow(t)
	only(t)
	prog := program(t, "files/killed.c")
	for _, how := range []string{"fork", "_Fork", "clone"} {
		t.Run(how, func(t *testing.T) {
			if out := mustRun(t, 90*time.Second, tokenEnv(t), prog, module.path, how, "4"); out != "ok\n" {
				t.Errorf("said %q, not ok", out)
			}
		})
	}
}

// TestTwice runs files/twice.c: copies of the library in one process keep each other out, and other processes.
func TestTwice(t *testing.T) {
	t.Parallel()
	slow(t)
	only(t)
	content, err := os.ReadFile(module.path)
	if err != nil {
		t.Fatal(err)
	}
	second := filepath.Join(t.TempDir(), "copy.so")
	if err := os.WriteFile(second, content, 0o700); err != nil {
		t.Fatal(err)
	}
	if out := mustRun(t, 90*time.Second, tokenEnv(t), program(t, "files/twice.c"), module.path, second); out != "ok\n" {
		t.Errorf("said %q, not ok", out)
	}
}

// TestFileSizeLimit runs files/fsize.c: a host whose files may not be large lives.
func TestFileSizeLimit(t *testing.T) {
	t.Parallel()
	only(t)
	if out := mustRun(t, 90*time.Second, tokenEnv(t), program(t, "files/fsize.c"), module.path); !strings.HasSuffix(out, "\nok\n") || !strings.Contains(out, "File too large") {
		t.Errorf("said %q, not that a child's copy is too large, and ok", out)
	}
}

// TestCrowd runs files/crowd.c: nothing is lost, nothing is stale, and nobody starves.
func TestCrowd(t *testing.T) {
	slow(t)
	only(t)
	prog := program(t, "files/crowd.c")
	size := []string{"4", "4", "3"}
	if takesLong() {
		size = []string{"8", "4", "60"}
	}
	for _, kills := range []string{"0", "5"} {
		t.Run(kills+" kills", func(t *testing.T) {
			out, err := output(5*time.Minute, tokenEnv(t), prog, append([]string{module.path}, append(size, kills)...)...)
			if t.Log(out); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestDamagedFiles has a program use a token whose file is changed where it hurts, while it runs and before it begins. It lives, and
// goes on with the file as it was.
func TestDamagedFiles(t *testing.T) {
	t.Parallel()
	slow(t)
	only(t)
	env := tokenEnv(t)
	dir := env[0][len("SOFTCSP_TOKENDIR="):]
	r := startReader(t, env)
	r.use(t, "new", 0)
	files, err := filepath.Glob(filepath.Join(dir, "*.token"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	clean, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	sidecars, _ := filepath.Glob(filepath.Join(dir, ".*-*.lock"))
	changes := 150
	if takesLong() {
		changes = 3000
	}
	for n := range changes {
		chance := rand.New(rand.NewPCG(uint64(n), 1))
		b := damage(chance, clean)
		if chance.IntN(2) == 0 {
			_ = os.Remove(files[0])
		}
		if err := os.WriteFile(files[0], b, 0o600); err != nil {
			t.Fatal(err)
		}
		if chance.IntN(5) == 0 {
			_ = os.Truncate(files[0], chance.Int64N(1<<38))
		}
		for _, name := range sidecars {
			_ = os.WriteFile(name, binary.LittleEndian.AppendUint64(nil, chance.Uint64N(200)), 0o600)
		}
		r.use(t, []string{"new", "again"}[chance.IntN(2)], n)
	}
	if err := os.WriteFile(files[0], clean, 0o600); err != nil {
		t.Fatal(err)
	}
	r.use(t, "new", changes)
	_ = r.in.Close()
	if r.said(t, "ok", changes); r.cmd.Wait() != nil {
		t.Error(r.cmd.ProcessState)
	}
}

// A reader is the program files/reader.c.
type reader struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines *bufio.Scanner
}

func startReader(t *testing.T, env []string) *reader {
	t.Helper()
	r := &reader{cmd: exec.Command(program(t, "files/reader.c"), module.path)}
	r.cmd.Env = append(os.Environ(), env...)
	in, err := r.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	r.in, r.lines = in, bufio.NewScanner(out)
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(5*time.Minute, func() { _ = r.cmd.Process.Kill() })
	t.Cleanup(func() { timer.Stop() })
	r.said(t, "ready", 0)
	return r
}

// use has the program use what there is, after change n.
func (r *reader) use(t *testing.T, how string, n int) {
	t.Helper()
	_, _ = io.WriteString(r.in, how+"\n")
	r.said(t, "done", n)
}

func (r *reader) said(t *testing.T, want string, n int) {
	t.Helper()
	if !r.lines.Scan() || r.lines.Text() != want {
		_ = r.cmd.Wait()
		t.Fatalf("change %d: %q, %v", n, r.lines.Text(), r.cmd.ProcessState)
	}
}

// damage changes some numbers of a file of bbolt's format: of the heads of pages, of elements, and of the meta pages, whose checksums
// it makes right again.
func damage(r *rand.Rand, clean []byte) []byte {
	b := append([]byte{}, clean...)
	size := os.Getpagesize()
	number := func() uint64 {
		switch r.IntN(4) {
		case 0:
			return r.Uint64()
		case 1:
			return 1<<r.IntN(64) - 1
		}
		return r.Uint64N(uint64(len(b)/size) + 3)
	}
	for range 1 + r.IntN(3) {
		page := b[r.IntN(len(b)/size)*size:][:size]
		at := 8 * r.IntN(2)
		if r.IntN(3) > 0 {
			at = 16 + 8*r.IntN(60)
		}
		switch v := number(); r.IntN(4) {
		case 0:
			page[8] = []byte{1, 2, 4, 16}[r.IntN(4)]
		case 1:
			binary.LittleEndian.PutUint32(page[at+4*r.IntN(2):], uint32(v))
		default:
			binary.LittleEndian.PutUint64(page[at:], v)
		}
	}
	for n := range 2 {
		meta := b[n*size+16:]
		if r.IntN(2) == 0 {
			binary.LittleEndian.PutUint64(meta[16+8*r.IntN(5):], number())
		}
		h := fnv.New64a()
		_, _ = h.Write(meta[:56])
		binary.LittleEndian.PutUint64(meta[56:], h.Sum64())
	}
	return b
}

// TestHostileDirectory has the softcsp command work in a directory where another member of the group has put links and FIFOs.
func TestHostileDirectory(t *testing.T) {
	t.Parallel()
	only(t)
	slow(t)
	victim := filepath.Join(t.TempDir(), "victim")
	for n, name := range []string{"next", ".next", ".place"} {
		for kind, plant := range map[string]func(string) error{
			"link": func(path string) error { return os.Symlink(victim, path) },
			"FIFO": func(path string) error { return output1("mkfifo", path) },
		} {
			env := tokenEnv(t)
			dir := env[0][len("SOFTCSP_TOKENDIR="):]
			if err := os.MkdirAll(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(victim, []byte("precious"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := plant(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
			env = append(env, "SOFTCSP_PIN=user-pin", "SOFTCSP_SO_PIN=so-pin-1")
			for _, args := range [][]string{{"token", "list"}, {"token", "init", "--label", fmt.Sprint("x", n)}, {"token", "list"}} {
				if out, err := output(20*time.Second, env, tool, args...); err != nil && name == "next" {
					t.Errorf("%s %s: %v: %v\n%s", kind, name, args, err, out)
				}
			}
			if b, err := os.ReadFile(victim); err != nil || string(b) != "precious" {
				t.Errorf("%s %s: the victim is %q, %v", kind, name, b, err)
			}
		}
	}
}

// output1 runs a command.
func output1(name string, args ...string) error { return exec.Command(name, args...).Run() }
