package store

import (
	"bytes"
	"maps"
	"slices"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/locked"
)

// A change is a transaction that changes objects, as whoever has the keys makes it.
type change struct {
	k       *Keys
	x       tx
	written map[ID]entry
	deleted map[ID]bool
	terms   [][]byte // what the index gets
}

// change runs f over the token and commits what it did, with the state that this leads to. f runs inside use, and may be run again, as
// backend says.
func (t *Token) change(k *Keys, f func(*change) error) error {
	if k.formatVersion() != version {
		if err := t.upgrade(k, false); err != nil {
			return err
		}
	}
	var c change
	var next verifiedState
	return t.update(func(x tx) (ids []ID, err error) {
		err = k.use(func() error {
			v := &k.verified
			v.mu.Lock()
			defer v.mu.Unlock()
			if err := k.follow(x); err != nil {
				return err
			}
			// The state that is sealed at the end authenticates the header, so the header is looked at now: that the generation is the same does
			// not tell that it is.
			if v.headerDigest != headerDigestOf(x) {
				return tampered("the header was changed by something else than softcsp")
			}
			c = change{k: k, x: x, written: map[ID]entry{}, deleted: map[ID]bool{}}
			if err := f(&c); err != nil {
				return err
			}
			ids = c.ids()
			next, err = c.finish(ids)
			return err
		})
		return ids, err
	}, func() { k.verified.advance(&next, &c) })
}

// finish writes the index and the state, and returns what will be known of the objects after the commit. ids are those that it touches.
func (c *change) finish(ids []ID) (next verifiedState, err error) {
	v := &c.k.verified
	var old, fresh []member
	for _, id := range ids {
		if e, had := v.entries.get(id); had {
			old = append(old, member{id, e})
		}
		if e, has := c.written[id]; has {
			fresh = append(fresh, member{id, e})
		}
	}
	s := state{number: v.stateNumber + 1, count: uint64(v.entries.count() - len(old) + len(fresh)), setHash: v.setHash}
	c.k.updateSetHash(&s.setHash, fresh, old, true)
	if err := c.x.put(bHeader, headerState, c.k.sealState(c.x, &s)); err != nil {
		return next, err
	}
	slices.SortFunc(c.terms, bytes.Compare) // in order, many at once cost no more than one by one
	for _, key := range c.terms {
		if err := c.x.put(bIndex, key, nil); err != nil {
			return next, err
		}
	}
	return verifiedState{gen: c.x.generation() + 1, stateNumber: s.number, setHash: s.setHash, headerDigest: headerDigestOf(c.x)}, nil
}

// ids returns the objects that the commit touches, in order.
func (c *change) ids() []ID {
	ids := slices.AppendSeq(make([]ID, 0, len(c.written)+len(c.deleted)), maps.Keys(c.written))
	return sortIDs(slices.AppendSeq(ids, maps.Keys(c.deleted)))
}

// advance notes what a commit has made true.
func (v *verifiedSet) advance(next *verifiedState, c *change) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.entries == nil {
		return // wiped meanwhile
	}
	v.gen, v.stateNumber, v.setHash, v.headerDigest = next.gen, next.stateNumber, next.setHash, next.headerDigest
	for id, e := range c.written {
		v.entries.set(id, e)
	}
	for id := range c.deleted {
		v.entries.remove(id)
	}
}

// put writes a sealed object.
func (c *change) put(id ID, sealed []byte) error {
	o, ok := parseObject(version, sealed)
	if !ok {
		return ck.CKR_GENERAL_ERROR
	}
	e := o.entry()
	if err := c.x.put(bObjects, id[:], sealed); err != nil {
		return err
	}
	if err := c.x.put(bManifest, id[:], e.encode()); err != nil {
		return err
	}
	c.written[id] = e
	for i := range o.count() {
		c.terms = append(c.terms, indexKey(o.term(i), id))
	}
	return nil
}

// revision returns the revision of an object: CKR_OBJECT_HANDLE_INVALID where it is gone.
func (c *change) revision(id ID) (uint64, error) {
	e, ok := c.k.verified.entries.get(id)
	if !ok || c.deleted[id] {
		return 0, ck.CKR_OBJECT_HANDLE_INVALID
	}
	return e.rev, nil
}

// unindex takes an object out of the index. The object says under which terms it stands there. Where it was tampered with, that may be wrong:
// then the whole index is searched for it, so that such an object can be deleted, too.
func (c *change) unindex(id ID) error {
	o, ok := parseObject(version, c.x.get(bObjects, id[:]))
	if is, _ := c.k.verified.entries.get(id); ok && o.entry() == is {
		var r Record
		err := c.k.unseal(id, &o, &r)
		locked.Free(r.Sealed)
		if err == nil {
			return o.dropTerms(c.x, id)
		}
	}
	var keys [][]byte
	err := c.x.each(bIndex, nil, func(key, _ []byte) error {
		if len(key) == termSize+len(id) && ID(key[termSize:]) == id {
			keys = append(keys, slices.Clone(key))
		}
		return nil
	})
	for _, key := range keys {
		if err == nil {
			err = c.x.del(bIndex, key)
		}
	}
	return err
}

// remove deletes an object: CKR_OBJECT_HANDLE_INVALID where it is gone.
func (c *change) remove(id ID) error {
	if _, err := c.revision(id); err != nil {
		return err
	}
	if err := c.unindex(id); err != nil {
		return err
	}
	if err := c.x.del(bObjects, id[:]); err != nil {
		return err
	}
	c.deleted[id] = true
	return c.x.del(bManifest, id[:])
}
