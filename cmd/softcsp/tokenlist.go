package main

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/store"
)

func tokenList(a *app) *cobra.Command {
	return lists(a, &cobra.Command{
		Use:   "list",
		Short: "List tokens",
		Long: `Lists the tokens there are: label, serial number, the slot that programs see it in, how many tries each PIN has left,
how far its keys are kept apart, the cost of a PIN, the file, and the URI by which programs name it.

A token file that cannot be read has a row that says so, and so has one that is damaged, as far as "softcsp token check" sees that without a
PIN. Then the exit code is 5, or 1 where the file may not be read.`,
		Example: "  softcsp token list --json",
		Args:    exactly(0, ""),
		RunE: func(*cobra.Command, []string) error {
			c, err := a.open()
			if err != nil {
				return err
			}
			defer c.close()
			return a.listTokens(c)
		},
	})
}

func (a *app) listTokens(c *client) error {
	list, _, err := c.tokens()
	if err != nil {
		return err
	}
	infos, err := c.infos()
	if err != nil {
		return explain("reading tokens", err)
	}
	if len(list)+len(c.broken) == 0 {
		a.note("there is no token in %s; make one with: softcsp token init --label NAME", c.where())
	}
	rows := make([]tokenRow, 0, len(list)+len(c.broken))
	var damaged []error
	for _, t := range list {
		r := c.row(t, infos[t.info.SerialNumber])
		if err := c.checkQuickly(infos[t.info.SerialNumber]); err != nil {
			r.Damage = err.Error()
			damaged = append(damaged, fmt.Errorf("token %q is damaged: %w", t.info.Label, err))
		}
		rows = append(rows, r)
	}
	for _, b := range c.broken {
		rows = append(rows, tokenRow{Serial: b.serial, Slot: uint(b.slot), File: b.file, Error: b.err.Error()})
	}
	if err := a.showRows(rows); err != nil {
		return err
	}
	for _, b := range c.broken[min(1, len(c.broken)):] {
		a.note("%v", b)
	}
	if len(damaged) > 0 {
		err = &failure{exitDamaged, fmt.Errorf("%w\nsee all that is wrong with: softcsp token check", errors.Join(damaged...))}
	}
	if len(c.broken) > 0 {
		err = errors.Join(err, explain(fmt.Sprintf("%d of %s cannot be used", len(c.broken), amount(uint64(len(rows)), "token")), c.broken[0]))
	}
	return err
}

// checkQuickly checks the token that the store tells i of as far as that goes without a PIN, and answers what is wrong with it.
func (c *client) checkQuickly(i store.Info) error {
	if i.UUID == "" {
		return nil
	}
	place, err := store.OpenPlace(c.cfg)
	if err != nil {
		return nil // the caller has read it, and tells
	}
	defer place.Close()
	t, err := place.Token(i.UUID)
	if err != nil {
		return nil
	}
	x, err := inspect(t, nil)
	switch {
	case exitCode(err) == exitDamaged:
		return err
	case err == nil && len(x.lines()) > 0:
		return errors.New(x.summary())
	}
	return nil
}

// A tokenRow is a token as token list shows it, and as token init shows a new one.
type tokenRow struct {
	Label     string `json:"label"`
	Serial    string `json:"serial"`
	Slot      uint   `json:"slot"`
	UserPIN   bool   `json:"user_pin"`
	UserTries uint   `json:"user_tries"`
	SOTries   uint   `json:"so_tries"`
	MaxTries  uint   `json:"max_tries"`
	KDF       string `json:"kdf"`
	Relaxed   bool   `json:"relaxed"`
	Format    int    `json:"format"`
	// Separation is how far the token's keys are kept apart; Voucher is the SHA-256 of the key that its public objects are signed under.
	Separation string `json:"separation"`
	Voucher    string `json:"voucher,omitempty"`
	Objects    uint64 `json:"objects"`
	File       string `json:"file"`
	URI        string `json:"uri,omitempty"`
	// Error says why a token cannot be read; of such a one only Serial, Slot and File are known.
	Error string `json:"error,omitempty"`
	// Damage is what is wrong with a token that can be read, at least in parts.
	Damage string `json:"damage,omitempty"`
	// Library and Clients are what programs need to use a new token.
	Library string        `json:"library,omitempty"`
	Clients []clientLines `json:"clients,omitempty"`
}

// row returns the row of a token, of which the store tells i.
func (c *client) row(t tok, i store.Info) tokenRow {
	r := tokenRow{
		Label: t.info.Label, Serial: t.info.SerialNumber, Slot: uint(t.slot),
		UserPIN:   t.info.Flags&ck.CKF_USER_PIN_INITIALIZED != 0,
		UserTries: i.UserTries, SOTries: i.SOTries, MaxTries: i.MaxTries, KDF: i.KDF, Relaxed: i.Relaxed,
		Format: i.Version, Separation: i.Separation.String(), Voucher: i.Voucher, Objects: i.Objects, URI: t.uri().String(),
	}
	if i.UUID != "" {
		r.File = store.Locate(c.cfg, i.UUID)
	}
	return r
}

func (a *app) showRows(rows []tokenRow) error {
	var text [][]string
	for _, r := range rows {
		if r.Error != "" {
			text = append(text, []string{"-", dash(r.Serial), fmt.Sprint(r.Slot), "cannot be read", "-", "-", "-", dash(r.File)})
			continue
		}
		text = append(text, []string{r.Label, r.Serial, fmt.Sprint(r.Slot), cmp.Or(r.damaged(), r.userPIN()), r.soPIN(), r.Separation, r.cost(), r.File, r.URI})
	}
	return a.show(rows, []string{"LABEL", "SERIAL", "SLOT", "USER PIN", "SO PIN", "SEPARATION", "COST", "FILE", "URI"}, text)
}

// damaged is what stands in the place of the user PIN where the file is damaged.
func (r *tokenRow) damaged() string {
	if r.Damage != "" {
		return "damaged"
	}
	return ""
}

func (r *tokenRow) userPIN() string {
	if !r.UserPIN {
		return "not set"
	}
	return tries(r.UserTries, r.MaxTries)
}

func (r *tokenRow) soPIN() string { return tries(r.SOTries, r.MaxTries) }

// tries says how many tries a PIN has left.
func tries(left, most uint) string {
	if left == 0 {
		return "locked"
	}
	return fmt.Sprintf("%d of %d", left, most)
}

func (r *tokenRow) cost() string {
	if r.Relaxed {
		return strings.TrimPrefix(r.KDF+", relaxed", ", ")
	}
	return r.KDF
}
