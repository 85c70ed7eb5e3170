// Command p11shim is the C boundary of libsoftcsp.so: it turns C memory into Go values, calls the token, and turns the
// results back. It holds no policy and no cryptography, and is the one package that imports "C".
//
// What C passes arrives as numbers and becomes a pointer only after it was looked at. What the token sees of C memory is
// valid during the call. No panic crosses the boundary. The symbols that applications see are C functions (stubs.c),
// which call the functions named goC_ here, or, in a forked child, a fresh copy of the library (fork.c).
package main

// #include "../include/softcsp/cryptoki.h"
import "C"

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/quiet"
	"github.com/softcsp/softcsp/layers/calllog"
	"github.com/softcsp/softcsp/token"
)

// module is the token of the process: a loaded library has one state.
var module = token.New()

// layered is what calls go to where a layer is on, between C_Initialize and C_Finalize; nil where none is.
var layered atomic.Pointer[ck.Cryptoki]

// cryptoki is what a call goes to: the token, or the layers over it.
func cryptoki() ck.Cryptoki {
	if top := layered.Load(); top != nil {
		return *top
	}
	return module
}

func main() {}

const (
	lowestPointer = 4096    // no pointer is lower: the first page is never mapped
	addressSpace  = 1 << 47 // no memory is longer than an address space
	maxAttributes = 1 << 16 // of a template, generously
)

// A frame is what a call converts its arguments into. Frames are reused, so that a call allocates nothing.
type frame struct {
	out       ck.Buffer
	outLength uintptr // where the length of out goes
	mechanism ck.Mechanism
	param     ck.Param
	templates [2][]ck.Attribute
	buffers   []ck.AttributeBuffer
	handle    ck.ObjectHandle
	async     ck.AsyncData
	nested    int // what the templates of the call have within templates
}

// release drops what leads to the caller's memory: once they have freed it, Go's own heap may get the addresses.
func (f *frame) release() {
	f.out.Data = nil
	f.mechanism.Param.Release()
	f.param.Release()
	for k := range f.templates {
		if t := f.templates[k]; len(t) > 4 {
			clear(t)
		} else { // faster so
			for i := range t {
				t[i].Value = nil
			}
		}
		f.templates[k] = f.templates[k][:0]
	}
	clear(f.buffers)
	f.buffers = f.buffers[:0]
	f.nested = 0
}

var frames = sync.Pool{New: func() any { return new(frame) }}

// callInSession runs an entry point that takes a session.
func callInSession(session uintptr, name string, f func(*frame) error) uintptr {
	return run(name, &session, true, f)
}

// callWithoutFrame is callInSession for an entry point that converts nothing into a frame.
func callWithoutFrame(session uintptr, name string, f func(*frame) error) uintptr {
	return run(name, &session, false, f)
}

// callInOperation runs an entry point that goes on with operations of its session. If it fails the operations end, unless the buffer
// was too small. The token sees to that itself, but it is not called where an argument is bad: then the operations are ended here.
func callInOperation(session uintptr, name string, operations ck.Flags, f func(*frame) error) uintptr {
	reached := false
	rv := callInSession(session, name, func(fr *frame) error {
		err := f(fr)
		reached = true
		return err
	})
	if !reached && ck.RV(rv) != ck.CKR_CRYPTOKI_NOT_INITIALIZED {
		module.SessionCancel(ck.SessionHandle(session), operations) // an error says that there is no session
	}
	return rv
}

// call runs an entry point that takes no session.
func call(name string, f func(*frame) error) uintptr { return run(name, nil, true, f) }

// run runs one entry point. It is the one place where an error of a C_ function becomes a number (crypt is that of the Crypt functions). A fault in memory that the caller named is a
// panic too, as long as it is Go that touches it.
func run(name string, session *uintptr, framed bool, f func(*frame) error) (rv uintptr) {
	debug.SetPanicOnFault(true)
	defer func() {
		if p := recover(); p != nil {
			rv = uintptr(panicked(name, session, p))
		}
	}()
	var err error
	if framed {
		fr := frames.Get().(*frame)
		err = f(fr)
		fr.release()
		frames.Put(fr)
	} else {
		err = f(nil)
	}
	if err != nil && session != nil {
		err = sessionFirst(*session, err)
	}
	if err != nil {
		logUnlessLogged(name, err)
	}
	return uintptr(ck.Code(err))
}

