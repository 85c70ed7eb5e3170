package doctor

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/store"
)

// newToken makes a token and returns the name of its file.
func newToken(t *testing.T, m *Machine, f store.Format) string {
	t.Helper()
	place, err := store.OpenPlace(m.Config)
	if err != nil {
		t.Fatal(err)
	}
	defer place.Close()
	f.SOPIN, f.KDF = []byte("87654321"), "test"
	if f.Label == "" {
		f.Label = "lab"
	}
	token, err := place.Format("", f)
	if err != nil {
		t.Fatal(err)
	}
	i, err := token.Info()
	if err != nil {
		t.Fatal(err)
	}
	return store.Locate(m.Config, i.UUID)
}

func TestTokens(t *testing.T) {
	m := machine(t, t.TempDir())
	if found := one(m, lookTokens); len(found) > 0 {
		t.Error(show(found))
	}
	file := newToken(t, m, store.Format{UserPIN: []byte("1234")})
	has(t, one(m, lookTokens), OK, `token "lab" is sound`)
	has(t, one(m, lookTokens), Note, "--kdf test")

	mode(t, file, 0o644)
	if f := has(t, one(m, lookTokens), Problem, "others may use "+file); f.Do != "\tchmod 600 "+file {
		t.Error(f.Do)
	}
	mode(t, file, 0o660)
	has(t, one(m, lookTokens), Problem, "others may use "+file)
	mode(t, m.Config.TokenDir, 0o2770)
	for _, f := range one(m, lookTokens) {
		if strings.Contains(f.What, "others may use") {
			t.Error(f.What)
		}
	}
	mode(t, m.Config.TokenDir, 0o700)
	mode(t, file, 0o600)
}

// TestKeyTypes has a key that keeps the engine of OpenSSL from all others.
func TestKeyTypes(t *testing.T) {
	m := machine(t, t.TempDir())
	newToken(t, m, store.Format{UserPIN: []byte("1234")})
	place, err := store.OpenPlace(m.Config)
	if err != nil {
		t.Fatal(err)
	}
	defer place.Close()
	list, _, err := place.List()
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	token, err := place.Token(list[0])
	if err != nil {
		t.Fatal(err)
	}
	k, err := token.Unlock(store.User, []byte("1234"))
	if err != nil {
		t.Fatal(err)
	}
	defer k.Wipe()
	add := func(class ck.ObjectClass, is ck.KeyType) {
		t.Helper()
		public := ck.AppendTemplate(nil, []ck.Attribute{
			{Type: ck.CKA_CLASS, Value: ck.UlongValue(uint(class))},
			{Type: ck.CKA_KEY_TYPE, Value: ck.UlongValue(uint(is))},
			{Type: ck.CKA_LABEL, Value: []byte("mine")},
		})
		if err := token.Create(k, &store.Record{Public: public, Origin: store.OriginImported}); err != nil {
			t.Fatal(err)
		}
	}
	write(t, m.system("/usr/lib/x86_64-linux-gnu/engines-3/pkcs11.so"), "")
	add(ck.CKO_PUBLIC_KEY, ck.CKK_RSA)
	add(ck.CKO_PUBLIC_KEY, ck.CKK_EC)
	add(ck.CKO_DOMAIN_PARAMETERS, ck.CKK_DSA)
	if found := show(one(m, lookTokens)); strings.Contains(found, "engine") {
		t.Error(found)
	}
	add(ck.CKO_PUBLIC_KEY, ck.CKK_EC_EDWARDS)
	has(t, one(m, lookTokens), Note, `token "lab" has keys that are neither RSA nor EC: "mine" is EC_EDWARDS`)

	m.Root = t.TempDir()
	if found := show(one(m, lookTokens)); strings.Contains(found, "engine") {
		t.Error(found)
	}
}

func TestTokensWithoutPIN(t *testing.T) {
	m := machine(t, t.TempDir())
	newToken(t, m, store.Format{})
	has(t, one(m, lookTokens), Note, `token "lab" has no user PIN`)
}

