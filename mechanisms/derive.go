package mechanisms

import "github.com/softcsp/softcsp/ck"

// take makes material the value of the key that the template asks for, by the rule that all simple derivations share
// (PKCS #11, "Miscellaneous simple key derivation mechanisms"): the leading bytes, as many as the type of key needs or
// CKA_VALUE_LEN says, and all of them in a generic secret that says nothing. Keys of the DES family get their parity.
func (d *Derived) take(b *Base, material []byte) error {
	t, n, err := wanted(b.Template)
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

// wanted reads the type and the size in bytes of the key that a template asks for; 0 is a size that it leaves open.
func wanted(template []ck.Attribute) (t ck.KeyType, n uint, err error) {
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
