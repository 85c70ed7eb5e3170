package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/softcsp/softcsp/store"
)

func tokenDelete(a *app) *cobra.Command {
	var t choice
	var yes bool
	c := &cobra.Command{
		Use:   "delete NAME",
		Short: "Delete a token, with all that is in it",
		Long: `Deletes a token: its file, and with it every key. It says what goes, and asks; where there is no terminal to ask on, it does
nothing without --yes. It needs no PIN, as little as removing the file does.

Programs that use the token find it gone with their next call. Backups and copies of the file stay what they are: each has the keys.`,
		Example: "  softcsp token delete lab\n  softcsp token delete lab --yes",
		RunE: func(c *cobra.Command, _ []string) error {
			if t.name == "" {
				return usage(c, errors.New("name the token to delete"))
			}
			return a.deleteToken(t, yes)
		},
	}
	t.addName(a, c)
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return c
}

// deleteToken deletes the token that is meant.
func (a *app) deleteToken(t choice, yes bool) error {
	c, err := a.open()
	if err != nil {
		return err
	}
	defer c.close()
	if store.Volatile(c.cfg) {
		return fmt.Errorf("the store is %q: there is no file", c.cfg.Store)
	}
	what, uuid, err := c.doomed(t)
	if err != nil {
		return err
	}
	if err := a.confirmed(yes, what, "Delete?"); err != nil {
		return err
	}
	place, err := store.OpenPlace(c.cfg)
	if err != nil {
		return explain("opening the token directory", err)
	}
	defer place.Close()
	if err := place.Remove(uuid); err != nil {
		return explain("deleting the token", err)
	}
	a.note("deleted: %s", what)
	old := store.Locate(c.cfg, uuid) + store.CopySuffix
	if _, err := os.Lstat(old); !errors.Is(err, fs.ErrNotExist) {
		a.note("a copy from before an upgrade is left, with the keys of that time: %s", old)
	}
	return nil
}

// doomed finds the token to delete, and says what it is. One that cannot be read is named by its serial number.
func (c *client) doomed(t choice) (what, uuid string, err error) {
	meant, err := c.pick(t)
	if err != nil {
		for _, b := range c.broken {
			if t.name == b.serial {
				return fmt.Sprintf("the token %s, which cannot be read (%v)", b.serial, b.err), uuidOf(b.file), nil
			}
		}
		return "", "", err
	}
	infos, err := c.infos()
	if err != nil {
		return "", "", explain("reading the token", err)
	}
	i := infos[meant.info.SerialNumber]
	return fmt.Sprintf("token %q, serial number %s, with %s: %s", i.Label, i.Serial, amount(i.Objects, "object"), store.Locate(c.cfg, i.UUID)), i.UUID, nil
}
