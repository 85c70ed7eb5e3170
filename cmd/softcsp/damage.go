package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/store"
	"github.com/softcsp/softcsp/token"
)

// What is damaged in a token is told by the names that people know objects by, as far as those can still be read.

// A damagedObject is an object that something is wrong with.
type damagedObject struct {
	UniqueID string `json:"unique_id"`
	Class    string `json:"class,omitempty"` // "" where it cannot be read
	Label    string `json:"label,omitempty"`
	ID       string `json:"id,omitempty"`
	// Like is an object with the same label or id, where the object's own name cannot be read: the other half of a pair, as a rule.
	Like   string   `json:"like,omitempty"`
	Faults []string `json:"faults"`
}

// String says which object it is.
func (d *damagedObject) String() string {
	switch {
	case d.Class != "":
		return fmt.Sprintf("object %s (%s)", d.UniqueID, called(d.Class, d.Label, d.ID))
	case d.Like != "":
		return fmt.Sprintf("object %s (of the same name as %s)", d.UniqueID, d.Like)
	}
	return "object " + d.UniqueID
}

// called names an object for people.
func called(class, label, id string) string {
	words := strings.ReplaceAll(class, "-", " ")
	if label != "" {
		words += fmt.Sprintf(" %q", label)
	}
	if id != "" {
		words += ", id " + id
	}
	return words
}

// An inspection is what was found in a token.
type inspection struct {
	faults  []string // about no object
	damaged []damagedObject
	objects int // how many there are, damaged ones too
	missing uint64
}

// inspect examines a token, with keys or without, and gives damaged objects their names.
func inspect(t *store.Token, k *store.Keys) (*inspection, error) {
	known := map[store.ID]token.Description{}
	e, err := t.Examine(k, func(r store.Record) {
		if d, ok := token.Describe(r); ok {
			known[r.ID] = d
		}
	})
	if err != nil {
		return nil, err
	}
	x := &inspection{objects: len(e.Objects), missing: e.Missing}
	index := map[store.ID]int{}
	for _, id := range e.Damaged() {
		index[id] = len(x.damaged)
		d := damagedObject{UniqueID: id.String()}
		if is, ok := known[id]; ok {
			d.Class, d.Label, d.ID = word("CKO_", is.Class), string(is.Label), fmt.Sprintf("%x", is.ID)
		}
		x.damaged = append(x.damaged, d)
	}
	for _, f := range e.Faults {
		if f.Object == (store.ID{}) {
			x.faults = append(x.faults, f.What)
			continue
		}
		d := &x.damaged[index[f.Object]]
		d.Faults = append(d.Faults, f.What)
	}
	if len(x.damaged) > 0 {
		x.findLikes(&e, k, known, index)
	}
	return x, nil
}

// findLikes finds objects that have the names of damaged ones which do not tell theirs.
func (x *inspection) findLikes(e *store.Examination, k *store.Keys, known map[store.ID]token.Description, index map[store.ID]int) {
	for _, id := range e.Objects {
		is, ok := known[id]
		if _, damaged := index[id]; !ok || damaged {
			continue
		}
		for _, term := range is.Terms() {
			for _, like := range e.DamagedWith(k, term) {
				if d := &x.damaged[index[like]]; d.Class == "" && d.Like == "" {
					d.Like = called(word("CKO_", is.Class), string(is.Label), fmt.Sprintf("%x", is.ID))
				}
			}
		}
	}
}

// lines are all faults, in words.
func (x *inspection) lines() []string {
	lines := append([]string{}, x.faults...)
	for i := range x.damaged {
		for _, what := range x.damaged[i].Faults {
			lines = append(lines, x.damaged[i].String()+": "+what)
		}
	}
	return lines
}

// cutShort says that a file was cut short where nothing is lost by it, "" for any other.
func cutShort(missing uint64) string {
	if missing == 0 {
		return ""
	}
	return fmt.Sprintf("the file is shorter than it was made, by %s at the least: it was cut short, or its disk was full; what is missing held nothing", amount(missing, "byte"))
}

// summary is the first fault, and how many there are.
func (x *inspection) summary() string {
	lines := x.lines()
	if len(lines) == 1 {
		return lines[0]
	}
	return fmt.Sprintf("%s (%d faults in all)", lines[0], len(lines))
}

// survey is all for a list: where damage keeps the token from searching all its objects at once, each is looked for by itself, and those that
// cannot be read are told of.
func (s *session) survey(x *selection) (list []ck.ObjectHandle, bad []damagedObject, err error) {
	list, err = s.all(x)
	switch {
	case err == nil && s.pin == nil:
		return list, x.concerned(s.unseen()), nil
	case exitCode(err) != exitDamaged:
		return list, nil, err
	}
	whole, searched := err, false
	err = s.inStore(func(t *store.Token) error {
		e, err := t.Examine(nil, nil)
		if err != nil {
			return err
		}
		var unread []store.ID
		list, err = s.allBy(x, func(template ...ck.Attribute) ([]ck.ObjectHandle, error) {
			found, missed, err := s.findEach(e.Objects, template)
			for _, id := range missed { // of each class the same ones
				if !slices.Contains(unread, id) {
					unread = append(unread, id)
				}
			}
			return found, err
		})
		if err != nil || len(unread) == 0 {
			return err
		}
		bad, searched = x.concerned(s.namesOf(t, unread)), true
		return nil
	})
	if !searched {
		return nil, nil, errors.Join(whole, err)
	}
	return list, bad, nil
}

