// Package layers has what layers over a [ck.Cryptoki] share. Each layer is a small package below it, which makes a [ck.Layer].
package layers

import (
	"sync"

	"github.com/softcsp/softcsp/ck"
)

// An Operation is what an operation of a session was begun with.
type Operation struct {
	Mechanism ck.MechanismType
	Key       ck.ObjectHandle // 0 for a digest
}

// Sessions remembers of the sessions what later calls do not say: in which slot they are, and what their operations were begun with.
// C_Sign does not name its mechanism, nor its key.
type Sessions struct {
	mu  sync.Mutex
	all map[ck.SessionHandle]*session
}

// A session is what is known of one.
type session struct {
	slot       ck.SlotID
	operations map[ck.Flags]Operation // by the flag of the operation
}

// Slot returns the slot of a session.
func (s *Sessions) Slot(h ck.SessionHandle) (ck.SlotID, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if one := s.all[h]; one != nil {
		return one.slot, true
	}
	return 0, false
}

// Operation returns the operation that a call goes on with; where there are two, as of C_DigestEncryptUpdate, the one with a key.
func (s *Sessions) Operation(call *ck.Call) (found Operation, ok bool) {
	step, flags := call.Function.Operation()
	if step != ck.Continues && step != ck.Ends {
		return Operation{}, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if one := s.all[call.Session]; one != nil {
		for flag, op := range one.operations {
			if flag&flags != 0 && (!ok || op.Key != ck.InvalidHandle) {
				found, ok = op, true
			}
		}
	}
	return found, ok
}

// Made tells of a call that has been made.
func (s *Sessions) Made(call *ck.Call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if call.Err != nil {
		if one := s.all[call.Session]; one != nil {
			one.failed(call)
		}
		return
	}
	switch call.Function {
	case ck.C_OpenSession:
		if s.all == nil {
			s.all = make(map[ck.SessionHandle]*session)
		}
		s.all[call.Session] = &session{call.Slot, make(map[ck.Flags]Operation)}
		return
	case ck.C_CloseSession:
		delete(s.all, call.Session)
		return
	case ck.C_CloseAllSessions:
		for h, one := range s.all {
			if one.slot == call.Slot {
				delete(s.all, h)
			}
		}
		return
	case ck.C_Finalize:
		s.all = nil
		return
	}
	if one := s.all[call.Session]; one != nil {
		one.made(call)
	}
}

// made keeps what a call has done to the operations of its session.
func (s *session) made(call *ck.Call) {
	step, flags := call.Function.Operation()
	if call.Function == ck.C_SessionCancel || step == ck.Begins && call.Mechanism == nil {
		step = ck.Ends // a NULL mechanism cancels
		if call.Function == ck.C_SessionCancel {
			flags = call.Flags
		}
	}
	query := call.Output != nil && !call.Output.Has
	switch {
	case step == ck.Begins && call.Mechanism != nil:
		s.operations[flags] = Operation{call.Mechanism.Type, call.Objects[0]}
	case step == ck.Ends && !query:
		s.end(flags)
	}
}

// failed ends the operations that a call which failed went on with, as section 5.2 has it, unless it may be made again, or was about one
// message of many.
func (s *session) failed(call *ck.Call) {
	switch ck.Code(call.Err) {
	case ck.CKR_BUFFER_TOO_SMALL, ck.CKR_PENDING, ck.CKR_USER_NOT_LOGGED_IN:
		return
	}
	const messages = ck.CKF_MESSAGE_ENCRYPT | ck.CKF_MESSAGE_DECRYPT | ck.CKF_MESSAGE_SIGN | ck.CKF_MESSAGE_VERIFY
	if step, flags := call.Function.Operation(); step == ck.Continues || step == ck.Ends {
		s.end(flags &^ messages)
	}
}

// end forgets operations.
func (s *session) end(flags ck.Flags) {
	for flag := range s.operations {
		if flag&flags != 0 {
			delete(s.operations, flag)
		}
	}
}
