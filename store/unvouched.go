package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/softcsp/softcsp/ck"
)

// A process without a PIN may make, change and destroy public objects (PKCS #11, section 5.7), and has no key to seal them with. So it leaves
// a request in a bucket of its own, which all processes see at once, until one that logs in carries it out (Adopt). A request is the
// template of a call, which this package does not understand, and never an object: who reads it applies it to the object that is vouched for,
// by the rules of the call. So whatever somebody else writes there can do no more than such calls can.
//
//	bucket unvouched
//	  id 16       kind 1 | number 8: how often it was written | the template of the call
const (
	maxUnvouched     = 256
	maxUnvouchedSize = 64 << 10
	unvouchedHead    = 1 + 8
)

// An UnvouchedKind is what a request asks for.
type UnvouchedKind uint8

const (
	Created UnvouchedKind = iota + 1
	Altered
	Destroyed
)

// An Unvouched is the request of a process without a PIN: to make, change or destroy an object.
type Unvouched struct {
	Kind   UnvouchedKind
	Number uint64
	// Data is the template of the call, or of all calls since the object was vouched for.
	Data []byte
}

// parseUnvouched reads an entry, and tells whether it may be there.
func parseUnvouched(key, b []byte) (*Unvouched, bool) {
	if len(key) != len(ID{}) || len(b) < unvouchedHead || len(b) > unvouchedHead+maxUnvouchedSize {
		return nil, false
	}
	u := &Unvouched{UnvouchedKind(b[0]), beUint64(b[1:]), b[unvouchedHead:]}
	return u, u.Kind >= Created && u.Kind <= Destroyed && u.Number > 0
}

// encode returns the entry as it stands in the file.
func (u *Unvouched) encode() []byte {
	return append(binary.BigEndian.AppendUint64([]byte{byte(u.Kind)}, u.Number), u.Data...)
}

// clone returns the entry for who keeps it beyond the transaction.
func (u *Unvouched) clone() *Unvouched {
	return &Unvouched{u.Kind, u.Number, bytes.Clone(u.Data)}
}

// unvouchedOf returns the request for an object, nil where there is none. o is the object, nil where there is none of that ID: one that is there
// can be changed or destroyed if it has no secrets, one that is not can be created.
func unvouchedOf(x tx, id ID, o *sealedObject) *Unvouched {
	u, ok := parseUnvouched(id[:], x.get(bUnvouched, id[:]))
	if !ok || (u.Kind == Created) != (o == nil) || o != nil && !o.hasNoSecrets() {
		return nil
	}
	return u
}

// hasNoSecrets reports whether an object has a public part and no secrets.
func (o *sealedObject) hasNoSecrets() bool {
	return len(o.public) > 0 && o.version != 1 && len(o.sealed) == sealedTail+tagSize
}

// eachUnvouched calls f with each request that may be there.
func eachUnvouched(x tx, f func(ID, *Unvouched)) error {
	n := 0
	return x.each(bUnvouched, nil, func(key, value []byte) error {
		if u, ok := parseUnvouched(key, value); ok && n < maxUnvouched {
			n++
			f(ID(key), u)
		}
		return nil
	})
}

// AddUnvouched leaves a request. A new object gets an ID, in id. A request for an object that there is a request for takes its place, and must
// have its number: ErrStale where that is another one by now.
func (t *Token) AddUnvouched(id *ID, u Unvouched) error {
	if len(u.Data) > maxUnvouchedSize {
		return fmt.Errorf("%w: without a login an object can have %d bytes", ck.CKR_DEVICE_MEMORY, maxUnvouchedSize)
	}
	if u.Kind == Created && u.Number == 0 {
		random(id[:])
	}
	return t.update(func(x tx) ([]ID, error) {
		h, err := t.readHeader(x)
		if err != nil {
			return nil, err
		}
		if h.version == 1 {
			return nil, fmt.Errorf("%w: the token is of format version 1 until somebody has logged in", ck.CKR_USER_NOT_LOGGED_IN)
		}
		return []ID{*id}, putUnvouched(x, h, *id, u)
	}, nil)
}

