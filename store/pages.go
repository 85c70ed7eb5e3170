package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/fnv"
	"io"
	"os"
	"sort"
	"sync"

	"golang.org/x/sys/unix"
)

// bbolt trusts its file: a page that is its own ancestor makes it recurse until the process dies of it, a count that is too
// large makes it allocate what there is not. A token file is not to be trusted before the first PIN, and not while others
// may write to it. So tokens are read by this file, and bbolt only writes (bolt.go), and sees nothing but pages that were
// read here.
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

	maxRun  = 8 * maxObject // bytes of a page with those that continue it: two objects at least can share one
	maxFile = 64 << 30
)

var pageSize = uint64(os.Getpagesize())

// A meta is a meta page: where everything is, as of one commit.
type meta struct {
	raw                     [metaSize]byte
	slot                    uint64 // which of the two pages it is
	root, free, end, number uint64
}

// A book reads the pages of a file.
type book struct {
	path  string
	file  io.ReaderAt
	meta  meta
	run   uint64 // how many pages one may be continued by
	other bool   // the other meta page is that of the commit before

	seen []uint64          // a bit for each page that was reached
	from map[uint64]origin // where from
	kept map[uint64]page   // branch pages, and leaves as far as there is room
	room int               // for leaves
	lent []*[]byte         // single pages, of pagePool
	tops [buckets]*page    // of each bucket, once it was looked for
	last [buckets]page     // the leaf that was read last
}

// An origin is the element that leads to a page.
type origin struct {
	page  uint64 // or topOf a bucket
	index int
}

const topOf = 1 << 63

// A page is the copy of a page and of those that continue it, which has been looked at.
type page struct {
	id     uint64
	branch bool
	n      int
	data   []byte
}

// pagePool has the memory of single pages, some of which each transaction takes and gives back at its end.
var pagePool = sync.Pool{New: func() any { b := make([]byte, pageSize); return &b }}

const maxLent = 64

// blank returns memory for one page, with anything in it.
func (b *book) blank() []byte {
	if len(b.lent) == maxLent {
		return make([]byte, pageSize)
	}
	p := pagePool.Get().(*[]byte)
	b.lent = append(b.lent, p)
	return *p
}

// close ends the use of everything that the book has handed out.
func (b *book) close() {
	for _, p := range b.lent {
		pagePool.Put(p)
	}
	b.lent, b.kept = nil, nil
}

// openBook opens the file that f is open on, of which st tells.
func openBook(path string, f io.ReaderAt, st *unix.Stat_t) (*book, error) {
	b := &book{path: path, file: f, from: map[uint64]origin{}, kept: map[uint64]page{}}
	if err := b.readMeta(); err != nil {
		return nil, err
	}
	if b.meta.end < 2 || b.meta.end > uint64(st.Size)/pageSize {
		return nil, b.damaged("it is cut short")
	}
	if st.Size > maxFile {
		return nil, b.damaged("it is larger than any token")
	}
	// A hole in a file costs nobody anything. What takes much memory must be there.
	b.run = min(maxRun, max(maxObject, uint64(st.Blocks)*512)) / pageSize
	b.seen = make([]uint64, b.meta.end/64+1)
	b.mark(0)
	b.mark(1)
	return b, nil
}

// damaged says what is wrong with the file.
func (b *book) damaged(what string) error { return tampered("%s is damaged: %s", b.path, what) }

// readMeta finds the meta page that is in force: the later one of those that are whole. Each commit writes the one that the
// commit before did not.
func (b *book) readMeta() error {
	what, found, first := unrecognized("%s is not a token file", b.path), 0, uint64(0)
	for slot := range uint64(2) {
		m := meta{slot: slot}
		switch n, err := b.file.ReadAt(m.raw[:], int64(slot*pageSize+pageHead)); {
		case err != nil && !errors.Is(err, io.EOF):
			return fileError(b.path, err)
		case n < metaSize:
			continue
		}
		if binary.LittleEndian.Uint32(m.raw[:]) != boltMagic || binary.LittleEndian.Uint32(m.raw[4:]) != 2 {
			continue
		}
		h := fnv.New64a()
		_, _ = h.Write(m.raw[:metaSize-8])
		m.root, m.free, m.end, m.number = le(m.raw[16:]), le(m.raw[32:]), le(m.raw[40:]), le(m.raw[48:])
		switch {
		case h.Sum64() != le(m.raw[metaSize-8:]):
			if found == 0 {
				what = b.damaged("its meta pages are damaged")
			}
			continue
		case uint64(binary.LittleEndian.Uint32(m.raw[8:])) != pageSize:
			what = b.damaged("its pages are not this machine's")
			continue
		}
		if found++; found == 1 {
			first = m.number
		}
		if found == 1 || m.number > b.meta.number {
			b.meta = m
		}
		b.other = found == 2 && max(first, m.number)-min(first, m.number) == 1
	}
	if found == 0 {
		return what
	}
	return nil
}

