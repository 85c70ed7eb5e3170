package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"sort"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/softcsp/softcsp/ck"
)

// bbolt trusts its file: a page that is its own ancestor makes it recurse until the process dies of it, a count that is too
// large makes it allocate what there is not. A token file is not to be trusted before the first PIN, and not while others
// may write to it. So tokens are read by this file and written by tree.go; bbolt only makes new files
// (newfile.go).
//
// A page is copied, and the copy is looked at: what is written to the file meanwhile changes nothing any more. No number of
// the file is believed beyond the size that the file really has. A page is reached from one element of one page, so no
// walk goes in circles, or comes by a page more often than there are elements.
//
// The format is bbolt's, version 2, in the byte order of the machine. A page has a head, elements, and what these point to.
const (
	pageHead    = 16 // id 8 | flags 2 | count 2 | overflow 4
	elementHead = 16 // leaf: flags 4 | position 4 | key size 4 | value size 4; branch: position 4 | key size 4 | page 8
	metaSize    = 64 // magic 4 | version 4 | page size 4 | flags 4 | root 8, sequence 8 | free list 8 | end 8 | number 8 | checksum 8
	bucketHead  = 16 // root 8 | sequence 8, and a page where root is 0

	pageBranch, pageLeaf, pageMeta, pageFree = 0x01, 0x02, 0x04, 0x10

	boltMagic  = 0xED0CDAED
	noFreelist = ^uint64(0)
	maxDepth   = 32

	maxCached = 4096 // pages that are kept in memory
)

// How long a page may be with those that continue it, in bytes. At least two of the largest objects can be in one.
const (
	maxRun       = 8 * maxObject
	maxRootRun   = 64 << 10
	maxHeaderRun = 1 << 20
	maxHoles     = 256 << 20 // how much a transaction may read of continuing pages beyond a multiple of what the file takes on the disk
)

// maxNumber is the number that a commit may have at most.
const maxNumber = 1 << 62

// maxFile is the size that a file may have at most. A variable, so that tests need not fill a disk.
var maxFile uint64 = 64 << 30

var pageSize = uint64(os.Getpagesize())

// A meta is a meta page: where everything is, as of one commit.
type meta struct {
	raw                     [metaSize]byte
	index                   uint64 // which of the two pages it is
	root, free, end, number uint64
}

// A pageReader reads the pages of a file.
type pageReader struct {
	path           string
	file           io.ReaderAt
	meta           meta
	maxRunPages    uint64 // how many pages one may be continued by
	runBudget      uint64 // how many pages that continue others may be read
	otherMetaWhole bool   // the other meta page is that of the commit before

	seen        []uint64                 // a bit for each page that was reached
	reachedFrom map[uint64]parentElement // where from
	cached      map[uint64]page          // branch pages, and leaves as far as leafBudget goes
	leafBudget  int                      // how many bytes of leaves may still be cached
	borrowed    []*[]byte                // single pages, of pagePool
	bucketRoots [buckets]*page           // the first page of each bucket, once it was looked for
	lastLeaf    [buckets]page            // the leaf of each bucket that was read last
}

// A parentElement is the element that leads to a page.
type parentElement struct {
	page  uint64 // or rootOf a bucket
	index int
}

const rootOf = 1 << 63

// A page is the copy of a page and of those that continue it, which has been looked at.
type page struct {
	id     uint64
	branch bool
	n      int
	data   []byte
}

// pagePool has the memory of single pages, some of which each transaction takes and gives back at its end.
var pagePool = sync.Pool{New: func() any { b := make([]byte, pageSize); return &b }}

const maxBorrowed = 64

// borrowPage returns memory for one page, with anything in it.
func (r *pageReader) borrowPage() []byte {
	if len(r.borrowed) == maxBorrowed {
		return make([]byte, pageSize)
	}
	p := pagePool.Get().(*[]byte)
	r.borrowed = append(r.borrowed, p)
	return *p
}

