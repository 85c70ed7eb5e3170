package conformance

import "strings"

// A family is mechanisms that are tried alike, with keys of one type.
type family struct {
	name, what string
	keys       []string // lines that make the keys: ek encrypts and verifies, dk decrypts and signs
	// none are lines that make keys that may do nothing, as nek and ndk; unlike is one that makes a key of another type, as other.
	none, unlike []string
	tried        []trial
	digest       bool // there are no keys
	signs        bool // they sign and verify; the others encrypt and decrypt
	whole        bool // none works in parts
}

// A trial is a mechanism with a parameter and with data that it takes.
type trial struct {
	mechanism string
	param     string
	data      int  // bytes, 48 where it is 0
	whole     bool // one call alone: it does not work in parts
}

func (t trial) word() string {
	if t.param == "" {
		return t.mechanism
	}
	return t.mechanism + ":" + t.param
}

// secretKeys are the keys of a family whose keys are secret keys that a mechanism generates.
func secretKeys(f family, generate, size string) family {
	if size != "" {
		size = "CKA_VALUE_LEN=" + size + ","
	}
	uses, barred := "CKA_ENCRYPT=true,CKA_DECRYPT=true", "CKA_ENCRYPT=false,CKA_DECRYPT=false,CKA_SIGN=true,CKA_VERIFY=true"
	if f.signs {
		uses, barred = "CKA_SIGN=true,CKA_VERIFY=true", "CKA_SIGN=false,CKA_VERIFY=false,CKA_ENCRYPT=true,CKA_DECRYPT=true"
	}
	f.keys = []string{"C_GenerateKey keep " + generate + " {" + size + uses + "} &ek", "let dk ek"}
	f.none = []string{"C_GenerateKey keep " + generate + " {" + size + barred + "} &nek", "let ndk nek"}
	f.unlike = []string{"C_GenerateKeyPair keep CKM_RSA_PKCS_KEY_PAIR_GEN {CKA_MODULUS_BITS=2048,CKA_PUBLIC_EXPONENT=hex:010001,CKA_ENCRYPT=true,CKA_VERIFY=true} {CKA_DECRYPT=true,CKA_SIGN=true} &other &otherprivate"}
	return f
}

// keyPairs are the keys of a family whose keys are pairs.
func keyPairs(f family, generate, public string) family {
	uses := [2]string{"CKA_ENCRYPT=true", "CKA_DECRYPT=true"}
	barred := [2]string{"CKA_ENCRYPT=false,CKA_VERIFY=true", "CKA_DECRYPT=false,CKA_SIGN=true"}
	if f.signs {
		uses = [2]string{"CKA_VERIFY=true", "CKA_SIGN=true"}
		barred = [2]string{"CKA_VERIFY=false", "CKA_SIGN=false"}
	}
	pair := func(uses [2]string, names string) string {
		return "C_GenerateKeyPair keep " + generate + " {" + public + "," + uses[0] + "} {" + uses[1] + "} " + names
	}
	f.keys = []string{pair(uses, "&ek &dk")}
	f.none = []string{pair(barred, "&nek &ndk")}
	f.unlike = []string{"C_GenerateKey keep CKM_AES_KEY_GEN {CKA_VALUE_LEN=16,CKA_ENCRYPT=true,CKA_DECRYPT=true,CKA_SIGN=true,CKA_VERIFY=true} &other"}
	return f
}

const (
	iv16 = "hex:f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"
	iv8  = "hex:f0f1f2f3f4f5f6f7"
)

// blockTrials are the modes that most block ciphers have.
func blockTrials(cipher, iv string) []trial {
	return []trial{{mechanism: "CKM_" + cipher + "_ECB"}, {mechanism: "CKM_" + cipher + "_CBC", param: iv}, {mechanism: "CKM_" + cipher + "_CBC_PAD", param: iv, data: 45}}
}

