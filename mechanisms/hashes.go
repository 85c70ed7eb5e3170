package mechanisms

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"hash"

	"golang.org/x/crypto/md4" //lint:ignore SA1019 for the sizes; md4.go says why

	"github.com/softcsp/softcsp/ck"
)

// A Hash is a row of the one list of hashes. What exists for each hash, digest, HMAC and so on, is made from it. A 0 is
// a mechanism that PKCS #11 does not have.
type Hash struct {
	Name        string // SHA-1, say
	ALGID       uint32 // CALG_*, 0 where CryptoAPI has none
	New         func() hash.Hash
	Size, Block int // in bytes
	Digest      ck.MechanismType
	HMAC        ck.MechanismType
	HMACGeneral ck.MechanismType
	Derivation  ck.MechanismType // CKM_*_KEY_DERIVATION
	KeyGen      ck.MechanismType // CKM_*_KEY_GEN, of HMAC keys
	Key         ck.KeyType       // CKK_*_HMAC
}

// hashes is the one list of hashes.
var hashes = []*Hash{
	{Name: "MD2", ALGID: CALG_MD2, New: newMD2, Size: md2Size, Block: md2Block, Digest: ck.CKM_MD2,
		HMAC: ck.CKM_MD2_HMAC, HMACGeneral: ck.CKM_MD2_HMAC_GENERAL, Derivation: ck.CKM_MD2_KEY_DERIVATION},
	{Name: "MD4", ALGID: CALG_MD4, New: newMD4, Size: md4.Size, Block: md4.BlockSize, Digest: ck.CKM_SOFTCSP_MD4,
		HMAC: ck.CKM_SOFTCSP_MD4_HMAC, HMACGeneral: ck.CKM_SOFTCSP_MD4_HMAC_GENERAL},
	{Name: "MD5", ALGID: CALG_MD5, New: md5.New, Size: md5.Size, Block: md5.BlockSize, Digest: ck.CKM_MD5,
		HMAC: ck.CKM_MD5_HMAC, HMACGeneral: ck.CKM_MD5_HMAC_GENERAL, Derivation: ck.CKM_MD5_KEY_DERIVATION,
		Key: ck.CKK_MD5_HMAC},
	{Name: "SHA-1", ALGID: CALG_SHA1, New: sha1.New, Size: sha1.Size, Block: sha1.BlockSize, Digest: ck.CKM_SHA_1,
		HMAC: ck.CKM_SHA_1_HMAC, HMACGeneral: ck.CKM_SHA_1_HMAC_GENERAL, Derivation: ck.CKM_SHA1_KEY_DERIVATION,
		KeyGen: ck.CKM_SHA_1_KEY_GEN, Key: ck.CKK_SHA_1_HMAC},
	{Name: "SHA-224", New: sha256.New224, Size: sha256.Size224, Block: sha256.BlockSize, Digest: ck.CKM_SHA224,
		HMAC: ck.CKM_SHA224_HMAC, HMACGeneral: ck.CKM_SHA224_HMAC_GENERAL, Derivation: ck.CKM_SHA224_KEY_DERIVATION,
		KeyGen: ck.CKM_SHA224_KEY_GEN, Key: ck.CKK_SHA224_HMAC},
	{Name: "SHA-256", ALGID: CALG_SHA_256, New: sha256.New, Size: sha256.Size, Block: sha256.BlockSize, Digest: ck.CKM_SHA256,
		HMAC: ck.CKM_SHA256_HMAC, HMACGeneral: ck.CKM_SHA256_HMAC_GENERAL, Derivation: ck.CKM_SHA256_KEY_DERIVATION,
		KeyGen: ck.CKM_SHA256_KEY_GEN, Key: ck.CKK_SHA256_HMAC},
	{Name: "SHA-384", ALGID: CALG_SHA_384, New: sha512.New384, Size: sha512.Size384, Block: sha512.BlockSize, Digest: ck.CKM_SHA384,
		HMAC: ck.CKM_SHA384_HMAC, HMACGeneral: ck.CKM_SHA384_HMAC_GENERAL, Derivation: ck.CKM_SHA384_KEY_DERIVATION,
		KeyGen: ck.CKM_SHA384_KEY_GEN, Key: ck.CKK_SHA384_HMAC},
	{Name: "SHA-512", ALGID: CALG_SHA_512, New: sha512.New, Size: sha512.Size, Block: sha512.BlockSize, Digest: ck.CKM_SHA512,
		HMAC: ck.CKM_SHA512_HMAC, HMACGeneral: ck.CKM_SHA512_HMAC_GENERAL, Derivation: ck.CKM_SHA512_KEY_DERIVATION,
		KeyGen: ck.CKM_SHA512_KEY_GEN, Key: ck.CKK_SHA512_HMAC},
	{Name: "SHA-512/224", New: sha512.New512_224, Size: sha512.Size224, Block: sha512.BlockSize, Digest: ck.CKM_SHA512_224,
		HMAC: ck.CKM_SHA512_224_HMAC, HMACGeneral: ck.CKM_SHA512_224_HMAC_GENERAL, Derivation: ck.CKM_SHA512_224_KEY_DERIVATION,
		KeyGen: ck.CKM_SHA512_224_KEY_GEN, Key: ck.CKK_SHA512_224_HMAC},
	{Name: "SHA-512/256", New: sha512.New512_256, Size: sha512.Size256, Block: sha512.BlockSize, Digest: ck.CKM_SHA512_256,
		HMAC: ck.CKM_SHA512_256_HMAC, HMACGeneral: ck.CKM_SHA512_256_HMAC_GENERAL, Derivation: ck.CKM_SHA512_256_KEY_DERIVATION,
		KeyGen: ck.CKM_SHA512_256_KEY_GEN, Key: ck.CKK_SHA512_256_HMAC},
}
