package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/config"
	"github.com/softcsp/softcsp/store"
)

func tokenBackup(a *app) *cobra.Command {
	var t choice
	var out string
	var damaged bool
	c := &cobra.Command{
		Use:   "backup [NAME] --out FILE",
		Short: "Copy a token to a file, while programs use it",
		Long: `Copies a token to a file, as it is between two changes: programs may write to it meanwhile, and hardly wait. The copy is the exact token
file, sealed like that, and was checked without a PIN before the file appears, whole or not at all, with mode 0600. It needs no
PIN, and the PINs of the copy are those that the token has now.

No backup is made of a token that is damaged, because it would be taken for a good one. --damaged copies it as it is, says what is wrong with it,
and exits with 5.

Whoever has the file can guess at its PINs as often as they like. See what is in it, with the PIN, with "softcsp token check --file", and put
it back with "softcsp token restore".`,
		Example: "  softcsp token backup lab --out lab.token",
		RunE: func(c *cobra.Command, _ []string) error {
			if out == "" {
				return usage(c, errors.New("--out: name the file to write, or - for standard output"))
			}
			return a.backUp(t, out, damaged)
		},
	}
	t.addName(a, c)
	a.addOut(c, &out, "", "`file` to write, \"-\" for standard output")
	c.Flags().BoolVar(&damaged, "damaged", false, "copy the token also where it is damaged")
	return c
}

// backUp copies the token that is meant to a file, also where it is damaged if that is asked for.
func (a *app) backUp(t choice, out string, damaged bool) error {
	c, err := a.open()
	if err != nil {
		return err
	}
	defer c.close()
	if err := a.notForTerminal(out); err != nil {
		return err
	}
	if err := c.elsewhere(out); err != nil {
		return err
	}
	return c.stored(t, func(token *store.Token, meant tok) error {
		var copied int64
		var faults []store.Fault
		err := token.Backup(func(from io.Reader, size int64, found []store.Fault) error {
			if copied, faults = size, found; len(faults) > 0 && !damaged {
				return nil
			}
			return a.write(out, func(w io.Writer) error {
				return a.parts(from, size, "copying", func(part []byte) error {
					_, err := w.Write(part)
					return err
				})
			})
		})
		switch {
		case err != nil:
			return explain("backing up the token", err)
		case len(faults) > 0:
			return notBackedUp(token, meant, out, damaged)
		case out != "-":
			a.note("token %q is copied to %s, %d KiB", meant.info.Label, out, (copied+1023)>>10)
		}
		return nil
	})
}

// notBackedUp is the error of a backup of a damaged token, which was copied to a file or not.
func notBackedUp(t *store.Token, meant tok, out string, copied bool) error {
	wrong := "it was mended meanwhile"
	if x, err := inspect(t, nil); err != nil {
		wrong = err.Error()
	} else if lines := x.lines(); len(lines) > 0 {
		wrong = strings.Join(lines, "\n  ")
	}
	was := fmt.Sprintf("token %q is damaged, and was not backed up", meant.info.Label)
	do := "copy it as it is, to save what is left, with: --damaged"
	if copied {
		was = fmt.Sprintf("token %q is damaged, and was copied to %s as it is", meant.info.Label, out)
		do = "this is no backup: keep those that are sound; softcsp token check --file tells what is left in it"
	}
	return &failure{exitDamaged, fmt.Errorf("%s:\n  %s\n%s", was, wrong, do)}
}

// elsewhere refuses a place for a backup that is the tokens' own.
func (c *client) elsewhere(out string) error {
	if out == "-" {
		return nil
	}
	dir, err := os.Stat(filepath.Dir(out))
	if err != nil {
		return fmt.Errorf("--out %s: %w", out, err)
	}
	if tokens, err := os.Stat(store.Locate(c.cfg, "")); err == nil && os.SameFile(dir, tokens) {
		return misuse("--out %s is in the token directory, which is lost when the token is: choose a place elsewhere, best on another disk", out)
	}
	return nil
}

