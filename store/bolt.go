package store

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync/atomic"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
	"golang.org/x/sys/unix"

	"github.com/softcsp/softcsp/ck"
)

// A boltFile is a token in a bbolt file. The file is open during a transaction only, under a lock on the sidecar, whose
// word is the generation. Reading is pages.go; tree.go makes the pages that a commit writes.
type boltFile struct {
	dir, name, sidecar string
	path               string          // of the file, for what is said of it
	over               func(disk) disk // tests put faults between

	word atomic.Pointer[word]
	last atomic.Uint64 // the generation last seen, where there is no word
	seen atomic.Pointer[sight]

	tired atomic.Int64 // when writing the file anew failed: compact.go
}

// A sight is a file as this process last saw it, and found every page used once.
type sight struct {
	dev, ino uint64
	time     unix.Timespec
	number   uint64 // of the commit
}

var _ backend = (*boltFile)(nil)

// newBoltFile returns the token uuid in dir. Nothing is opened yet.
func newBoltFile(dir, uuid string) *boltFile {
	return &boltFile{dir: dir, name: uuid + suffix, sidecar: "." + uuid + ".lock", path: filepath.Join(dir, uuid+suffix)}
}

// A visit is the use of a token's directory under the token's lock.
type visit struct {
	disk
	scratch func() (*plainFile, error)
	l       *lock
	beat    func() // called now and then by what takes long, nil otherwise
}

// visit runs f under the lock.
func (b *boltFile) visit(exclusive, wait bool, f func(*visit) error) error {
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
	return guard(b.path, func() error { return f(b.visitOf(d, l)) })
}

// visitOf returns the use of a directory by who has the lock.
func (b *boltFile) visitOf(d *dir, l *lock) *visit {
	v := &visit{disk: d, scratch: d.scratch, l: l}
	if b.over != nil {
		v.disk = b.over(d)
	}
	return v
}

// A pageError is what is wrong with a page, on its way from where there is no room for an error to guard.
type pageError struct{ err error }

// guard runs f. Whatever a damaged file makes of it, a panic or a fault in a mapping, is an error.
func guard(path string, f func() error) (err error) {
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
	return b.visit(false, true, func(v *visit) error { return b.read(v, f) })
}

