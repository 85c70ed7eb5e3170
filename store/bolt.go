package store

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
	"golang.org/x/sys/unix"

	"github.com/softcsp/softcsp/ck"
)

// A boltFile is a token in a bbolt file. The file is open during a transaction only: bbolt locks all of it, readers
// against writers, and other processes want it too. Before bbolt's lock stands one on the sidecar file, whose word is
// the generation.
type boltFile struct {
	path, sidecar string

	mu   sync.RWMutex // transactions of this process, so that few threads wait in the kernel
	word atomic.Pointer[word]
	last atomic.Uint64 // the generation last seen, where there is no word
	seen atomic.Pointer[sight]
}

// A sight is a file as this process last saw it, and found it sound.
type sight struct {
	ino  uint64
	size int64
	time unix.Timespec
	gen  uint64
}

var _ backend = (*boltFile)(nil)

// newBoltFile returns the token uuid in dir. Nothing is opened yet.
func newBoltFile(dir, uuid string) *boltFile {
	return &boltFile{path: filepath.Join(dir, uuid+suffix), sidecar: filepath.Join(dir, "."+uuid+".lock")}
}

// view implements backend.
func (b *boltFile) view(f func(tx) error) error {
	b.mu.RLock()
	defer b.mu.RUnlock()
	l, err := takeLock(b.sidecar, false, true)
	if err != nil {
		return err
	}
	defer l.release()
	return b.read(l, f)
}

// read runs f over the file. The caller has the lock, shared at least.
func (b *boltFile) read(l *lock, f func(tx) error) error {
	if err := b.inspect(); err != nil {
		return err
	}
	return b.open(b.path, true, func(db *bbolt.DB) error {
		btx, err := db.Begin(false)
		if err != nil {
			return fileError(b.path, err)
		}
		defer func() { _ = btx.Rollback() }()
		x := newBoltTx(btx)
		b.mend(l, x.generation())
		b.look(x.generation())
		return f(x)
	})
}

// update implements backend.
func (b *boltFile) update(f func(tx) error, done func()) error {
	return b.alone(func(update func(func(tx) error, func()) error) error { return update(f, done) })
}

// alone implements backend.
func (b *boltFile) alone(f func(update func(func(tx) error, func()) error) error) error {
	return b.exclusive(func(l *lock) error {
		if err := b.inspect(); err != nil {
			return err
		}
		return b.open(b.path, false, func(db *bbolt.DB) error {
			return f(func(g func(tx) error, done func()) error { return b.commit(l, db, g, done) })
		})
	})
}

// commit runs f over the open file and, where it has written, commits. The caller has the lock.
func (b *boltFile) commit(l *lock, db *bbolt.DB, f func(tx) error, done func()) error {
	btx, err := db.Begin(true)
	if err != nil {
		return fileError(b.path, err)
	}
	defer func() { _ = btx.Rollback() }() // does nothing after a commit
	x := newBoltTx(btx)
	gen := x.generation()
	b.mend(l, gen)
	if err := f(x); err != nil || !x.dirty {
		return err
	}
	if err := x.put(bHeader, keyGeneration, be64(gen+1)); err != nil {
		return err
	}
	if s, err := parseStatic(x.get(bHeader, keyStatic)); err == nil && s.relaxed {
		db.NoSync = true
	}
	return b.publish(gen, done, btx.Commit)
}

// replace implements backend. The new contents are a new file: nothing of the old one is left in free pages.
func (b *boltFile) replace(check func(tx) error, f func(tx) error) error {
	return b.exclusive(func(l *lock) error {
		var gen uint64
		err := b.read(l, func(x tx) error {
			gen = x.generation()
			return check(x)
		})
		if err != nil {
			return err
		}
		fresh, err := b.build(gen+1, f)
		if err != nil {
			return err
		}
		return b.publish(gen, nil, func() error {
			if err := os.Rename(fresh, b.path); err != nil {
				_ = os.Remove(fresh)
				return err
			}
			return syncDir(filepath.Dir(b.path))
		})
	})
}

// create makes the token's file, with what f writes in it, all at once.
func (b *boltFile) create(f func(tx) error) error {
	return b.exclusive(func(l *lock) error {
		fresh, err := b.build(1, f)
		if err != nil {
			return err
		}
		defer func() { _ = os.Remove(fresh) }()
		if err := os.Link(fresh, b.path); errors.Is(err, fs.ErrExist) {
			return ErrExists
		} else if err != nil {
			return fileError(b.path, err)
		}
		b.mend(l, 1)
		return syncDir(filepath.Dir(b.path))
	})
}

