package conformance

import (
	"fmt"
	"strings"
	"testing"
)

// An attack is a way to the value of a sensitive key that was found in tokens, as the calls that it takes. It succeeds if every
// line does.
type attack struct {
	name, source string
	lines        []string
	// stopped is how softcsp answers, in the line that is marked with "!". Nothing after it is tried.
	stopped string
	// separation says that it is key_separation that stops it.
	separation bool
	// immune says why SoftHSM2 2.6.1 is not open to it; "" where it is.
	immune string
}

// The papers that the attacks are from.
const (
	clulow   = "J. Clulow, On the Security of PKCS #11, CHES 2003"
	tookan   = "M. Bortolozzo, M. Centenaro, R. Focardi, G. Steel, Attacking and Fixing PKCS#11 Security Tokens, CCS 2010"
	bond     = "M. Bond, R. Anderson, API-Level Attacks on Embedded Systems, IEEE Computer 34(10), 2001"
	delaune  = "S. Delaune, S. Kremer, G. Steel, Formal Analysis of PKCS#11, CSF 2008"
	standard = "PKCS #11 3.2, section 4"
)

// aesVictim is a sensitive key that may be wrapped, aesWrapper a key with every purpose. Both are generated in the token.
const (
	aesVictim  = "C_GenerateKey s CKM_AES_KEY_GEN {CKA_VALUE_LEN=16,CKA_SENSITIVE=true,CKA_EXTRACTABLE=true,CKA_ENCRYPT=true,CKA_DERIVE=true} &victim"
	aesWrapper = "C_GenerateKey s CKM_AES_KEY_GEN {CKA_VALUE_LEN=16,CKA_SENSITIVE=true,CKA_WRAP=true,CKA_UNWRAP=true,CKA_ENCRYPT=true,CKA_DECRYPT=true} &w"
	aesOpen    = "{CKA_CLASS=CKO_SECRET_KEY,CKA_KEY_TYPE=CKK_AES,CKA_SENSITIVE=false,CKA_EXTRACTABLE=true}"
)

// neverVictim is a key that may never leave, nor be derived from. part is a template of what is derived from it.
const (
	neverVictim = "C_GenerateKey s CKM_AES_KEY_GEN {CKA_VALUE_LEN=32,CKA_SENSITIVE=false,CKA_EXTRACTABLE=false,CKA_ENCRYPT=true,CKA_DERIVE=false} &victim"
	part        = "{CKA_CLASS=CKO_SECRET_KEY,CKA_KEY_TYPE=CKK_GENERIC_SECRET,CKA_DERIVE=true}"
)

// openHash imports a hash value, of which nobody says that it may not leave.
const openHash = "C_CreateObject s {CKA_CLASS=CKO_SECRET_KEY,CKA_KEY_TYPE=CKK_GENERIC_SECRET,CKA_VALUE=rep:32:17,CKA_DERIVE=true} &h"

// fromHash is the derivation of CryptDeriveKey from a key whose value is that of a finished SHA-256.
func fromHash(algid, flags string) string {
	const sha256 = "0x8000800c" // CALG_SHA_256|CK_SOFTCSP_HASH_VALUE
	return "CKM_SOFTCSP_CRYPT_DERIVE_KEY:CK_SOFTCSP_CRYPT_DERIVE_KEY_PARAMS{ulProvider=0,ulHashAlgId=" + sha256 + ",ulAlgId=" + algid + ",ulFlags=" + flags + "}"
}

