package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/attrtext"
)

const objectShowHelp = `Shows all attributes of %s by the names of the standard. Bytes are hex digits, names of X.501 are written out. What is
sensitive is not revealed, and very long values are cut (not so with --json). First comes what lists show: the URI, and the fingerprint, the SHA-256 hash of the SubjectPublicKeyInfo of a key
and of the DER encoding of a certificate.

Private objects are seen with the PIN only: --pin-file and the like, or --login to be asked for it.`

func keyShow(a *app) *cobra.Command {
	c := keyNoun.showVerb(a, "a key: of a pair both")
	c.Short = "Show all attributes of a key"
	c.Example = "  softcsp key show --label web --pin-file user.pin\n  softcsp key show --label web --class public-key"
	return c
}

func certShow(a *app) *cobra.Command {
	c := certNoun.showVerb(a, "a certificate")
	c.Short = "Show all attributes of a certificate"
	c.Example = "  softcsp cert show --label web"
	return c
}

func objectShow(a *app) *cobra.Command {
	c := anyNoun.showVerb(a, "each object that the flags choose")
	c.Short = "Show all attributes of objects"
	c.Example = "  softcsp object show --label notes --pin-file user.pin\n  softcsp object show --class profile"
	return c
}

// showVerb is the verb show of a kind of objects.
func (x objectNoun) showVerb(a *app, of string) *cobra.Command {
	selected := x.selection()
	c := &cobra.Command{Use: "show --label LABEL", Args: exactly(0, "")}
	c.Long = strings.Replace(objectShowHelp, "%s", of, 1)
	c.RunE = func(*cobra.Command, []string) error {
		if err := selected.check(); err != nil {
			return usage(c, err)
		}
		if selected.object.class == "" {
			if err := selected.need(); err != nil {
				return usage(c, err)
			}
		}
		return a.see(selected.target, func(s *session) error {
			list, err := s.some(selected)
			if err != nil {
				return err
			}
			return s.showAll(list)
		})
	}
	selected.addTo(c)
	selected.addLogin(c)
	return lists(a, c)
}

// A fullRow is an object with all its attributes.
type fullRow struct {
	objectRow
	Attributes map[string]any `json:"attributes"`
}

// sensitiveText stands for a value that the token does not reveal.
const sensitiveText = "(sensitive)"

// lineBytes is how many bytes stand on a line, and mostLines how many lines of a value are shown: as many as the largest public keys need.
const (
	lineBytes = 24
	mostLines = 128
)

// showAll shows objects with all their attributes.
func (s *session) showAll(list []ck.ObjectHandle) error {
	full := make([]fullRow, 0, len(list))
	var text [][]string
	for i, o := range list {
		r, err := s.object(o)
		if err != nil {
			return explain("reading an object", err)
		}
		attrs, err := s.attributes(o)
		if err != nil {
			return explain("reading an object", err)
		}
		row := fullRow{r, make(map[string]any)}
		if i > 0 {
			text = append(text, []string{""})
		}
		text = append(text, r.summary()...)
		for _, v := range attrs {
			row.Attributes[v.Type.String()] = v.json()
			lines := v.lines()
			if v.Type == ck.CKA_EC_PARAMS || v.Type == ck.CKA_PARAMETER_SET {
				lines[len(lines)-1] += " (" + r.size + ")"
			}
			text = append(text, []string{v.Type.String(), lines[0]})
			for _, line := range lines[1:] {
				text = append(text, []string{"", line})
			}
		}
		full = append(full, row)
	}
	return s.app.show(full, nil, text)
}

// lines writes a value; bytes on several lines where they are many.
func (v attributeValue) lines() []string {
	if v.hidden {
		return []string{sensitiveText}
	}
	text := attrtext.Format(v.Type, v.Value)
	if attrtext.FormOf(v.Type) != attrtext.Bytes {
		return []string{text}
	}
	var lines []string
	for ; len(text) > 2*lineBytes; text = text[2*lineBytes:] {
		if len(lines) == mostLines {
			return append(lines, fmt.Sprintf("... %d bytes in all", len(v.Value)))
		}
		lines = append(lines, text[:2*lineBytes])
	}
	return append(lines, text)
}

// json is a value as JSON has it: null for what is sensitive, true, false and numbers as such.
func (v attributeValue) json() any {
	text := attrtext.Format(v.Type, v.Value)
	switch form := attrtext.FormOf(v.Type); {
	case v.hidden:
		return nil
	case form == attrtext.Bool && len(v.Value) == 1:
		return v.Value[0] != 0
	case form == attrtext.Mechanisms && text == "":
		return []string{}
	case form == attrtext.Mechanisms:
		return strings.Split(text, ",")
	case form == attrtext.Number && !strings.HasPrefix(text, "CK"):
		n, err := ck.Ulong(v.Value)
		if err != nil {
			return text
		}
		return n
	}
	return text
}
