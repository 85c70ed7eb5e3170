package softhsm

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/softcsp/softcsp/ck"
)

const soPINText = "87654321"

// A maker makes tokens with the programs of SoftHSM2 and OpenSC.
type maker struct {
	t    *testing.T
	dir  string // directories.tokendir
	conf string
}

// newMaker makes a place for tokens. Where the programs are missing the test fails in CI, and says so elsewhere.
func newMaker(t *testing.T) *maker {
	t.Helper()
	for program, from := range map[string]string{"softhsm2-util": "softhsm2", "pkcs11-tool": "opensc"} {
		if _, err := exec.LookPath(program); err == nil {
			continue
		} else if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("this test needs ", program, ": apt-get install ", from)
	}
	dir := t.TempDir()
	m := &maker{t, filepath.Join(dir, "tokens"), filepath.Join(dir, "conf")}
	if err := os.Mkdir(m.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(m.conf, []byte("directories.tokendir = "+m.dir+"\nlog.level = ERROR\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return m
}

func (m *maker) run(name string, args ...string) {
	m.t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "SOFTHSM2_CONF="+m.conf)
	if out, err := cmd.CombinedOutput(); err != nil {
		m.t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
}

// token makes a token.
func (m *maker) token(label, pin string) {
	m.t.Helper()
	m.run("softhsm2-util", "--init-token", "--free", "--label", label, "--so-pin", soPINText, "--pin", pin)
}

// tool runs pkcs11-tool with a token.
func (m *maker) tool(label, pin string, args ...string) {
	m.t.Helper()
	m.run("pkcs11-tool", append([]string{"--module", "/usr/lib/softhsm/libsofthsm2.so", "--token-label", label, "--login", "--pin", pin}, args...)...)
}

// tree tells everything of the files below a directory that a reader could change.
func tree(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		i, err := d.Info()
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "%s %v %v %v\n", path, i.Mode(), i.ModTime(), i.Sys().(*syscall.Stat_t).Ctim)
		if i.Mode().IsRegular() {
			content, err := os.ReadFile(path)
			fmt.Fprintf(&b, "%x\n", content)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// only returns the token in a directory that has one.
func only(t *testing.T, dir string) *Token {
	t.Helper()
	list, err := Find(dir)
	if err != nil || len(list) != 1 {
		t.Fatalf("%d tokens, %v", len(list), err)
	}
	return list[0]
}

// attribute returns an attribute of an object.
func value(list []ck.Attribute, t ck.AttributeType) []byte {
	for _, a := range list {
		if a.Type == t {
			return a.Value
		}
	}
	return nil
}

// TestPINs opens tokens with PINs of many lengths, as the user and as the security officer, and not with others.
func TestPINs(t *testing.T) {
	m := newMaker(t)
	pins := []string{"1234", "12345", "a PIN of 23 characters.", strings.Repeat("long", 63) + "est", "ünï-çødé"}
	for i, pin := range pins {
		m.token(fmt.Sprint("token ", i), pin)
	}
	before := tree(t, m.dir)
	list, err := Find(m.dir)
	if err != nil || len(list) != len(pins) {
		t.Fatalf("%d tokens, %v", len(list), err)
	}
	slices.SortFunc(list, func(a, b *Token) int { return strings.Compare(a.Label, b.Label) })
	for i, token := range list {
		if token.Label != fmt.Sprint("token ", i) || len(token.Serial) != 16 || token.Store != "file" {
			t.Errorf("token %d: %q, %q, %q", i, token.Label, token.Serial, token.Store)
		}
		for _, wrong := range []string{"", "4321", pins[i] + "x", pins[i][1:]} {
			if _, err := token.Unlock([]byte(wrong)); !errors.Is(err, ErrPIN) {
				t.Errorf("token %d, PIN %q: %v", i, wrong, err)
			}
		}
		if isUsers, err := token.Unlock([]byte(pins[i])); err != nil || !isUsers {
			t.Errorf("token %d, its PIN: %v", i, err)
		}
		key := bytes.Clone(token.key)
		token.Lock()
		if isUsers, err := token.Unlock([]byte(soPINText)); err != nil || isUsers || !bytes.Equal(token.key, key) {
			t.Errorf("token %d, PIN of its security officer: %v", i, err)
		}
	}
	if after := tree(t, m.dir); after != before {
		t.Error("the tokens were changed")
	}
}

// TestObjects reads objects of known contents.
func TestObjects(t *testing.T) {
	m := newMaker(t)
	m.token("objects", "odd-PIN")
	data := filepath.Join(t.TempDir(), "data")
	if err := os.WriteFile(data, []byte("sixteen bytes ok"), 0o600); err != nil {
		t.Fatal(err)
	}
	m.tool("objects", "odd-PIN", "--write-object", data, "--type", "data", "--label", "public")
	m.tool("objects", "odd-PIN", "--write-object", data, "--type", "data", "--label", "private", "--private")
	m.tool("objects", "odd-PIN", "--write-object", data, "--type", "secrkey", "--key-type", "AES:16", "--label", "key", "--id", "0102", "--sensitive", "--private")
	before := tree(t, m.dir)
	token := only(t, m.dir)
	names, err := token.Names()
	if err != nil || len(names) != 3 {
		t.Fatalf("objects %q, %v", names, err)
	}
	locked := 0
	for _, name := range names {
		if _, err := token.Object(name); err != nil {
			locked++
		}
	}
	if locked != 2 {
		t.Errorf("%d objects cannot be read without the PIN", locked)
	}
	if _, err := token.Unlock([]byte("odd-PIN")); err != nil {
		t.Fatal(err)
	}
	var labels []string
	for _, name := range names {
		o, err := token.Object(name)
		if err != nil {
			t.Fatal(err)
		}
		label := string(value(o, ck.CKA_LABEL))
		labels = append(labels, label)
		if got := value(o, ck.CKA_VALUE); string(got) != "sixteen bytes ok" {
			t.Errorf("%s: value %q", label, got)
		}
		if private, err := ck.Bool(value(o, ck.CKA_PRIVATE)); err != nil || private == (label == "public") {
			t.Errorf("%s: CKA_PRIVATE %v, %v", label, private, err)
		}
		if id := value(o, ck.CKA_ID); label == "key" && string(id) != "\x01\x02" {
			t.Errorf("id %x", id)
		}
		if !slices.IsSortedFunc(o, func(a, b ck.Attribute) int { return int(a.Type) - int(b.Type) }) {
			t.Errorf("%s is not sorted", label)
		}
	}
	if slices.Sort(labels); !slices.Equal(labels, []string{"key", "private", "public"}) {
		t.Errorf("labels %q", labels)
	}
	if after := tree(t, m.dir); after != before {
		t.Error("the token was changed")
	}
	damage(t, token, names)
}

// damage cuts the file of each object anywhere, and changes each of its bytes. What is read then is an error, or other attributes.
func damage(t *testing.T, token *Token, names []string) {
	for _, name := range names {
		path := filepath.Join(token.Dir, name)
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		whole := 0
		for n := range content {
			if _, err := parseObject(content[:n]); err == nil {
				whole++
			} else if !errors.Is(err, ErrDamaged) {
				t.Errorf("%s cut at %d: %v", name, n, err)
			}
		}
		if whole > 40 { // between two attributes
			t.Errorf("%s is whole in %d places", name, whole)
		}
		for n := range content {
			bad := bytes.Clone(content)
			bad[n] ^= 0x55
			if o, err := parseObject(bad); err == nil {
				_, _ = token.reveal(o)
			}
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := token.Object(name); !errors.Is(err, ErrDamaged) {
			t.Errorf("an empty file: %v", err)
		}
	}
}

// TestFind tells what is a token from what is not.
func TestFind(t *testing.T) {
	m := newMaker(t)
	if _, err := Find(m.dir); !errors.Is(err, ErrNoToken) {
		t.Errorf("an empty directory: %v", err)
	}
	if _, err := Find(filepath.Join(m.dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
	m.token("good", "1234")
	if err := os.Mkdir(filepath.Join(m.dir, "other"), 0o700); err != nil {
		t.Fatal(err)
	}
	token := only(t, m.dir)
	if again := only(t, token.Dir); again.Serial != token.Serial {
		t.Errorf("the directory of the token itself: %q", again.Label)
	}
	if err := os.WriteFile(filepath.Join(m.dir, "other", tokenFile), []byte("no token"), 0o600); err != nil {
		t.Fatal(err)
	}
	list, err := Find(m.dir)
	if len(list) != 1 || list[0].Label != "good" || !errors.Is(err, ErrDamaged) {
		t.Errorf("beside a damaged one: %d, %v", len(list), err)
	}
	if err := os.Remove(filepath.Join(m.dir, "other", tokenFile)); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(m.dir, "other", tokenFile), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Find(m.dir); !errors.Is(err, ErrDamaged) {
		t.Errorf("beside a pipe: %v", err)
	}
}

// FuzzObject reads anything as the file of an object.
func FuzzObject(f *testing.F) {
	seed := []byte{0, 0, 0, 0, 0, 0, 0, 1}
	for _, a := range []string{
		"\x00\x00\x00\x00\x00\x00\x00\x00" + "\x00\x00\x00\x00\x00\x00\x00\x02" + "\x00\x00\x00\x00\x00\x00\x00\x03",
		"\x00\x00\x00\x00\x00\x00\x00\x01" + "\x00\x00\x00\x00\x00\x00\x00\x01" + "\xff",
		"\x00\x00\x00\x00\x00\x00\x00\x03" + "\x00\x00\x00\x00\x00\x00\x00\x03" + "\x00\x00\x00\x00\x00\x00\x00\x02" + "ec",
		"\x00\x00\x00\x00\x40\x00\x02\x11" + "\x00\x00\x00\x00\x00\x00\x00\x04" + "\x00\x00\x00\x00\x00\x00\x00\x11" + "\x00\x00\x00\x00\x00\x00\x00\x01" + "\x00\x00\x00\x00\x00\x00\x00\x01" + "\xff",
		"\x00\x00\x00\x00\x40\x00\x06\x00" + "\x00\x00\x00\x00\x00\x00\x00\x05" + "\x00\x00\x00\x00\x00\x00\x00\x01" + "\x00\x00\x00\x00\x00\x00\x10\x82",
	} {
		seed = append(seed, a...)
		f.Add(seed)
		if _, err := parseObject(seed); err != nil {
			f.Fatal(err)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		o, err := parseObject(b)
		if err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Error(err)
			}
			return
		}
		total := 0
		for _, a := range o.list() {
			total += len(a.Value)
			if ck.IsTemplate(a.Type) && o[a.Type].kind == kindTemplate {
				if _, err := ck.ParseTemplate(nil, a.Value); err != nil {
					t.Errorf("%v: %v", a.Type, err)
				}
			}
		}
		if total > 8*len(b) {
			t.Errorf("%d bytes of values in %d", total, len(b))
		}
	})
}
