package conformance

import (
	"bytes"
	"crypto/rand"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var wincryptRE = regexp.MustCompile(`(?m)^(?:BOOL|DWORD|void) WINAPI (\w+)\(`)

// wincryptFunctions are the functions that wincrypt.h declares.
func wincryptFunctions(t *testing.T) (names []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(include, "wincrypt.h"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range wincryptRE.FindAllStringSubmatch(string(text), -1) {
		names = append(names, m[1])
	}
	return names
}

// buildWincrypt compiles a program with the headers and the library, every warning an error, and returns its path.
func buildWincrypt(t *testing.T, source string) string {
	t.Helper()
	gcc := need(t, "gcc", "apt-get install gcc")
	program := filepath.Join(t.TempDir(), strings.TrimSuffix(filepath.Base(source), ".c"))
	lib, err := filepath.Abs(filepath.Dir(module.path))
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(gcc, "-std=gnu99", "-g", "-O1", "-Wall", "-Wextra", "-Werror", "-I"+include, source, "-o", program,
		"-L"+lib, "-lsoftcsp", "-Wl,-rpath,"+lib, "-pthread").CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", source, err, out)
	}
	return program
}

// runWincrypt runs a program over an empty place for tokens, and returns what it prints.
func runWincrypt(t *testing.T, settings []string, program string, args ...string) string {
	t.Helper()
	cmd := exec.Command(program, args...)
	ours := func(setting string) bool { return strings.HasPrefix(setting, "SOFTCSP_") }
	cmd.Env = append(slices.DeleteFunc(os.Environ(), ours), "SOFTCSP_TOKENDIR="+t.TempDir(), "SOFTCSP_KDF=test")
	cmd.Env = append(cmd.Env, settings...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil || stderr.Len() != 0 {
		t.Fatalf("%s: %v\n%s%s", filepath.Base(program), err, out, &stderr)
	}
	return string(out)
}

// TestExamples compiles and runs the C programs under examples.
func TestExamples(t *testing.T) {
	t.Parallel()
	only(t)
	want, err := os.ReadFile("../examples/derive/output.txt")
	if err != nil {
		t.Fatal(err)
	}
	if got := runWincrypt(t, nil, buildWincrypt(t, "../examples/derive/derive.c")); got != string(want) {
		t.Errorf("derive prints\n%swant\n%s", got, want)
	}
	program := buildWincrypt(t, "../examples/filecrypt/filecrypt.c")
	for _, n := range []int{0, 1, 15, 16, 1023, 1024, 1025, 100_000} {
		dir, data := t.TempDir(), make([]byte, n)
		rand.Read(data) //nolint:errcheck // it does not fail
		plain, encrypted, decrypted := filepath.Join(dir, "plain"), filepath.Join(dir, "encrypted"), filepath.Join(dir, "decrypted")
		if err := os.WriteFile(plain, data, 0o600); err != nil {
			t.Fatal(err)
		}
		runWincrypt(t, nil, program, "a password", plain, encrypted, decrypted)
		enc, err1 := os.ReadFile(encrypted)
		dec, err2 := os.ReadFile(decrypted)
		if err1 != nil || err2 != nil || len(enc) != n/16*16+16 || !bytes.Equal(dec, data) {
			t.Errorf("%d bytes: %v, %v, %d bytes of ciphertext, and the plaintext %v", n, err1, err2, len(enc), bytes.Equal(dec, data))
		}
	}
}

// TestWincrypt compiles and runs the C programs that check what the functions of wincrypt.h do. Each says what is wrong, and
// how many checks it made.
func TestWincrypt(t *testing.T) {
	t.Parallel()
	only(t)
	sources, err := filepath.Glob("testdata/wincrypt/*.c")
	if err != nil || len(sources) == 0 {
		t.Fatalf("no programs: %v", err)
	}
	for _, source := range sources {
		t.Run(filepath.Base(source), func(t *testing.T) {
			out := runWincrypt(t, []string{"SOFTCSP_STORE=memory"}, buildWincrypt(t, source))
			t.Log(out)
			if !strings.HasSuffix(out, " checks, all good\n") {
				t.Error("something is wrong")
			}
		})
	}
}

// TestDoors compiles and runs a program that goes to one token by PKCS#11 and by CryptoAPI.
func TestDoors(t *testing.T) {
	t.Parallel()
	only(t)
	out := runWincrypt(t, nil, buildWincrypt(t, "testdata/wincrypt/doors/doors.c"))
	t.Log(out)
	if !strings.HasSuffix(out, " checks, all good\n") {
		t.Error("something is wrong")
	}
}
