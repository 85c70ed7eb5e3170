package main

import (
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/softcsp/softcsp/ck"
)

func objectList(a *app) *cobra.Command {
	t := newTarget("object")
	c := &cobra.Command{
		Use:   "list",
		Short: "List the objects of a token",
		Long: `Lists the objects of a token. Private objects, as keys are, are seen after a login only: give the PIN, or --login to be
asked for it.`,
		Example: "  softcsp object list --pin-file user.pin",
		Args:    exactly(0, ""),
		RunE: func(*cobra.Command, []string) error {
			return a.see(t, func(s *session) error { return a.showObjects(s) })
		},
	}
	t.addLogin(c)
	t.addToken(c)
	return lists(a, c)
}

// An objectRow is an object as object list shows it. What an object does not have is left out.
type objectRow struct {
	Class string   `json:"class"`
	Type  string   `json:"type,omitempty"`
	Bits  uint     `json:"bits,omitempty"`
	Label string   `json:"label"`
	ID    string   `json:"id,omitempty"`
	Flags []string `json:"flags,omitempty"`
	URI   string   `json:"uri"`
}

func (a *app) showObjects(s *session) error {
	handles, err := s.find()
	if err != nil {
		return explain("listing objects", err)
	}
	rows := make([]objectRow, 0, len(handles))
	var text [][]string
	for _, o := range handles {
		r, err := s.object(o)
		if vanished(err) {
			continue
		}
		if err != nil {
			return explain("reading an object", err)
		}
		rows = append(rows, r)
		bits := ""
		if r.Bits != 0 {
			bits = fmt.Sprint(r.Bits)
		}
		text = append(text, []string{r.Class, r.Type, bits, r.Label, r.ID, strings.Join(r.Flags, " "), r.URI})
	}
	return a.show(rows, []string{"CLASS", "TYPE", "BITS", "LABEL", "ID", "FLAGS", "URI"}, text)
}

// objectFlags are the attributes that are shown as a word where they are true.
var objectFlags = []struct {
	typ  ck.AttributeType
	word string
}{
	{ck.CKA_PRIVATE, "private"}, {ck.CKA_SENSITIVE, "sensitive"}, {ck.CKA_EXTRACTABLE, "extractable"},
	{ck.CKA_ALWAYS_AUTHENTICATE, "always-authenticate"}, {ck.CKA_ENCRYPT, "encrypt"}, {ck.CKA_DECRYPT, "decrypt"},
	{ck.CKA_SIGN, "sign"}, {ck.CKA_VERIFY, "verify"}, {ck.CKA_WRAP, "wrap"}, {ck.CKA_UNWRAP, "unwrap"}, {ck.CKA_DERIVE, "derive"},
	{ck.CKA_TRUSTED, "trusted"},
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
	r := objectRow{Class: word("CKO_", ck.ObjectClass(class)), URI: u.String()}
	if b, err := s.attribute(o, ck.CKA_LABEL); err == nil {
		r.Label = string(b)
	}
	if b, err := s.attribute(o, ck.CKA_ID); err == nil {
		r.ID = hex.EncodeToString(b)
	}
	if v, err := s.ulong(o, ck.CKA_KEY_TYPE); err == nil {
		r.Type = word("CKK_", ck.KeyType(v))
		r.Bits = s.keyBits(o)
	} else if v, err := s.ulong(o, ck.CKA_CERTIFICATE_TYPE); err == nil {
		r.Type = word("CKC_", ck.CertificateType(v))
	}
	for _, f := range objectFlags {
		if s.flag(o, f.typ) {
			r.Flags = append(r.Flags, f.word)
		}
	}
	return r, nil
}

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
