package csp

import (
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/mechanisms"
	"github.com/softcsp/softcsp/token"
)

// A System is a CryptoAPI: its providers' defaults, and the tokens that keys live in. A program has one, but tests make as
// many as they like.
type System struct {
	getenv func(string) string

	mu               sync.Mutex
	defaultProviders map[uint32]string // by type of provider
	memory           *tokenSlot        // the token in memory, of verify contexts
	containers       *tokenSlot        // the token of the named containers

	log atomic.Pointer[slog.Logger]
}

// A Token is what csp needs of a token beside the functions of PKCS #11. It calls those through a ck.Cryptoki, before which layers may
// stand, and these directly.
type Token interface {
	// Derive makes a session key of what derive makes, which need not come from a key: from a hash object or a blob, say. It is allowed
	// where the mechanism of the row is. *key is the handle of the key that it replaces, if any, and of the new key afterwards.
	Derive(session ck.SessionHandle, row *mechanisms.Mechanism, template []ck.Attribute, key *ck.ObjectHandle, derive func(*mechanisms.Derived, *mechanisms.Key) error) error
	// UseKey calls use with a key, whose value goes into a hash object or a blob.
	UseKey(session ck.SessionHandle, key ck.ObjectHandle, use func(*mechanisms.Key) error) error
	// EmptySlot returns the slot in which a token can be initialised.
	EmptySlot() (ck.SlotID, error)
	// Log returns the log of the token, nil where there is none.
	Log() *slog.Logger
}

var _ Token = (*token.Module)(nil)

// A tokenSlot is the slot of a token that keys live in.
type tokenSlot struct {
	cryptoki ck.Cryptoki
	token    Token
	id       ck.SlotID
	pin      []byte // of a token in memory, which has no user to ask
}

// New returns a System that reads the settings of the tokens from an environment; nil is the process's own.
func New(getenv func(string) string) *System {
	if getenv == nil {
		getenv = token.Getenv
	}
	return &System{getenv: getenv, defaultProviders: make(map[uint32]string)}
}

// std is the System of the package's functions.
var std = New(nil)

// AcquireContext is CryptAcquireContext of the process's one System.
func AcquireContext(container, provider string, typ, flags uint32) (*Context, error) {
	return std.AcquireContext(container, provider, typ, flags)
}

// Close ends all sessions with the tokens. Contexts that are open are of no use afterwards.
func (s *System) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var first error
	for _, h := range []*tokenSlot{s.memory, s.containers} {
		if h == nil {
			continue
		}
		clear(h.pin)
		if err := h.cryptoki.Finalize(); err != nil && first == nil {
			first = translated(err)
		}
	}
	s.memory, s.containers = nil, nil
	s.log.Store(nil)
	return first
}

// memoryToken returns the token of the verify contexts, which is made when it is first needed. Nobody else sees it.
func (s *System) memoryToken() (*tokenSlot, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.memory == nil {
		m := token.New()
		logging := func(name string) string {
			if name == "SOFTCSP_LOG" || name == "SOFTCSP_LOG_FILE" {
				return s.getenv(name)
			}
			return ""
		}
		h, err := initialize(m, ck.InitArgs{Reserved: "store='memory' kdf='test'", Getenv: logging})
		if err == nil {
			err = h.initToken(nil)
		}
		if err != nil {
			return nil, translated(err)
		}
		s.memory = h
		s.log.CompareAndSwap(nil, h.token.Log())
	}
	return s.memory, nil
}

// containerToken returns the token of the named containers. It is looked for until there is one.
func (s *System) containerToken() (*tokenSlot, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.containers == nil {
		m := token.New()
		h, err := initialize(m, ck.InitArgs{Getenv: s.getenv})
		if err != nil {
			return nil, translated(err)
		}
		if err := h.findToken(m.Config().CSPToken); err != nil {
			if !m.Volatile() {
				h.cryptoki.Finalize() //nolint:errcheck // nothing was opened
				return nil, translated(err)
			}
			if err := h.initToken([]byte(s.getenv("SOFTCSP_PIN"))); err != nil {
				return nil, translated(err)
			}
		}
		s.containers = h
		s.log.Store(h.token.Log())
	}
	return s.containers, nil
}

// initialize begins to use the tokens of m.
func initialize(m *token.Module, args ck.InitArgs) (*tokenSlot, error) {
	if err := m.Initialize(args); err != nil {
		return nil, err
	}
	return &tokenSlot{cryptoki: m, token: m}, nil
}

// findToken finds the token with a label or serial number; any that is initialised where that is "".
func (h *tokenSlot) findToken(name string) error {
	slots, err := h.cryptoki.GetSlotList(true)
	if err != nil {
		return err
	}
	for _, id := range slots {
		info, err := h.cryptoki.GetTokenInfo(id)
		if err == nil && info.Flags&ck.CKF_TOKEN_INITIALIZED != 0 && (name == "" || info.Label == name || info.SerialNumber == name) {
			h.id = id
			return nil
		}
	}
	return ck.CKR_TOKEN_NOT_PRESENT
}

// initToken initialises a token in memory. Without a PIN it gets a random one.
func (h *tokenSlot) initToken(pin []byte) error {
	slot, err := h.token.EmptySlot()
	if err != nil {
		return err
	}
	h.id = slot
	so := randomPIN()
	if len(pin) == 0 {
		pin = randomPIN()
	}
	defer clear(so)
	m := h.cryptoki
	if err := m.InitToken(h.id, so, []byte("softcsp")); err != nil {
		return err
	}
	session, err := m.OpenSession(h.id, ck.CKF_SERIAL_SESSION|ck.CKF_RW_SESSION)
	if err != nil {
		return err
	}
	defer m.CloseSession(session) //nolint:errcheck // it logs out
	if err := m.Login(session, ck.CKU_SO, so); err != nil {
		return err
	}
	if err := m.InitPIN(session, pin); err != nil {
		return err
	}
	h.pin = pin
	return nil
}

// randomPIN makes a PIN that nobody guesses.
func randomPIN() []byte {
	var b [16]byte
	rand.Read(b[:]) //nolint:errcheck // it does not fail
	return hex.AppendEncode(nil, b[:])
}

// Log returns where the tokens of the System write their log, nil as long as there is none.
func (s *System) Log() *slog.Logger { return s.log.Load() }