func tokenRestore(a *app) *cobra.Command {
	var replace bool
	c := &cobra.Command{
		Use:   "restore FILE",
		Short: "Put a token back from a backup",
		Long: `Makes a token of a backup, or of any copy of a token file: with its UUID, serial number, label, PINs and objects, in the token directory in
force, whole or not at all. A file that is damaged is refused.

A token that is there is never overwritten without --replace. With it, what was made or changed since the backup is lost, PINs that were set
since are no more, and the tries that PINs have left are those of the backup. A program that is logged in gets CKR_DEVICE_ERROR until it logs
in again, because to it the token has been put back to an earlier state.`,
		Example: "  softcsp token restore lab.token\n  softcsp token restore lab.token --replace",
		Args:    exactly(1, "one file: a backup"),
		RunE:    func(_ *cobra.Command, args []string) error { return a.restoreToken(args[0], replace) },
	}
	c.Flags().BoolVar(&replace, "replace", false, "overwrite the token, if it is there")
	return lists(a, c)
}

// restoreToken puts the token of a file in the token directory.
func (a *app) restoreToken(file string, replace bool) error {
	a.makesTokens = true
	cfg, err := a.settings()
	if err != nil {
		return err
	}
	if store.Volatile(cfg) {
		return fmt.Errorf("the store is %q: a token restored here would be gone with this command", cfg.Store)
	}
	from, err := store.OpenFile(file)
	if err != nil {
		return explainFile(file, err)
	}
	defer from.Close()
	place, err := store.OpenPlace(cfg)
	if err != nil {
		return explain("opening the token directory", err)
	}
	defer place.Close()
	if x, err := inspect(from.Token, nil); err == nil && x.missing > 0 {
		a.note("%s: %s", file, cutShort(x.missing))
	}
	was := infoOf(place, from.UUID())
	switch err := place.Restore(from, replace); {
	case errors.Is(err, store.ErrExists):
		return a.existsAlready(cfg, from, was)
	case err != nil && strings.Contains(err.Error(), file):
		return explainFile(file, err)
	case err != nil: // it is about the token directory
		return explain("restoring the token", err)
	}
	if was != nil {
		a.note("the token was replaced: what was made or changed in it since the backup is gone, and programs that are logged in have to log in again")
	}
	return a.showRestored(from.UUID())
}

// infoOf returns what is known of a token that is there, nil where it is not there; of one that cannot be read nothing is known.
func infoOf(place *store.Place, uuid string) *store.Info {
	t, err := place.Token(uuid)
	if err != nil {
		return nil
	}
	i, _ := t.Info()
	return &i
}

// existsAlready is the error for a token that is there.
func (a *app) existsAlready(cfg *config.Config, from *store.TokenFile, was *store.Info) error {
	is := "cannot be read"
	if was != nil && was.UUID != "" {
		is = fmt.Sprintf("has the label %q and %s", was.Label, amount(was.Objects, "object"))
	}
	i, err := from.Info()
	if err != nil {
		return err
	}
	return fmt.Errorf("the token is there already: %s %s; the one in the backup has the label %q and %s\n"+
		"nothing was done; to overwrite it, and lose what was made since the backup, say --replace",
		store.Locate(cfg, from.UUID()), is, i.Label, amount(i.Objects, "object"))
}

// showRestored shows the token that was restored, and tells where its label is another's too.
func (a *app) showRestored(uuid string) error {
	c, err := a.open()
	if err != nil {
		return err
	}
	defer c.close()
	list, _, err := c.tokens()
	if err != nil {
		return err
	}
	infos, err := c.infos()
	if err != nil {
		return explain("reading the token", err)
	}
	var rows []tokenRow
	for _, t := range list {
		i := infos[t.info.SerialNumber]
		if i.UUID != uuid {
			continue
		}
		rows = append(rows, c.row(t, i))
		if err := c.unused(list, i.Label, t); err != nil {
			a.note("another token has the label %q, too: name this one by its serial number %s, or rename it with: softcsp token rename %s LABEL", i.Label, i.Serial, i.Serial)
		}
	}
	return a.showRows(rows)
}

// explainFile is explain for a token file that somebody named.
func explainFile(file string, err error) error {
	switch ck.Code(err) {
	case ck.CKR_DEVICE_ERROR, ck.CKR_TOKEN_NOT_RECOGNIZED:
		return fmt.Errorf("%w\nsee all that is wrong with: softcsp token check --file %s", errorOf(file, err), file)
	}
	return errorOf(file, err)
}