// putUnvouched writes a request.
func putUnvouched(x tx, h *fixedHeader, id ID, u Unvouched) error {
	var o *sealedObject
	if raw := x.get(bObjects, id[:]); raw != nil {
		b, ok := parseObject(h.version, raw)
		if !ok || !b.hasNoSecrets() {
			return ck.CKR_USER_NOT_LOGGED_IN
		}
		o = &b
	}
	was := unvouchedOf(x, id, o)
	switch {
	case was == nil && o == nil && (u.Kind != Created || u.Number != 0), was != nil && was.Kind == Destroyed:
		return ck.CKR_OBJECT_HANDLE_INVALID
	case was == nil && u.Number != 0, was != nil && was.Number != u.Number, o != nil && u.Kind == Created, o == nil && u.Kind == Altered:
		return ErrStale
	case was != nil && was.Kind == Created && u.Kind == Destroyed:
		return x.del(bUnvouched, id[:])
	case was == nil:
		n := 0
		if err := x.each(bUnvouched, nil, func(_, _ []byte) error { n++; return nil }); err != nil {
			return err
		}
		if n >= maxUnvouched {
			return fmt.Errorf("%w: without a login %d objects can be made or changed, until somebody logs in", ck.CKR_DEVICE_MEMORY, maxUnvouched)
		}
	}
	u.Number++
	return x.put(bUnvouched, id[:], u.encode())
}

// An unvouchedIDs are the objects of requests in one generation.
type unvouchedIDs struct {
	gen uint64
	ids []ID
}

// UnvouchedIDs returns the objects for which there are requests. The index does not have what they are to be, so that a search has to look at them
// all. The result is kept in memory until the generation changes; the caller must not change it.
func (t *Token) UnvouchedIDs() ([]ID, error) { return t.unvouchedAt(t.Generation()) }

func (t *Token) unvouchedAt(gen uint64) ([]ID, error) {
	if a := t.unvouchedIDs.Load(); a != nil && a.gen == gen {
		return a.ids, nil
	}
	a := &unvouchedIDs{}
	err := t.backend.view(func(x tx) error {
		a.gen = x.generation()
		return eachUnvouched(x, func(id ID, _ *Unvouched) { a.ids = append(a.ids, id) })
	})
	if err != nil {
		return nil, err
	}
	t.unvouchedIDs.Store(a)
	return a.ids, nil
}

// Unvouched returns all requests, each in the record of the object as it is vouched for, if there is one. The caller frees what is sealed of
// it.
func (t *Token) Unvouched(k *Keys) (list []Record, err error) {
	if err := k.alive(t); err != nil {
		return nil, err
	}
	ids, err := t.UnvouchedIDs()
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		r, err := t.Get(k, id)
		if ck.Code(err) == ck.CKR_OBJECT_HANDLE_INVALID {
			continue
		}
		if err != nil {
			return list, err
		}
		if r.Unvouched != nil {
			list = append(list, r)
		}
	}
	return list, nil
}

// An Adoption says what becomes of a request.
type Adoption struct {
	ID     ID
	Number uint64  // of the request
	Object *Record // what the object is to be, nil to leave it as it is
	Delete bool    // the object is to be deleted
}

// Adopt carries requests out, in one durable transaction, and takes them away, with whatever else stands there. A request that was
// written anew meanwhile, or whose object was changed, stays for the next time.
func (t *Token) Adopt(k *Keys, list []Adoption) error {
	if err := k.alive(t); err != nil {
		return err
	}
	sealed := make([][]byte, len(list))
	for i, a := range list {
		if a.Object == nil {
			continue
		}
		var err error
		if sealed[i], err = k.seal(a.ID, a.Object.Rev+1, a.Object); err != nil {
			return err
		}
	}
	return t.change(k, func(c *change) error {
		for i, a := range list {
			if u, ok := parseUnvouched(a.ID[:], c.x.get(bUnvouched, a.ID[:])); !ok || u.Number != a.Number {
				continue
			}
			if err := c.adoptOne(a, sealed[i]); err != nil {
				return err
			}
		}
		return c.sweep()
	})
}

// adoptOne carries one request out.
func (c *change) adoptOne(a Adoption, sealed []byte) error {
	rev, err := c.revision(a.ID)
	there := err == nil
	switch {
	case a.Delete && there:
		if err := c.remove(a.ID); err != nil {
			return err
		}
	case a.Object != nil && there && rev != a.Object.Rev:
		return nil
	case a.Object != nil:
		if there {
			if err := c.unindex(a.ID); err != nil {
				return err
			}
		}
		if err := c.put(a.ID, sealed); err != nil {
			return err
		}
	}
	return c.x.del(bUnvouched, a.ID[:])
}

// sweep deletes entries that no call has written.
func (c *change) sweep() error {
	var stray [][]byte
	n := 0
	err := c.x.each(bUnvouched, nil, func(key, value []byte) error {
		_, ok := parseUnvouched(key, value)
		if n++; !ok || n > maxUnvouched || unvouchedFor(c.x, version, key, c.x.get(bObjects, key)) == nil {
			stray = append(stray, slices.Clone(key))
		}
		return nil
	})
	for _, key := range stray {
		if err == nil {
			err = c.x.del(bUnvouched, key)
		}
	}
	return err
}
