package main

import (
	"bytes"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/certinfo"
	"github.com/softcsp/softcsp/internal/keyfile"
	"github.com/softcsp/softcsp/internal/pkcs11uri"
	"github.com/softcsp/softcsp/internal/x509cert"
	"github.com/softcsp/softcsp/mechanisms"
)

// A certifying is what key certificate was asked for.
type certifying struct {
	target     *target // whose certificate it is
	issuerKey  string
	issuerCert string
	request    string
	subject    string
	names      []string
	days       int
	ca         bool
	usages     usageFlags
	signature  certSignature
	store      bool
	format     string
	out        string
}

func keyCertificate(a *app) *cobra.Command {
	x := &certifying{target: newTarget("key")}
	c := &cobra.Command{
		Use:   "certificate --label LABEL --subject /CN=NAME",
		Short: "Make a certificate of a key: self-signed, or signed by another key",
		Long: `Makes an X.509 certificate: of a key of the token, or with --csr of the one whose request is in a file. It is signed
by the key itself, or by the one that --issuer-key names: so a token is a small certification authority. Every type of
key will do.

  softcsp key certificate --label ca --subject /CN=CA --ca --store
  softcsp key certificate --csr server.csr --issuer-key ca --out server.pem

The first makes the authority's own certificate, the second that of a server.

The issuer's certificate is the one in the token, or the one in the file --issuer-cert. The certificate gets a random
serial number, and the identifiers of both keys. What it is for follows from the key's type and from --ca, unless
--usage and --eku say it. Of a request, whose signature is verified, the subject and the further names (SAN) are taken
where --subject and --san are not given, and nothing else.

The certificate goes to --out or, without --store, to standard output; --store keeps it in the token, beside its key:
with the same label and id.`,
		Example: `  softcsp key certificate --label server --subject /CN=localhost --san DNS:localhost --pin-file user.pin --out server.pem`,
		Args:    exactly(0, ""),
	}
	f := c.Flags()
	f.StringVar(&x.issuerKey, "issuer-key", "", "`label` or URI of the key that signs, if that is another one")
	f.StringVar(&x.issuerCert, "issuer-cert", "", "`file` with the certificate of the issuer, instead of the one in the token")
	f.StringVar(&x.request, "csr", "", "`file` with a request: whose key gets the certificate")
	f.StringVar(&x.subject, "subject", "", subjectUsage)
	f.StringArrayVar(&x.names, "san", nil, sanUsage)
	f.IntVar(&x.days, "days", 0, "`number` of days that it is valid (default 365; 3650 with --ca)")
	f.BoolVar(&x.ca, "ca", false, "the certificate of a certification authority")
	f.BoolVar(&x.store, "store", false, "keep the certificate in the token")
	x.usages.addTo(c)
	x.signature.addTo(c)
	a.addFormat(c, &x.format, &x.out)
	c.Flag("out").DefValue, x.out = "", "" // standard output only where it is not kept
	complete(f, "issuer-key", "key")
	x.target.addTo(c)
	c.RunE = func(*cobra.Command, []string) error {
		if err := x.check(); err != nil {
			return usage(c, err)
		}
		return a.on(x.target, x.run)
	}
	return lists(a, c)
}

// check tells what is wrong on the command line.
func (x *certifying) check() error {
	switch {
	case x.request != "" && x.target.object.given():
		return errors.New("give --csr, or a key of the token, not both")
	case x.request != "" && x.issuerKey == "":
		return errors.New("give --issuer-key: the key that signs the certificate of the request")
	case x.request == "" && x.subject == "":
		return errors.New("give --subject: the name, /CN=host say")
	case x.issuerCert != "" && x.issuerKey == "":
		return errors.New("give --issuer-key beside --issuer-cert")
	case x.store && x.out == "-":
		return errors.New("--out - beside --store: standard output shows what was stored; give --out a file")
	case x.days < 0:
		return errors.New("--days is not negative")
	case x.request == "":
		return errors.Join(x.target.need(), checkFormat(&x.format))
	}
	return checkFormat(&x.format)
}

// A subject is whose certificate it is.
type subject struct {
	key       ck.ObjectHandle // 0 where it is not in the token
	name      []byte
	publicKey []byte
	names     *x509cert.Extension // SubjectAltName
}

// An issuer is who signs it.
type issuer struct {
	key      ck.ObjectHandle
	name     []byte
	keyID    []byte
	notAfter time.Time
	self     bool
}

