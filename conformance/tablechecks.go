package conformance

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// tableChecks are the checks that are not scripts: each tries many calls that are made from a table.
var tableChecks = []Check{
	{Name: "states", Area: areaNames["5.6"], Title: "What is allowed in each state of a session", Sections: []string{"4.2", "5.6"}, Makes: Place, run: checkStates},
	{Name: "notinitialized", Area: areaNames["5.4"], Title: "Every function before C_Initialize", Sections: []string{"5.4.1", "5.1.1"}, Makes: Nothing, run: checkNotInitialized},
	{Name: "sessionfirst", Area: areaNames["5.1"], Title: "Every function with the handle of no session", Sections: []string{"5.1.7"}, Makes: Sessions, run: checkSessionFirst},
	{Name: "nulls", Area: areaNames["5.1"], Title: "Every function with NULL for each of its pointers", Sections: []string{"5.1.1", "5.1.6"}, Makes: Place, run: checkNulls},
}

// sessionStates are the five states of a session (PKCS#11 section 4.2), and how one gets there from a public session.
var sessionStates = []struct {
	name, flags, login string
}{
	{"CKS_RO_PUBLIC_SESSION", "CKF_SERIAL_SESSION", ""},
	{"CKS_RW_PUBLIC_SESSION", "CKF_SERIAL_SESSION|CKF_RW_SESSION", ""},
	{"CKS_RO_USER_FUNCTIONS", "CKF_SERIAL_SESSION", "C_Login s CKU_USER str:" + userPIN},
	{"CKS_RW_USER_FUNCTIONS", "CKF_SERIAL_SESSION|CKF_RW_SESSION", "C_Login s CKU_USER str:" + userPIN},
	{"CKS_RW_SO_FUNCTIONS", "CKF_SERIAL_SESSION|CKF_RW_SESSION", "C_Login s CKU_SO str:" + soPIN},
}

// inStates says what each call returns in each of the five, in the order of sessionStates. A dash is CKR_OK.
var inStates = []struct {
	line string
	want [5]string
}{
	{"C_GenerateRandom s out:8", [5]string{"-", "-", "-", "-", "-"}},
	{"C_DigestInit s CKM_SHA256", [5]string{"-", "-", "-", "-", "-"}},
	{"C_CreateObject s {CKA_CLASS=CKO_DATA,CKA_PRIVATE=false} &o", [5]string{"-", "-", "-", "-", "-"}},
	{"C_CreateObject s {CKA_CLASS=CKO_DATA,CKA_PRIVATE=true} &o", [5]string{"USER_NOT_LOGGED_IN", "USER_NOT_LOGGED_IN", "-", "-", "USER_NOT_LOGGED_IN"}},
	{"C_CreateObject s {CKA_CLASS=CKO_DATA,CKA_TOKEN=true,CKA_PRIVATE=false} &o", [5]string{"SESSION_READ_ONLY", "-", "SESSION_READ_ONLY", "-", "-"}},
	{"C_CreateObject s {CKA_CLASS=CKO_DATA,CKA_TOKEN=true,CKA_PRIVATE=true} &o",
		[5]string{"SESSION_READ_ONLY USER_NOT_LOGGED_IN", "USER_NOT_LOGGED_IN", "SESSION_READ_ONLY", "-", "USER_NOT_LOGGED_IN"}},
	{"find s {CKA_LABEL=str:public}", [5]string{"1", "1", "1", "1", "1"}},
	{"find s {CKA_LABEL=str:private}", [5]string{"0", "0", "1", "1", "0"}},
	{"find s {CKA_VALUE=str:content}", [5]string{"1", "1", "2", "2", "1"}},
	{"C_SetAttributeValue s public {CKA_LABEL=str:public}", [5]string{"SESSION_READ_ONLY", "-", "SESSION_READ_ONLY", "-", "-"}},
	{"C_CopyObject s public {CKA_TOKEN=false} &o", [5]string{"-", "-", "-", "-", "-"}},
	{"C_InitPIN s str:" + userPIN, [5]string{"USER_NOT_LOGGED_IN SESSION_READ_ONLY", "USER_NOT_LOGGED_IN", "USER_NOT_LOGGED_IN SESSION_READ_ONLY", "USER_NOT_LOGGED_IN", "-"}},
	{"C_SetPIN s str:wrong-pin str:other-pin", [5]string{"SESSION_READ_ONLY", "PIN_INCORRECT", "SESSION_READ_ONLY", "PIN_INCORRECT", "PIN_INCORRECT"}},
	{"C_Login s CKU_USER str:wrong-pin", [5]string{"PIN_INCORRECT", "PIN_INCORRECT", "USER_ALREADY_LOGGED_IN", "USER_ALREADY_LOGGED_IN", "USER_ANOTHER_ALREADY_LOGGED_IN"}},
	{"C_Login s CKU_SO str:wrong-pin", [5]string{"SESSION_READ_ONLY_EXISTS", "PIN_INCORRECT", "SESSION_READ_ONLY_EXISTS USER_ANOTHER_ALREADY_LOGGED_IN", "USER_ANOTHER_ALREADY_LOGGED_IN", "USER_ALREADY_LOGGED_IN"}},
	{"C_Login s CKU_CONTEXT_SPECIFIC str:" + userPIN,
		[5]string{"OPERATION_NOT_INITIALIZED", "OPERATION_NOT_INITIALIZED", "OPERATION_NOT_INITIALIZED", "OPERATION_NOT_INITIALIZED", "OPERATION_NOT_INITIALIZED"}},
	{"C_InitToken slot str:" + soPIN + " @pad:32:x", [5]string{"SESSION_EXISTS", "SESSION_EXISTS", "SESSION_EXISTS", "SESSION_EXISTS", "SESSION_EXISTS"}},
	{"C_Logout s", [5]string{"USER_NOT_LOGGED_IN", "USER_NOT_LOGGED_IN", "-", "-", "-"}},
}