// close ends the use of everything that the reader has handed out.
func (r *pageReader) close() {
	for _, p := range r.borrowed {
		pagePool.Put(p)
	}
	r.borrowed, r.cached = nil, nil
}

// openPages opens the file that f is open on, of which st tells.
func openPages(path string, f io.ReaderAt, st *unix.Stat_t) (*pageReader, error) {
	r := &pageReader{path: path, file: f, reachedFrom: map[uint64]parentElement{}, cached: map[uint64]page{}}
	if err := r.readMeta(); err != nil {
		return nil, err
	}
	if r.meta.end < 2 || r.meta.end > uint64(st.Size)/pageSize {
		return nil, r.damaged(fmt.Sprintf("it is cut short: it has %d bytes, and its last page ends at %d", st.Size, r.meta.end*pageSize))
	}
	if uint64(st.Size) > maxFile {
		return nil, r.damaged("it is larger than any token")
	}
	// A hole in a file costs whoever makes it nothing, and reading it takes memory and time. But files have holes for good reasons: the disk compresses
	// them, or notes only later how much was written. So what takes more memory than an object or two, or long, must really be there.
	there := uint64(st.Blocks) * 512
	r.maxRunPages = min(maxRun, max(3*maxObject, there)) / pageSize
	r.runBudget = (maxHoles + 16*there) / pageSize
	r.seen = make([]uint64, r.meta.end/64+1)
	r.markSeen(0)
	r.markSeen(1)
	return r, nil
}

// A damage is a CKR_DEVICE_ERROR that says what is wrong with a file.
type damage struct{ path, what string }

// Error implements error.
func (d *damage) Error() string {
	return fmt.Sprintf("%v: %s is damaged: %s", ck.CKR_DEVICE_ERROR, d.path, d.what)
}

// Unwrap returns the code.
func (d *damage) Unwrap() error { return ck.CKR_DEVICE_ERROR }

// damaged says what is wrong with the file.
func (r *pageReader) damaged(what string) error { return &damage{r.path, what} }

// readMeta finds the meta page that is in force: the later one of those that are whole. Each commit writes the one that the
// commit before did not.
func (r *pageReader) readMeta() error {
	what, found, first := unrecognized("%s is not a token file", r.path), 0, uint64(0)
	for slot := range uint64(2) {
		m, wrong, err := r.metaPage(slot)
		switch {
		case err != nil:
			return err
		case wrong == errNoMeta:
			continue
		case wrong == errMetaChecksum:
			what = r.damaged("its meta pages are damaged")
			continue
		case wrong != nil:
			what = unrecognized("%s %v", r.path, wrong)
			continue
		}
		if found++; found == 1 {
			first = m.number
		}
		if found == 1 || m.number > r.meta.number {
			r.meta = m
		}
		r.otherMetaWhole = found == 2 && max(first, m.number)-min(first, m.number) == 1
	}
	if found == 0 {
		return what
	}
	return nil
}

// What is wrong with a meta page.
var (
	errNoMeta       = errors.New("does not begin as a meta page does")
	errMetaChecksum = errors.New("has another checksum than its contents")
)

// metaPage reads one of the two meta pages, and says what is wrong with it.
func (r *pageReader) metaPage(slot uint64) (m meta, wrong, err error) {
	m.index = slot
	switch n, err := r.file.ReadAt(m.raw[:], int64(slot*pageSize+pageHead)); {
	case err != nil && !errors.Is(err, io.EOF):
		return m, nil, fileError(r.path, err)
	case n < metaSize, binary.LittleEndian.Uint32(m.raw[:]) != boltMagic, binary.LittleEndian.Uint32(m.raw[4:]) != 2:
		return m, errNoMeta, nil
	}
	h := fnv.New64a()
	_, _ = h.Write(m.raw[:metaSize-8])
	m.root, m.free, m.end, m.number = leUint64(m.raw[16:]), leUint64(m.raw[32:]), leUint64(m.raw[40:]), leUint64(m.raw[48:])
	size := binary.LittleEndian.Uint32(m.raw[8:])
	switch {
	case h.Sum64() != leUint64(m.raw[metaSize-8:]):
		return m, errMetaChecksum, nil
	case uint64(size) != pageSize:
		return m, fmt.Errorf("has pages of %d bytes, and this machine has pages of %d", size, pageSize), nil
	}
	return m, nil, nil
}

// markSeen notes that a page was reached, and reports whether it had been.
func (r *pageReader) markSeen(id uint64) (before bool) {
	bit := uint64(1) << (id % 64)
	before = r.seen[id/64]&bit != 0
	r.seen[id/64] |= bit
	return before
}

// reach notes that a page, with those that continue it, was reached from an element.
func (r *pageReader) reach(id, more uint64, from parentElement) error {
	if at, before := r.reachedFrom[id]; before {
		if at != from {
			return r.damaged("a page is reached twice")
		}
		return nil
	}
	r.reachedFrom[id] = from
	for n := id; n <= id+more; n++ {
		if r.markSeen(n) {
			return r.damaged("a page is reached twice")
		}
	}
	return nil
}

// maxContinued returns how many pages may continue a page of a kind and a bucket. A branch is one page, as keys are short.
func (r *pageReader) maxContinued(of bucket, kind uint16) uint64 {
	switch {
	case kind == pageBranch:
		return 0
	case kind == pageFree:
		return min(r.maxRunPages, 8*r.meta.end/pageSize+1)
	case of == buckets:
		return maxRootRun / pageSize
	case of == bHeader:
		return maxHeaderRun / pageSize
	}
	return r.maxRunPages
}

// readRun reads a page with those that continue it.
func (r *pageReader) readRun(id uint64, from parentElement, of bucket) ([]byte, error) {
	if id < 2 || id >= r.meta.end {
		return nil, r.damaged("a page is out of bounds")
	}
	data := r.borrowPage()
	if err := r.readAt(data, id*pageSize); err != nil {
		return nil, err
	}
	more := uint64(binary.LittleEndian.Uint32(data[12:]))
	if leUint64(data) != id || more >= r.meta.end-id || more > r.maxContinued(of, binary.LittleEndian.Uint16(data[8:])) {
		return nil, r.damaged("a page is not what it says")
	}
	if more > r.runBudget {
		return nil, r.damaged("it is mostly holes")
	}
	r.runBudget -= more
	if err := r.reach(id, more, from); err != nil {
		return nil, err
	}
	if more == 0 {
		return data, nil
	}
	if err := ck.Available(int((more + 1) * pageSize)); err != nil {
		return nil, err
	}
	whole := make([]byte, (more+1)*pageSize)
	copy(whole, data)
	return whole, r.readAt(whole[pageSize:], (id+1)*pageSize)
}

func (r *pageReader) readAt(p []byte, at uint64) error {
	switch _, err := r.file.ReadAt(p, int64(at)); {
	case errors.Is(err, io.EOF):
		return r.damaged("it is cut short")
	case err != nil:
		return fileError(r.path, err)
	}
	return nil
}

// page returns a page of a bucket that an element leads to. The pages of the root hold buckets, those of a bucket none.
func (r *pageReader) page(id uint64, from parentElement, of bucket) (page, error) {
	p, err := r.readPage(id, from, of)
	return p, pageFault(id, of, err)
}

// readPage is page, with errors that do not name the page.
func (r *pageReader) readPage(id uint64, from parentElement, of bucket) (page, error) {
	if p, ok := r.cached[id]; ok {
		return p, r.reach(id, 0, from)
	}
	data, err := r.readRun(id, from, of)
	if err != nil {
		return page{}, err
	}
	p := page{id: id, data: data}
	switch binary.LittleEndian.Uint16(data[8:]) {
	case pageBranch:
		p.branch = true
	case pageLeaf:
	default:
		return page{}, r.damaged("a page has no kind")
	}
	if err := r.checkPage(&p, of == buckets); err != nil {
		return page{}, err
	}
	if !p.branch {
		r.leafBudget -= len(data)
	}
	if (p.branch || r.leafBudget >= 0) && len(r.cached) < maxCached {
		r.cached[id] = p
	}
	return p, nil
}

