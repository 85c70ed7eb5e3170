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
	// knownBytes is the number of piece.go, and madeOf is true of a key that has bytes of one that they are counted of.
	knownBytes ck.AttributeType = 0xc3530187
	madeOf     ck.AttributeType = 0xc3530188
	// onceTrusted is true of a key, or a copy of one, that has had CKA_TRUSTED.
	onceTrusted ck.AttributeType = 0xc3530189
	// saidOpenly is true of a secret key that was imported by a template that does not say that it is sensitive, and nothing of whether it may
	// leave: who has made it knows the value, and keeps nothing from anybody by it.
	saidOpenly ck.AttributeType = 0xc353018a
	// broughtIn and unasked were of keys in tokens of before format 2.
	broughtIn ck.AttributeType = 0xc3530182
	unasked   ck.AttributeType = 0xc3530183
)

// roleOf returns the role that stands in an object's attributes.
func (o *Object) roleOf() role {
	switch {
	case o.bits&o.table.roles == 0:
		return noRole
	case o.flag(wrapsTrusted):
		return guarding
	case o.flag(wrapsSecrets):
		return wrapping
	case o.flag(servesElse):
		return serving
	}
	return noRole
}

// marks puts a role among the attributes of a draft.
func (d *draft) marks(r role) {
	d.mark(wrapsSecrets, r >= wrapping)
	d.mark(wrapsTrusted, r == guarding)
	d.mark(servesElse, r == serving)
}

// inside reports whether a key has never been extractable since it was generated or imported. Of a key from before format 2 the
// token knows no more than that it is not now.
func (o *Object) inside() bool {
	if o.origin == store.OriginBefore2 {
		return !o.flag(ck.CKA_EXTRACTABLE)
	}
	return o.flag(staysInside)
}

// given reports whether a secret key was imported.
func (o *Object) given() bool {
	return o.class() == ck.CKO_SECRET_KEY && (o.origin == store.OriginImported || o.flag(broughtIn))
}

// left is standing.left, which every use asks of a key that has no role.
func (o *Object) left() bool { return o.stands().left() }

// standing returns what counts of a key.
func (o *Object) standing() standing {
	k := *o.stands()
	k.role = role(o.role.Load())
	return k
}

