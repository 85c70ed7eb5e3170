package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"

	"github.com/softcsp/softcsp/capi"
	"github.com/softcsp/softcsp/mechanisms"
	"github.com/softcsp/softcsp/token"
)

func TestMain(m *testing.M) {
	if count, err := strconv.Atoi(os.Getenv(writerEnv)); err == nil {
		if err := writeObjects(count); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	testscript.Main(m, map[string]func(){"softcsp": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: false,
		Setup: func(e *testscript.Env) error {
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("XDG_CONFIG_HOME", "")
			e.Setenv("XDG_DATA_HOME", "")
			e.Setenv("XDG_STATE_HOME", filepath.Join(e.WorkDir, "state"))
			e.Setenv("SOFTCSP_TOKENDIR", filepath.Join(e.WorkDir, "tokens"))
			e.Setenv("SOFTCSP_CONF", filepath.Join(e.WorkDir, "softcsp.toml"))
			e.Setenv("SOFTCSP_KDF", "test")
			e.Setenv("GORACE", os.Getenv("GORACE"))
			for name, dir := range map[string]string{"OFFICE": "../../testdata/office", "DPAPI": "../../testdata/dpapi"} {
				dir, err := filepath.Abs(dir)
				if err != nil {
					return err
				}
				e.Setenv(name, dir)
			}
			old, err := filepath.Abs("../../store/testdata/v1")
			if err != nil {
				return err
			}
			e.Setenv("V1", old)
			hsm, err := filepath.Abs("../../testdata/softhsm")
			if err != nil {
				return err
			}
			e.Setenv("SOFTHSM", hsm)
			for name, text := range map[string]string{"softcsp.toml": "", "so.pin": "87654321\n", "user.pin": "1234\n", "wrong.pin": "4321\n"} {
				if err := os.WriteFile(filepath.Join(e.WorkDir, name), []byte(text), 0o600); err != nil {
					return err
				}
			}
			return nil
		},
		Cmds:      map[string]func(*testscript.TestScript, bool, []string){"status": status},
		Condition: lacks,
	})
}

// lacks is the condition of `[lacks:PROGRAM] skip`: where it is to be there, it is an error that the program is not.
func lacks(condition string) (bool, error) {
	program, ok := strings.CutPrefix(condition, "lacks:")
	if !ok {
		return false, fmt.Errorf("there is no condition %q", condition)
	}
	_, err := exec.LookPath(program)
	if err != nil && os.Getenv("CI") == "true" {
		return false, err
	}
	return err != nil, nil
}

// status runs softcsp and sees that it exits with the code given: `status 3 token list`.
func status(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status code args…")
	}
	err := ts.Exec("softcsp", args[1:]...)
	got := "0"
	if err != nil {
		got = strings.TrimPrefix(err.Error(), "exit status ")
	}
	if got != args[0] {
		ts.Fatalf("exit code %s, want %s", got, args[0])
	}
}

// commands calls f with each command that does something.
func commands(f func(*cobra.Command)) {
	var visit func(*cobra.Command)
	visit = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			visit(sub)
		}
		if !c.HasSubCommands() && c.Name() != "help" && c.Parent().Name() != "completion" {
			f(c)
		}
	}
	visit(newRoot(&app{}))
}

// TestVerbs sees that each command has a script that runs it, help, an example that names it, and lists in JSON if it lists.
func TestVerbs(t *testing.T) {
	n := 0
	commands(func(c *cobra.Command) {
		n++
		path := strings.TrimPrefix(c.CommandPath(), "softcsp ")
		file := filepath.Join("testdata", strings.ReplaceAll(path, " ", "_")+".txt")
		text, err := os.ReadFile(file)
		if err != nil || !strings.Contains(string(text), path) {
			t.Errorf("%s has no script %s that runs it", path, file)
		}
		if c.Short == "" || strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s: short help %q", path, c.Short)
		}
		if c.Hidden {
			return
		}
		if c.Long == "" || !strings.Contains(c.Example, "softcsp "+path) {
			t.Errorf("%s has no long help, or no example", path)
		}
		if c.Name() == "list" && c.Flags().Lookup("json") == nil {
			t.Errorf("%s lists, and has no --json", path)
		}
	})
	if n < 10 {
		t.Errorf("there are %d commands", n)
	}
}

// TestNames holds the words of the command line against the tables of the algorithm.
func TestNames(t *testing.T) {
	if len(providerNames) != len(capi.Providers()) {
		t.Errorf("%d providers have a name, of %d", len(providerNames), len(capi.Providers()))
	}
	for i, p := range capi.Providers() {
		if providerNames[i].number != p.Number {
			t.Errorf("provider %d is named %q", p.Number, providerNames[i].name)
		}
	}
	for _, a := range capi.Providers()[0].Ciphers {
		if providerName(0) != "softcsp" || !has(algorithmNames, a.ID) {
			t.Errorf("%s has no name", a.Name)
		}
		if _, ok := ciphers[mechanisms.SessionKeyType(a.ID)]; !ok {
			t.Errorf("%s cannot encrypt files", a.Name)
		}
	}
	for _, h := range hashNames {
		if capi.HashByID(h.number) == nil {
			t.Errorf("there is no hash %s", h.name)
		}
	}
}

func has[N ~uint32](list []named[N], number N) bool {
	for _, n := range list {
		if n.number == number {
			return true
		}
	}
	return false
}

// TestProgramVersion sees what a program calls itself that go install built, and one that a tree was built into.
func TestProgramVersion(t *testing.T) {
	if version != "" {
		t.Fatalf("the linker has set the version %s", version)
	}
	for of, want := range map[string]string{"v0.3.0": "0.3.0", "(devel)": "devel", "": "devel"} {
		if got := programVersion(&debug.BuildInfo{Main: debug.Module{Version: of}}); got != want {
			t.Errorf("%q: %q", of, got)
		}
	}
}

// TestVersion holds the version of the library against the newest one of the changelog.
func TestVersion(t *testing.T) {
	text, err := os.ReadFile("../../CHANGELOG.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\n## ")
	newest, _, _ := strings.Cut(rest, "\n")
	want := []byte{'0' + token.VersionMajor, '.', '0' + token.VersionMinor, '.'}
	if !strings.HasPrefix(newest, string(want)) {
		t.Errorf("the library says %s, the changelog %s", want, newest)
	}
}
