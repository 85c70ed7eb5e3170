package token

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/store"
)

// A slot is a slot and the token in it, which the applications of the process share.
type slot struct {
	core   *Core
	id     ck.SlotID
	uuid   string
	serial string

	initMu sync.Mutex // serialises C_InitToken

	token atomic.Pointer[store.Token] // nil while the token is not initialised; set once

	mu           sync.Mutex
	caches       []*objectCache
	applications []*appSlot // those that know the slot; a change makes another list
}

// newSlot returns the slot of a token.
func newSlot(c *Core, uuid string) *slot {
	serial := strings.ReplaceAll(uuid, "-", "")[:16]
	n, _ := strconv.ParseUint(serial, 16, 64)
	return &slot{core: c, id: ck.SlotID(n & slotMask), uuid: uuid, serial: serial}
}

// appSlots returns the sides of all applications.
func (s *slot) appSlots() []*appSlot {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.applications
}

// openToken opens the token that another process, or this one, has made in the slot. A token that cannot be opened stays
// visible; using it tells why.
func (s *slot) openToken() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.token.Load() != nil {
		return
	}
	tok, err := s.core.place.Token(s.uuid)
	if err != nil {
		s.core.log.Error("token cannot be opened", "uuid", s.uuid, "error", err)
		return
	}
	s.token.Store(tok)
}

var errNotInitialised = fmt.Errorf("%w: the token is not initialised", ck.CKR_TOKEN_NOT_RECOGNIZED)

// storedToken returns the token in the slot: CKR_TOKEN_NOT_RECOGNIZED while it is not initialised.
func (s *slot) storedToken() (*store.Token, error) {
	if t := s.token.Load(); t != nil {
		return t, nil
	}
	return nil, errNotInitialised
}

// GetSlotList implements C_GetSlotList, section 5.5.1. There is a token in every slot.
func (m *Module) GetSlotList(tokenPresent bool) ([]ck.SlotID, error) {
	a, err := m.beginCall()
	if err != nil {
		return nil, err
	}
	defer a.endCall()
	if err := a.refresh(); err != nil {
		return nil, err
	}
	list := a.visibleSlots(a.slots.lastSeen())
	ids := make([]ck.SlotID, len(list))
	for i, s := range list {
		ids[i] = s.id
	}
	return ids, nil
}

// EmptySlot returns the slot of the token that has yet to be initialised, listed or not.
func (m *Module) EmptySlot() (ck.SlotID, error) {
	a, err := m.beginCall()
	if err != nil {
		return 0, err
	}
	defer a.endCall()
	if err := a.refresh(); err != nil {
		return 0, err
	}
	all := a.slots.lastSeen()
	return all[len(all)-1].id, nil
}

// separation returns how far the token's keys are kept apart: as it was initialised, or as the configuration says, where that is
// stricter. A token that cannot be read is strict.
func (s *slot) separation() store.Separation {
	if s.core.config.KeySeparation == "strict" {
		return store.SeparationStrict
	}
	token, err := s.storedToken()
	if err != nil {
		return store.SeparationStrict
	}
	separation, err := token.Separation()
	if err != nil {
		return store.SeparationStrict
	}
	return separation
}

// readOnly reports whether this process cannot write to the token.
func (s *slot) readOnly() bool {
	token, err := s.storedToken()
	return err == nil && token.ReadOnly()
}
