package token

import (
	"errors"
	"math/bits"
	"slices"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/mechanisms"
)

// withValueBits adds CKA_VALUE_BITS of the template of a private key to the template of the public one, which has all else that a mechanism
// needs to know.
func withValueBits(public, private []ck.Attribute) []ck.Attribute {
	for _, a := range private {
		if a.Type == ck.CKA_VALUE_BITS {
			return append(slices.Clip(public), a)
		}
	}
	return public
}

// checkTemplate finds errors of a template before the key is generated, which can take long.
func (s *session) checkTemplate(r *request) error {
	t, err := r.table()
	if err != nil {
		return err
	}
	user, _ := s.slot.login()
	r.isSO = user == theSO
	d := draft{table: t, bools: t.defaults}
	if t.class == ck.CKO_PRIVATE_KEY && user == theUser {
		d.bools |= 1 << rowPrivate
	}
	for _, a := range r.template {
		if err := d.putFromTemplate(r, a); err != nil {
			return err
		}
	}
	if missing := t.required[r.how] &^ d.decided; missing != 0 && !r.notKey { // the lengths of some domain parameters follow from their mechanism
		return attributeError(ck.CKR_TEMPLATE_INCOMPLETE, t.rows[bits.TrailingZeros64(missing)].Type)
	}
	return s.mayModify(&Object{table: t, bools: d.bools}, user)
}

// publicInfo computes CKA_PUBLIC_KEY_INFO of a pair from the template of the public key and what the mechanism made.
func publicInfo(t ck.KeyType, lists ...[]ck.Attribute) (ck.Attribute, error) {
	added, err := mechanisms.Complete(ck.CKO_PUBLIC_KEY, t, func(t ck.AttributeType) []byte {
		for _, list := range lists {
			for _, a := range list {
				if a.Type == t {
					return a.Value
				}
			}
		}
		return nil
	})
	for _, a := range added {
		if a.Type == ck.CKA_PUBLIC_KEY_INFO {
			return a, err
		}
	}
	return ck.Attribute{}, errors.Join(ck.CKR_GENERAL_ERROR, err)
}

// generationRequest returns the request for one key of a pair, or for domain parameters, that row generates.
func generationRequest(row *mechanisms.Mechanism, class []byte, template []ck.Attribute) *request {
	return &request{how: byGenerate, template: template, mechanism: row.Type,
		fixed: []ck.Attribute{{Type: ck.CKA_CLASS, Value: class}, {Type: ck.CKA_KEY_TYPE, Value: ck.UlongValue(uint(row.Makes))}}}
}

// wipeValues overwrites the values of attributes.
func wipeValues(attrs []ck.Attribute) {
	for _, a := range attrs {
		clear(a.Value)
	}
}

// wipeSecrets overwrites the secret values of a private key. Others, parameters of a curve say, may lie in the caller's memory.
func wipeSecrets(t ck.KeyType, attrs []ck.Attribute) {
	private := tables[objectType{ck.CKO_PRIVATE_KEY, uint(t)}]
	for _, a := range attrs {
		if i := private.find(a.Type); i < 0 || private.rows[i].rule.has(concealed) {
			clear(a.Value)
		}
	}
}

// completePair checks the attributes of a public or private key, and adds those that follow from them.
func (d *draft) completePair(how createdBy) error {
	added, err := mechanisms.Complete(d.table.class, ck.KeyType(d.table.subtype), d.bytes)
	if err != nil {
		if how == byUnwrap {
			return errors.Join(ck.CKR_WRAPPED_KEY_INVALID, err)
		}
		return err
	}
	for _, a := range added {
		i := d.table.find(a.Type)
		if len(d.values[i]) == 0 {
			err = d.put(i, a.Value)
		} else if !d.hasValue(i, a.Value) {
			err = attributeError(ck.CKR_ATTRIBUTE_VALUE_INVALID, a.Type) // section 4.10
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// changesPublicKeyInfo reports whether the template of a copy or a change has CKA_PUBLIC_KEY_INFO, which has to be that of the key.
func (d *draft) changesPublicKeyInfo() bool {
	i := d.table.find(ck.CKA_PUBLIC_KEY_INFO)
	return i >= 0 && d.decided>>i&1 != 0
}

// isAsymmetric reports whether the objects of the table are public or private keys.
func (t *attributeTable) isAsymmetric() bool {
	return t.class == ck.CKO_PUBLIC_KEY || t.class == ck.CKO_PRIVATE_KEY
}
