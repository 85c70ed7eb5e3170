package token

import (
	"fmt"
	"slices"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/mechanisms"
	"github.com/softcsp/softcsp/store"
)

// A derivation that joins keys and data, or takes a part of a key, makes a key of which a part may be known. Where all but one of the bytes
// are known, that one can be found by trying, and then the next one with another such key. So a key that was made like that carries the number of
// its bytes that somebody may know who has only used the token (Clulow, "On the Security of PKCS #11", 2003, and what follows from
// it where the parts are joined again). The number is an upper bound: of any single key that has bytes in it, at least length - known bytes
// are unknown to somebody who knows everything else.

// minPart is how many unknown bytes of a key there must be in a key that has a part of it only. 112 bits are what NIST SP 800-131A
// asks for.
const minPart = 14

// guessable is how many bytes a key has that can be found by trying: less than 80 bits.
const guessable = 10

// A piece is how much of a key's value is in a new one.
type piece struct {
	protection
	bytes uint // of the key's value that are in the new one
}

// unreadable reports whether nobody is to learn the key's value: it may not leave the token or, in a token of strict separation, it is
// sensitive.
func (k protection) unreadable(strict bool) bool { return !k.extractable || strict && k.sensitive }

// joinPieces returns how many bytes may be known of a new value of n bytes that has the pieces: CKR_KEY_SIZE_RANGE where it would have
// a part of an unreadable key, with too few bytes that are unknown.
func joinPieces(n uint, pieces []piece, strict bool) (known uint, err error) {
	for _, p := range pieces {
		cut := p.length - p.bytes
		unknown := uint(0)
		if u := p.length - min(p.knownBytes, p.length); u > cut {
			unknown = u - cut
		}
		if p.unreadable(strict) && cut != 0 && unknown < minPart {
			return 0, fmt.Errorf("%w: of a key that may not be read, the new key would have %d bytes that are not known", ck.CKR_KEY_SIZE_RANGE, unknown)
		}
		known = max(known, n-min(n, unknown))
	}
	return known, nil
}

// maySplit tells whether a key may be used by a mechanism that uses the halves of its value separately. Each half can be found by trying,
// without the other: so each has to have more unknown bytes than can be tried.
func (k protection) maySplit(strict bool) error {
	unknown := k.length - min(k.knownBytes, k.length)
	if !k.unreadable(strict) || k.length < guessable || unknown >= 2*guessable {
		return nil
	}
	return fmt.Errorf("%w: of a key that may not be read, each half would have %d bytes that are not known", ck.CKR_KEY_SIZE_RANGE, unknown/2)
}

// mayBecome tells whether bytes of an unreadable key may become a key of a type, or a part of one. With the types that are refused, a part of
// a key can be found separately: with RC4 if the beginning is known (Fluhrer, Mantin, Shamir, "Weaknesses in the Key Scheduling
// Algorithm of RC4", 2001); with triple DES if there is another key that differs in one part only (Kelsey, Schneier, Wagner,
// "Key-Schedule Cryptanalysis", 1996); with RC2 and RC5 because their parameters can tell them to use a part of the key; with Poly1305 because
// two tags give two equations.
func (p piece) mayBecome(t ck.KeyType, strict bool) error {
	if !p.unreadable(strict) || p.length < guessable {
		return nil
	}
	switch t {
	case ck.CKK_RC2, ck.CKK_RC4, ck.CKK_RC5, ck.CKK_DES, ck.CKK_DES2, ck.CKK_DES3, ck.CKK_CDMF, ck.CKK_POLY1305:
		return fmt.Errorf("%w: bytes of a key that may not be read do not become a key of this type", ck.CKR_TEMPLATE_INCONSISTENT)
	}
	return nil
}

// inheritedFlags are attributes that a new key inherits from a key whose bytes, or whose value, it has: if that key has this restrictive value, so
// does the new one.
var inheritedFlags = [...]struct {
	t           ck.AttributeType
	restrictive bool
	strict      bool // in a token of strict separation only
}{
	{ck.CKA_SENSITIVE, true, false},
	{ck.CKA_EXTRACTABLE, false, false},
	{ck.CKA_WRAP_WITH_TRUSTED, true, false},
	{ck.CKA_ENCRYPT, false, true},
	{ck.CKA_DECRYPT, false, true},
	{ck.CKA_SIGN, false, true},
	{ck.CKA_VERIFY, false, true},
	{ck.CKA_SIGN_RECOVER, false, true},
	{ck.CKA_WRAP, false, true},
	{ck.CKA_UNWRAP, false, true},
	{ck.CKA_DERIVE, false, true},
	{ck.CKA_DECAPSULATE, false, true},
	{ck.CKA_MODIFIABLE, false, true},
	{ck.CKA_COPYABLE, false, true},
}

// inheritedTemplates are the attributes with which a key restricts the keys that it wraps, or that are made with it. In a token of strict
// separation a new key with its bytes, or with its value, has the same.
var inheritedTemplates = [...]ck.AttributeType{ck.CKA_WRAP_TEMPLATE, ck.CKA_UNWRAP_TEMPLATE, ck.CKA_DERIVE_TEMPLATE, ck.CKA_DECAPSULATE_TEMPLATE}

