package token

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/mechanisms"
	"github.com/softcsp/softcsp/store"
)

// PIN lengths in bytes, as C_GetTokenInfo tells them.
const (
	minPIN = 4
	maxPIN = 255
)

// A slot is a slot and the token in it, as the applications of the process have them in common.
type slot struct {
	core   *Core
	id     ck.SlotID
	uuid   string
	serial string

	opening sync.Mutex // serialises C_InitToken

	mu           sync.Mutex
	token        *store.Token // nil while the token is not initialised
	caches       []*objectCache
	applications []*appSlot // those that know the slot
}

// An appSlot is an application's side of a slot: its sessions, who of it is logged in, and the objects that it has handles of.
type appSlot struct {
	*slot
	app *application

	mu       sync.Mutex
	sessions map[ck.SessionHandle]*session
	writable int // how many sessions are read-write
	user     userState

	cache   atomic.Pointer[objectCache] // that the application reads from; changed with user
	objects objectTable
}

// A userState is who is logged in to a token. Being logged in is common to all sessions of an application.
type userState uint8

const (
	nobody userState = iota
	theUser
	theSO
)

// newSlot returns the slot of a token.
func newSlot(c *Core, uuid string) *slot {
	serial := strings.ReplaceAll(uuid, "-", "")[:16]
	n, _ := strconv.ParseUint(serial, 16, 64)
	return &slot{core: c, id: ck.SlotID(n & slotMask), uuid: uuid, serial: serial}
}

// newSide returns an application's side of the slot.
func (s *slot) newSide(a *application) *appSlot {
	side := &appSlot{slot: s, app: a, sessions: make(map[ck.SessionHandle]*session)}
	side.objects.init(side)
	side.cache.Store(s.openCache(nil, nil))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.applications = append(s.applications, side)
	return side
}

// end ends all that the application has with the slot.
func (s *appSlot) end() {
	s.closeSessions()
	s.slot.mu.Lock()
	s.applications = slices.DeleteFunc(s.applications, func(side *appSlot) bool { return side == s })
	s.slot.mu.Unlock()
	s.cache.Load().leave()
}

// sides returns the sides of all applications.
func (s *slot) sides() []*appSlot {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.applications)
}

// initialised opens the token that another process, or this one, has made in the slot. A token that cannot be opened stays
// visible; using it tells why.
func (s *slot) initialised() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.token != nil {
		return
	}
	tok, err := s.core.place.Token(s.uuid)
	if err != nil {
		s.core.log.Error("token cannot be opened", "uuid", s.uuid, "error", err)
		return
	}
	s.token = tok
}

// store returns the slot's token: CKR_TOKEN_NOT_RECOGNIZED while it is not initialised.
func (s *slot) store() (*store.Token, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.token == nil {
		return nil, fmt.Errorf("%w: the token is not initialised", ck.CKR_TOKEN_NOT_RECOGNIZED)
	}
	return s.token, nil
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
	list := a.listed(a.slots.seen())
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
	all := a.slots.seen()
	return all[len(all)-1].id, nil
}

// GetSlotInfo implements C_GetSlotInfo, section 5.5.2.
func (m *Module) GetSlotInfo(id ck.SlotID) (ck.SlotInfo, error) {
	a, err := m.beginCall()
	if err != nil {
		return ck.SlotInfo{}, err
	}
	defer a.endCall()
	s, err := a.slot(id)
	if err != nil {
		return ck.SlotInfo{}, err
	}
	flags := ck.CKF_TOKEN_PRESENT
	if a.config.Removable {
		flags |= ck.CKF_REMOVABLE_DEVICE
	}
	return ck.SlotInfo{
		SlotDescription: s.description(),
		ManufacturerID:  manufacturer,
		Flags:           flags,
		HardwareVersion: ck.Version{Major: VersionMajor, Minor: VersionMinor},
		FirmwareVersion: ck.Version{Major: VersionMajor, Minor: VersionMinor},
	}, nil
}

// description names the slot and, where there is a token whose public objects are signed, the key that they are signed under, by the
// first digits of its fingerprint: 64 bytes hold no more.
func (s *slot) description() string {
	name := "softcsp slot " + s.serial
	if token, err := s.store(); err == nil {
		if about, err := token.Info(); err == nil && about.Voucher != "" {
			name += " key " + about.Voucher[:28]
		}
	}
	return name
}

