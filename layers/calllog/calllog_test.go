package calllog_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/layers/calllog"
	"github.com/softcsp/softcsp/token"
)

// marker is what must not be in the log, and markedLen how often it stands where the length must not be there either.
var marker = []byte("s3cr3t-m@rker")

const markedLen = 271

// leaks says in which form the log has the marker.
func leaks(text string) string {
	for skip := range 3 {
		if strings.Contains(text, base64.StdEncoding.EncodeToString(marker[skip:])[:12]) {
			return "in base64"
		}
	}
	for form, s := range map[string]string{"as it is": string(marker), "in hexadecimal": hex.EncodeToString(marker)} {
		if strings.Contains(strings.ToLower(text), s) {
			return form
		}
	}
	var decimal strings.Builder
	for _, b := range marker[:6] {
		decimal.WriteString(" " + string('0'+b/100) + string('0'+b/10%10) + string('0'+b%10))
	}
	if strings.Contains(text, decimal.String()) {
		return "as numbers"
	}
	return ""
}

// A fake is a Cryptoki all of whose functions answer the same, with the marker in what they answer.
func fake(answer error) ck.Cryptoki {
	return ck.Intercept(nil, func(call *ck.Call, _ func() error) error {
		if call.Output != nil {
			call.Output.N = uint(copy(call.Output.Data, bytes.Repeat(marker, 20)))
		}
		for i := range call.Asked {
			row := &call.Asked[i]
			if row.Type == ck.CKA_PRIVATE {
				row.Data[0], row.N = 1, 1
			} else {
				row.N = uint(copy(row.Data, marker))
			}
		}
		for i := range call.Slots {
			call.Slots[i] = 1
		}
		if call.Info != nil {
			call.Info.ManufacturerID = string(marker)
		}
		if call.TokenInfo != nil {
			call.TokenInfo.SerialNumber = string(marker)
		}
		return answer
	})
}

// marked makes a call whose bytes are all the marker.
func marked(f ck.Function, m ck.MechanismType, p ck.Param) *ck.Call {
	c := &ck.Call{Function: f}
	long := bytes.Repeat(marker, 20)
	for _, a := range f.Arguments() {
		switch a.Field {
		case ck.FieldData:
			switch c.Data[a.Index] = long; a.Content {
			case ck.PIN:
				c.Data[a.Index] = bytes.Repeat(marker, markedLen)
			case ck.Public:
				c.Data[a.Index] = []byte("public")
			}
		case ck.FieldOutput:
			out := ck.Into(make([]byte, 300))
			c.Output = &out
		case ck.FieldTemplates:
			c.Templates[a.Index] = []ck.Attribute{{Type: ck.CKA_LABEL, Value: marker}, {Type: ck.CKA_VALUE, Value: long}}
		case ck.FieldAsked:
			c.Asked = []ck.AttributeBuffer{{Type: ck.CKA_VALUE, Buffer: ck.Into(make([]byte, 300))}}
		case ck.FieldMechanism:
			c.Mechanism = &ck.Mechanism{Type: m, Param: p}
		case ck.FieldParameter:
			c.Parameter = &p
		case ck.FieldName:
			c.Name = string(marker)
		case ck.FieldObjects:
			c.Objects[a.Index] = 7
		case ck.FieldTarget:
			c.Target = new(ck.ObjectHandle)
		case ck.FieldFound:
			c.Found = make([]ck.ObjectHandle, 3)
		case ck.FieldAsync:
			c.Async = &ck.AsyncData{Value: long}
		case ck.FieldInitArgs:
			c.InitArgs = &ck.InitArgs{Reserved: string(marker)}
		}
	}
	results(c)
	return c
}

// results gives a call room for what it answers.
func results(c *ck.Call) {
	c.Info, c.SlotInfo, c.TokenInfo = new(ck.Info), new(ck.SlotInfo), new(ck.TokenInfo)
	c.SessionInfo, c.MechanismInfo = new(ck.SessionInfo), new(ck.MechanismInfo)
}

