package token

import (
	"github.com/softcsp/softcsp/store"
)

// login returns who is logged in, and the keys of the token that the login has opened.
func (s *appSlot) login() (userState, *store.Keys) {
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
