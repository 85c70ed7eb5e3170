package token

import (
	"errors"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/store"
)

// CreateObject implements C_CreateObject, section 5.7.1.
func (m *Module) CreateObject(h ck.SessionHandle, template []ck.Attribute) (ck.ObjectHandle, error) {
	a, s, err := m.session(h)
	if err != nil {
		return 0, err
	}
	defer a.endCall()
	return s.makeObject(&request{how: byCreate, template: template})
}

// CopyObject implements C_CopyObject, section 5.7.2.
func (m *Module) CopyObject(h ck.SessionHandle, from ck.ObjectHandle, template []ck.Attribute) (ck.ObjectHandle, error) {
	a, s, err := m.session(h)
	if err != nil {
		return 0, err
	}
	defer a.endCall()
	for {
		k, err := s.copyObject(from, template)
		if !errors.Is(err, store.ErrStale) {
			return k, err
		}
	}
}

// copyObject tries once to copy an object: store.ErrStale where another process has changed it meanwhile. A key and its copy do not learn
// of each other's uses where one is a session object and the other a token object. So neither of them may wrap sensitive keys, unless the key
// has done so before: then both may, and the session object gives all that it unwraps CKA_WRAP_WITH_TRUSTED, because the token object may wrap
// keys with that attribute in another process.
func (s *session) copyObject(from ck.ObjectHandle, template []ck.Attribute) (ck.ObjectHandle, error) {
	e, o, err := s.object(from)
	if err != nil {
		return 0, err
	}
	defer o.release()
	if _, keys := s.slot.currentLogin(); e.isToken() {
		if err := s.slot.adoptPending(e, o, keys); err != nil {
			return 0, err
		}
	}
	r := &request{how: byCopy, template: template, base: o}
	if o.table.isKey() && o.class() != ck.CKO_PUBLIC_KEY && o.isToken() != tokenAttribute(template, o.isToken()) {
		if s.mayWrapElsewhere(o) {
			return 0, ck.CKR_TOKEN_WRITE_PROTECTED
		}
		switch role(o.role.Load()) {
		case noRole:
			if s.strict && !o.isExempt() {
				r.role = notWrapping
			}
			r.beforeStoring = func(*Object) error {
				return s.takeRole(foundKey{Object: o, entry: e}, &keyUse{purpose: ck.CKA_DERIVE, class: o.class()})
			}
		case wrapping:
			if o.isToken() {
				r.role = wrappingTrusted
			} else {
				r.beforeStoring = func(*Object) error { return updateRole(o.role, wrappingTrusted) }
			}
		}
	}
	return s.makeObject(r)
}

// DestroyObject implements C_DestroyObject, section 5.7.3.
func (m *Module) DestroyObject(h ck.SessionHandle, object ck.ObjectHandle) error {
	a, s, err := m.session(h)
	if err != nil {
		return err
	}
	defer a.endCall()
	e, o, err := s.object(object)
	if err != nil {
		return err
	}
	defer o.release()
	user, keys := s.slot.currentLogin()
	if err := s.mayModify(o, user); err != nil {
		return err
	}
	if !o.flag(ck.CKA_DESTROYABLE) {
		return ck.CKR_ACTION_PROHIBITED
	}
	if e.isToken() {
		if err := s.slot.destroy(e, o, user, keys); err != nil {
			return err
		}
		e.cached.Load().drop()
	}
	if !s.slot.objects.drop(e) && !e.isToken() {
		return ck.CKR_OBJECT_HANDLE_INVALID // another thread was faster
	}
	return nil
}

// destroy deletes a token object.
func (s *slot) destroy(e *entry, o *Object, user userState, keys *store.Keys) error {
	if user == nobody {
		return s.addPendingDeletion(e, o)
	}
	token, err := s.storedToken()
	if err != nil {
		return err
	}
	return token.Delete(keys, e.id())
}

// GetObjectSize implements C_GetObjectSize, section 5.7.4.
func (m *Module) GetObjectSize(h ck.SessionHandle, object ck.ObjectHandle) (uint, error) {
	a, s, err := m.session(h)
	if err != nil {
		return 0, err
	}
	defer a.endCall()
	_, o, err := s.object(object)
	if err != nil {
		return 0, err
	}
	defer o.release()
	return o.size(), nil
}

// GetAttributeValue implements C_GetAttributeValue, section 5.7.5. Every row is answered; the error is that of one of the
// rows that could not be.
func (m *Module) GetAttributeValue(h ck.SessionHandle, object ck.ObjectHandle, rows []ck.AttributeBuffer) error {
	a, s, err := m.session(h)
	if err != nil {
		return err
	}
	defer a.endCall()
	_, o, err := s.object(object)
	if err != nil {
		return err
	}
	defer o.release()
	var first error
	for n := range rows {
		if err := o.readAttribute(&rows[n]); first == nil {
			first = err
		}
	}
	return first
}

// SetAttributeValue implements C_SetAttributeValue, section 5.7.6: all of the template or nothing.
func (m *Module) SetAttributeValue(h ck.SessionHandle, object ck.ObjectHandle, template []ck.Attribute) error {
	a, s, err := m.session(h)
	if err != nil {
		return err
	}
	defer a.endCall()
	for {
		err := s.changeAttributes(object, template)
		if !errors.Is(err, store.ErrStale) {
			return err
		}
	}
}

// changeAttributes tries once to change attributes: store.ErrStale where another process has changed the object meanwhile.
func (s *session) changeAttributes(object ck.ObjectHandle, template []ck.Attribute) error {
	e, o, err := s.object(object)
	if err != nil {
		return err
	}
	defer o.release()
	user, keys := s.slot.currentLogin()
	if err := s.mayModify(o, user); err != nil {
		return err
	}
	changed, err := o.changed(template, user == theSO, s.strict)
	if err != nil {
		return err
	}
	if e.isToken() && user == nobody {
		changed.release()
		return s.slot.addPendingChange(e, template)
	}
	return s.slot.replace(e, o, changed, keys)
}

// replace puts an Object in the place of o, behind the same handle. It takes the reference of changed.
func (s *appSlot) replace(e *entry, o, changed *Object, keys *store.Keys) error {
	if e.owner != nil {
		t := &s.objects
		p := t.partOf(e.owner)
		p.mu.Lock()
		defer p.mu.Unlock()
		if !e.object.CompareAndSwap(o, changed) {
			changed.release()
			return store.ErrStale
		}
		o.release()
		e.labelHash, e.idHash = t.hash(changed.bytes(ck.CKA_LABEL)), t.hash(changed.bytes(ck.CKA_ID))
		return nil
	}
	if err := s.adoptPending(e, o, keys); err != nil {
		changed.release()
		return err
	}
	token, err := s.storedToken()
	if err != nil {
		changed.release()
		return err
	}
	err = token.Update(keys, newRecord(changed, keys))
	changed.release() // it is read again when it is needed
	if err == nil || errors.Is(err, store.ErrStale) {
		e.forgetObject()
	}
	return err
}

// mayModify tells whether the session may make, change or destroy the object o.
func (s *session) mayModify(o *Object, user userState) error {
	switch {
	case o.isToken() && s.slot.readOnly(): // which comes before that the session is (section 5.1.6)
		return ck.CKR_TOKEN_WRITE_PROTECTED
	case o.isToken() && !s.writable:
		return ck.CKR_SESSION_READ_ONLY
	case o.isPrivate() && user != theUser:
		return ck.CKR_USER_NOT_LOGGED_IN
	case o.isToken() && user == nobody && !o.needsNoLogin():
		return ck.CKR_USER_NOT_LOGGED_IN // there is no key to seal it with
	}
	return nil
}
