package store

import (
	"errors"
	"fmt"
	"maps"
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

// Summary says the first of several faults, and how many there are.
func Summary(faults []Fault) string {
	if len(faults) == 1 {
		return faults[0].String()
	}
	return fmt.Sprintf("%v (%d faults in all)", faults[0], len(faults))
}

// An Examination is what Examine has found.
type Examination struct {
	Faults []Fault // in the order of objects, those about none first
	// Objects are those that there are, or are to be, as far as the file still tells.
	Objects []ID
	// Missing is how many bytes the file is shorter than it was, at the least, where only such were cut off that held nothing: no fault of the token,
	// but perhaps of whoever copied it. A disk that was full has the same effect.
	Missing uint64

	terms map[ID][]term // of the index, for objects with faults
}

// Damaged returns the objects that have faults.
func (e *Examination) Damaged() (ids []ID) {
	for _, f := range e.Faults {
		if f.Object != (ID{}) {
			ids = append(ids, f.Object)
		}
	}
	return sortUnique(ids)
}

// DamagedWith returns the damaged objects that could be found by what, as the index has it: so an object that does not open may still be
// known by its name.
func (e *Examination) DamagedWith(k *Keys, what []byte) (ids []ID) {
	terms := []term{hashPublic(what)}
	if k != nil {
		if private, err := k.hashPrivate(what); err == nil {
			terms = append(terms, private...)
		}
	}
	for _, id := range e.Damaged() {
		if slices.ContainsFunc(e.terms[id], func(h term) bool { return slices.Contains(terms, h) }) {
			ids = append(ids, id)
		}
	}
	return ids
}

// Check tests every invariant of the token and names each fault. Without keys it tests what can be tested without: the
// structure of the file, and that objects, manifest, index and journal agree. An error says that it could not look.
func (t *Token) Check(k *Keys) ([]Fault, error) {
	e, err := t.Examine(k, nil)
	return e.Faults, err
}

// Examine is Check, and goes on wherever the file is damaged. It calls see with each object whose bytes are there, as they are, whether the object
// has faults or not: Sealed is nil where it does not open, and neither it nor Public stays after see returns. see must not call the token.
func (t *Token) Examine(k *Keys, see func(Record)) (e Examination, err error) {
	if k != nil {
		if err := k.alive(t); err != nil {
			return e, err
		}
	}
	if see == nil {
		see = func(Record) {}
	}
	err = t.backend.view(func(x tx) error {
		c := checker{t: t, x: x, k: k, see: see}
		c.runThroughout()
		e = c.Examination
		return nil
	})
	return e, err
}

// CheckPIN is Check with the keys that a PIN unlocks.
func (t *Token) CheckPIN(u UserType, pin []byte) ([]Fault, error) {
	k, err := t.UnlockToCheck(u, pin)
	if err != nil {
		return nil, err
	}
	defer k.Wipe()
	return t.Check(k)
}

// UnlockToCheck returns the keys that a PIN unlocks, for Check and Examine, and unlike Unlock answers keys where the file was tampered with. Nothing
// is written to the file: a commit would use pages again that a damaged file may have in use, and make one longer that was cut short. So this process
// alone keeps the count of wrong PINs. A PIN that is locked stays so.
func (t *Token) UnlockToCheck(u UserType, pin []byte) (*Keys, error) {
	c, master, err := t.checkPINBy(u, pin, t.unwrapUncounted)
	if err != nil {
		return nil, err
	}
	return newKeys(t, c.header, master)
}

// A checker collects the faults of a token.
type checker struct {
	Examination
	t       *Token
	x       tx
	k       *Keys
	see     func(Record)
	header  *fixedHeader // nil where the header cannot be read
	entries map[ID]entry
	gaps    [buckets][]gap
	gone    map[ID]bool // objects that are reported as gone
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
	c.Faults = append(c.Faults, Fault{id, fmt.Sprintf(format, args...)})
}

// runThroughout makes all tests, and tells of a page that ends them.
func (c *checker) runThroughout() {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case pageError:
			c.report(ID{}, "%v", r.err)
		default:
			panic(r)
		}
		c.finish()
	}()
	c.run()
}

// finish puts what was found in order.
func (c *checker) finish() {
	slices.SortStableFunc(c.Faults, func(a, b Fault) int { return slices.Compare(a.Object[:], b.Object[:]) })
	c.Objects = sortUnique(slices.AppendSeq(c.Damaged(), maps.Keys(c.entries)))
}

// run makes all tests.
func (c *checker) run() {
	if x, ok := c.x.(salvager); ok {
		c.Missing = x.missing()
		for _, err := range x.faults() {
			what := err.Error()
			if d := (*damage)(nil); errors.As(err, &d) {
				what = d.what
			}
			c.report(ID{}, "structure of the file: %s", what)
		}
	}
	h := c.checkHeader()
	c.header = h
	if h == nil {
		return // nothing else can be told from noise
	}
	c.entries, c.gone, c.terms = map[ID]entry{}, map[ID]bool{}, map[ID][]term{}
	c.checkManifest()
	c.checkObjects()
	c.checkIndex()
	c.checkJournal()
	c.each(bUnvouched, func(key, value []byte) {
		if _, ok := parseUnvouched(key, value); !ok {
			c.report(ID{}, "what was asked for without a login has a damaged entry at %x", key)
		}
	})
	if c.k != nil {
		c.checkState(h)
	}
}

