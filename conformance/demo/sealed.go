package main

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/miekg/pkcs11"

	"github.com/softcsp/softcsp/ck"
)

// message is what the second process decrypts.
const message = "For the second process, and nobody else."

// expanded is the key that CryptDeriveKey makes of a SHA-1 hash value for AES-256, made here without the token so that the
// token's file can be searched for it.
func expanded(h [sha1.Size]byte) []byte {
	var key []byte
	for _, pad := range []byte{0x36, 0x5c} {
		block := bytes.Repeat([]byte{pad}, 64)
		for i, b := range h {
			block[i] ^= b
		}
		half := sha1.Sum(block)
		key = append(key, half[:]...)
	}
	return key[:32]
}

// sealed keeps a key in the token.
func (d *demo) sealed(s *session) error {
	d.step("2. The same password, SHA-1, CALG_AES_256, not exportable, kept in the token")
	key, err := s.derive(pkcs11.CKM_SHA_1, []byte(password), provAES, calgAES256, 0,
		pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true), pkcs11.NewAttribute(pkcs11.CKA_LABEL, "kept"))
	if err != nil {
		return err
	}
	cryptogram, err := s.encrypt(key, ck.CKM_AES_CBC_PAD, make([]byte, 16), []byte(message))
	if err != nil {
		return err
	}
	d.saw(len(cryptogram) == 48, "a message is encrypted with it")
	if err := d.refused(s, key); err != nil {
		return err
	}
	if err := d.searched(); err != nil {
		return err
	}
	return d.shared(cryptogram)
}

// refused asks for the key's bytes.
func (d *demo) refused(s *session, key pkcs11.ObjectHandle) error {
	_, err := s.value(key, ck.CKA_VALUE)
	d.saw(is(err, ck.CKR_ATTRIBUTE_SENSITIVE), "C_GetAttributeValue(CKA_VALUE): %s", code(err))
	wrapping, err := s.GenerateKey(s.h, mechanism(pkcs11.CKM_AES_KEY_GEN, nil), []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_VALUE_LEN, 32), pkcs11.NewAttribute(pkcs11.CKA_WRAP, true),
	})
	if err != nil {
		return fmt.Errorf("C_GenerateKey: %w", err)
	}
	_, err = s.WrapKey(s.h, mechanism(uint(ck.CKM_AES_KEY_WRAP), nil), wrapping, key)
	d.saw(is(err, ck.CKR_KEY_UNEXTRACTABLE), "C_WrapKey: %s", code(err))
	err = s.SetAttributeValue(s.h, key, []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_EXTRACTABLE, true)})
	d.saw(err != nil, "C_SetAttributeValue(CKA_EXTRACTABLE, true): %s", code(err))
	return nil
}

// searched looks for secrets in the token's file, and in what stands beside it.
func (d *demo) searched() error {
	entries, err := os.ReadDir(d.tokens())
	if err != nil {
		return err
	}
	var files []byte
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(d.tokens(), e.Name()))
		if err != nil {
			return err
		}
		files = append(files, b...)
	}
	key := expanded(sha1.Sum([]byte(password)))
	clean := bytes.Contains(files, []byte("demo")) // the token's own label is no secret: the search finds what is there
	for _, secret := range [][]byte{key, key[:16], key[16:], []byte(password), []byte("kept"), []byte(userPIN), []byte(soPIN)} {
		clean = clean && !bytes.Contains(files, secret)
	}
	d.saw(clean, "the key, computed apart, its label, the password and the PINs are nowhere in the token's %d bytes", len(files))
	return nil
}

// again runs this program as a second process.
func (d *demo) again(pin string, cryptogram []byte) (string, error) {
	cmd := exec.Command(os.Args[0], "-second", d.dir, "-module", d.module)
	cmd.Env = append(d.environment(), "DEMO_DATA="+base64.StdEncoding.EncodeToString(cryptogram))
	cmd.Stdin = strings.NewReader(pin)
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// shared uses the key from a second process, first with a wrong PIN.
func (d *demo) shared(cryptogram []byte) error {
	before, err := d.state()
	if err != nil {
		return err
	}
	said, err := d.again("not-the-PIN", cryptogram)
	d.saw(err != nil && strings.Contains(said, ck.CKR_PIN_INCORRECT.String()), "a second process with a wrong PIN: %s", said)
	after, err := d.state()
	if err != nil {
		return err
	}
	d.saw(after.UserTries == before.UserTries-1, "the wrong PIN was counted: %d tries were left, now %d", before.UserTries, after.UserTries)
	said, err = d.again(userPIN, cryptogram)
	d.saw(err == nil && said == message, "a second process with the right PIN: %s", said)
	if after, err = d.state(); err != nil {
		return err
	}
	d.saw(after.UserTries == before.UserTries, "the right PIN ends the count: %d tries are left", after.UserTries)
	return nil
}

// second is the second process: it finds the key and decrypts with it.
func (d *demo) second() error {
	pin, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	cryptogram, err := base64.StdEncoding.DecodeString(os.Getenv("DEMO_DATA"))
	if err != nil {
		return err
	}
	s, err := d.open(string(pin))
	if err != nil {
		return fmt.Errorf("%s", strings.ReplaceAll(err.Error(), "pkcs11: ", ""))
	}
	defer s.close()
	if err := s.FindObjectsInit(s.h, []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_LABEL, "kept")}); err != nil {
		return err
	}
	found, _, err := s.FindObjects(s.h, 2)
	if err != nil || len(found) != 1 {
		return fmt.Errorf("found %d keys: %w", len(found), err)
	}
	if err := s.FindObjectsFinal(s.h); err != nil {
		return err
	}
	text, err := s.decrypt(found[0], ck.CKM_AES_CBC_PAD, make([]byte, 16), cryptogram)
	if err != nil {
		return err
	}
	fmt.Println(string(text))
	return nil
}