// openFile opens the token's file.
func (b *boltFile) openFile(v *visit, write bool) (file, unix.Stat_t, error) {
	f, err := v.open(b.name, write)
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
func (b *boltFile) read(v *visit, f func(tx) error) error {
	file, st, err := b.openFile(v, false)
	if err != nil {
		return err
	}
	defer func() { _ = file.close() }()
	pages, err := openBook(b.path, file, &st)
	if err != nil {
		return err
	}
	defer pages.close()
	x := &boltTx{b: pages, st: &st}
	b.mend(v.l, x.generation())
	if err := f(x); err != nil || v.l != nil {
		return err
	}
	// There is no lock that this process may take. Pages are not written over before the commit after the next.
	if again, err := openBook(b.path, file, &st); err != nil || again.meta.number != pages.meta.number {
		return fmt.Errorf("%w: %s was changed while it was read, and %s cannot be read", ck.CKR_FUNCTION_FAILED, b.path, b.sidecar)
	}
	return nil
}

// update implements backend.
func (b *boltFile) update(f func(tx) error, done func()) error {
	return b.alone(func(update func(func(tx) error, func()) error) error { return update(f, done) })
}

// alone implements backend.
func (b *boltFile) alone(f func(update func(func(tx) error, func()) error) error) error {
	return b.after(nil, f)
}

// after is alone that first does something with the file.
func (b *boltFile) after(before func(v *visit, from file, size int64) error, f func(update func(func(tx) error, func()) error) error) error {
	return b.visit(true, true, func(v *visit) error {
		file, st, err := b.openFile(v, true)
		if err != nil {
			return err
		}
		loose := false
		if before != nil {
			err = fileError(b.path, before(v, file, st.Size))
		}
		if err == nil {
			err = f(func(g func(tx) error, done func()) error { return b.commit(v, file, g, done, &loose) })
		}
		_ = file.close()
		if err == nil && loose {
			b.tidy(v)
		}
		return err
	})
}

// commit runs f over the open file and, where it has written, commits. It notes whether that left the file mostly empty.
func (b *boltFile) commit(v *visit, file file, f func(tx) error, done func(), loose *bool) error {
	st, err := file.stat()
	if err != nil {
		return fileError(b.path, err)
	}
	pages, err := openBook(b.path, file, &st)
	if err != nil {
		return err
	}
	defer pages.close()
	if err := b.inspect(pages, file, &st); err != nil {
		return err
	}
	pages.room = 4 << 20 // what is read now is needed again to write
	x := &boltTx{b: pages, st: &st, writes: map[bucket]map[string][]byte{}}
	gen := x.generation()
	b.mend(v.l, gen)
	if err := f(x); err != nil || len(x.writes) == 0 {
		return err
	}
	if err := x.put(bHeader, keyGeneration, be64(gen+1)); err != nil {
		return err
	}
	relaxed := false
	if s, err := parseStatic(x.get(bHeader, keyStatic)); err == nil {
		relaxed = s.relaxed
	}
	made, err := x.make()
	if err != nil {
		return err
	}
	if err := b.unmoved(v, file, pages); err != nil {
		return err
	}
	if err := made.room(file, &st, x.adds()); err != nil {
		return fileError(b.path, err)
	}
	if err := b.settle(v); err != nil {
		return fileError(b.path, err)
	}
	return b.publish(gen, done, func() error {
		err := made.write(file, relaxed)
		if err == nil {
			b.look(file, made.number)
			*loose = made.loose()
		}
		return err
	})
}

// unmoved makes sure, before anything is written, that the lock is there, and that nobody has committed while it was not: a host
// that opens and closes the sidecar, or closes what is not its own, drops it.
func (b *boltFile) unmoved(v *visit, file file, pages *book) error {
	if err := v.l.held(); err != nil {
		return err
	}
	now := &book{path: b.path, file: file}
	if err := now.readMeta(); err != nil {
		return err
	}
	if now.meta.number != pages.meta.number {
		return fmt.Errorf("%w: %s was changed while it was locked: something in this process closes %s", ck.CKR_FUNCTION_FAILED, b.path, b.sidecar)
	}
	return nil
}

// replace implements backend. The new contents are a new file: nothing of the old one is left in free pages.
func (b *boltFile) replace(check func(tx) error, f func(tx) error) error {
	return b.visit(true, true, func(v *visit) error {
		var gen uint64
		var old *unix.Stat_t
		err := b.read(v, func(x tx) error {
			gen, old = x.generation(), x.(*boltTx).st
			return check(x)
		})
		if err != nil {
			return err
		}
		fresh, err := b.build(v, gen+1, old, f)
		if err != nil {
			return err
		}
		return b.publish(gen, nil, func() error { return b.place(v, fresh, true) })
	})
}

// create makes the token's file, with what f writes in it, all at once.
func (b *boltFile) create(f func(tx) error) error {
	return b.visit(true, true, func(v *visit) error {
		fresh, err := b.build(v, 1, nil, f)
		if err != nil {
			return err
		}
		if err := b.place(v, fresh, false); errors.Is(err, fs.ErrExist) {
			return ErrExists
		} else if err != nil {
			return fileError(b.path, err)
		}
		b.mend(v.l, 1)
		return nil
	})
}

// place gives a file that build made the token's name, durably. Where the name is not durable in the end, commits to the file
// would be lost with it: a file beside it says so to every process until it is.
func (b *boltFile) place(v *visit, fresh string, over bool) error {
	mark, err := v.create(b.beside(".moved"))
	if err == nil {
		err = mark.close()
	} else if errors.Is(err, fs.ErrExist) {
		err = nil
	}
	if err == nil {
		err = v.rename(fresh, b.name, over)
	}
	if err != nil {
		_ = v.remove(fresh)
		return err
	}
	return b.settle(v)
}

// settle makes the name of the token's file durable, where place left that to the next who writes.
func (b *boltFile) settle(v *visit) error {
	mark, err := v.open(b.beside(".moved"), false)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		_ = mark.close()
	}
	if err := v.sync(); err != nil {
		return err
	}
	return v.remove(b.beside(".moved"))
}

