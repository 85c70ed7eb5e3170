package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/keyfile"
	"github.com/softcsp/softcsp/mechanisms"
)

// An exporting is what key export was asked for.
type exporting struct {
	format, out   string
	secret, plain bool
	password      *secretSource
	target        *target
}

const exportHelp = `Writes the public key of a key pair; with --secret the private key, or a secret key, if it may leave the token.

  pem      SubjectPublicKeyInfo, or PKCS #8 of a private key, in PEM (the default)
  der      the same without PEM
  openssh  a line for authorized_keys, or a private key of OpenSSH; its comment is the label
  jwk      a JSON Web Key; its "kid" is the label
  blob     a key blob of CryptoAPI: PUBLICKEYBLOB, PRIVATEKEYBLOB, PLAINTEXTKEYBLOB
  hex, raw the hex digits (the default) or the bytes of a secret key

A private key is encrypted with a password, so that OpenSSL and others read it: PKCS #8 by PBES2 with PBKDF2 and AES-256, OpenSSH by
its own scheme. --plain leaves it in the clear; the formats that have no encryption need that.

A key leaves the token only if CKA_EXTRACTABLE is true and CKA_SENSITIVE false. A sensitive one leaves it wrapped by another key:
softcsp key wrap.

Files are written whole or not at all, with mode 0600.`

func keyExport(a *app) *cobra.Command {
	x := &exporting{password: &secretSource{what: "password for the file", flag: "password", confirm: true}, target: newTarget("key")}
	c := &cobra.Command{
		Use:   "export --label LABEL",
		Short: "Write a public key, or a key that may leave the token",
		Long:  exportHelp,
		Example: `  softcsp key export --label web --out web.pub
  softcsp key export --label id --format openssh
  softcsp key export --label web --secret --password-file p --pin-file user.pin --out web.key`,
		Args: exactly(0, ""),
	}
	f := c.Flags()
	f.StringVar(&x.format, "format", "", "`format`: "+strings.Join(exportFormats(), ", "))
	f.BoolVar(&x.secret, "secret", false, "the private key, or the secret key")
	f.BoolVar(&x.plain, "plain", false, "do not encrypt a private or secret key")
	a.addOut(c, &x.out, "-", "`file` to write, \"-\" for standard output")
	x.password.add(f)
	x.target.addTo(c)
	_ = c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(exportFormats(), cobra.ShellCompDirectiveNoFileComp))
	c.RunE = func(*cobra.Command, []string) error {
		if err := x.check(); err != nil {
			return usage(c, err)
		}
		if x.secret {
			return a.on(x.target, x.runSecret)
		}
		return x.runPublic(a)
	}
	return c
}

// exportFormats are all formats of keys.
func exportFormats() (all []string) {
	for _, class := range []ck.ObjectClass{ck.CKO_PUBLIC_KEY, ck.CKO_SECRET_KEY} {
		for _, name := range keyfile.Formats[class] {
			if !slices.Contains(all, name) {
				all = append(all, name)
			}
		}
	}
	return all
}

// check finds what is wrong with the command line before anything is asked for.
func (x *exporting) check() (err error) {
	if x.format != "" {
		if x.format, err = oneOf("format", x.format, exportFormats()...); err != nil {
			return err
		}
	}
	switch {
	case x.plain && !x.secret:
		return errors.New("--plain is for --secret: a public key is never encrypted")
	case x.password.given() && (!x.secret || x.plain):
		return errors.New("a password is for --secret without --plain")
	}
	return x.target.need()
}

// formatFor returns the format for a class: the one that is asked for, if there is such a one.
func (x *exporting) formatFor(class ck.ObjectClass) (string, error) {
	can := keyfile.Formats[class]
	switch {
	case x.format == "":
		return can[0], nil
	case !slices.Contains(can, x.format):
		return "", misuse("--format: a %s is not written as %s, but as %s", className(class), x.format, strings.Join(can, ", "))
	}
	return x.format, nil
}

// runPublic writes the public key, which either half has. The PIN is asked for only if the public half is not there to be seen without.
func (x *exporting) runPublic(a *app) error {
	if err := x.target.resolve(); err != nil {
		return err
	}
	return a.with(x.target.token, func(s *session) error {
		list, err := s.matching(x.target.object, ck.CKO_PUBLIC_KEY)
		if err != nil {
			return err
		}
		if len(list) != 1 {
			if err := s.login(ck.CKU_USER, x.target.pin); err != nil {
				return err
			}
			if list, err = s.matching(x.target.object, ck.CKO_PUBLIC_KEY, ck.CKO_PRIVATE_KEY); err != nil {
				return err
			}
		}
		o, info, err := x.common(s, list)
		if err != nil {
			return err
		}
		return x.writePublic(s, o, info)
	})
}

