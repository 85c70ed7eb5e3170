package conformance

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// wrongModel has the model expect that C_Logout fails, for a test of the test.
var wrongModel bool

// A model is what sessions, logins, operations and objects are by the standard.
type model struct {
	host   *Host
	vars   Vars
	chance *rand.Rand
	told   *strings.Builder // the calls, nil where nobody wants to know

	userPIN, soPIN string
	user           string // "", "user" or "so"
	sessions       []*modelSession
	closed         []string // handles of sessions that were closed
	objects        []*modelObject
	saved          []*modelDigest
	made           int
}

type modelSession struct {
	handle, key, mac string
	writable         bool
	ops              map[string]*modelOperation
}

// A modelOperation is a digest, an encryption, a decryption, a signature or a verification.
type modelOperation struct {
	parts, whole bool
	data         []byte // what it was given
}

type modelObject struct {
	handle, label  string
	token, private bool
	owner          *modelSession // of a session object
	lost           bool          // nobody has its handle any more
}

type modelDigest struct {
	state string
	data  []byte
}

const modelKey = "000102030405060708090a0b0c0d0e0f"

// call calls, and compares what comes back with what may.
func (m *model) call(want, name string, words ...string) error {
	if m.told != nil {
		fmt.Fprintf(m.told, "%s %s -> %s\n", name, strings.Join(words, " "), want)
	}
	rv, err := m.host.Call(m.vars, name, words...)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	for w := range strings.SplitSeq(want, "|") {
		if rv == "CKR_"+w {
			return nil
		}
	}
	return fmt.Errorf("%s %s returned %s, not %s", name, strings.Join(words, " "), rv, want)
}

// begin makes the token.
func (m *model) begin() error {
	for _, c := range [][]string{
		{"C_Initialize", "NULL"}, {"C_GetSlotList", "false", "&slots[8]", "&n=8"}, {"C_InitToken", "slots[0]", "str:" + m.soPIN, "@pad:32:model"},
		{"C_OpenSession", "slots[0]", "CKF_SERIAL_SESSION|CKF_RW_SESSION", "NULL", "NULL", "&s"}, {"C_Login", "s", "CKU_SO", "str:" + m.soPIN},
		{"C_InitPIN", "s", "str:" + m.userPIN}, {"C_CloseSession", "s"},
	} {
		if err := m.call("OK", c[0], c[1:]...); err != nil {
			return err
		}
	}
	return nil
}

// new makes a name of a variable.
func (m *model) new(prefix string) string {
	m.made++
	return fmt.Sprintf("%s%d", prefix, m.made)
}

func (m *model) one(n int) bool { return m.chance.IntN(n) == 0 }

// step does something.
func (m *model) step() error {
	if m.one(200) {
		return m.restart()
	}
	if len(m.closed) > 0 && m.one(40) {
		return m.call("SESSION_HANDLE_INVALID", "C_GetSessionInfo", m.closed[m.chance.IntN(len(m.closed))], "&i")
	}
	if len(m.sessions) == 0 || len(m.sessions) < 5 && m.one(12) {
		return m.open()
	}
	s := m.sessions[m.chance.IntN(len(m.sessions))]
	switch m.chance.IntN(24) {
	case 0:
		if m.one(2) {
			return m.close(s)
		}
		return m.info(s)
	case 1:
		return m.login(s)
	case 2:
		if m.one(2) {
			return m.logout(s)
		}
		return m.setPIN(s)
	case 3, 4:
		return m.create(s)
	case 5:
		return m.destroy(s)
	case 6, 7:
		return m.read(s)
	case 8, 9:
		return m.search(s)
	case 10:
		return m.save(s)
	case 11:
		return m.restore(s)
	case 12:
		return m.cancel(s)
	}
	kinds := [...]string{"Digest", "Encrypt", "Decrypt", "Sign", "Verify"}
	return m.operate(s, kinds[m.chance.IntN(len(kinds))])
}

func (m *model) restart() error {
	m.user = ""
	for _, s := range slices.Clone(m.sessions) {
		m.forget(s)
	}
	for _, o := range m.objects {
		o.lost = true
	}
	m.closed = nil // handles may come again
	if err := m.call("OK", "C_Finalize", "NULL"); err != nil {
		return err
	}
	if err := m.call("CRYPTOKI_NOT_INITIALIZED", "C_GetInfo", "&info"); err != nil {
		return err
	}
	return m.call("OK", "C_Initialize", "NULL")
}

