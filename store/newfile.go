package store

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"runtime/debug"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

// replace implements backend. The new contents are a new file: nothing of the old one is left in free pages.
func (b *boltFile) replace(check func(tx) error, f func(tx) error) error {
	return b.withLock(true, true, func(ld *lockedDir) error {
		return b.readFrom(ld, func(from file, x *boltTx) error {
			if err := check(x); err != nil {
				return err
			}
			gen := x.generation()
			fresh, err := b.build(ld, gen+1, x.st, f)
			if err != nil {
				return err
			}
			return b.publish(gen, nil, func() error { return b.replaceFile(ld, from, x.pages, fresh) })
		})
	})
}

// create makes the token's file, with what f writes in it, all at once.
func (b *boltFile) create(f func(tx) error) error {
	return b.withLock(true, true, func(ld *lockedDir) error {
		fresh, err := b.build(ld, 1, nil, f)
		if err != nil {
			return err
		}
		if err := b.install(ld, fresh, false); errors.Is(err, fs.ErrExist) {
			return ErrExists
		} else if err != nil {
			return fileError(b.path, err)
		}
		b.repairCounter(ld.lock, 1)
		return nil
	})
}

// replaceFile puts a file that build made in the place of the one that pages are of.
func (b *boltFile) replaceFile(ld *lockedDir, file file, pages *pageReader, fresh string) error {
	if err := b.checkUnmoved(ld, file, pages); err != nil {
		_ = ld.remove(fresh)
		return err
	}
	return b.install(ld, fresh, true)
}

// install gives a file that build made the token's name, durably. If the directory could not be written to the disk then, a power cut would
// bring back the old file, without what was committed to the new one since. So a file .<uuid>.moved stands there until it was, and
// tells every process to see to it before it commits.
func (b *boltFile) install(ld *lockedDir, fresh string, over bool) error {
	mark, err := ld.create(b.sibling(".moved"))
	if err == nil {
		err = mark.close()
	} else if errors.Is(err, fs.ErrExist) {
		err = nil
	}
	if err == nil {
		err = ld.rename(fresh, b.name, over)
	}
	if err != nil {
		_ = ld.remove(fresh)
		return err
	}
	return b.syncName(ld)
}

// syncName makes the name of the token's file durable, where install could not.
func (b *boltFile) syncName(ld *lockedDir) error {
	mark, err := ld.open(b.sibling(".moved"), false)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		_ = mark.close()
	}
	if err := ld.sync(); err != nil {
		return err
	}
	return ld.remove(b.sibling(".moved"))
}

// sibling returns the name of a file beside the token's.
func (b *boltFile) sibling(suffix string) string {
	return b.sidecar[:len(b.sidecar)-len(".lock")] + suffix
}

// emptySize is more than a token without objects takes.
const emptySize = 256 << 10

// build writes a file of generation gen beside the token's and returns its name. Where it is to replace a file it gets that
// one's owner, group and mode.
func (b *boltFile) build(ld *lockedDir, gen uint64, old *unix.Stat_t, f func(tx) error) (name string, err error) {
	return b.write(ld, old, emptySize, func(mem *plainFile) error {
		return runBolt(b.path, mem, func(btx *bbolt.Tx) error {
			for n := range buckets {
				if _, err := btx.CreateBucket([]byte(n.String())); err != nil {
					return err
				}
			}
			x := &newFileTx{btx}
			if err := x.put(bHeader, headerGeneration, beBytes(gen)); err != nil {
				return err
			}
			return f(x)
		})
	})
}

// write writes the file that fill makes in memory, and that has at most a size, beside the token's and returns its name.
func (b *boltFile) write(ld *lockedDir, old *unix.Stat_t, size int64, fill func(mem *plainFile) error) (name string, err error) {
	name = b.sibling(".new")
	// The lock is ours, so what is there is of a process that died. It may be the token by another name.
	_ = ld.remove(name)
	out, err := ld.create(name)
	if err != nil {
		return "", fileError(b.path, err)
	}
	defer func() {
		if e := out.close(); err == nil {
			err = e
		}
		if err != nil {
			_ = ld.remove(name)
			err = fileError(b.path, err)
		}
	}()
	if old != nil {
		out.takeOwner(old)
	}
	return name, writeNewFile(ld, b.path, out, size, fill)
}

// A file that is made anew, whole, is made by bbolt: in a file in memory, of which the pages are copied. So bbolt's own lock,
// which children would inherit, is on nothing that others use.

