package keyfile

import (
	"bytes"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/mechanisms"
)

const password = "Käse & Brot"

// asks returns options that give the password, and count how often.
func asks(password string) (Options, *int) {
	n := new(int)
	return Options{Password: func() ([]byte, error) { *n++; return []byte(password), nil }}, n
}

// program returns the path of a program, and skips the test where it is not there; CI has it.
func program(t *testing.T, name string) string {
	t.Helper()
	if testing.Short() {
		t.Skip("runs " + name)
	}
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	return path
}

// A lab is a directory in which programs make files.
type lab struct {
	*testing.T
	dir string
}

func newLab(t *testing.T, programs ...string) lab {
	t.Helper()
	for _, name := range programs {
		program(t, name)
	}
	l := lab{t, t.TempDir()}
	l.write("password", []byte(password))
	l.write("wrong", []byte("Brot"))
	return l
}

func (l lab) write(name string, content []byte) {
	l.Helper()
	if err := os.WriteFile(filepath.Join(l.dir, name), content, 0o600); err != nil {
		l.Fatal(err)
	}
}

func (l lab) read(name string) []byte {
	l.Helper()
	b, err := os.ReadFile(filepath.Join(l.dir, name))
	if err != nil {
		l.Fatal(err)
	}
	return b
}

// run runs a command, whose words have spaces between them; PASSWORD is the password.
func (l lab) run(command string) []byte {
	l.Helper()
	words := strings.Fields(command)
	for i, w := range words {
		words[i] = strings.ReplaceAll(w, "PASSWORD", password)
	}
	cmd := exec.CommandContext(l.Context(), words[0], words[1:]...)
	cmd.Dir = l.dir
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		l.Fatalf("%s: %v\n%s", command, err, said.Bytes())
	}
	return out.Bytes()
}

// wants reads a file and sees that it has entries of the classes given, of one key, which is known by its SubjectPublicKeyInfo unless that is nil.
func (l lab) wants(name string, o Options, info []byte, classes ...ck.ObjectClass) *Contents {
	l.Helper()
	c, err := Read(l.read(name), o)
	if err != nil {
		l.Errorf("%s: %v", name, err)
		return nil
	}
	var got []ck.ObjectClass
	for _, e := range c.Entries {
		got = append(got, e.Class)
		if info != nil && !bytes.Equal(e.PublicKeyInfo, info) {
			l.Errorf("%s: %v has another public key:\n%x, want\n%x", name, e.Class, e.PublicKeyInfo, info)
		}
		if len(e.ID()) != 20 {
			l.Errorf("%s: %v has no id", name, e.Class)
		}
		complete(l.T, name, e)
	}
	if !slices.Equal(got, classes) {
		l.Errorf("%s: %v, want %v", name, got, classes)
	}
	return c
}

// complete sees that the token would take an entry.
func complete(t *testing.T, name string, e Entry) {
	t.Helper()
	if e.Class == ck.CKO_CERTIFICATE || e.Class == ck.CKO_SECRET_KEY {
		return
	}
	added, err := mechanisms.Complete(e.Class, e.Type, func(t ck.AttributeType) []byte { return find(e.Attributes, t) })
	if err != nil || !bytes.Equal(find(added, ck.CKA_PUBLIC_KEY_INFO), e.PublicKeyInfo) {
		t.Errorf("%s: %v is not complete: %v", name, e.Class, err)
	}
}

var (
	pair   = []ck.ObjectClass{ck.CKO_PRIVATE_KEY, ck.CKO_PUBLIC_KEY}
	public = []ck.ObjectClass{ck.CKO_PUBLIC_KEY}
)

// generated are ways in which OpenSSL generates a key of each type.
var generated = map[string]string{
	"rsa":            "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024",
	"p224":           "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-224",
	"p256":           "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256",
	"p256-explicit":  "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:explicit",
	"p521":           "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-521",
	"secp256k1":      "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:secp256k1",
	"brainpool":      "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:brainpoolP384r1",
	"brainpool-twin": "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:brainpoolP256t1",
	"ed25519":        "genpkey -algorithm ED25519",
	"ed448":          "genpkey -algorithm ED448",
	"x25519":         "genpkey -algorithm X25519",
	"x448":           "genpkey -algorithm X448",
	"dh":             "genpkey -algorithm DH -pkeyopt group:ffdhe2048",
}

// TestOpenSSL reads keys of every type in the forms that OpenSSL gives them, and gives them back.
func TestOpenSSL(t *testing.T) {
	t.Parallel()
	for name, how := range generated {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, "openssl")
			l.run("openssl " + how + " -out key.pem")
			l.run("openssl pkey -in key.pem -pubout -out public.pem")
			l.forms(name)
		})
	}
	t.Run("dsa", func(t *testing.T) {
		t.Parallel()
		l := newLab(t, "openssl")
		l.run("openssl genpkey -genparam -algorithm DSA -pkeyopt dsa_paramgen_bits:1024 -out parameters")
		l.run("openssl genpkey -paramfile parameters -out key.pem")
		l.run("openssl pkey -in key.pem -pubout -out public.pem")
		l.forms("dsa")
	})
}

