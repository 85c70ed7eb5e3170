package token

import (
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/store"
)

// A slotList is the slots of a core: one for each token, in the order of their UUIDs, and a last one with a token that is not
// initialised.
type slotList struct {
	mu              sync.Mutex
	stamp           uint64
	unreadableStamp uint64  // the stamp with which the place could not be looked into
	list            []*slot // replaced, never changed
}

// forget forgets the slots.
func (t *slotList) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stamp, t.unreadableStamp, t.list = 0, 0, nil
}

// refresh brings the slots up to date with the place where the tokens live, and returns them.
func (c *Core) refresh() ([]*slot, error) {
	list, gone, err := c.updateSlots()
	for _, s := range gone {
		if token, err := s.storedToken(); err == nil {
			token.ForgetPINs()
		}
	}
	return list, err
}

// updateSlots makes the list of slots anew where it is out of date, and returns it, and the slots that are gone. A place that cannot be
// listed keeps the slots that it had, and is empty if it had none: the attempt to make a token there tells why.
func (c *Core) updateSlots() (list, gone []*slot, err error) {
	t := &c.slots
	t.mu.Lock()
	defer t.mu.Unlock()
	stamp := c.place.Stamp()
	if t.list != nil && stamp == t.stamp {
		return t.list, nil, nil
	}
	tokens, next, err := c.place.List()
	if err != nil && !errors.Is(err, store.ErrNoPlace) {
		return nil, nil, err
	}
	if err != nil {
		if t.unreadableStamp != stamp || t.list == nil {
			c.log.Error("the tokens cannot be listed", "error", err)
			t.unreadableStamp = stamp
		}
		if t.list != nil { // the tokens that are known stay usable
			return t.list, nil, nil
		}
		stamp++ // so that the next call looks again
	}
	list = c.slotsOf(append(tokens, next), t.list)
	for _, s := range t.list {
		if !slices.Contains(list, s) {
			gone = append(gone, s)
		}
	}
	t.list, t.stamp = list, stamp
	return list, gone, nil
}

// slotsOf returns the slots of tokens, of which the last is not initialised. Slots from before are kept.
func (c *Core) slotsOf(tokens []string, before []*slot) []*slot {
	known := make(map[string]*slot, len(before))
	for _, s := range before {
		known[s.uuid] = s
	}
	list, taken := make([]*slot, 0, len(tokens)), make(map[ck.SlotID]bool, len(tokens))
	for i, uuid := range tokens {
		s := known[uuid]
		if s == nil {
			s = newSlot(c, uuid)
			for taken[s.id] {
				s.id = (s.id + 1) & slotMask
			}
		}
		if i < len(tokens)-1 {
			s.openToken()
		}
		list, taken[s.id] = append(list, s), true
	}
	return list
}

// slotMask keeps slot numbers in 31 bits, so that a tool that holds them in an int can.
const slotMask = 1<<31 - 1

// appSlots are the slots as an application has last seen them.
type appSlots struct {
	mu     sync.Mutex
	list   []*slot
	byID   atomic.Pointer[map[ck.SlotID]*appSlot] // which does not change: another takes its place, under the lock
	events []ck.SlotID                            // that C_WaitForSlotEvent has yet to return
}

// lastSeen returns the slots as they were last seen.
func (t *appSlots) lastSeen() []*slot {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.list
}

// all returns the application's sides of them, in no order.
func (t *appSlots) all() []*appSlot {
	return slices.Collect(maps.Values(t.sides()))
}

// sides returns the application's sides of the slots by their IDs.
func (t *appSlots) sides() map[ck.SlotID]*appSlot {
	if m := t.byID.Load(); m != nil {
		return *m
	}
	return nil
}

// find returns the application's side of a slot that it has seen, nil if it has not.
func (t *appSlots) find(id ck.SlotID) *appSlot { return t.sides()[id] }

// refresh brings the application's slots up to date with the core's. Its sessions with a token that is gone end.
func (a *application) refresh() error {
	gone, err := a.updateSlots()
	for _, s := range gone {
		s.end()
	}
	return err
}

// updateSlots takes over the core's list of slots, and returns the application's sides of those that are no more.
func (a *application) updateSlots() (gone []*appSlot, err error) {
	t := &a.slots
	t.mu.Lock()
	defer t.mu.Unlock()
	list, err := a.core.refresh()
	if err != nil || slices.Equal(list, t.list) {
		return nil, err
	}
	byID := make(map[ck.SlotID]*appSlot, len(list))
	for _, s := range list {
		side := t.sides()[s.id]
		if side == nil || side.slot != s { // new, or another token's
			side = s.newAppSlot(a)
		}
		byID[s.id] = side
	}
	for id, side := range t.sides() {
		if byID[id] != side {
			gone = append(gone, side)
		}
	}
	if t.list != nil { // the first list is no event
		t.noteChanges(a.visibleSlots(list), a.visibleSlots(t.list))
	}
	t.list = list
	t.byID.Store(&byID)
	return gone, nil
}

// slot returns the application's side of the slot id, whether or not C_GetSlotList was called before.
func (a *application) slot(id ck.SlotID) (*appSlot, error) {
	if s := a.slots.find(id); s != nil {
		return s, nil
	}
	if err := a.refresh(); err != nil {
		return nil, err
	}
	if s := a.slots.find(id); s != nil {
		return s, nil
	}
	return nil, ck.CKR_SLOT_ID_INVALID
}

// visibleSlots leaves out the last slot, whose token is not initialised, where the configuration hides it. It can be used all the same.
func (a *application) visibleSlots(all []*slot) []*slot {
	if a.config.EmptySlot || len(all) == 0 {
		return all
	}
	return all[:len(all)-1]
}
