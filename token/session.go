package token

import (
	"sync"
	"sync/atomic"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/stripe"
	"github.com/softcsp/softcsp/store"
)

// A session is a session of an application with a token. Its own lock serialises what the application does with it.
type session struct {
	handle   ck.SessionHandle
	slot     *appSlot
	writable bool
	// restriction is the policy as it was when the session was opened.
	restriction   restriction
	strict        bool          // the separation of keys that was in force then
	async         bool          // long functions answer CKR_PENDING
	cancellations atomic.Uint32 // counts what cancels the computation of any call
	// generationsCancelled counts what cancels generations alone: C_SessionCancel, which for other operations waits until their call returns.
	generationsCancelled atomic.Uint32

	mu                 sync.Mutex
	closed             bool
	*sessionOperations        // most of a session's memory: nil until a call needs them, since hosts open many sessions that do little
	deviceError        uint32 // ulDeviceError

	part  uint32 // of the slot's sessions, and of its session objects
	place int    // in that part of the sessions; guarded by its lock

	// Guarded by the lock of the part of the session objects:
	owned         []*entry // its session objects
	noMoreObjects bool     // no more objects may be added

	// Guarded by the lock of jobs:
	jobs       []*job // functions that have answered CKR_PENDING
	noMoreJobs bool   // no more may be added
}

// sessionOperations are the operations of a session.
type sessionOperations struct {
	ops        [operationKinds]operation
	digest     digestOperation
	find       findOperation
	derivation derivation
}

// states is the state of a session by who is logged in and whether it is read-write, section 4.2 of the usage guide.
var states = [...][2]ck.State{
	nobody:  {ck.CKS_RO_PUBLIC_SESSION, ck.CKS_RW_PUBLIC_SESSION},
	theUser: {ck.CKS_RO_USER_FUNCTIONS, ck.CKS_RW_USER_FUNCTIONS},
	theSO:   {ck.CKS_RW_SO_FUNCTIONS, ck.CKS_RW_SO_FUNCTIONS},
}

func (s *session) stateFor(u userState) ck.State {
	if s.writable {
		return states[u][1]
	}
	return states[u][0]
}

// session finds a session that is open. The caller ends the call.
func (m *Module) session(h ck.SessionHandle) (*lane, *session, error) {
	app := m.app.Load()
	if app == nil {
		return nil, nil, ck.CKR_CRYPTOKI_NOT_INITIALIZED
	}
	a, err := app.enter(app.laneOf(h))
	if err != nil {
		return nil, nil, err
	}
	s := a.sessions.Get(h)
	if s == nil {
		a.endCall()
		return nil, nil, ck.CKR_SESSION_HANDLE_INVALID
	}
	return a, s, nil
}

// lock finds a session that is open and locks it. The caller calls unlock.
func (m *Module) lock(h ck.SessionHandle) (*session, error) {
	_, s, err := m.session(h)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	if s.closed {
		s.unlock()
		return nil, ck.CKR_SESSION_HANDLE_INVALID
	}
	if s.sessionOperations == nil {
		s.sessionOperations = new(sessionOperations)
	}
	return s, nil
}

// unlock unlocks the session and ends the call.
func (s *session) unlock() {
	s.mu.Unlock()
	a := s.slot.app
	a.lanes[a.laneOf(s.handle)].endCall()
}

// OpenSession implements C_OpenSession, section 5.6.1.
func (m *Module) OpenSession(id ck.SlotID, flags ck.Flags) (ck.SessionHandle, error) {
	here := stripe.Here()
	a, err := m.beginCallOn(here)
	if err != nil {
		return 0, err
	}
	defer a.endCall()
	slot, err := a.slot(id)
	if err != nil {
		return 0, err
	}
	if flags&ck.CKF_SERIAL_SESSION == 0 {
		return 0, ck.CKR_SESSION_PARALLEL_NOT_SUPPORTED
	}
	restriction, err := slot.restriction()
	if err != nil {
		return 0, err
	}
	strict := slot.separation() == store.SeparationStrict
	if _, err := slot.storedToken(); err != nil {
		return 0, ck.CKR_TOKEN_NOT_RECOGNIZED
	}
	s := &session{
		slot: slot, writable: flags&ck.CKF_RW_SESSION != 0, restriction: restriction, strict: strict, async: flags&ck.CKF_ASYNC_SESSION != 0, part: here,
	}
	if err := slot.open(s); err != nil {
		return 0, err
	}
	if !a.mayHaveSecrets.Load() {
		a.mayHaveSecrets.Store(true)
	}
	return s.handle, nil
}

// open gives a new session its handle, if it may be opened.
func (s *appSlot) open(ses *session) error {
	if limit := s.app.config.MaxSessions; limit != 0 {
		s.mu.Lock() // so that nobody opens another meanwhile
		defer s.mu.Unlock()
		if all, _ := s.sessions.counts(); all >= limit {
			return ck.CKR_SESSION_COUNT
		}
	}
	p := &s.sessions.parts[ses.part]
	p.mu.Lock()
	defer p.mu.Unlock()
	if user, _ := s.currentLogin(); !ses.writable && user == theSO {
		return ck.CKR_SESSION_READ_WRITE_SO_EXISTS
	}
	s.app.sessions.AddOn(ses.part, ses, &ses.handle)
	s.sessions.add(ses)
	return nil
}

