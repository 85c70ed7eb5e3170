package main

import (
	"bytes"
	"cmp"
	_ "embed"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

//go:embed parameters.txt
var parametersText string

// A parameter is what some mechanisms take as their parameter.
type parameter struct {
	form       string // a structure, a type of numbers, CK_BYTE[16], or none
	optional   bool
	use        string // message, wrap, derive, or nothing
	mechanisms []string
}

// parameterRow reads a row of parameters.txt.
func (t *table) parameterRow(line string) error {
	f := strings.Fields(line)
	if strings.HasPrefix(line, " ") {
		if len(t.parameters) == 0 {
			return fmt.Errorf("mechanisms before the first parameter: %s", line)
		}
		last := &t.parameters[len(t.parameters)-1]
		last.mechanisms = append(last.mechanisms, f...)
		return nil
	}
	p := parameter{form: f[0]}
	for _, word := range f[1:] {
		switch word {
		case "optional":
			p.optional = true
		case "message", "wrap", "derive":
			p.use = word
		default:
			return fmt.Errorf("not a row: %s", line)
		}
	}
	t.parameters = append(t.parameters, p)
	return nil
}

// A structField is a field of a structure, laid out.
type structField struct {
	name         string
	cType        string // without _PTR and without [n]
	offset, size int
	pointer      bool
	note         string
}

// A layout is a structure as C lays it out where a CK_ULONG and a pointer have 8 bytes.
type layout struct {
	name        string
	size, align int
	fields      []structField
}

const wordSize = 8

var array = regexp.MustCompile(`^(\w+)\[(\d+)\]$`)

// layOut lays out a structure.
func (t *table) layOut(name string) (*layout, error) {
	i := slices.IndexFunc(t.types, func(ty cType) bool { return ty.name == name && ty.alias == "" })
	if i < 0 {
		return nil, fmt.Errorf("there is no structure %s", name)
	}
	l := &layout{name: name, align: 1}
	for _, a := range t.types[i].fields {
		f := structField{name: a.name, cType: a.typ, note: a.note}
		count := 1
		if m := array.FindStringSubmatch(a.name); m != nil {
			f.name = m[1]
			count, _ = strconv.Atoi(m[2])
		}
		size, align, err := t.sizeOf(a.typ)
		if err != nil {
			return nil, fmt.Errorf("%s.%s: %w", name, a.name, err)
		}
		if rest, ok := strings.CutSuffix(a.typ, "_PTR"); ok {
			f.cType, f.pointer = rest, true
		}
		f.offset = (l.size + align - 1) / align * align
		f.size = count * size
		l.size, l.align = f.offset+f.size, max(l.align, align)
		l.fields = append(l.fields, f)
	}
	l.size = (l.size + l.align - 1) / l.align * l.align
	return l, nil
}

// sizeOf is the size and the alignment of a type.
func (t *table) sizeOf(typ string) (size, align int, err error) {
	switch {
	case strings.HasSuffix(typ, "_PTR"), typ == "unsigned long int":
		return wordSize, wordSize, nil
	case typ == "unsigned char":
		return 1, 1, nil
	}
	for _, ty := range t.types {
		switch {
		case ty.name != typ:
		case ty.alias != "":
			return t.sizeOf(ty.alias)
		default:
			l, err := t.layOut(typ)
			if err != nil {
				return 0, 0, err
			}
			return l.size, l.align, nil
		}
	}
	return 0, 0, fmt.Errorf("there is no type %s", typ)
}

// isStruct says whether a type is a structure.
func (t *table) isStruct(typ string) bool {
	return slices.ContainsFunc(t.types, func(ty cType) bool { return ty.name == typ && ty.alias == "" })
}

// forms are the structures that parameters are, or lead to; what is led to stands before what leads to it.
func (t *table) forms() (all []*layout, err error) {
	seen := map[string]bool{}
	var add func(name string) error
	add = func(name string) error {
		if seen[name] {
			return nil
		}
		seen[name] = true
		l, err := t.layOut(name)
		if err != nil {
			return err
		}
		for _, f := range l.fields {
			if t.isStruct(f.cType) {
				if err := add(f.cType); err != nil {
					return err
				}
			}
		}
		all = append(all, l)
		return nil
	}
	for _, ty := range t.types {
		if t.isParameter(ty) {
			if err := add(ty.name); err != nil {
				return nil, err
			}
		}
	}
	for _, p := range t.parameters {
		switch {
		case p.form == "none" || seen[p.form]:
		case t.isStruct(p.form):
			err = add(p.form)
		default:
			seen[p.form] = true
			var l *layout
			l, err = t.plain(p.form)
			all = append(all, l)
		}
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// isParameter says whether a structure is a mechanism's parameter, of softcsp's mechanisms or of others.
func (t *table) isParameter(ty cType) bool {
	return ty.alias == "" && (strings.Contains(ty.name, "_PARAM") || strings.HasSuffix(ty.name, "_CONTEXT") || ty.name == "CK_KEY_DERIVATION_STRING_DATA")
}

// plain is a parameter that is bytes or a number.
func (t *table) plain(form string) (*layout, error) {
	if bytes, ok := strings.CutPrefix(form, "CK_BYTE["); ok {
		n, _ := strconv.Atoi(strings.TrimSuffix(bytes, "]")) // none: any length
		return &layout{name: form, size: n, fields: []structField{{name: "bytes", cType: "CK_BYTE", size: n}}}, nil
	}
	size, _, err := t.sizeOf(form)
	return &layout{name: form, size: size, fields: []structField{{name: "value", cType: form, size: size}}}, err
}

// goVariable is the variable of a structure in package ck.
func goVariable(form string) string {
	name := "struct"
	for _, word := range strings.FieldsFunc(strings.TrimPrefix(form, "CK_"), func(r rune) bool { return strings.ContainsRune("_[]", r) }) {
		name += word[:1] + strings.ToLower(word[1:])
	}
	return name
}

// writeParameters writes the structures, and which mechanism takes which.
func writeParameters(t *table, b *bytes.Buffer) {
	forms, err := t.forms()
	if err != nil {
		panic(err) // the table is ours: a test loads it
	}
	b.WriteString(goHeader + "package ck\n")
	var names []string
	for _, l := range forms {
		if slices.ContainsFunc(t.parameters, func(p parameter) bool { return p.form == l.name }) {
			names = append(names, goVariable(l.name))
		}
		t.writeStructure(b, l)
	}
	fmt.Fprintf(b, "\n// parameterForms are the structures that parameterRows speak of.\nvar parameterForms = [...]*Structure{\n\t&%s,\n}\n", strings.Join(names, ",\n\t&"))
	type row struct {
		number uint64
		text   string
	}
	var rows []row
	for _, p := range t.parameters {
		form := slices.Index(names, goVariable(p.form))
		for _, m := range p.mechanisms {
			text := fmt.Sprintf("\t{%s, %d, %s, %v},\n", m, form, cmp.Or(p.use, "any")+"Use", p.optional)
			rows = append(rows, row{t.number(m), text})
		}
	}
	slices.SortStableFunc(rows, func(a, b row) int { return cmp.Compare(a.number, b.number) })
	b.WriteString("\n// parameterRows are the mechanisms, in order, and the structures that they take.\nvar parameterRows = [...]parameterRow{\n")
	for _, r := range rows {
		b.WriteString(r.text)
	}
	b.WriteString("}\n")
}

// number is the number of a constant.
func (t *table) number(name string) uint64 {
	for _, s := range t.sections {
		for _, c := range s.rows {
			if c.name == name {
				return c.number
			}
		}
	}
	panic("there is no " + name)
}

func (t *table) writeStructure(b *bytes.Buffer, l *layout) {
	fmt.Fprintf(b, "\nvar %s = Structure{Name: %q, Size: %d, Fields: []Field{\n", goVariable(l.name), strings.TrimSuffix(l.name, "_2_30"), l.size)
	for _, f := range l.fields {
		fmt.Fprintf(b, "\t{Name: %q, Offset: %d, Size: %d", f.name, f.offset, f.size)
		switch {
		case t.isStruct(f.cType):
			fmt.Fprintf(b, ", Inner: &%s", goVariable(f.cType))
		case !f.pointer && f.cType == "CK_MECHANISM_TYPE", f.cType == "CK_SP800_108_PRF_TYPE":
			b.WriteString(", Number: true, Mechanism: true")
		case !f.pointer && (f.size == wordSize && f.cType != "CK_BYTE" || f.size == 1):
			b.WriteString(", Number: true")
		}
		if f.pointer {
			size, _, err := t.sizeOf(f.cType)
			if err != nil || t.isStruct(f.cType) { // void, or a structure
				size = 1
			}
			fmt.Fprintf(b, ", Pointer: true, unit: %d", size)
		}
		if err := writeNote(b, l, f); err != nil {
			panic(fmt.Errorf("%s.%s: %w", l.name, f.name, err))
		}
		b.WriteString("},\n")
	}
	b.WriteString("}}\n")
}

// writeNote writes what types.txt says of a field.
func writeNote(b *bytes.Buffer, l *layout, f structField) error {
	words := strings.Fields(f.note)
	if f.pointer {
		if len(words) == 0 {
			return fmt.Errorf("nothing says what it points to")
		}
		if err := writeLength(b, l, words[0]); err != nil {
			return err
		}
		words = words[1:]
	}
	for len(words) > 0 {
		switch word := words[0]; word {
		case "out":
			b.WriteString(", Written: true")
		case "inout":
			b.WriteString(", Written: true, Read: true")
		case "secret", "pin":
			fmt.Fprintf(b, ", Content: %s", contents[word])
		case "null":
			b.WriteString(", null: true")
		case "bits", "bits-or-bytes", "or-pointer":
			fmt.Fprintf(b, ", in: %s", map[string]string{"bits": "inBits", "bits-or-bytes": "inBitsOrBytes", "or-pointer": "inBytesOrPointer"}[word])
		case "if":
			name, value, _ := strings.Cut(words[1], "=")
			fmt.Fprintf(b, ", onlyIf: %q, equals: uint(%s)", name, value)
			words = words[1:]
		default:
			return fmt.Errorf("%s means nothing", word)
		}
		words = words[1:]
	}
	return nil
}

// writeLength writes how long is what a pointer leads to.
func writeLength(b *bytes.Buffer, l *layout, word string) error {
	if n, err := strconv.Atoi(word); err == nil {
		fmt.Fprintf(b, ", length: %d", n)
		return nil
	}
	if word == "text" || word == "unknown" {
		b.WriteString(", Unknown: true")
		return nil
	}
	name := strings.TrimLeft(word, "*^")
	here := slices.ContainsFunc(l.fields, func(f structField) bool { return f.name == name })
	if !here && !strings.HasPrefix(word, "^") {
		return fmt.Errorf("there is no field %s", name)
	}
	fmt.Fprintf(b, ", lengthField: %q", name)
	if from := map[byte]string{'*': "atPointer", '^': "inParent"}[word[0]]; from != "" {
		fmt.Fprintf(b, ", from: %s", from)
	}
	return nil
}
