package main

import (
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/pkcs11uri"
)

// A choice is the flag that says which token is meant.
type choice struct{ name string }

func (t *choice) add(f *pflag.FlagSet) {
	f.StringVarP(&t.name, "token", "t", "", "`label`, serial number or URI of the token, where there are several")
	complete(f, "token", "token")
}

// addName gives a verb of tokens the flag, and lets an argument name the token as well: softcsp token show lab.
func (t *choice) addName(a *app, c *cobra.Command) {
	t.add(c.Flags())
	c.ValidArgsFunction = func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return a.completeTokens()
	}
	c.Args = func(c *cobra.Command, args []string) error {
		switch {
		case len(args) > 1:
			return tooMany(c, args[1], "one token, by its label or serial number")
		case len(args) == 1 && t.name != "":
			return usage(c, fmt.Errorf("the token is named twice: %q, and %q by --token", args[0], t.name))
		case len(args) == 1:
			t.name = args[0]
		}
		return nil
	}
}

// matches reports whether a token is one of those that are meant.
func (t *choice) matches(x tok) (bool, error) {
	if !pkcs11uri.Is(t.name) {
		return t.name == "" || t.name == x.info.Label || t.name == x.info.SerialNumber, nil
	}
	u, err := pkcs11uri.Parse(t.name)
	if err != nil {
		return false, err
	}
	for name, value := range map[string]string{
		"token": x.info.Label, "serial": x.info.SerialNumber, "model": x.info.Model, "manufacturer": x.info.ManufacturerID,
		"slot-id": fmt.Sprint(uint(x.slot)),
	} {
		if want, ok := u.Get(name); ok && want != value {
			return false, nil
		}
	}
	return true, nil
}

// uri returns the URI that names a token.
func (t tok) uri() *pkcs11uri.URI {
	u := new(pkcs11uri.URI)
	for _, attribute := range [][2]string{
		{"model", t.info.Model}, {"manufacturer", t.info.ManufacturerID}, {"serial", t.info.SerialNumber}, {"token", t.info.Label},
	} {
		if attribute[1] != "" {
			u.Set(attribute[0], attribute[1])
		}
	}
	return u
}

// An objectChoice is the flags that say which object is meant, and what a new one is called.
type objectChoice struct {
	what           string // "key"
	label, id, uri string
	class          string   // a word of classWords
	match          []string // NAME=VALUE
	matches        bool     // the verb has --match
}

func (k *objectChoice) add(f *pflag.FlagSet) {
	f.StringVarP(&k.label, "label", "l", "", "`label` of the "+k.what)
	f.StringVar(&k.id, "id", "", "CKA_ID of the "+k.what+" in `hex` digits")
}

// addURI adds the flag --uri, for verbs that find objects and do not make them: so what there is completes the flags.
func (k *objectChoice) addURI(f *pflag.FlagSet) {
	f.StringVarP(&k.uri, "uri", "u", "", "PKCS#11 `URI` of the "+k.what+", as listings show it")
	for _, flag := range []string{"label", "id", "uri"} {
		complete(f, flag, k.what)
	}
}

func (k *objectChoice) given() bool {
	return k.label != "" || k.id != "" || k.uri != "" || len(k.match) > 0
}

// String says which objects are meant, after what they are.
func (k objectChoice) String() string {
	var words []string
	if k.class != "" {
		words = append(words, "of the class "+k.class)
	}
	if k.label != "" {
		words = append(words, fmt.Sprintf("with the label %q", k.label))
	}
	if k.id != "" {
		words = append(words, "with the id "+k.id)
	}
	if k.uri != "" {
		words = append(words, "with the URI "+k.uri)
	}
	for _, pair := range k.match {
		words = append(words, "with "+pair)
	}
	return strings.Join(words, " and ")
}

// classOfType are the classes of the types of URIs.
var classOfType = map[string]ck.ObjectClass{
	"cert": ck.CKO_CERTIFICATE, "data": ck.CKO_DATA, "private": ck.CKO_PRIVATE_KEY, "public": ck.CKO_PUBLIC_KEY, "secret-key": ck.CKO_SECRET_KEY,
}

