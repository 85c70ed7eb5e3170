package token

import (
	"errors"
	"fmt"
	"math/bits"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/locked"
	"github.com/softcsp/softcsp/store"
)

// encode returns the object as it is kept in a token file, in the encoding of ck.AppendTemplate: all of a private object in sealed; of a
// public one the secret values in sealed, and all else in public. Booleans that are false are left out. The caller wipes sealed.
func (o *Object) encode() (public, sealed []byte) {
	var spaceA, spaceB [maxRows]ck.Attribute
	plain, secret := o.appendAttributes(spaceA[:0], spaceB[:0])
	if o.isPrivate() {
		return nil, ck.AppendTemplate(make([]byte, 0, ck.TemplateLen(plain)+ck.TemplateLen(secret)), append(plain, secret...))
	}
	public = ck.AppendTemplate(make([]byte, 0, ck.TemplateLen(plain)), plain)
	if len(secret) != 0 {
		sealed = ck.AppendTemplate(make([]byte, 0, ck.TemplateLen(secret)), secret)
	}
	return public, sealed
}

// appendAttributes appends the attributes to public, and those with secret values to secret.
func (o *Object) appendAttributes(public, secret []ck.Attribute) ([]ck.Attribute, []ck.Attribute) {
	for i := range o.table.rows {
		row := &o.table.rows[i]
		at := ck.Attribute{Type: row.Type}
		switch {
		case row.kind == classOf, row.kind == subtypeOf:
			at.Value = o.bytes(row.Type)
		case row.kind == boolean && o.bools>>i&1 != 0:
			at.Value = ck.BoolValue(true)
		case row.kind == genMechanism && uint(o.genMechanism) != ck.UnavailableInformation:
			at.Value = ck.UlongValue(uint(o.genMechanism))
		case row.kind == checkOf && o.noCheck:
		case row.kind == lengthOf && !o.isPrivate():
			at.Value = ck.UlongValue(o.length)
		case o.present>>i&1 == 0:
			continue
		default:
			at.Value = o.at(i)
		}
		if row.rule.has(concealed) {
			secret = append(secret, at)
		} else {
			public = append(public, at)
		}
	}
	return public, secret
}

// errDamaged is what decode finds wrong.
var errDamaged = errors.New("not an encoded object")

// decode reads what encode wrote: CKR_DEVICE_ERROR where it is anything else. sealed is locked memory that decode takes over in any
// case, or nil where the secret values are not to be had. public belongs to the Object from then on.
func decode(public, sealed []byte) (*Object, error) {
	o, kept, err := tryDecode(public, sealed)
	if !kept {
		locked.Free(sealed)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ck.CKR_DEVICE_ERROR, err)
	}
	return o, nil
}

// tryDecode is decode, but for sealed: it tells whether it has taken that over.
func tryDecode(public, sealed []byte) (o *Object, kept bool, err error) {
	var space [2 * maxRows]ck.Attribute
	rows, err := ck.ParseTemplate(space[:0], public)
	if err != nil {
		return nil, false, err
	}
	n := len(rows)
	if rows, err = ck.ParseTemplate(rows, sealed); err != nil {
		return nil, false, err
	}
	if len(public)+len(sealed) > maxBlob {
		return nil, false, errTooLarge
	}
	r := request{how: byCreate, fixed: rows}
	var d draft
	if d.table, err = r.table(); err != nil {
		return nil, false, err
	}
	d.genMechanism = ck.MechanismType(ck.UnavailableInformation)
	for k, a := range rows {
		if err := d.restore(a, k < n, len(public) != 0); err != nil {
			return nil, false, err
		}
	}
	if d.bools>>rowPrivate&1 != 0 == (len(public) != 0) {
		return nil, false, errDamaged
	}
	if d.present&d.table.rowsWith(concealed) != 0 && len(public) != 0 {
		return d.object(), false, nil
	}
	o = d.newObject()
	o.blobLocked, o.blob = len(public) == 0, public
	if o.blobLocked {
		o.blob = sealed
	}
	o.locate(rows)
	return o, o.blobLocked, nil
}

