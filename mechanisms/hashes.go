package mechanisms

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/sha512"
	"hash"

	"golang.org/x/crypto/blake2b"
	"golang.org/x/crypto/md4"       //lint:ignore SA1019 what Windows made with MD4 needs it
	"golang.org/x/crypto/ripemd160" //lint:ignore SA1019 PKCS #11 has it

	"github.com/softcsp/softcsp/capi"
	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/algorithm/md2"
	"github.com/softcsp/softcsp/internal/algorithm/ripemd128"
	"github.com/softcsp/softcsp/internal/cloneable"
)

// A Hash is a row of the one list of hashes. The mechanisms that exist for each hash (digest, HMAC and so on) are made from it. 0 stands for a
// mechanism that PKCS #11 does not have.
type Hash struct {
	Name        string // SHA-1, say
	New         func() hash.Hash
	Size, Block int        // in bytes
	CryptoAPI   *capi.Hash // nil where CryptoAPI has no such hash
	Digest      ck.MechanismType
	HMAC        ck.MechanismType
	HMACGeneral ck.MechanismType
	Derivation  ck.MechanismType // CKM_*_KEY_DERIVATION
	KeyGen      ck.MechanismType // CKM_*_KEY_GEN, of HMAC keys
	KeyType     ck.KeyType       // CKK_*_HMAC

	// Keyed is for a hash that takes keys itself, of up to MaxKey bytes: PKCS #11 uses that in the place of HMAC.
	Keyed  func(key []byte) (hash.Hash, error)
	MaxKey int
}

// maxHashSize is the length in bytes of the longest hash of the list.
const maxHashSize = 64