func (m *model) open() error {
	s := &modelSession{handle: m.new("s"), key: m.new("k"), mac: m.new("g"), writable: m.one(2), ops: map[string]*modelOperation{}}
	flags, want := "CKF_SERIAL_SESSION", "OK"
	if s.writable {
		flags += "|CKF_RW_SESSION"
	} else if m.user == "so" {
		want = "SESSION_READ_WRITE_SO_EXISTS"
	}
	if err := m.call(want, "C_OpenSession", "slots[0]", flags, "NULL", "NULL", "&"+s.handle); err != nil || want != "OK" {
		return err
	}
	m.sessions = append(m.sessions, s)
	const key = "{CKA_CLASS=CKO_SECRET_KEY,CKA_PRIVATE=false,CKA_VALUE=hex:" + modelKey + ","
	if err := m.call("OK", "C_CreateObject", s.handle, key+"CKA_KEY_TYPE=CKK_AES,CKA_ENCRYPT=true,CKA_DECRYPT=true}", "&"+s.key); err != nil {
		return err
	}
	return m.call("OK", "C_CreateObject", s.handle, key+"CKA_KEY_TYPE=CKK_GENERIC_SECRET,CKA_SIGN=true,CKA_VERIFY=true}", "&"+s.mac)
}

// forget takes a session out of the model, with its objects.
func (m *model) forget(s *modelSession) {
	m.sessions = slices.DeleteFunc(m.sessions, func(x *modelSession) bool { return x == s })
	m.objects = slices.DeleteFunc(m.objects, func(o *modelObject) bool { return o.owner == s })
	if len(m.sessions) == 0 {
		m.left()
	}
}

// left is what the end of a login takes with it.
func (m *model) left() {
	m.user = ""
	m.objects = slices.DeleteFunc(m.objects, func(o *modelObject) bool { return o.private && !o.token })
	for _, o := range m.objects {
		o.lost = o.lost || o.private
	}
	for _, s := range m.sessions {
		clear(s.ops)
	}
}

func (m *model) close(s *modelSession) error {
	m.closed = append(m.closed, s.handle)
	m.forget(s)
	return m.call("OK", "C_CloseSession", s.handle)
}

func (m *model) info(s *modelSession) error {
	if err := m.call("OK", "C_GetSessionInfo", s.handle, "&i"); err != nil {
		return err
	}
	state := map[string]string{"": "PUBLIC_SESSION", "user": "USER_FUNCTIONS", "so": "SO_FUNCTIONS"}[m.user]
	access := "RO"
	if s.writable {
		access = "RW"
	}
	if got, want := m.vars.Number("i.state"), m.host.tables.consts["CKS_"+access+"_"+state]; got != want {
		return fmt.Errorf("the state is %d, not CKS_%s_%s", got, access, state)
	}
	return nil
}

func (m *model) login(s *modelSession) error {
	who, pin, right := "user", m.userPIN, !m.one(4)
	if m.one(3) {
		who, pin = "so", m.soPIN
	}
	if !right {
		pin = "wrong-pin"
	}
	want := "OK"
	switch {
	case m.user == who:
		want = "USER_ALREADY_LOGGED_IN"
	case m.user != "":
		want = "USER_ANOTHER_ALREADY_LOGGED_IN"
	case who == "so" && slices.ContainsFunc(m.sessions, func(s *modelSession) bool { return !s.writable }):
		want = "SESSION_READ_ONLY_EXISTS"
	case !right:
		want = "PIN_INCORRECT"
	default:
		m.user = who
	}
	return m.call(want, "C_Login", s.handle, "CKU_"+strings.ToUpper(who), "str:"+pin)
}

func (m *model) logout(s *modelSession) error {
	want := "OK"
	if m.user == "" || wrongModel {
		want = "USER_NOT_LOGGED_IN"
	} else {
		m.left()
	}
	return m.call(want, "C_Logout", s.handle)
}

