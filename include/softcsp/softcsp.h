/* softcsp.h: what softcsp adds to PKCS#11.
 *
 * CryptDeriveKey of Microsoft's CryptoAPI as mechanisms of C_DeriveKey, the attributes that it leaves in a key, and the
 * numbers of CryptoAPI that go with it. docs/cryptderivekey.md is the reference.
 *
 * Include a Cryptoki header first, any vendor's; without one this header takes softcsp's own.
 */
#ifndef SOFTCSP_SOFTCSP_H
#define SOFTCSP_SOFTCSP_H

#ifndef CKM_VENDOR_DEFINED
#include "cryptoki.h"
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Mechanisms of C_DeriveKey. The first takes CK_SOFTCSP_CRYPT_DERIVE_KEY_PARAMS. The others take no parameter: they use
 * provider 0, and the template's CKA_KEY_TYPE, CKA_VALUE_LEN and CKA_EXTRACTABLE say the rest.
 *
 * The base data is the value of the base key; or, where hBaseKey is 0, the session's digest operation (C_DigestInit,
 * C_DigestUpdate, C_DigestKey), which the derivation finishes. */
#define CKM_SOFTCSP_CRYPT_DERIVE_KEY 0xC3530001UL
#define CKM_SOFTCSP_MD2_CRYPT_DERIVE_KEY 0xC3530010UL
#define CKM_SOFTCSP_MD4_CRYPT_DERIVE_KEY 0xC3530011UL
#define CKM_SOFTCSP_MD5_CRYPT_DERIVE_KEY 0xC3530012UL
#define CKM_SOFTCSP_SHA1_CRYPT_DERIVE_KEY 0xC3530013UL
#define CKM_SOFTCSP_SHA256_CRYPT_DERIVE_KEY 0xC3530014UL
#define CKM_SOFTCSP_SHA384_CRYPT_DERIVE_KEY 0xC3530015UL
#define CKM_SOFTCSP_SHA512_CRYPT_DERIVE_KEY 0xC3530016UL

/* RC2 in 8-bit cipher feedback, which CryptoAPI has and PKCS#11 has not. It takes CK_RC2_CBC_PARAMS. */
#define CKM_SOFTCSP_RC2_CFB8 0xC3530020UL

/* MD4, which CryptoAPI has and PKCS#11 has not: as CKM_MD5, CKM_MD5_HMAC and CKM_MD5_HMAC_GENERAL. */
#define CKM_SOFTCSP_MD4 0xC3530021UL
#define CKM_SOFTCSP_MD4_HMAC 0xC3530022UL
#define CKM_SOFTCSP_MD4_HMAC_GENERAL 0xC3530023UL

/* KMAC of NIST SP 800-185, with CK_SOFTCSP_KMAC_PARAMS and a key of CKK_GENERIC_SECRET, for C_Sign and C_Verify. */
#define CKM_SOFTCSP_KMAC128 0xC3530024UL
#define CKM_SOFTCSP_KMAC256 0xC3530025UL

typedef struct CK_SOFTCSP_KMAC_PARAMS {
  CK_ULONG ulMacLength; /* in bytes, 4 at least; it is part of what the MAC depends on */
  CK_BYTE_PTR pCustomizationString;
  CK_ULONG ulCustomizationStringLen;
} CK_SOFTCSP_KMAC_PARAMS;

typedef CK_SOFTCSP_KMAC_PARAMS *CK_SOFTCSP_KMAC_PARAMS_PTR;

/* The keys of SSH (RFC 4253, 7.2), with CK_SOFTCSP_SSHKDF_PARAMS. The base key is the shared secret K, of CKK_GENERIC_SECRET.
 * Kryoptic's KR_SSHKDF_PARAMS is the same structure, with padding in the place of bNumber. */
#define CKM_SOFTCSP_SSHKDF_DERIVE 0xC3530026UL

typedef struct CK_SOFTCSP_SSHKDF_PARAMS {
  CK_MECHANISM_TYPE prfHashMechanism; /* CKM_SHA256, say */
  CK_BYTE derivedKeyType;             /* 'A' to 'F'; 'A' and 'B' make a data object */
  CK_BBOOL bNumber;                   /* CK_TRUE: K is a number, of CKM_ECDH1_DERIVE say, and is encoded as mpint; else it already is */
  CK_BYTE_PTR pExchangeHash;
  CK_ULONG ulExchangeHashLen;
  CK_BYTE_PTR pSessionId;
  CK_ULONG ulSessionIdLen;
} CK_SOFTCSP_SSHKDF_PARAMS;

typedef CK_SOFTCSP_SSHKDF_PARAMS *CK_SOFTCSP_SSHKDF_PARAMS_PTR;

/* Attributes of a key that these mechanisms made. They are read-only. */
#define CKA_SOFTCSP_ALGID 0xC3530101UL          /* CK_ULONG: CALG_RC2, say */
#define CKA_SOFTCSP_SALT 0xC3530102UL           /* bytes: what KP_SALT answers */
#define CKA_SOFTCSP_EFFECTIVE_BITS 0xC3530103UL /* CK_ULONG: KP_EFFECTIVE_KEYLEN */
#define CKA_SOFTCSP_PERMISSIONS 0xC3530104UL    /* CK_ULONG: KP_PERMISSIONS */
#define CKA_SOFTCSP_PROVIDER 0xC3530105UL       /* CK_ULONG: ulProvider */

