package conformance

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// A target is a module that the tests load.
type target struct {
	name string // "softcsp", "softhsm", or the file's name
	path string
}

var (
	// module is the one to test: $MODULE, or the library that make build builds.
	module target
	// softhsm is the one to compare with; its path is "" where it is not installed.
	softhsm target
	// driver is the path of the C host, include that of the headers it was built with.
	driver, include string
	// work is a directory for what the tests build.
	work string
	// tool is the path of the softcsp command.
	tool string
)

func TestMain(m *testing.M) {
	flag.Parse()
	warnings = append(warnings, "-Werror")
	setParallel()
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		code = 1
	}
	os.Exit(code)
}

// setParallel has twice as many tests run side by side as there are processors, unless -parallel says otherwise: they wait for the disk
// and for each other's processes. Those that do not call t.Parallel load the module into this process, or measure who waits for how long.
func setParallel() {
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		_ = flag.Set("test.parallel", strconv.Itoa(2*runtime.GOMAXPROCS(0)))
	}
}

func run(m *testing.M) (int, error) {
	path := os.Getenv("MODULE")
	if path == "" {
		path = "../build/libsoftcsp.so"
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return 0, err
	}
	if _, err := os.Stat(path); err != nil {
		return 0, fmt.Errorf("no module to test: run make build, or set MODULE: %w", err)
	}
	module = target{nameOf(path), path}
	softhsm = target{"softhsm", firstFile("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so", "/usr/lib/pkcs11/libsofthsm2.so")}
	tool, _ = filepath.Abs("../build/softcsp")
	include, _ = filepath.Abs("../include/softcsp")
	work, err = os.MkdirTemp("", "conformance")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(work)
	if err := os.Setenv("XDG_STATE_HOME", filepath.Join(work, "state")); err != nil { // what softcsp remembers of tokens
		return 0, err
	}
	if driver, err = buildDriver(include, work); err != nil {
		return 0, err
	}
	return m.Run(), nil
}

func nameOf(path string) string {
	base := filepath.Base(path)
	switch {
	case strings.Contains(base, "softcsp"):
		return "softcsp"
	case strings.Contains(base, "softhsm"):
		return "softhsm"
	}
	return base
}

func firstFile(paths ...string) string {
	for _, p := range paths {
		if _, err := os.Stat(p); err == nil {
			return p
		}
	}
	return ""
}

// targets are the modules that a comparison is between: the one to test, and SoftHSM2.
func targets(t *testing.T) []target {
	t.Helper()
	if module.name == "softhsm" || emulator() != "" {
		return []target{module}
	}
	if softhsm.path == "" {
		t.Fatal("this test compares with SoftHSM2: apt-get install softhsm2")
	}
	return []target{module, softhsm}
}

// only skips a test of what no module promises but softcsp.
func only(t *testing.T) {
	t.Helper()
	if module.name != "softcsp" {
		t.Skipf("%s does not promise this", module.name)
	}
}

// slow skips a test that takes seconds, with -short.
func slow(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("takes seconds")
	}
}

// takesLong reports whether make long runs the tests, which may take minutes then.
func takesLong() bool { return os.Getenv("SOFTCSP_LONG") != "" }

// long skips a test that takes minutes, or needs programs that are not small, unless make long runs it.
func long(t *testing.T) {
	t.Helper()
	if !takesLong() {
		t.Skip("make long runs this")
	}
}

// need returns the path of a program that a test needs. Without it the test fails, and says what to install: a test that is
// skipped in silence is taken for one that passed.
func need(t *testing.T, program, install string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Fatalf("this test needs %s: %s", program, install)
	}
	return path
}

// place is an empty place for the module's tokens below dir, as environment variables.
func (m target) place(dir string, settings ...string) ([]string, error) {
	return placeIn(dir, m.name, settings...)
}

// script makes a Script for a module, whose hosts share one place for tokens, with further lines of configuration. It is closed when
// the test ends.
func (m target) script(t *testing.T, settings ...string) *Script {
	t.Helper()
	env, err := m.place(t.TempDir(), settings...)
	if err != nil {
		t.Fatal(err)
	}
	s := NewScript(func(string) (*Host, error) { return StartHost(driver, m.path, env...) })
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// do carries out lines; the first that fails ends the test.
func do(t *testing.T, s *Script, lines ...string) {
	t.Helper()
	for _, l := range lines {
		if err := s.Line(l); err != nil {
			t.Fatalf("%s: %v", l, err)
		}
	}
}
