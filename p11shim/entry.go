package main

// #define _GNU_SOURCE
// #include <stdlib.h>
// #include "../include/softcsp/cryptoki.h"
import "C"

import (
	"context"
	"log/slog"
	"unsafe"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/quiet"
	"github.com/softcsp/softcsp/layers/calllog"
)

// The entry points whose arguments do not say what they mean. The others are in zentry.go.

//export goC_Initialize
func goC_Initialize(pInitArgs uintptr) uintptr {
	return call("C_Initialize", func(*frame) error {
		args := inInitArgs(pInitArgs)
		err := module.Initialize(args)
		switch {
		case err == nil:
			putLayersOn(&ck.Call{Function: ck.C_Initialize, InitArgs: &args})
		case module.Log() == nil && getenv("SOFTCSP_LOG") != "":
			quiet.Printf("C_Initialize: %v", err) // there is no log yet, and most likely why is in its configuration
		}
		return err
	})
}

// putLayersOn puts over the token the layers that its configuration asks for. They see the C_Initialize that it came with, too.
func putLayersOn(initialize *ck.Call) {
	log := module.Log()
	if log == nil || !log.Enabled(context.Background(), slog.LevelInfo) {
		layered.Store(nil)
		return
	}
	layer := calllog.New(module, log)
	top := ck.Intercept(module, layer)
	layered.Store(&top)
	_ = layer(initialize, func() error { return nil })
}

// inInitArgs is the CK_C_INITIALIZE_ARGS at addr, which may be NULL. Of the mutex functions all or none are given (§5.4.1).
func inInitArgs(addr uintptr) ck.InitArgs {
	args := ck.InitArgs{Getenv: getenv}
	if addr == 0 {
		return args
	}
	requirePointer(addr)
	c := (*C.CK_C_INITIALIZE_ARGS)(pointer(addr))
	args.Flags = ck.Flags(c.flags)
	args.Callbacks = c.CreateMutex != nil
	for _, given := range []bool{c.DestroyMutex != nil, c.LockMutex != nil, c.UnlockMutex != nil} {
		if given != args.Callbacks {
			panic(ck.CKR_ARGUMENTS_BAD)
		}
	}
	if at := address(&c.pReserved); at != 0 {
		args.Reserved = inText(at)
	}
	return args
}

// getenv reads the environment of the C library: the program may have changed it since it started. In a program that was given
// rights by its file (AT_SECURE) it is that of whoever started it, and says nothing.
func getenv(name string) string {
	s := C.CString(name)
	defer C.free(unsafe.Pointer(s))
	return C.GoString(C.secure_getenv(s))
}

//export goC_Finalize
func goC_Finalize(pReserved uintptr) uintptr {
	return call("C_Finalize", func(*frame) error {
		if pReserved != 0 {
			return ck.CKR_ARGUMENTS_BAD
		}
		top := layered.Load()
		err := cryptoki().Finalize()
		if err == nil { // another thread may have begun anew
			layered.CompareAndSwap(top, nil)
		}
		return err
	})
}

//export goC_GetSlotList
func goC_GetSlotList(tokenPresent, pSlotList, pulCount uintptr) uintptr {
	return call("C_GetSlotList", func(*frame) error {
		requirePointer(pulCount)
		list, err := cryptoki().GetSlotList(byte(tokenPresent) != 0)
		if err != nil {
			return err
		}
		return writeList(pSlotList, pulCount, list)
	})
}

//export goC_GetMechanismList
func goC_GetMechanismList(slotID, pMechanismList, pulCount uintptr) uintptr {
	return call("C_GetMechanismList", func(*frame) error {
		requirePointer(pulCount)
		list, err := cryptoki().GetMechanismList(ck.SlotID(slotID))
		if err != nil {
			return err
		}
		return writeList(pMechanismList, pulCount, list)
	})
}

