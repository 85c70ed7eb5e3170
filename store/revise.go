package store

import "slices"

// Revise replaces objects in one durable transaction, each of the revision that its record has, provided that the objects of the
// term what are those of all, no others and no fewer. Where another process has changed one of them, or which there are, it
// answers ErrStale and changes nothing. The new revisions are in the records. What these have of secrets is wiped.
func (t *Token) Revise(k *Keys, what []byte, all []ID, records ...*Record) error {
	defer func() {
		for _, r := range records {
			r.wipe()
		}
	}()
	if err := k.alive(t); err != nil {
		return err
	}
	terms, err := k.hashPrivate(what)
	if err != nil {
		return err
	}
	terms = append(terms, hashPublic(what))
	sealed := make([][]byte, len(records))
	for i, r := range records {
		if sealed[i], err = k.seal(r.ID, r.Rev+1, r); err != nil {
			return err
		}
	}
	err = t.change(k, func(c *change) error {
		now, err := c.idsWithTerms(terms)
		if err != nil {
			return err
		}
		if !slices.Equal(now, all) {
			return ErrStale
		}
		for i, r := range records {
			if err := c.replace(r, sealed[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		for _, r := range records {
			r.Rev++
		}
	}
	return err
}

// Wipe overwrites what a record has of secrets, where it is not handed to a function that does.
func (r *Record) Wipe() { r.wipe() }

// idsWithTerms returns the objects that have one of the terms, in order.
func (c *change) idsWithTerms(terms []term) (ids []ID, err error) {
	for _, h := range terms {
		err := c.x.each(bIndex, h[:], func(key, _ []byte) error {
			if len(key) != termSize+len(ID{}) {
				return tampered("the index has a damaged entry at %x", key)
			}
			ids = append(ids, ID(key[termSize:]))
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return sortIDs(ids), nil
}

// replace puts a sealed record in the place of the object that it is of: ErrStale where that is of another revision, or somebody
// without a PIN has asked for a change.
func (c *change) replace(r *Record, sealed []byte) error {
	rev, err := c.revision(r.ID)
	if err != nil {
		return err
	}
	if rev != r.Rev || unvouchedFor(c.x, version, r.ID[:], c.x.get(bObjects, r.ID[:])) != nil {
		return ErrStale
	}
	if err := c.unindex(r.ID); err != nil {
		return err
	}
	return c.put(r.ID, sealed)
}

// CreateIfUnchanged is Create, provided that the object beside is still of the revision rev: ErrStale otherwise.
func (t *Token) CreateIfUnchanged(k *Keys, beside ID, rev uint64, records ...*Record) error {
	return t.create(k, func(c *change) error {
		now, err := c.revision(beside)
		if err == nil && now != rev {
			err = ErrStale
		}
		return err
	}, records...)
}
