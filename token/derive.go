package token

import (
	"errors"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/mechanisms"
	"github.com/softcsp/softcsp/store"
)

// keyHandle makes an unknown object handle an unknown key handle.
func keyHandle(err error) error {
	if err == ck.CKR_OBJECT_HANDLE_INVALID {
		return ck.CKR_KEY_HANDLE_INVALID
	}
	return err
}

// valueLen returns the CKA_VALUE_LEN of a template, 0 without one.
func valueLen(template []ck.Attribute) (uint, error) {
	for _, a := range template {
		if a.Type == ck.CKA_VALUE_LEN {
			n, err := ck.Ulong(a.Value)
			if err == nil && n == 0 {
				err = ck.CKR_KEY_SIZE_RANGE
			}
			return n, err
		}
	}
	return 0, nil
}

// keyAtOnce finds a key for a function that does all in one call. The caller releases it.
func (s *session) keyAtOnce(h ck.ObjectHandle, row *mechanisms.Mechanism, use ck.AttributeType, p *ck.Param) (object, error) {
	o, err := s.key(h, row, use)
	if err != nil {
		return o, err
	}
	if err = o.atOnce(); err == nil && watched(row) {
		err = o.standing().mayTell(row, o.key(), p, false, s.strict)
	}
	if err != nil {
		o.release()
	}
	return o, err
}

// atOnce tells whether a key may be used by a function that does all in one call: between C_EncryptInit and C_Encrypt there
// is an occasion to confirm CKA_ALWAYS_AUTHENTICATE, here there is none.
func (o *Object) atOnce() error {
	if o.flag(ck.CKA_ALWAYS_AUTHENTICATE) {
		return wrong(ck.CKR_USER_NOT_LOGGED_IN, ck.CKA_ALWAYS_AUTHENTICATE)
	}
	return nil
}

// as gives an error that is one of the table's keys the value for it.
func as(err error, table map[ck.RV]ck.RV) error {
	if rv, ok := table[ck.Code(err)]; ok {
		return rv
	}
	return err
}

// unwrappingKey are the codes that the functions have that unwrap for what is wrong with the key.
var unwrappingKey = map[ck.RV]ck.RV{
	ck.CKR_KEY_HANDLE_INVALID: ck.CKR_UNWRAPPING_KEY_HANDLE_INVALID, ck.CKR_KEY_TYPE_INCONSISTENT: ck.CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT,
	ck.CKR_KEY_SIZE_RANGE: ck.CKR_UNWRAPPING_KEY_SIZE_RANGE,
}

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
		if !row.Silent {
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
		d.base.Key, d.base.Open = from.key(), from.flag(saidOpenly)
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

// baseKey finds the key that is derived from.
func (s *session) baseKey(h ck.ObjectHandle, row *mechanisms.Mechanism) (object, error) {
	i, o, err := s.object(h)
	if err != nil {
		if err = keyHandle(err); err == ck.CKR_KEY_HANDLE_INVALID && row.FromDigest {
			err = mechanisms.ErrNoBaseKey
		}
		return object{}, err
	}
	what := ck.CKA_DERIVE
	if row.Reveals {
		what = anyUse
	}
	if err = o.usable(row, what); err == nil && !row.Reveals {
		if err = o.atOnce(); err != nil && row.FromDigest {
			err = mechanisms.ErrNoLogin
		}
	}
	if err == nil {
		err = s.restriction.fits(row.Type, o.key())
	}
	if err == nil {
		u := baseUse(o, row)
		err = s.mayAssume(object{o, i}, &u)
	}
	if err != nil {
		o.release()
		return object{}, err
	}
	return object{o, i}, nil
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

// baseUse is what a derivation does with the key that it derives from.
func baseUse(o *Object, row *mechanisms.Mechanism) use {
	u := use{what: ck.CKA_DERIVE, class: o.class(), row: row}
	if row.Reveals {
		u.what = anyUse
	}
	return u
}

// target finds the key that a derivation may change.
func (s *session) target(h ck.ObjectHandle) (object, error) {
	i, o, err := s.object(h)
	if err != nil {
		return object{}, err
	}
	if o.class() != ck.CKO_SECRET_KEY || o.missing {
		o.release()
		return object{}, ck.CKR_KEY_HANDLE_INVALID
	}
	return object{o, i}, nil
}

// secretKeyClass is CKO_SECRET_KEY as an attribute's value.
var secretKeyClass = ck.UlongValue(uint(ck.CKO_SECRET_KEY))

// otpKeyClass is CKO_OTP_KEY as an attribute's value.
var otpKeyClass = ck.UlongValue(uint(ck.CKO_OTP_KEY))

// domainClass is CKO_DOMAIN_PARAMETERS as an attribute's value.
var domainClass = ck.UlongValue(uint(ck.CKO_DOMAIN_PARAMETERS))

// dataClass is CKO_DATA as an attribute's value.
var dataClass = ck.UlongValue(uint(ck.CKO_DATA))

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
		either: row.Either, others: d.others, data: d.out.Data, taken: len(d.out.Taken) > 0 || d.out.Inherits,
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
	case row.Silent || len(d.out.Further) > 0:
		h, err = s.makeFurther(row, d)
	default:
		h, err = s.make(&d.request)
	}
	if err != nil {
		return err
	}
	if !row.Silent {
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
