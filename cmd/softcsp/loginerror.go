package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/pkcs11uri"
	"github.com/softcsp/softcsp/store"
)

// A refusal is a PIN that a token has not taken: whose it is, and what is known of the token.
type refusal struct {
	so    bool
	label string
	name  string // by which commands name the token: its label, or its serial number where that is clearer
	tries uint   // that are left
	known bool   // whether it is known how many
}

// explainLogin says what came of a login.
func (c *client) explainLogin(t tok, as ck.UserType, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ck.CKR_USER_PIN_NOT_INITIALIZED):
		return fmt.Errorf("token %q has no user PIN (%w)\nset one with: softcsp token pin %s --so", t.info.Label, ck.Code(err), shellWord(c.nameOf(t)))
	case !errors.Is(err, ck.CKR_PIN_INCORRECT) && !errors.Is(err, ck.CKR_PIN_LOCKED):
		return explain(fmt.Sprintf("logging in to token %q", t.info.Label), err)
	}
	r := refusal{so: as == ck.CKU_SO, label: t.info.Label, name: c.nameOf(t)}
	if infos, err := c.infos(); err == nil {
		r.of(infos[t.info.SerialNumber])
	}
	return r.explain(err)
}

// nameOf is what names a token on the command line, where there are others too.
func (c *client) nameOf(t tok) string {
	list, _, _ := c.tokens()
	for _, other := range list {
		if other.info.Label == t.info.Label && other.info.SerialNumber != t.info.SerialNumber {
			return t.info.SerialNumber
		}
	}
	if pkcs11uri.Is(t.info.Label) || strings.HasPrefix(t.info.Label, "-") {
		return t.info.SerialNumber
	}
	return t.info.Label
}

// of takes what the store tells of the token.
func (r *refusal) of(i store.Info) {
	r.known, r.tries = i.UUID != "", i.UserTries
	if r.so {
		r.tries = i.SOTries
	}
}

// explain says that the PIN is wrong or locked, and what can be done.
func (r *refusal) explain(err error) error {
	whose := "user PIN"
	if r.so {
		whose = "security officer PIN"
	}
	switch wrong := errors.Is(err, ck.CKR_PIN_INCORRECT); {
	case wrong && !r.known:
		return fmt.Errorf("the %s is wrong: token %q has counted the try (%w)", whose, r.label, err)
	case wrong && r.tries > 0:
		return fmt.Errorf("the %s is wrong: token %q has %s left before it is locked (%w)", whose, r.label, triesLeft(r.tries), err)
	case wrong:
		return fmt.Errorf("the %s is wrong: token %q has no tries left, and it is locked now (%w)\n%s", whose, r.label, err, r.cure())
	}
	return fmt.Errorf("the %s of token %q is locked, after too many wrong ones (%w)\n%s", whose, r.label, err, r.cure())
}

// triesLeft counts tries.
func triesLeft(n uint) string {
	if n == 1 {
		return "1 try"
	}
	return fmt.Sprintf("%d tries", n)
}

// cure says what can be done about a PIN that is locked.
func (r *refusal) cure() string {
	if r.so {
		return "that is for good; an older backup has the PIN as it was: softcsp token restore FILE --replace"
	}
	return fmt.Sprintf("the security officer sets a new one with: softcsp token pin %s --so", shellWord(r.name))
}

// refused says what came of the PIN with which a token file is checked.
func refused(t *store.Token, err error) error {
	i, _ := t.Info()
	r := refusal{label: i.Label, name: i.Serial}
	r.of(i)
	return r.explain(err)
}
