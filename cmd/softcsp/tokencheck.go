package main

import (
	"cmp"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/store"
)

const checkHelp = `Checks token files: the structure of the file, that its parts agree, and with the user PIN every seal and that no object
was changed, swapped, deleted or put back. It writes nothing to the files, and so does not count a wrong PIN.

Without NAME every token of the token directory is checked. With --file it is a file anywhere, of any name, such as a backup.

It exits with 5 if it finds anything.`

func tokenCheck(a *app) *cobra.Command {
	pin := userPIN()
	var t choice
	var file string
	var login bool
	c := &cobra.Command{
		Use:     "check [NAME]",
		Short:   "Check token files",
		Long:    checkHelp,
		Example: "  softcsp token check lab --pin-file user.pin\n  softcsp token check --file /mnt/backup/lab.token",
		RunE: func(c *cobra.Command, args []string) error {
			if t.name != "" && file != "" {
				return usage(c, fmt.Errorf("%s: want one NAME, or --file, or neither", c.CommandPath()))
			}
			var secret []byte
			if login || pin.given() {
				var err error
				if secret, err = pin.read(a); err != nil {
					return err
				}
				defer clear(secret)
			}
			if file != "" {
				return a.checkFile(file, secret)
			}
			return a.checkTokens(t, secret)
		},
	}
	t.addName(a, c)
	c.Flags().StringVarP(&file, "file", "f", "", "token `file` to check")
	c.Flags().BoolVar(&login, "login", false, "ask for the user PIN")
	pin.add(c.Flags())
	return lists(a, c)
}

// A checkRow is a token that was checked.
type checkRow struct {
	Label   string   `json:"label"`
	Serial  string   `json:"serial,omitempty"`
	File    string   `json:"file"`
	WithPIN bool     `json:"with_pin"`
	Faults  []string `json:"faults"`
	// Objects is how many there are, Damaged those of them that something is wrong with.
	Objects int             `json:"objects"`
	Damaged []damagedObject `json:"damaged,omitempty"`
	// Missing is how many bytes were cut off that held nothing.
	Missing uint64 `json:"missing,omitempty"`

	outOfReach bool // it could not be looked at, which is no damage
	elsewhere  bool // it is no token of the token directory
}

// checkFile checks a token file that stands anywhere.
func (a *app) checkFile(file string, pin []byte) error {
	t, err := store.OpenFile(file)
	switch ck.Code(err) {
	case ck.CKR_OK:
		defer t.Close()
	case ck.CKR_DEVICE_ERROR, ck.CKR_TOKEN_NOT_RECOGNIZED:
		return a.showChecks([]checkRow{{File: file, Faults: []string{err.Error()}}})
	default:
		return fmt.Errorf("--file: %w", err)
	}
	row, err := checkOne(t.Token, pin)
	if exitCode(err) == exitPIN {
		return fmt.Errorf("%s: the user PIN is wrong (%w)", file, err)
	}
	if err != nil {
		return explain("checking "+file, err)
	}
	row.File, row.elsewhere = file, true
	// In a token directory a file of another token's name is not used.
	if name := uuidOf(file); len(name) == len(t.UUID()) && name != t.UUID() && strings.HasSuffix(file, tokenSuffix) {
		row.Faults = append(row.Faults, "holds the token "+t.UUID()+", which its name does not say")
	}
	return a.showChecks([]checkRow{row})
}

// tokenSuffix is how the name of a token's file ends.
const tokenSuffix = ".token"

// uuidOf returns the token that a file is of, by its name.
func uuidOf(file string) string { return strings.TrimSuffix(filepath.Base(file), tokenSuffix) }

// checkTokens checks the token that is meant, or all.
func (a *app) checkTokens(meant choice, pin []byte) error {
	cfg, err := a.settings()
	if err != nil {
		return err
	}
	if store.Volatile(cfg) {
		return notFound("the store is %q, where every process starts with no token; check a file with --file", cfg.Store)
	}
	if err := a.placeIsThere(cfg); err != nil {
		return err
	}
	place, err := store.OpenPlace(cfg)
	if err != nil {
		return explain("opening the token directory", err)
	}
	defer place.Close()
	uuids, _, err := place.List()
	if err != nil {
		return explain("listing tokens", err)
	}
	var rows, unread []checkRow // unread have no label that can be read
	var others []tok
	var wrongPIN error
	for _, uuid := range uuids {
		t, err := place.Token(uuid)
		if err != nil {
			return explain(store.Locate(cfg, uuid), err)
		}
		i, unknown := t.Info()
		if unknown != nil { // its file says which one it is
			i = store.Info{UUID: uuid, Serial: serialOf(uuid)}
		}
		if ok, err := meant.matches(tokOf(i)); err != nil || !ok {
			if err != nil {
				return badToken(err)
			}
			if others = append(others, tokOf(i)); unknown != nil {
				row, _ := checkOne(t, nil)
				row.File = store.Locate(cfg, uuid)
				unread = append(unread, row)
			}
			continue
		}
		row, err := checkOne(t, pin)
		if meant.name == "" && exitCode(err) == exitPIN { // that of another token, perhaps
			wrongPIN = refused(t, err)
			a.note("token %q is checked without the PIN: %v", i.Label, wrongPIN)
			row, err = checkOne(t, nil)
		}
		if exitCode(err) == exitPIN {
			return refused(t, err)
		}
		if err != nil {
			return explain("checking", err)
		}
		row.File = store.Locate(cfg, uuid)
		rows = append(rows, row)
	}
	if len(rows) > 0 {
		return cmp.Or(a.showChecks(rows), wrongPIN)
	}
	return a.noneChecked(meant, store.Locate(cfg, ""), unread, others)
}