// filledParam is a structure whose pointers lead to the marker, over and over, and whose numbers are small or, with odd, make no sense.
func filledParam(s *ck.Structure, odd uint) ck.Param {
	n := s.Size
	if n == 0 {
		n = 20
	}
	data := bytes.Repeat(marker, int(n)/len(marker)+1)[:n]
	for i := range s.Fields {
		switch f := &s.Fields[i]; {
		case s.MeasuresPIN(f):
			copy(data[f.Offset:], ck.UlongValue(markedLen))
		case f.Pointer:
			copy(data[f.Offset:], ck.UlongValue(1<<32+uint(i)))
		case f.Number && f.Size == 8:
			copy(data[f.Offset:], ck.UlongValue(8+odd))
		}
	}
	return ck.NewParam(data, func(addr uint64, n uint) []byte {
		if n > 1<<20 {
			return nil
		}
		return bytes.Repeat(marker, int(n)/len(marker)+1)[:n]
	})
}

// TestNothingSecret makes a call of each function, with each mechanism that has a parameter, in which all that is secret is the
// marker, and looks for that in the log.
func TestNothingSecret(t *testing.T) {
	var log bytes.Buffer
	logger := timeless(&log, slog.LevelDebug)
	lines := 0
	for _, answer := range []error{nil, ck.CKR_MECHANISM_PARAM_INVALID, ck.CKR_PIN_INCORRECT, ck.CKR_BUFFER_TOO_SMALL} {
		below := fake(answer)
		logged := ck.Intercept(below, calllog.New(below, logger))
		for _, f := range ck.Functions() {
			for _, m := range mechanismsOf(f) {
				forms, _, _ := ck.ParameterOf(m, f)
				calls := []*ck.Call{marked(f, m, ck.NewParam(marker, nil))}
				for _, form := range forms {
					calls = append(calls, marked(f, m, filledParam(form, 0)), marked(f, m, filledParam(form, 1<<50)))
				}
				for _, c := range calls {
					log.Reset()
					if err := c.Do(logged); ck.Code(err) != ck.Code(answer) {
						t.Fatalf("%v answers %v", f, err)
					}
					text := log.String()
					lines += strings.Count(text, "\n")
					if how := leaks(text); how != "" || strings.Contains(text, "271") || strings.Contains(text, "3523") || strings.Count(text, "\n") != 1 {
						t.Fatalf("%v with %v: the marker is there %s: %s", f, m, how, text)
					}
				}
			}
		}
	}
	if lines < 10000 {
		t.Errorf("%d lines", lines)
	}
}

// mechanismsOf are the mechanisms to try a function with.
func mechanismsOf(f ck.Function) []ck.MechanismType {
	for _, a := range f.Arguments() {
		if a.Field == ck.FieldMechanism {
			return ck.MatchMechanisms("CKM_*")
		}
	}
	return []ck.MechanismType{ck.CKM_SHA_1}
}

// timeless is a log whose lines have no times.
func timeless(to io.Writer, level slog.Level) *slog.Logger {
	return slog.New(slog.NewTextHandler(to, &slog.HandlerOptions{Level: level, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == "took" {
			return slog.Attr{}
		}
		return a
	}}))
}

// line is what a call writes to a log of a level.
func line(t *testing.T, level slog.Level, below ck.Cryptoki, calls ...*ck.Call) string {
	t.Helper()
	var log bytes.Buffer
	logger := timeless(&log, level)
	logged := ck.Intercept(below, calllog.New(below, logger))
	for _, c := range calls {
		log.Reset()
		results(c)
		_ = c.Do(logged)
	}
	return strings.TrimSpace(log.String())
}

// labelled has one public and one private object, and refuses what begins with no parameter.
func labelled() ck.Cryptoki {
	return ck.Intercept(nil, func(call *ck.Call, _ func() error) error {
		switch call.Function {
		case ck.C_OpenSession:
			call.Session = 3
		case ck.C_GetAttributeValue:
			call.Asked[0].Data[0], call.Asked[0].N = byte(call.Objects[0]%2), 1
			call.Asked[1].N = uint(copy(call.Asked[1].Data, "label"))
		case ck.C_Sign:
			call.Output.N = 32
		case ck.C_EncryptInit, ck.C_EncryptMessage:
			return ck.CKR_MECHANISM_PARAM_INVALID
		case ck.C_Decrypt:
			return &ck.DeviceError{RV: ck.CKR_FUNCTION_FAILED, Name: "NTE_FAIL"}
		}
		return nil
	})
}

