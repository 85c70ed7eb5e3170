package token

import (
	"fmt"
	"math/bits"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/store"
)

// composeCopy makes a draft of C_CopyObject, section 4.1.3.
func (d *draft) composeCopy(r *request) error {
	switch {
	case !r.base.flag(ck.CKA_COPYABLE):
		return ck.CKR_ACTION_PROHIBITED
	case r.base.secretsMissing:
		return ck.CKR_USER_NOT_LOGGED_IN
	}
	r.base.startDraft(d)
	if r.base.role != nil {
		d.setRole(role(r.base.role.Load()))
	}
	d.setRole(r.role)
	return d.applyTemplate(r)
}

// changed makes the object that o becomes by C_SetAttributeValue with the template, section 4.1.2: the whole change or none.
func (o *Object) changed(template []ck.Attribute, isSO, strict bool) (*Object, error) {
	switch {
	case !o.flag(ck.CKA_MODIFIABLE):
		return nil, ck.CKR_ACTION_PROHIBITED
	case o.table.class == ck.CKO_CERTIFICATE && o.flag(ck.CKA_TRUSTED) && !isSO:
		// "Trusted certificates cannot be modified."
		return nil, ck.CKR_ATTRIBUTE_READ_ONLY
	case o.secretsMissing:
		return nil, ck.CKR_USER_NOT_LOGGED_IN
	}
	var d draft
	o.startDraft(&d)
	if err := d.applyTemplate(&request{how: bySet, template: template, isSO: isSO, strict: strict}); err != nil {
		return nil, err
	}
	return d.object().asVersionOf(o), nil
}

// withDerivedValue makes the object that o becomes when a derivation gives it another value: fixed is what the derivation
// decides. It cannot make the key less protected.
func (o *Object) withDerivedValue(fixed []ck.Attribute) (*Object, error) {
	var d draft
	o.startDraft(&d)
	old := d.present & d.table.rowsWith(optional) // a salt, say, which belongs to the old value
	d.present &^= old
	for ; old != 0; old &= old - 1 {
		d.values[bits.TrailingZeros64(old)] = nil
	}
	d.genMechanism = ck.MechanismType(ck.UnavailableInformation)
	if i := d.table.find(ck.CKA_LOCAL); i >= 0 {
		d.bools &^= 1 << i
	}
	before := d.bools
	if err := d.putFixed(fixed); err != nil {
		return nil, err
	}
	if before&^d.bools&d.table.rowsWith(staysTrue) != 0 || d.bools&^before&d.table.rowsWith(staysFalse) != 0 {
		return nil, fmt.Errorf("%w: the key would be less protected", ck.CKR_TEMPLATE_INCONSISTENT)
	}
	if err := d.checkConsistency(&request{how: byDerive}); err != nil {
		return nil, err
	}
	changed := d.object().asVersionOf(o)
	changed.origin = store.OriginDerived
	return changed, nil
}

// asVersionOf makes o a version of p, which is the same object of the token with other attributes.
func (o *Object) asVersionOf(p *Object) *Object {
	o.id, o.rev, o.uniqueNumber, o.origin, o.separation = p.id, p.rev, p.uniqueNumber, p.origin, p.separation
	o.shareRole(p)
	return o
}

// shareRole has two objects with the same value share one role, which is p's, or o's where p has none.
func (o *Object) shareRole(p *Object) {
	if o.role == nil || p.role == nil {
		return
	}
	if has := o.ownRole.Load(); has != uint32(noRole) {
		p.role.CompareAndSwap(uint32(noRole), has)
	}
	o.role = p.role
}

// applyTemplate applies the template of a copy or a change to a draft that was started from the object.
func (d *draft) applyTemplate(r *request) error {
	mightWrap := d.flag(ck.CKA_WRAP)
	d.mark(wasTrusted, d.flag(ck.CKA_TRUSTED))
	for _, a := range r.template {
		i := d.table.findForApplication(a.Type)
		if i < 0 || d.table.rows[i].rule.has(templateOnly) {
			return attributeError(ck.CKR_ATTRIBUTE_TYPE_INVALID, a.Type)
		}
		if d.decided>>i&1 != 0 {
			if d.repeats(i, a.Value) {
				continue
			}
			return attributeError(ck.CKR_TEMPLATE_INCONSISTENT, a.Type)
		}
		if d.table.rows[i].kind.valid(a.Value) != nil {
			return attributeError(ck.CKR_ATTRIBUTE_VALUE_INVALID, a.Type)
		}
		if rv := d.mayAlter(r, i, a.Value); rv != ck.CKR_OK {
			return attributeError(rv, a.Type)
		}
		if err := d.put(i, a.Value); err != nil {
			return err
		}
	}
	if d.flag(ck.CKA_SENSITIVE) || d.isDecided(ck.CKA_EXTRACTABLE) {
		d.unmark(makerKnowsValue)
	}
	if d.table.class == ck.CKO_SECRET_KEY && !mightWrap && d.flag(ck.CKA_WRAP) && !d.flag(roleWrapping) {
		d.setRole(notWrapping) // it may have been used for anything before
	}
	return d.checkConsistency(r)
}

// mayAlter tells whether a copy or a change may give row i the value v.
func (d *draft) mayAlter(r *request, i int, v []byte) ck.RV {
	row := &d.table.rows[i]
	if row.rule.has(concealed) || row.kind == uniqueID {
		return ck.CKR_ATTRIBUTE_READ_ONLY // even if v is equal, which nobody is to learn
	}
	if row.kind == checkOf && (r.how == byCopy || len(v) == 0) {
		return ck.CKR_OK // consistent compares it; "C_SetAttributeValue may be used to destroy the attribute" (section 4.11)
	}
	same := d.hasValue(i, v)
	switch rule := row.rule; {
	case rule.has(soOnly):
		if r.isSO || v[0] == 0 || same && r.how == byCopy {
			return ck.CKR_OK
		}
	case rule.has(staysTrue): // "It becomes a read only attribute", also for the value that it has; a copy may repeat it
		if !same && v[0] == 1 || same && (v[0] == 0 || r.how == byCopy) {
			return ck.CKR_OK
		}
	case rule.has(staysFalse) && row.kind == boolean:
		if !same && v[0] == 0 || same && (v[0] == 1 || r.how == byCopy) {
			return ck.CKR_OK
		}
	case row.Type == ck.CKA_DERIVE && r.strict && !same && v[0] == 1 && d.table.isSecret() && d.flag(ck.CKA_SENSITIVE):
		// whether anything may be derived from a sensitive key is decided when it is made
	case rule.has(modifiable):
		return ck.CKR_OK
	case rule.has(copyOnly) && r.how == byCopy:
		if i == rowPrivate && !same && v[0] == 0 {
			return ck.CKR_TEMPLATE_INCONSISTENT
		}
		return ck.CKR_OK
	}
	return ck.CKR_ATTRIBUTE_READ_ONLY
}