// concerned leaves out the damaged objects that are known to be of another class than a selection's.
func (x *selection) concerned(bad []damagedObject) []damagedObject {
	return slices.DeleteFunc(bad, func(d damagedObject) bool {
		class, known := ck.ParseObjectClass(strings.ReplaceAll(d.Class, "-", "_"))
		return known && x.classes() != nil && !slices.Contains(x.classes(), class)
	})
}

// unseen returns the objects that the token leaves out of searches without a login, because they are not what somebody with a PIN left there.
func (s *session) unseen() (bad []damagedObject) {
	if store.Volatile(s.cfg) {
		return nil
	}
	_ = s.inStore(func(t *store.Token) error {
		x, err := inspect(t, nil)
		if err == nil {
			bad = x.damaged
		}
		return err
	})
	return bad
}

// findEach looks for objects one by one, and returns those that have the attributes and those that cannot be read.
func (s *session) findEach(ids []store.ID, template []ck.Attribute) (list []ck.ObjectHandle, unread []store.ID, err error) {
	for _, id := range ids {
		one, err := s.find(append(template[:len(template):len(template)], ck.Attribute{Type: ck.CKA_UNIQUE_ID, Value: []byte(id.String())})...)
		switch {
		case exitCode(err) == exitDamaged:
			unread = append(unread, id)
		case err != nil:
			return nil, nil, err
		}
		list = append(list, one...)
	}
	return list, unread, nil
}

// namesOf says what can be said of objects that cannot be read.
func (s *session) namesOf(t *store.Token, ids []store.ID) (bad []damagedObject) {
	var k *store.Keys
	if s.pin != nil {
		if keys, err := t.UnlockToCheck(store.User, s.pin); err == nil {
			k = keys
			defer k.Wipe()
		}
	}
	x, err := inspect(t, k)
	if err != nil {
		x = &inspection{}
	}
	for _, id := range ids {
		d := damagedObject{UniqueID: id.String(), Faults: []string{"cannot be read"}}
		for i := range x.damaged {
			if x.damaged[i].UniqueID == d.UniqueID {
				d = x.damaged[i]
			}
		}
		bad = append(bad, d)
	}
	return bad
}

// inStore calls f with the session's token as the store has it.
func (s *session) inStore(f func(*store.Token) error) error {
	return s.stored(choice{name: s.token.info.SerialNumber}, func(t *store.Token, _ tok) error { return f(t) })
}

// passedOver tells of objects that a list leaves out, nil where there are none.
func (s *session) passedOver(bad []damagedObject) error {
	if len(bad) == 0 {
		return nil
	}
	var b strings.Builder
	for i := range bad {
		fmt.Fprintf(&b, "\n  %s: %s", &bad[i], strings.Join(bad[i].Faults, "; "))
	}
	return &failure{exitDamaged, fmt.Errorf("%s of token %q cannot be read:%s\nsee all that is wrong, and what to do, with: softcsp token check --login --token %s",
		amount(uint64(len(bad)), "object"), s.token.info.Label, b.String(), s.token.info.SerialNumber)}
}

// uniqueID returns the object that a selection names by its unique id and by nothing else.
func (x *selection) uniqueID() (id store.ID, named bool) {
	k := &x.object
	if k.label != "" || k.id != "" || k.uri != "" || k.class != "" || len(k.match) != 1 {
		return id, false
	}
	list, err := assignments(k.match)
	if err != nil || list[0].Type != ck.CKA_UNIQUE_ID {
		return id, false
	}
	raw, err := hex.DecodeString(string(list[0].Value))
	if err != nil || len(raw) != len(id) {
		return id, false
	}
	return store.ID(raw), true
}

// destroyDamaged deletes an object that cannot be read, and that Cryptoki has no handle for therefore, when people agree.
func (s *session) destroyDamaged(id store.ID, yes bool) error {
	return s.inStore(func(t *store.Token) error {
		d := s.namesOf(t, []store.ID{id})[0]
		what := fmt.Sprintf("1 to be deleted from token %q:\n%s, which is damaged", s.token.info.Label, &d)
		if yes {
			s.app.note("%s", what)
		}
		if err := s.app.confirmed(yes, what, "Delete?"); err != nil {
			return err
		}
		k, err := t.Unlock(store.User, s.pin)
		if err != nil {
			return s.explainLogin(s.token, ck.CKU_USER, err)
		}
		defer k.Wipe()
		return explain("deleting the object", t.Delete(k, id))
	})
}