// forms reads key.pem and public.pem in all forms that there are of them.
func (l lab) forms(name string) {
	c := l.wants("key.pem", Options{}, nil, pair...)
	if c == nil {
		return
	}
	info := c.Entries[0].PublicKeyInfo
	for _, command := range []string{
		"openssl pkey -in key.pem -outform DER -out out",
		"openssl pkey -in key.pem -pubout -out out",
		"openssl pkey -in key.pem -pubout -outform DER -out out",
		"openssl pkcs8 -topk8 -in key.pem -passout file:password -out out",
		"openssl pkcs8 -topk8 -in key.pem -passout file:password -outform DER -scrypt -out out",
		"openssl pkey -in key.pem -traditional -out out",
	} {
		if strings.HasSuffix(command, "-traditional -out out") && (strings.HasPrefix(name, "x") || strings.HasPrefix(name, "ed") || name == "dh") {
			continue
		}
		l.run(command)
		classes := pair
		if strings.Contains(command, "-pubout") {
			classes = public
		}
		o, asked := asks(password)
		if l.wants("out", o, info, classes...) == nil {
			l.Log(command)
		}
		if want := strings.Count(command, "-topk8"); *asked != want {
			l.Errorf("%s: asked %d times, want %d", command, *asked, want)
		}
	}
	l.back(c)
}

// back writes a key, and sees that OpenSSL makes the same public key of it.
func (l lab) back(c *Contents) {
	want := l.run("openssl pkey -in key.pem -pubout -outform DER")
	for format, p := range map[string][]byte{"der": nil, "pem": []byte(password)} {
		out, err := Write(keyOf(c.Entries[0]), format, p)
		if err != nil {
			l.Errorf("%s: %v", format, err)
			continue
		}
		l.write("back", out)
		got := l.run("openssl pkey -in back -passin file:password -pubout -outform DER")
		// A curve that was written out has its name here.
		if canonical(got) == nil || !bytes.Equal(canonical(got), canonical(want)) {
			l.Errorf("%s: another key came back", format)
		}
	}
	out, err := Write(keyOf(c.Entries[1]), "pem", nil)
	if err != nil {
		l.Fatal(err)
	}
	l.write("back", out)
	l.run("openssl pkey -pubin -in back -noout")
	for _, e := range c.Entries {
		for _, format := range Formats[e.Class] {
			same(l.T, e, format)
		}
	}
}

// same writes an entry in a format, if that has such keys, and reads it again.
func same(t *testing.T, e Entry, format string) {
	t.Helper()
	out, err := Write(keyOf(e), format, nil)
	if errors.Is(err, ErrFormat) && format != "pem" && format != "der" {
		return
	}
	if err != nil {
		t.Errorf("%s of %v: %v", format, e.Type, err)
		return
	}
	var o Options
	if e.Class == ck.CKO_SECRET_KEY {
		o.Secret = &e.Type
	}
	c, err := Read(out, o)
	if err != nil {
		t.Errorf("%s of %v: %v", format, e.Type, err)
		return
	}
	got := c.Entries[0]
	for _, a := range e.Attributes {
		if a.Type != ck.CKA_EC_PARAMS && !bytes.Equal(find(got.Attributes, a.Type), a.Value) {
			t.Errorf("%s of %v: another %v", format, e.Type, a.Type)
		}
	}
	if got.Class != e.Class || !bytes.Equal(got.PublicKeyInfo, e.PublicKeyInfo) {
		t.Errorf("%s of %v: another key of class %v", format, e.Type, got.Class)
	}
}

func keyOf(e Entry) Key {
	return Key{Class: e.Class, Type: e.Type, Attr: func(t ck.AttributeType) []byte { return find(e.Attributes, t) }}
}

// TestParameters reads a key with the parameters of its curve before it, which openssl ecparam writes, and one whose curve only these tell.
func TestParameters(t *testing.T) {
	t.Parallel()
	l := newLab(t, "openssl")
	l.run("openssl ecparam -name brainpoolP256r1 -genkey -out key.pem")
	c := l.wants("key.pem", Options{}, nil, pair...)
	params, key := pem.Decode(l.read("key.pem"))
	block, _ := pem.Decode(key)
	var fields struct {
		Version int
		Value   []byte
	}
	if _, err := asn1.Unmarshal(block.Bytes, &fields); err != nil {
		t.Fatal(err)
	}
	bare, err := asn1.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	block.Bytes = bare
	l.write("bare", append(pem.EncodeToMemory(params), pem.EncodeToMemory(block)...))
	l.wants("bare", Options{}, c.Entries[0].PublicKeyInfo, pair...)
	if _, err := Read(bare, Options{}); err == nil || !strings.Contains(err.Error(), "does not say which curve") {
		t.Errorf("a key without a curve: %v", err)
	}
}

