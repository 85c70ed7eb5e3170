package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// A wrongUse is a command line that is wrong, and words of it of which the message must name one.
type wrongUse struct {
	args  []string
	names []string
}

// wrongUses are wrong ways to use a command: general ones, that need not know what it does. Flags that were seen at another command are left out.
func wrongUses(c *cobra.Command, seen map[string]bool) (list []wrongUse) {
	path := strings.Fields(c.CommandPath())[1:]
	use := func(name string, more ...string) {
		list = append(list, wrongUse{slices.Concat(path, more), strings.Split(name, "|")})
	}
	use("--no-such-flag", "--no-such-flag")
	use("--no-such-flag", "--no-such-flag=x")
	use("-Z", "-Z")
	if c.HasSubCommands() {
		use("nosuchverb", "nosuchverb")
		use("nosuchverb", "nosuchverb", "--label", "x")
		for _, sub := range c.Commands() {
			if sub.IsAvailableCommand() && len(sub.Name()) > 3 {
				use(sub.Name()[1:], sub.Name()[1:])
			}
		}
		return list
	}
	use("first|second|third|fourth", "first", "second", "third", "fourth", "fifth=")
	c.Flags().VisitAll(func(f *pflag.Flag) {
		typ := f.Value.Type()
		if seen[f.Name+typ] {
			return
		}
		seen[f.Name+typ] = true
		if f.NoOptDefVal == "" {
			use("--"+f.Name, "--"+f.Name)
		}
		if len(f.Name) > 3 {
			use("--"+f.Name[:len(f.Name)-1]+"x", "--"+f.Name[:len(f.Name)-1]+"x=1")
		}
		switch typ {
		case "bool", "int", "uint", "duration", descriptorType:
			for _, value := range []string{"wrong", "1.5", "", "99999999999999999999"} {
				use("--"+f.Name, "--"+f.Name+"="+value)
			}
		case "stringSlice":
			use("--"+f.Name, "--"+f.Name+`=a"b`)
		}
	})
	return list
}

// wordsOfGo are words that a message for people does not have.
var wordsOfGo = regexp.MustCompile(`strconv|ParseInt|ParseUint|ParseBool|pflag|uint\b|stringSlice|stringArray|shorthand|invalid syntax|%!|0x[0-9a-f]{6}|csv|bare "`)

// messageOf runs the program without a terminal and without a PIN, and returns what it says on standard error, and its exit code.
func messageOf(t *testing.T, args ...string) (string, int) {
	t.Helper()
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	var out, message bytes.Buffer
	code := (&app{in: null, out: &out, err: &message}).run(args)
	return message.String(), code
}

// inOwnPlace lets the program find no token, no settings and no PIN, and returns a check that nothing was made.
func inOwnPlace(t *testing.T) func(what string) {
	t.Helper()
	dir := t.TempDir()
	for name, value := range map[string]string{
		"HOME": dir, "SOFTCSP_TOKENDIR": filepath.Join(dir, "tokens"), "SOFTCSP_CONF": os.DevNull, "SOFTCSP_PIN": "", "SOFTCSP_SO_PIN": "", "SOFTCSP_KDF": "test",
		"XDG_STATE_HOME": "", "XDG_CONFIG_HOME": "", "XDG_DATA_HOME": "",
	} {
		t.Setenv(name, value)
	}
	t.Chdir(dir)
	return func(what string) {
		t.Helper()
		entries, err := os.ReadDir(dir)
		if err != nil || len(entries) > 0 {
			t.Fatalf("%s: there is %v (%v)", what, entries, err)
		}
	}
}

// TestWrongUse uses every command wrongly, and sees that the exit code is 2, that the message names what was typed in words for people, and that
// nothing is made.
func TestWrongUse(t *testing.T) {
	nothingMade := inOwnPlace(t)
	n, seen := 0, map[string]bool{"helpbool": true}
	everyCommand(func(c *cobra.Command) {
		if c.Name() == "help" {
			return
		}
		for _, w := range wrongUses(c, seen) {
			n++
			line := "softcsp " + strings.Join(w.args, " ")
			message, code := messageOf(t, w.args...)
			switch {
			case code != exitUsage:
				t.Errorf("%s: exit code %d, want %d: %s", line, code, exitUsage, message)
			case !slices.ContainsFunc(w.names, func(name string) bool { return strings.Contains(message, name) }):
				t.Errorf("%s: the message does not name %v: %s", line, w.names, message)
			case wordsOfGo.MatchString(message):
				t.Errorf("%s: the message has %q: %s", line, wordsOfGo.FindString(message), message)
			case strings.Count(strings.SplitN(message, "\n", 2)[0], "softcsp:") != 1:
				t.Errorf("%s: one prefix is wanted: %s", line, message)
			}
			nothingMade(line)
		}
	})
	if n < 400 {
		t.Errorf("there are %d wrong uses", n)
	}
}