// checkStates tries every row in every state, each in a session of its own.
func checkStates(s *Script, r *Result) error {
	if err := s.lines("login",
		"C_CreateObject s {CKA_CLASS=CKO_DATA,CKA_TOKEN=true,CKA_PRIVATE=false,CKA_LABEL=str:public,CKA_VALUE=str:content} &x",
		"C_CreateObject s {CKA_CLASS=CKO_DATA,CKA_TOKEN=true,CKA_PRIVATE=true,CKA_LABEL=str:private,CKA_VALUE=str:content} &x",
		"C_CloseAllSessions slot"); err != nil {
		return err
	}
	for i, state := range sessionStates {
		for _, row := range inStates {
			if err := s.lines("C_OpenSession slot " + state.flags + " NULL NULL &s"); err != nil {
				return err
			}
			if state.login != "" {
				if err := s.lines(state.login); err != nil {
					return err
				}
			}
			if err := s.lines("C_GetSessionInfo s &i", "expect i.state = "+state.name, "find s {CKA_LABEL=str:public}", "let public found"); err != nil {
				return fmt.Errorf("%s: %w", state.name, err)
			}
			err := s.Line(inState(row.line, row.want[i]))
			if err == nil && strings.HasPrefix(row.line, "find") {
				err = s.Line("expect found.n = " + row.want[i])
			}
			if err != nil {
				r.fail(0, state.name+": "+row.line, err)
			} else {
				r.Passed++
			}
			if errors.Is(err, errHost) {
				return nil
			}
			if err := s.lines("C_CloseAllSessions slot"); err != nil {
				return err
			}
		}
	}
	return nil
}

// lines carries out lines up to the first that fails.
func (s *Script) lines(lines ...string) error {
	for _, l := range lines {
		if err := s.Line(l); err != nil {
			return fmt.Errorf("%s: %w", l, err)
		}
	}
	return nil
}

// inState adds to a line what it must return.
func inState(line, want string) string {
	if want == "-" || strings.HasPrefix(line, "find") {
		return line
	}
	return line + " -> CKR_" + strings.ReplaceAll(want, " ", "|CKR_")
}

// unready are the functions that work before C_Initialize.
var unready = []string{"C_GetFunctionList", "C_GetInterface", "C_GetInterfaceList", "C_Initialize"}

// checkNotInitialized calls every function before C_Initialize, with arguments that would do after it.
func checkNotInitialized(s *Script, r *Result) error {
	if err := s.lines("let s 1", "let k 1", "let slot 0"); err != nil { // which also starts the host
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(s.host.tables.funcs)) {
		if slices.Contains(unready, name) || !s.host.has(name) {
			continue
		}
		rv, err := s.host.Call(s.Vars, name, wordsFor(s.host.tables.funcs[name], ^0, "1")...)
		// Functions that nobody has built answer so at any time, and those of another age too; a reserved argument is looked at
		// first.
		if done := r.note(name, rv, err, "CKR_CRYPTOKI_NOT_INITIALIZED", "CKR_FUNCTION_NOT_SUPPORTED", "CKR_FUNCTION_NOT_PARALLEL", "CKR_ARGUMENTS_BAD"); done {
			return nil
		}
	}
	return nil
}

