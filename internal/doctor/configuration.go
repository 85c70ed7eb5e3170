package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/softcsp/softcsp/internal/config"
)

func lookConfiguration(m *Machine, r *report) {
	places := config.Places()
	if m.ConfigError != nil {
		r.problem(m.ConfigError.Error(),
			"C_Initialize answers CKR_ARGUMENTS_BAD, and no program can use a token, until this is right",
			m.configurationAdvice())
		return
	}
	var looked []string
	if conf := m.Getenv("SOFTCSP_CONF"); conf != "" && !m.ByHand {
		looked = append(looked, "$SOFTCSP_CONF ("+conf+")")
	} else if !m.ByHand {
		looked = places
		if i := slices.Index(places, m.Config.File); i >= 0 {
			looked = places[:i+1]
		}
	}
	switch {
	case m.ByHand:
		r.ok("%s is read, because the command line says so", m.Config.File)
	case m.Config.File == "":
		r.ok("there is no file, and none is needed; looked for %s", strings.Join(looked, ", "))
	default:
		r.ok("%s is read; looked for %s", m.Config.File, strings.Join(looked, ", "))
	}
	for _, p := range places {
		lookOtherFile(m, r, p)
	}
	lookSettings(m, r)
}

// configurationAdvice says what to do about a configuration that cannot be read.
func (m *Machine) configurationAdvice() string {
	switch named := m.Getenv("SOFTCSP_CONF"); {
	case errors.Is(m.ConfigError, fs.ErrPermission):
		return "let this user read the file, and enter the directories that lead to it"
	case errors.Is(m.ConfigError, fs.ErrNotExist) && m.ByHand:
		return "name a file that there is after --conf, or leave --conf out"
	case errors.Is(m.ConfigError, fs.ErrNotExist) && named != "":
		return "name a file that there is:\n\texport SOFTCSP_CONF=FILE\nor have the usual places read:\n\tunset SOFTCSP_CONF\nan empty file does, too:\n\ttouch " + quote(named)
	}
	return "correct the file, and look with:\n\tsoftcsp where"
}

// lookOtherFile tells of a configuration that is there and not read.
func lookOtherFile(m *Machine, r *report, file string) {
	st, err := os.Stat(file)
	switch {
	case file == m.Config.File:
		if st != nil && st.Mode().Perm()&0o022 != 0 {
			r.problem(fmt.Sprintf("%s can be written by others (mode %04o)", file, st.Mode().Perm()),
				"whoever writes there chooses which token directory programs use, and so who learns their PINs",
				"\tchmod go-w "+quote(file))
		}
	case errors.Is(err, fs.ErrPermission):
		r.note(file+" lies in a directory that is closed to this user",
			"it is passed over without a word, and the next place counts",
			"if it is meant for this user:\n\tchmod a+rx "+quote(filepath.Dir(file)))
	case err == nil:
		inForce := "the one in force is " + m.Config.File
		if m.Config.File == "" {
			inForce = "it is not in force here"
		}
		r.note(file+" is there, too, and is not read: "+inForce,
			"there is one configuration, and files are not merged: what this one says counts for nothing here, though it may for other users",
			"put all settings into one file and remove the other; softcsp where shows what counts")
	}
}

// lookSettings tells of settings that are for labs, and of a log that cannot be written.
func lookSettings(m *Machine, r *report) {
	c := m.Config
	if c.Store == "memory" {
		r.note("store is memory, because of "+c.Why["store"], "every process starts without tokens, and what it makes is gone with it",
			"for tokens that stay: store = \"bolt\"")
	}
	if c.KDF == "test" {
		r.note("kdf is test, because of "+c.Why["kdf"], "the PINs of tokens that are made now can be guessed at once by whoever has the file: this is for labs",
			"leave kdf out for the default, interactive")
	}
	if c.Durability == "relaxed" {
		r.note("durability is relaxed, because of "+c.Why["durability"], "a power cut can take away keys that programs were told are stored",
			"leave durability out for the default, full")
	}
	if c.Log == "debug" {
		r.note("the log is at debug, because of "+c.Why["log"], "each call writes a line, which takes longer than many of the calls", "log = \"error\" for daily use")
	}
	if c.Log == "" || c.LogFile == "" {
		return
	}
	writable := unix.Access(c.LogFile, unix.W_OK)
	if errors.Is(writable, unix.ENOENT) {
		writable = unix.Access(filepath.Dir(c.LogFile), unix.W_OK|unix.X_OK)
	}
	if writable != nil {
		r.problem(fmt.Sprintf("the log %s cannot be written: %v", c.LogFile, writable),
			"its lines go to the standard error of each program, where nobody may look",
			"let this user write there, or name another file by log_file")
	}
}

// noSettings are variables that begin as settings do, and are read for something else.
var noSettings = []string{"SOFTCSP_CONF", "SOFTCSP_PIN", "SOFTCSP_SO_PIN", "SOFTCSP_NEW_PIN"}

// lookEnvironment tells which variables count and which do not.
func lookEnvironment(m *Machine, r *report) {
	names := config.Names()
	for _, e := range m.Environ {
		variable, value, _ := strings.Cut(e, "=")
		rest, ours := strings.CutPrefix(variable, "SOFTCSP_")
		if !ours || value == "" {
			continue
		}
		if slices.Contains(noSettings, variable) {
			if strings.HasSuffix(variable, "PIN") {
				r.note("$"+variable+" is set", "every program that is started from here inherits it, and programs of the same user can read it",
					"\tunset "+variable+"\nand give --pin-file instead")
			}
			continue
		}
		name := strings.ToLower(rest)
		switch {
		case !slices.Contains(names, name) || strings.ToUpper(name) != rest:
			r.note("$"+variable+" is set, and there is no such setting", "it changes nothing; perhaps another name was meant",
				"the settings are: "+strings.Join(names, ", "))
		case m.Config == nil:
		case m.Config.Why[name] == "$"+variable:
			r.note(fmt.Sprintf("$%s decides: %s is %s", variable, name, m.Config.Value(name)),
				"a service that the system starts does not have the variables of this shell, and then looks elsewhere",
				fmt.Sprintf("to have it for all, write into %s:\n\t%s = %q", config.SystemFile, name, m.Config.Value(name)))
		default:
			r.note(fmt.Sprintf("$%s is set and does not count: %s is %s, because of %s", variable, name, m.Config.Value(name), m.Config.Why[name]),
				"a variable counts only where the configuration says nothing of the setting", "change "+m.Config.Why[name]+", or:\n\tunset "+variable)
		}
	}
	if len(r.list) == 0 {
		r.ok("no variable changes a setting")
	}
}
