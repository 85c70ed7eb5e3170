package token

import (
	"errors"
	"hash/maphash"
	"sync"
	"sync/atomic"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/stripe"
	"github.com/softcsp/softcsp/store"
)

// An entry is what an object handle stands for. The Object behind it never changes: a change of attributes puts another in
// its place.
type entry struct {
	handle  ck.ObjectHandle
	objects *objectTable
	private bool
	builtin bool                         // an object that was not made: it is never read and never dropped
	cached  atomic.Pointer[cachedObject] // a token object
	object  atomic.Pointer[Object]       // any other

	owner        *session // of a session object, nil for a token object
	indexInOwner int      // its place in owner.owned
	indexInPart  int      // its place in the entries of its part
	labelHash    uint64   // hashes of CKA_LABEL and CKA_ID, by which it is found
	idHash       uint64
}

// isToken reports whether a token object is behind the entry.
func (e *entry) isToken() bool { return e.owner == nil && !e.builtin }

// id returns the number of a token object.
func (e *entry) id() store.ID { return e.cached.Load().id }

// An objectTable is the objects of a slot that an application knows: its session objects, and the token objects that it has
// a handle of.
type objectTable struct {
	slot *appSlot
	seed maphash.Seed

	_     stripe.Gap
	parts [stripe.Count]sessionEntries

	mu           sync.Mutex
	tokenEntries map[store.ID]*entry
	builtins     []*entry
}

// sessionEntries are the session objects of the sessions that were opened on one stripe.
type sessionEntries struct {
	mu   sync.Mutex
	list []*entry
	some atomic.Bool // list has an element: for who only looks
	// lastUnique is the last CKA_UNIQUE_ID that an object got. The next one is its successor, but after a multiple of uniqueBlock.
	lastUnique uint64
	_          [stripe.Line - 48]byte
}

// uniqueBlock is how many CKA_UNIQUE_IDs are taken from the core at once.
const uniqueBlock = 1 << 10

// nextUnique returns a CKA_UNIQUE_ID. The part is locked.
func (p *sessionEntries) nextUnique(c *Core) uint64 {
	if p.lastUnique%uniqueBlock == 0 {
		p.lastUnique = c.lastUnique.Add(uniqueBlock) - uniqueBlock
	}
	p.lastUnique++
	return p.lastUnique
}

// partOf returns the part of the objects of a session.
func (t *objectTable) partOf(s *session) *sessionEntries { return &t.parts[s.part] }

func (t *objectTable) init(s *appSlot) {
	t.slot, t.seed, t.tokenEntries = s, maphash.MakeSeed(), make(map[store.ID]*entry)
}

// object finds the object with the handle h among those of the session's token. The caller releases it.
func (s *session) object(h ck.ObjectHandle) (*entry, *Object, error) {
	e, err := s.entry(h)
	if err != nil {
		return nil, nil, err
	}
	o, err := e.get()
	return e, o, err
}

// entry finds the entry of the object with the handle h among those of the session's token.
func (s *session) entry(h ck.ObjectHandle) (*entry, error) {
	e := s.slot.app.objects.Get(h)
	if e == nil || e.objects != &s.slot.objects {
		return nil, ck.CKR_OBJECT_HANDLE_INVALID
	}
	return e, nil
}

// get returns the Object behind an entry as it is now.
func (e *entry) get() (*Object, error) { return e.getBy((*Object).acquire) }

// getBy is get with another way of taking a reference.
func (e *entry) getBy(acquire func(*Object) bool) (*Object, error) {
	if e.isToken() {
		return e.getToken(acquire)
	}
	for {
		o := e.object.Load()
		if o == nil {
			return nil, ck.CKR_OBJECT_HANDLE_INVALID
		}
		if acquire(o) {
			return o, nil
		}
	}
}

// getToken is getBy for a token object, which is looked for in the cache that the application reads from now.
func (e *entry) getToken(acquire func(*Object) bool) (*Object, error) {
	s := e.objects.slot
	for {
		cache, c := s.cache(), e.cached.Load()
		if c.cache != cache {
			c = cache.getOrAdd(c.id)
			e.cached.Store(c)
		}
		o, err := c.getBy(acquire)
		if err == nil {
			return o, nil
		}
		if errors.Is(err, ck.CKR_OBJECT_HANDLE_INVALID) {
			if s.cache() != cache { // the application has logged in or out meanwhile
				continue
			}
			e.objects.drop(e)
		}
		return nil, err
	}
}

// forgetObject releases the cached Object of a token object, which is read again when it is needed.
func (e *entry) forgetObject() { e.cached.Load().swap(nil) }

// addSession makes o, whose only reference it takes, an object of the session s.
func (t *objectTable) addSession(s *session, o *Object) (ck.ObjectHandle, error) {
	e := &entry{objects: t, private: o.isPrivate(), owner: s}
	e.labelHash, e.idHash = t.hash(o.bytes(ck.CKA_LABEL)), t.hash(o.bytes(ck.CKA_ID))
	e.object.Store(o)
	p := t.partOf(s)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := t.mayAdd(s, e.private); err != nil {
		o.release()
		return 0, err
	}
	o.uniqueNumber = p.nextUnique(t.slot.core)
	e.indexInPart, e.indexInOwner = len(p.list), len(s.owned)
	p.list, s.owned = append(p.list, e), append(s.owned, e)
	if !p.some.Load() {
		p.some.Store(true)
	}
	t.slot.app.objects.AddOn(s.part, e, &e.handle)
	return e.handle, nil
}