func (m *model) setPIN(s *modelSession) error {
	pin, prefix := &m.userPIN, "user"
	if m.user == "so" {
		pin, prefix = &m.soPIN, "so"
	}
	old, next, want := *pin, fmt.Sprintf("%s-%05d", prefix, m.chance.IntN(100000)), "OK"
	if m.one(3) {
		old = "wrong-pin"
	}
	switch {
	case !s.writable:
		want = "SESSION_READ_ONLY"
	case old != *pin:
		want = "PIN_INCORRECT"
	default:
		*pin = next
	}
	return m.call(want, "C_SetPIN", s.handle, "str:"+old, "str:"+next)
}

// object chooses an object whose handle somebody has, nil where there is none.
func (m *model) object() *modelObject {
	var known []*modelObject
	for _, o := range m.objects {
		if !o.lost {
			known = append(known, o)
		}
	}
	if len(known) == 0 {
		return nil
	}
	return known[m.chance.IntN(len(known))]
}

func (m *model) create(s *modelSession) error {
	o := &modelObject{handle: m.new("o"), label: fmt.Sprintf("label-%d", m.chance.IntN(3)), token: m.one(2), private: m.one(2)}
	want := ""
	switch {
	case o.token && !s.writable:
		want = "SESSION_READ_ONLY"
	case o.token && !o.private && m.user == "":
		return nil // whether a public session makes public token objects is not this model's business
	}
	if o.private && m.user != "user" {
		want = strings.TrimPrefix(want+"|USER_NOT_LOGGED_IN", "|")
	}
	if want == "" {
		want = "OK"
		if !o.token {
			o.owner = s
		}
		m.objects = append(m.objects, o)
	}
	return m.call(want, "C_CreateObject", s.handle,
		fmt.Sprintf("{CKA_CLASS=CKO_DATA,CKA_TOKEN=%v,CKA_PRIVATE=%v,CKA_LABEL=str:%s}", o.token, o.private, o.label), "&"+o.handle)
}

func (m *model) destroy(s *modelSession) error {
	o := m.object()
	if o == nil || o.token && !o.private && m.user == "" {
		return nil
	}
	want := "OK"
	if o.token && !s.writable {
		want = "SESSION_READ_ONLY"
	} else {
		m.objects = slices.DeleteFunc(m.objects, func(x *modelObject) bool { return x == o })
	}
	if err := m.call(want, "C_DestroyObject", s.handle, o.handle); err != nil || want != "OK" {
		return err
	}
	return m.call("OBJECT_HANDLE_INVALID", "C_DestroyObject", s.handle, o.handle)
}

func (m *model) read(s *modelSession) error {
	o := m.object()
	if o == nil {
		return nil
	}
	if err := m.call("OK", "C_GetAttributeValue", s.handle, o.handle, "{CKA_LABEL=?20}"); err != nil {
		return err
	}
	if got := string(m.vars.Bytes("a.CKA_LABEL")); got != o.label {
		return fmt.Errorf("the label is %q, not %q", got, o.label)
	}
	return nil
}

// search counts the objects with a label, and takes the handle of one that was lost.
func (m *model) search(s *modelSession) error {
	label, n := fmt.Sprintf("label-%d", m.chance.IntN(3)), 0
	var lost *modelObject
	for _, o := range m.objects {
		if o.label == label && (!o.private || m.user == "user") {
			n++
			if o.lost {
				lost = o
			}
		}
	}
	if err := m.call("OK", "C_FindObjectsInit", s.handle, "{CKA_LABEL=str:"+label+"}"); err != nil {
		return err
	}
	if m.one(4) {
		if err := m.call("OPERATION_ACTIVE", "C_FindObjectsInit", s.handle, "{}"); err != nil {
			return err
		}
	}
	if err := m.call("OK", "C_FindObjects", s.handle, "&f[200]", "200", "&found"); err != nil {
		return err
	}
	if got := int(m.vars.Number("found")); got != n {
		return fmt.Errorf("%d objects with %s were found, not %d", got, label, n)
	}
	if err := m.call("OK", "C_FindObjectsFinal", s.handle); err != nil || n != 1 || lost == nil {
		return err
	}
	lost.handle, lost.lost = m.new("o"), false
	m.vars.setNumber(lost.handle, m.vars.Number("f[0]"))
	return nil
}