func TestLockedPIN(t *testing.T) {
	m := machine(t, t.TempDir())
	file := newToken(t, m, store.Format{UserPIN: []byte("1234"), MaxTries: 2})
	place, err := store.OpenPlace(m.Config)
	if err != nil {
		t.Fatal(err)
	}
	defer place.Close()
	token, err := place.Token(strings.TrimSuffix(filepath.Base(file), ".token"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := token.Unlock(store.User, []byte("4321")); err == nil {
		t.Fatal("the wrong PIN is right")
	}
	has(t, one(m, lookTokens), Note, "has 1 of 2 tries left")
	if _, err := token.Unlock(store.User, []byte("4321")); err == nil {
		t.Fatal("the wrong PIN is right")
	}
	has(t, one(m, lookTokens), Problem, `the user PIN of token "lab" is locked`)
}

// TestDamagedTokens has a file of the right name with what is no token, one with a bit turned over, one that was cut, and one of 0.2.
func TestDamagedTokens(t *testing.T) {
	m := machine(t, t.TempDir())
	file := newToken(t, m, store.Format{UserPIN: []byte("1234")})
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"cut": string(whole[:8192]), "zeros": string(whole[:200]) + strings.Repeat("\x00", len(whole)-200),
	} {
		write(t, file, text)
		found := one(m, lookTokens)
		if f := has(t, found, Problem, ""); !f.Damaged {
			t.Errorf("%s: %s", name, show(found))
		}
	}
	write(t, file, "no token")
	has(t, one(m, lookTokens), Problem, file)

	old, err := filepath.Glob("../../store/testdata/v1/strict/*.token")
	if err != nil || len(old) == 0 {
		t.Fatalf("no token of 0.2: %v", err)
	}
	text, err := os.ReadFile(old[0])
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(m.Config.TokenDir, filepath.Base(old[0])), string(text))
	has(t, one(m, lookTokens), Note, "has the format of softcsp 0.2")
}

// TestFiles has what is not used, whatever is in it.
func TestFiles(t *testing.T) {
	m := machine(t, t.TempDir())
	file := newToken(t, m, store.Format{UserPIN: []byte("1234")})
	if err := os.Link(file, file+".second"); err != nil {
		t.Fatal(err)
	}
	has(t, one(m, lookTokens), Problem, file+" has 2 names")
	if err := os.Rename(file+".second", file); err != nil { // to the same file, which leaves both
		t.Fatal(err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(file+".second", file); err != nil {
		t.Fatal(err)
	}
	has(t, one(m, lookTokens), Problem, file+" is a symbolic link")
	if err := os.Rename(file+".second", filepath.Join(m.Config.TokenDir, "backup.token")); err != nil {
		t.Fatal(err)
	}
	found := one(m, lookTokens)
	has(t, found, Note, "backup.token is passed over")
	write(t, filepath.Join(m.Config.TokenDir, "old", "token.object"), "")
	has(t, one(m, lookTokens), Note, "old is a token of SoftHSM2")
}

// TestFilesOfOthers has a token of root's in the directory of another user, and the reverse.
func TestFilesOfOthers(t *testing.T) {
	dir := open(t)
	m := machine(t, dir)
	file := newToken(t, m, store.Format{UserPIN: []byte("1234")})
	mode(t, m.Config.TokenDir, 0o755)
	as(t, stranger, func() {
		m.UID = stranger
		r := &report{}
		if lookFile(m, r, file) {
			t.Error("a file that cannot be read is used")
		}
		has(t, r.list, Problem, "cannot be read by user 54321")
	})
	mode(t, file, 0o644)
	as(t, stranger, func() {
		r := &report{}
		lookFile(m, r, file)
		has(t, r.list, Problem, "cannot be written by user 54321")
	})
	mode(t, file, 0o600)
	if err := os.Chown(file, stranger, stranger); err != nil {
		t.Fatal(err)
	}
	m.UID = 0
	has(t, one(m, lookTokens), Problem, "belongs to user 54321, who is neither root")
}

// keepLock takes the lock of a token's sidecar as a writer does, says so, and never gives it back.
func keepLock(sidecar string) {
	f, err := os.OpenFile(sidecar, os.O_RDWR, 0)
	if err != nil {
		panic(err)
	}
	lock := unix.Flock_t{Type: unix.F_WRLCK, Start: 1, Len: 1}
	if err := unix.FcntlFlock(f.Fd(), unix.F_SETLK, &lock); err != nil {
		panic(err)
	}
	fmt.Println("locked")
	time.Sleep(time.Minute)
}

// TestLock has another process keep the lock, which is stopped then.
func TestLock(t *testing.T) {
	m := machine(t, t.TempDir())
	m.Root = "" // the real /proc
	file := newToken(t, m, store.Format{UserPIN: []byte("1234")})
	sidecar := filepath.Join(m.Config.TokenDir, "."+strings.TrimSuffix(filepath.Base(file), ".token")+".lock")
	cmd := another(t, "lock "+sidecar)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	if _, err := out.Read(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	has(t, one(m, lookTokens), Problem, fmt.Sprintf("process %d (", cmd.Process.Pid))
	if err := cmd.Process.Signal(unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	time.Sleep(50 * time.Millisecond)
	if f := has(t, one(m, lookTokens), Problem, "T (stopped)"); f.Do != fmt.Sprintf("let it go on:\n\tkill -CONT %d", cmd.Process.Pid) {
		t.Error(f.Do)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	has(t, one(m, lookTokens), OK, "is sound")
}
