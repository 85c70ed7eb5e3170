package token

import (
	"errors"
	"sync/atomic"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/store"
)

// How keys have their roles. A session object has its role in memory, in common with its copies. A token object has it in the token:
// taking it is one transaction over all objects with that value (of a pair: both halves), so that of two processes one wins. What
// can never wrap a sensitive key needs no record, and most keys are such: they were not permitted to wrap, may leave the token, or
// are of a type for which there is no mechanism that seals. A key that is permitted to wrap later has served by then.

// Attributes of the token's own, which no application sees.
const (
	// wrapsSecrets, wrapsTrusted and servesElse are the roles.
	wrapsSecrets ck.AttributeType = 0xc3530181
	wrapsTrusted ck.AttributeType = 0xc3530184
	servesElse   ck.AttributeType = 0xc3530185
	// staysInside is true of a key that was generated or imported, and was not extractable from then on.
	staysInside ck.AttributeType = 0xc3530186
	// knownBytes is the number of piece.go, and hasBytesOfKey is true of a key that has bytes of one that they are counted of.
	knownBytes    ck.AttributeType = 0xc3530187
	hasBytesOfKey ck.AttributeType = 0xc3530188
	// wasTrusted is true of a key, or a copy of one, that has had CKA_TRUSTED.
	wasTrusted ck.AttributeType = 0xc3530189
	// makerKnowsValue is true of a secret key that was imported by a template that does not say that it is sensitive, and nothing of whether it may
	// leave: who has made it knows the value, and keeps nothing from anybody by it.
	makerKnowsValue ck.AttributeType = 0xc353018a
	// importedBefore2 and sensitiveByDefaultBefore2 were of keys in tokens of before format 2.
	importedBefore2           ck.AttributeType = 0xc3530182
	sensitiveByDefaultBefore2 ck.AttributeType = 0xc3530183
)

// recordedRole returns the role that stands in an object's attributes.
func (o *Object) recordedRole() role {
	switch {
	case o.bits&o.table.roles == 0:
		return noRole
	case o.flag(wrapsTrusted):
		return wrappingTrusted
	case o.flag(wrapsSecrets):
		return wrapping
	case o.flag(servesElse):
		return serving
	}
	return noRole
}

// setRole puts a role among the attributes of a draft.
func (d *draft) setRole(r role) {
	d.mark(wrapsSecrets, r >= wrapping)
	d.mark(wrapsTrusted, r == wrappingTrusted)
	d.mark(servesElse, r == serving)
}

// stayedInside reports whether a key has never been extractable since it was generated or imported. Of a key from before format 2 the
// token knows no more than that it is not now.
func (o *Object) stayedInside() bool {
	if o.origin == store.OriginBefore2 {
		return !o.flag(ck.CKA_EXTRACTABLE)
	}
	return o.flag(staysInside)
}

// wasImported reports whether a secret key was imported.
func (o *Object) wasImported() bool {
	return o.class() == ck.CKO_SECRET_KEY && (o.origin == store.OriginImported || o.flag(importedBefore2))
}

// isExempt is protection.isExempt, which every use asks of a key that has no role.
func (o *Object) isExempt() bool { return o.fixedProtection().isExempt() }

// protection returns what counts of a key.
func (o *Object) protection() protection {
	k := *o.fixedProtection()
	k.role = role(o.role.Load())
	return k
}

// fixedProtection returns what counts of a key without its role. The rest does not change, and is found out once.
func (o *Object) fixedProtection() *protection {
	if k := o.fixed.Load(); k != nil {
		return k
	}
	k := &protection{
		sensitive: o.flag(ck.CKA_SENSITIVE), extractable: o.flag(ck.CKA_EXTRACTABLE), trusted: o.flag(ck.CKA_TRUSTED),
		wrapWithTrusted: o.flag(ck.CKA_WRAP_WITH_TRUSTED), stayedInside: o.class() == ck.CKO_PUBLIC_KEY || o.stayedInside(),
		imported: o.wasImported(), length: uint(len(o.mech.Value)), hasBytesOfKey: o.flag(hasBytesOfKey), wasTrusted: o.flag(wasTrusted),
	}
	if v := o.bytes(knownBytes); v != nil {
		k.knownBytes = number(v)
	}
	o.fixed.Store(k)
	return k
}

// identity is what two keys have in common that unwrap the same: the value of a secret key, the public key of a pair.
func (o *Object) identity() []byte {
	switch o.class() {
	case ck.CKO_SECRET_KEY:
		return o.mech.Value
	case ck.CKO_PUBLIC_KEY, ck.CKO_PRIVATE_KEY:
		return o.bytes(ck.CKA_PUBLIC_KEY_INFO)
	}
	return nil
}

// identityTerm is the term by which the keys are found that have the identity of o, nil where there is none.
func (o *Object) identityTerm(keys *store.Keys) []byte {
	if o.class() == ck.CKO_SECRET_KEY {
		return o.fingerprint(keys)
	}
	if id := o.identity(); len(id) != 0 {
		return keyedTerm(keys, ck.CKA_PUBLIC_KEY_INFO, id)
	}
	return nil
}

