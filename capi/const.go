package capi

// An AlgID is an ALG_ID: the number of a cipher, a hash or a kind of key pairs.
type AlgID uint32

// Algorithm ids.
const (
	CALG_MD2         AlgID = 0x8001
	CALG_MD4         AlgID = 0x8002
	CALG_MD5         AlgID = 0x8003
	CALG_SHA1        AlgID = 0x8004
	CALG_MAC         AlgID = 0x8005
	CALG_SSL3_SHAMD5 AlgID = 0x8008
	CALG_HMAC        AlgID = 0x8009
	CALG_SHA_256     AlgID = 0x800c
	CALG_SHA_384     AlgID = 0x800d
	CALG_SHA_512     AlgID = 0x800e

	CALG_DES      AlgID = 0x6601
	CALG_RC2      AlgID = 0x6602
	CALG_3DES     AlgID = 0x6603
	CALG_3DES_112 AlgID = 0x6609
	CALG_RC5      AlgID = 0x660d
	CALG_AES_128  AlgID = 0x660e
	CALG_AES_192  AlgID = 0x660f
	CALG_AES_256  AlgID = 0x6610
	CALG_RC4      AlgID = 0x6801

	CALG_RSA_SIGN AlgID = 0x2400
	CALG_RSA_KEYX AlgID = 0xa400

	// The two kinds of key pairs that a container has.
	AT_KEYEXCHANGE = 1
	AT_SIGNATURE   = 2

	ALG_CLASS_MASK        = 7 << 13 // GET_ALG_CLASS
	ALG_CLASS_MSG_ENCRYPT = 2 << 13 // master secrets and keys of SSL
)

// Types of providers.
const (
	PROV_RSA_FULL = 1
	PROV_RSA_AES  = 24
)

// Names of providers, as Windows spells them.
const (
	MS_DEF_PROV           = "Microsoft Base Cryptographic Provider v1.0"
	MS_STRONG_PROV        = "Microsoft Strong Cryptographic Provider"
	MS_ENHANCED_PROV      = "Microsoft Enhanced Cryptographic Provider v1.0"
	MS_ENH_RSA_AES_PROV   = "Microsoft Enhanced RSA and AES Cryptographic Provider"
	MS_ENH_RSA_AES_PROV_P = "Microsoft Enhanced RSA and AES Cryptographic Provider (Prototype)"
	SOFTCSP_PROV          = "softcsp Cryptographic Provider"
)

// Flags of CryptAcquireContext.
const (
	CRYPT_NEWKEYSET              = 0x8
	CRYPT_DELETEKEYSET           = 0x10
	CRYPT_MACHINE_KEYSET         = 0x20
	CRYPT_SILENT                 = 0x40
	CRYPT_DEFAULT_CONTAINER_OPTN = 0x80
	CRYPT_VERIFYCONTEXT          = 0xf0000000
)

// Flags of CryptDeriveKey, CryptGenKey and CryptImportKey. The upper 16 of the 32 bits are the key length in bits.
const (
	CRYPT_EXPORTABLE     = 0x1
	CRYPT_USER_PROTECTED = 0x2
	CRYPT_CREATE_SALT    = 0x4
	CRYPT_UPDATE_KEY     = 0x8
	CRYPT_NO_SALT        = 0x10
	CRYPT_IPSEC_HMAC_KEY = 0x100
)

// Flags of other functions.
const (
	CRYPT_USERDATA        = 1    // CryptHashData
	CRYPT_LITTLE_ENDIAN   = 1    // CryptHashSessionKey
	CRYPT_NOHASHOID       = 1    // CryptSignHash
	CRYPT_OAEP            = 0x40 // CryptEncrypt
	CRYPT_BLOB_VER3       = 0x80 // CryptExportKey
	CRYPT_FIRST           = 1    // CryptGetProvParam
	CRYPT_NEXT            = 2
	CRYPT_MACHINE_DEFAULT = 1 // CryptGetDefaultProvider
	CRYPT_USER_DEFAULT    = 2
	CRYPT_DELETE_DEFAULT  = 4
)

// Parameters of keys, and values that some of them have.
const (
	KP_IV               = 1
	KP_SALT             = 2
	KP_PADDING          = 3
	KP_MODE             = 4
	KP_MODE_BITS        = 5
	KP_PERMISSIONS      = 6
	KP_ALGID            = 7
	KP_BLOCKLEN         = 8
	KP_KEYLEN           = 9
	KP_SALT_EX          = 10
	KP_EFFECTIVE_KEYLEN = 19

	PKCS5_PADDING = 1 // KP_PADDING

	// KP_MODE. 3 is OFB, which no provider encrypts with.
	CRYPT_MODE_CBC = 1
	CRYPT_MODE_ECB = 2
	CRYPT_MODE_CFB = 4

	// KP_PERMISSIONS.
	CRYPT_ENCRYPT = 0x1
	CRYPT_DECRYPT = 0x2
	CRYPT_EXPORT  = 0x4
	CRYPT_READ    = 0x8
	CRYPT_WRITE   = 0x10
	CRYPT_MAC     = 0x20
)

// Parameters of hash objects.
const (
	HP_ALGID     = 1
	HP_HASHVAL   = 2
	HP_HASHSIZE  = 4
	HP_HMAC_INFO = 5
)

// Parameters of providers.
const (
	PP_CLIENT_HWND         = 1 // of CryptSetProvParam; 1 asks CryptGetProvParam for PP_ENUMALGS
	PP_ENUMALGS            = 1
	PP_ENUMCONTAINERS      = 2
	PP_IMPTYPE             = 3
	PP_NAME                = 4
	PP_VERSION             = 5
	PP_CONTAINER           = 6
	PP_KEYSET_SEC_DESCR    = 8
	PP_PROVTYPE            = 16
	PP_KEYSTORAGE          = 17
	PP_ENUMALGS_EX         = 22
	PP_KEYSET_TYPE         = 27
	PP_KEYEXCHANGE_PIN     = 32
	PP_SIGNATURE_PIN       = 33
	PP_SIG_KEYSIZE_INC     = 34
	PP_KEYX_KEYSIZE_INC    = 35
	PP_UNIQUE_CONTAINER    = 36
	PP_USE_HARDWARE_RNG    = 38
	PP_KEYSPEC             = 39
	PP_CRYPT_COUNT_KEY_USE = 41

	CRYPT_IMPL_SOFTWARE = 2
	CRYPT_SEC_DESCR     = 1
	CRYPT_FLAG_IPSEC    = 0x10
	CRYPT_FLAG_SIGNING  = 0x20
)

// Types of key blobs.
const (
	SIMPLEBLOB       = 1
	PUBLICKEYBLOB    = 6
	PRIVATEKEYBLOB   = 7
	PLAINTEXTKEYBLOB = 8
	OPAQUEKEYBLOB    = 9

	CUR_BLOB_VERSION = 2
)