// sessionFirst is the error of a call that takes a session and was refused: that there is no such session comes before what is wrong with
// another argument (§5.1.7).
func sessionFirst(session uintptr, err error) error {
	switch ck.Code(err) {
	case ck.CKR_ARGUMENTS_BAD, ck.CKR_ATTRIBUTE_VALUE_INVALID, ck.CKR_MECHANISM_PARAM_INVALID, ck.CKR_HOST_MEMORY:
		if _, none := module.GetSessionInfo(ck.SessionHandle(session)); ck.Code(none) == ck.CKR_SESSION_HANDLE_INVALID {
			return none
		}
	}
	return err
}

// logUnlessLogged writes a call that was refused to the log, unless the layer that writes calls has done so.
func logUnlessLogged(name string, err error) {
	if _, logged := err.(calllog.Logged); logged {
		return
	}
	if log := module.Log(); log != nil {
		logRefusal(log, name, err)
	}
}

// logRefusal writes to the log a call that did not come as far as the layer that writes calls (calllog), or that answers otherwise
// than what lies below.
func logRefusal(log *slog.Logger, name string, err error) {
	level := slog.LevelInfo
	if ck.Code(err) == ck.CKR_BUFFER_TOO_SMALL {
		level = slog.LevelDebug
	}
	rv, text := ck.Code(err).String(), err.Error()
	if rv == text {
		log.Log(context.Background(), level, name, "rv", rv)
		return
	}
	log.Log(context.Background(), level, name, "rv", rv, "error", text)
}

// panicked is what a call returns that panicked: the code that a conversion panicked with; CKR_ARGUMENTS_BAD for a fault in
// memory, which can only be the caller's; CKR_GENERAL_ERROR for anything else. That the library is not initialised comes
// before what is wrong with an argument (§5.1).
func panicked(name string, session *uintptr, p any) ck.RV {
	rv, conversion := p.(ck.RV)
	what := "panic"
	if fault, ok := p.(interface{ Addr() uintptr }); ok {
		rv, what = ck.CKR_ARGUMENTS_BAD, fmt.Sprintf("fault at %#x", fault.Addr())
	} else if err, ok := p.(runtime.Error); ok {
		rv, what = ck.CKR_GENERAL_ERROR, err.Error()
	} else if !conversion {
		rv = ck.CKR_GENERAL_ERROR
	}
	if session != nil {
		rv = ck.Code(sessionFirst(*session, rv))
	}
	log := module.Log()
	if log == nil && name != "C_Initialize" && rv != ck.CKR_GENERAL_ERROR {
		rv = ck.CKR_CRYPTOKI_NOT_INITIALIZED
	}
	switch {
	case conversion && log != nil:
		logRefusal(log, name, rv)
	case conversion:
	case log != nil:
		log.Error(name, "rv", rv.String(), "error", what, "at", stackTrace())
	default:
		quiet.Printf("%s: %v: %s at %s", name, rv, what, stackTrace())
	}
	return rv
}

// stackTrace tells where a panic came from: functions and lines, none of their arguments.
func stackTrace() string {
	var pc [16]uintptr
	var s strings.Builder
	for frames := runtime.CallersFrames(pc[:runtime.Callers(4, pc[:])]); ; {
		f, more := frames.Next()
		fmt.Fprintf(&s, " %s:%d", f.Function, f.Line)
		if !more {
			return s.String()[1:]
		}
	}
}

// pointer makes an address a pointer. Nothing that is not at least least may become one: the collector takes small
// numbers in pointers for corruption. It is not inlined, because the compiler trips over copies to what it knows to be a
// number ("one of arguments is not a pointer").
//
//go:noinline
func pointer(addr uintptr) unsafe.Pointer { return unsafe.Add(unsafe.Pointer(nil), addr) }

