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
// end, up to the root; until the new meta page is written the commit before stands. That is how bbolt does it, whose format
// this is; but bbolt has to be given the file itself, locks it in a way that children inherit, follows what it finds there, and
// cannot be stopped. This works on pages that pages.go has read and looked at, and on nothing else.

// A maker makes the pages of a commit.
type maker struct {
	b     *book
	avail []uint64 // free pages, in order
	freed []uint64 // pages that were in use and are not any more
	end   uint64
	out   []madePage
	none  uint64 // of so many free pages in a row there are none, 0 where that is not known
}

// A madePage is a page that was made, with those that continue it.
type madePage struct {
	id   uint64
	data []byte
}

// A cell is an element of a page in the making.
type cell struct {
	key, value []byte
	child      uint64
}

// A node is what a page in the making holds: as much as it may be, before it is split into pages.
type node struct {
	leaf, root bool
	entries    []cell
}

// An op is what is to become of a key; no value deletes it.
type op struct{ key, value []byte }

// elementSize returns what an entry takes.
func (e *cell) size() int { return elementHead + len(e.key) + len(e.value) }

func (n *node) size() int {
	size := pageHead
	for i := range n.entries {
		size += n.entries[i].size()
	}
	return size
}

// sparse says whether a page is so empty that it is to be joined with another, as bbolt does it too.
func (n *node) sparse() bool {
	return n.size() < int(pageSize)/4 || !n.leaf && len(n.entries) < 2
}

// nodeOf returns what a page holds.
func nodeOf(p *page, root bool) *node {
	n := &node{leaf: !p.branch, root: root, entries: make([]cell, p.n, p.n+1)}
	for i := range n.entries {
		n.entries[i] = entryOf(p, i)
	}
	return n
}

func entryOf(p *page, i int) cell {
	if p.branch {
		return cell{key: p.key(i), child: p.child(i)}
	}
	return cell{key: p.key(i), value: p.value(i)}
}

// free gives a page back, with those that continue it. One that stands in its bucket's place is none.
func (m *maker) free(p *page) {
	if p.id != 0 {
		m.freeRun(p.id, uint64(len(p.data))/pageSize)
	}
}

func (m *maker) freeRun(id, n uint64) {
	for i := range n {
		m.freed = append(m.freed, id+i)
	}
}

// alloc returns a number of pages in a row.
func (m *maker) alloc(n uint64) (id uint64) {
	if n == 1 && len(m.avail) > 0 {
		id, m.avail = m.avail[0], m.avail[1:]
		return id
	}
	for i := 0; i+int(n) <= len(m.avail) && (m.none == 0 || n < m.none); i++ {
		if m.avail[i+int(n)-1] == m.avail[i]+n-1 {
			id = m.avail[i]
			m.avail = slices.Delete(m.avail, i, i+int(n))
			return id
		}
	}
	if m.none == 0 || n < m.none {
		m.none = n
	}
	id = m.end
	m.end += n
	return id
}

// rebuild does ops under a page, and returns what the page has become: nil where nothing changes. Pages below are made.
func (m *maker) rebuild(p *page, of bucket, depth int, ops []op) (*node, error) {
	if depth > maxDepth {
		return nil, m.b.damaged("its pages are nested too deep")
	}
	if !p.branch {
		return m.rebuildLeaf(p, of == buckets, ops), nil
	}
	cells := make([]childCell, p.n)
	changed := false
	for i := range cells {
		cells[i] = childCell{cell: entryOf(p, i), at: i}
		mine := ops
		if i+1 < p.n {
			next := p.key(i + 1)
			n := sort.Search(len(ops), func(j int) bool { return bytes.Compare(ops[j].key, next) >= 0 })
			mine, ops = ops[:n], ops[n:]
		}
		if len(mine) == 0 {
			continue
		}
		child, err := m.b.page(p.child(i), origin{p.id, i}, of)
		if err == nil {
			cells[i].fresh, err = m.rebuild(&child, of, depth+1, mine)
		}
		if err != nil {
			return nil, err
		}
		changed = changed || cells[i].fresh != nil
	}
	if !changed {
		return nil, nil
	}
	m.free(p)
	return m.settle(p, of, cells)
}

