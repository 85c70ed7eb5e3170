package ck_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/softcsp/softcsp/ck"
)

// everything fills each field of a Call that a function's arguments name: with its own values for results, where answer says so.
func everything(f ck.Function, answer bool) *ck.Call {
	c := &ck.Call{Function: f}
	n := uint(f) + 1
	if answer {
		n += 1000
	}
	for _, a := range f.Arguments() {
		if !a.Result || answer {
			set(c, a, n)
		} else {
			room(c, a)
		}
		n += 7
	}
	return c
}

// room gives a call the place that a result needs.
func room(c *ck.Call, a ck.Argument) {
	switch a.Field {
	case ck.FieldAsked:
		c.Asked = make([]ck.AttributeBuffer, 1)
	case ck.FieldFound:
		c.Found = make([]ck.ObjectHandle, 2)
	case ck.FieldOutput:
		c.Output = new(ck.Buffer)
	case ck.FieldAsync:
		c.Async = new(ck.AsyncData)
	case ck.FieldData:
		c.Data[a.Index] = make([]byte, 1)
	case ck.FieldInfo:
		c.Info = new(ck.Info)
	case ck.FieldSlotInfo:
		c.SlotInfo = new(ck.SlotInfo)
	case ck.FieldTokenInfo:
		c.TokenInfo = new(ck.TokenInfo)
	case ck.FieldSessionInfo:
		c.SessionInfo = new(ck.SessionInfo)
	case ck.FieldMechanismInfo:
		c.MechanismInfo = new(ck.MechanismInfo)
	}
}

// set gives a call an argument, or the answer that goes into the room of a result.
func set(c *ck.Call, a ck.Argument, n uint) {
	switch a.Field {
	case ck.FieldSlot:
		c.Slot = ck.SlotID(n)
	case ck.FieldSession:
		c.Session = ck.SessionHandle(n)
	case ck.FieldFlags:
		c.Flags = ck.Flags(n)
	case ck.FieldUser:
		c.User = ck.UserType(n)
	case ck.FieldType:
		c.Type = ck.MechanismType(n)
	case ck.FieldNumber:
		c.Number = n
	case ck.FieldTokenPresent:
		c.TokenPresent = true
	case ck.FieldName:
		c.Name = "C_Sign"
	case ck.FieldObjects:
		c.Objects[a.Index] = ck.ObjectHandle(n)
	case ck.FieldTarget:
		h := ck.ObjectHandle(n)
		c.Target = &h
	case ck.FieldMechanism:
		c.Mechanism = &ck.Mechanism{Type: ck.MechanismType(n)}
	case ck.FieldParameter:
		p := ck.NewParam(ck.UlongValue(n), nil)
		c.Parameter = &p
	case ck.FieldTemplates:
		c.Templates[a.Index] = []ck.Attribute{{Type: ck.AttributeType(n)}}
	case ck.FieldData:
		c.Data[a.Index] = []byte{byte(n)}
	case ck.FieldInitArgs:
		c.InitArgs = &ck.InitArgs{Flags: ck.Flags(n)}
	case ck.FieldSlots:
		c.Slots = []ck.SlotID{ck.SlotID(n)}
	case ck.FieldMechanisms:
		c.Mechanisms = []ck.MechanismType{ck.MechanismType(n)}
	default:
		setResult(c, a, n)
	}
}

func setResult(c *ck.Call, a ck.Argument, n uint) {
	switch a.Field {
	case ck.FieldAsked:
		c.Asked = []ck.AttributeBuffer{{Type: ck.AttributeType(n)}}
	case ck.FieldFound:
		c.Found = []ck.ObjectHandle{ck.ObjectHandle(n), 1}
	case ck.FieldOutput:
		c.Output = &ck.Buffer{N: n}
	case ck.FieldAsync:
		c.Async = &ck.AsyncData{N: n}
	case ck.FieldInfo:
		c.Info = &ck.Info{Flags: ck.Flags(n)}
	case ck.FieldSlotInfo:
		c.SlotInfo = &ck.SlotInfo{Flags: ck.Flags(n)}
	case ck.FieldTokenInfo:
		c.TokenInfo = &ck.TokenInfo{Flags: ck.Flags(n)}
	case ck.FieldSessionInfo:
		c.SessionInfo = &ck.SessionInfo{Flags: ck.Flags(n)}
	case ck.FieldMechanismInfo:
		c.MechanismInfo = &ck.MechanismInfo{Flags: ck.Flags(n)}
	default:
		panic(fmt.Sprintf("%v: no value for kind %d", c.Function, a.Field))
	}
}