// takeRole gives the key o, behind i, the role that a use needs, or tells why it cannot have it.
func (s *session) takeRole(o foundKey, u *keyUse) error {
	if !s.strict {
		return nil
	}
	need := u.neededRole()
	has := role(o.role.Load())
	if next, err := has.afterUse(need); err == nil && next == has || o.isExempt() {
		return nil
	} else if err != nil {
		return err
	}
	if need == serving && !mayEverWrap(o.class(), o.keyType(), o.flag(ck.CKA_WRAP), o.stayedInside()) {
		o.role.CompareAndSwap(uint32(noRole), uint32(serving))
		return nil
	}
	session := o.entry.owner != nil
	switch {
	case need == serving && session:
		return updateRole(o.role, need)
	case need == serving && !session && s.slot.readOnly():
		if u.purpose == ck.CKA_WRAP || u.purpose == ck.CKA_UNWRAP {
			return ck.CKR_TOKEN_WRITE_PROTECTED
		}
		return nil // nobody else knows, but in this process it wraps nothing, as that would have to be recorded
	}
	return s.takeRoleForAll(o, need)
}

// mayTakeRole tells whether a key may take the role that a use needs. It takes none, so that what is asked before a function has done
// anything can be asked for a call that fails.
func (s *session) mayTakeRole(o foundKey, u *keyUse) error {
	if !s.strict || o.isExempt() {
		return nil
	}
	_, err := role(o.role.Load()).afterUse(u.neededRole())
	return err
}

// dependsOnKey reports whether what a function with a key returned may depend on the key, an error too: a parameter that is none, and a
// template that lacks something, are found whatever the key is.
func dependsOnKey(err error) bool {
	return !errors.Is(err, ck.CKR_MECHANISM_PARAM_INVALID) && !errors.Is(err, ck.CKR_TEMPLATE_INCOMPLETE)
}

// updateRole changes a role in memory.
func updateRole(r *atomic.Uint32, need role) error {
	for {
		has := r.Load()
		next, err := role(has).afterUse(need)
		if err != nil || r.CompareAndSwap(has, uint32(next)) {
			return err
		}
	}
}

// takeRoleForAll takes a role for all keys with the identity of o, and records it.
func (s *session) takeRoleForAll(o foundKey, need role) error {
	user, keys := s.slot.login()
	if user == nobody {
		if need >= wrapping {
			return ck.CKR_USER_NOT_LOGGED_IN // nothing could be recorded
		}
		return updateRole(o.role, need)
	}
	if err := s.slot.takeRoleInSessions(o.Object, need); err != nil {
		return err
	}
	term := o.identityTerm(keys)
	if term == nil {
		return updateRole(o.role, need)
	}
	for {
		err := s.slot.storeRole(term, keys, need)
		switch {
		case errors.Is(err, store.ErrStale):
			continue
		case err != nil:
			return err
		}
		return updateRole(o.role, need)
	}
}

// takeRoleInSessions takes a role for the session objects of all applications with the identity of o.
func (s *slot) takeRoleInSessions(o *Object, need role) error {
	id := o.identity()
	list := s.sessionKeys(func(k *Object) bool { return sameIdentity(k, o, id) })
	defer releaseAll(list)
	for _, k := range list {
		if need >= wrapping && k.class() == ck.CKO_PRIVATE_KEY && !k.stayedInside() {
			return errLeftToken
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

// storeRole takes a role for the token objects that have a term, in one transaction: ErrStale where it has to be tried again.
func (s *slot) storeRole(term []byte, keys *store.Keys, need role) error {
	token, err := s.store()
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
		if o.asked != nil {
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

// recordWithRole returns the record of a token object that has taken a role, nil where it has that already.
func (o *Object) recordWithRole(need role, keys *store.Keys) (*store.Record, error) {
	if need >= wrapping && o.class() == ck.CKO_PRIVATE_KEY && !o.stayedInside() {
		return nil, errLeftToken
	}
	has := o.recordedRole()
	next, err := has.afterUse(need)
	if err != nil || next == has {
		return nil, err
	}
	var d draft
	o.draft(&d)
	d.setRole(next)
	changed := d.object().as(o)
	defer changed.release()
	return newRecord(changed, keys), nil
}

// readObject reads a token object from the store.
func readObject(token *store.Token, keys *store.Keys, id store.ID) (*Object, error) {
	r, err := token.Get(keys, id)
	if err != nil {
		return nil, err
	}
	return opened(r)
}

// sameRole tells whether a key still has the role that it had when it was looked up: what it has unwrapped may have been wrapped since.
func (o foundKey) sameRole() error {
	now, err := o.entry.get()
	if err != nil {
		return keyHandle(err)
	}
	defer now.release()
	if role(now.role.Load()) != role(o.role.Load()) {
		return errOnlyWraps
	}
	return nil
}

// unrecordedEntry returns the entry of a key that serves though that could not be recorded, nil for others: whoever goes on with it asks
// at each call whether another process has made it wrap meanwhile.
func (s *session) unrecordedEntry(o foundKey, u *keyUse) *entry {
	if !s.strict || o.entry.owner != nil || u.neededRole() != serving || role(o.role.Load()) == serving || o.isExempt() {
		return nil
	}
	return o.entry
}

// mayWrapElsewhere reports whether a token key could come to wrap sensitive keys in another process, though it had been copied or taken over in this
// one, which cannot record that.
func (s *session) mayWrapElsewhere(o *Object) bool {
	return s.strict && o.isToken() && role(o.role.Load()) == noRole && !o.isExempt() &&
		mayEverWrap(o.class(), o.keyType(), o.flag(ck.CKA_WRAP), o.stayedInside()) && s.slot.readOnly()
}

// checkUnrecorded tells whether the key of an operation that is not recorded has come to wrap sensitive keys.
func (op *operation) checkUnrecorded() error {
	if op.unrecorded == nil {
		return nil
	}
	o, err := op.unrecorded.get()
	if err != nil {
		return keyHandle(err)
	}
	defer o.release()
	_, err = role(o.role.Load()).afterUse(serving)
	return err
}
