package token

import (
	"errors"
	"hash/maphash"
	"sync"
	"sync/atomic"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/store"
)

// An entry is what an object handle stands for. The Object behind it never changes: a change of attributes puts another in
// its place. That of a token object is read when it is first needed, and again after another process has changed it.
type entry struct {
	handle  ck.ObjectHandle
	table   *objectTable
	private bool
	builtin bool // an object that was not made: it is never read and never dropped
	object  atomic.Pointer[Object]

	id store.ID // of a token object

	owner *session // of a session object, nil for a token object
	owned int      // its place in owner.owned
	at    int      // its place in table.session
	label uint64   // hashes of CKA_LABEL and CKA_ID, by which it is found
	name  uint64
}

// An objectTable is the objects of a slot that this process knows: all session objects, and the token objects that it has
// given a handle.
type objectTable struct {
	slot *slot
	seed maphash.Seed

	mu         sync.Mutex
	session    []*entry
	token      map[store.ID]*entry
	builtins   []*entry
	epoch      uint64 // counts what makes objects that are being read now invalid
	generation atomic.Uint64
}

func (t *objectTable) init(s *slot) {
	t.slot, t.seed, t.token = s, maphash.MakeSeed(), make(map[store.ID]*entry)
}

// object finds the object with the handle h among those of the session's token. The caller releases it.
func (s *session) object(h ck.ObjectHandle) (*entry, *Object, error) {
	i := s.slot.app.objects.Get(h)
	if i == nil || i.table != &s.slot.objects {
		return nil, nil, ck.CKR_OBJECT_HANDLE_INVALID
	}
	o, err := i.get()
	return i, o, err
}

// get returns the Object behind an entry as it is now.
func (i *entry) get() (*Object, error) {
	if i.owner == nil && !i.builtin {
		if err := i.table.sync(); err != nil {
			return nil, err
		}
	}
	for {
		o := i.object.Load()
		if o == nil {
			if i.owner != nil {
				return nil, ck.CKR_OBJECT_HANDLE_INVALID
			}
			if err := i.read(); err != nil {
				return nil, err
			}
			continue
		}
		if o.acquire() {
			return o, nil
		}
	}
}

// read reads a token object from the store.
func (i *entry) read() error {
	t := i.table
	epoch := t.now()
	token, err := t.slot.store()
	if err != nil {
		return err
	}
	_, keys := t.slot.login()
	r, err := token.Get(keys, i.id)
	if err != nil {
		if errors.Is(err, ck.CKR_OBJECT_HANDLE_INVALID) {
			t.drop(i)
		}
		return err
	}
	o, err := opened(r)
	if errors.Is(err, ck.CKR_OBJECT_HANDLE_INVALID) {
		t.drop(i)
	}
	if err == nil && !t.keep(i, o, epoch, keys) {
		err = ck.CKR_OBJECT_HANDLE_INVALID
	}
	return err
}

// sync drops what other processes have changed since the table was last looked at. Where this process cannot look any more it goes
// on with what it has. It asks the store before it locks the
// table, because who reads all objects has the file and waits for the table.
func (t *objectTable) sync() error {
	token, err := t.slot.store()
	if err != nil {
		return err
	}
	for {
		since := t.generation.Load()
		if token.Generation() == since {
			return nil
		}
		ids, now, complete := token.Changed(since)
		if !complete && token.Lost() {
			return nil
		}
		if t.follow(since, now, ids, complete) {
			return nil
		}
	}
}

// follow drops the objects ids, or all where the answer is not complete, which have changed between two generations. It
// reports false where another thread was faster.
func (t *objectTable) follow(since, now uint64, ids []store.ID, complete bool) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.generation.Load() != since {
		return false
	}
	t.epoch++
	if complete {
		for _, id := range ids {
			if i := t.token[id]; i != nil {
				i.swap(nil)
			}
		}
	} else {
		for _, i := range t.token {
			i.swap(nil)
		}
	}
	t.generation.Store(now)
	return true
}

// swap puts another Object in the place of an entry's.
func (i *entry) swap(o *Object) {
	if old := i.object.Swap(o); old != nil {
		old.release()
	}
}

