package main

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/certinfo"
)

// A certImportation is what cert import was asked for.
type certImportation struct {
	private, trusted   bool
	duplicate, replace bool
	target             *target
	officer            *secretSource
	file               string
}

func certImport(a *app) *cobra.Command {
	x := &certImportation{target: newTarget("certificate"), officer: soPIN()}
	c := &cobra.Command{
		Use:   "import FILE",
		Short: "Put certificates of a file into the token",
		Long: `Puts the certificates of a file, PEM, DER or PKCS#7 (.p7b), into the token; there may be several. Subject, issuer and serial number are taken
from the certificate, the id from the key in the token that it is for, or else from its public key, as "softcsp key generate" makes
it. The first one gets the label of --label, or else that of its key; each other, or one without a key, the common name
of its subject. A certificate that is in the token already is left as it is. Where a label is taken by another one, --replace puts the new
certificate in its place, as after a renewal.

--trusted marks certificates of authorities as trusted (CKA_TRUSTED), which the security officer does: it needs the SO PIN in place
of the user's. FILE is "-" for standard input.`,
		Example: "  softcsp cert import --pin-file user.pin web.pem\n  softcsp cert import --trusted --so-pin-file so.pin --label 'our CA' ca.pem",
		Args:    exactly(1, "one file, or - for standard input"),
	}
	f := c.Flags()
	f.BoolVar(&x.private, "private", false, "CKA_PRIVATE true: the certificates are seen with the PIN only")
	f.BoolVar(&x.trusted, "trusted", false, "mark the certificates as trusted, as the security officer")
	f.BoolVar(&x.duplicate, "duplicate", false, "take a label even if there is a certificate of that label already")
	f.BoolVar(&x.replace, "replace", false, "delete the certificates that have the labels now, and take their place")
	x.target.object.add(f)
	x.target.addToken(c)
	x.officer.add(f)
	c.RunE = func(_ *cobra.Command, args []string) error {
		x.file = args[0]
		if x.duplicate && x.replace {
			return usage(c, errors.New("give --duplicate or --replace, not both"))
		}
		if x.trusted && x.private {
			return usage(c, fmt.Errorf("--trusted is for certificates that all see: leave --private out"))
		}
		if _, err := x.target.object.template(); err != nil {
			return usage(c, err)
		}
		list, err := x.read(a)
		if err != nil {
			return err
		}
		do := func(s *session) error { return x.run(s, list) }
		if x.trusted {
			return a.asOfficer(x.target, x.officer, do)
		}
		return a.on(x.target, do)
	}
	return lists(a, c)
}

// read reads the file.
func (x *certImportation) read(a *app) ([]*certinfo.Certificate, error) {
	in := a.in
	if x.file != "-" {
		f, err := os.Open(x.file)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	list, err := certinfo.Read(in)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", x.file, err)
	}
	return list, nil
}

// run puts the certificates into the token: all, or if one fails none.
func (x *certImportation) run(s *session, list []*certinfo.Certificate) (err error) {
	var made, shown, old []ck.ObjectHandle
	defer func() {
		if err != nil {
			for _, o := range made {
				_ = s.DestroyObject(s.handle, o)
			}
		}
	}()
	for i, c := range list {
		same, err := s.find(classIs(ck.CKO_CERTIFICATE), ck.Attribute{Type: ck.CKA_VALUE, Value: c.Raw})
		if err != nil {
			return explain("looking for the certificate", err)
		}
		if len(same) > 0 {
			s.app.note("the certificate of %s is in the token already", certinfo.CommonName(c.Subject))
			shown = append(shown, same[0])
			continue
		}
		template, err := x.template(s, c, i == 0)
		if err != nil {
			return err
		}
		taken, err := x.taken(s, template[0])
		if err != nil {
			return err
		}
		o, err := s.CreateObject(s.handle, template)
		if err != nil {
			return explainChange("making the certificate of "+certinfo.CommonName(c.Subject), err)
		}
		made, shown, old = append(made, o), append(shown, o), append(old, taken...)
	}
	for _, o := range old {
		if err := s.DestroyObject(s.handle, o); err != nil {
			return explainChange("deleting the certificate that is replaced", err)
		}
	}
	made = nil
	return s.showNew(shown)
}

