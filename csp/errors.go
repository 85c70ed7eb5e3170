package csp

import (
	"errors"
	"fmt"

	"github.com/softcsp/softcsp/ck"
)

// An Error is what GetLastError tells: a code of winerror.h.
type Error uint32

// The codes that are met here, under the names of winerror.h.
const (
	ERROR_INVALID_HANDLE      Error = 6
	ERROR_INVALID_PARAMETER   Error = 87
	ERROR_INSUFFICIENT_BUFFER Error = 122
	ERROR_MORE_DATA           Error = 234
	ERROR_NO_MORE_ITEMS       Error = 259
	ERROR_INTERNAL_ERROR      Error = 1359

	NTE_BAD_UID            Error = 0x80090001
	NTE_BAD_HASH           Error = 0x80090002
	NTE_BAD_KEY            Error = 0x80090003
	NTE_BAD_LEN            Error = 0x80090004
	NTE_BAD_DATA           Error = 0x80090005
	NTE_BAD_SIGNATURE      Error = 0x80090006
	NTE_BAD_VER            Error = 0x80090007
	NTE_BAD_ALGID          Error = 0x80090008
	NTE_BAD_FLAGS          Error = 0x80090009
	NTE_BAD_TYPE           Error = 0x8009000a
	NTE_BAD_KEY_STATE      Error = 0x8009000b
	NTE_BAD_HASH_STATE     Error = 0x8009000c
	NTE_NO_KEY             Error = 0x8009000d
	NTE_NO_MEMORY          Error = 0x8009000e
	NTE_EXISTS             Error = 0x8009000f
	NTE_PERM               Error = 0x80090010
	NTE_NOT_FOUND          Error = 0x80090011
	NTE_BAD_PROVIDER       Error = 0x80090013
	NTE_BAD_PROV_TYPE      Error = 0x80090014
	NTE_BAD_PUBLIC_KEY     Error = 0x80090015
	NTE_BAD_KEYSET         Error = 0x80090016
	NTE_PROV_TYPE_NOT_DEF  Error = 0x80090017
	NTE_KEYSET_NOT_DEF     Error = 0x80090019
	NTE_PROV_TYPE_NO_MATCH Error = 0x8009001b
	NTE_BAD_KEYSET_PARAM   Error = 0x8009001f
	NTE_FAIL               Error = 0x80090020
	NTE_SILENT_CONTEXT     Error = 0x80090022

	SCARD_E_NO_SMARTCARD  Error = 0x8010000c
	SCARD_W_WRONG_CHV     Error = 0x8010006b
	SCARD_W_CHV_BLOCKED   Error = 0x8010006c
	SCARD_W_CARD_NOT_AUTH Error = 0x8010006f
)

var errorNames = map[Error]string{
	ERROR_INVALID_HANDLE: "ERROR_INVALID_HANDLE", ERROR_INVALID_PARAMETER: "ERROR_INVALID_PARAMETER",
	ERROR_INSUFFICIENT_BUFFER: "ERROR_INSUFFICIENT_BUFFER", ERROR_MORE_DATA: "ERROR_MORE_DATA",
	ERROR_NO_MORE_ITEMS: "ERROR_NO_MORE_ITEMS", ERROR_INTERNAL_ERROR: "ERROR_INTERNAL_ERROR",
	NTE_BAD_UID: "NTE_BAD_UID", NTE_BAD_HASH: "NTE_BAD_HASH", NTE_BAD_KEY: "NTE_BAD_KEY", NTE_BAD_LEN: "NTE_BAD_LEN",
	NTE_BAD_DATA: "NTE_BAD_DATA", NTE_BAD_SIGNATURE: "NTE_BAD_SIGNATURE", NTE_BAD_VER: "NTE_BAD_VER",
	NTE_BAD_ALGID: "NTE_BAD_ALGID", NTE_BAD_FLAGS: "NTE_BAD_FLAGS", NTE_BAD_TYPE: "NTE_BAD_TYPE",
	NTE_BAD_KEY_STATE: "NTE_BAD_KEY_STATE", NTE_BAD_HASH_STATE: "NTE_BAD_HASH_STATE", NTE_NO_KEY: "NTE_NO_KEY",
	NTE_NO_MEMORY: "NTE_NO_MEMORY", NTE_EXISTS: "NTE_EXISTS", NTE_PERM: "NTE_PERM", NTE_NOT_FOUND: "NTE_NOT_FOUND",
	NTE_BAD_PROVIDER: "NTE_BAD_PROVIDER", NTE_BAD_PROV_TYPE: "NTE_BAD_PROV_TYPE", NTE_BAD_PUBLIC_KEY: "NTE_BAD_PUBLIC_KEY",
	NTE_BAD_KEYSET: "NTE_BAD_KEYSET", NTE_PROV_TYPE_NOT_DEF: "NTE_PROV_TYPE_NOT_DEF", NTE_KEYSET_NOT_DEF: "NTE_KEYSET_NOT_DEF",
	NTE_PROV_TYPE_NO_MATCH: "NTE_PROV_TYPE_NO_MATCH", NTE_BAD_KEYSET_PARAM: "NTE_BAD_KEYSET_PARAM", NTE_FAIL: "NTE_FAIL",
	NTE_SILENT_CONTEXT: "NTE_SILENT_CONTEXT", SCARD_E_NO_SMARTCARD: "SCARD_E_NO_SMARTCARD",
	SCARD_W_WRONG_CHV: "SCARD_W_WRONG_CHV", SCARD_W_CHV_BLOCKED: "SCARD_W_CHV_BLOCKED",
	SCARD_W_CARD_NOT_AUTH: "SCARD_W_CARD_NOT_AUTHENTICATED",
}