// addSession makes o, whose only reference it takes, an object of the session s.
func (t *objectTable) addSession(s *session, o *Object) (ck.ObjectHandle, error) {
	i := &entry{table: t, private: o.isPrivate(), owner: s}
	i.label, i.name = t.hash(o.bytes(ck.CKA_LABEL)), t.hash(o.bytes(ck.CKA_ID))
	i.object.Store(o)
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.admits(s, i.private); err != nil {
		o.release()
		return 0, err
	}
	i.at, i.owned = len(t.session), len(s.owned)
	t.session, s.owned = append(t.session, i), append(s.owned, i)
	t.slot.app.objects.Add(i, &i.handle)
	return i.handle, nil
}

// admits tells whether a session, or nil for any, may still get an object. The table is locked.
func (t *objectTable) admits(s *session, private bool) error {
	if s != nil && s.gone {
		return ck.CKR_SESSION_HANDLE_INVALID
	}
	if private {
		if user, _ := t.slot.login(); user != theUser {
			return ck.CKR_USER_NOT_LOGGED_IN
		}
	}
	return nil
}

// hash is the hash by which session objects are found. It is keyed anew in each process.
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
	if i := t.token[o.id]; i != nil {
		return i, nil
	}
	if err := t.admits(nil, o.isPrivate()); err != nil {
		return nil, err
	}
	i := &entry{table: t, private: o.isPrivate(), id: o.id}
	t.token[o.id] = i
	t.slot.app.objects.Add(i, &i.handle)
	return i, nil
}

// known returns the entry of a token object if it has one.
func (t *objectTable) known(id store.ID) *entry {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.token[id]
}

// keep gives an entry the Object o, whose reference it takes, unless it has one or the table has changed since epoch, or
// somebody has logged in or out since o was read or made with keys. It reports whether the entry still has its handle: one
// without would keep the Object for ever.
func (t *objectTable) keep(i *entry, o *Object, epoch uint64, keys *store.Keys) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	there := t.token[i.id] == i
	_, now := t.slot.login()
	if !there || t.epoch != epoch || now != keys || !i.object.CompareAndSwap(nil, o) {
		o.release()
	}
	return there
}

func (t *objectTable) now() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.epoch
}

// drop takes the handle of an entry away and lets go of its Object. It reports whether there was a handle.
func (t *objectTable) drop(i *entry) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.dropLocked(i)
}

func (t *objectTable) dropLocked(i *entry) bool {
	if t.slot.app.objects.Remove(i.handle) == nil {
		return false
	}
	if i.owner == nil {
		delete(t.token, i.id)
	} else {
		last := t.session[len(t.session)-1]
		t.session[i.at], last.at = last, i.at
		t.session = shrunk(t.session)
		own := i.owner.owned
		last = own[len(own)-1]
		own[i.owned], last.owned = last, i.owned
		i.owner.owned = shrunk(own)
	}
	i.forget()
	i.swap(nil)
	return true
}

// forget drops the prepared forms of a key, and sees to it that they are erased.
func (i *entry) forget() {
	if o := i.object.Load(); o != nil && o.mech.Forget() {
		i.table.slot.app.eraser.soon()
	}
}

// shrunk cuts the last element off.
func shrunk(list []*entry) []*entry {
	n := len(list) - 1
	list[n] = nil
	return list[:n]
}

// dropOwned destroys the objects of a session that is being closed.
func (t *objectTable) dropOwned(s *session) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s.gone = true
	for len(s.owned) > 0 {
		t.dropLocked(s.owned[len(s.owned)-1])
	}
}

// forget drops the entries that which chooses.
func (t *objectTable) forget(which func(*entry) bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.epoch++
	for _, i := range t.token {
		if which(i) {
			t.dropLocked(i)
		}
	}
	for n := len(t.session) - 1; n >= 0; n-- {
		if n < len(t.session) && which(t.session[n]) {
			t.dropLocked(t.session[n])
		}
	}
}

// unload lets go of what was read of token objects, whose handles stay, and of the prepared forms of session keys.
func (t *objectTable) unload() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.epoch++
	for _, i := range t.token {
		i.swap(nil)
	}
	for _, i := range t.session {
		i.forget()
	}
}
