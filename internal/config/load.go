package config

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/softcsp/softcsp/ck"
)

// SystemFile is the last place where a configuration is looked for.
const SystemFile = "/etc/softcsp/softcsp.toml"

// rootState is where root keeps what it remembers of tokens.
const rootState = "/var/lib/softcsp"

// rootDir is where root keeps tokens, unless something else is said.
const rootDir = "/var/lib/softcsp/tokens"

// nobodyHome is the home directory of users that have none (Debian's policy, section 9.2.3): there is never anything there.
const nobodyHome = "/nonexistent"

// A world is what Load looks at, so that tests can make their own.
type world struct {
	getenv     func(string) string
	uid        int
	home       func() (string, error)
	systemFile string
}

// Load reads the settings in force. reserved is the text at pReserved of C_Initialize, "" for none. An error wraps
// CKR_ARGUMENTS_BAD and names what is wrong and where.
func Load(reserved string) (*Config, error) { return LoadFrom(reserved, Getenv) }

// LoadFrom is Load with an environment that getenv reads, and that is known to be the user's own.
func LoadFrom(reserved string, getenv func(string) string) (*Config, error) {
	return worldOf(getenv).load(reserved)
}

// Places returns the files that are looked for where nobody names one, first the first to look at.
func Places() []string { return worldOf(Getenv).files() }

// worldOf is the world as it is, with an environment that getenv reads.
func worldOf(getenv func(string) string) *world {
	home := func() (string, error) {
		if h := getenv("HOME"); filepath.IsAbs(h) {
			return h, nil
		}
		return passwdHome()
	}
	return &world{getenv: getenv, uid: os.Geteuid(), home: home, systemFile: SystemFile}
}

// passwdHome returns the home directory that the system knows for the user: a daemon may have it in no variable. The file of
// users comes first: to ask the C library can mean to load a library of its, which a forked child may not be able to do.
func passwdHome() (string, error) {
	uid := strconv.Itoa(os.Geteuid())
	home := ""
	if f, err := os.Open("/etc/passwd"); err == nil {
		home = homeIn(f, uid)
		f.Close()
	}
	if home == "" {
		u, err := user.LookupId(uid)
		if err != nil {
			return "", err
		}
		home = u.HomeDir
	}
	if !filepath.IsAbs(home) {
		return "", errors.New("the user has no home directory")
	}
	return home, nil
}

// homeIn finds the home directory of a user in a file like /etc/passwd, "" where it has none.
func homeIn(passwd io.Reader, uid string) string {
	for sc := bufio.NewScanner(passwd); sc.Scan(); {
		if f := strings.Split(sc.Text(), ":"); len(f) == 7 && f[2] == uid {
			return f[5]
		}
	}
	return ""
}

func (w *world) load(reserved string) (*Config, error) {
	c := &Config{Why: make(map[string]string, len(settings))}
	said, err := w.configuration(c, reserved)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ck.CKR_ARGUMENTS_BAD, err)
	}
	for _, s := range settings {
		v, ok := said[s.name]
		if !ok {
			v = w.otherwise(s)
		}
		if err := w.set(c, s, v); err != nil {
			return nil, fmt.Errorf("%w: %w", ck.CKR_ARGUMENTS_BAD, err)
		}
	}
	w.defaultDir(c)
	c.StateDir = w.stateDir()
	c.out = newOutput(c.Log, c.LogFile)
	return c, nil
}

// A value is what one source says of a setting.
type value struct {
	text  string
	where string // "line 3 of /etc/softcsp/softcsp.toml", for people
	dir   string // what a relative path is relative to
}

// configuration finds the one configuration and reads it.
func (w *world) configuration(c *Config, reserved string) (map[string]value, error) {
	if strings.TrimSpace(reserved) != "" {
		said, err := parseReserved(reserved)
		if err != nil {
			return nil, err
		}
		conf, ok := said["conf"]
		if !ok {
			return said, nil
		}
		delete(said, "conf")
		file, err := w.absolute(conf)
		if err != nil {
			return nil, err
		}
		below, err := w.readNamed(c, file, conf.where)
		if err != nil {
			return nil, err
		}
		maps.Copy(below, said)
		return below, nil
	}
	if f := w.getenv("SOFTCSP_CONF"); f != "" {
		file, err := w.absolute(value{text: f, where: "$SOFTCSP_CONF"})
		if err != nil {
			return nil, err
		}
		return w.readNamed(c, file, "$SOFTCSP_CONF")
	}
	for _, file := range w.files() {
		said, policy, err := readFile(file)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errNotDir) || outOfReach(file) {
			continue
		}
		if err != nil {
			return nil, err
		}
		c.File, c.Policy = file, policy
		return said, nil
	}
	return nil, nil
}

// outOfReach reports whether a file lies in a directory that is closed to the process: the home directory, say, of the user
// that a server was before it became another.
func outOfReach(file string) bool {
	_, err := os.Stat(file)
	return errors.Is(err, fs.ErrPermission)
}

