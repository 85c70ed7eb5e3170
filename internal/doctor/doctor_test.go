package doctor

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/softcsp/softcsp/internal/config"
)

// TestMain is a test, or a process that a test starts: one that keeps a lock, or has a limit.
func TestMain(m *testing.M) {
	switch words := strings.Fields(os.Getenv("DOCTOR_TEST")); {
	case len(words) == 2 && words[0] == "lock":
		keepLock(words[1])
	case len(words) == 4 && words[0] == "limit":
		limited(words[1:])
	default:
		os.Exit(m.Run())
	}
}

// another runs this program once more, for TestMain.
func another(t *testing.T, words string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "DOCTOR_TEST="+words)
	cmd.Stderr = os.Stderr
	return cmd
}

// machine is one with a token directory of its own below dir, and a configuration with these lines.
func machine(t *testing.T, dir string, lines ...string) *Machine {
	t.Helper()
	env := map[string]string{"HOME": dir, "XDG_STATE_HOME": filepath.Join(dir, "state"), "SOFTCSP_CONF": filepath.Join(dir, "softcsp.toml")}
	text := "tokendir = '" + filepath.Join(dir, "tokens") + "'\nkdf = 'test'\n" + strings.Join(lines, "\n")
	write(t, env["SOFTCSP_CONF"], text)
	m := &Machine{UID: os.Geteuid(), Version: "1.2.3", Root: filepath.Join(dir, "root"), Getenv: func(k string) string { return env[k] }, Program: func(string) string { return "" }}
	m.Config, m.ConfigError = config.LoadFrom("", m.Getenv)
	return m
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func mode(t *testing.T, name string, m os.FileMode) {
	t.Helper()
	if err := os.Chmod(name, m); err != nil {
		t.Fatal(err)
	}
}

// one looks at one area.
func one(m *Machine, look func(*Machine, *report)) []Finding {
	r := &report{area: "area"}
	look(m, r)
	return r.list
}

// has wants a finding with that state and text, with a reason and a remedy unless it is ok.
func has(t *testing.T, found []Finding, s State, text string) Finding {
	t.Helper()
	for _, f := range found {
		if f.State != s || !strings.Contains(f.What, text) {
			continue
		}
		if s != OK && f.Why == "" {
			t.Errorf("%q does not say why it matters", f.What)
		}
		return f
	}
	t.Errorf("no %v with %q in %s", s, text, show(found))
	return Finding{}
}

// fine wants that nothing is wrong.
func fine(t *testing.T, found []Finding) {
	t.Helper()
	for _, f := range found {
		if f.State != OK {
			t.Errorf("%v: %s", f.State, f.What)
		}
	}
}

func show(found []Finding) string {
	var b strings.Builder
	for _, f := range found {
		fmt.Fprintf(&b, "\n  %v: %s", f.State, f.What)
	}
	return b.String()
}

// as calls f as another user, in a thread that ends with it. It wants root.
func as(t *testing.T, uid int, f func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can be another user")
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked, so that the thread ends here
		if _, _, e := unix.RawSyscall(unix.SYS_SETRESGID, uintptr(uid), uintptr(uid), uintptr(uid)); e != 0 {
			t.Error(e)
			return
		}
		if _, _, e := unix.RawSyscall(unix.SYS_SETRESUID, uintptr(uid), uintptr(uid), uintptr(uid)); e != 0 {
			t.Error(e)
			return
		}
		f()
	}()
	<-done
}

// stranger is a user who has nothing here.
const stranger = 54321

// open makes the directory of a test one that other users reach.
func open(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		mode(t, d, 0o755)
	}
	return dir
}

func TestAreas(t *testing.T) {
	names := Areas()
	if len(names) != len(areas) || len(names) < 10 {
		t.Errorf("%d areas", len(names))
	}
	m := machine(t, t.TempDir())
	for _, f := range Look(m) {
		b, err := json.Marshal(f)
		if err != nil || !strings.Contains(string(b), `"state":"`+f.State.String()+`"`) {
			t.Errorf("%s: %v", b, err)
		}
	}
}

func TestQuote(t *testing.T) {
	for in, want := range map[string]string{"/a/b-1": "/a/b-1", "it's": `'it'\''s'`, "": "''", "a b": "'a b'"} {
		if got := quote(in); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}

// limited has a limit of a kind, looks and tells what it found: `limit RESOURCE AMOUNT UID`.
func limited(words []string) {
	var n [3]int
	for i, w := range words {
		n[i], _ = strconv.Atoi(w)
	}
	look := func() {
		m := &Machine{UID: n[2], Config: &config.Config{Store: "memory"}}
		_ = json.NewEncoder(os.Stdout).Encode(one(m, lookLimits))
	}
	if err := unix.Setrlimit(n[0], &unix.Rlimit{Cur: uint64(n[1]), Max: uint64(n[1])}); err != nil {
		panic(err)
	}
	if n[2] != os.Geteuid() {
		done := make(chan struct{})
		go func() {
			defer close(done)
			runtime.LockOSThread()
			unix.RawSyscall(unix.SYS_SETRESUID, uintptr(n[2]), uintptr(n[2]), uintptr(n[2]))
			look()
		}()
		<-done
		return
	}
	look()
}
