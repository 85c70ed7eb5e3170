package token

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/mechanisms"
)

// A standardRow is a row of the standard's tables: its footnotes, and what ours says in their place.
type standardRow struct {
	name, notes, ours string
}

// standardTables reads testdata/standard.txt.
func standardTables(t *testing.T) map[string][]standardRow {
	t.Helper()
	text, err := os.ReadFile("testdata/standard.txt")
	if err != nil {
		t.Fatal(err)
	}
	list := make(map[string][]standardRow)
	name := ""
	for n, line := range strings.Split(string(text), "\n") {
		switch {
		case line == "", line[0] == '#':
			continue
		case !strings.HasPrefix(line, "CKA_"):
			name = line
			continue
		}
		said, otherwise, differs := strings.Cut(line, " - ")
		ours, reason, _ := strings.Cut(otherwise, ": ")
		if differs && (ours == "" || reason == "") {
			t.Errorf("line %d: a difference without a reason", n+1)
		}
		attr, notes, _ := strings.Cut(said, " ")
		if !differs {
			ours = notes
		} else if ours == notes {
			t.Errorf("line %d: a difference that is none", n+1)
		}
		list[name] = append(list[name], standardRow{attr, notes, ours})
	}
	return list
}

// TestStandard compares each table with the standard's, row by row. What differs stands in testdata/standard.txt with its
// reason.
func TestStandard(t *testing.T) {
	list := standardTables(t)
	if len(list) == 0 {
		t.Fatal("no tables")
	}
	for _, p := range allParts {
		if p.name == derivedSessionKey.name {
			continue
		}
		rows, ok := list[p.name]
		if !ok {
			t.Errorf("the standard's table of %q is not written down", p.name)
			continue
		}
		delete(list, p.name)
		for _, a := range p.rows {
			if a.rule.has(internal) {
				continue
			}
			i := slices.IndexFunc(rows, func(r standardRow) bool { return r.name == a.Type.String() })
			if i < 0 {
				t.Errorf("%s: the standard has no %v", p.name, a.Type)
				continue
			}
			if ours := rows[i].ours; ours != "any" && ours != (a.rule&(staysFalse<<1-1)).String() {
				t.Errorf("%s: %v has footnotes %v, want %q", p.name, a.Type, a.rule&(staysFalse<<1-1), ours)
			}
			rows = slices.Delete(rows, i, i+1)
		}
		for _, r := range rows {
			if r.ours != "none" {
				t.Errorf("%s: %s is missing", p.name, r.name)
			}
		}
	}
	for name := range list {
		t.Errorf("there is no table of %q", name)
	}
}

// TestPartsComplete wants every part of a table in allParts, which the golden file and TestStandard go by.
func TestPartsComplete(t *testing.T) {
	for name, table := range tables {
		for _, p := range table.parts {
			if !slices.ContainsFunc(allParts, func(q tablePart) bool { return q.name == p.name }) {
				t.Errorf("%v: %q is not among allParts", name, p.name)
			}
		}
	}
}

// sample is an object of a table as an application makes it, nil where no application can.
func sample(t *testing.T, table *attributeTable) *Object {
	t.Helper()
	if table.builtin() || table.isAsymmetric() && pairValues(t, table) == nil {
		return nil
	}
	o, err := build(complete(t, table, byCreate))
	if err != nil {
		t.Fatalf("%v %d: %v", table.class, table.subtype, err)
	}
	t.Cleanup(o.release)
	return o
}

// other is a value of a kind, another one than the object's where it has one.
func (o *Object) other(i int) []byte {
	switch row := &o.table.rows[i]; row.kind {
	case boolean:
		return ck.BoolValue(o.bools>>i&1 == 0)
	case ulong, genMechanism, lengthOf:
		if o.match(ck.Attribute{Type: row.Type, Value: ck.UlongValue(1)}) {
			return ck.UlongValue(2)
		}
		return ck.UlongValue(1)
	case classOf, subtypeOf:
		return ck.UlongValue(77)
	case date:
		return []byte("20300101")
	case mechanismArray:
		return ck.UlongValue(uint(ck.CKM_AES_CBC))
	case templateArray:
		return ck.AppendTemplate(nil, rows(ck.CKA_LABEL, "inner"))
	case checkOf:
		return []byte{}
	}
	return []byte("another")
}

