package conformance

import "testing"

// narrowHSM is a policy for the token of the scripts, which stands in for a device that signs with RSA and little else.
const narrowHSM = `
[policy]
deny = ["CKM_*MD5*"]

[policy.token.conformance]
allow = ["CKM_RSA_PKCS_KEY_PAIR_GEN", "CKM_RSA_PKCS", "CKM_SHA256_RSA_PKCS", "CKM_SHA256", "CKM_AES_*", "CKM_MD5", "CKM_GENERIC_SECRET_KEY_GEN"]

[policy.token.conformance.mechanism."CKM_*RSA_PKCS*"]
min_bits = 2048
max_bits = 3072

[policy.token.conformance.mechanism.CKM_RSA_PKCS]
operations = ["sign", "verify", "unwrap", "wrap"]

[policy.token.conformance.mechanism."CKM_AES_*"]
min_bits = 192

[policy.token.conformance.mechanism.CKM_GENERIC_SECRET_KEY_GEN]
max_bits = 512

[policy.token.conformance.mechanism.CKM_AES_CBC]
operations = ["decrypt"]
`

// TestNarrowHSM has the library obey a policy in every use.
func TestNarrowHSM(t *testing.T) {
	t.Parallel()
	only(t)
	s := module.script(t, narrowHSM)
	do(t, s, "login",
		// What there is, and what is left of it.
		"C_GetMechanismInfo slot CKM_RSA_PKCS &i", "expect i.ulMinKeySize = 2048", "expect i.ulMaxKeySize = 3072",
		"expect i.flags = CKF_SIGN|CKF_VERIFY|CKF_WRAP|CKF_UNWRAP|CKF_MESSAGE_SIGN|CKF_MESSAGE_VERIFY|CKF_MULTI_MESSAGE",
		"C_GetMechanismInfo slot CKM_AES_ECB &i", "expect i.ulMinKeySize = 24", "expect i.ulMaxKeySize = 32",
		"C_GetMechanismInfo slot CKM_AES_CBC &i", "expect i.flags = CKF_DECRYPT",
		"C_GetMechanismInfo slot CKM_GENERIC_SECRET_KEY_GEN &i", "expect i.ulMinKeySize = 8", "expect i.ulMaxKeySize = 512",
		"C_GetMechanismInfo slot CKM_DES3_ECB &i -> CKR_MECHANISM_INVALID", "C_GetMechanismInfo slot CKM_MD5 &i -> CKR_MECHANISM_INVALID",
		"find s {CKA_CLASS=CKO_MECHANISM,CKA_MECHANISM_TYPE=CKM_SHA256}", "expect found.n = 1", "find s {CKA_CLASS=CKO_MECHANISM,CKA_MECHANISM_TYPE=CKM_MD5} =",
		// Mechanisms that are not there.
		"C_DigestInit s CKM_SHA256", "C_Digest s str:abc out:32", "C_DigestInit s CKM_MD5 -> CKR_MECHANISM_INVALID", "C_DigestInit s CKM_SHA_1 -> CKR_MECHANISM_INVALID",
		"C_GenerateKey s CKM_DES3_KEY_GEN {} &x -> CKR_MECHANISM_INVALID",
		"C_GenerateKeyPair s CKM_EC_KEY_PAIR_GEN {CKA_EC_PARAMS=hex:06082a8648ce3d030107} {} &p &q -> CKR_MECHANISM_INVALID",
		// Sizes.
		"C_GenerateKey s CKM_AES_KEY_GEN {CKA_VALUE_LEN=16} &x -> CKR_KEY_SIZE_RANGE", "C_GenerateKey s CKM_AES_KEY_GEN {CKA_VALUE_LEN=24,CKA_EXTRACTABLE=true} &k",
		"C_GenerateKey s CKM_GENERIC_SECRET_KEY_GEN {CKA_VALUE_LEN=65} &x -> CKR_KEY_SIZE_RANGE",
		"C_CreateObject s {CKA_CLASS=CKO_SECRET_KEY,CKA_KEY_TYPE=CKK_AES,CKA_VALUE=rep:16:11,CKA_DERIVE=true} &small",
		"C_EncryptInit s CKM_AES_ECB small -> CKR_KEY_SIZE_RANGE", "C_EncryptInit s CKM_AES_ECB k", "C_Encrypt s rep:16:00 c=out:16",
		"C_WrapKey s CKM_AES_KEY_WRAP small k out:64 -> CKR_WRAPPING_KEY_SIZE_RANGE",
		"C_UnwrapKey s CKM_AES_KEY_WRAP small rep:24:00 {CKA_CLASS=CKO_SECRET_KEY,CKA_KEY_TYPE=CKK_AES} &x -> CKR_UNWRAPPING_KEY_SIZE_RANGE",
		"C_DeriveKey s CKM_AES_ECB_ENCRYPT_DATA:CK_KEY_DERIVATION_STRING_DATA{pData=rep:16:00,ulLen=16} small {CKA_CLASS=CKO_SECRET_KEY,CKA_KEY_TYPE=CKK_AES,CKA_VALUE_LEN=16} &x -> CKR_KEY_SIZE_RANGE",
		"C_GenerateKeyPair s CKM_RSA_PKCS_KEY_PAIR_GEN {CKA_MODULUS_BITS=1024} {} &p &q -> CKR_KEY_SIZE_RANGE", "find s {CKA_CLASS=CKO_PUBLIC_KEY} =",
		"C_GenerateKeyPair s CKM_RSA_PKCS_KEY_PAIR_GEN {CKA_MODULUS_BITS=2048} {} &p &q",
		// Operations.
		"C_EncryptInit s CKM_AES_CBC:rep:16:00 k -> CKR_MECHANISM_INVALID", "C_DecryptInit s CKM_AES_CBC:rep:16:00 k", "C_Decrypt s c out:16",
		"C_EncryptInit s CKM_RSA_PKCS p -> CKR_MECHANISM_INVALID", "C_SignInit s CKM_RSA_PKCS q", "C_Sign s str:data sig=out:256",
		"C_VerifyInit s CKM_RSA_PKCS p", "C_Verify s str:data sig", "C_WrapKey s CKM_RSA_PKCS p k wrapped=out:256",
		"C_VerifyRecoverInit s CKM_RSA_PKCS p -> CKR_MECHANISM_INVALID",
		// A token of another name has the policy of all.
		"C_CloseAllSessions slot", "freeslot", "C_InitToken slot str:so-87654321 @pad:32:wider",
		"C_GetMechanismInfo slot CKM_DES3_ECB &i", "C_GetMechanismInfo slot CKM_MD5 &i -> CKR_MECHANISM_INVALID",
	)
}
