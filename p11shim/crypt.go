package main

import "C"

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"unicode/utf16"
	"unsafe"

	"github.com/softcsp/softcsp/capi"
	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/csp"
	"github.com/softcsp/softcsp/internal/quiet"
)

// The functions of wincrypt.h. Each converts and calls package csp, whose errors are the codes that C sees; what refuses a
// handle is in csp too. The stubs in cryptstubs.c keep the last error.

// handles is the CryptoAPI of the process. Its tokens are the library's own: C_Initialize and C_Finalize do not touch them.
var handles = csp.NewHandles(csp.New(getenv))

// crypt runs one function and returns the last error, 0 for none. A fault in memory that the caller named is a bad
// parameter.
func crypt(name string, f func() error) (code uintptr) {
	debug.SetPanicOnFault(true)
	defer func() {
		if p := recover(); p != nil {
			code = uintptr(cryptPanicked(name, p))
		}
	}()
	err := f()
	if log := handles.Log(); log != nil {
		logCrypt(log, name, err)
	}
	if e, ok := err.(noted); ok {
		return uintptr(e) | 1<<32
	}
	return uintptr(capi.Code(err))
}

// A noted is a success that sets the last error, as some on Windows do: programs look at it.
type noted capi.Error

func (noted) Error() string { return "success" }

func logCrypt(log *slog.Logger, name string, err error) {
	level := slog.LevelDebug
	if _, ok := err.(noted); ok {
		err = nil
	}
	if err != nil && capi.Code(err) != capi.ERROR_MORE_DATA && capi.Code(err) != capi.ERROR_NO_MORE_ITEMS {
		level = slog.LevelInfo
	}
	switch {
	case !log.Enabled(context.Background(), level):
	case err == nil:
		log.Log(context.Background(), level, name)
	default:
		log.Log(context.Background(), level, name, "error", err.Error())
	}
}

// cryptPanicked is what a function fails with that panicked.
func cryptPanicked(name string, p any) capi.Error {
	if rv, ok := p.(ck.RV); ok {
		if rv == ck.CKR_HOST_MEMORY {
			return capi.NTE_NO_MEMORY
		}
		return capi.ERROR_INVALID_PARAMETER
	}
	code, what := capi.NTE_FAIL, "panic"
	if fault, ok := p.(interface{ Addr() uintptr }); ok {
		code, what = capi.ERROR_INVALID_PARAMETER, fmt.Sprintf("fault at %#x", fault.Addr())
	} else if err, ok := p.(error); ok {
		what = err.Error()
	}
	if log := handles.Log(); log != nil {
		log.Error(name, "error", what, "at", stackTrace())
	} else {
		quiet.Printf("%s: %v: %s at %s", name, code, what, stackTrace())
	}
	return code
}

// writeDword stores a DWORD.
func writeDword(addr uintptr, v uint32) { *(*uint32)(pointer(addr)) = v }

// readDword reads a DWORD.
func readDword(addr uintptr) uint32 { return *(*uint32)(pointer(addr)) }

// requireWritableDword is requireWritable for a DWORD.
func requireWritableDword(addr uintptr) {
	requirePointer(addr)
	*(*uint32)(pointer(addr)) |= uint32(opaqueZero)
}

// writeHandle stores a handle.
func writeHandle(addr uintptr, h csp.Handle) { *(*uintptr)(pointer(addr)) = uintptr(h) }

// writeNewHandle stores the handle that a function made, and nothing where it failed.
func writeNewHandle(addr uintptr, h csp.Handle, err error) error {
	if err == nil {
		writeHandle(addr, h)
	}
	return err
}

// requireNull refuses what must be NULL.
func requireNull(addr uintptr) error {
	if addr != 0 {
		return capi.ERROR_INVALID_PARAMETER
	}
	return nil
}

// sized runs a function that fills the caller's buffer. Its length is told after a success, and where it was too short.
func sized(pbData, pdwDataLen uintptr, f func(out *ck.Buffer) error) error {
	requireWritableDword(pdwDataLen)
	out := ck.Buffer{Has: pbData != 0}
	if out.Has {
		out.Data = outBytes(pbData, uintptr(readDword(pdwDataLen)))
	}
	err := f(&out)
	if err == nil || capi.Code(err) == capi.ERROR_MORE_DATA {
		writeDword(pdwDataLen, uint32(out.N))
	}
	return err
}

// narrow is the C string at addr, "" for NULL.
func narrow(addr uintptr) string {
	if addr == 0 {
		return ""
	}
	return inText(addr)
}

