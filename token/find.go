package token

import (
	"encoding/hex"
	"errors"
	"slices"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/store"
)

// A findOperation is a search in progress: the handles that it has yet to return.
type findOperation struct {
	active  bool
	handles []ck.ObjectHandle
	next    int
	query   query // while it runs
}

// FindObjectsInit implements C_FindObjectsInit, section 5.7.7. The search is done at once: what is made or destroyed before
// C_FindObjectsFinal does not change its result.
func (m *Module) FindObjectsInit(h ck.SessionHandle, template []ck.Attribute) error {
	s, err := m.lock(h)
	if err != nil {
		return err
	}
	defer s.unlock()
	if s.find.active {
		return ck.CKR_OPERATION_ACTIVE
	}
	for _, a := range template {
		if len(a.Value) > maxBlob { // no object has that
			return errTooLarge
		}
	}
	q := &s.find.query
	defer q.end()
	q.user, q.cache = s.slot.loginCache()
	q.table, q.template, q.found = &s.slot.objects, template, s.find.handles[:0]
	if err := q.run(); err != nil {
		return err
	}
	s.find.active, s.find.handles, s.find.next = true, q.found, 0
	return nil
}

// FindObjects implements C_FindObjects, section 5.7.8. It returns how many handles it wrote to out.
func (m *Module) FindObjects(h ck.SessionHandle, out []ck.ObjectHandle) (int, error) {
	s, err := m.lock(h)
	if err != nil {
		return 0, err
	}
	defer s.unlock()
	if !s.find.active {
		return 0, ck.CKR_OPERATION_NOT_INITIALIZED
	}
	n := copy(out, s.find.handles[s.find.next:])
	s.find.next += n
	return n, nil
}

// FindObjectsFinal implements C_FindObjectsFinal, section 5.7.9.
func (m *Module) FindObjectsFinal(h ck.SessionHandle) error {
	s, err := m.lock(h)
	if err != nil {
		return err
	}
	defer s.unlock()
	if !s.find.active {
		return ck.CKR_OPERATION_NOT_INITIALIZED
	}
	s.find.end()
	return nil
}

// keptHandles is how many handles of a search are kept as room for the next.
const keptHandles = 64

func (f *findOperation) end() {
	f.active, f.next = false, 0
	if cap(f.handles) > keptHandles {
		f.handles = nil
	}
}

// A query is a search.
type query struct {
	table    *objectTable
	template []ck.Attribute
	user     userState
	cache    *objectCache
	found    []ck.ObjectHandle
	space    [64]byte // for the term
}

// end drops what the query was about.
func (q *query) end() { q.template, q.cache, q.found = nil, nil, nil }

func (q *query) run() error {
	where, err := q.scope()
	if err != nil {
		return err
	}
	if where != inToken {
		q.searchSession()
	}
	if where == inSession {
		return nil
	}
	if err := q.searchBuiltin(); err != nil {
		return err
	}
	if err := q.cache.sync(); err != nil {
		return err
	}
	for _, a := range q.template {
		if a.Type == ck.CKA_UNIQUE_ID {
			return q.searchUnique(a.Value)
		}
	}
	for _, a := range q.template {
		if term, ok := term(q.space[:], a); ok {
			defer clear(term)
			return q.searchTerm(term)
		}
	}
	return q.searchAll()
}

// Where to search: a template with CKA_TOKEN names one of them.
const (
	anywhere = iota
	inSession
	inToken
)

func (q *query) scope() (int, error) {
	for _, a := range q.template {
		if a.Type != ck.CKA_TOKEN {
			continue
		}
		token, err := ck.Bool(a.Value)
		if err != nil {
			return 0, err
		}
		if token {
			return inToken, nil
		}
		return inSession, nil
	}
	return anywhere, nil
}

// searchSession searches the session objects. The two hashes in their entries rule most of them out.
func (q *query) searchSession() {
	t := q.table
	var label, name uint64
	for _, a := range q.template {
		switch a.Type {
		case ck.CKA_LABEL:
			label = t.hash(a.Value)
		case ck.CKA_ID:
			name = t.hash(a.Value)
		}
	}
	t.eachSession(func(e *entry) {
		if label != 0 && e.labelHash != label || name != 0 && e.idHash != name {
			return
		}
		if o := e.object.Load(); o != nil && o.matches(q.template) {
			q.found = append(q.found, e.handle)
		}
	})
}

