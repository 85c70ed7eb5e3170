package token

import (
	"errors"
	"time"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/mechanisms"
	"github.com/softcsp/softcsp/store"
)

// A derivation is what a session keeps from one C_DeriveKey to the next, so that none has to be allocated.
type derivation struct {
	base   mechanisms.Base
	out    mechanisms.Derived
	digest [64]byte
	fixed  []ck.Attribute
	kind   []byte

	row     *mechanisms.Mechanism
	lookup  func(ck.ObjectHandle) (*mechanisms.Key, error)
	others  []*Object // what lookup has found
	entries []*entry  // by which it was reached
	unused  bool      // lookup has found nothing, so that no key was used

	request request
}

func (d *derivation) wipe() {
	d.out.Wipe()
	clear(d.digest[:])
	d.base = mechanisms.Base{}
	for i, o := range d.others {
		o.release()
		d.others[i] = nil
	}
	d.others = d.others[:0]
	clear(d.entries)
	d.entries, d.unused = d.entries[:0], false
	clear(d.fixed)
	d.fixed = d.fixed[:0]
	clear(d.request.defaults)
	d.request = request{defaults: d.request.defaults[:0]}
}

// DeriveKey implements C_DeriveKey, section 5.18.5. key holds on entry the handle that the caller's variable holds, which a
// derivation that changes a key (CRYPT_UPDATE_KEY) takes for that key. It is nil where the caller has no variable, which a
// derivation that makes no key for it can do without.
func (m *Module) DeriveKey(h ck.SessionHandle, mech *ck.Mechanism, base ck.ObjectHandle, template []ck.Attribute, key *ck.ObjectHandle) error {
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
	defer s.derived.wipe()
	param, was := mech.Param, *key
	err = s.derive(row, &mech.Param, base, template, key)
	for errors.Is(err, store.ErrStale) { // somebody else has changed the key that is to be changed
		s.derived.wipe()
		mech.Param, *key = param, was
		err = s.derive(row, &mech.Param, base, template, key)
	}
	s.device = deviceCode(err)
	return err
}

// deviceCode returns the Win32 or NTE code of an error: 0 where there is none.
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

