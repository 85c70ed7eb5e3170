package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/softcsp/softcsp/ck"
)

const deleteHelp = `It is listed first, and on a terminal the command asks; elsewhere it wants --yes. There is no way back but a backup
of the token.`

func keyDelete(a *app) *cobra.Command {
	c := keyNoun.deleteVerb(a)
	c.Short = "Delete a key"
	c.Long = "Deletes a key: of a pair both keys, unless --class or --uri names one. " + deleteHelp
	c.Example = "  softcsp key delete --label web --pin-file user.pin --yes"
	return c
}

func certDelete(a *app) *cobra.Command {
	c := certNoun.deleteVerb(a)
	c.Short = "Delete a certificate"
	c.Long = "Deletes a certificate. " + deleteHelp
	c.Example = "  softcsp cert delete --label web --pin-file user.pin --yes"
	return c
}

func objectDelete(a *app) *cobra.Command {
	c := anyNoun.deleteVerb(a)
	c.Short = "Delete objects"
	c.Long = "Deletes an object, or with --all each that the flags choose. " + deleteHelp + `

An object that is damaged goes by the unique id that "softcsp token check" and lists tell: --match unique-id=ID. See first whether a backup
has it whole.`
	c.Example = "  softcsp object delete --label notes --pin-file user.pin --yes\n  softcsp object delete --all --class data --pin-file user.pin --yes"
	return c
}

// deleteVerb is the verb delete of a kind of objects.
func (x objectNoun) deleteVerb(a *app) *cobra.Command {
	selected, yes, all := x.selection(), false, false
	c := &cobra.Command{Use: "delete --label LABEL", Args: exactly(0, "")}
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	c.Flags().BoolVar(&all, "all", false, "delete every "+x.what+" that the flags choose, not one alone")
	selected.addTo(c)
	c.RunE = func(*cobra.Command, []string) error {
		err := selected.check()
		if !all && err == nil {
			err = selected.need()
		}
		if err != nil {
			return usage(c, err)
		}
		return a.on(selected.target, func(s *session) error {
			choose := s.single
			if all {
				choose = s.some
			}
			list, err := choose(selected)
			if id, named := selected.uniqueID(); named && exitCode(err) == exitDamaged {
				return s.destroyDamaged(id, yes)
			}
			if err != nil {
				return err
			}
			return s.destroy(list, yes)
		})
	}
	return c
}

// mostNamed is how many objects are named one by one before they are deleted.
const mostNamed = 20

// destroy deletes objects when people agree.
func (s *session) destroy(list []ck.ObjectHandle, yes bool) error {
	rows, err := s.rows(list)
	if err != nil {
		return err
	}
	lines := []string{fmt.Sprintf("%d to be deleted from token %q:", len(rows), s.token.info.Label)}
	for _, r := range rows[:min(len(rows), mostNamed)] {
		lines = append(lines, strings.ReplaceAll(r.Class, "-", " ")+" "+r.URI)
	}
	if more := len(rows) - mostNamed; more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	what := strings.Join(lines, "\n")
	if yes {
		s.app.note("%s", what)
	}
	if err := s.app.confirmed(yes, what, "Delete?"); err != nil {
		return err
	}
	telling := s.app.progress("deleted")
	defer telling.end()
	for i, o := range list {
		if err := s.DestroyObject(s.handle, o); err != nil && !vanished(err) {
			return explainChange("deleting", err)
		}
		telling.at(int64(i+1), int64(len(list)))
	}
	return nil
}
