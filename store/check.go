package store

import (
	"fmt"
	"slices"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/locked"
)

// A Fault is one thing that is wrong with a token.
type Fault struct {
	// Object is the object that it is about, the zero ID where it is about none.
	Object ID
	What   string
}

// String says what is wrong.
func (f Fault) String() string {
	if f.Object == (ID{}) {
		return f.What
	}
	return fmt.Sprintf("object %s: %s", f.Object, f.What)
}

// Check tests every invariant of the token and names each fault. Without keys it tests what can be tested without: the
// structure of the file, and that objects, manifest, index and journal agree. An error says that it could not look.
func (t *Token) Check(k *Keys) ([]Fault, error) {
	if k != nil {
		if err := k.alive(t); err != nil {
			return nil, err
		}
	}
	var c checker
	err := t.backend.view(func(x tx) error {
		c = checker{t: t, x: x, k: k}
		c.run()
		return nil
	})
	return c.faults, err
}

// CheckPIN is Check with the keys that a PIN unlocks. It counts as a login, as Unlock does, and unlike Unlock goes on where the
// file was tampered with.
func (t *Token) CheckPIN(u UserType, pin []byte) ([]Fault, error) {
	// A login is counted in the file, and that commit would write over a damaged meta page.
	before, err := t.Check(nil)
	if err != nil {
		return nil, err
	}
	c, master, err := t.checkPIN(u, pin)
	if err != nil {
		return nil, err
	}
	k, err := newKeys(t, c.header, master)
	if err != nil {
		return nil, err
	}
	defer k.Wipe()
	faults, err := t.Check(k)
	for _, f := range before {
		if !slices.Contains(faults, f) {
			faults = append(faults, f)
		}
	}
	return faults, err
}

// A checker collects the faults of a token.
type checker struct {
	t       *Token
	x       tx
	k       *Keys
	faults  []Fault
	header  *fixedHeader // nil where the header cannot be read
	entries map[ID]entry
}

// parse takes an object apart.
func (c *checker) parse(b []byte) (sealedObject, bool) {
	if c.header == nil {
		return sealedObject{}, false
	}
	return parseObject(c.header.version, b)
}

// report notes one.
func (c *checker) report(id ID, format string, args ...any) {
	c.faults = append(c.faults, Fault{id, fmt.Sprintf(format, args...)})
}

// run makes all tests.
func (c *checker) run() {
	if x, ok := c.x.(interface{ check() error }); ok {
		if err := x.check(); err != nil {
			c.report(ID{}, "structure of the file: %v", err)
		}
	}
	h := c.checkHeader()
	c.header = h
	c.checkManifest()
	c.checkObjects()
	c.checkIndex()
	c.checkJournal()
	c.each(bUnvouched, func(key, value []byte) {
		if _, ok := parseUnvouched(key, value); !ok {
			c.report(ID{}, "what was asked for without a login has a damaged entry at %x", key)
		}
	})
	if c.k != nil && h != nil {
		c.checkState(h)
	}
	slices.SortStableFunc(c.faults, func(a, b Fault) int { return slices.Compare(a.Object[:], b.Object[:]) })
}

// checkHeader tests what can be read without keys. It returns nil where the rest makes no sense.
func (c *checker) checkHeader() *fixedHeader {
	h, err := c.t.readHeader(c.x)
	if err != nil {
		c.report(ID{}, "%v", err)
		return nil
	}
	for w, key := range headerSlots {
		b := keySlot(c.x.get(bHeader, key))
		if b == nil && UserType(w) == User {
			continue
		}
		if err := b.check(); err != nil {
			c.report(ID{}, "%s: %v", key, err)
		}
	}
	if n := len(c.x.get(bHeader, headerTries)); n != loginCountsSize {
		c.report(ID{}, "the counts of failed logins take %d bytes, not %d", n, loginCountsSize)
	}
	if n := len(c.x.get(bHeader, headerState)); n != stateSize {
		c.report(ID{}, "the state takes %d bytes, not %d", n, stateSize)
	}
	gen, journalStart := c.x.generation(), headerNumber(c.x, headerJournalStart)
	if gen == 0 || journalStart == 0 || journalStart > gen {
		c.report(ID{}, "generation %d, journal since %d", gen, journalStart)
	}
	known := append(slices.Clone(headerSlots[:]), headerStatic, headerState, headerTries, headerGeneration, headerJournalStart)
	c.each(bHeader, func(key, _ []byte) {
		if !slices.ContainsFunc(known, func(k []byte) bool { return string(k) == string(key) }) {
			c.report(ID{}, "the header has an unknown part %q", key)
		}
	})
	return h
}