// attacks are those that an application with the user's PIN can try.
var attacks = []attack{
	{name: "read", source: standard, stopped: "CKR_ATTRIBUTE_SENSITIVE", immune: "it keeps CKA_SENSITIVE",
		lines: []string{aesVictim, "! C_GetAttributeValue s victim {CKA_VALUE=?16}"}},
	{name: "turn sensitive off", source: clulow, stopped: "CKR_ATTRIBUTE_READ_ONLY", immune: "it keeps CKA_SENSITIVE",
		lines: []string{aesVictim, "! C_SetAttributeValue s victim {CKA_SENSITIVE=false}"}},
	{name: "turn extractable on", source: tookan, stopped: "CKR_ATTRIBUTE_READ_ONLY", immune: "it keeps CKA_EXTRACTABLE",
		lines: []string{aesWrapper, "! C_SetAttributeValue s w {CKA_EXTRACTABLE=true}"}},
	{name: "weaken by copying", source: standard, stopped: "CKR_ATTRIBUTE_READ_ONLY", immune: "it keeps CKA_SENSITIVE in copies",
		lines: []string{aesVictim, "! C_CopyObject s victim {CKA_SENSITIVE=false} &copy", "get s copy CKA_VALUE"}},
	{name: "make a copy extractable", source: standard, stopped: "CKR_ATTRIBUTE_READ_ONLY", immune: "it keeps CKA_EXTRACTABLE in copies",
		lines: []string{aesWrapper, "! C_CopyObject s w {CKA_EXTRACTABLE=true} &copy"}},
	{name: "make a copy public", source: standard, stopped: "CKR_TEMPLATE_INCONSISTENT", immune: "it keeps CKA_PRIVATE in copies",
		lines: []string{aesVictim, "! C_CopyObject s victim {CKA_PRIVATE=false} &copy"}},
	{name: "trust oneself", source: tookan, stopped: "CKR_ATTRIBUTE_READ_ONLY", immune: "it leaves CKA_TRUSTED to the SO",
		lines: []string{aesWrapper, "! C_SetAttributeValue s w {CKA_TRUSTED=true}"}},
	{name: "trust oneself from the beginning", source: tookan, stopped: "CKR_ATTRIBUTE_READ_ONLY", immune: "it leaves CKA_TRUSTED to the SO",
		lines: []string{"! C_GenerateKey s CKM_AES_KEY_GEN {CKA_VALUE_LEN=16,CKA_WRAP=true,CKA_TRUSTED=true} &w"}},
	{name: "wrap and decrypt", separation: true, source: clulow, stopped: "CKR_KEY_FUNCTION_NOT_PERMITTED",
		lines: []string{aesVictim, aesWrapper, "C_WrapKey s CKM_AES_KEY_WRAP w victim wrapped=out:24",
			// The token unwraps with ECB what it does not decrypt: RFC 3394 run backwards over C_Decrypt is the same.
			"! C_DecryptInit s CKM_AES_ECB w", "C_Decrypt s wrapped[8:24] out:16"}},
	{name: "wrap and decrypt with a copy", separation: true, source: tookan, stopped: "CKR_KEY_FUNCTION_NOT_PERMITTED",
		lines: []string{aesVictim, aesWrapper, "C_CopyObject s w {CKA_LABEL=str:copy} &copy", "C_WrapKey s CKM_AES_KEY_WRAP w victim wrapped=out:24",
			"! C_DecryptInit s CKM_AES_ECB copy", "C_Decrypt s wrapped[8:24] out:16"}},
	{name: "begin to decrypt, and wrap", separation: true, source: delaune, stopped: "CKR_KEY_FUNCTION_NOT_PERMITTED",
		lines: []string{aesVictim, aesWrapper, "C_DecryptInit s CKM_AES_ECB w", "! C_WrapKey s CKM_AES_KEY_WRAP w victim wrapped=out:24",
			"C_Decrypt s wrapped[8:24] out:16"}},
	{name: "wrap, and decrypt when the role is given back", separation: true, source: tookan, stopped: "CKR_KEY_FUNCTION_NOT_PERMITTED",
		lines: []string{aesVictim, aesWrapper, "C_SetAttributeValue s w {CKA_DECRYPT=false}", "C_WrapKey s CKM_AES_KEY_WRAP w victim wrapped=out:24",
			"C_SetAttributeValue s w {CKA_WRAP=false,CKA_DECRYPT=true}", "! C_DecryptInit s CKM_AES_ECB w", "C_Decrypt s wrapped[8:24] out:16"}},
	{name: "begin to decrypt messages, and wrap", separation: true, source: delaune, stopped: "CKR_KEY_NOT_WRAPPABLE", immune: "it has no messages",
		lines: []string{aesVictim, aesWrapper, "C_MessageDecryptInit s CKM_AES_GCM w",
			"! C_WrapKeyAuthenticated s CKM_AES_GCM:CK_GCM_MESSAGE_PARAMS{pIv=rep:12:00,ulIvLen=12,pTag=tag=rep:16:00,ulTagBits=128} w victim NULL 0 wrapped=out:16",
			"C_DecryptMessage s CK_GCM_MESSAGE_PARAMS{pIv=rep:12:00,ulIvLen=12,pTag=tag,ulTagBits=128} NULL 0 wrapped out:16"}},
	{name: "wrap with a counter, and encrypt", separation: true, source: clulow, stopped: "CKR_KEY_NOT_WRAPPABLE", immune: "it does not wrap with GCM",
		lines: []string{aesVictim, aesWrapper, "! C_WrapKey s CKM_AES_GCM:CK_GCM_WRAP_PARAMS{pIv=rep:12:00,ulIvLen=12,ulTagBits=128} w victim wrapped=out:32",
			"C_EncryptInit s CKM_AES_CTR:CK_AES_CTR_PARAMS{ulCounterBits=32,cb=hex:00000000000000000000000000000002} w", "C_Encrypt s wrapped[0:16] out:16"}},
	{name: "wrap, and derive what the cipher does", separation: true, source: delaune, stopped: "CKR_KEY_NOT_WRAPPABLE", immune: "it does not wrap with GCM",
		lines: []string{aesVictim, strings.Replace(aesWrapper, "{", "{CKA_DERIVE=true,", 1),
			"! C_WrapKey s CKM_AES_GCM:CK_GCM_WRAP_PARAMS{pIv=rep:12:00,ulIvLen=12,ulTagBits=128} w victim wrapped=out:32",
			"C_DeriveKey s CKM_AES_ECB_ENCRYPT_DATA:CK_KEY_DERIVATION_STRING_DATA{pData=hex:00000000000000000000000000000002,ulLen=16} w " +
				"{CKA_CLASS=CKO_SECRET_KEY,CKA_KEY_TYPE=CKK_GENERIC_SECRET,CKA_SENSITIVE=false,CKA_EXTRACTABLE=true} &stream", "get s stream CKA_VALUE"}},
	{name: "unwrap as not sensitive", separation: true, source: tookan, stopped: "CKR_TEMPLATE_INCONSISTENT",
		lines: []string{aesVictim, aesWrapper, "C_WrapKey s CKM_AES_KEY_WRAP w victim wrapped=out:24",
			"! C_UnwrapKey s CKM_AES_KEY_WRAP w wrapped " + aesOpen + " &copy", "get s copy CKA_VALUE"}},
	{name: "unwrap a token key as not sensitive", separation: true, source: tookan, stopped: "CKR_TEMPLATE_INCONSISTENT",
		lines: []string{strings.Replace(aesVictim, "{", "{CKA_TOKEN=true,", 1), aesWrapper, "C_WrapKey s CKM_AES_KEY_WRAP w victim wrapped=out:24",
			"! C_UnwrapKey s CKM_AES_KEY_WRAP w wrapped " + aesOpen + " &copy", "get s copy CKA_VALUE"}},
	{name: "unwrap as not sensitive what is there no more", separation: true, source: tookan, stopped: "CKR_TEMPLATE_INCONSISTENT",
		lines: []string{aesVictim, aesWrapper, "C_WrapKey s CKM_AES_KEY_WRAP w victim wrapped=out:24", "C_DestroyObject s victim",
			"! C_UnwrapKey s CKM_AES_KEY_WRAP w wrapped " + aesOpen + " &copy", "get s copy CKA_VALUE"}},
	{name: "unwrap with the other half of a pair", separation: true, source: tookan, stopped: "CKR_TEMPLATE_INCONSISTENT",
		lines: []string{aesVictim, "C_GenerateKeyPair s CKM_RSA_PKCS_KEY_PAIR_GEN {CKA_MODULUS_BITS=1024,CKA_WRAP=true} {CKA_UNWRAP=true} &pub &priv",
			"C_WrapKey s CKM_RSA_PKCS pub victim wrapped=out:128", "C_DestroyObject s victim",
			"! C_UnwrapKey s CKM_RSA_PKCS priv wrapped " + aesOpen + " &copy", "get s copy CKA_VALUE"}},
	{name: "unwrap a private key as not sensitive", separation: true, source: tookan, stopped: "CKR_TEMPLATE_INCONSISTENT",
		lines: []string{"C_GenerateKeyPair s CKM_EC_KEY_PAIR_GEN {CKA_EC_PARAMS=hex:06082a8648ce3d030107} {CKA_SENSITIVE=true,CKA_EXTRACTABLE=true} &pub &victim", aesWrapper,
			"C_WrapKey s CKM_AES_KEY_WRAP_PAD w victim wrapped=out:256", "let short wrapped",
			"! C_UnwrapKey s CKM_AES_KEY_WRAP_PAD w short {CKA_CLASS=CKO_PRIVATE_KEY,CKA_KEY_TYPE=CKK_EC,CKA_SENSITIVE=false,CKA_EXTRACTABLE=true} &copy", "get s copy CKA_VALUE"}},
	{name: "unwrap a private key as a secret", separation: true, source: tookan, stopped: "CKR_TEMPLATE_INCONSISTENT",
		lines: []string{"C_GenerateKeyPair s CKM_EC_KEY_PAIR_GEN {CKA_EC_PARAMS=hex:06082a8648ce3d030107} {CKA_SENSITIVE=true,CKA_EXTRACTABLE=true} &pub &victim", aesWrapper,
			"C_WrapKey s CKM_AES_KEY_WRAP_PAD w victim wrapped=out:256",
			"! C_UnwrapKey s CKM_AES_KEY_WRAP_PAD w wrapped {CKA_CLASS=CKO_SECRET_KEY,CKA_KEY_TYPE=CKK_GENERIC_SECRET,CKA_SENSITIVE=false,CKA_EXTRACTABLE=true} &copy", "get s copy CKA_VALUE"}},
	{name: "unwrap as another type", separation: true, source: bond, stopped: "CKR_TEMPLATE_INCONSISTENT",
		lines: []string{strings.Replace(aesVictim, "CKA_VALUE_LEN=16", "CKA_VALUE_LEN=24", 1), aesWrapper, "C_WrapKey s CKM_AES_KEY_WRAP w victim wrapped=out:32",
			"! C_UnwrapKey s CKM_AES_KEY_WRAP w wrapped {CKA_CLASS=CKO_SECRET_KEY,CKA_KEY_TYPE=CKK_DES3,CKA_SENSITIVE=true,CKA_ENCRYPT=true} &copy"}},
	{name: "unwrap as extractable what is so no more", separation: true, source: delaune, stopped: "CKR_TEMPLATE_INCONSISTENT",
		lines: []string{aesVictim, aesWrapper, "C_WrapKey s CKM_AES_KEY_WRAP w victim wrapped=out:24", "C_SetAttributeValue s victim {CKA_EXTRACTABLE=false}",
			"! C_UnwrapKey s CKM_AES_KEY_WRAP w wrapped {CKA_CLASS=CKO_SECRET_KEY,CKA_KEY_TYPE=CKK_AES,CKA_SENSITIVE=true,CKA_EXTRACTABLE=true} &copy"}},
	{name: "unwrap without the condition of trust", separation: true, source: tookan, stopped: "CKR_TEMPLATE_INCONSISTENT",
		lines: []string{aesVictim, aesWrapper, "C_WrapKey s CKM_AES_KEY_WRAP w victim wrapped=out:24", "C_SetAttributeValue s victim {CKA_WRAP_WITH_TRUSTED=true}",
			"! C_UnwrapKey s CKM_AES_KEY_WRAP w wrapped {CKA_CLASS=CKO_SECRET_KEY,CKA_KEY_TYPE=CKK_AES,CKA_SENSITIVE=true,CKA_WRAP_WITH_TRUSTED=false} &copy"},
		immune: "it lets CKA_WRAP_WITH_TRUSTED be set when a key is made alone"},
	{name: "join with nothing", source: clulow, stopped: "CKR_TEMPLATE_INCONSISTENT",
		lines: []string{aesVictim, "! C_DeriveKey s CKM_CONCATENATE_BASE_AND_DATA:CK_KEY_DERIVATION_STRING_DATA{pData=hex:00,ulLen=1} victim " +
			"{CKA_CLASS=CKO_SECRET_KEY,CKA_KEY_TYPE=CKK_GENERIC_SECRET,CKA_SENSITIVE=false,CKA_EXTRACTABLE=true} &copy", "get s copy CKA_VALUE"},
		immune: "it has no derivation by joining data"},
	{name: "exclusive or with zeros", source: clulow, stopped: "CKR_TEMPLATE_INCONSISTENT",
		lines: []string{aesVictim, "! C_DeriveKey s CKM_XOR_BASE_AND_DATA:CK_KEY_DERIVATION_STRING_DATA{pData=rep:16:00,ulLen=16} victim " +
			"{CKA_CLASS=CKO_SECRET_KEY,CKA_KEY_TYPE=CKK_GENERIC_SECRET,CKA_SENSITIVE=false,CKA_EXTRACTABLE=true} &copy", "get s copy CKA_VALUE"},
		immune: "it has no derivation by exclusive or"},
	{name: "join with a key that is open", source: clulow, stopped: "CKR_TEMPLATE_INCONSISTENT",
		lines: []string{aesVictim, "C_CreateObject s {CKA_CLASS=CKO_SECRET_KEY,CKA_KEY_TYPE=CKK_GENERIC_SECRET,CKA_VALUE=hex:00,CKA_DERIVE=true,CKA_SENSITIVE=false,CKA_EXTRACTABLE=true} &open",
			"! C_DeriveKey s CKM_CONCATENATE_BASE_AND_KEY:ulong:victim open {CKA_CLASS=CKO_SECRET_KEY,CKA_KEY_TYPE=CKK_GENERIC_SECRET,CKA_SENSITIVE=false,CKA_EXTRACTABLE=true} &copy",
			"get s copy CKA_VALUE"}, immune: "it has no CKM_CONCATENATE_BASE_AND_KEY"},
	{name: "take out a byte", separation: true, source: clulow, stopped: "CKR_KEY_SIZE_RANGE",
		lines: []string{aesVictim, "! C_DeriveKey s CKM_EXTRACT_KEY_FROM_KEY:ulong:0 victim {CKA_CLASS=CKO_SECRET_KEY,CKA_KEY_TYPE=CKK_GENERIC_SECRET,CKA_VALUE_LEN=1,CKA_SIGN=true} &byte",
			"C_SignInit s CKM_SHA256_HMAC byte", "C_Sign s str:guess out:32"}, immune: "it has no CKM_EXTRACT_KEY_FROM_KEY"},
	{name: "cut down by exclusive or", separation: true, source: clulow, stopped: "CKR_KEY_SIZE_RANGE",
		lines: []string{aesVictim, "! C_DeriveKey s CKM_XOR_BASE_AND_DATA:CK_KEY_DERIVATION_STRING_DATA{pData=hex:00,ulLen=1} victim " +
			"{CKA_CLASS=CKO_SECRET_KEY,CKA_KEY_TYPE=CKK_GENERIC_SECRET,CKA_SIGN=true} &byte", "C_SignInit s CKM_SHA256_HMAC byte", "C_Sign s str:guess out:32"},
		immune: "it has no derivation by exclusive or"},
	{name: "all but a byte known", separation: true, source: clulow, stopped: "CKR_KEY_SIZE_RANGE",
		lines: []string{aesVictim, "! C_DeriveKey s CKM_CONCATENATE_DATA_AND_BASE:CK_KEY_DERIVATION_STRING_DATA{pData=rep:15:00,ulLen=15} victim " +
			"{CKA_CLASS=CKO_SECRET_KEY,CKA_KEY_TYPE=CKK_AES,CKA_VALUE_LEN=16,CKA_ENCRYPT=true} &weak", "C_EncryptInit s CKM_AES_ECB weak", "C_Encrypt s rep:16:00 out:16"},
		immune: "it has no derivation by joining data"},
	{name: "all but a byte known, of a key", separation: true, source: clulow, stopped: "CKR_KEY_SIZE_RANGE",
		lines: []string{aesVictim, "C_CreateObject s {CKA_CLASS=CKO_SECRET_KEY,CKA_KEY_TYPE=CKK_GENERIC_SECRET,CKA_VALUE=rep:15:00,CKA_DERIVE=true} &known",
			"! C_DeriveKey s CKM_CONCATENATE_BASE_AND_KEY:ulong:victim known {CKA_CLASS=CKO_SECRET_KEY,CKA_KEY_TYPE=CKK_AES,CKA_VALUE_LEN=16,CKA_ENCRYPT=true} &weak",
			"C_EncryptInit s CKM_AES_ECB weak", "C_Encrypt s rep:16:00 out:16"}, immune: "it has no CKM_CONCATENATE_BASE_AND_KEY"},
	{name: "a key stream taken before", separation: true, source: delaune, stopped: "CKR_KEY_NOT_WRAPPABLE", immune: "it does not wrap with CTR",
		lines: []string{aesVictim, aesWrapper, "C_EncryptInit s CKM_AES_CTR:CK_AES_CTR_PARAMS{ulCounterBits=128,cb=rep:16:00} w", "C_Encrypt s rep:16:00 stream=out:16",
			"! C_WrapKey s CKM_AES_CTR:CK_AES_CTR_PARAMS{ulCounterBits=128,cb=rep:16:00} w victim wrapped=out:16"}},
	{name: "unwrap a byte of a key stream", separation: true, source: clulow, stopped: "CKR_KEY_NOT_WRAPPABLE", immune: "it does not wrap with CTR",
		lines: []string{aesVictim, aesWrapper, "! C_WrapKey s CKM_AES_CTR:CK_AES_CTR_PARAMS{ulCounterBits=128,cb=rep:16:00} w victim wrapped=out:16",
			"C_UnwrapKey s CKM_AES_CTR:CK_AES_CTR_PARAMS{ulCounterBits=128,cb=rep:16:00} w wrapped[0:1] {CKA_CLASS=CKO_SECRET_KEY,CKA_KEY_TYPE=CKK_GENERIC_SECRET,CKA_SENSITIVE=true,CKA_SIGN=true} &byte",
			"C_SignInit s CKM_SHA256_HMAC byte", "C_Sign s str:guess out:32"}},
	{name: "cut triple DES into DES", separation: true, source: bond, stopped: "CKR_KEY_NOT_WRAPPABLE", immune: "it does not unwrap with ECB",
		lines: []string{"C_GenerateKey s CKM_DES3_KEY_GEN {CKA_SENSITIVE=true,CKA_EXTRACTABLE=true} &victim", "C_GenerateKey s CKM_DES3_KEY_GEN {CKA_SENSITIVE=true,CKA_WRAP=true,CKA_UNWRAP=true} &w",
			"! C_WrapKey s CKM_DES3_ECB w victim wrapped=out:24",
			"C_UnwrapKey s CKM_DES3_ECB w wrapped[0:8] {CKA_CLASS=CKO_SECRET_KEY,CKA_KEY_TYPE=CKK_DES,CKA_SENSITIVE=true,CKA_ENCRYPT=true} &part", "C_EncryptInit s CKM_DES_ECB part", "C_Encrypt s rep:8:00 out:8"}},
	{name: "wrap, and decapsulate with the other half", separation: true, source: delaune, stopped: "CKR_KEY_FUNCTION_NOT_PERMITTED", immune: "it has no C_DecapsulateKey",
		lines: []string{aesVictim, "C_GenerateKeyPair s CKM_RSA_PKCS_KEY_PAIR_GEN {CKA_MODULUS_BITS=1024,CKA_WRAP=true} {CKA_UNWRAP=true} &pub &priv", "C_WrapKey s CKM_RSA_PKCS pub victim wrapped=out:128",
			"! C_DecapsulateKey s CKM_RSA_X_509 priv {CKA_KEY_TYPE=CKK_GENERIC_SECRET,CKA_SENSITIVE=false,CKA_EXTRACTABLE=true} wrapped &padded", "get s padded CKA_VALUE"}},
	{name: "wrap, and decrypt with the other half", separation: true, source: clulow, stopped: "CKR_KEY_FUNCTION_NOT_PERMITTED",
		lines: []string{aesVictim, "C_GenerateKeyPair s CKM_RSA_PKCS_KEY_PAIR_GEN {CKA_MODULUS_BITS=1024,CKA_WRAP=true} {CKA_UNWRAP=true} &pub &priv", "C_WrapKey s CKM_RSA_PKCS pub victim wrapped=out:128",
			"! C_DecryptInit s CKM_RSA_PKCS priv", "C_Decrypt s wrapped out:128"}},
	{name: "wrap, and agree with the other half", separation: true, source: delaune, stopped: "CKR_KEY_FUNCTION_NOT_PERMITTED", immune: "it does not wrap with elliptic curves",
		lines: []string{aesVictim, "C_GenerateKeyPair s CKM_EC_KEY_PAIR_GEN {CKA_EC_PARAMS=hex:06082a8648ce3d030107,CKA_WRAP=true} {CKA_UNWRAP=true,CKA_DERIVE=true} &pub &priv",
			"C_WrapKey s CKM_ECDH_AES_KEY_WRAP:CK_ECDH_AES_KEY_WRAP_PARAMS{ulAESKeyBits=256,kdf=CKD_SHA256_KDF,ulSharedDataLen=0,pSharedData=NULL} pub victim wrapped=out:89",
			"! C_DeriveKey s CKM_ECDH1_DERIVE:CK_ECDH1_DERIVE_PARAMS{kdf=CKD_SHA256_KDF,ulSharedDataLen=0,pSharedData=NULL,ulPublicDataLen=65,pPublicData=wrapped[0:65]} priv " +
				"{CKA_CLASS=CKO_SECRET_KEY,CKA_KEY_TYPE=CKK_AES,CKA_VALUE_LEN=32,CKA_SENSITIVE=false,CKA_EXTRACTABLE=true} &kek", "get s kek CKA_VALUE"}},
	{name: "bring the wrapping key in once more", separation: true, source: delaune, stopped: "CKR_KEY_FUNCTION_NOT_PERMITTED",
		lines: []string{aesVictim, strings.Replace(aesWrapper, "{", "{CKA_EXTRACTABLE=true,", 1), strings.Replace(aesWrapper, "&w", "&outer", 1), "C_WrapKey s CKM_AES_KEY_WRAP outer w outside=out:24",
			"! C_WrapKey s CKM_AES_KEY_WRAP w victim wrapped=out:24", "C_DestroyObject s w",
			"C_UnwrapKey s CKM_AES_KEY_WRAP outer outside {CKA_CLASS=CKO_SECRET_KEY,CKA_KEY_TYPE=CKK_AES,CKA_SENSITIVE=true,CKA_DECRYPT=true} &again",
			"C_DecryptInit s CKM_AES_ECB again", "C_Decrypt s wrapped[8:24] out:16"}},
	{name: "derive later", separation: true, source: clulow, stopped: "CKR_ATTRIBUTE_READ_ONLY", immune: "it has no CKM_EXTRACT_KEY_FROM_KEY",
		lines: []string{strings.Replace(aesVictim, "CKA_DERIVE=true", "CKA_DERIVE=false", 1), "! C_SetAttributeValue s victim {CKA_DERIVE=true}",
			"C_DeriveKey s CKM_EXTRACT_KEY_FROM_KEY:ulong:0 victim {CKA_CLASS=CKO_SECRET_KEY,CKA_KEY_TYPE=CKK_GENERIC_SECRET,CKA_VALUE_LEN=1,CKA_SIGN=true} &byte"}},
	{name: "join, and cut a byte off", source: clulow, stopped: "CKR_KEY_SIZE_RANGE", immune: "it has no derivation by joining data",
		lines: []string{neverVictim, "C_SetAttributeValue s victim {CKA_DERIVE=true}", "C_DeriveKey s CKM_CONCATENATE_BASE_AND_DATA:CK_KEY_DERIVATION_STRING_DATA{pData=rep:13:00,ulLen=13} victim " + part + " &joined",
			"! C_DeriveKey s CKM_EXTRACT_KEY_FROM_KEY:ulong:248 joined {CKA_CLASS=CKO_SECRET_KEY,CKA_KEY_TYPE=CKK_GENERIC_SECRET,CKA_VALUE_LEN=14,CKA_SIGN=true} &window"}},
	{name: "join parts of a part, and cut a byte off", source: clulow, stopped: "CKR_KEY_SIZE_RANGE", immune: "it has no CKM_CONCATENATE_BASE_AND_KEY",
		lines: []string{neverVictim, "C_SetAttributeValue s victim {CKA_DERIVE=true}",
			"C_DeriveKey s CKM_EXTRACT_KEY_FROM_KEY:ulong:0 victim {CKA_CLASS=CKO_SECRET_KEY,CKA_KEY_TYPE=CKK_GENERIC_SECRET,CKA_VALUE_LEN=14,CKA_DERIVE=true} &a",
			"C_DeriveKey s CKM_EXTRACT_KEY_FROM_KEY:ulong:8 victim {CKA_CLASS=CKO_SECRET_KEY,CKA_KEY_TYPE=CKK_GENERIC_SECRET,CKA_VALUE_LEN=14,CKA_DERIVE=true} &b",
			"C_DeriveKey s CKM_CONCATENATE_BASE_AND_KEY:ulong:b a " + part + " &joined",
			"! C_DeriveKey s CKM_EXTRACT_KEY_FROM_KEY:ulong:104 joined {CKA_CLASS=CKO_SECRET_KEY,CKA_KEY_TYPE=CKK_GENERIC_SECRET,CKA_VALUE_LEN=15,CKA_SIGN=true} &window"}},
	{name: "a short effective key", source: clulow, stopped: "CKR_KEY_FUNCTION_NOT_PERMITTED", immune: "it has no RC2",
		lines: []string{"C_GenerateKey s CKM_RC2_KEY_GEN {CKA_VALUE_LEN=16,CKA_EXTRACTABLE=false,CKA_ENCRYPT=true} &victim", "! C_EncryptInit s CKM_RC2_ECB:ulong:8 victim", "C_Encrypt s rep:8:00 out:8"}},
	{name: "no rounds", source: clulow, stopped: "CKR_KEY_FUNCTION_NOT_PERMITTED", immune: "it has no RC5",
		lines: []string{"C_GenerateKey s CKM_RC5_KEY_GEN {CKA_VALUE_LEN=16,CKA_EXTRACTABLE=false,CKA_ENCRYPT=true} &victim", "! C_EncryptInit s CKM_RC5_ECB:CK_RC5_PARAMS{ulWordsize=4,ulRounds=0} victim", "C_Encrypt s rep:8:00 out:8"}},
	{name: "two tags of one key", source: standard, stopped: "CKR_KEY_FUNCTION_NOT_PERMITTED", immune: "it has no Poly1305",
		lines: []string{"C_GenerateKey s CKM_POLY1305_KEY_GEN {CKA_EXTRACTABLE=false,CKA_SIGN=true} &victim", "! C_SignInit s CKM_POLY1305 victim", "C_Sign s str:one out:16"}},
	{name: "a beginning of one's own", source: clulow, stopped: "CKR_TEMPLATE_INCONSISTENT", immune: "it has no derivation by joining data",
		lines: []string{neverVictim, "C_SetAttributeValue s victim {CKA_DERIVE=true}",
			"! C_DeriveKey s CKM_CONCATENATE_DATA_AND_BASE:CK_KEY_DERIVATION_STRING_DATA{pData=hex:03ff07,ulLen=3} victim {CKA_CLASS=CKO_SECRET_KEY,CKA_KEY_TYPE=CKK_RC4,CKA_VALUE_LEN=35,CKA_ENCRYPT=true} &weak"}},
	{name: "have the key be the hash value", source: standard, stopped: "CKR_TEMPLATE_INCONSISTENT", immune: "it has no CryptDeriveKey",
		lines: []string{neverVictim, "C_SetAttributeValue s victim {CKA_DERIVE=true}", "! C_DeriveKey s " + fromHash("CALG_AES_256", "CRYPT_EXPORTABLE") + " victim {} &copy", "get s copy CKA_VALUE"}},
	{name: "have an imported key be the hash value", source: standard, stopped: "CKR_TEMPLATE_INCONSISTENT", immune: "it has no CryptDeriveKey",
		lines: []string{strings.Replace(openHash, "{", "{CKA_EXTRACTABLE=false,", 1), "! C_DeriveKey s " + fromHash("CALG_AES_256", "CRYPT_EXPORTABLE") + " h {} &copy", "get s copy CKA_VALUE"}},
	{name: "have what was made sensitive be the hash value", source: standard, stopped: "CKR_TEMPLATE_INCONSISTENT", immune: "it has no CryptDeriveKey",
		lines: []string{openHash, "C_SetAttributeValue s h {CKA_SENSITIVE=true}", "! C_DeriveKey s " + fromHash("CALG_AES_256", "CRYPT_EXPORTABLE") + " h {} &copy", "get s copy CKA_VALUE"}},
	{name: "have a copy that was made sensitive be the hash value", source: standard, stopped: "CKR_TEMPLATE_INCONSISTENT", immune: "it has no CryptDeriveKey",
		lines: []string{openHash, "C_CopyObject s h {CKA_SENSITIVE=true} &g", "! C_DeriveKey s " + fromHash("CALG_AES_256", "CRYPT_EXPORTABLE") + " g {} &copy", "get s copy CKA_VALUE"}},
	{name: "have a part of the key be a key", source: clulow, stopped: "CKR_TEMPLATE_INCONSISTENT", immune: "it has no CryptDeriveKey",
		lines: []string{neverVictim, "C_SetAttributeValue s victim {CKA_DERIVE=true}", "! C_DeriveKey s " + fromHash("CALG_RC2", "0x00080000") + " victim {} &byte",
			"C_EncryptInit s CKM_RC2_ECB:ulong:0 byte", "C_Encrypt s rep:8:00 out:8"}},
	{name: "have a part of the key be the salt", source: standard, stopped: "CKR_KEY_FUNCTION_NOT_PERMITTED", immune: "it has no CryptDeriveKey",
		lines: []string{neverVictim, "C_SetAttributeValue s victim {CKA_DERIVE=true}", "! C_DeriveKey s " + fromHash("CALG_RC2", "0x00080000|CRYPT_CREATE_SALT") + " victim {} &salted", "get s salted CKA_SOFTCSP_SALT"}},
	{name: "unwrap, and allow other mechanisms by a template", separation: true, source: tookan, stopped: "CKR_TEMPLATE_INCONSISTENT", immune: "it does not take CKA_ALLOWED_MECHANISMS in CKA_UNWRAP_TEMPLATE",
		lines: []string{strings.Replace(aesVictim, "{", "{CKA_ALLOWED_MECHANISMS=ulong:CKM_AES_GCM,", 1), strings.Replace(aesWrapper, "{", "{CKA_UNWRAP_TEMPLATE={CKA_ALLOWED_MECHANISMS=ulong:CKM_AES_ECB},", 1),
			"C_WrapKey s CKM_AES_KEY_WRAP w victim wrapped=out:24", "! C_UnwrapKey s CKM_AES_KEY_WRAP w wrapped {CKA_CLASS=CKO_SECRET_KEY,CKA_KEY_TYPE=CKK_AES,CKA_SENSITIVE=true} &copy",
			"C_EncryptInit s CKM_AES_ECB copy", "C_Encrypt s rep:16:00 out:16"}},
	{name: "unwrap to derive", separation: true, source: tookan, stopped: "CKR_TEMPLATE_INCONSISTENT",
		lines: []string{strings.Replace(aesVictim, "CKA_DERIVE=true", "CKA_DERIVE=false", 1), aesWrapper, "C_WrapKey s CKM_AES_KEY_WRAP w victim wrapped=out:24",
			"! C_UnwrapKey s CKM_AES_KEY_WRAP w wrapped {CKA_CLASS=CKO_SECRET_KEY,CKA_KEY_TYPE=CKK_AES,CKA_SENSITIVE=true,CKA_DERIVE=true} &copy",
			"C_DeriveKey s CKM_AES_ECB_ENCRYPT_DATA:CK_KEY_DERIVATION_STRING_DATA{pData=rep:16:00,ulLen=16} copy {CKA_CLASS=CKO_SECRET_KEY,CKA_KEY_TYPE=CKK_GENERIC_SECRET,CKA_VALUE_LEN=16,CKA_SENSITIVE=false,CKA_EXTRACTABLE=true} &made"}},
	{name: "have the length of what is unwrapped tell a byte", separation: true, source: clulow, stopped: "CKR_KEY_NOT_WRAPPABLE", immune: "it has no derivation by exclusive or",
		lines: []string{aesVictim, aesWrapper, "C_DeriveKey s CKM_XOR_BASE_AND_DATA:CK_KEY_DERIVATION_STRING_DATA{pData=rep:16:55,ulLen=16} victim " +
			"{CKA_CLASS=CKO_SECRET_KEY,CKA_KEY_TYPE=CKK_GENERIC_SECRET,CKA_SENSITIVE=true,CKA_EXTRACTABLE=true} &other", "! C_WrapKey s CKM_AES_KEY_WRAP w other wrapped=out:24",
			"C_UnwrapKey s CKM_AES_KEY_WRAP w wrapped {CKA_CLASS=CKO_SECRET_KEY,CKA_KEY_TYPE=CKK_GENERIC_SECRET,CKA_VALUE_LEN=15} &cut"}},
	{name: "meet in the middle of a part", source: clulow, stopped: "CKR_KEY_SIZE_RANGE", immune: "it has no derivation by joining data",
		lines: []string{neverVictim, "C_SetAttributeValue s victim {CKA_DERIVE=true}",
			"C_DeriveKey s CKM_EXTRACT_KEY_FROM_KEY:ulong:0 victim {CKA_CLASS=CKO_SECRET_KEY,CKA_KEY_TYPE=CKK_GENERIC_SECRET,CKA_VALUE_LEN=14,CKA_SIGN=true} &part",
			"! C_SignInit s CKM_TLS_MAC:CK_TLS_MAC_PARAMS{prfHashMechanism=CKM_TLS_PRF,ulMacLength=12,ulServerOrClient=1} part", "C_Sign s rep:36:00 out:12"}},
	{name: "guess by searching", source: standard, stopped: "none found",
		lines: []string{"C_CreateObject s {CKA_CLASS=CKO_SECRET_KEY,CKA_KEY_TYPE=CKK_GENERIC_SECRET,CKA_VALUE=str:guess,CKA_SENSITIVE=true} &victim", "! found s {CKA_VALUE=str:guess}"}},
}