// mayChange is what the footnotes say of changing row i of o to another value: nil, or the code.
func (o *Object) mayChange(i int, how createdBy) error {
	row := &o.table.rows[i]
	r := row.rule
	switch {
	case r.has(internal), r.has(templateOnly):
		return ck.CKR_ATTRIBUTE_TYPE_INVALID
	case row.kind == checkOf:
		return nil
	case row.Type == ck.CKA_PUBLIC_KEY_INFO && r.has(modifiable):
		return ck.CKR_ATTRIBUTE_VALUE_INVALID // it has to be true
	case r.has(concealed):
	case row.kind == boolean && r.has(staysTrue):
		if o.bools>>i&1 == 0 {
			return nil
		}
	case row.kind == boolean && r.has(staysFalse):
		if o.bools>>i&1 == 1 {
			return nil
		}
	case r.has(modifiable):
		return nil
	case r.has(copyOnly) && how == byCopy:
		if i == rowPrivate {
			if o.bools>>i&1 == 1 {
				return ck.CKR_TEMPLATE_INCONSISTENT
			}
		}
		return nil
	}
	return ck.CKR_ATTRIBUTE_READ_ONLY
}

// TestFootnotes holds every footnote of every table against what creating, generating, unwrapping, deriving, copying and
// changing do.
func TestFootnotes(t *testing.T) {
	t.Parallel()
	tried := 0
	for _, table := range sorted() {
		o := sample(t, table)
		if o == nil {
			continue
		}
		name := fmt.Sprint(table.class, " ", table.subtype)
		for i := range table.rows {
			a := ck.Attribute{Type: table.rows[i].Type, Value: o.other(i)}
			for _, how := range []createdBy{byCopy, bySet} {
				made, err := o.attempt(how, a)
				want := o.mayChange(i, how)
				if ck.Code(err) != ck.Code(want) {
					t.Errorf("%s: origin %d of %v: %v, want %v", name, how, a.Type, err, want)
				}
				if err == nil {
					if !made.matches([]ck.Attribute{a}) {
						t.Errorf("%s: origin %d: %v is not as asked", name, how, a.Type)
					}
					made.release()
				}
				tried++
			}
			tried += origins(t, name, table, i, a)
		}
	}
	if tried < 5000 {
		t.Errorf("only %d attempts", tried)
	}
}

// attempt makes a copy of o with an attribute changed, or changes it.
func (o *Object) attempt(how createdBy, a ck.Attribute) (*Object, error) {
	if how == byCopy {
		return build(&request{how: byCopy, template: []ck.Attribute{a}, base: o})
	}
	return o.changed([]ck.Attribute{a}, false, false)
}

// origins tries a row that the footnotes forbid, or leave out one that they demand, in each way to make an object.
func origins(t *testing.T, name string, table *attributeTable, i int, a ck.Attribute) (tried int) {
	t.Helper()
	for how, rules := range map[createdBy][2]rule{byCreate: {mustCreate, notCreate}, byGenerate: {mustGenerate, notGenerate}, byUnwrap: {mustUnwrap, notUnwrap}, byDerive: {0, notUnwrap}} {
		if how != byCreate && table.class != ck.CKO_SECRET_KEY {
			continue
		}
		r := complete(t, table, how)
		row := &table.rows[i]
		switch {
		case row.rule.has(internal):
		case row.rule.has(rules[1]) && !row.rule.has(templateOnly):
			r.template = append(slices.DeleteFunc(r.template, func(b ck.Attribute) bool { return b.Type == a.Type }), a)
			_, err := build(r)
			want(t, fmt.Sprint(name, ": origin ", how, " with ", a.Type), err, ck.CKR_ATTRIBUTE_READ_ONLY)
			tried++
		case row.rule.has(rules[0]):
			r.template = slices.DeleteFunc(r.template, func(b ck.Attribute) bool { return b.Type == a.Type })
			if r.fixed != nil && row.kind == subtypeOf {
				continue // the mechanism says it
			}
			_, err := build(r)
			want(t, fmt.Sprint(name, ": origin ", how, " without ", a.Type), err, ck.CKR_TEMPLATE_INCOMPLETE)
			tried++
		}
	}
	return tried
}

// complete is a request that makes an object of a table.
func complete(t *testing.T, table *attributeTable, how createdBy) *request {
	t.Helper()
	named := rows(ck.CKA_CLASS, table.class)
	if name, ok := subtypeAttribute(table.class); ok {
		named = with(named, name, table.subtype)
	}
	switch {
	case table.class == ck.CKO_DOMAIN_PARAMETERS:
		values := pairValues(t, table)
		return creating(append(named, slices.DeleteFunc(values, func(a ck.Attribute) bool { return table.find(a.Type) < 0 })...))
	case table.isAsymmetric():
		return creating(append(named, pairValues(t, table)...))
	case table.class != ck.CKO_SECRET_KEY:
		for _, a := range table.rows {
			if (a.rule.has(mustCreate) || a.rule.has(toTrust)) && a.kind == octets {
				named = with(named, a.Type, "x")
			}
		}
		return creating(named)
	}
	value := valueFor(t, ck.KeyType(table.subtype))
	r := &request{how: how, template: named}
	switch how {
	case byCreate:
		r.template = with(named, ck.CKA_VALUE, value)
	case byGenerate:
		r.fixed = with(named, ck.CKA_VALUE, value)
		if table.rows[table.find(ck.CKA_VALUE_LEN)].rule.has(mustGenerate) {
			r.template = with(named, ck.CKA_VALUE_LEN, len(value))
		}
	case byUnwrap:
		r.fixed = rows(ck.CKA_VALUE, value)
	case byDerive:
		r.fixed = with(named, ck.CKA_VALUE, value)
	}
	return r
}

// valueFor is a value that a type of secret keys can have.
func valueFor(t *testing.T, kt ck.KeyType) []byte {
	t.Helper()
	for n := 1; n <= 64; n++ {
		if value := bytes.Repeat([]byte{0x5a}, n); mechanisms.ValidValue(kt, value) == nil {
			return value
		}
	}
	t.Fatalf("%v has no value", kt)
	return nil
}

// groups are the files with private keys of OpenSSL's.
var groups = map[ck.KeyType]string{ck.CKK_DSA: "dsa", ck.CKK_DH: "dh", ck.CKK_X9_42_DH: "x942"}

// oids are curves for key pairs, DER-encoded.
var oids = map[ck.KeyType]string{
	ck.CKK_EC: "\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07", ck.CKK_EC_EDWARDS: "\x06\x03\x2b\x65\x70", ck.CKK_EC_MONTGOMERY: "\x06\x03\x2b\x65\x6e",
}

// knownPairs are the results of pairValues by the table's name, because some key pairs take long to generate.
var knownPairs sync.Map

// pairValues are the attributes that an application gives a public or a private key, nil for a type that none can be had of.
func pairValues(t *testing.T, table *attributeTable) []ck.Attribute {
	t.Helper()
	name := objectType{table.class, table.subtype}
	known, ok := knownPairs.Load(name)
	if !ok {
		known, _ = knownPairs.LoadOrStore(name, makePairValues(t, table))
	}
	return slices.Clone(known.([]ck.Attribute))
}

func makePairValues(t *testing.T, table *attributeTable) []ck.Attribute {
	t.Helper()
	kt, public := ck.KeyType(table.subtype), table.class == ck.CKO_PUBLIC_KEY
	if kt == ck.CKK_RSA {
		if all := rsaValues(t); !public {
			return all
		}
		return rsaValues(t)[:2]
	}
	if name := groups[kt]; name != "" {
		der, err := os.ReadFile("../mechanisms/testdata/groups/" + name + ".der")
		must(t, err)
		attrs, err := mechanisms.UnmarshalPrivate(kt, der) // any number below the prime will do for a public key
		must(t, err)
		return slices.DeleteFunc(attrs, func(a ck.Attribute) bool { return a.Type == ck.CKA_VALUE_BITS })
	}
	params := rows(ck.CKA_PARAMETER_SET, 1)
	if oid := oids[kt]; oid != "" {
		params = rows(ck.CKA_EC_PARAMS, oid)
	}
	for _, m := range mechanisms.Types() {
		row := mechanisms.Lookup(m)
		if row.GeneratePair == nil || row.Makes != kt {
			continue
		}
		p := ck.NewParam(nil, nil)
		pub, priv, err := row.GeneratePair(rand.Reader, &p, params)
		must(t, err)
		if public {
			return append(params, pub...)
		}
		return priv
	}
	return nil
}
