package token

import (
	"bytes"
	"fmt"

	"github.com/softcsp/softcsp/ck"
	erasing "github.com/softcsp/softcsp/internal/secret"
	"github.com/softcsp/softcsp/mechanisms"
)

// A wrapper is what C_WrapKey and C_WrapKeyAuthenticated do in their own ways.
type wrapper struct {
	row   *mechanisms.Mechanism
	param *ck.Param
	// size returns how long the wrapped key is, where wrapping it changes the parameter or what it points to, so that a length query
	// must do without. It is nil elsewhere.
	size func(n int) (int, error)
	wrap func(with *mechanisms.Key, value []byte) ([]byte, error)
}

// WrapKey implements C_WrapKey, section 5.18.3.
func (m *Module) WrapKey(h ck.SessionHandle, mech *ck.Mechanism, with, key ck.ObjectHandle, out *ck.Buffer) error {
	a, s, err := m.session(h)
	if err != nil {
		return err
	}
	defer a.endCall()
	row, err := s.rowFor(mech, ck.CKF_WRAP)
	if err != nil {
		return err
	}
	w := wrapper{row: row, param: &mech.Param, wrap: func(with *mechanisms.Key, value []byte) ([]byte, error) { return row.Wrap(with, &mech.Param, value) }}
	if row.WrapSize != nil {
		w.size = func(n int) (int, error) {
			p := mech.Param
			return row.WrapSize(&p, n)
		}
	}
	return s.wrapKey(&w, with, key, out)
}

// WrapKeyAuthenticated implements C_WrapKeyAuthenticated, section 5.18.6 of PKCS#11 3.2. The parameter is that of a message.
func (m *Module) WrapKeyAuthenticated(h ck.SessionHandle, mech *ck.Mechanism, with, key ck.ObjectHandle, aad []byte, out *ck.Buffer) error {
	a, s, err := m.session(h)
	if err != nil {
		return err
	}
	defer a.endCall()
	row, err := s.rowFor(mech, ck.CKF_WRAP)
	if err == nil && row.Message == nil {
		err = ck.CKR_MECHANISM_INVALID
	}
	if err != nil {
		return err
	}
	return s.wrapKey(&wrapper{
		row: row, param: &mech.Param, size: func(n int) (int, error) { return n, nil },
		wrap: func(with *mechanisms.Key, value []byte) ([]byte, error) {
			return row.WrapMessage(with, &mech.Param, aad, value)
		},
	}, with, key, out)
}

// wrapKey wraps the key at a handle with another.
func (s *session) wrapKey(x *wrapper, with, key ck.ObjectHandle, out *ck.Buffer) error {
	w, err := s.keyAtOnce(with, x.row, ck.CKA_WRAP, x.param)
	if err != nil {
		return as(err, map[ck.RV]ck.RV{
			ck.CKR_KEY_HANDLE_INVALID: ck.CKR_WRAPPING_KEY_HANDLE_INVALID, ck.CKR_KEY_TYPE_INCONSISTENT: ck.CKR_WRAPPING_KEY_TYPE_INCONSISTENT,
			ck.CKR_KEY_SIZE_RANGE: ck.CKR_WRAPPING_KEY_SIZE_RANGE,
		})
	}
	defer w.release()
	_, target, err := s.object(key)
	if err != nil {
		return keyHandle(err)
	}
	defer target.release()
	switch {
	case !target.table.isKey():
		return ck.CKR_KEY_HANDLE_INVALID
	case !target.table.isSecret() && target.class() != ck.CKO_PRIVATE_KEY:
		return ck.CKR_KEY_NOT_WRAPPABLE
	case target.missing:
		return ck.CKR_USER_NOT_LOGGED_IN
	}
	if err := w.allowsWrapping(target, x.row, s.strict); err != nil {
		return err
	}
	if err := target.atOnce(); err != nil {
		return err
	}
	u := &use{what: ck.CKA_WRAP, class: w.class(), row: x.row, sensitive: target.flag(ck.CKA_SENSITIVE), withTrusted: target.flag(ck.CKA_WRAP_WITH_TRUSTED)}
	if out.Has {
		if err := s.mayAssume(w, u); err != nil {
			return err
		}
	}
	if target.table.isSecret() {
		return s.runWrapper(x, w, u, target.key().Value, out)
	}
	value, err := mechanisms.MarshalPrivate(target.key())
	if err != nil {
		return err
	}
	defer clear(value)
	return s.runWrapper(x, w, u, value, out)
}

// runWrapper wraps the value of a secret key, or the PrivateKeyInfo of a private key. The key that wraps gets its role when there is
// something that leaves: a call that fails, or asks for the length, does not decide what a key is for.
func (s *session) runWrapper(x *wrapper, w object, u *use, value []byte, out *ck.Buffer) error {
	if x.size != nil {
		need, err := x.size(len(value))
		if err != nil {
			return err
		}
		if out.Query(need) {
			return out.Fill(need, nil)
		}
	}
	wrapped, err := x.wrap(w.key(), value)
	if err != nil {
		return err
	}
	if !out.Query(len(wrapped)) {
		if err := s.assume(w, u); err != nil {
			clear(wrapped)
			return err
		}
	}
	return out.FillWith(wrapped)
}

