package main

import (
	"bytes"
	"crypto/sha1"
	"fmt"
	"os"
	"path/filepath"

	"github.com/miekg/pkcs11"
	"github.com/xuri/excelize/v2"

	"github.com/softcsp/softcsp/ck"
)

// cell is what the spreadsheet says in A1.
const cell = "The camshaft turns."

// office opens a spreadsheet that another program encrypted.
func (d *demo) office(s *session) error {
	const password = "VelvetSweatshop"
	d.step("3. A spreadsheet with the password %q, written by the Go module excelize (ECMA-376 standard encryption)", password)
	file := filepath.Join(d.dir, "secret.xlsx")
	if err := writeSheet(file, password); err != nil {
		return err
	}
	doc, err := readDocument(file)
	if err != nil {
		return err
	}
	d.saw(doc.algorithm == calgAES128 && doc.keyBits == 128, "an encrypted package: AES with %d bits, key by CryptDeriveKey from SHA-1, %d rounds", doc.keyBits, spins)
	key, err := s.derive(pkcs11.CKM_SHA_1, doc.baseData(password), provAES, calgAES128, 128<<16)
	if err != nil {
		return err
	}
	_, err = s.value(key, ck.CKA_VALUE)
	d.saw(is(err, ck.CKR_ATTRIBUTE_SENSITIVE), "the key is derived in the token and stays there: %s", code(err))
	verifier, err := s.decrypt(key, ck.CKM_AES_ECB, nil, doc.verifier)
	if err != nil {
		return err
	}
	hash, err := s.decrypt(key, ck.CKM_AES_ECB, nil, doc.verifierHash)
	if err != nil {
		return err
	}
	sum := sha1.Sum(verifier)
	d.saw(bytes.Equal(sum[:], hash[:sha1.Size]), "the document's verifier says that it is the right key")
	content, err := s.decrypt(key, ck.CKM_AES_ECB, nil, doc.content)
	if err != nil {
		return err
	}
	text, err := readCell(content[:doc.size])
	d.saw(err == nil && text == cell, "cell A1 says %q", text)
	return d.wrongPassword(s, doc)
}

// wrongPassword sees that the verifier tells a wrong password.
func (d *demo) wrongPassword(s *session, doc *document) error {
	key, err := s.derive(pkcs11.CKM_SHA_1, doc.baseData("wrong"), provAES, calgAES128, 128<<16)
	if err != nil {
		return err
	}
	verifier, err := s.decrypt(key, ck.CKM_AES_ECB, nil, doc.verifier)
	if err != nil {
		return err
	}
	hash, err := s.decrypt(key, ck.CKM_AES_ECB, nil, doc.verifierHash)
	if err != nil {
		return err
	}
	sum := sha1.Sum(verifier)
	d.saw(!bytes.Equal(sum[:], hash[:sha1.Size]), "with another password it says that it is the wrong key")
	return nil
}

// writeSheet has excelize write an encrypted spreadsheet.
func writeSheet(name, password string) error {
	f := excelize.NewFile()
	defer f.Close()
	if err := f.SetCellValue("Sheet1", "A1", cell); err != nil {
		return err
	}
	if err := f.SaveAs(name, excelize.Options{Password: password}); err != nil {
		return err
	}
	raw, err := os.ReadFile(name)
	if err == nil && bytes.HasPrefix(raw, []byte("PK")) {
		err = fmt.Errorf("%s is not encrypted", name)
	}
	return err
}

// readCell reads A1 of a spreadsheet that is not encrypted.
func readCell(content []byte) (string, error) {
	f, err := excelize.OpenReader(bytes.NewReader(content))
	if err != nil {
		return "", err
	}
	defer f.Close()
	return f.GetCellValue("Sheet1", "A1")
}