// note counts a call that returned one of the codes wanted, and tells of another. It reports whether the host is gone.
func (r *Result) note(call, rv string, err error, wanted ...string) bool {
	switch {
	case err != nil:
		r.fail(0, call, err)
	case !slices.Contains(wanted, rv):
		r.fail(0, call, &Mismatch{Function: functionRE.FindString(call), Got: rv, Want: wanted})
	default:
		r.Passed++
	}
	return errors.Is(err, errHost)
}

// wordsFor makes the words of a call: each pointer is NULL or leads to a page of zeros, as its bit in mask says, and each
// length and count is n.
func wordsFor(params []param, mask int, n string) []string {
	var words []string
	bit := 0
	for i, p := range params {
		switch {
		case isPointer(p.typ):
			w := "NULL"
			if mask>>bit&1 != 0 {
				w = "@room:4096:rep:4096:00"
			}
			bit++
			words = append(words, w)
		case p.typ == "CK_SESSION_HANDLE":
			words = append(words, "s")
		case p.typ == "CK_SLOT_ID":
			words = append(words, "slot")
		case p.typ == "CK_OBJECT_HANDLE":
			words = append(words, "k")
		case p.typ == "CK_FLAGS" && i == 0: // C_WaitForSlotEvent would wait
			words = append(words, "CKF_DONT_BLOCK")
		case p.typ == "CK_NOTIFY":
			words = append(words, "NULL")
		case strings.HasPrefix(p.name, "ul") && i > 0, p.typ == "CK_FLAGS":
			words = append(words, n)
		default:
			words = append(words, "1")
		}
	}
	return words
}

func pointers(params []param) (n int) {
	for _, p := range params {
		if isPointer(p.typ) {
			n++
		}
	}
	return n
}

// underWay are the calls after which functions have something to go on with.
var underWay = map[string][]string{
	"C_EncryptMessage":        {"C_MessageEncryptInit s CKM_AES_GCM k"},
	"C_EncryptMessageBegin":   {"C_MessageEncryptInit s CKM_AES_CCM k"},
	"C_EncryptMessageNext":    {"C_MessageEncryptInit s CKM_AES_GCM k", "C_EncryptMessageBegin s " + someMessage + " NULL 0"},
	"C_MessageEncryptFinal":   {"C_MessageEncryptInit s CKM_AES_GCM k"},
	"C_DecryptMessage":        {"C_MessageDecryptInit s CKM_AES_GCM k"},
	"C_DecryptMessageBegin":   {"C_MessageDecryptInit s CKM_AES_CCM k"},
	"C_DecryptMessageNext":    {"C_MessageDecryptInit s CKM_AES_GCM k", "C_DecryptMessageBegin s " + someMessage + " NULL 0"},
	"C_SignMessage":           {"C_MessageSignInit s CKM_AES_CMAC k"},
	"C_SignMessageBegin":      {"C_MessageSignInit s CKM_AES_CMAC k"},
	"C_SignMessageNext":       {"C_MessageSignInit s CKM_AES_CMAC k", "C_SignMessageBegin s NULL 0"},
	"C_VerifyMessage":         {"C_MessageVerifyInit s CKM_AES_CMAC k"},
	"C_VerifyMessageBegin":    {"C_MessageVerifyInit s CKM_AES_CMAC k"},
	"C_VerifyMessageNext":     {"C_MessageVerifyInit s CKM_AES_CMAC k", "C_VerifyMessageBegin s NULL 0"},
	"C_VerifySignature":       {"C_VerifySignatureInit s CKM_AES_CMAC k rep:16:00"},
	"C_VerifySignatureUpdate": {"C_VerifySignatureInit s CKM_AES_CMAC k rep:16:00"},
	"C_VerifySignatureFinal":  {"C_VerifySignatureInit s CKM_AES_CMAC k rep:16:00"},
}

// someMessage is the parameter of a message.
const someMessage = "CK_GCM_MESSAGE_PARAMS{pIv=rep:12:00,ulIvLen=12,pTag=rep:16:00,ulTagBits=128}"

// eachNull calls f with a description and the words of every choice of NULL for the pointers of a function, with lengths of 0, 1 and 8 beside
// them, until f reports that it has seen enough.
func eachNull(name string, params []param, f func(call string, words []string) bool) {
	for mask := range 1 << min(pointers(params), 6) {
		for _, n := range []string{"0", "1", "8"} {
			if f(fmt.Sprintf("%s, pointers %b, lengths %s", name, mask, n), wordsFor(params, mask, n)) {
				return
			}
		}
	}
}

