package token

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/randombytes"
	"github.com/softcsp/softcsp/mechanisms"
)

// Sessions with CKF_ASYNC_SESSION, section 5.22 of PKCS#11 3.2. A function that can take long answers CKR_PENDING there. A goroutine
// computes its result from copies of the arguments, and touches neither the session nor the token. C_AsyncComplete does the rest: it
// makes the objects, under the rules that hold by then, or writes the output to the buffer of the first call. So a goroutine that
// still computes when its session is closed, the user logs out or C_Finalize returns has nothing of theirs in hand.

// A job is a function that has answered CKR_PENDING.
type job struct {
	name       string // the function's
	cancelFlag ck.Flags
	slotID     ck.SlotID
	out        []byte // the caller's buffer for output, nil where the function has none
	// outlivesSession says that the job may outlive its session.
	outlivesSession bool
	// work computes, in a goroutine. finish ends the function in the session that asks for its result; freed says that the memory that the
	// caller passed to the first call may be gone. forget wipes what work has made.
	work   func(rand io.Reader) error
	finish func(s *session, r *ck.AsyncData, freed bool) error
	forget func()

	err     error
	state   atomic.Int32 // computing, computed or abandoned
	aborted atomic.Bool

	// Guarded by the lock of jobs:
	session *session // whose job it is, nil where the session has ended
	id      uint     // the number that C_AsyncGetID returned, 0 where it was not called
}

const (
	computing = iota
	computed
	abandoned
)

// errAborted is the error of a computation that nobody waits for any more.
var errAborted = errors.New("aborted")

// Read reads the system's random generator for the computation. It fails once the job is abandoned, which ends the computation.
func (j *job) Read(b []byte) (int, error) {
	if j.aborted.Load() {
		return 0, errAborted
	}
	return rand.Read(b)
}

// run computes. A panic is an error, as it is in a call, and leaves its trace in the log.
func (j *job) run(all *jobs, log *slog.Logger) {
	defer all.running.Add(-1)
	func() {
		defer func() {
			if p := recover(); p != nil {
				j.err = j.panicError(p, log)
			}
		}()
		debug.SetPanicOnFault(true)
		j.err = j.work(j)
	}()
	if !j.state.CompareAndSwap(computing, computed) {
		j.forget()
	}
}

// panicError is the error of a job that panicked: the code that it panicked with, or CKR_GENERAL_ERROR. The value of a panic may hold
// secret data, so that the log gets only its kind and the functions and lines of the stack.
func (j *job) panicError(p any, log *slog.Logger) error {
	rv, ok := p.(ck.RV)
	if ok {
		return rv
	}
	what := "panic"
	if err, ok := p.(runtime.Error); ok {
		what = err.Error()
	}
	var pc [16]uintptr
	at := ""
	for frames := runtime.CallersFrames(pc[:runtime.Callers(3, pc[:])]); ; {
		f, more := frames.Next()
		at += fmt.Sprintf(" %s:%d", f.Function, f.Line)
		if !more {
			break
		}
	}
	if log != nil {
		log.Error(j.name, "rv", ck.CKR_GENERAL_ERROR.String(), "error", what, "at", at[1:])
	}
	return ck.CKR_GENERAL_ERROR
}

// abandon gives a job up. Where it still computes, run has forget wipe the result.
func (j *job) abandon() {
	j.aborted.Store(true)
	if !j.state.CompareAndSwap(computing, abandoned) {
		j.forget()
	}
}

// jobs are the jobs of a module. Those with a number, which C_AsyncGetID gave them, outlive C_Finalize.
type jobs struct {
	running  atomic.Int64
	mu       sync.Mutex
	numbered map[uint]*job // those with a number
}

const (
	maxRunningJobs  = 32 // at once; where there are so many, a function does its work in the call
	maxNumberedJobs = 64 // that may outlive their session
)

// pendingJob returns the job of a function in a session, nil if there is none. The lock is held.
func (s *session) pendingJob(name string) *job {
	for _, j := range s.jobs {
		if j.name == name {
			return j
		}
	}
	return nil
}

// startJob starts a job of the session and returns CKR_PENDING. inCall reports that too many are running, so that the caller has to do the
// work in the call.
func (s *session) startJob(j *job) (inCall bool, err error) {
	all := s.slot.app.jobs
	all.mu.Lock()
	defer all.mu.Unlock()
	switch {
	case s.noMoreJobs:
		return false, ck.CKR_SESSION_HANDLE_INVALID
	case s.pendingJob(j.name) != nil:
		return false, ck.CKR_OPERATION_ACTIVE
	case all.running.Load() >= maxRunningJobs:
		return true, nil
	}
	j.session, j.slotID = s, s.slot.id
	s.jobs = append(s.jobs, j)
	all.running.Add(1)
	go j.run(all, s.slot.app.log)
	return false, ck.CKR_PENDING
}

