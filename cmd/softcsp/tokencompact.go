package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/softcsp/softcsp/store"
)

func tokenCompact(a *app) *cobra.Command {
	var t choice
	c := &cobra.Command{
		Use:   "compact [NAME]",
		Short: "Give the disk back what a token file does not need",
		Long: `Writes a token file anew, without the room that destroyed objects have left in it. It needs no PIN, and changes nothing of what the
token holds. Programs may use the token meanwhile: they wait. A file that has become mostly empty is written anew by
itself.`,
		Example: "  softcsp token compact --token lab",
		RunE:    func(*cobra.Command, []string) error { return a.compactToken(t) },
	}
	t.addName(a, c)
	return c
}

// compactToken compacts the token that is meant.
func (a *app) compactToken(t choice) error {
	c, err := a.open()
	if err != nil {
		return err
	}
	defer c.close()
	return c.stored(t, func(token *store.Token, meant tok) error {
		before, after, err := token.Compact()
		if err != nil {
			return explain("compacting the token", err)
		}
		a.note("token %q takes %d KiB, and took %d", meant.info.Label, (after+1023)>>10, (before+1023)>>10)
		return nil
	})
}

// stored calls f with the token that is meant as the store has it.
func (c *client) stored(t choice, f func(*store.Token, tok) error) error {
	meant, err := c.pick(t)
	if err != nil {
		return err
	}
	if store.Volatile(c.cfg) {
		return fmt.Errorf("the store is %q: there is no file", c.cfg.Store)
	}
	infos, err := c.infos()
	if err != nil {
		return explain("reading tokens", err)
	}
	place, err := store.OpenPlace(c.cfg)
	if err != nil {
		return explain("opening the token directory", err)
	}
	defer place.Close()
	token, err := place.Token(infos[meant.info.SerialNumber].UUID)
	if err != nil {
		return explain("opening the token", err)
	}
	return f(token, meant)
}