// mark notes that a page was reached, and reports whether it had been.
func (b *book) mark(id uint64) (before bool) {
	bit := uint64(1) << (id % 64)
	before = b.seen[id/64]&bit != 0
	b.seen[id/64] |= bit
	return before
}

// claim notes that a page, with those that continue it, was reached from an element.
func (b *book) claim(id, more uint64, from origin) error {
	if at, before := b.from[id]; before {
		if at != from {
			return b.damaged("a page is reached twice")
		}
		return nil
	}
	b.from[id] = from
	for n := id; n <= id+more; n++ {
		if b.mark(n) {
			return b.damaged("a page is reached twice")
		}
	}
	return nil
}

// raw reads a page with those that continue it.
func (b *book) raw(id uint64, from origin) ([]byte, error) {
	if id < 2 || id >= b.meta.end {
		return nil, b.damaged("a page is out of bounds")
	}
	data := b.blank()
	if err := b.fill(data, id*pageSize); err != nil {
		return nil, err
	}
	more := uint64(binary.LittleEndian.Uint32(data[12:]))
	if le(data) != id || more >= b.meta.end-id || more > b.run {
		return nil, b.damaged("a page is not what it says")
	}
	if err := b.claim(id, more, from); err != nil {
		return nil, err
	}
	if more == 0 {
		return data, nil
	}
	whole := make([]byte, (more+1)*pageSize)
	copy(whole, data)
	return whole, b.fill(whole[pageSize:], (id+1)*pageSize)
}

func (b *book) fill(p []byte, at uint64) error {
	switch _, err := b.file.ReadAt(p, int64(at)); {
	case errors.Is(err, io.EOF):
		return b.damaged("it is cut short")
	case err != nil:
		return fileError(b.path, err)
	}
	return nil
}

// page returns the page that an element leads to. The pages of the root hold buckets, those of a bucket none.
func (b *book) page(id uint64, from origin, root bool) (page, error) {
	if p, ok := b.kept[id]; ok {
		return p, b.claim(id, 0, from)
	}
	data, err := b.raw(id, from)
	if err != nil {
		return page{}, err
	}
	p := page{id: id, data: data}
	switch binary.LittleEndian.Uint16(data[8:]) {
	case pageBranch:
		p.branch = true
	case pageLeaf:
	default:
		return page{}, b.damaged("a page has no kind")
	}
	if err := b.look(&p, root); err != nil {
		return page{}, err
	}
	if !p.branch {
		b.room -= len(data)
	}
	if p.branch || b.room >= 0 {
		b.kept[id] = p
	}
	return p, nil
}