// locate finds the spans of the values in the blob, which is what encode wrote: rows in order.
func (o *Object) locate(rows []ck.Attribute) {
	o.spans = o.spans[:bits.OnesCount64(o.present)]
	off := 0
	for _, a := range rows {
		off += ck.TemplateLen([]ck.Attribute{{}})
		i := o.table.find(a.Type)
		if o.present>>i&1 != 0 {
			o.spans[bits.OnesCount64(o.present&(1<<i-1))] = span{uint32(off), uint32(len(a.Value))}
		}
		off += len(a.Value)
	}
	o.initKey()
}

// restore gives the draft a decoded attribute. inPublic says that it comes from the public part, hasPublic that there is a public part.
func (d *draft) restore(a ck.Attribute, inPublic, hasPublic bool) error {
	i := d.table.find(a.Type)
	if i < 0 || d.decided>>i&1 != 0 || hasPublic && inPublic == d.table.rows[i].rule.has(concealed) {
		return errDamaged
	}
	row := &d.table.rows[i]
	if err := row.kind.valid(a.Value); err != nil {
		return err
	}
	if row.kind == lengthOf {
		d.decided |= 1 << i
		d.length = number(a.Value)
		return nil
	}
	if row.kind == checkOf && len(a.Value) != 0 {
		return errDamaged
	}
	return d.put(i, a.Value)
}

// newRecord returns the record of an object for the store.
func newRecord(o *Object, keys *store.Keys) *store.Record {
	public, sealed := o.encode()
	terms := o.terms()
	if term := o.fingerprint(keys); term != nil {
		terms = append(terms, term)
	}
	if keys != nil && o.table.isAsymmetric() && len(o.identity()) != 0 {
		terms = append(terms, o.identityTerm(keys))
	}
	return &store.Record{ID: o.id, Rev: o.rev, Public: public, Sealed: sealed, Origin: o.origin, Birth: o.separation, Terms: terms}
}

// storedOrigins are the origins of objects as the store keeps them.
var storedOrigins = [createdByCount]store.Origin{
	byCreate: store.OriginImported, byGenerate: store.OriginGenerated, byUnwrap: store.OriginUnwrapped,
	byEncapsulate: store.OriginDerived, byDecapsulate: store.OriginDerived, byDerive: store.OriginDerived,
}

// readObject reads a token object from the store.
func readObject(token *store.Token, keys *store.Keys, id store.ID) (*Object, error) {
	r, err := token.Get(keys, id)
	if err != nil {
		return nil, err
	}
	return objectFromRecord(r)
}

// decodeRecord makes the Object of a record, without the pending change.
func decodeRecord(r store.Record) (*Object, error) {
	o, err := decode(r.Public, r.Sealed)
	if err != nil {
		return nil, err
	}
	o.id, o.rev, o.origin, o.separation = r.ID, r.Rev, r.Origin, r.Birth
	return o, nil
}

// objectFromRecord makes the Object of a record, with the pending change: CKR_OBJECT_HANDLE_INVALID where that destroys it. A change that is not
// permitted is ignored.
func objectFromRecord(r store.Record) (*Object, error) {
	var base *Object
	if r.Unvouched == nil || r.Unvouched.Kind != store.Created {
		var err error
		if base, err = decodeRecord(r); err != nil {
			return nil, err
		}
	}
	if r.Unvouched == nil {
		return base, nil
	}
	if base != nil {
		base.acquire()
		base.pending = r.Unvouched
	}
	o, err := applyPending(base, r.Unvouched)
	switch {
	case err != nil && base != nil:
		return base, nil
	case base != nil:
		base.release()
	}
	if err != nil || o == nil {
		return nil, ck.CKR_OBJECT_HANDLE_INVALID
	}
	o.id, o.rev, o.pending, o.unvouched = r.ID, r.Rev, r.Unvouched, true
	return o, nil
}
