package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/softcsp/softcsp/internal/config"
	"github.com/softcsp/softcsp/store"
)

const checkHelp = `Checks token files: the structure of the file, that its parts agree, and with the user PIN every seal and that no object
was changed, swapped, deleted or put back. It changes nothing, but for the count of a wrong PIN.

Without LABEL every token of the token directory is checked, without --file the directory in force.
It exits with 5 if it finds anything.`

func tokenCheck(a *app) *cobra.Command {
	pin := userPIN()
	var file string
	var login bool
	c := &cobra.Command{
		Use:     "check [LABEL]",
		Short:   "Check token files",
		Long:    checkHelp,
		Example: "  softcsp token check lab --pin-file user.pin\n  softcsp token check --file /mnt/backup/00112233-4455-6677-8899-aabbccddeeff.token",
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 1 || len(args) == 1 && file != "" {
				return usage(c, fmt.Errorf("%s: want one LABEL, or --file, or neither", c.CommandPath()))
			}
			return a.checkTokens(strings.Join(args, ""), file, login, pin)
		},
	}
	c.Flags().StringVarP(&file, "file", "f", "", "token `file` to check")
	c.Flags().BoolVar(&login, "login", false, "ask for the user PIN")
	pin.add(c.Flags())
	return lists(a, c)
}

// A checkRow is a token that was checked.
type checkRow struct {
	Label   string   `json:"label"`
	File    string   `json:"file"`
	WithPIN bool     `json:"with_pin"`
	Faults  []string `json:"faults"`
}

func (a *app) checkTokens(name, file string, login bool, pin *secretSource) error {
	cfg, err := a.settings()
	if err != nil {
		return explain("settings", err)
	}
	var uuids []string
	switch {
	case file == "" && store.Volatile(cfg):
		return notFound("the store is %q, where every process starts with no token; check a file with --file", cfg.Store)
	case file != "":
		cfg = &config.Config{Store: "bolt", TokenDir: filepath.Dir(file)}
		uuids = []string{strings.TrimSuffix(filepath.Base(file), ".token")}
	}
	place, err := store.OpenPlace(cfg)
	if err != nil {
		return explain("opening the token directory", err)
	}
	defer place.Close()
	if file == "" {
		if uuids, _, err = place.List(); err != nil {
			return explain("listing tokens", err)
		}
	}
	var secret []byte
	if login || pin.given() {
		if secret, err = pin.read(a); err != nil {
			return err
		}
		defer clear(secret)
	}
	var rows []checkRow
	for _, uuid := range uuids {
		t, err := place.Token(uuid)
		if err != nil {
			return explain(store.Locate(cfg, uuid), err)
		}
		if i, _ := t.Info(); name != "" && i.Label != name && i.Serial != name {
			continue
		}
		row, err := checkOne(t, secret)
		if err != nil {
			return explain("checking", err)
		}
		row.File = store.Locate(cfg, uuid)
		rows = append(rows, row)
	}
	if len(rows) == 0 {
		return notFound("there is no token %sin %s", strings.TrimLeft(name+" ", " "), store.Locate(cfg, ""))
	}
	return a.showChecks(rows)
}

// checkOne checks a token. A file that cannot even be read as a token is a fault like others.
func checkOne(t *store.Token, pin []byte) (checkRow, error) {
	row := checkRow{WithPIN: pin != nil, Faults: []string{}}
	i, err := t.Info()
	if err != nil {
		row.Faults = append(row.Faults, err.Error())
		return row, nil
	}
	row.Label = i.Label
	var faults []store.Fault
	if pin != nil {
		faults, err = t.CheckPIN(store.User, pin)
	} else {
		faults, err = t.Check(nil)
	}
	for _, f := range faults {
		row.Faults = append(row.Faults, f.String())
	}
	return row, err
}

func (a *app) showChecks(rows []checkRow) error {
	bad := 0
	var text [][]string
	for _, r := range rows {
		verdict := "sound"
		switch {
		case len(r.Faults) > 0:
			verdict = fmt.Sprintf("%d faults", len(r.Faults))
			bad++
		case !r.WithPIN:
			verdict = "sound as far as can be seen without the PIN"
		}
		text = append(text, []string{dash(r.Label), verdict, r.File})
		for _, f := range r.Faults {
			text = append(text, []string{"", f, ""})
		}
	}
	if err := a.show(rows, []string{"TOKEN", "RESULT", "FILE"}, text); err != nil || bad == 0 {
		return err
	}
	return &failure{exitDamaged, fmt.Errorf("%d of %d tokens have faults: keep the file as it is, and go back to a copy that is sound", bad, len(rows))}
}
