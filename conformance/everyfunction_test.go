package conformance

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// legacy are the functions that answer CKR_FUNCTION_NOT_PARALLEL, as the standard wants of what no longer does anything.
var legacy = []string{"C_CancelFunction", "C_GetFunctionStatus"}

// everyFunction calls each of the functions at least once so that it does what it is for.
const everyFunction = `
C_GetInterfaceList NULL &n
C_GetFunctionList &l
C_Initialize CK_C_INITIALIZE_ARGS{flags=CKF_OS_LOCKING_OK}
C_GetInfo &info
token every
let mine slot
b: C_Initialize NULL
b: token other
b: C_Finalize NULL
C_WaitForSlotEvent CKF_DONT_BLOCK &event NULL
expect event = slot
let slot mine
C_GetSlotList true NULL &n
C_GetSlotInfo slot &si
C_GetTokenInfo slot &ti
C_GetMechanismList slot NULL &n
C_GetMechanismInfo slot CKM_AES_GCM &mi
C_OpenSession slot CKF_SERIAL_SESSION|CKF_RW_SESSION NULL NULL &s
C_GetSessionInfo s &i
C_LoginUser s CKU_USER str:user-12345678 NULL 0
C_SetPIN s str:user-12345678 str:user-87654321
C_GetSessionValidationFlags s CKS_LAST_VALIDATION_OK &flags
C_SeedRandom s str:seed
C_GenerateRandom s out:8

C_CreateObject s {CKA_CLASS=CKO_DATA,CKA_VALUE=str:data} &o
C_CopyObject s o {CKA_LABEL=str:copy} &p
C_SetAttributeValue s o {CKA_LABEL=str:label}
C_GetAttributeValue s o {CKA_LABEL=?20}
C_GetObjectSize s o &n
C_FindObjectsInit s {CKA_CLASS=CKO_DATA}
C_FindObjects s &f[4] 4 &n
expect n = 2
C_FindObjectsFinal s
C_DestroyObject s p

C_GenerateKey s CKM_AES_KEY_GEN {CKA_VALUE_LEN=32,CKA_ENCRYPT=true,CKA_DECRYPT=true,CKA_SIGN=true,CKA_VERIFY=true,CKA_DERIVE=true,CKA_SENSITIVE=false,CKA_EXTRACTABLE=true} &k
C_GenerateKey s CKM_AES_KEY_GEN {CKA_VALUE_LEN=32,CKA_WRAP=true,CKA_UNWRAP=true} &w
C_GenerateKeyPair s CKM_RSA_PKCS_KEY_PAIR_GEN {CKA_MODULUS_BITS=1024,CKA_VERIFY=true,CKA_VERIFY_RECOVER=true} {CKA_SIGN=true,CKA_SIGN_RECOVER=true} &pub &priv
C_WrapKey s CKM_AES_KEY_WRAP w k x=out:40
C_UnwrapKey s CKM_AES_KEY_WRAP w x {CKA_CLASS=CKO_SECRET_KEY,CKA_KEY_TYPE=CKK_AES} &u
C_WrapKeyAuthenticated s CKM_AES_GCM:CK_GCM_MESSAGE_PARAMS{pIv=iv=rep:12:01,ulIvLen=12,pTag=tag=rep:16:00,ulTagBits=128} w k str:aad x=out:32
C_UnwrapKeyAuthenticated s CKM_AES_GCM:CK_GCM_MESSAGE_PARAMS{pIv=iv,ulIvLen=12,pTag=tag,ulTagBits=128} w x {CKA_CLASS=CKO_SECRET_KEY,CKA_KEY_TYPE=CKK_AES} str:aad &u
C_DeriveKey s CKM_SHA256_KEY_DERIVATION k {} &d
C_GenerateKeyPair s CKM_ML_KEM_KEY_PAIR_GEN {CKA_PARAMETER_SET=CKP_ML_KEM_768} {} &epub &epriv
C_EncapsulateKey s CKM_ML_KEM epub {CKA_KEY_TYPE=CKK_AES} ct=out:1088 &a
C_DecapsulateKey s CKM_ML_KEM epriv {CKA_KEY_TYPE=CKK_AES} ct &b

let cbc CKM_AES_CBC:rep:16:01
C_EncryptInit s cbc k
C_Encrypt s rep:32:41 x=out:32
C_EncryptInit s cbc k
C_EncryptUpdate s rep:32:41 y=out:32
C_EncryptFinal s z=out:16
expect y = x
C_DecryptInit s cbc k
C_Decrypt s x y=out:32
expect y = rep:32:41
C_DecryptInit s cbc k
C_DecryptUpdate s x y=out:32
C_DecryptFinal s z=out:16
C_DigestInit s CKM_SHA256
C_Digest s str:abc h=out:32
C_DigestInit s CKM_SHA256
C_DigestUpdate s str:ab
C_GetOperationState s st=out:1000
C_DigestUpdate s str:c
C_DigestFinal s h2=out:32
expect h2 = h
C_SetOperationState s st 0 0
C_DigestKey s k
C_SessionCancel s CKF_DIGEST
C_SignInit s CKM_AES_CMAC k
C_Sign s rep:32:41 m=out:16
C_VerifyInit s CKM_AES_CMAC k
C_Verify s rep:32:41 m
C_SignInit s CKM_AES_CMAC k
C_SignUpdate s rep:32:41
C_SignFinal s m=out:16
C_VerifyInit s CKM_AES_CMAC k
C_VerifyUpdate s rep:32:41
C_VerifyFinal s m
C_VerifySignatureInit s CKM_AES_CMAC k m
C_VerifySignature s rep:32:41
C_VerifySignatureInit s CKM_AES_CMAC k m
C_VerifySignatureUpdate s rep:32:41
C_VerifySignatureFinal s
C_SignRecoverInit s CKM_RSA_PKCS priv
C_SignRecover s str:text r=out:128
C_VerifyRecoverInit s CKM_RSA_PKCS pub
C_VerifyRecover s r t=out:128
expect t = str:text

C_DigestInit s CKM_SHA256
C_EncryptInit s cbc k
C_DigestEncryptUpdate s rep:32:41 x=out:32
C_EncryptFinal s z=out:16
C_DigestFinal s h=out:32
C_DigestInit s CKM_SHA256
C_DecryptInit s cbc k
C_DecryptDigestUpdate s x y=out:32
C_DecryptFinal s z=out:16
C_DigestFinal s h2=out:32
expect h2 = h
C_SignInit s CKM_AES_CMAC k
C_EncryptInit s cbc k
C_SignEncryptUpdate s rep:32:41 x=out:32
C_EncryptFinal s z=out:16
C_SignFinal s m=out:16
C_VerifyInit s CKM_AES_CMAC k
C_DecryptInit s cbc k
C_DecryptVerifyUpdate s x y=out:32
C_DecryptFinal s z=out:16
C_VerifyFinal s m

let message CK_GCM_MESSAGE_PARAMS{pIv=iv=rep:12:02,ulIvLen=12,pTag=tag=rep:16:00,ulTagBits=128}
C_MessageEncryptInit s CKM_AES_GCM k
C_EncryptMessage s message str:aad str:text x=out:4
C_EncryptMessageBegin s message str:aad
C_EncryptMessageNext s message str:te y=out:2 0
C_EncryptMessageNext s message str:xt z=out:2 CKF_END_OF_MESSAGE
expect y++z = x
C_MessageEncryptFinal s
let sealed CK_GCM_MESSAGE_PARAMS{pIv=iv,ulIvLen=12,pTag=tag,ulTagBits=128}
C_MessageDecryptInit s CKM_AES_GCM k
C_DecryptMessage s sealed str:aad x y=out:4
expect y = str:text
C_DecryptMessageBegin s sealed str:aad
C_DecryptMessageNext s sealed x[0:2] y=out:2 0
C_DecryptMessageNext s sealed x[2:4] z=out:4 CKF_END_OF_MESSAGE
expect y++z = str:text
C_MessageDecryptFinal s
C_MessageSignInit s CKM_AES_CMAC k
C_SignMessage s NULL 0 rep:32:41 m2=out:16
expect m2 = m
C_SignMessageBegin s NULL 0
C_SignMessageNext s NULL 0 rep:16:41 NULL NULL
C_SignMessageNext s NULL 0 rep:16:41 m2=out:16
expect m2 = m
C_MessageSignFinal s
C_MessageVerifyInit s CKM_AES_CMAC k
C_VerifyMessage s NULL 0 rep:32:41 m
C_VerifyMessageBegin s NULL 0
C_VerifyMessageNext s NULL 0 rep:16:41 NULL 0
C_VerifyMessageNext s NULL 0 rep:16:41 m
C_MessageVerifyFinal s

C_OpenSession slot CKF_SERIAL_SESSION|CKF_RW_SESSION|CKF_ASYNC_SESSION NULL NULL &async
C_GenerateKeyPair async CKM_RSA_PKCS_KEY_PAIR_GEN {CKA_MODULUS_BITS=1024} {} &x &y -> CKR_PENDING
C_AsyncGetID async str0:C_GenerateKeyPair &id
C_CloseSession async
C_OpenSession slot CKF_SERIAL_SESSION|CKF_RW_SESSION|CKF_ASYNC_SESSION NULL NULL &async
C_AsyncJoin async @str0:C_GenerateKeyPair id NULL 0
await async C_GenerateKeyPair r
get s r.hAdditionalObject CKA_CLASS = CKO_PRIVATE_KEY

C_Logout s
C_CloseAllSessions slot
C_Finalize NULL`

// TestEveryFunction calls every function of the list of 3.2, through that list, and wants each to succeed.
func TestEveryFunction(t *testing.T) {
	t.Parallel()
	only(t)
	s := module.script(t)
	for _, line := range [][]string{{"C_GetInterface", "@str0:PKCS 11", "CK_VERSION{major=3,minor=2}", "&p", "0"}, {"peek", "p", "CK_INTERFACE", "f"}, {"list", "f.pFunctionList"}} {
		if err := s.Do(line...); err != nil {
			t.Fatalf("%v: %v", line, err)
		}
	}
	main, functions := s.host, s.host.tables.funcs
	for line := range strings.Lines(everyFunction) {
		if line = strings.TrimSpace(line); line != "" {
			do(t, s, line)
		}
	}
	if n := len(functions); n != 104 {
		t.Errorf("the header has %d functions", n)
	}
	for _, name := range slices.Sorted(maps.Keys(functions)) {
		if !main.succeeded[name] && !slices.Contains(legacy, name) {
			t.Errorf("%s never succeeded", name)
		}
	}
}
