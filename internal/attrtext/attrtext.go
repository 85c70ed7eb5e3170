// Package attrtext writes the names and values of attributes for people, and reads what people write. It knows of each attribute of the
// standard what kind of values it has; which attributes an object has, and which values it takes, the token decides.
//
// What Format writes Parse reads, but for names of X.501, which are bytes to Parse, and for texts that cannot be printed, which Format writes
// as bytes.
package attrtext

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/softcsp/softcsp/ck"
)

// A Form is how the values of an attribute are written.
type Form uint8

// The forms.
const (
	Bytes      Form = iota // hex digits
	Text                   // as it is
	Bool                   // true or false
	Number                 // decimal, or a word that the standard has for it
	Date                   // 2026-11-29, or nothing
	Mechanisms             // names with commas between them
	Template               // {CKA_SIGN=true; CKA_LABEL=new}
	Name                   // the DER encoding of a name of X.501, shown as RFC 2253 writes it
)

// Types returns the attributes that the package knows, in the order in which people read them.
func Types() (all []ck.AttributeType) {
	for i := range rows {
		all = append(all, rows[i].Type)
	}
	return all
}

// find returns the row of a type; one that is not in the table has bytes.
func find(t ck.AttributeType) row {
	for i := range rows {
		if rows[i].Type == t {
			return rows[i]
		}
	}
	return row{Type: t}
}

// FormOf says how the values of an attribute are written.
func FormOf(t ck.AttributeType) Form { return find(t).form }

// IsSecret reports whether the values of an attribute can be the secret of a key, which is not to be written on a command line.
func IsSecret(t ck.AttributeType) bool { return find(t).secret }

// ParseName finds an attribute by its name, in any case, with or without CKA_, with hyphens for underscores; or by its number, 0x80000001.
func ParseName(name string) (ck.AttributeType, error) {
	if t, ok := ck.ParseAttributeType(strings.ReplaceAll(strings.TrimSpace(name), "-", "_")); ok {
		return t, nil
	}
	return 0, fmt.Errorf("%q is not an attribute", name)
}

// ParseAssignment reads NAME=VALUE.
func ParseAssignment(text string) (ck.Attribute, error) {
	name, value, ok := strings.Cut(text, "=")
	if !ok {
		return ck.Attribute{}, fmt.Errorf("%q is not NAME=VALUE", text)
	}
	t, err := ParseName(name)
	if err != nil {
		return ck.Attribute{}, err
	}
	v, err := Parse(t, value)
	if err != nil {
		return ck.Attribute{}, fmt.Errorf("%v: %w", t, err)
	}
	return ck.Attribute{Type: t, Value: v}, nil
}

// Format writes a value. What is not a value of the attribute's form is written as bytes.
func Format(t ck.AttributeType, value []byte) string {
	r := find(t)
	switch r.form {
	case Text:
		if printable(value) {
			return string(value)
		}
	case Bool:
		if b, err := ck.Bool(value); err == nil {
			return strconv.FormatBool(b)
		}
	case Number:
		if n, err := ck.Ulong(value); err == nil {
			return r.number(n)
		}
	case Date:
		if d, err := ck.Date(value); err == nil && len(value) > 0 {
			return d.Format(dateForm)
		}
	case Mechanisms:
		if list, err := ck.Mechanisms(value); err == nil {
			words := make([]string, len(list))
			for i, m := range list {
				words[i] = m.String()
			}
			return strings.Join(words, ",")
		}
	case Template:
		if attrs, err := ck.ParseTemplate(nil, value); err == nil {
			words := make([]string, len(attrs))
			for i, a := range attrs {
				words[i] = a.Type.String() + "=" + Format(a.Type, a.Value)
			}
			return "{" + strings.Join(words, "; ") + "}"
		}
	case Name:
		if s, ok := distinguished(value); ok {
			return s
		}
	}
	return hex.EncodeToString(value)
}

const dateForm = "2006-01-02"

// printable reports whether bytes are text that a terminal shows as it is.
func printable(b []byte) bool {
	return utf8.Valid(b) && !strings.ContainsFunc(string(b), func(r rune) bool { return !unicode.IsPrint(r) })
}

// distinguished writes a name of X.501.
func distinguished(value []byte) (string, bool) {
	var name pkix.RDNSequence
	rest, err := asn1.Unmarshal(value, &name)
	if err != nil || len(rest) > 0 || len(name) == 0 {
		return "", false
	}
	s := name.String()
	return s, printable([]byte(s))
}

// Parse reads a value. The error says what can be written.
func Parse(t ck.AttributeType, text string) ([]byte, error) {
	r := find(t)
	switch r.form {
	case Text:
		return []byte(text), nil
	case Bool:
		switch strings.ToLower(text) {
		case "true", "yes", "on", "1":
			return ck.BoolValue(true), nil
		case "false", "no", "off", "0":
			return ck.BoolValue(false), nil
		}
		return nil, fmt.Errorf("%q is neither true nor false", text)
	case Number:
		n, err := r.parse(text)
		return ck.UlongValue(n), err
	case Date:
		return parseDate(text)
	case Mechanisms:
		return parseMechanisms(text)
	case Template:
		return parseTemplate(text)
	}
	b, err := hex.DecodeString(strings.NewReplacer(":", "", " ", "").Replace(strings.TrimPrefix(text, "0x")))
	if err != nil {
		return nil, fmt.Errorf("%q is not an even number of hex digits", text)
	}
	return b, nil
}

func parseDate(text string) ([]byte, error) {
	b := []byte(strings.ReplaceAll(text, "-", ""))
	if _, err := ck.Date(b); err != nil || len(text) != 0 && len(text) != 8 && len(text) != len(dateForm) {
		return nil, fmt.Errorf("%q is not a date: write YYYY-MM-DD, or nothing for none", text)
	}
	return b, nil
}

// parseMechanisms reads names with commas between them; a * in a name stands for anything.
func parseMechanisms(text string) (value []byte, err error) {
	for word := range strings.SplitSeq(text, ",") {
		word = strings.ToUpper(strings.TrimSpace(word))
		if word == "" {
			continue
		}
		if !strings.HasPrefix(word, "CKM_") {
			word = "CKM_" + word
		}
		list := ck.MatchMechanisms(strings.Replace(word, "CKM_0X", "CKM_0x", 1))
		if len(list) == 0 {
			return nil, fmt.Errorf("there is no mechanism %s: softcsp mechanism list shows them", word)
		}
		for _, m := range list {
			value = ck.AppendUlong(value, uint(m))
		}
	}
	return value, nil
}

// parseTemplate reads {NAME=VALUE; NAME=VALUE}, with or without the braces. A value that is a template itself has braces.
func parseTemplate(text string) ([]byte, error) {
	text = strings.TrimSpace(text)
	if strings.HasPrefix(text, "{") && strings.HasSuffix(text, "}") {
		text = text[1 : len(text)-1]
	}
	var attrs []ck.Attribute
	depth, start := 0, 0
	for i := 0; i <= len(text); i++ {
		switch {
		case i == len(text) || text[i] == ';' && depth == 0:
			part := strings.TrimSpace(text[start:i])
			start = i + 1
			if part == "" {
				continue
			}
			a, err := ParseAssignment(part)
			if err != nil {
				return nil, err
			}
			attrs = append(attrs, a)
		case text[i] == '{':
			depth++
		case text[i] == '}':
			depth--
		}
	}
	if depth != 0 {
		return nil, errors.New("the braces do not match")
	}
	return ck.AppendTemplate(nil, attrs), nil
}
