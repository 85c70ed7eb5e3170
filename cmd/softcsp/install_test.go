package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// cHost is a program that is compiled against what make install installs.
const cHost = `
#include <cryptoki.h>
#include <softcsp.h>
#include <stdio.h>

int main(void)
{
	CK_INFO info;
	CK_RV rv = C_Initialize(NULL);
	if (rv == CKR_OK)
		rv = C_GetInfo(&info);
	if (rv == CKR_OK)
		printf("%d.%d %lx\n", info.libraryVersion.major, info.libraryVersion.minor, CKM_SOFTCSP_CRYPT_DERIVE_KEY);
	C_Finalize(NULL);
	return rv != CKR_OK;
}
`

// output runs a command and returns what it writes.
func output(t *testing.T, dir string, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir, cmd.Env = dir, env
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// TestInstall installs into a directory, and compiles and runs a C program with what pkg-config says.
func TestInstall(t *testing.T) {
	build := needBuild(t)
	for _, tool := range []string{"make", "gcc", "pkg-config"} {
		if _, err := exec.LookPath(tool); err != nil {
			missing(t, err)
		}
	}
	stage := t.TempDir()
	prefix := filepath.Join(stage, "usr")
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "GOFLAGS=" + os.Getenv("GOFLAGS")}
	output(t, filepath.Dir(build), env, "make", "install", "PREFIX=/usr", "DESTDIR="+stage)
	for _, name := range []string{
		"bin/softcsp", "lib/libsoftcsp.so", "lib/pkgconfig/softcsp.pc", "include/softcsp/cryptoki.h", "include/softcsp/softcsp.h",
		"share/p11-kit/modules/softcsp.module", "share/man/man1/softcsp.1", "share/man/man1/softcsp-key-derive.1",
		"share/bash-completion/completions/softcsp", "share/zsh/site-functions/_softcsp", "share/fish/vendor_completions.d/softcsp.fish",
	} {
		info, err := os.Stat(filepath.Join(prefix, name))
		if err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
			continue
		}
		text, _ := os.ReadFile(filepath.Join(prefix, name))
		if strings.HasPrefix(name, "lib/pkgconfig") && strings.Contains(string(text), "@") {
			t.Errorf("%s has a gap:\n%s", name, text)
		}
	}
	module, _ := os.ReadFile(filepath.Join(prefix, "share/p11-kit/modules/softcsp.module"))
	if !strings.Contains(string(module), "\nmodule: /usr/lib/libsoftcsp.so\n") {
		t.Errorf("the module file does not name the library:\n%s", module)
	}
	compileAgainst(t, prefix, env)
}

// compileAgainst compiles and runs a program against what is installed below the directory that prefix is in, as a package is
// built.
func compileAgainst(t *testing.T, prefix string, env []string) {
	t.Helper()
	env = append(env, "PKG_CONFIG_LIBDIR="+filepath.Join(prefix, "lib", "pkgconfig"), "PKG_CONFIG_SYSROOT_DIR=..",
		"PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1", "PKG_CONFIG_ALLOW_SYSTEM_LIBS=1")
	if got := output(t, prefix, env, "pkg-config", "--variable=p11_module", "softcsp"); !strings.HasSuffix(got, "/usr/lib/libsoftcsp.so") {
		t.Errorf("pkg-config says that the module is %q", got)
	}
	if err := os.WriteFile(filepath.Join(prefix, "host.c"), []byte(cHost), 0o600); err != nil {
		t.Fatal(err)
	}
	flags := strings.Fields(output(t, prefix, env, "pkg-config", "--cflags", "--libs", "softcsp"))
	output(t, prefix, env, "gcc", append([]string{"-Wall", "-Werror", "-o", "host", "host.c"}, flags...)...)
	env = append(env, "LD_LIBRARY_PATH="+filepath.Join(prefix, "lib"), "SOFTCSP_STORE=memory")
	want := output(t, prefix, env, "pkg-config", "--modversion", "softcsp")
	major, rest, _ := strings.Cut(want, ".")
	minor, _, _ := strings.Cut(rest, ".")
	if got := output(t, prefix, env, filepath.Join(prefix, "host")); got != major+"."+minor+" c3530001" {
		t.Errorf("the program says %q, pkg-config %q", got, want)
	}
}
