package store

import (
	"fmt"
	"io/fs"
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

// A dirPlace is a directory of token files.
//
// For each token stand in it <uuid>.token, which is the token, and .<uuid>.lock, by which processes share it and
// which any of them makes anew, and for moments .<uuid>.new and .<uuid>.moved, which are of a file that takes its place; further "next",
// the UUID of the token that is made next, and ".place", which has a counter of the tokens that were added (sharedcounter.go).
type dirPlace struct {
	dir      string
	env      *environment
	wrapDisk func(disk) disk // wraps the disk: tests put faults in

	mu       sync.Mutex
	ownNext  string // the next token where the directory does not keep it
	toldFull bool   // the log tells of too many tokens
	counter  atomic.Pointer[sharedCounter]
}

var _ placeBackend = (*dirPlace)(nil)

// newDirPlace returns the directory that cfg names. Nothing is made yet.
func newDirPlace(cfg *config.Config, env *environment) placeBackend {
	return &dirPlace{dir: cfg.TokenDir, env: env, ownNext: formatUUID(newUUID())}
}

// locateFile names the directory that cfg names, and the file of a token in it.
func locateFile(cfg *config.Config, uuid string) string {
	if uuid == "" {
		return cfg.TokenDir
	}
	return filepath.Join(cfg.TokenDir, uuid+suffix)
}

// prepare implements placeBackend: it makes the directory where there is none, and maps its counter.
func (p *dirPlace) prepare() error {
	if err := os.MkdirAll(p.dir, 0o700); err != nil {
		return dirError(p.dir, err)
	}
	d, err := openDir(p.dir)
	if err != nil {
		return err
	}
	defer d.close()
	if c := p.counter.Load(); c != nil && !c.lost.Load() {
		return nil
	}
	if l, err := takeLock(d, placeName, false, true); err == nil && l != nil {
		p.ensureCounter(l)
		l.release()
	}
	return nil
}

// ensureCounter maps the counter of the place where that has not been done, or where somebody cut its file short.
func (p *dirPlace) ensureCounter(l *lock) {
	if c := p.counter.Load(); c != nil && !c.lost.Load() {
		return
	}
	if c, err := mapCounter(l.fd(), &l.st, l.readOnly); err == nil {
		p.counter.Store(c)
	}
}

// noPlace is ErrNoPlace in an error whose text says enough.
type noPlace struct{}

func (noPlace) Error() string        { return "" }
func (noPlace) Is(target error) bool { return target == ErrNoPlace }

// file returns the path of a file of the directory.
func (p *dirPlace) file(name string) string { return filepath.Join(p.dir, name) }

// list implements placeBackend. Of more than maxTokens it returns the first.
func (p *dirPlace) list() (tokens []string, next string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	d, err := openDir(p.dir)
	if err != nil {
		return nil, p.ownNext, err
	}
	defer d.close()
	names, err := d.names()
	if err != nil {
		return nil, "", err
	}
	return p.tokensOf(d, names), p.nextUUID(d), nil
}

// maxTokens is how many tokens of a directory are used: a process asks about each of them, and keeps what it learns. A variable, so that tests
// need not make as many.
var maxTokens = 1024

// tokensOf returns the tokens that names are of, sorted: those that come first, where there are too many. The caller has the mutex.
func (p *dirPlace) tokensOf(d *dir, names []string) (tokens []string) {
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
		} else if d.fileMode(name)&unix.S_IFMT != unix.S_IFDIR {
			tokens = append(tokens, uuid)
		}
	}
	if more > 0 && !p.toldFull {
		p.env.log.Error("there are more tokens than are used", "directory", p.dir, "used", len(tokens), "others", more)
	}
	p.toldFull = more > 0
	return tokens
}

// The files of a directory that are no token's: the UUID of the next one, and the lock under which tokens are made.
const (
	nextName  = "next"
	placeName = ".place"
)

// nextUUID returns the UUID that the directory keeps for the next token, and makes one where there is none. Where it
// cannot be kept it is this process's own.
func (p *dirPlace) nextUUID(d *dir) string {
	if uuid, ok := readNext(d); ok {
		return uuid
	}
	l, err := takeLock(d, placeName, true, true)
	if err != nil {
		return p.ownNext
	}
	defer l.release()
	if uuid, ok := readNext(d); ok {
		return uuid
	}
	if uuid, err := renewNext(d); err == nil {
		return uuid
	}
	return p.ownNext
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
	return uuid, d.fileMode(uuid+suffix) == 0
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
		f.takeOwner(&unix.Stat_t{Gid: d.st.Gid, Mode: 0o660})
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

// stamp implements placeBackend.
func (p *dirPlace) stamp() uint64 {
	// The directory's time tells of files that were copied here or removed, in steps of some milliseconds; the word of
	// tokens that were made.
	var st unix.Stat_t
	_ = unix.Stat(p.dir, &st)
	stamp := uint64(st.Mtim.Nano())
	if c := p.counter.Load(); c != nil {
		stamp += c.load() * 0x9e3779b97f4a7c15 // an odd number: no count of tokens hides a step of the clock
	}
	return stamp
}

// open implements placeBackend.
func (p *dirPlace) open(uuid string) (backend, error) {
	d, err := openDir(p.dir)
	if err != nil {
		return nil, err
	}
	defer d.close()
	if d.fileMode(uuid+suffix) == 0 {
		return nil, fileError(p.file(uuid+suffix), fs.ErrNotExist)
	}
	return p.token(uuid), nil
}

// token returns the file of a token, which need not be there.
func (p *dirPlace) token(uuid string) *boltFile {
	be := newBoltFile(p.dir, uuid)
	be.wrapDisk = p.wrapDisk
	return be
}

// create implements placeBackend.
func (p *dirPlace) create(uuid string, write func(tx) error) (backend, error) {
	var made *boltFile
	err := p.add(uuid, false, func(be *boltFile) error {
		made = be
		return be.create(write)
	})
	if err != nil {
		return nil, err
	}
	return made, nil
}

// add has a token added by put, or with over put anew. No other is added meanwhile.
func (p *dirPlace) add(uuid string, over bool, put func(*boltFile) error) error {
	tokens, _, err := p.list()
	if err != nil {
		return err
	}
	if len(tokens) >= maxTokens && !(over && slices.Contains(tokens, uuid)) { // it might not be found again
		return fmt.Errorf("%w: there are %d tokens, and no more are used", ck.CKR_DEVICE_MEMORY, len(tokens))
	}
	d, err := openDir(p.dir)
	if err != nil {
		return err
	}
	defer d.close()
	l, err := takeLock(d, placeName, true, true)
	if err != nil {
		return err
	}
	defer l.release()
	if err := put(p.token(uuid)); err != nil {
		return err
	}
	p.ensureCounter(l)
	if _, ok := readNext(d); !ok {
		_, _ = renewNext(d) // where that fails list does it
	}
	if c := p.counter.Load(); c != nil {
		c.add()
	}
	return nil
}

// close implements placeBackend.
func (p *dirPlace) close() { p.counter.Store(nil) }
