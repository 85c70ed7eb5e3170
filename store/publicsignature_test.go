package store

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/config"
)

// A voucherScene is a token in a directory, what a process without a PIN sees of it, and what it logs.
type voucherScene struct {
	p     *Place
	tok   *Token
	state string
	log   bytes.Buffer
	seen  *Record // a public object
}

// newScene makes a token with public objects.
func newVoucherScene(t *testing.T) *voucherScene {
	t.Helper()
	s := &voucherScene{state: filepath.Join(t.TempDir(), "state")}
	dir := filepath.Join(t.TempDir(), "tokens")
	p, err := OpenPlace(&config.Config{Store: "bolt", TokenDir: dir, StateDir: s.state})
	wants(t, err, ck.CKR_OK)
	s.p = p
	tok, k := makeTokenOf(t, p, "interactive") // a machine remembers no token of a test
	s.seen = public("a")
	create(t, tok, k, s.seen, public("b"), private("c"))
	s.process(t, tok.uuid, s.state)
	return s
}

// process begins another process, that has seen nothing but what the state directory tells.
func (s *voucherScene) process(t *testing.T, uuid, state string) {
	t.Helper()
	p, err := OpenPlace(&config.Config{Store: "bolt", TokenDir: s.p.dir(), StateDir: state})
	wants(t, err, ck.CKR_OK)
	t.Cleanup(func() { _ = p.Close() })
	s.log.Reset()
	p.env.log = slog.New(slog.NewTextHandler(&s.log, nil))
	s.tok, err = p.Token(uuid)
	wants(t, err, ck.CKR_OK)
}

// shows fails the test unless a process without a PIN sees n public objects, and the error of the first is rv.
func (s *voucherScene) shows(t *testing.T, what string, n int, rv ck.RV) {
	t.Helper()
	seen := 0
	wants(t, s.tok.All(nil, nil, func(Record) error { seen++; return nil }), ck.CKR_OK)
	if seen != n {
		t.Errorf("%s: %d public objects, want %d", what, seen, n)
	}
	_, err := s.tok.Get(nil, s.seen.ID)
	if ck.Code(err) != rv || rv == ck.CKR_DEVICE_ERROR && !errors.Is(err, ErrAltered) {
		t.Errorf("%s: %v, want %v", what, err, rv)
	}
}

// edit changes the file as who has no key would.
func (s *voucherScene) edit(t *testing.T, f func(x tx) error) {
	t.Helper()
	wants(t, s.tok.backend.update(f, nil), ck.CKR_OK)
}

// swap puts another object's bytes, or changed ones, in the place of the first, and returns how to take that back.
func (s *voucherScene) swap(t *testing.T, change func(raw []byte) []byte) (back func()) {
	t.Helper()
	var old []byte
	s.edit(t, func(x tx) error {
		old = bytes.Clone(x.get(bObjects, s.seen.ID[:]))
		return x.put(bObjects, s.seen.ID[:], change(bytes.Clone(old)))
	})
	return func() { s.edit(t, func(x tx) error { return x.put(bObjects, s.seen.ID[:], old) }) }
}

// TestVouched changes each byte of a public object's public part, its revision, terms and signature: without a PIN it is not served
// by name, is left out of lists, and is in the log once.
func TestVouched(t *testing.T) {
	t.Parallel()
	s := newVoucherScene(t)
	s.shows(t, "untouched", 2, ck.CKR_OK)
	var size int
	s.swap(t, func(b []byte) []byte {
		o, _ := parseObject(version, b)
		size = len(o.head)
		return b
	})
	for i := 0; i < size; i += 13 {
		back := s.swap(t, func(b []byte) []byte {
			b[i] ^= 1 << (i % 8)
			return b
		})
		_, err := s.tok.Get(nil, s.seen.ID)
		wants(t, err, ck.CKR_DEVICE_ERROR)
		back()
	}
	s.log.Reset()
	s.swap(t, func(b []byte) []byte {
		o, _ := parseObject(version, b)
		o.public[0] ^= 1
		return b
	})
	for range 3 {
		s.shows(t, "a changed byte", 1, ck.CKR_DEVICE_ERROR)
	}
	if n := strings.Count(s.log.String(), "not shown"); n != 1 {
		t.Errorf("%d lines in the log:\n%s", n, s.log.String())
	}
	faults, err := s.tok.Check(nil)
	if err != nil || len(faults) == 0 {
		t.Errorf("Check without a PIN: %v, %v", faults, err)
	}
	s.edit(t, func(x tx) error { return x.del(bObjects, s.seen.ID[:]) })
	s.restore(t)
}

