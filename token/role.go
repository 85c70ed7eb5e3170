package token

import (
	"fmt"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/mechanisms"
)

// In a token of strict separation a key has one role: either it wraps and unwraps sensitive keys, or it does anything else. A key that did
// both would give sensitive keys away: C_Decrypt decrypts what C_WrapKey has encrypted (Clulow, "On the Security of PKCS #11", 2003), and so does
// every other use of the same cipher, before or after. The attributes of a key cannot keep the two apart: a template that says nothing permits
// most uses, and to permit one, take it back and permit the other is as bad (Delaune, Kremer, Steel, "Formal Analysis of PKCS#11",
// 2008). So the first use decides, and recordrole.go records it before the result of that use leaves the token.
//
// The functions here decide, and change nothing, so that the model of model_test.go can ask the same questions as the token.

// A role is what a key has been used for.
type role uint32

const (
	noRole          role = iota // nothing that matters
	notWrapping                 // anything but wrapping and unwrapping sensitive keys
	wrapping                    // wrapping and unwrapping sensitive keys
	wrappingTrusted             // the same, and keys with CKA_WRAP_WITH_TRUSTED may be among them
)

var (
	errOnlyWraps     = fmt.Errorf("%w: the key wraps sensitive keys, and does nothing else", ck.CKR_KEY_FUNCTION_NOT_PERMITTED)
	errUsedOtherwise = fmt.Errorf("%w: the key has been used for something else than wrapping sensitive keys", ck.CKR_KEY_FUNCTION_NOT_PERMITTED)
	errMayHaveLeft   = fmt.Errorf("%w: the key that wraps a sensitive key has to have been generated or imported, and to have never been extractable", ck.CKR_KEY_FUNCTION_NOT_PERMITTED)
	errNotSealing    = fmt.Errorf("%w: the mechanism does not keep a sensitive key from who may wrap and unwrap others", ck.CKR_KEY_NOT_WRAPPABLE)
	errPartKnown     = fmt.Errorf("%w: the key has bytes of another, or a part of it is known", ck.CKR_KEY_NOT_WRAPPABLE)
)

// neededRole returns the role that a key needs for the use, noRole where the use gives no wrapped key away:
//
//   - What a public key does, anybody can do.
//   - A signature decrypts nothing, unless it is the private function of a block that the caller chooses (RawPrivate).
//   - A mechanism that does not seal encrypts when it wraps, and decrypts when it unwraps.
//   - Wrapping another key with a mechanism that seals does not open what it has sealed. Unwrapping does, so the new key has to be
//     sensitive.
func (u *keyUse) neededRole() role {
	switch {
	case u.purpose == anyPurpose:
		return noRole
	case u.purpose == ck.CKA_WRAP && u.sensitive && u.wrapWithTrusted:
		return wrappingTrusted
	case u.purpose == ck.CKA_WRAP && u.sensitive:
		return wrapping
	case u.class == ck.CKO_PUBLIC_KEY, u.class == ck.CKO_OTP_KEY:
		return noRole
	case u.purpose == ck.CKA_WRAP && u.row.Seals, u.purpose == ck.CKA_UNWRAP && u.row.Seals && u.sensitive:
		return noRole
	case u.class == ck.CKO_PRIVATE_KEY && (u.purpose == ck.CKA_SIGN || u.purpose == ck.CKA_SIGN_RECOVER) && !u.row.RawPrivate:
		return noRole
	}
	return notWrapping
}

// afterUse returns the role that a key has after a use that needs a role.
func (has role) afterUse(need role) (role, error) {
	switch {
	case has == noRole || need == noRole:
		return max(has, need), nil
	case has == notWrapping && need != notWrapping:
		return has, errUsedOtherwise
	case has != notWrapping && need == notWrapping:
		return has, errOnlyWraps
	}
	return max(has, need), nil
}

