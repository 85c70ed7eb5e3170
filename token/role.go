package token

import (
	"fmt"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/mechanisms"
)

// In a token of strict separation a key has one role: it wraps and unwraps sensitive keys, or it does anything else. C_Decrypt would
// tell what C_WrapKey has hidden (Clulow, "On the Security of PKCS #11", 2003), and so would every other use in which the cipher
// can be had, before or after. Attributes cannot say it, since templates that are silent permit everything, and what is permitted
// one after the other is as bad (Delaune, Kremer, Steel, "Formal Analysis of PKCS#11", 2008). So the first use decides, and it is
// in the token before the answer of that use leaves: hold.go. What is here decides, and holds nothing, so that the model of
// model_test.go can ask the same questions as the functions of the token do.

// A role is what a key is for.
type role uint32

const (
	noRole          role = iota // none yet
	serving                     // it does anything else than to wrap sensitive keys and unwrap them
	wrapping                    // it wraps sensitive keys and unwraps them
	wrappingTrusted             // so, and keys with CKA_WRAP_WITH_TRUSTED were among them
)

var (
	errOnlyWraps     = fmt.Errorf("%w: the key wraps sensitive keys, and does nothing else", ck.CKR_KEY_FUNCTION_NOT_PERMITTED)
	errUsedOtherwise = fmt.Errorf("%w: the key has been used for something else than wrapping sensitive keys", ck.CKR_KEY_FUNCTION_NOT_PERMITTED)
	errLeftToken     = fmt.Errorf("%w: the key that wraps a sensitive key has to have been generated or imported, and to have never been extractable", ck.CKR_KEY_FUNCTION_NOT_PERMITTED)
	errNotSealing    = fmt.Errorf("%w: the mechanism does not keep a sensitive key from who may wrap and unwrap others", ck.CKR_KEY_NOT_WRAPPABLE)
	errPartKnown     = fmt.Errorf("%w: the key has bytes of another, or a part of it is known", ck.CKR_KEY_NOT_WRAPPABLE)
)

// neededRole returns the role that a key needs for the use: none where it can do no harm. What the public half of a pair does, anybody can
// do. What a private key signs opens nothing, unless the signature is the private function of what the caller chooses. A mechanism that does not
// seal is one of encryption: wrapping with it is encrypting, and unwrapping decrypting. What a mechanism that seals makes is no
// help against another key that it has sealed; what it opens must not become readable.
func (u *keyUse) neededRole() role {
	switch {
	case u.purpose == anyPurpose:
		return noRole
	case u.purpose == ck.CKA_WRAP && u.sensitive && u.withTrusted:
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
	return serving
}

// afterUse returns the role of a key that has one, or none, after a use that needs one, or none.
func (has role) afterUse(need role) (role, error) {
	switch {
	case has == noRole || need == noRole:
		return max(has, need), nil
	case has == serving && need != serving:
		return has, errUsedOtherwise
	case has != serving && need == serving:
		return has, errOnlyWraps
	}
	return max(has, need), nil
}

// A protection is what counts of a key where it wraps or is wrapped, or hands on its bytes.
type protection struct {
	sensitive, extractable   bool
	trusted, wrapWithTrusted bool // CKA_TRUSTED, CKA_WRAP_WITH_TRUSTED
	wasTrusted               bool // it was trusted, or is a copy of what was
	stayedInside             bool // it came to be in the token, or was imported, and has not been extractable since
	imported                 bool // it was imported by somebody who knows the value, and is not said to be sensitive
	role                     role
	hasBytesOfKey            bool // it has bytes of another key that may not be read
	length, knownBytes       uint // of the value of a secret key, and how many bytes of it may be known
}

// mayWrap tells whether a key of one standing may wrap one of another with a mechanism: section 5.18.3, and in a token of strict
// separation that what is sensitive stays so. A key that can leave the token, or that can be made once more, may be in use
// elsewhere for something else, of which nothing here can know. And one that was made of another's bytes can be made to differ from that in
// any way: the lengths and paddings with which mechanisms unwrap would tell, byte after byte, whether its last ones are such and such.
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
		return errLeftToken
	}
	return nil
}

// isExempt reports whether a key is left out of what is done here: who has made it knows the value, and can do with it outside what
// could be kept off inside. What is trusted is not, nor what was: anybody can take the trust away.
func (w protection) isExempt() bool { return w.imported && !w.sensitive && !w.trusted && !w.wasTrusted }

// unwrapsTo returns what must be true of a key that one with the role unwraps, as it may be what it has wrapped.
func (has role) unwrapsTo() (sensitive, withTrusted bool) {
	return has >= wrapping, has == wrappingTrusted
}

// asksParam reports whether there are parameters with which the mechanism is not to be had for every key: mayExpose.
func (u *keyUse) asksParam() bool {
	return u.row.LeaksKey != nil || u.row.UsesHalvesApart != nil
}

// mayExpose tells whether the key, of that standing, may be used with a mechanism that with its parameter lets the key be found, or one half
// of it without the other.
func (k protection) mayExpose(key *mechanisms.Key, u *keyUse, p *ck.Param, strict bool) error {
	if u.row.UsesHalvesApart != nil && !u.decides && u.row.UsesHalvesApart(*p) {
		if err := k.maySplit(strict); err != nil {
			return err
		}
	}
	if u.row.LeaksKey == nil || !k.sensitive && k.extractable || !u.row.LeaksKey(key, *p, u.decides) {
		return nil
	}
	return fmt.Errorf("%w: with this parameter the mechanism tells the key", ck.CKR_KEY_FUNCTION_NOT_PERMITTED)
}

// mayEverWrap reports whether a key could come to wrap a sensitive one, so that its role has to be remembered.
func mayEverWrap(class ck.ObjectClass, t ck.KeyType, wraps, inside bool) bool {
	switch class {
	case ck.CKO_SECRET_KEY:
		return wraps && inside && sealingTypes[t]
	case ck.CKO_PRIVATE_KEY:
		return inside && sealingTypes[t]
	}
	return class == ck.CKO_PUBLIC_KEY
}

// sealingTypes are the types of the keys of mechanisms that seal.
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
