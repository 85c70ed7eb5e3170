package store

import (
	"bytes"
	"encoding/binary"
	"hash/fnv"
	"maps"
	"slices"
	"sort"
)

// A commit writes no page that is in use: the pages on the way to what it changes are made anew, in free pages or behind the
// end, up to the root; until the new meta page is written the commit before stands. bbolt does the same, and this is its
// format; but bbolt wants the file itself, locks it in a way that children inherit, trusts the numbers that it finds there, and cannot be
// stopped. This works on pages that pages.go has read and looked at, and on nothing else.

// A commitBuilder makes the pages of a commit.
type commitBuilder struct {
	pages     *pageReader
	freePages []uint64 // free pages, in order
	freed     []uint64 // pages that were in use and are not any more
	end       uint64
	out       []newPage
	noRunOf   uint64 // there is no run of so many free pages, 0 where that is not known
}

// A newPage is a page that was made, with those that continue it.
type newPage struct {
	id   uint64
	data []byte
}

// An element is an element of a page in the making.
type element struct {
	key, value []byte
	child      uint64
}

// A node is the contents of a page in the making. There may be more than a page can hold, until it is split.
type node struct {
	leaf, root bool
	elements   []element
}

// An edit gives a key a value, or deletes it where the value is nil.
type edit struct{ key, value []byte }

// size returns how many bytes of a page an element takes.
func (e *element) size() int { return elementHead + len(e.key) + len(e.value) }

func (n *node) size() int {
	size := pageHead
	for i := range n.elements {
		size += n.elements[i].size()
	}
	return size
}

// sparse says whether a page is so empty that it is to be joined with another, as bbolt does it too.
func (n *node) sparse() bool {
	return n.size() < int(pageSize)/4 || !n.leaf && len(n.elements) < 2
}

// nodeOf returns what a page holds.
func nodeOf(p *page, root bool) *node {
	n := &node{leaf: !p.branch, root: root, elements: make([]element, p.n, p.n+1)}
	for i := range n.elements {
		n.elements[i] = elementOf(p, i)
	}
	return n
}

func elementOf(p *page, i int) element {
	if p.branch {
		return element{key: p.key(i), child: p.child(i)}
	}
	return element{key: p.key(i), value: p.value(i)}
}

// free gives a page back, with those that continue it. The page of a small bucket, which stands in the root, is no page of its own.
func (b *commitBuilder) free(p *page) {
	if p.id != 0 {
		b.freeRun(p.id, uint64(len(p.data))/pageSize)
	}
}

func (b *commitBuilder) freeRun(id, n uint64) {
	for i := range n {
		b.freed = append(b.freed, id+i)
	}
}

// alloc returns a number of pages in a row.
func (b *commitBuilder) alloc(n uint64) (id uint64) {
	if n == 1 && len(b.freePages) > 0 {
		id, b.freePages = b.freePages[0], b.freePages[1:]
		return id
	}
	for i := 0; i+int(n) <= len(b.freePages) && (b.noRunOf == 0 || n < b.noRunOf); i++ {
		if b.freePages[i+int(n)-1] == b.freePages[i]+n-1 {
			id = b.freePages[i]
			b.freePages = slices.Delete(b.freePages, i, i+int(n))
			return id
		}
	}
	if b.noRunOf == 0 || n < b.noRunOf {
		b.noRunOf = n
	}
	id = b.end
	b.end += n
	return id
}

// rebuild applies ops to the tree under a page, and returns what the page becomes: nil where nothing changes. The pages below are made already.
func (b *commitBuilder) rebuild(p *page, of bucket, depth int, ops []edit) (*node, error) {
	if depth > maxDepth {
		return nil, b.pages.damaged("its pages are nested too deep")
	}
	if !p.branch {
		return b.rebuildLeaf(p, of == buckets, ops), nil
	}
	children := make([]childElement, p.n)
	changed := false
	for i := range children {
		children[i] = childElement{element: elementOf(p, i), at: i}
		mine := ops
		if i+1 < p.n {
			next := p.key(i + 1)
			n := sort.Search(len(ops), func(j int) bool { return bytes.Compare(ops[j].key, next) >= 0 })
			mine, ops = ops[:n], ops[n:]
		}
		if len(mine) == 0 {
			continue
		}
		child, err := b.pages.page(p.child(i), parentElement{p.id, i}, of)
		if err == nil {
			children[i].rebuilt, err = b.rebuild(&child, of, depth+1, mine)
		}
		if err != nil {
			return nil, err
		}
		changed = changed || children[i].rebuilt != nil
	}
	if !changed {
		return nil, nil
	}
	b.free(p)
	return b.joinSparse(p, of, children)
}