// build writes a file of generation gen beside the token's and returns its name.
func (b *boltFile) build(gen uint64, f func(tx) error) (string, error) {
	path := strings.TrimSuffix(b.sidecar, ".lock") + ".new"
	// The lock is ours, so what is there is of a process that died. It may be the token by another name: create.
	_ = os.Remove(path)
	temp, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", fileError(path, err)
	}
	_ = temp.Close()
	err = b.open(path, false, func(db *bbolt.DB) error {
		return fileError(path, db.Update(func(btx *bbolt.Tx) error {
			for n := range buckets {
				if _, err := btx.CreateBucket([]byte(n.String())); err != nil {
					return err
				}
			}
			x := newBoltTx(btx)
			if err := x.put(bHeader, keyGeneration, be64(gen)); err != nil {
				return err
			}
			return f(x)
		}))
	})
	if err != nil {
		_ = os.Remove(path)
		return "", err
	}
	return path, nil
}

// exclusive runs f while no other transaction runs, in any process.
func (b *boltFile) exclusive(f func(*lock) error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	l, err := takeLock(b.sidecar, true, true)
	if err != nil {
		return err
	}
	defer l.release()
	return f(l)
}

// publish commits the generation after gen, and tells it to every process. Where the commit fails the word stays odd:
// what came of it, the file knows.
func (b *boltFile) publish(gen uint64, done func(), commit func() error) error {
	w := b.word.Load()
	if w != nil {
		w.store(gen<<1 | 1)
	}
	if err := commit(); err != nil {
		return fileError(b.path, err)
	}
	if done != nil {
		done()
	}
	b.last.Store(gen + 1)
	b.look(gen + 1)
	if w != nil {
		w.store((gen + 1) << 1)
	}
	return nil
}

// mend sets the word to the generation that the file has: a writer died, the machine did, or the file was put here. The
// caller has the lock, so that no writer is at work.
func (b *boltFile) mend(l *lock, gen uint64) {
	b.last.Store(gen)
	if l == nil {
		return
	}
	w := b.word.Load()
	if w == nil || w.dev != l.st.Dev || w.ino != l.st.Ino || w.readOnly && !l.readOnly {
		var err error
		if w, err = mapWord(l.fd, &l.st, l.readOnly); err != nil {
			return
		}
		b.word.Store(w)
	}
	if w.load() != gen<<1 {
		w.store(gen << 1)
	}
}

// inspect walks the file where this process does not know it: at first, and where it changed and no commit explains that.
// The caller has the lock.
func (b *boltFile) inspect() (err error) {
	var st unix.Stat_t
	if err := unix.Stat(b.path, &st); err != nil {
		return fileError(b.path, err)
	}
	w, s := b.word.Load(), b.seen.Load()
	if s != nil && s.ino == st.Ino && st.Size >= s.size && (s.time == st.Mtim || w != nil && s.gen != w.load()>>1) {
		return nil
	}
	return guard(b.path, func() error { return walkFile(b.path, false) })
}

// look remembers the file as it is now, with what is known of it.
func (b *boltFile) look(gen uint64) {
	var st unix.Stat_t
	if unix.Stat(b.path, &st) == nil {
		b.seen.Store(&sight{st.Ino, st.Size, st.Mtim, gen})
	}
}

// generation implements backend.
func (b *boltFile) generation() uint64 {
	if w := b.word.Load(); w != nil {
		if v := w.load(); v&1 == 0 && v != 0 {
			return v >> 1
		}
	}
	return b.ask()
}

// ask finds the generation where the word does not tell it. While a writer is at work that is the one before: nobody
// has been told of a later one yet.
func (b *boltFile) ask() uint64 {
	w := b.word.Load()
	l, err := takeLock(b.sidecar, false, w == nil || w.load() == 0)
	switch {
	case errors.Is(err, errBusy):
		return w.load() >> 1
	case err != nil:
		return b.last.Load()
	}
	defer l.release()
	gen := b.last.Load()
	_ = b.read(l, func(x tx) error {
		gen = x.generation()
		return nil
	})
	return gen
}

// guard runs f. Whatever a damaged file makes of it, a panic or a fault in a mapping, is an error.
func guard(path string, f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = tampered("%s is damaged: %v", path, r)
		}
	}()
	return f()
}

