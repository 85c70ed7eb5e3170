package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
)

// walk looks at a file as a whole: every page is in use once, or free, and not both. What is read is safe without that
// (pages.go); but a page in use that is also free would be written over. The pages that lead to others are enough: all leaves of a tree are
// equally deep, so where one child is a leaf the others are taken for leaves, and are not read. It ends at the first fault.
func (r *pageReader) walk() error {
	w := walker{pages: r}
	return w.walkFile()
}

// faults is walk for a check: it looks at every page, and goes on where one is damaged, with the pages that others lead to.
func (r *pageReader) faults() []error {
	w := walker{pages: r, full: true}
	_ = w.walkFile()
	return w.found
}

// A walker walks a file.
type walker struct {
	pages *pageReader
	full  bool
	found []error // with full
}

// fault takes an error. It returns it where the walk ends with that.
func (w *walker) fault(err error) error {
	if err == nil || !w.full {
		return err
	}
	w.found = append(w.found, err)
	return nil
}

func (w *walker) walkFile() error {
	r := w.pages
	if w.full {
		w.walkMetas()
	}
	lost := len(w.found) // pages that only a damaged page leads to are seen by nobody
	p, err := r.page(r.meta.root, parentElement{page: rootOf | uint64(buckets)}, buckets)
	if err == nil {
		err = w.walkTree(&p, buckets, 0, w.walkBuckets)
	} else {
		err = w.fault(err)
	}
	if err != nil {
		return err
	}
	free, err := r.freePages()
	if err != nil {
		return w.fault(err)
	}
	for _, id := range free {
		if r.markSeen(id) {
			return w.fault(r.damaged("a page is free and in use"))
		}
	}
	for id := uint64(2); w.full && len(w.found) == lost && id < r.meta.end; id++ {
		if !r.markSeen(id) {
			return w.fault(r.damaged("a page is neither free nor in use"))
		}
	}
	return nil
}

// walkMetas looks at both meta pages. What stands before a meta is not needed to read the file, but was damaged with it, perhaps.
func (w *walker) walkMetas() {
	r, whole := w.pages, true
	fault := func(slot uint64, what string) {
		whole = false
		_ = w.fault(r.damaged(fmt.Sprintf("meta page %d, at byte %d, %s", slot, slot*pageSize, what)))
	}
	for slot := range uint64(2) {
		var head [pageHead]byte
		m, wrong, err := r.metaPage(slot)
		if err == nil {
			err = r.readAt(head[:], slot*pageSize)
		}
		switch {
		case err != nil:
			fault(slot, err.Error())
		case wrong != nil:
			fault(slot, wrong.Error())
		case !bytes.Equal(head[:], metaPage(slot, m.raw[:])[:pageHead]):
			fault(slot, "has a damaged head")
		}
	}
	if whole && !r.otherMetaWhole {
		fault(1-r.meta.index, "is older than it should be")
	}
}

// walkBuckets walks the buckets that a leaf of the root holds.
func (w *walker) walkBuckets(p *page) error {
	for i := range p.n {
		of := bucketOf(p.key(i))
		number := uint64(of)
		if of == unknownBucket {
			number = unknownBucketNumber(p, i)
		}
		top, err := w.pages.bucketPage(p.value(i), number)
		switch {
		case err != nil:
			err = w.fault(err)
		case top.branch:
			err = w.walkTree(&top, of, 0, func(*page) error { return nil })
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// walkTree calls leaf with every leaf under p that is read.
func (w *walker) walkTree(p *page, of bucket, depth int, leaf func(*page) error) error {
	if depth > maxDepth {
		return w.fault(w.pages.damaged("its pages are nested too deep"))
	}
	if !p.branch {
		return leaf(p)
	}
	leaves := false
	for i := range p.n {
		id, from := p.child(i), parentElement{p.id, i}
		if leaves {
			if w.pages.markSeen(id) { // where from is not remembered: there may be very many
				return w.pages.damaged("a page is reached twice")
			}
			continue
		}
		child, err := w.pages.page(id, from, of)
		if err != nil {
			err = w.fault(err)
		} else {
			leaves = of != buckets && !w.full && !child.branch
			err = w.walkTree(&child, of, depth+1, leaf)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// freeList is what holds the list of free pages, among buckets.
const freeList = unknownBucket + 1

// pageFault says which page it is that something is wrong with, and what was on it.
func pageFault(id uint64, of bucket, err error) error {
	d, ok := err.(*damage)
	if !ok || id == 0 || id == noFreelist {
		return err
	}
	holds := "what no version of this knows"
	switch {
	case of == buckets:
		holds = "the buckets"
	case of == freeList:
		holds = "the list of free pages"
	case of < buckets:
		holds = of.holds()
	}
	what, isPage := strings.CutPrefix(d.what, "a page ")
	if !isPage {
		what = "is damaged: " + what
	}
	return &damage{d.path, fmt.Sprintf("page %d, at byte %d, which held %s, %s", id, id*pageSize, holds, what)}
}

// freePages returns the pages that are free, in order. It tests that each may be.
func (r *pageReader) freePages() ([]uint64, error) {
	free, err := r.readFreePages()
	return free, pageFault(r.meta.free, freeList, err)
}

// readFreePages is freePages, with errors that do not name the page.
func (r *pageReader) readFreePages() ([]uint64, error) {
	page, err := r.freePage()
	if err != nil {
		return nil, err
	}
	n, ids := uint64(binary.LittleEndian.Uint16(page[10:])), page[pageHead:]
	if n == 0xffff { // the count stands before the list
		n, ids = leUint64(ids), ids[8:]
	}
	if n > uint64(len(ids))/8 {
		return nil, r.damaged("the list of free pages is damaged")
	}
	free := make([]uint64, n)
	for i := range free {
		free[i] = leUint64(ids[8*i:])
		if free[i] < 2 || free[i] >= r.meta.end || i > 0 && free[i] <= free[i-1] {
			return nil, r.damaged("the list of free pages is damaged")
		}
	}
	return free, nil
}

// freePage returns the page with the list of free pages.
func (r *pageReader) freePage() ([]byte, error) {
	if r.meta.free == noFreelist {
		return nil, r.damaged("it has no list of free pages")
	}
	data, err := r.readRun(r.meta.free, parentElement{page: rootOf | 1<<62}, buckets)
	if err == nil && binary.LittleEndian.Uint16(data[8:]) != pageFree {
		err = r.damaged("the list of free pages is damaged")
	}
	return data, err
}
