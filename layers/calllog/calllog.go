// Package calllog is the layer that writes calls to the log: with the level debug each call, with what it was given and how long it took;
// with info those that were refused, and why.
//
// Nothing that the table of functions calls secret is in a line: of data there is the length, of a PIN not even that, and of the
// parameter of a mechanism its numbers, where it was refused for them. What stands in an error's text is the business of who made the error:
// it names fields, lengths and mechanisms, never a value (TestNothingSecretOfTheToken looks). The label of a private object is not there either.
package calllog

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/layers"
)

// A logger writes calls to a log.
type logger struct {
	below    ck.Cryptoki // is asked for labels
	log      *slog.Logger
	sessions layers.Sessions
}

// New returns the layer. below is asked for the labels of objects.
func New(below ck.Cryptoki, log *slog.Logger) ck.Layer {
	l := &logger{below: below, log: log}
	return l.call
}

// A Logged is an error that the log has already.
type Logged struct{ err error }

func (l Logged) Error() string { return l.err.Error() }

// Unwrap returns the error itself.
func (l Logged) Unwrap() error { return l.err }

// call makes a call, and writes it.
func (l *logger) call(call *ck.Call, next func() error) error {
	var line []slog.Attr
	debug := l.log.Enabled(context.Background(), slog.LevelDebug)
	if debug {
		line = l.given(call)
	}
	operation, known := l.sessions.Operation(call)
	err := next()
	l.sessions.Made(call)
	refused := err != nil && ck.Code(err) != ck.CKR_BUFFER_TOO_SMALL
	level := slog.LevelDebug
	if refused {
		level = slog.LevelInfo
	}
	if !l.log.Enabled(context.Background(), level) {
		return err
	}
	if !debug {
		line = l.given(call)
	}
	if known {
		line = append(line, slog.String("mechanism", operation.Mechanism.String()))
		if operation.Key != ck.InvalidHandle {
			line = append(line, l.object("key", call.Session, operation.Key))
		}
	}
	all := outcome(err)
	if refused {
		all = append(all, reason(call, operation, err)...)
	} else if err == nil {
		line = append(line, l.answered(call)...)
	}
	if debug && !call.Ended.IsZero() {
		line = append(line, slog.Duration("took", call.Ended.Sub(call.Began)))
	}
	l.log.LogAttrs(context.Background(), level, call.Function.String(), append(all, line...)...)
	if err == nil {
		return nil
	}
	return Logged{err}
}

// outcome is the return value of a call that did not succeed.
func outcome(err error) []slog.Attr {
	if err == nil {
		return nil
	}
	return []slog.Attr{slog.String("rv", ck.Code(err).String())}
}

// given is what a call is given, but for what is secret.
func (l *logger) given(call *ck.Call) (line []slog.Attr) {
	for _, a := range call.Function.Arguments() {
		if !a.Result {
			line = append(line, l.argument(call, a)...)
		}
	}
	return line
}

// argument is what is shown of an argument.
func (l *logger) argument(call *ck.Call, a ck.Argument) []slog.Attr {
	one := func(attr slog.Attr) []slog.Attr { return []slog.Attr{attr} }
	switch a.Field {
	case ck.FieldSlot:
		return one(slog.Uint64("slot", uint64(call.Slot)))
	case ck.FieldSession:
		line := one(slog.Uint64("session", uint64(call.Session)))
		if slot, ok := l.sessions.Slot(call.Session); ok {
			line = append(line, slog.Uint64("slot", uint64(slot)))
		}
		return line
	case ck.FieldObjects:
		return one(l.object(a.Name, call.Session, call.Objects[a.Index]))
	case ck.FieldFlags:
		return one(slog.Uint64(a.Name, uint64(call.Flags)))
	case ck.FieldUser:
		return one(slog.String(a.Name, call.User.String()))
	case ck.FieldType:
		return one(slog.String("mechanism", call.Type.String()))
	case ck.FieldNumber:
		return one(slog.Uint64(a.Name, uint64(call.Number)))
	case ck.FieldName:
		return one(slog.String(a.Name, functionName(call.Name)))
	case ck.FieldMechanism:
		if call.Mechanism != nil {
			return one(slog.String("mechanism", call.Mechanism.Type.String()))
		}
	case ck.FieldTemplates:
		return one(slog.String(a.Name, attributes(call.Templates[a.Index])))
	case ck.FieldData:
		return bytesArgument(a, call.Data[a.Index])
	}
	return nil
}

