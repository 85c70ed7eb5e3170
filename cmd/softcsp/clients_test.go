package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A pasteHouse is a token with a key "KEY", whose label and whose library's path have what shells, URIs and configuration files take for their own.
type pasteHouse struct {
	dir, program string
	env          []string
}

func newPasteHouse(t *testing.T) *pasteHouse {
	t.Helper()
	build := needBuild(t)
	home := t.TempDir()
	h := &pasteHouse{dir: filepath.Join(home, "work"), program: filepath.Join(home, `it's "a" place`, "softcsp")}
	for _, dir := range []string{h.dir, filepath.Dir(h.program)} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"softcsp", "libsoftcsp.so"} {
		text, err := os.ReadFile(filepath.Join(build, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(filepath.Dir(h.program), name), text, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{"so.pin": "87654321", "user.pin": "1234", "document": "a document\n", "softcsp.toml": "kdf = 'test'\n", "askpass": "#!/bin/sh\necho 1234\n"} {
		if err := os.WriteFile(filepath.Join(h.dir, name), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	h.env = []string{
		"HOME=" + home, "PATH=" + os.Getenv("PATH"), "LANG=C.UTF-8", "XDG_STATE_HOME=" + filepath.Join(home, "state"), "SOFTCSP_CONF=" + filepath.Join(h.dir, "softcsp.toml"),
		"SOFTCSP_TOKENDIR=" + filepath.Join(home, "tokens"), "SSH_ASKPASS=" + filepath.Join(h.dir, "askpass"), "SSH_ASKPASS_REQUIRE=force",
	}
	return h
}

// softcsp runs the command, and returns what it writes to standard output and to standard error.
func (h *pasteHouse) softcsp(t *testing.T, args ...string) (stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(t.Context(), h.program, args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = h.dir, h.env, &out, &errs
	if err := cmd.Run(); err != nil && args[0] != "doctor" { // which finds things on most machines
		t.Fatalf("%v: %v\n%s", args, err, errs.String())
	}
	return out.String(), errs.String()
}

// sh pastes lines into a shell at a terminal, where somebody types the PIN again and again. It returns what stands there afterwards.
func (h *pasteHouse) sh(t *testing.T, lines string) string {
	t.Helper()
	keyboard, screen := terminal(t)
	cmd := exec.CommandContext(t.Context(), "sh", "-eu", "-c", lines)
	cmd.Dir, cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = h.dir, h.env, screen, screen, screen
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := screen.Close(); err != nil {
		t.Fatal(err)
	}
	shown := make(chan string)
	go func() {
		text, _ := io.ReadAll(keyboard) // ends with an error: nobody has the terminal any more
		shown <- strings.ReplaceAll(string(text), "\r", "")
	}()
	ended := make(chan struct{})
	go func() {
		for typing := time.Tick(50 * time.Millisecond); ; {
			select {
			case <-ended:
				return
			case <-typing:
				_, _ = keyboard.WriteString("1234\n")
			}
		}
	}()
	err := cmd.Wait()
	close(ended)
	out := <-shown
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, lines, out)
	}
	return out
}

// terminal makes a terminal that does not show what is typed, and returns both of its sides. The caller closes the screen.
func terminal(t *testing.T) (keyboard, screen *os.File) {
	t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = keyboard.Close() })
	n, err := unix.IoctlGetInt(int(keyboard.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(int(keyboard.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	settings, err := unix.IoctlGetTermios(int(keyboard.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	settings.Lflag &^= unix.ECHO
	if err := unix.IoctlSetTermios(int(keyboard.Fd()), unix.TCSETS, settings); err != nil {
		t.Fatal(err)
	}
	screen, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return keyboard, screen
}

// printed cuts the lines for each client out of what the command writes.
func printed(t *testing.T, text string) map[string]string {
	t.Helper()
	known := make(map[string]bool)
	for _, k := range clientKinds {
		known[k.name] = true
	}
	blocks := make(map[string]string)
	for part := range strings.SplitSeq(text, "\n\n") {
		title, lines, _ := strings.Cut(strings.TrimRight(part, "\n"), "\n")
		if name, ok := strings.CutPrefix(title, "# "); ok && known[name] {
			blocks[name] = lines
		}
	}
	if len(blocks) == 0 {
		t.Fatalf("nothing to paste in\n%s", text)
	}
	return blocks
}

// TestPaste pastes what token show, where and doctor say is to be pasted, and then what token init says, and looks with other programs whether that works.
func TestPaste(t *testing.T) {
	h := newPasteHouse(t)
	const label = `a 'b' "c" $d;e=50%`
	_, said := h.softcsp(t, "token", "init", "--label", label, "--so-pin-file", "so.pin", "--pin-file", "user.pin")
	short := shortLines(t, said)
	shown, _ := h.softcsp(t, "where", label)
	usual := printed(t, shown)
	h.softcsp(t, "key", "generate", "--type", "ec:p256", "--label", "KEY", "--id", "01", "--usage", "sign", "--pin-file", "user.pin")
	h.softcsp(t, "key", "certificate", "--label", "KEY", "--subject", "/CN=KEY", "--san", "DNS:KEY", "--pin-file", "user.pin", "--out", "cert.pem")
	h.softcsp(t, "cert", "import", "cert.pem", "--label", "KEY", "--id", "01", "--pin-file", "user.pin")
	h.softcsp(t, "key", "export", "--label", "KEY", "--out", "public.pem")
	h.softcsp(t, "key", "export", "--label", "KEY", "--format", "openssh", "--out", "authorized_keys")
	for _, args := range [][]string{{"where"}, {"token", "show"}} {
		out, _ := h.softcsp(t, args...)
		if got := printed(t, out); fmt.Sprint(got) != fmt.Sprint(usual) {
			t.Errorf("%v says to paste\n%v\nand where\n%v", args, got, usual)
		}
	}
	out, _ := h.softcsp(t, "doctor")
	all := printed(t, out)
	for name, lines := range usual {
		if all[name] == "" {
			all[name] = lines
		} else if all[name] != lines {
			t.Errorf("doctor says to paste\n%s", all[name])
		}
	}
	for _, k := range clientKinds {
		if all[k.name] == "" {
			continue
		}
		t.Run(k.name, func(t *testing.T) {
			if check := pasteChecks[k.name]; check != nil {
				check(t, h, all[k.name])
			} else {
				h.sh(t, "cat <<'LINES' | sh -n\n"+all[k.name]+"\nLINES")
			}
		})
	}
	for name, line := range short {
		if name == "ssh" { // which the lines of where log in with
			continue
		}
		t.Run("after init, "+name, func(t *testing.T) {
			if name == "p11-kit" {
				line += "\np11-kit list-modules"
			}
			pasteChecks[name](t, h, line)
		})
	}
}

// shortLines are the lines that token init writes, by the names of the programs.
func shortLines(t *testing.T, said string) map[string]string {
	t.Helper()
	short := make(map[string]string)
	name := ""
	for line := range strings.Lines(said) {
		line = strings.TrimSuffix(line, "\n")
		if title, ok := strings.CutPrefix(line, "# "); ok {
			name = title
		} else if name != "" {
			short[name] = line
		}
	}
	for _, k := range clientKinds {
		if (k.short != "") != (short[k.name] != "") {
			t.Errorf("%s: the line is %q", k.name, short[k.name])
		}
	}
	if len(short) != 5 {
		t.Errorf("%d lines in\n%s", len(short), said)
	}
	return short
}

// pasteChecks paste what stands for a client, and look what came of it. Of the others it is seen that a shell can read it.
var pasteChecks = map[string]func(*testing.T, *pasteHouse, string){
	"openssl, provider": func(t *testing.T, h *pasteHouse, lines string) {
		needFile(t, filepath.Join(opensslDir("ossl-modules"), "pkcs11.so"), os.Getenv("SOFTCSP_CLIENTS") != "")
		signs(t, h, lines)
	},
	"openssl, engine": func(t *testing.T, h *pasteHouse, lines string) {
		needFile(t, filepath.Join(opensslDir("engines-3"), "pkcs11.so"), true)
		signs(t, h, lines)
	},
	"ssh":     pasteSSH,
	"p11-kit": pasteP11Kit,
	"java": func(t *testing.T, h *pasteHouse, lines string) {
		needProgram(t, "keytool", os.Getenv("SOFTCSP_LONG") != "")
		wants(t, h.sh(t, lines), "KEY, PrivateKeyEntry")
	},
	"pkcs11-tool": func(t *testing.T, h *pasteHouse, lines string) {
		needProgram(t, "pkcs11-tool", true)
		wants(t, h.sh(t, lines), "Private Key Object; EC", "label:      KEY")
	},
	"gnutls": func(t *testing.T, h *pasteHouse, lines string) {
		needProgram(t, "p11tool", true)
		wants(t, h.sh(t, lines), "Label: KEY", "type=private")
	},
	"nss": func(t *testing.T, h *pasteHouse, lines string) {
		needProgram(t, "certutil", os.Getenv("SOFTCSP_CLIENTS") != "")
		wants(t, h.sh(t, lines+"\ncertutil -L -d sql:$HOME/.pki/nssdb -h all -f user.pin"), ":KEY")
	},
	"nginx": pasteNginx,
	"openvpn": func(t *testing.T, h *pasteHouse, lines string) {
		needProgram(t, "openvpn", os.Getenv("SOFTCSP_CLIENTS") != "")
		wants(t, h.sh(t, lines), "CN=KEY", "Serialized id:")
	},
	"python": func(t *testing.T, h *pasteHouse, lines string) {
		needProgram(t, "python3", true)
		if exec.Command("python3", "-c", "import PyKCS11").Run() != nil {
			t.Skip("PyKCS11 is there for another python3")
		}
		wants(t, h.sh(t, lines), "[", "]")
	},
}

// signs sees that the lines sign, and that openssl alone verifies that.
func signs(t *testing.T, h *pasteHouse, lines string) {
	t.Helper()
	if err := os.RemoveAll(filepath.Join(h.dir, "document.sig")); err != nil {
		t.Fatal(err)
	}
	h.sh(t, lines)
	wants(t, h.sh(t, "openssl dgst -sha256 -verify public.pem -signature document.sig document"), "Verified OK")
}

// pasteSSH logs in to a server of its own, and lists what an agent has. What stands for a host is told to ssh in a file.
func pasteSSH(t *testing.T, h *pasteHouse, lines string) {
	needProgram(t, "ssh", true)
	needFile(t, "/usr/sbin/sshd", true)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	h.sh(t, fmt.Sprintf(`ssh-keygen -q -t ed25519 -N "" -f hostkey < /dev/null
cat > sshd_config <<END
ListenAddress 127.0.0.1
Port %d
HostKey $PWD/hostkey
AuthorizedKeysFile $PWD/authorized_keys
ForceCommand echo logged in
PidFile none
StrictModes no
UsePAM no
END
mkdir bin
cat > bin/ssh <<END
#!/bin/sh
exec $(command -v ssh) -T -F $PWD/ssh_config "\$@"
END
chmod 755 bin/ssh
cat > ssh_config <<END
Host *
HostName 127.0.0.1
Port %d
StrictHostKeyChecking no
UserKnownHostsFile /dev/null
IdentityAgent none
END
[ "$(id -u)" != 0 ] || mkdir -p /run/sshd`, port, port))
	server := exec.CommandContext(t.Context(), "/usr/sbin/sshd", "-D", "-E", "sshd.log", "-f", filepath.Join(h.dir, "sshd_config"))
	server.Dir, server.Env = h.dir, h.env
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Wait() })
	h.sh(t, "for i in $(seq 300); do if grep -q listening sshd.log; then exit; fi; sleep 0.1; done; cat sshd.log; exit 1")
	said := h.sh(t, "PATH=$PWD/bin:$PATH\ntrap 'ssh-agent -k > /dev/null' EXIT\n"+lines+"\nssh-add -L")
	public, err := os.ReadFile(filepath.Join(h.dir, "authorized_keys"))
	if err != nil {
		t.Fatal(err)
	}
	key := strings.Join(strings.Fields(string(public))[:2], " ")
	wants(t, said, "logged in")
	if n := strings.Count(said, key); n != 2 {
		t.Errorf("ssh-keygen and the agent show the key %d times, and not twice:\n%s", n, said)
	}
}

// pasteP11Kit has GnuTLS look for tokens where p11-kit says. What root writes for all users is in a directory that only the test sees.
func pasteP11Kit(t *testing.T, h *pasteHouse, lines string) {
	needProgram(t, "p11-kit", true)
	needProgram(t, "p11tool", true)
	script := lines + "\np11tool --list-tokens"
	if os.Getuid() == 0 {
		script = "mkdir -p /etc/pkcs11\nexport lines=" + shellWord(script) + "\nunshare -m sh -eu -c 'mount -t tmpfs tmpfs /etc/pkcs11; eval \"$lines\"'"
	}
	wants(t, h.sh(t, script), "token: a 'b' \"c\" $d;e=50%", "token=a%20%27b%27%20%22c%22%20%24d%3Be%3D50%25")
}

// pasteNginx serves with the key, and has curl look. The PIN is where the lines say, in a directory that only the test sees.
func pasteNginx(t *testing.T, h *pasteHouse, lines string) {
	needProgram(t, "nginx", os.Getenv("SOFTCSP_CLIENTS") != "")
	needProgram(t, "curl", true)
	if os.Getuid() != 0 {
		t.Skip("/etc/softcsp is root's")
	}
	h.sh(t, `cat > nginx.conf <<'END'
ssl_engine pkcs11;
env PKCS11_MODULE_PATH; env SOFTCSP_TOKENDIR; env SOFTCSP_CONF; env XDG_STATE_HOME;
user root;
worker_processes 1;
pid nginx.pid;
events { }
http {
    access_log off;
    client_body_temp_path tmp; proxy_temp_path tmp; fastcgi_temp_path tmp; uwsgi_temp_path tmp; scgi_temp_path tmp;
    server {
        listen unix:nginx.socket ssl;
        ssl_certificate cert.pem;
        include softcsp-nginx.conf;
        return 200 "served with KEY\n";
    }
}
END
sed -i "s|unix:nginx|unix:$PWD/nginx|" nginx.conf`)
	script := lines + `
cp user.pin /etc/softcsp
nginx -p $PWD -c nginx.conf -e error.log
curl -sS --cacert cert.pem --unix-socket nginx.socket https://KEY/
kill $(cat nginx.pid)`
	if os.Mkdir("/etc/softcsp", 0o755) == nil {
		t.Cleanup(func() { _ = os.Remove("/etc/softcsp") })
	}
	wants(t, h.sh(t, "export lines="+shellWord(script)+"\nunshare -m sh -eu -c 'mount -t tmpfs tmpfs /etc/softcsp; eval \"$lines\"'"), "served with KEY")
}

// wants sees that a program has said all of that.
func wants(t *testing.T, said string, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(said, w) {
			t.Errorf("%q is not in\n%s", w, said)
		}
	}
}

// needProgram and needFile end a test that lacks something. Where it is not required that is no failure.
func needProgram(t *testing.T, name string, required bool) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil && required {
		missing(t, err)
	} else if err != nil {
		t.Skip(err)
	}
}

func needFile(t *testing.T, name string, required bool) {
	t.Helper()
	if _, err := os.Stat(name); err != nil && required {
		missing(t, err)
	} else if err != nil {
		t.Skip(err)
	}
}
