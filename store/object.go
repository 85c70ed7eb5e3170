package store

import (
	"bytes"
	"errors"
	"slices"

	"github.com/softcsp/softcsp/ck"
)

// Get reads an object. k may be nil: then only the public part comes back. CKR_OBJECT_HANDLE_INVALID where it is gone;
// CKR_DEVICE_ERROR where it was tampered with.
func (t *Token) Get(k *Keys, id ID) (Record, error) {
	if k == nil {
		return t.getPublic(id)
	}
	if err := k.alive(t); err != nil {
		return Record{}, err
	}
	var raw []byte
	var is entry
	var v uint16
	var request *Unvouched
	err := t.backend.view(func(x tx) error {
		entries, now, err := k.verifiedEntries(x)
		if err != nil {
			return err
		}
		var there bool
		v = now
		is, there = entries.get(id)
		raw = slices.Clone(x.get(bObjects, id[:]))
		request = unvouchedFor(x, v, id[:], raw)
		switch {
		case there || !there && raw == nil && request != nil:
			return nil
		case raw == nil:
			return ck.CKR_OBJECT_HANDLE_INVALID
		}
		return tampered("object %s was added by something else than softcsp", id)
	})
	if err != nil {
		return Record{}, err
	}
	if raw == nil && request != nil {
		return Record{ID: id, Rev: request.Number, Unvouched: request}, nil
	}
	r, err := k.openRecord(v, id, is, raw)
	r.Unvouched = request
	return r, err
}

// unvouchedFor returns what is asked for an object, for who keeps it beyond the transaction.
func unvouchedFor(x tx, v uint16, key, raw []byte) *Unvouched {
	if x.get(bUnvouched, key) == nil {
		return nil
	}
	id := ID(key)
	var o *sealedObject
	if raw != nil {
		b, ok := parseObject(v, raw)
		if !ok {
			return nil
		}
		o = &b
	}
	u := unvouchedOf(x, id, o)
	if u == nil {
		return nil
	}
	return u.clone()
}

// getPublic reads the public part of an object.
func (t *Token) getPublic(id ID) (r Record, err error) {
	err = t.backend.view(func(x tx) error {
		h, err := t.readHeader(x)
		if err != nil {
			return err
		}
		raw := x.get(bObjects, id[:])
		request := unvouchedFor(x, h.version, id[:], raw)
		switch {
		case raw != nil:
			r, err = t.verifiedPublic(x, h, id, raw)
		case request != nil:
			r = Record{ID: id, Rev: request.Number}
		default:
			err = ck.CKR_OBJECT_HANDLE_INVALID
		}
		r.Unvouched = request
		return err
	})
	return r, err
}

// verifiedPublic returns the public part of an object, once it is known to be what somebody with a PIN left there: ErrAltered where it is
// not, CKR_OBJECT_HANDLE_INVALID for a private object.
func (t *Token) verifiedPublic(x tx, h *fixedHeader, id ID, raw []byte) (r Record, err error) {
	o, ok := parseObject(h.version, raw)
	switch {
	case !ok:
		return r, tampered("object %s is damaged", id)
	case len(o.public) == 0:
		return r, ck.CKR_OBJECT_HANDLE_INVALID
	}
	if err := t.checkVoucher(h); err != nil {
		return r, err
	}
	if err := t.verifyPublicOnce(x, h, id, &o); err != nil {
		return r, err
	}
	return Record{ID: id, Rev: o.rev, Public: bytes.Clone(o.public)}, nil
}

// verifiedEntries returns the manifest, verified for x, and the version of the format. It does not change while x lasts.
func (k *Keys) verifiedEntries(x tx) (*manifest, uint16, error) {
	if err := k.verify(x); err != nil {
		return nil, 0, err
	}
	k.verified.mu.Lock()
	defer k.verified.mu.Unlock()
	if k.verified.entries == nil {
		return nil, 0, ck.CKR_USER_NOT_LOGGED_IN
	}
	return k.verified.entries, k.formatVersion(), nil
}

// openRecord opens an object that the manifest says is in the state is.
func (k *Keys) openRecord(v uint16, id ID, is entry, raw []byte) (Record, error) {
	if raw == nil {
		return Record{}, tampered("object %s was deleted by something else than softcsp", id)
	}
	o, ok := parseObject(v, raw)
	if !ok {
		return Record{}, tampered("object %s is damaged", id)
	}
	if o.entry() != is {
		return Record{}, tampered("object %s is not in the state that softcsp left it in: revision %d, expected %d", id, o.rev, is.rev)
	}
	r := Record{ID: id, Rev: o.rev}
	if err := k.openObject(id, &o, &r); err != nil {
		return Record{}, err
	}
	if len(o.public) > 0 {
		r.Public = bytes.Clone(o.public)
	}
	return r, nil
}

