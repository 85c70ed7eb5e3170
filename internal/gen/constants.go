package main

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// named are the types of package ck that have names: what a value is, and the prefix of its names.
var named = []struct{ goType, what, prefix string }{
	{"RV", "the return value", "CKR_"},
	{"ObjectClass", "the class", "CKO_"},
	{"KeyType", "the key type", "CKK_"},
	{"CertificateType", "the certificate type", "CKC_"},
	{"HardwareFeature", "the hardware feature", "CKH_"},
	{"ProfileID", "the profile", "CKP_"},
	{"UserType", "the kind of user", "CKU_"},
	{"State", "the session state", "CKS_"},
	{"AttributeType", "the attribute type", "CKA_"},
	{"MechanismType", "the mechanism", "CKM_"},
}

// parsable are those of them whose names a person types.
var parsable = []string{"ObjectClass", "KeyType", "AttributeType", "MechanismType"}

// withFlags are the structures whose flags have names.
var withFlags = []string{"slot", "token", "session", "mechanism"}

func writeConstants(t *table, b *bytes.Buffer) {
	b.WriteString(goHeader)
	b.WriteString("package ck\n")
	for _, s := range t.sections {
		switch {
		case s.vendor:
			fmt.Fprintf(b, "\n// Values of %s of softcsp's own.\n", s.cType)
		case s.of != "":
			fmt.Fprintf(b, "\n// Flags (%s): %s.\n", s.cType, s.of)
		default:
			fmt.Fprintf(b, "\n// Values of %s.\n", s.cType)
		}
		b.WriteString("const (\n")
		for _, c := range s.rows {
			fmt.Fprintf(b, "\t%s %s = %#x\n", c.name, s.goType, c.number)
		}
		b.WriteString(")\n")
	}
	for _, n := range named {
		writeNames(b, lowerFirst(n.goType)+"Names", n.prefix, t.rows(n.goType, ""))
		fmt.Fprintf(b, "\n// String returns the name of %s.\nfunc (v %s) String() string { return %sNames.name(uint(v)) }\n",
			n.what, n.goType, lowerFirst(n.goType))
		if slices.Contains(parsable, n.goType) {
			fmt.Fprintf(b, "\n// Parse%[1]s finds %[2]s by its name, with or without %[3]s and in any case.\n"+
				"func Parse%[1]s(name string) (%[1]s, bool) {\n\tn, ok := %[4]sNames.number(name)\n\treturn %[1]s(n), ok\n}\n",
				n.goType, n.what, n.prefix, lowerFirst(n.goType))
		}
	}
	writePublic(t, b)
	for _, of := range withFlags {
		writeNames(b, of+"FlagNames", "CKF_", t.rows("Flags", of))
		fmt.Fprintf(b, "\n// %[2]sFlagNames returns the names of the flags of a %[1]s that are set.\n"+
			"func %[2]sFlagNames(f Flags) []string { return %[1]sFlagNames.flags(uint(f)) }\n", of, strings.ToUpper(of[:1])+of[1:])
	}
}

// writePublic writes which attributes have values that are no secret, in order.
func writePublic(t *table, b *bytes.Buffer) {
	b.WriteString("\n// publicAttributes are the attributes whose values may be shown, in order.\nvar publicAttributes = [...]AttributeType{\n")
	last := uint64(0)
	for i, c := range t.rows("AttributeType", "") {
		if c.public && (i == 0 || c.number != last) {
			fmt.Fprintf(b, "%s,\n", c.name)
			last = c.number
		}
	}
	b.WriteString("}\n")
}

// rows are all constants of a type, by number; those that share one in the order of the table.
func (t *table) rows(goType, of string) []constant {
	var rows []constant
	for _, s := range t.sections {
		if s.goType == goType && s.of == of {
			rows = append(rows, s.rows...)
		}
	}
	slices.SortStableFunc(rows, func(a, b constant) int { return cmp.Compare(a.number, b.number) })
	return rows
}

// writeNames writes a names value: it holds no pointer but two, so that loading the library relocates next to nothing.
func writeNames(b *bytes.Buffer, name, prefix string, rows []constant) {
	var text strings.Builder
	fmt.Fprintf(b, "\nvar %s = names{prefix: %q, rows: []nameRow{\n", name, prefix)
	for _, c := range rows {
		text.WriteString(strings.TrimPrefix(c.name, prefix))
		fmt.Fprintf(b, "{%#x, %d},\n", c.number, text.Len())
	}
	b.WriteString("}, text: \"\"")
	for s := text.String(); s != ""; {
		n := min(len(s), 100)
		fmt.Fprintf(b, " +\n\t%q", s[:n])
		s = s[n:]
	}
	b.WriteString("}\n")
}

func lowerFirst(s string) string {
	if s == "RV" {
		return "rv"
	}
	return strings.ToLower(s[:1]) + s[1:]
}