// CloseSession implements C_CloseSession, section 5.6.2. The last session to be closed logs out.
func (m *Module) CloseSession(h ck.SessionHandle) error {
	a, s, err := m.session(h)
	if err != nil {
		return err
	}
	defer a.endCall()
	if a.sessions.Remove(h) == nil {
		return ck.CKR_SESSION_HANDLE_INVALID
	}
	s.end()
	return nil
}

// end ends a session, which has no handle any more.
func (s *session) end() {
	slot := s.slot
	s.stop(true)
	s.abandonJobs(allOperations, false, true)
	slot.objects.dropOwned(s)
	if slot.sessions.remove(s) {
		slot.logout(true)
	}
}

// stop cancels all that the session does. With closed nothing may begin any more.
func (s *session) stop(closed bool) {
	s.cancellations.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = s.closed || closed
	s.cancelAll()
}

// cancelAll ends all operations. The session is locked.
func (s *session) cancelAll() {
	if s.sessionOperations != nil {
		s.cancel(allOperations)
		s.derivation.wipe()
	}
}

// stoppedFunc returns a function that reports whether what the session computes now was cancelled, because the session was closed or its login
// ended, or because C_Finalize wants to return.
func (s *session) stoppedFunc() (stopped func() bool) {
	before := s.cancellations.Load()
	return func() bool { return s.cancellations.Load() != before || s.slot.app.closing.Load() }
}

// chunkSize is how much data is processed without a look at whether the call was cancelled.
const chunkSize = 1 << 20

// inChunks hands data on in chunks, and stops between two of them where the call was cancelled: a caller may have a terabyte of zeros, and
// C_CloseSession and C_Finalize do not wait for that.
func (s *session) inChunks(data []byte, take func(data []byte) error) error {
	if len(data) <= chunkSize {
		return take(data)
	}
	for stopped := s.stoppedFunc(); len(data) > 0; {
		if stopped() {
			return ck.CKR_FUNCTION_CANCELED
		}
		n := min(chunkSize, len(data))
		if err := take(data[:n]); err != nil {
			return err
		}
		data = data[n:]
	}
	return nil
}

// CloseAllSessions implements C_CloseAllSessions, section 5.6.3.
func (m *Module) CloseAllSessions(id ck.SlotID) error {
	a, err := m.beginCall()
	if err != nil {
		return err
	}
	defer a.endCall()
	slot, err := a.slot(id)
	if err != nil {
		return err
	}
	slot.closeSessions()
	return nil
}

// GetSessionInfo implements C_GetSessionInfo, section 5.6.4. DeviceError tells why the last derivation
// of the session failed, by a code of the mechanism. It is 0 if the derivation succeeded, or failed for a reason without such a code.
func (m *Module) GetSessionInfo(h ck.SessionHandle) (ck.SessionInfo, error) {
	a, s, err := m.session(h)
	if err != nil {
		return ck.SessionInfo{}, err
	}
	defer a.endCall()
	s.mu.Lock()
	device := s.deviceError
	s.mu.Unlock()
	info := ck.SessionInfo{SlotID: s.slot.id, Flags: ck.CKF_SERIAL_SESSION, DeviceError: uint(device)}
	if s.writable {
		info.Flags |= ck.CKF_RW_SESSION
	}
	if s.async {
		info.Flags |= ck.CKF_ASYNC_SESSION
	}
	user, _ := s.slot.currentLogin()
	info.State = s.stateFor(user)
	return info, nil
}

// GetSessionValidationFlags implements C_GetSessionValidationFlags, section 5.6.11 of PKCS#11 3.2. Nobody has validated softcsp,
// so that no operation is one of a validated mechanism.
func (m *Module) GetSessionValidationFlags(h ck.SessionHandle, kind uint) (ck.Flags, error) {
	a, _, err := m.session(h)
	if err != nil {
		return 0, err
	}
	defer a.endCall()
	if kind != uint(ck.CKS_LAST_VALIDATION_OK) {
		return 0, ck.CKR_ARGUMENTS_BAD
	}
	return 0, nil
}

// SessionCancel implements C_SessionCancel, section 5.6.8.
func (m *Module) SessionCancel(h ck.SessionHandle, flags ck.Flags) error {
	if flags&(ck.CKF_GENERATE|ck.CKF_GENERATE_KEY_PAIR) != 0 { // generations run without the session's lock
		if a, s, err := m.session(h); err == nil {
			s.generationsCancelled.Add(1)
			a.endCall()
		}
	}
	s, err := m.lock(h)
	if err != nil {
		return err
	}
	defer s.unlock()
	s.cancel(flags)
	s.abandonJobs(flags, true, false)
	return nil
}
