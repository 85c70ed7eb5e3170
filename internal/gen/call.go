package main

import (
	"bytes"
	"fmt"
	"strings"
)

// callFields says where in a ck.Call a value of a Go type stands. indexed fields are arrays: a function can have several.
var callFields = map[string]struct {
	field   string
	indexed bool
}{
	"SlotID": {"Slot", false}, "SessionHandle": {"Session", false}, "Flags": {"Flags", false}, "UserType": {"User", false},
	"MechanismType": {"Type", false}, "uint": {"Number", false}, "int": {"Number", false}, "bool": {"TokenPresent", false},
	"string": {"Name", false}, "ObjectHandle": {"Objects", true}, "*ObjectHandle": {"Target", false},
	"*Mechanism": {"Mechanism", false}, "*Param": {"Parameter", false}, "[]Attribute": {"Templates", true},
	"[]AttributeBuffer": {"Asked", false}, "[]byte": {"Data", true}, "*Buffer": {"Output", false},
	"*AsyncData": {"Async", false}, "InitArgs": {"InitArgs", false}, "[]ObjectHandle": {"Found", false},
	"[]SlotID": {"Slots", false}, "[]MechanismType": {"Mechanisms", false}, "Info": {"Info", false}, "SlotInfo": {"SlotInfo", false},
	"TokenInfo": {"TokenInfo", false}, "SessionInfo": {"SessionInfo", false}, "MechanismInfo": {"MechanismInfo", false},
}

// contents are what the table says of bytes, as package ck does; public is what is said of none.
var contents = map[string]string{"secret": "Secret", "pin": "PIN"}

// A value is an argument or a result of a method.
type value struct {
	name   string // of the Go parameter, "" for a result
	goType string
	c      argument // the C argument that it is or begins with
	index  int      // in an indexed field
	result bool
}

// field is where the value stands in the Call c.
func (v value) field() string {
	f := callFields[v.goType]
	if f.indexed {
		return fmt.Sprintf("c.%s[%d]", f.field, v.index)
	}
	return "c." + f.field
}

// filled are the arguments that are room for an answer.
var filled = map[string]bool{"*Buffer": true, "[]AttributeBuffer": true, "*AsyncData": true, "[]ObjectHandle": true}

