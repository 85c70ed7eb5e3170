package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"runtime/debug"
	"slices"
	"strings"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

// A commit does not let bbolt near the token's file. What bbolt needs to see of it, the pages on the way to the keys that
// are written, is copied into a file in memory, as pages.go has read and looked at it; the rest is a hole. There bbolt
// makes the commit, and the new pages are copied out: they are free ones of the file, or behind its end, so until the new
// meta page is written the commit before stands.
//
// bbolt's own lock and mapping are of the file in memory. So nobody's child keeps them from anybody, and nothing that
// others write to the token's file can make bbolt run in circles or fault.

// A pressed is a commit as bbolt made it, in memory.
type pressed struct {
	mem    *plainFile
	number uint64
	meta   []byte // the new meta page
	slot   uint64 // and its place
	size   uint64 // that the file has to have
	free   uint64 // how many pages of it are free
	runs   []span
}

// A span is pages in a row.
type span struct{ first, n uint64 }

func (m *pressed) close() { _ = m.mem.close() }

// maxFree is how many free pages are believed: bbolt takes some hundred bytes for each.
const maxFree = 1 << 20

// press has bbolt make the commit.
func (x *boltTx) press(v *visit) (*pressed, error) {
	free, err := x.b.freePages()
	if err != nil {
		return nil, err
	}
	if len(free) > maxFree {
		return nil, x.b.damaged("it has more free pages than any token")
	}
	needed, err := x.needed()
	if err != nil {
		return nil, err
	}
	made, err := x.pressOn(v, free, needed)
	if errors.Is(err, errMissing) {
		// What is deleted made bbolt merge pages that are not neighbours on one page. That is rare: it gets everything.
		if needed, err = x.everything(); err == nil {
			made, err = x.pressOn(v, free, needed)
		}
	}
	if errors.Is(err, errMissing) {
		err = x.b.damaged("its pages do not belong together")
	}
	return made, err
}

// errMissing says that bbolt wanted to see more of the file.
var errMissing = errors.New("a page is missing")

// pressOn has bbolt make the commit on some pages of the file.
func (x *boltTx) pressOn(v *visit, free []uint64, needed map[uint64][]byte) (_ *pressed, err error) {
	mem, err := v.scratch()
	if err != nil {
		return nil, fileError(x.b.path, err)
	}
	defer func() {
		if err != nil {
			_ = mem.close()
		}
	}()
	if err := x.fill(mem, free, needed); err != nil {
		return nil, fileError(x.b.path, err)
	}
	if err := runBolt(x.b.path, mem, x.apply); err != nil {
		return nil, err
	}
	return x.collect(mem, free)
}

// fill puts pages into an empty file.
func (x *boltTx) fill(mem *plainFile, free []uint64, needed map[uint64][]byte) error {
	if err := mem.truncate(int64(x.b.meta.end * pageSize)); err != nil {
		return err
	}
	slot := x.b.meta.number % 2
	head := make([]byte, pageHead, pageHead+metaSize)
	binary.LittleEndian.PutUint64(head, slot)
	binary.LittleEndian.PutUint16(head[8:], pageMeta)
	if _, err := mem.WriteAt(append(head, x.b.meta.raw[:]...), int64(slot*pageSize)); err != nil {
		return err
	}
	list, err := x.b.freePage()
	if err != nil {
		return err
	}
	if _, err := mem.WriteAt(list, int64(x.b.meta.free*pageSize)); err != nil {
		return err
	}
	for id, data := range needed {
		for n := range uint64(len(data)) / pageSize {
			if _, is := slices.BinarySearch(free, id+n); is {
				return x.b.damaged("a page is free and in use")
			}
		}
		if _, err := mem.WriteAt(data, int64(id*pageSize)); err != nil {
			return err
		}
	}
	return nil
}

// needed returns the pages on the way to every key that is written. Where one is deleted also the pages beside them, which
// bbolt may merge them with.
func (x *boltTx) needed() (map[uint64][]byte, error) {
	pages := map[uint64][]byte{}
	note := func(of bucket, key []byte, beside bool) error {
		c, err := x.b.seek(of, key)
		if err != nil {
			return err
		}
		if c == nil && of.optional() {
			return nil
		} else if c == nil {
			return unrecognized("the file has no bucket %q", of)
		}
		for _, s := range c.steps {
			if s.p.id != 0 {
				pages[s.p.id] = s.p.data
			}
			for _, i := range []int{s.i - 1, s.i + 1} {
				if !beside || !s.p.branch || i < 0 || i >= s.p.n {
					continue
				}
				p, err := x.b.page(s.p.child(i), origin{s.p.id, i}, of == buckets)
				if err != nil {
					return err
				}
				pages[p.id] = p.data
			}
		}
		return nil
	}
	for of, keys := range x.writes {
		if err := note(buckets, []byte(of.String()), false); err != nil {
			return nil, err
		}
		for key, value := range keys {
			if err := note(of, []byte(key), value == nil); err != nil {
				return nil, err
			}
		}
	}
	return pages, nil
}

