package doctor

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A mistake is what people do wrong with one program.
type mistake struct {
	program string
	look    func(*Machine, *report)
}

var mistakes = []mistake{
	{"wpa_supplicant", lookSupplicant},
	{"ssh-agent", lookAgent},
	{"sssd", lookSSSD},
	{"systemd-cryptenroll", lookEnroll},
	{"nginx", func(m *Machine, r *report) {
		lookWorkers(m, r, "nginx", "/etc/nginx/nginx.conf", `(?m)^\s*user\s+([^;\s]+)`)
	}},
	{"apache2", func(m *Machine, r *report) {
		lookWorkers(m, r, "apache2", "/etc/apache2/envvars", `(?m)^\s*export APACHE_RUN_USER=(\S+)`)
	}},
	{"httpd", func(m *Machine, r *report) {
		lookWorkers(m, r, "httpd", "/etc/httpd/conf/httpd.conf", `(?m)^\s*User\s+(\S+)`)
	}},
}

func lookPrograms(m *Machine, r *report) {
	for _, x := range mistakes {
		if m.Program(x.program) != "" {
			x.look(m, r)
		}
	}
	lookPyKCS11(m, r)
	if r.worst() == OK {
		r.ok("none of the mistakes that are known of the programs here")
	}
}

// lookSupplicant: since CVE-2024-5290 wpa_supplicant of Debian and Ubuntu loads what is below /usr/lib alone.
func lookSupplicant(m *Machine, r *report) {
	if path, err := filepath.EvalSymlinks(m.Library); err == nil && m.LibraryThere && !strings.HasPrefix(path, "/usr/lib/") {
		r.note("wpa_supplicant does not load "+m.Library, "it takes modules from below /usr/lib alone, as Debian and Ubuntu build it (CVE-2024-5290)", "\tmake install PREFIX=/usr\nand in its configuration:\n\tpkcs11_module_path=/usr/lib/libsoftcsp.so")
	}
}

// lookAgent: ssh-agent loads what its option -P allows, "/usr/lib*/*,/usr/local/lib*/*" by default.
func lookAgent(m *Machine, r *report) {
	path, err := filepath.EvalSymlinks(m.Library)
	if err != nil || !m.LibraryThere || regexp.MustCompile(`^/usr/(local/)?lib[^/]*/`).MatchString(path) {
		return
	}
	r.note("ssh-agent does not load "+path, "ssh-add -s is refused (\"agent refused operation\"): the agent takes modules from below /usr/lib and /usr/local/lib alone", "make install, or start the agent with:\n\teval \"$(ssh-agent -s -P "+quote(pattern(path))+")\"")
}

// pattern is a path as one of the patterns of -P, which commas part.
func pattern(path string) string {
	return strings.NewReplacer("*", `\*`, "?", `\?`, ",", `\,`, "!", `\!`).Replace(path)
}

func lookSSSD(m *Machine, r *report) {
	if m.Config != nil && !m.Config.Removable {
		r.note("removable is false, and SSSD is here", "SSSD's p11_child takes certificates from slots for removable devices alone", "removable = true in the configuration, if SSSD is to see the tokens")
	}
}

func lookEnroll(m *Machine, r *report) {
	if m.Config != nil && m.Config.EmptySlot {
		r.note("empty_slot is true, and systemd-cryptenroll is here", "--pkcs11-token-uri=list stops at the slot whose token is not initialised", "empty_slot = false in the configuration, if systemd is to list the tokens")
	}
}

// lookWorkers finds a server whose workers are another user than the tokens'.
func lookWorkers(m *Machine, r *report, program, file, line string) {
	found := regexp.MustCompile(line).FindStringSubmatch(m.read(file))
	if found == nil || !m.keepsFiles() {
		return
	}
	u, err := user.Lookup(found[1])
	if err != nil {
		return
	}
	uid, err := strconv.Atoi(u.Uid)
	var st unix.Stat_t
	if err != nil || unix.Stat(m.Config.TokenDir, &st) != nil || int(st.Uid) == uid || st.Mode&0o077 != 0 {
		return
	}
	r.note(fmt.Sprintf("workers of %s run as %s, and %s is closed to them", program, u.Username, m.Config.TokenDir), "a worker opens the token itself, after it has given up its rights: the keys that the start found are not there in it",
		fmt.Sprintf("give the workers a directory of their own:\n\tinstall -d -m 700 -o %s /var/lib/%[2]s/tokens\nand write into a file that SOFTCSP_CONF of the service names:\n\ttokendir = \"/var/lib/%[2]s/tokens\"", u.Username, program))
}

// lookPyKCS11: getMechanismList has a table of names, and fails with a KeyError for a mechanism that is not in it; up to 1.5.17 at least.
func lookPyKCS11(m *Machine, r *report) {
	patterns := []string{m.system("/usr/lib/python3*/*-packages"), m.system("/usr/local/lib/python3*/*-packages")}
	if home, err := os.UserHomeDir(); err == nil {
		patterns = append(patterns, filepath.Join(home, ".local/lib/python3*/site-packages"))
	}
	for _, p := range patterns {
		found, _ := filepath.Glob(filepath.Join(p, "[Pp]y[Kk][Cc][Ss]11-*-info"))
		for _, dir := range found {
			version := strings.Split(filepath.Base(dir), "-")[1]
			version = strings.TrimSuffix(strings.TrimSuffix(version, ".dist"), ".egg")
			r.note(fmt.Sprintf("PyKCS11 %s is here (%s)", version, filepath.Dir(dir)),
				"its getMechanismList fails with a KeyError for mechanisms that are newer than it is, and for a vendor's own; everything else works",
				"do without that call, or deny such mechanisms by a policy: docs/configuration.md")
		}
	}
}