// TestManyForged changes very many public objects: the log tells of them in a few lines, and of one that is changed later in another.
func TestManyForged(t *testing.T) {
	t.Parallel()
	s := newVoucherScene(t)
	k := unlock(t, s.tok, User, userPIN)
	var made []*Record
	for n := range 250 {
		made = append(made, public(fmt.Sprint(n)))
	}
	wants(t, s.tok.Create(k, made...), ck.CKR_OK)
	k.Wipe()
	change := func(some []*Record) {
		s.edit(t, func(x tx) error {
			for _, r := range some {
				raw := bytes.Clone(x.get(bObjects, r.ID[:]))
				o, _ := parseObject(version, raw)
				o.public[0] ^= 1
				wants(t, x.put(bObjects, r.ID[:], raw), ck.CKR_OK)
			}
			return nil
		})
	}
	told := func(want int) {
		t.Helper()
		if n := strings.Count(s.log.String(), "not shown"); n != want {
			t.Errorf("%d lines in the log, want %d:\n%s", n, want, s.log.String())
		}
	}
	change(made[:200])
	for range 2 {
		s.shows(t, "200 are changed", 52, ck.CKR_OK)
		told(3)
	}
	change(made[200:201])
	s.shows(t, "one more", 51, ck.CKR_OK)
	told(4)
	if !strings.Contains(s.log.String(), "count=100") {
		t.Errorf("no count:\n%s", s.log.String())
	}
	change(made[:201]) // as they were
	s.shows(t, "as they were", 252, ck.CKR_OK)
}

// restore deletes what the scene has changed, so that the token is sound at the end.
func (s *voucherScene) restore(t *testing.T) {
	t.Helper()
	k, err := s.tok.enterAnyway(t)
	wants(t, err, ck.CKR_OK)
	defer k.Wipe()
	wants(t, s.tok.Delete(k, s.seen.ID), ck.CKR_OK)
}

// enterAnyway logs in to a token that was tampered with.
func (t *Token) enterAnyway(tb testing.TB) (*Keys, error) {
	tb.Helper()
	c, master, err := t.checkPIN(User, userPIN)
	if err != nil {
		return nil, err
	}
	return newKeys(t, c.header, master)
}

