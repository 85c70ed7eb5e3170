package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/softcsp/softcsp/ck"
)

func objectList(a *app) *cobra.Command {
	pin := userPIN()
	var t choice
	var login bool
	c := &cobra.Command{
		Use:   "list",
		Short: "List the objects of a token",
		Long: `Lists the objects of a token. Private objects, as keys are, are seen after a login only: give the PIN, or --login to be
asked for it.`,
		Example: "  softcsp object list --pin-file user.pin",
		Args:    exactly(0, ""),
		RunE: func(*cobra.Command, []string) error {
			return a.with(t, func(c *client, t tok, h ck.SessionHandle) error {
				if !login && !pin.given() {
					a.note("private objects are not shown without the PIN: see --pin-file and --login")
				} else if err := c.login(h, t, ck.CKU_USER, pin); err != nil {
					return err
				}
				return a.showObjects(c, h)
			})
		},
	}
	c.Flags().BoolVar(&login, "login", false, "ask for the user PIN")
	t.add(c.Flags())
	pin.add(c.Flags())
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
}

func (a *app) showObjects(c *client, h ck.SessionHandle) error {
	handles, err := c.find(h, nil)
	if err != nil {
		return explain("listing objects", err)
	}
	rows := make([]objectRow, 0, len(handles))
	var text [][]string
	for _, o := range handles {
		r, err := c.object(h, o)
		if errors.Is(err, ck.CKR_OBJECT_HANDLE_INVALID) {
			continue // another process destroyed it meanwhile
		}
		if err != nil {
			return explain("reading an object", err)
		}
		rows = append(rows, r)
		bits := ""
		if r.Bits != 0 {
			bits = fmt.Sprint(r.Bits)
		}
		text = append(text, []string{r.Class, r.Type, bits, r.Label, r.ID, strings.Join(r.Flags, " ")})
	}
	return a.show(rows, []string{"CLASS", "TYPE", "BITS", "LABEL", "ID", "FLAGS"}, text)
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
func (c *client) object(h ck.SessionHandle, o ck.ObjectHandle) (objectRow, error) {
	class, err := c.ulong(h, o, ck.CKA_CLASS)
	if err != nil {
		return objectRow{}, err
	}
	r := objectRow{Class: word("CKO_", ck.ObjectClass(class))}
	if b, err := c.attribute(h, o, ck.CKA_LABEL); err == nil {
		r.Label = string(b)
	}
	if b, err := c.attribute(h, o, ck.CKA_ID); err == nil {
		r.ID = hex.EncodeToString(b)
	}
	if v, err := c.ulong(h, o, ck.CKA_KEY_TYPE); err == nil {
		r.Type = word("CKK_", ck.KeyType(v))
		r.Bits = c.keyBits(h, o)
	} else if v, err := c.ulong(h, o, ck.CKA_CERTIFICATE_TYPE); err == nil {
		r.Type = word("CKC_", ck.CertificateType(v))
	}
	for _, f := range objectFlags {
		if b, err := c.attribute(h, o, f.typ); err == nil && len(b) == 1 && b[0] == 1 {
			r.Flags = append(r.Flags, f.word)
		}
	}
	return r, nil
}

// keyBits returns the length of a secret key, 0 where it cannot be told.
func (c *client) keyBits(h ck.SessionHandle, o ck.ObjectHandle) uint {
	if n, err := c.ulong(h, o, ck.CKA_VALUE_LEN); err == nil {
		return 8 * n
	}
	if n, err := c.ulong(h, o, ck.CKA_SOFTCSP_EFFECTIVE_BITS); err == nil {
		return n
	}
	return 0
}

// word turns a name of the standard into a word for people.
func word(prefix string, name fmt.Stringer) string {
	return strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(name.String(), prefix)), "_", "-")
}

// find returns the objects that have the attributes.
func (c *client) find(h ck.SessionHandle, template []ck.Attribute) ([]ck.ObjectHandle, error) {
	if err := c.FindObjectsInit(h, template); err != nil {
		return nil, err
	}
	defer c.FindObjectsFinal(h)
	var all []ck.ObjectHandle
	for buf := make([]ck.ObjectHandle, 64); ; {
		n, err := c.FindObjects(h, buf)
		if err != nil {
			return nil, err
		}
		if n == 0 {
			return all, nil
		}
		all = append(all, buf[:n]...)
	}
}

// attribute reads an attribute.
func (c *client) attribute(h ck.SessionHandle, o ck.ObjectHandle, t ck.AttributeType) ([]byte, error) {
	ask := []ck.AttributeBuffer{{Type: t}}
	if err := c.GetAttributeValue(h, o, ask); err != nil {
		return nil, err
	}
	ask[0].Buffer = ck.Into(make([]byte, ask[0].N))
	if err := c.GetAttributeValue(h, o, ask); err != nil {
		return nil, err
	}
	return ask[0].Data[:ask[0].N], nil
}

func (c *client) ulong(h ck.SessionHandle, o ck.ObjectHandle, t ck.AttributeType) (uint, error) {
	b, err := c.attribute(h, o, t)
	if err != nil {
		return 0, err
	}
	return ck.Ulong(b)
}
