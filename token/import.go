package token

import (
	"crypto/subtle"
	"errors"
	"fmt"

	"github.com/softcsp/softcsp/ck"
)

// past are the attributes that say where a key comes from, which no application may set. They are for people to read: no rule of this token
// asks them. What keeps keys apart goes by how a key came to be here, and has not left since.
var past = []struct {
	t     ck.AttributeType
	needs ck.Attribute // what is true of a key of which t is true
}{
	{t: ck.CKA_LOCAL},
	{t: ck.CKA_KEY_GEN_MECHANISM},
	{ck.CKA_ALWAYS_SENSITIVE, ck.Attribute{Type: ck.CKA_SENSITIVE, Value: ck.BoolValue(true)}},
	{ck.CKA_NEVER_EXTRACTABLE, ck.Attribute{Type: ck.CKA_EXTRACTABLE, Value: ck.BoolValue(false)}},
}

// errThere ends an import of an object that is there.
var errThere = errors.New("token: the object is there already")

// Import is C_CreateObject for an object that was in another token, and keeps its past: CKA_LOCAL, CKA_KEY_GEN_MECHANISM, CKA_ALWAYS_SENSITIVE and
// CKA_NEVER_EXTRACTABLE are as the template says. C programs cannot call it. To keep keys apart the token goes by what is true here: the key was
// imported. What a template of C_CreateObject may not have otherwise is left out: attributes that objects of the type do not have, or that
// the token computes, and CKA_TRUSTED, unless the security officer imports.
//
// A token object that is there already, with the same class, type, label, id and value, is not made again: Import returns it, and false.
func (m *Module) Import(h ck.SessionHandle, template []ck.Attribute) (object ck.ObjectHandle, made bool, err error) {
	a, s, err := m.session(h)
	if err != nil {
		return 0, false, err
	}
	defer a.endCall()
	r := &request{how: byCreate, template: template}
	t, err := r.table()
	if err != nil {
		return 0, false, err
	}
	user, _ := s.slot.currentLogin()
	if r.template, r.fixed, err = t.importable(template, user == theSO); err != nil {
		return 0, false, err
	}
	r.beforeStoring = func(o *Object) (err error) {
		if object, err = s.findLike(o); err == nil && object != ck.InvalidHandle {
			err = errThere
		}
		return err
	}
	created, err := s.makeObject(r)
	if errors.Is(err, errThere) {
		return object, false, nil
	}
	return created, err == nil, err
}

// importable takes a template apart: into what C_CreateObject takes, and the past of a key, which has to agree with that.
func (t *attributeTable) importable(template []ck.Attribute, isSO bool) (own, fixed []ck.Attribute, err error) {
	for _, a := range template {
		i := t.findForApplication(a.Type)
		if i < 0 {
			continue
		}
		row := &t.rows[i]
		switch {
		case t.forbidden[byCreate]>>i&1 == 0:
			if !row.rule.has(soOnly) || isSO || row.kind.valid(a.Value) != nil || a.Value[0] == 0 {
				own = append(own, a)
			}
		case isPast(a.Type):
			fixed = append(fixed, a)
		}
	}
	for _, p := range past {
		if p.needs.Type == 0 || !isTrue(fixed, p.t) {
			continue
		}
		if v, ok := valueOf(own, p.needs.Type); !ok || string(v) != string(p.needs.Value) {
			return nil, nil, fmt.Errorf("%w: %v is true, and %v is not as it says", ck.CKR_TEMPLATE_INCONSISTENT, p.t, p.needs.Type)
		}
	}
	return own, fixed, nil
}

func isPast(t ck.AttributeType) bool {
	for _, p := range past {
		if p.t == t {
			return true
		}
	}
	return false
}

// valueOf returns the value of an attribute of a template.
func valueOf(template []ck.Attribute, t ck.AttributeType) ([]byte, bool) {
	for _, a := range template {
		if a.Type == t {
			return a.Value, true
		}
	}
	return nil, false
}

// isTrue reports whether a template makes an attribute true.
func isTrue(template []ck.Attribute, t ck.AttributeType) bool {
	v, _ := valueOf(template, t)
	on, err := ck.Bool(v)
	return err == nil && on
}

// findLike returns the token object that has the class, type, label, id and value of o, 0 where there is none.
func (s *session) findLike(o *Object) (ck.ObjectHandle, error) {
	q := query{table: &s.slot.objects}
	defer q.end()
	q.user, q.cache = s.slot.loginCache()
	// The search goes by the first attribute with an index, and ids are more often different than labels.
	for _, t := range []ck.AttributeType{ck.CKA_ID, ck.CKA_LABEL} {
		if v := o.bytes(t); len(v) > 0 {
			q.template = append(q.template, ck.Attribute{Type: t, Value: v})
		}
	}
	q.template = append(q.template,
		ck.Attribute{Type: ck.CKA_CLASS, Value: ck.UlongValue(uint(o.class()))},
		ck.Attribute{Type: ck.CKA_TOKEN, Value: ck.BoolValue(true)})
	if err := q.run(); err != nil {
		return 0, err
	}
	for _, h := range q.found {
		_, other, err := s.object(h)
		if ck.Code(err) == ck.CKR_OBJECT_HANDLE_INVALID { // destroyed meanwhile
			continue
		}
		if err != nil {
			return 0, err
		}
		like := o.isLike(other)
		other.release()
		if like {
			return h, nil
		}
	}
	return 0, nil
}

// isLike reports whether an object has the class, type, label, id and value of another.
func (o *Object) isLike(other *Object) bool {
	if o.table != other.table {
		return false
	}
	for i, row := range o.table.rows {
		name := row.Type == ck.CKA_LABEL || row.Type == ck.CKA_ID
		if row.kind == octets && (name || !row.rule.has(modifiable)) && subtle.ConstantTimeCompare(o.at(i), other.at(i)) != 1 {
			return false
		}
	}
	return true
}
