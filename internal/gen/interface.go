package main

import (
	"bytes"
	"fmt"
	"strings"
)

// signaturesByHand are the methods whose C arguments do not say what they mean, without their C_.
var signaturesByHand = map[string]string{
	"Initialize":        "(initArgs InitArgs) error",
	"Finalize":          "() error",
	"GetSlotList":       "(tokenPresent bool) ([]SlotID, error)",
	"GetMechanismList":  "(slot SlotID) ([]MechanismType, error)",
	"WaitForSlotEvent":  "(flags Flags) (SlotID, error)",
	"InitToken":         "(slot SlotID, pin []byte, label []byte) error",
	"OpenSession":       "(slot SlotID, flags Flags) (SessionHandle, error)",
	"GetAttributeValue": "(session SessionHandle, object ObjectHandle, template []AttributeBuffer) error",
	"FindObjects":       "(session SessionHandle, object []ObjectHandle) (int, error)",
	"GenerateRandom":    "(session SessionHandle, randomData []byte) error",
	"DeriveKey": "(session SessionHandle, mechanism *Mechanism, baseKey ObjectHandle, template []Attribute, " +
		"key *ObjectHandle) error",
	"AsyncComplete": "(session SessionHandle, functionName string, result *AsyncData) error",
}

// notes are what a method's comment says beyond the name of its function.
var notes = map[string]string{
	"InitToken":         "The label is 32 bytes, padded with blanks. A nil pin is a NULL pointer.",
	"InitPIN":           "A nil pin is a NULL pointer.",
	"SetPIN":            "A nil pin is a NULL pointer.",
	"Login":             "A nil pin is a NULL pointer.",
	"LoginUser":         "A nil pin is a NULL pointer.",
	"OpenSession":       "There are no notifications, so the callback does not travel.",
	"WaitForSlotEvent":  "With CKF_DONT_BLOCK it does not wait.",
	"GetAttributeValue": "It answers row by row, in each row's N; the first trouble is the error.",
	"FindObjects":       "It fills object and returns how many there were.",
	"DeriveKey": "On entry key holds what the caller's *phKey holds: with CRYPT_UPDATE_KEY it\n" +
		"// names the key to derive into. key is never nil.",
	"SignMessageNext": "A nil signature says that more of the message follows.",
	"AsyncJoin":       "The memory of data is where the function's output goes.",
}

// answeredInC are the functions that the C side answers alone.
var answeredInC = map[string]bool{"C_GetFunctionList": true, "C_GetInterfaceList": true, "C_GetInterface": true}

// values are the C types that are passed by value, and their Go types in package ck.
var values = map[string]string{
	"CK_SESSION_HANDLE": "SessionHandle", "CK_OBJECT_HANDLE": "ObjectHandle", "CK_SLOT_ID": "SlotID",
	"CK_FLAGS": "Flags", "CK_USER_TYPE": "UserType", "CK_MECHANISM_TYPE": "MechanismType", "CK_ULONG": "uint",
	"CK_SESSION_VALIDATION_FLAGS_TYPE": "uint",
}

// results are the C types of pointers to results.
var results = map[string]string{
	"CK_OBJECT_HANDLE_PTR": "ObjectHandle", "CK_ULONG_PTR": "uint", "CK_FLAGS_PTR": "Flags", "CK_INFO_PTR": "Info",
	"CK_SLOT_INFO_PTR": "SlotInfo", "CK_TOKEN_INFO_PTR": "TokenInfo", "CK_SESSION_INFO_PTR": "SessionInfo",
	"CK_MECHANISM_INFO_PTR": "MechanismInfo",
}

// A kind says how an argument travels.
type kind int

const (
	byValue kind = iota
	inBytes
	outBuffer
	inTemplate
	inMechanism
	inParameter // the parameter of a message, which is read and written
	inText
	result
)

// A param is one Go parameter or result, made of one or two C arguments.
type param struct {
	kind   kind
	name   string
	goType string // as written in package ck
	c      []argument
}

// params reads a function's arguments as Go parameters and results.
func params(f function) ([]param, error) {
	var ps []param
	for i := 0; i < len(f.args); i++ {
		a, next := f.args[i], ""
		if i+1 < len(f.args) {
			next = f.args[i+1].typ
		}
		p, two, err := paramOf(a, next)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.name, err)
		}
		p.name = goName(a.name)
		p.c = f.args[i : i+1]
		if two {
			p.c = f.args[i : i+2]
			i++
		}
		ps = append(ps, p)
	}
	return ps, nil
}

