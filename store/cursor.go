package store

import (
	"bytes"
	"encoding/binary"
)

// A cursor is a place in a tree: an element on each level.
type cursor struct {
	pages *pageReader
	of    bucket // buckets for the root
	steps []step
}

type step struct {
	p page
	i int
}

// bucketRoot returns the first page of a bucket, nil where there is no such bucket.
func (r *pageReader) bucketRoot(of bucket) (*page, error) {
	if r.bucketRoots[of] != nil {
		return r.bucketRoots[of], nil
	}
	c, err := r.seek(buckets, []byte(of.String()))
	if err != nil || c == nil {
		return nil, err
	}
	s := c.leaf()
	if s.i == s.p.n || string(s.p.key(s.i)) != of.String() {
		return nil, nil
	}
	p, err := r.bucketPage(s.p.value(s.i), uint64(of))
	if err != nil {
		return nil, err
	}
	r.bucketRoots[of] = &p
	return &p, nil
}

// bucketPage returns the first page of a bucket. A small bucket has it in the value that otherwise has the page's number.
func (r *pageReader) bucketPage(value []byte, number uint64) (page, error) {
	if id := leUint64(value); id != 0 {
		return r.page(id, parentElement{page: rootOf | number}, bucket(min(number, uint64(unknownBucket))))
	}
	p := page{data: value[bucketHead:]}
	if len(p.data) < pageHead || binary.LittleEndian.Uint16(p.data[8:]) != pageLeaf {
		return page{}, r.damaged("a bucket is damaged")
	}
	return p, r.checkPage(&p, false)
}

// seek finds the place of a key: nil where there is no such bucket.
func (r *pageReader) seek(of bucket, key []byte) (*cursor, error) {
	c := &cursor{pages: r, of: of, steps: make([]step, 0, 4)}
	var p page
	if of == buckets {
		var err error
		if p, err = r.page(r.meta.root, parentElement{page: rootOf | uint64(buckets)}, buckets); err != nil {
			return nil, err
		}
	} else if top, err := r.bucketRoot(of); err != nil || top == nil {
		return nil, err
	} else {
		p = *top
	}
	return c, c.descend(p, func(p *page) int { return p.search(key) })
}

// descend goes from a page to a leaf.
func (c *cursor) descend(p page, choose func(p *page) int) (err error) {
	for {
		s := step{p, choose(&p)}
		c.steps = append(c.steps, s)
		if !p.branch {
			return nil
		}
		if len(c.steps) > maxDepth {
			return c.pages.damaged("its pages are nested too deep")
		}
		if p, err = c.childPage(&s); err != nil {
			return err
		}
	}
}

// childPage returns the page that an element of a branch leads to.
func (c *cursor) childPage(s *step) (page, error) {
	id := s.p.child(s.i)
	if c.of < buckets && c.pages.lastLeaf[c.of].id == id {
		return c.pages.lastLeaf[c.of], c.pages.reach(id, 0, parentElement{s.p.id, s.i})
	}
	p, err := c.pages.page(id, parentElement{s.p.id, s.i}, c.of)
	if err == nil && !p.branch && c.of < buckets {
		c.pages.lastLeaf[c.of] = p
	}
	return p, err
}

// leaf returns the place in the leaf, which may be behind its last element.
func (c *cursor) leaf() *step { return &c.steps[len(c.steps)-1] }

// nextElement goes on to the next leaf until there is an element, and reports whether there is one.
func (c *cursor) nextElement() (bool, error) {
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
		p, err := c.childPage(s)
		if err == nil {
			err = c.descend(p, func(*page) int { return 0 })
		}
		if err != nil {
			return false, err
		}
	}
}

// get returns the value of a key, nil where there is none.
func (r *pageReader) get(of bucket, key []byte) ([]byte, error) {
	c, err := r.seek(of, key)
	if err != nil || c == nil {
		return nil, err
	}
	if s := c.leaf(); s.i < s.p.n && bytes.Equal(s.p.key(s.i), key) {
		return s.p.value(s.i), nil
	}
	return nil, nil
}

// each calls f with every element whose key begins with prefix, in order.
func (r *pageReader) each(of bucket, prefix []byte, f func(key, value []byte) error) error {
	c, err := r.seek(of, prefix)
	if err != nil {
		return err
	}
	if c == nil && of.optional() {
		return nil
	} else if c == nil {
		return unrecognized("the file has no bucket %q", of)
	}
	return c.each(prefix, f)
}

// each calls f with every element from the cursor on whose key begins with prefix, in order.
func (c *cursor) each(prefix []byte, f func(key, value []byte) error) error {
	for {
		there, err := c.nextElement()
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

// eachBucket calls f with every bucket of the file and a cursor at its beginning, in order of the names: also with those that this
// version does not know.
func (r *pageReader) eachBucket(f func(name []byte, sequence uint64, c *cursor) error) error {
	root, err := r.seek(buckets, nil)
	if err != nil {
		return err
	}
	return root.each(nil, func(name, value []byte) error {
		c, s := &cursor{pages: r, of: bucketOf(name)}, root.leaf()
		number := uint64(c.of)
		if c.of == unknownBucket {
			number = unknownBucketNumber(&s.p, s.i)
		}
		top, err := r.bucketPage(value, number)
		if err == nil {
			err = c.descend(top, func(*page) int { return 0 })
		}
		if err != nil {
			return err
		}
		return f(name, leUint64(value[8:]), c)
	})
}

// unknownBucket is a bucket that this version does not know.
const unknownBucket = buckets + 1

// bucketOf returns the bucket of a name.
func bucketOf(name []byte) bucket {
	for of := range buckets {
		if string(name) == of.String() {
			return of
		}
	}
	return unknownBucket
}

// unknownBucketNumber returns a number that stands for an unknown bucket in a parentElement: that of the place where its name stands, which no
// other bucket has.
func unknownBucketNumber(p *page, i int) uint64 { return uint64(unknownBucket) + uint64(i) + p.id<<16 }