// derive does a derivation with what the session keeps for it.
func (s *session) derive(row *mechanisms.Mechanism, p *ck.Param, base ck.ObjectHandle, template []ck.Attribute, key *ck.ObjectHandle) error {
	d := &s.derived
	if d.lookup == nil {
		d.lookup = s.other
	}
	d.row, d.base.Template, d.base.Lookup = row, template, d.lookup
	var from, target object
	var err error
	if base != ck.InvalidHandle || !row.FromDigest {
		if from, err = s.baseKey(base, row); err != nil {
			return err
		}
		defer from.release()
		d.base.Key, d.base.ValueKnown = from.key(), from.flag(saidOpenly)
	}
	if row.FromDigest {
		if s.digest.active {
			d.base.Hash, d.base.Digest = s.digest.row, s.digest.value(d.digest[:0])
		}
		// What the caller's variable holds is a key only if the derivation says so: no key there is no error here.
		if target, err = s.target(*key); err == nil {
			defer target.release()
			d.base.Target = target.key()
		}
	}
	err = row.Derive(&d.base, p, &d.out)
	if err == nil || answers(err) && !d.unused {
		if err := s.derivesFrom(from); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	d.out.Ready()
	switch {
	case !d.out.Replaces:
		err = s.makeDerived(row, template, from.Object, d, key)
	case d.out.UsesDigest && from.Object != nil:
		err = s.rederive(from, d)
		*key = base
	default:
		err = s.rederive(target, d)
	}
	if err == nil && d.out.UsesDigest {
		s.digest.finished = true
	}
	return err
}

// An object is an Object and the entry it was reached by.
type object struct {
	*Object
	entry *entry
}

// derivesFrom gives the keys of a derivation the role that they have from then on.
func (s *session) derivesFrom(base object) error {
	d := &s.derived
	if base.Object != nil {
		u := baseUse(base.Object, d.row)
		if err := s.assume(base, &u); err != nil {
			return err
		}
	}
	for n, o := range d.others {
		if err := s.assume(object{o, d.entries[n]}, &use{what: ck.CKA_DERIVE, class: o.class(), row: d.row}); err != nil {
			return err
		}
	}
	return nil
}

// fix gathers what a derivation has decided.
func (d *derivation) fix() []ck.Attribute {
	if d.out.Data {
		d.fixed = append(d.fixed[:0], ck.Attribute{Type: ck.CKA_CLASS, Value: dataClass}, ck.Attribute{Type: ck.CKA_VALUE, Value: d.out.Value})
		return d.fixed
	}
	d.kind = ck.AppendUlong(d.kind[:0], uint(d.out.Type))
	if d.out.Public {
		d.fixed = append(d.fixed[:0], ck.Attribute{Type: ck.CKA_CLASS, Value: publicKeyClass}, ck.Attribute{Type: ck.CKA_KEY_TYPE, Value: d.kind})
		d.fixed = append(d.fixed, d.out.Attributes...)
		return d.fixed
	}
	d.fixed = append(d.fixed[:0], ck.Attribute{Type: ck.CKA_CLASS, Value: secretKeyClass}, ck.Attribute{Type: ck.CKA_KEY_TYPE, Value: d.kind},
		ck.Attribute{Type: ck.CKA_VALUE, Value: d.out.Value})
	d.fixed = append(d.fixed, d.out.Attributes...)
	return d.fixed
}

// makeDerived makes the objects of a derivation, all or none, and tells the caller what the derivation has for it.
func (s *session) makeDerived(row *mechanisms.Mechanism, template []ck.Attribute, from *Object, d *derivation, key *ck.ObjectHandle) error {
	d.request = request{
		how: byDerive, template: template, fixed: d.fix(), defaults: append(d.request.defaults[:0], d.out.Defaults...), base: from,
		either: row.HistoryOfAnyKey, others: d.others, data: d.out.Data, taken: len(d.out.Taken) > 0 || d.out.Inherits,
	}
	if err := s.mayAsk(&d.out); err != nil {
		return err
	}
	if err := s.heir(&d.request, row, d); err != nil {
		return err
	}
	var h ck.ObjectHandle
	var err error
	switch {
	case row.NoHandle || len(d.out.AdditionalKeys) > 0:
		h, err = s.makeFurther(row, d)
	default:
		h, err = s.make(&d.request)
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

// mayAsk refuses to protect a key by a PIN where nobody is logged in whose PIN it would be.
func (s *session) mayAsk(d *mechanisms.Derived) error {
	for _, a := range d.Attributes {
		if a.Type != ck.CKA_ALWAYS_AUTHENTICATE {
			continue
		}
		if user, _ := s.slot.login(); user != theUser && a.Value[0] == 1 {
			return mechanisms.ErrNoLogin
		}
	}
	return nil
}

// rederive gives an existing key the value that a derivation made of it.
func (s *session) rederive(o object, d *derivation) error {
	user, keys := s.slot.login()
	if err := s.mayHave(o.Object, user); err != nil {
		return err
	}
	if !o.flag(ck.CKA_MODIFIABLE) {
		return ck.CKR_ACTION_PROHIBITED
	}
	changed, err := o.rederived(d.fix())
	if err != nil {
		return err
	}
	return s.slot.replace(o.entry, o.Object, changed, keys)
}

// Derive is C_DeriveKey with what make makes in the place of what a mechanism derives. key holds the new key's handle
// afterwards, and on entry that of the key that is changed where what is made replaces one, else 0. make is given that key as it is,
// and called again with what it has become where somebody else was faster.
func (m *Module) Derive(h ck.SessionHandle, template []ck.Attribute, key *ck.ObjectHandle, make func(*mechanisms.Derived, *mechanisms.Key) error) error {
	s, err := m.lock(h)
	if err != nil {
		return err
	}
	defer s.unlock()
	if !s.restriction.permits(capiRow.Type, ck.CKF_DERIVE) {
		return ck.CKR_MECHANISM_INVALID
	}
	defer s.derived.wipe()
	for {
		err := s.deriveBy(template, key, make)
		if !errors.Is(err, store.ErrStale) {
			return err
		}
		s.derived.wipe()
	}
}

// deriveBy does one attempt at Derive.
func (s *session) deriveBy(template []ck.Attribute, key *ck.ObjectHandle, make func(*mechanisms.Derived, *mechanisms.Key) error) error {
	d := &s.derived
	var target object
	var old *mechanisms.Key
	if *key != ck.InvalidHandle {
		var err error
		if target, err = s.target(*key); err != nil {
			return keyHandle(err)
		}
		defer target.release()
		old = target.key()
	}
	if err := make(&d.out, old); err != nil {
		return err
	}
	switch {
	case !d.out.Replaces:
		return s.makeDerived(capiRow, template, nil, d, key)
	case old == nil:
		return ck.CKR_KEY_HANDLE_INVALID
	}
	return s.rederive(target, d)
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
	requests := make([]*request, 0, 1+len(d.out.AdditionalKeys))
	if !row.NoHandle {
		requests = append(requests, &d.request)
	}
	first := len(requests)
	for i := range d.out.AdditionalKeys {
		f := &d.out.AdditionalKeys[i]
		requests = append(requests, &request{
			how: byDerive, template: f.Template, base: d.request.base, inherits: d.request.inherits, taken: d.request.taken, either: row.HistoryOfAnyKey, others: d.others, defaults: f.Defaults,
			fixed: append([]ck.Attribute{{Type: ck.CKA_CLASS, Value: secretKeyClass}, {Type: ck.CKA_KEY_TYPE, Value: ck.UlongValue(uint(f.Type))},
				{Type: ck.CKA_VALUE, Value: f.Value}}, f.Attributes...),
		})
	}
	handles, at, err := s.makeAll(requests)
	if err != nil {
		if at >= first {
			copy(d.out.AdditionalKeys[at-first].Handle, ck.UlongValue(ck.InvalidHandle))
		}
		return 0, err
	}
	for i := range d.out.AdditionalKeys {
		copy(d.out.AdditionalKeys[i].Handle, ck.UlongValue(uint(handles[first+i])))
	}
	return handles[0], nil
}
