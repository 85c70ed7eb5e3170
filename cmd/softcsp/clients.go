package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// A clientKind is a program that loads PKCS#11 modules, and what a person pastes so that it uses a token of softcsp.
type clientKind struct {
	name  string
	usual bool // of those that are told after "token init" too
	// programs and files are what it is known by: one of the programs in $PATH, or a file that one of the patterns finds.
	programs, files []string
	// lines has @LIBRARY@, @URI@, @LABEL@ and @SLOT@ where they are to stand, and @ENGINES@ and @PROVIDERS@, the directories of OpenSSL.
	lines string
}

// clientKinds are the clients, in the order in which they are told.
var clientKinds = []clientKind{
	{
		name: "openssl, provider", usual: true, files: []string{"@PROVIDERS@/pkcs11.so"},
		lines: `# a file of its own, named by OPENSSL_CONF; then: openssl pkey -in '@URI@' -pubin -text
openssl_conf = init
[init]
providers = providers
[providers]
default = default_provider
pkcs11 = pkcs11_provider
[default_provider]
activate = 1
[pkcs11_provider]
module = @PROVIDERS@/pkcs11.so
pkcs11-module-path = @LIBRARY@
pkcs11-module-token-pin = file:/etc/softcsp/user.pin
activate = 1`,
	},
	{
		name: "openssl, engine", usual: true, files: []string{"@ENGINES@/pkcs11.so"},
		lines: `export PKCS11_MODULE_PATH=@LIBRARY@
openssl dgst -sha256 -engine pkcs11 -keyform engine -sign '@URI@;object=NAME;type=private' -out signature file`,
	},
	{
		name: "ssh", usual: true, programs: []string{"ssh"},
		lines: `ssh-keygen -D @LIBRARY@        # the public keys, for authorized_keys
ssh -o PKCS11Provider=@LIBRARY@ user@host
ssh-add -s @LIBRARY@           # with an agent`,
	},
	{
		name: "p11-kit", usual: true, programs: []string{"p11-kit"},
		lines: `# /etc/pkcs11/modules/softcsp.module
module: @LIBRARY@`,
	},
	{
		name: "java", usual: true, programs: []string{"java", "keytool"},
		lines: `# softcsp.cfg; then: keytool -list -keystore NONE -storetype PKCS11 -addprovider SunPKCS11 -providerArg softcsp.cfg
name = softcsp
library = @LIBRARY@
@SLOT@`,
	},
	{
		name: "pkcs11-tool", programs: []string{"pkcs11-tool"},
		lines: `pkcs11-tool --module @LIBRARY@ --token-label '@LABEL@' --login --list-objects`,
	},
	{
		name: "gnutls", programs: []string{"p11tool"},
		lines: `p11tool --provider @LIBRARY@ --login --list-all '@URI@'`,
	},
	{
		name: "nss", programs: []string{"modutil", "firefox"},
		lines: `modutil -dbdir sql:$HOME/.pki/nssdb -add softcsp -libfile @LIBRARY@`,
	},
	{
		name: "nginx", programs: []string{"nginx"},
		lines: `# with PKCS11_MODULE_PATH=@LIBRARY@ in the environment of the service, and "env PKCS11_MODULE_PATH;" in nginx.conf
ssl_certificate_key "engine:@URI@;object=NAME;type=private?pin-source=file:/etc/softcsp/user.pin";`,
	},
	{
		name: "curl", programs: []string{"curl"},
		lines: `PKCS11_MODULE_PATH=@LIBRARY@ curl --engine pkcs11 --cert client.pem --key-type ENG --key '@URI@;object=NAME;type=private' https://…`,
	},
	{
		name: "wpa_supplicant", programs: []string{"wpa_supplicant"},
		lines: `pkcs11_engine_path=@ENGINES@/pkcs11.so
pkcs11_module_path=@LIBRARY@`,
	},
	{
		name: "gnupg", programs: []string{"gnupg-pkcs11-scd"}, files: []string{"/usr/bin/gnupg-pkcs11-scd"},
		lines: `# ~/.gnupg/gnupg-pkcs11-scd.conf
providers softcsp
provider-softcsp-library @LIBRARY@`,
	},
	{
		name: "openvpn", programs: []string{"openvpn"},
		lines: `openvpn --show-pkcs11-ids @LIBRARY@
# in the configuration, with an id that this shows
pkcs11-providers @LIBRARY@`,
	},
	{
		name: "python", files: []string{"/usr/lib/python3*/*-packages/PyKCS11", "/usr/local/lib/python3*/*-packages/PyKCS11", "~/.local/lib/python3*/site-packages/PyKCS11"},
		lines: `PyKCS11.PyKCS11Lib().load('@LIBRARY@')`,
	},
	{
		name: "softhsm2", programs: []string{"softhsm2-util"},
		lines: `softcsp import-softhsm /var/lib/softhsm/tokens   # to take its tokens over`,
	},
}

