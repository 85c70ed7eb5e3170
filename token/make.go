package token

import (
	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/store"
)

// makeObjects makes objects of requests, all or none. If that fails because of one request, failed is its index, otherwise -1.
func (s *session) makeObjects(requests []*request) (handles []ck.ObjectHandle, failed int, err error) {
	user, keys := s.slot.currentLogin()
	objects := make([]*Object, 0, len(requests))
	for i, r := range requests {
		r.isSO, r.strict = user == theSO, s.strict
		if user != theUser {
			r.defaults = append(r.defaults[:len(r.defaults):len(r.defaults)], publicDefault)
		}
		o, err := build(r)
		if err == nil {
			if r.how == byGenerate && i == 1 && !o.isToken() && !objects[0].isToken() {
				o.shareRole(objects[0]) // the halves of a pair
			}
			objects = append(objects, o)
			if err = s.mayModify(o, user); err == nil && o.isToken() && user == nobody {
				err = ck.CKR_USER_NOT_LOGGED_IN
			}
			if err == nil && r.how == byGenerate {
				err = s.restriction.allowsSize(r.mechanism, o.key())
			}
		}
		if err != nil {
			releaseAll(objects)
			return nil, i, err
		}
	}
	handles, err = s.addObjects(objects, keys)
	return handles, -1, err
}

func releaseAll(objects []*Object) {
	for _, o := range objects {
		o.release()
	}
}

// addObjects adds new objects to the session and to the token, all or none. It takes their references. Session objects come first: they can be
// dropped again if the token objects cannot be stored.
func (s *session) addObjects(objects []*Object, keys *store.Keys) (handles []ck.ObjectHandle, err error) {
	handles = make([]ck.ObjectHandle, len(objects))
	var tokenObjects []*Object
	var indexes []int // of the token objects in objects
	for i, o := range objects {
		if o.isToken() {
			tokenObjects, indexes = append(tokenObjects, o), append(indexes, i)
			continue
		}
		if err == nil {
			handles[i], err = s.slot.objects.addSession(s, o)
		} else {
			o.release()
		}
	}
	var tokenHandles []ck.ObjectHandle
	if err != nil {
		releaseAll(tokenObjects)
	} else if len(tokenObjects) > 0 {
		tokenHandles, err = s.slot.storeObjects(tokenObjects, nil, keys)
	}
	if err != nil {
		for _, h := range handles {
			if e := s.slot.app.objects.Get(h); e != nil {
				s.slot.objects.drop(e)
			}
		}
		return nil, err
	}
	for n, i := range indexes {
		handles[i] = tokenHandles[n]
	}
	return handles, nil
}

// storeObjects stores new token objects in one durable transaction. If original is not nil the objects are copies of it, and are stored only if it
// has not changed. It takes the references of the objects.
func (s *appSlot) storeObjects(objects []*Object, original *Object, keys *store.Keys) ([]ck.ObjectHandle, error) {
	token, err := s.storedToken()
	if err != nil {
		releaseAll(objects)
		return nil, err
	}
	cache := s.cache()
	epoch := cache.currentEpoch()
	records := make([]*store.Record, len(objects))
	for i, o := range objects {
		records[i] = newRecord(o, keys)
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
		e, err := s.objects.entryOf(o)
		if err != nil {
			releaseAll(objects[i:])
			return nil, err
		}
		handles[i] = e.handle
		if cache.keys == keys {
			cache.getOrAdd(o.id).fill(o, epoch)
		} else {
			o.release() // logged out meanwhile
		}
	}
	return handles, nil
}

// makeObject makes the object of a request, and adds it to the session or to the token. Without any login it makes a token object only as a
// pending change: unvouched.go.
func (s *session) makeObject(r *request) (ck.ObjectHandle, error) {
	user, keys := s.slot.currentLogin()
	r.isSO, r.strict = user == theSO, s.strict
	if r.how != byCopy {
		// Objects are private by default only if the user is logged in. Nobody else could use a private one.
		if user != theUser {
			r.defaults = append(r.defaults, publicDefault)
		}
	}
	switch r.how {
	case byUnwrap, byEncapsulate, byDecapsulate:
		r.defaults = append(r.defaults, unwrapDefault)
	}
	o, err := build(r)
	if err != nil {
		return 0, err
	}
	if err = s.mayModify(o, user); err == nil && r.how == byGenerate {
		err = s.restriction.allowsSize(r.mechanism, o.key())
	}
	if err == nil && r.beforeStoring != nil {
		err = r.beforeStoring(o)
	}
	if err != nil {
		o.release()
		return 0, err
	}
	if !o.isToken() {
		return s.slot.objects.addSession(s, o)
	}
	if user == nobody {
		return s.slot.addPendingCreation(o, r)
	}
	return s.slot.storeObject(o, r.original(), keys)
}

// original returns the token object that the request copies, nil where it copies none.
func (r *request) original() *Object {
	if r.how == byCopy && r.base.isToken() {
		return r.base
	}
	return nil
}

// storeObject is storeObjects for one object.
func (s *appSlot) storeObject(o, original *Object, keys *store.Keys) (ck.ObjectHandle, error) {
	handles, err := s.storeObjects([]*Object{o}, original, keys)
	if err != nil {
		return 0, err
	}
	return handles[0], nil
}

// publicDefault is the default of CKA_PRIVATE where the user is not logged in.
var publicDefault = ck.Attribute{Type: ck.CKA_PRIVATE, Value: ck.BoolValue(false)}

// unwrapDefault is for C_UnwrapKey, C_EncapsulateKey and C_DecapsulateKey, sections 5.18.4, 5.18.8 and 5.18.9: "The CKA_EXTRACTABLE attribute is by default set to CK_TRUE."
var unwrapDefault = ck.Attribute{Type: ck.CKA_EXTRACTABLE, Value: ck.BoolValue(true)}