func TestLines(t *testing.T) {
	open := &ck.Call{Function: ck.C_OpenSession, Slot: 1, Flags: 6}
	hmac := func(key ck.ObjectHandle) *ck.Call {
		return &ck.Call{Function: ck.C_SignInit, Session: 3, Mechanism: &ck.Mechanism{Type: ck.CKM_SHA256_HMAC}, Objects: [2]ck.ObjectHandle{key}}
	}
	out := ck.Into(make([]byte, 40))
	sign := &ck.Call{Function: ck.C_Sign, Session: 3, Data: [2][]byte{make([]byte, 5)}, Output: &out}
	gcm := func(b []byte) *ck.Call {
		p := ck.NewParam(b, func(uint64, uint) []byte { return make([]byte, 12) })
		return &ck.Call{Function: ck.C_EncryptInit, Session: 3, Mechanism: &ck.Mechanism{Type: ck.CKM_AES_GCM, Param: p}, Objects: [2]ck.ObjectHandle{4}}
	}
	structure := func(fields ...uint) (b []byte) {
		for _, f := range fields {
			b = ck.AppendUlong(b, f)
		}
		return b
	}
	message := &ck.Call{Function: ck.C_MessageEncryptInit, Session: 3, Mechanism: &ck.Mechanism{Type: ck.CKM_AES_GCM}, Objects: [2]ck.ObjectHandle{4}}
	short := ck.NewParam(make([]byte, 8), nil)
	one := &ck.Call{Function: ck.C_EncryptMessage, Session: 3, Parameter: &short, Output: &out}
	for _, c := range []struct {
		level slog.Level
		calls []*ck.Call
		want  string
	}{
		{slog.LevelDebug, []*ck.Call{open}, "level=DEBUG msg=C_OpenSession slot=1 flags=6 session=3"},
		{slog.LevelDebug, []*ck.Call{open, hmac(4)}, "level=DEBUG msg=C_SignInit session=3 slot=1 mechanism=CKM_SHA256_HMAC hKey=label"},
		{slog.LevelDebug, []*ck.Call{open, hmac(5)}, "level=DEBUG msg=C_SignInit session=3 slot=1 mechanism=CKM_SHA256_HMAC hKey=5"},
		{slog.LevelDebug, []*ck.Call{open, hmac(4), sign}, "level=DEBUG msg=C_Sign session=3 slot=1 pData=5 mechanism=CKM_SHA256_HMAC key=label pSignature=32"},
		{slog.LevelDebug, []*ck.Call{open, hmac(4), sign, sign}, "level=DEBUG msg=C_Sign session=3 slot=1 pData=5 pSignature=32"},
		{slog.LevelDebug, []*ck.Call{{Function: ck.C_Login, Session: 3, User: ck.CKU_USER, Data: [2][]byte{[]byte("1234")}}}, "level=DEBUG msg=C_Login session=3 userType=CKU_USER"},
		{slog.LevelDebug, []*ck.Call{{Function: ck.C_FindObjectsInit, Session: 3, Templates: [2][]ck.Attribute{{
			{Type: ck.CKA_CLASS, Value: ck.UlongValue(4)}, {Type: ck.CKA_TOKEN, Value: []byte{1}}, {Type: ck.CKA_VALUE, Value: ck.UlongValue(4)}, {Type: ck.CKA_ID, Value: []byte{1}}}}}},
			`level=DEBUG msg=C_FindObjectsInit session=3 pTemplate="CKA_CLASS=4 CKA_TOKEN=true CKA_VALUE CKA_ID"`},
		{slog.LevelInfo, []*ck.Call{open, hmac(4)}, ""},
	} {
		if got := line(t, c.level, labelled(), c.calls...); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
	for want, calls := range map[string][]*ck.Call{
		`error="CK_GCM_PARAMS is 48 bytes, got 39" session=3 slot=1 mechanism=CKM_AES_GCM hKey=label`: {open, gcm(make([]byte, 39))},
		`error="there is no parameter, and the mechanism takes CK_GCM_PARAMS`:                         {open, gcm(nil)},
		`error="pIv is NULL, and ulIvLen is 12"`:                                                      {open, gcm(structure(0, 12, 96, 0, 0, 128))},
		`error="a value in CK_GCM_PARAMS" parameter="CK_GCM_PARAMS ulIvLen=12 ulIvBits=96 ulAADLen=0 ulTagBits=7" session=3`: {
			open, gcm(structure(1<<20, 12, 96, 0, 0, 7))},
		`error="CK_GCM_MESSAGE_PARAMS is 48 bytes, got 8"`: {open, message, one},
		`level=INFO msg=C_Decrypt rv=CKR_FUNCTION_FAILED error=NTE_FAIL session=3 slot=1`: {
			open, {Function: ck.C_Decrypt, Session: 3, Output: &out}},
	} {
		if got := line(t, slog.LevelInfo, labelled(), calls...); !strings.Contains(got, want) {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// TestNothingSecretOfTheToken drives a token whose PINs, keys, passwords and data are the marker.
func TestNothingSecretOfTheToken(t *testing.T) {
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	module := token.New()
	m := ck.Intercept(module, calllog.New(module, logger))
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(m.Initialize(ck.InitArgs{Reserved: "store='memory' kdf='test'"}))
	defer module.Finalize()
	slots, err := m.GetSlotList(false)
	must(err)
	must(m.InitToken(slots[0], marker, []byte("marked                          ")))
	s, err := m.OpenSession(slots[0], ck.CKF_SERIAL_SESSION|ck.CKF_RW_SESSION)
	must(err)
	must(m.Login(s, ck.CKU_SO, marker))
	must(m.InitPIN(s, marker))
	must(m.Logout(s))
	must(m.Login(s, ck.CKU_USER, marker))
	long := bytes.Repeat(marker, 4)[:32]
	secret := []ck.Attribute{{Type: ck.CKA_CLASS, Value: ck.UlongValue(uint(ck.CKO_SECRET_KEY))}, {Type: ck.CKA_KEY_TYPE, Value: ck.UlongValue(uint(ck.CKK_AES))},
		{Type: ck.CKA_VALUE, Value: long}, {Type: ck.CKA_LABEL, Value: marker}, {Type: ck.CKA_ENCRYPT, Value: []byte{1}}, {Type: ck.CKA_PRIVATE, Value: []byte{1}}}
	key, err := m.CreateObject(s, secret)
	must(err)
	must(m.EncryptInit(s, &ck.Mechanism{Type: ck.CKM_AES_CBC, Param: ck.NewParam(long[:16], nil)}, key))
	out := ck.Into(make([]byte, 64))
	must(m.Encrypt(s, long, &out))
	must(m.DigestInit(s, &ck.Mechanism{Type: ck.CKM_SHA256}))
	must(m.DigestUpdate(s, marker))
	must(m.DigestFinal(s, &out))
	_ = m.Login(s, ck.CKU_CONTEXT_SPECIFIC, marker)
	_ = m.SetPIN(s, long, long)
	for _, f := range ck.Functions() {
		if f != ck.C_Initialize && f != ck.C_Finalize && f != ck.C_WaitForSlotEvent && f != ck.C_InitToken {
			for _, mechanism := range mechanismsOf(f) {
				forms, _, _ := ck.ParameterOf(mechanism, f)
				for _, form := range forms {
					c := marked(f, mechanism, filledParam(form, 0))
					c.Session = s
					_ = c.Do(m)
				}
			}
		}
	}
	text := log.String()
	if how := leaks(text); how != "" || strings.Count(text, "\n") < 1000 || !strings.Contains(text, "msg=C_InitToken") {
		t.Errorf("the marker is there %s, in %d lines", how, strings.Count(text, "\n"))
	}
}
