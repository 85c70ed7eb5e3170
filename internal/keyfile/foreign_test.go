package keyfile

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/vectors"
)

// foreignDirs have the files of keys and certificates with which python-cryptography is tested, from many programs.
var foreignDirs = []string{
	"asymmetric/PKCS8", "asymmetric/OpenSSH", "asymmetric/Traditional_OpenSSL_Serialization", "asymmetric/PEM_Serialization", "asymmetric/DER_Serialization",
	"asymmetric/public/PKCS1", "asymmetric/Ed25519", "asymmetric/Ed448", "asymmetric/X25519", "asymmetric/X448", "asymmetric/DH", "pkcs12",
}

// foreignPasswords are those of the files.
var foreignPasswords = []string{"123456", "password", "foobar", "baz", "a123456", "cryptography"}

// foreignRefused are the files that are no keys, or are not to be read, and what is said of them.
var foreignRefused = map[string]string{
	"bad-encryption-oid.pem":                "it is encrypted in a way that is not known",
	"bad-oid-dsa-key.pem":                   "of a type that softcsp does not have",
	"ec_oid_not_in_reg_private_2.pkcs8.pem": "on a curve that softcsp does not have",
	"nodompar_private.pkcs8.pem":            "on a curve that softcsp does not have",
	"withdompar_private.pkcs8.pem":          "on a curve that softcsp does not have",
	"dsa-nopsw.key":                         "the OpenSSH key cannot be read",
	"dsa-psw.key":                           "the OpenSSH key cannot be read",
	"dsa-nopsw.key-cert.pub":                "of a type that softcsp does not have",
	"ecdsa-nopsw.key-cert.pub":              "of a type that softcsp does not have",
	"ed25519-nopsw.key-cert.pub":            "of a type that softcsp does not have",
	"rsa-nopsw.key-cert.pub":                "of a type that softcsp does not have",
	"rsa-bad-1025-q-is-2.pem":               "its parts do not belong together",
	"dsa_public_key_invalid_bit_string.der": "the public key is damaged",
	"dsa_public_key_no_params.der":          "the public key is damaged",
	"dsa.pub.pem":                           "a PEM block \"DSA PUBLIC KEY\"",
	"dh_key_256.pem":                        "CKA_PRIME of 256 bits",
	"dhp.der":                               "CKA_PUBLIC_EXPONENT", // its parameters are two numbers, as an RSA key is
	"dhp_rfc5114_2.der":                     "in a format that is known",
	"dhp.pem":                               "no key and no certificate",
	"dhp_rfc5114_2.pem":                     "no key and no certificate",
	"dsaparam.pem":                          "no key and no certificate",
}

// TestForeign reads files of other programs.
func TestForeign(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("passwords take long")
	}
	if _, err := os.Stat(vectors.CryptographyVectors); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	read := 0
	for _, dir := range foreignDirs {
		files, err := filepath.Glob(filepath.Join(vectors.CryptographyVectors, dir, "*.*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			switch filepath.Ext(file) {
			case ".txt", ".sh", ".input", ".fax":
				continue
			}
			read++
			foreign(t, file)
		}
	}
	if read < 150 {
		t.Errorf("there were %d files", read)
	}
}

// foreign reads one file.
func foreign(t *testing.T, file string) {
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var c *Contents
	for _, p := range foreignPasswords {
		o, _ := asks(p)
		if c, err = Read(data, o); !errors.Is(err, ErrPassword) {
			break
		}
	}
	name := filepath.Base(file)
	if want, refused := foreignRefused[name]; refused {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", file, err, want)
		}
		return
	}
	if err != nil {
		t.Errorf("%s: %v", file, err)
		return
	}
	for _, e := range c.Entries {
		complete(t, file, e)
	}
	if !strings.HasPrefix(name, "rsa_pss") {
		return
	}
	if find(c.Entries[0].Attributes, ck.CKA_ALLOWED_MECHANISMS) == nil || c.Entries[0].Type != ck.CKK_RSA {
		t.Errorf("%s is for everything", file)
	}
}

// TestOtherFormats sees that a format which is known and not read is named.
func TestOtherFormats(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"PuTTY-User-Key-File-3: ssh-ed25519\r\nEncryption: none\r\n": "puttygen",
		"\xfe\xed\xfe\xed\x00\x00\x00\x02":                           "-deststoretype pkcs12",
		"\xce\xce\xce\xce\x00\x00\x00\x02":                           "-srcstoretype jceks",
		"hello":                                                      "in a format that is known",
		" \n":                                                        "empty",
		"-----BEGIN RSA PRIVATE KEY-----\nAAAA":                      "no complete PEM block",
		"-----BEGIN PKCS7-----\nAAAA\n-----END PKCS7-----\n":         `a PEM block "PKCS7"`,
		"-----BEGIN DH PARAMETERS-----\nAAAA\n-----END DH PARAMETERS-----\n": "no key and no certificate",
	} {
		if _, err := Read([]byte(text), Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}
