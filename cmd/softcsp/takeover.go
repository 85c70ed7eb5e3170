package main

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/softhsm"
	"github.com/softcsp/softcsp/mechanisms"
)

// A takeover is objects of another token on their way into one of ours.
type takeover struct {
	*session
	old    *softhsm.Token
	names  []string // of the objects there
	dry    bool     // make session objects, which are gone with the session
	trusts bool     // the security officer imports what is trusted

	target string      // the label of our token
	made   bool        // it was made for this
	rows   []importRow // by the index of the name
	seen   twins       // what was carried
}

// What becomes of an object.
const (
	resultCarried = "carried"
	resultChanged = "carried with changes" // which the notes tell
	resultThere   = "is there already"
	resultLeft    = "not carried" // for the reason that the notes tell
)

// An importRow tells what has become of an object.
type importRow struct {
	Object string   `json:"object"` // its name in the old token
	Class  string   `json:"class,omitempty"`
	Type   string   `json:"type,omitempty"`
	Label  string   `json:"label"`
	ID     string   `json:"id,omitempty"`
	URI    string   `json:"uri,omitempty"`
	Result string   `json:"result"`
	Notes  []string `json:"notes,omitempty"`

	damaged bool
	twin    bool            // it equals one that was carried
	handle  ck.ObjectHandle // in our token, 0 where it is not
}

// takeOver takes over those objects that are wanted, by whether the security officer can make them trusted. What cannot be read counts as
// not so.
func (t *takeover) takeOver(wanted func(trusted bool) bool) error {
	p := t.app.progress(fmt.Sprintf("taking over the objects of %q", t.old.Label))
	defer p.end()
	for i, name := range t.names {
		p.at(int64(i), int64(len(t.names)))
		template, err := t.old.Object(name)
		if wanted(isTrusted(template)) {
			row := describe(name, template)
			if err != nil {
				row.Result, row.Notes, row.damaged = resultLeft, []string{name + ": " + err.Error()}, errors.Is(err, softhsm.ErrDamaged)
			} else if err := t.carry(&row, template); err != nil {
				return err
			}
			t.rows[i] = row
		}
		wipe(template)
	}
	return t.checkPairs()
}

// isTrusted reports whether an object is trusted, and one that the security officer, who alone makes objects trusted, can see.
func isTrusted(template []ck.Attribute) bool {
	private, err := ck.Bool(valueOf(template, ck.CKA_PRIVATE))
	return isTrue(template, ck.CKA_TRUSTED) && err == nil && !private
}

// interrupted is an error that ended everything, with how far it had come.
func (t *takeover) interrupted(err error) error {
	n := 0
	for _, r := range t.rows {
		if r.Result == resultCarried || r.Result == resultChanged {
			n++
		}
	}
	if n == 0 || t.dry {
		return err
	}
	return fmt.Errorf("%w\n%d of %d objects were carried before that; the command can be repeated, and carries the others", err, n, len(t.rows))
}

// hasTrusted reports whether any object is trusted so.
func (t *takeover) hasTrusted() bool {
	return slices.ContainsFunc(t.names, func(name string) bool {
		template, _ := t.old.Object(name)
		defer wipe(template)
		return isTrusted(template)
	})
}

func wipe(template []ck.Attribute) {
	for _, a := range template {
		clear(a.Value)
	}
}

// describe returns the row of an object of which nothing is known but its attributes.
func describe(name string, template []ck.Attribute) importRow {
	r := importRow{Object: name, Label: string(valueOf(template, ck.CKA_LABEL)), ID: hex.EncodeToString(valueOf(template, ck.CKA_ID))}
	if v, err := ck.Ulong(valueOf(template, ck.CKA_CLASS)); err == nil {
		r.Class = word("CKO_", ck.ObjectClass(v))
	}
	if v, err := ck.Ulong(valueOf(template, ck.CKA_KEY_TYPE)); err == nil {
		r.Type = word("CKK_", ck.KeyType(v))
	} else if v, err := ck.Ulong(valueOf(template, ck.CKA_CERTIFICATE_TYPE)); err == nil {
		r.Type = word("CKC_", ck.CertificateType(v))
	}
	return r
}