// functionName is a text of the caller's, if it names a function.
func functionName(name string) string {
	if _, ok := ck.ParseFunction(name); ok {
		return name
	}
	return "unknown"
}

// bytesArgument is what is shown of bytes: public ones as they are, of a PIN nothing, of others the length.
func bytesArgument(a ck.Argument, b []byte) []slog.Attr {
	switch {
	case a.Content == ck.PIN:
		return nil
	case a.Content == ck.Public && len(b) <= 64:
		return []slog.Attr{slog.String(a.Name, strings.TrimRight(string(b), " "))}
	}
	return []slog.Attr{slog.Int(a.Name, len(b))}
}

// attributes are the types of a template's attributes, and the values of those that are truth values or numbers and no secret.
func attributes(t []ck.Attribute) string {
	const most = 32
	var b strings.Builder
	for i, a := range t {
		if i == most {
			b.WriteString("...")
			break
		}
		b.WriteString(a.Type.String())
		if n, err := ck.Ulong(a.Value); ck.ContentOf(a.Type) == ck.Public && err == nil {
			fmt.Fprintf(&b, "=%d", n)
		} else if yes, err := ck.Bool(a.Value); ck.ContentOf(a.Type) == ck.Public && err == nil {
			fmt.Fprintf(&b, "=%t", yes)
		}
		b.WriteByte(' ')
	}
	return strings.TrimSuffix(b.String(), " ")
}

// answered is what a call that succeeded has answered.
func (l *logger) answered(call *ck.Call) (line []slog.Attr) {
	for _, a := range call.Function.Arguments() {
		if !a.Result {
			continue
		}
		switch a.Field {
		case ck.FieldSession:
			line = append(line, slog.Uint64("session", uint64(call.Session)))
		case ck.FieldSlot:
			line = append(line, slog.Uint64("slot", uint64(call.Slot)))
		case ck.FieldObjects:
			line = append(line, l.object(a.Name, call.Session, call.Objects[a.Index]))
		case ck.FieldOutput:
			if call.Output != nil {
				line = append(line, slog.Uint64(a.Name, uint64(call.Output.N)))
			}
		case ck.FieldNumber:
			line = append(line, slog.Uint64(a.Name, uint64(call.Number)))
		case ck.FieldFlags:
			line = append(line, slog.Uint64(a.Name, uint64(call.Flags)))
		case ck.FieldData:
			line = append(line, slog.Int(a.Name, len(call.Data[a.Index])))
		case ck.FieldSlots:
			line = append(line, slog.Int(a.Name, len(call.Slots)))
		case ck.FieldMechanisms:
			line = append(line, slog.Int(a.Name, len(call.Mechanisms)))
		}
	}
	return line
}

// object is an object: its label where everybody may know it, its handle otherwise.
func (l *logger) object(name string, session ck.SessionHandle, h ck.ObjectHandle) slog.Attr {
	var private [1]byte
	var label [64]byte
	rows := []ck.AttributeBuffer{{Type: ck.CKA_PRIVATE, Buffer: ck.Into(private[:])}, {Type: ck.CKA_LABEL, Buffer: ck.Into(label[:])}}
	if h == ck.InvalidHandle || l.below.GetAttributeValue(session, h, rows) != nil ||
		rows[0].N != 1 || private[0] != 0 || rows[1].N == 0 || rows[1].N > uint(len(label)) {
		return slog.Uint64(name, uint64(h))
	}
	return slog.String(name, string(label[:rows[1].N]))
}
