package main

import (
	_ "embed"
	"fmt"
	"strconv"
	"strings"
)

//go:embed constants.txt
var constantsText string

//go:embed functions.txt
var functionsText string

//go:embed types.txt
var typesText string

// A constant is a name and its number.
type constant struct {
	name   string
	number uint64
	public bool // of an attribute: its values are no secret
}

// A section is the constants of one type.
type section struct {
	goType string // of package ck, or uint
	of     string // for flags, what they are flags of
	cType  string
	vendor bool
	rows   []constant
}

// An argument of a function, or a field of a structure, in C.
type argument struct {
	typ, name string
	note      string // of bytes that a function takes or gives: pin, secret or public; of a field, what types.txt says
}

// A function of Cryptoki.
type function struct {
	version    string // the first that has it
	name       string // with C_
	step       string // begins, continues, ends, or nothing
	operations string // the flags of what it begins, continues or ends
	args       []argument
}

// A cType is a type of cryptoki.h: a structure, or another name for a type.
type cType struct {
	name   string
	alias  string // the type that it names, or "" for a structure
	fields []argument
	vendor bool // it is not in cryptoki.h
}

// A table is all that the generator knows.
type table struct {
	sections   []section
	functions  []function
	types      []cType
	crypt      []function // of the CryptoAPI
	parameters []parameter
	vendor     bool // what is read now is softcsp's own
}

// load reads the texts.
func load() (*table, error) {
	t := &table{}
	for _, p := range []struct {
		name, text string
		row        func(string) error
	}{
		{"constants.txt", constantsText, t.constantRow()},
		{"functions.txt", functionsText, t.functionRow},
		{"types.txt", typesText, t.typeRow},
		{"crypt-functions.txt", cryptText, t.cryptRow},
		{"parameters.txt", parametersText, t.parameterRow},
	} {
		for i, line := range strings.Split(p.text, "\n") {
			if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") {
				continue
			}
			if err := p.row(line); err != nil {
				return nil, fmt.Errorf("%s:%d: %w", p.name, i+1, err)
			}
		}
	}
	return t, nil
}

func (t *table) constantRow() func(string) error {
	vendor := false
	return func(line string) error {
		line, comment, _ := strings.Cut(line, " # ")
		f := strings.Fields(line)
		switch {
		case f[0] == "vendor":
			vendor = true
		case f[0] == "type" && len(f) <= 3:
			s := section{goType: f[1], cType: comment, vendor: vendor}
			if len(f) == 3 {
				s.of = f[2]
			}
			t.sections = append(t.sections, s)
		case len(t.sections) > 0 && (len(f) == 2 || len(f) == 3 && f[2] == "public"):
			n, err := strconv.ParseUint(f[1], 0, 32)
			if err != nil {
				return err
			}
			s := &t.sections[len(t.sections)-1]
			s.rows = append(s.rows, constant{f[0], n, len(f) == 3})
		default:
			return fmt.Errorf("not a row: %s", line)
		}
		return nil
	}
}

func (t *table) functionRow(line string) error {
	f := append(strings.Fields(line), "", "")
	switch head := !strings.HasPrefix(line, " "); {
	case head && len(f) == 4:
		t.functions = append(t.functions, function{version: f[0], name: f[1]})
	case head && len(f) == 6:
		t.functions = append(t.functions, function{version: f[0], name: f[1], step: f[2], operations: f[3]})
	case !head && (len(f) == 4 || len(f) == 5) && len(t.functions) > 0:
		last := &t.functions[len(t.functions)-1]
		last.args = append(last.args, argument{f[0], f[1], f[2]})
	default:
		return fmt.Errorf("not a row: %s", line)
	}
	return nil
}

func (t *table) typeRow(line string) error {
	line, note, _ := strings.Cut(line, " : ")
	f := strings.Fields(line)
	switch {
	case strings.HasPrefix(line, " ") && len(f) >= 2 && len(t.types) > 0:
		last := &t.types[len(t.types)-1]
		last.fields = append(last.fields, argument{strings.Join(f[:len(f)-1], " "), f[len(f)-1], note})
	case f[0] == "type" && len(f) >= 3:
		t.types = append(t.types, cType{name: f[1], alias: strings.Join(f[2:], " "), vendor: t.vendor})
	case f[0] == "struct" && len(f) == 2:
		t.types = append(t.types, cType{name: f[1], vendor: t.vendor})
	case f[0] == "vendor" && len(f) == 1:
		t.vendor = true
	default:
		return fmt.Errorf("not a row: %s", line)
	}
	return nil
}