// attempt tries an attack, and returns the line that failed and why, "" where it succeeded.
func (a attack) attempt(t *testing.T, s *Script) (line, why string) {
	t.Helper()
	for _, l := range a.lines {
		l = strings.TrimPrefix(l, "! ")
		words := strings.Fields(l)
		if words[0] == "found" {
			do(t, s, "find "+strings.Join(words[1:], " "))
			if s.Vars.Number("found.n") == 0 {
				return l, "none found"
			}
			continue
		}
		if err := s.Line(l); err != nil {
			return l, err.Error()
		}
	}
	return "", ""
}

// TestAttacks tries each attack on softcsp, which has to stop it in the line that is marked and go on working, and on SoftHSM2,
// where it has to succeed unless there is a reason: an attack that never succeeds anywhere tells nothing.
func TestAttacks(t *testing.T) {
	t.Parallel()
	bite := 0
	for _, m := range targets(t) {
		t.Run(m.name, func(t *testing.T) {
			for _, a := range attacks {
				t.Run(strings.ReplaceAll(a.name, " ", "_"), func(t *testing.T) {
					s := m.script(t)
					do(t, s, "login")
					line, why := a.attempt(t, s)
					switch {
					case m.name == "softhsm" && a.immune == "":
						if line != "" {
							t.Errorf("%s (%s) does not bite: %s: %s", a.name, a.source, line, why)
						}
						bite++
					case m.name == "softhsm":
						if line == "" {
							t.Errorf("%s (%s) bites, though it is said that %s", a.name, a.source, a.immune)
						}
					case line == "":
						t.Errorf("%s (%s) succeeds", a.name, a.source)
					default:
						if marked := a.marked(); line != marked || !strings.Contains(why, a.stopped) {
							t.Errorf("%s (%s) is stopped by %s: %s; want %s: %s", a.name, a.source, line, why, marked, a.stopped)
						}
						do(t, s, "C_GenerateRandom s out:8")
					}
				})
			}
		})
	}
	if module.name == "softcsp" && emulator() == "" && bite < 8 {
		t.Errorf("only %d attacks bite anywhere", bite)
	}
}

