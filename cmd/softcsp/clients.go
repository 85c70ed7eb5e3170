package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/softcsp/softcsp/ck"
)

// A clientKind is a program that loads PKCS#11 modules, and what a person pastes into a shell so that it uses a token of softcsp.
type clientKind struct {
	name  string
	usual bool // of those that are told where nobody has asked for one
	// programs and files are what it is known by: one of the programs in $PATH, or a file that one of the patterns finds.
	programs, files []string
	// lines are commands of a shell, which write configuration files where the program has those. What is to be filled in stands between @ and @: see
	// filled. KEY stands for the label of a key, and other words in capitals for what the person knows.
	lines string
	// short is one line that uses the token at once, to be told after "token init", "" for none.
	short string
}

// clientKinds are the clients, in the order in which they are told.
var clientKinds = []clientKind{
	{
		name: "openssl, provider", usual: true, files: []string{"@PROVIDERS@/pkcs11.so"},
		lines: `cat > softcsp-openssl.cnf <<'END'
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
pkcs11-module-path = @LIBRARY:openssl@
# for servers, which have nobody to ask: pkcs11-module-token-pin = file:/etc/softcsp/user.pin
activate = 1
END
export OPENSSL_CONF="$PWD/softcsp-openssl.cnf"
openssl dgst -sha256 -sign '@URI@;object=KEY;type=private' -out document.sig document`,
		short: `PKCS11_PROVIDER_MODULE=@LIBRARY@ openssl dgst -sha256 -provider default -provider pkcs11 -sign '@URI@;object=KEY;type=private' -out document.sig document`,
	},
	{
		name: "openssl, engine", usual: true, files: []string{"@ENGINES@/pkcs11.so"},
		lines: `# finds no key in a token that has a private key other than of RSA or EC
export PKCS11_MODULE_PATH=@LIBRARY@
openssl dgst -sha256 -engine pkcs11 -keyform engine -sign '@URI@;object=KEY;type=private' -out document.sig document`,
		short: `PKCS11_MODULE_PATH=@LIBRARY@ openssl dgst -sha256 -engine pkcs11 -keyform engine -sign '@URI@;object=KEY;type=private' -out document.sig document`,
	},
	{
		name: "ssh", usual: true, programs: []string{"ssh"},
		lines: `ssh-keygen -D @LIBRARY@   # the public keys, for authorized_keys
ssh -o @PROVIDER:ssh@ HOST
@AGENT@ssh-add -s @LIBRARY@   # for an agent`,
		short: `ssh -o @PROVIDER:ssh@ HOST   # whose authorized_keys has what ssh-keygen -D shows`,
	},
	{
		name: "p11-kit", usual: true, programs: []string{"p11-kit"},
		lines: `mkdir -p @P11KIT@
echo @MODULE:p11kit@ > @P11KIT@/softcsp.module
p11-kit list-modules`,
		short: `mkdir -p @P11KIT@ && echo @MODULE:p11kit@ > @P11KIT@/softcsp.module`,
	},
	{
		name: "java", usual: true, programs: []string{"java", "keytool"},
		lines: `cat > softcsp-java.cfg <<'END'
name = softcsp
library = @LIBRARY:java@
@SLOT@
END
keytool -list -keystore NONE -storetype PKCS11 -addprovider SunPKCS11 -providerArg softcsp-java.cfg`,
		short: `printf '%s\n' 'name = softcsp' @LINE:java@ '@SLOT@' > softcsp-java.cfg && keytool -list -keystore NONE -storetype PKCS11 -addprovider SunPKCS11 -providerArg softcsp-java.cfg`,
	},
	{
		name: "pkcs11-tool", programs: []string{"pkcs11-tool"},
		lines: `pkcs11-tool --module @LIBRARY@ --token-label @LABEL@ --login --list-objects`,
	},
	{
		name: "gnutls", programs: []string{"p11tool"},
		lines: `p11tool --provider @LIBRARY@ --login --list-all '@URI@'`,
	},
	{
		name: "nss", programs: []string{"modutil", "firefox"},
		lines: `mkdir -p ~/.pki/nssdb   # Chromium's; Firefox has its own directory in ~/.mozilla/firefox
[ -e ~/.pki/nssdb/cert9.db ] || certutil -N -d sql:$HOME/.pki/nssdb --empty-password
modutil -force -dbdir sql:$HOME/.pki/nssdb -add softcsp -libfile @LIBRARY@`,
	},
	{
		name: "nginx", programs: []string{"nginx"},
		lines: `cat > softcsp-nginx.conf <<'END'
# for the block of the server; the file begins with: ssl_engine pkcs11; env PKCS11_MODULE_PATH; env SOFTCSP_CONF; env SOFTCSP_TOKENDIR;
ssl_certificate_key "engine:pkcs11:@URI@;object=KEY;type=private?pin-source=file:/etc/softcsp/user.pin";
END
export PKCS11_MODULE_PATH=@LIBRARY@   # or in the environment of the service`,
	},
	{
		name: "curl", programs: []string{"curl"},
		lines: `export PKCS11_MODULE_PATH=@LIBRARY@
curl --engine pkcs11 --cert client.pem --key-type ENG --key '@URI@;object=KEY;type=private' https://HOST`,
	},
	{
		name: "wpa_supplicant", programs: []string{"wpa_supplicant"},
		lines: `cat > softcsp-wpa.conf <<'END'
pkcs11_engine_path=@ENGINES@/pkcs11.so
pkcs11_module_path=@PATH@
# in the block of the network: engine=1, engine_id="pkcs11", key_id="@URI@;object=KEY;type=private"
END`,
	},
	{
		name: "gnupg", programs: []string{"gnupg-pkcs11-scd"}, files: []string{"/usr/bin/gnupg-pkcs11-scd"},
		lines: `mkdir -p -m 700 ~/.gnupg
cat >> ~/.gnupg/gnupg-pkcs11-scd.conf <<'END'
providers softcsp
provider-softcsp-library @PATH@
END
echo "scdaemon-program $(command -v gnupg-pkcs11-scd)" >> ~/.gnupg/gpg-agent.conf`,
	},
	{
		name: "openvpn", programs: []string{"openvpn"},
		lines: `openvpn --show-pkcs11-ids @LIBRARY@
# in the configuration, beside a pkcs11-id that this shows: pkcs11-providers @LIBRARY@`,
	},
	{
		name: "python", files: []string{"/usr/lib/python3*/*-packages/PyKCS11", "/usr/local/lib/python3*/*-packages/PyKCS11", "~/.local/lib/python3*/site-packages/PyKCS11"},
		lines: `python3 - @LIBRARY@ <<'END'
import sys, PyKCS11
token = PyKCS11.PyKCS11Lib()
token.load(sys.argv[1])
print(token.getSlotList(tokenPresent=True))
END`,
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
func (a *app) linesFor(library string, t tok) []clientLines {
	return a.linesOf(library, t, func(k clientKind) string {
		if !k.usual {
			return ""
		}
		return k.lines
	})
}

// shortLinesFor is linesFor with one line for each client.
func (a *app) shortLinesFor(library string, t tok) []clientLines {
	return a.linesOf(library, t, func(k clientKind) string { return k.short })
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
func (a *app) linesForInstalled(library string, t tok) []clientLines {
	return a.linesOf(library, t, func(k clientKind) string {
		if !k.installed() {
			return ""
		}
		return k.lines
	})
}

// linesOf fills in the lines that there are of each client, "" for none. Where there is no token there is nothing to paste for any.
func (a *app) linesOf(library string, t tok, of func(clientKind) string) (list []clientLines) {
	if settings := a.exported(); settings != "" {
		list = append(list, clientLines{"before all others, for what the command was told", settings})
	}
	if t.isNone() {
		return list
	}
	if path, err := filepath.Abs(library); err == nil {
		library = path
	}
	fill := filled(library, t)
	for _, k := range clientKinds {
		if lines := of(k); lines != "" {
			list = append(list, clientLines{k.name, fill.Replace(lines)})
		}
	}
	return list
}

// exported says to programs in their environment what flags have said to the command.
func (a *app) exported() string {
	var lines []string
	for _, v := range [][2]string{{"SOFTCSP_CONF", a.conf}, {"SOFTCSP_TOKENDIR", a.tokenDir}} {
		if v[1] == "" {
			continue
		}
		path, err := filepath.Abs(v[1])
		if err != nil {
			path = v[1]
		}
		lines = append(lines, "export "+v[0]+"="+shellWord(path))
	}
	return strings.Join(lines, "\n")
}

// someToken stands for a token where none is meant, and its label for what a person fills in.
var someToken = tok{info: ck.TokenInfo{Label: "TOKEN"}}

// isNone reports whether there is no token to show lines for, as the zero tok.
func (t tok) isNone() bool { return t.info.Label == "" && t.info.SerialNumber == "" }

// filled fills in the library and the token, each as the place wants it where it stands: a word of a shell, or a value in a file. A URI needs
// nothing more: it has no character that means something to a shell between apostrophes, nor to any of the files.
func filled(library string, t tok) *strings.Replacer {
	uri := t.uri().String()
	return strings.NewReplacer(
		"@URI@", uri, "@LABEL@", shellWord(t.info.Label), "@SLOT@", slotLine(t),
		"@LIBRARY@", shellWord(library), "@PATH@", library,
		"@LIBRARY:openssl@", escaped(library, `\#$"'`), "@LIBRARY:java@", javaValue(library), "@LINE:java@", shellWord("library = "+javaValue(library)),
		"@PROVIDER:ssh@", shellWord("PKCS11Provider="+sshValue(library)), "@AGENT@", agentLine(library),
		"@P11KIT@", p11kitDir(), "@MODULE:p11kit@", shellWord("module: "+library),
		"@ENGINES@", opensslDir("engines-3"), "@PROVIDERS@", opensslDir("ossl-modules"),
	)
}

// shellWord writes a word of a shell.
func shellWord(s string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._/+:,@%"
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !strings.ContainsRune(plain, r) }) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// escaped writes a backslash before each of some characters.
func escaped(s, special string) string {
	var b strings.Builder
	for _, r := range s {
		if strings.ContainsRune(special, r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// javaValue is a value in a configuration file of SunPKCS11.
func javaValue(s string) string { return `"` + escaped(s, `\"`) + `"` }

// sshValue is a value of an option of ssh, which ends at a blank unless it stands in quotes.
func sshValue(s string) string {
	if strings.ContainsAny(s, " \t\"'\\#") {
		return `"` + escaped(s, `\"`) + `"`
	}
	return s
}

// agentLine starts an agent that loads a library of that place: one that runs does so from /usr/lib and /usr/local/lib only.
func agentLine(library string) string {
	if strings.HasPrefix(library, "/usr/lib") || strings.HasPrefix(library, "/usr/local/lib") {
		return ""
	}
	return `eval "$(ssh-agent -s -P ` + shellWord(escaped(library, "*?,!")) + `)"` + "\n"
}

// p11kitDir is where p11-kit is told of modules: by everybody for themselves, and by root, whose own directory it does not read, for all.
func p11kitDir() string {
	if os.Geteuid() == 0 {
		return "/etc/pkcs11/modules"
	}
	return "~/.config/pkcs11/modules"
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
