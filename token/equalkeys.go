package token

import (
	"bytes"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/secret"
	"github.com/softcsp/softcsp/mechanisms"
	"github.com/softcsp/softcsp/store"
)

// In a token of strict separation, C_UnwrapKey and the like give a key that has the value of another, sensitive one no less protection, no
// more uses and no other type. Otherwise somebody who may wrap a key could unwrap it with CKA_SENSITIVE false, and read it: Clulow,
// "On the Security of PKCS #11", 2003; Bortolozzo and others, "Attacking and Fixing PKCS#11 Security Tokens", 2010.
//
// What is compared is what C_WrapKey encrypts. Token objects are found by a keyed fingerprint of it, which is among their terms.

// wrapInput returns what C_WrapKey encrypts of a key: the value of a secret key, the PrivateKeyInfo of a private one. It is nil
// where there is none. The caller wipes it if owned is true.
func (o *Object) wrapInput() (input []byte, owned bool) {
	switch {
	case o.secretsMissing:
	case o.table.isSecret():
		return o.mechanismKey.Value, false
	case o.class() == ck.CKO_PRIVATE_KEY:
		var err error
		if secret.Do(func() { input, err = mechanisms.MarshalPrivate(o.key()) }); err == nil {
			return input, true
		}
	}
	return nil, false
}

// fingerprint returns the term by which a key is found that has the same secret, nil for what has none.
func (o *Object) fingerprint(keys *store.Keys) []byte {
	if keys == nil || !o.table.isKey() {
		return nil
	}
	input, owned := o.wrapInput()
	if input == nil {
		return nil
	}
	if owned {
		defer clear(input)
	}
	return keyedTerm(keys, ck.CKA_VALUE, input)
}

// keyedTerm is the term of a value that can be computed with the keys of a login only; nil after a logout.
func keyedTerm(keys *store.Keys, t ck.AttributeType, value []byte) []byte {
	fingerprint, err := keys.Fingerprint(value)
	if err != nil {
		return nil
	}
	return append(binary.LittleEndian.AppendUint32(make([]byte, 0, 4+len(fingerprint)), uint32(t)), fingerprint[:]...)
}

// keysWithSecret returns the keys of the session's token of which C_WrapKey would encrypt input. The caller releases them.
func (s *session) keysWithSecret(input []byte) (list []*Object, err error) {
	_, cache := s.slot.loginCache()
	list = s.slot.sameSecret(input)
	if cache.keys == nil {
		return list, nil
	}
	token, err := s.slot.storedToken()
	if err != nil {
		return list, err
	}
	ids, err := token.Find(cache.keys, keyedTerm(cache.keys, ck.CKA_VALUE, input))
	if err != nil {
		return list, err
	}
	for _, id := range ids {
		o, err := cache.current(id)
		switch {
		case ck.Code(err) == ck.CKR_OBJECT_HANDLE_INVALID: // destroyed meanwhile
		case err != nil:
			return list, err
		default:
			list = append(list, o)
		}
	}
	return list, nil
}

// sameSecret returns the session objects of all applications of which C_WrapKey would encrypt input.
func (s *slot) sameSecret(input []byte) (list []*Object) {
	for _, o := range s.sameSecretCandidates(input) {
		other, owned := o.wrapInput()
		if subtle.ConstantTimeCompare(other, input) == 1 {
			list = append(list, o)
		} else {
			o.release()
		}
		if owned {
			clear(other)
		}
	}
	return list
}

// sameSecretCandidates returns the session objects that sameSecret has to compare.
func (s *slot) sameSecretCandidates(input []byte) []*Object {
	private := mechanisms.IsPrivate(input) // the PrivateKeyInfo of a private key takes long to make
	return s.sessionKeys(func(o *Object) bool {
		switch o.class() {
		case ck.CKO_SECRET_KEY, ck.CKO_OTP_KEY:
			return len(input) != 0 && subtle.ConstantTimeCompare(o.mechanismKey.Value, input) == 1
		case ck.CKO_PRIVATE_KEY:
			return private
		}
		return false
	})
}