// readNamed reads a file that somebody named, which must therefore be there.
func (w *world) readNamed(c *Config, file, by string) (map[string]value, error) {
	said, policy, err := readFile(file)
	if err != nil {
		return nil, fmt.Errorf("configuration named by %s: %w", by, err)
	}
	c.File, c.Policy = file, policy
	return said, nil
}

// files returns the places of a configuration that nobody named, first the first to look at.
func (w *world) files() []string {
	var files []string
	if d := w.getenv("XDG_CONFIG_HOME"); filepath.IsAbs(d) {
		files = append(files, filepath.Join(d, "softcsp", "softcsp.toml"))
	} else if h, err := w.home(); err == nil {
		files = append(files, filepath.Join(h, ".config", "softcsp", "softcsp.toml"))
	}
	return append(files, w.systemFile)
}

// otherwise returns what the environment or the default says of a setting that the configuration leaves out.
func (w *world) otherwise(s setting) value {
	name := "SOFTCSP_" + strings.ToUpper(s.name)
	if v := w.getenv(name); v != "" {
		return value{text: v, where: "$" + name}
	}
	return value{text: s.fallback, where: "default"}
}

// set checks a value and puts it into c.
func (w *world) set(c *Config, s setting, v value) error {
	if s.words != nil && !slices.Contains(s.words, v.text) {
		return fmt.Errorf("%s: %s is %q, but can be %s", v.where, s.name, v.text, oneOf(s.words))
	}
	if s.path && v.text != "" {
		p, err := w.absolute(v)
		if err != nil {
			return fmt.Errorf("%s: %s: %w", v.where, s.name, err)
		}
		v.text = p
	}
	c.Why[s.name] = v.where
	switch f := s.field(c).(type) {
	case *string:
		*f = v.text
	case *bool:
		*f = v.text == "true"
	case *uint:
		n, err := strconv.ParseUint(v.text, 10, 32)
		if err != nil || n < s.least {
			return fmt.Errorf("%s: %s is %q, but must be a whole number from %d to %d", v.where, s.name, v.text, s.least, uint32(1<<32-1))
		}
		*f = uint(n)
	}
	return nil
}

func oneOf(words []string) string {
	var b strings.Builder
	for i, w := range words {
		switch {
		case i == 0:
		case i == len(words)-1:
			b.WriteString(" or ")
		default:
			b.WriteString(", ")
		}
		b.WriteString(strconv.Quote(w))
	}
	return b.String()
}

// absolute makes a path absolute: "~/" is the user's home directory, and a relative path starts at the directory of the
// file that says it, or at the working directory.
func (w *world) absolute(v value) (string, error) {
	if scheme, _, ok := strings.Cut(v.text, "://"); ok {
		return "", fmt.Errorf("this build of softcsp keeps tokens in a directory, and has no %q", scheme+"://")
	}
	if strings.ContainsRune(v.text, 0) {
		return "", errors.New("a path cannot hold a NUL")
	}
	if v.text == "~" || strings.HasPrefix(v.text, "~/") {
		h, err := w.home()
		if err != nil {
			return "", fmt.Errorf("%q needs a home directory: %w", v.text, err)
		}
		return filepath.Join(h, v.text[1:]), nil
	}
	if v.dir != "" && !filepath.IsAbs(v.text) {
		return filepath.Join(v.dir, v.text), nil
	}
	return filepath.Abs(v.text)
}

// defaultDir finds the token directory that nobody named. A user who has no place for tokens has none, and is told so when one
// is to be made.
func (w *world) defaultDir(c *Config) {
	if c.TokenDir != "" {
		return
	}
	if d := w.getenv("XDG_DATA_HOME"); filepath.IsAbs(d) {
		c.TokenDir, c.Why["tokendir"] = filepath.Join(d, "softcsp", "tokens"), "$XDG_DATA_HOME"
		return
	}
	if w.uid == 0 {
		c.TokenDir, c.Why["tokendir"] = rootDir, "default for root"
		return
	}
	h, err := w.home()
	switch {
	case err == nil:
	case c.Store != "bolt": // it needs no directory
		return
	default:
		h, c.Why["tokendir"] = nobodyHome, "default for a user without a home directory"
	}
	c.TokenDir = filepath.Join(h, ".local", "share", "softcsp", "tokens")
}

// stateDir finds the directory of what is remembered. It asks the environment alone: to do without costs a process less than to
// look its home directory up.
func (w *world) stateDir() string {
	if d := w.getenv("XDG_STATE_HOME"); filepath.IsAbs(d) {
		return filepath.Join(d, "softcsp")
	}
	if w.uid == 0 {
		return rootState
	}
	if h := w.getenv("HOME"); filepath.IsAbs(h) {
		return filepath.Join(h, ".local", "state", "softcsp")
	}
	return ""
}