// TestWrongValues gives flags values that their commands do not take.
func TestWrongValues(t *testing.T) {
	nothingMade := inOwnPlace(t)
	for _, c := range []struct{ line, name string }{
		{"token init --label x --kdf fast", "fast"},
		{"token init --label x --separation none", "none"},
		{"token pin --of nobody", "nobody"},
		{"token delete", "name the token"},
		{"token backup lab", "--out"},
		{"key generate --type rsa2048 --label k", "rsa:2048"},
		{"key generate --type rsa:20480000 --label k", "20480000"},
		{"key generate --type ec:p255 --label k", "p255"},
		{"key generate --type aes:256 --label k --usage singing", "sign"},
		{"key generate --type aes:256 --label k --id abc", "abc"},
		{"key generate --type aes:256 --label k --attribute lable=x", "label"},
		{"key generate --type aes:256 --label k --allowed-mechanisms CKM_AES_GCN", "CKM_AES_GCN"},
		{"key generate --type aes:256 --label k --start tomorrow", "tomorrow"},
		{"key list --class keys", "keys"},
		{"key list --match lable=x", "lable"},
		{"key show --label x --uri pkcs11:type=none", "none"},
		{"key export --label x --format pme", "pem"},
		{"key random many", "many"},
		{"key random 8 --format hax", "hex"},
		{"key csr --label x --subject /CN=x --format text", "text"},
		{"key derive --hash sha257 --algorithm aes-256 --label x", "sha256"},
		{"key derive --hash sha256 --algorithm aes256x --label x", "aes-256"},
		{"key import --type aes256 --label x file", "aes"},
		{"key set --label x lable=y", "label"},
		{"cert export --label x --format p12", "p12"},
		{"object create --class dat --label x", "data"},
		{"object export --label x --attribute valeu", "value"},
		{"where --only librari", "library"},
	} {
		message, code := messageOf(t, strings.Fields(c.line)...)
		if code != exitUsage || !strings.Contains(message, c.name) || wordsOfGo.MatchString(message) || len(message) > 600 {
			t.Errorf("softcsp %s: exit code %d: %s", c.line, code, message)
		}
		nothingMade(c.line)
	}
}

// TestNeedsTerminal sees that what would have to ask is told so with exit code 2.
func TestNeedsTerminal(t *testing.T) {
	inOwnPlace(t)
	if err := os.WriteFile("pin", []byte("1234\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("short", []byte("123\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for i, c := range []struct {
		line string
		code int
		says string
	}{
		{"token init --label a", exitUsage, "no terminal"},
		{"token init --label a --so-pin-file short --pin-file pin", exitUsage, "too short"},
		{"token init --label a --so-pin-file pin --pin-file pin", 0, "is that of the security officer"},
		{"token init --label b --so-pin-file pin --pin-file pin", 0, ""},
		{"key list --login", exitUsage, "several tokens"},
		{"key delete --token a --label x --pin-file pin --yes", exitNotFound, `there is no key with the label "x"`},
		{"token delete a", exitUsage, "--yes"},
		{"token pin a --pin-file pin --new-pin-file short", exitUsage, "too short"},
		{"key generate --token a --type aes:128 --label k", exitUsage, "--pin-file"},
		{"key generate --token a --type aes:128 --label k --pin-file pin --pin-env X", exitUsage, "more than one way"},
		{"key generate --token a --type aes:128 --label k --pin-env NOT_SET", exitUsage, "NOT_SET"},
		{"key generate --token c --type aes:128 --label k --pin-file pin", exitNotFound, `"c"`},
		{"key generate --token a --type aes:128 --label k --pin-file pin", 0, ""},
		{"key generate --token a --type aes:128 --label k --duplicate --pin-file pin", 0, ""},
		{"key delete --token a --label k --pin-file pin", exitUsage, "choose one"},
		{"key delete --token a --label k --all --pin-file pin", exitUsage, "--yes"},
	} {
		message, code := messageOf(t, strings.Fields(c.line)...)
		if code != c.code || !strings.Contains(message, c.says) {
			t.Errorf("%d: softcsp %s: exit code %d, want %d: %s", i, c.line, code, c.code, message)
		}
	}
}

// TestFlagTypes sees that each type of flag has words that say what its values are.
func TestFlagTypes(t *testing.T) {
	free := []string{"string", "stringArray", "value"}
	everyCommand(func(c *cobra.Command) {
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if typ := f.Value.Type(); flagTypes[typ] == "" && !slices.Contains(free, typ) {
				t.Errorf("--%s is of the type %s, which has no words", f.Name, typ)
			}
		})
	})
}
