package token

import (
	"bytes"
	"math/bits"
	"slices"

	"github.com/softcsp/softcsp/ck"
)

// compose decides every attribute of a new object.
func (d *draft) compose(r *request) error {
	var err error
	if d.table, err = r.table(); err != nil {
		return err
	}
	d.bools, d.genMechanism = d.table.defaults, ck.MechanismType(ck.UnavailableInformation)
	if d.table.isSecret() || d.table.class == ck.CKO_PRIVATE_KEY || d.table.class == ck.CKO_DATA {
		d.bools |= 1 << rowPrivate
	}
	for _, a := range r.template {
		if err := d.putFromTemplate(r, a); err != nil {
			return err
		}
	}
	if err := d.putFixed(r.fixed); err != nil {
		return err
	}
	for _, a := range r.imposed {
		if err := d.putImposed(r, a); err != nil {
			return err
		}
	}
	if r.inherits {
		if err := d.inherit(r); err != nil {
			return err
		}
	}
	if err := d.putDefaults(r.defaults); err != nil {
		return err
	}
	d.defaultExtractable()
	if missing := d.table.required[r.how] &^ d.decided; missing != 0 {
		return attributeError(ck.CKR_TEMPLATE_INCOMPLETE, d.table.rows[bits.TrailingZeros64(missing)].Type)
	}
	d.setHistory(r)
	return d.checkConsistency(r)
}

// putFromTemplate applies a row of the caller's template.
func (d *draft) putFromTemplate(r *request, a ck.Attribute) error {
	i := d.table.findForApplication(a.Type)
	if i < 0 || d.table.rows[i].rule.has(templateOnly) && (r.how < byUnwrap || r.how > byDerive) {
		return attributeError(ck.CKR_ATTRIBUTE_TYPE_INVALID, a.Type)
	}
	row, bit := &d.table.rows[i], uint64(1)<<i
	switch {
	case d.decided&bit != 0:
		if d.repeats(i, a.Value) {
			return nil
		}
		return attributeError(ck.CKR_TEMPLATE_INCONSISTENT, a.Type)
	case d.table.forbidden[r.how]&bit != 0 && !row.rule.has(templateOnly):
		return attributeError(ck.CKR_ATTRIBUTE_READ_ONLY, a.Type)
	case row.kind.valid(a.Value) != nil:
		return attributeError(ck.CKR_ATTRIBUTE_VALUE_INVALID, a.Type)
	case row.rule.has(soOnly) && a.Value[0] == 1 && !r.isSO:
		return attributeError(ck.CKR_ATTRIBUTE_READ_ONLY, a.Type)
	}
	return d.put(i, a.Value)
}

// putFixed applies the attributes that the operation decides.
func (d *draft) putFixed(fixed []ck.Attribute) error {
	for _, a := range fixed {
		i := d.table.find(a.Type)
		if i < 0 || d.table.rows[i].kind.valid(a.Value) != nil {
			return attributeError(ck.CKR_TEMPLATE_INCONSISTENT, a.Type)
		}
		if d.decided>>i&1 != 0 && !d.hasValue(i, a.Value) {
			return attributeError(ck.CKR_TEMPLATE_INCONSISTENT, a.Type)
		}
		if err := d.put(i, a.Value); err != nil {
			return err
		}
	}
	return nil
}

// putImposed adds a row of the base's template for new keys. A conflict is CKR_TEMPLATE_INCONSISTENT, but CKR_KEY_HANDLE_INVALID with
// CKA_ENCAPSULATE_TEMPLATE: sections 5.18.4, 5.18.5, 5.18.8 and 5.18.9.
func (d *draft) putImposed(r *request, a ck.Attribute) error {
	conflict := ck.CKR_TEMPLATE_INCONSISTENT
	if r.how == byEncapsulate {
		conflict = ck.CKR_KEY_HANDLE_INVALID
	}
	if i := d.table.findForApplication(a.Type); i >= 0 && d.decided>>i&1 != 0 {
		if d.hasValue(i, a.Value) {
			return nil
		}
		return attributeError(conflict, a.Type)
	}
	if d.putFromTemplate(r, a) != nil {
		return attributeError(conflict, a.Type)
	}
	return nil
}

// inherit makes a key no less protected than the keys that it is derived from and, in a token of strict separation, of no more use than
// those that it has bytes of.
func (d *draft) inherit(r *request) error {
	if r.base == nil {
		return nil
	}
	for _, p := range inheritedFlags {
		i := d.table.find(p.t)
		if i < 0 || !r.anyHas(p.t, p.restrictive) || p.strict && (!r.strict || !r.takesKeyBytes) {
			continue
		}
		v := ck.BoolValue(p.restrictive)
		if d.decided>>i&1 != 0 && !d.hasValue(i, v) {
			return attributeError(ck.CKR_TEMPLATE_INCONSISTENT, p.t)
		}
		if err := d.put(i, v); err != nil {
			return err
		}
	}
	if !r.strict || !r.takesKeyBytes {
		return nil
	}
	for _, o := range append([]*Object{r.base}, r.others...) {
		if err := d.inheritTemplates(r, o); err != nil {
			return err
		}
	}
	list := r.base.bytes(ck.CKA_ALLOWED_MECHANISMS)
	for _, o := range r.others {
		list = commonMechanisms(list, o.bytes(ck.CKA_ALLOWED_MECHANISMS))
	}
	return d.limitMechanisms(list)
}