// requirePointer panics unless addr can be a pointer to a result.
func requirePointer(addr uintptr) {
	if addr < lowestPointer {
		panic(ck.CKR_ARGUMENTS_BAD)
	}
}

// requireWritable panics unless a result can be stored at addr. It is asked for before anything happens, so that no result is lost.
func requireWritable(addr uintptr) {
	requirePointer(addr)
	*(*uintptr)(pointer(addr)) |= opaqueZero
}

// opaqueZero is a 0 that the compiler cannot see through: with a constant it would leave the store out.
var opaqueZero uintptr

// writeUlong stores a result.
func writeUlong[T ~uint](addr uintptr, v T) { *(*T)(pointer(addr)) = v }

// readUlong reads a number.
func readUlong(addr uintptr) uintptr { return *(*uintptr)(pointer(addr)) }

var empty = []byte{}

// inBytes is the n bytes at addr, a view of the caller's memory: nil for 0 bytes at NULL. It panics with CKR_ARGUMENTS_BAD where there cannot
// be so many.
func inBytes(addr, n uintptr) []byte {
	// n-1 wraps around for 0, which outBytes looks at.
	if n-1 < probeAbove && addr >= lowestPointer && addr <= addressSpace-probeAbove {
		return bytesAt(addr, n)
	}
	b := outBytes(addr, n)
	if n > probeAbove && !mapped(addr, n) {
		panic(ck.CKR_ARGUMENTS_BAD)
	}
	return b
}

// outBytes is room for n bytes at addr. The caller may claim more than there is: nothing looks at more than is needed.
func outBytes(addr, n uintptr) []byte {
	switch {
	case n == 0 && addr == 0:
		return nil
	case n == 0:
		return empty
	case addr < lowestPointer || n > addressSpace || addr > addressSpace-n:
		panic(ck.CKR_ARGUMENTS_BAD)
	}
	return bytesAt(addr, n)
}

// bytesAt is the n bytes at addr, which have been found to be possible.
//
//go:noinline
func bytesAt(addr, n uintptr) []byte {
	return unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(nil), addr)), n)
}

// probeAbove is the length above which the system is asked first whether there is memory.
const probeAbove = 1 << 20

// mapped tells whether there is memory from addr to its n-th byte, readable or not. The system looks at its list of mappings
// for that, not at the pages. Where it does not say, the answer is yes.
func mapped(addr, n uintptr) bool {
	const page = 4096
	start := addr &^ (page - 1)
	_, _, errno := syscall.RawSyscall(syscall.SYS_MSYNC, start, addr+n-start, syscall.MS_ASYNC)
	return errno != syscall.ENOMEM
}

// inText is the C string at addr.
func inText(addr uintptr) string {
	requirePointer(addr)
	const longest = 1 << 16
	for n := range uintptr(longest) {
		if *(*byte)(pointer(addr + n)) == 0 {
			return string(inBytes(addr, n))
		}
	}
	panic(ck.CKR_ARGUMENTS_BAD)
}

// attributesAt is the template of n attributes at addr.
func attributesAt(addr, n uintptr) []C.CK_ATTRIBUTE {
	if n == 0 {
		return nil
	}
	if addr < lowestPointer || n > maxAttributes {
		panic(ck.CKR_ARGUMENTS_BAD)
	}
	return unsafe.Slice((*C.CK_ATTRIBUTE)(pointer(addr)), n)
}

// address is the number in a field that C declares as a pointer; it need not be one.
func address(p *C.CK_VOID_PTR) uintptr { return *(*uintptr)(unsafe.Pointer(p)) }

// inTemplate is the n attributes at addr, in the k-th scratch of the frame.
func (f *frame) inTemplate(k int, addr, n uintptr) []ck.Attribute {
	if n == 0 {
		return nil
	}
	f.templates[k] = f.appendAttributes(f.templates[k][:0], addr, n, 0)
	return f.templates[k]
}

