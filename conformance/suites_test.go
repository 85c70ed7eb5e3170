package conformance

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// A suite is the test suite of another project, which the Go module proxy has.
type suite struct {
	module string
	tokens []string // their labels
	pin    string
	// prepare writes what the suite reads beside its environment.
	prepare func(t *testing.T, dir string)
	// faults are tests that fail with any token, or with any but one, and why.
	faults map[string]string
}

var suites = []suite{
	{
		module: "github.com/miekg/pkcs11@v1.1.2",
		tokens: []string{"test"},
		pin:    "1234",
		faults: map[string]string{
			"TestGetInfo": "wants a library whose manufacturer is SoftHSM",
		},
	},
	{
		module: "github.com/ThalesGroup/crypto11@v1.6.2",
		tokens: []string{"token1", "token2"},
		pin:    "password",
		prepare: func(t *testing.T, dir string) {
			config, err := json.Marshal(map[string]string{"Path": module.path, "TokenLabel": "token1", "Pin": "password"})
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "config"), config, 0o600); err != nil {
				t.Fatal(err)
			}
		},
		faults: map[string]string{
			"TestKeyDelete":              "wants FindKey to find nothing without an error, and FindKey returns one",
			"TestKeyPairDelete":          "wants the same of FindKeyPair",
			"TestAccessSameLibraryTwice": "wants the same of FindKey",
			"TestHmac":                   "makes its keys by a mechanism of nShield, and tries CKM_GENERIC_SECRET_KEY_GEN only after the codes by which nShield and CloudHSM refuse",
		},
	},
}

// TestSuites runs test suites of other projects against the library, each test with tokens of its own: they leave keys behind.
// Those that fail by their own fault must go on failing, so that the list stays true. docs/suites.md has the others.
func TestSuites(t *testing.T) {
	t.Parallel()
	only(t)
	slow(t)
	for _, s := range suites {
		t.Run(s.module, func(t *testing.T) { s.run(t) })
	}
}

func (s *suite) run(t *testing.T) {
	dir := s.fetch(t)
	if s.prepare != nil {
		s.prepare(t, dir)
	}
	const limit = 5 * time.Minute
	mustRun(t, limit, nil, "go", "test", "-C", dir, "-c", "-o", "suite.test", ".")
	program := filepath.Join(dir, "suite.test")
	tests := strings.Fields(mustRun(t, limit, []string{"SOFTHSM_LIB=" + module.path}, "sh", "-c", "cd "+quoted(dir)+" && ./suite.test -test.list '^Test'"))
	if len(tests) < 16 {
		t.Fatalf("only the tests %s", tests)
	}
	passed := 0
	for _, name := range tests {
		env := s.place(t)
		said, err := output(limit, env, "sh", "-c", fmt.Sprintf("cd %s && exec %s -test.run '^%s$' -test.v", quoted(dir), quoted(program), name))
		switch why, fault := s.faults[name]; {
		case fault && err == nil:
			t.Errorf("%s passes, and is on the list of faults: %s", name, why)
		case !fault && err != nil:
			t.Errorf("%s: %v\n%s", name, err, said)
		case !fault:
			passed++
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.faults)) {
		if !slices.Contains(tests, name) {
			t.Errorf("%s is on the list of faults, and there is no such test", name)
		}
	}
	t.Logf("%s: %d of %d tests pass; by their own fault do not: %s", s.module, passed, len(tests), slices.Sorted(maps.Keys(s.faults)))
}

// fetch copies the suite's module, which the module cache does not let anybody write to.
func (s *suite) fetch(t *testing.T) string {
	t.Helper()
	var at struct{ Dir, Error string }
	said := mustRun(t, 5*time.Minute, nil, "go", "mod", "download", "-json", s.module)
	if err := json.Unmarshal([]byte(said[strings.Index(said, "{"):]), &at); err != nil || at.Error != "" {
		t.Fatalf("%s: %v %s", s.module, err, at.Error)
	}
	dir := filepath.Join(t.TempDir(), "suite")
	if err := os.CopyFS(dir, os.DirFS(at.Dir)); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil {
			err = os.Chmod(path, 0o700)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// place makes the suite's tokens in a new place, and returns the environment for it.
func (s *suite) place(t *testing.T) []string {
	t.Helper()
	env := []string{"SOFTCSP_TOKENDIR=" + t.TempDir(), "SOFTCSP_CONF=", "SOFTCSP_KDF=test", "SOFTCSP_LOG=error",
		"SOFTCSP_PIN=" + s.pin, "SOFTCSP_SO_PIN=so-" + s.pin, "SOFTHSM_LIB=" + module.path, "SOFTHSM_PIN=" + s.pin, "SOFTHSM_TOKENLABEL=" + s.tokens[0]}
	for _, label := range s.tokens {
		mustRun(t, time.Minute, env, tool, "token", "init", "--label", label)
	}
	return env
}

// quoted is a word of a shell.
func quoted(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }
