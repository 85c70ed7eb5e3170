package store

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync/atomic"

	berrors "go.etcd.io/bbolt/errors"
	"golang.org/x/sys/unix"

	"github.com/softcsp/softcsp/ck"
)

// A boltFile is a token in a bbolt file. The file is open during a transaction only, under a lock on a second file beside it, the
// sidecar, which has the generation in it (sharedcounter.go). pages.go reads the file; tree.go makes the pages that a commit writes.
type boltFile struct {
	dir, name, sidecar string
	path               string          // of the file, for messages
	wrapDisk           func(disk) disk // wraps the disk: tests put faults in

	counter  atomic.Pointer[sharedCounter]
	lastSeen atomic.Uint64 // the generation last seen, for where there is no counter
	walked   atomic.Pointer[walkedFile]

	rewriteFailed atomic.Int64 // when writing the file anew failed last: compact.go
	refreshed     perSecond    // when refresh last looked
}

// A walkedFile is the file as it was when this process last found that no page of it is used twice.
type walkedFile struct {
	dev, ino uint64
	modified unix.Timespec
	commit   uint64 // its number
}

var _ backend = (*boltFile)(nil)

// newBoltFile returns the token uuid in dir. Nothing is opened yet.
func newBoltFile(dir, uuid string) *boltFile {
	return &boltFile{dir: dir, name: uuid + suffix, sidecar: "." + uuid + ".lock", path: filepath.Join(dir, uuid+suffix)}
}

// A lockedDir is a token's directory while this process has the token's lock.
type lockedDir struct {
	disk
	scratch   func(size int64) (*plainFile, error) // makes a file without a name: (*dir).scratch
	lock      *lock
	heartbeat func() // called now and then by what takes long, nil otherwise
}

// withLock runs f under the token's lock: exclusive for writing. Without wait it answers errBusy where another process has the lock.
func (b *boltFile) withLock(exclusive, wait bool, f func(*lockedDir) error) error {
	d, err := openDir(b.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return fileError(b.path, fs.ErrNotExist)
	} else if err != nil {
		return err
	}
	defer d.close()
	l, err := takeLock(d, b.sidecar, exclusive, wait)
	if err != nil {
		return err
	}
	defer l.release()
	err = recoverDamage(b.path, func() error { return f(b.lockedDirOf(d, l)) })
	if l != nil && l.st.Size == 0 && ck.Code(err) == ck.CKR_TOKEN_NOT_PRESENT {
		_ = d.remove(b.sidecar) // which was made for nothing: the token is gone
	}
	return err
}

// lockedDirOf returns the directory d for who has the lock l.
func (b *boltFile) lockedDirOf(d *dir, l *lock) *lockedDir {
	ld := &lockedDir{disk: d, scratch: d.scratch, lock: l}
	if b.wrapDisk != nil {
		ld.disk = b.wrapDisk(d)
	}
	return ld
}

// A pageError is what is wrong with a page. It is thrown by functions that return no error, and caught by recoverDamage.
type pageError struct{ err error }

// recoverDamage runs f, and makes an error of a panic, whatever panicked: a damaged file leads to one, or a mapping whose file was cut
// short, in code (bbolt's too) that takes what it reads for sound.
func recoverDamage(path string, f func() error) (err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case pageError:
			err = r.err
		default:
			err = tampered("%s is damaged: %v", path, r)
		}
	}()
	return f()
}

// view implements backend.
func (b *boltFile) view(f func(tx) error) error {
	return b.withLock(false, true, func(ld *lockedDir) error { return b.read(ld, f) })
}

// openFile opens the token's file.
func (b *boltFile) openFile(ld *lockedDir, write bool) (file, unix.Stat_t, error) {
	f, err := ld.open(b.name, write)
	if err != nil {
		return nil, unix.Stat_t{}, fileError(b.path, err)
	}
	st, err := f.stat()
	if err != nil {
		_ = f.close()
	}
	return f, st, fileError(b.path, err)
}

// read runs f over the file.
func (b *boltFile) read(ld *lockedDir, f func(tx) error) error {
	return b.readFrom(ld, func(_ file, x *boltTx) error { return f(x) })
}

// readFrom is read for callers that need the file, too.
func (b *boltFile) readFrom(ld *lockedDir, f func(from file, x *boltTx) error) error {
	file, st, err := b.openFile(ld, false)
	if err != nil {
		return err
	}
	defer func() { _ = file.close() }()
	pages, err := openPages(b.path, file, &st)
	if err != nil {
		return err
	}
	defer pages.close()
	x := &boltTx{pages: pages, st: &st}
	if _, err := pages.get(bHeader, headerGeneration); err == nil { // what f finds on other pages may still be read
		b.repairCounter(ld.lock, x.generation())
	}
	if err := f(file, x); err != nil || ld.lock != nil {
		return err
	}
	// There is no lock that this process may take. Pages are not written over before the commit after the next.
	if again, err := openPages(b.path, file, &st); err != nil || again.meta.number != pages.meta.number {
		return fmt.Errorf("%w: %s was changed while it was read, and %s cannot be read", ck.CKR_FUNCTION_FAILED, b.path, b.sidecar)
	}
	return nil
}

// update implements backend.
func (b *boltFile) update(f func(tx) error, done func()) error {
	return b.alone(func(update updater) error { return update(f, done) })
}

// alone implements backend.
func (b *boltFile) alone(f func(update updater) error) error {
	return b.aloneAfter(nil, f)
}

// aloneAfter calls before with the file, and then does what alone does.
func (b *boltFile) aloneAfter(before func(ld *lockedDir, from file, size int64) error, f func(update updater) error) error {
	return b.withLock(true, true, func(ld *lockedDir) error {
		file, st, err := b.openFile(ld, true)
		if err != nil {
			return err
		}
		mostlyFree := false
		if before != nil {
			err = fileError(b.path, before(ld, file, st.Size))
		}
		if err == nil {
			err = f(func(g func(tx) error, done func()) error { return b.commit(ld, file, g, done, &mostlyFree) })
		}
		_ = file.close()
		if err == nil && mostlyFree {
			b.rewriteIfNeeded(ld)
		}
		return err
	})
}

// commit runs f over the open file and, where it has written, commits. It notes whether that left the file mostly empty.
func (b *boltFile) commit(ld *lockedDir, file file, f func(tx) error, done func(), mostlyFree *bool) error {
	st, err := file.stat()
	if err != nil {
		return fileError(b.path, err)
	}
	pages, err := openPages(b.path, file, &st)
	if err != nil {
		return err
	}
	defer pages.close()
	if err := b.walkIfChanged(pages, file, &st); err != nil {
		return err
	}
	if pages.meta.number >= maxNumber { // the next would not be taken for the newest
		return pages.damaged("its commits are more than there can be")
	}
	pages.leafBudget = 4 << 20 // what is read now is needed again to write
	x := &boltTx{pages: pages, st: &st, writes: map[bucket]map[string][]byte{}}
	gen := x.generation()
	b.repairCounter(ld.lock, gen)
	if err := f(x); err != nil || len(x.writes) == 0 {
		return err
	}
	if err := x.put(bHeader, headerGeneration, beBytes(gen+1)); err != nil {
		return err
	}
	relaxed := false
	if h, err := parseHeader(x.get(bHeader, headerStatic)); err == nil {
		relaxed = h.relaxed
	}
	made, err := x.build()
	if err != nil {
		return err
	}
	if err := b.checkUnmoved(ld, file, pages); err != nil {
		return err
	}
	if !relaxed {
		if err := b.ensureDurable(ld.lock, file, pages); err != nil {
			return fileError(b.path, err)
		}
	}
	if err := made.reserveSpace(file, &st, x.addsObjects()); err != nil {
		return fileError(b.path, err)
	}
	if err := b.syncName(ld); err != nil {
		return fileError(b.path, err)
	}
	return b.publish(gen, done, func() error {
		err := made.write(file, relaxed, func() error { return b.checkUnmoved(ld, file, pages) })
		if err == nil {
			b.noteWalked(file, made.number)
			*mostlyFree = made.mostlyFree()
			if !relaxed {
				ld.lock.setDurableCommit(made.checksum())
			}
		}
		return err
	})
}

// checkUnmoved makes sure that this process still has the lock, and that nobody has committed to the file, or put another in its place,
// while it did not: a host that opens and closes the sidecar, or closes descriptors that are not its own, drops the lock. It is asked
// before anything is written, and again before what was written becomes the commit.
func (b *boltFile) checkUnmoved(ld *lockedDir, file file, pages *pageReader) error {
	if err := ld.lock.checkHeld(); err != nil {
		return err
	}
	now := &pageReader{path: b.path, file: file}
	if err := now.readMeta(); err != nil {
		return err
	}
	st, err := file.stat()
	if err != nil {
		return fileError(b.path, err)
	}
	if now.meta.number != pages.meta.number || st.Nlink == 0 {
		return fmt.Errorf("%w: %s was changed while it was locked: something in this process closes %s, or put another file in its place",
			ck.CKR_FUNCTION_FAILED, b.path, b.sidecar)
	}
	return nil
}

// ensureDurable makes sure that the last commit is on the disk. The next one writes over pages that only the commit before the last has in use.
// Whoever made the last commit may have been killed, or have met an error, before the disk had it: then others read it from the
// system's memory, and after a power cut the commit before it would stand again, with some of its pages written over.
func (b *boltFile) ensureDurable(l *lock, file file, pages *pageReader) error {
	if l.durableCommit() == leUint64(pages.meta.raw[metaSize-8:]) {
		return nil
	}
	// After an error the kernel may take the page for written. It is written again.
	if _, err := file.WriteAt(metaPage(pages.meta.index, pages.meta.raw[:]), int64(pages.meta.index*pageSize)); err != nil {
		return err
	}
	return file.sync()
}

