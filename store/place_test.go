package store

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/config"
)

func TestPlace(t *testing.T) {
	eachBackend(t, func(t *testing.T, p *Place) {
		tokens, next, err := p.List()
		if err != nil || len(tokens) != 0 {
			t.Fatalf("List of nothing: %v, %v", tokens, err)
		}
		if _, again, _ := p.List(); again != next {
			t.Errorf("the next token is %s, then %s", next, again)
		}
		_, err = p.Token(next)
		wants(t, err, ck.CKR_TOKEN_NOT_PRESENT)
		_, err = p.Token("../" + next)
		wants(t, err, ck.CKR_ARGUMENTS_BAD)

		stamp := p.Stamp()
		if p.Stamp() != stamp {
			t.Error("the stamp changes by itself")
		}
		var made []string
		for range 3 {
			_, next, _ = p.List()
			tok, err := p.Format(next, Format{SOPIN: soPIN, KDF: "test"})
			if err != nil {
				t.Fatal(err)
			}
			made = append(made, next)
			if again, err := p.Token(next); again != tok || err != nil {
				t.Errorf("Token: %p, %v, want %p", again, err, tok)
			}
			if p.Stamp() == stamp {
				t.Error("the stamp is that of before")
			}
			stamp = p.Stamp()
			if _, err := p.Format(next, Format{SOPIN: soPIN, KDF: "test"}); !errors.Is(err, ErrExists) {
				t.Errorf("Format twice answers %v", err)
			}
			i, err := tok.Info()
			if err != nil || i.UUID != next || i.Serial != strings.ReplaceAll(next, "-", "")[:16] {
				t.Errorf("Info: %+v, %v", i, err)
			}
			wantSound(t, tok)
		}
		slices.Sort(made)
		tokens, after, err := p.List()
		if err != nil || !slices.Equal(tokens, made) || slices.Contains(made, after) {
			t.Errorf("List: %v %v %v, want %v", tokens, after, err, made)
		}
		wants(t, p.Close(), ck.CKR_OK)
		if tokens, _, _ := p.List(); p.dir() == "" && len(tokens) != 0 {
			t.Errorf("after Close there are %v", tokens)
		}
	})
}

// TestNextIsShared holds that all processes, and all places of one process, know the same next token.
func TestNextIsShared(t *testing.T) {
	p := newPlace(t, "bolt")
	var mu sync.Mutex
	seen := map[string]int{}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			q, err := OpenPlace(&config.Config{Store: "bolt", TokenDir: p.dir()})
			if err != nil {
				t.Error(err)
				return
			}
			_, next, err := q.List()
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			seen[next]++
		})
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"=list::"+p.dir())
	out, err := cmd.Output()
	wg.Wait()
	seen[strings.TrimSpace(string(out))]++
	if err != nil || len(seen) != 1 {
		t.Errorf("the next token is %v, %v", seen, err)
	}
}

