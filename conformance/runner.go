package conformance

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// A Module is a module that is held against the standard, and how its hosts run.
type Module struct {
	Path   string
	Driver string   // what Build built
	Env    []string // added to the environment of the hosts
	// Kind is "softcsp" or "softhsm" where the lines of scripts count that are about these alone, "" for any module. Of a module of no
	// kind it is not wanted that it has every mechanism and every function.
	Kind string
	// Fresh says that it makes tokens by itself, in a place that Env names. Otherwise Token is the label of the token to use, which is
	// initialised over and over where Init says so.
	Fresh          bool
	Token          string
	Init           bool
	SOPIN, UserPIN string // "" for those of the scripts, where tokens are made
	// Reserved is the text at pReserved of C_Initialize, for a module that wants one.
	Reserved string
	// All says that lines count, too, that have been tried with softcsp alone.
	All bool
	// Timeout is how long a call may take, a minute where it is 0.
	Timeout time.Duration
	// Place makes a place for the tokens of one check, a directory and an environment that leads there, if it is not nil.
	Place func() (dir string, env []string, done func(), err error)

	mechanisms map[string]uint64 // with their flags
	hasToken   bool
	version    int // of Cryptoki, 30 for 3.0
}

// May returns why a check cannot be run with the module's token, "" where it can.
func (m *Module) May(c Check) string {
	switch {
	case m.Fresh || c.Makes == Nothing:
		return ""
	case c.Makes == Place:
		return "wants a place of its own, for several tokens or wrong PINs"
	case m.Init:
		return ""
	case m.Token == "":
		return "needs a token"
	case c.Makes == Tokens:
		return "initialises tokens, or makes token objects"
	}
	return ""
}

// Run runs a check.
func (m *Module) Run(c Check) (r Result) {
	r.Check = c
	began := time.Now()
	defer func() { r.Took = time.Since(began) }()
	if why := m.May(c); why != "" {
		r.skip(why)
		return r
	}
	work, env := "", m.Env
	if m.Place != nil {
		dir, more, done, err := m.Place()
		if err != nil {
			r.fail(0, c.Name, err)
			return r
		}
		defer done()
		work, env = dir, slices.Concat(env, more)
	}
	s := NewScript(func(string) (*Host, error) { return m.host(env) })
	s.reserved = m.Reserved
	s.pins.so, s.pins.user, s.existing, s.reuse = m.SOPIN, m.UserPIN, m.Token, m.Init
	var err error
	if c.text != "" {
		err = m.script(s, &r, work)
	} else {
		err = c.run(s, &r)
	}
	if err != nil {
		r.fail(0, c.Name, err)
	}
	if err := s.Close(); err != nil && len(r.Failures) == 0 {
		r.fail(0, "the end of the process", err)
	}
	return r
}

// host starts a host.
func (m *Module) host(env []string) (*Host, error) {
	h, err := m.start(env)
	if err == nil && m.Kind == "" {
		err = h.useNewest()
	}
	return h, err
}

// start starts a host that uses the list of C_GetFunctionList.
func (m *Module) start(env []string) (*Host, error) {
	h, err := StartHost(m.Driver, m.Path, env...)
	if err == nil && m.Timeout > 0 {
		h.patience = m.Timeout
	}
	return h, err
}

// scripted is what a script's lines have in common while it runs.
type scripted struct {
	*Module
	s      *Script
	r      *Result
	broken string          // why the rest of the paragraph is not run
	state  string          // of the session s when the paragraph began
	gone   map[string]bool // names that lines would have made which failed or were not run

	comment []string // the lines of the last comment
	within  bool     // the line before is one of them
	aside   bool     // they go on with what SoftHSM2 does
}