// publish commits the generation after gen, and tells every process. Where the commit fails the counter stays odd, so that whoever reads it
// looks into the file: a commit that failed may be there all the same.
func (b *boltFile) publish(gen uint64, done func(), commit func() error) error {
	c := b.counter.Load()
	if c != nil {
		c.store(gen<<1 | 1)
	}
	if err := commit(); err != nil {
		return fileError(b.path, err)
	}
	if done != nil {
		done()
	}
	b.lastSeen.Store(gen + 1)
	if c != nil {
		c.store((gen + 1) << 1)
	}
	return nil
}

// repairCounter sets the shared counter to the generation that the file has. They differ where a writer died, where the machine was switched
// off, or where the file was copied here. The caller has the lock, so that no writer is at work.
func (b *boltFile) repairCounter(l *lock, gen uint64) {
	b.lastSeen.Store(gen)
	if l == nil {
		return
	}
	c := b.counter.Load()
	if c == nil || c.lost.Load() || c.dev != l.st.Dev || c.ino != l.st.Ino || c.readOnly && !l.readOnly {
		var err error
		if c, err = mapCounter(l.fd(), &l.st, l.readOnly); err != nil {
			return
		}
		b.counter.Store(c)
	}
	if c.load() != gen<<1 {
		c.store(gen << 1)
	}
}

// refresh implements backend. Where somebody has removed the sidecar, others make a new one, and this process would go on reading the counter
// of the old one and never hear of a commit. So it looks for that, once a second at most, and forgets the counter then.
func (b *boltFile) refresh() {
	c := b.counter.Load()
	if c == nil || !b.refreshed.due() {
		return
	}
	var st unix.Stat_t
	err := unix.Lstat(filepath.Join(b.dir, b.sidecar), &st)
	if err == nil && (st.Dev != c.dev || st.Ino != c.ino) || errors.Is(err, unix.ENOENT) {
		b.counter.CompareAndSwap(c, nil)
	}
}

// walkIfChanged tests that no page of the file is used twice: before this process writes to it for the first time, and where the file has
// changed without a commit. A file that was made to hide such a change by a higher number of its commit is damaged already, and the worst
// is that it stays so.
func (b *boltFile) walkIfChanged(pages *pageReader, file file, st *unix.Stat_t) error {
	s := b.walked.Load()
	if s != nil && s.dev == st.Dev && s.ino == st.Ino && (s.modified == st.Mtim || s.commit < pages.meta.number) {
		return nil
	}
	whole, err := openPages(b.path, file, st)
	if err != nil {
		return err
	}
	defer whole.close()
	return whole.walk()
}

// noteWalked remembers the file as it is now, after a commit.
func (b *boltFile) noteWalked(file file, number uint64) {
	if st, err := file.stat(); err == nil {
		b.walked.Store(&walkedFile{st.Dev, st.Ino, st.Mtim, number})
	}
}

// generation implements backend.
func (b *boltFile) generation() uint64 {
	if c := b.counter.Load(); c != nil {
		if v := c.load(); v&1 == 0 && v != 0 {
			return v >> 1
		}
	}
	return b.readGeneration()
}

// readGeneration reads the generation from the file, where the counter does not tell it. While a writer is at work it
// returns the generation before: nobody has been told of a later one yet.
func (b *boltFile) readGeneration() uint64 {
	c := b.counter.Load()
	gen := b.lastSeen.Load()
	err := b.withLock(false, c == nil || c.load() == 0, func(ld *lockedDir) error {
		return b.read(ld, func(x tx) error {
			gen = x.generation()
			return nil
		})
	})
	if errors.Is(err, errBusy) {
		return c.load() >> 1
	}
	return gen
}

// fileError puts a return value on an error that has none.
func fileError(path string, err error) error {
	var rv ck.RV
	switch {
	case err == nil || errors.As(err, &rv):
		return err
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: there is no %s", ck.CKR_TOKEN_NOT_PRESENT, path)
	case errors.Is(err, fs.ErrPermission) || errors.Is(err, unix.EROFS):
		return fmt.Errorf("%w: %v", ck.CKR_TOKEN_WRITE_PROTECTED, err)
	case errors.Is(err, berrors.ErrInvalid) || errors.Is(err, berrors.ErrVersionMismatch):
		return unrecognized("%s is not a token file: %v", path, err)
	case isFull(err):
		return fmt.Errorf("%w: %s: %v", ck.CKR_DEVICE_MEMORY, path, err)
	}
	return fmt.Errorf("%w: %s: %v", ck.CKR_DEVICE_ERROR, path, err)
}