// rebuildLeaf is rebuild for a leaf.
func (b *commitBuilder) rebuildLeaf(p *page, root bool, ops []edit) *node {
	n := &node{leaf: true, root: root, elements: make([]element, 0, p.n+len(ops))}
	changed := false
	for i := 0; i < p.n || len(ops) > 0; {
		order := 1
		if i < p.n {
			order = -1
			if len(ops) > 0 {
				order = bytes.Compare(p.key(i), ops[0].key)
			}
		}
		if order < 0 {
			n.elements = append(n.elements, elementOf(p, i))
			i++
			continue
		}
		if o := ops[0]; o.value != nil {
			n.elements = append(n.elements, element{key: o.key, value: o.value})
		}
		changed = changed || ops[0].value != nil || order == 0
		ops = ops[1:]
		if order == 0 {
			i++
		}
	}
	if !changed {
		return nil
	}
	b.free(p)
	return n
}

// A childElement is an element of a branch that is made anew: it leads to a page that stays, or to one in the making.
type childElement struct {
	element
	at      int   // its place in the page that was
	rebuilt *node // nil for a page that stays
}

// joinSparse joins children that have become sparse with one beside them, writes those that are new, and returns the branch.
func (b *commitBuilder) joinSparse(p *page, of bucket, children []childElement) (*node, error) {
	for i := 0; i < len(children); {
		f := children[i].rebuilt
		switch {
		case f != nil && len(f.elements) == 0:
			children = slices.Delete(children, i, i+1)
		case f == nil || !f.sparse() || len(children) == 1:
			i++
		default:
			left := max(i-1, 0)
			both := children[left : left+2]
			multiPage, err := b.isMultiPage(&both[1-(i-left)])
			if err != nil {
				return nil, err
			}
			if multiPage && f.leaf {
				i++
				continue
			}
			for j := range both {
				if err := b.load(p, of, &both[j]); err != nil {
					return nil, err
				}
			}
			if both[0].rebuilt.leaf != both[1].rebuilt.leaf {
				return nil, b.pages.damaged("its leaves are not equally deep")
			}
			both[0].rebuilt.elements = append(both[0].rebuilt.elements, both[1].rebuilt.elements...)
			children = slices.Delete(children, left+1, left+2)
			i = left
		}
	}
	n := &node{root: of == buckets, elements: make([]element, 0, len(children)+1)}
	for i := range children {
		if children[i].rebuilt == nil {
			n.elements = append(n.elements, children[i].element)
			continue
		}
		made, err := b.split(children[i].rebuilt)
		if err != nil {
			return nil, err
		}
		n.elements = append(n.elements, made...)
	}
	return n, nil
}

// isMultiPage reports whether a child takes more than one page. Joined with a small one it would be split from it again, and written
// anew whenever that changes.
func (b *commitBuilder) isMultiPage(it *childElement) (bool, error) {
	if it.rebuilt != nil {
		return it.rebuilt.size() > int(pageSize), nil
	}
	return b.pages.continued(it.child)
}

// load reads the page of a child that was to stay, so that it can be joined with another.
func (b *commitBuilder) load(p *page, of bucket, it *childElement) error {
	if it.rebuilt != nil {
		return nil
	}
	child, err := b.pages.page(it.child, parentElement{p.id, it.at}, of)
	if err != nil {
		return err
	}
	b.free(&child)
	it.rebuilt = nodeOf(&child, of == buckets)
	return nil
}

