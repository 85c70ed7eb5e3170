package store

import (
	"bytes"
	"encoding/binary"
	"hash/fnv"
	"io"
	"os"
)

// bbolt trusts its file. A page that is its own ancestor makes it recurse until the process dies of it, and a page that is in
// use and free at once it overwrites. So a file that this process has not seen, or that changed without a commit, is
// walked first: every page is reached once, from one parent, and is no free one. Check walks all of it, other calls the pages
// that lead to others. The format is bbolt's, version 2, in the byte order of the machine.
const (
	pageHead    = 16 // id 8 | flags 2 | count 2 | overflow 4
	elementHead = 16
	metaSize    = 64 // magic 4 | version 4 | page size 4 | flags 4 | root 8, sequence 8 | free list 8 | end 8 | number 8 | checksum 8
	bucketHead  = 16 // root 8 | sequence 8, and a page where root is 0

	pageBranch, pageLeaf, pageFree = 0x01, 0x02, 0x10

	boltMagic  = 0xED0CDAED
	noFreelist = ^uint64(0)
	maxDepth   = 32
)

// A walker walks a file.
type walker struct {
	file     io.ReaderAt
	size     uint64
	pageSize uint64
	end      uint64 // the number of pages
	seen     []bool
	full     bool // every element of every page is looked at
}

// walkFile walks the file at path: all of it, or only what leads to other pages.
func walkFile(path string, full bool) error {
	f, err := os.Open(path)
	if err != nil {
		return fileError(path, err)
	}
	defer func() { _ = f.Close() }()
	st, err := f.Stat()
	if err != nil {
		return fileError(path, err)
	}
	w := &walker{file: f, size: uint64(st.Size()), pageSize: uint64(os.Getpagesize()), full: full}
	if what := w.walk(); what == foreign {
		return unrecognized("%s is %s", path, what)
	} else if what != "" {
		return tampered("%s is damaged: %s", path, what)
	}
	return nil
}

// foreign is what is wrong with a file that never was a token's.
const foreign = "not a token file"

// walk returns what is wrong, "" for nothing.
func (w *walker) walk() string {
	meta, what := w.meta()
	if what != "" {
		return what
	}
	root, free := le(meta[16:]), le(meta[32:])
	w.end = le(meta[40:])
	if w.end < 2 || w.end > w.size/w.pageSize {
		return "it is cut short"
	}
	w.seen = make([]bool, w.end)
	w.seen[0], w.seen[1] = true, true
	if what := w.page(root, 0, true); what != "" {
		return what
	}
	if free == noFreelist {
		return ""
	}
	return w.freelist(free)
}

// meta finds the meta page that is in force.
func (w *walker) meta() ([]byte, string) {
	var best, other []byte
	what := foreign
	for n := range uint64(2) {
		m := make([]byte, metaSize)
		if _, err := w.file.ReadAt(m, int64(n*w.pageSize+pageHead)); err != nil {
			continue
		}
		if binary.LittleEndian.Uint32(m) != boltMagic || binary.LittleEndian.Uint32(m[4:]) != 2 {
			continue
		}
		h := fnv.New64a()
		_, _ = h.Write(m[:metaSize-8])
		if h.Sum64() != le(m[metaSize-8:]) {
			what = "its meta pages are damaged"
		} else if best == nil || le(m[48:]) > le(best[48:]) {
			best, other = m, best
		} else {
			other = m
		}
	}
	if best == nil {
		return nil, what
	}
	if uint64(binary.LittleEndian.Uint32(best[8:])) != w.pageSize {
		return nil, "its pages are not this machine's"
	}
	// Each commit writes the meta page that the commit before did not. Where the two do not follow each other the last
	// commits may be lost, or taken back. bbolt goes on with what there is.
	if w.full && (other == nil || le(best[48:])-le(other[48:]) != 1) {
		return nil, "one of its meta pages is damaged, or older than it should be"
	}
	return best, ""
}

// bounds tests that there may be such a page here.
func (w *walker) bounds(id uint64) string {
	switch {
	case id < 2 || id >= w.end:
		return "a page is out of bounds"
	case w.seen[id]:
		return "a page is reached twice"
	}
	return ""
}

// kind returns the kind of a page.
func kind(page []byte) uint16 { return binary.LittleEndian.Uint16(page[8:]) }

// take marks a page as reached, and returns it with those that continue it.
func (w *walker) take(id uint64) (page []byte, what string) {
	if what := w.bounds(id); what != "" {
		return nil, what
	}
	if page, what = w.read(id, 1); what != "" {
		return nil, what
	}
	more := uint64(binary.LittleEndian.Uint32(page[12:]))
	if le(page) != id || more >= w.end-id {
		return nil, "a page is not what it says"
	}
	for n := id; n <= id+more; n++ {
		if w.seen[n] {
			return nil, "a page is reached twice"
		}
		w.seen[n] = true
	}
	if more > 0 {
		return w.read(id, more+1)
	}
	return page, ""
}

