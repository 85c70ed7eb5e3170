package token

import (
	"bytes"
	"fmt"

	"github.com/softcsp/softcsp/ck"
	erasing "github.com/softcsp/softcsp/internal/secret"
	"github.com/softcsp/softcsp/mechanisms"
)

// UnwrapKey implements C_UnwrapKey, section 5.18.4.
func (m *Module) UnwrapKey(h ck.SessionHandle, mech *ck.Mechanism, unwrappingHandle ck.ObjectHandle, wrapped []byte, template []ck.Attribute) (ck.ObjectHandle, error) {
	a, s, err := m.session(h)
	if err != nil {
		return 0, err
	}
	defer a.endCall()
	row, err := s.rowFor(mech, ck.CKF_UNWRAP)
	if err != nil {
		return 0, err
	}
	return s.unwrapKey(row, &mech.Param, unwrappingHandle, template, func(k *mechanisms.Key, rejectImplicitly bool) ([]byte, error) {
		if rejectImplicitly && row.UnwrapImplicit != nil {
			return row.UnwrapImplicit(k, &mech.Param, wrapped)
		}
		return row.Unwrap(k, &mech.Param, wrapped)
	})
}

// UnwrapKeyAuthenticated implements C_UnwrapKeyAuthenticated, section 5.18.7 of PKCS#11 3.2.
func (m *Module) UnwrapKeyAuthenticated(h ck.SessionHandle, mech *ck.Mechanism, unwrappingHandle ck.ObjectHandle, wrapped []byte, template []ck.Attribute, aad []byte) (ck.ObjectHandle, error) {
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
	return s.unwrapKey(row, &mech.Param, unwrappingHandle, template, func(k *mechanisms.Key, _ bool) ([]byte, error) {
		return row.UnwrapMessage(k, &mech.Param, aad, wrapped)
	})
}

// unwrapKey makes a key of what unwrap decrypts. It has unwrap reject implicitly (mechanisms.Mechanism.UnwrapImplicit) if, in a token of strict separation, the
// unwrapping key has wrapped sensitive keys, which could be decrypted by asking which paddings are right.
func (s *session) unwrapKey(row *mechanisms.Mechanism, p *ck.Param, unwrappingHandle ck.ObjectHandle, template []ck.Attribute, unwrap func(k *mechanisms.Key, rejectImplicitly bool) ([]byte, error)) (ck.ObjectHandle, error) {
	u := keyUse{purpose: ck.CKA_UNWRAP, row: row, param: p, oneCall: true}
	unwrappingKey, err := s.useKey(unwrappingHandle, &u)
	if err != nil {
		return 0, withCode(err, unwrappingKeyCodes)
	}
	defer unwrappingKey.release()
	size, err := valueLen(template)
	if err != nil {
		return 0, err
	}
	r := &request{how: byUnwrap, template: template, strict: s.strict}
	if err := r.setBase(unwrappingKey.Object); err != nil {
		return 0, err
	}
	r.beforeStoring = func(k *Object) error {
		if err := unwrappingKey.sameRole(); err != nil {
			return err
		}
		u.sensitive = k.flag(ck.CKA_SENSITIVE)
		return s.takeRole(unwrappingKey, &u)
	}
	check := func(_ []byte, err error) error { return err }
	padded := !row.Truncates && !row.Authentic // so that the padding decides how long the key is
	if padded && !row.KeyAtEnd {
		if check, err = r.paddingCheck(size); err != nil {
			return 0, err
		}
	}
	var value []byte
	rejectImplicitly := s.strict && role(unwrappingKey.role.Load()) >= wrapping
	erasing.Do(func() { value, err = unwrap(unwrappingKey.key(), rejectImplicitly) })
	defer clear(value)
	if !row.Seals && dependsOnKey(err) { // even a failure tells something of what the key decrypts
		if err := s.takeRole(unwrappingKey, &u); err != nil {
			return 0, err
		}
	}
	if err = check(value, err); err != nil {
		return 0, err
	}
	k, err := s.makeUnwrapped(r, row, value, size)
	if err != nil && padded {
		err = withCode(err, map[ck.RV]ck.RV{ck.CKR_WRAPPED_KEY_LEN_RANGE: ck.CKR_WRAPPED_KEY_INVALID})
	}
	return k, err
}

