package main

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/softcsp/softcsp/store"
)

// What a command writes to a file of the user's appears under its name whole or not at all, and replaces no file that would be missed.

// addOut gives a command the flag --out for what may be secret, or may be the only copy of something: a file that is there already is
// replaced with --force only, and the command says so before it does anything.
func (a *app) addOut(c *cobra.Command, out *string, preset, text string) {
	c.Flags().StringVarP(out, "out", "o", preset, text)
	a.guard(c, out, a.checkVacant)
}

// addPublicOut gives a command the flag --out for what is no secret and can be made again, such as a signature.
func (a *app) addPublicOut(c *cobra.Command, out *string, preset, text string) {
	c.Flags().StringVarP(out, "out", "o", preset, text)
	a.guard(c, out, a.checkReplaceable)
}

// guard gives a command the flag --force, and has it check the file that a flag names before it does anything.
func (a *app) guard(c *cobra.Command, out *string, check func(string) error) {
	if c.Flags().Lookup("force") == nil {
		c.Flags().BoolVar(&a.force, "force", false, "replace a file that is there already")
	}
	before := c.PreRunE
	c.PreRunE = func(c *cobra.Command, args []string) error {
		if before != nil {
			if err := before(c, args); err != nil {
				return err
			}
		}
		return check(*out)
	}
}

// write calls f with a writer to a file, which appears under its name when f has succeeded, or to standard output. A device
// or a pipe is written to as it is. Nobody else may read the file.
func (a *app) write(name string, f func(io.Writer) error) error {
	return a.writeMode(name, 0o600, a.checkVacant, f)
}

// writePublic is write for what is nobody's secret and can be made again: who may read the file the umask says.
func (a *app) writePublic(name string, f func(io.Writer) error) error {
	return a.writeMode(name, 0o666, a.checkReplaceable, f)
}

func (a *app) writeMode(name string, mode os.FileMode, check func(string) error, f func(io.Writer) error) (err error) {
	if name == "-" && width(a.out) > 0 {
		text := &textOnly{to: a.out}
		return errors.Join(f(text), text.Close())
	}
	if name == "-" {
		return f(a.out)
	}
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		special, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		return errors.Join(f(special), special.Close())
	}
	if err := check(name); err != nil {
		return err
	}
	temporary := filepath.Join(filepath.Dir(name), ".softcsp-"+rand.Text())
	tmp, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if path := (*fs.PathError)(nil); errors.As(err, &path) {
		return fmt.Errorf("writing %s: %w", name, path.Err) // the name is that which was given
	}
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			tmp.Close()
			os.Remove(temporary)
		}
	}()
	if err = f(tmp); err != nil {
		return err
	}
	if err = tmp.Sync(); err != nil { // a backup is one when it is on the disk
		return err
	}
	if err = tmp.Close(); err != nil {
		return err
	}
	if err = check(name); err != nil { // somebody may have made it meanwhile
		return err
	}
	return os.Rename(temporary, name)
}

// errThere refuses to replace a file.
func errThere(name, why string) error {
	return misuse("%s is there already%s: choose another name, or replace it with --force", name, why)
}

// replaced returns what is known of the file that an output would replace: nil where there is none, nothing in it, or --force is given.
func (a *app) replaced(name string) os.FileInfo {
	info, err := os.Stat(name)
	if a.force || err != nil || !info.Mode().IsRegular() || info.Size() == 0 {
		return nil
	}
	return info
}

// checkVacant refuses a name under which there is a file with something in it.
func (a *app) checkVacant(name string) error {
	if name == "-" || a.replaced(name) == nil {
		return nil
	}
	return errThere(name, "")
}

// checkReplaceable refuses a name under which there is a file that is not to be lost: one that the command has read, or one with a private key
// or a token in it.
func (a *app) checkReplaceable(name string) error {
	if name == "-" {
		return nil
	}
	there := a.replaced(name)
	if there == nil {
		return nil
	}
	for _, read := range a.inputs {
		if os.SameFile(read, there) {
			return errThere(name, ", and is what is read")
		}
	}
	f, err := os.Open(name)
	if err != nil {
		return nil // it may be written to, and is not ours to read
	}
	defer f.Close()
	begin := make([]byte, 1<<16)
	n, _ := io.ReadFull(f, begin)
	defer clear(begin)
	if bytes.Contains(begin[:n], []byte("PRIVATE KEY-----")) || store.IsTokenFile(begin[:n]) {
		return errThere(name, ", and holds keys")
	}
	return nil
}