// everything returns every page that is in use.
func (x *boltTx) everything() (map[uint64][]byte, error) {
	whole, err := openBook(x.b.path, x.b.file, x.st)
	if err != nil {
		return nil, err
	}
	pages := map[uint64][]byte{}
	whole.other = true // which says nothing of what is in use
	whole.keep = func(p *page) { pages[p.id] = p.data }
	return pages, whole.walk(true)
}

// apply does to bbolt's file what the transaction has done.
func (x *boltTx) apply(btx *bbolt.Tx) error {
	for of, keys := range x.writes {
		b := btx.Bucket([]byte(of.String()))
		if b == nil && of.optional() {
			var err error
			if b, err = btx.CreateBucket([]byte(of.String())); err != nil {
				return err
			}
		} else if b == nil {
			return unrecognized("the file has no bucket %q", of)
		}
		sorted := make([]string, 0, len(keys))
		for key := range keys {
			sorted = append(sorted, key)
		}
		slices.Sort(sorted) // in order, many at once cost no more than one by one
		for _, key := range sorted {
			var err error
			if value := keys[key]; value == nil {
				err = b.Delete([]byte(key))
			} else {
				err = b.Put([]byte(key), value)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// collect finds what bbolt has written: the pages of the new trees that were not in use in the old ones.
func (x *boltTx) collect(mem *plainFile, free []uint64) (*pressed, error) {
	n, err := openScratch(x.b.path, mem)
	if err != nil {
		return nil, err
	}
	if n.meta.number != x.b.meta.number+1 {
		return nil, x.b.damaged("a commit has not the number after the one before")
	}
	m := &pressed{mem: mem, number: n.meta.number, slot: n.meta.number % 2, size: n.meta.end * pageSize, meta: make([]byte, pageSize)}
	if err := n.fill(m.meta, m.slot*pageSize); err != nil {
		return nil, err
	}
	fresh := func(id uint64) bool {
		_, was := slices.BinarySearch(free, id)
		return was || id >= x.b.meta.end
	}
	n.keep = func(p *page) { m.runs = append(m.runs, span{p.id, uint64(len(p.data)) / pageSize}) }
	if fresh(n.meta.root) {
		root, err := n.page(n.meta.root, origin{page: topOf | uint64(buckets)}, true)
		if err != nil {
			return nil, err
		}
		if err := n.visit(&root, true, fresh); err != nil {
			return nil, err
		}
	}
	list, err := n.freePage()
	if err != nil {
		return nil, err
	}
	m.free = freeCount(list)
	m.runs = append(m.runs, span{n.meta.free, uint64(len(list)) / pageSize})
	slices.SortFunc(m.runs, func(a, b span) int { return int(a.first) - int(b.first) })
	return m, nil
}

// visit reads every page under p that is fresh.
func (b *book) visit(p *page, root bool, fresh func(uint64) bool) error {
	for i := range p.n {
		var child page
		var err error
		switch {
		case p.branch && fresh(p.child(i)):
			child, err = b.page(p.child(i), origin{p.id, i}, root)
		case !p.branch && root && le(p.value(i)) != 0 && fresh(le(p.value(i))):
			child, err = b.page(le(p.value(i)), origin{p.id | topOf, i}, false)
		default:
			continue
		}
		if err == nil {
			err = b.visit(&child, root && p.branch, fresh)
		}
		if err != nil {
			return err
		}
	}
	return nil
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
	if err := m.copy(to, m.runs); err != nil {
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

// copy copies pages, those in a row with one write.
func (m *pressed) copy(to file, runs []span) error {
	const most = 1 << 20
	var buf []byte
	for len(runs) > 0 {
		first, n := runs[0].first, runs[0].n
		for runs = runs[1:]; len(runs) > 0 && runs[0].first == first+n; runs = runs[1:] {
			n += runs[0].n
		}
		for at, end := first*pageSize, (first+n)*pageSize; at < end; at += uint64(len(buf)) {
			buf = slices.Grow(buf[:0], int(min(most, end-at)))[:min(most, end-at)]
			if _, err := m.mem.ReadAt(buf, int64(at)); err != nil {
				return err
			}
			if _, err := to.WriteAt(buf, int64(at)); err != nil {
				return err
			}
		}
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
		if s, ok := r.(string); ok && strings.HasSuffix(s, "but self identifies as 0") {
			err = errMissing
		} else if r != nil {
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
	if err := (&pressed{mem: mem}).copy(out, []span{{0, n.meta.end}}); err != nil {
		return err
	}
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
