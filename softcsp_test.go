package softcsp

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/softcsp/softcsp/ck"
)

// TestMain has tokens remembered, and looked for where nothing is said, in a directory that is gone afterwards.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "softcsp-test")
	if err != nil {
		log.Fatal(err)
	}
	for _, name := range []string{"XDG_STATE_HOME", "XDG_DATA_HOME"} {
		if err := os.Setenv(name, dir); err != nil {
			log.Fatal(err)
		}
	}
	code := m.Run()
	if err := os.RemoveAll(dir); err != nil {
		log.Fatal(err)
	}
	os.Exit(code)
}

// pin returns a function for Options.PIN.
func pin(s string) func() ([]byte, error) { return func() ([]byte, error) { return []byte(s), nil } }

// memory returns a token in memory.
func memory(t *testing.T) *Token {
	t.Helper()
	return closed(t)(NewMemory())
}

// closed sees that a token is closed at the end of the test.
func closed(t *testing.T) func(*Token, error) *Token {
	return func(token *Token, err error) *Token {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := token.Close(); err != nil && !errors.Is(err, ErrClosed) {
				t.Error(err)
			}
		})
		return token
	}
}

// file makes a token in a directory of the test, and returns it and how to open it.
func file(t *testing.T) (*Token, Options) {
	t.Helper()
	dir := t.TempDir()
	conf := filepath.Join(dir, "softcsp.toml")
	if err := os.WriteFile(conf, []byte("kdf = 'test'\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	o := Options{Token: "test", PIN: pin("1234"), Dir: filepath.Join(dir, "tokens"), Config: conf}
	return closed(t)(Create(o, []byte("5678"))), o
}

// must ends a test by an error.
func must[T any](x T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
}

func TestFile(t *testing.T) {
	first, o := file(t)
	key := must(first.GeneratePrivateKey(P256, KeyOptions{Label: "web", ID: []byte{1, 2}}))(t)
	if _, err := Create(o, []byte("5678")); err == nil {
		t.Error("a second token of the same name was made")
	}
	for _, name := range []string{"test", "", first.info.SerialNumber, first.URI(), "pkcs11:token=test"} {
		o.Token = name
		again := closed(t)(Open(o))
		found := must(again.PrivateKey(key.URI()))(t)
		if !bytes.Equal(found.ID(), []byte{1, 2}) || found.Label() != "web" {
			t.Errorf("%q: found %s", name, found.URI())
		}
	}
	for _, name := range []string{"other", "pkcs11:token=other"} {
		o.Token = name
		if _, err := Open(o); !errors.Is(err, ErrNotFound) {
			t.Errorf("%q: %v", name, err)
		}
	}
	o.Token, o.PIN = "", pin("wrong pin")
	_, err := Open(o)
	if !errors.Is(err, ck.CKR_PIN_INCORRECT) || strings.Contains(err.Error(), "wrong pin") || !strings.Contains(err.Error(), `token "test": `) {
		t.Error(err)
	}
	failed := errors.New("no PIN today")
	o.PIN = func() ([]byte, error) { return nil, failed }
	if _, err := Open(o); !errors.Is(err, failed) {
		t.Error(err)
	}
}

// TestTries wants to be told how many tries a PIN has left, until it is locked.
func TestTries(t *testing.T) {
	_, o := file(t)
	o.PIN = pin("wrong")
	for left := 9; left >= 0; left-- {
		_, err := Open(o)
		want := fmt.Sprintf("%d tries left", left)
		if left == 1 {
			want = "1 try left"
		}
		if !errors.Is(err, ck.CKR_PIN_INCORRECT) || !strings.Contains(err.Error(), want) || strings.Count(err.Error(), prefix) != 1 {
			t.Errorf("with %d tries left: %v", left, err)
		}
	}
	if _, err := Open(o); !errors.Is(err, ck.CKR_PIN_LOCKED) {
		t.Error(err)
	}
}

// TestDamaged wants to be told of a token that cannot be read, where the one that is meant is not there.
func TestDamaged(t *testing.T) {
	token, o := file(t)
	if err := token.Close(); err != nil {
		t.Fatal(err)
	}
	files := must(filepath.Glob(filepath.Join(o.Dir, "*.token")))(t)
	if len(files) != 1 {
		t.Fatal(files)
	}
	if err := os.WriteFile(files[0], bytes.Repeat([]byte{1}, 1<<15), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Open(o)
	if !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), `there is no token "test" in `+o.Dir) || !strings.Contains(err.Error(), "cannot be read") {
		t.Error(err)
	}
}

// TestMessages wants errors to say what was asked for, and of which token.
func TestMessages(t *testing.T) {
	token := memory(t)
	_, private := token.PrivateKey("nokey")
	_, secret := token.SecretKey("pkcs11:id=%01")
	_, certificate := token.Certificate("web")
	_, other := token.PrivateKey("pkcs11:token=other;object=web")
	for want, err := range map[string]error{
		`softcsp: not found: no private key "nokey" in token "memory"`:                                                    private,
		`softcsp: not found: no secret key "pkcs11:id=%01" in token "memory"`:                                             secret,
		`softcsp: not found: no certificate "web" in token "memory"`:                                                      certificate,
		`softcsp: not found: no private key in token "memory": pkcs11:token=other;object=web is of another token or type`: other,
	} {
		if err == nil || err.Error() != want || !errors.Is(err, ErrNotFound) {
			t.Errorf("%v, and not %s", err, want)
		}
	}
	key := must(token.GeneratePrivateKey(P256, KeyOptions{Label: "web"}))(t)
	if err := token.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := key.SignMessage(nil, nil, crypto.SHA256); !errors.Is(err, ErrClosed) || err.Error() != "softcsp: signing: the token is closed" {
		t.Error(err)
	}
}

// TestWithoutPIN sees what is seen without a login.
func TestWithoutPIN(t *testing.T) {
	token, o := file(t)
	key := must(token.GeneratePrivateKey(P256, KeyOptions{Label: "web"}))(t)
	certificate := selfSigned(t, key, "web")
	if err := token.ImportCertificate(certificate, "web"); err != nil {
		t.Fatal(err)
	}
	o.PIN = nil
	open := closed(t)(Open(o))
	if c := must(open.Certificate("web"))(t); !c.Equal(certificate) {
		t.Error("another certificate")
	}
	if _, err := open.PrivateKey("web"); !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "Options.PIN") {
		t.Error(err)
	}
	if _, err := open.GeneratePrivateKey(P256, KeyOptions{}); !errors.Is(err, ck.CKR_USER_NOT_LOGGED_IN) {
		t.Error(err)
	}
}