// families are all of them.
var families = []family{
	secretKeys(family{name: "aes", what: "AES", tried: append(blockTrials("AES", iv16),
		trial{mechanism: "CKM_AES_CTR", param: "CK_AES_CTR_PARAMS{ulCounterBits=128,cb=" + iv16 + "}", data: 45},
		trial{mechanism: "CKM_AES_CTS", param: iv16, data: 45}, trial{mechanism: "CKM_AES_OFB", param: iv16, data: 45},
		trial{mechanism: "CKM_AES_CFB8", param: iv16, data: 45}, trial{mechanism: "CKM_AES_CFB128", param: iv16, data: 45})}, "CKM_AES_KEY_GEN", "16"),
	secretKeys(family{name: "aead", what: "AES with authentication", tried: []trial{
		{mechanism: "CKM_AES_GCM", param: "CK_GCM_PARAMS{pIv=rep:12:01,ulIvLen=12,ulIvBits=96,pAAD=str:header,ulAADLen=6,ulTagBits=128}", data: 45},
		{mechanism: "CKM_AES_CCM", param: "CK_CCM_PARAMS{ulDataLen=45,pNonce=rep:12:01,ulNonceLen=12,pAAD=str:header,ulAADLen=6,ulMACLen=16}", data: 45},
	}}, "CKM_AES_KEY_GEN", "32"),
	secretKeys(family{name: "des3", what: "triple DES", tried: blockTrials("DES3", iv8)}, "CKM_DES3_KEY_GEN", ""),
	secretKeys(family{name: "camellia", what: "Camellia", tried: append(blockTrials("CAMELLIA", iv16),
		trial{mechanism: "CKM_CAMELLIA_CTR", param: "CK_CAMELLIA_CTR_PARAMS{ulCounterBits=128,cb=" + iv16 + "}", data: 45})}, "CKM_CAMELLIA_KEY_GEN", "16"),
	secretKeys(family{name: "aria", what: "ARIA", tried: blockTrials("ARIA", iv16)}, "CKM_ARIA_KEY_GEN", "16"),
	secretKeys(family{name: "seed", what: "SEED", tried: blockTrials("SEED", iv16)}, "CKM_SEED_KEY_GEN", ""),
	secretKeys(family{name: "chacha", what: "ChaCha20", tried: []trial{
		{mechanism: "CKM_CHACHA20", param: "CK_CHACHA20_PARAMS{pBlockCounter=rep:4:00,blockCounterBits=32,pNonce=rep:12:01,ulNonceBits=96}", data: 45},
		{mechanism: "CKM_CHACHA20_POLY1305", param: "CK_SALSA20_CHACHA20_POLY1305_PARAMS{pNonce=rep:12:01,ulNonceLen=12,pAAD=str:header,ulAADLen=6}", data: 45},
	}}, "CKM_CHACHA20_KEY_GEN", ""),
	keyPairs(family{name: "rsaencrypt", what: "RSA", whole: true, tried: []trial{
		{mechanism: "CKM_RSA_PKCS"}, {mechanism: "CKM_RSA_PKCS_OAEP", param: "CK_RSA_PKCS_OAEP_PARAMS{hashAlg=CKM_SHA_1,mgf=CKG_MGF1_SHA1,source=CKZ_DATA_SPECIFIED}"},
		{mechanism: "CKM_RSA_X_509", data: 256},
	}}, "CKM_RSA_PKCS_KEY_PAIR_GEN", "CKA_MODULUS_BITS=2048,CKA_PUBLIC_EXPONENT=hex:010001"),

	secretKeys(family{name: "hmac", what: "HMAC", signs: true, tried: hashTrials("_HMAC", "")}, "CKM_GENERIC_SECRET_KEY_GEN", "64"),
	secretKeys(family{name: "aesmac", what: "MACs of AES", signs: true, tried: []trial{
		{mechanism: "CKM_AES_CMAC", data: 45}, {mechanism: "CKM_AES_CMAC_GENERAL", param: "ulong:8", data: 45}, {mechanism: "CKM_AES_MAC"}, {mechanism: "CKM_AES_MAC_GENERAL", param: "ulong:4"},
		{mechanism: "CKM_AES_XCBC_MAC", data: 45}, {mechanism: "CKM_AES_XCBC_MAC_96", data: 45},
	}}, "CKM_AES_KEY_GEN", "16"),
	secretKeys(family{name: "des3mac", what: "MACs of triple DES", signs: true, tried: []trial{
		{mechanism: "CKM_DES3_CMAC", data: 45}, {mechanism: "CKM_DES3_MAC"}, {mechanism: "CKM_DES3_MAC_GENERAL", param: "ulong:4"},
	}}, "CKM_DES3_KEY_GEN", ""),
	keyPairs(family{name: "rsasign", what: "RSA, PKCS #1 v1.5", signs: true, tried: append([]trial{{mechanism: "CKM_RSA_PKCS", whole: true}}, hashTrials("_RSA_PKCS", "")...)},
		"CKM_RSA_PKCS_KEY_PAIR_GEN", "CKA_MODULUS_BITS=2048,CKA_PUBLIC_EXPONENT=hex:010001"),
	keyPairs(family{name: "pss", what: "RSA, PSS", signs: true, tried: append([]trial{{mechanism: "CKM_RSA_PKCS_PSS", data: 32, whole: true, param: "CK_RSA_PKCS_PSS_PARAMS{hashAlg=CKM_SHA256,mgf=CKG_MGF1_SHA256,sLen=32}"}},
		hashTrials("_RSA_PKCS_PSS", "CK_RSA_PKCS_PSS_PARAMS{hashAlg=HASH,mgf=MGF,sLen=20}")...)},
		"CKM_RSA_PKCS_KEY_PAIR_GEN", "CKA_MODULUS_BITS=2048,CKA_PUBLIC_EXPONENT=hex:010001"),
	keyPairs(family{name: "ecdsa", what: "ECDSA", signs: true, tried: append([]trial{{mechanism: "CKM_ECDSA", data: 32, whole: true}}, ecdsaTrials()...)}, "CKM_EC_KEY_PAIR_GEN", "CKA_EC_PARAMS=hex:06082a8648ce3d030107"),
	keyPairs(family{name: "eddsa", what: "EdDSA", signs: true, whole: true, tried: []trial{{mechanism: "CKM_EDDSA"}}}, "CKM_EC_EDWARDS_KEY_PAIR_GEN", "CKA_EC_PARAMS=hex:06032b6570"),
	keyPairs(family{name: "mldsasign", what: "ML-DSA", signs: true, whole: true, tried: []trial{{mechanism: "CKM_ML_DSA"}, {mechanism: "CKM_HASH_ML_DSA_SHA256"}}}, "CKM_ML_DSA_KEY_PAIR_GEN", "CKA_PARAMETER_SET=CKP_ML_DSA_65"),
	keyPairs(family{name: "slhdsasign", what: "SLH-DSA", signs: true, whole: true, tried: []trial{{mechanism: "CKM_SLH_DSA"}}}, "CKM_SLH_DSA_KEY_PAIR_GEN", "CKA_PARAMETER_SET=CKP_SLH_DSA_SHA2_128F"),

	{name: "sha2", what: "SHA-1 and SHA-2", digest: true, tried: []trial{{mechanism: "CKM_SHA_1"}, {mechanism: "CKM_SHA224"}, {mechanism: "CKM_SHA256"}, {mechanism: "CKM_SHA384"}, {mechanism: "CKM_SHA512"}, {mechanism: "CKM_SHA512_224"}, {mechanism: "CKM_SHA512_256"}}},
	{name: "sha3", what: "SHA-3", digest: true, tried: []trial{{mechanism: "CKM_SHA3_224"}, {mechanism: "CKM_SHA3_256"}, {mechanism: "CKM_SHA3_384"}, {mechanism: "CKM_SHA3_512"}}},
	{name: "otherhash", what: "MD5, RIPEMD and BLAKE2b", digest: true, tried: []trial{{mechanism: "CKM_MD2"}, {mechanism: "CKM_MD5"}, {mechanism: "CKM_RIPEMD128"}, {mechanism: "CKM_RIPEMD160"},
		{mechanism: "CKM_BLAKE2B_160"}, {mechanism: "CKM_BLAKE2B_256"}, {mechanism: "CKM_BLAKE2B_384"}, {mechanism: "CKM_BLAKE2B_512"}}},
}