// inheritTemplates gives the object the templates of a key whose bytes it has, but for those that the base's template for new keys decides.
func (d *draft) inheritTemplates(r *request, k *Object) error {
	for _, t := range inheritedTemplates {
		i, v := d.table.find(t), k.bytes(t)
		switch {
		case i < 0 || v == nil || slices.ContainsFunc(r.imposed, func(a ck.Attribute) bool { return a.Type == t }):
			continue
		case d.decided>>i&1 != 0 && !d.hasValue(i, v):
			return attributeError(ck.CKR_TEMPLATE_INCONSISTENT, t)
		}
		if err := d.put(i, v); err != nil {
			return err
		}
	}
	return nil
}

// limitMechanisms allows no mechanisms but those of a list; nil does not limit them.
func (d *draft) limitMechanisms(list []byte) error {
	i := d.table.find(ck.CKA_ALLOWED_MECHANISMS)
	if list == nil || i < 0 {
		return nil
	}
	if d.decided>>i&1 != 0 {
		if d.values[i] == nil || !listsNoOther(d.values[i], list) {
			return attributeError(ck.CKR_TEMPLATE_INCONSISTENT, ck.CKA_ALLOWED_MECHANISMS)
		}
		return nil
	}
	return d.put(i, list)
}

// putDefaults applies the defaults of the operation. Those that objects of this type do not have are left out.
func (d *draft) putDefaults(defaults []ck.Attribute) error {
	for _, a := range defaults {
		i := d.table.find(a.Type)
		if i < 0 || d.decided>>i&1 != 0 {
			continue
		}
		if d.table.rows[i].kind.valid(a.Value) != nil {
			return attributeError(ck.CKR_ATTRIBUTE_VALUE_INVALID, a.Type)
		}
		if err := d.put(i, a.Value); err != nil {
			return err
		}
	}
	return nil
}

// defaultExtractable sets CKA_EXTRACTABLE where a template sets CKA_SENSITIVE to false and does not mention CKA_EXTRACTABLE: whoever asks for
// a key that is not sensitive wants to read it, which takes both.
func (d *draft) defaultExtractable() {
	sensitive, extractable := d.table.find(ck.CKA_SENSITIVE), d.table.find(ck.CKA_EXTRACTABLE)
	if sensitive >= 0 && extractable >= 0 && d.decided>>sensitive&1 != 0 && d.bools>>sensitive&1 == 0 && d.decided>>extractable&1 == 0 {
		d.bools |= 1 << extractable
	}
}

// wipeValues overwrites the values of attributes.
func wipeValues(attrs []ck.Attribute) {
	for _, a := range attrs {
		clear(a.Value)
	}
}

// cloneTemplate returns a template in memory of its own.
func cloneTemplate(template []ck.Attribute) []ck.Attribute {
	own := make([]ck.Attribute, len(template))
	for i, a := range template {
		own[i].Type = a.Type
		if a.Value != nil {
			own[i].Value = ck.Clone(a.Value)
		}
	}
	return own
}

// valueLen returns the CKA_VALUE_LEN of a template, 0 without one.
func valueLen(template []ck.Attribute) (uint, error) {
	for _, a := range template {
		if a.Type == ck.CKA_VALUE_LEN {
			n, err := ck.Ulong(a.Value)
			if err == nil && n == 0 {
				err = ck.CKR_KEY_SIZE_RANGE
			}
			return n, err
		}
	}
	return 0, nil
}

// sameTemplate reports whether two attribute arrays have the same rows, in whatever order.
func sameTemplate(a, b []byte) bool {
	if len(a) != len(b) {
		return false
	}
	if bytes.Equal(a, b) {
		return true
	}
	var left, right [maxRows]ck.Attribute
	x, err1 := ck.ParseTemplate(left[:0], a)
	y, err2 := ck.ParseTemplate(right[:0], b)
	if err1 != nil || err2 != nil || len(x) != len(y) {
		return false
	}
	for _, p := range x {
		found := false
		for _, q := range y {
			found = found || p.Type == q.Type && (bytes.Equal(p.Value, q.Value) || ck.IsTemplate(p.Type) && sameTemplate(p.Value, q.Value))
		}
		if !found {
			return false
		}
	}
	return true
}

// tokenAttribute returns the CKA_TOKEN of a template, or otherwise where it has none.
func tokenAttribute(template []ck.Attribute, otherwise bool) bool {
	for _, a := range template {
		if v, err := ck.Bool(a.Value); a.Type == ck.CKA_TOKEN && err == nil {
			return v
		}
	}
	return otherwise
}
