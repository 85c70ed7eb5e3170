package token

import (
	"bytes"
	"errors"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/store"
)

// An objectCache is the token objects of a slot as they are read with the keys that a login opened, or without a login. Applications
// share it. The last of them that logs out, or finalises, has it closed: then the objects are dropped and the keys wiped.
type objectCache struct {
	slot             *slot
	keys             *store.Keys // nil without a login
	loginFingerprint []byte      // equal for two logins that opened the same keys; nil without a login

	users int // how many applications there are; guarded by the slot's lock

	mu              sync.Mutex
	objects         map[store.ID]*cachedObject
	epoch           uint64 // counts the changes after which an object that is being read is out of date
	closed          bool
	storeGeneration atomic.Uint64 // at which the objects are current
}

// A cachedObject is a token object in a cache. The Object is read when it is first needed, and again after another process, or another
// application, has changed it.
type cachedObject struct {
	cache  *objectCache
	id     store.ID
	object atomic.Pointer[Object]
}

// openCache gives one more application the cache of what is read with keys, or without a login where keys is nil. It takes the keys over:
// where another application has logged in before, they are wiped, and the keys of its cache serve both. fingerprint is what
// fingerprintLogin returns for keys.
func (s *slot) openCache(keys *store.Keys, fingerprint []byte) *objectCache {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.caches {
		if bytes.Equal(c.loginFingerprint, fingerprint) {
			if keys != nil {
				keys.Wipe()
			}
			c.users++
			return c
		}
	}
	c := &objectCache{slot: s, keys: keys, loginFingerprint: fingerprint, users: 1, objects: make(map[store.ID]*cachedObject)}
	if t := s.token.Load(); t != nil {
		c.storeGeneration.Store(t.Generation())
	}
	s.caches = append(s.caches, c)
	return c
}

// fingerprintLogin returns the loginFingerprint of a cache that is read with keys.
func fingerprintLogin(keys *store.Keys) ([]byte, error) {
	sum, err := keys.Fingerprint([]byte("the same login"))
	return sum[:], err
}

// endUse ends the use of the cache by an application. It reports whether that was the last, and nothing of the login is left.
func (c *objectCache) endUse() bool {
	s := c.slot
	s.mu.Lock()
	c.users--
	last := c.users == 0
	if last {
		s.caches = slices.DeleteFunc(s.caches, func(other *objectCache) bool { return other == c })
	}
	s.mu.Unlock()
	if last {
		c.mu.Lock()
		c.closed = true
		c.mu.Unlock()
		c.dropAll()
		if c.keys != nil {
			c.keys.Wipe()
		}
	}
	return last
}

// dropAll drops every object.
func (c *objectCache) dropAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.epoch++
	for _, o := range c.objects {
		o.swap(nil)
	}
	clear(c.objects)
}

// sync drops what has changed since the last sync. Where this process cannot read the token any more, the cache stays as it is. sync asks
// the store before it locks the cache, because searchAll waits for the cache while it has the file.
func (c *objectCache) sync() error {
	if t := c.slot.token.Load(); t != nil && t.Generation() == c.storeGeneration.Load() {
		return nil
	}
	return c.catchUp()
}

// catchUp is sync where something has changed.
func (c *objectCache) catchUp() error {
	token, err := c.slot.storedToken()
	if err != nil {
		return err
	}
	for {
		since := c.storeGeneration.Load()
		if token.Generation() == since {
			return nil
		}
		ids, now, complete := token.Changed(since)
		if !complete && token.Lost() {
			return nil
		}
		if c.dropChanged(since, now, ids, complete) {
			return nil
		}
	}
}

// dropChanged drops the objects that have changed between two generations: ids if these are complete, otherwise all. It reports false
// where another thread was faster.
func (c *objectCache) dropChanged(since, now uint64, ids []store.ID, complete bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.storeGeneration.Load() != since {
		return false
	}
	c.epoch++
	if complete {
		for _, id := range ids {
			if o := c.objects[id]; o != nil {
				o.swap(nil)
			}
		}
	} else {
		for _, o := range c.objects {
			o.swap(nil)
		}
	}
	c.storeGeneration.Store(now)
	return true
}

// getOrAdd returns the place of an object in the cache, and makes one where there is none.
func (c *objectCache) getOrAdd(id store.ID) *cachedObject {
	c.mu.Lock()
	defer c.mu.Unlock()
	o := c.objects[id]
	if o == nil {
		o = &cachedObject{cache: c, id: id}
		if !c.closed {
			c.objects[id] = o
		}
	}
	return o
}

// lookup returns the place of an object in the cache, nil if it has none.
func (c *objectCache) lookup(id store.ID) *cachedObject {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.objects[id]
}

// currentEpoch returns the epoch.
func (c *objectCache) currentEpoch() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.epoch
}

// fill puts the Object o, whose reference it takes, in the cache, unless there is one already or objects have changed since epoch, in which o
// was read. It reports whether c is still in the cache: nobody would release the Object of one that is not.
func (c *cachedObject) fill(o *Object, epoch uint64) bool {
	t := c.cache
	t.mu.Lock()
	defer t.mu.Unlock()
	hasPlace := t.objects[c.id] == c
	if !hasPlace || t.epoch != epoch || !c.object.CompareAndSwap(nil, o) {
		o.release()
	}
	return hasPlace
}

// get returns the Object as it is now: CKR_OBJECT_HANDLE_INVALID where the object has been destroyed.
func (c *cachedObject) get() (*Object, error) { return c.getBy((*Object).acquire) }

// getBy is get with another way of taking a reference.
func (c *cachedObject) getBy(acquire func(*Object) bool) (*Object, error) {
	if err := c.cache.sync(); err != nil {
		return nil, err
	}
	for {
		o := c.object.Load()
		if o == nil {
			if err := c.read(); err != nil {
				return nil, err
			}
			continue
		}
		if acquire(o) {
			return o, nil
		}
	}
}

// current returns a token object as it is now, of the cache where it is there.
func (c *objectCache) current(id store.ID) (*Object, error) {
	if o := c.lookup(id); o != nil {
		return o.get()
	}
	token, err := c.slot.storedToken()
	if err != nil {
		return nil, err
	}
	return readObject(token, c.keys, id)
}

// read reads the object from the store.
func (c *cachedObject) read() error {
	epoch := c.cache.currentEpoch()
	token, err := c.cache.slot.storedToken()
	if err != nil {
		return err
	}
	r, err := token.Get(c.cache.keys, c.id)
	var o *Object
	if err == nil {
		o, err = objectFromRecord(r)
	}
	if err == nil && !c.fill(o, epoch) {
		err = ck.CKR_OBJECT_HANDLE_INVALID
	}
	if errors.Is(err, ck.CKR_OBJECT_HANDLE_INVALID) {
		c.drop()
	}
	return err
}

// drop takes an object that was destroyed out of the cache.
func (c *cachedObject) drop() {
	t := c.cache
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.objects[c.id] == c {
		delete(t.objects, c.id)
	}
	t.slot.forgetPrepared(c.object.Load())
	c.swap(nil)
}

// swap replaces the Object, and releases the old one.
func (c *cachedObject) swap(o *Object) {
	if old := c.object.Swap(o); old != nil {
		old.release()
	}
}

// forgetPrepared drops the prepared forms of a key, and has them erased.
func (s *slot) forgetPrepared(o *Object) {
	if o != nil && o.mechanismKey.Forget() {
		s.core.eraser.soon()
	}
}
