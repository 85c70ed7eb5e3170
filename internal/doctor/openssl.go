package doctor

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// A conf is a configuration of OpenSSL: config(5). Names of sections, then of settings; what stands before the first section is in "".
type conf map[string]map[string]string

// readConf reads a configuration, with what it includes. Only what is needed to find modules is understood: no variables.
func readConf(file string) (conf, error) {
	c := conf{"": {}}
	return c, c.add(file, 0)
}

func (c conf) add(file string, depth int) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	section := ""
	for sc := bufio.NewScanner(f); sc.Scan(); {
		line, _, _ := strings.Cut(sc.Text(), "#")
		line = strings.TrimSpace(line)
		if name, ok := strings.CutPrefix(line, "["); ok {
			section = strings.TrimSpace(strings.TrimSuffix(name, "]"))
			if c[section] == nil {
				c[section] = make(map[string]string)
			}
			continue
		}
		if rest, ok := strings.CutPrefix(line, ".include"); ok {
			c.include(strings.Trim(strings.TrimSpace(rest), "= \""), depth)
			continue
		}
		if key, value, ok := strings.Cut(line, "="); ok {
			c[section][strings.TrimSpace(key)] = strings.Trim(strings.TrimSpace(value), `"'`)
		}
	}
	return nil
}

// include reads a file, or the .cnf and .conf files of a directory. What cannot be read is passed over, as OpenSSL does.
func (c conf) include(path string, depth int) {
	if depth > 8 {
		return
	}
	files := []string{path}
	if st, err := os.Stat(path); err == nil && st.IsDir() {
		cnf, _ := filepath.Glob(filepath.Join(path, "*.cnf"))
		other, _ := filepath.Glob(filepath.Join(path, "*.conf"))
		files = append(cnf, other...)
	}
	for _, f := range files {
		_ = c.add(f, depth+1)
	}
}

// modules returns the sections of providers or engines that are loaded for PKCS#11, by their names in the file.
func (c conf) modules(list, path string) map[string]map[string]string {
	found := make(map[string]map[string]string)
	for _, section := range c[c[c[""]["openssl_conf"]][list]] {
		s := c[section]
		if strings.Contains(filepath.Base(s[path]), "pkcs11") || s["pkcs11-module-path"] != "" || s["MODULE_PATH"] != "" {
			found[section] = s
		}
	}
	return found
}

// opensslConf is the configuration that OpenSSL reads: that of $OPENSSL_CONF, or the system's.
func (m *Machine) opensslConf() string {
	if file := m.Getenv("OPENSSL_CONF"); file != "" {
		return file
	}
	for _, file := range []string{"/etc/ssl/openssl.cnf", "/etc/pki/tls/openssl.cnf", "/usr/lib/ssl/openssl.cnf"} {
		if exists(m.system(file)) {
			return m.system(file)
		}
	}
	return ""
}

func lookOpenSSL(m *Machine, r *report) {
	file := m.opensslConf()
	if file == "" || m.Program("openssl") == "" {
		return
	}
	c, err := readConf(file)
	if err != nil {
		r.problem(fmt.Sprintf("the configuration of OpenSSL: %v", err), "every program that uses OpenSSL fails, or does without it", "name a file that there is, or:\n\tunset OPENSSL_CONF")
		return
	}
	providers, engines := c.modules("providers", "module"), c.modules("engines", "dynamic_path")
	for name, s := range providers {
		lookProvider(m, r, file, name, s, c)
	}
	for name, s := range engines {
		lookModulePath(m, r, file, name, "MODULE_PATH", s["MODULE_PATH"])
		lookConfPIN(r, file, name, "PIN", s["PIN"])
	}
	if v := m.Getenv("PKCS11_MODULE_PATH"); v != "" {
		lookModulePath(m, r, "the environment", "$PKCS11_MODULE_PATH", "PKCS11_MODULE_PATH", v)
	} else if v := m.Getenv("PKCS11_PROVIDER_MODULE"); v != "" {
		lookModulePath(m, r, "the environment", "$PKCS11_PROVIDER_MODULE", "PKCS11_PROVIDER_MODULE", v)
	}
	if r.worst() == OK {
		r.ok("%s loads %d providers and %d engines for PKCS#11", file, len(providers), len(engines))
	}
}

// lookProvider looks at a section of pkcs11-provider: provider-pkcs11(7).
func lookProvider(m *Machine, r *report, file, name string, s map[string]string, c conf) {
	lookModulePath(m, r, file, name, "pkcs11-module-path", s["pkcs11-module-path"])
	pin := s["pkcs11-module-token-pin"]
	if pin == "" {
		r.note(fmt.Sprintf("[%s] of %s has no pkcs11-module-token-pin", name, file), "a server that forks logs in anew in each worker, where nobody is to be asked for the PIN: the first handshake fails, though the start succeeded",
			"pkcs11-module-token-pin = file:/etc/softcsp/user.pin, in a file that the workers' user alone may read")
	}
	lookConfPIN(r, file, name, "pkcs11-module-token-pin", pin)
	if s["activate"] == "" {
		r.note(fmt.Sprintf("[%s] of %s has no activate = 1", name, file), "the provider is loaded by programs alone that ask for it (openssl -provider pkcs11)", "activate = 1")
	}
	for section := range c[c[c[""]["openssl_conf"]]["providers"]] {
		if section == "default" {
			def := c[c[c[c[""]["openssl_conf"]]["providers"]][section]]
			if def["activate"] == "" {
				r.problem(fmt.Sprintf("%s activates [%s] and not the default provider", file, name), "with one provider activated, the default one is not loaded by itself: digests and TLS are missing", "activate = 1 in the section of the default provider")
			}
		}
	}
}

// lookModulePath looks at the file that is to be loaded.
func lookModulePath(m *Machine, r *report, file, section, key, path string) {
	switch mod, err := readModule(path); {
	case path == "":
		r.note(fmt.Sprintf("[%s] of %s has no %s", section, file, key), "p11-kit's proxy is loaded then, if it is there", key+" = "+m.Library)
	case err != nil:
		r.problem(fmt.Sprintf("[%s] of %s: %s = %s: %v", section, file, key, path, err), "OpenSSL finds no key there", key+" = "+m.Library)
	case !mod.softcsp:
		r.note(fmt.Sprintf("[%s] of %s loads %s", section, file, path), "that is a module of somebody else's", "for softcsp: "+key+" = "+m.Library)
	}
}

// lookConfPIN finds a PIN that everybody can read.
func lookConfPIN(r *report, file, section, key, pin string) {
	var st unix.Stat_t
	name, isFile := strings.CutPrefix(pin, "file:")
	if !isFile {
		name = file
	}
	switch {
	case pin == "" || unix.Stat(name, &st) != nil:
	case st.Mode&0o004 != 0:
		r.problem(fmt.Sprintf("the PIN of [%s] of %s stands in %s, which everybody may read", section, file, name), "whoever can reach the token can use its keys", "\tchmod o= "+quote(name)+"\nor name a file of its own:\n\t"+key+" = file:/etc/softcsp/user.pin")
	}
}