// TestVoucherIsRemembered signs an object anew under a key of an attacker's, who puts that key into the header too.
func TestVoucherIsRemembered(t *testing.T) {
	t.Parallel()
	s := newVoucherScene(t)
	_, forger, err := ed25519.GenerateKey(nil)
	wants(t, err, ck.CKR_OK)
	var header []byte
	var objects map[ID][]byte
	forge := func(id ID, raw []byte) []byte {
		o, _ := parseObject(version, raw)
		if len(o.public) == 0 {
			return raw
		}
		copy(o.public, "forged")
		copy(o.signature, ed25519.Sign(forger, objectData("softcsp public", version, s.tok, id, o.signed)))
		return raw
	}
	s.edit(t, func(x tx) error {
		header, objects = bytes.Clone(x.get(bHeader, headerStatic)), map[ID][]byte{}
		if err := x.each(bObjects, nil, func(key, raw []byte) error {
			objects[ID(key)] = bytes.Clone(raw)
			return nil
		}); err != nil {
			return err
		}
		for id, raw := range objects {
			if err := x.put(bObjects, id[:], forge(id, bytes.Clone(raw))); err != nil {
				return err
			}
		}
		st, err := parseHeader(header)
		if err != nil {
			return err
		}
		st.voucher = forger[ed25519.SeedSize:]
		return x.put(bHeader, headerStatic, st.encode())
	})
	s.shows(t, "a process that has seen the token", 0, ck.CKR_DEVICE_ERROR)
	s.process(t, s.tok.uuid, s.state)
	s.shows(t, "a machine that has", 0, ck.CKR_DEVICE_ERROR)
	s.shows(t, "again", 0, ck.CKR_DEVICE_ERROR)
	if n := strings.Count(s.log.String(), "not shown"); n != 1 {
		t.Errorf("%d lines in the log:\n%s", n, s.log.String())
	}
	// Who sees a token for the first time cannot know better: docs/limits.md.
	s.process(t, s.tok.uuid, filepath.Join(t.TempDir(), "another"))
	s.shows(t, "another machine", 2, ck.CKR_OK)
	_, err = s.tok.Unlock(User, userPIN)
	wants(t, err, ck.CKR_DEVICE_ERROR)

	s.edit(t, func(x tx) error {
		for id, raw := range objects {
			if err := x.put(bObjects, id[:], raw); err != nil {
				return err
			}
		}
		return x.put(bHeader, headerStatic, header)
	})
	// That machine has the wrong key by now, until somebody logs in.
	s.shows(t, "the machine that was cheated", 0, ck.CKR_DEVICE_ERROR)
	unlock(t, s.tok, User, userPIN).Wipe()
	s.shows(t, "after a login", 2, ck.CKR_OK)
}

// TestInitialisedAnew has another process initialise a token: its key is another, and who did it says so to the machine.
func TestInitialisedAnew(t *testing.T) {
	t.Parallel()
	s := newVoucherScene(t)
	s.shows(t, "before", 2, ck.CKR_OK)
	other, err := s.p.Token(s.tok.uuid)
	wants(t, err, ck.CKR_OK)
	wants(t, other.Reformat(Format{Label: "new", SOPIN: soPIN, KDF: "test"}), ck.CKR_OK)
	k := unlock(t, other, SO, soPIN)
	defer k.Wipe()
	s.seen = public("x")
	create(t, other, k, s.seen)
	s.shows(t, "after", 1, ck.CKR_OK)
}

// TestMachine is what the state directory may be: links are not followed, what is not a file of the user's is not read, and there are
// never too many.
func TestMachine(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := &voucherDir{filepath.Join(dir, "state")}
	key := bytes.Repeat([]byte{7}, voucherSize)
	if got, _, _ := d.load("a"); got != nil {
		t.Errorf("%x", got)
	}
	d.save("a", key, true)
	if got, _, _ := d.load("a"); !bytes.Equal(got, key) {
		t.Errorf("%x", got)
	}
	vouchers := filepath.Join(d.dir, vouchersDir)
	victim := filepath.Join(dir, "victim")
	wants(t, os.WriteFile(victim, []byte(strings.Repeat("ab", voucherSize)), 0o600), ck.CKR_OK)
	wants(t, os.Symlink(victim, filepath.Join(vouchers, "link")), ck.CKR_OK)
	wants(t, os.Mkdir(filepath.Join(vouchers, "dir"), 0o700), ck.CKR_OK)
	wants(t, os.WriteFile(filepath.Join(vouchers, "short"), []byte("ab"), 0o600), ck.CKR_OK)
	for _, name := range []string{"link", "dir", "short"} {
		if got, _, _ := d.load(name); got != nil {
			t.Errorf("%s: %x", name, got)
		}
	}
	d.save("link", key, true)
	d.save("short", key, true)
	if got, _, _ := d.load("short"); !bytes.Equal(got, key) {
		t.Errorf("%x", got)
	}
	if b, err := os.ReadFile(victim); err != nil || bytes.Contains(b, []byte("07")) {
		t.Errorf("the file behind a link is %q, %v", b, err)
	}
	for n := range maxVouchers + 20 {
		wants(t, os.WriteFile(filepath.Join(vouchers, fmt.Sprint(n)), nil, 0o600), ck.CKR_OK)
	}
	d.save("last", key, true)
	list, err := os.ReadDir(vouchers)
	if got, _, _ := d.load("last"); err != nil || len(list) > maxVouchers || !bytes.Equal(got, key) {
		t.Errorf("%d files, %v", len(list), err)
	}
	wants(t, os.Chmod(vouchers, 0o777), ck.CKR_OK)
	if got, _, _ := d.load("last"); got != nil {
		t.Error("a directory that everybody writes to is believed")
	}
	wants(t, os.RemoveAll(d.dir), ck.CKR_OK)
	wants(t, os.Symlink(dir, d.dir), ck.CKR_OK)
	(&voucherDir{filepath.Join(dir, "none\x00")}).save("a", key, true)
	(*voucherDir)(nil).save("a", key, true)
}