// script runs a script: paragraphs of lines. What follows a failure in its paragraph would fail, too, and is not run; nor is what uses a
// name that was not made.
func (m *Module) script(s *Script, r *Result, work string) error {
	x := &scripted{Module: m, s: s, r: r, gone: make(map[string]bool)}
	for n, line := range strings.Split(strings.ReplaceAll(r.text, "$WORK", work), "\n") {
		line, run := m.condition(strings.TrimSpace(line))
		x.within = x.within && strings.HasPrefix(line, "#")
		switch {
		case line == "":
			x.endParagraph()
			x.state = x.sessionState()
			r.says = ""
		case strings.HasPrefix(line, "#"):
			x.explain(line)
		case !run:
		case line == "stop":
			if m.Kind == "" {
				r.skip("the rest has been tried with softcsp alone: see --all")
			}
			return nil
		case strings.Contains(line, "exists /"):
			file, not := strings.CutPrefix(line, "! ")
			_, err := os.Stat(strings.TrimPrefix(file, "exists "))
			if (err != nil) != not {
				r.fail(n+1, line, errors.New("it is the other way round"))
			}
		default:
			if !x.line(n+1, strings.TrimPrefix(line, "p11 ")) {
				return nil
			}
		}
	}
	return nil
}

// explain keeps a comment, which says what the lines after it want. What SoftHSM2 does is no part of that.
func (x *scripted) explain(line string) {
	text := strings.TrimSpace(strings.TrimPrefix(line, "#"))
	if !x.within {
		x.comment, x.aside = nil, false
	}
	x.within = true
	x.aside = x.aside || strings.HasPrefix(text, "SoftHSM2: ")
	if !x.aside {
		x.comment = append(x.comment, text)
		x.r.says = strings.Join(x.comment, " ")
	}
}

// condition cuts off the condition of a line, and reports whether it holds.
func (m *Module) condition(line string) (string, bool) {
	for strings.HasPrefix(line, "[") {
		cond, rest, _ := strings.Cut(line[1:], "]")
		line = strings.TrimSpace(rest)
		name, not := strings.CutPrefix(cond, "!")
		if m.is(name) == not {
			return line, false
		}
	}
	return line, true
}

// is reports whether a condition holds: the name of a kind, "token" for a module that has one, "3.0" for one of that version of the standard or later.
func (m *Module) is(name string) bool {
	switch name {
	case "token":
		return m.Kind != "" || m.hasToken
	case "3.0":
		return m.Kind == "softcsp" || m.version >= 30
	}
	return name == m.Kind || m.All && name == "softcsp"
}

// line runs a line, and reports whether the script can go on.
func (x *scripted) line(n int, line string) bool {
	words := splitQuoted(line)
	if why := x.cannot(words, line); why != "" {
		x.lost(line, why)
		return true
	}
	err := x.s.Do(words...)
	var m *Mismatch
	switch {
	case err == nil:
		x.r.Passed++
		for _, name := range namesMade(line) {
			delete(x.gone, name)
		}
		return true
	case x.Kind == "" && errors.As(err, &m) && lacks[m.Got] && slices.Contains(m.Want, "CKR_OK"):
		x.lost(line, m.Function+": "+m.Got)
		return true
	}
	x.r.fail(n, line, err)
	if errors.Is(err, errHost) || vital[words[0]] {
		x.r.skip("the script ended at line " + fmt.Sprint(n))
		return false
	}
	x.lost(line, "")
	x.broken = "follows a failure"
	return true
}

// vital are the verbs without which nothing can go on.
var vital = map[string]bool{"login": true, "token": true, "C_Initialize": true}

// lacks are the codes by which a module says that it does without something that it need not have.
var lacks = map[string]bool{"CKR_FUNCTION_NOT_SUPPORTED": true, "CKR_CURVE_NOT_SUPPORTED": true, "CKR_DOMAIN_PARAMS_INVALID": true}

var (
	mechanismRE = regexp.MustCompile(`\bCKM_\w+`)
	nameRE      = regexp.MustCompile(`[A-Za-z_]\w*`)
	makingRE    = regexp.MustCompile(`&(\w+)|\b(\w+)=(?:out|query|inplace)\b|=(\w+)=`)
)