// A clientLines is what to paste for one client.
type clientLines struct {
	Client string `json:"client"`
	Lines  string `json:"lines"`
}

// linesFor returns what to paste for the usual clients, with the library of this machine, and with the token's URI.
func linesFor(library string, t tok) []clientLines {
	return linesOf(library, t, func(k clientKind) bool { return k.usual })
}

// pasted writes lines as text.
func pasted(list []clientLines) string {
	var b strings.Builder
	for _, c := range list {
		b.WriteString("# " + c.Client + "\n" + c.Lines + "\n\n")
	}
	return strings.TrimSuffix(b.String(), "\n\n")
}

// linesForInstalled is linesFor for the clients that are on this machine.
func linesForInstalled(library string, t tok) []clientLines {
	return linesOf(library, t, clientKind.installed)
}

func linesOf(library string, t tok, choose func(clientKind) bool) []clientLines {
	uri := t.uri().String()
	if t.info.SerialNumber == "" { // any token of that label
		uri = "pkcs11:token=" + t.info.Label
	}
	fill := strings.NewReplacer(
		"@LIBRARY@", library, "@URI@", uri, "@LABEL@", strings.ReplaceAll(t.info.Label, "'", `'\''`), "@SLOT@", slotLine(t),
		"@ENGINES@", opensslDir("engines-3"), "@PROVIDERS@", opensslDir("ossl-modules"),
	)
	var list []clientLines
	for _, k := range clientKinds {
		if choose(k) {
			list = append(list, clientLines{k.name, fill.Replace(k.lines)})
		}
	}
	return list
}

// slotLine is how Java is told of the token: the only one where none is meant.
func slotLine(t tok) string {
	if t.info.SerialNumber == "" {
		return "slotListIndex = 0"
	}
	return fmt.Sprintf("slot = %d", uint(t.slot))
}

// installed reports whether a client is on this machine.
func (k clientKind) installed() bool {
	home, _ := os.UserHomeDir()
	dirs := strings.NewReplacer("@ENGINES@", opensslDir("engines-3"), "@PROVIDERS@", opensslDir("ossl-modules"), "~", home)
	return slices.ContainsFunc(k.programs, func(p string) bool { return program(p) != "" }) ||
		slices.ContainsFunc(k.files, func(f string) bool {
			found, _ := filepath.Glob(dirs.Replace(f))
			return len(found) > 0
		})
}

// program finds a program, also where those of the administrator are, which not everybody has in $PATH. It is "" where there is none.
func program(name string) string {
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	for _, dir := range []string{"/usr/sbin", "/sbin", "/usr/local/sbin"} {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path
		}
	}
	return ""
}

// triplet is Debian's name of the architecture, which directories of libraries have.
func triplet() string {
	switch runtime.GOARCH {
	case "amd64":
		return "x86_64-linux-gnu"
	case "arm64":
		return "aarch64-linux-gnu"
	}
	return runtime.GOARCH + "-linux-gnu"
}

// opensslDir returns the directory of OpenSSL's engines or providers: that of Debian, or that of Fedora where there is one.
func opensslDir(name string) string {
	fedora := filepath.Join("/usr/lib64", name)
	if _, err := os.Stat(fedora); err == nil {
		return fedora
	}
	return filepath.Join("/usr/lib", triplet(), name)
}

const libraryName = "libsoftcsp.so"

// libraryPlaces are where the library can be, first the first to look at: beside the command, as make build leaves it, and where the command was
// installed together with it; then where packages put it.
func libraryPlaces() []string {
	var dirs []string
	if exe, err := os.Executable(); err == nil {
		if whole, err := filepath.EvalSymlinks(exe); err == nil {
			exe = whole
		}
		bin := filepath.Dir(exe)
		dirs = append(dirs, bin)
		for _, lib := range []string{"lib", "lib64"} {
			dirs = append(dirs, filepath.Join(bin, "..", lib), filepath.Join(bin, "..", lib, triplet()))
		}
	}
	dirs = append(dirs, filepath.Join("/usr/lib", triplet()), "/usr/lib64", "/usr/lib", "/usr/local/lib")
	var files []string
	for _, dir := range dirs {
		for _, sub := range []string{"", "softcsp", "pkcs11"} {
			if file := filepath.Join(dir, sub, libraryName); !slices.Contains(files, file) {
				files = append(files, file)
			}
		}
	}
	return files
}

// libraryPath returns the library that programs load. Where there is none it is where make install would put it, and there is false.
func libraryPath() (path string, there bool) {
	for _, file := range libraryPlaces() {
		if st, err := os.Stat(file); err == nil && st.Mode().IsRegular() {
			return file, true
		}
	}
	return filepath.Join("/usr/local/lib", libraryName), false
}
