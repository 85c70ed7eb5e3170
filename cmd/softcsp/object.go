package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/attrtext"
	"github.com/softcsp/softcsp/internal/certinfo"
)

func objectList(a *app) *cobra.Command {
	c := anyNoun.listVerb(a)
	c.Short = "List the objects of a token"
	c.Long = `Lists the objects of a token. Private objects, as keys are, are seen after a login only: give the PIN, or --login to be
asked for it. --label, --id, --uri and --class choose among them.

A key has its length in bits, its curve, parameter set or group; the fingerprint of a public or private key is the SHA-256 hash of
its SubjectPublicKeyInfo, that of a certificate the hash of its DER encoding. A secret key has a check value in its place.`
	c.Example = "  softcsp object list --pin-file user.pin\n  softcsp object list --class certificate"
	return c
}

func keyList(a *app) *cobra.Command {
	c := keyNoun.listVerb(a)
	c.Short = "List the keys of a token"
	c.Long = `Lists the keys of a token: with the PIN all, without it the public ones. A pair of keys is two objects. TYPE is
what the standard calls it without CKK_ (ec-edwards, generic-secret), SIZE what softcsp key generate --type has after the colon.

The fingerprint of a public or private key is the SHA-256 hash of its SubjectPublicKeyInfo: both keys of a pair have the same. A secret
key has a check value (CKA_CHECK_VALUE) in its place.`
	c.Example = "  softcsp key list --pin-file user.pin"
	return c
}

// listVerb is the verb list of a kind of objects that has no list of its own.
func (x objectNoun) listVerb(a *app) *cobra.Command {
	selected := x.selection()
	c := &cobra.Command{Use: "list", Args: exactly(0, "")}
	c.RunE = func(*cobra.Command, []string) error {
		if err := selected.check(); err != nil {
			return usage(c, err)
		}
		return a.see(selected.target, func(s *session) error {
			list, bad, err := s.survey(selected)
			if err != nil {
				return err
			}
			s.noteNone(selected, len(list)+len(bad))
			return errors.Join(s.showList(list), s.passedOver(bad))
		})
	}
	selected.addTo(c)
	selected.addLogin(c)
	return lists(a, c)
}

// noteNone tells where a list is empty, of which the answer says nothing.
func (s *session) noteNone(x *selection, n int) {
	if n == 0 {
		s.app.note("there is no %s in token %q", strings.TrimSpace(x.object.what+" "+x.object.String()), s.token.info.Label)
	}
}

// An objectRow is an object as lists show it. What an object does not have is left out.
type objectRow struct {
	Class       string   `json:"class"`
	Type        string   `json:"type,omitempty"`
	Bits        uint     `json:"bits,omitempty"`
	Curve       string   `json:"curve,omitempty"`
	Set         string   `json:"parameter_set,omitempty"`
	Group       string   `json:"group,omitempty"`
	Label       string   `json:"label"`
	ID          string   `json:"id,omitempty"`
	Flags       []string `json:"flags,omitempty"`
	Start       string   `json:"start,omitempty"`
	End         string   `json:"end,omitempty"`
	Subject     string   `json:"subject,omitempty"`
	Issuer      string   `json:"issuer,omitempty"`
	Serial      string   `json:"serial,omitempty"`
	Application string   `json:"application,omitempty"`
	Fingerprint string   `json:"fingerprint,omitempty"`
	CheckValue  string   `json:"check_value,omitempty"`
	Certificate string   `json:"certificate,omitempty"` // the label of the certificate of a key that has no label, as Java makes them
	URI         string   `json:"uri"`

	size string // of a key, as people call it
}

// rows reads what lists show of objects. Those that another process has destroyed meanwhile are left out.
func (s *session) rows(list []ck.ObjectHandle) ([]objectRow, error) {
	rows := make([]objectRow, 0, len(list))
	for _, o := range list {
		r, err := s.object(o)
		if vanished(err) {
			continue
		}
		if err != nil {
			return nil, explain("reading an object", err)
		}
		rows = append(rows, r)
	}
	return rows, nil
}

func (s *session) showList(list []ck.ObjectHandle) error {
	rows, err := s.rows(list)
	if err != nil {
		return err
	}
	text := make([][]string, len(rows))
	for i, r := range rows {
		text[i] = []string{r.Class, r.Type, r.size, r.called(), r.ID, strings.Join(r.Flags, " "), r.dates(), r.mark(), r.URI}
	}
	return s.app.show(rows, []string{"CLASS", "TYPE", "SIZE", "LABEL", "ID", "FLAGS", "VALID", "FINGERPRINT", "URI"}, text)
}

// called is the label, or that of the certificate of a key.
func (r objectRow) called() string {
	if r.Label == "" && r.Certificate != "" {
		return "(certificate " + r.Certificate + ")"
	}
	return r.Label
}

// dates are those between which an object is valid.
func (r objectRow) dates() string {
	if r.Start == "" && r.End == "" {
		return ""
	}
	return r.Start + ".." + r.End
}

// mark is the fingerprint, or the check value of a secret key.
func (r objectRow) mark() string {
	if r.CheckValue != "" {
		return r.CheckValue
	}
	return r.Fingerprint
}

// summary writes what lists show of an object as lines.
func (r objectRow) summary() (text [][]string) {
	typ := r.Type
	if r.size != "" {
		typ += " " + r.size
	}
	for _, line := range [][]string{
		{"class", r.Class}, {"type", typ}, {"label", r.Label}, {"certificate", r.Certificate}, {"id", r.ID}, {"flags", strings.Join(r.Flags, " ")}, {"valid", r.dates()},
		{"subject", r.Subject}, {"issuer", r.Issuer}, {"serial", r.Serial}, {"application", r.Application},
		{"fingerprint", r.Fingerprint}, {"check value", r.CheckValue}, {"uri", r.URI},
	} {
		if line[1] != "" {
			text = append(text, line)
		}
	}
	return text
}

