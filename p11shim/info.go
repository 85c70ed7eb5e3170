package main

// #include "../include/softcsp/cryptoki.h"
import "C"

import (
	"unicode/utf8"
	"unsafe"

	"github.com/softcsp/softcsp/ck"
)

// pad fills a text field with s and blanks, as section 3.1 wants texts. What does not fit is cut between characters.
func pad[T any](field *T, s string) {
	b := unsafe.Slice((*byte)(unsafe.Pointer(field)), unsafe.Sizeof(*field))
	n := len(s)
	if n > len(b) {
		for n = len(b); n > 0 && !utf8.RuneStart(s[n]); n-- {
		}
	}
	copy(b, s[:n])
	for i := n; i < len(b); i++ {
		b[i] = ' '
	}
}

func version(v ck.Version) C.CK_VERSION {
	return C.CK_VERSION{major: C.CK_BYTE(v.Major), minor: C.CK_BYTE(v.Minor)}
}

func writeInfo(addr uintptr, i ck.Info) {
	c := (*C.CK_INFO)(pointer(addr))
	c.cryptokiVersion = version(i.CryptokiVersion)
	pad(&c.manufacturerID, i.ManufacturerID)
	c.flags = C.CK_FLAGS(i.Flags)
	pad(&c.libraryDescription, i.LibraryDescription)
	c.libraryVersion = version(i.LibraryVersion)
}

func writeSlotInfo(addr uintptr, i ck.SlotInfo) {
	c := (*C.CK_SLOT_INFO)(pointer(addr))
	pad(&c.slotDescription, i.SlotDescription)
	pad(&c.manufacturerID, i.ManufacturerID)
	c.flags = C.CK_FLAGS(i.Flags)
	c.hardwareVersion = version(i.HardwareVersion)
	c.firmwareVersion = version(i.FirmwareVersion)
}

func writeTokenInfo(addr uintptr, i ck.TokenInfo) {
	c := (*C.CK_TOKEN_INFO)(pointer(addr))
	pad(&c.label, i.Label)
	pad(&c.manufacturerID, i.ManufacturerID)
	pad(&c.model, i.Model)
	pad(&c.serialNumber, i.SerialNumber)
	c.flags = C.CK_FLAGS(i.Flags)
	c.ulMaxSessionCount = C.CK_ULONG(i.MaxSessionCount)
	c.ulSessionCount = C.CK_ULONG(i.SessionCount)
	c.ulMaxRwSessionCount = C.CK_ULONG(i.MaxRwSessionCount)
	c.ulRwSessionCount = C.CK_ULONG(i.RwSessionCount)
	c.ulMaxPinLen = C.CK_ULONG(i.MaxPinLen)
	c.ulMinPinLen = C.CK_ULONG(i.MinPinLen)
	c.ulTotalPublicMemory = C.CK_ULONG(i.TotalPublicMemory)
	c.ulFreePublicMemory = C.CK_ULONG(i.FreePublicMemory)
	c.ulTotalPrivateMemory = C.CK_ULONG(i.TotalPrivateMemory)
	c.ulFreePrivateMemory = C.CK_ULONG(i.FreePrivateMemory)
	c.hardwareVersion = version(i.HardwareVersion)
	c.firmwareVersion = version(i.FirmwareVersion)
	pad(&c.utcTime, i.UTCTime)
}

func writeSessionInfo(addr uintptr, i ck.SessionInfo) {
	*(*C.CK_SESSION_INFO)(pointer(addr)) = C.CK_SESSION_INFO{
		slotID: C.CK_SLOT_ID(i.SlotID), state: C.CK_STATE(i.State), flags: C.CK_FLAGS(i.Flags), ulDeviceError: C.CK_ULONG(i.DeviceError),
	}
}

func writeMechanismInfo(addr uintptr, i ck.MechanismInfo) {
	*(*C.CK_MECHANISM_INFO)(pointer(addr)) = C.CK_MECHANISM_INFO{
		ulMinKeySize: C.CK_ULONG(i.MinKeySize), ulMaxKeySize: C.CK_ULONG(i.MaxKeySize), flags: C.CK_FLAGS(i.Flags),
	}
}
