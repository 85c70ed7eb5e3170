package token

import (
	"errors"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/mechanisms"
	"github.com/softcsp/softcsp/store"
)

// A derivation is what a session keeps from one C_DeriveKey to the next, so that none has to be allocated.
type derivation struct {
	base    mechanisms.Base
	out     mechanisms.Derived
	digest  [64]byte
	fixed   []ck.Attribute
	keyType []byte

	row          *mechanisms.Mechanism
	lookup       func(ck.ObjectHandle) (*mechanisms.Key, error)
	others       []*Object  // the keys that lookup has found
	otherKeys    []foundKey // the same, with what they are released by
	lookupFailed bool       // lookup has not found a key: the derivation has used none

	request request
}

func (d *derivation) wipe() {
	d.out.Wipe()
	clear(d.digest[:])
	d.base = mechanisms.Base{}
	for _, k := range d.otherKeys {
		k.release()
	}
	clear(d.others)
	clear(d.otherKeys)
	d.others, d.otherKeys, d.lookupFailed = d.others[:0], d.otherKeys[:0], false
	clear(d.fixed)
	d.fixed = d.fixed[:0]
	clear(d.request.defaults)
	d.request = request{defaults: d.request.defaults[:0]}
}

// DeriveKey implements C_DeriveKey, section 5.18.5. *key is on entry what the caller's variable holds: the handle of the key to change, where the
// derivation changes one. key is nil where the caller has no variable, which is allowed if the derivation returns no handle.
func (m *Module) DeriveKey(h ck.SessionHandle, mech *ck.Mechanism, baseHandle ck.ObjectHandle, template []ck.Attribute, key *ck.ObjectHandle) error {
	s, err := m.lock(h)
	if err != nil {
		return err
	}
	defer s.unlock()
	row, err := s.rowFor(mech, ck.CKF_DERIVE)
	if err != nil {
		return err
	}
	if key == nil {
		if !row.NoHandle {
			return ck.CKR_ARGUMENTS_BAD
		}
		key = new(ck.ObjectHandle)
	}
	defer s.derivation.wipe()
	param, keyBefore := mech.Param, *key
	err = s.derive(row, &mech.Param, baseHandle, template, key)
	for errors.Is(err, store.ErrStale) { // another thread or process has changed the key that this one changes
		s.derivation.wipe()
		mech.Param, *key = param, keyBefore
		err = s.derive(row, &mech.Param, baseHandle, template, key)
	}
	s.deviceError = deviceCode(err)
	return err
}

// deviceCode returns what ulDeviceError tells of an error, 0 where it tells nothing.
func deviceCode(err error) uint32 {
	if err == nil {
		return 0
	}
	var device *ck.DeviceError
	if errors.As(err, &device) {
		return device.Code
	}
	return 0
}

