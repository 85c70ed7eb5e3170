// Package token is the token: slots, sessions, objects, logins and the rules of who may do what with which key.
//
// A [Module] is one application, and implements [ck.Cryptoki]. A program may make as many as it likes. A [Core] is what several of them share.
// Package mechanisms computes with keys, and package store keeps the bytes of objects.
//
// The functions of Cryptoki are in files named after them: session.go, login.go, objects.go, find.go, crypt.go, sign.go, message.go,
// generate.go, derive.go, wrap.go, unwrap.go and others. Below them:
//
//   - Attributes: rule.go says what a row of an attribute table is; classes.go, keytypes.go and pairtypes.go have the tables.
//   - New objects: request.go has what is asked for; template.go and consistent.go decide the attributes, in a draft (draft.go), of which an Object
//     (object.go) is made. change.go does the same for copies and changes. make.go adds objects to the session or the token.
//   - Objects that there are: objecttable.go has the handles, objectcache.go the token objects that were read, encode.go their bytes in the store.
//   - Whether a key may be used: usekey.go, which asks restrict.go, role.go, recordrole.go and protection.go. keypieces.go and equalkeys.go
//     decide what may become of the bytes of a key.
//
// Locks are taken in this order: a session's, a slot's, the handle tables'. No lock that two sessions share is held
// across cryptography, a PIN's key derivation or a transaction of the store.
package token

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/config"
	"github.com/softcsp/softcsp/internal/handle"
	"github.com/softcsp/softcsp/internal/stripe"
	"github.com/softcsp/softcsp/store"
)

// The version of softcsp, as C_GetInfo tells it.
const (
	VersionMajor = 0
	VersionMinor = 3
)

// A Module is a PKCS#11 module for one application. It is not initialised at first.
type Module struct {
	ck.Unsupported

	core *Core
	app  atomic.Pointer[application]

	mu   sync.Mutex // serialises C_Initialize and C_Finalize
	jobs jobs
}

var _ ck.Cryptoki = (*Module)(nil)

// New returns a module that is not initialised, with a core of its own.
func New() *Module { return NewCore().NewModule() }

// An application is what a module has between C_Initialize and C_Finalize.
type application struct {
	core   *Core
	config *config.Config
	log    *slog.Logger

	slots    appSlots
	sessions handle.Table[ck.SessionHandle, session]
	objects  handle.Table[ck.ObjectHandle, entry]
	jobs     *jobs

	mayHaveSecrets atomic.Bool // a session was opened or a token made: there may be secrets to erase
	closing        atomic.Bool
	activeCalls    stripe.Counter // calls in progress
	lanes          [stripe.Count]lane
}

// A lane is the application with the part of activeCalls in which a call counts. Calls of one session have the same.
type lane struct {
	*application
	calls *stripe.Part
}

// newApplication returns an application with its lanes.
func newApplication(c *Core, cfg *config.Config, j *jobs) *application {
	a := &application{core: c, config: cfg, log: cfg.Logger(), jobs: j}
	for i := range a.lanes {
		a.lanes[i] = lane{a, a.activeCalls.Part(uint32(i))}
	}
	return a
}

// beginCall begins a call: CKR_CRYPTOKI_NOT_INITIALIZED before C_Initialize and after C_Finalize. C_Finalize waits for the calls that
// have begun and not ended.
func (m *Module) beginCall() (*lane, error) { return m.beginCallOn(0) }

// beginCallOn begins a call on a stripe.
func (m *Module) beginCallOn(s uint32) (*lane, error) {
	a := m.app.Load()
	if a == nil {
		return nil, ck.CKR_CRYPTOKI_NOT_INITIALIZED
	}
	return a.enter(s)
}

// laneOf returns the lane of the calls of a session.
func (a *application) laneOf(h ck.SessionHandle) uint32 { return a.sessions.Stripe(h) % stripe.Count }

// enter begins a call in a lane.
func (a *application) enter(n uint32) (*lane, error) {
	l := &a.lanes[n]
	l.calls.Add(1)
	if a.closing.Load() {
		l.calls.Add(-1)
		return nil, ck.CKR_CRYPTOKI_NOT_INITIALIZED
	}
	return l, nil
}

func (l *lane) endCall() { l.calls.Add(-1) }

// Getenv reads the environment, which counts as empty in a program that has the rights of its file's owner (set-user-ID and the like).
func Getenv(name string) string { return config.Getenv(name) }

// Initialize implements C_Initialize, section 5.4.1. Calls from several threads are always safe, whatever args say of locks: the mutex
// functions of the application are not needed. CKF_LIBRARY_CANT_CREATE_OS_THREADS is ignored, and not refused with
// CKR_NEED_TO_CREATE_THREADS as it could be: NSS always sets it, with every module, and Perl's Crypt::HSM does on some systems, though
// threads do neither any harm.
func (m *Module) Initialize(args ck.InitArgs) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.app.Load() != nil {
		return ck.CKR_CRYPTOKI_ALREADY_INITIALIZED
	}
	getenv := args.Getenv
	if getenv == nil {
		getenv = config.Getenv
	}
	cfg, err := config.LoadFrom(args.Reserved, getenv)
	if err != nil {
		return err
	}
	if err := m.core.open(cfg); err != nil {
		cfg.Close()
		return err
	}
	m.app.Store(newApplication(m.core, cfg, &m.jobs))
	return nil
}

// Finalize implements C_Finalize, section 5.4.2. Calls in progress end first; those that begin meanwhile are refused.
func (m *Module) Finalize() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	a := m.app.Load()
	if a == nil {
		return ck.CKR_CRYPTOKI_NOT_INITIALIZED
	}
	a.closing.Store(true)
	for wait := time.Microsecond; !a.activeCalls.Zero(); wait = min(2*wait, time.Millisecond) {
		time.Sleep(wait)
	}
	for _, s := range a.slots.all() {
		s.end()
	}
	m.app.Store(nil)
	if a.mayHaveSecrets.Load() {
		m.core.eraser.now()
	}
	return m.core.close(a.config)
}

// Log returns where a module that is initialised writes its log, or nil.
func (m *Module) Log() *slog.Logger {
	if a := m.app.Load(); a != nil {
		return a.log
	}
	return nil
}

// Config returns the settings in force, nil before C_Initialize.
func (m *Module) Config() *config.Config {
	if a := m.app.Load(); a != nil {
		return a.config
	}
	return nil
}

// Volatile reports whether the tokens of a module that is initialised are gone when the process ends.
func (m *Module) Volatile() bool { return store.Volatile(m.Config()) }

// GetInfo implements C_GetInfo, section 5.4.3.
func (m *Module) GetInfo() (ck.Info, error) {
	a, err := m.beginCall()
	if err != nil {
		return ck.Info{}, err
	}
	defer a.endCall()
	return ck.Info{
		CryptokiVersion:    ck.Version{Major: 3, Minor: 2},
		ManufacturerID:     manufacturer,
		LibraryDescription: "softcsp software HSM",
		LibraryVersion:     ck.Version{Major: VersionMajor, Minor: VersionMinor},
	}, nil
}

// manufacturer is the manufacturerID of everything.
const manufacturer = "softcsp"