// checkHeader tests what can be read without keys. It returns nil where the rest makes no sense.
func (c *checker) checkHeader() *fixedHeader {
	h, err := c.readHeader()
	if d := (*damage)(nil); errors.As(err, &d) {
		c.report(ID{}, "the header cannot be read: %s", d.what)
		return nil
	} else if err != nil {
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
	} else {
		for w, count := range readLoginCounts(c.x) {
			if count.cleared > count.attempts {
				c.report(ID{}, "the count of failed logins for %s is damaged, which locks that PIN", headerSlots[w])
			}
		}
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

// readHeader is that of the token, for a page that may be damaged.
func (c *checker) readHeader() (h *fixedHeader, err error) {
	if x, ok := c.x.(salvager); ok {
		if _, err := x.tryGet(bHeader, headerStatic); err != nil {
			return nil, err
		}
	}
	return c.t.readHeader(c.x)
}

// get returns the value of a key, and whether it is known: it is not where it would be on a page that cannot be read.
func (c *checker) get(b bucket, key []byte) (value []byte, known bool) {
	x, ok := c.x.(salvager)
	if !ok {
		return c.x.get(b, key), true
	}
	value, err := x.tryGet(b, key)
	return value, err == nil
}

// each calls f with every entry of a bucket that can be read.
func (c *checker) each(b bucket, f func(key, value []byte)) {
	var err error
	if x, ok := c.x.(salvager); ok {
		err = x.eachReadable(b, f, func(g gap) { c.gaps[b] = append(c.gaps[b], g) })
	} else {
		err = c.x.each(b, nil, func(key, value []byte) error {
			f(key, value)
			return nil
		})
	}
	if err != nil {
		c.report(ID{}, "%v", err)
	}
}

// lost reports whether a key of a bucket would be on a page that cannot be read.
func (c *checker) lost(b bucket, key []byte) bool {
	return slices.ContainsFunc(c.gaps[b], func(g gap) bool { return g.has(key) })
}

// checkPresent tests that an object is there that the roll or the index names.
func (c *checker) checkPresent(id ID, by string) (raw []byte) {
	raw, known := c.get(bObjects, id[:])
	if raw != nil || c.gone[id] {
		return raw
	}
	c.gone[id] = true
	if known {
		c.report(id, "is in the %s, and is not there", by)
	} else {
		c.report(id, "was on a page that cannot be read")
	}
	return nil
}

// checkManifest tests that the manifest lists objects that are there.
func (c *checker) checkManifest() {
	c.each(bManifest, func(key, value []byte) {
		e, ok := parseEntry(value)
		if !ok || len(key) != len(ID{}) {
			c.report(ID{}, "the roll has a damaged entry at %x", key)
			return
		}
		c.entries[ID(key)] = e
		c.checkPresent(ID(key), "roll")
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
		case !there && c.lost(bManifest, key):
			c.entries[id] = o.entry() // the state tells whether it is right
		case !there:
			c.report(id, "is not in the roll")
		case o.entry() != e:
			c.report(id, "is not in the state that the roll tells: revision %d, expected %d", o.rev, e.rev)
		}
		for i := range o.count() {
			if v, known := c.get(bIndex, indexKey(o.term(i), id)); v == nil && known {
				c.report(id, "is not in the index under %x", o.term(i))
			}
		}
		if len(o.public) > 0 && !c.t.verifyPublic(c.header, id, &o) {
			c.report(id, "has a public part that is not what was signed")
		}
		r := Record{ID: id, Rev: o.rev, Public: o.public}
		if c.k != nil && c.k.openObject(id, &o, &r) != nil {
			c.report(id, "does not open: it was changed by something else than softcsp")
		}
		c.see(r)
		locked.Free(r.Sealed)
	})
}

// checkIndex tests that every entry is of an object that has the term.
func (c *checker) checkIndex() {
	damaged := map[ID]bool{}
	for _, id := range c.Damaged() {
		damaged[id] = true
	}
	c.each(bIndex, func(key, value []byte) {
		if len(key) != termSize+len(ID{}) || len(value) != 0 {
			c.report(ID{}, "the index has a damaged entry at %x", key)
			return
		}
		id := ID(key[termSize:])
		if damaged[id] {
			c.terms[id] = append(c.terms[id], term(key))
		}
		raw := c.checkPresent(id, "index")
		o, ok := c.parse(raw)
		if !ok {
			return // which is reported of the object
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
			if len(c.gaps[bManifest]) > 0 {
				return tampered("%d of %d objects are known to be in the token: the list of them was on a page that cannot be read", len(members), st.count)
			}
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
