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
	pin := userPIN()
	c := &cobra.Command{
		Use:   "backup [NAME] --out FILE",
		Short: "Copy a token to a file, while programs use it",
		Long: `Copies a token to a file, as it is between two changes: programs may write to it meanwhile, and hardly wait. The copy is the exact token
file, sealed like that, and is checked before the file appears, whole or not at all, with mode 0600. It needs no PIN; but only with one, from
--pin-file, --pin-fd, --pin-env or SOFTCSP_PIN, private objects are checked, too. The PINs of the copy are those that the token has now.

No backup is made of a token that is damaged, because it would be taken for a good one. --damaged copies it as it is, says what is wrong with it,
and exits with 5. A token of which not even the label can be read goes by its serial number then.

Whoever has the file can guess at its PINs as often as they like. See what is in it, with the PIN, with "softcsp token check --file", and put
it back with "softcsp token restore".`,
		Example: "  softcsp token backup lab --out lab.token",
		RunE: func(c *cobra.Command, _ []string) error {
			if out == "" {
				return usage(c, errors.New("--out: name the file to write, or - for standard output"))
			}
			secret, err := pin.readGiven(a)
			if err != nil {
				return err
			}
			defer clear(secret)
			return a.backUp(t, out, damaged, secret)
		},
	}
	t.addName(a, c)
	a.addOut(c, &out, "", "`file` to write, \"-\" for standard output")
	c.Flags().BoolVar(&damaged, "damaged", false, "copy the token also where it is damaged")
	pin.add(c.Flags())
	return c
}

// backUp copies the token that is meant to a file, also where it is damaged if that is asked for. A PIN is for checking the copy.
func (a *app) backUp(t choice, out string, damaged bool, pin []byte) error {
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
	if store.Volatile(c.cfg) {
		return fmt.Errorf("the store is %q: there is no file", c.cfg.Store)
	}
	name, uuid, err := c.evenBroken(t)
	if err != nil {
		return err
	}
	place, err := store.OpenPlace(c.cfg)
	if err != nil {
		return explain("opening the token directory", err)
	}
	defer place.Close()
	token, err := place.Token(uuid)
	if err != nil {
		return explain("opening the token", err)
	}
	var found checkRow
	var copied int64
	var wrongPIN error
	err = token.Backup(func(from *store.Copy) (err error) {
		copied = from.Size
		if found, wrongPIN, err = checkWhatOpens(from.File.Token, pin); err != nil || len(found.Faults) > 0 && !damaged {
			return err
		}
		return a.write(out, func(w io.Writer) error {
			return a.parts(from, from.Size, "copying", func(part []byte) error {
				_, err := w.Write(part)
				return err
			})
		})
	})
	switch {
	case err != nil:
		return explain("backing up the token", err)
	case len(found.Faults) > 0:
		return notBackedUp(name, uuid, &found, out, damaged)
	case wrongPIN != nil:
		return fmt.Errorf("%s is copied to %s, but was not checked with the PIN: %w", name, out, explain("checking", wrongPIN))
	case out != "-":
		a.note("%s is copied to %s, %d KiB; %s", name, out, (copied+1023)>>10, found.how())
	}
	return nil
}

// evenBroken returns the token that is meant, also one of which nothing can be read, by its serial number, or because there is no other.
func (c *client) evenBroken(t choice) (name, uuid string, err error) {
	meant, err := c.pick(t)
	if err == nil {
		infos, err := c.infos()
		return fmt.Sprintf("token %q", meant.info.Label), infos[meant.info.SerialNumber].UUID, explain("reading tokens", err)
	}
	for _, b := range c.broken {
		if b.file != "" && (t.name == b.serial || t.name == "" && len(c.broken) == 1) {
			return "token " + b.serial, uuidOf(b.file), nil
		}
	}
	if len(c.broken) > 0 {
		err = fmt.Errorf("%w\nit may be the token %s; copy what is left of that with: softcsp token backup %[2]s --out FILE --damaged", err, c.broken[0].serial)
	}
	return "", "", err
}

