package token

import (
	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/store"
)

// A Description is what people know an object by.
type Description struct {
	Class     ck.ObjectClass
	Label, ID []byte
}

// Describe reads what the record of an object says that it is. The record need not be one that is vouched for, as of a damaged token: what comes
// of it is for people to read, and for nothing else. It reports false where the record does not say, as that of a private object that does not open.
func Describe(r store.Record) (d Description, ok bool) {
	for _, part := range [][]byte{r.Public, r.Sealed} {
		attributes, err := ck.ParseTemplate(nil, part)
		if err != nil {
			continue
		}
		for _, a := range attributes {
			switch a.Type {
			case ck.CKA_CLASS:
				if n, err := ck.Ulong(a.Value); err == nil {
					d.Class, ok = ck.ObjectClass(n), true
				}
			case ck.CKA_LABEL:
				d.Label = append([]byte{}, a.Value...)
			case ck.CKA_ID:
				d.ID = append([]byte{}, a.Value...)
			}
		}
	}
	return d, ok
}

// Terms returns what the store finds an object by that has the label, or the id, of a description.
func (d Description) Terms() (terms [][]byte) {
	for _, a := range []ck.Attribute{{Type: ck.CKA_LABEL, Value: d.Label}, {Type: ck.CKA_ID, Value: d.ID}} {
		if t, ok := term(nil, a); ok {
			terms = append(terms, t)
		}
	}
	return terms
}