// taken returns the certificates whose label a new one takes. Without --replace that is an error.
func (x *certImportation) taken(s *session, label ck.Attribute) ([]ck.ObjectHandle, error) {
	if x.duplicate || len(label.Value) == 0 {
		return nil, nil
	}
	list, err := s.find(classIs(ck.CKO_CERTIFICATE), label)
	if err != nil {
		return nil, explain("looking for the certificate", err)
	}
	if len(list) > 0 && !x.replace {
		return nil, fmt.Errorf("%w; --replace puts the new one in its place", s.taken(list[0], ck.CKA_LABEL, "certificate"))
	}
	return list, nil
}

// template returns the attributes of a certificate. The first of a file can have a name of its own.
func (x *certImportation) template(s *session, c *certinfo.Certificate, first bool) ([]ck.Attribute, error) {
	key, label, id, err := s.keyOf(c)
	if err != nil {
		return nil, err
	}
	if !key || len(label) == 0 {
		label = []byte(certinfo.CommonName(c.Subject))
	}
	category := ck.CK_CERTIFICATE_CATEGORY_UNSPECIFIED
	switch {
	case c.CA:
		category = ck.CK_CERTIFICATE_CATEGORY_AUTHORITY
	case key:
		category = ck.CK_CERTIFICATE_CATEGORY_TOKEN_USER
	}
	t := []ck.Attribute{
		{Type: ck.CKA_LABEL, Value: label}, {Type: ck.CKA_ID, Value: id},
	}
	if first {
		named, err := x.target.object.template()
		if err != nil {
			return nil, err
		}
		for _, a := range named {
			i := slices.IndexFunc(t, func(b ck.Attribute) bool { return a.Type == b.Type })
			t[i] = a
		}
	}
	t = append(t, classIs(ck.CKO_CERTIFICATE),
		ck.Attribute{Type: ck.CKA_CERTIFICATE_TYPE, Value: ck.UlongValue(uint(ck.CKC_X_509))},
		ck.Attribute{Type: ck.CKA_TOKEN, Value: ck.BoolValue(true)},
		ck.Attribute{Type: ck.CKA_PRIVATE, Value: ck.BoolValue(x.private)},
		ck.Attribute{Type: ck.CKA_CERTIFICATE_CATEGORY, Value: ck.UlongValue(category)},
		ck.Attribute{Type: ck.CKA_SUBJECT, Value: c.Subject},
		ck.Attribute{Type: ck.CKA_ISSUER, Value: c.Issuer},
		ck.Attribute{Type: ck.CKA_SERIAL_NUMBER, Value: c.Serial},
		ck.Attribute{Type: ck.CKA_START_DATE, Value: []byte(c.NotBefore.Format("20060102"))},
		ck.Attribute{Type: ck.CKA_END_DATE, Value: []byte(c.NotAfter.Format("20060102"))},
		ck.Attribute{Type: ck.CKA_PUBLIC_KEY_INFO, Value: c.PublicKeyInfo},
		ck.Attribute{Type: ck.CKA_VALUE, Value: c.Raw})
	if x.trusted {
		t = append(t, ck.Attribute{Type: ck.CKA_TRUSTED, Value: ck.BoolValue(true)})
	}
	return t, nil
}

// keyOf finds the key of the token that a certificate is for, and returns its label and id; where there is none, the id that a pair would get.
func (s *session) keyOf(c *certinfo.Certificate) (found bool, label, id []byte, err error) {
	if id, err = keyIdentifier(c.PublicKeyInfo); err != nil {
		return false, nil, nil, err
	}
	for _, class := range []ck.ObjectClass{ck.CKO_PRIVATE_KEY, ck.CKO_PUBLIC_KEY} {
		list, err := s.find(classIs(class), ck.Attribute{Type: ck.CKA_PUBLIC_KEY_INFO, Value: c.PublicKeyInfo})
		if err != nil {
			return false, nil, nil, explain("looking for the key", err)
		}
		if len(list) == 0 {
			continue
		}
		if label, err = s.attribute(list[0], ck.CKA_LABEL); err != nil {
			return false, nil, nil, explain("reading the key", err)
		}
		if of, err := s.attribute(list[0], ck.CKA_ID); err == nil && len(of) > 0 {
			id = of
		}
		return true, label, id, nil
	}
	return false, nil, id, nil
}
