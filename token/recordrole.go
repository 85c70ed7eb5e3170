package token

import (
	"errors"
	"sync/atomic"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/store"
)

// Where the roles of keys are recorded. A session object has its role in memory, shared with its copies. A token object has it in the token: giving
// it one is a single transaction over all objects with the same value (for a pair, both halves), so that only one of two processes
// succeeds. A key that can never wrap a sensitive key needs no record, and most keys cannot: they are not permitted to wrap, may leave the
// token, or are of a type with which no mechanism seals. When such a key comes to be permitted to wrap,
// it gets the role notWrapping at that moment, as it may have been used for anything.

// recordedRole returns the role that an object has in its attributes.
func (o *Object) recordedRole() role {
	switch {
	case o.bools&o.table.roles == 0:
		return noRole
	case o.flag(roleWrappingTrusted):
		return wrappingTrusted
	case o.flag(roleWrapping):
		return wrapping
	case o.flag(roleNotWrapping):
		return notWrapping
	}
	return noRole
}

// roleAttributes are the attributes of the roles.
var roleAttributes = [...]ck.AttributeType{notWrapping: roleNotWrapping, wrapping: roleWrapping, wrappingTrusted: roleWrappingTrusted}

// setRole gives a draft the attributes of a role. A key that wraps those with CKA_WRAP_WITH_TRUSTED has both attributes of wrapping.
func (d *draft) setRole(r role) {
	d.mark(roleWrapping, r >= wrapping)
	d.mark(roleWrappingTrusted, r == wrappingTrusted)
	d.mark(roleNotWrapping, r == notWrapping)
}

// identity is what two keys have in common that unwrap the same keys: the value of a secret key, the public key of a pair.
func (o *Object) identity() []byte {
	switch o.class() {
	case ck.CKO_SECRET_KEY:
		return o.mechanismKey.Value
	case ck.CKO_PUBLIC_KEY, ck.CKO_PRIVATE_KEY:
		return o.bytes(ck.CKA_PUBLIC_KEY_INFO)
	}
	return nil
}

// identityTerm is the term by which the keys with the identity of o are found, nil where it has none.
func (o *Object) identityTerm(keys *store.Keys) []byte {
	if o.class() == ck.CKO_SECRET_KEY {
		return o.fingerprint(keys)
	}
	if id := o.identity(); len(id) != 0 {
		return keyedTerm(keys, ck.CKA_PUBLIC_KEY_INFO, id)
	}
	return nil
}

// takeRole gives a key the role that a use needs, or tells why the key cannot have it.
func (s *session) takeRole(k foundKey, u *keyUse) error {
	if !s.strict {
		return nil
	}
	need := u.neededRole()
	has := role(k.role.Load())
	next, err := has.afterUse(need)
	switch {
	case err == nil && next == has, k.isExempt(): // nearly every use is over here, by the cheaper question
		return nil
	case err != nil:
		return err
	}
	if need == notWrapping && !mayEverWrap(k.class(), k.keyType(), k.flag(ck.CKA_WRAP), k.stayedInside()) {
		k.role.CompareAndSwap(uint32(noRole), uint32(notWrapping))
		return nil
	}
	isSessionObject := k.entry.owner != nil
	switch {
	case need == notWrapping && isSessionObject:
		return updateRole(k.role, need)
	case need == notWrapping && s.slot.readOnly():
		if u.purpose == ck.CKA_WRAP || u.purpose == ck.CKA_UNWRAP {
			return ck.CKR_TOKEN_WRITE_PROTECTED
		}
		return nil // this cannot be recorded; nor can this process let the key wrap sensitive keys, which would have to be recorded too
	}
	return s.takeRoleForAll(k, need)
}

// mayTakeRole tells whether the role of a key permits that a use needs another. It is asked before a function does anything, so that a call that
// is refused gives the key no role. takeRole can still fail: it has to record the role.
func (s *session) mayTakeRole(k foundKey, u *keyUse) error {
	if !s.strict {
		return nil
	}
	if _, err := role(k.role.Load()).afterUse(u.neededRole()); err != nil && !k.isExempt() {
		return err
	}
	return nil
}

// dependsOnKey reports whether a result, which may be an error, can tell something of the key. A wrong parameter and an incomplete template are
// found whatever the key is.
func dependsOnKey(err error) bool {
	return !errors.Is(err, ck.CKR_MECHANISM_PARAM_INVALID) && !errors.Is(err, ck.CKR_TEMPLATE_INCOMPLETE)
}

// updateRole gives a role in memory the value that it has after a use, whatever other threads do.
func updateRole(r *atomic.Uint32, need role) error {
	for {
		has := r.Load()
		next, err := role(has).afterUse(need)
		if err != nil || r.CompareAndSwap(has, uint32(next)) {
			return err
		}
	}
}

