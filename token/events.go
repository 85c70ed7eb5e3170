package token

import (
	"slices"
	"time"

	"github.com/softcsp/softcsp/ck"
)

// eventPoll is how often C_WaitForSlotEvent looks for tokens that have come or gone.
const eventPoll = 50 * time.Millisecond

// WaitForSlotEvent implements C_WaitForSlotEvent, section 5.5.4. A token arrives in a slot of its own when this or another
// process makes it, and is removed when its file is; both are events of that slot. Without CKF_DONT_BLOCK the call waits for
// one, until C_Finalize.
func (m *Module) WaitForSlotEvent(flags ck.Flags) (ck.SlotID, error) {
	for began := m.app.Load(); ; {
		id, err := m.slotEvent(began)
		if err != ck.CKR_NO_EVENT || flags&ck.CKF_DONT_BLOCK != 0 {
			return id, err
		}
		time.Sleep(eventPoll)
	}
}

// slotEvent returns the slot of an event that has not been returned yet: CKR_NO_EVENT where there is none. A call that began
// before C_Finalize does not go on after another C_Initialize.
func (m *Module) slotEvent(began *application) (ck.SlotID, error) {
	a, err := m.beginCall()
	if err != nil {
		return 0, err
	}
	defer a.endCall()
	if a.application != began {
		return 0, ck.CKR_CRYPTOKI_NOT_INITIALIZED
	}
	if err := a.refresh(); err != nil {
		return 0, err
	}
	t := &a.slots
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.events) == 0 {
		return 0, ck.CKR_NO_EVENT
	}
	id := t.events[0]
	t.events = t.events[1:]
	return id, nil
}

// noteChanges notes the slots whose tokens have come or gone, each once.
func (t *appSlots) noteChanges(now, before []*slot) {
	for _, lists := range [][2][]*slot{{now, before}, {before, now}} {
		for _, s := range lists[0] {
			if !slices.Contains(lists[1], s) && !slices.Contains(t.events, s.id) {
				t.events = append(t.events, s.id)
			}
		}
	}
}