// stands returns what counts of a key without its role. The rest does not change, and is found out once.
func (o *Object) stands() *standing {
	if k := o.fixed.Load(); k != nil {
		return k
	}
	k := &standing{
		sensitive: o.flag(ck.CKA_SENSITIVE), extractable: o.flag(ck.CKA_EXTRACTABLE), trusted: o.flag(ck.CKA_TRUSTED),
		withTrusted: o.flag(ck.CKA_WRAP_WITH_TRUSTED), inside: o.class() == ck.CKO_PUBLIC_KEY || o.inside(),
		given: o.given(), length: uint(len(o.mech.Value)), made: o.flag(madeOf), onceTrusted: o.flag(onceTrusted),
	}
	if v := o.bytes(knownBytes); v != nil {
		k.known = number(v)
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

// assume gives the key o, behind i, the role that a use needs, or tells why it cannot have it.
func (s *session) assume(o object, u *keyUse) error {
	if !s.strict {
		return nil
	}
	need := u.role()
	has := role(o.role.Load())
	if next, err := has.take(need); err == nil && next == has || o.left() {
		return nil
	} else if err != nil {
		return err
	}
	if need == serving && !mayWrapOnce(o.class(), o.keyType(), o.flag(ck.CKA_WRAP), o.inside()) {
		o.role.CompareAndSwap(uint32(noRole), uint32(serving))
		return nil
	}
	session := o.entry.owner != nil
	switch {
	case need == serving && session:
		return assumed(o.role, need)
	case need == serving && !session && s.slot.readOnly():
		if u.purpose == ck.CKA_WRAP || u.purpose == ck.CKA_UNWRAP {
			return ck.CKR_TOKEN_WRITE_PROTECTED
		}
		return nil // nobody else knows, but in this process it wraps nothing, as that would have to be recorded
	}
	return s.hold(o, need)
}

// mayAssume tells whether a key may take the role that a use needs. It takes none, so that what is asked before a function has done
// anything can be asked for a call that fails.
func (s *session) mayAssume(o object, u *keyUse) error {
	if !s.strict || o.left() {
		return nil
	}
	_, err := role(o.role.Load()).take(u.role())
	return err
}

// answers reports whether what a function with a key returned may depend on the key, an error too: a parameter that is none, and a
// template that lacks something, are found whatever the key is.
func answers(err error) bool {
	return !errors.Is(err, ck.CKR_MECHANISM_PARAM_INVALID) && !errors.Is(err, ck.CKR_TEMPLATE_INCOMPLETE)
}

// assumed changes a role in memory.
func assumed(r *atomic.Uint32, need role) error {
	for {
		has := r.Load()
		next, err := role(has).take(need)
		if err != nil || r.CompareAndSwap(has, uint32(next)) {
			return err
		}
	}
}

// hold takes a role for all keys with the identity of o, and records it.
func (s *session) hold(o object, need role) error {
	user, keys := s.slot.login()
	if user == nobody {
		if need >= wrapping {
			return ck.CKR_USER_NOT_LOGGED_IN // nothing could be recorded
		}
		return assumed(o.role, need)
	}
	if err := s.slot.holdAll(o.Object, need); err != nil {
		return err
	}
	term := o.identityTerm(keys)
	if term == nil {
		return assumed(o.role, need)
	}
	for {
		err := s.slot.record(term, keys, need)
		switch {
		case errors.Is(err, store.ErrStale):
			continue
		case err != nil:
			return err
		}
		return assumed(o.role, need)
	}
}

// holdAll takes a role for the session objects of all applications with the identity of o.
func (s *slot) holdAll(o *Object, need role) error {
	id := o.identity()
	list := s.sessionKeys(func(k *Object) bool { return sameIdentity(k, o, id) })
	defer releaseAll(list)
	for _, k := range list {
		if need >= wrapping && k.class() == ck.CKO_PRIVATE_KEY && !k.inside() {
			return errOutside
		}
		if err := assumed(k.role, need); err != nil {
			return err
		}
	}
	return nil
}

// sameIdentity reports whether k has the identity id of o.
func sameIdentity(k, o *Object, id []byte) bool {
	return len(id) != 0 && (k.class() == ck.CKO_SECRET_KEY) == (o.class() == ck.CKO_SECRET_KEY) && string(k.identity()) == string(id)
}

// record takes a role for the token objects that have a term, in one transaction: ErrStale where it has to be tried again.
func (s *slot) record(term []byte, keys *store.Keys, need role) error {
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
		o, err := fresh(token, keys, id)
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
		r, err := o.recorded(need, keys)
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

// recorded returns the record of a token object that has taken a role, nil where it has that already.
func (o *Object) recorded(need role, keys *store.Keys) (*store.Record, error) {
	if need >= wrapping && o.class() == ck.CKO_PRIVATE_KEY && !o.inside() {
		return nil, errOutside
	}
	has := o.roleOf()
	next, err := has.take(need)
	if err != nil || next == has {
		return nil, err
	}
	var d draft
	o.draft(&d)
	d.marks(next)
	changed := d.object().as(o)
	defer changed.release()
	return record(changed, keys), nil
}

// fresh reads a token object from the store.
func fresh(token *store.Token, keys *store.Keys, id store.ID) (*Object, error) {
	r, err := token.Get(keys, id)
	if err != nil {
		return nil, err
	}
	return opened(r)
}

// same tells whether a key still has the role that it had when it was looked up: what it has unwrapped may have been wrapped since.
func (o object) same() error {
	now, err := o.entry.get()
	if err != nil {
		return keyHandle(err)
	}
	defer now.release()
	if role(now.role.Load()) != role(o.role.Load()) {
		return errWraps
	}
	return nil
}

// unrecorded returns the entry of a key that serves though that could not be recorded, nil for others: whoever goes on with it asks
// at each call whether another process has made it wrap meanwhile.
func (s *session) unrecorded(o object, u *keyUse) *entry {
	if !s.strict || o.entry.owner != nil || u.role() != serving || role(o.role.Load()) == serving || o.left() {
		return nil
	}
	return o.entry
}

// hidden reports whether a token key could come to wrap sensitive keys in another process, though it had been copied or taken over in this
// one, which cannot record that.
func (s *session) hidden(o *Object) bool {
	return s.strict && o.isToken() && role(o.role.Load()) == noRole && !o.left() &&
		mayWrapOnce(o.class(), o.keyType(), o.flag(ck.CKA_WRAP), o.inside()) && s.slot.readOnly()
}

// overtaken tells whether the key of an operation that is not recorded has come to wrap sensitive keys.
func (op *operation) overtaken() error {
	if op.unrecorded == nil {
		return nil
	}
	o, err := op.unrecorded.get()
	if err != nil {
		return keyHandle(err)
	}
	defer o.release()
	_, err = role(o.role.Load()).take(serving)
	return err
}