// commonMechanisms returns the mechanisms that are in both lists of CKA_ALLOWED_MECHANISMS, of which nil allows all.
func commonMechanisms(a, b []byte) []byte {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	both := []byte{}
	for ; len(a) >= ulongSize; a = a[ulongSize:] {
		if listsMechanism(b, ck.MechanismType(number(a))) {
			both = append(both, a[:ulongSize]...)
		}
	}
	return both
}

// listsMechanism reports whether a list of mechanisms has one.
func listsMechanism(list []byte, m ck.MechanismType) bool {
	for ; len(list) >= ulongSize; list = list[ulongSize:] {
		if ck.MechanismType(number(list)) == m {
			return true
		}
	}
	return false
}

// listsNoOther reports whether a list of mechanisms has none that another does not have.
func listsNoOther(list, of []byte) bool { return len(commonMechanisms(list, of)) == len(list) }

// piece returns the piece of a key of which a new one has so many bytes. Of a DES key the parity, one bit of each byte, is known.
func (o *Object) piece(bytes uint) piece {
	p := piece{o.protection(), bytes}
	if mechanisms.HasParity(o.keyType()) {
		p.knownBytes = max(p.knownBytes, (p.length+7)/8)
	}
	return p
}

// pieces returns what a derivation has taken over of its keys.
func (s *session) pieces(base *Object, d *derivation) (list []piece) {
	for _, taken := range d.out.Taken {
		if base != nil && taken.Key == base.key() {
			list = append(list, base.piece(taken.Bytes))
		}
		for _, o := range d.others {
			if taken.Key == o.key() {
				list = append(list, o.piece(taken.Bytes))
			}
		}
	}
	return list
}

// checkInheritance checks what a derivation takes over of its keys, and adds to the request what must be remembered of the new key. Mechanisms of
// SP 800-108 take no bytes over; but a key that goes into them as data can be found by trying, once the new key is known as a whole. So
// each of the new keys has to be as long as a part of a key has to be, and all its bytes count as known in what is made of a part of it.
func (s *session) checkInheritance(r *request, row *mechanisms.Mechanism, d *derivation) error {
	if d.out.LeaksKey && r.base.isConcealed() && !r.base.isPremasterSecret() {
		return fmt.Errorf("%w: the version would tell bytes of the key", ck.CKR_KEY_FUNCTION_NOT_PERMITTED)
	}
	if d.out.UsesHalvesApart {
		if err := r.base.protection().maySplit(s.strict); err != nil {
			return err
		}
	}
	r.inherits = row.Inherits || d.out.Inherits || len(d.out.Taken) > 0
	if len(d.out.Taken) == 0 {
		return nil
	}
	for _, o := range append([]*Object{r.base}, d.others...) {
		if o != nil && s.mayWrapElsewhere(o) {
			return ck.CKR_TOKEN_WRITE_PROTECTED
		}
	}
	pieces := s.pieces(r.base, d)
	known, err := s.joinDerived(d.out.Type, d.out.Value, pieces)
	if err != nil {
		return err
	}
	if d.out.Inherits {
		known = uint(len(d.out.Value))
	}
	if known != 0 {
		r.setKnownBytes(known)
	}
	if slices.ContainsFunc(pieces, func(p piece) bool { return p.unreadable(s.strict) }) {
		r.fixed = append(r.fixed, ck.Attribute{Type: hasBytesOfKey, Value: ck.BoolValue(true)})
	}
	for i := range d.out.AdditionalKeys {
		k := &d.out.AdditionalKeys[i]
		if _, err := s.joinDerived(k.Type, k.Value, pieces); err != nil {
			return err
		}
		k.Attributes = append(k.Attributes, ck.Attribute{Type: knownBytes, Value: ck.UlongValue(uint(len(k.Value)))})
	}
	return nil
}

// joinDerived is joinPieces for a new key of a type and with a value, which is cut to its length.
func (s *session) joinDerived(t ck.KeyType, value []byte, pieces []piece) (known uint, err error) {
	n := uint(len(value))
	cut := make([]piece, len(pieces))
	for i, p := range pieces {
		if err := p.mayBecome(t, s.strict); err != nil {
			return 0, err
		}
		p.bytes = min(p.bytes, n)
		cut[i] = p
	}
	return joinPieces(n, cut, s.strict)
}

// setKnownBytes notes how many bytes of the new key may be known.
func (r *request) setKnownBytes(n uint) {
	r.fixed = append(r.fixed, ck.Attribute{Type: knownBytes, Value: ck.UlongValue(n)})
}

// isPremasterSecret reports whether a key is a premaster secret of TLS, in which the version is no secret: it was generated as one, or
// unwrapped because it came from the other side. What a key unwraps that wraps sensitive keys may be any of those, changed at will: of such a
// key bytes count as known.
func (o *Object) isPremasterSecret() bool {
	return o.genMechanism == ck.CKM_SSL3_PRE_MASTER_KEY_GEN || o.genMechanism == ck.CKM_TLS_PRE_MASTER_KEY_GEN || o.origin == store.OriginUnwrapped && o.protection().knownBytes == 0
}
