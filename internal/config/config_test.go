package config

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/softcsp/softcsp/ck"
)

// A host is a world of one test: a home directory, an environment and a system file.
type host struct {
	world
	dir string
	env map[string]string
}

func newHost(t *testing.T) *host {
	h := &host{dir: t.TempDir(), env: make(map[string]string)}
	h.world = world{
		getenv:     func(k string) string { return h.env[k] },
		uid:        1000,
		home:       func() (string, error) { return filepath.Join(h.dir, "home"), nil },
		systemFile: filepath.Join(h.dir, "etc", "softcsp.toml"),
	}
	return h
}

// file writes a file below the test's directory and returns its name.
func (h *host) file(t *testing.T, name, text string) string {
	t.Helper()
	name = filepath.Join(h.dir, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func (h *host) mustLoad(t *testing.T, reserved string) *Config {
	t.Helper()
	c, err := h.load(reserved)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestDefaults(t *testing.T) {
	h := newHost(t)
	c := h.mustLoad(t, "")
	want := map[string]string{
		"tokendir": filepath.Join(h.dir, "home/.local/share/softcsp/tokens"),
		"store":    "bolt", "durability": "full", "kdf": "interactive",
		"max_sessions": "0", "max_tries": "10", "readonly_login": "false", "key_separation": "", "removable": "false", "empty_slot": "true", "csp_token": "", "log": "", "log_file": "",
	}
	for _, name := range Names() {
		if got := c.Value(name); got != want[name] {
			t.Errorf("%s = %q, want %q", name, got, want[name])
		}
		if c.Why[name] != "default" {
			t.Errorf("%s comes from %q", name, c.Why[name])
		}
	}
	if len(Names()) != len(want) || c.File != "" || c.Value("no such") != "" {
		t.Errorf("names %v, file %q", Names(), c.File)
	}
}

// TestTokenDir walks down the list of sources, taking the first away each time.
func TestTokenDir(t *testing.T) {
	h := newHost(t)
	h.env["SOFTCSP_TOKENDIR"] = "/env"
	h.env["XDG_DATA_HOME"] = "/data"
	conf := h.file(t, "home/.config/softcsp/softcsp.toml", "# one\ntokendir = '/conf'\n")
	check := func(reserved, dir, why string) {
		t.Helper()
		if c := h.mustLoad(t, reserved); c.TokenDir != dir || c.Why["tokendir"] != why {
			t.Errorf("%q because of %q, want %q because of %q", c.TokenDir, c.Why["tokendir"], dir, why)
		}
	}
	check("tokendir='/reserved'", "/reserved", "pReserved")
	check("", "/conf", conf+":2")
	// What is at pReserved is the configuration: the file is not read beside it.
	check("log='error'", "/env", "$SOFTCSP_TOKENDIR")
	os.Remove(conf)
	check("", "/env", "$SOFTCSP_TOKENDIR")
	delete(h.env, "SOFTCSP_TOKENDIR")
	check("", "/data/softcsp/tokens", "$XDG_DATA_HOME")
	h.uid = 0
	check("", "/data/softcsp/tokens", "$XDG_DATA_HOME")
	delete(h.env, "XDG_DATA_HOME")
	check("", "/var/lib/softcsp/tokens", "default for root")
	h.uid = 1000
	check("", filepath.Join(h.dir, "home/.local/share/softcsp/tokens"), "default")
	h.env["XDG_DATA_HOME"] = "relative" // to be ignored, says the XDG specification
	check("", filepath.Join(h.dir, "home/.local/share/softcsp/tokens"), "default")
}

// TestFileOrder does the same for the files.
func TestFileOrder(t *testing.T) {
	h := newHost(t)
	system := h.file(t, "etc/softcsp.toml", "tokendir = '/system'")
	user := h.file(t, "home/.config/softcsp/softcsp.toml", "tokendir = '/user'")
	xdg := h.file(t, "xdg/softcsp/softcsp.toml", "tokendir = '/xdg'")
	env := h.file(t, "env.toml", "tokendir = '/env'\nlog = 'info'")
	named := h.file(t, "named.toml", "tokendir = '/named'\nstore = 'memory'")
	check := func(reserved, file, dir string) {
		t.Helper()
		if c := h.mustLoad(t, reserved); c.File != file || c.TokenDir != dir {
			t.Errorf("%q with %q, want %q with %q", c.File, c.TokenDir, file, dir)
		}
	}
	check("", user, "/user")
	h.env["XDG_CONFIG_HOME"] = filepath.Join(h.dir, "xdg")
	check("", xdg, "/xdg")
	h.env["SOFTCSP_CONF"] = env
	check("", env, "/env")
	check("conf='"+named+"'", named, "/named")
	check("conf='"+named+"' tokendir='/over'", named, "/over")
	check("store=memory", "", filepath.Join(h.dir, "home/.local/share/softcsp/tokens"))
	delete(h.env, "SOFTCSP_CONF")
	os.Remove(xdg)
	check("", system, "/system")
	os.Remove(system)
	check("", "", filepath.Join(h.dir, "home/.local/share/softcsp/tokens"))
}

func TestNoHome(t *testing.T) {
	h := newHost(t)
	h.home = func() (string, error) { return "", errors.New("no home") }
	if c := h.mustLoad(t, ""); !strings.HasPrefix(c.TokenDir, nobodyHome) || !strings.Contains(c.Why["tokendir"], "without a home") {
		t.Errorf("%q: %s", c.TokenDir, c.Why["tokendir"])
	}
	h.env["SOFTCSP_STORE"] = "memory"
	if c := h.mustLoad(t, ""); c.Store != "memory" || c.TokenDir != "" {
		t.Errorf("%+v", c)
	}
	delete(h.env, "SOFTCSP_STORE")
	h.env["SOFTCSP_TOKENDIR"] = "/t"
	if c := h.mustLoad(t, ""); c.TokenDir != "/t" {
		t.Errorf("%+v", c)
	}
	if _, err := h.load("tokendir='~/t'"); err == nil {
		t.Error("~ without a home directory")
	}
	h.uid = 0
	delete(h.env, "SOFTCSP_TOKENDIR")
	if c := h.mustLoad(t, ""); c.TokenDir != rootDir {
		t.Errorf("%+v", c)
	}
}

func TestEnvironment(t *testing.T) {
	h := newHost(t)
	for k, v := range map[string]string{
		"SOFTCSP_STORE": "memory", "SOFTCSP_LOG": "debug", "SOFTCSP_LOG_FILE": "/l", "SOFTCSP_KDF": "test",
		"SOFTCSP_DURABILITY": "relaxed", "SOFTCSP_MAX_TRIES": "3", "SOFTCSP_MAX_SESSIONS": "7", "SOFTCSP_TOKENDIR": "/d",
		"SOFTCSP_KEY_SEPARATION": "standard", "SOFTCSP_CSP_TOKEN": "label", "SOFTCSP_READONLY_LOGIN": "true",
		"SOFTCSP_REMOVABLE": "true", "SOFTCSP_EMPTY_SLOT": "false",
	} {
		h.env[k] = v
	}
	c := h.mustLoad(t, "")
	for _, name := range Names() {
		key := "SOFTCSP_" + strings.ToUpper(name)
		if c.Value(name) != h.env[key] || c.Why[name] != "$"+key {
			t.Errorf("%s = %q from %q", name, c.Value(name), c.Why[name])
		}
	}
}

func TestPaths(t *testing.T) {
	h := newHost(t)
	h.env["SOFTCSP_CONF"] = h.file(t, "conf/x.toml", "tokendir = 'sub/tokens'\nlog_file = '~/log'\nmax_tries = 4\nreadonly_login = true\n")
	c := h.mustLoad(t, "")
	if want := filepath.Join(h.dir, "conf/sub/tokens"); c.TokenDir != want {
		t.Errorf("tokendir %q, want %q", c.TokenDir, want)
	}
	if want := filepath.Join(h.dir, "home/log"); c.LogFile != want || c.MaxTries != 4 || !c.ReadonlyLogin {
		t.Errorf("log_file %q, want %q; max_tries %d", c.LogFile, want, c.MaxTries)
	}
	if c := h.mustLoad(t, "tokendir=here"); !filepath.IsAbs(c.TokenDir) {
		t.Errorf("tokendir %q", c.TokenDir)
	}
}

func TestReserved(t *testing.T) {
	for text, want := range map[string]map[string]string{
		`tokendir='/x' log='debug'`:           {"tokendir": "/x", "log": "debug"},
		"\t tokendir=\"/it's\"\n log=debug\n": {"tokendir": "/it's", "log": "debug"},
		`tokendir='/with blank and "q"'`:      {"tokendir": `/with blank and "q"`},
		`log=''`:                              {"log": ""},
		`log=`:                                {"log": ""},
		`conf='/c' kdf=test`:                  {"conf": "/c", "kdf": "test"},
	} {
		got, err := parseReserved(text)
		if err != nil || len(got) != len(want) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
		for k, v := range want {
			if got[k].text != v {
				t.Errorf("%q: %s is %q", text, k, got[k].text)
			}
		}
	}
}

func TestErrors(t *testing.T) {
	h := newHost(t)
	name := h.file(t, "c.toml", "")
	for text, want := range map[string]string{
		"\ntokendirs = '/x'\n":         `c.toml:2: there is no setting "tokendirs"`,
		"log = 'info'\nlog = 'info'\n": "c.toml:2: log:",
		"log = \n":                     "c.toml:1: log:",
		"[tokendir]\npath = '/x'\n":    "c.toml:1: tokendir: must be a text",
		"\n\nmax_tries = 1.5\n":        "c.toml:3: max_tries: must be a text, a whole number, true or false",
		"readonly_login = 1\n":         `c.toml:1: readonly_login is "1", but can be "false" or "true"`,
		"max_tries = 0\n":              `c.toml:1: max_tries is "0"`,
		"max_tries = -1\n":             `c.toml:1: max_tries is "-1"`,
		"max_sessions = 'many'\n":      `c.toml:1: max_sessions is "many"`,
		"store = 'disk'\n":             `c.toml:1: store is "disk", but can be "bolt" or "memory"`,
		"tokendir = 'etcd://a/b'\n":    `c.toml:1: tokendir: this build`,
		"\xff":                         "c.toml:",
	} {
		h.file(t, "c.toml", text)
		h.env["SOFTCSP_CONF"] = name
		_, err := h.load("")
		if !errors.Is(err, ck.CKR_ARGUMENTS_BAD) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	h.env["SOFTCSP_CONF"] = filepath.Join(h.dir, "none")
	if _, err := h.load(""); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "SOFTCSP_CONF") {
		t.Errorf("a named file that is not there: %v", err)
	}
	for _, text := range []string{
		`tokendir`, `tokendir='/x`, `tokendir="/x'`, `tokendir='/x'log=info`, `='x'`, `slots=3`, `log=info log=info`,
		`Log=info`, `log=loud`, `conf='/no/such'`, `conf=x conf=y`, `tokendir=''x`,
	} {
		if _, err := h.load(text); !errors.Is(err, ck.CKR_ARGUMENTS_BAD) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestLoad uses the real environment.
func TestLoad(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("SOFTCSP_CONF", "")
	t.Setenv("XDG_CONFIG_HOME", dir)
	t.Setenv("SOFTCSP_TOKENDIR", dir)
	t.Setenv("HOME", "")
	c, err := Load("")
	if err != nil || c.TokenDir != dir {
		t.Fatal(c, err)
	}
	if c, err = LoadFrom("", func(string) string { return "" }); err != nil || !filepath.IsAbs(c.TokenDir) {
		t.Errorf("without an environment: %v", err)
	}
	home := func(name string) string { return map[string]string{"HOME": dir}[name] }
	if c, err = LoadFrom("log_file='~/log'", home); err != nil || c.LogFile != filepath.Join(dir, "log") {
		t.Errorf("with HOME alone: %v", err)
	}
}

func TestLog(t *testing.T) {
	h := newHost(t)
	name := filepath.Join(h.dir, "log")
	c := h.mustLoad(t, "log=info log_file='"+name+"'")
	if _, err := os.Stat(name); err == nil {
		t.Error("the file is there before the first line")
	}
	c.Logger().Debug("unseen")
	c.Logger().Info("seen", "call", &ck.Call{Function: ck.C_Login, Data: [2][]byte{[]byte("hidden")}})
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	c.Logger().Error("late")
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for word, want := range map[string]int{"\n": 1, "seen": 1, "unseen": 0, "hidden": 0, "late": 0, "pid=": 1} {
		if n := strings.Count(string(text), word); n != want {
			t.Errorf("%q stands %d times in %q", word, n, text)
		}
	}
	if info, _ := os.Stat(name); info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	var none *Config
	for _, c := range []*Config{none, {}, h.mustLoad(t, "log=''")} {
		if c.Logger().Enabled(t.Context(), slog.LevelError) || c.Close() != nil {
			t.Errorf("%+v logs", c)
		}
	}
}

func FuzzReserved(f *testing.F) {
	f.Add(`tokendir='/x' log="debug" kdf=test`)
	f.Add(`conf=''`)
	f.Fuzz(func(t *testing.T, s string) {
		said, err := parseReserved(s)
		if err != nil {
			return
		}
		var b strings.Builder
		for k, v := range said {
			quote := "'"
			if strings.Contains(v.text, quote) {
				quote = `"`
			}
			if strings.Contains(v.text, quote) {
				return // an unquoted value with both kinds of quotes
			}
			b.WriteString(k + "=" + quote + v.text + quote + " ")
		}
		again, err := parseReserved(b.String())
		if err != nil || len(again) != len(said) {
			t.Fatalf("%q became %q: %v", s, b.String(), err)
		}
		for k, v := range said {
			if again[k].text != v.text {
				t.Errorf("%s: %q became %q", k, v.text, again[k].text)
			}
		}
	})
}

// settingsText is what settings say, as TOML and as pReserved have it. ok is false where the latter cannot say it.
func settingsText(said map[string]value) (file, reserved string, ok bool) {
	var f, r strings.Builder
	ok = true
	for k, v := range said {
		f.WriteString(k + " = " + strconv.Quote(v.text) + "\n")
		r.WriteString(k + "='" + v.text + "' ")
		ok = ok && !strings.ContainsAny(v.text, "'")
	}
	return f.String(), r.String(), ok
}

// FuzzFile reads configuration files: an error names the file, and its line where it is about one; what is read can be written and read
// again, in a file and at pReserved.
func FuzzFile(f *testing.F) {
	f.Add("tokendir = '/x'\nmax_tries = 3\n")
	f.Add("[store]\na = 1\n")
	f.Add("store = 'memory'\nremovable = true\nempty_slot = false\nlog = \"debug\"\n[policy]\ndeny = [\"CKM_*MD5*\"]\n")
	f.Add("[policy.token.signer.mechanism.\"CKM_*\"]\nmax_bits = 4096\noperations = [\"sign\"]\n")
	f.Fuzz(func(t *testing.T, s string) {
		said, _, err := parseFile("/dir/f", s)
		if err != nil {
			if !strings.Contains(err.Error(), "/dir/f") {
				t.Errorf("%q: %v", s, err)
			}
			return
		}
		if len(said) > len(settings) {
			t.Errorf("%q: %v", s, said)
		}
		file, reserved, ok := settingsText(said)
		again, _, err := parseFile("/dir/f", file)
		if err == nil && ok {
			for k, v := range said {
				if again[k].text != v.text {
					t.Errorf("%q: %s is %q, and again %q", s, k, v.text, again[k].text)
				}
			}
			var other map[string]value
			other, err = parseReserved(reserved)
			for k, v := range said {
				if err == nil && other[k].text != v.text {
					t.Errorf("%q: %s is %q, and at pReserved %q", s, k, v.text, other[k].text)
				}
			}
		}
		if err != nil && ok {
			t.Errorf("%q became %q and %q: %v", s, file, reserved, err)
		}
	})
}

// TestOutOfReach has the home directory of somebody else: what a web server's worker has, which root has started.
func TestOutOfReach(t *testing.T) {
	h := newHost(t)
	closed := filepath.Join(h.dir, "closed")
	h.file(t, "closed/softcsp/softcsp.toml", "kdf = 'sensitive'\n")
	h.env["XDG_CONFIG_HOME"] = closed
	h.world.systemFile = h.file(t, "etc.toml", "kdf = 'test'\n")
	if err := os.Chmod(h.world.systemFile, 0o644); err != nil {
		t.Fatal(err)
	}
	if c, err := h.load(""); err != nil || c.KDF != "sensitive" {
		t.Fatalf("in reach: %+v, %v", c, err)
	}
	if err := os.Chmod(closed, 0); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(closed, 0o700)
	if os.Getuid() == 0 { // permissions are for others: be one, in this thread
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		for d := h.dir; d != filepath.Clean(os.TempDir()) && d != "/"; d = filepath.Dir(d) {
			if err := os.Chmod(d, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := unix.Setfsuid(65534); err != nil {
			t.Fatal(err)
		}
		defer unix.Setfsuid(0)
	}
	if c, err := h.load(""); err != nil || c.KDF != "test" {
		t.Errorf("out of reach: %+v, %v", c, err)
	}
}
