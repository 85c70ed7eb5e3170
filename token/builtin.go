package token

import (
	"encoding/binary"
	"time"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/store"
)

// Objects that a token has without anybody having made them: the profiles that it conforms to, its clock, its mechanisms. They
// are in no store. A search finds them only if it names their class, which section 4.3 of PKCS #11 2.40 demands for hardware features: so
// an application that lists all objects does not meet classes that it may not know.
//
// There is no monotonic counter, which would have to count each time that it is read, and no user interface. There is no object of
// CKO_VALIDATION, because nobody has validated softcsp.

// A builtin is one of those objects.
type builtin struct {
	class  ck.ObjectClass
	number uint // CKA_PROFILE_ID, CKA_HW_FEATURE_TYPE or CKA_MECHANISM_TYPE
	label  string
}

// profiles are the profiles of "PKCS #11 Profiles" whose conditions hold. CKP_PUBLIC_CERTIFICATES_TOKEN is a promise about
// what lies in the token, which is the application's to keep; CKP_COMPLETE_PROVIDER wants every mechanism there is.
var profiles = []ck.ProfileID{ck.CKP_BASELINE_PROVIDER, ck.CKP_EXTENDED_PROVIDER, ck.CKP_AUTHENTICATION_TOKEN, ck.CKP_HKDF_TLS_TOKEN}

// builtinAttribute is the attribute that tells the objects of a class apart, false for a class that is not built in.
func builtinAttribute(class ck.ObjectClass) (ck.AttributeType, bool) {
	switch class {
	case ck.CKO_PROFILE:
		return ck.CKA_PROFILE_ID, true
	case ck.CKO_HW_FEATURE:
		return ck.CKA_HW_FEATURE_TYPE, true
	case ck.CKO_MECHANISM:
		return ck.CKA_MECHANISM_TYPE, true
	}
	return 0, false
}

// builtins are the built-in objects of the token in a slot.
func (s *appSlot) builtins() (list []builtin, err error) {
	for _, p := range profiles {
		list = append(list, builtin{ck.CKO_PROFILE, uint(p), p.String()})
	}
	list = append(list, builtin{ck.CKO_HW_FEATURE, uint(ck.CKH_CLOCK), ck.CKH_CLOCK.String()})
	types, err := s.mechanisms()
	for _, m := range types {
		list = append(list, builtin{ck.CKO_MECHANISM, uint(m), m.String()})
	}
	return list, err
}

// object makes the Object of a built-in object. Its number is the same in every process.
func (b builtin) object() *Object {
	subtype := uint(0)
	if b.class == ck.CKO_HW_FEATURE {
		subtype = b.number
	}
	d := draft{table: tables[objectType{b.class, subtype}], bools: 1 << rowToken, genMechanism: ck.MechanismType(ck.UnavailableInformation)}
	which, _ := builtinAttribute(b.class)
	for _, a := range []ck.Attribute{{Type: ck.CKA_LABEL, Value: []byte(b.label)}, {Type: which, Value: ck.UlongValue(b.number)}} {
		if err := d.put(d.table.find(a.Type), a.Value); err != nil {
			panic("token: built-in object: " + err.Error())
		}
	}
	o := d.object()
	o.id = b.id()
	return o
}

// id returns the number that CKA_UNIQUE_ID is made of.
func (b builtin) id() (id store.ID) {
	binary.BigEndian.PutUint64(id[:8], uint64(b.class))
	binary.BigEndian.PutUint64(id[8:], uint64(b.number))
	return id
}

// builtinEntries returns the built-in objects of a slot, which get their handles when they are first searched for.
func (t *objectTable) builtinEntries() ([]*entry, error) {
	list, err := t.slot.builtins()
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.builtins == nil {
		for _, b := range list {
			e := &entry{objects: t, builtin: true}
			e.object.Store(b.object())
			t.slot.app.objects.Add(e, &e.handle)
			t.builtins = append(t.builtins, e)
		}
	}
	return t.builtins, nil
}

// searchBuiltin adds the built-in objects that the template asks for by their class.
func (q *query) searchBuiltin() error {
	for _, a := range q.template {
		if a.Type != ck.CKA_CLASS || len(a.Value) != ulongSize {
			continue
		}
		if _, ok := builtinAttribute(ck.ObjectClass(number(a.Value))); !ok {
			return nil
		}
		list, err := q.table.builtinEntries()
		if err != nil {
			return err
		}
		for _, e := range list {
			if e.object.Load().matches(q.template) {
				q.found = append(q.found, e.handle)
			}
		}
		return nil
	}
	return nil
}

// utcTime is the time as CK_TOKEN_INFO and the clock tell it.
func utcTime() string { return time.Now().UTC().Format("20060102150405") + "00" }