// paramOf reads one argument, and says whether the one after it belongs to it.
func paramOf(a argument, next string) (param, bool, error) {
	bytes := a.typ == "CK_BYTE_PTR" || a.typ == "CK_UTF8CHAR_PTR"
	switch {
	case a.name == "pFunctionName": // a C string, whatever follows it
		return param{kind: inText, goType: "string"}, false, nil
	case values[a.typ] != "":
		return param{kind: byValue, goType: values[a.typ]}, false, nil
	case bytes && next == "CK_ULONG":
		return param{kind: inBytes, goType: "[]byte"}, true, nil
	case bytes && next == "CK_ULONG_PTR":
		return param{kind: outBuffer, goType: "*Buffer"}, true, nil
	case a.typ == "CK_VOID_PTR" && next == "CK_ULONG":
		return param{kind: inParameter, goType: "*Param"}, true, nil
	case a.typ == "CK_ATTRIBUTE_PTR" && next == "CK_ULONG":
		return param{kind: inTemplate, goType: "[]Attribute"}, true, nil
	case a.typ == "CK_MECHANISM_PTR":
		return param{kind: inMechanism, goType: "*Mechanism"}, false, nil
	case results[a.typ] != "":
		return param{kind: result, goType: results[a.typ]}, false, nil
	}
	return param{}, false, fmt.Errorf("%s %s: no rule for it", a.typ, a.name)
}

// goName is the name of a C argument without its prefix.
func goName(name string) string {
	for _, prefix := range []string{"pul", "ph", "ul", "p", "h"} {
		rest, ok := strings.CutPrefix(name, prefix)
		if ok && rest != "" && strings.ToLower(rest[:1]) != rest[:1] {
			name = rest
			break
		}
	}
	switch name {
	case "slotID":
		return "slot"
	case "type":
		return "typ"
	case "ID":
		return "id"
	}
	return strings.ToLower(name[:1]) + name[1:]
}

// signature is the Go signature of a function, as written in package ck.
func signature(f function) (string, error) {
	if s := signaturesByHand[strings.TrimPrefix(f.name, "C_")]; s != "" {
		return s, nil
	}
	ps, err := params(f)
	if err != nil {
		return "", err
	}
	var in, out []string
	for _, p := range ps {
		if p.kind == result {
			out = append(out, p.name+" "+p.goType)
		} else {
			in = append(in, p.name+" "+p.goType)
		}
	}
	args := "(" + strings.Join(in, ", ") + ") "
	switch len(out) {
	case 0:
		return args + "error", nil
	case 1:
		return args + "(" + strings.Fields(out[0])[1] + ", error)", nil
	}
	return args + "(" + strings.Join(out, ", ") + ", err error)", nil
}

func writeInterface(t *table, b *bytes.Buffer) {
	b.WriteString(goHeader + "package ck\n\n")
	b.WriteString("// Cryptoki is the functions of PKCS#11 3.2, one method each, less the three that hand out lists of functions.\n" +
		"// Slices and buffers are views of the caller's memory and are valid during the call only. A *Mechanism is nil for\n" +
		"// a NULL pointer. A *Param is never nil; what it points to may be written.\n")
	b.WriteString("type Cryptoki interface {\n")
	each(t, func(name, sig string) {
		fmt.Fprintf(b, "\t// %s is C_%s.", name, name)
		if n := notes[name]; n != "" {
			b.WriteString(" " + n)
		}
		fmt.Fprintf(b, "\n\t%s%s\n", name, sig)
	})
	b.WriteString("}\n\n")
	b.WriteString("// Unsupported is a Cryptoki that has no function: each answers CKR_FUNCTION_NOT_SUPPORTED, or, where functions once\n" +
		"// ran in parallel, CKR_FUNCTION_NOT_PARALLEL. A module embeds it and has what it overrides.\n")
	b.WriteString("type Unsupported struct{}\n\nvar _ Cryptoki = Unsupported{}\n")
	each(t, func(name, sig string) {
		rv := "CKR_FUNCTION_NOT_SUPPORTED"
		if name == "GetFunctionStatus" || name == "CancelFunction" {
			rv = "CKR_FUNCTION_NOT_PARALLEL"
		}
		fmt.Fprintf(b, "\n// %s answers %s.\nfunc (Unsupported) %s%s { return %s%s }\n", name, rv, name, sig, zeros(sig), rv)
	})
}

// each calls f with the name and the signature of every method.
func each(t *table, f func(name, signature string)) {
	for _, fn := range t.functions {
		if answeredInC[fn.name] {
			continue
		}
		sig, err := signature(fn)
		if err != nil {
			panic(err) // the table is ours: a test loads it
		}
		f(strings.TrimPrefix(fn.name, "C_"), sig)
	}
}

// zeros are the zero values that stand before the error in a return statement.
func zeros(sig string) string {
	_, out, ok := strings.Cut(sig, ") (")
	if !ok {
		return ""
	}
	var z strings.Builder
	for _, r := range strings.Split(strings.TrimSuffix(out, ")"), ", ") {
		f := strings.Fields(r)
		switch typ := f[len(f)-1]; {
		case typ == "error":
		case strings.HasSuffix(typ, "Info"):
			z.WriteString(typ + "{}, ")
		case strings.HasPrefix(typ, "[]"):
			z.WriteString("nil, ")
		default:
			z.WriteString("0, ")
		}
	}
	return z.String()
}