// valuesOf reads the arguments and the results of a method from its signature.
func valuesOf(f function) ([]value, error) {
	sig, err := signature(f)
	if err != nil {
		return nil, err
	}
	in, out, _ := strings.Cut(strings.TrimPrefix(sig, "("), ") ")
	var all []value
	taken := map[string]bool{}
	counts := map[string]int{}
	add := func(v value) error {
		if callFields[v.goType].field == "" {
			return fmt.Errorf("%s: %s has no place in a call", f.name, v.goType)
		}
		v.index = counts[callFields[v.goType].field]
		counts[callFields[v.goType].field]++
		taken[v.c.name] = true
		all = append(all, v)
		return nil
	}
	for _, p := range strings.Split(in, ", ") {
		name, goType, _ := strings.Cut(p, " ")
		if name == "" {
			continue
		}
		c := argumentOf(f, name)
		room := filled[goType] || f.name == "C_GenerateRandom" && goType == "[]byte" || f.name == "C_AsyncJoin" && goType == "[]byte"
		if err := add(value{name, goType, c, 0, room}); err != nil {
			return nil, err
		}
	}
	for _, r := range strings.Split(strings.Trim(out, "()"), ", ") {
		words := strings.Fields(r)
		if goType := words[len(words)-1]; goType != "error" {
			if err := add(value{"", goType, resultArgument(f, taken), 0, true}); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

// argumentOf is the C argument that a Go parameter is made of.
func argumentOf(f function, name string) argument {
	for _, a := range f.args {
		if goName(a.name) == name {
			return a
		}
	}
	return argument{name: name}
}

// resultArgument is the next pointer to a result that has not been taken.
func resultArgument(f function, taken map[string]bool) argument {
	for _, a := range f.args {
		pointer := strings.HasSuffix(a.typ, "_PTR") && (results[a.typ] != "" || a.typ == "CK_SLOT_ID_PTR" ||
			a.typ == "CK_MECHANISM_TYPE_PTR" || a.typ == "CK_SESSION_HANDLE_PTR")
		length := a.typ == "CK_ULONG_PTR" && lengthOf(f, a)
		if pointer && !length && !taken[a.name] {
			return a
		}
	}
	return argument{}
}

// lengthOf says whether an argument is the length of the output before it.
func lengthOf(f function, a argument) bool {
	for i := range f.args[1:] {
		if f.args[i+1] == a {
			return strings.HasPrefix(f.args[i].typ, "CK_BYTE")
		}
	}
	return false
}

const callTop = `package ck

// A Function is a function of Cryptoki, by its place in the function lists.
type Function uint8

// The functions of Cryptoki.
const (
`

// writeCalls writes the functions as values, and what turns calls into values and values into calls.
func writeCalls(t *table, b *bytes.Buffer) {
	b.WriteString(goHeader + callTop)
	for i, f := range t.functions {
		fmt.Fprintf(b, "\t%s", f.name)
		if i == 0 {
			b.WriteString(" Function = iota")
		}
		b.WriteString("\n")
	}
	b.WriteString(")\n\nvar functionRows = [...]functionRow{\n")
	for _, f := range t.functions {
		writeFunctionRow(b, f)
	}
	b.WriteString("}\n")
	for _, f := range t.functions {
		if !answeredInC[f.name] {
			writeInterception(b, f)
		}
	}
}

// mustValues is valuesOf for the table that a test has loaded.
func mustValues(f function) []value {
	all, err := valuesOf(f)
	if err != nil {
		panic(err)
	}
	return all
}

// writeFunctionRow writes what is known of a function, and how a Call of it is made.
func writeFunctionRow(b *bytes.Buffer, f function) {
	fmt.Fprintf(b, "\t%s: {name: %q, ", f.name, f.name)
	if f.step != "" {
		fmt.Fprintf(b, "step: %s, operations: %s, ", strings.ToUpper(f.step[:1])+f.step[1:], f.operations)
	}
	if answeredInC[f.name] {
		b.WriteString("},\n")
		return
	}
	all := mustValues(f)
	b.WriteString("arguments: []Argument{\n")
	var args, results []string
	for _, v := range all {
		fmt.Fprintf(b, "{Name: %q, Field: Field%s", v.c.name, callFields[v.goType].field)
		if v.index > 0 {
			fmt.Fprintf(b, ", Index: %d", v.index)
		}
		if v.result {
			b.WriteString(", Result: true")
		}
		if content := contents[v.c.note]; content != "" {
			fmt.Fprintf(b, ", Content: %s", content)
		}
		b.WriteString("},\n")
		if v.name == "" {
			results = append(results, resultPlace(v))
		} else {
			args = append(args, argumentValue(v))
		}
	}
	call := fmt.Sprintf("m.%s(%s)", strings.TrimPrefix(f.name, "C_"), strings.Join(args, ", "))
	b.WriteString("}, do: func(c *Call, m Cryptoki) ")
	switch {
	case len(results) == 0:
		fmt.Fprintf(b, "error { return %s }},\n", call)
	case f.name == "C_FindObjects":
		fmt.Fprintf(b, "error {\nn, err := %s\nc.Number = uint(n)\nreturn err\n}},\n", call)
	default:
		fmt.Fprintf(b, "(err error) {\n%s, err = %s\nreturn err\n}},\n", strings.Join(results, ", "), call)
	}
}

// byPointer are the structures that a Call has pointers to.
func byPointer(goType string) bool {
	return strings.HasSuffix(goType, "Info") || goType == "InitArgs"
}

func resultPlace(v value) string {
	if byPointer(v.goType) {
		return "*" + v.field()
	}
	return v.field()
}

func argumentValue(v value) string { return resultPlace(v) }

// writeInterception writes the method that makes a Call of a call.
func writeInterception(b *bytes.Buffer, f function) {
	method := strings.TrimPrefix(f.name, "C_")
	sig, _ := signature(f)
	fields := []string{"Function: " + f.name}
	groups := map[string][]string{}
	var order, results []string
	for _, v := range mustValues(f) {
		place := callFields[v.goType]
		given := v.name
		switch {
		case v.name == "" && byPointer(v.goType):
			given = "new(" + v.goType + ")"
		case v.name == "":
		case byPointer(v.goType):
			given = "&" + v.name
		}
		if v.name == "" {
			results = append(results, resultPlace(v))
			if v.goType == "int" {
				results[len(results)-1] = "int(" + v.field() + ")"
			}
		}
		switch {
		case given == "":
		case place.indexed:
			if groups[place.field] == nil {
				order = append(order, place.field)
			}
			groups[place.field] = append(groups[place.field], given)
		default:
			fields = append(fields, place.field+": "+given)
		}
	}
	for _, field := range order {
		goType := map[string]string{"Objects": "ObjectHandle", "Templates": "[]Attribute", "Data": "[]byte"}[field]
		fields = append(fields, fmt.Sprintf("%s: [2]%s{%s}", field, goType, strings.Join(groups[field], ", ")))
	}
	fmt.Fprintf(b, "\nfunc (i *interceptor) %s%s {\n", method, sig)
	literal := "Call{" + strings.Join(fields, ", ") + "}"
	if len(results) == 0 {
		fmt.Fprintf(b, "\treturn i.run(&%s)\n}\n", literal)
		return
	}
	assign := ":="
	if strings.Contains(sig, "err error") {
		assign = "="
	}
	fmt.Fprintf(b, "\tc := %s\n\terr %s i.run(&c)\n\treturn %s, err\n}\n", literal, assign, strings.Join(results, ", "))
}