// GetTokenInfo implements C_GetTokenInfo, section 5.5.3.
func (m *Module) GetTokenInfo(id ck.SlotID) (ck.TokenInfo, error) {
	a, err := m.beginCall()
	if err != nil {
		return ck.TokenInfo{}, err
	}
	defer a.endCall()
	s, err := a.slot(id)
	if err != nil {
		return ck.TokenInfo{}, err
	}
	return s.info()
}

func (s *appSlot) info() (ck.TokenInfo, error) {
	s.mu.Lock()
	sessions, writable := len(s.sessions), s.writable
	s.mu.Unlock()
	token, _ := s.store()
	limit := s.app.config.MaxSessions
	info := ck.TokenInfo{
		ManufacturerID: manufacturer, Model: "softcsp", SerialNumber: s.serial,
		Flags: ck.CKF_RNG | ck.CKF_CLOCK_ON_TOKEN | ck.CKF_LOGIN_REQUIRED | ck.CKF_DUAL_CRYPTO_OPERATIONS |
			ck.CKF_ASYNC_SESSION_SUPPORTED,
		MaxSessionCount: limit, MaxRwSessionCount: limit, // 0 is CK_EFFECTIVELY_INFINITE
		SessionCount: uint(sessions), RwSessionCount: uint(writable),
		MinPinLen: minPIN, MaxPinLen: maxPIN,
		TotalPublicMemory: ck.UnavailableInformation, FreePublicMemory: ck.UnavailableInformation,
		TotalPrivateMemory: ck.UnavailableInformation, FreePrivateMemory: ck.UnavailableInformation,
		HardwareVersion: ck.Version{Major: VersionMajor, Minor: VersionMinor},
		FirmwareVersion: ck.Version{Major: VersionMajor, Minor: VersionMinor},
		UTCTime:         utcTime(),
	}
	if token == nil {
		return info, nil
	}
	about, err := token.Info()
	if err != nil {
		return ck.TokenInfo{}, err
	}
	info.Label = about.Label
	info.Flags |= tokenFlags(about)
	if token.ReadOnly() {
		info.Flags |= ck.CKF_WRITE_PROTECTED
	}
	return info, nil
}

// separation returns how far the token's keys are kept apart: as it was initialised, or as the configuration says, where that is
// stricter. A token that cannot be read is strict.
func (s *slot) separation() store.Separation {
	if s.core.config.KeySeparation == "strict" {
		return store.SeparationStrict
	}
	token, err := s.store()
	if err != nil {
		return store.SeparationStrict
	}
	separation, err := token.Separation()
	if err != nil {
		return store.SeparationStrict
	}
	return separation
}

// The flags of a token that is for laboratories only, in a part of the flags that the standard leaves alone.
const (
	// FlagWeakKDF says that the PINs' key derivation costs next to nothing (--kdf test).
	FlagWeakKDF ck.Flags = 1 << 32
	// FlagRelaxed says that a commit does not wait for the disk (durability = "relaxed").
	FlagRelaxed ck.Flags = 1 << 33
)

// tokenFlags returns the flags that follow from a token's state.
func tokenFlags(i store.Info) ck.Flags {
	flags := ck.CKF_TOKEN_INITIALIZED
	if i.UserPIN {
		flags |= ck.CKF_USER_PIN_INITIALIZED
		flags |= triesFlags(i.UserTries, i.MaxTries, ck.CKF_USER_PIN_COUNT_LOW, ck.CKF_USER_PIN_FINAL_TRY, ck.CKF_USER_PIN_LOCKED)
	}
	flags |= triesFlags(i.SOTries, i.MaxTries, ck.CKF_SO_PIN_COUNT_LOW, ck.CKF_SO_PIN_FINAL_TRY, ck.CKF_SO_PIN_LOCKED)
	if i.KDF == "test" {
		flags |= FlagWeakKDF
	}
	if i.Relaxed {
		flags |= FlagRelaxed
	}
	return flags
}

// triesFlags tells how many tries are left, in the three flags that a PIN has for it.
func triesFlags(left, limit uint, low, final, locked ck.Flags) ck.Flags {
	var flags ck.Flags
	switch left {
	case 0:
		return locked
	case 1: // which says nothing of a wrong PIN where there is only one try
		flags = final
	}
	if left < limit {
		flags |= low
	}
	return flags
}

