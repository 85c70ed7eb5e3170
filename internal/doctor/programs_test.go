package doctor

import (
	"errors"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/softcsp/softcsp/internal/config"
)

func TestConfiguration(t *testing.T) {
	dir := t.TempDir()
	m := machine(t, dir, "store = 'memory'", "durability = 'relaxed'", "log = 'debug'", "log_file = '/nowhere/log'")
	found := one(m, lookConfiguration)
	has(t, found, OK, "softcsp.toml is read; looked for $SOFTCSP_CONF")
	for _, want := range []string{"store is memory", "kdf is test", "durability is relaxed", "the log is at debug"} {
		has(t, found, Note, want)
	}
	has(t, found, Problem, "the log /nowhere/log cannot be written")
	m = machine(t, dir, "tokens = 'x'")
	has(t, one(m, lookConfiguration), Problem, `softcsp.toml:3: there is no setting "tokens"`)
}

// TestOtherFile has a second configuration, in the place where one is looked for.
func TestOtherFile(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", filepath.Join(dir, "config"))
	file := filepath.Join(dir, "config", "softcsp", "softcsp.toml")
	write(t, file, "")
	m := machine(t, dir)
	has(t, one(m, lookConfiguration), Note, file+" is there, too, and is not read")

	t.Setenv("SOFTCSP_CONF", "")
	m.Config, m.ConfigError = config.Load("")
	m.Getenv = os.Getenv
	has(t, one(m, lookConfiguration), OK, file+" is read; looked for "+file)
	mode(t, file, 0o666)
	has(t, one(m, lookConfiguration), Problem, file+" can be written by others")
}

func TestEnvironmentVariables(t *testing.T) {
	m := machine(t, t.TempDir())
	fine(t, one(m, lookEnvironment))
	m.Config.Why["log"], m.Config.Log = "$SOFTCSP_LOG", "error"
	m.Environ = []string{"SOFTCSP_LOG=error", "SOFTCSP_KDF=sensitive", "SOFTCSP_TOKENS=/x", "SOFTCSP_PIN=1234", "SOFTCSP_CONF=x", "SOFTCSP_STORE=", "HOME=/"}
	found := one(m, lookEnvironment)
	has(t, found, Note, "$SOFTCSP_LOG decides: log is error")
	has(t, found, Note, "$SOFTCSP_KDF is set and does not count: kdf is test, because of ")
	has(t, found, Note, "$SOFTCSP_TOKENS is set, and there is no such setting")
	has(t, found, Note, "$SOFTCSP_PIN is set")
	if len(found) != 4 || strings.Contains(show(found), "1234") {
		t.Error(show(found))
	}
}

func TestOpenSSL(t *testing.T) {
	dir := t.TempDir()
	m := machine(t, dir)
	cnf := filepath.Join(dir, "openssl.cnf")
	m.Getenv = func(name string) string { return map[string]string{"OPENSSL_CONF": cnf}[name] }
	m.Program = func(string) string { return "/usr/bin/openssl" }
	m.Library = filepath.Join(dir, "libsoftcsp.so")
	library(t, m.Library, "1.2.3", "C_GetFunctionList", "CryptDeriveKey")
	has(t, one(m, lookOpenSSL), Problem, "no such file")

	provider := func(lines ...string) {
		write(t, cnf, "openssl_conf = init\n.include "+dir+"/more.cnf\n[init]\nproviders = list\nengines = all\n[list]\ndefault = default\nkeys = mine # ours\n"+
			"[all]\n[mine]\nmodule = /usr/lib/ossl-modules/pkcs11.so\n"+strings.Join(lines, "\n")+"\n")
	}
	write(t, filepath.Join(dir, "more.cnf"), "[default]\nactivate = 1\n")
	pin := filepath.Join(dir, "pin")
	write(t, pin, "1234")
	provider("pkcs11-module-path = "+m.Library, "pkcs11-module-token-pin = file:"+pin, "activate = 1")
	fine(t, one(m, lookOpenSSL))
	mode(t, pin, 0o644)
	has(t, one(m, lookOpenSSL), Problem, "stands in "+pin+", which everybody may read")
	provider("pkcs11-module-path = /nowhere.so")
	found := one(m, lookOpenSSL)
	has(t, found, Problem, "pkcs11-module-path = /nowhere.so")
	has(t, found, Note, "[mine] of "+cnf+" has no pkcs11-module-token-pin")
	has(t, found, Note, "has no activate = 1")
	write(t, filepath.Join(dir, "more.cnf"), "")
	has(t, one(m, lookOpenSSL), Problem, "and not the default provider")

	other := filepath.Join(dir, "other.so")
	library(t, other, "", "C_GetFunctionList")
	write(t, cnf, "openssl_conf = init\n[init]\nengines = all\n[all]\npkcs11 = e\n[e]\ndynamic_path = /usr/lib/engines-3/pkcs11.so\nPIN = 1234\nMODULE_PATH = "+other+"\n")
	mode(t, cnf, 0o644)
	found = one(m, lookOpenSSL)
	has(t, found, Note, "[e] of "+cnf+" loads "+other)
	if f := has(t, found, Problem, "stands in "+cnf); strings.Contains(f.What+f.Do, "1234") {
		t.Error("the PIN is shown")
	}
}