// units are the UTF-16 units of the string at addr, up to its terminator.
func units(addr uintptr) []uint16 {
	if addr == 0 {
		return nil
	}
	requirePointer(addr)
	const longest = 1 << 16
	for n := range uintptr(longest) {
		if *(*uint16)(pointer(addr + 2*n)) == 0 {
			return unsafe.Slice((*uint16)(pointer(addr)), n)
		}
	}
	panic(ck.CKR_ARGUMENTS_BAD)
}

// wide is the UTF-16 string at addr, "" for NULL.
func wide(addr uintptr) string { return string(utf16.Decode(units(addr))) }

// utf16Bytes is a string in UTF-16, in little-endian order and without a terminator.
func utf16Bytes(u []uint16) []byte {
	b := make([]byte, 0, 2*len(u))
	for _, c := range u {
		b = append(b, byte(c), byte(c>>8))
	}
	return b
}

// A text writes a name as the caller's kind of string with its terminator.
type text func(string) []byte

func narrowText(s string) []byte { return append([]byte(s), 0) }
func wideText(s string) []byte   { return append(utf16Bytes(utf16.Encode([]rune(s))), 0, 0) }

func acquireContext(phProv uintptr, container, provider string, dwProvType, dwFlags uintptr) error {
	if phProv == 0 {
		if err := handles.CheckProvider(provider, uint32(dwProvType)); err != nil {
			return err
		}
	}
	requirePointer(phProv)
	*(*uintptr)(pointer(phProv)) = 0
	h, err := handles.AcquireContext(container, provider, uint32(dwProvType), uint32(dwFlags))
	if err != nil || h == 0 {
		return err
	}
	if err := cells.assign(phProv, h); err != nil {
		return err
	}
	return noted(0)
}

//export goCryptAcquireContextA
func goCryptAcquireContextA(phProv, szContainer, szProvider, dwProvType, dwFlags uintptr) uintptr {
	return crypt("CryptAcquireContextA", func() error {
		return acquireContext(phProv, narrow(szContainer), narrow(szProvider), dwProvType, dwFlags)
	})
}

//export goCryptAcquireContextW
func goCryptAcquireContextW(phProv, szContainer, szProvider, dwProvType, dwFlags uintptr) uintptr {
	return crypt("CryptAcquireContextW", func() error {
		return acquireContext(phProv, wide(szContainer), wide(szProvider), dwProvType, dwFlags)
	})
}

//export goCryptReleaseContext
func goCryptReleaseContext(hProv, dwFlags uintptr) uintptr {
	return crypt("CryptReleaseContext", func() error {
		if _, err := inProv(hProv); err != nil {
			return err
		}
		err := handles.ReleaseContext(handleAt(hProv), uint32(dwFlags))
		if _, gone := inProv(hProv); gone != nil {
			cells.take(hProv)
		}
		return err
	})
}

//export goCryptContextAddRef
func goCryptContextAddRef(hProv, pdwReserved, dwFlags uintptr) uintptr {
	return crypt("CryptContextAddRef", func() error {
		c, err := inProv(hProv)
		if err != nil {
			return err
		}
		if err := requireNull(pdwReserved); err != nil {
			return err
		}
		return c.AddRef()
	})
}

//export goCryptSetProvParam
func goCryptSetProvParam(hProv, dwParam, pbData, dwFlags uintptr) uintptr {
	return crypt("CryptSetProvParam", func() error {
		if dwParam == capi.PP_CLIENT_HWND { // the one parameter that needs no provider
			return nil
		}
		c, err := inProv(hProv)
		if err != nil {
			return err
		}
		var value []byte
		if pin := dwParam == capi.PP_KEYEXCHANGE_PIN || dwParam == capi.PP_SIGNATURE_PIN; pin && pbData != 0 {
			value = []byte(inText(pbData))
			defer clear(value)
		}
		return c.SetParam(uint32(dwParam), value, uint32(dwFlags))
	})
}

//export goCryptGetProvParam
func goCryptGetProvParam(hProv, dwParam, pbData, pdwDataLen, dwFlags uintptr) uintptr {
	return crypt("CryptGetProvParam", func() error {
		c, err := inProv(hProv)
		if err != nil {
			return err
		}
		err = sized(pbData, pdwDataLen, func(out *ck.Buffer) error { return c.ReadParam(uint32(dwParam), uint32(dwFlags), out) })
		if err == nil && dwParam == capi.PP_KEYSET_SEC_DESCR && pbData == 0 {
			return noted(capi.ERROR_INSUFFICIENT_BUFFER)
		}
		return err
	})
}

//export goCryptGenRandom
func goCryptGenRandom(hProv, dwLen, pbBuffer uintptr) uintptr {
	return crypt("CryptGenRandom", func() error {
		c, err := inProv(hProv)
		if err != nil {
			return err
		}
		return c.GenRandom(outBytes(pbBuffer, dwLen))
	})
}