// searchTerm searches the token objects that have a term, and those that have changes that are not vouched for.
func (q *query) searchTerm(term []byte) error {
	token, err := q.table.slot.storedToken()
	if err != nil {
		return err
	}
	ids, unvouched, err := token.Search(q.cache.keys, term)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if err := q.addByID(token, id); err != nil {
			return err
		}
	}
	for _, id := range unvouched {
		if slices.Contains(ids, id) {
			continue
		}
		if err := q.addByID(token, id); err != nil {
			return err
		}
	}
	return nil
}

// searchUnique searches the one token object that can have a CKA_UNIQUE_ID. No other is looked at, so that none that is damaged is in the way.
func (q *query) searchUnique(unique []byte) error {
	raw, err := hex.DecodeString(string(unique))
	if err != nil || len(raw) != len(store.ID{}) {
		return nil
	}
	token, err := q.table.slot.storedToken()
	if err != nil {
		return err
	}
	return q.addByID(token, store.ID(raw))
}

// addByID adds the token object id if it matches. One that another process has destroyed meanwhile is not there.
func (q *query) addByID(token *store.Token, id store.ID) error {
	e := q.table.lookup(id)
	if e == nil && q.cache.lookup(id) == nil {
		return q.readAndAdd(token, id)
	}
	var o *Object
	var err error
	if e != nil {
		o, err = e.get()
	} else {
		o, err = q.cache.getOrAdd(id).get()
	}
	if ck.Code(err) == ck.CKR_OBJECT_HANDLE_INVALID || errors.Is(err, store.ErrAltered) {
		return nil
	}
	if err != nil {
		return err
	}
	defer o.release()
	q.addIfVisible(o, e)
	return nil
}

// readAndAdd is addByID for an object that is not in the cache.
func (q *query) readAndAdd(token *store.Token, id store.ID) error {
	epoch := q.cache.currentEpoch()
	r, err := token.Get(q.cache.keys, id)
	if ck.Code(err) == ck.CKR_OBJECT_HANDLE_INVALID || errors.Is(err, store.ErrAltered) {
		return nil
	}
	if err != nil {
		return err
	}
	return q.addRecord(r, epoch)
}

// addIfVisible adds the token object o if it matches. e is its entry, nil where the application has none yet.
func (q *query) addIfVisible(o *Object, e *entry) {
	if !q.visible(o) {
		return
	}
	if e == nil {
		var err error
		if e, err = q.table.entryOf(o); err != nil {
			return // logged out meanwhile
		}
	}
	q.found = append(q.found, e.handle)
}

// addRecord adds the object of a record if it matches. It takes the record over.
func (q *query) addRecord(r store.Record, epoch uint64) error {
	o, err := objectFromRecord(r)
	if ck.Code(err) == ck.CKR_OBJECT_HANDLE_INVALID {
		return nil // destroyed by somebody without a login
	}
	if err != nil {
		return err
	}
	if !q.visible(o) {
		o.release()
		return nil
	}
	e, err := q.table.entryOf(o)
	if err != nil {
		o.release()
		return nil // logged out meanwhile
	}
	q.cache.getOrAdd(o.id).fill(o, epoch)
	q.found = append(q.found, e.handle)
	return nil
}

// visible reports whether a token object matches and may be seen.
func (q *query) visible(o *Object) bool {
	return (q.user == theUser || !o.isPrivate()) && o.matches(q.template)
}

// searchAll searches every token object. Those that are in the cache and have not changed are not read again.
func (q *query) searchAll() error {
	token, err := q.table.slot.storedToken()
	if err != nil {
		return err
	}
	epoch := q.cache.currentEpoch()
	known := func(id store.ID, rev uint64) bool {
		c := q.cache.lookup(id)
		if c == nil {
			return false
		}
		o := c.object.Load()
		if o == nil || !o.acquire() {
			return false
		}
		defer o.release()
		if o.rev != rev {
			return false
		}
		q.addIfVisible(o, q.table.lookup(id))
		return true
	}
	return token.All(q.cache.keys, known, func(r store.Record) error { return q.addRecord(r, epoch) })
}