// template returns the attributes that the flags stand for.
func (k *objectChoice) template() ([]ck.Attribute, error) {
	var t []ck.Attribute
	if k.label != "" {
		t = append(t, ck.Attribute{Type: ck.CKA_LABEL, Value: []byte(k.label)})
	}
	id, err := hex.DecodeString(k.id)
	if err != nil {
		return nil, misuse("--id: %q is not an even number of hex digits", k.id)
	}
	if len(id) > 0 {
		t = append(t, ck.Attribute{Type: ck.CKA_ID, Value: id})
	}
	match, err := assignments(k.match)
	if err != nil {
		return nil, misuse("--match: %w", err)
	}
	t = append(t, match...)
	if k.uri == "" {
		return t, nil
	}
	u, err := pkcs11uri.Parse(k.uri)
	if err != nil {
		return nil, misuse("--uri: %w", err)
	}
	if v, ok := u.Get("object"); ok {
		t = append(t, ck.Attribute{Type: ck.CKA_LABEL, Value: []byte(v)})
	}
	if v, ok := u.Get("id"); ok {
		t = append(t, ck.Attribute{Type: ck.CKA_ID, Value: []byte(v)})
	}
	if v, ok := u.Get("type"); ok {
		t = append(t, classIs(classOfType[v]))
	}
	return t, nil
}

// classIs is the attribute of a class.
func classIs(class ck.ObjectClass) ck.Attribute {
	return ck.Attribute{Type: ck.CKA_CLASS, Value: ck.UlongValue(uint(class))}
}

// A target is the flags that say which token is meant, and which object in it, and where the user PIN comes from.
type target struct {
	token  choice
	object objectChoice
	pin    *secretSource
	login  bool // ask for the PIN also where public objects are shown without
}

// newTarget returns the flags of a verb about an object; what is what people call it.
func newTarget(what string) *target {
	return &target{object: objectChoice{what: what}, pin: userPIN()}
}

// addTo gives a command the flags.
func (t *target) addTo(c *cobra.Command) {
	t.object.add(c.Flags())
	t.object.addURI(c.Flags())
	t.addToken(c)
}

// addToken gives a command the flags of the token and of the PIN only.
func (t *target) addToken(c *cobra.Command) {
	t.token.add(c.Flags())
	t.pin.add(c.Flags())
}

// addLogin gives a command that lists the flag --login.
func (t *target) addLogin(c *cobra.Command) {
	c.Flags().BoolVar(&t.login, "login", false, "ask for the user PIN")
}

// need tells what is missing on the command line of a verb that wants one object.
func (t *target) need() error {
	if t.object.given() {
		return nil
	}
	return fmt.Errorf("give --label, --id or --uri: the %s to use", t.object.what)
}

// resolve takes from the object's URI what it says of the token and of the PIN.
func (t *target) resolve() error {
	if t.object.uri == "" {
		return nil
	}
	u, err := pkcs11uri.Parse(t.object.uri)
	if err != nil {
		return misuse("--uri: %w", err)
	}
	if _, ok := u.Get("pin-value"); ok {
		return misuse("--uri: a secret is never an argument: leave pin-value out, and use pin-source or --pin-file")
	}
	if t.token.name == "" {
		t.token.name = t.object.uri
	}
	if source, ok := u.Get("pin-source"); ok && !t.pin.given() {
		file, isFile := strings.CutPrefix(source, "file:")
		if !isFile {
			return misuse("--uri: pin-source is %q, but must be file:PATH", source)
		}
		t.pin.file = strings.TrimPrefix(file, "//")
	}
	return nil
}

// on calls f with a session of the user with the token that is meant. The user logs in.
func (a *app) on(t *target, f func(*session) error) error {
	if err := t.resolve(); err != nil {
		return err
	}
	return a.with(t.token, func(s *session) error {
		if err := s.login(ck.CKU_USER, t.pin); err != nil {
			return err
		}
		return f(s)
	})
}

// see calls f with a session in which public objects are seen, and private ones too if there is a PIN or --login asks for it.
func (a *app) see(t *target, f func(*session) error) error {
	if err := t.resolve(); err != nil {
		return err
	}
	return a.with(t.token, func(s *session) error {
		if !t.login && !t.pin.given() {
			a.note("private objects are not shown without the PIN: see --pin-file and --login")
		} else if err := s.login(ck.CKU_USER, t.pin); err != nil {
			return err
		}
		return f(s)
	})
}

// asOfficer calls f with a session of the security officer, who sees public objects only.
func (a *app) asOfficer(t *target, pin *secretSource, f func(*session) error) error {
	if err := t.resolve(); err != nil {
		return err
	}
	return a.with(t.token, func(s *session) error {
		if err := s.login(ck.CKU_SO, pin); err != nil {
			return err
		}
		return f(s)
	})
}