// checkPage tests the elements of a page. Their keys and values lie behind them in the same order and do not overlap: otherwise the values of
// one page could have the square of its size in all.
func (r *pageReader) checkPage(p *page, root bool) error {
	p.n = int(binary.LittleEndian.Uint16(p.data[10:]))
	if pageHead+p.n*elementHead > len(p.data) || p.branch && p.n == 0 {
		return r.damaged("a page has more elements than room, or none")
	}
	var before []byte
	free := uint64(pageHead + p.n*elementHead) // where the next may begin
	for i := range p.n {
		e := p.data[pageHead+i*elementHead:]
		pos, keySize := uint64(binary.LittleEndian.Uint32(e[4:])), uint64(binary.LittleEndian.Uint32(e[8:]))
		stop := pos + keySize + uint64(binary.LittleEndian.Uint32(e[12:]))
		if p.branch {
			pos, keySize = uint64(binary.LittleEndian.Uint32(e)), uint64(binary.LittleEndian.Uint32(e[4:]))
			stop = pos + keySize
			if child := leUint64(e[8:]); child < 2 || child >= r.meta.end {
				return r.damaged("a page is out of bounds")
			}
		} else if kind := binary.LittleEndian.Uint32(e); root && (kind != 1 || stop-pos-keySize < bucketHead) || !root && kind != 0 {
			return r.damaged("a leaf page has a bucket where it must not, or none where it must")
		}
		at := uint64(pageHead + i*elementHead)
		if keySize == 0 || at+pos < free || stop > uint64(len(e)) {
			return r.damaged("an element is not in its page, or in the place of another")
		}
		free = at + stop
		key := e[pos : pos+keySize]
		if bytes.Compare(before, key) >= 0 {
			return r.damaged("a page is out of order")
		}
		before = key
	}
	return nil
}

// key returns the key of an element.
func (p *page) key(i int) []byte {
	e := p.data[pageHead+i*elementHead:]
	if !p.branch {
		e = e[4:]
	}
	pos, size := binary.LittleEndian.Uint32(e), binary.LittleEndian.Uint32(e[4:])
	if !p.branch {
		pos -= 4
	}
	return e[pos : pos+size : pos+size]
}

// value returns the value of an element of a leaf.
func (p *page) value(i int) []byte {
	e := p.data[pageHead+i*elementHead:]
	pos := binary.LittleEndian.Uint32(e[4:]) + binary.LittleEndian.Uint32(e[8:])
	stop := pos + binary.LittleEndian.Uint32(e[12:])
	return e[pos:stop:stop]
}

// child returns the page that an element of a branch leads to.
func (p *page) child(i int) uint64 { return leUint64(p.data[pageHead+i*elementHead+8:]) }

// search returns the first element whose key is not before key: in a leaf. In a branch, the element that leads to it.
func (p *page) search(key []byte) int {
	i := sort.Search(p.n, func(i int) bool { return bytes.Compare(p.key(i), key) >= 0 })
	if p.branch && i > 0 && (i == p.n || !bytes.Equal(p.key(i), key)) {
		i--
	}
	return i
}

// continued reports whether a page says that others continue it. Nothing else of it is read or tested.
func (r *pageReader) continued(id uint64) (bool, error) {
	var more [4]byte
	err := r.readAt(more[:], id*pageSize+12)
	return more != [4]byte{}, err
}

// leUint64 reads 8 bytes in little-endian order: bbolt writes the machine's, and those that softcsp runs on have that.
func leUint64(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }
