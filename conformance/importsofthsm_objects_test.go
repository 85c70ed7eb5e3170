package conformance

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"testing"
)

// A moved key is one that SoftHSM2 made, and what it is tried with before and after softcsp import-softhsm.
type movedKey struct {
	name string
	// make has the mechanism and the templates that a pair or a key is generated with, without what all have; {…} alone is the template
	// of C_CreateObject.
	make []string
	// sign, crypt and derive are mechanisms.
	sign, crypt, derive string
}

const (
	// oakley2 is the prime of the second group of RFC 2409.
	oakley2 = "hex:FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7EDEE386BFB5A899FA5AE9F24117C4B1FE649286651ECE65381FFFFFFFFFFFFFFFF"
	// opening is the template of a secret that can be read.
	opening = "{CKA_CLASS=CKO_SECRET_KEY,CKA_KEY_TYPE=CKK_GENERIC_SECRET,CKA_SENSITIVE=false,CKA_EXTRACTABLE=true,CKA_VALUE_LEN=32,CKA_TOKEN=false}"
)

func ecKey(name, oid, sign string) movedKey {
	return movedKey{name: name, make: []string{"CKM_EC_KEY_PAIR_GEN", "{CKA_EC_PARAMS=hex:" + oid + "}", "{CKA_DERIVE=true}"}, sign: sign, derive: "CKM_ECDH1_DERIVE"}
}

func edKey(name, oid string) movedKey {
	return movedKey{name: name, make: []string{"CKM_EC_EDWARDS_KEY_PAIR_GEN", "{CKA_EC_PARAMS=hex:" + oid + "}", "{}"}, sign: "CKM_EDDSA"}
}

// xKey is a key of a Montgomery curve, which SoftHSM2 takes for one of an Edwards curve.
func xKey(name, oid string) movedKey {
	return movedKey{name: name, make: []string{"CKM_EC_EDWARDS_KEY_PAIR_GEN", "{CKA_EC_PARAMS=hex:" + oid + "}", "{CKA_DERIVE=true}"}, derive: "CKM_ECDH1_DERIVE"}
}

func secretKey(name, generate, length, sign, crypt string) movedKey {
	template := "{}"
	if length != "" {
		template = "{CKA_VALUE_LEN=" + length + "}"
	}
	return movedKey{name: name, make: []string{generate, template}, sign: sign, crypt: crypt}
}

func createdKey(name, template, sign, crypt string) movedKey {
	return movedKey{name: name, make: []string{"{CKA_CLASS=CKO_SECRET_KEY,CKA_VALUE=" + template + "}"}, sign: sign, crypt: crypt}
}

// movedKeys are keys of every type that SoftHSM2 2.6.1 has, as Debian builds it.
var movedKeys = []movedKey{
	{name: "rsa1024", make: []string{"CKM_RSA_PKCS_KEY_PAIR_GEN", "{CKA_MODULUS_BITS=1024,CKA_PUBLIC_EXPONENT=hex:03}", "{}"}, sign: "CKM_SHA256_RSA_PKCS", crypt: "CKM_RSA_PKCS"},
	{name: "rsa2048", make: []string{"CKM_RSA_PKCS_KEY_PAIR_GEN", "{CKA_MODULUS_BITS=2048,CKA_PUBLIC_EXPONENT=hex:010001}", "{}"}, sign: "CKM_RSA_PKCS", crypt: "CKM_RSA_PKCS"},
	{name: "dsa", make: []string{"CKM_DSA_KEY_PAIR_GEN", "{CKA_PRIME=dsaP,CKA_SUBPRIME=dsaQ,CKA_BASE=dsaG}", "{}"}, sign: "CKM_DSA_SHA1"},
	{name: "dh", make: []string{"CKM_DH_PKCS_KEY_PAIR_GEN", "{CKA_PRIME=" + oakley2 + ",CKA_BASE=hex:02}", "{CKA_DERIVE=true}"}, derive: "CKM_DH_PKCS_DERIVE"},
	{name: "p224", make: []string{"CKM_EC_KEY_PAIR_GEN", "{CKA_EC_PARAMS=hex:06052b81040021}", "{}"}, sign: "CKM_ECDSA"}, // its secrets are too short for what is derived
	ecKey("p256", "06082a8648ce3d030107", "CKM_ECDSA"),
	ecKey("p384", "06052b81040022", "CKM_ECDSA"),
	ecKey("p521", "06052b81040023", "CKM_ECDSA"),
	ecKey("k256", "06052b8104000a", "CKM_ECDSA"),
	ecKey("brainpoolP256r1", "06092b2403030208010107", "CKM_ECDSA"),
	ecKey("brainpoolP512r1", "06092b240303020801010d", "CKM_ECDSA"),
	edKey("ed25519", "06032b6570"),
	edKey("ed25519name", "130c656477617264733235353139"),
	edKey("ed448", "06032b6571"),
	xKey("x25519", "06032b656e"),
	xKey("x448", "06032b656f"),
	secretKey("aes128", "CKM_AES_KEY_GEN", "16", "CKM_AES_CMAC", "CKM_AES_ECB"),
	secretKey("aes192", "CKM_AES_KEY_GEN", "24", "CKM_AES_CMAC", "CKM_AES_CBC:rep:16:00"),
	secretKey("aes256", "CKM_AES_KEY_GEN", "32", "CKM_AES_CMAC", "CKM_AES_ECB"),
	secretKey("des", "CKM_DES_KEY_GEN", "", "", ""),
	secretKey("des2", "CKM_DES2_KEY_GEN", "", "", "CKM_DES3_ECB"),
	secretKey("des3", "CKM_DES3_KEY_GEN", "", "CKM_DES3_CMAC", "CKM_DES3_CBC:rep:8:00"),
	secretKey("generic", "CKM_GENERIC_SECRET_KEY_GEN", "37", "CKM_SHA256_HMAC", ""),
	createdKey("parity", "hex:0001020304050607,CKA_KEY_TYPE=CKK_DES", "", ""),
	createdKey("hmac", "rep:64:0b,CKA_KEY_TYPE=CKK_SHA256_HMAC", "CKM_SHA256_HMAC", ""),
	createdKey("md5hmac", "rep:16:0b,CKA_KEY_TYPE=CKK_MD5_HMAC", "CKM_MD5_HMAC", ""),
}