// common returns the public key that all objects of a list have, and one of them.
func (x *exporting) common(s *session, list []ck.ObjectHandle) (o ck.ObjectHandle, info []byte, err error) {
	for _, o = range list {
		next, err := s.publicKeyInfo(o)
		switch {
		case err != nil:
			return 0, nil, err
		case info != nil && !bytes.Equal(info, next):
			return 0, nil, misuse("there are several key pairs %s: choose one by its URI%s", x.target.object, s.named(list))
		}
		info = next
	}
	if len(list) > 0 {
		return o, info, nil
	}
	if _, err := s.one(x.target.object, ck.CKO_SECRET_KEY); err == nil {
		return 0, nil, misuse("that is a secret key, which has no public half: with --secret it is written, if it may leave the token")
	}
	_, err = s.one(x.target.object, ck.CKO_PUBLIC_KEY) // which says that there is none
	return 0, nil, err
}

func (x *exporting) writePublic(s *session, o ck.ObjectHandle, info []byte) error {
	format, err := x.formatFor(ck.CKO_PUBLIC_KEY)
	if err != nil {
		return err
	}
	t, attrs, err := mechanisms.UnmarshalPublic(info)
	if err != nil {
		return explain("reading the public key", err)
	}
	k := keyfile.Key{Class: ck.CKO_PUBLIC_KEY, Type: t, Attr: func(t ck.AttributeType) []byte { return valueOf(attrs, t) }, Name: s.labelOf(o)}
	return x.write(s.app, k, format, nil)
}

// labelOf returns the label of an object, "" without one.
func (s *session) labelOf(o ck.ObjectHandle) string {
	b, err := s.attribute(o, ck.CKA_LABEL)
	if err != nil {
		return ""
	}
	return string(b)
}

// runSecret writes a private or secret key.
func (x *exporting) runSecret(s *session) error {
	o, err := s.one(x.target.object, ck.CKO_PRIVATE_KEY, ck.CKO_SECRET_KEY)
	if err != nil {
		return err
	}
	class, err := s.ulong(o, ck.CKA_CLASS)
	if err != nil {
		return explain("reading the key", err)
	}
	if err := s.mayLeave(o, x.target.object); err != nil {
		return err
	}
	format, err := x.formatFor(ck.ObjectClass(class))
	if err != nil {
		return err
	}
	var password []byte
	switch encrypts := keyfile.Encrypts(ck.ObjectClass(class), format); {
	case !x.plain && !encrypts:
		return misuse("the format %s has no encryption: with --plain the key is written in the clear", format)
	case !x.plain:
		if password, err = x.password.read(s.app); err != nil {
			return err
		}
		defer clear(password)
		if len(password) == 0 {
			return errors.New("the password for the file is empty: --plain leaves the key in the clear")
		}
	default:
		s.app.note("the key is written in the clear")
	}
	return x.writeSecret(s, o, ck.ObjectClass(class), format, password)
}

// mayLeave says why a key does not leave the token, if it does not.
func (s *session) mayLeave(o ck.ObjectHandle, k objectChoice) error {
	switch {
	case !s.flag(o, ck.CKA_EXTRACTABLE):
		return fmt.Errorf("the key %s does not leave the token: its CKA_EXTRACTABLE is false, which cannot be changed\nuse it where it is, and move it with its token: softcsp token backup", k)
	case s.flag(o, ck.CKA_SENSITIVE):
		return fmt.Errorf("the key %s does not leave the token in the clear: its CKA_SENSITIVE is true, which cannot be changed\nit may leave wrapped by another key: softcsp key wrap --help", k)
	}
	return nil
}

// writeSecret reads the key and writes it.
func (x *exporting) writeSecret(s *session, o ck.ObjectHandle, class ck.ObjectClass, format string, password []byte) error {
	t, err := s.ulong(o, ck.CKA_KEY_TYPE)
	if err != nil {
		return explain("reading the key", err)
	}
	values := make(map[ck.AttributeType][]byte)
	defer func() {
		for _, v := range values {
			clear(v)
		}
	}()
	k := keyfile.Key{Class: class, Type: ck.KeyType(t), Name: s.labelOf(o), Attr: func(t ck.AttributeType) []byte {
		if _, known := values[t]; !known {
			v, err := s.attribute(o, t)
			if err != nil {
				v = nil // the key does not have it
			}
			values[t] = v
		}
		return values[t]
	}}
	return x.write(s.app, k, format, password)
}

func (x *exporting) write(a *app, k keyfile.Key, format string, password []byte) error {
	out, err := keyfile.Write(k, format, password)
	switch {
	case errors.Is(err, keyfile.ErrFormat):
		return misuse("--format: a key of type %s is not written as %s, but as %s", word("CKK_", k.Type), format, either(formatsOf(k)))
	case err != nil:
		return fmt.Errorf("writing the key: %w", err)
	}
	defer clear(out)
	return a.write(x.out, func(w io.Writer) error {
		_, err := w.Write(out)
		return err
	})
}

// formatsOf are the formats that a key can be written in.
func formatsOf(k keyfile.Key) (can []string) {
	for _, format := range keyfile.Formats[k.Class] {
		out, err := keyfile.Write(k, format, nil)
		if clear(out); err == nil {
			can = append(can, format)
		}
	}
	return can
}