// UnwrapKey implements C_UnwrapKey, section 5.18.4.
func (m *Module) UnwrapKey(h ck.SessionHandle, mech *ck.Mechanism, with ck.ObjectHandle, wrapped []byte, template []ck.Attribute) (ck.ObjectHandle, error) {
	a, s, err := m.session(h)
	if err != nil {
		return 0, err
	}
	defer a.endCall()
	row, err := s.rowFor(mech, ck.CKF_UNWRAP)
	if err != nil {
		return 0, err
	}
	return s.unwrapKey(row, &mech.Param, with, template, func(with *mechanisms.Key, veiled bool) ([]byte, error) {
		if veiled && row.UnwrapVeiled != nil {
			return row.UnwrapVeiled(with, &mech.Param, wrapped)
		}
		return row.Unwrap(with, &mech.Param, wrapped)
	})
}

// UnwrapKeyAuthenticated implements C_UnwrapKeyAuthenticated, section 5.18.7 of PKCS#11 3.2.
func (m *Module) UnwrapKeyAuthenticated(h ck.SessionHandle, mech *ck.Mechanism, with ck.ObjectHandle, wrapped []byte, template []ck.Attribute, aad []byte) (ck.ObjectHandle, error) {
	a, s, err := m.session(h)
	if err != nil {
		return 0, err
	}
	defer a.endCall()
	row, err := s.rowFor(mech, ck.CKF_UNWRAP)
	if err == nil && row.Message == nil {
		err = ck.CKR_MECHANISM_INVALID
	}
	if err != nil {
		return 0, err
	}
	return s.unwrapKey(row, &mech.Param, with, template, func(with *mechanisms.Key, _ bool) ([]byte, error) {
		return row.UnwrapMessage(with, &mech.Param, aad, wrapped)
	})
}

// unwrapKey makes a key of what unwrap decrypts. A key that has wrapped sensitive keys must not become an oracle: it says nothing of
// paddings, where the mechanism has a way for that.
func (s *session) unwrapKey(row *mechanisms.Mechanism, p *ck.Param, with ck.ObjectHandle, template []ck.Attribute, unwrap func(with *mechanisms.Key, veiled bool) ([]byte, error)) (ck.ObjectHandle, error) {
	u, err := s.keyAtOnce(with, row, ck.CKA_UNWRAP, p)
	if err != nil {
		return 0, as(err, unwrappingKey)
	}
	defer u.release()
	opens := &use{what: ck.CKA_UNWRAP, class: u.class(), row: row}
	if !row.Seals {
		if err := s.mayAssume(u, opens); err != nil {
			return 0, err
		}
	}
	size, err := valueLen(template)
	if err != nil {
		return 0, err
	}
	r := &request{how: byUnwrap, template: template, base: u.Object, strict: s.strict}
	r.before = func(k *Object) error {
		if err := u.same(); err != nil {
			return err
		}
		return s.assume(u, &use{what: ck.CKA_UNWRAP, class: u.class(), row: row, sensitive: k.flag(ck.CKA_SENSITIVE)})
	}
	check := func(_ []byte, err error) error { return err }
	pads := !row.Truncates && !row.Authentic // a padding decides how long the key is
	if pads && !row.AtEnd {
		if check, err = r.padded(size); err != nil {
			return 0, err
		}
	}
	var value []byte
	veiled := s.strict && role(u.role.Load()) >= wrapping
	erasing.Do(func() { value, err = unwrap(u.key(), veiled) })
	defer clear(value)
	if !row.Seals && answers(err) { // what its answers tell is enough
		if err := s.assume(u, opens); err != nil {
			return 0, err
		}
	}
	if err = check(value, err); err != nil {
		return 0, as(err, map[ck.RV]ck.RV{
			ck.CKR_ENCRYPTED_DATA_INVALID: ck.CKR_WRAPPED_KEY_INVALID, ck.CKR_ENCRYPTED_DATA_LEN_RANGE: ck.CKR_WRAPPED_KEY_LEN_RANGE,
		})
	}
	k, err := s.unwrapTo(r, row, value, size)
	if err != nil && pads {
		err = as(err, map[ck.RV]ck.RV{ck.CKR_WRAPPED_KEY_LEN_RANGE: ck.CKR_WRAPPED_KEY_INVALID})
	}
	return k, err
}

// padded returns what tells whether a value can be the key, where a padding decided how long it is. What is wrong with a key whose
// padding is right must not tell that the padding is right, which would decrypt anything with enough questions (Bleichenbacher, Vaudenay):
// a wrong padding, a length that the key cannot have and an encoding that is none are the same error, after the same steps. What is
// wrong with the class and type in the template is said before.
func (r *request) padded(size uint) (func(value []byte, err error) error, error) {
	imposed, err := r.imposed()
	if err != nil {
		return nil, err
	}
	t, err := r.table(imposed)
	if err != nil {
		return nil, err
	}
	if t.class == ck.CKO_PUBLIC_KEY {
		return nil, wrong(ck.CKR_TEMPLATE_INCONSISTENT, ck.CKA_CLASS)
	}
	return func(value []byte, err error) error {
		switch ck.Code(err) {
		case ck.CKR_OK, ck.CKR_ENCRYPTED_DATA_INVALID, ck.CKR_WRAPPED_KEY_INVALID: // value is empty then
		default:
			return err
		}
		var other error
		if t.class == ck.CKO_PRIVATE_KEY {
			trial := bytes.Clone(value) // the parts lie in it
			var parts []ck.Attribute
			parts, other = mechanisms.UnmarshalPrivate(ck.KeyType(t.subtype), trial)
			wipeValues(parts)
			clear(trial)
		} else {
			other = mechanisms.ValidValue(ck.KeyType(t.subtype), value)
		}
		same := size == 0 || t.class == ck.CKO_PRIVATE_KEY || uint(len(value)) == size
		if err == nil && other == nil && same {
			return nil
		}
		return ck.CKR_WRAPPED_KEY_INVALID
	}, nil
}

// unwrapTo makes the key that was unwrapped to value. size is its CKA_VALUE_LEN, 0 where nobody says it.
func (s *session) unwrapTo(r *request, row *mechanisms.Mechanism, value []byte, size uint) (ck.ObjectHandle, error) {
	imposed, err := r.imposed()
	if err != nil {
		return 0, err
	}
	t, err := r.table(imposed)
	if err != nil {
		return 0, err
	}
	full := value
	if size != 0 && size < uint(len(value)) && row.Truncates {
		// A mechanism that needs whole blocks leaves zeros behind a shorter key: CKA_VALUE_LEN says where it ends.
		if s.strict && len(bytes.Trim(value[size:], "\x00")) != 0 {
			return 0, wrong(ck.CKR_WRAPPED_KEY_LEN_RANGE, ck.CKA_VALUE_LEN)
		}
		value = value[:size]
	}
	if row.AtEnd {
		if value, err = atEnd(t, value, size); err != nil {
			return 0, err
		}
		full = value
	}
	if r.fixed, err = unwrapped(t, value); err != nil {
		return 0, err
	}
	defer wipeValues(r.fixed)
	if s.strict {
		if err := r.guard(t, value); err != nil {
			return 0, err
		}
		if err := s.bind(r, full, t.class, ck.KeyType(t.subtype), row.Truncates); err != nil {
			return 0, err
		}
	}
	return s.make(r)
}

// guard adds to the request of a key that was unwrapped what follows from the role of the key that unwraps: also where the token has
// the key no more that was wrapped. Of what such a key is nothing is known but that it is whole.
func (r *request) guard(t *table, value []byte) error {
	sensitive, withTrusted := role(r.base.role.Load()).opens()
	if sensitive {
		r.fixed = append(r.fixed, ck.Attribute{Type: ck.CKA_SENSITIVE, Value: ck.BoolValue(true)})
	}
	if withTrusted {
		r.fixed = append(r.fixed, ck.Attribute{Type: ck.CKA_WRAP_WITH_TRUSTED, Value: ck.BoolValue(true)})
	}
	if !sensitive || !t.isSecret() {
		return nil
	}
	if mechanisms.IsPrivate(value) {
		return fmt.Errorf("%w: what was wrapped is a private key", ck.CKR_TEMPLATE_INCONSISTENT)
	}
	if t.find(knownBytes) >= 0 {
		r.known(uint(len(value)))
	}
	return nil
}

// atEnd takes the key off the end of what was unwrapped: as many bytes as the template says or the type of key has, and
// the encoding of a private key from its first byte on. More than zeros before it is no key that was wrapped so.
func atEnd(t *table, value []byte, size uint) ([]byte, error) {
	if t.class == ck.CKO_PRIVATE_KEY {
		return bytes.TrimLeft(value, "\x00"), nil
	}
	if fixed, ok := mechanisms.Size(ck.KeyType(t.subtype)); ok && size == 0 {
		size = fixed
	}
	switch {
	case size == 0:
		return nil, wrong(ck.CKR_TEMPLATE_INCOMPLETE, ck.CKA_VALUE_LEN)
	case size > uint(len(value)) || len(bytes.Trim(value[:uint(len(value))-size], "\x00")) != 0:
		return nil, wrong(ck.CKR_WRAPPED_KEY_LEN_RANGE, ck.CKA_VALUE_LEN)
	}
	return value[uint(len(value))-size:], nil
}

// unwrapped returns the attributes that an unwrapped key has from its value.
func unwrapped(t *table, value []byte) ([]ck.Attribute, error) {
	switch t.class {
	case ck.CKO_PUBLIC_KEY:
		return nil, wrong(ck.CKR_TEMPLATE_INCONSISTENT, ck.CKA_CLASS)
	case ck.CKO_PRIVATE_KEY:
		return mechanisms.UnmarshalPrivate(ck.KeyType(t.subtype), value)
	}
	return []ck.Attribute{{Type: ck.CKA_VALUE, Value: value}}, nil
}
