package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/softcsp/softcsp/ck"
)

// A creation is what object create was asked for.
type creation struct {
	className, application string
	attributes             []string
	public, duplicate      bool
	class                  ck.ObjectClass
	template               []ck.Attribute
	target                 *target
}

func objectCreate(a *app) *cobra.Command {
	x := &creation{target: newTarget("object")}
	c := &cobra.Command{
		Use:   "create --label LABEL [FILE]",
		Short: "Make an object of a file or of attributes",
		Long: `Makes a data object whose value is a file ("-" for standard input), or with --class an object of another class of the attributes that
--attribute gives. Keys are imported by "softcsp key import", certificates by "softcsp cert import".

Data objects are private: they are seen with the PIN only, and sealed in the token. --public makes one that all see.

` + assignmentHelp,
		Example: `  softcsp object create --label notes --application backup --pin-file user.pin notes.txt
  softcsp object create --class trust --attribute issuer=@issuer.der --attribute serial-number=0201 --attribute trust-server-auth=not-trusted`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 1 {
				return tooMany(c, args[1], "one file at most")
			}
			return nil
		},
	}
	f := c.Flags()
	f.StringVar(&x.className, "class", "data", "`class` of the object: data, trust, ...")
	f.StringVar(&x.application, "application", "", "CKA_APPLICATION: the `application` that the data are of")
	f.StringArrayVar(&x.attributes, "attribute", nil, "attribute of the object: `NAME=VALUE`")
	f.BoolVar(&x.public, "public", false, "CKA_PRIVATE false: the object is seen without the PIN")
	f.BoolVar(&x.duplicate, "duplicate", false, "make the object even if there is one of that label already")
	x.target.object.add(f)
	x.target.addToken(c)
	_ = c.RegisterFlagCompletionFunc("class", cobra.FixedCompletions([]string{"data", "trust", "domain-parameters"}, cobra.ShellCompDirectiveNoFileComp))
	c.RunE = func(_ *cobra.Command, args []string) error {
		if err := x.check(); err != nil {
			return usage(c, err)
		}
		if len(args) == 1 {
			if err := x.read(a, args[0]); err != nil {
				return err
			}
		}
		return a.on(x.target, x.run)
	}
	return lists(a, c)
}

// check reads the flags into the template.
func (x *creation) check() error {
	class, ok := ck.ParseObjectClass(strings.ReplaceAll(x.className, "-", "_"))
	switch {
	case !ok:
		return notAWord("--class", x.className, anyNoun.selection().classWords(), "")
	case class == ck.CKO_SECRET_KEY || class == ck.CKO_PRIVATE_KEY || class == ck.CKO_PUBLIC_KEY || class == ck.CKO_OTP_KEY:
		return errors.New("--class: keys are made by softcsp key generate and softcsp key import")
	case class == ck.CKO_CERTIFICATE:
		return errors.New("--class: certificates are made by softcsp cert import")
	}
	x.class = class
	x.template = []ck.Attribute{classIs(class), {Type: ck.CKA_TOKEN, Value: ck.BoolValue(true)}}
	named, err := x.target.object.template()
	if err != nil {
		return err
	}
	x.template = append(x.template, named...)
	if x.public {
		x.template = append(x.template, ck.Attribute{Type: ck.CKA_PRIVATE, Value: ck.BoolValue(false)})
	}
	if x.application != "" {
		x.template = append(x.template, ck.Attribute{Type: ck.CKA_APPLICATION, Value: []byte(x.application)})
	}
	more, err := assignments(x.attributes)
	if err != nil {
		return fmt.Errorf("--attribute: %w", err)
	}
	for _, a := range more {
		if slices.ContainsFunc(x.template, func(b ck.Attribute) bool { return a.Type == b.Type }) {
			return fmt.Errorf("%v is given twice", a.Type)
		}
	}
	x.template = append(x.template, more...)
	return nil
}

// maxObject is more than the value of an object should have, in bytes: it lies in memory whole.
const maxObject = 64 << 20

// read makes a file the value of the object.
func (x *creation) read(a *app, name string) error {
	in := a.in
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, maxObject+1))
	if err != nil {
		return err
	}
	if len(b) > maxObject {
		return fmt.Errorf("%s is longer than %d MiB, which no object of a token should be", name, maxObject>>20)
	}
	x.template = append(x.template, ck.Attribute{Type: ck.CKA_VALUE, Value: b})
	return nil
}

// run makes the object.
func (x *creation) run(s *session) error {
	if err := s.checkFree(newName{label: []byte(x.target.object.label), duplicate: x.duplicate}, "object", x.class); err != nil {
		return err
	}
	o, err := s.CreateObject(s.handle, x.template)
	if err != nil {
		return explainChange("making the object", err)
	}
	return s.showNew([]ck.ObjectHandle{o})
}

func objectExport(a *app) *cobra.Command {
	selected, out, attribute := anyNoun.selection(), "-", "value"
	c := &cobra.Command{
		Use:   "export --label LABEL",
		Short: "Write the value of an object to a file",
		Long: `Writes the bytes of an attribute of an object to a file, or to standard output: CKA_VALUE, or what --attribute names. The file is written
whole or not at all, with mode 0600. Keys are exported by "softcsp key export", certificates as PEM by "softcsp cert export".`,
		Example: "  softcsp object export --label notes --pin-file user.pin --out notes.txt",
		Args:    exactly(0, ""),
	}
	a.addOut(c, &out, "-", "`file` to write, \"-\" for standard output")
	c.Flags().StringVar(&attribute, "attribute", "value", "`name` of the attribute")
	selected.addTo(c)
	selected.addLogin(c)
	c.RunE = func(*cobra.Command, []string) error {
		t, err := attributeNamed(attribute)
		if err := errors.Join(err, selected.need(), selected.check()); err != nil {
			return usage(c, err)
		}
		return a.see(selected.target, func(s *session) error {
			list, err := s.single(selected)
			if err != nil {
				return err
			}
			v, err := s.value(list[0], t)
			if errors.Is(err, ck.CKR_ATTRIBUTE_TYPE_INVALID) {
				return s.lacks(list[0], t, err)
			}
			if err != nil {
				return explain(fmt.Sprintf("reading %v of the %s", t, s.kindOf(list[0])), err)
			}
			defer clear(v)
			return a.write(out, func(w io.Writer) error { _, err := io.Copy(w, bytes.NewReader(v)); return err })
		})
	}
	return c
}

// lacks is the error for an object without an attribute.
func (s *session) lacks(o ck.ObjectHandle, t ck.AttributeType, err error) error {
	hint := "see what there is with: softcsp object show"
	if class := s.class(o); class == ck.CKO_PRIVATE_KEY || class == ck.CKO_PUBLIC_KEY {
		hint = "a key is written with: softcsp key export"
	}
	return fmt.Errorf("this %s has no %v (%w)\n%s", s.kindOf(o), t, err, hint)
}