//export goC_InitToken
func goC_InitToken(slotID, pPin, ulPinLen, pLabel uintptr) uintptr {
	return call("C_InitToken", func(*frame) error {
		const labelLength = 32
		requirePointer(pLabel)
		return cryptoki().InitToken(ck.SlotID(slotID), inBytes(pPin, ulPinLen), inBytes(pLabel, labelLength))
	})
}

//export goC_OpenSession
func goC_OpenSession(slotID, flags, pApplication, notify, phSession uintptr) uintptr {
	return call("C_OpenSession", func(*frame) error {
		requireWritable(phSession)
		session, err := cryptoki().OpenSession(ck.SlotID(slotID), ck.Flags(flags))
		if err == nil {
			writeUlong(phSession, session)
		}
		return err
	})
}

//export goC_GetAttributeValue
func goC_GetAttributeValue(hSession, hObject, pTemplate, ulCount uintptr) uintptr {
	return callInSession(hSession, "C_GetAttributeValue", func(f *frame) error {
		all := attributesAt(pTemplate, ulCount)
		f.buffers = f.appendBuffers(f.buffers[:0], all, 0)
		err := cryptoki().GetAttributeValue(ck.SessionHandle(hSession), ck.ObjectHandle(hObject), f.buffers)
		switch ck.Code(err) {
		case ck.CKR_OK, ck.CKR_ATTRIBUTE_SENSITIVE, ck.CKR_ATTRIBUTE_TYPE_INVALID, ck.CKR_BUFFER_TOO_SMALL: // §5.7.5: every row is answered
			writeBuffers(all, f.buffers)
		}
		return err
	})
}

// appendBuffers appends what the rows of a C_GetAttributeValue ask for. In an array of attributes the types are an answer,
// and what they are before is the caller's business.
func (f *frame) appendBuffers(t []ck.AttributeBuffer, all []C.CK_ATTRIBUTE, depth int) []ck.AttributeBuffer {
	for i := range all {
		row := &all[i]
		b := ck.AttributeBuffer{Type: ck.AttributeType(row._type)}
		if at, length := address(&row.pValue), uintptr(row.ulValueLen); at != 0 {
			if length > addressSpace && at >= lowestPointer && at < addressSpace {
				length = addressSpace - at // CK_UNAVAILABLE_INFORMATION of an earlier call: the room is not known, and taken to do
			}
			b.Buffer = ck.Into(outBytes(at, length))
			if ck.IsTemplate(b.Type) && depth < 3 {
				inner := attributesAt(at, length/unsafe.Sizeof(*row))
				if f.nested += int(unsafe.Sizeof(b)) * len(inner); f.nested > maxNested {
					panic(ck.CKR_ATTRIBUTE_VALUE_INVALID)
				}
				b.Sub = f.appendBuffers(nil, inner, depth+1)
			}
		}
		b.N = uint(row.ulValueLen)
		t = append(t, b)
	}
	return t
}

// writeBuffers writes what the rows are answered.
func writeBuffers(all []C.CK_ATTRIBUTE, answers []ck.AttributeBuffer) {
	for i := range answers {
		a, row := &answers[i], &all[i]
		row._type = C.CK_ATTRIBUTE_TYPE(a.Type)
		row.ulValueLen = C.CK_ULONG(a.N)
		if len(a.Sub) != 0 {
			writeBuffers(attributesAt(address(&row.pValue), uintptr(len(a.Sub))), a.Sub)
		}
	}
}

//export goC_FindObjects
func goC_FindObjects(hSession, phObject, ulMaxObjectCount, pulObjectCount uintptr) uintptr {
	return callWithoutFrame(hSession, "C_FindObjects", func(*frame) error {
		requireWritable(pulObjectCount)
		var out []ck.ObjectHandle
		if ulMaxObjectCount != 0 {
			requirePointer(phObject)
			if ulMaxObjectCount > addressSpace/8 {
				panic(ck.CKR_ARGUMENTS_BAD)
			}
			out = unsafe.Slice((*ck.ObjectHandle)(pointer(phObject)), ulMaxObjectCount)
		}
		n, err := cryptoki().FindObjects(ck.SessionHandle(hSession), out)
		if err == nil {
			writeUlong(pulObjectCount, uint(n))
		}
		return err
	})
}