// checkWhatOpens is checkOne for a copy, which is checked without the PIN where the token does not take that.
func checkWhatOpens(t *store.Token, pin []byte) (row checkRow, wrongPIN, err error) {
	row, err = checkOne(t, pin)
	if exitCode(err) == exitPIN || ck.Code(err) == ck.CKR_USER_PIN_NOT_INITIALIZED {
		wrongPIN = err
		row, err = checkOne(t, nil)
	}
	return row, wrongPIN, err
}

// how says how far a copy was checked that has no faults.
func (r *checkRow) how() string {
	if r.WithPIN {
		return "it is sound"
	}
	return "it is sound as far as can be seen, as it was not checked with the PIN: see --pin-file"
}

// notBackedUp is the error of a backup of a damaged token, which was copied to a file or not.
func notBackedUp(name, uuid string, found *checkRow, out string, copied bool) error {
	was := name + " is damaged, and was not backed up"
	do := fmt.Sprintf("copy it as it is, to save what is left, with: softcsp token backup %s --out %s --damaged", serialOf(uuid), shellWord(out))
	if copied {
		was = fmt.Sprintf("%s is damaged, and was copied to %s as it is", name, out)
		do = "this is no backup: keep those that are sound; softcsp token check --file tells what is left in it"
	}
	return &failure{exitDamaged, fmt.Errorf("%s:\n  %s\n%s", was, strings.Join(found.Faults, "\n  "), do)}
}

// serialOf returns the serial number of a token.
func serialOf(uuid string) string { return strings.ReplaceAll(uuid, "-", "")[:16] }

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
	pin := userPIN()
	c := &cobra.Command{
		Use:   "restore FILE",
		Short: "Put a token back from a backup",
		Long: `Makes a token of a backup, or of any copy of a token file: with its UUID, serial number, label, PINs and objects, in the token directory in
force, whole or not at all. A file that is damaged is refused. Private objects are checked, too, where there is a PIN, from --pin-file, --pin-fd,
--pin-env or SOFTCSP_PIN: that of the backup.

A token that is there is never overwritten without --replace. With it, what was made or changed since the backup is lost, PINs that were set
since are no more, and the tries that PINs have left are those of the backup. A program that is logged in gets CKR_DEVICE_ERROR until it logs
in again, because to it the token has been put back to an earlier state.`,
		Example: "  softcsp token restore lab.token --pin-file user.pin\n  softcsp token restore lab.token --replace",
		Args:    exactly(1, "one file: a backup"),
		RunE: func(_ *cobra.Command, args []string) error {
			secret, err := pin.readGiven(a)
			if err != nil {
				return err
			}
			defer clear(secret)
			return a.restoreToken(args[0], replace, secret)
		},
	}
	pin.add(c.Flags())
	c.Flags().BoolVar(&replace, "replace", false, "overwrite the token, if it is there")
	return lists(a, c)
}

// restoreToken puts the token of a file in the token directory. A PIN is for checking the file.
func (a *app) restoreToken(file string, replace bool, pin []byte) error {
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
	found, err := checkOne(from.Token, pin)
	if exitCode(err) == exitPIN {
		return fmt.Errorf("%s could not be checked with the PIN, and was not restored: %w\nits PINs are those of its day; without one, in SOFTCSP_PIN either, it is restored without that check", file, err)
	}
	if err != nil {
		return explainFile(file, err)
	}
	if found.WithPIN && len(found.Faults) > 0 {
		return &failure{exitDamaged, fmt.Errorf("%s is damaged, and was not restored:\n  %s", file, strings.Join(found.Faults, "\n  "))}
	}
	if found.Missing > 0 {
		a.note("%s: %s", file, cutShort(found.Missing))
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
	if !found.WithPIN {
		a.note("%s was restored as it is: it was not checked with the PIN; do that with: softcsp token check %s --login", file, serialOf(from.UUID()))
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
