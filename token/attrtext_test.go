package token

import (
	"testing"

	"github.com/softcsp/softcsp/internal/attrtext"
)

// formsOf are the forms in which package attrtext may write the values of each kind.
var formsOf = map[kind][]attrtext.Form{
	octets:         {attrtext.Bytes, attrtext.Text, attrtext.Name},
	boolean:        {attrtext.Bool},
	ulong:          {attrtext.Number},
	date:           {attrtext.Date},
	mechanismArray: {attrtext.Mechanisms},
	templateArray:  {attrtext.Template},
	classOf:        {attrtext.Number},
	subtypeOf:      {attrtext.Number},
	genMechanism:   {attrtext.Number},
	lengthOf:       {attrtext.Number},
	checkOf:        {attrtext.Bytes},
	uniqueID:       {attrtext.Text},
	clock:          {attrtext.Bytes},
}

// TestAttributeText sees that people can write each attribute that applications may name, in a form that is that of its values, and
// that what is concealed is called secret.
func TestAttributeText(t *testing.T) {
	known := make(map[string]bool)
	for _, a := range attrtext.Types() {
		if known[a.String()] {
			t.Errorf("%v twice", a)
		}
		known[a.String()] = true
	}
	for typ, table := range tables {
		for _, row := range table.rows {
			if row.rule.has(internal) {
				continue
			}
			if !known[row.Type.String()] {
				t.Errorf("%v of %v: no form", row.Type, typ)
			}
			fits := false
			for _, f := range formsOf[row.kind] {
				fits = fits || f == attrtext.FormOf(row.Type)
			}
			if !fits {
				t.Errorf("%v of %v is %v, and written as form %d", row.Type, typ, row.kind, attrtext.FormOf(row.Type))
			}
			if row.rule.has(concealed) && !attrtext.IsSecret(row.Type) {
				t.Errorf("%v of %v is concealed, and not called secret", row.Type, typ)
			}
		}
	}
}
