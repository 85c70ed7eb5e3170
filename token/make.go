package token

import (
	"time"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/mechanisms"
	"github.com/softcsp/softcsp/store"
)

// makeAll builds objects and adds them where they belong: all, or none. Where one cannot be built it returns which.
func (s *session) makeAll(requests []*request) (handles []ck.ObjectHandle, at int, err error) {
	user, keys := s.slot.login()
	objects := make([]*Object, 0, len(requests))
	for i, r := range requests {
		r.so, r.strict = user == theSO, s.strict
		if user != theUser {
			r.defaults = append(r.defaults[:len(r.defaults):len(r.defaults)], publicDefault)
		}
		o, err := build(r)
		if err == nil {
			if r.how == byGenerate && i == 1 && !o.isToken() && !objects[0].isToken() {
				o.shares(objects[0]) // the halves of a pair
			}
			objects = append(objects, o)
			if err = s.mayHave(o, user); err == nil && o.isToken() && user == nobody {
				err = ck.CKR_USER_NOT_LOGGED_IN
			}
			if err == nil && r.how == byGenerate {
				err = s.restriction.suits(r.mechanism, o)
			}
		}
		if err != nil {
			releaseAll(objects)
			return nil, i, err
		}
	}
	handles, err = s.addAll(objects, keys)
	return handles, -1, err
}

func releaseAll(objects []*Object) {
	for _, o := range objects {
		o.release()
	}
}

// addAll adds objects, whose references it takes. Session objects come first, because they can be taken back.
func (s *session) addAll(objects []*Object, keys *store.Keys) (handles []ck.ObjectHandle, err error) {
	handles = make([]ck.ObjectHandle, len(objects))
	var durable []*Object
	var places []int
	for i, o := range objects {
		if o.isToken() {
			durable, places = append(durable, o), append(places, i)
			continue
		}
		if err == nil {
			o.serial = s.slot.core.lastUnique.Add(1)
			handles[i], err = s.slot.objects.addSession(s, o)
		} else {
			o.release()
		}
	}
	var kept []ck.ObjectHandle
	if err != nil {
		releaseAll(durable)
	} else if len(durable) > 0 {
		kept, err = s.slot.keepAll(durable, nil, keys)
	}
	if err != nil {
		for _, h := range handles {
			if i := s.slot.app.objects.Get(h); i != nil {
				s.slot.objects.drop(i)
			}
		}
		return nil, err
	}
	for n, i := range places {
		handles[i] = kept[n]
	}
	return handles, nil
}

// keepAll stores new token objects in one durable transaction, provided that the original, if there is one, is still as it was. It
// takes their references.
func (s *appSlot) keepAll(objects []*Object, original *Object, keys *store.Keys) ([]ck.ObjectHandle, error) {
	token, err := s.store()
	if err != nil {
		releaseAll(objects)
		return nil, err
	}
	cache := s.cache.Load()
	epoch := cache.now()
	records := make([]*store.Record, len(objects))
	for i, o := range objects {
		records[i] = record(o, keys)
	}
	if original != nil {
		err = token.CreateIfUnchanged(keys, original.id, original.rev, records...)
	} else {
		err = token.Create(keys, records...)
	}
	if err != nil {
		releaseAll(objects)
		return nil, err
	}
	handles := make([]ck.ObjectHandle, len(objects))
	for i, o := range objects {
		o.id, o.rev = records[i].ID, records[i].Rev
		it, err := s.objects.entryOf(o)
		if err != nil {
			releaseAll(objects[i:])
			return nil, err
		}
		handles[i] = it.handle
		if cache.keys == keys {
			cache.at(o.id).keep(o, epoch)
		} else {
			o.release() // logged out meanwhile
		}
	}
	return handles, nil
}

// other finds a key that the parameter of a derivation names. It has to be fit for deriving from, as the base
// key has, and of its class. Where there is none the derivation has used no key.
func (s *session) other(h ck.ObjectHandle) (k *mechanisms.Key, err error) {
	defer func() { s.derived.unused = s.derived.unused || err != nil }()
	i, o, err := s.object(h)
	if err != nil {
		return nil, keyHandle(err)
	}
	row := s.derived.row
	switch err = o.permits(ck.CKA_DERIVE, row.Type, time.Now); {
	case err != nil:
	case s.derived.base.Key == nil || o.class() != s.derived.base.Key.Class:
		err = ck.CKR_KEY_TYPE_INCONSISTENT
	default:
		err = o.atOnce()
	}
	if err == nil {
		err = s.restriction.fits(row.Type, o.key())
	}
	if err == nil {
		err = s.mayAssume(object{o, i}, &use{what: ck.CKA_DERIVE, class: o.class(), row: row})
	}
	if err != nil {
		o.release()
		return nil, err
	}
	s.derived.others, s.derived.entries = append(s.derived.others, o), append(s.derived.entries, i)
	return o.key(), nil
}

// makeFurther makes the keys of a derivation that makes several. A key whose template is at fault has its handle set to
// CK_INVALID_HANDLE: section 6.42.7.
func (s *session) makeFurther(row *mechanisms.Mechanism, d *derivation) (ck.ObjectHandle, error) {
	requests := make([]*request, 0, 1+len(d.out.Further))
	if !row.Silent {
		requests = append(requests, &d.request)
	}
	first := len(requests)
	for i := range d.out.Further {
		f := &d.out.Further[i]
		requests = append(requests, &request{
			how: byDerive, template: f.Template, base: d.request.base, inherits: d.request.inherits, taken: d.request.taken, either: row.Either, others: d.others, defaults: f.Defaults,
			fixed: append([]ck.Attribute{{Type: ck.CKA_CLASS, Value: secretKeyClass}, {Type: ck.CKA_KEY_TYPE, Value: ck.UlongValue(uint(f.Type))},
				{Type: ck.CKA_VALUE, Value: f.Value}}, f.Attributes...),
		})
	}
	handles, at, err := s.makeAll(requests)
	if err != nil {
		if at >= first {
			copy(d.out.Further[at-first].Handle, ck.UlongValue(ck.InvalidHandle))
		}
		return 0, err
	}
	for i := range d.out.Further {
		copy(d.out.Further[i].Handle, ck.UlongValue(uint(handles[first+i])))
	}
	return handles[0], nil
}