// GetMechanismList implements C_GetMechanismList, section 5.5.5.
func (m *Module) GetMechanismList(id ck.SlotID) ([]ck.MechanismType, error) {
	a, err := m.beginCall()
	if err != nil {
		return nil, err
	}
	defer a.endCall()
	s, err := a.slot(id)
	if err != nil {
		return nil, err
	}
	return s.mechanisms()
}

// mechanisms returns the mechanisms that can be used with the token. The caller may keep the list.
func (s *appSlot) mechanisms() ([]ck.MechanismType, error) {
	r, err := s.restriction()
	return r.list(mechanisms.Types()), err
}

// GetMechanismInfo implements C_GetMechanismInfo, section 5.5.6.
func (m *Module) GetMechanismInfo(id ck.SlotID, t ck.MechanismType) (ck.MechanismInfo, error) {
	a, err := m.beginCall()
	if err != nil {
		return ck.MechanismInfo{}, err
	}
	defer a.endCall()
	s, err := a.slot(id)
	if err != nil {
		return ck.MechanismInfo{}, err
	}
	r, err := s.restriction()
	if err != nil {
		return ck.MechanismInfo{}, err
	}
	row := mechanisms.Lookup(t)
	if row == nil || !r.permits(t, operationFlags) {
		return ck.MechanismInfo{}, ck.CKR_MECHANISM_INVALID
	}
	return r.info(row), nil
}

// InitToken implements C_InitToken, section 5.5.7. The slot keeps its number and the token its serial number. label is
// padded with blanks.
func (m *Module) InitToken(id ck.SlotID, pin, label []byte) error {
	return m.initToken(id, pin, nil, label)
}

// MakeToken is C_InitToken and C_InitPIN in one: the token has both PINs or is not made.
func (m *Module) MakeToken(id ck.SlotID, soPIN, userPIN, label []byte) error {
	if err := checkPIN(userPIN); err != nil {
		return err
	}
	return m.initToken(id, soPIN, userPIN, label)
}

func (m *Module) initToken(id ck.SlotID, pin, userPIN, label []byte) error {
	a, err := m.beginCall()
	if err != nil {
		return err
	}
	defer a.endCall()
	s, err := a.slot(id)
	if err != nil {
		return err
	}
	a.used.Store(true)
	s.opening.Lock()
	defer s.opening.Unlock()
	if s.hasSessions() {
		return ck.CKR_SESSION_EXISTS
	}
	token, _ := s.store()
	// Where there is a PIN already, one of a length that none has is simply wrong, and counted.
	if err := checkPIN(pin); err != nil && (token == nil || err != ck.CKR_PIN_LEN_RANGE) {
		return err
	}
	f := store.Format{
		Label: strings.TrimRight(string(label), " \x00"), SOPIN: pin, UserPIN: userPIN, KDF: a.core.config.KDF,
		MaxTries: a.core.config.MaxTries, Relaxed: a.core.config.Durability == "relaxed",
	}
	if f.Separation, err = store.ParseSeparation(a.core.config.KeySeparation); err != nil {
		return err
	}
	if token == nil {
		_, err := a.core.place.Format(s.uuid, f)
		s.initialised()
		if !errors.Is(err, store.ErrExists) {
			return errors.Join(err, a.refresh())
		}
		// Another process has just made the token: it is initialised like any other.
		if token, err = s.store(); err != nil {
			return err
		}
	}
	if err := token.Reformat(f); err != nil {
		return err
	}
	s.forget()
	return nil
}

// hasSessions reports whether any application has a session with the token.
func (s *slot) hasSessions() bool {
	for _, side := range s.sides() {
		if len(side.open()) > 0 {
			return true
		}
	}
	return false
}

// forget forgets all that was known of a token that is another one now.
func (s *slot) forget() {
	for _, side := range s.sides() {
		side.objects.forget(func(*entry) bool { return true })
		side.cache.Load().dropAll()
		side.app.jobs.drop(s.id)
	}
}

// checkPIN checks the length of a PIN that is to be set. nil is a NULL pointer, which asks for a protected
// authentication path; there is none.
func checkPIN(pin []byte) error {
	switch {
	case pin == nil:
		return ck.CKR_ARGUMENTS_BAD
	case len(pin) < minPIN || len(pin) > maxPIN:
		return ck.CKR_PIN_LEN_RANGE
	}
	return nil
}