//export goC_GenerateRandom
func goC_GenerateRandom(hSession, pRandomData, ulRandomLen uintptr) uintptr {
	return callWithoutFrame(hSession, "C_GenerateRandom", func(*frame) error {
		out := outBytes(pRandomData, ulRandomLen)
		return cryptoki().GenerateRandom(ck.SessionHandle(hSession), out)
	})
}

//export goC_DeriveKey
func goC_DeriveKey(hSession, pMechanism, hBaseKey, pTemplate, ulAttributeCount, phKey uintptr) uintptr {
	return callInSession(hSession, "C_DeriveKey", func(f *frame) error {
		var key *ck.ObjectHandle
		if phKey != 0 { // derivations that answer in their parameter need none
			requireWritable(phKey)
			f.handle = ck.ObjectHandle(readUlong(phKey))
			key = &f.handle
		}
		err := cryptoki().DeriveKey(ck.SessionHandle(hSession), f.inMechanism(pMechanism), ck.ObjectHandle(hBaseKey),
			f.inTemplate(0, pTemplate, ulAttributeCount), key)
		if err == nil && key != nil {
			writeUlong(phKey, f.handle)
		}
		return err
	})
}

//export goC_WaitForSlotEvent
func goC_WaitForSlotEvent(flags, pSlot, pReserved uintptr) uintptr {
	return call("C_WaitForSlotEvent", func(*frame) error {
		requireWritable(pSlot)
		if pReserved != 0 {
			return ck.CKR_ARGUMENTS_BAD
		}
		slot, err := cryptoki().WaitForSlotEvent(ck.Flags(flags))
		if err == nil {
			writeUlong(pSlot, slot)
		}
		return err
	})
}

//export goC_SignMessageNext
func goC_SignMessageNext(hSession, pParameter, ulParameterLen, pData, ulDataLen, pSignature, pulSignatureLen uintptr) uintptr {
	return callInSession(hSession, "C_SignMessageNext", func(f *frame) error {
		session, parameter, data := ck.SessionHandle(hSession), f.inParameter(pParameter, ulParameterLen), inBytes(pData, ulDataLen)
		if pulSignatureLen == 0 { // §5.14.4: more of the message follows
			return cryptoki().SignMessageNext(session, parameter, data, nil)
		}
		return f.writeLength(cryptoki().SignMessageNext(session, parameter, data, f.outBuffer(pSignature, pulSignatureLen)))
	})
}

//export goC_AsyncComplete
func goC_AsyncComplete(hSession, pFunctionName, pResult uintptr) uintptr {
	return callInSession(hSession, "C_AsyncComplete", func(f *frame) error {
		requirePointer(pResult)
		c := (*C.CK_ASYNC_DATA)(pointer(pResult))
		name := inText(pFunctionName)
		requireWritable(pResult) // a fault is to happen before anything is fetched that could not be fetched again
		requireWritable(pResult + unsafe.Sizeof(*c) - unsafe.Sizeof(pResult))
		data := &f.async
		*data = ck.AsyncData{}
		err := cryptoki().AsyncComplete(ck.SessionHandle(hSession), name, data)
		if data.Ended { // §5.22.1: with an error, too, the buffer is told, so that it can be freed
			*(*uintptr)(unsafe.Pointer(&c.pValue)) = uintptr(unsafe.Pointer(unsafe.SliceData(data.Value)))
			c.ulValue = C.CK_ULONG(data.N)
			c.hObject, c.hAdditionalObject = C.CK_OBJECT_HANDLE(data.Object), C.CK_OBJECT_HANDLE(data.AdditionalObject)
		}
		data.Value = nil
		return err
	})
}