// checkSessionFirst calls every function that takes a session with the handle of none, and with every choice of NULL for its
// pointers: that there is no such session comes before anything else (section 5.1.7).
func checkSessionFirst(s *Script, r *Result) error {
	if err := s.lines("login"); err != nil {
		return err
	}
	s.Vars.setNumber("s", 999999)
	s.Vars.setNumber("k", 999999)
	for _, name := range slices.Sorted(maps.Keys(s.host.tables.funcs)) {
		params := s.host.tables.funcs[name]
		if len(params) == 0 || params[0].typ != "CK_SESSION_HANDLE" || !s.host.has(name) {
			continue
		}
		gone := false
		eachNull(name, params, func(call string, words []string) bool {
			rv, err := s.host.Call(s.Vars, name, words...)
			before := len(r.Failures)
			gone = r.note(call, rv, err, "CKR_SESSION_HANDLE_INVALID", "CKR_FUNCTION_NOT_SUPPORTED", "CKR_FUNCTION_NOT_PARALLEL")
			return len(r.Failures) > before // one failure for a function is enough
		})
		if !gone {
			continue
		}
		s.forget()
		if err := s.lines("login"); err != nil {
			return err
		}
		s.Vars.setNumber("s", 999999)
	}
	return nil
}

// checkNulls calls every function with every choice of NULL for its pointers, and with lengths of 0, 1 and 8 beside them. The
// host must live, nothing may be written that is not the callee's, what is returned must have a name, and the session must go on.
func checkNulls(s *Script, r *Result) error {
	const key = "C_GenerateKey s CKM_AES_KEY_GEN {CKA_VALUE_LEN=16,CKA_TOKEN=true,CKA_LABEL=str:kept,CKA_DESTROYABLE=false,CKA_SIGN=true,CKA_VERIFY=true,CKA_ENCRYPT=true,CKA_DECRYPT=true} &k"
	if err := s.lines("login"); err != nil {
		return err
	}
	if s.Line(key) != nil { // CKA_DESTROYABLE is of 2.40
		if err := s.lines(strings.Replace(key, "CKA_DESTROYABLE=false,", "", 1)); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.host.tables.funcs)) {
		if !s.host.has(name) || s.lines(underWay[name]...) != nil {
			r.skip("there is no " + name)
			continue
		}
		var lost error
		eachNull(name, s.host.tables.funcs[name], func(call string, words []string) bool {
			_ = s.lines(underWay[name]...)
			rv, err := s.host.Call(s.Vars, name, words...)
			switch {
			case err != nil:
				r.fail(0, call, err)
			case strings.HasPrefix(rv, "CKR_0x") || rv == "CKR_GENERAL_ERROR":
				r.fail(0, call, &Mismatch{Function: name, Got: rv, Want: []string{"a code for what is wrong"}})
			default:
				r.Passed++
			}
			if errors.Is(err, errHost) {
				s.forget()
			}
			lost = s.again()
			return lost != nil || err != nil
		})
		if lost != nil {
			return fmt.Errorf("after %s: %w", name, lost)
		}
	}
	return s.lines("C_EncryptInit s CKM_AES_ECB k", "C_Encrypt s rep:16:00 out:16")
}

// again makes sure that there is a session s with the user logged in, after a call that may have closed it, and that no
// operation is active in it.
func (s *Script) again() error {
	if s.host.dead == nil {
		rv, err := s.host.Call(s.Vars, "C_GetSessionInfo", "s", "&again")
		if err != nil {
			return err
		}
		if rv == "CKR_OK" && s.Vars.Number("again.state") == s.host.tables.consts["CKS_RW_USER_FUNCTIONS"] {
			if s.host.has("C_SessionCancel") {
				return s.all("C_SessionCancel s 0x7fffffff")
			}
			if err := s.all("C_CloseSession s"); err != nil {
				return err
			}
		}
	}
	label := "conformance"
	if s.existing != "" {
		label = s.existing
	}
	for _, l := range []string{
		"C_Initialize NULL -> CKR_OK|CKR_CRYPTOKI_ALREADY_INITIALIZED",
		"slot " + label,
		"C_OpenSession slot CKF_SERIAL_SESSION|CKF_RW_SESSION NULL NULL &s",
		"C_Login s CKU_USER str:" + userPIN + " -> CKR_OK|CKR_USER_ALREADY_LOGGED_IN",
		"find s {CKA_LABEL=str:kept}",
	} {
		if err := s.Line(l); err != nil {
			return fmt.Errorf("%s: %w", l, err)
		}
	}
	s.Vars.setNumber("k", s.Vars.Number("found"))
	return nil
}
