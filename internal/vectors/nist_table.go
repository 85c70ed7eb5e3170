package vectors

import "github.com/softcsp/softcsp/ck"

const (
	keysInFiles  = "keys and certificates in files, which stand above a token"
	explanations = "an explanation"
	interleaved  = "PKCS #11 has no interleaved or pipelined modes"
	inverseWrap  = "SP 800-38F's key wrapping with the inverse of the cipher, which PKCS #11 does not have"
	tripleWrap   = "PKCS #11 has no key wrapping of SP 800-38F with Triple DES"
	chosen       = "what the generation of keys and domain parameters chooses, where C_GenerateKeyPair and C_GenerateKey take their own"
)

var (
	ciphertext = []string{"PLAINTEXT", "CIPHERTEXT"}
	digest     = []string{"Len", "Msg", "MD"}
)

// nistTable is what is done with each file: the first that fits.
var nistTable = []nistRow{
	{files: "x509/**", family: "Keys in files", reason: keysInFiles},
	{files: "pkcs12/**", family: "Keys in files", reason: keysInFiles},
	{files: "pkcs7/**", family: "Keys in files", reason: keysInFiles},
	{files: "fernet/**", family: "Fernet", reason: "a format above a token"},
	{files: "asymmetric/*_Serialization/**", family: "Keys in files", reason: keysInFiles},
	{files: "asymmetric/DER_Serialization/**", family: "Keys in files", reason: keysInFiles},
	{files: "asymmetric/PEM_Serialization/**", family: "Keys in files", reason: keysInFiles},
	{files: "asymmetric/Traditional_OpenSSL_Serialization/**", family: "Keys in files", reason: keysInFiles},
	{files: "asymmetric/OpenSSH/**", family: "Keys in files", reason: keysInFiles},
	{files: "asymmetric/PKCS8/**", family: "Keys in files", reason: keysInFiles},
	{files: "asymmetric/public/**", family: "Keys in files", reason: keysInFiles},
	{files: "asymmetric/*/*.pem", family: "Keys in files", reason: keysInFiles},
	{files: "asymmetric/*/*.der", family: "Keys in files", reason: keysInFiles},
	{files: "asymmetric/DH/d*.txt", family: "Keys in files", reason: keysInFiles},
	{files: "*/*/*/[rR]eadme.txt", family: "Explanations", reason: explanations},
	{files: "*/*/[rR]eadme.txt", family: "Explanations", reason: explanations},
	{files: "twofactor/*", family: "HOTP and TOTP", reason: "one-time passwords, which C_Sign returns in a structure of their own"},

	{files: "CMAC/*", family: "CMAC", mark: []string{"MESSAGE", "OUTPUT"}, load: nistCMAC},
	{files: "HMAC/*", family: "HMAC", mark: []string{"Len", "Msg", "MD"}, load: nistHMAC},
	{files: "KDF/rfc-5869-*", family: "HKDF", mark: []string{"OKM"}, load: nistHKDF},
	{files: "KDF/hkdf-generated.txt", family: "HKDF", mark: []string{"OKM"}, load: nistHKDF},
	{files: "KDF/rfc-6070-*", family: "PBKDF2", mark: []string{"PASSWORD", "DERIVED_KEY"}, load: nistPBKDF2},
	{files: "KDF/nist-800-108-*", family: "SP 800-108", mark: []string{"KI", "KO"}, load: nistKBKDF},
	{files: "KDF/ansx963*", family: "X9.63", reason: "the function belongs to ECDH: no mechanism begins with the shared secret; the records have some of these"},
	{files: "KDF/scrypt.txt", family: "scrypt", reason: noName},

	{files: "asymmetric/DH/vec.txt", family: "Diffie-Hellman", mark: []string{"P", "K"}, load: nistDH},
	{files: "asymmetric/DH/rfc3526.txt", family: "Diffie-Hellman", mark: []string{"P", "G"}, load: nistGroup},
	{files: "asymmetric/DH/RFC5114.txt", family: "Diffie-Hellman", mark: []string{"XstatCAVS", "YstatCAVS"}, load: nistDHStatic},
	{files: "asymmetric/DH/bad_exchange.txt", family: "Diffie-Hellman", mark: []string{"P1", "Y2"}, load: nistBadDH},
	{files: "asymmetric/DH/*.fax", family: "Diffie-Hellman", mark: []string{"YstatCAVS", "Z"}, load: nistFFC},
	{files: "asymmetric/DSA/*/PQG*", family: "DSA", reason: chosen},
	{files: "asymmetric/DSA/*/KeyPair.rsp", family: "DSA", mark: []string{"X", "Y"}, load: nistDSAKey},
	{files: "asymmetric/DSA/*/SigGen.rsp", family: "DSA", mark: []string{"Msg", "R", "S"}, load: nistDSA},
	{files: "asymmetric/DSA/*/Sig*", family: "DSA", mark: []string{"Msg", "R", "S"}, load: nistDSA},
	{files: "asymmetric/EC/compressed_points.txt", family: "Curves", mark: []string{"CURVE", "POINT"}, load: nistPoint},
	{files: "asymmetric/ECDH/*KDFConcat*", family: "ECDH", mark: []string{"QsCAVSx", "DKM", "Result"}, load: nistConcat},
	{files: "asymmetric/ECDH/*ZZOnly*", family: "ECDH", mark: []string{"QsCAVSx", "Z", "Result"}, load: nistECC},
	{files: "asymmetric/ECDH/brainpool.txt", family: "ECDH", mark: []string{"dA", "x_Z"}, load: nistBrainpool},
	{files: "asymmetric/ECDSA/*/KeyPair.rsp", family: "ECDSA", mark: []string{"d", "Qx", "Qy"}, load: nistCurveKey},
	{files: "asymmetric/ECDSA/*/PKV.rsp", family: "ECDSA", mark: []string{"Qx", "Qy", "Result"}, load: nistCurveKey},
	{files: "asymmetric/ECDSA/*/Sig*", family: "ECDSA", mark: []string{"Msg", "R", "S"}, load: nistECDSA},
	{files: "asymmetric/Ed25519/sign.input", family: "EdDSA", whole: ed25519Input},
	{files: "asymmetric/Ed448/rfc8032.txt", family: "EdDSA", mark: []string{"SECRET", "SIGNATURE"}, load: nistEd448},
	{files: "asymmetric/X*/rfc7748.txt", family: "XDH", mark: []string{"INPUT_SCALAR", "OUTPUT_U"}, load: nistXDH},

	{files: "asymmetric/RSA/FIPS_186-2/KeyGenRSA.rsp", family: "RSA", reason: chosen},
	{files: "asymmetric/RSA/FIPS_186-2/Sig*RSA*", family: "RSA", mark: []string{"Msg", "S"}, load: nistX931},
	{files: "asymmetric/RSA/FIPS_186-2/*PSS*", family: "RSA", mark: []string{"Msg", "S"}, load: nistPSS},
	{files: "asymmetric/RSA/FIPS_186-2/*15*", family: "RSA", mark: []string{"Msg", "S"}, load: nistPKCS1},
	{files: "asymmetric/RSA/SigVer15EMTest.txt", family: "RSA", mark: []string{"Msg", "S"}, load: nistPKCS1},
	{files: "asymmetric/RSA/oaep-label.txt", family: "RSA", mark: []string{"KEY", "Input", "Output"}, load: nistLabel},
	{files: "asymmetric/RSA/oaep-custom/*", family: "RSA", whole: rsaLaboratories},
	{files: "asymmetric/RSA/pkcs-1v2-1d2-vec/*-vect.txt", family: "RSA", whole: rsaLaboratories},
	{files: "asymmetric/RSA/pkcs-1v2-1d2-vec/*-int.txt", family: "RSA", reason: "the steps between of the vectors beside"},
	{files: "asymmetric/RSA/pkcs1v15*", family: "RSA", whole: rsaLaboratories},

	{files: "ciphers/3DES/CBC/TCBCI*", family: "Triple DES", reason: interleaved},
	{files: "ciphers/3DES/OFB/TOFBI*", family: "Triple DES", reason: interleaved},
	{files: "ciphers/3DES/CFB/TCFBP*", family: "Triple DES", reason: interleaved},
	{files: "ciphers/3DES/CFB/TCFB1*", family: "Triple DES", reason: noMode},
	{files: "ciphers/3DES/*/*", family: "Triple DES", mark: ciphertext, load: nistDES3},
	{files: "ciphers/AES/CBC/*", family: "AES", mark: ciphertext, load: nistCipher(ck.CKM_AES_CBC)},
	{files: "ciphers/AES/ECB/*", family: "AES", mark: ciphertext, load: nistCipher(ck.CKM_AES_ECB)},
	{files: "ciphers/AES/OFB/*", family: "AES", mark: ciphertext, load: nistCipher(ck.CKM_AES_OFB)},
	{files: "ciphers/AES/CFB/CFB128*", family: "AES", mark: ciphertext, load: nistCipher(ck.CKM_AES_CFB128)},
	{files: "ciphers/AES/CFB/CFB8*", family: "AES", mark: ciphertext, load: nistCipher(ck.CKM_AES_CFB8)},
	{files: "ciphers/AES/CFB/CFB1*", family: "AES", mark: ciphertext, load: nistCFB1},
	{files: "ciphers/AES/CTR/*", family: "AES", mark: ciphertext, load: nistCTR},
	{files: "ciphers/AES/GCM/*", family: "AES", mark: []string{"Key", "IV", "Tag"}, load: nistGCM},
	{files: "ciphers/AES/CCM/DVPT*.rsp", family: "AES", mark: []string{"Adata", "CT"}, load: nistCCM},
	{files: "ciphers/AES/CCM/DVPT*.txt", family: "AES", reason: "the text form of the .rsp files beside"},
	{files: "ciphers/AES/CCM/*", family: "AES", mark: []string{"Payload", "CT"}, load: nistCCM},
	{files: "ciphers/AES/XTS/*/*", family: "AES", mark: []string{"PT", "CT"}, load: nistXTS},
	{files: "ciphers/AES/SIV/*", family: "AES", reason: noMode},
	{files: "ciphers/AES/OCB3/*", family: "AES", reason: noMode},
	{files: "ciphers/ARC4/*", family: "RC4", mark: ciphertext, load: nistRC4},
	{files: "ciphers/Blowfish/bf-cbc.txt", family: "Blowfish", mark: ciphertext, load: nistCipher(ck.CKM_BLOWFISH_CBC)},
	{files: "ciphers/Blowfish/*", family: "Blowfish", reason: noMode},
	{files: "ciphers/CAST5/cast5-cbc.txt", family: "CAST-128", mark: ciphertext, load: nistCipher(ck.CKM_CAST128_CBC)},
	{files: "ciphers/CAST5/cast5-ecb.txt", family: "CAST-128", mark: ciphertext, load: nistCipher(ck.CKM_CAST128_ECB)},
	{files: "ciphers/CAST5/*", family: "CAST-128", reason: noMode},
	{files: "ciphers/Camellia/camellia-cbc.txt", family: "Camellia", mark: ciphertext, load: nistCipher(ck.CKM_CAMELLIA_CBC)},
	{files: "ciphers/Camellia/camellia-*-ecb.txt", family: "Camellia", whole: camelliaECB},
	{files: "ciphers/Camellia/*", family: "Camellia", reason: noMode},
	{files: "ciphers/ChaCha20/*", family: "ChaCha20", mark: ciphertext, load: nistChaCha},
	{files: "ciphers/ChaCha20Poly1305/openssl.txt", family: "ChaCha20-Poly1305", mark: []string{"Key", "Ciphertext", "Plaintext"}, load: nistChaChaPoly("Key", "IV", "AAD", "Plaintext", "Ciphertext", "Tag")},
	{files: "ciphers/ChaCha20Poly1305/*", family: "ChaCha20-Poly1305", mark: []string{"KEY", "CT", "TAG"}, load: nistChaChaPoly("KEY", "NONCE", "AD", "IN", "CT", "TAG")},
	{files: "ciphers/IDEA/idea-cbc.txt", family: "IDEA", mark: ciphertext, load: nistCipher(ck.CKM_IDEA_CBC)},
	{files: "ciphers/IDEA/idea-ecb.txt", family: "IDEA", mark: ciphertext, load: nistCipher(ck.CKM_IDEA_ECB)},
	{files: "ciphers/IDEA/*", family: "IDEA", reason: noMode},
	{files: "ciphers/SEED/rfc-4196.txt", family: "SEED", mark: ciphertext, load: nistCipher(ck.CKM_SEED_CBC)},
	{files: "ciphers/SEED/rfc-4269.txt", family: "SEED", mark: ciphertext, load: nistCipher(ck.CKM_SEED_ECB)},
	{files: "ciphers/SEED/*", family: "SEED", reason: noMode},
	{files: "ciphers/SM4/*", family: "SM4", reason: noName},
	{files: "keywrap/kwp_botan.txt", family: "AES", mark: []string{"Key", "Input", "Output"}, load: nistWrapBotan},
	{files: "keywrap/kwtestvectors/TKW*", family: "Triple DES", reason: tripleWrap},
	{files: "keywrap/kwtestvectors/*_inv.txt", family: "AES", reason: inverseWrap},
	{files: "keywrap/kwtestvectors/KW_*", family: "AES", mark: []string{"K", "C"}, load: nistWrap(ck.CKM_AES_KEY_WRAP)},
	{files: "keywrap/kwtestvectors/KWP_*", family: "AES", mark: []string{"K", "C"}, load: nistWrap(ck.CKM_AES_KEY_WRAP_KWP)},
	{files: "poly1305/*", family: "Poly1305", mark: []string{"KEY", "TAG"}, load: nistPoly1305},

	{files: "hashes/MD5/*", family: "MD5", mark: digest, load: nistHash1("MD5")},
	{files: "hashes/SHA?/*Monte.txt", family: "SHA", reason: "the text form of the .rsp files beside"},
	{files: "hashes/SHA?/*Monte.rsp", family: "SHA", mark: []string{"MD"}, load: nistMonte},
	{files: "hashes/SHA?/*", family: "SHA", mark: digest, load: nistHash1("")},
	{files: "hashes/SHAKE/*Monte.rsp", family: "SHAKE", reason: "a chain of outputs, of which CKM_SHAKE_*_KEY_DERIVATION makes keys and not data"},
	{files: "hashes/SHAKE/*", family: "SHAKE", mark: []string{"Msg", "Output"}, load: nistSHAKE},
	{files: "hashes/SM3/*", family: "SM3", reason: noName},
	{files: "hashes/blake2/blake2b.txt", family: "BLAKE2", mark: digest, load: nistHash1("BLAKE2B")},
	{files: "hashes/blake2/*", family: "BLAKE2", reason: "PKCS #11 has BLAKE2b and no BLAKE2s"},
	{files: "hashes/ripemd160/*", family: "RIPEMD-160", mark: digest, load: nistHash1("RIPEMD160")},
}
