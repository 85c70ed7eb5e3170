package token

import (
	"fmt"
	"time"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/mechanisms"
)

// Whether a key may be used. Who needs a key says what for, in a keyUse, and useKey finds the key and asks these questions in this order.
// The first that is answered with no makes the error. Sections are those of PKCS #11 3.2.
//
//	 1. Is it a key, and one that the mechanism or the function takes?     CKR_KEY_HANDLE_INVALID, CKR_KEY_TYPE_INCONSISTENT
//	 2. Are its secret values there? They are not without a login.         CKR_USER_NOT_LOGGED_IN
//	 3. Is the attribute true that permits it, CKA_ENCRYPT say?            CKR_KEY_FUNCTION_NOT_PERMITTED; sections 4.8 to 4.11
//	 4. Does CKA_ALLOWED_MECHANISMS have the mechanism?                    CKR_MECHANISM_INVALID; section 4.8
//	 5. Is today between CKA_START_DATE and CKA_END_DATE?                  CKR_KEY_FUNCTION_NOT_PERMITTED; section 4.8
//	 6. Does somebody vouch for the public key that is to be trusted?      CKR_KEY_FUNCTION_NOT_PERMITTED; unvouched.go
//	 7. Has a second key of a derivation the class of the base key?        CKR_KEY_TYPE_INCONSISTENT
//	 8. May the key be wrapped with the wrapping key?                      CKR_KEY_UNEXTRACTABLE, CKR_KEY_NOT_WRAPPABLE; section 5.18.3 and role.go
//	 9. Does the policy of the configuration allow keys of its size?       CKR_KEY_SIZE_RANGE
//	10. Can the login that CKA_ALWAYS_AUTHENTICATE asks for still happen?  CKR_USER_NOT_LOGGED_IN; section 4.10
//	11. Does the mechanism keep the key to itself, with this parameter?    CKR_KEY_FUNCTION_NOT_PERMITTED, CKR_KEY_SIZE_RANGE; role.go
//	12. In a token of strict separation, does its role permit it?          CKR_KEY_FUNCTION_NOT_PERMITTED; role.go
//
// An Init function asks the last two itself, when the mechanism has found the parameter valid (operation.go). Where the role depends on another
// key, one that is wrapped or is being unwrapped, the function asks the last one when it knows that key.

// A keyUse is what a call uses a key for.
type keyUse struct {
	// purpose is the attribute that permits the use, CKA_ENCRYPT say; anyPurpose where none needs to.
	purpose ck.AttributeType
	// row is the mechanism that uses the key, nil where none does. Then takes tells whether the function takes a key.
	row   *mechanisms.Mechanism
	takes func(*Object) error
	// param is the mechanism's parameter, nil where the mechanism has to look at it before.
	param *ck.Param
	// oneCall says that the function has no Init function before it, after which C_Login with CKU_CONTEXT_SPECIFIC could come.
	oneCall bool
	// decides says that all that comes of the use is a yes or a no.
	decides bool
	// secondOf is the derivation whose parameter names the key, nil where the key is not named so.
	secondOf *mechanisms.Base
	// wrappedBy is the key that is to wrap this one with the mechanism wrapRow, nil where the key is not to be wrapped.
	wrappedBy *Object
	wrapRow   *mechanisms.Mechanism

	class ck.ObjectClass // of the key; useKey notes it
	// sensitive says that the key that is wrapped is sensitive, or that the key that is unwrapped will be.
	sensitive bool
	// wrapWithTrusted says that the key that is wrapped has CKA_WRAP_WITH_TRUSTED.
	wrapWithTrusted bool
}

// anyPurpose is the purpose of what needs no permission.
const anyPurpose = ck.AttributeType(ck.UnavailableInformation)

var (
	errNotAKey     = fmt.Errorf("%w: the object is not a key", ck.CKR_KEY_HANDLE_INVALID)
	errUnconfirmed = wrong(ck.CKR_USER_NOT_LOGGED_IN, ck.CKA_ALWAYS_AUTHENTICATE)
)

// A foundKey is a key as it was when it was found, and the entry of its handle.
type foundKey struct {
	*Object
	entry *entry
}

// useKey finds the key at a handle, and tells whether it may be used so. The caller releases it.
func (s *session) useKey(h ck.ObjectHandle, u *keyUse) (foundKey, error) {
	e, o, err := s.object(h)
	if err != nil {
		return foundKey{}, keyHandle(err)
	}
	k := foundKey{o, e}
	if err := s.mayUse(k, u); err != nil {
		o.release()
		return foundKey{}, err
	}
	return k, nil
}

// keyHandle makes an unknown object handle an unknown key handle.
func keyHandle(err error) error {
	if err == ck.CKR_OBJECT_HANDLE_INVALID {
		return ck.CKR_KEY_HANDLE_INVALID
	}
	return err
}

// mayUse asks the questions.
func (s *session) mayUse(k foundKey, u *keyUse) error {
	u.class = k.class()
	if err := k.permits(u, time.Now); err != nil { // 1 to 5
		return err
	}
	derives := u.purpose == ck.CKA_DERIVE
	switch {
	case k.unvouched && u.trusts():
		return errUnvouched
	case u.secondOf != nil && (u.secondOf.Key == nil || u.secondOf.Key.Class != u.class):
		return ck.CKR_KEY_TYPE_INCONSISTENT
	case derives && u.unconfirmed(k.Object): // a derivation asks the tenth question before the ninth
		return errUnconfirmed
	}
	if u.wrappedBy != nil {
		if err := k.mayBeWrapped(u, s.strict); err != nil {
			return err
		}
	}
	if s.restriction != nil && u.row != nil {
		if err := s.restriction.allowsSize(u.row.Type, k.key()); err != nil {
			return err
		}
	}
	if u.unconfirmed(k.Object) {
		return errUnconfirmed
	}
	if u.param != nil && u.dependsOnParam() {
		if err := k.protection().mayExpose(k.key(), u, u.param, s.strict); err != nil {
			return err
		}
	}
	if u.oneCall && !u.roleIsOpen() {
		return s.mayTakeRole(k, u)
	}
	return nil
}

