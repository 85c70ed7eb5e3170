package softcsp

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestDocument wants the code of docs/gopackage.md to be that of the examples, which are compiled and run, but for the whole program.
func TestDocument(t *testing.T) {
	text := string(must(os.ReadFile("docs/gopackage.md"))(t))
	examples := string(must(os.ReadFile("example_test.go"))(t))
	n := 0
	for i, part := range strings.Split(text, "```") {
		code, ok := strings.CutPrefix(part, "go\n")
		if !ok || i%2 == 0 || strings.HasPrefix(code, "package main\n") {
			continue
		}
		n++
		indented := strings.ReplaceAll("\n"+strings.TrimRight(code, "\n"), "\n", "\n\t")
		if !strings.Contains(examples, strings.ReplaceAll(indented, "\n\t\n", "\n\n")+"\n") {
			t.Errorf("no example has\n%s", code)
		}
	}
	if n < 5 {
		t.Errorf("%d pieces of code", n)
	}
}

// TestProgram types what docs/gopackage.md has for a whole program, in a module of its own with a clone of this one beside it.
func TestProgram(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a program")
	}
	source := must(filepath.Abs("."))(t)
	for _, need := range []string{"build/softcsp", "build/libsoftcsp.so"} {
		if _, err := os.Stat(need); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatal(err)
			}
			t.Skip(err, ": run make test, which sees to it")
		}
	}
	home := t.TempDir()
	if err := os.Symlink(source, filepath.Join(home, "softcsp")); err != nil {
		t.Fatal(err)
	}
	var script strings.Builder
	text := string(must(os.ReadFile("docs/gopackage.md"))(t))
	for i, part := range strings.Split(text, "```") {
		if commands, ok := strings.CutPrefix(part, "bash\n"); ok && i%2 == 1 {
			script.WriteString(commands)
		} else if strings.HasPrefix(part, "go\npackage main\n") {
			script.WriteString("cat > main.go <<'END OF main.go'\n" + strings.TrimPrefix(part, "go\n") + "END OF main.go\n")
		}
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-eux", "-c", script.String())
	cmd.Dir = home
	cmd.Env = []string{
		"HOME=" + home, "PATH=" + filepath.Join(source, "build") + ":" + os.Getenv("PATH"),
		"XDG_DATA_HOME=" + filepath.Join(home, "data"), "XDG_STATE_HOME=" + filepath.Join(home, "state"), // for root, who has others
	}
	for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOPROXY", "GOSUMDB", "GOFLAGS"} {
		out := must(exec.Command("go", "env", name).Output())(t)
		cmd.Env = append(cmd.Env, name+"="+strings.TrimSpace(string(out)))
	}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "Verified OK") {
		t.Errorf("%v\n%s", err, out)
	}
	again := exec.CommandContext(t.Context(), filepath.Join(home, "sign", "sign"), "document")
	again.Dir, again.Env = filepath.Join(home, "sign"), cmd.Env
	if err := os.WriteFile(filepath.Join(again.Dir, "user.pin"), []byte("4321"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := again.CombinedOutput(); err == nil || !strings.Contains(string(out), "9 tries left before the PIN is locked") {
		t.Errorf("%v\n%s", err, out)
	}
}