// hashes is the one list of hashes.
var hashes = []*Hash{
	{Name: "MD2", CryptoAPI: capi.MD2, New: md2.New, Size: md2.Size, Block: md2.BlockSize, Digest: ck.CKM_MD2,
		HMAC: ck.CKM_MD2_HMAC, HMACGeneral: ck.CKM_MD2_HMAC_GENERAL, Derivation: ck.CKM_MD2_KEY_DERIVATION},
	{Name: "MD4", CryptoAPI: capi.MD4, New: newMD4, Size: md4.Size, Block: md4.BlockSize, Digest: ck.CKM_SOFTCSP_MD4,
		HMAC: ck.CKM_SOFTCSP_MD4_HMAC, HMACGeneral: ck.CKM_SOFTCSP_MD4_HMAC_GENERAL},
	{Name: "MD5", CryptoAPI: capi.MD5, New: md5.New, Size: md5.Size, Block: md5.BlockSize, Digest: ck.CKM_MD5,
		HMAC: ck.CKM_MD5_HMAC, HMACGeneral: ck.CKM_MD5_HMAC_GENERAL, Derivation: ck.CKM_MD5_KEY_DERIVATION,
		KeyType: ck.CKK_MD5_HMAC},
	{Name: "SHA-1", CryptoAPI: capi.SHA1, New: sha1.New, Size: sha1.Size, Block: sha1.BlockSize, Digest: ck.CKM_SHA_1,
		HMAC: ck.CKM_SHA_1_HMAC, HMACGeneral: ck.CKM_SHA_1_HMAC_GENERAL, Derivation: ck.CKM_SHA1_KEY_DERIVATION,
		KeyGen: ck.CKM_SHA_1_KEY_GEN, KeyType: ck.CKK_SHA_1_HMAC},
	{Name: "SHA-224", New: sha256.New224, Size: sha256.Size224, Block: sha256.BlockSize, Digest: ck.CKM_SHA224,
		HMAC: ck.CKM_SHA224_HMAC, HMACGeneral: ck.CKM_SHA224_HMAC_GENERAL, Derivation: ck.CKM_SHA224_KEY_DERIVATION,
		KeyGen: ck.CKM_SHA224_KEY_GEN, KeyType: ck.CKK_SHA224_HMAC},
	{Name: "SHA-256", CryptoAPI: capi.SHA256, New: sha256.New, Size: sha256.Size, Block: sha256.BlockSize, Digest: ck.CKM_SHA256,
		HMAC: ck.CKM_SHA256_HMAC, HMACGeneral: ck.CKM_SHA256_HMAC_GENERAL, Derivation: ck.CKM_SHA256_KEY_DERIVATION,
		KeyGen: ck.CKM_SHA256_KEY_GEN, KeyType: ck.CKK_SHA256_HMAC},
	{Name: "SHA-384", CryptoAPI: capi.SHA384, New: sha512.New384, Size: sha512.Size384, Block: sha512.BlockSize, Digest: ck.CKM_SHA384,
		HMAC: ck.CKM_SHA384_HMAC, HMACGeneral: ck.CKM_SHA384_HMAC_GENERAL, Derivation: ck.CKM_SHA384_KEY_DERIVATION,
		KeyGen: ck.CKM_SHA384_KEY_GEN, KeyType: ck.CKK_SHA384_HMAC},
	{Name: "SHA-512", CryptoAPI: capi.SHA512, New: sha512.New, Size: sha512.Size, Block: sha512.BlockSize, Digest: ck.CKM_SHA512,
		HMAC: ck.CKM_SHA512_HMAC, HMACGeneral: ck.CKM_SHA512_HMAC_GENERAL, Derivation: ck.CKM_SHA512_KEY_DERIVATION,
		KeyGen: ck.CKM_SHA512_KEY_GEN, KeyType: ck.CKK_SHA512_HMAC},
	{Name: "SHA-512/224", New: sha512.New512_224, Size: sha512.Size224, Block: sha512.BlockSize, Digest: ck.CKM_SHA512_224,
		HMAC: ck.CKM_SHA512_224_HMAC, HMACGeneral: ck.CKM_SHA512_224_HMAC_GENERAL, Derivation: ck.CKM_SHA512_224_KEY_DERIVATION,
		KeyGen: ck.CKM_SHA512_224_KEY_GEN, KeyType: ck.CKK_SHA512_224_HMAC},
	{Name: "SHA-512/256", New: sha512.New512_256, Size: sha512.Size256, Block: sha512.BlockSize, Digest: ck.CKM_SHA512_256,
		HMAC: ck.CKM_SHA512_256_HMAC, HMACGeneral: ck.CKM_SHA512_256_HMAC_GENERAL, Derivation: ck.CKM_SHA512_256_KEY_DERIVATION,
		KeyGen: ck.CKM_SHA512_256_KEY_GEN, KeyType: ck.CKK_SHA512_256_HMAC},
	{Name: "SHA3-224", New: newSHA3(sha3.New224), Size: 28, Block: 144, Digest: ck.CKM_SHA3_224,
		HMAC: ck.CKM_SHA3_224_HMAC, HMACGeneral: ck.CKM_SHA3_224_HMAC_GENERAL, Derivation: ck.CKM_SHA3_224_KEY_DERIVATION,
		KeyGen: ck.CKM_SHA3_224_KEY_GEN, KeyType: ck.CKK_SHA3_224_HMAC},
	{Name: "SHA3-256", New: newSHA3(sha3.New256), Size: 32, Block: 136, Digest: ck.CKM_SHA3_256,
		HMAC: ck.CKM_SHA3_256_HMAC, HMACGeneral: ck.CKM_SHA3_256_HMAC_GENERAL, Derivation: ck.CKM_SHA3_256_KEY_DERIVATION,
		KeyGen: ck.CKM_SHA3_256_KEY_GEN, KeyType: ck.CKK_SHA3_256_HMAC},
	{Name: "SHA3-384", New: newSHA3(sha3.New384), Size: 48, Block: 104, Digest: ck.CKM_SHA3_384,
		HMAC: ck.CKM_SHA3_384_HMAC, HMACGeneral: ck.CKM_SHA3_384_HMAC_GENERAL, Derivation: ck.CKM_SHA3_384_KEY_DERIVATION,
		KeyGen: ck.CKM_SHA3_384_KEY_GEN, KeyType: ck.CKK_SHA3_384_HMAC},
	{Name: "SHA3-512", New: newSHA3(sha3.New512), Size: 64, Block: 72, Digest: ck.CKM_SHA3_512,
		HMAC: ck.CKM_SHA3_512_HMAC, HMACGeneral: ck.CKM_SHA3_512_HMAC_GENERAL, Derivation: ck.CKM_SHA3_512_KEY_DERIVATION,
		KeyGen: ck.CKM_SHA3_512_KEY_GEN, KeyType: ck.CKK_SHA3_512_HMAC},
	{Name: "RIPEMD-128", New: ripemd128.New, Size: ripemd128.Size, Block: ripemd128.BlockSize, Digest: ck.CKM_RIPEMD128,
		HMAC: ck.CKM_RIPEMD128_HMAC, HMACGeneral: ck.CKM_RIPEMD128_HMAC_GENERAL, KeyType: ck.CKK_RIPEMD128_HMAC},
	{Name: "RIPEMD-160", New: newRIPEMD160, Size: ripemd160.Size, Block: ripemd160.BlockSize, Digest: ck.CKM_RIPEMD160,
		HMAC: ck.CKM_RIPEMD160_HMAC, HMACGeneral: ck.CKM_RIPEMD160_HMAC_GENERAL, KeyType: ck.CKK_RIPEMD160_HMAC},
	{Name: "BLAKE2b-160", New: newBLAKE2b(20), Size: 20, Block: blake2b.BlockSize, Digest: ck.CKM_BLAKE2B_160,
		HMAC: ck.CKM_BLAKE2B_160_HMAC, HMACGeneral: ck.CKM_BLAKE2B_160_HMAC_GENERAL, Derivation: ck.CKM_BLAKE2B_160_KEY_DERIVE,
		KeyGen: ck.CKM_BLAKE2B_160_KEY_GEN, KeyType: ck.CKK_BLAKE2B_160_HMAC, Keyed: keyedBLAKE2b(20), MaxKey: blake2b.Size},
	{Name: "BLAKE2b-256", New: newBLAKE2b(32), Size: 32, Block: blake2b.BlockSize, Digest: ck.CKM_BLAKE2B_256,
		HMAC: ck.CKM_BLAKE2B_256_HMAC, HMACGeneral: ck.CKM_BLAKE2B_256_HMAC_GENERAL, Derivation: ck.CKM_BLAKE2B_256_KEY_DERIVE,
		KeyGen: ck.CKM_BLAKE2B_256_KEY_GEN, KeyType: ck.CKK_BLAKE2B_256_HMAC, Keyed: keyedBLAKE2b(32), MaxKey: blake2b.Size},
	{Name: "BLAKE2b-384", New: newBLAKE2b(48), Size: 48, Block: blake2b.BlockSize, Digest: ck.CKM_BLAKE2B_384,
		HMAC: ck.CKM_BLAKE2B_384_HMAC, HMACGeneral: ck.CKM_BLAKE2B_384_HMAC_GENERAL, Derivation: ck.CKM_BLAKE2B_384_KEY_DERIVE,
		KeyGen: ck.CKM_BLAKE2B_384_KEY_GEN, KeyType: ck.CKK_BLAKE2B_384_HMAC, Keyed: keyedBLAKE2b(48), MaxKey: blake2b.Size},
	{Name: "BLAKE2b-512", New: newBLAKE2b(64), Size: 64, Block: blake2b.BlockSize, Digest: ck.CKM_BLAKE2B_512,
		HMAC: ck.CKM_BLAKE2B_512_HMAC, HMACGeneral: ck.CKM_BLAKE2B_512_HMAC_GENERAL, Derivation: ck.CKM_BLAKE2B_512_KEY_DERIVE,
		KeyGen: ck.CKM_BLAKE2B_512_KEY_GEN, KeyType: ck.CKK_BLAKE2B_512_HMAC, Keyed: keyedBLAKE2b(64), MaxKey: blake2b.Size},
}