// permits answers the questions that the key's own attributes answer, the first five.
//
// The standard gives CKA_START_DATE and CKA_END_DATE no meaning and leaves it to the application to restrict a key. This
// token restricts what protects new data, encryption, signatures, wrapping and derivation, to the days from one to the
// other, in UTC, and lets keys decrypt, verify and unwrap what is old: NIST SP 800-57 part 1, section 5.3.5, tells apart
// the originator's usage period and the recipient's. Outside of it the key is CKR_KEY_FUNCTION_NOT_PERMITTED.
func (o *Object) permits(u *keyUse, now func() time.Time) error {
	if err := u.takesKey(o); err != nil {
		return err
	}
	switch {
	case o.missing:
		return ck.CKR_USER_NOT_LOGGED_IN
	case u.purpose == anyPurpose && u.row == nil:
		return nil
	case u.purpose != anyPurpose && !o.flag(u.purpose):
		return ck.CKR_KEY_FUNCTION_NOT_PERMITTED
	case o.set&o.table.restricting == 0:
		return nil
	case !o.allowsMechanism(u.row.Type):
		return ck.CKR_MECHANISM_INVALID
	}
	switch u.purpose {
	case ck.CKA_DECRYPT, ck.CKA_VERIFY, ck.CKA_VERIFY_RECOVER, ck.CKA_UNWRAP, ck.CKA_DECAPSULATE, anyPurpose:
		return nil
	}
	return o.isCurrent(now())
}

// takesKey tells whether the object is a key that the function or the mechanism takes.
func (u *keyUse) takesKey(o *Object) error {
	switch {
	case u.takes != nil:
		return u.takes(o)
	case !o.table.isKey():
		return errNotAKey
	case !u.row.Takes(o.class(), o.keyType()):
		return ck.CKR_KEY_TYPE_INCONSISTENT
	}
	return nil
}

// anyKey takes every key.
func anyKey(o *Object) error {
	if !o.table.isKey() {
		return errNotAKey
	}
	return nil
}

// keyToDigest takes what C_DigestKey takes, section 5.12.4.
func keyToDigest(o *Object) error {
	if o.class() != ck.CKO_SECRET_KEY {
		return ck.CKR_KEY_INDIGESTIBLE
	}
	return nil
}

// keyToWrap takes what C_WrapKey wraps, section 5.18.3.
func keyToWrap(o *Object) error {
	switch {
	case !o.table.isKey():
		return errNotAKey
	case !o.table.isSecret() && o.class() != ck.CKO_PRIVATE_KEY:
		return ck.CKR_KEY_NOT_WRAPPABLE
	}
	return nil
}

// keyToReplace takes the keys to which a derivation may give another value.
func keyToReplace(o *Object) error {
	if o.class() != ck.CKO_SECRET_KEY || o.missing {
		return ck.CKR_KEY_HANDLE_INVALID
	}
	return nil
}

// allowsMechanism tells whether CKA_ALLOWED_MECHANISMS has the mechanism. An empty list has none.
func (o *Object) allowsMechanism(m ck.MechanismType) bool {
	v := o.bytes(ck.CKA_ALLOWED_MECHANISMS)
	return v == nil || listed(v, m)
}

// isCurrent tells whether the key is between its dates.
func (o *Object) isCurrent(now time.Time) error {
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

// trusts reports whether the key is used to verify, so that somebody has to vouch for it.
func (u *keyUse) trusts() bool {
	return u.purpose == ck.CKA_VERIFY || u.purpose == ck.CKA_VERIFY_RECOVER
}

// mayBeWrapped tells whether a key may be wrapped by another: section 5.18.3.
func (o *Object) mayBeWrapped(u *keyUse, strict bool) error {
	if err := u.wrappedBy.protection().mayWrap(o.protection(), u.wrapRow, strict); err != nil {
		return err
	}
	template := u.wrappedBy.bytes(ck.CKA_WRAP_TEMPLATE)
	if len(template) == 0 {
		return nil
	}
	rows, err := ck.ParseTemplate(nil, template)
	if err != nil {
		return err
	}
	if !o.matches(rows) {
		return fmt.Errorf("%w: CKA_WRAP_TEMPLATE", ck.CKR_KEY_HANDLE_INVALID)
	}
	return nil
}

// unconfirmed reports whether the user has to confirm the use, CKA_ALWAYS_AUTHENTICATE, where there is no occasion for it: it is between
// C_EncryptInit and C_Encrypt, and a function that does all in one call has none.
func (u *keyUse) unconfirmed(o *Object) bool { return u.oneCall && o.flag(ck.CKA_ALWAYS_AUTHENTICATE) }

// roleIsOpen reports whether the role that the key needs depends on another key.
func (u *keyUse) roleIsOpen() bool {
	return u.purpose == ck.CKA_WRAP || u.purpose == ck.CKA_UNWRAP && u.row.Seals
}