/* The parameter of CKM_SOFTCSP_CRYPT_DERIVE_KEY. It holds no pointers, so that any binding can pass it as bytes. Each
 * field is a 32-bit number of CryptoAPI. */
typedef struct CK_SOFTCSP_CRYPT_DERIVE_KEY_PARAMS {
  CK_ULONG ulProvider;  /* CK_SOFTCSP_PROVIDER_... */
  CK_ULONG ulHashAlgId; /* CALG_MD5, say; 0 when the base data is the session's digest */
  CK_ULONG ulAlgId;     /* CALG_RC2, say */
  CK_ULONG ulFlags;     /* dwFlags: CRYPT_..., and the key length in bits in the upper 16 of the 32 bits */
} CK_SOFTCSP_CRYPT_DERIVE_KEY_PARAMS;

typedef CK_SOFTCSP_CRYPT_DERIVE_KEY_PARAMS *CK_SOFTCSP_CRYPT_DERIVE_KEY_PARAMS_PTR;

/* ulProvider. The first is softcsp's own: every algorithm, every hash, any key length, and CRYPT_UPDATE_KEY. */
#define CK_SOFTCSP_PROVIDER_SOFTCSP 0UL
#define CK_SOFTCSP_PROVIDER_MS_BASE 1UL
#define CK_SOFTCSP_PROVIDER_MS_STRONG 2UL
#define CK_SOFTCSP_PROVIDER_MS_ENHANCED 3UL
#define CK_SOFTCSP_PROVIDER_MS_ENH_RSA_AES 4UL

/* In ulHashAlgId, with a hash: the value of the base key is the finished hash value itself, as CryptSetHashParam with
 * HP_HASHVAL sets it. */
#define CK_SOFTCSP_HASH_VALUE 0x80000000UL

/* ulHashAlgId. wincrypt.h has the same numbers. */
#ifndef CALG_MD5
#define CALG_MD2 0x00008001
#define CALG_MD4 0x00008002
#define CALG_MD5 0x00008003
#define CALG_SHA1 0x00008004
#define CALG_SSL3_SHAMD5 0x00008008
#define CALG_SHA_256 0x0000800c
#define CALG_SHA_384 0x0000800d
#define CALG_SHA_512 0x0000800e
#endif

/* ulAlgId */
#ifndef CALG_RC2
#define CALG_DES 0x00006601
#define CALG_RC2 0x00006602
#define CALG_3DES 0x00006603
#define CALG_3DES_112 0x00006609
#define CALG_RC5 0x0000660d
#define CALG_AES_128 0x0000660e
#define CALG_AES_192 0x0000660f
#define CALG_AES_256 0x00006610
#define CALG_RC4 0x00006801
#endif

/* ulFlags */
#ifndef CRYPT_EXPORTABLE
#define CRYPT_EXPORTABLE 0x00000001
#define CRYPT_USER_PROTECTED 0x00000002
#define CRYPT_CREATE_SALT 0x00000004
#define CRYPT_UPDATE_KEY 0x00000008
#define CRYPT_NO_SALT 0x00000010
#endif

/* ulDeviceError of C_GetSessionInfo after a derivation that failed; 0 after one that did not. Beside each what
 * C_DeriveKey returns. */
#ifndef ERROR_INVALID_HANDLE
#define ERROR_INVALID_HANDLE 0x6L /* CKR_KEY_HANDLE_INVALID */
#endif
#ifndef ERROR_INVALID_PARAMETER
#define ERROR_INVALID_PARAMETER 0x57L /* CKR_MECHANISM_PARAM_INVALID */
#endif
#ifndef NTE_BAD_UID
#define NTE_BAD_UID 0x80090001L        /* CKR_MECHANISM_PARAM_INVALID: no such provider */
#define NTE_BAD_HASH 0x80090002L       /* CKR_OPERATION_NOT_INITIALIZED: no digest, or another one */
#define NTE_BAD_KEY 0x80090003L        /* CKR_KEY_FUNCTION_NOT_PERMITTED: CRYPT_UPDATE_KEY of a key not made for it */
#define NTE_BAD_DATA 0x80090005L       /* CKR_KEY_SIZE_RANGE: the key length */
#define NTE_BAD_ALGID 0x80090008L      /* CKR_MECHANISM_PARAM_INVALID */
#define NTE_BAD_FLAGS 0x80090009L      /* CKR_MECHANISM_PARAM_INVALID: the length of a DES key */
#define NTE_BAD_HASH_STATE 0x8009000CL /* CKR_OPERATION_NOT_INITIALIZED: the digest is finished */
#define NTE_FAIL 0x80090020L           /* CKR_FUNCTION_FAILED */
#define NTE_SILENT_CONTEXT 0x80090022L /* CKR_USER_NOT_LOGGED_IN */
#endif

#ifdef __cplusplus
}
#endif

#endif
