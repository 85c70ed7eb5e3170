package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/store"
)

func tokenRename(a *app) *cobra.Command {
	user, so := userPIN(), soPIN()
	var t choice
	var bySO bool
	c := &cobra.Command{
		Use:   "rename NAME LABEL",
		Short: "Give a token another label",
		Long: `Gives a token another label, of 1 to 32 bytes. The label is sealed with all else, so it takes the user PIN, or with --so the security
officer's. Objects, PINs, serial number, slot and file stay. Programs that run see the new label when they next ask; what names the
token by its label, such as a URI with "token=", has to be changed.`,
		Example: "  softcsp token rename lab laboratory --pin-file user.pin",
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case len(args) == 2 && t.name == "":
				t.name = args[0]
			case len(args) == 1 && t.name != "":
			case len(args) > 2:
				return tooMany(c, args[2], "the token's name and its new label")
			default:
				return usage(c, errors.New("want the token's name and its new label"))
			}
			fresh := args[len(args)-1]
			if err := checkLabel(fresh); err != nil {
				return usage(c, err)
			}
			if bySO {
				return a.renameToken(t, fresh, store.SO, ck.CKU_SO, so)
			}
			return a.renameToken(t, fresh, store.User, ck.CKU_USER, user)
		},
	}
	t.addName(a, c)
	c.Args = nil // RunE looks at them
	c.Flags().BoolVar(&bySO, "so", false, "as the security officer")
	user.add(c.Flags())
	so.add(c.Flags())
	return c
}

// renameToken renames the token that is meant.
func (a *app) renameToken(t choice, label string, way store.UserType, as ck.UserType, pin *secretSource) error {
	c, err := a.open()
	if err != nil {
		return err
	}
	defer c.close()
	return c.stored(t, func(token *store.Token, meant tok) error {
		list, _, err := c.tokens()
		if err != nil {
			return err
		}
		if err := c.unused(list, label, meant); err != nil {
			return err
		}
		secret, err := pin.read(a)
		if err != nil {
			return err
		}
		defer clear(secret)
		k, err := token.Unlock(way, secret)
		if err != nil {
			return c.explainLogin(meant, as, err)
		}
		defer k.Wipe()
		if err := token.Rename(k, label); err != nil {
			return explain("renaming the token", err)
		}
		meant.info.Label = label
		a.note("token %q is now %q; its URI is %s", t.name, label, meant.uri())
		return nil
	})
}

// unused answers an error where another token has the label.
func (c *client) unused(list []tok, label string, except tok) error {
	for _, t := range list {
		if t.info.Label == label && t.info.SerialNumber != except.info.SerialNumber {
			return fmt.Errorf("there is a token %q in %s already: choose another label", label, c.where())
		}
	}
	return nil
}
