package csp

import (
	"errors"
	"fmt"

	"github.com/softcsp/softcsp/capi"
	"github.com/softcsp/softcsp/ck"
)

// translations are what the token's codes are in CryptoAPI.
var translations = map[ck.RV]capi.Error{
	ck.CKR_KEY_HANDLE_INVALID: capi.NTE_BAD_KEY, ck.CKR_OBJECT_HANDLE_INVALID: capi.NTE_BAD_KEY, ck.CKR_SESSION_HANDLE_INVALID: capi.NTE_BAD_UID,
	ck.CKR_HOST_MEMORY: capi.NTE_NO_MEMORY, ck.CKR_DEVICE_MEMORY: capi.NTE_NO_MEMORY, ck.CKR_BUFFER_TOO_SMALL: capi.ERROR_MORE_DATA,
	ck.CKR_DATA_LEN_RANGE: capi.NTE_BAD_LEN, ck.CKR_ENCRYPTED_DATA_LEN_RANGE: capi.NTE_BAD_DATA, ck.CKR_ENCRYPTED_DATA_INVALID: capi.NTE_BAD_DATA,
	ck.CKR_DATA_INVALID: capi.NTE_BAD_DATA, ck.CKR_WRAPPED_KEY_INVALID: capi.NTE_BAD_DATA, ck.CKR_WRAPPED_KEY_LEN_RANGE: capi.NTE_BAD_DATA,
	ck.CKR_SIGNATURE_INVALID: capi.NTE_BAD_SIGNATURE, ck.CKR_SIGNATURE_LEN_RANGE: capi.NTE_BAD_SIGNATURE,
	ck.CKR_KEY_SIZE_RANGE: capi.NTE_BAD_DATA, ck.CKR_ATTRIBUTE_VALUE_INVALID: capi.NTE_BAD_DATA, ck.CKR_KEY_TYPE_INCONSISTENT: capi.NTE_BAD_KEY,
	ck.CKR_KEY_FUNCTION_NOT_PERMITTED: capi.NTE_BAD_KEY, ck.CKR_USER_NOT_LOGGED_IN: capi.NTE_SILENT_CONTEXT,
	ck.CKR_PIN_INCORRECT: capi.SCARD_W_WRONG_CHV, ck.CKR_PIN_LEN_RANGE: capi.SCARD_W_WRONG_CHV, ck.CKR_PIN_LOCKED: capi.SCARD_W_CHV_BLOCKED,
	ck.CKR_TOKEN_NOT_PRESENT: capi.SCARD_E_NO_SMARTCARD, ck.CKR_TOKEN_NOT_RECOGNIZED: capi.SCARD_E_NO_SMARTCARD,
	ck.CKR_MECHANISM_INVALID: capi.NTE_BAD_ALGID, // a policy forbids it
	ck.CKR_ACTION_PROHIBITED: capi.NTE_PERM, ck.CKR_FUNCTION_FAILED: capi.NTE_FAIL,
}

// translated makes an error of the token or of a mechanism an Error. What the token said stays in the text.
func translated(err error) error {
	if err == nil {
		return nil
	}
	if e, ok := err.(capi.Error); ok {
		return e
	}
	var e capi.Error
	if errors.As(err, &e) {
		return err
	}
	var d *ck.DeviceError
	if errors.As(err, &d) {
		return capi.Error(d.Code)
	}
	code, ok := translations[ck.Code(err)]
	if !ok {
		code = capi.NTE_FAIL
	}
	return fmt.Errorf("%w: %w", code, err)
}
