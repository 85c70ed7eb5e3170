package store

import (
	"bytes"
	"os"
	"runtime/debug"
	"slices"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

// A pressed is a commit as it is to be written: tree.go.
type pressed struct {
	number uint64
	pages  []madePage // in order
	meta   []byte     // the new meta page
	slot   uint64     // and its place
	size   uint64     // that the file has to have
	free   uint64     // how many pages of it are free
}

// write makes the commit: the pages, then the meta page, each on the disk before the next begins.
func (m *pressed) write(to file, relaxed bool) error {
	st, err := to.stat()
	if err != nil {
		return err
	}
	if int64(m.size) > st.Size {
		if err := to.truncate(grown(int64(m.size))); err != nil {
			return err
		}
	}
	if err := writePages(to, m.pages); err != nil {
		return err
	}
	if !relaxed {
		if err := to.sync(); err != nil {
			return err
		}
	}
	if _, err := to.WriteAt(m.meta, int64(m.slot*pageSize)); err != nil {
		return err
	}
	if relaxed {
		return nil
	}
	return to.sync()
}

// writePages writes pages, those in a row at once.
func writePages(to file, pages []madePage) error {
	const most = 1 << 20
	var buf []byte
	for len(pages) > 0 {
		n, size := 1, len(pages[0].data)
		for n < len(pages) && size < most && pages[n].id == pages[0].id+uint64(size)/pageSize {
			size += len(pages[n].data)
			n++
		}
		data := pages[0].data
		if n > 1 {
			buf = slices.Grow(buf[:0], size)
			for _, p := range pages[:n] {
				buf = append(buf, p.data...)
			}
			data = buf
		}
		if _, err := to.WriteAt(data, int64(pages[0].id*pageSize)); err != nil {
			return err
		}
		pages = pages[n:]
	}
	return nil
}

// grown returns the size that a file gets which has to have one: twice as much each time, so that few commits change it, and
// from 16 MiB on by as much.
func grown(size int64) int64 {
	const step = 16 << 20
	n := int64(32 << 10)
	for n < size && n < step {
		n *= 2
	}
	if n < size {
		n = (size + step - 1) / step * step
	}
	return n
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
		if db != nil && (begun || r == nil) { // else bbolt has its own lock, for ever
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

// pressNew has fill make a file in memory, and copies it to out, durably.
func pressNew(v *visit, path string, out file, fill func(mem *plainFile) error) error {
	mem, err := v.scratch()
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
	const part = 32 << 20 // bytes after which the disk is waited for, so that whoever waits for the lock sees that it goes on
	buf := make([]byte, 1<<20)
	for at, end := uint64(0), n.meta.end*pageSize; at < end; at += uint64(len(buf)) {
		if at > 0 && at%part == 0 && v.beat != nil {
			if err := out.sync(); err != nil {
				return err
			}
			v.beat()
		}
		buf = buf[:min(uint64(len(buf)), end-at)]
		if _, err := mem.ReadAt(buf, int64(at)); err != nil {
			return err
		}
		if _, err := out.WriteAt(buf, int64(at)); err != nil {
			return err
		}
	}
	_ = out.allocate(int64((n.meta.end + reserve) * pageSize)) // room.go; where there is no room for it the first commits do without
	return out.sync()
}

// openScratch opens a file that bbolt has made in memory.
func openScratch(path string, mem *plainFile) (*book, error) {
	st, err := mem.stat()
	if err != nil {
		return nil, fileError(path, err)
	}
	st.Blocks = st.Size / 512 // it may have holes
	return openBook(path, mem, &st)
}

// A freshTx is a transaction of a file that is being made.
type freshTx struct{ btx *bbolt.Tx }

var _ tx = (*freshTx)(nil)

func (x *freshTx) bucket(b bucket) *bbolt.Bucket { return x.btx.Bucket([]byte(b.String())) }

// generation implements tx.
func (x *freshTx) generation() uint64 { return number(x, keyGeneration) }

// get implements tx.
func (x *freshTx) get(b bucket, key []byte) []byte { return x.bucket(b).Get(key) }

// put implements tx.
func (x *freshTx) put(b bucket, key, value []byte) error { return x.bucket(b).Put(key, value) }

// del implements tx.
func (x *freshTx) del(b bucket, key []byte) error { return x.bucket(b).Delete(key) }

// each implements tx.
func (x *freshTx) each(b bucket, prefix []byte, f func(key, value []byte) error) error {
	c := x.bucket(b).Cursor()
	for k, v := c.Seek(prefix); k != nil && bytes.HasPrefix(k, prefix); k, v = c.Next() {
		if err := f(k, v); err != nil {
			return err
		}
	}
	return nil
}