// TestMachineCannotTell lets the process have no descriptor for what the machine remembers: that is not the first time that a token is seen, and what
// is asked for without a PIN is refused until it can be told.
func TestMachineCannotTell(t *testing.T) {
	s := newVoucherScene(t)
	s.shows(t, "before", 2, ck.CKR_OK)
	defer func(was func(int, string, int, uint32) (int, error)) { openat = was }(openat)
	for nth := range 2 {
		s.process(t, s.tok.uuid, s.state)
		n := 0
		openat = func(at int, name string, flags int, mode uint32) (int, error) {
			if n++; n > nth {
				return -1, unix.EMFILE
			}
			return unix.Openat(at, name, flags, mode)
		}
		wants(t, s.tok.All(nil, nil, func(Record) error { return nil }), ck.CKR_FUNCTION_FAILED)
		n = 0
		_, err := s.tok.Get(nil, s.seen.ID)
		wants(t, err, ck.CKR_FUNCTION_FAILED)
		n = 0
		_, err = s.tok.Find(nil, []byte("class"))
		if ck.Code(err) != ck.CKR_FUNCTION_FAILED && err != nil {
			t.Error(err)
		}
		openat = unix.Openat
		s.shows(t, "later", 2, ck.CKR_OK)
	}
	k := unlock(t, s.tok, User, userPIN)
	defer k.Wipe()
	s.shows(t, "after a login", 2, ck.CKR_OK)
}

// TestMachineFlood has very many tokens be seen, as somebody can see to: what is remembered of those that were there before stays.
func TestMachineFlood(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes seconds")
	}
	d := &voucherDir{filepath.Join(t.TempDir(), "state")}
	key := bytes.Repeat([]byte{7}, voucherSize)
	is := func(when, name string, want bool) {
		t.Helper()
		if got, sure, _ := d.load(name); !bytes.Equal(got, key) || sure != want {
			t.Errorf("%s: %s is %x, %v", when, name, got, sure)
		}
	}
	d.save("seen", key, false)
	d.save("known", key, true)
	for n := range maxVouchers + 50 {
		d.save(fmt.Sprint("flood ", n), key, false)
	}
	is("after the flood", "seen", false)
	is("after the flood", "known", true)
	d.save("new", key, true)
	for n := range maxVouchers/2 - 10 {
		d.save(fmt.Sprint("login ", n), key, true)
	}
	for _, name := range []string{"known", "new", "login 0"} {
		is("after many logins", name, true)
	}
	if list, err := os.ReadDir(filepath.Join(d.dir, vouchersDir)); err != nil || len(list) > maxVouchers {
		t.Errorf("%d files, %v", len(list), err)
	}
}