// cannot says why a line is not run, "" if it is.
func (x *scripted) cannot(words []string, line string) string {
	if x.broken != "" {
		return x.broken
	}
	if x.Kind != "" {
		return ""
	}
	if !strings.Contains(line, "CKR_MECHANISM_INVALID") {
		for _, name := range mechanismRE.FindAllString(line, -1) {
			if _, has := x.mechanisms[name]; x.mechanisms != nil && !has {
				return "there is no " + name
			}
		}
		if why := cmp.Or(x.doesNot(words), x.knowsNo(words, line)); why != "" {
			return why
		}
	}
	for _, name := range nameRE.FindAllString(line, -1) {
		if x.gone[name] && !slices.Contains(namesMade(line), name) {
			return "what it needs was not made"
		}
	}
	if h := x.s.host; h != nil && strings.HasPrefix(words[0], "C_") {
		if !h.has(words[0]) {
			return "there is no " + words[0]
		}
	}
	return ""
}

// flagOf are the flags of mechanisms that functions work with.
var flagOf = map[string]string{
	"C_EncryptInit": "CKF_ENCRYPT", "C_DecryptInit": "CKF_DECRYPT", "C_DigestInit": "CKF_DIGEST", "C_SignInit": "CKF_SIGN", "C_VerifyInit": "CKF_VERIFY",
	"C_SignRecoverInit": "CKF_SIGN_RECOVER", "C_VerifyRecoverInit": "CKF_VERIFY_RECOVER", "C_GenerateKey": "CKF_GENERATE", "C_GenerateKeyPair": "CKF_GENERATE_KEY_PAIR",
	"C_WrapKey": "CKF_WRAP", "C_UnwrapKey": "CKF_UNWRAP", "C_DeriveKey": "CKF_DERIVE", "C_EncapsulateKey": "CKF_ENCAPSULATE", "C_DecapsulateKey": "CKF_DECAPSULATE",
}

// doesNot says that the module does not claim a mechanism for a function, "" where it does.
func (x *scripted) doesNot(words []string) string {
	flag := flagOf[words[0]]
	if flag == "" || len(words) < 3 || x.s.host == nil {
		return ""
	}
	word := words[2]
	if v := x.s.Vars[word]; v.kind == 't' {
		word = v.text
	}
	name, _, _ := strings.Cut(word, ":")
	has, known := x.mechanisms[name]
	if bit := x.s.host.tables.consts[flag]; known && has&bit == 0 {
		return name + " has no " + flag
	}
	return ""
}

var keyTypeRE = regexp.MustCompile(`CKA_KEY_TYPE=CKK_(\w+)`)

// knowsNo says that the module has no mechanism for a type of keys that a line makes of a value, and so need not take the key.
func (x *scripted) knowsNo(words []string, line string) string {
	m := keyTypeRE.FindStringSubmatch(line)
	if m == nil || x.mechanisms == nil || words[0] != "C_CreateObject" || m[1] == "GENERIC_SECRET" {
		return ""
	}
	for name := range x.mechanisms {
		if strings.HasPrefix(name, "CKM_"+m[1]) {
			return ""
		}
	}
	return "there are no keys of type CKK_" + m[1]
}

// lost notes what a line would have made.
func (x *scripted) lost(line, why string) {
	if why != "" {
		x.r.skip(why)
		if x.broken == "" {
			x.broken = "follows what is not there"
		}
	}
	for _, name := range namesMade(line) {
		x.gone[name] = true
	}
}

// namesMade are the names that a line makes.
func namesMade(line string) (names []string) {
	for _, m := range makingRE.FindAllStringSubmatch(line, -1) {
		names = append(names, m[1]+m[2]+m[3])
	}
	switch w := strings.Fields(line); {
	case len(w) > 1 && w[0] == "let":
		names = append(names, w[1])
	case len(w) == 4 && w[0] == "peek":
		names = append(names, w[3])
	}
	return names
}