// protectLikeEqualKeys protects a key that is being unwrapped like the keys of the token that have the same secret. unwrapped is what the mechanism
// returned, before CKA_VALUE_LEN cut it. Where the mechanism fills the last block with zeros (truncates), nobody can tell them from zeros of the
// key, so keys that are equal but for zeros at the end are looked for too.
func (s *session) protectLikeEqualKeys(r *request, unwrapped []byte, class ck.ObjectClass, t ck.KeyType, truncates bool) error {
	for n := len(unwrapped); n > 0; n-- {
		if err := s.protectLikeKeysWith(r, unwrapped[:n], class, t); err != nil {
			return err
		}
		if !truncates || unwrapped[n-1] != 0 || n <= len(unwrapped)-maxZeroPadding {
			return nil
		}
	}
	return nil
}

// maxZeroPadding is more than the zeros that any mechanism fills a block with.
const maxZeroPadding = 16

// protectLikeKeysWith is protectLikeEqualKeys for the keys of which C_WrapKey would encrypt input.
func (s *session) protectLikeKeysWith(r *request, input []byte, class ck.ObjectClass, t ck.KeyType) error {
	list, err := s.keysWithSecret(input)
	defer releaseAll(list)
	if err != nil {
		return err
	}
	for _, o := range list {
		if !o.isConcealed() || o.isExempt() {
			return nil // the value is known
		}
	}
	for _, o := range list {
		if o.class() != class || o.keyType() != t || class != ck.CKO_PRIVATE_KEY && len(r.fixedValue(ck.CKA_VALUE)) != len(input) {
			return fmt.Errorf("%w: the token has the key as one of another type", ck.CKR_TEMPLATE_INCONSISTENT)
		}
		if err := r.protectLike(o); err != nil {
			return err
		}
	}
	return nil
}

// protectLike adds to the request of a key the restrictions of a key that has the same secret.
func (r *request) protectLike(o *Object) error {
	for _, p := range inheritedFlags {
		if o.table.find(p.t) >= 0 && o.flag(p.t) == p.restrictive && r.fixedValue(p.t) == nil {
			r.fixed = append(r.fixed, ck.Attribute{Type: p.t, Value: ck.BoolValue(p.restrictive)})
		}
	}
	if has := o.protection().role; has != noRole {
		if t := roleAttributes[has]; r.fixedValue(t) == nil && o.table.find(t) >= 0 {
			r.fixed = append(r.fixed, ck.Attribute{Type: t, Value: ck.BoolValue(true)})
		}
	}
	if o.flag(hasBytesOfKey) && r.fixedValue(hasBytesOfKey) == nil {
		r.fixed = append(r.fixed, ck.Attribute{Type: hasBytesOfKey, Value: ck.BoolValue(true)})
	}
	if known := o.protection().knownBytes; known != 0 && r.fixedValue(knownBytes) == nil {
		r.setKnownBytes(known)
	}
	for _, t := range inheritedTemplates {
		switch v, other := o.bytes(t), r.fixedValue(t); {
		case v == nil:
		case other == nil:
			r.fixed = append(r.fixed, ck.Attribute{Type: t, Value: bytes.Clone(v)})
		case !sameTemplate(v, other):
			return attributeError(ck.CKR_TEMPLATE_INCONSISTENT, t)
		}
	}
	list := o.bytes(ck.CKA_ALLOWED_MECHANISMS)
	if list == nil {
		return nil
	}
	for _, a := range slices.Concat(r.template, r.imposed) {
		if a.Type == ck.CKA_ALLOWED_MECHANISMS {
			if len(a.Value)%ulongSize != 0 || !listsNoOther(a.Value, list) {
				return attributeError(ck.CKR_TEMPLATE_INCONSISTENT, ck.CKA_ALLOWED_MECHANISMS)
			}
			return nil
		}
	}
	for i, a := range r.defaults {
		if a.Type == ck.CKA_ALLOWED_MECHANISMS {
			r.defaults[i].Value = commonMechanisms(a.Value, list)
			return nil
		}
	}
	r.defaults = append(r.defaults, ck.Attribute{Type: ck.CKA_ALLOWED_MECHANISMS, Value: bytes.Clone(list)})
	return nil
}