func TestPrograms(t *testing.T) {
	dir := t.TempDir()
	m := machine(t, dir)
	m.Program = func(name string) string { return "/usr/bin/" + name }
	m.Library, m.LibraryThere = filepath.Join(dir, "libsoftcsp.so"), true
	write(t, m.Library, "")
	found := one(m, lookPrograms)
	has(t, found, Note, "wpa_supplicant does not load "+m.Library)
	has(t, found, Note, "ssh-agent does not load "+m.Library)
	has(t, found, Note, "removable is false")
	has(t, found, Note, "empty_slot is true")

	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(m.Config.TokenDir, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, m.system("/etc/nginx/nginx.conf"), "# user nobody;\nuser "+me.Username+";\n")
	for _, f := range one(m, lookPrograms) {
		if strings.Contains(f.What, "nginx") {
			t.Error(f.What)
		}
	}
	other := "daemon"
	if me.Username == other {
		other = "root"
	}
	write(t, m.system("/etc/nginx/nginx.conf"), "user "+other+" "+other+";\n")
	has(t, one(m, lookPrograms), Note, "workers of nginx run as "+other)

	m.Program = func(string) string { return "" }
	fine(t, one(m, lookPrograms))
	if err := os.MkdirAll(m.system("/usr/lib/python3/dist-packages/PyKCS11-1.5.12.egg-info"), 0o755); err != nil {
		t.Fatal(err)
	}
	has(t, one(m, lookPrograms), Note, "PyKCS11 1.5.12 is here")
}

func TestKernel(t *testing.T) {
	m := machine(t, t.TempDir())
	found := one(m, lookKernel)
	if len(found) == 0 {
		t.Error("nothing is told of the kernel")
	}
	write(t, m.system("/proc/sys/vm/overcommit_memory"), "2\n")
	has(t, one(m, lookKernel), Note, "vm.overcommit_memory = 2")

	refused := errors.New("memfd_create is refused")
	tmp := m.Getenv("HOME")
	m.Getenv = func(string) string { return tmp }
	temporary := func(m *Machine, r *report) { lookTemporary(m, r, refused) }
	has(t, one(m, temporary), Note, refused.Error())
	var fs unix.Statfs_t
	if unix.Statfs("/proc", &fs) == nil && fs.Flags&unix.ST_NOEXEC != 0 {
		tmp = "/proc"
		has(t, one(m, temporary), Problem, "/proc is mounted noexec")
	}
	tmp = "/nowhere"
	has(t, one(m, temporary), Problem, "/nowhere: no such file")
}

func TestConfinement(t *testing.T) {
	dir := t.TempDir()
	m := machine(t, dir)
	fine(t, one(m, lookConfinement))
	m.Library, m.LibraryThere = filepath.Join(dir, "libsoftcsp.so"), true
	write(t, m.Library, "")
	write(t, m.system("/sys/fs/selinux/enforce"), "1")
	found := one(m, lookConfinement)
	has(t, found, Note, "SELinux is enforcing, and "+m.Library)
	write(t, m.system("/sys/module/apparmor/parameters/enabled"), "Y\n")
	write(t, m.system("/etc/apparmor.d/usr.sbin.named"), "/usr/sbin/named { }")
	f := has(t, one(m, lookConfinement), Note, "the profile /etc/apparmor.d/usr.sbin.named does not name "+m.Config.TokenDir)
	if want := m.Config.TokenDir + "/** rwk,"; !strings.Contains(f.Do, want) {
		t.Errorf("%q is not in %q", want, f.Do)
	}
	write(t, m.system("/etc/apparmor.d/local/usr.sbin.named"), m.Config.TokenDir+"/** rwk,\n")
	for _, f := range one(m, lookConfinement) {
		if strings.Contains(f.What, "usr.sbin.named") {
			t.Error(f.What)
		}
	}
	write(t, m.system("/proc/thread-self/status"), "Name:\tx\nSeccomp:\t2\n")
	has(t, one(m, lookConfinement), Note, "under a filter of system calls")
}