// runBolt runs f in a transaction of the bbolt file in memory, and commits it.
func runBolt(path string, mem *plainFile, f func(*bbolt.Tx) error) (err error) {
	fd, err := unix.FcntlInt(uintptr(mem.fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return fileError(path, err)
	}
	file := os.NewFile(uintptr(fd), path)
	db, begun := (*bbolt.DB)(nil), false
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		r := recover()
		if r != nil {
			err = tampered("%s is damaged: %v", path, r)
		}
		if db != nil && (begun || r == nil) { // otherwise bbolt still has its own lock, and closing would wait for it for ever
			_ = db.Close()
		} else {
			_ = file.Close()
		}
	}()
	db, err = bbolt.Open(path, 0o600, &bbolt.Options{
		NoSync: true, NoGrowSync: true, NoStatistics: true, FreelistType: bbolt.FreelistMapType,
		OpenFile: func(string, int, os.FileMode) (*os.File, error) { return file, nil },
	})
	if err != nil {
		return fileError(path, err)
	}
	return fileError(path, db.Update(func(btx *bbolt.Tx) error {
		begun = true
		return f(btx)
	}))
}

// heartbeatEvery is after how many bytes of a copy those who wait for the lock are shown that it goes on.
const heartbeatEvery = 32 << 20

// copyContent copies the first size bytes of a file, and calls beat now and then.
func copyContent(to io.WriterAt, from io.ReaderAt, size int64, beat func() error) error {
	buf := make([]byte, 1<<20)
	for at := int64(0); at < size; at += int64(len(buf)) {
		if at > 0 && at%heartbeatEvery == 0 {
			if err := beat(); err != nil {
				return err
			}
		}
		buf = buf[:min(int64(len(buf)), size-at)]
		if _, err := from.ReadAt(buf, at); err != nil {
			return err
		}
		if _, err := to.WriteAt(buf, at); err != nil {
			return err
		}
	}
	return nil
}

// writeNewFile has fill make a file in memory, and copies it to out, durably.
func writeNewFile(ld *lockedDir, path string, out file, size int64, fill func(mem *plainFile) error) error {
	mem, err := ld.scratch(size)
	if err != nil {
		return fileError(path, err)
	}
	defer func() { _ = mem.close() }()
	if err := fill(mem); err != nil {
		return err
	}
	n, err := openScratch(path, mem)
	if err != nil {
		return err
	}
	err = copyContent(out, mem, int64(n.meta.end*pageSize), func() error {
		if ld.heartbeat == nil {
			return nil
		}
		if err := out.sync(); err != nil {
			return err
		}
		ld.heartbeat()
		return nil
	})
	if err != nil {
		return err
	}
	_ = out.allocate(int64((n.meta.end + reservePages) * pageSize)) // reserve.go; where there is no room for it the first commits do without
	return out.sync()
}

// openScratch opens a file that bbolt has made in memory.
func openScratch(path string, mem *plainFile) (*pageReader, error) {
	st, err := mem.stat()
	if err != nil {
		return nil, fileError(path, err)
	}
	st.Blocks = st.Size / 512 // it may have holes
	return openPages(path, mem, &st)
}

// A newFileTx is a transaction of a file that is being made.
type newFileTx struct{ btx *bbolt.Tx }

var _ tx = (*newFileTx)(nil)

func (x *newFileTx) bucket(b bucket) *bbolt.Bucket { return x.btx.Bucket([]byte(b.String())) }

// generation implements tx.
func (x *newFileTx) generation() uint64 { return headerNumber(x, headerGeneration) }

// get implements tx.
func (x *newFileTx) get(b bucket, key []byte) []byte { return x.bucket(b).Get(key) }

// put implements tx.
func (x *newFileTx) put(b bucket, key, value []byte) error { return x.bucket(b).Put(key, value) }

// del implements tx.
func (x *newFileTx) del(b bucket, key []byte) error { return x.bucket(b).Delete(key) }

// each implements tx.
func (x *newFileTx) each(b bucket, prefix []byte, f func(key, value []byte) error) error {
	c := x.bucket(b).Cursor()
	for k, v := c.Seek(prefix); k != nil && bytes.HasPrefix(k, prefix); k, v = c.Next() {
		if err := f(k, v); err != nil {
			return err
		}
	}
	return nil
}

// source implements tx.
func (x *newFileTx) source() source { return source{} }
