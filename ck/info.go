package ck

// A Version is a CK_VERSION.
type Version struct{ Major, Minor byte }

// Info is a CK_INFO. Texts are not padded; the shim pads them with blanks.
type Info struct {
	CryptokiVersion    Version
	ManufacturerID     string // 32 bytes at most
	Flags              Flags
	LibraryDescription string // 32 bytes at most
	LibraryVersion     Version
}

// SlotInfo is a CK_SLOT_INFO.
type SlotInfo struct {
	SlotDescription string // 64 bytes at most
	ManufacturerID  string // 32 bytes at most
	Flags           Flags
	HardwareVersion Version
	FirmwareVersion Version
}

// TokenInfo is a CK_TOKEN_INFO.
type TokenInfo struct {
	Label              string // 32 bytes at most
	ManufacturerID     string // 32 bytes at most
	Model              string // 16 bytes at most
	SerialNumber       string // 16 bytes at most
	Flags              Flags
	MaxSessionCount    uint
	SessionCount       uint
	MaxRwSessionCount  uint
	RwSessionCount     uint
	MaxPinLen          uint
	MinPinLen          uint
	TotalPublicMemory  uint
	FreePublicMemory   uint
	TotalPrivateMemory uint
	FreePrivateMemory  uint
	HardwareVersion    Version
	FirmwareVersion    Version
	UTCTime            string // 16 bytes, YYYYMMDDhhmmss00, or empty without a clock
}

// SessionInfo is a CK_SESSION_INFO.
type SessionInfo struct {
	SlotID      SlotID
	State       State
	Flags       Flags
	DeviceError uint
}

// MechanismInfo is a CK_MECHANISM_INFO.
type MechanismInfo struct {
	MinKeySize uint
	MaxKeySize uint
	Flags      Flags
}

// InitArgs is a CK_C_INITIALIZE_ARGS whose function pointers the shim has checked: all or none are given.
type InitArgs struct {
	// Callbacks says that the four mutex functions are given.
	Callbacks bool
	Flags     Flags
	// Reserved is the text at pReserved, "" for NULL.
	Reserved string
	// Getenv reads the environment; nil is os.Getenv, and nothing in a program that was given rights by its file. The Go
	// runtime of a shared library does not know what the program has set since it was started.
	Getenv func(name string) string
}

// AsyncData is a CK_ASYNC_DATA.
type AsyncData struct {
	// Value is the caller's buffer for output, of the call that began, and N how much is in it.
	Value            []byte
	N                uint
	Object           ObjectHandle
	AdditionalObject ObjectHandle
	// Ended says that the function has ended, well or not, and that the structure is to be written.
	Ended bool
}
