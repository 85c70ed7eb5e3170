package main

import (
	"errors"
	"slices"

	"github.com/spf13/cobra"

	"github.com/softcsp/softcsp/ck"
)

func keyCopy(a *app) *cobra.Command {
	selected, duplicate := keyNoun.selection(), false
	c := &cobra.Command{
		Use:   "copy --label LABEL label=NEW [NAME=VALUE...]",
		Short: "Copy a key within the token",
		Long: `Makes a copy of a key, of a pair of both keys, with other attributes: a new label, and what else is given. The value never leaves the
token. A copy can have attributes that the key itself cannot get any more: CKA_PRIVATE, CKA_MODIFIABLE; but it is not less protected.

` + assignmentHelp,
		Example: "  softcsp key copy --label web --pin-file user.pin label=web-old modifiable=false",
		Args:    someAssignments,

		ValidArgsFunction: completeAssignment,
	}
	c.Flags().BoolVar(&duplicate, "duplicate", false, "make the copy even if there is a key of that label or id already")
	selected.addTo(c)
	c.RunE = func(_ *cobra.Command, args []string) error {
		changes, err := assignments(args)
		if err := errors.Join(err, selected.need(), selected.check()); err != nil {
			return usage(c, err)
		}
		name := newName{duplicate: duplicate}
		for _, change := range changes {
			switch change.Type {
			case ck.CKA_LABEL:
				name.label = change.Value
			case ck.CKA_ID:
				name.id = change.Value
			}
		}
		if len(name.label) == 0 && !duplicate {
			return usage(c, errors.New("say what the copy is called: label=NEW"))
		}
		return a.on(selected.target, func(s *session) error { return s.duplicate(selected, name, changes) })
	}
	return lists(a, c)
}

// duplicate copies the objects that are meant, with changes. Where one cannot be copied, there is no copy of the other either.
func (s *session) duplicate(selected *selection, name newName, changes []ck.Attribute) error {
	list, err := s.single(selected)
	if err != nil {
		return err
	}
	for _, o := range list {
		if err := s.checkFree(name, s.kindOf(o), s.class(o)); err != nil {
			return err
		}
	}
	templates, err := s.distribute(list, changes)
	if err != nil {
		return err
	}
	var copies []ck.ObjectHandle
	for i, o := range list {
		made, err := s.CopyObject(s.handle, o, templates[i])
		if err != nil {
			for _, c := range slices.Backward(copies) {
				err = errors.Join(err, s.DestroyObject(s.handle, c))
			}
			return explainChange("copying the "+s.kindOf(o), err)
		}
		copies = append(copies, made)
	}
	return s.showNew(copies)
}
