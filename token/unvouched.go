package token

import (
	"bytes"
	"fmt"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/store"
)

// Public token objects can be made, changed and destroyed in a read-write session without a login (section 5.7). There is no key to seal
// them with then. So the store keeps the template of the call as a pending change (store.Unvouched), and every reader applies it anew, under the
// rules of the call: whoever may write to the file can do no more by a pending change than by such a call. The next login seals the result.
// Until then the object is not vouched for: it is never trusted, and no signature is verified with it.

// errUnvouched says that a key is not vouched for.
var errUnvouched = fmt.Errorf("%w: the key was made or changed without a login, and nobody has logged in since", ck.CKR_KEY_FUNCTION_NOT_PERMITTED)

// errNeedsLogin is the error of an object that cannot be made, changed or destroyed without a login.
var errNeedsLogin = fmt.Errorf("%w: without a login there are only public objects without secrets", ck.CKR_USER_NOT_LOGGED_IN)

// needsNoLogin reports whether an object may be made, changed or destroyed without a login: it is a public token object without secrets.
func (o *Object) needsNoLogin() bool {
	switch o.class() {
	case ck.CKO_SECRET_KEY, ck.CKO_PRIVATE_KEY, ck.CKO_OTP_KEY:
		return false
	}
	return o.isToken() && !o.isPrivate() && o.present&o.table.rowsWith(concealed) == 0
}

// createUnvouched makes the object that a pending change creates, by the template in data.
func createUnvouched(data []byte) (*Object, error) {
	template, err := ck.ParseTemplate(nil, data)
	if err != nil {
		return nil, err
	}
	o, err := build(&request{how: byCreate, template: template, defaults: []ck.Attribute{publicDefault}, strict: true})
	if err != nil {
		return nil, err
	}
	if !o.needsNoLogin() {
		o.release()
		return nil, errNeedsLogin
	}
	return o, nil
}

// changeUnvouched makes the object that o becomes by a pending change, with the template in data.
func (o *Object) changeUnvouched(data []byte) (*Object, error) {
	if !o.needsNoLogin() {
		return nil, errNeedsLogin
	}
	template, err := ck.ParseTemplate(nil, data)
	if err != nil {
		return nil, err
	}
	changed, err := o.changed(template, false, true)
	if err == nil && !changed.needsNoLogin() {
		changed.release()
		err = errNeedsLogin
	}
	return changed, err
}

// applyPending makes the object that base becomes by a pending change: nil where that destroys it. base is the object as it is vouched for, nil
// where the change creates it. applyPending takes its reference.
func applyPending(base *Object, u *store.Unvouched) (*Object, error) {
	var o *Object
	var err error
	switch u.Kind {
	case store.Created:
		o, err = createUnvouched(u.Data)
	case store.Altered:
		o, err = base.changeUnvouched(u.Data)
	case store.Destroyed:
		if !base.needsNoLogin() || !base.flag(ck.CKA_DESTROYABLE) {
			err = ck.CKR_ACTION_PROHIBITED
		}
	}
	if base != nil {
		if err == nil && o != nil {
			o.asVersionOf(base)
		}
		base.release()
	}
	return o, err
}

// addPendingCreation has the store keep the creation of an object without a login. It takes the reference of o.
func (s *appSlot) addPendingCreation(o *Object, r *request) (ck.ObjectHandle, error) {
	defer o.release()
	if r.how != byCreate && r.how != byCopy || !o.needsNoLogin() {
		return 0, ck.CKR_USER_NOT_LOGGED_IN // there is no key to seal it with
	}
	template := r.template
	if r.how == byCopy {
		template = o.creationTemplate()
	}
	u := &store.Unvouched{Kind: store.Created, Data: ck.AppendTemplate(nil, template)}
	made, err := createUnvouched(u.Data)
	if err != nil {
		return 0, err
	}
	token, err := s.storedToken()
	if err == nil {
		err = token.AddUnvouched(&made.id, *u)
	}
	if err != nil {
		made.release()
		return 0, err
	}
	u.Number = 1
	made.rev = u.Number
	e, err := s.objects.entryOf(made)
	made.release() // it is read again when it is needed
	if err != nil {
		return 0, err
	}
	return e.handle, nil
}

// creationTemplate returns the template that creates an object like o, without the attributes that only the token sets.
func (o *Object) creationTemplate() (template []ck.Attribute) {
	public, _ := o.appendAttributes(nil, nil)
	for _, a := range public {
		if i := o.table.find(a.Type); !o.table.rows[i].rule.has(notCreate) && a.Type != ck.CKA_TRUSTED {
			template = append(template, a)
		}
	}
	return template
}

