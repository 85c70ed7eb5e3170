package main

import (
	"github.com/spf13/cobra"

	"github.com/softcsp/softcsp/ck"
)

func tokenPIN(a *app) *cobra.Command {
	old, so := userPIN(), soPIN()
	fresh := &secretSource{what: "new PIN", flag: "new-pin", fallback: "SOFTCSP_NEW_PIN", confirm: true, isPIN: true}
	var t choice
	var bySO bool
	var of string
	c := &cobra.Command{
		Use:   "pin [NAME]",
		Short: "Set a new PIN",
		Long: `Sets a new user PIN: with the old one, or as the security officer with --so, which also unlocks a PIN that was locked
after too many wrong ones. With --of so it sets a new PIN of the security officer, with the old one.

Programs that are logged in stay so. Backups keep the PINs that the token had when they were made.`,
		Example: "  softcsp token pin --pin-file old.pin --new-pin-file new.pin\n" +
			"  softcsp token pin --so --so-pin-file so.pin --new-pin-file new.pin\n" +
			"  softcsp token pin --of so --so-pin-file so.pin --new-pin-file new-so.pin",
		RunE: func(c *cobra.Command, _ []string) error {
			p := pinChange{as: ck.CKU_USER, pin: old, fresh: fresh}
			whose, err := oneOf("of", of, "user", "so")
			if err != nil {
				return usage(c, err)
			}
			p.ofSO = whose == "so"
			if bySO || p.ofSO {
				p.as, p.pin = ck.CKU_SO, so
			}
			return a.with(t, p.set)
		},
	}
	c.Flags().BoolVar(&bySO, "so", false, "as the security officer")
	c.Flags().StringVar(&of, "of", "user", "whose PIN to set: `user` or so")
	_ = c.RegisterFlagCompletionFunc("of", cobra.FixedCompletions([]string{"user", "so"}, cobra.ShellCompDirectiveNoFileComp))
	t.addName(a, c)
	old.add(c.Flags())
	so.add(c.Flags())
	fresh.add(c.Flags())
	return c
}

// A pinChange is a PIN that is to be set: who logs in with which PIN, and whether it is the security officer's that is set.
type pinChange struct {
	as         ck.UserType
	ofSO       bool
	pin, fresh *secretSource
}

// set logs in and sets the PIN. Both PINs are read before.
func (p *pinChange) set(s *session) error {
	pin, err := p.pin.read(s.app)
	if err != nil {
		return err
	}
	defer clear(pin)
	next, err := p.fresh.read(s.app)
	if err != nil {
		return err
	}
	defer clear(next)
	if err := s.loginWith(p.as, pin); err != nil {
		return err
	}
	whose := "user PIN"
	switch {
	case p.ofSO:
		whose = "security officer PIN"
		err = explain("changing the security officer's PIN", s.SetPIN(s.handle, pin, next))
	case p.as == ck.CKU_SO:
		s.app.noteSame(pin, next)
		err = explain("setting the user PIN", s.InitPIN(s.handle, next))
	default:
		err = explain("changing the user PIN", s.SetPIN(s.handle, pin, next))
	}
	if err == nil {
		s.app.note("token %q has a new %s", s.token.info.Label, whose)
	}
	return err
}