// open opens the bbolt file at path for f, and closes it.
func (b *boltFile) open(path string, readOnly bool, f func(*bbolt.DB) error) error {
	var file *os.File
	closed := false
	err := guard(path, func() error {
		err := b.openBolt(path, readOnly, &file, f)
		closed = true
		return err
	})
	if !closed && file != nil { // bbolt panicked and holds its own locks for ever; the file's must go
		_ = unix.Flock(int(file.Fd()), unix.LOCK_UN)
		_ = file.Close()
	}
	return err
}

// openBolt is open for who deals with what bbolt makes of a damaged file.
func (b *boltFile) openBolt(path string, readOnly bool, file **os.File, f func(*bbolt.DB) error) error {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{
		ReadOnly:     readOnly,
		Timeout:      10 * time.Second, // the lock of this package lets nobody in: who has bbolt's is another program
		FreelistType: bbolt.FreelistMapType,
		NoStatistics: true,
		OpenFile: func(name string, flag int, _ os.FileMode) (_ *os.File, err error) {
			*file, err = os.OpenFile(name, flag&^os.O_CREATE, 0)
			return *file, err
		},
	})
	if err != nil {
		return fileError(path, err)
	}
	err = f(db)
	if e := closeBolt(db, *file); err == nil {
		err = fileError(path, e)
	}
	return err
}

// closeBolt closes db. A child that was forked meanwhile has the descriptor too, so the lock is given back by name.
func closeBolt(db *bbolt.DB, file *os.File) error {
	_ = unix.Flock(int(file.Fd()), unix.LOCK_UN)
	return db.Close()
}

// readOnly reports whether the file cannot be opened for writing. Opening it is what tells: rights come in many ways.
func (b *boltFile) readOnly() bool {
	fd, err := unix.Open(b.path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err == nil {
		_ = unix.Close(fd)
		return false
	}
	return forbidden(err) || lost(b.path)
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
	case errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT):
		return fmt.Errorf("%w: %s: %v", ck.CKR_DEVICE_MEMORY, path, err)
	}
	return fmt.Errorf("%w: %s: %v", ck.CKR_DEVICE_ERROR, path, err)
}

// syncDir makes the names in dir durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fileError(dir, err)
	}
	defer func() { _ = d.Close() }()
	return fileError(dir, d.Sync())
}

// A boltTx is a transaction of a bbolt file.
type boltTx struct {
	btx   *bbolt.Tx
	b     [buckets]*bbolt.Bucket
	dirty bool
}

var _ tx = (*boltTx)(nil)

func newBoltTx(btx *bbolt.Tx) *boltTx { return &boltTx{btx: btx} }

// check makes bbolt's own tests, which a file must be fit for.
func (x *boltTx) check() (errs []error) {
	if err := walkFile(x.btx.DB().Path(), true); err != nil {
		return []error{err}
	}
	for err := range x.btx.Check() {
		errs = append(errs, err)
	}
	return errs
}

// bucket returns a bucket, nil where the file has none of that name.
func (x *boltTx) bucket(b bucket) *bbolt.Bucket {
	if x.b[b] == nil {
		x.b[b] = x.btx.Bucket([]byte(b.String()))
	}
	return x.b[b]
}

// generation implements tx.
func (x *boltTx) generation() uint64 { return number(x, keyGeneration) }

// get implements tx.
func (x *boltTx) get(b bucket, key []byte) []byte {
	if bb := x.bucket(b); bb != nil {
		return bb.Get(key)
	}
	return nil
}

// put implements tx.
func (x *boltTx) put(b bucket, key, value []byte) error {
	x.dirty = true
	if bb := x.bucket(b); bb != nil {
		return fileError(x.btx.DB().Path(), bb.Put(key, value))
	}
	return unrecognized("the file has no bucket %q", b)
}

// del implements tx.
func (x *boltTx) del(b bucket, key []byte) error {
	x.dirty = true
	if bb := x.bucket(b); bb != nil {
		return fileError(x.btx.DB().Path(), bb.Delete(key))
	}
	return unrecognized("the file has no bucket %q", b)
}

// each implements tx.
func (x *boltTx) each(b bucket, prefix []byte, f func(key, value []byte) error) error {
	bb := x.bucket(b)
	if bb == nil {
		return unrecognized("the file has no bucket %q", b)
	}
	c := bb.Cursor()
	for k, v := c.Seek(prefix); k != nil && bytes.HasPrefix(k, prefix); k, v = c.Next() {
		if err := f(k, v); err != nil {
			return err
		}
	}
	return nil
}
