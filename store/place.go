package store

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/config"
)

// suffix is how the name of a token file ends.
const suffix = ".token"

// A Place is where tokens live: a directory, or the memory of this process.
//
// In a directory stand, for each token, <uuid>.token, which is the token, and .<uuid>.lock, by which processes share it and
// which any of them makes anew, and for moments .<uuid>.new and .<uuid>.moved, which are of a file that takes its place; further "next", the UUID of the token that the next Format makes, and ".place", whose
// word is counted up when a token is added.
type Place struct {
	dir string // "" for memory
	env environment

	over func(disk) disk // tests put faults between

	mu     sync.Mutex
	tokens map[string]*Token
	next   string // where the directory does not keep it
	full   bool   // the log tells of too many tokens
	stamp  atomic.Uint64
	word   atomic.Pointer[word]
}

// OpenPlace opens the place that cfg names. It makes the directory where there is none (mode 0700). Where that cannot be done, or
// the directory cannot be read, the place has no tokens, and List and Format say why.
func OpenPlace(cfg *config.Config) (*Place, error) {
	p := &Place{tokens: map[string]*Token{}, next: formatUUID(newUUID())}
	p.env = environment{
		log: cfg.Logger(), machine: &machine{cfg.StateDir}, separation: SeparationStandard, readonlyLogin: cfg.ReadonlyLogin,
	}
	if cfg.KeySeparation == "strict" {
		p.env.separation = SeparationStrict
	}
	if cfg.Store == "memory" {
		p.env.machine = nil
	}
	if cfg.Store == "memory" {
		return p, nil
	}
	p.dir = cfg.TokenDir
	_ = p.prepare()
	return p, nil
}

// prepare makes the directory where there is none, and maps its word.
func (p *Place) prepare() error {
	if err := os.MkdirAll(p.dir, 0o700); err != nil {
		return dirError(p.dir, err)
	}
	d, err := openDir(p.dir)
	if err != nil {
		return err
	}
	defer d.close()
	if w := p.word.Load(); w != nil && !w.lost.Load() {
		return nil
	}
	if l, err := takeLock(d, placeName, false, true); err == nil && l != nil {
		p.remap(l)
		l.release()
	}
	return nil
}

// remap maps the word of the place where that has not been done, or where somebody cut its file short.
func (p *Place) remap(l *lock) {
	if w := p.word.Load(); w != nil && !w.lost.Load() {
		return
	}
	if w, err := mapWord(l.fd(), &l.st, l.readOnly); err == nil {
		p.word.Store(w)
	}
}

// ErrNoPlace is behind the answer of List and Format where there is no such directory, it cannot be made, or this process may not
// use it.
var ErrNoPlace = errors.New("there is no such place")

// noPlace is ErrNoPlace in an error whose text says enough.
type noPlace struct{}

func (noPlace) Error() string        { return "" }
func (noPlace) Is(target error) bool { return target == ErrNoPlace }

// Forget wipes what this process remembers of PINs.
func (p *Place) Forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range p.tokens {
		t.Forget()
	}
}

// Close lets go of every token. Everything in a memory place is gone then.
func (p *Place) Close() error {
	p.Forget()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tokens = map[string]*Token{}
	p.word.Store(nil)
	return nil
}

// file returns the path of a file of the directory.
func (p *Place) file(name string) string { return filepath.Join(p.dir, name) }

// List returns the UUIDs of the tokens there are, sorted, and of the token that the next Format will make, which is
// the same in every process until then. A file that is not called like a token's is passed over; one that is called so
// and is none is listed, and its Info says what is wrong with it. Of more than maxTokens the first are returned.
func (p *Place) List() (tokens []string, next string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dir == "" {
		return slices.Sorted(maps.Keys(p.tokens)), p.next, nil
	}
	d, err := openDir(p.dir)
	if err != nil {
		return nil, p.next, err
	}
	defer d.close()
	names, err := d.names()
	if err != nil {
		return nil, "", err
	}
	return p.tokensOf(d, names), p.reserved(d), nil
}

// maxTokens is how many tokens of a directory are used: a process asks about each of them, and keeps what it learns. A variable, so that tests
// need not make as many.
var maxTokens = 1024

// tokensOf returns the tokens that names are of, sorted: those that come first, where there are too many. The caller has the mutex.
func (p *Place) tokensOf(d *dir, names []string) (tokens []string) {
	slices.Sort(names)
	more := 0
	for _, name := range names {
		uuid, ok := strings.CutSuffix(name, suffix)
		if !ok {
			continue
		}
		if _, err := parseUUID(uuid); err != nil {
			continue
		}
		if len(tokens) == maxTokens {
			more++
		} else if d.kind(name)&unix.S_IFMT != unix.S_IFDIR {
			tokens = append(tokens, uuid)
		}
	}
	if more > 0 && !p.full {
		p.env.log.Error("there are more tokens than are used", "directory", p.dir, "used", len(tokens), "others", more)
	}
	p.full = more > 0
	return tokens
}

// The files of a directory that are no token's: the UUID of the next one, and the lock under which tokens are made.
const (
	nextName  = "next"
	placeName = ".place"
)