// split makes the pages of a node, of about the same size where there are several, and returns the elements that lead to them.
func (b *commitBuilder) split(n *node) (pages []element, err error) {
	size := n.size()
	most := int(pageSize)
	target := most
	if size > most {
		target = size / (size/most + 1)
	}
	for from := 0; from < len(n.elements); {
		to, sum := from, pageHead
		for to < len(n.elements) {
			next := n.elements[to].size()
			if to > from && (sum+next > most || sum >= target) && (n.leaf || to-from >= 2 && len(n.elements)-to >= 2) {
				break
			}
			sum += next
			to++
		}
		part := node{n.leaf, n.root, n.elements[from:to]}
		count := (uint64(sum) + pageSize - 1) / pageSize
		if !n.leaf && count > 1 {
			return nil, b.pages.damaged("a name is longer than any")
		}
		id := b.alloc(count)
		var data []byte
		if count == 1 {
			data = b.pages.borrowPage()
		} else {
			data = make([]byte, count*pageSize)
		}
		if err := b.encode(data, id, &part); err != nil {
			return nil, err
		}
		b.out = append(b.out, newPage{id, data})
		pages = append(pages, element{key: part.elements[0].key, child: id})
		from = to
	}
	return pages, nil
}

// encode writes a page.
func (b *commitBuilder) encode(data []byte, id uint64, n *node) error {
	kind := uint16(pageBranch)
	if n.leaf {
		kind = pageLeaf
	}
	if len(n.elements) > 0xffff {
		return b.pages.damaged("a page has more elements than it may")
	}
	more := uint64(len(data)) / pageSize
	if more > 0 {
		more--
	}
	binary.LittleEndian.PutUint64(data, id)
	binary.LittleEndian.PutUint16(data[8:], kind)
	binary.LittleEndian.PutUint16(data[10:], uint16(len(n.elements)))
	binary.LittleEndian.PutUint32(data[12:], uint32(more))
	at := pageHead + len(n.elements)*elementHead
	for i := range n.elements {
		e := &n.elements[i]
		if i > 0 && bytes.Compare(n.elements[i-1].key, e.key) >= 0 {
			return b.pages.damaged("its pages are out of order")
		}
		head := data[pageHead+i*elementHead:]
		pos := uint32(at - pageHead - i*elementHead)
		if n.leaf {
			flags := uint32(0)
			if n.root {
				flags = 1
			}
			binary.LittleEndian.PutUint32(head, flags)
			binary.LittleEndian.PutUint32(head[4:], pos)
			binary.LittleEndian.PutUint32(head[8:], uint32(len(e.key)))
			binary.LittleEndian.PutUint32(head[12:], uint32(len(e.value)))
		} else {
			binary.LittleEndian.PutUint32(head, pos)
			binary.LittleEndian.PutUint32(head[4:], uint32(len(e.key)))
			binary.LittleEndian.PutUint64(head[8:], e.child)
		}
		at += copy(data[at:], e.key)
		at += copy(data[at:], e.value)
	}
	clear(data[at:])
	return nil
}

// buildRoot makes the pages of a node that is the first of its tree, and returns the number of the one that is then.
func (b *commitBuilder) buildRoot(n *node) (uint64, error) {
	for {
		if !n.leaf && len(n.elements) == 1 { // the level is not needed any more
			return n.elements[0].child, nil
		}
		pages, err := b.split(n)
		if err != nil {
			return 0, err
		}
		n = &node{root: n.root, elements: pages}
	}
}

// bucket applies ops to a bucket, and returns its value in the root: nil where nothing changes.
func (b *commitBuilder) bucket(of bucket, ops []edit) ([]byte, error) {
	old, err := b.pages.get(buckets, []byte(of.String()))
	if err != nil {
		return nil, err
	}
	top := &page{} // of a bucket that is not there yet
	switch {
	case old != nil:
		if top, err = b.pages.bucketRoot(of); err != nil {
			return nil, err
		}
	case of.optional():
		old = make([]byte, bucketHead)
	default:
		return nil, unrecognized("the file has no bucket %q", of)
	}
	n, err := b.rebuild(top, of, 0, ops)
	if n == nil || err != nil {
		return nil, err
	}
	if len(n.elements) == 0 {
		n = &node{leaf: true}
	}
	value := make([]byte, bucketHead)
	copy(value[8:], old[8:bucketHead])
	if size := n.size(); n.leaf && size <= int(pageSize)/4 {
		value = append(value, make([]byte, size)...)
		return value, b.encode(value[bucketHead:], 0, n)
	}
	id, err := b.buildRoot(n)
	binary.LittleEndian.PutUint64(value, id)
	return value, err
}

