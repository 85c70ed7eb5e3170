package token

import (
	"fmt"
	"time"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/mechanisms"
)

// What the CryptoAPI door (package csp) needs of the token beside the functions of PKCS #11: making keys of what is no key, a
// hash object say, and reading keys whose value goes into a hash or a sealed blob. Both are for code of this process that
// applies CryptoAPI's own rules; C programs do not reach them.

// capiRow is the mechanism under whose rules Derive makes keys.
var capiRow = mechanisms.Lookup(ck.CKM_SOFTCSP_CRYPT_DERIVE_KEY)

// UseKey has use look at a key as mechanisms see it. The key is valid while use runs.
func (m *Module) UseKey(h ck.SessionHandle, key ck.ObjectHandle, use func(*mechanisms.Key) error) error {
	a, s, err := m.session(h)
	if err != nil {
		return err
	}
	defer a.endCall()
	_, o, err := s.object(key)
	if err != nil {
		return keyHandle(err)
	}
	defer o.release()
	switch {
	case !o.table.isKey():
		return ck.CKR_KEY_HANDLE_INVALID
	case o.missing:
		return ck.CKR_USER_NOT_LOGGED_IN
	}
	return use(o.key())
}

// keyHandle makes an unknown object handle an unknown key handle.
func keyHandle(err error) error {
	if err == ck.CKR_OBJECT_HANDLE_INVALID {
		return ck.CKR_KEY_HANDLE_INVALID
	}
	return err
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
	if row.MakesPublic {
		what = anyUse
	}
	if err = o.usable(row, what); err == nil && !row.MakesPublic {
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

// baseUse is what a derivation does with the key that it derives from.
func baseUse(o *Object, row *mechanisms.Mechanism) use {
	u := use{what: ck.CKA_DERIVE, class: o.class(), row: row}
	if row.MakesPublic {
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

// key finds a key for a mechanism and a use. The caller releases it, and sees to its role.
func (s *session) key(h ck.ObjectHandle, row *mechanisms.Mechanism, use ck.AttributeType) (object, error) {
	i, o, err := s.object(h)
	if err != nil {
		return object{}, keyHandle(err)
	}
	if err = o.usable(row, use); err == nil && o.unvouched && verifies(use) {
		err = errUnvouched
	}
	if err == nil && s.restriction != nil {
		err = s.restriction.fits(row.Type, o.key())
	}
	if err != nil {
		o.release()
		return object{}, err
	}
	return object{o, i}, nil
}

// usable tells whether an object may be used as a key.
func (o *Object) usable(row *mechanisms.Mechanism, use ck.AttributeType) error {
	switch o.class() {
	case ck.CKO_SECRET_KEY, ck.CKO_PRIVATE_KEY, ck.CKO_PUBLIC_KEY, ck.CKO_OTP_KEY:
	default:
		return ck.CKR_KEY_HANDLE_INVALID
	}
	if !row.Takes(o.class(), o.keyType()) {
		return ck.CKR_KEY_TYPE_INCONSISTENT
	}
	return o.permits(use, row.Type, time.Now)
}

// anyUse is the purpose of what needs no permission.
const anyUse = ck.AttributeType(ck.UnavailableInformation)

// permits tells whether a key may be used for a purpose (CKA_ENCRYPT and so on) with a mechanism.
//
// The standard gives CKA_START_DATE and CKA_END_DATE no meaning and leaves it to the application to restrict a key. This
// token restricts what protects new data, encryption, signatures, wrapping and derivation, to the days from one to the
// other, in UTC, and lets keys decrypt, verify and unwrap what is old: NIST SP 800-57 part 1, section 5.3.5, tells apart
// the originator's usage period and the recipient's. Outside of it the key is CKR_KEY_FUNCTION_NOT_PERMITTED.
func (o *Object) permits(use ck.AttributeType, m ck.MechanismType, now func() time.Time) error {
	switch {
	case !o.table.isKey():
		return ck.CKR_KEY_HANDLE_INVALID
	case o.missing:
		return ck.CKR_USER_NOT_LOGGED_IN
	case use != anyUse && !o.flag(use):
		return ck.CKR_KEY_FUNCTION_NOT_PERMITTED
	case o.set&o.table.restricting == 0:
		return nil
	case !o.allows(m):
		return ck.CKR_MECHANISM_INVALID
	}
	switch use {
	case ck.CKA_DECRYPT, ck.CKA_VERIFY, ck.CKA_VERIFY_RECOVER, ck.CKA_UNWRAP, ck.CKA_DECAPSULATE, anyUse:
		return nil
	}
	return o.current(now())
}

// allows tells whether CKA_ALLOWED_MECHANISMS has the mechanism. An empty list is none.
func (o *Object) allows(m ck.MechanismType) bool {
	v := o.bytes(ck.CKA_ALLOWED_MECHANISMS)
	if v == nil {
		return true
	}
	return listed(v, m)
}

// current tells whether the key is between its dates.
func (o *Object) current(now time.Time) error {
	start, err := ck.Date(o.bytes(ck.CKA_START_DATE))
	if err != nil {
		return err
	}
	end, err := ck.Date(o.bytes(ck.CKA_END_DATE))
	if err != nil {
		return err
	}
	if !start.IsZero() && now.Before(start) || !end.IsZero() && !now.Before(end.AddDate(0, 0, 1)) {
		return fmt.Errorf("%w: outside of CKA_START_DATE and CKA_END_DATE", ck.CKR_KEY_FUNCTION_NOT_PERMITTED)
	}
	return nil
}

// allowsWrapping tells whether a wrapping key may wrap the key target by a mechanism: section 5.18.3.
func (o *Object) allowsWrapping(target *Object, row *mechanisms.Mechanism, strict bool) error {
	if err := o.standing().mayWrap(target.standing(), row, strict); err != nil {
		return err
	}
	template := o.bytes(ck.CKA_WRAP_TEMPLATE)
	if len(template) == 0 {
		return nil
	}
	rows, err := ck.ParseTemplate(nil, template)
	if err != nil {
		return err
	}
	if !target.matches(rows) {
		return fmt.Errorf("%w: CKA_WRAP_TEMPLATE", ck.CKR_KEY_HANDLE_INVALID)
	}
	return nil
}

// fits tells whether a key has a size that a mechanism may be used with.
func (r restriction) fits(t ck.MechanismType, k *mechanisms.Key) error {
	limit, ok := r[t]
	if !ok || limit.MinBits == 0 && limit.MaxBits == 0 {
		return nil
	}
	bits := mechanisms.KeyBits(k)
	if bits != 0 && (bits < limit.MinBits || limit.MaxBits != 0 && bits > limit.MaxBits) {
		return fmt.Errorf("%w: the policy does not allow keys of %d bits", ck.CKR_KEY_SIZE_RANGE, bits)
	}
	return nil
}

// suits tells whether the key of a request, which a mechanism generates, has a size that it may have.
func (r restriction) suits(t ck.MechanismType, o *Object) error {
	if r == nil {
		return nil
	}
	return r.fits(t, o.key())
}
