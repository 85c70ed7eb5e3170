package clients

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// A module is one that the scripts run with.
type module struct{ name, path string }

// modules are the library that make build builds, or $MODULE, and SoftHSM2.
func modules(t *testing.T) []module {
	t.Helper()
	path := os.Getenv("MODULE")
	if path == "" {
		path = "../../build/libsoftcsp.so"
	}
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	list := []module{{"softcsp", path}, {"softhsm", "/usr/lib/softhsm/libsofthsm2.so"}}
	for _, m := range list {
		if _, err := os.Stat(m.path); err != nil {
			t.Fatalf("this test needs %s: make build, apt-get install softhsm2", m.path)
		}
	}
	return list
}

// limit is how long a script may take that says nothing else.
const limit = 3 * time.Minute

// TestClients runs the scripts with each module. One that says that it fails with SoftHSM2 has to.
func TestClients(t *testing.T) {
	if testing.Short() {
		t.Skip("runs programs")
	}
	both := modules(t)
	for _, s := range scripts(t) {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			if s.header["size"] == "big" && os.Getenv("SOFTCSP_CLIENTS") == "" {
				t.Skip("make clients runs this")
			}
			for _, p := range strings.Fields(s.header["programs"]) {
				if _, err := exec.LookPath(p); err != nil {
					t.Fatalf("this test needs %s: apt-get install %s", p, s.header["packages"])
				}
			}
			for _, m := range both {
				if only := s.header["only"]; only != "" && only != m.name {
					continue
				}
				t.Run(m.name, func(t *testing.T) {
					o := run(t, s, m)
					if testing.Verbose() {
						t.Log(o.log.String())
					}
					if fails := m.name == "softhsm" && s.header["softhsm"] != ""; o.failed != fails {
						t.Errorf("failed is %v\n%s", o.failed, o.log.String())
					}
				})
			}
		})
	}
}

// run runs a script with a module.
func run(t *testing.T, s *script, m module) *outcome {
	o := &outcome{t: t}
	within := limit
	if text := s.header["limit"]; text != "" {
		var err error
		if within, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	testscript.RunT(o, testscript.Params{
		Files:               []string{s.path},
		RequireExplicitExec: true,
		Deadline:            time.Now().Add(within),
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"listening": listening, "share": share,
		},
		Condition: func(cond string) (bool, error) { return cond == m.name, nil },
		Setup:     func(env *testscript.Env) error { return setUp(env, m) },
	})
	return o
}

// setUp gives a script its environment, and a token.
func setUp(env *testscript.Env, m module) error {
	tokens, conf := filepath.Join(env.WorkDir, ".tokens"), filepath.Join(env.WorkDir, ".module.conf")
	text := "tokendir = '" + tokens + "'\nkdf = 'test'\n"
	if m.name == "softhsm" {
		text = "directories.tokendir = " + tokens + "\nobjectstore.backend = file\nlog.level = ERROR\nslots.removable = false\n"
	}
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		return err
	}
	if err := os.Mkdir(tokens, 0o700); err != nil {
		return err
	}
	env.Setenv("HOME", env.WorkDir)
	source, err := filepath.Abs("../..")
	if err != nil {
		return err
	}
	env.Setenv("SOURCE", source) // for the Go package
	env.Setenv("MODULE", m.path)
	env.Setenv("SOFTCSP_CONF", conf)
	env.Setenv("SOFTHSM2_CONF", conf)
	env.Setenv("XDG_STATE_HOME", filepath.Join(env.WorkDir, ".state"))
	for _, name := range []string{"PORT", "PORT2"} {
		port, err := freePort()
		if err != nil {
			return err
		}
		env.Setenv(name, port)
	}
	for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOPROXY"} { // for the scripts that build something
		v, err := exec.Command("go", "env", name).Output()
		if err != nil {
			return err
		}
		env.Setenv(name, strings.TrimSpace(string(v)))
	}
	for _, args := range []string{
		"--slot-index 0 --init-token --label demo --so-pin 87654321",
		"--token-label demo --login --login-type so --so-pin 87654321 --init-pin --pin 123456",
	} {
		cmd := exec.Command("pkcs11-tool", append([]string{"--module", m.path}, strings.Fields(args)...)...)
		cmd.Env = append(os.Environ(), env.Vars...)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("making the token: %w\n%s", err, out)
		}
	}
	return nil
}

// ports are those that were given out: nobody listens at them yet.
var ports sync.Map

func freePort() (string, error) {
	for {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return "", err
		}
		port := l.Addr().(*net.TCPAddr).Port
		if err := l.Close(); err != nil {
			return "", err
		}
		if _, given := ports.LoadOrStore(port, true); !given {
			return strconv.Itoa(port), nil
		}
	}
}

// listening is the command of that name.
func listening(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: listening PORT")
	}
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		c, err := net.Dial("tcp", "127.0.0.1:"+args[0])
		if err == nil {
			ts.Check(c.Close())
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("nobody listens: %v", err)
		}
	}
}

// share is the command of that name.
func share(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: share USER")
	}
	if os.Getuid() != 0 {
		return
	}
	u, err := user.Lookup(args[0])
	ts.Check(err)
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	dir := ts.MkAbs(".")
	ts.Check(filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, uid, gid)
	}))
	ts.Check(os.Chmod(dir, 0o755))
	ts.Check(os.Chmod(filepath.Dir(dir), 0o755))
}

// An outcome is a [testscript.T] for a script that may fail.
type outcome struct {
	t      *testing.T
	mu     sync.Mutex
	log    strings.Builder
	failed bool
}

func (o *outcome) Skip(args ...any) {
	o.t.Log(args...)
	runtime.Goexit()
}

func (o *outcome) Fatal(args ...any) {
	o.Log(args...)
	o.FailNow()
}

func (o *outcome) Parallel() {}

func (o *outcome) Log(args ...any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	fmt.Fprintln(&o.log, args...)
}

func (o *outcome) FailNow() {
	o.mu.Lock()
	o.failed = true
	o.mu.Unlock()
	runtime.Goexit()
}

func (o *outcome) Run(_ string, f func(testscript.T)) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(o)
	}()
	<-done
}

func (o *outcome) Verbose() bool { return testing.Verbose() }