// run makes the certificate.
func (x *certifying) run(s *session) error {
	who, err := x.findSubject(s)
	if err != nil {
		return err
	}
	by, err := x.findIssuer(s, who)
	if err != nil {
		return err
	}
	how, algorithm, err := x.signature.signer(s, by.key)
	if err != nil {
		return err
	}
	template, err := x.template(s, who, by)
	if err != nil {
		return err
	}
	tbs, err := template.ToBeSigned(algorithm)
	if err != nil {
		return err
	}
	raw, err := how.sealed(tbs, algorithm)
	if err != nil {
		return err
	}
	if x.out == "" && !x.store {
		x.out = "-"
	}
	if x.out != "" {
		if err := s.app.writeX509(x.out, x.format, "CERTIFICATE", raw); err != nil {
			return err
		}
	}
	if !x.store {
		return nil
	}
	c, err := certinfo.Parse(raw)
	if err != nil {
		return err
	}
	keep := certImportation{target: newTarget("certificate"), duplicate: true} // renewed ones have the label of the old
	return keep.run(s, []*certinfo.Certificate{c})
}

// findSubject finds the key in the token or in the request, and what it is called.
func (x *certifying) findSubject(s *session) (*subject, error) {
	who := new(subject)
	var err error
	if x.request != "" {
		if err = x.readRequest(s, who); err != nil {
			return nil, err
		}
	} else {
		if who.key, err = s.either(x.target.object); err != nil {
			return nil, err
		}
		if who.publicKey, err = s.publicKeyInfo(who.key); err != nil {
			return nil, err
		}
	}
	if x.subject != "" {
		if who.name, err = x509cert.ParseName(x.subject); err != nil {
			return nil, misuse("--subject: %w", err)
		}
	}
	if len(x.names) > 0 {
		names, err := x509cert.SubjectAltName(x.names, false)
		if err != nil {
			return nil, misuse("--san: %w", err)
		}
		who.names = &names
	}
	return who, x.checkName(who)
}

// checkName sees that the certificate names somebody: RFC 5280, sections 4.1.2.4 and 4.1.2.6. Where further names stand alone they are critical.
func (x *certifying) checkName(who *subject) error {
	switch {
	case len(who.name) > len(emptyName):
		return nil
	case x.ca || x.issuerKey == "":
		return misuse("--subject: who issues certificates, or this one, has a name: /CN=name say")
	case who.names == nil:
		return misuse("the certificate names nobody: give --subject or --san")
	}
	who.names.Critical = true
	return nil
}

// emptyName is a Name of nothing.
const emptyName = "\x30\x00"

// either returns the private key that is meant, or a public key without one.
func (s *session) either(k objectChoice) (ck.ObjectHandle, error) {
	list, err := s.matching(k, ck.CKO_PRIVATE_KEY)
	if err == nil && len(list) == 0 {
		if list, err = s.matching(k, ck.CKO_PUBLIC_KEY); len(list) == 1 {
			return list[0], err
		}
	}
	if err != nil {
		return 0, err
	}
	return s.one(k, ck.CKO_PRIVATE_KEY)
}

// readRequest takes the key and the names of the request.
func (x *certifying) readRequest(s *session, who *subject) error {
	b, err := s.app.readDER(x.request)
	if err != nil {
		return err
	}
	r, err := x509cert.ParseRequest(b)
	if err != nil {
		return fmt.Errorf("--csr: %s: %w", x.request, err)
	}
	if err := s.verifyRequest(x.request, r); err != nil {
		return err
	}
	who.name, who.publicKey = r.Subject, r.PublicKey
	if names, asked := r.Extension(x509cert.OIDSubjectAltName); asked && len(x.names) == 0 {
		who.names = &names
		s.app.note("the certificate has the names that the request asks for: %s", strings.Join(x509cert.AltNames(names.Value), ", "))
	}
	return nil
}

// readDER reads a file in PEM or in DER.
func (a *app) readDER(name string) ([]byte, error) {
	b, err := a.readSmall(name, keyfile.MaxSize)
	if err != nil {
		return nil, err
	}
	if block, _ := pem.Decode(b); block != nil {
		b = block.Bytes
	}
	return b, nil
}

// findIssuer finds the key that signs, and its certificate.
func (x *certifying) findIssuer(s *session, who *subject) (*issuer, error) {
	if x.issuerKey == "" {
		key, err := s.one(x.target.object, ck.CKO_PRIVATE_KEY)
		return &issuer{key: key, name: who.name, self: true}, err
	}
	k := objectChoice{what: "issuer key", label: x.issuerKey}
	if pkcs11uri.Is(x.issuerKey) {
		k.label, k.uri = "", x.issuerKey
	}
	key, err := s.one(k, ck.CKO_PRIVATE_KEY)
	if err != nil {
		return nil, err
	}
	info, err := s.publicKeyInfo(key)
	if err != nil {
		return nil, err
	}
	c, err := x.issuerCertificate(s, info)
	if err != nil {
		return nil, err
	}
	by := &issuer{key: key, name: c.Subject, keyID: c.KeyID, notAfter: c.NotAfter}
	if !c.Issues {
		return nil, fmt.Errorf("the certificate %s is not one of a certification authority: what it issues is not trusted; make one with --ca", x509cert.FormatName(c.Subject))
	}
	if len(by.keyID) == 0 {
		by.keyID, err = keyIdentifier(info)
	}
	return by, err
}

