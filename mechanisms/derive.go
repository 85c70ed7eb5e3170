package mechanisms

import (
	"crypto/cipher"
	"crypto/hmac"
	"hash"
	"slices"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/algorithm/cmac"
)

// derivationRows make keys from keys and passwords, all but the simple derivations of generic.go.
var derivationRows = slices.Concat(pbkdf2Rows, hkdfRows, sp800108Rows, pbeRows, tlsRows, ssl3Rows, ikeRows)

// setLeading makes material the value of the key that the template asks for, by the rule that all simple derivations share
// (PKCS #11, "Miscellaneous simple key derivation mechanisms"): the leading bytes, as many as the type of key needs or
// CKA_VALUE_LEN says, and all of them in a generic secret that says nothing. Keys of the DES family get their parity.
func (d *Derived) setLeading(b *Base, material []byte) error {
	t, n, err := typeAndSize(b.Template)
	if err != nil {
		return err
	}
	if n == 0 {
		if t != ck.CKK_GENERIC_SECRET {
			return ck.CKR_TEMPLATE_INCOMPLETE
		}
		n = uint(len(material))
	}
	if n > uint(len(material)) || !validSize(t, n) {
		return ck.CKR_KEY_SIZE_RANGE
	}
	d.Type, d.Value = t, material[:n]
	FixParity(t, d.Value)
	return nil
}

// typeAndSize reads the type and the size in bytes of the key that a template asks for; 0 is a size that it leaves open.
func typeAndSize(template []ck.Attribute) (t ck.KeyType, n uint, err error) {
	t = ck.CKK_GENERIC_SECRET
	for _, a := range template {
		u := uint(0)
		switch a.Type {
		case ck.CKA_KEY_TYPE, ck.CKA_VALUE_LEN:
			if u, err = ck.Ulong(a.Value); err != nil {
				return 0, 0, err
			}
		}
		switch a.Type {
		case ck.CKA_KEY_TYPE:
			t = ck.KeyType(u)
		case ck.CKA_VALUE_LEN:
			n = u
		}
	}
	if size, fixed := Size(t); fixed {
		if n != 0 && n != size {
			return 0, 0, ck.CKR_TEMPLATE_INCONSISTENT
		}
		n = size
	}
	return t, n, nil
}

// buffer returns n bytes for what is derived, in d itself where they fit.
func (d *Derived) buffer(n uint) []byte {
	if n <= uint(len(d.buf)) {
		return d.buf[:n:n]
	}
	return make([]byte, n)
}

// typeAndRequiredSize reads the type and the size of the key that is asked for, where a derivation can make any size: the template has to say
// which.
func typeAndRequiredSize(template []ck.Attribute) (t ck.KeyType, n uint, err error) {
	t, n, err = typeAndSize(template)
	switch {
	case err != nil:
	case n == 0:
		err = ck.CKR_TEMPLATE_INCOMPLETE
	case !validSize(t, n):
		err = ck.CKR_KEY_SIZE_RANGE
	}
	return t, n, err
}

// protection returns CKA_SENSITIVE and CKA_EXTRACTABLE of a key.
func (k *Key) protection() []ck.Attribute {
	if k.Attr == nil {
		return nil
	}
	var list []ck.Attribute
	for _, t := range [...]ck.AttributeType{ck.CKA_SENSITIVE, ck.CKA_EXTRACTABLE} {
		if v := k.Attr(t); v != nil {
			list = append(list, ck.Attribute{Type: t, Value: v})
		}
	}
	return list
}

// unreadable reports whether the value of a key may not be read.
func (k *Key) unreadable() bool {
	is := func(t ck.AttributeType, otherwise bool) bool {
		if k.Attr == nil {
			return otherwise
		}
		v, err := ck.Bool(k.Attr(t))
		return err == nil && v || err != nil && otherwise
	}
	return is(ck.CKA_SENSITIVE, false) || !is(ck.CKA_EXTRACTABLE, true)
}

// findHash returns the row of the hash whose digest, or whose HMAC, is a mechanism; nil if there is none.
func findHash(m ck.MechanismType) *Hash {
	if m == 0 {
		return nil
	}
	for _, h := range hashes {
		if h.Digest == m || h.HMAC == m {
			return h
		}
	}
	return nil
}

// newPRF returns a MAC with a key as a pseudo-random function: it appends the MAC of the concatenated parts to dst. size is the MAC's length in
// bytes. Another mechanism is CKR_MECHANISM_PARAM_INVALID, and for CMAC a key of another type CKR_KEY_TYPE_INCONSISTENT.
func newPRF(m ck.MechanismType, k *Key) (prf func(dst []byte, parts ...[]byte) []byte, size uint, err error) {
	var mac hash.Hash
	switch m {
	case ck.CKM_AES_CMAC:
		mac, err = cmacOf(k, newAES, ck.CKK_AES)
	case ck.CKM_DES3_CMAC:
		mac, err = cmacOf(k, newDES, ck.CKK_DES2, ck.CKK_DES3)
	default:
		h := findHash(m)
		if h == nil || h.HMAC != m {
			return nil, 0, ck.FieldError("prfType or prfMechanism")
		}
		mac = hmac.New(h.New, k.Value)
	}
	if err != nil {
		return nil, 0, err
	}
	return func(dst []byte, parts ...[]byte) []byte {
		mac.Reset()
		for _, p := range parts {
			mac.Write(p)
		}
		return mac.Sum(dst)
	}, uint(mac.Size()), nil
}

func cmacOf(k *Key, newCipher func([]byte) (cipher.Block, error), types ...ck.KeyType) (hash.Hash, error) {
	if !slices.Contains(types, k.Type) {
		return nil, ck.CKR_KEY_TYPE_INCONSISTENT
	}
	b, err := newCipher(k.Value)
	if err != nil {
		return nil, err
	}
	return cmac.New(b), nil
}
