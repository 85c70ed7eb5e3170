package token

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/store"
)

// An appSlot is an application's side of a slot: its sessions, its login, and the objects of which it has handles.
type appSlot struct {
	*slot
	app *application

	mu               sync.Mutex
	sessions         map[ck.SessionHandle]*session
	writableSessions int // how many sessions are read-write
	user             userState

	cache   atomic.Pointer[objectCache] // that the application reads from; changed with user
	objects objectTable
}

// newAppSlot returns an application's side of the slot.
func (s *slot) newAppSlot(a *application) *appSlot {
	side := &appSlot{slot: s, app: a, sessions: make(map[ck.SessionHandle]*session)}
	side.objects.init(side)
	side.cache.Store(s.openCache(nil, nil))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.applications = append(s.applications, side)
	return side
}

// end closes the application's sessions with the slot, and ends its use of the slot.
func (s *appSlot) end() {
	s.closeSessions()
	s.slot.mu.Lock()
	s.applications = slices.DeleteFunc(s.applications, func(side *appSlot) bool { return side == s })
	s.slot.mu.Unlock()
	s.cache.Load().endUse()
}

// currentLogin returns who is logged in, and the keys of the token that the login has opened.
func (s *appSlot) currentLogin() (userState, *store.Keys) {
	user, cache := s.loginCache()
	return user, cache.keys
}

// loginCache returns who is logged in, and the cache of the objects that are read with that login.
func (s *appSlot) loginCache() (userState, *objectCache) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.user, s.cache.Load()
}

// openSessions returns the sessions that are open.
func (s *appSlot) openSessions() []*session {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]*session, 0, len(s.sessions))
	for _, ses := range s.sessions {
		list = append(list, ses)
	}
	return list
}

func (s *appSlot) closeSessions() {
	for _, ses := range s.openSessions() {
		if s.app.sessions.Remove(ses.handle) != nil {
			ses.end()
		}
	}
}
