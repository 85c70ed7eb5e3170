package token

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/softcsp/softcsp/store"
)

// An appSlot is an application's side of a slot: its sessions, its login, and the objects of which it has handles.
type appSlot struct {
	*slot
	app *application

	mu       sync.Mutex // serialises logins and logouts
	login    atomic.Pointer[login]
	sessions sessionSet
	objects  objectTable
}

// A login is who is logged in, and the cache of the objects that are read so. It changes under the slot's lock and those of all sessions.
type login struct {
	user  userState
	cache *objectCache
}

// newAppSlot returns an application's side of the slot.
func (s *slot) newAppSlot(a *application) *appSlot {
	side := &appSlot{slot: s, app: a}
	side.objects.init(side)
	side.login.Store(&login{nobody, s.openCache(nil, nil)})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.applications = append(slices.Clip(s.applications), side)
	return side
}

// end closes the application's sessions with the slot, and ends its use of the slot.
func (s *appSlot) end() {
	s.closeSessions()
	s.slot.mu.Lock()
	s.applications = slices.DeleteFunc(slices.Clone(s.applications), func(side *appSlot) bool { return side == s })
	s.slot.mu.Unlock()
	s.cache().endUse()
}

// currentLogin returns who is logged in, and the keys of the token that the login has opened.
func (s *appSlot) currentLogin() (userState, *store.Keys) {
	l := s.login.Load()
	return l.user, l.cache.keys
}

// cache returns the cache of the objects that are read with the login.
func (s *appSlot) cache() *objectCache { return s.login.Load().cache }

// loginCache returns who is logged in, and the cache of the objects that are read with that login.
func (s *appSlot) loginCache() (userState, *objectCache) {
	l := s.login.Load()
	return l.user, l.cache
}

func (s *appSlot) closeSessions() {
	for _, ses := range s.sessions.open() {
		if s.app.sessions.Remove(ses.handle) != nil {
			ses.end()
		}
	}
}