// TestSeveral wants to be told which of several tokens is meant.
func TestSeveral(t *testing.T) {
	first, o := file(t)
	o.Token = "other"
	closed(t)(Create(o, []byte("5678")))
	o.Token = ""
	if _, err := Open(o); err == nil || errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "2 tokens") {
		t.Error(err)
	}
	o.Token = first.URI()
	closed(t)(Open(o))
	for _, bad := range []Options{{Token: "x", Dir: o.Dir}, {PIN: o.PIN, Dir: o.Dir}, {Token: strings.Repeat("x", 33), PIN: o.PIN, Dir: o.Dir, Config: o.Config}, {Dir: o.Dir, Config: "none"}} {
		if _, err := Create(bad, []byte("5678")); err == nil {
			t.Errorf("%+v: a token was made", bad)
		}
	}
}

func TestPINIsCleared(t *testing.T) {
	_, o := file(t)
	given := []byte("1234")
	o.PIN = func() ([]byte, error) { return given, nil }
	closed(t)(Open(o))
	if !bytes.Equal(given, make([]byte, 4)) {
		t.Error("the PIN is still there")
	}
}

func TestNames(t *testing.T) {
	token := memory(t)
	one := must(token.GenerateSecretKey(AES256, KeyOptions{Label: "twin", ID: []byte{1}}))(t)
	must(token.GenerateSecretKey(AES256, KeyOptions{Label: "twin", ID: []byte{2}}))(t)
	for _, name := range []string{"pkcs11:id=%01", "pkcs11:object=twin;id=%01;type=secret-key", one.URI()} {
		if k := must(token.SecretKey(name))(t); k.handle != one.handle {
			t.Errorf("%s is another key", name)
		}
	}
	for _, name := range []string{"none", "pkcs11:id=%03", "pkcs11:object=twin;id=%01;type=private", "pkcs11:token=other;id=%01"} {
		if _, err := token.SecretKey(name); !errors.Is(err, ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"", "twin", "pkcs11:id=%01?pin-value=1234", "pkcs11:id=%0", "pkcs11:id=%01?pin-source=file:/etc/pin"} {
		if _, err := token.SecretKey(name); err == nil || errors.Is(err, ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := one.Delete(); err != nil {
		t.Fatal(err)
	}
	if k := must(token.SecretKey("twin"))(t); !bytes.Equal(k.ID(), []byte{2}) {
		t.Error("the other key was deleted")
	}
}

// TestLists sees that lists have what is there, and pass over what Go has no type for.
func TestLists(t *testing.T) {
	token := memory(t)
	want := []string{}
	for _, k := range []KeyType{P256, Ed25519, X25519, "ec:p224", "ml-kem:1024"} {
		must(token.GeneratePrivateKey(k, KeyOptions{Label: string(k)}))(t)
		want = append(want, string(k))
	}
	err := token.do(func(s ck.SessionHandle) error {
		o := KeyOptions{Label: "no type of Go's"}
		_, _, err := token.module.GenerateKeyPair(s, mechanism(ck.CKM_ML_DSA_KEY_PAIR_GEN, nil),
			append(o.publicTemplate(nil), ulong(ck.CKA_PARAMETER_SET, ck.CKP_ML_DSA_44)), o.template(ck.CKO_PRIVATE_KEY, nil))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for k, err := range token.PrivateKeys() {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, k.Label())
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("there are %q, and not %q", got, want)
	}
	if _, err := token.PrivateKey("no type of Go's"); !errors.Is(err, errors.ErrUnsupported) {
		t.Error(err)
	}
	for k := range token.PrivateKeys() { // may be left
		if k.Delete() != nil {
			t.Error("not deleted")
		}
		break
	}
	if n, err := token.search([]ck.Attribute{ulong(ck.CKA_CLASS, ck.CKO_PUBLIC_KEY)}); err != nil || len(n) != len(want) {
		t.Errorf("%d public keys are left, %v", len(n), err)
	}
}

// TestDSA sees that a key of DSA, whose public half package x509 can read, is not given out as one that signs.
func TestDSA(t *testing.T) {
	token := memory(t)
	var domain ck.ObjectHandle
	err := token.doKept(func(s ck.SessionHandle) (err error) {
		domain, err = token.module.GenerateKey(s, mechanism(ck.CKM_DSA_PARAMETER_GEN, nil), []ck.Attribute{ulong(ck.CKA_PRIME_BITS, uint(1024)), flag(ck.CKA_TOKEN, false)})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	types := []ck.AttributeType{ck.CKA_PRIME, ck.CKA_SUBPRIME, ck.CKA_BASE}
	values := must(token.attributes(domain, types...))(t)
	o := KeyOptions{Label: "dsa"}
	public := o.publicTemplate(nil)
	for i, v := range values {
		public = append(public, ck.Attribute{Type: types[i], Value: v})
	}
	err = token.do(func(s ck.SessionHandle) error {
		_, _, err := token.module.GenerateKeyPair(s, mechanism(ck.CKM_DSA_KEY_PAIR_GEN, nil), public, o.template(ck.CKO_PRIVATE_KEY, nil))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := token.PrivateKey("dsa"); !errors.Is(err, errors.ErrUnsupported) {
		t.Error(err)
	}
	for key, err := range token.PrivateKeys() {
		t.Error(key, err)
	}
}

func TestClosed(t *testing.T) {
	token := must(NewMemory())(t)
	key := must(token.GenerateSecretKey(HMAC256, KeyOptions{Label: "mac"}))(t)
	if err := token.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := key.MAC(hashes[3].hash, nil)
	_, err2 := token.SecretKey("mac")
	_, err3 := token.GenerateSecretKey(HMAC256, KeyOptions{Temporary: true})
	for _, err := range []error{err, err2, err3, token.Close(), key.Delete()} {
		if !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
	}
	for _, err := range token.SecretKeys() {
		if !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
	}
}

func TestTemporary(t *testing.T) {
	token, o := file(t)
	for range 3 { // keys that are not kept stay, whichever sessions come and go
		must(token.GenerateSecretKey(AES256, KeyOptions{Label: "gone", Temporary: true}))(t)
		if _, err := token.SecretKey("none"); err == nil {
			t.Fatal("found")
		}
	}
	n := 0
	for _, err := range token.SecretKeys() {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != 3 {
		t.Errorf("%d keys", n)
	}
	if _, err := closed(t)(Open(o)).SecretKey("gone"); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
}

// TestConcurrent uses a token by many goroutines, with fewer sessions than there are of them, while it is closed.
func TestConcurrent(t *testing.T) {
	dir := t.TempDir()
	conf := filepath.Join(dir, "softcsp.toml")
	if err := os.WriteFile(conf, []byte("kdf = 'test'\nmax_sessions = 4\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	token := closed(t)(Create(Options{Token: "test", PIN: pin("1234"), Dir: dir, Config: conf}, []byte("5678")))
	key := must(token.GenerateSecretKey(AES256, KeyOptions{Label: "key"}))(t)
	cipher := must(key.AEAD())(t)
	var all sync.WaitGroup
	for i := range 32 {
		all.Go(func() {
			nonce := make([]byte, 12)
			for j := range 20 {
				nonce[0], nonce[1] = byte(i), byte(j)
				sealed := cipher.Seal(nil, nonce, []byte("message"), nil)
				if plain, err := cipher.Open(nil, nonce, sealed, nil); err != nil || string(plain) != "message" {
					t.Errorf("%q, %v", plain, err)
				}
				sealed[0]++
				if _, err := cipher.Open(nil, nonce, sealed, nil); err == nil {
					t.Error("opened what was changed")
				}
			}
		})
	}
	all.Wait()
	for range 8 {
		all.Go(func() {
			for {
				if _, err := token.SecretKey("key"); err != nil {
					if !errors.Is(err, ErrClosed) {
						t.Error(err)
					}
					return
				}
			}
		})
	}
	if err := token.Close(); err != nil {
		t.Error(err)
	}
	all.Wait()
}

// TestUserProtected uses a key that asks for the PIN at each use.
func TestUserProtected(t *testing.T) {
	token, o := file(t)
	attributes := []ck.Attribute{flag(ck.CKA_ALWAYS_AUTHENTICATE, true)}
	must(token.GeneratePrivateKey(P256, KeyOptions{Label: "each time", Attributes: attributes}))(t)
	asked := 0
	o.PIN = func() ([]byte, error) { asked++; return []byte("1234"), nil }
	key := must(closed(t)(Open(o)).PrivateKey("each time"))(t)
	for range 2 {
		selfSigned(t, key, "each time")
	}
	if asked != 3 {
		t.Errorf("asked %d times", asked)
	}
	exchange := must(key.KeyExchanger())(t)
	if _, err := exchange.ECDH(exchange.PublicKey()); !errors.Is(err, errors.ErrUnsupported) {
		t.Error(err)
	}
}