// marked is the line that softcsp does not let through.
func (a attack) marked() string {
	for _, l := range a.lines {
		if m, ok := strings.CutPrefix(l, "! "); ok {
			return m
		}
	}
	return ""
}

// oracles are what unwraps or decrypts under a padding that is not authenticated. Whoever learns from the answers which of the
// wrong inputs had good padding can decrypt without the key: S. Vaudenay, Security Flaws Induced by CBC Padding, Eurocrypt 2002;
// D. Bleichenbacher, Chosen Ciphertext Attacks against Protocols Based on the RSA Encryption Standard PKCS #1, Crypto 1998;
// R. Bardou and others, Efficient Padding Oracle Attacks on Cryptographic Hardware, Crypto 2012.
var oracles = []struct {
	name   string
	setup  []string
	good   string   // an input whose padding is right, and what is in it of no use; "" where that cannot be kept secret
	bad    []string // inputs whose padding is wrong
	before []string // what comes before each call
	call   string   // what is asked, of %s
	code   string   // the one answer
}{
	{name: "CBC padding of a wrapped key",
		setup: []string{aesWrapper, "C_EncryptInit s CKM_AES_CBC_PAD:rep:16:00 w", "C_Encrypt s rep:20:41 good=out:32",
			"C_EncryptInit s CKM_AES_CBC:rep:16:00 w", "C_Encrypt s rep:32:41 bad1=out:32", "C_EncryptInit s CKM_AES_CBC:rep:16:00 w", "C_Encrypt s rep:32:00 bad2=out:32"},
		good: "good", bad: []string{"bad1", "bad2"}, call: "C_UnwrapKey s CKM_AES_CBC_PAD:rep:16:00 w %s {CKA_CLASS=CKO_SECRET_KEY,CKA_KEY_TYPE=CKK_AES} &x", code: "CKR_WRAPPED_KEY_INVALID"},
	{name: "CBC padding of a wrapped private key",
		setup: []string{aesWrapper, "C_EncryptInit s CKM_AES_CBC_PAD:rep:16:00 w", "C_Encrypt s rep:20:41 good=out:32", "C_EncryptInit s CKM_AES_CBC:rep:16:00 w", "C_Encrypt s rep:32:41 bad1=out:32"},
		good:  "good", bad: []string{"bad1"}, call: "C_UnwrapKey s CKM_AES_CBC_PAD:rep:16:00 w %s {CKA_CLASS=CKO_PRIVATE_KEY,CKA_KEY_TYPE=CKK_EC} &x", code: "CKR_WRAPPED_KEY_INVALID"},
	{name: "CBC padding and a length that is not met",
		setup: []string{aesWrapper, "C_EncryptInit s CKM_AES_CBC_PAD:rep:16:00 w", "C_Encrypt s rep:16:41 good=out:32", "C_EncryptInit s CKM_AES_CBC:rep:16:00 w", "C_Encrypt s rep:32:41 bad1=out:32"},
		good:  "good", bad: []string{"bad1"}, call: "C_UnwrapKey s CKM_AES_CBC_PAD:rep:16:00 w %s {CKA_CLASS=CKO_SECRET_KEY,CKA_KEY_TYPE=CKK_AES,CKA_VALUE_LEN=32} &x", code: "CKR_WRAPPED_KEY_INVALID"},
	{name: "PKCS #1 padding of a wrapped key",
		setup: []string{"C_GenerateKeyPair s CKM_RSA_PKCS_KEY_PAIR_GEN {CKA_MODULUS_BITS=1024,CKA_ENCRYPT=true} {CKA_UNWRAP=true,CKA_DECRYPT=true} &pub &priv",
			"C_EncryptInit s CKM_RSA_PKCS pub", "C_Encrypt s rep:20:41 good=out:128", "C_EncryptInit s CKM_RSA_X_509 pub", "C_Encrypt s rep:127:41 bad1=out:128",
			"C_EncryptInit s CKM_RSA_X_509 pub", "C_Encrypt s hex:02" + strings.Repeat("41", 126) + " bad2=out:128",
			"C_EncryptInit s CKM_RSA_X_509 pub", "C_Encrypt s hex:024100" + strings.Repeat("41", 124) + " bad3=out:128"},
		good: "good", bad: []string{"bad1", "bad2", "bad3"}, call: "C_UnwrapKey s CKM_RSA_PKCS priv %s {CKA_CLASS=CKO_SECRET_KEY,CKA_KEY_TYPE=CKK_AES} &x", code: "CKR_WRAPPED_KEY_INVALID"},
	{name: "CBC padding of a message",
		setup: []string{aesWrapper, "C_EncryptInit s CKM_AES_CBC:rep:16:00 w", "C_Encrypt s rep:32:41 bad1=out:32", "C_EncryptInit s CKM_AES_CBC:rep:16:00 w", "C_Encrypt s rep:32:00 bad2=out:32",
			"C_EncryptInit s CKM_AES_CBC:rep:16:00 w", "C_Encrypt s rep:30:00++hex:0102 bad3=out:32"},
		bad: []string{"bad1", "bad2", "bad3"}, before: []string{"C_DecryptInit s CKM_AES_CBC_PAD:rep:16:00 w"}, call: "C_Decrypt s %s out:32", code: "CKR_ENCRYPTED_DATA_INVALID"},
	{name: "CBC padding of a message in parts",
		setup: []string{aesWrapper, "C_EncryptInit s CKM_AES_CBC:rep:16:00 w", "C_Encrypt s rep:32:41 bad1=out:32"},
		bad:   []string{"bad1"}, before: []string{"C_DecryptInit s CKM_AES_CBC_PAD:rep:16:00 w", "C_DecryptUpdate s bad1 out:32"}, call: "C_DecryptFinal s out:16", code: "CKR_ENCRYPTED_DATA_INVALID"},
	{name: "PKCS #1 padding of a message",
		setup: []string{"C_GenerateKeyPair s CKM_RSA_PKCS_KEY_PAIR_GEN {CKA_MODULUS_BITS=1024,CKA_ENCRYPT=true} {CKA_DECRYPT=true} &pub &priv",
			"C_EncryptInit s CKM_RSA_X_509 pub", "C_Encrypt s rep:127:41 bad1=out:128", "C_EncryptInit s CKM_RSA_X_509 pub", "C_Encrypt s hex:02" + strings.Repeat("41", 126) + " bad2=out:128",
			"C_EncryptInit s CKM_RSA_X_509 pub", "C_Encrypt s hex:024100" + strings.Repeat("41", 124) + " bad3=out:128"},
		bad: []string{"bad1", "bad2", "bad3"}, before: []string{"C_DecryptInit s CKM_RSA_PKCS priv"}, call: "C_Decrypt s %s out:128", code: "CKR_ENCRYPTED_DATA_INVALID"},
}