// read reads pages.
func (w *walker) read(id, n uint64) ([]byte, string) {
	b := make([]byte, n*w.pageSize)
	if _, err := w.file.ReadAt(b, int64(id*w.pageSize)); err != nil {
		return nil, "a page cannot be read"
	}
	return b, ""
}

// page walks a page and what is under it. The pages of the root hold buckets, those of a bucket none.
func (w *walker) page(id uint64, depth int, root bool) string {
	page, what := w.take(id)
	if what != "" {
		return what
	}
	if depth > maxDepth {
		return "its pages are nested too deep"
	}
	switch kind(page) {
	case pageBranch:
		return w.branch(page, depth, root)
	case pageLeaf:
		return w.leaf(page, root)
	}
	return "a page has no kind"
}

// count returns the number of elements of a page, and whether they are inside it.
func count(page []byte) (int, bool) {
	n := int(binary.LittleEndian.Uint16(page[10:]))
	return n, pageHead+n*elementHead <= len(page)
}

// branch walks the children of a page: elements of position 4 | key size 4 | page 8.
func (w *walker) branch(page []byte, depth int, root bool) string {
	n, ok := count(page)
	if !ok || n == 0 {
		return "a branch page is damaged"
	}
	leaves := false
	for i := range n {
		e := page[pageHead+i*elementHead:]
		pos, size := uint64(binary.LittleEndian.Uint32(e)), uint64(binary.LittleEndian.Uint32(e[4:]))
		if pos+size > uint64(len(e)) {
			return "a branch page is damaged"
		}
		id := le(e[8:])
		if what := w.bounds(id); what != "" {
			return what
		}
		// All leaves of a tree are equally deep. Reading them is most of the work, and none leads on.
		if i == 0 && !w.full && !root {
			first, what := w.read(id, 1)
			if what != "" {
				return what
			}
			leaves = kind(first) == pageLeaf
		}
		if leaves {
			w.seen[id] = true
		} else if what := w.page(id, depth+1, root); what != "" {
			return what
		}
	}
	return ""
}

// leaf looks at the elements of a page: flags 4 | position 4 | key size 4 | value size 4.
func (w *walker) leaf(page []byte, root bool) string {
	n, ok := count(page)
	if !ok {
		return "a leaf page is damaged"
	}
	if !root && !w.full {
		return ""
	}
	var last []byte
	for i := range n {
		e := page[pageHead+i*elementHead:]
		pos := uint64(binary.LittleEndian.Uint32(e[4:]))
		split := pos + uint64(binary.LittleEndian.Uint32(e[8:]))
		stop := split + uint64(binary.LittleEndian.Uint32(e[12:]))
		if pos < elementHead || stop > uint64(len(e)) {
			return "a leaf page is damaged"
		}
		key := e[pos:split]
		if i > 0 && bytes.Compare(last, key) >= 0 {
			return "a leaf page is out of order"
		}
		last = key
		if isBucket := binary.LittleEndian.Uint32(e) == 1; isBucket != root {
			return "a leaf page has a bucket where it must not, or none where it must"
		}
		if root {
			if what := w.bucket(e[split:stop]); what != "" {
				return what
			}
		}
	}
	return ""
}

// bucket walks a bucket: its root page, or the page that stands in its place while it is small.
func (w *walker) bucket(value []byte) string {
	if len(value) < bucketHead {
		return "a bucket is damaged"
	}
	if id := le(value); id != 0 {
		return w.page(id, 0, false)
	}
	page := value[bucketHead:]
	if len(page) < pageHead || kind(page) != pageLeaf {
		return "a bucket is damaged"
	}
	return w.leaf(page, false)
}

// freelist tests that no page is both free and in use.
func (w *walker) freelist(id uint64) string {
	page, what := w.take(id)
	if what != "" {
		return what
	}
	n, ids := uint64(binary.LittleEndian.Uint16(page[10:])), page[pageHead:]
	if n == 0xffff { // the count stands before the list
		n, ids = le(ids), ids[8:]
	}
	if kind(page) != pageFree || n > uint64(len(ids))/8 {
		return "the list of free pages is damaged"
	}
	for i := range n {
		if id := le(ids[8*i:]); id < 2 || id >= w.end || w.seen[id] {
			return "a page is free and in use, or free twice"
		} else {
			w.seen[id] = true
		}
	}
	return ""
}

// le reads 8 bytes in bbolt's order on the machines that softcsp runs on.
func le(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }
