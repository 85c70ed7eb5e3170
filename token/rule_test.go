package token

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"math/bits"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/mechanisms"
)

var update = flag.Bool("update", false, "write the golden files anew")

// allParts are the parts in the order of the standard.
var allParts = []tablePart{storageObject, dataObject, certificate, x509, wtls, attributeCertificate, trust, profile, hardwareFeature, clockObject, mechanismObject, keyObject, publicKey, privateKey, secretKey, variableKey, fixedKey, fixedKeyWithLength, otpKey, derivedSessionKey,
	rsaPublic, rsaPrivate, ecPublic, ecPrivate, dsaPublic, dsaPrivate, dhPublic, dhPrivate,
	domainParameters, dsaDomain, dhDomain, x942Domain, parameterPublic, seedPrivate, parameterPrivate, hssPublic}

// sorted returns the tables in the order of their classes and types.
func sorted() []*attributeTable {
	list := slices.Collect(maps.Values(tables))
	slices.SortFunc(list, func(a, b *attributeTable) int {
		if a.class != b.class {
			return int(a.class) - int(b.class)
		}
		return int(a.subtype) - int(b.subtype)
	})
	return list
}

// printed is all tables in the notation of the standard.
func printed() []byte {
	var b bytes.Buffer
	for _, p := range allParts {
		fmt.Fprintf(&b, "%s\n", p.name)
		for _, a := range p.rows {
			name := a.Type.String()
			if a.rule != 0 {
				name += " ^" + a.rule.String() + "^"
			}
			fmt.Fprintf(&b, "| %-56s | %s", name, a.kind)
			if a.kind == boolean || a.def != 0 {
				fmt.Fprintf(&b, ", default %#x", a.def)
			}
			b.WriteString(" |\n")
		}
		b.WriteByte('\n')
	}
	for _, t := range sorted() {
		switch t.class {
		case ck.CKO_CERTIFICATE:
			fmt.Fprintf(&b, "%v %v:", t.class, ck.CertificateType(t.subtype))
		case ck.CKO_HW_FEATURE:
			fmt.Fprintf(&b, "%v %v:", t.class, ck.HardwareFeature(t.subtype))
		default:
			if _, ok := subtypeAttribute(t.class); !ok {
				fmt.Fprintf(&b, "%v:", t.class)
				break
			}
			fmt.Fprintf(&b, "%v %v:", t.class, ck.KeyType(t.subtype))
		}
		for i, p := range t.parts {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(" " + p.name)
		}
		b.WriteByte('\n')
	}
	return b.Bytes()
}

// linesOfOne are the lines that only one of two texts has: - of the first, + of the second.
func linesOfOne(first, second string) string {
	var b strings.Builder
	one := func(sign, text, other string) {
		for line := range strings.Lines(text) {
			if !strings.Contains("\n"+other, "\n"+line) {
				b.WriteString(sign + line)
			}
		}
	}
	one("-", first, second)
	one("+", second, first)
	return b.String()
}

func TestAttributesGolden(t *testing.T) {
	const file = "testdata/attributes.golden"
	got := printed()
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("the tables are not those of %s (-update writes it anew):\n%s", file, linesOfOne(string(want), string(got)))
	}
}

func TestTables(t *testing.T) {
	common := map[int]ck.AttributeType{
		rowClass: ck.CKA_CLASS, rowUniqueID: ck.CKA_UNIQUE_ID, rowToken: ck.CKA_TOKEN, rowPrivate: ck.CKA_PRIVATE,
		rowModifiable: ck.CKA_MODIFIABLE, rowLabel: ck.CKA_LABEL, rowCopyable: ck.CKA_COPYABLE, rowDestroyable: ck.CKA_DESTROYABLE,
	}
	for name, table := range tables {
		if table.class != name.class || table.subtype != name.subtype {
			t.Errorf("%v stands under another name", name)
		}
		for i, want := range common {
			if table.rows[i].Type != want {
				t.Errorf("%v: row %d is %v, want %v", name, i, table.rows[i].Type, want)
			}
		}
		for i, a := range table.rows {
			if got := table.find(a.Type); got != i {
				t.Errorf("%v: %v is found in row %d, want %d", name, a.Type, got, i)
			}
		}
		for _, absent := range []ck.AttributeType{ck.CKA_COLOR, 0xFFFF, 0x80000000, ck.AttributeType(ck.UnavailableInformation)} {
			if table.find(absent) >= 0 {
				t.Errorf("%v has %v", name, absent)
			}
		}
		if class, ok := subtypeAttribute(name.class); ok && table.find(class) < 0 {
			t.Errorf("%v has no %v", name, class)
		}
		if table.class != ck.CKO_SECRET_KEY {
			continue
		}
		_, fixed := mechanisms.Size(ck.KeyType(table.subtype))
		fixed = fixed && !slices.Contains(fixedTypesWithLength, ck.KeyType(table.subtype))
		if got := table.rows[table.find(ck.CKA_VALUE_LEN)].rule.has(templateOnly); got != fixed {
			t.Errorf("%v: fixed length is %v, want %v", ck.KeyType(table.subtype), got, fixed)
		}
	}
}

// Rules that make no sense together, or for a kind, are found here and not by an index out of range.
func TestRules(t *testing.T) {
	for _, p := range allParts {
		for _, a := range p.rows {
			for _, r := range []rule{soOnly, staysTrue, copyOnly} {
				if a.rule.has(r) && a.kind != boolean {
					t.Errorf("%s: %v has rule %v and is no boolean", p.name, a.Type, r)
				}
			}
			for _, r := range []rule{concealed, optional} {
				if a.rule.has(r) && !a.kind.stored() {
					t.Errorf("%s: %v has rule %v and is not stored", p.name, a.Type, r)
				}
			}
			for _, pair := range [][2]rule{{mustCreate, notCreate}, {mustGenerate, notGenerate}, {mustUnwrap, notUnwrap}, {staysTrue, staysFalse}} {
				if a.rule.has(pair[0]) && a.rule.has(pair[1]) {
					t.Errorf("%s: %v has both of %v and %v", p.name, a.Type, pair[0], pair[1])
				}
			}
		}
	}
}

func TestRuleString(t *testing.T) {
	for r, want := range map[rule]string{
		0:                                      "",
		mustCreate | notGenerate:               "1,4",
		notCreate | mustGenerate:               "2,3",
		concealed | notUnwrap | mustCreate:     "1,6,7",
		modifiable | staysFalse | defaulted:    "8,9,12",
		soOnly | staysTrue | copyOnly:          "10,11,copying",
		mustUnwrap | internal | optional:       "5,optional,internal",
		valueOrURL | urlOrValue | templateOnly: "value or URL,URL or value,template only",
	} {
		if got := r.String(); got != want {
			t.Errorf("%#x: %q, want %q", uint32(r), got, want)
		}
	}
	if n := bits.Len32(uint32(internal)); n != 12+len(ruleNames) {
		t.Errorf("%d rules, %d names", n, 12+len(ruleNames))
	}
}
