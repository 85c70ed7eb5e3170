package conformance

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestScripts runs the scripts in testdata against the module, and against SoftHSM2 those that are not about softcsp's own.
func TestScripts(t *testing.T) {
	t.Run(module.name, func(t *testing.T) { runScripts(t, module) })
	if module.name == "softcsp" {
		t.Run(softhsm.name, func(t *testing.T) {
			if softhsm.path == "" {
				t.Fatal("this test compares with SoftHSM2: apt-get install softhsm2")
			}
			runScripts(t, softhsm)
		})
	}
}

type scriptKey struct{}

func runScripts(t *testing.T, m target) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		ContinueOnError:     true,
		Cmds:                map[string]func(ts *testscript.TestScript, neg bool, args []string){"p11": p11},
		Condition:           func(cond string) (bool, error) { return cond == m.name, nil },
		Setup: func(env *testscript.Env) error {
			vars, err := m.place(env.WorkDir)
			if err != nil {
				return err
			}
			s := NewScript(func(string) (*Host, error) { return StartHost(driver, m.path, vars...) })
			env.Values[scriptKey{}] = s
			env.Defer(func() {
				if err := s.Close(); err != nil {
					env.T().Log(err)
					env.T().FailNow()
				}
			})
			return nil
		},
	})
}

// p11 is the command of the scripts.
func p11(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("say what must be returned, with ->")
	}
	s := ts.Value(scriptKey{}).(*Script)
	if err := s.Do(args...); err != nil {
		ts.Fatalf("%v", err)
	}
}

// TestReasons wants a reason for each line that one of the modules does not run: a comment in the same paragraph that says what
// SoftHSM2 does. So every disagreement is written down where it is.
func TestReasons(t *testing.T) {
	scripts, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, path := range scripts {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		said, n := false, 0
		for line := range strings.Lines(string(text)) {
			n++
			switch {
			case strings.TrimSpace(line) == "":
				said = false
			case strings.HasPrefix(line, "#"):
				said = said || strings.Contains(line, "SoftHSM2")
			case strings.HasPrefix(line, "[") && !said:
				t.Errorf("%s:%d: %q is without a reason", path, n, strings.TrimSpace(line))
			}
		}
	}
}
