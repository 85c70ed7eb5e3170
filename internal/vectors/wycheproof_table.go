package vectors

import "github.com/softcsp/softcsp/ck"

// Reasons that several rows have.
const (
	noMode  = "PKCS #11 has no such mode of the cipher"
	noName  = "PKCS #11 has no mechanism for the algorithm"
	noShake = "PKCS #11 has no number for SHAKE as a hash or a mask"
	noMask  = "PKCS #11 has no number for a mask of SHA-512/224 and SHA-512/256"
	jose    = "formats of JOSE, which stand above a token"
)

// wycheproofTable is what is done with each file. A file that no row fits fails the tests.
var wycheproofTable = []wycheproofRow{
	{files: "a???cbc_hs???", family: "JOSE", reason: jose},
	{files: "json_web_*", family: "JOSE", reason: jose},
	{files: "aead_aes_siv_cmac", family: "AES-SIV", reason: noMode},
	{files: "aes_siv_cmac", family: "AES-SIV", reason: noMode},
	{files: "aes_gcm_siv", family: "AES-GCM-SIV", reason: noMode},
	{files: "aes_eax", family: "AES-EAX", reason: noMode},
	{files: "aes_ff1_*", family: "AES-FF1", reason: noMode},
	{files: "aegis*", family: "AEGIS", reason: noName},
	{files: "ascon*", family: "ASCON", reason: noName},
	{files: "morus*", family: "MORUS", reason: noName},
	{files: "bls_*", family: "BLS", reason: noName},
	{files: "c2sp_chunked_encryption_*", family: "Chunked encryption", reason: "a format above a token; the ciphers in it have files of their own"},
	{files: "kmac128_*", family: "KMAC", load: kmac(ck.CKM_SOFTCSP_KMAC128)},
	{files: "kmac256_*", family: "KMAC", load: kmac(ck.CKM_SOFTCSP_KMAC256)},
	{files: "siphash*", family: "SipHash", reason: noName},
	{files: "sm4_*", family: "SM4", reason: noName},
	{files: "hmac_sm3", family: "HMAC-SM3", reason: noName},
	{files: "vmac_*", family: "VMAC", reason: noName},
	{files: "primality", family: "Primality", reason: "no function of PKCS #11 says whether a number is prime"},
	{files: "aria_ccm", family: "ARIA", reason: noMode},
	{files: "aria_cmac", family: "ARIA", reason: noMode},
	{files: "aria_gcm", family: "ARIA", reason: noMode},
	{files: "aria_*w*p", family: "ARIA", reason: noMode},
	{files: "camellia_ccm", family: "Camellia", reason: noMode},
	{files: "camellia_cmac", family: "Camellia", reason: noMode},
	{files: "camellia_wrap", family: "Camellia", reason: noMode},
	{files: "seed_*", family: "SEED", reason: noMode},

	{files: "aes_cbc_pkcs5", family: "AES", load: cbcPad(ck.CKM_AES_CBC_PAD, ck.CKK_AES)},
	{files: "aria_cbc_pkcs5", family: "ARIA", load: cbcPad(ck.CKM_ARIA_CBC_PAD, ck.CKK_ARIA)},
	{files: "camellia_cbc_pkcs5", family: "Camellia", load: cbcPad(ck.CKM_CAMELLIA_CBC_PAD, ck.CKK_CAMELLIA)},
	{files: "aes_gcm", family: "AES", load: loadGCM},
	{files: "aes_ccm", family: "AES", load: loadCCM},
	{files: "aes_xts", family: "AES", load: loadXTS},
	{files: "aes_gmac", family: "AES", load: loadGMAC},
	{files: "aes_cmac", family: "AES", load: mac(ck.CKK_AES, 16, ck.CKM_AES_CMAC, ck.CKM_AES_CMAC_GENERAL)},
	{files: "aes_wrap", family: "AES", load: keyWrap(ck.CKM_AES_KEY_WRAP)},
	{files: "aes_kwp", family: "AES", load: keyWrap(ck.CKM_AES_KEY_WRAP_KWP)},
	{files: "*chacha20_poly1305", family: "ChaCha20-Poly1305", load: loadChaChaPoly},
	{files: "hmac_*", family: "HMAC", load: loadHMAC},
	{files: "hkdf_*", family: "HKDF", load: loadHKDF},
	{files: "pbkdf2_*", family: "PBKDF2", load: loadPBKDF2},
	{files: "pbes2_*", family: "PBES2", load: loadPBES2},

	{files: "ecdsa_*_bitcoin", family: "ECDSA", reason: "Bitcoin takes one of the two signatures that are each other's negative, FIPS 186-5 both"},
	{files: "ecdsa_*", family: "ECDSA", load: loadECDSA},
	{files: "ed*", family: "EdDSA", load: loadEdDSA},
	{files: "ecdh_*", family: "ECDH", load: loadECDH},
	{files: "ec_prime_order_curves", family: "Curves", load: loadCurves},
	{files: "x25519*", family: "XDH", load: loadXDH},
	{files: "x448*", family: "XDH", load: loadXDH},
	{files: "dsa_*", family: "DSA", load: loadDSA},

	{files: "rsa_pss_*shake*", family: "RSA", reason: noShake},
	{files: "rsa_*mgf1sha512_2*", family: "RSA", reason: noMask},
	{files: "rsa_pss_2048_sha512_2??_mgf1_*", family: "RSA", reason: noMask},
	{files: "rsa_*oaep*", family: "RSA", load: loadOAEP},
	{files: "rsa_pss_*", family: "RSA", load: loadPSS},
	{files: "rsa_pkcs1_*_sig_gen", family: "RSA", load: loadPKCS1},
	{files: "rsa_signature_*", family: "RSA", load: loadPKCS1},
	{files: "rsa_pkcs1_*", family: "RSA", load: loadPKCS1Decrypt},

	{files: "mlkem_*_encaps", family: "ML-KEM", load: loadMLKEMEncaps},
	{files: "mlkem_*_keygen_seed", family: "ML-KEM", load: loadMLKEMKeyGen},
	{files: "mlkem_*_semi_expanded_decaps", family: "ML-KEM", load: loadMLKEMExpanded},
	{files: "mlkem_*", family: "ML-KEM", load: loadMLKEM},
	{files: "mldsa_*_verify", family: "ML-DSA", load: loadMLDSAVerify},
	{files: "mldsa_*_sign_*", family: "ML-DSA", load: loadMLDSASign},
}
