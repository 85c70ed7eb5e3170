package token

import (
	"fmt"
	"time"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/stripe"
	"github.com/softcsp/softcsp/mechanisms"
)

// Whether a key may be used. A function that needs a key describes in a keyUse what for. useKey finds the key, and asks these questions in this
// order. The first that is answered by no decides the error. A derivation asks question 10 before 8. Sections are those of PKCS #11 3.2.
//
//	 1. Is it a key, and one that the mechanism or the function takes?      CKR_KEY_HANDLE_INVALID, CKR_KEY_TYPE_INCONSISTENT, CKR_KEY_INDIGESTIBLE, CKR_KEY_NOT_WRAPPABLE
//	 2. Are its secret values there? Before a login they are not.           CKR_USER_NOT_LOGGED_IN
//	 3. Is the attribute true that permits the use, CKA_ENCRYPT say?        CKR_KEY_FUNCTION_NOT_PERMITTED; sections 4.9 to 4.11
//	 4. Does CKA_ALLOWED_MECHANISMS have the mechanism?                     CKR_MECHANISM_INVALID; section 4.8
//	 5. Is it between its dates, unless it decrypts, verifies or unwraps?   CKR_KEY_FUNCTION_NOT_PERMITTED; section 4.8
//	 6. Is a key that verifies vouched for?                                 CKR_KEY_FUNCTION_NOT_PERMITTED; unvouched.go
//	 7. Has a second key of a derivation the class of the base key?         CKR_KEY_TYPE_INCONSISTENT
//	 8. May a key that is to be wrapped be wrapped with that wrapping key?  CKR_KEY_UNEXTRACTABLE, CKR_KEY_NOT_WRAPPABLE, CKR_KEY_FUNCTION_NOT_PERMITTED,
//	                                                                        and CKR_KEY_HANDLE_INVALID for CKA_WRAP_TEMPLATE; section 5.18.3, role.go
//	 9. Does the policy of the configuration allow a key of this size?      CKR_KEY_SIZE_RANGE
//	10. Can the login that CKA_ALWAYS_AUTHENTICATE asks for still come?     CKR_USER_NOT_LOGGED_IN; section 4.10
//	11. Does the mechanism keep the key secret, with this parameter?        CKR_KEY_FUNCTION_NOT_PERMITTED, CKR_KEY_SIZE_RANGE; role.go
//	12. In a token of strict separation, does the role of the key permit?   CKR_KEY_FUNCTION_NOT_PERMITTED; role.go
//
// Functions with an Init ask the last two themselves, once the mechanism has found the parameter valid (operation.go), and question 11
// again for each message that has a parameter of its own (messagesign.go). C_WrapKey, and
// C_UnwrapKey with a mechanism that seals, ask the last one when they know the other key, on which the role depends. What may come of a derivation is asked in keypieces.go.

// A keyUse is what a call uses a key for.
type keyUse struct {
	// purpose is the attribute that permits the use, CKA_ENCRYPT say; anyPurpose where none needs to.
	purpose ck.AttributeType
	// row is the mechanism that uses the key, nil where none does.
	row *mechanisms.Mechanism
	// takes tells which keys the function takes, where the row does not.
	takes func(*Object) error
	// param is the parameter of the mechanism, nil where the mechanism has to look at it before question 11.
	param *ck.Param
	// oneCall says that the function does all in one call. One with an Init function leaves time for C_Login with CKU_CONTEXT_SPECIFIC.
	oneCall bool
	// verifies says that the result is only a yes or a no.
	verifies bool
	// secondOf is the derivation whose parameter names the key, nil where the key is not named so.
	secondOf *mechanisms.Base
	// wrappedBy is the key that is to wrap this one with the mechanism wrapRow, nil where the key is not to be wrapped.
	wrappedBy *Object
	wrapRow   *mechanisms.Mechanism

	class ck.ObjectClass // of the key; mayUse fills it in
	// sensitive says that the key that is wrapped is sensitive, or that the key that is unwrapped will be.
	sensitive bool
	// wrapWithTrusted says that the key that is wrapped has CKA_WRAP_WITH_TRUSTED.
	wrapWithTrusted bool
}