// Error returns the name of the code, as winerror.h has it.
func (e Error) Error() string {
	if name, ok := errorNames[e]; ok {
		return name
	}
	return fmt.Sprintf("error 0x%08x", uint32(e))
}

// Code finds the code in err, through any wrapping: 0 for nil, NTE_FAIL where there is none.
func Code(err error) Error {
	if err == nil {
		return 0
	}
	var e Error
	if errors.As(err, &e) {
		return e
	}
	return NTE_FAIL
}

// translations are what the token's codes are in CryptoAPI.
var translations = map[ck.RV]Error{
	ck.CKR_KEY_HANDLE_INVALID: NTE_BAD_KEY, ck.CKR_OBJECT_HANDLE_INVALID: NTE_BAD_KEY, ck.CKR_SESSION_HANDLE_INVALID: NTE_BAD_UID,
	ck.CKR_HOST_MEMORY: NTE_NO_MEMORY, ck.CKR_DEVICE_MEMORY: NTE_NO_MEMORY, ck.CKR_BUFFER_TOO_SMALL: ERROR_MORE_DATA,
	ck.CKR_DATA_LEN_RANGE: NTE_BAD_LEN, ck.CKR_ENCRYPTED_DATA_LEN_RANGE: NTE_BAD_DATA, ck.CKR_ENCRYPTED_DATA_INVALID: NTE_BAD_DATA,
	ck.CKR_DATA_INVALID: NTE_BAD_DATA, ck.CKR_WRAPPED_KEY_INVALID: NTE_BAD_DATA, ck.CKR_WRAPPED_KEY_LEN_RANGE: NTE_BAD_DATA,
	ck.CKR_SIGNATURE_INVALID: NTE_BAD_SIGNATURE, ck.CKR_SIGNATURE_LEN_RANGE: NTE_BAD_SIGNATURE,
	ck.CKR_KEY_SIZE_RANGE: NTE_BAD_DATA, ck.CKR_ATTRIBUTE_VALUE_INVALID: NTE_BAD_DATA, ck.CKR_KEY_TYPE_INCONSISTENT: NTE_BAD_KEY,
	ck.CKR_KEY_FUNCTION_NOT_PERMITTED: NTE_BAD_KEY, ck.CKR_USER_NOT_LOGGED_IN: NTE_SILENT_CONTEXT,
	ck.CKR_PIN_INCORRECT: SCARD_W_WRONG_CHV, ck.CKR_PIN_LEN_RANGE: SCARD_W_WRONG_CHV, ck.CKR_PIN_LOCKED: SCARD_W_CHV_BLOCKED,
	ck.CKR_TOKEN_NOT_PRESENT: SCARD_E_NO_SMARTCARD, ck.CKR_TOKEN_NOT_RECOGNIZED: SCARD_E_NO_SMARTCARD,
	ck.CKR_MECHANISM_INVALID: NTE_BAD_ALGID, // a policy forbids it
	ck.CKR_ACTION_PROHIBITED: NTE_PERM, ck.CKR_FUNCTION_FAILED: NTE_FAIL,
}

// translated makes an error of the token or of a mechanism an Error. What the token said stays in the text.
func translated(err error) error {
	if err == nil {
		return nil
	}
	if e, ok := err.(Error); ok {
		return e
	}
	var e Error
	if errors.As(err, &e) {
		return err
	}
	var d *ck.DeviceError
	if errors.As(err, &d) {
		return Error(d.Code)
	}
	code, ok := translations[ck.Code(err)]
	if !ok {
		code = NTE_FAIL
	}
	return fmt.Errorf("%w: %w", code, err)
}