// endParagraph ends what a failure has left under way, so that the next paragraph begins as if there had been none.
func (x *scripted) endParagraph() {
	if x.broken == "" {
		return
	}
	x.broken = ""
	h := x.s.host
	if h == nil || h.dead != nil {
		return
	}
	for _, call := range []string{
		"C_EncryptFinal s out:65536", "C_DecryptFinal s out:65536", "C_DigestFinal s out:65536", "C_SignFinal s out:65536", "C_VerifyFinal s rep:16:00", "C_FindObjectsFinal s",
	} {
		w := strings.Fields(call)
		_, _ = h.Call(x.s.Vars, w[0], w[1:]...) // what is not under way is an error, and nothing else
	}
	if h.has("C_SessionCancel") {
		_, _ = h.Call(x.s.Vars, "C_SessionCancel", "s", "0x7fffffff") // where an error of an end does not end it
	}
	if x.state != "" && x.sessionState() != x.state {
		x.restore()
	}
}

// sessionState is the name of the state of the session s, "" where there is none.
func (x *scripted) sessionState() string {
	h := x.s.host
	if x.Kind != "" || h == nil || h.dead != nil || x.s.Vars["s"].kind == 0 {
		return ""
	}
	if rv, err := h.Call(x.s.Vars, "C_GetSessionInfo", "s", "&state"); err != nil || rv != "CKR_OK" {
		return ""
	}
	return h.tables.name("CKS_", x.s.Vars.Number("state.state"))
}

// restore brings the session s back that a failed paragraph has closed, or logged out or in.
func (x *scripted) restore() {
	lines := []string{"C_Logout s", "C_CloseSession s", "C_OpenSession slot CKF_SERIAL_SESSION|CKF_RW_SESSION NULL NULL &s"}
	if strings.HasPrefix(x.state, "CKS_RO") {
		lines[2] = "C_OpenSession slot CKF_SERIAL_SESSION NULL NULL &s"
	}
	switch {
	case strings.HasSuffix(x.state, "USER_FUNCTIONS"):
		lines = append(lines, "C_Login s CKU_USER str:"+userPIN)
	case strings.HasSuffix(x.state, "SO_FUNCTIONS"):
		lines = append(lines, "C_Login s CKU_SO str:"+soPIN)
	}
	for _, l := range lines {
		_ = x.s.Line(l) // what cannot be brought back fails in the lines that follow
	}
}

// splitQuoted splits a line at blanks; a word in single quotes may have some.
func splitQuoted(line string) (words []string) {
	quoted := false
	for _, w := range strings.FieldsFunc(line, func(c rune) bool {
		if c == '\'' {
			quoted = !quoted
		}
		return !quoted && (c == ' ' || c == '\t')
	}) {
		words = append(words, strings.ReplaceAll(w, "'", ""))
	}
	return words
}

// FreshPlace returns what makes empty places for the tokens of softcsp or SoftHSM2, each in a directory of its own, and reports whether
// the module is one of these by its name.
func FreshPlace(module string) (place func() (string, []string, func(), error), kind string) {
	switch base := filepath.Base(module); {
	case strings.Contains(base, "softcsp"):
		kind = "softcsp"
	case strings.Contains(base, "softhsm"):
		kind = "softhsm"
	default:
		return nil, ""
	}
	return func() (string, []string, func(), error) {
		dir, err := os.MkdirTemp("", "conformance")
		if err != nil {
			return "", nil, nil, err
		}
		env, err := placeIn(dir, kind)
		return dir, env, func() { _ = os.RemoveAll(dir) }, err
	}, kind
}

// placeIn is an empty place for tokens below dir, as environment variables.
func placeIn(dir, kind string, settings ...string) ([]string, error) {
	tokens := filepath.Join(dir, "tokens")
	if err := os.MkdirAll(tokens, 0o700); err != nil {
		return nil, err
	}
	conf, text := filepath.Join(dir, kind+".conf"), ""
	switch kind {
	case "softhsm":
		text = "directories.tokendir = " + tokens + "\nobjectstore.backend = file\nlog.level = ERROR\nslots.removable = false\n"
	default:
		text = "tokendir = '" + tokens + "'\nkdf = 'test'\n" + strings.Join(settings, "\n")
	}
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		return nil, err
	}
	return []string{"SOFTHSM2_CONF=" + conf, "SOFTCSP_CONF=" + conf, "SOFTCSP_LOG=error", "XDG_STATE_HOME=" + filepath.Join(dir, "state")}, nil
}
