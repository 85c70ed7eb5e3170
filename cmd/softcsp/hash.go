package main

import (
	"slices"

	"github.com/softcsp/softcsp/ck"
)

// A hashName is a hash as people call it, and as the standard does.
type hashName struct {
	name   string
	digest ck.MechanismType // in parameters, and in the names of its HMAC
	in     string           // in the names of mechanisms that hash and sign
	size   uint             // in bytes
	mgf    uint             // MGF1 with it, 0 where there is none
	kdf    uint             // the key derivation function of X9.63 with it, 0 where there is none
}

// hashes are the hashes of signatures, MACs and key derivation. There is no digest mechanism for SHAKE, so the derivation names it in parameters
// (section 6.67.6 of PKCS#11).
var hashes = []hashName{
	{"sha1", ck.CKM_SHA_1, "SHA1", 20, ck.CKG_MGF1_SHA1, ck.CKD_SHA1_KDF},
	{"sha224", ck.CKM_SHA224, "SHA224", 28, ck.CKG_MGF1_SHA224, ck.CKD_SHA224_KDF},
	{"sha256", ck.CKM_SHA256, "SHA256", 32, ck.CKG_MGF1_SHA256, ck.CKD_SHA256_KDF},
	{"sha384", ck.CKM_SHA384, "SHA384", 48, ck.CKG_MGF1_SHA384, ck.CKD_SHA384_KDF},
	{"sha512", ck.CKM_SHA512, "SHA512", 64, ck.CKG_MGF1_SHA512, ck.CKD_SHA512_KDF},
	{"sha512-224", ck.CKM_SHA512_224, "SHA512_224", 28, 0, 0},
	{"sha512-256", ck.CKM_SHA512_256, "SHA512_256", 32, 0, 0},
	{"sha3-224", ck.CKM_SHA3_224, "SHA3_224", 28, ck.CKG_MGF1_SHA3_224, ck.CKD_SHA3_224_KDF},
	{"sha3-256", ck.CKM_SHA3_256, "SHA3_256", 32, ck.CKG_MGF1_SHA3_256, ck.CKD_SHA3_256_KDF},
	{"sha3-384", ck.CKM_SHA3_384, "SHA3_384", 48, ck.CKG_MGF1_SHA3_384, ck.CKD_SHA3_384_KDF},
	{"sha3-512", ck.CKM_SHA3_512, "SHA3_512", 64, ck.CKG_MGF1_SHA3_512, ck.CKD_SHA3_512_KDF},
	{"shake128", ck.CKM_SHAKE_128_KEY_DERIVATION, "SHAKE128", 32, 0, 0},
	{"shake256", ck.CKM_SHAKE_256_KEY_DERIVATION, "SHAKE256", 64, 0, 0},
	{"blake2b-160", ck.CKM_BLAKE2B_160, "BLAKE2B_160", 20, 0, ck.CKD_BLAKE2B_160_KDF},
	{"blake2b-256", ck.CKM_BLAKE2B_256, "BLAKE2B_256", 32, 0, ck.CKD_BLAKE2B_256_KDF},
	{"blake2b-384", ck.CKM_BLAKE2B_384, "BLAKE2B_384", 48, 0, ck.CKD_BLAKE2B_384_KDF},
	{"blake2b-512", ck.CKM_BLAKE2B_512, "BLAKE2B_512", 64, 0, ck.CKD_BLAKE2B_512_KDF},
	{"ripemd128", ck.CKM_RIPEMD128, "RIPEMD128", 16, 0, 0},
	{"ripemd160", ck.CKM_RIPEMD160, "RIPEMD160", 20, 0, 0},
	{"md2", ck.CKM_MD2, "MD2", 16, 0, 0},
	{"md5", ck.CKM_MD5, "MD5", 16, 0, 0},
}

// hashNamed returns the hash of a flag.
func hashNamed(flag, name string) (hashName, error) {
	words := hashWords()
	if i := slices.Index(words, wordMeant(name, words)); i >= 0 {
		return hashes[i], nil
	}
	return hashName{}, notAWord("--"+flag, name, words, "")
}

func hashWords() []string {
	words := make([]string, len(hashes))
	for i, h := range hashes {
		words[i] = h.name
	}
	return words
}

// hashOf returns the hash that the name of a mechanism has before an ending: of CKM_SHA256_RSA_PKCS_PSS before _RSA_PKCS_PSS.
func hashOf(m ck.MechanismType, ending string) (hashName, bool) {
	for _, h := range hashes {
		if m.String() == "CKM_"+h.in+ending {
			return h, true
		}
	}
	return hashName{}, false
}
