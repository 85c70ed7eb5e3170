package main

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/keyfile"
	"github.com/softcsp/softcsp/mechanisms"
)

// An importing is what key import was asked for.
type importing struct {
	file                   string
	keyType, form, usage   string
	extractable, sensitive bool
	public                 bool
	password               *secretSource
	target                 *target
}

const importHelp = `Takes keys and certificates from a file into the token. What the file is, is found out from what is in it:

  PEM and DER    PKCS #8, also encrypted; PKCS #1, SEC 1, DSA keys of OpenSSL, also in old encrypted PEM files;
                 public keys; X.509 certificates
  PKCS #12       all keys and certificates, with their names, old and new encryption
  OpenSSH        private keys, also encrypted; public keys, also those of RFC 4716
  JWK            keys and sets of keys (RFC 7517)
  CryptoAPI      PRIVATEKEYBLOB, PUBLICKEYBLOB, PLAINTEXTKEYBLOB
  secret keys    their bytes, hex digits or base64, with --type

A private key comes with its public key, whether the file has that or not. Both, and the certificates for them, have the same
label and the same CKA_ID: --id, or the SHA-1 hash of the public key. A secret key without --id has a random one. Other
certificates of a chain have the names of their subjects. Without --label a key is called what the file calls it: the friendly name of PKCS #12, the
comment of OpenSSH, the kid of a JWK. All of it is imported, or nothing. "-" is standard input.

A password is asked for only if the file needs one; a wrong one is exit code 3. Keys do not leave the token again, unless --extractable says so; with
--sensitive they leave it wrapped by another key only (softcsp key wrap).

The file is left where it is: delete it when the key is in the token.`