// movedObjects are objects that are there for their attributes, as templates of C_CreateObject; what begins with CKM_ is generated.
var movedObjects = []string{
	"{CKA_CLASS=CKO_DATA,CKA_LABEL=str:data,CKA_PRIVATE=false,CKA_APPLICATION=str:test,CKA_OBJECT_ID=hex:06032a0304,CKA_VALUE=str:anybody}",
	"{CKA_CLASS=CKO_DATA,CKA_LABEL=str:secret-data,CKA_PRIVATE=true,CKA_VALUE=rep:5000:5a}",
	"{CKA_CLASS=CKO_DATA,CKA_VALUE=str:unnamed,CKA_PRIVATE=false}",
	"{CKA_CLASS=CKO_CERTIFICATE,CKA_CERTIFICATE_TYPE=CKC_X_509,CKA_LABEL=str:certificate,CKA_ID=hex:07,CKA_VALUE=certificate,CKA_SUBJECT=subject,CKA_ISSUER=subject,CKA_SERIAL_NUMBER=hex:020107}",
	"{CKA_CLASS=CKO_PUBLIC_KEY,CKA_KEY_TYPE=CKK_RSA,CKA_LABEL=str:alone,CKA_ID=hex:08,CKA_MODULUS=modulus,CKA_PUBLIC_EXPONENT=hex:010001,CKA_START_DATE=str:20240229,CKA_END_DATE=str:20991231,CKA_SUBJECT=hex:3000}",
	"{CKA_CLASS=CKO_SECRET_KEY,CKA_KEY_TYPE=CKK_AES,CKA_LABEL=str:open,CKA_ID=hex:09,CKA_VALUE=rep:16:09,CKA_SENSITIVE=false,CKA_EXTRACTABLE=true,CKA_PRIVATE=false}",
	"{CKA_CLASS=CKO_SECRET_KEY,CKA_KEY_TYPE=CKK_AES,CKA_LABEL=str:limited,CKA_ID=hex:0a,CKA_VALUE=rep:16:0a,CKA_SENSITIVE=true,CKA_ALLOWED_MECHANISMS=[CKM_AES_ECB,CKM_AES_CBC],CKA_DECRYPT=false,CKA_SIGN=false}",
	"{CKA_CLASS=CKO_SECRET_KEY,CKA_KEY_TYPE=CKK_AES,CKA_LABEL=str:fixed,CKA_ID=hex:0b,CKA_VALUE=rep:16:0b,CKA_MODIFIABLE=false,CKA_COPYABLE=false,CKA_DESTROYABLE=false,CKA_WRAP_WITH_TRUSTED=true}",
	"{CKA_CLASS=CKO_SECRET_KEY,CKA_KEY_TYPE=CKK_AES,CKA_LABEL=str:wrapper,CKA_ID=hex:0c,CKA_VALUE=rep:16:0c,CKA_WRAP_TEMPLATE={CKA_CLASS=CKO_SECRET_KEY,CKA_EXTRACTABLE=true},CKA_UNWRAP_TEMPLATE={CKA_SENSITIVE=true,CKA_LABEL=str:came}}",
	"CKM_AES_KEY_GEN {CKA_VALUE_LEN=16,CKA_LABEL=str:extractable,CKA_ID=hex:0d,CKA_SENSITIVE=true,CKA_EXTRACTABLE=true,CKA_PRIVATE=true}",
	"CKM_AES_KEY_GEN {CKA_VALUE_LEN=32,CKA_LABEL=str:kek,CKA_ID=hex:0e,CKA_SENSITIVE=true,CKA_EXTRACTABLE=false,CKA_PRIVATE=true}",
	"CKM_AES_KEY_GEN {CKA_VALUE_LEN=16}",
}

// testCertificate returns a certificate, its subject and the modulus of its key.
func testCertificate(t *testing.T) (certificate, subject, modulus []byte) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "moved"}}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	if c, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return der, c.RawSubject, key.N.Bytes()
}
