package doctor

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// need wants a program. Without it the test fails in CI, and says so elsewhere.
func need(t *testing.T, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err == nil {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("this test needs %s", name)
	}
	t.Skipf("needs %s: run make test, which sees to it", name)
}

// library compiles a library that exports functions, with a version's note unless that is "".
func library(t *testing.T, file, version string, functions ...string) {
	t.Helper()
	need(t, "gcc")
	var source strings.Builder
	for _, f := range functions {
		fmt.Fprintf(&source, "int %s(void) { return 0; }\n", f)
	}
	args := []string{"-shared", "-fPIC", "-o", file, "-x", "c", "-"}
	if version != "" {
		note, err := os.ReadFile("../../p11shim/version.c")
		if err != nil {
			t.Fatal(err)
		}
		source.Write(note)
		args = append([]string{"-DSOFTCSP_VERSION=" + version}, args...)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "gcc", args...)
	cmd.Stdin = strings.NewReader(source.String())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func TestLibrary(t *testing.T) {
	dir := t.TempDir()
	m := machine(t, dir)
	has(t, one(m, lookLibrary), Problem, "there is no libsoftcsp.so")

	m.Library, m.LibraryThere = filepath.Join(dir, "libsoftcsp.so"), true
	library(t, m.Library, "1.2.3", "C_GetFunctionList", "CryptDeriveKey")
	has(t, one(m, lookLibrary), OK, "version 1.2.3")
	m.Version = "2.0.0"
	has(t, one(m, lookLibrary), Problem, "is version 1.2.3, and the command is 2.0.0")

	mode(t, m.Library, 0o777)
	has(t, one(m, lookLibrary), Problem, "others may write to ")
	mode(t, m.Library, 0o750)
	has(t, one(m, lookLibrary), Note, "cannot be read by all")

	other := filepath.Join(dir, "lib", "libsoftcsp.so")
	library(t, other, "", "C_GetFunctionList", "CryptDeriveKey")
	m.Libraries = []string{m.Library, other}
	has(t, one(m, lookLibrary), Note, "there is another library, "+other+" (older than 0.4)")
	m.Library = other
	has(t, one(m, lookLibrary), Note, "does not tell its version")

	library(t, m.Library, "", "C_GetFunctionList")
	has(t, one(m, lookLibrary), Note, "is a module of somebody else's")
	library(t, m.Library, "", "nothing")
	has(t, one(m, lookLibrary), Problem, "exports no C_GetFunctionList")
	write(t, m.Library, "this is no library at all")
	has(t, one(m, lookLibrary), Problem, "bad magic number")
	b, err := os.ReadFile(m.Libraries[0])
	if err != nil {
		t.Fatal(err)
	}
	b[18], b[19] = 8, 0 // e_machine: MIPS
	write(t, m.Library, string(b))
	has(t, one(m, lookLibrary), Problem, "it is for another processor: EM_MIPS")
}

// TestReplaced has a process run with a library that is replaced.
func TestReplaced(t *testing.T) {
	need(t, "python3")
	dir := t.TempDir()
	m := machine(t, dir)
	m.Root = ""
	m.Library, m.LibraryThere = filepath.Join(dir, "libsoftcsp.so"), true
	library(t, m.Library, "1.2.3", "C_GetFunctionList", "CryptDeriveKey")
	cmd := exec.CommandContext(t.Context(), "python3", "-c", "import ctypes,sys,time; ctypes.CDLL(sys.argv[1]); print(flush=True); time.sleep(60)", m.Library)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	if _, err := out.Read(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	fine(t, one(m, lookLibrary))
	if err := os.Remove(m.Library); err != nil {
		t.Fatal(err)
	}
	library(t, m.Library, "1.2.3", "C_GetFunctionList", "CryptDeriveKey")
	has(t, one(m, lookLibrary), Note, fmt.Sprintf("process %d (python3", cmd.Process.Pid))
}

func TestLoader(t *testing.T) {
	m := machine(t, t.TempDir())
	fine(t, one(m, lookLoader))
	write(t, m.system("/lib/ld-musl-x86_64.so.1"), "")
	has(t, one(m, lookLoader), Problem, "is musl")
}

func TestP11Kit(t *testing.T) {
	dir := t.TempDir()
	m := machine(t, dir)
	if found := one(m, lookP11Kit); len(found) > 0 {
		t.Error(show(found)) // there is no p11-kit
	}
	m.Program = func(string) string { return "/usr/bin/p11-kit" }
	m.Library, m.LibraryThere = filepath.Join(dir, "libsoftcsp.so"), true
	write(t, m.Library, "")
	f := has(t, one(m, lookP11Kit), Note, "p11-kit does not know the library")
	if want := "\tmkdir -p /etc/pkcs11/modules\n\techo 'module: "; m.UID == 0 && !strings.HasPrefix(f.Do, want) {
		t.Errorf("%q", f.Do)
	}
	file := m.system("/usr/share/p11-kit/modules/softcsp.module")
	for text, want := range map[string]string{
		"# softcsp\n":                 "has no line \"module:\"",
		"module: /nowhere/softcsp.so": "names /nowhere/softcsp.so, which is not there",
	} {
		write(t, file, text)
		has(t, one(m, lookP11Kit), Problem, want)
	}
	write(t, file, "module: libsoftcsp.so")
	has(t, one(m, lookP11Kit), Note, "without a directory")
	write(t, file, "module: "+m.Library+"\n")
	fine(t, one(m, lookP11Kit))
	write(t, m.system("/etc/pkcs11/modules/mine.module"), "module: "+file+"\nx-init-reserved: tokendir='/srv/softcsp'")
	found := one(m, lookP11Kit)
	has(t, found, Note, "both name it")
	has(t, found, Note, "x-init-reserved: tokendir='/srv/softcsp'")
	has(t, found, Note, "names "+file+", and the library here is")
}