// A sha3Hash hides the type of a SHA3 from Go's HMAC, which cannot clone it where it recognises it.
type sha3Hash struct{ *sha3.SHA3 }

var _ hash.Cloner = sha3Hash{}

func newSHA3(start func() *sha3.SHA3) func() hash.Hash {
	return func() hash.Hash { return sha3Hash{start()} }
}

// newRIPEMD160 makes RIPEMD-160.
func newRIPEMD160() hash.Hash { return cloneable.Hash{Hash: ripemd160.New()} }

// newBLAKE2b makes BLAKE2b (RFC 7693) with results of so many bytes.
func newBLAKE2b(size int) func() hash.Hash {
	keyed := keyedBLAKE2b(size)
	return func() hash.Hash {
		h, err := keyed(nil)
		if err != nil {
			panic(err) // no size of the list is wrong, and there is no key
		}
		return h
	}
}

// keyedBLAKE2b makes BLAKE2b with a key (RFC 7693, 2.9), which is what PKCS #11 means by "BLAKE2B-160-HMAC" and so on: "the
// keyed variant".
func keyedBLAKE2b(size int) func(key []byte) (hash.Hash, error) {
	return func(key []byte) (hash.Hash, error) {
		h, err := blake2b.New(size, key)
		if err != nil {
			return nil, ck.CKR_KEY_SIZE_RANGE
		}
		return cloneable.Hash{Hash: h}, nil
	}
}

// newMD4 makes MD4 (RFC 1320).
func newMD4() hash.Hash { return cloneable.Hash{Hash: md4.New()} }
