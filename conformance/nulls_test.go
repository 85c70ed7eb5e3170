package conformance

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// unready are the functions that work before C_Initialize.
var unready = []string{"C_GetFunctionList", "C_GetInterface", "C_GetInterfaceList", "C_Initialize"}

// TestNotInitialized calls every function before C_Initialize, with arguments that would do after it.
func TestNotInitialized(t *testing.T) {
	t.Parallel()
	s := module.script(t)
	do(t, s, "let s 1", "let k 1", "let slot 0") // which also starts the host
	for _, name := range slices.Sorted(maps.Keys(s.host.tables.funcs)) {
		if slices.Contains(unready, name) || module.name != "softcsp" && !exports(t, s, name) {
			continue
		}
		rv, err := s.host.Call(s.Vars, name, wordsFor(s.host.tables.funcs[name], ^0, "1")...)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		// Functions that nobody has built answer so at any time, and those of another age too; a reserved argument is looked at
		// first.
		if !slices.Contains([]string{"CKR_CRYPTOKI_NOT_INITIALIZED", "CKR_FUNCTION_NOT_SUPPORTED", "CKR_FUNCTION_NOT_PARALLEL", "CKR_ARGUMENTS_BAD"}, rv) {
			t.Errorf("%s returned %s before C_Initialize", name, rv)
		}
	}
}

// exports reports whether a module that is not ours exports a function, which it need not do with those that came after 2.40.
func exports(t *testing.T, s *Script, name string) bool {
	t.Helper()
	address, err := s.host.ask("symbol " + name)
	if err != nil {
		t.Fatal(err)
	}
	return address != "0"
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

// TestNulls calls every function with every choice of NULL for its pointers, and with lengths of 0, 1 and 8 beside them. The
// host must live, nothing may be written that is not the callee's, what is returned must have a name, and the session must go on.
func TestNulls(t *testing.T) {
	t.Parallel()
	only(t)
	slow(t)
	s := module.script(t)
	do(t, s, "login", "C_GenerateKey s CKM_AES_KEY_GEN {CKA_VALUE_LEN=16,CKA_TOKEN=true,CKA_LABEL=str:kept,CKA_DESTROYABLE=false,CKA_SIGN=true,CKA_VERIFY=true,CKA_ENCRYPT=true,CKA_DECRYPT=true} &k")
	s.Vars.setNumber("key", s.Vars.Number("k"))
	calls := 0
	for _, name := range slices.Sorted(maps.Keys(s.host.tables.funcs)) {
		params := s.host.tables.funcs[name]
		for mask := range 1 << min(pointers(params), 6) {
			for _, n := range []string{"0", "1", "8"} {
				do(t, s, underWay[name]...)
				rv, err := s.host.Call(s.Vars, name, wordsFor(params, mask, n)...)
				if err != nil {
					t.Fatalf("%s, pointers %b, lengths %s: %v", name, mask, n, err)
				}
				if strings.HasPrefix(rv, "CKR_0x") || rv == "CKR_GENERAL_ERROR" {
					t.Errorf("%s, pointers %b, lengths %s: %s", name, mask, n, rv)
				}
				calls++
				if err := s.again(); err != nil {
					t.Fatalf("after %s, pointers %b, lengths %s: %v", name, mask, n, err)
				}
			}
		}
	}
	if calls < 500 {
		t.Errorf("only %d calls", calls)
	}
	do(t, s, "C_EncryptInit s CKM_AES_ECB k", "C_Encrypt s rep:16:00 out:16")
}

// again makes sure that there is a session s with the user logged in, after a call that may have closed it, and that no
// operation is active in it.
func (s *Script) again() error {
	rv, err := s.host.Call(s.Vars, "C_GetSessionInfo", "s", "&again")
	if err != nil {
		return err
	}
	if rv == "CKR_OK" && s.Vars.Number("again.state") == s.host.tables.consts["CKS_RW_USER_FUNCTIONS"] {
		return s.all("C_SessionCancel s 0x7fffffff")
	}
	for _, l := range []string{
		"C_Initialize NULL -> CKR_OK|CKR_CRYPTOKI_ALREADY_INITIALIZED",
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

// TestSessionFirst calls every function that takes a session with the handle of none, and with every choice of NULL for its
// pointers: that there is no such session comes before anything else (section 5.1.7).
func TestSessionFirst(t *testing.T) {
	t.Parallel()
	only(t)
	s := module.script(t)
	do(t, s, "login")
	s.Vars.setNumber("s", 999999)
	s.Vars.setNumber("k", 999999)
	calls := 0
	for _, name := range slices.Sorted(maps.Keys(s.host.tables.funcs)) {
		params := s.host.tables.funcs[name]
		if len(params) == 0 || params[0].typ != "CK_SESSION_HANDLE" {
			continue
		}
		for mask := range 1 << min(pointers(params), 6) {
			for _, n := range []string{"0", "1", "8"} {
				rv, err := s.host.Call(s.Vars, name, wordsFor(params, mask, n)...)
				if err != nil {
					t.Fatalf("%s, pointers %b, lengths %s: %v", name, mask, n, err)
				}
				if !slices.Contains([]string{"CKR_SESSION_HANDLE_INVALID", "CKR_FUNCTION_NOT_SUPPORTED", "CKR_FUNCTION_NOT_PARALLEL"}, rv) {
					t.Errorf("%s, pointers %b, lengths %s: %s", name, mask, n, rv)
				}
				calls++
			}
		}
	}
	if calls < 1000 {
		t.Errorf("only %d calls", calls)
	}
}