// TestPaddingOracles wants one answer to everything that is wrong, whether the padding was good or not.
func TestPaddingOracles(t *testing.T) {
	t.Parallel()
	only(t)
	for _, o := range oracles {
		s := module.script(t)
		do(t, s, append([]string{"login"}, o.setup...)...)
		for _, in := range append(o.bad, o.good) {
			if in == "" {
				continue
			}
			for _, l := range o.before {
				do(t, s, l)
			}
			if err := s.Line(strings.Replace(o.call, "%s", in, 1) + " -> " + o.code); err != nil {
				t.Errorf("%s, %s: %v", o.name, in, err)
			}
		}
	}
}

// TestAttacksWithoutSeparation has key_separation turned off: what it keeps off succeeds, so that it is known that it does, and what
// the standard keeps off is kept off all the same.
func TestAttacksWithoutSeparation(t *testing.T) {
	t.Parallel()
	only(t)
	for _, a := range attacks {
		s := module.script(t, "key_separation = 'standard'")
		do(t, s, "login")
		line, why := a.attempt(t, s)
		if a.separation && line != "" {
			t.Errorf("%s (%s) is stopped by something else: %s: %s", a.name, a.source, line, why)
		}
		if !a.separation && line != a.marked() {
			t.Errorf("%s (%s) depends on key_separation: %q", a.name, a.source, line)
		}
	}
}