// All calls f with every object that k opens, in one transaction; with the public ones where k is nil. f owns Sealed. f
// may be handed records that it knows by ID and Rev already: skip says so before they are opened. Neither may call the
// token.
func (t *Token) All(k *Keys, skip func(ID, uint64) bool, f func(Record) error) error {
	if skip == nil {
		skip = func(ID, uint64) bool { return false }
	}
	if k == nil {
		return t.allPublic(skip, f)
	}
	if err := k.alive(t); err != nil {
		return err
	}
	return t.backend.view(func(x tx) error {
		entries, v, err := k.verifiedEntries(x)
		if err != nil {
			return err
		}
		seen := 0
		err = x.each(bObjects, nil, func(key, raw []byte) error {
			if len(key) != len(ID{}) {
				return tampered("an object has the damaged name %x", key)
			}
			id := ID(key)
			is, there := entries.get(id)
			if !there {
				return tampered("object %s was added by something else than softcsp", id)
			}
			seen++
			request := unvouchedFor(x, v, key, raw)
			if request == nil && skip(id, is.rev) {
				return nil
			}
			r, err := k.openRecord(v, id, is, raw)
			if err != nil {
				return err
			}
			r.Unvouched = request
			return f(r)
		})
		if err != nil {
			return err
		}
		if seen == entries.count() {
			return eachCreated(x, f)
		}
		for id := range entries.all() {
			if x.get(bObjects, id[:]) == nil {
				return tampered("object %s was deleted by something else than softcsp", id)
			}
		}
		return tampered("%d objects, expected %d", seen, entries.count())
	})
}

// allPublic calls f with every public object that is what somebody with a PIN left there. What is not is in the log.
func (t *Token) allPublic(skip func(ID, uint64) bool, f func(Record) error) error {
	return t.backend.view(func(x tx) error {
		h, err := t.readHeader(x)
		if err != nil {
			return err
		}
		err = x.each(bObjects, nil, func(key, raw []byte) error {
			if len(key) != len(ID{}) || len(raw) < 8 {
				return tampered("object %x is damaged", key)
			}
			id := ID(key)
			request := unvouchedFor(x, h.version, key, raw)
			if request == nil && skip(id, beUint64(raw)) {
				return nil
			}
			r, err := t.verifiedPublic(x, h, id, raw)
			switch {
			case errors.Is(err, ErrAltered) || errors.Is(err, ck.CKR_OBJECT_HANDLE_INVALID):
				return nil
			case err != nil:
				return err
			}
			r.Unvouched = request
			return f(r)
		})
		if err != nil {
			return err
		}
		return eachCreated(x, f)
	})
}

// eachCreated calls f with what somebody without a PIN asks to be made.
func eachCreated(x tx, f func(Record) error) (err error) {
	e := eachUnvouched(x, func(id ID, u *Unvouched) {
		if err == nil && unvouchedOf(x, id, nil) != nil && x.get(bObjects, id[:]) == nil {
			err = f(Record{ID: id, Rev: u.Number, Unvouched: u.clone()})
		}
	})
	return errors.Join(err, e)
}

// Create adds objects in one durable transaction and returns their IDs and revisions in the records. What the records have of
// secrets is wiped before the transaction begins.
func (t *Token) Create(k *Keys, records ...*Record) error {
	return t.create(k, nil, records...)
}

// create is Create where proviso, if it is not nil, has nothing against it.
func (t *Token) create(k *Keys, proviso func(*change) error, records ...*Record) error {
	makeChange := t.changeTogether
	if proviso != nil {
		makeChange = t.change
	}
	defer func() {
		for _, r := range records {
			r.wipe()
		}
	}()
	if err := k.alive(t); err != nil || len(records) == 0 {
		return err
	}
	ids := make([]ID, len(records))
	sealed := make([][]byte, len(records))
	for i := range records {
		random(ids[i][:])
	}
	sortIDs(ids)
	for i, r := range records {
		var err error
		if sealed[i], err = k.seal(ids[i], 1, r); err != nil {
			return err
		}
	}
	err := makeChange(k, func(c *change) error {
		if proviso != nil {
			if err := proviso(c); err != nil {
				return err
			}
		}
		for i, id := range ids {
			if err := c.put(id, sealed[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i, r := range records {
		r.ID, r.Rev = ids[i], 1
	}
	return nil
}

// Update replaces an object of that revision: CKR_OBJECT_HANDLE_INVALID where it is gone. The new revision is in r, whose secrets
// are wiped. Where another process has changed it since, or somebody without a PIN has asked for a change, it answers ErrStale and
// changes nothing.
func (t *Token) Update(k *Keys, r *Record) error {
	defer r.wipe()
	if err := k.alive(t); err != nil {
		return err
	}
	sealed, err := k.seal(r.ID, r.Rev+1, r)
	if err != nil {
		return err
	}
	err = t.change(k, func(c *change) error {
		return c.replace(r, sealed)
	})
	if err == nil {
		r.Rev++
	}
	return err
}

// Delete removes objects in one durable transaction: all of them, or none where one is gone already, which is
// CKR_OBJECT_HANDLE_INVALID.
func (t *Token) Delete(k *Keys, ids ...ID) error {
	if err := k.alive(t); err != nil || len(ids) == 0 {
		return err
	}
	return t.changeTogether(k, func(c *change) error {
		for _, id := range ids {
			request := unvouchedFor(c.x, version, id[:], c.x.get(bObjects, id[:]))
			if request != nil {
				if err := c.x.del(bUnvouched, id[:]); err != nil {
					return err
				}
			}
			if request != nil && request.Kind == Created {
				c.deleted[id] = true
			} else if err := c.remove(id); err != nil {
				return err
			}
		}
		return nil
	})
}