// issuerCertificate finds the certificate of the issuer's key: among those of the file, or of the token.
func (x *certifying) issuerCertificate(s *session, info []byte) (*certinfo.Certificate, error) {
	if x.issuerCert != "" {
		b, err := s.app.readSmall(x.issuerCert, keyfile.MaxSize)
		if err != nil {
			return nil, err
		}
		list, err := certinfo.Read(bytes.NewReader(b))
		c := authority(list, info)
		if err == nil && c == nil {
			err = errors.New("there is no certificate of --issuer-key in it")
		}
		if err != nil {
			return nil, fmt.Errorf("--issuer-cert: %s: %w", x.issuerCert, err)
		}
		return c, nil
	}
	objects, err := s.find(classIs(ck.CKO_CERTIFICATE))
	if err != nil {
		return nil, explain("looking for the issuer's certificate", err)
	}
	var list []*certinfo.Certificate
	for _, o := range objects {
		b, err := s.attribute(o, ck.CKA_VALUE)
		if err != nil {
			continue // one that is elsewhere, by its URL
		}
		if c, err := certinfo.Parse(b); err == nil {
			list = append(list, c)
		}
	}
	if c := authority(list, info); c != nil {
		return c, nil
	}
	return nil, notFound("there is no certificate of the key %q in token %q\ngive it with --issuer-cert, or make one with --ca --store", x.issuerKey, s.token.info.Label)
}

// authority returns the certificate of a key by which it issues others: the one that is valid longest, nil where there is none of the key.
func authority(list []*certinfo.Certificate, info []byte) *certinfo.Certificate {
	var best *certinfo.Certificate
	for _, c := range list {
		if !bytes.Equal(c.PublicKeyInfo, info) {
			continue
		}
		if best == nil || c.Issues && !best.Issues || c.Issues == best.Issues && c.NotAfter.After(best.NotAfter) {
			best = c
		}
	}
	return best
}

// template says what the certificate says.
func (x *certifying) template(s *session, who *subject, by *issuer) (*x509cert.Template, error) {
	days := x.days
	switch {
	case days == 0 && x.ca:
		days = 3650
	case days == 0:
		days = 365
	}
	now := time.Now().UTC().Truncate(time.Second)
	t := &x509cert.Template{
		Serial: newSerial(), Issuer: by.name, Subject: who.name, NotBefore: now, NotAfter: now.AddDate(0, 0, days), PublicKey: who.publicKey,
	}
	if !by.self && t.NotAfter.After(by.notAfter) {
		s.app.note("the certificate is valid longer than that of its issuer, until %s", by.notAfter.Format(time.DateOnly))
	}
	if t.NotAfter.Year() > 9999 {
		return nil, misuse("--days: there are no dates after the year 9999")
	}
	id, err := keyIdentifier(who.publicKey)
	if err != nil {
		return nil, err
	}
	if t.Extensions, err = x.purposes(who); err != nil {
		return nil, err
	}
	t.Extensions = append(t.Extensions, x509cert.SubjectKeyID(id))
	if !by.self {
		t.Extensions = append(t.Extensions, x509cert.AuthorityKeyID(by.keyID))
	}
	if who.names != nil {
		t.Extensions = append(t.Extensions, *who.names)
	}
	return t, nil
}

// newSerial returns a serial number of 159 random bits, as many as the 20 bytes have room for that RFC 5280, section 4.1.2.2, allows.
func newSerial() *big.Int {
	b := make([]byte, 20)
	for {
		rand.Read(b)
		b[0] &= 0x7f
		if n := new(big.Int).SetBytes(b); n.Sign() > 0 {
			return n
		}
	}
}

// purposes are the extensions that say what the certificate is for.
func (x *certifying) purposes(who *subject) ([]x509cert.Extension, error) {
	if len(x.usages.key) == 0 {
		use, err := certUses(who.publicKey, x.ca)
		if err != nil {
			return nil, err
		}
		x.usages.key = use
	}
	given, err := x.usages.extensions()
	return append([]x509cert.Extension{x509cert.BasicConstraints(x.ca)}, given...), err
}

// certUses are what a key of a type is used for in certificates: RFC 8813, RFC 8410, RFC 9881 and RFC 9935.
func certUses(info []byte, ca bool) ([]string, error) {
	if ca {
		return []string{"keyCertSign", "cRLSign"}, nil
	}
	kind, _, err := mechanisms.UnmarshalPublic(info)
	switch kind {
	case ck.CKK_RSA:
		return []string{"digitalSignature", "keyEncipherment"}, err
	case ck.CKK_ML_KEM:
		return []string{"keyEncipherment"}, err
	case ck.CKK_EC_MONTGOMERY, ck.CKK_DH, ck.CKK_X9_42_DH:
		return []string{"keyAgreement"}, err
	}
	return []string{"digitalSignature"}, err
}
