package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/pkcs11uri"
)

// A session is a session with the token that is meant, and what verbs do in it.
type session struct {
	*client
	token  tok
	handle ck.SessionHandle
	pin    []byte // the user PIN after a login, for keys that ask for it at each use; close clears it
}

// with calls f with a session with the token that is meant.
func (a *app) with(t choice, f func(*session) error) error {
	c, err := a.open()
	if err != nil {
		return err
	}
	defer c.close()
	meant, err := c.pick(t)
	if err != nil {
		return err
	}
	s, err := c.session(meant)
	if err != nil {
		return err
	}
	defer s.close()
	return f(s)
}

// session opens a session with a token.
func (c *client) session(t tok) (*session, error) {
	h, err := c.OpenSession(t.slot, ck.CKF_SERIAL_SESSION|ck.CKF_RW_SESSION)
	if err != nil {
		return nil, explain("opening a session", err)
	}
	return &session{client: c, token: t, handle: h}, nil
}

// close forgets the PIN and closes the session.
func (s *session) close() {
	clear(s.pin)
	_ = s.CloseSession(s.handle)
}

// login reads a PIN and logs in.
func (s *session) login(as ck.UserType, pin *secretSource) error {
	b, err := pin.read(s.app)
	if err != nil {
		return err
	}
	if err := s.loginWith(as, b); err != nil || as != ck.CKU_USER {
		clear(b)
		return err
	}
	s.pin = b
	return nil
}

func (s *session) loginWith(as ck.UserType, pin []byte) error {
	return s.explainLogin(s.token, as, s.Login(s.handle, as, pin))
}

// confirm gives the PIN once more, after the Init of an operation, for a key that asks for it at each use.
func (s *session) confirm(key ck.ObjectHandle) error {
	if !s.flag(key, ck.CKA_ALWAYS_AUTHENTICATE) {
		return nil
	}
	return explain("confirming the use of the key", s.Login(s.handle, ck.CKU_CONTEXT_SPECIFIC, s.pin))
}

// find returns the objects that have the attributes.
func (s *session) find(template ...ck.Attribute) ([]ck.ObjectHandle, error) {
	if err := s.FindObjectsInit(s.handle, template); err != nil {
		return nil, err
	}
	defer s.FindObjectsFinal(s.handle)
	var all []ck.ObjectHandle
	for buf := make([]ck.ObjectHandle, 64); ; {
		n, err := s.FindObjects(s.handle, buf)
		if err != nil {
			return nil, err
		}
		if n == 0 {
			return all, nil
		}
		all = append(all, buf[:n]...)
	}
}

// matching returns the objects that are meant, of the classes given or of any. The class stands in each search, because the objects that the token
// has made itself are found by that alone. Private keys without a label, as Java makes them, have that of their certificate.
func (s *session) matching(k objectChoice, classes ...ck.ObjectClass) ([]ck.ObjectHandle, error) {
	return s.matchingBy(s.find, k, classes...)
}

// matchingBy is matching with the function that finds the objects that have attributes.
func (s *session) matchingBy(find func(...ck.Attribute) ([]ck.ObjectHandle, error), k objectChoice, classes ...ck.ObjectClass) (list []ck.ObjectHandle, err error) {
	t, err := k.template()
	if err != nil {
		return nil, err
	}
	searches := [][]ck.Attribute{t}
	if len(classes) > 0 {
		searches = nil
	}
	for _, class := range classes {
		searches = append(searches, append(slices.Clip(t), classIs(class)))
	}
	for _, template := range searches {
		found, err := find(template...)
		if err != nil {
			return nil, explain("looking for the "+k.what, err)
		}
		list = append(list, found...)
	}
	if len(list) == 0 && slices.Contains(classes, ck.CKO_PRIVATE_KEY) {
		return s.byCertificate(find, t)
	}
	return list, nil
}

// byCertificate returns the private keys without a label whose certificate has the label of a template, and which have the other attributes.
func (s *session) byCertificate(find func(...ck.Attribute) ([]ck.ObjectHandle, error), t []ck.Attribute) (list []ck.ObjectHandle, err error) {
	label := valueOf(t, ck.CKA_LABEL)
	if len(label) == 0 {
		return nil, nil
	}
	certificates, err := s.find(classIs(ck.CKO_CERTIFICATE), ck.Attribute{Type: ck.CKA_LABEL, Value: label})
	if err != nil {
		return nil, nil // where the token is damaged, which a search for keys has met before
	}
	t = slices.DeleteFunc(slices.Clone(t), func(a ck.Attribute) bool { return a.Type == ck.CKA_LABEL })
	seen := make(map[string]bool)
	for _, c := range certificates {
		id, err := s.attribute(c, ck.CKA_ID)
		if err != nil || len(id) == 0 || seen[string(id)] {
			continue
		}
		seen[string(id)] = true
		keys, err := find(append(slices.Clip(t), classIs(ck.CKO_PRIVATE_KEY), ck.Attribute{Type: ck.CKA_ID, Value: id})...)
		if err != nil {
			return nil, explain("looking for the key of a certificate", err)
		}
		for _, k := range keys {
			if s.labelOf(k) == "" {
				list = append(list, k)
			}
		}
	}
	return list, nil
}

// one returns the one object that is meant.
func (s *session) one(k objectChoice, classes ...ck.ObjectClass) (ck.ObjectHandle, error) {
	list, err := s.matching(k, classes...)
	switch {
	case err != nil:
		return 0, err
	case len(list) == 1:
		return list[0], nil
	}
	if len(classes) == 1 {
		k.what = strings.ReplaceAll(word("CKO_", classes[0]), "-", " ")
	}
	return 0, s.notOne(k, list)
}