// TestStrangers puts files into the directory that are no tokens: each is reported by itself, and no other suffers.
func TestStrangers(t *testing.T) {
	p := newPlace(t, "bolt")
	tok, k := makeToken(t, p)
	create(t, tok, k, private("a"))
	clean, err := os.ReadFile(p.file(tok.uuid + suffix))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		content []byte
		want    ck.RV
	}{
		"empty":     {nil, ck.CKR_TOKEN_NOT_RECOGNIZED},
		"text":      {[]byte(strings.Repeat("no token at all\n", 4096)), ck.CKR_TOKEN_NOT_RECOGNIZED},
		"renamed":   {clean, ck.CKR_TOKEN_NOT_RECOGNIZED},
		"version 2": {version2(t, clean), ck.CKR_TOKEN_NOT_RECOGNIZED},
		"cut":       {clean[:3*pageSize], ck.CKR_DEVICE_ERROR},
	} {
		uuid := formatUUID(newUUID())
		if err := os.WriteFile(p.file(uuid+suffix), c.content, 0o600); err != nil {
			t.Fatal(err)
		}
		bad, err := p.Token(uuid)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, err = bad.Info(); ck.Code(err) != c.want {
			t.Errorf("%s: Info answers %v, want %v", name, err, c.want)
		}
		_, err = bad.Unlock(User, userPIN)
		if ck.Code(err) != c.want {
			t.Errorf("%s: Unlock answers %v, want %v", name, err, c.want)
		}
		if tokens, _, err := p.List(); err != nil || !slices.Contains(tokens, tok.uuid) || !slices.Contains(tokens, uuid) {
			t.Errorf("%s: List: %v, %v", name, tokens, err)
		}
	}
	for _, name := range []string{"x.token", "README", strings.ToUpper(formatUUID(newUUID())) + suffix} {
		if err := os.WriteFile(p.file(name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if tokens, _, _ := p.List(); len(tokens) != 6 {
		t.Errorf("List: %v", tokens)
	}
}

// version2 returns a token file of the next format version.
func version2(t *testing.T, clean []byte) []byte {
	t.Helper()
	s := &tamperedToken{path: t.TempDir() + "/newer"}
	if err := os.WriteFile(s.path, clean, 0o600); err != nil {
		t.Fatal(err)
	}
	s.edit(t, func(put func(bucket, []byte, []byte), get func(bucket, []byte) []byte) {
		b := get(bHeader, headerStatic)
		b[len(magic)+1]++
		put(bHeader, headerStatic, b)
	})
	b, err := os.ReadFile(s.path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestLeftover holds that what a process left that died while it made the token does no harm: a second name of the token
// itself, at the worst.
func TestLeftover(t *testing.T) {
	p := newPlace(t, "bolt")
	tok, k := makeToken(t, p)
	a := private("a")
	create(t, tok, k, a)
	if err := os.Link(p.file(tok.uuid+suffix), p.file("."+tok.uuid+".new")); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Format(tok.uuid, Format{SOPIN: soPIN, KDF: "test"}); !errors.Is(err, ErrExists) {
		t.Errorf("Format answers %v", err)
	}
	got, err := tok.Get(k, a.ID)
	wantRecord(t, got, err, a)
	if tokens, _, err := p.List(); err != nil || len(tokens) != 1 {
		t.Errorf("List: %v, %v", tokens, err)
	}
}

// TestMove copies the token file alone to another directory: that moves the token.
func TestMove(t *testing.T) {
	p, q := newPlace(t, "bolt"), newPlace(t, "bolt")
	tok, k := makeToken(t, p)
	a := private("a")
	create(t, tok, k, a)
	content, err := os.ReadFile(p.file(tok.uuid + suffix))
	if err != nil {
		t.Fatal(err)
	}
	stamp := q.Stamp()
	if err := os.WriteFile(q.file(tok.uuid+suffix), content, 0o600); err != nil {
		t.Fatal(err)
	}
	if q.Stamp() == stamp {
		t.Error("the stamp does not tell of a token that was copied here")
	}
	there, err := q.Token(tok.uuid)
	wants(t, err, ck.CKR_OK)
	if there.Generation() != tok.Generation() {
		t.Errorf("generation %d, want %d", there.Generation(), tok.Generation())
	}
	k2 := unlock(t, there, User, userPIN)
	defer k2.Wipe()
	got, err := there.Get(k2, a.ID)
	wantRecord(t, got, err, a)
	wantSound(t, there)
}

// TestWord holds that the shared counter is repaired: after a writer died between its two writes, after the machine did, and after the
// sidecar was removed.
func TestWord(t *testing.T) {
	p := newPlace(t, "bolt")
	tok, k := makeToken(t, p)
	b := tok.backend.(*boltFile)
	gen := tok.Generation()
	for name, v := range map[string]uint64{
		"a writer died before its commit":    gen<<1 | 1,
		"a writer died after its commit":     (gen-1)<<1 | 1,
		"the machine died":                   0,
		"the machine died, an earlier state": 2,
	} {
		b.counter.Load().store(v)
		if v == 2 { // who asks for the first time looks into the file
			b.counter.Store(nil)
		}
		if got := tok.Generation(); got != gen {
			t.Errorf("%s: generation %d, want %d", name, got, gen)
		}
		if got := b.counter.Load().load(); got != gen<<1 {
			t.Errorf("%s: the counter is %#x, want %#x", name, got, gen<<1)
		}
	}
	// While a writer is at work the generation is the one before, and nobody waits.
	d, err := openDir(p.dir())
	wants(t, err, ck.CKR_OK)
	defer d.close()
	l, err := takeLock(d, b.sidecar, true, true)
	wants(t, err, ck.CKR_OK)
	b.counter.Load().store(gen<<1 | 1)
	if got := tok.Generation(); got != gen {
		t.Errorf("a writer is at work: generation %d, want %d", got, gen)
	}
	l.release()

	if err := os.Remove(p.file(b.sidecar)); err != nil {
		t.Fatal(err)
	}
	create(t, tok, k, private("a"))
	other := newToken(tok.uuidBytes, newBoltFile(p.dir(), tok.uuid), p.env)
	if got := other.Generation(); got != gen+1 || tok.Generation() != got {
		t.Errorf("the sidecar was removed: generations %d and %d, want %d", got, tok.Generation(), gen+1)
	}
	create(t, tok, k, private("b"))
	if got := other.Generation(); got != gen+2 {
		t.Errorf("another sees generation %d, want %d", got, gen+2)
	}
}

// TestReadOnly reads a token that this process may not write. Root may write everything, so the directory is looked at by
// another user.
func TestReadOnly(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to become nobody")
	}
	p := newPlace(t, "bolt")
	tok, k := makeToken(t, p)
	b := public("b")
	create(t, tok, k, b)
	open := func(mode os.FileMode) {
		for _, f := range []struct {
			name string
			mode os.FileMode
		}{{p.dir(), mode | mode>>2}, {tok.backend.(*boltFile).path, mode &^ 0o111}, {p.file(".place"), mode &^ 0o111}} {
			if err := os.Chmod(f.name, f.mode); err != nil {
				t.Fatal(err)
			}
		}
	}
	for dir := p.dir(); dir != filepath.Clean(os.TempDir()) && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	open(0o755)
	if tok.ReadOnly() {
		t.Error("a token that can be written to says that it cannot")
	}
	asNobody(t, func() {
		q, err := OpenPlace(&config.Config{Store: "bolt", TokenDir: p.dir()})
		wants(t, err, ck.CKR_OK)
		tokens, next, err := q.List()
		if err != nil || len(tokens) != 1 || next == "" {
			t.Errorf("List: %v %v %v", tokens, next, err)
		}
		_, err = q.Format("", Format{SOPIN: soPIN, KDF: "test"})
		wants(t, err, ck.CKR_TOKEN_WRITE_PROTECTED)
		r, err := q.Token(tok.uuid)
		wants(t, err, ck.CKR_OK)
		if got := r.Generation(); got != tok.Generation() {
			t.Errorf("generation %d, want %d", got, tok.Generation())
		}
		ids, err := r.Find(nil, []byte("class"))
		if err != nil || !slices.Equal(ids, []ID{b.ID}) {
			t.Errorf("Find: %v, %v", ids, err)
		}
		_, err = r.Unlock(User, userPIN)
		wants(t, err, ck.CKR_TOKEN_WRITE_PROTECTED)
		if !r.ReadOnly() {
			t.Error("a token that cannot be written to says that it can")
		}
	})
	if err := os.Chmod(p.dir(), 0o700); err != nil {
		t.Fatal(err)
	}
	asNobody(t, func() {
		q, err := OpenPlace(&config.Config{Store: "bolt", TokenDir: p.dir()})
		wants(t, err, ck.CKR_OK)
		wantsNoPlace(t, q)
	})
}

// wantsNoPlace fails the test unless the place has no tokens, and says why.
func wantsNoPlace(t *testing.T, p *Place) {
	t.Helper()
	tokens, next, err := p.List()
	if len(tokens) != 0 || next == "" {
		t.Errorf("List: %v %q", tokens, next)
	}
	_, other := p.Format("", Format{SOPIN: soPIN, KDF: "test"})
	for _, err := range []error{err, other} {
		if wants(t, err, ck.CKR_FUNCTION_FAILED); !errors.Is(err, ErrNoPlace) || !strings.Contains(fmt.Sprint(err), p.dir()) {
			t.Errorf("the error does not say that there is no %s: %v", p.dir(), err)
		}
	}
}

// TestNoPlace opens places that cannot be made, and one of them later, when it can.
func TestNoPlace(t *testing.T) {
	dir := t.TempDir()
	wants(t, os.WriteFile(dir+"/file", nil, 0o600), ck.CKR_OK)
	for _, name := range []string{"/proc/none/tokens", dir + "/file", dir + "/file/tokens"} {
		p, err := OpenPlace(&config.Config{Store: "bolt", TokenDir: name})
		wants(t, err, ck.CKR_OK)
		wantsNoPlace(t, p)
		if !strings.HasSuffix(name, "/file/tokens") {
			continue
		}
		wants(t, os.Remove(dir+"/file"), ck.CKR_OK)
		before := p.Stamp()
		tok, err := p.Format("", Format{SOPIN: soPIN, KDF: "test"})
		wants(t, err, ck.CKR_OK)
		tokens, _, err := p.List()
		if wants(t, err, ck.CKR_OK); len(tokens) != 1 || tokens[0] != tok.uuid || p.Stamp() == before {
			t.Errorf("List: %v", tokens)
		}
	}
}

// asNobody runs f with the file system rights of user 65534, on a thread of its own.
func asNobody(t *testing.T, f func()) {
	t.Helper()
	asUser(t, func() error { return unix.Setfsuid(65534) }, f)
}

// asUser runs f on a thread of its own, after become.
func asUser(t *testing.T, become func() error, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked: the thread ends with its rights
		if err := become(); err != nil {
			t.Error(err)
			return
		}
		f()
	}()
	<-done
}

// TestTooManyTokens puts more tokens into a directory than are used: the first are, the log tells so once, and no other is made.
func TestTooManyTokens(t *testing.T) {
	defer func(most int) { maxTokens = most }(maxTokens)
	maxTokens = 5
	p := newPlace(t, "bolt")
	var log bytes.Buffer
	p.env.log = slog.New(slog.NewTextHandler(&log, nil))
	tok, k := makeToken(t, p)
	k.Wipe()
	planted := func(n int) string { return fmt.Sprintf("%08x-0000-4000-8000-000000000000", n) }
	holds := func(n int, lines int) {
		t.Helper()
		tokens, next, err := p.List()
		wants(t, err, ck.CKR_OK)
		if len(tokens) != n || !slices.IsSorted(tokens) || next == "" || n == maxTokens && slices.Contains(tokens, planted(0xffff0000+5)) {
			t.Errorf("%d tokens, want %d: %v", len(tokens), n, tokens)
		}
		if got := strings.Count(log.String(), "more tokens"); got != lines {
			t.Errorf("%d lines, want %d", got, lines)
		}
	}
	holds(1, 0)
	for n := range 4 {
		wants(t, os.WriteFile(p.file(planted(n)+suffix), nil, 0o600), ck.CKR_OK)
	}
	wants(t, os.Mkdir(p.file(planted(9)+suffix), 0o700), ck.CKR_OK) // none of a token
	holds(5, 0)
	_, err := p.Format("", Format{SOPIN: soPIN, KDF: "test"})
	wants(t, err, ck.CKR_DEVICE_MEMORY)
	for n := range 3 {
		wants(t, os.WriteFile(p.file(planted(0xffff0000+5+n)+suffix), nil, 0o600), ck.CKR_OK)
		holds(5, 1)
	}
	for n := range 3 {
		wants(t, os.Remove(p.file(planted(0xffff0000+5+n)+suffix)), ck.CKR_OK)
	}
	wants(t, os.Remove(p.file(planted(1)+suffix)), ck.CKR_OK)
	holds(4, 1)
	_, err = p.Format("", Format{SOPIN: soPIN, KDF: "test"})
	wants(t, err, ck.CKR_OK)
	wants(t, os.WriteFile(p.file(planted(1)+suffix), nil, 0o600), ck.CKR_OK)
	holds(5, 2)
	unlock(t, tok, SO, soPIN).Wipe()
}

// TestNoDescriptors holds that opening, using and closing a place leaves no descriptor.
func TestNoDescriptors(t *testing.T) {
	count := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	dir := t.TempDir()
	cycle := func() {
		p, err := OpenPlace(&config.Config{Store: "bolt", TokenDir: dir})
		wants(t, err, ck.CKR_OK)
		tokens, _, err := p.List()
		wants(t, err, ck.CKR_OK)
		if len(tokens) == 0 {
			_, err := p.Format("", Format{SOPIN: soPIN, KDF: "test"})
			wants(t, err, ck.CKR_OK)
			return
		}
		tok, err := p.Token(tokens[0])
		wants(t, err, ck.CKR_OK)
		k := unlock(t, tok, SO, soPIN)
		create(t, tok, k, private("a"))
		k.Wipe()
		wants(t, p.Close(), ck.CKR_OK)
	}
	cycle()
	cycle()
	before := count()
	for range 5 {
		cycle()
	}
	if after := count(); after != before {
		t.Errorf("%d descriptors, were %d", after, before)
	}
}

// TestPlaceKinds opens a place of each kind there is by the setting "store".
func TestPlaceKinds(t *testing.T) {
	none := func(string) string { return "" }
	for name := range placeKinds {
		cfg, err := config.LoadFrom("store='"+name+"' tokendir='"+t.TempDir()+"'", none)
		if err != nil {
			t.Fatalf("placeKinds has %q, and the words of the setting in internal/config/config.go do not: %v", name, err)
		}
		p, err := OpenPlace(cfg)
		wants(t, err, ck.CKR_OK)
		if _, next, err := p.List(); next == "" || err != nil {
			t.Errorf("%s: %q, %v", name, next, err)
		}
	}
	if _, err := config.LoadFrom("store='none'", none); err == nil {
		t.Error("a store that there is not is taken")
	}
	_, err := OpenPlace(&config.Config{Store: "none"})
	wants(t, err, ck.CKR_ARGUMENTS_BAD)
}
