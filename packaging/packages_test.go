// Package packaging tries what is packaged: docs/packages.md.
package packaging

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// repository is the root of the repository.
func repository(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// need sees that programs are there. One that is missing is a failure in CI.
func need(t *testing.T, programs ...string) {
	t.Helper()
	if testing.Short() {
		t.Skip("runs programs")
	}
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatal(err)
			}
			t.Skip(err, ": run make test, which sees to it")
		}
	}
}

// long skips a test that takes minutes, unless it is asked for.
func long(t *testing.T) {
	t.Helper()
	if os.Getenv("SOFTCSP_LONG") == "" {
		t.Skip("takes minutes: make long, or make packages-test")
	}
}

// run runs a program in a directory and returns what it writes to standard output.
func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	var stderr strings.Builder
	cmd.Dir, cmd.Stderr = dir, &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s\n%s", name, args, err, out, &stderr)
	}
	return string(out)
}

// made makes a target and returns the packages of the version, the program's first.
func made(t *testing.T, target, pattern string) []string {
	t.Helper()
	root := repository(t)
	run(t, root, "make", "-s", target)
	list, err := filepath.Glob(filepath.Join(root, "build", "packages", pattern))
	if err != nil || len(list) != 2 {
		t.Fatalf("%s: %d packages, %v", target, len(list), err)
	}
	slices.SortFunc(list, func(a, b string) int { return strings.Compare(filepath.Base(b), filepath.Base(a)) }) // softcsp before libsoftcsp-dev
	return list
}

const libdir = "/usr/lib/x86_64-linux-gnu"

// TestDeb makes Debian's packages, looks what is in them, and has lintian look.
func TestDeb(t *testing.T) {
	need(t, "make", "dpkg-deb", "lintian")
	debs := made(t, "deb", "*"+version(t)+"-1_amd64.deb")
	for i, want := range [][]string{
		{"/usr/bin/softcsp", libdir + "/pkcs11/libsoftcsp.so", libdir + "/libsoftcsp.so -> pkcs11/libsoftcsp.so", "/usr/share/p11-kit/modules/softcsp.module",
			"/usr/share/man/man1/softcsp.1.gz", "/usr/share/man/man1/softcsp-key-derive.1.gz", "/usr/share/bash-completion/completions/softcsp",
			"/usr/share/zsh/vendor-completions/_softcsp", "/usr/share/fish/vendor_completions.d/softcsp.fish", "/usr/share/doc/softcsp/copyright",
			"/usr/share/doc/softcsp/changelog.gz", "/usr/share/doc/softcsp/changelog.Debian.gz", "/usr/share/doc/softcsp/README.md", "/usr/share/doc/softcsp/docs/cli.md", "/usr/share/doc/softcsp/docs/README.md"},
		{"/usr/include/softcsp/cryptoki.h", "/usr/include/softcsp/softcsp.h", "/usr/include/softcsp/wincrypt.h", libdir + "/pkgconfig/softcsp.pc",
			"/usr/share/doc/libsoftcsp-dev/copyright"},
	} {
		content := run(t, ".", "dpkg-deb", "--contents", debs[i])
		for _, name := range want {
			if !strings.Contains(content, " ."+name+"\n") {
				t.Errorf("%s has no %s", filepath.Base(debs[i]), name)
			}
		}
		for line := range strings.Lines(content) {
			if !strings.Contains(line, " root/root ") {
				t.Errorf("%s: not root's: %s", filepath.Base(debs[i]), line)
			}
		}
	}
	if depends := run(t, ".", "dpkg-deb", "--field", debs[0], "Depends"); !strings.HasPrefix(depends, "libc6 (>= 2.") || strings.Contains(depends, ",") {
		t.Errorf("the package needs %s", depends)
	}
	if depends := run(t, ".", "dpkg-deb", "--field", debs[1], "Depends"); depends != "softcsp (= "+version(t)+"-1)\n" {
		t.Errorf("the package of headers needs %s", depends)
	}
	run(t, ".", "lintian", append([]string{"--allow-root", "--fail-on", "error"}, debs...)...)
}

// version is the newest version of the changelog.
func version(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../CHANGELOG.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\n## ")
	newest, _, _ := strings.Cut(rest, "\n")
	return strings.TrimSpace(newest)
}