// showNew shows objects that a verb has made or changed.
func (s *session) showNew(list []ck.ObjectHandle) error {
	rows, err := s.rows(list)
	if err != nil {
		return err
	}
	var text [][]string
	for i, r := range rows {
		if i > 0 {
			text = append(text, []string{""})
		}
		text = append(text, r.summary()...)
	}
	return s.app.show(rows, nil, text)
}

// objectFlags are the attributes that are shown as a word where they are true.
var objectFlags = []struct {
	typ  ck.AttributeType
	word string
}{
	{ck.CKA_PRIVATE, "private"}, {ck.CKA_SENSITIVE, "sensitive"}, {ck.CKA_EXTRACTABLE, "extractable"},
	{ck.CKA_ALWAYS_AUTHENTICATE, "always-authenticate"}, {ck.CKA_ENCRYPT, "encrypt"}, {ck.CKA_DECRYPT, "decrypt"},
	{ck.CKA_SIGN, "sign"}, {ck.CKA_VERIFY, "verify"}, {ck.CKA_WRAP, "wrap"}, {ck.CKA_UNWRAP, "unwrap"}, {ck.CKA_DERIVE, "derive"},
	{ck.CKA_ENCAPSULATE, "encapsulate"}, {ck.CKA_DECAPSULATE, "decapsulate"}, {ck.CKA_TRUSTED, "trusted"},
}

// object reads what is shown of an object.
func (s *session) object(o ck.ObjectHandle) (objectRow, error) {
	class, err := s.ulong(o, ck.CKA_CLASS)
	if err != nil {
		return objectRow{}, err
	}
	u, err := s.uri(o)
	if err != nil {
		return objectRow{}, err
	}
	r := objectRow{
		Class: word("CKO_", ck.ObjectClass(class)), Label: s.textOf(o, ck.CKA_LABEL), ID: s.hexOf(o, ck.CKA_ID),
		Application: s.textOf(o, ck.CKA_APPLICATION), CheckValue: s.hexOf(o, ck.CKA_CHECK_VALUE),
		Start: s.textOf(o, ck.CKA_START_DATE), End: s.textOf(o, ck.CKA_END_DATE), URI: u.String(),
	}
	if v, err := s.ulong(o, ck.CKA_KEY_TYPE); err == nil {
		r.Type = word("CKK_", ck.KeyType(v))
		size := s.size(o, ck.KeyType(v))
		r.Bits, r.Curve, r.Set, r.Group, r.size = size.bits, size.curve, size.set, size.name, size.String()
	}
	if ck.ObjectClass(class) == ck.CKO_PRIVATE_KEY && r.Label == "" && r.ID != "" {
		r.Certificate = s.certificateOf(o)
	}
	switch info, err := s.attribute(o, ck.CKA_PUBLIC_KEY_INFO); {
	case ck.ObjectClass(class) == ck.CKO_CERTIFICATE:
		s.certificate(o, &r)
	case err == nil && len(info) > 0:
		r.Fingerprint = fingerprint(info)
	}
	for _, f := range objectFlags {
		if s.flag(o, f.typ) {
			r.Flags = append(r.Flags, f.word)
		}
	}
	return r, nil
}

// certificateOf returns the label of the certificate that has the id of a key, "" where there is none.
func (s *session) certificateOf(key ck.ObjectHandle) string {
	id, err := s.attribute(key, ck.CKA_ID)
	if err != nil {
		return ""
	}
	list, err := s.find(classIs(ck.CKO_CERTIFICATE), ck.Attribute{Type: ck.CKA_ID, Value: id})
	if err != nil || len(list) == 0 {
		return ""
	}
	return s.labelOf(list[0])
}

// certificate reads what is shown of a certificate. The dates are its own, not those of the object.
func (s *session) certificate(o ck.ObjectHandle, r *objectRow) {
	if v, err := s.ulong(o, ck.CKA_CERTIFICATE_TYPE); err == nil {
		r.Type = word("CKC_", ck.CertificateType(v))
	}
	r.CheckValue = ""
	r.Subject, r.Issuer = s.textOf(o, ck.CKA_SUBJECT), s.textOf(o, ck.CKA_ISSUER)
	raw, err := s.attribute(o, ck.CKA_VALUE)
	if err != nil || len(raw) == 0 {
		return
	}
	r.Fingerprint = fingerprint(raw)
	c, err := certinfo.Parse(raw)
	if err != nil {
		return
	}
	r.Subject, r.Issuer = attrtext.Format(ck.CKA_SUBJECT, c.Subject), attrtext.Format(ck.CKA_ISSUER, c.Issuer)
	r.Serial = hex.EncodeToString(c.Serial[2:])
	r.Start, r.End = c.NotBefore.Format(time.DateOnly), c.NotAfter.Format(time.DateOnly)
}

// fingerprint is the SHA-256 hash of bytes.
func fingerprint(b []byte) string { return fmt.Sprintf("%x", sha256.Sum256(b)) }

// keyBits returns the length of a secret key, 0 where it cannot be told.
func (s *session) keyBits(o ck.ObjectHandle) uint {
	if n, err := s.ulong(o, ck.CKA_VALUE_LEN); err == nil {
		return 8 * n
	}
	if n, err := s.ulong(o, ck.CKA_SOFTCSP_EFFECTIVE_BITS); err == nil {
		return n
	}
	return 0
}

// word turns a name of the standard into a word for people.
func word(prefix string, name fmt.Stringer) string {
	return strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(name.String(), prefix)), "_", "-")
}