// takeRoleForAll gives a role to all keys with the identity of k, and records it. Without a login it gives it to k alone, and only one of which
// nothing has to be recorded.
func (s *session) takeRoleForAll(k foundKey, need role) error {
	user, keys := s.slot.currentLogin()
	if user == nobody {
		if need >= wrapping {
			return ck.CKR_USER_NOT_LOGGED_IN // it could not be recorded
		}
		return updateRole(k.role, need)
	}
	if err := s.slot.takeRoleInSessions(k.Object, need); err != nil {
		return err
	}
	term := k.identityTerm(keys)
	if term == nil {
		return updateRole(k.role, need)
	}
	for {
		err := s.slot.storeRole(term, keys, need)
		switch {
		case errors.Is(err, store.ErrStale):
			continue
		case err != nil:
			return err
		}
		return updateRole(k.role, need)
	}
}

// takeRoleInSessions gives a role to the session objects of all applications with the identity of o.
func (s *slot) takeRoleInSessions(o *Object, need role) error {
	id := o.identity()
	list := s.sessionKeys(func(k *Object) bool { return sameIdentity(k, o, id) })
	defer releaseAll(list)
	for _, k := range list {
		if need >= wrapping && k.class() == ck.CKO_PRIVATE_KEY && !k.stayedInside() {
			return errMayHaveLeft
		}
		if err := updateRole(k.role, need); err != nil {
			return err
		}
	}
	return nil
}

// sameIdentity reports whether k has the identity id of o.
func sameIdentity(k, o *Object, id []byte) bool {
	return len(id) != 0 && (k.class() == ck.CKO_SECRET_KEY) == (o.class() == ck.CKO_SECRET_KEY) && string(k.identity()) == string(id)
}

// storeRole gives a role to the token objects that have a term, in one transaction. It returns store.ErrStale where it has to be called
// again.
func (s *slot) storeRole(term []byte, keys *store.Keys, need role) error {
	token, err := s.storedToken()
	if err != nil {
		return err
	}
	ids, err := token.Find(keys, term)
	if err != nil {
		return err
	}
	var changed []*store.Record
	defer func() {
		for _, r := range changed {
			r.Wipe()
		}
	}()
	for _, id := range ids {
		o, err := readObject(token, keys, id)
		if errors.Is(err, ck.CKR_OBJECT_HANDLE_INVALID) {
			return store.ErrStale // destroyed meanwhile
		}
		if err != nil {
			return err
		}
		if o.pending != nil {
			o.release()
			if err := s.adopt(keys); err != nil {
				return err
			}
			return store.ErrStale
		}
		r, err := o.recordWithRole(need, keys)
		o.release()
		if err != nil {
			return err
		}
		if r != nil {
			changed = append(changed, r)
		}
	}
	if len(changed) == 0 {
		return nil
	}
	return token.Revise(keys, term, ids, changed...)
}

// recordWithRole returns the record of a token object after a use that needs a role, nil where the record stays as it is.
func (o *Object) recordWithRole(need role, keys *store.Keys) (*store.Record, error) {
	if need >= wrapping && o.class() == ck.CKO_PRIVATE_KEY && !o.stayedInside() {
		return nil, errMayHaveLeft
	}
	has := o.recordedRole()
	next, err := has.afterUse(need)
	if err != nil || next == has {
		return nil, err
	}
	var d draft
	o.startDraft(&d)
	d.setRole(next)
	changed := d.object().asVersionOf(o)
	defer changed.release()
	return newRecord(changed, keys), nil
}

// sameRole tells whether a key still has the role that it had when it was found. If it has not, another call may have wrapped with it, meanwhile,
// what this one unwraps.
func (k foundKey) sameRole() error {
	now, err := k.entry.get()
	if err != nil {
		return keyHandleError(err)
	}
	defer now.release()
	if role(now.role.Load()) != role(k.role.Load()) {
		return errOnlyWraps
	}
	return nil
}

// unrecordedEntry returns the entry of a key that is used for something else than wrapping where this could not be recorded, nil for other keys. An
// operation with such a key asks at each call whether another process has wrapped with it (checkUnrecorded).
func (s *session) unrecordedEntry(k foundKey, u *keyUse) *entry {
	if !s.strict || k.entry.owner != nil || role(k.role.Load()) == notWrapping || u.neededRole() != notWrapping || k.isExempt() {
		return nil
	}
	return k.entry
}

// mayWrapElsewhere reports whether another process may still use a token key to wrap sensitive keys, because this one cannot record that it
// has made a copy or a new key with its bytes.
func (s *session) mayWrapElsewhere(o *Object) bool {
	return s.strict && o.isToken() && role(o.role.Load()) == noRole && !o.isExempt() &&
		mayEverWrap(o.class(), o.keyType(), o.flag(ck.CKA_WRAP), o.stayedInside()) && s.slot.readOnly()
}

// checkUnrecorded tells whether the operation may go on with a key whose role is not recorded: not if the key has wrapped sensitive keys since.
func (op *operation) checkUnrecorded() error {
	if op.unrecorded == nil {
		return nil
	}
	o, err := op.unrecorded.get()
	if err != nil {
		return keyHandleError(err)
	}
	defer o.release()
	_, err = role(o.role.Load()).afterUse(notWrapping)
	return err
}
