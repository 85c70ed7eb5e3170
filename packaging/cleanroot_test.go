package packaging

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// newRoot makes a Debian of its own with the packages given, and returns where.
func newRoot(t *testing.T, packages ...string) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("chroot is for root alone")
	}
	root := filepath.Join(t.TempDir(), "root")
	run(t, ".", "mmdebstrap", "--quiet", "--variant=minbase", "--include="+strings.Join(packages, ","), "bookworm", root, mirror(t))
	return root
}

// mirror returns where this machine has the packages of Debian from.
func mirror(t *testing.T) string {
	t.Helper()
	list := run(t, ".", "apt-get", "indextargets", "--format", "$(REPO_URI)", "Identifier: Packages", "Codename: bookworm")
	first, _, _ := strings.Cut(list, "\n")
	return first
}

// inside runs a script in a root as a user.
func inside(t *testing.T, root, user, script string) string {
	t.Helper()
	args := []string{"--userspec=" + user, root, "env", "-i", "HOME=/home/" + user, "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8",
		"DEBIAN_FRONTEND=noninteractive", "sh", "-eu", "-c", "cd \"$HOME\" 2>/dev/null || cd /; " + script}
	return run(t, ".", "chroot", args...)
}

// older makes the packages of an earlier packaging of the version, so that there is something to upgrade from, and puts
// both into a directory.
func older(t *testing.T, target, dir string) {
	t.Helper()
	run(t, repository(t), "make", "-s", target, "PACKAGE_RELEASE=0")
	run(t, repository(t), "make", "-s", target)
	list, err := filepath.Glob(filepath.Join(repository(t), "build", "packages", "*softcsp*"+version(t)+"-[01]*."+target))
	if err != nil || len(list) != 4 {
		t.Fatalf("%d packages, %v", len(list), err)
	}
	for _, name := range list {
		copyFile(t, name, filepath.Join(dir, filepath.Base(name)))
	}
	for _, name := range list {
		if strings.Contains(name, "-0") {
			if err := os.Remove(name); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestCleanRoot installs, uses, upgrades and purges Debian's packages where nothing else of softcsp is, beside another module.
func TestCleanRoot(t *testing.T) {
	long(t)
	need(t, "make", "mmdebstrap", "chroot")
	root := newRoot(t, "p11-kit", "softhsm2", "opensc", "gnutls-bin", "openssl", "adduser")
	older(t, "deb", filepath.Join(root, "tmp"))
	inside(t, root, "root", "adduser --disabled-password --gecos '' user >&2; adduser --quiet user softhsm")

	before := inside(t, root, "user", "softhsm2-util --init-token --free --label other --so-pin 87654321 --pin 1234 >&2; p11tool --list-token-urls")
	inside(t, root, "root", "apt-get install -y -qq /tmp/softcsp_*-0_amd64.deb /tmp/libsoftcsp-dev_*-0_amd64.deb")

	// A token is found through p11-kit, by the module's name and by its path, and used by other programs.
	inside(t, root, "user", `
		printf 87654321 > so.pin; printf 1234 > user.pin
		softcsp token init --label lab --so-pin-file so.pin --pin-file user.pin >&2
		p11tool --list-token-urls | grep 'manufacturer=softcsp.*token=lab'
		pkcs11-tool --module /usr/lib/x86_64-linux-gnu/pkcs11/libsoftcsp.so --login --pin 1234 --keypairgen --key-type EC:prime256v1 --label signer --id 01 >&2
		p11tool --provider libsoftcsp.so --list-tokens | grep 'Label: lab'
		echo hello > data
		pkcs11-tool --module /usr/lib/x86_64-linux-gnu/pkcs11/libsoftcsp.so --login --pin 1234 --sign --mechanism ECDSA-SHA256 --signature-format openssl --id 01 -i data -o data.sig >&2
		pkcs11-tool --module /usr/lib/x86_64-linux-gnu/pkcs11/libsoftcsp.so --read-object --type pubkey --id 01 -o key.der >&2
		openssl dgst -sha256 -verify key.der -signature data.sig data
		test "$(stat -c %a ~/.local/share/softcsp/tokens)" = 700`)
	if after := inside(t, root, "user", "p11tool --list-token-urls"); !strings.HasPrefix(after, before) || !strings.Contains(after[len(before):], "manufacturer=softcsp") {
		t.Errorf("the tokens of other modules do not come first any more:\n%s\nbefore:\n%s", after, before)
	}
	files := inside(t, root, "root", "dpkg -L softcsp libsoftcsp-dev | sort -u | while read f; do test -d \"$f\" && ! test -L \"$f\" || echo \"$f\"; done")
	if !strings.Contains(files, "/usr/bin/softcsp\n") {
		t.Fatalf("the packages have %s", files)
	}

	inside(t, root, "root", "apt-get install -y -qq /tmp/softcsp_*-1_amd64.deb /tmp/libsoftcsp-dev_*-1_amd64.deb; dpkg --verify softcsp libsoftcsp-dev; test \"$(dpkg-query -f '${Version}' -W softcsp)\" = "+version(t)+"-1")
	inside(t, root, "user", "softcsp token check --pin-file user.pin; softcsp object list --pin-file user.pin | grep signer")

	inside(t, root, "root", "apt-get purge -y -qq softcsp libsoftcsp-dev")
	for name := range strings.FieldsSeq(files) {
		if _, err := os.Lstat(filepath.Join(root, name)); !os.IsNotExist(err) {
			t.Errorf("%s is left: %v", name, err)
		}
	}
	if got := inside(t, root, "user", "ls .local/share/softcsp/tokens/*.token >&2; p11tool --list-token-urls"); got != before {
		t.Errorf("tokens after the purge:\n%s\nbefore all:\n%s", got, before)
	}
}

// TestRPM installs, verifies, upgrades and erases the packages in an empty root, which has a database of RPM and no more.
func TestRPM(t *testing.T) {
	long(t)
	need(t, "make", "rpm")
	dir, root := t.TempDir(), t.TempDir()
	older(t, "rpm", dir)
	rpm := func(args ...string) string {
		return run(t, dir, "sh", "-c", "exec rpm --dbpath /var/lib/rpm --root "+root+" "+strings.Join(args, " "))
	}
	rpm("--initdb")
	rpm("-i --nodeps *-0.x86_64.rpm")
	rpm("-U --nodeps *-1.x86_64.rpm")
	rpm("-V --nodeps softcsp softcsp-devel")
	if got := run(t, ".", filepath.Join(root, "usr/bin/softcsp"), "version"); !strings.HasPrefix(got, "softcsp "+version(t)+" ") {
		t.Errorf("it says %s", got)
	}
	if target, err := os.Readlink(filepath.Join(root, "usr/lib64/libsoftcsp.so")); target != "pkcs11/libsoftcsp.so" {
		t.Errorf("the link leads to %q, %v", target, err)
	}
	if needs := rpm("-q --requires softcsp"); !strings.Contains(needs, "glibc >= 2.") {
		t.Errorf("the package needs %s", needs)
	}
	files := rpm("-q -l softcsp softcsp-devel")
	rpm("-e --nodeps softcsp softcsp-devel")
	for name := range strings.FieldsSeq(files) {
		if info, err := os.Lstat(filepath.Join(root, name)); err == nil && !info.IsDir() {
			t.Errorf("%s is left", name)
		}
	}
}
