package token

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/store"
)

// A secret key that has wrapped a sensitive key is a key for wrapping from then on: it wraps and unwraps, and does nothing else.
// Otherwise C_Decrypt would tell what C_WrapKey has hidden (Clulow, "On the Security of PKCS #11", 2003), and so would every other
// use in which the raw cipher can be had: what CTR or GCM wrap, C_Encrypt opens. Attributes cannot say it, since templates that are
// silent permit everything, and what is permitted one after the other is as bad (Delaune, Kremer, Steel, "Formal Analysis of
// PKCS#11", 2008). And what it unwraps is sensitive, whether or not the token still has what was wrapped. Of a key pair that has
// wrapped only this is true: certificates' keys sign and decrypt too.
//
// It is the value that has wrapped: it is remembered with the objects that have it, and in the process for all that come to
// have it.

// Attributes of the token's own, which no application sees.
const (
	// wrapsSecrets is true of a key that has wrapped a sensitive key.
	wrapsSecrets ck.AttributeType = 0xc3530181
	// broughtIn is true of a key that an application created, whose value it knew, and did not say to be sensitive. Nothing is
	// kept from who knows it: such keys are sensitive by default, and stay out of what is done here and in twins.go.
	broughtIn ck.AttributeType = 0xc3530182
	// unasked is true of a secret key that is sensitive by default, because nobody has said whether it is. Whoever says so
	// later, with C_SetAttributeValue, sets it for the first time.
	unasked ck.AttributeType = 0xc3530183
)

// A claimed is the values of the keys of a slot that have wrapped a sensitive key in this process, hashed.
type claimed struct {
	n    atomic.Uint64 // how many there are
	mu   sync.Mutex
	list map[uint64]struct{}
}

func (c *claimed) add(value uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.list == nil {
		c.list = make(map[uint64]struct{})
	}
	c.list[value] = struct{}{}
	c.n.Store(uint64(len(c.list)))
}

func (c *claimed) has(value uint64) bool {
	if c.n.Load() == 0 {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	_, ok := c.list[value]
	return ok
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

// wraps reports whether a key, or the other half of its pair, has wrapped a sensitive key.
func (s *slot) wraps(o *Object) bool {
	if o.flag(broughtIn) {
		return false
	}
	return o.flag(wrapsSecrets) || s.claimed.n.Load() != 0 && s.claimed.has(s.objects.hash(o.identity()))
}

// separate tells whether a key may be used as it is to be.
func (s *slot) separate(o *Object, use ck.AttributeType) error {
	if use == ck.CKA_WRAP || use == ck.CKA_UNWRAP || !s.core.strict || o.class() != ck.CKO_SECRET_KEY || !s.wraps(o) {
		return nil
	}
	return errWraps
}

var errWraps = fmt.Errorf("%w: the key has wrapped a sensitive key", ck.CKR_KEY_FUNCTION_NOT_PERMITTED)

// claim makes w, with the handle h, a key for wrapping, because it is about to wrap target.
func (s *session) claim(h ck.ObjectHandle, w, target *Object) error {
	if !s.slot.core.strict || w.flag(broughtIn) || w.flag(wrapsSecrets) || !target.flag(ck.CKA_SENSITIVE) || target.flag(broughtIn) {
		return nil
	}
	id := w.identity()
	if len(id) == 0 {
		return nil
	}
	s.slot.claimed.add(s.slot.objects.hash(id))
	user, keys := s.slot.login()
	if user == nobody {
		return nil // no token key can be used
	}
	if err := s.slot.objects.remember(h, keys); err != nil {
		return err
	}
	return s.slot.objects.rememberAll(keys, w.identityTerm(keys))
}

// identityTerm is the term by which the keys are found that have the identity of o.
func (o *Object) identityTerm(keys *store.Keys) []byte {
	if o.class() == ck.CKO_SECRET_KEY {
		return o.fingerprint(keys)
	}
	return keyedTerm(keys, ck.CKA_PUBLIC_KEY_INFO, o.identity())
}

// rememberAll is remember for the token objects with a term.
func (t *objectTable) rememberAll(keys *store.Keys, term []byte) error {
	token, err := t.slot.store()
	if err != nil {
		return err
	}
	ids, err := token.Find(keys, term)
	if err != nil {
		return err
	}
	for _, id := range ids {
		o, err := t.stored(token, keys, id)
		if err == nil {
			var i *item
			i, err = t.itemOf(o)
			o.release()
			if err == nil {
				err = t.remember(i.handle, keys)
			}
		}
		if err != nil && !errors.Is(err, ck.CKR_OBJECT_HANDLE_INVALID) {
			return err
		}
	}
	return nil
}

// remember notes with a token object that it has wrapped a sensitive key. A token that cannot be written to forgets it with
// the process.
func (t *objectTable) remember(h ck.ObjectHandle, keys *store.Keys) error {
	for {
		i, err := t.slot.core.objects.get(h)
		if err != nil || i.owner != nil {
			return err
		}
		o, err := i.get()
		if err != nil {
			return err
		}
		if o.flag(wrapsSecrets) {
			o.release()
			return nil
		}
		var d draft
		o.draft(&d)
		d.mark(wrapsSecrets, true)
		err = t.slot.replace(i, o, d.object().as(o), keys)
		o.release()
		switch {
		case errors.Is(err, store.ErrStale):
		case errors.Is(err, ck.CKR_TOKEN_WRITE_PROTECTED):
			return nil
		default:
			return err
		}
	}
}

// overtaken reports whether the key of an operation has wrapped a sensitive key since the operation began.
func (s *session) overtaken(op *operation) bool {
	return op.claimed != s.slot.claimed.n.Load() && s.slot.claimed.has(op.secret)
}

// build makes the object of a request in the slot. A value that has wrapped does not lose that by being copied.
func (s *slot) build(r *request) (*Object, error) {
	o, err := build(r)
	if err == nil && r.how != byCopy {
		o.birth = s.separation()
	}
	if err == nil && s.core.strict && s.claimed.n.Load() != 0 && s.wraps(o) {
		if i := o.table.find(wrapsSecrets); i >= 0 {
			o.bits |= 1 << i
		}
	}
	return o, err
}
