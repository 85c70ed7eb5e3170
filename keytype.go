package softcsp

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/softcsp/softcsp/ck"
)

// A KeyType is a type of keys with its size or curve, in the words of "softcsp key generate --type". Beside the constants there are
// other sizes ("rsa:4096", "aes:192"), "ec:p224", "ml-kem:1024", and the types of secret keys of older programs: "des", "des2", "des3",
// "rc2:BITS", "rc4:BITS" and "rc5:BITS". For [Token.ImportSecretKey] and [SecretKey.UnwrapSecretKey] the size may be left out.
type KeyType string

// The types of keys for new programs. HMAC256 is a key for MACs, and for deriving other keys.
const (
	RSA3072  KeyType = "rsa:3072"
	P256     KeyType = "ec:p256"
	P384     KeyType = "ec:p384"
	P521     KeyType = "ec:p521"
	Ed25519  KeyType = "ed25519"
	X25519   KeyType = "x25519"
	MLKEM768 KeyType = "ml-kem:768"
	AES256   KeyType = "aes:256"
	ChaCha20 KeyType = "chacha20"
	HMAC256  KeyType = "hmac:256"
)

// A family is what types of keys with the same name before the colon have in common.
type family struct {
	name     string
	keyType  ck.KeyType
	generate ck.MechanismType
	sizes    bool              // in bits, behind the colon
	sets     map[string][]byte // or what stands there, and the attribute that it becomes
	setType  ck.AttributeType
	// What keys of the family are for: secret ones, or the private and public half of a pair.
	secret, private, public []ck.AttributeType
}

// The parameters of curves are their object identifiers: RFC 5480, section 2.1.1.1, and RFC 8410, section 3.
var (
	curves   = map[string][]byte{"p224": oid("06052b81040021"), "p256": oid("06082a8648ce3d030107"), "p384": oid("06052b81040022"), "p521": oid("06052b81040023")}
	edwards  = map[string][]byte{"": oid("06032b6570")}
	montgome = map[string][]byte{"": oid("06032b656e")}
	kems     = map[string][]byte{"512": ck.UlongValue(ck.CKP_ML_KEM_512), "768": ck.UlongValue(ck.CKP_ML_KEM_768), "1024": ck.UlongValue(ck.CKP_ML_KEM_1024)}
)

func oid(digits string) []byte {
	b, err := hex.DecodeString(digits)
	if err != nil {
		panic(err)
	}
	return b
}

var (
	encrypts = []ck.AttributeType{ck.CKA_ENCRYPT, ck.CKA_DECRYPT}
	wraps    = []ck.AttributeType{ck.CKA_ENCRYPT, ck.CKA_DECRYPT, ck.CKA_WRAP, ck.CKA_UNWRAP}
	signs    = []ck.AttributeType{ck.CKA_SIGN, ck.CKA_VERIFY, ck.CKA_DERIVE}
)

// families are the types of keys that can be made.
var families = []family{
	{name: "rsa", keyType: ck.CKK_RSA, generate: ck.CKM_RSA_PKCS_KEY_PAIR_GEN, sizes: true,
		private: []ck.AttributeType{ck.CKA_SIGN, ck.CKA_DECRYPT}, public: []ck.AttributeType{ck.CKA_VERIFY, ck.CKA_ENCRYPT}},
	{name: "ec", keyType: ck.CKK_EC, generate: ck.CKM_EC_KEY_PAIR_GEN, sets: curves, setType: ck.CKA_EC_PARAMS,
		private: []ck.AttributeType{ck.CKA_SIGN, ck.CKA_DERIVE}, public: []ck.AttributeType{ck.CKA_VERIFY}},
	{name: "ed25519", keyType: ck.CKK_EC_EDWARDS, generate: ck.CKM_EC_EDWARDS_KEY_PAIR_GEN, sets: edwards, setType: ck.CKA_EC_PARAMS,
		private: []ck.AttributeType{ck.CKA_SIGN}, public: []ck.AttributeType{ck.CKA_VERIFY}},
	{name: "x25519", keyType: ck.CKK_EC_MONTGOMERY, generate: ck.CKM_EC_MONTGOMERY_KEY_PAIR_GEN, sets: montgome, setType: ck.CKA_EC_PARAMS,
		private: []ck.AttributeType{ck.CKA_DERIVE}},
	{name: "ml-kem", keyType: ck.CKK_ML_KEM, generate: ck.CKM_ML_KEM_KEY_PAIR_GEN, sets: kems, setType: ck.CKA_PARAMETER_SET,
		private: []ck.AttributeType{ck.CKA_DECAPSULATE}, public: []ck.AttributeType{ck.CKA_ENCAPSULATE}},
	{name: "aes", keyType: ck.CKK_AES, generate: ck.CKM_AES_KEY_GEN, sizes: true, secret: wraps},
	{name: "chacha20", keyType: ck.CKK_CHACHA20, generate: ck.CKM_CHACHA20_KEY_GEN, secret: encrypts},
	{name: "hmac", keyType: ck.CKK_GENERIC_SECRET, generate: ck.CKM_GENERIC_SECRET_KEY_GEN, sizes: true, secret: signs},
	{name: "des", keyType: ck.CKK_DES, generate: ck.CKM_DES_KEY_GEN, secret: encrypts},
	{name: "des2", keyType: ck.CKK_DES2, generate: ck.CKM_DES2_KEY_GEN, secret: encrypts},
	{name: "des3", keyType: ck.CKK_DES3, generate: ck.CKM_DES3_KEY_GEN, secret: encrypts},
	{name: "rc2", keyType: ck.CKK_RC2, generate: ck.CKM_RC2_KEY_GEN, sizes: true, secret: encrypts},
	{name: "rc4", keyType: ck.CKK_RC4, generate: ck.CKM_RC4_KEY_GEN, sizes: true, secret: encrypts},
	{name: "rc5", keyType: ck.CKK_RC5, generate: ck.CKM_RC5_KEY_GEN, sizes: true, secret: encrypts},
}

// parse finds the family of a type, and what stands behind the colon: a number of bits, 0 for none, or a set.
func (k KeyType) parse(pair bool) (f *family, bits uint, set []byte, err error) {
	name, rest, _ := strings.Cut(string(k), ":")
	for i := range families {
		f = &families[i]
		if f.name != name || pair != (f.private != nil) {
			continue
		}
		if f.sizes {
			n, err := strconv.ParseUint(rest, 10, 32)
			if rest != "" && (err != nil || n == 0 || n%8 != 0) {
				break
			}
			return f, uint(n), nil, nil
		}
		set, ok := f.sets[rest]
		if !ok && (f.sets != nil || rest != "") {
			break
		}
		return f, 0, set, nil
	}
	kind := "secret key"
	if pair {
		kind = "key pair"
	}
	return nil, 0, nil, fmt.Errorf("softcsp: %q is no type of a %s", k, kind)
}

// secretKeyType is the type of a secret key of so many bits. Types that this package does not make have the name of PKCS #11.
func secretKeyType(t ck.KeyType, bits int) KeyType {
	for _, f := range families {
		if f.keyType != t {
			continue
		}
		if f.sizes {
			return KeyType(fmt.Sprintf("%s:%d", f.name, bits))
		}
		return KeyType(f.name)
	}
	return KeyType(t.String())
}
