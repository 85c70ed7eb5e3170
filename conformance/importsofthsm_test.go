package conformance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
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

// primes and base of a group for Diffie-Hellman, RFC 2409's second, and its generator.
const (
	oakley2 = "hex:FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7EDEE386BFB5A899FA5AE9F24117C4B1FE649286651ECE65381FFFFFFFFFFFFFFFF"
	opening = "{CKA_CLASS=CKO_SECRET_KEY,CKA_KEY_TYPE=CKK_GENERIC_SECRET,CKA_SENSITIVE=false,CKA_EXTRACTABLE=true,CKA_VALUE_LEN=32,CKA_TOKEN=false}"
)

func ecKey(name, oid, sign string) movedKey {
	return movedKey{name: name, make: []string{"CKM_EC_KEY_PAIR_GEN", "{CKA_EC_PARAMS=hex:" + oid + "}", "{CKA_DERIVE=true}"}, sign: sign, derive: "CKM_ECDH1_DERIVE"}
}

func edKey(name, oid string) movedKey {
	return movedKey{name: name, make: []string{"CKM_EC_EDWARDS_KEY_PAIR_GEN", "{CKA_EC_PARAMS=hex:" + oid + "}", "{}"}, sign: "CKM_EDDSA"}
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
	ecKey("p224", "06052b81040021", "CKM_ECDSA"),
	ecKey("p256", "06082a8648ce3d030107", "CKM_ECDSA"),
	ecKey("p384", "06052b81040022", "CKM_ECDSA"),
	ecKey("p521", "06052b81040023", "CKM_ECDSA"),
	ecKey("k256", "06052b8104000a", "CKM_ECDSA"),
	ecKey("brainpoolP256r1", "06092b2403030208010107", "CKM_ECDSA"),
	ecKey("brainpoolP512r1", "06092b240303020801010d", "CKM_ECDSA"),
	edKey("ed25519", "06032b6570"),
	edKey("ed25519name", "130c656477617264733235353139"),
	edKey("ed448", "06032b6571"),
	edKey("x25519", "06032b656e"),
	edKey("x448", "06032b656f"),
	secretKey("aes128", "CKM_AES_KEY_GEN", "16", "CKM_AES_CMAC", "CKM_AES_ECB"),
	secretKey("aes192", "CKM_AES_KEY_GEN", "24", "CKM_AES_CMAC", "CKM_AES_CBC:rep:16:00"),
	secretKey("aes256", "CKM_AES_KEY_GEN", "32", "CKM_AES_CMAC", "CKM_AES_ECB"),
	secretKey("des", "CKM_DES_KEY_GEN", "", "", ""),
	secretKey("des2", "CKM_DES2_KEY_GEN", "", "", "CKM_DES3_ECB"),
	secretKey("des3", "CKM_DES3_KEY_GEN", "", "CKM_DES3_CMAC", "CKM_DES3_CBC:rep:8:00"),
	secretKey("generic", "CKM_GENERIC_SECRET_KEY_GEN", "37", "CKM_SHA256_HMAC", ""),
	createdKey("odd parity", "hex:0001020304050607,CKA_KEY_TYPE=CKK_DES", "", ""),
	createdKey("hmac", "rep:64:0b,CKA_KEY_TYPE=CKK_SHA256_HMAC", "CKM_SHA256_HMAC", ""),
	createdKey("md5hmac", "rep:16:0b,CKA_KEY_TYPE=CKK_MD5_HMAC", "CKM_MD5_HMAC", ""),
}

func TestTmpSoftHSM(t *testing.T) {
	dir := t.TempDir()
	env, err := softhsm.place(dir)
	if err != nil {
		t.Fatal(err)
	}
	s := NewScript(func(string) (*Host, error) { return StartHost(driver, softhsm.path, env...) })
	defer s.Close()
	do(t, s, "login", "C_GenerateKey s CKM_DSA_PARAMETER_GEN {CKA_PRIME_BITS=1024,CKA_TOKEN=true,CKA_LABEL=str:dsa-parameters} &d",
		"get s d CKA_PRIME", "get s d CKA_SUBPRIME", "get s d CKA_BASE")
	for _, n := range []string{"PRIME", "SUBPRIME", "BASE"} {
		s.Vars.SetBytes("dsa"+string(map[string]byte{"PRIME": 'P', "SUBPRIME": 'Q', "BASE": 'G'}[n]), s.Vars.Bytes("a.CKA_"+n))
	}
	for i, k := range movedKeys {
		id := fmt.Sprintf("{CKA_TOKEN=true,CKA_LABEL=str:%s,CKA_ID=hex:%02x}", strings.ReplaceAll(k.name, " ", "-"), i+1)
		closed := "+{CKA_PRIVATE=true,CKA_SENSITIVE=true,CKA_EXTRACTABLE=false}"
		var err error
		switch len(k.make) {
		case 1:
			err = s.Line("C_CreateObject s " + k.make[0] + "+" + id + closed + " &k")
		case 2:
			err = s.Line("C_GenerateKey s " + k.make[0] + " " + k.make[1] + "+" + id + closed + " &k")
		case 3:
			err = s.Line("C_GenerateKeyPair s " + k.make[0] + " " + k.make[1] + "+" + id + " " + k.make[2] + "+" + id + closed + " &pub &k")
		}
		fmt.Println(k.name, err)
	}
	os.WriteFile(filepath.Join(dir, "pin"), []byte(userPIN), 0o600)
	os.WriteFile(filepath.Join(dir, "so"), []byte(soPIN), 0o600)
	out, err := output(time.Minute, []string{"SOFTCSP_TOKENDIR=" + dir + "/new", "SOFTCSP_KDF=test"}, tool, "import-softhsm", filepath.Join(dir, "tokens"), "--from-pin-file", dir+"/pin", "--token", "x", "--so-pin-file", dir+"/so")
	fmt.Println(out, err)
	_ = bytes.Equal
	_ = json.Unmarshal
}