func keyImport(a *app) *cobra.Command {
	m := &importing{password: &secretSource{what: "password of the file", flag: "password"}, target: newTarget("key")}
	c := &cobra.Command{
		Use:   "import --label LABEL FILE",
		Short: "Take keys and certificates from a file into a token",
		Long:  importHelp,
		Example: `  softcsp key import --label web server.p12
  softcsp key import --label mac --type hmac --pin-file user.pin secret.hex`,
		Args: exactly(1, "one file, or - for standard input"),
	}
	f := c.Flags()
	m.target.object.add(f)
	f.StringVar(&m.keyType, "type", "", "`type` of a secret key, as key generate has it: aes, hmac, generic, …")
	f.StringVar(&m.form, "format", "", "`form` in which a secret key is written: "+strings.Join(keyfile.Forms, ", ")+" (default: hex if the file has nothing but hex digits)")
	f.StringVar(&m.usage, "usage", "", "what the key is for, `words` with commas: "+usageWords()+" (default: what is usual for its type)")
	f.BoolVar(&m.extractable, "extractable", false, "the key may leave the token again")
	f.BoolVar(&m.sensitive, "sensitive", false, "with --extractable: only wrapped by another key")
	f.BoolVar(&m.public, "public", false, "CKA_PRIVATE false: a private or secret key is seen and used without the PIN")
	m.password.add(f)
	m.target.addToken(c)
	_ = c.RegisterFlagCompletionFunc("type", cobra.FixedCompletions(typeNames(false), cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(keyfile.Forms, cobra.ShellCompDirectiveNoFileComp))
	c.RunE = func(_ *cobra.Command, args []string) error {
		m.file = args[0]
		o, err := m.options(a)
		if err != nil {
			return usage(c, err)
		}
		return m.run(a, o)
	}
	return lists(a, c)
}

// secretType reads a type of secret keys: a word of key generate, or the name of PKCS#11 without CKK_.
func secretType(name string) (ck.KeyType, error) {
	if row := namedType(name, false); row != nil {
		return row.makes(), nil
	}
	for _, t := range mechanisms.SecretKeyTypes() {
		if plainWord(t.String()) == plainWord(name) {
			return t, nil
		}
	}
	return 0, notAWord("--type", name, typeNames(false), seeTypes)
}

// usualUse is what keys of a type are for that --type names.
func usualUse(name string) string {
	if row := namedType(name, false); row != nil {
		return row.uses
	}
	return ""
}

// options checks the command line, and says what the file does not.
func (m *importing) options(a *app) (o keyfile.Options, err error) {
	o.Password = func() ([]byte, error) { return m.password.read(a) }
	if m.keyType != "" {
		t, err := secretType(m.keyType)
		if err != nil {
			return o, err
		}
		if o.Secret = &t; m.usage == "" {
			m.usage = usualUse(m.keyType)
		}
	}
	if m.form != "" {
		if o.Form, err = oneOf("format", m.form, keyfile.Forms...); err != nil {
			return o, err
		}
	}
	switch {
	case m.form != "" && m.keyType == "":
		return o, errors.New("--format needs --type: the type of the secret key in the file")
	case m.sensitive && !m.extractable:
		return o, errors.New("--sensitive needs --extractable: other keys do not leave the token at all")
	}
	_, err = usagesOf(m.usage, ck.CKK_RSA)
	if err != nil {
		return o, err
	}
	_, err = m.target.object.template()
	return o, err
}

// run reads the file, then makes the objects.
func (m *importing) run(a *app, o keyfile.Options) error {
	data, err := a.readSmall(m.file, keyfile.MaxSize)
	if err != nil {
		return err
	}
	contents, err := keyfile.Read(data, o)
	clear(data)
	if err != nil {
		return m.explain(err)
	}
	defer contents.Wipe()
	a.note("%s: %s", m.file, contents.Format)
	return a.on(m.target, func(s *session) error { return m.store(s, contents) })
}

// explain says what can be done about a file that cannot be read.
func (m *importing) explain(err error) error {
	var unsaid *keyfile.TypeError
	switch {
	case errors.Is(err, keyfile.ErrPassword):
		return &failure{exitPIN, fmt.Errorf("%s: %w, or the file is damaged", m.file, err)}
	case errors.As(err, &unsaid):
		return misuse("%s: %w: give --type", m.file, err)
	case errors.Is(err, keyfile.ErrUnknown):
		return fmt.Errorf("%s: %w\nif it is the bytes or the hex digits of a secret key, say of which type: --type aes", m.file, err)
	}
	return fmt.Errorf("%s: %w", m.file, err)
}

// readSmall reads a whole file, or standard input, that is to be small. The caller wipes it.
func (a *app) readSmall(name string, limit int) ([]byte, error) {
	in := a.in
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	part := make([]byte, 1<<16)
	defer clear(part)
	var data []byte
	for {
		n, err := in.Read(part)
		data = ck.AppendWiping(data, part[:n])
		switch {
		case err == io.EOF:
			return data, nil
		case err == nil && len(data) > limit:
			err = fmt.Errorf("%s is longer than %d MiB: that is no file of keys", name, limit>>20)
		}
		if err != nil {
			clear(data)
			return nil, err
		}
	}
}

// A newObject is an object that is to be made.
type newObject struct {
	entry    *keyfile.Entry
	template []ck.Attribute
}

// store makes all objects, or none.
func (m *importing) store(s *session, contents *keyfile.Contents) error {
	list, err := m.plan(s, contents)
	if err != nil {
		return err
	}
	var made []ck.ObjectHandle
	for _, n := range list {
		o, err := s.CreateObject(s.handle, n.template)
		if err != nil {
			for _, o := range made {
				_ = s.DestroyObject(s.handle, o) // the first error counts
			}
			return explain("importing the "+className(n.entry.Class), err)
		}
		made = append(made, o)
	}
	return s.showNew(made)
}

// className is a class for people.
func className(class ck.ObjectClass) string {
	return strings.ReplaceAll(word("CKO_", class), "-", " ")
}

// plan says which objects are to be made. What a key is called has to be free; a certificate that is there already stays.
func (m *importing) plan(s *session, contents *keyfile.Contents) (list []newObject, err error) {
	names, err := m.names(contents)
	if err != nil {
		return nil, err
	}
	hasCertificates := slices.ContainsFunc(contents.Entries, func(e keyfile.Entry) bool { return e.Class == ck.CKO_CERTIFICATE })
	for i := range contents.Entries {
		e := &contents.Entries[i]
		named := names[i]
		if e.Class == ck.CKO_CERTIFICATE {
			old, err := s.find(classIs(ck.CKO_CERTIFICATE), ck.Attribute{Type: ck.CKA_VALUE, Value: valueOf(e.Attributes, ck.CKA_VALUE)})
			if err != nil {
				return nil, explain("looking for certificates", err)
			}
			if len(old) > 0 {
				s.app.note("the certificate %q is in the token already", named.label)
				continue
			}
		} else if err := s.isFree(e.Class, named); err != nil {
			return nil, err
		}
		if e.Class == ck.CKO_PRIVATE_KEY && hasCertificates && contents.Find(ck.CKO_CERTIFICATE, e.PublicKeyInfo) == nil {
			s.app.note("no certificate in the file belongs to the key %q", named.label)
		}
		template, err := m.template(e, named)
		if err != nil {
			return nil, err
		}
		list = append(list, newObject{e, template})
	}
	if len(list) == 0 {
		return nil, errors.New("all that is in the file is in the token already")
	}
	return list, nil
}

// isFree sees that there is no key of a class with the label or the id.
func (s *session) isFree(class ck.ObjectClass, n naming) error {
	for _, a := range []ck.Attribute{{Type: ck.CKA_LABEL, Value: []byte(n.label)}, {Type: ck.CKA_ID, Value: n.id}} {
		if len(a.Value) == 0 {
			continue
		}
		old, err := s.find(classIs(class), a)
		switch {
		case err != nil:
			return explain("looking for keys", err)
		case len(old) > 0 && a.Type == ck.CKA_LABEL:
			return fmt.Errorf("there is a %s with the label %q already: choose another --label", className(class), n.label)
		case len(old) > 0:
			return fmt.Errorf("there is a %s with the id %x already, its label is %q: it is the same key, unless --id says otherwise", className(class), n.id, s.labelOf(old[0]))
		}
	}
	return nil
}

// A naming is what an object is called.
type naming struct {
	label string
	id    []byte
}

// names says what each entry is called. Several keys of one file have the names that the file gives them, or numbers behind the label.
func (m *importing) names(contents *keyfile.Contents) ([]naming, error) {
	given, err := hex.DecodeString(m.target.object.id)
	if err != nil {
		return nil, err
	}
	keys := 0
	named := make(map[string]string) // the labels by the SubjectPublicKeyInfo of the keys
	list := make([]naming, len(contents.Entries))
	for i := range contents.Entries {
		e := &contents.Entries[i]
		label, seen := named[string(e.PublicKeyInfo)]
		seen = seen && e.PublicKeyInfo != nil
		switch {
		case e.Class == ck.CKO_CERTIFICATE && keys == 0: // a file of certificates only
			label = e.Name
			if m.target.object.label != "" && i == 0 {
				label = m.target.object.label
			}
		case e.Class == ck.CKO_CERTIFICATE && !seen:
			label = e.Name
		case !seen:
			if keys++; keys == 1 {
				label = m.target.object.label
			} else if label = e.Name; label == "" && m.target.object.label != "" {
				label = fmt.Sprintf("%s-%d", m.target.object.label, keys)
			}
			if label == "" {
				label = e.Name
			}
			if label == "" {
				return nil, misuse("%s does not say what its key is called: give --label", filepath.Base(m.file))
			}
			named[string(e.PublicKeyInfo)] = label
			seen = true
		}
		if list[i] = (naming{label, e.ID()}); e.Class == ck.CKO_SECRET_KEY {
			list[i].id = make([]byte, randomID)
			rand.Read(list[i].id)
		}
		if seen && len(given) > 0 {
			list[i].id = given
		}
	}
	if keys > 1 && len(given) > 0 {
		return nil, misuse("there are %d keys in the file, and one --id: leave it out", keys)
	}
	return list, nil
}

// template is the template of an entry.
func (m *importing) template(e *keyfile.Entry, n naming) ([]ck.Attribute, error) {
	t := slices.Clone(e.Attributes)
	t = append(t, yes(ck.CKA_TOKEN, true), ck.Attribute{Type: ck.CKA_LABEL, Value: []byte(n.label)})
	if len(n.id) > 0 {
		t = append(t, ck.Attribute{Type: ck.CKA_ID, Value: n.id})
	}
	secret := e.Class == ck.CKO_PRIVATE_KEY || e.Class == ck.CKO_SECRET_KEY
	t = append(t, yes(ck.CKA_PRIVATE, secret && !m.public))
	if secret {
		t = append(t, yes(ck.CKA_EXTRACTABLE, m.extractable), yes(ck.CKA_SENSITIVE, !m.extractable || m.sensitive))
	}
	if e.Class == ck.CKO_CERTIFICATE {
		return t, nil
	}
	purposes, err := usageTemplate(m.usage, e.Class, e.Type)
	return append(t, purposes...), err
}