// notOne is the error where there is no object that is meant, or several are.
func (s *session) notOne(k objectChoice, list []ck.ObjectHandle) error {
	what := strings.TrimSpace(k.what + " " + k.String())
	if len(list) == 0 {
		see := "softcsp object list --login"
		if userPIN().given() { // by the environment
			see = "softcsp object list"
		}
		return notFound("there is no %s in token %q\nsee which there are with: %s", what, s.token.info.Label, see)
	}
	how := "by its URI"
	if k.matches {
		how += ", or with --match unique-id=ID, which softcsp object show shows"
	}
	return misuse("there are %d objects that can be the %s: choose one %s%s", len(list), what, how, s.named(list))
}

// named lists objects in a message, by their URIs.
func (s *session) named(list []ck.ObjectHandle) string {
	const most = 10
	var b strings.Builder
	for _, o := range list[:min(len(list), most)] {
		if u, err := s.uri(o); err == nil {
			fmt.Fprintf(&b, "\n  %s", u)
		}
	}
	if more := len(list) - most; more > 0 {
		fmt.Fprintf(&b, "\n  and %d more, which softcsp object list shows", more)
	}
	return b.String()
}

// attribute reads an attribute.
func (s *session) attribute(o ck.ObjectHandle, t ck.AttributeType) ([]byte, error) {
	ask := []ck.AttributeBuffer{{Type: t}}
	if err := s.GetAttributeValue(s.handle, o, ask); err != nil {
		return nil, err
	}
	ask[0].Buffer = ck.Into(make([]byte, ask[0].N))
	if err := s.GetAttributeValue(s.handle, o, ask); err != nil {
		return nil, err
	}
	return ask[0].Data[:ask[0].N], nil
}

// ulong reads an attribute that is a number.
func (s *session) ulong(o ck.ObjectHandle, t ck.AttributeType) (uint, error) {
	b, err := s.attribute(o, t)
	if err != nil {
		return 0, err
	}
	return ck.Ulong(b)
}

// flag reads an attribute that is true or false; one that the object does not have is false.
func (s *session) flag(o ck.ObjectHandle, t ck.AttributeType) bool {
	b, err := s.attribute(o, t)
	return err == nil && len(b) == 1 && b[0] != 0
}

// uri returns the URI that names an object. An object without a label and an id is named by its class alone.
func (s *session) uri(o ck.ObjectHandle) (*pkcs11uri.URI, error) {
	class, err := s.ulong(o, ck.CKA_CLASS)
	if err != nil {
		return nil, err
	}
	u := s.token.uri()
	for _, a := range []struct {
		name string
		typ  ck.AttributeType
	}{{"object", ck.CKA_LABEL}, {"id", ck.CKA_ID}} {
		if b, err := s.attribute(o, a.typ); err == nil && len(b) > 0 {
			u.Set(a.name, string(b))
		}
	}
	for name, c := range classOfType {
		if c == ck.ObjectClass(class) {
			u.Set("type", name)
		}
	}
	return u, nil
}

// vanished reports whether an error says that an object is gone: another process has destroyed it.
func vanished(err error) bool { return errors.Is(err, ck.CKR_OBJECT_HANDLE_INVALID) }

// pick returns the token that is meant.
func (c *client) pick(t choice) (tok, error) {
	all, _, err := c.tokens()
	if err != nil {
		return tok{}, err
	}
	var list []tok
	for _, x := range all {
		ok, err := t.matches(x)
		if err != nil {
			return tok{}, badToken(err)
		}
		if ok {
			list = append(list, x)
		}
	}
	switch {
	case len(list) == 1:
		for _, b := range c.broken {
			c.app.note("passed over: %v", b)
		}
		return list[0], nil
	case len(list) > 1 && t.name != "":
		return tok{}, misuse("several tokens are %q: choose one by its serial number%s", t.name, listed(list))
	case len(list) > 1:
		return tok{}, misuse("there are several tokens: choose one with --token%s", listed(list))
	case len(c.broken) > 0:
		return tok{}, c.noneWhole(t, all)
	case len(all) == 0:
		if _, err := c.infos(); err != nil {
			return tok{}, explain("looking for tokens", err)
		}
	case t.name != "":
		return tok{}, notFound("there is no token %q in %s, but%s", t.name, c.where(), listed(all))
	}
	what := "no token"
	if t.name != "" {
		what = fmt.Sprintf("no token %q, nor any other,", t.name)
	}
	return tok{}, notFound("there is %s in %s\nmake one with: softcsp token init --label NAME", what, c.where())
}

// badToken is the error for a name of a token that is the beginning of a URI, and no URI.
func badToken(err error) error { return misuse("the token's name: %w", err) }

// noneWhole is the error where no token is the one that is meant, and there are broken ones: it may be one of those.
func (c *client) noneWhole(t choice, whole []tok) error {
	what := "no token can be used"
	if t.name != "" {
		what = fmt.Sprintf("no token that can be read is %q", t.name)
	}
	if len(whole) > 0 {
		c.app.note("there are%s", listed(whole))
	}
	for _, b := range c.broken[1:] {
		c.app.note("passed over: %v", b)
	}
	return explain(what, c.broken[0])
}

// listed lists tokens in a message.
func listed(list []tok) string {
	const most = 20
	var b strings.Builder
	for _, t := range list[:min(len(list), most)] {
		fmt.Fprintf(&b, "\n  %q, serial number %s", t.info.Label, t.info.SerialNumber)
	}
	if more := len(list) - most; more > 0 {
		fmt.Fprintf(&b, "\n  and %d more, which softcsp token list shows", more)
	}
	return b.String()
}
