package conformance

import (
	"errors"
	"fmt"
	"strings"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/vectors"
)

// olderStructures are the structures of earlier versions of the standard that are passed in the place of newer ones. They are of the same
// size, so the table of parameters has them as one form.
var olderStructures = map[string]string{
	"CK_PKCS5_PBKD2_PARAMS2": "CK_PKCS5_PBKD2_PARAMS", // ulPasswordLen points to the length
}

// fits compares the image of a parameter with what the table of parameters says that the mechanism takes, and with what the C compiler says
// of the structure.
func (t *tables) fits(m ck.MechanismType, i *vectors.Image) error {
	var all error
	known := false
	for _, f := range []ck.Function{ck.C_EncryptInit, ck.C_WrapKey, ck.C_DeriveKey} {
		forms, _, _ := ck.ParameterOf(m, f)
		for _, form := range forms {
			err := t.isForm(form, i)
			if err == nil {
				return nil
			}
			known, all = true, errors.Join(all, err)
		}
	}
	if !known {
		return errors.New("a parameter, and the table of parameters names none")
	}
	return all
}

// isForm compares an image with one of the forms of a parameter.
func (t *tables) isForm(form *ck.Structure, i *vectors.Image) error {
	size, n := t.sizes[form.Name], len(i.Data)
	switch {
	case size != 0 && size == int(form.Size):
		err := t.shape(form.Name, i)
		if older := olderStructures[form.Name]; err != nil && older != "" {
			err = t.shape(older, i)
		}
		return err
	case size != 0: // of an earlier version of the standard, which is no longer in the header
		if n != int(form.Size) {
			return fmt.Errorf("%s had %d bytes, not %d", form.Name, form.Size, n)
		}
	case len(i.Refs) > 0 || len(i.Numbers) > 0 && n != 8: // a number or bytes, of a wrong length in some vectors
		return fmt.Errorf("a structure, and not a %s", form.Name)
	}
	return nil
}

// shape compares an image with a structure: each field has to be there, as a number, an address or bytes, and nothing else.
func (t *tables) shape(name string, i *vectors.Image) error {
	size, ok := t.sizes[name]
	if !ok {
		return fmt.Errorf("the header has no structure %s", name)
	}
	if len(i.Data) == 0 || len(i.Data)%size != 0 {
		return fmt.Errorf("%s has %d bytes, not %d", name, size, len(i.Data))
	}
	kinds := make(map[int]string)
	for _, n := range i.Numbers {
		kinds[n] = "number"
	}
	refs := make(map[int]*vectors.Image)
	for _, r := range i.Refs {
		kinds[r.At], refs[r.At] = "address", r.To
	}
	for base := 0; base < len(i.Data); base += size {
		for _, f := range t.leaves(name) {
			at, want := base+f.offset, "bytes"
			switch {
			case isPointer(f.typ):
				want = "address"
			case f.size == 8 && f.typ != "CK_BYTE":
				want = "number"
			}
			got := kinds[at]
			if delete(kinds, at); got == "" {
				got = "bytes"
			}
			if got != want {
				return fmt.Errorf("%s.%s is a %s, not a %s", name, f.name, want, got)
			}
			inner := strings.TrimSuffix(f.typ, "_PTR")
			if to := refs[at]; to != nil && len(to.Numbers)+len(to.Refs) > 0 && t.sizes[inner] != 0 {
				if err := t.shape(inner, to); err != nil {
					return fmt.Errorf("%s.%s: %w", name, f.name, err)
				}
			}
		}
	}
	if len(kinds) > 0 {
		return fmt.Errorf("%s has no fields at %v", name, kinds)
	}
	return nil
}

// leaves are the fields of a structure, with those of the structures in it.
func (t *tables) leaves(name string) (all []field) {
	for _, f := range t.fields[name] {
		if _, ok := t.fields[f.typ]; !ok {
			all = append(all, f)
			continue
		}
		for _, inner := range t.leaves(f.typ) {
			inner.name, inner.offset = f.name+"."+inner.name, f.offset+inner.offset
			all = append(all, inner)
		}
	}
	return all
}