// beside returns the name of a file beside the token's.
func (b *boltFile) beside(suffix string) string {
	return b.sidecar[:len(b.sidecar)-len(".lock")] + suffix
}

// build writes a file of generation gen beside the token's and returns its name. Where it is to replace a file it gets that
// one's owner, group and mode.
func (b *boltFile) build(v *visit, gen uint64, old *unix.Stat_t, f func(tx) error) (name string, err error) {
	return b.write(v, old, func(mem *plainFile) error {
		return runBolt(b.path, mem, func(btx *bbolt.Tx) error {
			for n := range buckets {
				if _, err := btx.CreateBucket([]byte(n.String())); err != nil {
					return err
				}
			}
			x := &freshTx{btx}
			if err := x.put(bHeader, keyGeneration, be64(gen)); err != nil {
				return err
			}
			return f(x)
		})
	})
}

// write writes the file that fill makes in memory beside the token's and returns its name.
func (b *boltFile) write(v *visit, old *unix.Stat_t, fill func(mem *plainFile) error) (name string, err error) {
	name = b.beside(".new")
	// The lock is ours, so what is there is of a process that died. It may be the token by another name.
	_ = v.remove(name)
	out, err := v.create(name)
	if err != nil {
		return "", fileError(b.path, err)
	}
	defer func() {
		if e := out.close(); err == nil {
			err = e
		}
		if err != nil {
			_ = v.remove(name)
			err = fileError(b.path, err)
		}
	}()
	if old != nil {
		out.like(old)
	}
	return name, pressNew(v, b.path, out, fill)
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
	if w == nil || w.lost.Load() || w.dev != l.st.Dev || w.ino != l.st.Ino || w.readOnly && !l.readOnly {
		var err error
		if w, err = mapWord(l.fd(), &l.st, l.readOnly); err != nil {
			return
		}
		b.word.Store(w)
	}
	if w.load() != gen<<1 {
		w.store(gen << 1)
	}
}

// inspect walks the file before this process writes to it for the first time, and where it changed and no commit explains
// that. Nothing that others can write decides about that but the number of the commit, and nothing but the loss of a file
// that is damaged already depends on it.
func (b *boltFile) inspect(pages *book, file file, st *unix.Stat_t) error {
	s := b.seen.Load()
	if s != nil && s.dev == st.Dev && s.ino == st.Ino && (s.time == st.Mtim || s.number < pages.meta.number) {
		return nil
	}
	whole, err := openBook(b.path, file, st)
	if err != nil {
		return err
	}
	defer whole.close()
	return whole.walk(false)
}

// look remembers the file as it is now, after the commit of a number.
func (b *boltFile) look(file file, number uint64) {
	if st, err := file.stat(); err == nil {
		b.seen.Store(&sight{st.Dev, st.Ino, st.Mtim, number})
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
	gen := b.last.Load()
	err := b.visit(false, w == nil || w.load() == 0, func(v *visit) error {
		return b.read(v, func(x tx) error {
			gen = x.generation()
			return nil
		})
	})
	if errors.Is(err, errBusy) {
		return w.load() >> 1
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
	case full(err):
		return fmt.Errorf("%w: %s: %v", ck.CKR_DEVICE_MEMORY, path, err)
	}
	return fmt.Errorf("%w: %s: %v", ck.CKR_DEVICE_ERROR, path, err)
}