// noneChecked answers for a directory that has no token of the name that is meant, but perhaps tokens whose names cannot be read, and others.
func (a *app) noneChecked(meant choice, dir string, unread []checkRow, others []tok) error {
	switch {
	case len(unread) > 0:
		a.note("no token that can be read is %q; it may be one of these", meant.name)
		return a.showChecks(unread)
	case len(others) > 0:
		return notFound("there is no token %q in %s, but%s", meant.name, dir, listed(others))
	}
	return notFound("there is no token in %s\nmake one with: softcsp token init --label NAME", dir)
}

// tokOf is a token as a choice looks at it, of which the store tells i.
func tokOf(i store.Info) tok {
	return tok{info: ck.TokenInfo{Label: i.Label, SerialNumber: i.Serial, Model: "softcsp", ManufacturerID: "softcsp"}}
}

// checkOne checks a token. A file that cannot even be read as a token is a fault like others.
func checkOne(t *store.Token, pin []byte) (checkRow, error) {
	row := checkRow{WithPIN: pin != nil, Faults: []string{}}
	i, err := t.Info()
	if err != nil {
		row.WithPIN, row.outOfReach = false, exitCode(err) != exitDamaged
		row.Faults = append(row.Faults, err.Error())
		if x, err := inspect(t, nil); err == nil && len(x.lines()) > 0 { // which names all pages that are damaged
			row.Faults = x.lines()
		}
		return row, nil
	}
	row.Label, row.Serial = i.Label, i.Serial
	x, err := inspect(t, nil)
	if err == nil && pin != nil {
		var with *inspection
		if with, err = inspectWith(t, pin); err == nil {
			x = with
		} else if len(x.lines()) > 0 { // which the damage may be the reason of
			row.WithPIN = false
			x.faults = append(x.faults, "it could not be checked with the PIN: "+err.Error())
			err = nil
		}
	}
	if err != nil {
		return row, err
	}
	row.Faults, row.Objects, row.Damaged, row.Missing = append(row.Faults, x.lines()...), x.objects, x.damaged, x.missing
	return row, nil
}

// inspectWith is inspect with the user's keys.
func inspectWith(t *store.Token, pin []byte) (*inspection, error) {
	k, err := t.UnlockToCheck(store.User, pin)
	if err != nil {
		return nil, err
	}
	defer k.Wipe()
	return inspect(t, k)
}

// rest says what is not damaged.
func (r *checkRow) rest() string {
	text := fmt.Sprintf("%d of %s sound", r.Objects-len(r.Damaged), are(uint64(r.Objects), "object"))
	if !r.WithPIN {
		text += ", as far as can be seen without the PIN"
	}
	return text
}

// are says how many things are something: "1 object is", "2 objects are".
func are(n uint64, thing string) string {
	if n == 1 {
		return amount(n, thing) + " is"
	}
	return amount(n, thing) + " are"
}

func (a *app) showChecks(rows []checkRow) error {
	bad, unseen := 0, 0
	var text [][]string
	for _, r := range rows {
		verdict := "sound"
		switch {
		case r.outOfReach:
			verdict = "cannot be read"
			unseen++
		case len(r.Faults) > 0:
			verdict = amount(uint64(len(r.Faults)), "fault")
			bad++
		case !r.WithPIN:
			verdict = "sound as far as can be seen without the PIN"
		}
		text = append(text, []string{dash(r.Label), verdict, r.File})
		for _, f := range r.Faults {
			text = append(text, []string{"  " + f})
		}
		if note := cutShort(r.Missing); note != "" {
			text = append(text, []string{"  " + note})
		}
		if len(r.Faults) > 0 && r.Objects > 0 {
			text = append(text, []string{"  " + r.rest()})
		}
	}
	err := a.show(rows, []string{"TOKEN", "RESULT", "FILE"}, text)
	have := "have"
	if bad == 1 {
		have = "has"
	}
	all := amount(uint64(len(rows)), "token")
	switch {
	case err != nil:
		return err
	case bad > 0:
		return &failure{exitDamaged, fmt.Errorf("%d of %s %s faults: let no program write to the file, and put a backup that is sound back with: "+
			"softcsp token restore FILE --replace%s", bad, all, have, withoutBackup(rows))}
	case unseen > 0:
		return fmt.Errorf("%d of %s cannot be read: %s", unseen, all, hints[ck.CKR_TOKEN_WRITE_PROTECTED])
	}
	return nil
}

// withoutBackup says what to do where there is no backup and the faults are those of single objects: then the token goes on without these.
func withoutBackup(rows []checkRow) string {
	for i := range rows {
		r, about := &rows[i], 0
		for j := range r.Damaged {
			about += len(r.Damaged[j].Faults)
		}
		if about == 0 || about < len(r.Faults) || r.elsewhere {
			continue
		}
		return fmt.Sprintf("\nwhere there is none, copy what is left with: softcsp token backup %s --out FILE --damaged\n"+
			"then take each damaged object away, as it keeps other programs from listing the rest: softcsp object delete --token %[1]s --match unique-id=%s",
			r.Serial, r.Damaged[0].UniqueID)
	}
	return ""
}