// addPendingChange has the store keep a change of attributes without a login, with those that are pending already.
func (s *appSlot) addPendingChange(e *entry, template []ck.Attribute) error {
	token, err := s.storedToken()
	if err != nil {
		return err
	}
	r, err := token.Get(nil, e.id())
	if err != nil {
		return err
	}
	o, err := objectFromRecord(r)
	if err != nil {
		return err
	}
	o.release()
	u := store.Unvouched{Kind: store.Altered}
	switch {
	case o.unvouched:
		u = *r.Unvouched
	case o.pending != nil: // which was refused: this change takes its place
		u.Number = r.Unvouched.Number
	}
	if u.Data, err = mergeTemplates(u.Data, template); err != nil {
		return err
	}
	var base *Object
	if u.Kind != store.Created {
		if base, err = decode(r.Public, nil); err != nil {
			return err
		}
	}
	if o, err = applyPending(base, &u); err != nil {
		return err
	}
	if o == nil {
		return ck.CKR_OBJECT_HANDLE_INVALID
	}
	o.release()
	id := e.id()
	if err = token.AddUnvouched(&id, u); err == nil {
		e.forgetObject() // it is read again when it is needed
	}
	return err
}

// addPendingDeletion has the store keep the destruction of an object without a login.
func (s *slot) addPendingDeletion(e *entry, o *Object) error {
	token, err := s.storedToken()
	if err != nil {
		return err
	}
	u := store.Unvouched{Kind: store.Destroyed}
	if o.pending != nil {
		u.Number = o.pending.Number
	}
	id := e.id()
	return token.AddUnvouched(&id, u)
}

// mergeTemplates returns a template with the changes applied to it.
func mergeTemplates(base []byte, changes []ck.Attribute) ([]byte, error) {
	list, err := ck.ParseTemplate(nil, base)
	if err != nil {
		return nil, err
	}
	for _, a := range changes {
		at := len(list)
		for i := range list {
			if list[i].Type == a.Type {
				at = i
			}
		}
		if at == len(list) {
			list = append(list, a)
		} else {
			list[at].Value = bytes.Clone(a.Value)
		}
	}
	return ck.AppendTemplate(nil, list), nil
}

// adopt seals the result of each pending change that is permitted, and says in the log what it did.
func (s *slot) adopt(keys *store.Keys) error {
	token, err := s.storedToken()
	if err != nil {
		return err
	}
	records, err := token.Unvouched(keys)
	if err != nil {
		return err
	}
	list := make([]store.Adoption, 0, len(records))
	for _, r := range records {
		list = append(list, s.adoption(r, keys))
	}
	return token.Adopt(keys, list)
}

// adoptPending seals what is pending before somebody who is logged in changes or copies the object. It returns store.ErrStale where a change of
// that object was pending, because o is not what it is any more.
func (s *slot) adoptPending(e *entry, o *Object, keys *store.Keys) error {
	if o.pending == nil || keys == nil {
		return nil
	}
	if err := s.adopt(keys); err != nil {
		return err
	}
	e.forgetObject()
	return store.ErrStale
}

// adoption decides what becomes of one pending change.
func (s *slot) adoption(r store.Record, keys *store.Keys) store.Adoption {
	a := store.Adoption{ID: r.ID, Number: r.Unvouched.Number}
	var base *Object
	var err error
	if r.Unvouched.Kind != store.Created {
		base, err = decodeRecord(r)
	}
	var o *Object
	if err == nil {
		o, err = applyPending(base, r.Unvouched)
	}
	what := map[store.UnvouchedKind]string{store.Created: "made", store.Altered: "changed", store.Destroyed: "destroyed"}[r.Unvouched.Kind]
	switch {
	case err != nil:
		s.core.log.Error("what was asked for without a login is refused", "token", s.serial, "object", r.ID.String(), "asked", what, "error", err)
		return a
	case o == nil:
		a.Delete = true
	default:
		if r.Unvouched.Kind == store.Created {
			o.id, o.separation = r.ID, s.separation()
		}
		a.Object = newRecord(o, keys)
		o.release()
	}
	s.core.log.Info("an object was "+what+" without a login, and is vouched for from now on", "token", s.serial, "object", r.ID.String())
	return a
}