// TestOldEncryption reads keys as OpenSSL encrypted them before PBES2, and with ciphers of each kind.
func TestOldEncryption(t *testing.T) {
	t.Parallel()
	l := newLab(t, "openssl")
	l.run("openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -out key.pem")
	info := l.wants("key.pem", Options{}, nil, pair...).Entries[0].PublicKeyInfo
	for _, how := range []string{
		"pkcs8 -topk8 -v1 PBE-MD5-DES -provider legacy -provider default", "pkcs8 -topk8 -v1 PBE-SHA1-DES -provider legacy -provider default",
		"pkcs8 -topk8 -v1 PBE-SHA1-RC2-64 -provider legacy -provider default", "pkcs8 -topk8 -v1 PBE-MD5-RC2-64 -provider legacy -provider default",
		"pkcs8 -topk8 -v1 PBE-SHA1-RC4-128 -provider legacy -provider default", "pkcs8 -topk8 -v1 PBE-SHA1-RC4-40 -provider legacy -provider default",
		"pkcs8 -topk8 -v1 PBE-SHA1-RC2-128 -provider legacy -provider default", "pkcs8 -topk8 -v1 PBE-SHA1-RC2-40 -provider legacy -provider default",
		"pkcs8 -topk8 -v1 PBE-SHA1-3DES", "pkcs8 -topk8 -v1 PBE-SHA1-2DES", "pkcs8 -topk8 -v2 des3", "pkcs8 -topk8 -v2 aes128 -v2prf hmacWithSHA512",
		"pkcs8 -topk8 -v2 aes192 -v2prf hmacWithSHA1 -iter 10000", "pkcs8 -topk8 -v2 des -provider legacy -provider default",
		"pkcs8 -topk8 -v2 rc2 -provider legacy -provider default", "pkcs8 -topk8 -scrypt -scrypt_N 1024 -scrypt_r 8 -scrypt_p 2",
		"rsa -traditional -aes256", "rsa -traditional -des3", "rsa -traditional -des -provider legacy -provider default",
	} {
		l.run("openssl " + how + " -in key.pem -passout file:password -out out")
		o, asked := asks(password)
		if l.wants("out", o, info, pair...) == nil || *asked != 1 {
			l.Errorf("%s: asked %d times", how, *asked)
		}
		o, _ = asks("wrong")
		if _, err := Read(l.read("out"), o); !errors.Is(err, ErrPassword) {
			t.Errorf("%s, wrong password: %v", how, err)
		}
		if _, err := Read(l.read("out"), Options{}); err == nil || errors.Is(err, ErrPassword) {
			t.Errorf("%s, no password: %v", how, err)
		}
	}
}

// TestSSH reads what ssh-keygen writes, and ssh-keygen reads what is written here.
func TestSSH(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"rsa -b 1024", "ecdsa -b 256", "ecdsa -b 521", "ed25519"} {
		l := newLab(t, "ssh-keygen", "openssl")
		l.run("ssh-keygen -q -C comment -f key -a 2 -N Kaese -t " + kind)
		o, asked := asks("Kaese")
		c := l.wants("key", o, nil, pair...)
		if c == nil || *asked != 1 {
			t.Fatalf("%s: asked %d times", kind, *asked)
		}
		if name := c.Entries[0].Name; name != "comment" {
			t.Errorf("%s: the private key is called %q", kind, name)
		}
		info := c.Entries[0].PublicKeyInfo
		o, _ = asks("Kase")
		if _, err := Read(l.read("key"), o); !errors.Is(err, ErrPassword) {
			t.Errorf("%s, wrong password: %v", kind, err)
		}
		if c := l.wants("key.pub", Options{}, info, public...); c != nil && c.Entries[0].Name != "comment" {
			t.Errorf("%s: called %q", kind, c.Entries[0].Name)
		}
		l.write("cbc", l.read("key"))
		l.run("ssh-keygen -q -p -P Kaese -N Kaese -Z aes256-cbc -f cbc")
		o, _ = asks("Kaese")
		if c := l.wants("cbc", o, info, pair...); c != nil && c.Entries[0].Name != "comment" {
			t.Errorf("%s, in CBC: called %q", kind, c.Entries[0].Name)
		}
		l.write("rfc4716", l.run("ssh-keygen -e -f key.pub"))
		l.wants("rfc4716", Options{}, info, public...)
		for _, p := range [][]byte{nil, []byte("Brot")} {
			k := keyOf(c.Entries[0])
			k.Name = "comment"
			out, err := Write(k, "openssh", p)
			if err != nil {
				t.Fatal(err)
			}
			l.write("back", out)
			o, _ = asks(string(p))
			if c := l.wants("back", o, info, pair...); c != nil && c.Entries[0].Name != "comment" {
				t.Errorf("%s, password %q: called %q", kind, p, c.Entries[0].Name)
			}
			if got := l.run("ssh-keygen -y -P " + string(append([]byte("x"), p...)[min(1, len(p)):]) + " -f back"); !bytes.Equal(got, l.read("key.pub")) {
				t.Errorf("%s: ssh-keygen reads\n%s, not\n%s", kind, got, l.read("key.pub"))
			}
		}
		k := keyOf(c.Entries[1])
		k.Name = "comment"
		if out, err := Write(k, "openssh", nil); err != nil || !bytes.Equal(out, l.read("key.pub")) {
			t.Errorf("%s: wrote %s, %v", kind, out, err)
		}
	}
}