// each calls f with every entry of a bucket.
func (c *checker) each(b bucket, f func(key, value []byte)) {
	err := c.x.each(b, nil, func(key, value []byte) error {
		f(key, value)
		return nil
	})
	if err != nil {
		c.report(ID{}, "%v", err)
	}
}

// checkManifest tests that the manifest lists objects that are there.
func (c *checker) checkManifest() {
	c.entries = map[ID]entry{}
	c.each(bManifest, func(key, value []byte) {
		e, ok := parseEntry(value)
		if !ok || len(key) != len(ID{}) {
			c.report(ID{}, "the roll has a damaged entry at %x", key)
			return
		}
		c.entries[ID(key)] = e
		if c.x.get(bObjects, key) == nil {
			c.report(ID(key), "is in the roll, and is not there")
		}
	})
}

// checkObjects tests that every object has its form, is in the manifest and the index, and opens.
func (c *checker) checkObjects() {
	c.each(bObjects, func(key, value []byte) {
		if len(key) != len(ID{}) {
			c.report(ID{}, "an object has the damaged name %x", key)
			return
		}
		id := ID(key)
		o, ok := c.parse(value)
		if !ok {
			c.report(id, "is damaged")
			return
		}
		switch e, there := c.entries[id]; {
		case !there:
			c.report(id, "is not in the roll")
		case o.entry() != e:
			c.report(id, "is not in the state that the roll tells: revision %d, expected %d", o.rev, e.rev)
		}
		for i := range o.count() {
			if c.x.get(bIndex, indexKey(o.term(i), id)) == nil {
				c.report(id, "is not in the index under %x", o.term(i))
			}
		}
		if len(o.public) > 0 && !c.t.verifyPublic(c.header, id, &o) {
			c.report(id, "has a public part that is not what was signed")
		}
		if c.k == nil {
			return
		}
		var r Record
		if err := c.k.openObject(id, &o, &r); err != nil {
			c.report(id, "does not open: it was changed by something else than softcsp")
		}
		locked.Free(r.Sealed)
	})
}

// checkIndex tests that every entry is of an object that has the term.
func (c *checker) checkIndex() {
	c.each(bIndex, func(key, value []byte) {
		if len(key) != termSize+len(ID{}) || len(value) != 0 {
			c.report(ID{}, "the index has a damaged entry at %x", key)
			return
		}
		id := ID(key[termSize:])
		o, ok := c.parse(c.x.get(bObjects, id[:]))
		if !ok {
			c.report(id, "is in the index, and is not there or is damaged")
			return
		}
		for i := range o.count() {
			if o.term(i) == term(key) {
				return
			}
		}
		c.report(id, "is in the index under %x, which is none of its terms", key[:termSize])
	})
}

// checkJournal tests that every entry is of a commit that it is to remember.
func (c *checker) checkJournal() {
	gen, journalStart := c.x.generation(), headerNumber(c.x, headerJournalStart)
	c.each(bJournal, func(key, value []byte) {
		at := uint64(0)
		if len(key) == 8 {
			at = beUint64(key)
		}
		if at <= journalStart || at > gen || gen-at >= journalLength || len(value) == 0 || len(value)%len(ID{}) != 0 {
			c.report(ID{}, "the journal has a damaged entry at %x", key)
		}
	})
}

// checkState tests the header and the set of objects against the state.
func (c *checker) checkState(h *fixedHeader) {
	err := c.k.use(func() error {
		if h.initID != c.k.initID {
			return fmt.Errorf("%w: the token was initialised anew", ck.CKR_USER_NOT_LOGGED_IN)
		}
		st, err := c.k.openState(c.x)
		if err != nil {
			return err
		}
		members := make([]member, 0, len(c.entries))
		for id, e := range c.entries {
			members = append(members, member{id, e})
		}
		var now setHash
		c.k.updateSetHash(&now, members, nil, true)
		if now.total != st.setHash.total || uint64(len(members)) != st.count {
			return c.k.explainMismatch(members, st)
		}
		if now.perBit != st.setHash.perBit {
			return tampered("the state does not agree with itself")
		}
		return nil
	})
	if err != nil {
		c.report(ID{}, "%v", err)
	}
}