// reserved returns the UUID that the directory keeps for the next token, and makes one where there is none. Where it
// cannot be kept it is this process's own.
func (p *Place) reserved(d *dir) string {
	if uuid, ok := readNext(d); ok {
		return uuid
	}
	l, err := takeLock(d, placeName, true, true)
	if err != nil {
		return p.next
	}
	defer l.release()
	if uuid, ok := readNext(d); ok {
		return uuid
	}
	if uuid, err := renewNext(d); err == nil {
		return uuid
	}
	return p.next
}

// readNext reads the UUID of the next token, and tests that there is no such token yet.
func readNext(d *dir) (string, bool) {
	f, err := d.open(nextName, false)
	if err != nil {
		return "", false
	}
	defer func() { _ = f.close() }()
	b := make([]byte, 64)
	n, _ := f.ReadAt(b, 0)
	uuid := strings.TrimSpace(string(b[:n]))
	if _, err := parseUUID(uuid); err != nil {
		return "", false
	}
	return uuid, d.kind(uuid+suffix) == 0
}

// renewNext keeps a new UUID for the next token. The caller has the place's lock, so every file that such a renewal would make
// on the way is of a process that died.
func renewNext(d *dir) (string, error) {
	names, err := d.names()
	if err != nil {
		return "", err
	}
	for _, name := range names {
		if strings.HasPrefix(name, "."+nextName) {
			_ = d.remove(name)
		}
	}
	uuid := formatUUID(newUUID())
	fresh := "." + nextName + "-" + formatUUID(newUUID())[:8]
	f, err := d.create(fresh)
	if err != nil {
		return "", err
	}
	if d.shared() {
		f.like(&unix.Stat_t{Gid: d.st.Gid, Mode: 0o660})
	}
	_, err = f.WriteAt([]byte(uuid+"\n"), 0)
	_ = f.close()
	if err == nil {
		err = d.rename(fresh, nextName, true)
	}
	if err != nil {
		_ = d.remove(fresh)
	}
	return uuid, err
}

// Stamp changes when a token is added to or removed from the place. It is cheap enough to ask in every C_GetSlotList.
func (p *Place) Stamp() uint64 {
	if p.dir == "" {
		return p.stamp.Load()
	}
	// The directory's time tells of files that were copied here or removed, in steps of some milliseconds; the word of
	// tokens that were made.
	var st unix.Stat_t
	_ = unix.Stat(p.dir, &st)
	stamp := uint64(st.Mtim.Nano())
	if w := p.word.Load(); w != nil {
		stamp += w.load() * 0x9e3779b97f4a7c15 // an odd number: no count of tokens hides a step of the clock
	}
	return stamp
}

// Token opens a token by its UUID. The same *Token is returned each time.
func (p *Place) Token(uuid string) (*Token, error) {
	raw, err := parseUUID(uuid)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if t := p.tokens[uuid]; t != nil {
		return t, nil
	}
	if p.dir == "" {
		return nil, ck.CKR_TOKEN_NOT_PRESENT
	}
	d, err := openDir(p.dir)
	if err != nil {
		return nil, err
	}
	defer d.close()
	if d.kind(uuid+suffix) == 0 {
		return nil, fileError(p.file(uuid+suffix), fs.ErrNotExist)
	}
	be := newBoltFile(p.dir, uuid)
	be.over = p.over
	t := newToken(raw, be, p.env)
	p.tokens[uuid] = t
	return t, nil
}

// Format makes a new token. uuid is the next one as List told it, or "" for whichever is next. Where another process was
// faster it answers ErrExists.
func (p *Place) Format(uuid string, f Format) (*Token, error) {
	if p.dir != "" {
		if err := p.prepare(); err != nil {
			return nil, err
		}
	}
	tokens, next, err := p.List()
	if err != nil {
		return nil, err
	}
	if p.dir != "" && len(tokens) >= maxTokens { // it might not be found again
		return nil, fmt.Errorf("%w: there are %d tokens, and no more are used", ck.CKR_DEVICE_MEMORY, len(tokens))
	}
	if uuid == "" {
		uuid = next
	}
	raw, err := parseUUID(uuid)
	if err != nil {
		return nil, err
	}
	if p.dir == "" {
		return p.formatMemory(raw, f)
	}
	be := newBoltFile(p.dir, uuid)
	be.over = p.over
	t := newToken(raw, be, p.env)
	n, err := t.founding(f)
	if err != nil {
		return nil, err
	}
	defer n.keys.Wipe()
	d, err := openDir(p.dir)
	if err != nil {
		return nil, err
	}
	defer d.close()
	l, err := takeLock(d, placeName, true, true)
	if err != nil {
		return nil, err
	}
	defer l.release()
	if err := be.create(n.write); err != nil {
		return nil, err
	}
	t.accept(n.keys)
	p.remap(l)
	_, _ = renewNext(d) // where that fails List does it
	if w := p.word.Load(); w != nil {
		w.add()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tokens[uuid] = t
	return t, nil
}

// formatMemory is Format in memory.
func (p *Place) formatMemory(raw [16]byte, f Format) (*Token, error) {
	t := newToken(raw, nil, p.env)
	n, err := t.founding(f)
	if err != nil {
		return nil, err
	}
	defer n.keys.Wipe()
	m, err := newMemory(n.write)
	if err != nil {
		return nil, err
	}
	t.be = m
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.tokens[t.uuid] != nil {
		return nil, ErrExists
	}
	p.tokens[t.uuid] = t
	p.next = formatUUID(newUUID())
	p.stamp.Add(1)
	return t, nil
}