// trialHashes are hashes as they stand in the names of mechanisms, and alone.
var trialHashes = []struct{ within, alone string }{
	{"SHA_1", "SHA_1"}, {"SHA224", "SHA224"}, {"SHA256", "SHA256"}, {"SHA384", "SHA384"}, {"SHA512", "SHA512"},
	{"SHA3_224", "SHA3_224"}, {"SHA3_256", "SHA3_256"}, {"SHA3_384", "SHA3_384"}, {"SHA3_512", "SHA3_512"}, {"MD5", "MD5"},
}

// hashTrials are the mechanisms of hashes whose names end alike. HASH and MGF in a parameter stand for those of the hash.
func hashTrials(ending, param string) (list []trial) {
	for _, h := range trialHashes {
		within := h.within
		if within == "SHA_1" && ending != "_HMAC" {
			within = "SHA1"
		}
		if param != "" && h.alone == "MD5" {
			continue // there is no such mechanism
		}
		mgf := "CKG_MGF1_" + strings.Replace(h.alone, "SHA_1", "SHA1", 1)
		list = append(list, trial{mechanism: "CKM_" + within + ending, param: strings.NewReplacer("HASH", "CKM_"+h.alone, "MGF", mgf).Replace(param)})
	}
	return list
}

func ecdsaTrials() (list []trial) {
	for _, h := range trialHashes[:9] {
		list = append(list, trial{mechanism: "CKM_ECDSA_" + strings.Replace(h.within, "SHA_1", "SHA1", 1)})
	}
	return list
}