// mayAdd tells whether a session, or nil for any, may still get an object. The table, or the part of the session, is locked.
func (t *objectTable) mayAdd(s *session, private bool) error {
	if s != nil && s.noMoreObjects {
		return ck.CKR_SESSION_HANDLE_INVALID
	}
	if private {
		if user, _ := t.slot.currentLogin(); user != theUser {
			return ck.CKR_USER_NOT_LOGGED_IN
		}
	}
	return nil
}

// hash is the hash by which session objects are found. Each table has a key of its own for it.
func (t *objectTable) hash(value []byte) uint64 {
	if len(value) == 0 {
		return 0
	}
	return maphash.Bytes(t.seed, value)
}

// entryOf returns the entry of a token object, and gives it a handle if it has none.
func (t *objectTable) entryOf(o *Object) (*entry, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e := t.tokenEntries[o.id]; e != nil {
		return e, nil
	}
	if err := t.mayAdd(nil, o.isPrivate()); err != nil {
		return nil, err
	}
	e := &entry{objects: t, private: o.isPrivate()}
	e.cached.Store(t.slot.cache().getOrAdd(o.id))
	t.tokenEntries[o.id] = e
	t.slot.app.objects.Add(e, &e.handle)
	return e, nil
}

// lookup returns the entry of a token object if it has one.
func (t *objectTable) lookup(id store.ID) *entry {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.tokenEntries[id]
}

// drop makes the handle of an entry invalid, and releases the Object of a session object. It reports whether the handle was valid.
func (t *objectTable) drop(e *entry) bool {
	if e.isToken() {
		t.mu.Lock()
		defer t.mu.Unlock()
		return t.dropToken(e)
	}
	p := t.partOf(e.owner)
	p.mu.Lock()
	defer p.mu.Unlock()
	return t.dropSession(p, e)
}

// dropToken is drop for a token object. The table is locked.
func (t *objectTable) dropToken(e *entry) bool {
	if t.slot.app.objects.Remove(e.handle) == nil {
		return false
	}
	delete(t.tokenEntries, e.id())
	return true
}

// dropSession is drop for a session object, whose part is locked.
func (t *objectTable) dropSession(p *sessionEntries, e *entry) bool {
	if t.slot.app.objects.Remove(e.handle) == nil {
		return false
	}
	last := p.list[len(p.list)-1]
	p.list[e.indexInPart], last.indexInPart = last, e.indexInPart
	if p.list = withoutLast(p.list); len(p.list) == 0 {
		p.some.Store(false)
	}
	own := e.owner.owned
	last = own[len(own)-1]
	own[e.indexInOwner], last.indexInOwner = last, e.indexInOwner
	e.owner.owned = withoutLast(own)
	t.slot.forgetPrepared(e.object.Load())
	e.swap(nil)
	return true
}

// swap replaces the Object of a session object, and releases the old one.
func (e *entry) swap(o *Object) {
	if old := e.object.Swap(o); old != nil {
		old.release()
	}
}

// withoutLast cuts the last element off.
func withoutLast(list []*entry) []*entry {
	n := len(list) - 1
	list[n] = nil
	return list[:n]
}

// dropOwned destroys the objects of a session that is being closed.
func (t *objectTable) dropOwned(s *session) {
	p := t.partOf(s)
	p.mu.Lock()
	defer p.mu.Unlock()
	s.noMoreObjects = true
	for len(s.owned) > 0 {
		t.dropSession(p, s.owned[len(s.owned)-1])
	}
}

// forget drops the entries that which chooses.
func (t *objectTable) forget(which func(*entry) bool) {
	t.mu.Lock()
	for _, e := range t.tokenEntries {
		if which(e) {
			t.dropToken(e)
		}
	}
	t.mu.Unlock()
	for i := range t.parts {
		t.forgetPart(&t.parts[i], which)
	}
}

func (t *objectTable) forgetPart(p *sessionEntries, which func(*entry) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for n := len(p.list) - 1; n >= 0; n-- {
		if n < len(p.list) && which(p.list[n]) {
			t.dropSession(p, p.list[n])
		}
	}
}

// eachSession calls f with the session objects, whose parts it locks.
func (t *objectTable) eachSession(f func(*entry)) {
	for i := range t.parts {
		t.parts[i].each(f)
	}
}

func (p *sessionEntries) each(f func(*entry)) {
	if !p.some.Load() {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.list {
		f(e)
	}
}

// forgetPrepared drops the prepared forms of the keys that are session objects.
func (t *objectTable) forgetPrepared() {
	t.eachSession(func(e *entry) { t.slot.forgetPrepared(e.object.Load()) })
}

// sessionKeys returns the keys among the session objects of all applications that which chooses. The caller releases them.
func (s *slot) sessionKeys(which func(*Object) bool) (list []*Object) {
	for _, side := range s.appSlots() {
		list = side.objects.sessionKeys(list, which)
	}
	return list
}

// sessionKeys appends those of one application.
func (t *objectTable) sessionKeys(list []*Object, which func(*Object) bool) []*Object {
	t.eachSession(func(e *entry) {
		if o := e.object.Load(); o != nil && o.table.isKey() && which(o) && o.acquire() {
			list = append(list, o)
		}
	})
	return list
}