// hasJob reports whether a function of the session waits for C_AsyncComplete.
func (s *session) hasJob(name string) bool {
	all := s.slot.app.jobs
	all.mu.Lock()
	defer all.mu.Unlock()
	return s.pendingJob(name) != nil
}

// detach takes a job from its session. The lock is held.
func (j *job) detach() {
	s := j.session
	for i := range s.jobs {
		if s.jobs[i] == j {
			s.jobs = append(s.jobs[:i], s.jobs[i+1:]...)
			break
		}
	}
	j.session = nil
}

// abandonJobs gives up those jobs of the session whose functions the flags name. Jobs that have a number go on unless all is set; where
// ending says that the session ends, they belong to no session from then on, until C_AsyncJoin.
func (s *session) abandonJobs(flags ck.Flags, all, ending bool) {
	if !s.async {
		return // it never has any
	}
	inModule := s.slot.app.jobs
	inModule.mu.Lock()
	defer inModule.mu.Unlock()
	s.noMoreJobs = s.noMoreJobs || ending
	for i := len(s.jobs) - 1; i >= 0; i-- {
		j := s.jobs[i]
		switch {
		case j.cancelFlag&flags == 0:
		case j.id == 0 || all:
			delete(inModule.numbered, j.id)
			j.detach()
			j.abandon()
		case ending:
			j.detach()
		}
	}
}

// dropSlot gives up the jobs of a slot that have outlived their sessions, because the slot has another token now.
func (all *jobs) dropSlot(slot ck.SlotID) {
	all.mu.Lock()
	defer all.mu.Unlock()
	for id, j := range all.numbered {
		if j.slotID == slot {
			delete(all.numbered, id)
			j.abandon()
		}
	}
}

// runGeneration runs a generation: in the call, or, in a session with CKF_ASYNC_SESSION, as a job.
func (s *session) runGeneration(name string, flag ck.Flags, g generation, p *ck.Param) (object, second ck.ObjectHandle, err error) {
	if !s.async {
		return s.generate(g, p)
	}
	j, err := s.newGenerationJob(g, p)
	if err != nil {
		return 0, 0, err
	}
	if j == nil {
		return s.generate(g, p)
	}
	j.name, j.cancelFlag, j.outlivesSession = name, flag, true
	g.stopWhen(j.aborted.Load)
	inCall, err := s.startJob(j)
	if inCall {
		return s.generate(g, p)
	}
	if err != ck.CKR_PENDING {
		j.forget()
	}
	return 0, 0, err
}

// newGenerationJob makes the job of a generation, with copies of all that belongs to the caller. It is nil where the mechanism does not read its
// parameter to the end before it computes, so that there is no copy of it.
func (s *session) newGenerationJob(g generation, p *ck.Param) (*job, error) {
	g.copyArguments()
	kept := p.Clone()
	defer kept.Close()
	var first error
	if !kept.Read(func(q *ck.Param) { first = g.compute(rand.Reader, q) }) {
		g.wipe()
		kept.Wipe()
		return nil, first
	}
	return &job{
		forget: func() {
			g.wipe()
			kept.Wipe()
		},
		work: func(rand io.Reader) error {
			q := kept.Param()
			return g.compute(rand, &q)
		},
		finish: func(s *session, r *ck.AsyncData, freed bool) (err error) {
			var results mechanisms.Derived
			for _, x := range g.results() {
				if !freed {
					results.Results = append(results.Results, mechanisms.Result{To: kept.Origin(x.To), From: x.From})
				}
			}
			results.Ready()
			if r.Object, r.AdditionalObject, err = g.finish(s); err == nil {
				results.Deliver()
			}
			return err
		},
	}, nil
}

// awaitJob runs the job of a generation that cannot be interrupted, and waits for it until stopped reports that the call is cancelled. The
// job is abandoned then: it has copies of all that belongs to the caller.
func (s *session) awaitJob(j *job, stopped func() bool) (object, second ck.ObjectHandle, err error) {
	all := s.slot.app.jobs
	all.running.Add(1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		j.run(all, s.slot.app.log)
	}()
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for {
		select {
		case <-done:
			defer j.forget()
			if j.err != nil {
				return 0, 0, j.err
			}
			var r ck.AsyncData
			err := j.finish(s, &r, false)
			return r.Object, r.AdditionalObject, err
		case <-poll.C:
			if stopped() {
				j.abandon()
				return 0, 0, ck.CKR_FUNCTION_CANCELED
			}
		}
	}
}

