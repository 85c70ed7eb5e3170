package calllog

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/layers"
)

// reason says why a call was refused: what the error says beyond its code, or what the table of parameters says of a parameter.
func reason(call *ck.Call, operation layers.Operation, err error) []slog.Attr {
	text, fields := err.Error(), ""
	if text == ck.Code(err).String() {
		text = ""
	}
	if ck.Code(err) == ck.CKR_MECHANISM_PARAM_INVALID {
		var wrong string
		wrong, fields = parameter(call, operation)
		var field ck.FieldError
		switch {
		case text == "" || wrong != "": // a row that cannot read its fields does not know which of them is wrong
			text = wrong
		case errors.As(err, &field):
			text = string(field) + " in the parameter"
		}
	}
	var line []slog.Attr
	if text != "" {
		line = append(line, slog.String("error", text))
	}
	if fields != "" {
		line = append(line, slog.String("parameter", fields))
	}
	return line
}

// parameter says what is wrong with the parameter of a call as far as the table can tell, and shows the numbers in it. It reads the
// caller's memory a second time, and another thread may have unmapped that by now.
func parameter(call *ck.Call, operation layers.Operation) (wrong, fields string) {
	p, mechanism := call.Parameter, operation.Mechanism
	if call.Mechanism != nil {
		p, mechanism = &call.Mechanism.Param, call.Mechanism.Type
	}
	if p == nil {
		return "", ""
	}
	forms, _, _ := ck.ParameterOf(mechanism, call.Function)
	if len(forms) == 0 {
		return "", ""
	}
	form := forms[0]
	var names []string
	for _, f := range forms {
		names = append(names, f.Name)
		if uint(p.Len()) == f.Size {
			form = f
		}
	}
	if p.Len() == 0 {
		return "there is no parameter, and the mechanism takes " + strings.Join(names, " or "), ""
	}
	fields, err := numbers(form, p)
	switch {
	case err == nil:
		return "a value in " + form.Name, form.Name + fields
	case fields == "":
		return strings.TrimPrefix(err.Error(), ck.CKR_MECHANISM_PARAM_INVALID.String()+": "), ""
	}
	return strings.TrimPrefix(err.Error(), ck.CKR_MECHANISM_PARAM_INVALID.String()+": "), form.Name + fields
}

var errFault = errors.New("the parameter lies in memory that cannot be read")

// numbers shows the numbers and mechanisms in a parameter: never bytes that a pointer leads to, and not how long a password is. The error
// says which pointer is NULL that must not be.
func numbers(form *ck.Structure, p *ck.Param) (fields string, err error) {
	const most = 1024
	var b strings.Builder
	defer func() {
		if recover() != nil {
			fields, err = b.String(), errFault
		}
	}()
	err = form.Walk(p, func(p *ck.Place) {
		switch {
		case b.Len() > most || p.Structure.Name == "CK_ATTRIBUTE" && p.Field.Name != "type":
		case p.Field.Mechanism:
			fmt.Fprintf(&b, " %s=%v", p.Path, ck.MechanismType(p.Number()))
		case p.Field.Number && !p.Structure.MeasuresPIN(p.Field):
			fmt.Fprintf(&b, " %s=%d", p.Path, p.Number())
		}
	})
	return b.String(), err
}