// look looks at the elements of a page.
func (b *book) look(p *page, root bool) error {
	p.n = int(binary.LittleEndian.Uint16(p.data[10:]))
	if pageHead+p.n*elementHead > len(p.data) || p.branch && p.n == 0 {
		return b.damaged("a page has more elements than room, or none")
	}
	var before []byte
	for i := range p.n {
		e := p.data[pageHead+i*elementHead:]
		pos, keySize := uint64(binary.LittleEndian.Uint32(e[4:])), uint64(binary.LittleEndian.Uint32(e[8:]))
		stop := pos + keySize + uint64(binary.LittleEndian.Uint32(e[12:]))
		if p.branch {
			pos, keySize = uint64(binary.LittleEndian.Uint32(e)), uint64(binary.LittleEndian.Uint32(e[4:]))
			stop = pos + keySize
			if child := le(e[8:]); child < 2 || child >= b.meta.end {
				return b.damaged("a page is out of bounds")
			}
		} else if kind := binary.LittleEndian.Uint32(e); root && (kind != 1 || stop-pos-keySize < bucketHead) || !root && kind != 0 {
			return b.damaged("a leaf page has a bucket where it must not, or none where it must")
		}
		if keySize == 0 || pos < elementHead || stop > uint64(len(e)) {
			return b.damaged("an element is not in its page")
		}
		key := e[pos : pos+keySize]
		if bytes.Compare(before, key) >= 0 {
			return b.damaged("a page is out of order")
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
func (p *page) child(i int) uint64 { return le(p.data[pageHead+i*elementHead+8:]) }

// search returns the first element whose key is not before key: in a leaf. In a branch, the element that leads to it.
func (p *page) search(key []byte) int {
	i := sort.Search(p.n, func(i int) bool { return bytes.Compare(p.key(i), key) >= 0 })
	if p.branch && i > 0 && (i == p.n || !bytes.Equal(p.key(i), key)) {
		i--
	}
	return i
}

// A cursor is a place in a tree: an element on each level.
type cursor struct {
	b     *book
	of    bucket // buckets for the root
	steps []step
}

type step struct {
	p page
	i int
}

// top returns the first page of a bucket, nil where there is no such bucket.
func (b *book) top(of bucket) (*page, error) {
	if b.tops[of] != nil {
		return b.tops[of], nil
	}
	c, err := b.seek(buckets, []byte(of.String()))
	if err != nil || c == nil {
		return nil, err
	}
	s := c.leaf()
	if s.i == s.p.n || string(s.p.key(s.i)) != of.String() {
		return nil, nil
	}
	p, err := b.bucketPage(s.p.value(s.i), uint64(of))
	if err != nil {
		return nil, err
	}
	b.tops[of] = &p
	return &p, nil
}

// bucketPage returns the first page of a bucket: it stands in the place of its number while it is small.
func (b *book) bucketPage(value []byte, number uint64) (page, error) {
	if id := le(value); id != 0 {
		return b.page(id, origin{page: topOf | number}, false)
	}
	p := page{data: value[bucketHead:]}
	if len(p.data) < pageHead || binary.LittleEndian.Uint16(p.data[8:]) != pageLeaf {
		return page{}, b.damaged("a bucket is damaged")
	}
	return p, b.look(&p, false)
}

// seek finds the place of a key: nil where there is no such bucket.
func (b *book) seek(of bucket, key []byte) (*cursor, error) {
	c := &cursor{b: b, of: of, steps: make([]step, 0, 4)}
	var p page
	if of == buckets {
		var err error
		if p, err = b.page(b.meta.root, origin{page: topOf | uint64(buckets)}, true); err != nil {
			return nil, err
		}
	} else if top, err := b.top(of); err != nil || top == nil {
		return nil, err
	} else {
		p = *top
	}
	return c, c.down(p, func(p *page) int { return p.search(key) })
}

// down goes from a page to a leaf.
func (c *cursor) down(p page, choose func(p *page) int) (err error) {
	for {
		s := step{p, choose(&p)}
		c.steps = append(c.steps, s)
		if !p.branch {
			return nil
		}
		if len(c.steps) > maxDepth {
			return c.b.damaged("its pages are nested too deep")
		}
		if p, err = c.follow(&s); err != nil {
			return err
		}
	}
}

// follow returns the page that an element of a branch leads to.
func (c *cursor) follow(s *step) (page, error) {
	id := s.p.child(s.i)
	if c.of < buckets && c.b.last[c.of].id == id {
		return c.b.last[c.of], c.b.claim(id, 0, origin{s.p.id, s.i})
	}
	p, err := c.b.page(id, origin{s.p.id, s.i}, c.of == buckets)
	if err == nil && !p.branch && c.of < buckets {
		c.b.last[c.of] = p
	}
	return p, err
}

// leaf returns the place in the leaf, which may be behind its last element.
func (c *cursor) leaf() *step { return &c.steps[len(c.steps)-1] }

// settle goes on to the next leaf until there is an element, and reports whether there is one.
func (c *cursor) settle() (bool, error) {
	for {
		s := c.leaf()
		if s.i < s.p.n {
			return true, nil
		}
		for len(c.steps) > 0 && s.i+1 >= s.p.n {
			c.steps = c.steps[:len(c.steps)-1]
			if len(c.steps) > 0 {
				s = c.leaf()
			}
		}
		if len(c.steps) == 0 {
			return false, nil
		}
		s.i++
		p, err := c.follow(s)
		if err == nil {
			err = c.down(p, func(*page) int { return 0 })
		}
		if err != nil {
			return false, err
		}
	}
}

// get returns the value of a key, nil where there is none.
func (b *book) get(of bucket, key []byte) ([]byte, error) {
	c, err := b.seek(of, key)
	if err != nil || c == nil {
		return nil, err
	}
	if s := c.leaf(); s.i < s.p.n && bytes.Equal(s.p.key(s.i), key) {
		return s.p.value(s.i), nil
	}
	return nil, nil
}

// each calls f with every element whose key begins with prefix, in order.
func (b *book) each(of bucket, prefix []byte, f func(key, value []byte) error) error {
	c, err := b.seek(of, prefix)
	if err != nil {
		return err
	}
	if c == nil && of.optional() {
		return nil
	} else if c == nil {
		return unrecognized("the file has no bucket %q", of)
	}
	for {
		there, err := c.settle()
		if err != nil || !there {
			return err
		}
		s := c.leaf()
		key := s.p.key(s.i)
		if !bytes.HasPrefix(key, prefix) {
			return nil
		}
		if err := f(key, s.p.value(s.i)); err != nil {
			return err
		}
		s.i++
	}
}

// le reads 8 bytes in bbolt's order on the machines that softcsp runs on.
func le(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }
