package conformance

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// ours are the scripts that are about what only softcsp has, or promises.
var ours = map[string]bool{}

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
