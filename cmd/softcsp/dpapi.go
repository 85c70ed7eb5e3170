package main

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/softcsp/softcsp/capi"
	"github.com/softcsp/softcsp/csp"
	"github.com/softcsp/softcsp/examples/dpapi"
)

// An unprotecting is what dpapi was asked for.
type unprotecting struct {
	masterKey, sid, entropy, out string
	about                        bool
	password                     *secretSource
}

const dpapiHelp = `Opens a blob that CryptProtectData of Windows made, as CryptUnprotectData does: in a file of its own, or in a file of the
credential manager and the like, where the first one is taken. Its key is one of CryptDeriveKey; it is derived and used in a
token in memory, and no token of yours is needed. A blob that was changed is not opened.

A blob is made with a master key of a user. --master-key FILE is one of

  the file of it in the user's profile, AppData/Roaming/Microsoft/Protect/SID/GUID, which the password of the user
  opens; --sid is the user's SID, and need not be given where the file lies in a directory with that name
  a file with the 64 bytes of the master key itself in hex digits

--about says which master key a blob needs, without opening it. --entropy FILE is what the program that made the blob added,
byte for byte; most add nothing. The result goes to --out, which is written whole or not at all, or to standard output. A wrong
password is exit code 3.`

func unprotect(a *app) *cobra.Command {
	u := &unprotecting{password: &secretSource{what: "password of the user", flag: "password"}}
	c := lists(a, &cobra.Command{
		Use:   "dpapi FILE",
		Short: "Open a blob of the Windows Data Protection API",
		Long:  dpapiHelp,
		Example: `  softcsp dpapi --about blob
  softcsp dpapi --master-key S-1-5-21-1004/865be7a6-863c-4d73-ac9f-233f8734089d --out plain blob`,
		Args: exactly(1, "one file, or - for standard input"),
	})
	f := c.Flags()
	f.StringVarP(&u.masterKey, "master-key", "m", "", "`file` of the master key")
	f.StringVar(&u.sid, "sid", "", "`SID` of the user, S-1-5-21-…")
	f.StringVar(&u.entropy, "entropy", "", "`file` with the entropy that the program added")
	f.BoolVar(&u.about, "about", false, "show which master key the blob needs, and its description")
	a.addOut(c, &u.out, "-", "`file` to write, \"-\" for standard output")
	u.password.add(f)
	c.RunE = func(_ *cobra.Command, args []string) error {
		blob, err := a.readBlob(args[0])
		switch {
		case err != nil:
			return err
		case u.about:
			return a.showBlob(blob)
		case u.masterKey == "":
			return usage(c, fmt.Errorf("the blob was made with the master key %s: give the file of that name in the user's profile with --master-key", blob.GUID()))
		}
		return a.unprotect(u, blob)
	}
	return c
}

// readBlob reads the first blob of a file.
func (a *app) readBlob(name string) (*dpapi.Blob, error) {
	file, err := a.readAll(name)
	if err != nil {
		return nil, err
	}
	blob, err := dpapi.Parse(dpapi.Find(file))
	if err != nil {
		return nil, fmt.Errorf("%s holds no blob of DPAPI, or a damaged one", name)
	}
	return blob, nil
}

// unprotect opens a blob and writes what it holds.
func (a *app) unprotect(u *unprotecting, blob *dpapi.Blob) error {
	var entropy []byte
	if u.entropy != "" {
		var err error
		if entropy, err = os.ReadFile(u.entropy); err != nil {
			return fmt.Errorf("--entropy: %w", err)
		}
		defer clear(entropy)
	}
	master, err := a.readMasterKey(u, blob.GUID())
	if err != nil {
		return err
	}
	defer clear(master)
	plain, err := withContext(func(c *csp.Context) ([]byte, error) { return blob.Open(master, entropy, dpapi.CSP{Context: c}) })
	if errors.Is(err, dpapi.ErrBlob) {
		return errors.New("the blob was changed, or made with another master key or other entropy; a program that adds entropy needs --entropy")
	}
	if err != nil {
		return err
	}
	defer clear(plain)
	return a.write(u.out, func(w io.Writer) error {
		_, err := w.Write(plain)
		return err
	})
}

// readMasterKey returns the master key of a file, which the password opens unless it is there in hex digits.
func (a *app) readMasterKey(u *unprotecting, guid string) ([]byte, error) {
	file, err := os.ReadFile(u.masterKey)
	if err != nil {
		return nil, fmt.Errorf("--master-key: %w", err)
	}
	defer clear(file)
	digits := bytes.TrimSpace(file)
	master := make([]byte, hex.DecodedLen(len(digits)))
	if _, err := hex.Decode(master, digits); err == nil && len(master) == 64 {
		return master, nil
	}
	key, err := dpapi.ParseMasterKey(file)
	switch {
	case err != nil:
		return nil, fmt.Errorf("--master-key: %s: %w", u.masterKey, err)
	case !strings.EqualFold(key.GUID, guid):
		return nil, fmt.Errorf("--master-key: %s is the master key %s, and the blob was made with %s", u.masterKey, key.GUID, guid)
	}
	sid, err := u.user()
	if err != nil {
		return nil, err
	}
	password, err := u.password.read(a)
	if err != nil {
		return nil, err
	}
	defer clear(password)
	master, err = key.Open(string(password), sid)
	if errors.Is(err, dpapi.ErrPassword) {
		return nil, &failure{exitPIN, fmt.Errorf("%w: %s, SID %s", err, u.masterKey, sid)}
	}
	return master, err
}

// user returns the SID of the user: the one that is given, or the name of the directory that the master key is in.
func (u *unprotecting) user() (string, error) {
	if u.sid != "" {
		return u.sid, nil
	}
	path, err := filepath.Abs(u.masterKey)
	if err != nil {
		return "", err
	}
	name := filepath.Base(filepath.Dir(path))
	if !strings.HasPrefix(name, "S-1-") {
		return "", misuse("--sid is needed: %s does not lie in a directory that is called by the user's SID", u.masterKey)
	}
	return name, nil
}

// A blobRow is what dpapi --about shows.
type blobRow struct {
	MasterKey   string `json:"master_key"`
	Description string `json:"description,omitempty"`
	Cipher      string `json:"cipher"`
	Hash        string `json:"hash"`
}

func (a *app) showBlob(b *dpapi.Blob) error {
	hash := b.Hash
	if hash == capi.CALG_HMAC { // which stands for SHA-1 here
		hash = capi.CALG_SHA1
	}
	r := blobRow{b.GUID(), strings.TrimSpace(b.Description), nameOf(b.Cipher, algorithmNames), nameOf(hash, hashNames)}
	return a.show(r, nil, [][]string{{"master key", r.MasterKey}, {"description", r.Description}, {"cipher", r.Cipher}, {"hash", r.Hash}})
}

// nameOf is the name of a number, or the number where it has none.
func nameOf(number capi.AlgID, list []named[capi.AlgID]) string {
	for _, n := range list {
		if n.number == number {
			return n.name
		}
	}
	return fmt.Sprintf("%#x", uint32(number))
}