// derive tries once to do a derivation: store.ErrStale where the key that it changes has been changed meanwhile.
func (s *session) derive(row *mechanisms.Mechanism, p *ck.Param, baseHandle ck.ObjectHandle, template []ck.Attribute, key *ck.ObjectHandle) error {
	d := &s.derivation
	if d.lookup == nil {
		d.lookup = s.otherKey
	}
	d.row, d.base.Template, d.base.Lookup = row, template, d.lookup
	u := keyUse{purpose: ck.CKA_DERIVE, row: row, oneCall: true}
	if row.MakesPublic { // what it makes anybody may have
		u.purpose, u.oneCall = anyPurpose, false
	}
	var base, target foundKey
	var err error
	if baseHandle != ck.InvalidHandle || !row.FromDigest {
		if base, err = s.baseKey(baseHandle, &u); err != nil {
			return err
		}
		defer base.release()
		d.base.Key, d.base.ValueKnown = base.key(), base.flag(makerKnowsValue)
	}
	if row.FromDigest {
		if s.digest.active {
			d.base.Hash, d.base.Digest = s.digest.row, s.digest.value(d.digest[:0])
		}
		// Most derivations change no key. Then the caller's variable may hold anything, and it is no error that it is no handle.
		if target, err = s.useKey(*key, &keyUse{purpose: anyPurpose, takes: keyToReplace}); err == nil {
			defer target.release()
			d.base.Target = target.key()
		}
	}
	err = row.Derive(&d.base, p, &d.out)
	if err == nil || dependsOnKey(err) && !d.lookupFailed {
		if err := s.takeRoles(base, &u); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	d.out.Ready()
	switch {
	case !d.out.Replaces:
		err = s.makeDerived(row, template, base.Object, d, key)
	case d.out.UsesDigest && base.Object != nil:
		err = s.replaceValue(base, d)
		*key = baseHandle
	default:
		err = s.replaceValue(target, d)
	}
	if err == nil && d.out.UsesDigest {
		s.digest.finished = true
	}
	return err
}

// takeRoles gives the keys of a derivation the roles that it needs. There need not be a base key.
func (s *session) takeRoles(base foundKey, u *keyUse) error {
	d := &s.derivation
	if base.Object != nil {
		if err := s.takeRole(base, u); err != nil {
			return err
		}
	}
	for _, k := range d.otherKeys {
		if err := s.takeRole(k, &keyUse{purpose: ck.CKA_DERIVE, class: k.class(), row: d.row}); err != nil {
			return err
		}
	}
	return nil
}

// fixedAttributes returns the attributes that a derivation decides.
func (d *derivation) fixedAttributes() []ck.Attribute {
	if d.out.Data {
		d.fixed = append(d.fixed[:0], ck.Attribute{Type: ck.CKA_CLASS, Value: dataClass}, ck.Attribute{Type: ck.CKA_VALUE, Value: d.out.Value})
		return d.fixed
	}
	d.keyType = ck.AppendUlong(d.keyType[:0], uint(d.out.Type))
	if d.out.Public {
		d.fixed = append(d.fixed[:0], ck.Attribute{Type: ck.CKA_CLASS, Value: publicKeyClass}, ck.Attribute{Type: ck.CKA_KEY_TYPE, Value: d.keyType})
		d.fixed = append(d.fixed, d.out.Attributes...)
		return d.fixed
	}
	d.fixed = append(d.fixed[:0], ck.Attribute{Type: ck.CKA_CLASS, Value: secretKeyClass}, ck.Attribute{Type: ck.CKA_KEY_TYPE, Value: d.keyType},
		ck.Attribute{Type: ck.CKA_VALUE, Value: d.out.Value})
	d.fixed = append(d.fixed, d.out.Attributes...)
	return d.fixed
}

// makeDerived makes the objects of a derivation, all or none, and then writes the results of the derivation to the caller's memory.
func (s *session) makeDerived(row *mechanisms.Mechanism, template []ck.Attribute, base *Object, d *derivation, key *ck.ObjectHandle) error {
	d.request = request{
		how: byDerive, template: template, fixed: d.fixedAttributes(), defaults: append(d.request.defaults[:0], d.out.Defaults...),
		historyOfAny: row.HistoryOfAnyKey, others: d.others, notKey: d.out.Data, takesKeyBytes: len(d.out.Taken) > 0 || d.out.Inherits,
	}
	if err := d.request.setBase(base); err != nil {
		return err
	}
	if err := s.mayAlwaysAuthenticate(&d.out); err != nil {
		return err
	}
	if err := s.checkInheritance(&d.request, row, d); err != nil {
		return err
	}
	var h ck.ObjectHandle
	var err error
	switch {
	case row.NoHandle || len(d.out.AdditionalKeys) > 0:
		h, err = s.makeAdditional(row, d)
	default:
		h, err = s.makeObject(&d.request)
	}
	if err != nil {
		return err
	}
	if !row.NoHandle {
		*key = h
	}
	d.out.Deliver()
	return nil
}

// mayAlwaysAuthenticate refuses a key with CKA_ALWAYS_AUTHENTICATE where no user is logged in, whose PIN would be asked for.
func (s *session) mayAlwaysAuthenticate(d *mechanisms.Derived) error {
	for _, a := range d.Attributes {
		if a.Type != ck.CKA_ALWAYS_AUTHENTICATE {
			continue
		}
		if user, _ := s.slot.currentLogin(); user != theUser && a.Value[0] == 1 {
			return mechanisms.ErrNoLogin
		}
	}
	return nil
}

// replaceValue gives an existing key the value that a derivation made of it.
func (s *session) replaceValue(k foundKey, d *derivation) error {
	user, keys := s.slot.currentLogin()
	if err := s.mayModify(k.Object, user); err != nil {
		return err
	}
	if !k.flag(ck.CKA_MODIFIABLE) {
		return ck.CKR_ACTION_PROHIBITED
	}
	changed, err := k.withDerivedValue(d.fixedAttributes())
	if err != nil {
		return err
	}
	return s.slot.replace(k.entry, k.Object, changed, keys)
}

// baseKey finds the base key. A derivation that can do without one has errors of its own for that.
func (s *session) baseKey(h ck.ObjectHandle, u *keyUse) (foundKey, error) {
	k, err := s.useKey(h, u)
	if u.row.FromDigest {
		switch err {
		case ck.CKR_KEY_HANDLE_INVALID:
			return k, mechanisms.ErrNoBaseKey
		case errUnconfirmed:
			return k, mechanisms.ErrNoLogin
		}
	}
	return k, err
}

// otherKey finds a key that the parameter of a derivation names, beside the base key.
func (s *session) otherKey(h ck.ObjectHandle) (*mechanisms.Key, error) {
	d := &s.derivation
	k, err := s.useKey(h, &keyUse{purpose: ck.CKA_DERIVE, row: d.row, takes: anyKey, oneCall: true, secondOf: &d.base})
	if err != nil {
		d.lookupFailed = true
		return nil, err
	}
	d.others, d.otherKeys = append(d.others, k.Object), append(d.otherKeys, k)
	return k.key(), nil
}

// makeAdditional makes the keys of a derivation that makes several. If the template of one is wrong, its handle is set to CK_INVALID_HANDLE:
// section 6.42.7. It returns the handle of the first key.
func (s *session) makeAdditional(row *mechanisms.Mechanism, d *derivation) (ck.ObjectHandle, error) {
	requests := make([]*request, 0, 1+len(d.out.AdditionalKeys))
	if !row.NoHandle {
		requests = append(requests, &d.request)
	}
	first := len(requests)
	for i := range d.out.AdditionalKeys {
		k := &d.out.AdditionalKeys[i]
		requests = append(requests, &request{
			how: byDerive, template: k.Template, defaults: k.Defaults, base: d.request.base, imposed: d.request.imposed, others: d.others,
			inherits: d.request.inherits, takesKeyBytes: d.request.takesKeyBytes, historyOfAny: row.HistoryOfAnyKey,
			fixed: append([]ck.Attribute{{Type: ck.CKA_CLASS, Value: secretKeyClass}, {Type: ck.CKA_KEY_TYPE, Value: ck.UlongValue(uint(k.Type))},
				{Type: ck.CKA_VALUE, Value: k.Value}}, k.Attributes...),
		})
	}
	handles, failed, err := s.makeObjects(requests)
	if err != nil {
		if failed >= first {
			copy(d.out.AdditionalKeys[failed-first].Handle, ck.UlongValue(ck.InvalidHandle))
		}
		return 0, err
	}
	for i := range d.out.AdditionalKeys {
		copy(d.out.AdditionalKeys[i].Handle, ck.UlongValue(uint(handles[first+i])))
	}
	return handles[0], nil
}