// rebuildLeaf is rebuild for a leaf.
func (m *maker) rebuildLeaf(p *page, root bool, ops []op) *node {
	n := &node{leaf: true, root: root, entries: make([]cell, 0, p.n+len(ops))}
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
			n.entries = append(n.entries, entryOf(p, i))
			i++
			continue
		}
		if o := ops[0]; o.value != nil {
			n.entries = append(n.entries, cell{key: o.key, value: o.value})
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
	m.free(p)
	return n
}

// A childCell is an element of a branch that is made anew: it leads to a page that stays, or to one in the making.
type childCell struct {
	cell
	at    int   // its place in the page that was
	fresh *node // nil for a page that stays
}

// settle joins children that have become sparse with one beside them, writes those that are new, and returns the branch.
func (m *maker) settle(p *page, of bucket, cells []childCell) (*node, error) {
	for i := 0; i < len(cells); {
		f := cells[i].fresh
		switch {
		case f != nil && len(f.entries) == 0:
			cells = slices.Delete(cells, i, i+1)
		case f == nil || !f.sparse() || len(cells) == 1:
			i++
		default:
			left := max(i-1, 0)
			both := cells[left : left+2]
			wide, err := m.wide(&both[1-(i-left)])
			if err != nil {
				return nil, err
			}
			if wide && f.leaf {
				i++
				continue
			}
			for j := range both {
				if err := m.thaw(p, of, &both[j]); err != nil {
					return nil, err
				}
			}
			if both[0].fresh.leaf != both[1].fresh.leaf {
				return nil, m.b.damaged("its leaves are not equally deep")
			}
			both[0].fresh.entries = append(both[0].fresh.entries, both[1].fresh.entries...)
			cells = slices.Delete(cells, left+1, left+2)
			i = left
		}
	}
	n := &node{root: of == buckets, entries: make([]cell, 0, len(cells)+1)}
	for i := range cells {
		if cells[i].fresh == nil {
			n.entries = append(n.entries, cells[i].cell)
			continue
		}
		made, err := m.split(cells[i].fresh)
		if err != nil {
			return nil, err
		}
		n.entries = append(n.entries, made...)
	}
	return n, nil
}

// wide reports whether a child takes more than one page. Joined with a small one it would be split from it again, and written
// anew whenever that changes.
func (m *maker) wide(it *childCell) (bool, error) {
	if it.fresh != nil {
		return it.fresh.size() > int(pageSize), nil
	}
	return m.b.continued(it.child)
}

// thaw makes a page that stays one in the making.
func (m *maker) thaw(p *page, of bucket, it *childCell) error {
	if it.fresh != nil {
		return nil
	}
	child, err := m.b.page(it.child, origin{p.id, it.at}, of)
	if err != nil {
		return err
	}
	m.free(&child)
	it.fresh = nodeOf(&child, of == buckets)
	return nil
}

// split makes the pages of a node, of about the same size where there are several, and returns the elements that lead to them.
func (m *maker) split(n *node) (pages []cell, err error) {
	size := n.size()
	most := int(pageSize)
	target := most
	if size > most {
		target = size / (size/most + 1)
	}
	for from := 0; from < len(n.entries); {
		to, sum := from, pageHead
		for to < len(n.entries) {
			next := n.entries[to].size()
			if to > from && (sum+next > most || sum >= target) && (n.leaf || to-from >= 2 && len(n.entries)-to >= 2) {
				break
			}
			sum += next
			to++
		}
		part := node{n.leaf, n.root, n.entries[from:to]}
		count := (uint64(sum) + pageSize - 1) / pageSize
		if !n.leaf && count > 1 {
			return nil, m.b.damaged("a name is longer than any")
		}
		id := m.alloc(count)
		var data []byte
		if count == 1 {
			data = m.b.blank()
		} else {
			data = make([]byte, count*pageSize)
		}
		if err := m.encode(data, id, &part); err != nil {
			return nil, err
		}
		m.out = append(m.out, madePage{id, data})
		pages = append(pages, cell{key: part.entries[0].key, child: id})
		from = to
	}
	return pages, nil
}