// TestUnvouchedEntries writes what no call writes into the bucket: it is not shown, and the next adoption takes it away.
func TestUnvouchedEntries(t *testing.T) {
	t.Parallel()
	s := newVoucherScene(t)
	k := unlock(t, s.tok, User, userPIN)
	defer k.Wipe()
	hidden := private("hidden")
	guarded := public("guarded") // which has a secret beside its public part
	create(t, s.tok, k, hidden, guarded)
	s.edit(t, func(x tx) error {
		created := Unvouched{Created, 1, []byte("x")}
		entries := map[string][]byte{
			"short":               created.encode(),
			string(s.seen.ID[:]):  created.encode(), // there is such an object
			"0123456789abcde1":    (&Unvouched{Altered, 1, []byte("x")}).encode(),
			"0123456789abcde2":    (&Unvouched{Created, 0, []byte("x")}).encode(),
			"0123456789abcde3":    (&Unvouched{9, 1, []byte("x")}).encode(),
			"0123456789abcde4":    {1},
			"0123456789abcde5":    (&Unvouched{Created, 1, make([]byte, maxUnvouchedSize+1)}).encode(),
			string(hidden.ID[:]):  (&Unvouched{Destroyed, 1, nil}).encode(),
			string(guarded.ID[:]): (&Unvouched{Destroyed, 1, nil}).encode(),
		}
		for n := range maxUnvouched {
			entries[fmt.Sprintf("x%015d", n)] = created.encode()
		}
		for key, value := range entries {
			if err := x.put(bUnvouched, []byte(key), value); err != nil {
				return err
			}
		}
		return nil
	})
	n := 0
	wants(t, s.tok.All(k, nil, func(r Record) error {
		if r.Unvouched != nil {
			n++
		}
		return nil
	}), ck.CKR_OK)
	if n > maxUnvouched {
		t.Errorf("%d objects are shown", n)
	}
	for _, r := range []*Record{hidden, guarded} {
		if got, err := s.tok.Get(k, r.ID); err != nil || got.Unvouched != nil {
			t.Errorf("%+v, %v", got, err)
		}
	}
	for range 2 { // some were behind others that should not be there
		list, err := s.tok.Unvouched(k)
		wants(t, err, ck.CKR_OK)
		var refused []Adoption
		for _, r := range list {
			refused = append(refused, Adoption{ID: r.ID, Number: r.Unvouched.Number})
		}
		wants(t, s.tok.Adopt(k, refused), ck.CKR_OK)
	}
	wants(t, s.tok.backend.view(func(x tx) error {
		return x.each(bUnvouched, nil, func(key, _ []byte) error {
			t.Errorf("%q is still there", key)
			return nil
		})
	}), ck.CKR_OK)
	wants(t, update(s.tok, k, hidden), ck.CKR_OK)
}

// TestNothingBehind holds that a machine remembers no token of a test, whoever makes it and whoever looks at it.
func TestNothingBehind(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state")
	cfg := &config.Config{Store: "bolt", TokenDir: filepath.Join(t.TempDir(), "tokens"), StateDir: state}
	p, err := OpenPlace(cfg)
	wants(t, err, ck.CKR_OK)
	tok, _ := makeToken(t, p)
	other, err := OpenPlace(cfg)
	wants(t, err, ck.CKR_OK)
	seen, err := other.Token(tok.uuid)
	wants(t, err, ck.CKR_OK)
	wants(t, seen.All(nil, nil, func(Record) error { return nil }), ck.CKR_OK)
	if list, err := os.ReadDir(filepath.Join(state, vouchersDir)); len(list) != 0 {
		t.Errorf("%d tokens are remembered, %v", len(list), err)
	}
}

// TestVoucherOf compares with crypto/ed25519.
func TestVoucherOf(t *testing.T) {
	seed := make([]byte, ed25519.SeedSize)
	for range 100 {
		random(seed)
		if got, want := voucherOf(seed), ed25519.NewKeyFromSeed(seed)[ed25519.SeedSize:]; !bytes.Equal(got, want) {
			t.Fatalf("%x: %x, want %x", seed, got, want)
		}
	}
}
