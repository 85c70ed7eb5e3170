package main

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/softcsp/softcsp/ck"
)

// The verbs list, show, set, copy and delete are those of several nouns, each of which is about objects of some classes.

// An objectNoun is a noun whose verbs are about objects.
type objectNoun struct {
	noun string // "cert"
	what string // "certificate": classesOf has its classes
}

var (
	keyNoun  = objectNoun{"key", "key"}
	certNoun = objectNoun{"cert", "certificate"}
	anyNoun  = objectNoun{"object", "object"}
)

// A selection is the flags that say which objects of a kind are meant.
type selection struct{ *target }

func (x objectNoun) selection() *selection { return &selection{target: newTarget(x.what)} }

// addTo gives a command the flags.
func (x *selection) addTo(c *cobra.Command) {
	x.target.addTo(c)
	x.addClass(c)
}

// addClass gives a command the flags --match, and --class where there are several.
func (x *selection) addClass(c *cobra.Command) {
	x.object.matches = true
	c.Flags().StringArrayVar(&x.object.match, "match", nil, "attribute that the "+x.object.what+" has: `NAME=VALUE`, unique-id=... say")
	_ = c.RegisterFlagCompletionFunc("match", completeAssignment)
	if len(classesOf[x.object.what]) == 1 {
		return
	}
	words := x.classWords()
	c.Flags().StringVar(&x.object.class, "class", "", "`class`: "+strings.Join(words, ", "))
	_ = c.RegisterFlagCompletionFunc("class", cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
}

// classWords are what --class can be.
func (x *selection) classWords() (words []string) {
	list := classesOf[x.object.what]
	if list == nil {
		list = []ck.ObjectClass{ck.CKO_DATA, ck.CKO_CERTIFICATE, ck.CKO_PUBLIC_KEY, ck.CKO_PRIVATE_KEY, ck.CKO_SECRET_KEY, ck.CKO_OTP_KEY,
			ck.CKO_DOMAIN_PARAMETERS, ck.CKO_TRUST, ck.CKO_PROFILE, ck.CKO_HW_FEATURE, ck.CKO_MECHANISM}
	}
	for _, class := range list {
		words = append(words, word("CKO_", class))
	}
	return words
}

// check tells what is wrong with the flags.
func (x *selection) check() (err error) {
	if _, err := assignments(x.object.match); err != nil {
		return fmt.Errorf("--match: %w", err)
	}
	if x.object.class != "" {
		x.object.class, err = oneOf("class", x.object.class, x.classWords()...)
	}
	return err
}

// classes are those of the objects that are meant, nil for any.
func (x *selection) classes() []ck.ObjectClass {
	if x.object.class == "" {
		return classesOf[x.object.what]
	}
	class, _ := ck.ParseObjectClass(strings.ReplaceAll(x.object.class, "-", "_"))
	return []ck.ObjectClass{class}
}

// all returns the objects that are meant, in the order of their labels; none is no error.
func (s *session) all(x *selection) ([]ck.ObjectHandle, error) {
	return s.allBy(x, s.find)
}

// allBy is all with the function that finds the objects that have attributes.
func (s *session) allBy(x *selection, find func(...ck.Attribute) ([]ck.ObjectHandle, error)) ([]ck.ObjectHandle, error) {
	list, err := s.matchingBy(find, x.object, x.classes()...)
	if err != nil {
		return nil, err
	}
	keys := make(map[ck.ObjectHandle]string, len(list))
	for _, o := range list {
		keys[o] = s.textOf(o, ck.CKA_LABEL) + "\x00" + word("CKO_", s.class(o)) + s.hexOf(o, ck.CKA_ID)
	}
	slices.SortStableFunc(list, func(a, b ck.ObjectHandle) int { return strings.Compare(keys[a], keys[b]) })
	return list, nil
}

// some returns the objects that are meant, at least one.
func (s *session) some(x *selection) ([]ck.ObjectHandle, error) {
	list, err := s.all(x)
	if err == nil && len(list) == 0 {
		err = s.notOne(x.object, nil)
	}
	return list, err
}

// single returns the objects that are meant, which are one to people: an object, or the two keys of a pair, the private one first.
func (s *session) single(x *selection) ([]ck.ObjectHandle, error) {
	list, err := s.some(x)
	if err != nil || len(list) == 1 || len(list) == 2 && s.isPair(list[0], list[1]) {
		return list, err
	}
	return nil, s.notOne(x.object, list)
}

// isPair reports whether objects are the private and the public key of a pair.
func (s *session) isPair(private, public ck.ObjectHandle) bool {
	if s.class(private) != ck.CKO_PRIVATE_KEY || s.class(public) != ck.CKO_PUBLIC_KEY {
		return false
	}
	a, err1 := s.publicKeyInfo(private)
	b, err2 := s.publicKeyInfo(public)
	return errors.Join(err1, err2) == nil && bytes.Equal(a, b)
}

// class returns the class of an object.
func (s *session) class(o ck.ObjectHandle) ck.ObjectClass {
	n, err := s.ulong(o, ck.CKA_CLASS)
	if err != nil {
		return ck.CKO_VENDOR_DEFINED
	}
	return ck.ObjectClass(n)
}

// A newName is what new objects are called, which may be taken.
type newName struct {
	label     []byte
	id        []byte
	duplicate bool
}

// checkFree refuses a label or an id that an object of one of the classes has already.
func (s *session) checkFree(n newName, what string, classes ...ck.ObjectClass) error {
	if n.duplicate {
		return nil
	}
	for _, a := range []ck.Attribute{{Type: ck.CKA_LABEL, Value: n.label}, {Type: ck.CKA_ID, Value: n.id}} {
		if len(a.Value) == 0 {
			continue
		}
		for _, class := range classes {
			list, err := s.find(a, classIs(class))
			if err != nil {
				return explain("looking for the "+what, err)
			}
			if len(list) > 0 {
				return s.taken(list[0], a.Type, what)
			}
		}
	}
	return nil
}

// taken says which object has a name already.
func (s *session) taken(o ck.ObjectHandle, by ck.AttributeType, what string) error {
	r, err := s.object(o)
	if err != nil {
		return explain("reading the "+what, err)
	}
	called, flag := fmt.Sprintf("the label %q", r.Label), "--label"
	if by == ck.CKA_ID {
		called, flag = "the id "+r.ID, "--id"
	}
	return fmt.Errorf("there is %s with %s already, %s\nchoose another %s, or say --duplicate to have two", article(what), called, r.URI, flag)
}

// kindOf is the class of an object, for people.
func (s *session) kindOf(o ck.ObjectHandle) string {
	class := s.class(o)
	if class == ck.CKO_DATA || class == ck.CKO_TRUST {
		return word("CKO_", class) + " object"
	}
	return strings.ReplaceAll(word("CKO_", class), "-", " ")
}

// article puts a or an before a word.
func article(what string) string {
	if what != "" && strings.ContainsRune("aeiou", rune(what[0])) {
		return "an " + what
	}
	return "a " + what
}
