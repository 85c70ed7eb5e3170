package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/attrtext"
)

const assignmentHelp = `An attribute is named as in the standard, with or without CKA_, in any case: label, CKA_END_DATE. Values are written as "show" writes
them: text as it is, true or false, dates as 2026-11-29 or nothing for none, mechanisms by name with commas between them, all else in hex
digits, or as @FILE: the bytes of a file.`

func keySet(a *app) *cobra.Command {
	c := keyNoun.setVerb(a)
	c.Short = "Change attributes of a key"
	c.Long = "Changes attributes of a key: of a pair, in each of its keys that has the attribute.\n\n" + assignmentHelp + `

Some attributes never change, others in one direction: a sensitive key stays sensitive, and one that is not extractable stays so.
CKA_TRUSTED is set by the security officer: --so, who sees public objects only.`
	c.Example = "  softcsp key set --label web --pin-file user.pin label=www end-date=2030-12-31\n  softcsp key set --so --label wrap --so-pin-file so.pin trusted=true"
	return c
}

func certSet(a *app) *cobra.Command {
	c := certNoun.setVerb(a)
	c.Short = "Change attributes of a certificate"
	c.Long = "Changes attributes of a certificate.\n\n" + assignmentHelp + "\n\nCKA_TRUSTED is set by the security officer: --so."
	c.Example = "  softcsp cert set --label web --pin-file user.pin label=www\n  softcsp cert set --so --label ca --so-pin-file so.pin trusted=true"
	return c
}

func objectSet(a *app) *cobra.Command {
	c := anyNoun.setVerb(a)
	c.Short = "Change attributes of an object"
	c.Long = "Changes attributes of an object.\n\n" + assignmentHelp
	c.Example = "  softcsp object set --label notes --pin-file user.pin label='old notes'"
	return c
}

// setVerb is the verb set of a kind of objects.
func (x objectNoun) setVerb(a *app) *cobra.Command {
	selected, so, officer := x.selection(), false, soPIN()
	c := &cobra.Command{Use: "set --label LABEL NAME=VALUE...", Args: someAssignments}
	c.ValidArgsFunction = completeAssignment
	c.Flags().BoolVar(&so, "so", false, "log in as the security officer, who sees public objects")
	selected.addTo(c)
	officer.add(c.Flags())
	c.RunE = func(_ *cobra.Command, args []string) error {
		changes, err := assignments(args)
		if err := errors.Join(err, selected.need(), selected.check()); err != nil {
			return usage(c, err)
		}
		do := func(s *session) error { return s.set(selected, changes) }
		if so {
			return a.asOfficer(selected.target, officer, do)
		}
		return a.on(selected.target, do)
	}
	return lists(a, c)
}

// someAssignments wants arguments NAME=VALUE.
func someAssignments(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return usage(c, errors.New("say what to change: NAME=VALUE, label=new say"))
	}
	return nil
}

// assignments reads arguments NAME=VALUE, in which VALUE can be @FILE.
func assignments(args []string) (attrs []ck.Attribute, err error) {
	for _, arg := range args {
		a, err := assignment(arg)
		if err != nil {
			return nil, err
		}
		for _, b := range attrs {
			if a.Type == b.Type {
				return nil, fmt.Errorf("%v is given twice", a.Type)
			}
		}
		attrs = append(attrs, a)
	}
	return attrs, nil
}

// completeAssignment completes NAME=VALUE: the names of attributes, and true and false.
func completeAssignment(_ *cobra.Command, _ []string, begun string) (words []string, _ cobra.ShellCompDirective) {
	if name, _, has := strings.Cut(begun, "="); has {
		if t, err := attrtext.ParseName(name); err == nil && attrtext.FormOf(t) == attrtext.Bool {
			words = []string{name + "=true", name + "=false"}
		}
		return words, cobra.ShellCompDirectiveNoFileComp
	}
	for _, t := range attrtext.Types() {
		words = append(words, word("CKA_", t)+"=")
	}
	return words, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

// attributeNamed finds an attribute by its name.
func attributeNamed(name string) (ck.AttributeType, error) {
	t, err := attrtext.ParseName(name)
	if err == nil {
		return t, nil
	}
	var words []string
	for _, t := range attrtext.Types() {
		words = append(words, word("CKA_", t))
	}
	if near := nearest(name, words); len(near) > 0 {
		err = fmt.Errorf("%w; did you mean %s?", err, either(near))
	}
	return 0, misuse("%w", err)
}

func assignment(arg string) (ck.Attribute, error) {
	name, value, _ := strings.Cut(arg, "=")
	t, err := attributeNamed(name)
	if err != nil {
		return ck.Attribute{}, err
	}
	file, isFile := strings.CutPrefix(value, "@")
	switch form := attrtext.FormOf(t); {
	case isFile && (form == attrtext.Bytes || form == attrtext.Name):
		b, err := os.ReadFile(file)
		return ck.Attribute{Type: t, Value: b}, err
	case attrtext.IsSecret(t):
		return ck.Attribute{}, fmt.Errorf("%v: a secret is never an argument; write @FILE", t)
	}
	return attrtext.ParseAssignment(arg)
}

// set changes attributes of the objects that are meant, in each the ones that it has. Where the second cannot be changed, the first is again as it
// was.
func (s *session) set(selected *selection, changes []ck.Attribute) error {
	list, err := s.single(selected)
	if err != nil {
		return err
	}
	templates, err := s.distribute(list, changes)
	if err != nil {
		return err
	}
	before := make([][]ck.Attribute, len(list))
	for i, o := range list {
		if len(templates[i]) == 0 {
			continue
		}
		for _, a := range templates[i] {
			if v, err := s.value(o, a.Type); err == nil {
				before[i] = append(before[i], ck.Attribute{Type: a.Type, Value: v})
			}
		}
		if err := s.SetAttributeValue(s.handle, o, templates[i]); err != nil {
			err = explainChange("changing the "+s.kindOf(o), err)
			for j, done := range list[:i] {
				err = errors.Join(err, explain("changing the "+s.kindOf(done)+" back", s.SetAttributeValue(s.handle, done, before[j])))
			}
			return err
		}
	}
	return s.showNew(list)
}

// distribute gives to each object those of the changes whose attributes it has. One that no object has is an error.
func (s *session) distribute(list []ck.ObjectHandle, changes []ck.Attribute) ([][]ck.Attribute, error) {
	templates := make([][]ck.Attribute, len(list))
	for _, a := range changes {
		had := false
		for i, o := range list {
			if _, err := s.value(o, a.Type); !errors.Is(err, ck.CKR_ATTRIBUTE_TYPE_INVALID) {
				templates[i], had = append(templates[i], a), true
			}
		}
		if !had {
			return nil, fmt.Errorf("%s has no %v", article(s.kindOf(list[0])), a.Type)
		}
	}
	return templates, nil
}