// carry takes over an object. An error ends everything: the object is not at fault.
func (t *takeover) carry(row *importRow, template []ck.Attribute) error {
	if t.dry {
		for i, a := range template {
			if a.Type == ck.CKA_TOKEN {
				template[i].Value = ck.BoolValue(false)
			}
		}
	}
	notes, like := softhsm.Standardise(template), identity(template)
	if first := t.seen[like]; first != "" {
		row.twin, row.Notes = true, []string{"it has the names and the value of " + first + ", and is one with it here"}
		if t.dry { // session objects are made, whatever there is
			row.Result = resultThere
			return nil
		}
	}
	o, made, err := t.module.Import(t.handle, template)
	switch {
	case err != nil && !endsAll(err):
		row.Result, row.Notes = resultLeft, []string{row.Object + ": " + reason(template, err)}
		return nil
	case err != nil:
		return explain(fmt.Sprintf("taking over %s", row.Object), err)
	case !made:
		row.Result = resultThere
	default:
		row.Result = resultCarried
		more, err := t.changes(o, template)
		if err != nil {
			return explain(fmt.Sprintf("looking at what was taken over of %s", row.Object), err)
		}
		row.Notes = append(notes, more...)
		if len(row.Notes) > 0 {
			row.Result = resultChanged
		}
		if isPublicSecret(template) {
			row.Notes = append(row.Notes, "it is used without a PIN by whoever can read the token: CKA_PRIVATE is false, as it was")
		}
	}
	if row.handle = o; !row.twin {
		t.seen[like] = row.Object
	}
	if t.dry {
		return nil
	}
	u, err := t.uri(o)
	if err != nil {
		return explain(fmt.Sprintf("looking at what was taken over of %s", row.Object), err)
	}
	row.URI = u.String()
	return nil
}

// isPublicSecret reports whether an object is a secret or private key that takes no PIN.
func isPublicSecret(template []ck.Attribute) bool {
	class, err := ck.Ulong(valueOf(template, ck.CKA_CLASS))
	private, err2 := ck.Bool(valueOf(template, ck.CKA_PRIVATE))
	is := ck.ObjectClass(class) == ck.CKO_SECRET_KEY || ck.ObjectClass(class) == ck.CKO_PRIVATE_KEY
	return err == nil && err2 == nil && is && !private
}

// endsAll reports whether an error is about the token, the disk or the session, and not about the object.
func endsAll(err error) bool {
	return slices.Contains([]ck.RV{
		ck.CKR_DEVICE_ERROR, ck.CKR_DEVICE_MEMORY, ck.CKR_DEVICE_REMOVED, ck.CKR_HOST_MEMORY, ck.CKR_GENERAL_ERROR, ck.CKR_FUNCTION_FAILED,
		ck.CKR_TOKEN_NOT_PRESENT, ck.CKR_TOKEN_NOT_RECOGNIZED, ck.CKR_TOKEN_WRITE_PROTECTED, ck.CKR_USER_NOT_LOGGED_IN, ck.CKR_SESSION_HANDLE_INVALID,
	}, ck.Code(err))
}

// reason tells why an object was refused.
func reason(template []ck.Attribute, err error) string {
	class, err1 := ck.Ulong(valueOf(template, ck.CKA_CLASS))
	kind, err2 := ck.Ulong(valueOf(template, ck.CKA_KEY_TYPE))
	switch {
	case err1 != nil || err2 != nil:
	case ck.ObjectClass(class) == ck.CKO_SECRET_KEY && len(valueOf(template, ck.CKA_VALUE)) == 0:
		return "the key has no value: its generation failed"
	case !slices.Contains(mechanisms.SecretKeyTypes(), ck.KeyType(kind)) && !slices.Contains(mechanisms.PairTypes(), ck.KeyType(kind)):
		return fmt.Sprintf("softcsp has no keys of the type %v", ck.KeyType(kind))
	}
	return err.Error()
}

// checkPairs notes private keys whose id a public key of another pair has. SoftHSM2 does not authenticate what it keeps, so this is what a damaged
// key of an elliptic curve looks like.
func (t *takeover) checkPairs() error {
	for i := range t.rows {
		r := &t.rows[i]
		if r.handle == 0 || r.ID == "" || r.Class != word("CKO_", ck.CKO_PRIVATE_KEY) {
			continue
		}
		like := []ck.Attribute{classIs(ck.CKO_PUBLIC_KEY)}
		for _, a := range []ck.AttributeType{ck.CKA_ID, ck.CKA_KEY_TYPE} {
			v, err := t.attribute(r.handle, a)
			if err != nil {
				return explain("looking at a private key", err)
			}
			like = append(like, ck.Attribute{Type: a, Value: v})
		}
		info, err := t.attribute(r.handle, ck.CKA_PUBLIC_KEY_INFO)
		if err != nil || len(info) == 0 {
			continue // a type of keys that has none
		}
		some, err := t.find(like...)
		if err != nil {
			return explain("looking for public keys", err)
		}
		own, err := t.find(append(like, ck.Attribute{Type: ck.CKA_PUBLIC_KEY_INFO, Value: info})...)
		if err != nil {
			return explain("looking for public keys", err)
		}
		if note := "the public key with its id is not its own: it may be damaged"; len(some) > 0 && len(own) == 0 && !slices.Contains(r.Notes, note) {
			r.Notes = append(r.Notes, note)
		}
	}
	return nil
}