// anyPurpose is the purpose of a use that needs no permission.
const anyPurpose = ck.AttributeType(ck.UnavailableInformation)

var (
	errNotAKey     = fmt.Errorf("%w: the object is not a key", ck.CKR_KEY_HANDLE_INVALID)
	errUnconfirmed = attributeError(ck.CKR_USER_NOT_LOGGED_IN, ck.CKA_ALWAYS_AUTHENTICATE)
)

// A foundKey is a key as it was when it was found, and the entry of its handle.
type foundKey struct {
	*Object
	entry *entry
	part  *stripe.Part // where the reference is counted
}

// release gives the reference to the key back.
func (k foundKey) release() { k.releaseOn(k.part) }

// useKey finds the key at a handle, and tells whether it may be used as u says. The caller releases it.
func (s *session) useKey(h ck.ObjectHandle, u *keyUse) (foundKey, error) {
	e, err := s.entry(h)
	if err != nil {
		return foundKey{}, keyHandleError(err)
	}
	k := foundKey{entry: e}
	k.Object, err = e.getBy(func(o *Object) (ok bool) {
		k.part, ok = o.acquireOn(s.part)
		return ok
	})
	if err != nil {
		return foundKey{}, keyHandleError(err)
	}
	if err := s.mayUse(k, u); err != nil {
		k.release()
		return foundKey{}, err
	}
	return k, nil
}

// keyHandleError makes an unknown object handle an unknown key handle.
func keyHandleError(err error) error {
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
	case k.unvouched && u.needsVouching(): // 6
		return errUnvouched
	case u.secondOf != nil && (u.secondOf.Key == nil || u.secondOf.Key.Class != u.class): // 7
		return ck.CKR_KEY_TYPE_INCONSISTENT
	case derives && u.isUnconfirmed(k.Object): // 10, which a derivation asks before 9
		return errUnconfirmed
	}
	if u.wrappedBy != nil { // 8
		if err := k.mayBeWrapped(u, s.strict); err != nil {
			return err
		}
	}
	if s.restriction != nil && u.row != nil { // 9
		if err := s.restriction.allowsSize(u.row.Type, k.key()); err != nil {
			return err
		}
	}
	if u.isUnconfirmed(k.Object) { // 10
		return errUnconfirmed
	}
	if u.param != nil && u.dependsOnParam() { // 11
		if err := k.protection().mayExpose(k.key(), u, u.param, s.strict); err != nil {
			return err
		}
	}
	if u.oneCall && u.purpose != anyPurpose && !u.roleDependsOnOther() { // 12
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
	case o.secretsMissing:
		return ck.CKR_USER_NOT_LOGGED_IN
	case u.purpose == anyPurpose && u.row == nil:
		return nil
	case u.purpose != anyPurpose && !o.flag(u.purpose):
		return ck.CKR_KEY_FUNCTION_NOT_PERMITTED
	case o.present&o.table.restricting == 0:
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
	if o.class() != ck.CKO_SECRET_KEY || o.secretsMissing {
		return ck.CKR_KEY_HANDLE_INVALID
	}
	return nil
}

// allowsMechanism tells whether CKA_ALLOWED_MECHANISMS has the mechanism. An empty list has none.
func (o *Object) allowsMechanism(m ck.MechanismType) bool {
	v := o.bytes(ck.CKA_ALLOWED_MECHANISMS)
	return v == nil || listsMechanism(v, m)
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

// needsVouching reports whether the key is used to verify, so that somebody must vouch for it.
func (u *keyUse) needsVouching() bool {
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

// isUnconfirmed reports whether CKA_ALWAYS_AUTHENTICATE asks for a login that cannot come: it could come between C_EncryptInit and C_Encrypt,
// say, but a function that does all in one call leaves no time for it.
func (u *keyUse) isUnconfirmed(o *Object) bool {
	return u.oneCall && o.flag(ck.CKA_ALWAYS_AUTHENTICATE)
}

// roleDependsOnOther reports whether the role that the key needs depends on the key that it wraps or unwraps.
func (u *keyUse) roleDependsOnOther() bool {
	return u.purpose == ck.CKA_WRAP || u.purpose == ck.CKA_UNWRAP && u.row.Seals
}
