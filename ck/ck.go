// Package ck is the Cryptoki vocabulary: the names, numbers and plain values of PKCS#11 3.2, and how they are read
// and written.
//
// It has no behaviour beyond that, imports the standard library only, and every other package speaks in its terms.
// Names are those of the specification, verbatim and typed: a return code is a [RV] and therefore an error, a mechanism
// is a [MechanismType], and so on. The constants stand in zconst.go, the interface of all functions in zcryptoki.go;
// both are generated from the one table in internal/gen.
package ck

import "errors"

// The integer types of Cryptoki. A CK_ULONG is 64 bits wide on every platform that softcsp supports.
type (
	// RV is a return value (CK_RV). It is an error; CKR_OK never travels as one, success is nil.
	RV uint
	// SlotID identifies a slot (CK_SLOT_ID).
	SlotID uint
	// SessionHandle identifies a session (CK_SESSION_HANDLE).
	SessionHandle uint
	// ObjectHandle identifies an object within a process (CK_OBJECT_HANDLE).
	ObjectHandle uint
	// Flags are bit flags (CK_FLAGS).
	Flags uint
	// State is a session state (CK_STATE).
	State uint
	// UserType is a kind of user (CK_USER_TYPE).
	UserType uint
	// ObjectClass is a class of objects (CK_OBJECT_CLASS).
	ObjectClass uint
	// KeyType is a type of keys (CK_KEY_TYPE).
	KeyType uint
	// CertificateType is a type of certificates (CK_CERTIFICATE_TYPE).
	CertificateType uint
	// HardwareFeature is a hardware feature type (CK_HW_FEATURE_TYPE).
	HardwareFeature uint
	// ProfileID identifies a conformance profile (CK_PROFILE_ID).
	ProfileID uint
	// AttributeType is a type of attributes (CK_ATTRIBUTE_TYPE).
	AttributeType uint
	// MechanismType is a type of mechanisms (CK_MECHANISM_TYPE).
	MechanismType uint
)

// UnavailableInformation is CK_UNAVAILABLE_INFORMATION, a length or count that cannot be told.
const UnavailableInformation = ^uint(0)

// InvalidHandle is CK_INVALID_HANDLE.
const InvalidHandle = 0

// Error returns the name of the return value, "CKR_PIN_INCORRECT" say.
func (rv RV) Error() string { return rv.String() }

// Code finds the return value in err, through any wrapping: CKR_OK for nil, CKR_GENERAL_ERROR where there is none.
func Code(err error) RV {
	if err == nil {
		return CKR_OK
	}
	if rv, ok := err.(RV); ok {
		return rv
	}
	var rv RV
	if errors.As(err, &rv) {
		return rv
	}
	return CKR_GENERAL_ERROR
}

// An Attribute is one row of a template. Value lies in the caller's memory and is valid during the call only. A nil
// Value is a NULL pointer. The value of an array of attributes (CKA_WRAP_TEMPLATE and its kin) is in the encoding of
// [AppendTemplate].
type Attribute struct {
	Type  AttributeType
	Value []byte
}

// An AttributeBuffer is one row of a C_GetAttributeValue call: what is asked for and where the answer goes.
type AttributeBuffer struct {
	Type AttributeType
	Buffer
	// Sub is set where the caller's buffer is an array of CK_ATTRIBUTE (CKA_WRAP_TEMPLATE and its kin): its rows.
	Sub []AttributeBuffer
}

// A Mechanism is a CK_MECHANISM: what to do, and the parameter.
type Mechanism struct {
	Type  MechanismType
	Param Param
}

// A DeviceError is a return value with the code that stands behind it: the Win32 or NTE code of a CryptoAPI algorithm.
// C_GetSessionInfo tells the code in ulDeviceError.
type DeviceError struct {
	RV   RV
	Code uint32
	Name string // NTE_BAD_ALGID, say
}

// Error returns the name of the code.
func (e *DeviceError) Error() string { return e.Name }

// Unwrap returns the return value.
func (e *DeviceError) Unwrap() error { return e.RV }