// TestPaddingOracle asks a pair whether ciphertexts are padded rightly (R. Bardou and others, Efficient Padding Oracle Attacks on
// Cryptographic Hardware, CRYPTO 2012). Once the pair has wrapped a sensitive key it does not tell.
func TestPaddingOracle(t *testing.T) {
	t.Parallel()
	only(t)
	s := module.script(t)
	do(t, s, "login", aesVictim, "C_GenerateKeyPair s CKM_RSA_PKCS_KEY_PAIR_GEN {CKA_MODULUS_BITS=1024,CKA_WRAP=true} {CKA_UNWRAP=true} &pub &priv")
	told := func() (keys int) {
		for i := range 40 {
			line := fmt.Sprintf("C_UnwrapKey s CKM_RSA_PKCS priv rep:128:%02x {CKA_CLASS=CKO_SECRET_KEY,CKA_KEY_TYPE=CKK_GENERIC_SECRET,CKA_SENSITIVE=true} &x", i+1)
			if err := s.Line(line); err == nil {
				keys++
			} else if !strings.Contains(err.Error(), "CKR_WRAPPED_KEY_INVALID") {
				t.Error(err)
			}
		}
		return keys
	}
	if n := told(); n != 0 {
		t.Errorf("%d of 40 ciphertexts are padded rightly", n)
	}
	do(t, s, "C_WrapKey s CKM_RSA_PKCS pub victim w=out:128")
	if n := told(); n < 32 { // one of 118 lengths is none
		t.Errorf("%d of 40 ciphertexts are unwrapped, so that the others are told apart", n)
	}
	do(t, s, "C_UnwrapKey s CKM_RSA_PKCS priv w {CKA_CLASS=CKO_SECRET_KEY,CKA_KEY_TYPE=CKK_AES,CKA_SENSITIVE=true,CKA_ENCRYPT=true} &same",
		"C_EncryptInit s CKM_AES_ECB victim", "C_Encrypt s rep:16:00 a=out:16", "C_EncryptInit s CKM_AES_ECB same", "C_Encrypt s rep:16:00 b=out:16", "expect a = b")
}