// encode writes a page.
func (m *maker) encode(data []byte, id uint64, n *node) error {
	kind := uint16(pageBranch)
	if n.leaf {
		kind = pageLeaf
	}
	if len(n.entries) > 0xffff {
		return m.b.damaged("a page has more elements than it may")
	}
	more := uint64(len(data)) / pageSize
	if more > 0 {
		more--
	}
	binary.LittleEndian.PutUint64(data, id)
	binary.LittleEndian.PutUint16(data[8:], kind)
	binary.LittleEndian.PutUint16(data[10:], uint16(len(n.entries)))
	binary.LittleEndian.PutUint32(data[12:], uint32(more))
	at := pageHead + len(n.entries)*elementHead
	for i := range n.entries {
		e := &n.entries[i]
		if i > 0 && bytes.Compare(n.entries[i-1].key, e.key) >= 0 {
			return m.b.damaged("its pages are out of order")
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

// plant makes the pages of a node that is the first of its tree, and returns the number of the one that is then.
func (m *maker) plant(n *node) (uint64, error) {
	for {
		if !n.leaf && len(n.entries) == 1 { // a level that is not needed any more
			return n.entries[0].child, nil
		}
		pages, err := m.split(n)
		if err != nil {
			return 0, err
		}
		n = &node{root: n.root, entries: pages}
	}
}

// bucket does ops in a bucket, and returns what is to stand for it in the root: nil where nothing changes.
func (m *maker) bucket(of bucket, ops []op) ([]byte, error) {
	old, err := m.b.get(buckets, []byte(of.String()))
	if err != nil {
		return nil, err
	}
	top := &page{} // of a bucket that is not there yet
	switch {
	case old != nil:
		if top, err = m.b.top(of); err != nil {
			return nil, err
		}
	case of.optional():
		old = make([]byte, bucketHead)
	default:
		return nil, unrecognized("the file has no bucket %q", of)
	}
	n, err := m.rebuild(top, of, 0, ops)
	if n == nil || err != nil {
		return nil, err
	}
	if len(n.entries) == 0 {
		n = &node{leaf: true}
	}
	value := make([]byte, bucketHead)
	copy(value[8:], old[8:bucketHead])
	if size := n.size(); n.leaf && size <= int(pageSize)/4 {
		value = append(value, make([]byte, size)...)
		return value, m.encode(value[bucketHead:], 0, n)
	}
	id, err := m.plant(n)
	binary.LittleEndian.PutUint64(value, id)
	return value, err
}

// make makes the pages of the commit.
func (x *boltTx) make() (*draft, error) {
	free, err := x.b.freePages()
	if err != nil {
		return nil, err
	}
	list, err := x.b.freePage()
	if err != nil {
		return nil, err
	}
	m := &maker{b: x.b, avail: slices.Clone(free), end: x.b.meta.end}
	var tops []op
	for of := range buckets {
		if len(x.writes[of]) == 0 {
			continue
		}
		ops := make([]op, 0, len(x.writes[of]))
		for _, key := range slices.Sorted(maps.Keys(x.writes[of])) {
			ops = append(ops, op{[]byte(key), x.writes[of][key]})
		}
		value, err := m.bucket(of, ops)
		if err != nil {
			return nil, err
		}
		if value != nil {
			tops = append(tops, op{[]byte(of.String()), value})
		}
	}
	slices.SortFunc(tops, func(a, b op) int { return bytes.Compare(a.key, b.key) })
	first, err := x.b.page(x.b.meta.root, origin{page: topOf | uint64(buckets)}, buckets)
	if err != nil {
		return nil, err
	}
	n, err := m.rebuild(&first, buckets, 0, tops)
	if err != nil {
		return nil, err
	}
	root := x.b.meta.root
	if n != nil {
		if root, err = m.plant(n); err != nil {
			return nil, err
		}
	}
	for _, id := range m.freed {
		if _, is := slices.BinarySearch(free, id); is {
			return nil, x.b.damaged("a page is free and in use")
		}
	}
	m.freeRun(x.b.meta.free, uint64(len(list))/pageSize)
	return m.finish(root), nil
}

// finish makes the list of free pages and the meta page.
func (m *maker) finish(root uint64) *draft {
	most := uint64(len(m.avail) + len(m.freed) + 1)
	count := (pageHead + 8*most + pageSize - 1) / pageSize
	id := m.alloc(count)
	rest := append(m.freed, m.avail...)
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
	m.out = append(m.out, madePage{id, list})
	slices.SortFunc(m.out, func(a, b madePage) int { return int(a.id) - int(b.id) })

	p := &draft{number: m.b.meta.number + 1, size: m.end * pageSize, free: uint64(len(rest)), pages: m.out}
	p.slot = 1 - m.b.meta.slot
	p.meta = metaPage(p.slot, m.b.meta.raw[:])
	raw := p.meta[pageHead:][:metaSize]
	for at, v := range map[int]uint64{16: root, 32: id, 40: m.end, 48: p.number} {
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