// build makes the pages of the commit.
func (x *boltTx) build() (*pendingCommit, error) {
	free, err := x.pages.freePages()
	if err != nil {
		return nil, err
	}
	list, err := x.pages.freePage()
	if err != nil {
		return nil, err
	}
	b := &commitBuilder{pages: x.pages, freePages: slices.Clone(free), end: x.pages.meta.end}
	var tops []edit
	for of := range buckets {
		if len(x.writes[of]) == 0 {
			continue
		}
		ops := make([]edit, 0, len(x.writes[of]))
		for _, key := range slices.Sorted(maps.Keys(x.writes[of])) {
			ops = append(ops, edit{[]byte(key), x.writes[of][key]})
		}
		value, err := b.bucket(of, ops)
		if err != nil {
			return nil, err
		}
		if value != nil {
			tops = append(tops, edit{[]byte(of.String()), value})
		}
	}
	slices.SortFunc(tops, func(a, b edit) int { return bytes.Compare(a.key, b.key) })
	first, err := x.pages.page(x.pages.meta.root, parentElement{page: rootOf | uint64(buckets)}, buckets)
	if err != nil {
		return nil, err
	}
	n, err := b.rebuild(&first, buckets, 0, tops)
	if err != nil {
		return nil, err
	}
	root := x.pages.meta.root
	if n != nil {
		if root, err = b.buildRoot(n); err != nil {
			return nil, err
		}
	}
	for _, id := range b.freed {
		if _, is := slices.BinarySearch(free, id); is {
			return nil, x.pages.damaged("a page is free and in use")
		}
	}
	b.freeRun(x.pages.meta.free, uint64(len(list))/pageSize)
	return b.finish(root), nil
}

// finish makes the list of free pages and the meta page.
func (b *commitBuilder) finish(root uint64) *pendingCommit {
	most := uint64(len(b.freePages) + len(b.freed) + 1)
	count := (pageHead + 8*most + pageSize - 1) / pageSize
	id := b.alloc(count)
	rest := append(b.freed, b.freePages...)
	slices.Sort(rest)
	list := make([]byte, count*pageSize)
	binary.LittleEndian.PutUint64(list, id)
	binary.LittleEndian.PutUint16(list[8:], pageFree)
	binary.LittleEndian.PutUint16(list[10:], uint16(min(len(rest), 0xffff)))
	binary.LittleEndian.PutUint32(list[12:], uint32(count-1))
	ids := list[pageHead:pageHead]
	if len(rest) >= 0xffff {
		ids = binary.LittleEndian.AppendUint64(ids, uint64(len(rest)))
	}
	for _, id := range rest {
		ids = binary.LittleEndian.AppendUint64(ids, id)
	}
	b.out = append(b.out, newPage{id, list})
	slices.SortFunc(b.out, func(a, b newPage) int { return int(a.id) - int(b.id) })

	p := &pendingCommit{number: b.pages.meta.number + 1, size: b.end * pageSize, free: uint64(len(rest)), pages: b.out}
	p.metaIndex = 1 - b.pages.meta.index
	p.meta = metaPage(p.metaIndex, b.pages.meta.raw[:])
	raw := p.meta[pageHead:][:metaSize]
	for at, v := range map[int]uint64{16: root, 32: id, 40: b.end, 48: p.number} {
		binary.LittleEndian.PutUint64(raw[at:], v)
	}
	h := fnv.New64a()
	_, _ = h.Write(raw[:metaSize-8])
	binary.LittleEndian.PutUint64(raw[metaSize-8:], h.Sum64())
	return p
}

// metaPage returns a meta page.
func metaPage(slot uint64, raw []byte) []byte {
	b := make([]byte, pageSize)
	binary.LittleEndian.PutUint64(b, slot)
	binary.LittleEndian.PutUint16(b[8:], pageMeta)
	copy(b[pageHead:], raw)
	return b
}
