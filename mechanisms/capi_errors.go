package mechanisms

import "github.com/softcsp/softcsp/ck"

// What CryptDeriveKey and the functions around it fail with: the codes of CryptoAPI under their own names, and what
// C_DeriveKey returns for each.
var (
	ERROR_INVALID_HANDLE    = &ck.DeviceError{RV: ck.CKR_KEY_HANDLE_INVALID, Code: 0x6, Name: "ERROR_INVALID_HANDLE"}
	ERROR_INVALID_PARAMETER = &ck.DeviceError{RV: ck.CKR_MECHANISM_PARAM_INVALID, Code: 0x57, Name: "ERROR_INVALID_PARAMETER"}

	NTE_BAD_UID        = &ck.DeviceError{RV: ck.CKR_MECHANISM_PARAM_INVALID, Code: 0x80090001, Name: "NTE_BAD_UID"}
	NTE_BAD_HASH       = &ck.DeviceError{RV: ck.CKR_OPERATION_NOT_INITIALIZED, Code: 0x80090002, Name: "NTE_BAD_HASH"}
	NTE_BAD_KEY        = &ck.DeviceError{RV: ck.CKR_KEY_FUNCTION_NOT_PERMITTED, Code: 0x80090003, Name: "NTE_BAD_KEY"}
	NTE_BAD_DATA       = &ck.DeviceError{RV: ck.CKR_KEY_SIZE_RANGE, Code: 0x80090005, Name: "NTE_BAD_DATA"}
	NTE_BAD_ALGID      = &ck.DeviceError{RV: ck.CKR_MECHANISM_PARAM_INVALID, Code: 0x80090008, Name: "NTE_BAD_ALGID"}
	NTE_BAD_FLAGS      = &ck.DeviceError{RV: ck.CKR_MECHANISM_PARAM_INVALID, Code: 0x80090009, Name: "NTE_BAD_FLAGS"}
	NTE_BAD_HASH_STATE = &ck.DeviceError{RV: ck.CKR_OPERATION_NOT_INITIALIZED, Code: 0x8009000c, Name: "NTE_BAD_HASH_STATE"}
	NTE_FAIL           = &ck.DeviceError{RV: ck.CKR_FUNCTION_FAILED, Code: 0x80090020, Name: "NTE_FAIL"}
	NTE_SILENT_CONTEXT = &ck.DeviceError{RV: ck.CKR_USER_NOT_LOGGED_IN, Code: 0x80090022, Name: "NTE_SILENT_CONTEXT"}
)
