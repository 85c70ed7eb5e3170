package token

import (
	"slices"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/mechanisms"
)

// EncapsulateKey implements C_EncapsulateKey, section 5.18.8. A length query and a short buffer make no key.
func (m *Module) EncapsulateKey(h ck.SessionHandle, mech *ck.Mechanism, public ck.ObjectHandle, template []ck.Attribute, out *ck.Buffer) (ck.ObjectHandle, error) {
	a, s, err := m.session(h)
	if err != nil {
		return 0, err
	}
	defer a.endCall()
	row, err := s.rowFor(mech, ck.CKF_ENCAPSULATE)
	if err != nil {
		return 0, err
	}
	k, err := s.useKey(public, &keyUse{purpose: ck.CKA_ENCAPSULATE, row: row, param: &mech.Param, oneCall: true})
	if err != nil {
		return 0, err
	}
	defer k.release()
	r := &request{how: byEncapsulate, template: template}
	if err := r.setBase(k.Object); err != nil {
		return 0, err
	}
	e, err := row.Encapsulate(r.kemBase(), &mech.Param)
	if err != nil {
		return 0, err
	}
	if out.Query(e.Size) {
		return 0, out.Fill(e.Size, nil)
	}
	var d mechanisms.Derived
	defer d.Wipe()
	ciphertext, err := e.Make(&d)
	if err != nil {
		return 0, err
	}
	key, err := s.makeShared(r, &d)
	if err != nil {
		return 0, err
	}
	return key, out.FillWith(ciphertext)
}

// DecapsulateKey implements C_DecapsulateKey, section 5.18.9.
func (m *Module) DecapsulateKey(h ck.SessionHandle, mech *ck.Mechanism, private ck.ObjectHandle, template []ck.Attribute, ciphertext []byte) (ck.ObjectHandle, error) {
	a, s, err := m.session(h)
	if err != nil {
		return 0, err
	}
	defer a.endCall()
	row, err := s.rowFor(mech, ck.CKF_DECAPSULATE)
	if err != nil {
		return 0, err
	}
	u := &keyUse{purpose: ck.CKA_DECAPSULATE, row: row, param: &mech.Param, oneCall: true}
	k, err := s.useKey(private, u)
	if err != nil {
		return 0, withCode(err, unwrappingKeyCodes)
	}
	defer k.release()
	r := &request{how: byDecapsulate, template: template}
	if err := r.setBase(k.Object); err != nil {
		return 0, err
	}
	var d mechanisms.Derived
	defer d.Wipe()
	err = row.Decapsulate(r.kemBase(), &mech.Param, ciphertext, &d)
	if dependsOnKey(err) {
		if err := s.takeRole(k, u); err != nil {
			return 0, err
		}
	}
	if err != nil {
		return 0, err
	}
	return s.makeShared(r, &d)
}

// kemBase is what a mechanism sees of an encapsulation: the key, and the caller's template with what the key's own template for new keys adds.
func (r *request) kemBase() *mechanisms.Base {
	template := r.template
	for _, a := range r.imposed {
		if !slices.ContainsFunc(r.template, func(b ck.Attribute) bool { return a.Type == b.Type }) {
			template = append(slices.Clip(template), a)
		}
	}
	return &mechanisms.Base{Key: r.base.key(), Template: template}
}

// makeShared makes the object of the shared secret key.
func (s *session) makeShared(r *request, d *mechanisms.Derived) (ck.ObjectHandle, error) {
	r.fixed = []ck.Attribute{
		{Type: ck.CKA_CLASS, Value: secretKeyClass}, {Type: ck.CKA_KEY_TYPE, Value: ck.UlongValue(uint(d.Type))}, {Type: ck.CKA_VALUE, Value: d.Value},
	}
	return s.makeObject(r)
}