// take puts the answers of one call into the room of another.
func take(to, from *ck.Call) {
	for _, a := range to.Function.Arguments() {
		if !a.Result {
			continue
		}
		switch a.Field {
		case ck.FieldAsked:
			copy(to.Asked, from.Asked)
		case ck.FieldFound:
			copy(to.Found, from.Found)
		case ck.FieldOutput:
			*to.Output = *from.Output
		case ck.FieldAsync:
			*to.Async = *from.Async
		case ck.FieldData:
			copy(to.Data[a.Index], from.Data[a.Index])
		case ck.FieldInfo:
			*to.Info = *from.Info
		case ck.FieldSlotInfo:
			*to.SlotInfo = *from.SlotInfo
		case ck.FieldTokenInfo:
			*to.TokenInfo = *from.TokenInfo
		case ck.FieldSessionInfo:
			*to.SessionInfo = *from.SessionInfo
		case ck.FieldMechanismInfo:
			*to.MechanismInfo = *from.MechanismInfo
		default:
			takeValue(to, from, a)
		}
	}
}

func takeValue(to, from *ck.Call, a ck.Argument) {
	switch a.Field {
	case ck.FieldObjects:
		to.Objects[a.Index] = from.Objects[a.Index]
	case ck.FieldSlot:
		to.Slot = from.Slot
	case ck.FieldSession:
		to.Session = from.Session
	case ck.FieldFlags:
		to.Flags = from.Flags
	case ck.FieldNumber:
		to.Number = from.Number
	case ck.FieldSlots:
		to.Slots = from.Slots
	case ck.FieldMechanisms:
		to.Mechanisms = from.Mechanisms
	default:
		panic(fmt.Sprintf("%v: nothing to take for kind %d", to.Function, a.Field))
	}
}

// TestCalls makes a call of each function out of a Call, and a Call of that: it has the same arguments, and its answers come back.
func TestCalls(t *testing.T) {
	if n := len(ck.Functions()); n != 101 {
		t.Errorf("%d functions", n)
	}
	odd := errors.New("odd")
	for _, f := range ck.Functions() {
		var inner *ck.Call
		lower := ck.Intercept(nil, func(c *ck.Call, _ func() error) error {
			seen := *c
			inner = &seen
			take(c, everything(f, true))
			return odd
		})
		outer, want := everything(f, false), everything(f, false)
		if err := outer.Do(lower); err != odd || outer.Err != odd {
			t.Errorf("%v: %v", f, err)
		}
		if inner == nil || inner.Function != f || inner.Began.IsZero() {
			t.Fatalf("%v became %+v", f, inner)
		}
		inner.Began, outer.Err = time.Time{}, nil
		for _, a := range f.Arguments() { // room that was filled has been compared by its address before
			if a.Result {
				room(inner, a)
			}
		}
		if !reflect.DeepEqual(inner, want) {
			t.Errorf("%v: the arguments %s became %s", f, plain(want), plain(inner))
		}
		take(want, everything(f, true))
		if !reflect.DeepEqual(outer, want) {
			t.Errorf("%v: the answers %s became %s", f, plain(want), plain(outer))
		}
	}
}

// plain shows what a Call does not.
func plain(c *ck.Call) string {
	type bare ck.Call
	return fmt.Sprintf("%+v", *(*bare)(c))
}

func TestFunctionNames(t *testing.T) {
	for _, f := range ck.Functions() {
		if g, ok := ck.ParseFunction(f.String()); !ok || g != f || !strings.HasPrefix(f.String(), "C_") {
			t.Errorf("%v is %v", f, g)
		}
	}
	if _, ok := ck.ParseFunction("C_Sing"); ok || ck.Function(200).String() != "C_200" {
		t.Error("there are functions that there are not")
	}
	if err := (&ck.Call{Function: ck.C_GetFunctionList}).Do(ck.Unsupported{}); err != ck.CKR_FUNCTION_NOT_SUPPORTED {
		t.Error(err)
	}
}

// TestOperations sees that what begins an operation ends it too.
func TestOperations(t *testing.T) {
	began, ended := ck.Flags(0), ck.Flags(0)
	for _, f := range ck.Functions() {
		switch step, flags := f.Operation(); step {
		case ck.Begins:
			began |= flags
		case ck.Ends:
			ended |= flags
		case ck.Continues:
			if flags == 0 {
				t.Errorf("%v continues nothing", f)
			}
		}
	}
	if began != ended || began == 0 {
		t.Errorf("%#x begin, %#x end", began, ended)
	}
}

// TestCallIsNotShown prints calls in all ways that a log has.
func TestCallIsNotShown(t *testing.T) {
	c := ck.Call{Function: ck.C_Login, Data: [2][]byte{[]byte("hidden")}}
	var b strings.Builder
	slog.New(slog.NewTextHandler(&b, nil)).Info("x", "call", c, "at", &c)
	slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "call", c, "at", &c)
	j, err := json.Marshal([]any{c, &c})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&b, "%v %+v %#v %s %v %s", c, c, c, c, &c, j)
	if text := b.String(); strings.Contains(text, "hidden") || strings.Contains(text, "104 105 100") || strings.Count(text, "C_Login") < 11 {
		t.Error(text)
	}
}