// maxNested is how many bytes the templates within the templates of a call may have together, encoded.
const maxNested = 1 << 24

// appendAttributes appends n attributes at addr. Arrays of attributes become their encoding.
func (f *frame) appendAttributes(t []ck.Attribute, addr, n uintptr, depth int) []ck.Attribute {
	all := attributesAt(addr, n)
	for i := range all {
		row := &all[i]
		typ := ck.AttributeType(row._type)
		at, length := address(&row.pValue), uintptr(row.ulValueLen)
		if at == 0 && length != 0 { // §4.1.1: that is no value
			panic(ck.CKR_ATTRIBUTE_VALUE_INVALID)
		}
		if !ck.IsTemplate(typ) || at == 0 {
			t = append(t, ck.Attribute{Type: typ, Value: inBytes(at, length)})
			continue
		}
		if length%unsafe.Sizeof(*row) != 0 || depth > 2 {
			panic(ck.CKR_ATTRIBUTE_VALUE_INVALID)
		}
		nested := f.appendAttributes(nil, at, length/unsafe.Sizeof(*row), depth+1)
		t = append(t, ck.Attribute{Type: typ, Value: f.encoded(nested)})
	}
	return t
}

// encoded is the encoding of a template within a template.
func (f *frame) encoded(nested []ck.Attribute) []byte {
	size := ck.TemplateLen(nested)
	if f.nested += size; f.nested > maxNested {
		panic(ck.CKR_ATTRIBUTE_VALUE_INVALID)
	}
	return ck.AppendTemplate(make([]byte, 0, size), nested)
}

// memoryAt is how the parameter of a mechanism reaches what it points to.
var memoryAt = func(addr uint64, n uint) []byte {
	if addr < lowestPointer || n > addressSpace || addr > addressSpace-uint64(n) || n > probeAbove && !mapped(uintptr(addr), uintptr(n)) {
		return nil
	}
	return bytesAt(uintptr(addr), uintptr(n))
}

// inMechanismOrNil is the mechanism at addr, nil for NULL.
func (f *frame) inMechanismOrNil(addr uintptr) *ck.Mechanism {
	if addr == 0 {
		return nil
	}
	return f.inMechanism(addr)
}

// inMechanism is the mechanism at addr.
func (f *frame) inMechanism(addr uintptr) *ck.Mechanism {
	requirePointer(addr)
	m := (*C.CK_MECHANISM)(pointer(addr))
	at, length := address(&m.pParameter), uintptr(m.ulParameterLen)
	f.mechanism.Type = ck.MechanismType(m.mechanism)
	f.mechanism.Param.At(uint64(at), uint(length), memoryAt)
	return &f.mechanism
}

// inParameter is the parameter of a message.
func (f *frame) inParameter(addr, n uintptr) *ck.Param {
	f.param.At(uint64(max(addr, 1)), uint(n), memoryAt) // NULL with a length is no better than any pointer to nothing
	return &f.param
}

// outBuffer is the caller's buffer: NULL is a length query.
func (f *frame) outBuffer(addr, length uintptr) *ck.Buffer {
	requireWritable(length)
	f.outLength = length
	f.out = ck.Buffer{}
	if addr != 0 {
		f.out = ck.Into(outBytes(addr, readUlong(length)))
	}
	return &f.out
}

// writeLength tells the caller how long the output is, or must be.
func (f *frame) writeLength(err error) error {
	if err == nil || ck.Code(err) == ck.CKR_BUFFER_TOO_SMALL {
		writeUlong(f.outLength, f.out.N)
	}
	return err
}

// writeList is the two-call convention for arrays of numbers.
func writeList[T ~uint](addr, count uintptr, list []T) error {
	n := uintptr(len(list))
	room := readUlong(count)
	writeUlong(count, uint(n))
	switch {
	case addr == 0:
		return nil
	case room < n:
		return ck.CKR_BUFFER_TOO_SMALL
	case n == 0:
		return nil
	}
	requirePointer(addr)
	copy(unsafe.Slice((*T)(pointer(addr)), n), list)
	return nil
}