// changes tells how an object differs from what it was. What cannot be read of a sensitive key is what the token has computed with.
func (t *takeover) changes(o ck.ObjectHandle, was []ck.Attribute) (notes []string, err error) {
	for _, a := range was {
		is, err := t.valueLike(o, a)
		switch {
		case a.Type == ck.CKA_TOKEN, len(a.Value) == 0, errors.Is(err, ck.CKR_ATTRIBUTE_SENSITIVE):
		case errors.Is(err, ck.CKR_ATTRIBUTE_TYPE_INVALID):
			notes = append(notes, fmt.Sprintf("%v is left out", a.Type))
		case err != nil:
			return nil, err
		case a.Type == ck.CKA_TRUSTED && !bytes.Equal(is, a.Value):
			switch {
			case !isTrusted(was):
				notes = append(notes, "CKA_TRUSTED is false: the security officer, who alone sets it, sees no private objects")
			case !t.trusts:
				notes = append(notes, "CKA_TRUSTED is false: it takes the security officer's PIN (--so-pin-file) to keep it")
			}
		case !bytes.Equal(is, a.Value):
			notes = append(notes, fmt.Sprintf("%v is %s, was %s", a.Type, shortly(is), shortly(a.Value)))
		}
	}
	return notes, nil
}

// valueLike reads an attribute. An array of attributes has as many as a has, as long as those, or is another.
func (t *takeover) valueLike(o ck.ObjectHandle, a ck.Attribute) ([]byte, error) {
	if !ck.IsTemplate(a.Type) {
		return t.attribute(o, a.Type)
	}
	rows, err := ck.ParseTemplate(nil, a.Value)
	if err != nil {
		return nil, err
	}
	ask := ck.AttributeBuffer{Type: a.Type, Buffer: ck.Into(nil)}
	for i, r := range rows {
		ask.Sub = append(ask.Sub, ck.AttributeBuffer{Buffer: ck.Into(make([]byte, len(r.Value)))})
		rows[i].Value = ask.Sub[i].Data
	}
	if err := t.GetAttributeValue(t.handle, o, []ck.AttributeBuffer{ask}); err != nil && !errors.Is(err, ck.CKR_BUFFER_TOO_SMALL) {
		return nil, err
	}
	for i := range rows {
		rows[i].Type = ask.Sub[i].Type
	}
	return ck.AppendTemplate(nil, rows), nil
}

// shortly writes a value that is not secret.
func shortly(v []byte) string {
	const most = 16
	if len(v) > most {
		return fmt.Sprintf("%x… (%d bytes)", v[:most], len(v))
	}
	return hex.EncodeToString(v)
}

// valueOf returns the value of an attribute of a template, nil where there is none.
func valueOf(template []ck.Attribute, t ck.AttributeType) []byte {
	for _, a := range template {
		if a.Type == t {
			return a.Value
		}
	}
	return nil
}

func isTrue(template []ck.Attribute, t ck.AttributeType) bool {
	on, err := ck.Bool(valueOf(template, t))
	return err == nil && on
}

// An importReport is what is shown of a takeover as JSON.
type importReport struct {
	From    string      `json:"from"`
	Token   string      `json:"token"`
	Made    bool        `json:"made"`
	DryRun  bool        `json:"dry_run"`
	Carried int         `json:"carried"`
	Changed int         `json:"changed"`
	There   int         `json:"there"`
	Left    int         `json:"not_carried"`
	Objects []importRow `json:"objects"`
}

// showImport shows what has become of the objects. It is an error if any was left.
func (a *app) showImport(t *takeover) error {
	slices.SortFunc(t.rows, func(x, y importRow) int {
		return cmp.Or(cmp.Compare(x.Label, y.Label), cmp.Compare(x.ID, y.ID), cmp.Compare(x.Class, y.Class), cmp.Compare(x.Object, y.Object))
	})
	r := importReport{From: t.old.Label, Token: t.target, Made: t.made, DryRun: t.dry, Objects: t.rows}
	if t.made {
		a.note("made token %q", t.target)
	}
	counts := make(map[string]int)
	damaged, equal := false, 0
	var text [][]string
	for _, row := range t.rows {
		counts[row.Result]++
		damaged = damaged || row.damaged
		if row.twin {
			equal++
		}
		text = append(text, []string{row.Class, row.Type, row.Label, row.ID, row.Result, strings.Join(row.Notes, "; ")})
	}
	r.Carried, r.Changed, r.There, r.Left = counts[resultCarried], counts[resultChanged], counts[resultThere], counts[resultLeft]
	if err := a.show(r, []string{"CLASS", "TYPE", "LABEL", "ID", "RESULT", "NOTES"}, text); err != nil {
		return err
	}
	if r.Left > 0 {
		code := exitFailed
		if damaged {
			code = exitDamaged
		}
		return &failure{code, fmt.Errorf("%d of %d objects were not carried, for the reasons above", r.Left, len(t.rows))}
	}
	are := "are"
	if t.dry {
		are = "would be"
	}
	as := ""
	if equal > 0 {
		as = fmt.Sprintf(", as %d: those with the same names and value are one there", len(t.rows)-equal)
	}
	a.note("all %d objects of the SoftHSM2 token %q %s in token %q%s", len(t.rows), t.old.Label, are, t.target, as)
	return nil
}