// A protection is what protects a key, and how far it has been protected: what decides whether it may wrap a key, be wrapped, or pass its
// bytes on to another.
type protection struct {
	sensitive, extractable   bool
	trusted, wrapWithTrusted bool
	wasTrusted               bool // the key was trusted once, or is a copy of one that was
	stayedInside             bool // the key was generated or imported, and has never been extractable since
	imported                 bool // a secret key that was imported, so that somebody outside knows its value
	role                     role
	hasBytesOfKey            bool // the key has bytes of another key that may not be read
	length, knownBytes       uint // of a secret key: the length of its value, and how many bytes of it may be known
}

// mayWrap tells whether the key w may wrap the key target with a mechanism: section 5.18.3 and, in a token of strict separation, so
// that sensitive keys stay secret. There
//
//   - the wrapping key must never have left the token, and must not be one that can be made again: elsewhere it could be used for
//     anything, and nothing here would know of it.
//   - the wrapped key must not have bytes of another key. Whoever can make many such keys, each different from the next in a way of their
//     choice, would learn its last bytes one after the other from what unwrapping says of lengths and paddings.
func (w protection) mayWrap(target protection, row *mechanisms.Mechanism, strict bool) error {
	switch {
	case !target.extractable:
		return ck.CKR_KEY_UNEXTRACTABLE
	case target.wrapWithTrusted && !w.trusted:
		return ck.CKR_KEY_NOT_WRAPPABLE
	case !strict || !target.sensitive || w.isExempt():
		return nil
	case !row.Seals:
		return errNotSealing
	case target.knownBytes != 0 || target.hasBytesOfKey:
		return errPartKnown
	case !w.stayedInside:
		return errMayHaveLeft
	}
	return nil
}

// isExempt reports whether the rules of strict separation leave a key alone. They do where somebody has imported the key and does not call it
// sensitive: whoever knows the value can do with it outside all that would be forbidden here. A key that is trusted, or was, is not
// exempt, although it was imported: what it wraps is for others to rely on, and anybody can take CKA_TRUSTED away.
func (w *protection) isExempt() bool {
	return w.imported && !w.sensitive && !w.trusted && !w.wasTrusted
}

// mustUnwrapTo returns the attributes that must be true of every key that a key with this role unwraps, because it may be one that it has wrapped.
func (has role) mustUnwrapTo() (sensitive, withTrusted bool) {
	return has >= wrapping, has == wrappingTrusted
}

// dependsOnParam reports whether the parameter decides with which keys the mechanism may be used: mayExpose.
func (u *keyUse) dependsOnParam() bool {
	return u.row.LeaksKey != nil || u.row.UsesHalvesApart != nil
}

// mayExpose tells whether the key may be used with a mechanism although, with the parameter p, the mechanism lets a caller find the key, or one
// half of it without the other.
func (k protection) mayExpose(key *mechanisms.Key, u *keyUse, p *ck.Param, strict bool) error {
	if u.row.UsesHalvesApart != nil && !u.verifies && u.row.UsesHalvesApart(*p) {
		if err := k.maySplit(strict); err != nil {
			return err
		}
	}
	if u.row.LeaksKey == nil || !k.sensitive && k.extractable || !u.row.LeaksKey(key, *p, u.verifies) {
		return nil
	}
	return fmt.Errorf("%w: with this parameter the mechanism tells the key", ck.CKR_KEY_FUNCTION_NOT_PERMITTED)
}

// mayEverWrap reports whether a key may be used to wrap sensitive keys, or to unwrap what its public half has wrapped. Of other keys no
// role has to be recorded. permitted is CKA_WRAP of a secret key: one that is permitted to wrap only later gets the role notWrapping then.
func mayEverWrap(class ck.ObjectClass, t ck.KeyType, permitted, stayedInside bool) bool {
	switch class {
	case ck.CKO_SECRET_KEY:
		return permitted && stayedInside && sealingTypes[t]
	case ck.CKO_PRIVATE_KEY:
		return stayedInside && sealingTypes[t]
	}
	return class == ck.CKO_PUBLIC_KEY
}

// sealingTypes are the types of keys with which some mechanism seals.
var sealingTypes = func() map[ck.KeyType]bool {
	m := make(map[ck.KeyType]bool)
	for _, t := range mechanisms.Types() {
		if row := mechanisms.Lookup(t); row.Seals {
			for _, k := range row.Keys {
				m[k] = true
			}
		}
	}
	return m
}()