// paddingCheck returns a check of what was unwrapped, for mechanisms whose padding decides how long the key is. An error must not tell whether the
// padding was right: whoever could ask that often enough could decrypt anything (Bleichenbacher, Vaudenay). So a wrong padding, a length that
// the key cannot have, and a value that is not well encoded are one error, found in the same
// place; TestPaddingTime measures whether the time tells them apart. Errors in the class and type of the template,
// which do not depend on the wrapped key, come before.
func (r *request) paddingCheck(size uint) (func(value []byte, err error) error, error) {
	t, err := r.table()
	if err != nil {
		return nil, err
	}
	if t.class == ck.CKO_PUBLIC_KEY {
		return nil, attributeError(ck.CKR_TEMPLATE_INCONSISTENT, ck.CKA_CLASS)
	}
	return func(value []byte, err error) error {
		switch ck.Code(err) {
		case ck.CKR_OK, ck.CKR_WRAPPED_KEY_INVALID: // with an error value is empty
		default:
			return err
		}
		var encoding error
		if t.class == ck.CKO_PRIVATE_KEY {
			trial := bytes.Clone(value) // the parts lie in it
			var parts []ck.Attribute
			parts, encoding = mechanisms.UnmarshalPrivate(ck.KeyType(t.subtype), trial)
			wipeValues(parts)
			clear(trial)
		} else {
			encoding = mechanisms.ValidValue(ck.KeyType(t.subtype), value)
		}
		rightSize := size == 0 || t.class == ck.CKO_PRIVATE_KEY || uint(len(value)) == size
		if err == nil && encoding == nil && rightSize {
			return nil
		}
		return ck.CKR_WRAPPED_KEY_INVALID
	}, nil
}

// makeUnwrapped makes the key of what was unwrapped. size is the CKA_VALUE_LEN of the template, 0 without one.
func (s *session) makeUnwrapped(r *request, row *mechanisms.Mechanism, unwrapped []byte, size uint) (ck.ObjectHandle, error) {
	t, err := r.table()
	if err != nil {
		return 0, err
	}
	value := unwrapped
	if size != 0 && size < uint(len(value)) && row.Truncates {
		// The mechanism has filled the last block with zeros: CKA_VALUE_LEN says where the key ends.
		if s.strict && len(bytes.Trim(value[size:], "\x00")) != 0 {
			return 0, attributeError(ck.CKR_WRAPPED_KEY_LEN_RANGE, ck.CKA_VALUE_LEN)
		}
		value = value[:size]
	}
	if row.KeyAtEnd {
		if value, err = keyAtEnd(t, value, size); err != nil {
			return 0, err
		}
		unwrapped = value
	}
	if r.fixed, err = unwrappedAttributes(t, value); err != nil {
		return 0, err
	}
	defer wipeValues(r.fixed)
	if s.strict {
		if err := r.followRole(t, value); err != nil {
			return 0, err
		}
		if err := s.protectLikeEqualKeys(r, unwrapped, t.class, ck.KeyType(t.subtype), row.Truncates); err != nil {
			return 0, err
		}
	}
	return s.makeObject(r)
}

// followRole adds to the request of an unwrapped key what follows from the role of the unwrapping key. It holds whether or not the token still has
// the key that was wrapped. All bytes of such a key count as known, because nobody knows which key it is.
func (r *request) followRole(t *attributeTable, value []byte) error {
	sensitive, withTrusted := role(r.base.role.Load()).mustUnwrapTo()
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
		r.setKnownBytes(uint(len(value)))
	}
	return nil
}

// keyAtEnd returns the key that stands at the end of what was unwrapped: as many bytes as the template says, or as keys of the type have, or a
// private key from the first byte of its encoding on. What stands before it must be zeros.
func keyAtEnd(t *attributeTable, value []byte, size uint) ([]byte, error) {
	if t.class == ck.CKO_PRIVATE_KEY {
		return bytes.TrimLeft(value, "\x00"), nil
	}
	if fixed, ok := mechanisms.Size(ck.KeyType(t.subtype)); ok && size == 0 {
		size = fixed
	}
	switch {
	case size == 0:
		return nil, attributeError(ck.CKR_TEMPLATE_INCOMPLETE, ck.CKA_VALUE_LEN)
	case size > uint(len(value)) || len(bytes.Trim(value[:uint(len(value))-size], "\x00")) != 0:
		return nil, attributeError(ck.CKR_WRAPPED_KEY_LEN_RANGE, ck.CKA_VALUE_LEN)
	}
	return value[uint(len(value))-size:], nil
}

// unwrappedAttributes returns the attributes that the value of an unwrapped key decides.
func unwrappedAttributes(t *attributeTable, value []byte) ([]ck.Attribute, error) {
	switch t.class {
	case ck.CKO_PUBLIC_KEY:
		return nil, attributeError(ck.CKR_TEMPLATE_INCONSISTENT, ck.CKA_CLASS)
	case ck.CKO_PRIVATE_KEY:
		return mechanisms.UnmarshalPrivate(ck.KeyType(t.subtype), value)
	}
	return []ck.Attribute{{Type: ck.CKA_VALUE, Value: value}}, nil
}

// unwrappingKeyCodes are the codes with which C_UnwrapKey and C_DecapsulateKey say what is wrong with the key that unwraps.
var unwrappingKeyCodes = map[ck.RV]ck.RV{
	ck.CKR_KEY_HANDLE_INVALID: ck.CKR_UNWRAPPING_KEY_HANDLE_INVALID, ck.CKR_KEY_TYPE_INCONSISTENT: ck.CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT,
	ck.CKR_KEY_SIZE_RANGE: ck.CKR_UNWRAPPING_KEY_SIZE_RANGE,
}

// withCode replaces an error whose code the table has by the code that the table has for it.
func withCode(err error, table map[ck.RV]ck.RV) error {
	if rv, ok := table[ck.Code(err)]; ok {
		return rv
	}
	return err
}