// signAsync signs what the operation was given, as a job. C_AsyncComplete writes the signature to out.
func (s *session) signAsync(name string, op *operation, data []byte, out *ck.Buffer) error {
	size := op.signer.Size()
	if out.Query(size) {
		return out.Fill(size, nil)
	}
	if s.hasJob(name) {
		return ck.CKR_OPERATION_ACTIVE
	}
	if err := op.updateSigner(data); err != nil {
		return op.endUnlessTooSmall(err)
	}
	signer, signature, n := op.signer, make([]byte, size), 0
	j := &job{name: name, cancelFlag: ck.CKF_SIGN, out: out.Data, forget: func() {},
		work: func(io.Reader) (err error) {
			n, err = signer.Sign(signature)
			return err
		},
		finish: func(_ *session, r *ck.AsyncData, _ bool) error {
			r.N = uint(copy(r.Value, signature[:n]))
			return nil
		},
	}
	inCall, err := s.startJob(j)
	if !inCall {
		op.signer = nil // the job has it
		op.end()
		return err
	}
	return op.sign(nil, out)
}

// AsyncComplete implements C_AsyncComplete, section 5.22.1. It ends a function that has answered CKR_PENDING, with its result.
func (m *Module) AsyncComplete(h ck.SessionHandle, name string, result *ck.AsyncData) error {
	a, s, err := m.session(h)
	if err != nil {
		return err
	}
	defer a.endCall()
	a.jobs.mu.Lock()
	j := s.pendingJob(name)
	switch {
	case j == nil:
		err = ck.CKR_OPERATION_NOT_INITIALIZED
	case j.state.Load() == computing:
		err = ck.CKR_PENDING
	default:
		delete(a.jobs.numbered, j.id)
		j.detach()
	}
	a.jobs.mu.Unlock()
	if err != nil {
		return err
	}
	defer j.forget()
	result.Ended, result.Value = true, j.out
	if j.err != nil {
		return j.err
	}
	return j.finish(s, result, j.id != 0)
}

// AsyncGetID implements C_AsyncGetID, section 5.22.2. A generation may outlive its session, and C_Finalize, but not the process: until
// C_AsyncComplete its keys belong to no session and no user.
func (m *Module) AsyncGetID(h ck.SessionHandle, name string) (uint, error) {
	a, s, err := m.session(h)
	if err != nil {
		return 0, err
	}
	defer a.endCall()
	a.jobs.mu.Lock()
	defer a.jobs.mu.Unlock()
	j := s.pendingJob(name)
	switch {
	case j == nil:
		return 0, ck.CKR_OPERATION_NOT_INITIALIZED
	case !j.outlivesSession, j.id == 0 && len(a.jobs.numbered) >= maxNumberedJobs:
		return 0, ck.CKR_STATE_UNSAVEABLE
	}
	for j.id == 0 || a.jobs.numbered[j.id] != nil && a.jobs.numbered[j.id] != j {
		var b [8]byte
		randombytes.Fill(b[:])
		j.id = uint(binary.NativeEndian.Uint64(b[:]))
	}
	if a.jobs.numbered == nil {
		a.jobs.numbered = make(map[uint]*job)
	}
	a.jobs.numbered[j.id] = j
	return j.id, nil
}

// AsyncJoin implements C_AsyncJoin, section 5.22.3. data is not used, because no function that may outlive its session has an output buffer.
func (m *Module) AsyncJoin(h ck.SessionHandle, name string, id uint, data []byte) error {
	a, s, err := m.session(h)
	if err != nil {
		return err
	}
	defer a.endCall()
	if !s.async {
		return ck.CKR_SESSION_ASYNC_NOT_SUPPORTED
	}
	a.jobs.mu.Lock()
	defer a.jobs.mu.Unlock()
	j := a.jobs.numbered[id]
	switch {
	case s.noMoreJobs:
		return ck.CKR_SESSION_HANDLE_INVALID
	case j == nil || j.name != name || j.slotID != s.slot.id:
		return ck.CKR_SAVED_STATE_INVALID
	case j.session == s:
		return nil
	case s.pendingJob(name) != nil:
		return ck.CKR_OPERATION_ACTIVE
	}
	if j.session != nil {
		j.detach()
	}
	j.session = s
	s.jobs = append(s.jobs, j)
	return nil
}
