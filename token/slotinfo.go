package token

import (
	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/mechanisms"
	"github.com/softcsp/softcsp/store"
)

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
	if token, err := s.storedToken(); err == nil {
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
	sessions, writable := s.sessions.counts()
	token, _ := s.storedToken()
	limit := s.app.config.MaxSessions
	info := ck.TokenInfo{
		ManufacturerID: manufacturer, Model: "softcsp", SerialNumber: s.serial,
		Flags: ck.CKF_RNG | ck.CKF_CLOCK_ON_TOKEN | ck.CKF_LOGIN_REQUIRED | ck.CKF_DUAL_CRYPTO_OPERATIONS |
			ck.CKF_ASYNC_SESSION_SUPPORTED,
		MaxSessionCount: limit, MaxRwSessionCount: limit, // 0 is CK_EFFECTIVELY_INFINITE
		SessionCount: sessions, RwSessionCount: writable,
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

// UserTries returns how many wrong user PINs in a row the token still takes: 0 where the PIN is locked. The flags of C_GetTokenInfo tell less.
func (m *Module) UserTries(id ck.SlotID) (uint, error) {
	a, err := m.beginCall()
	if err != nil {
		return 0, err
	}
	defer a.endCall()
	s, err := a.slot(id)
	if err != nil {
		return 0, err
	}
	token, err := s.storedToken()
	if err != nil {
		return 0, err
	}
	about, err := token.Info()
	return about.UserTries, err
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
	return r.permitted(mechanisms.Types()), err
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
	if row == nil || !r.allows(t, operationFlags) {
		return ck.MechanismInfo{}, ck.CKR_MECHANISM_INVALID
	}
	return r.info(row), nil
}
