package keyfile

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"unicode"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"
)

// read finds out what a file is.
func (r *reader) read(data []byte) error {
	switch {
	case len(data) > 0 && r.options.Secret != nil && r.options.Form != "":
		return r.readSecret(data)
	case len(bytes.TrimSpace(data)) == 0:
		return errors.New("the file is empty")
	}
	text := bytes.TrimSpace(data)
	switch {
	case bytes.Contains(data, []byte("-----BEGIN ")):
		return r.readPEM(data)
	case text[0] == '{' || text[0] == '[':
		if looksLikeJSON(text) {
			return r.readJWK(text)
		}
	case isBlob(data):
		return r.readBlob(data)
	case isSSHPublic(text):
		return r.readSSHPublic(text)
	}
	// The bytes of a secret key can begin as a sequence, and its hex digits, too. They do not by chance begin as PKCS #12.
	if encoded, ok := toDER(data); ok && (r.options.Secret == nil || isPKCS12(encoded)) {
		return r.readDER(encoded)
	}
	if r.options.Secret != nil {
		return r.readSecret(data)
	}
	for _, other := range otherFormats {
		if bytes.HasPrefix(data, []byte(other.begins)) {
			return errors.New(other.what)
		}
	}
	return ErrUnknown
}

// otherFormats are formats that are known, and not read: programs turn them into ones that are.
var otherFormats = []struct{ begins, what string }{
	{"PuTTY-User-Key-File-", "this is a key of PuTTY, which softcsp does not read: puttygen FILE -O private-openssh -o NEW makes one of OpenSSH of it"},
	{"\xfe\xed\xfe\xed", "this is an old Java keystore, which softcsp does not read: keytool -importkeystore -srckeystore FILE -destkeystore NEW -deststoretype pkcs12"},
	{"\xce\xce\xce\xce", "this is an old Java keystore, which softcsp does not read: keytool -importkeystore -srckeystore FILE -destkeystore NEW -deststoretype pkcs12 -srcstoretype jceks"},
}

// looksLikeJSON tells a text from a secret key that begins with a brace.
func looksLikeJSON(text []byte) bool {
	return utf8.Valid(text) && !bytes.ContainsFunc(text, func(c rune) bool { return unicode.IsControl(c) && !unicode.IsSpace(c) })
}

// isDER tells whether the bytes are one sequence and no more, but for a newline or zeros.
func isDER(data []byte) bool {
	in := cryptobyte.String(data)
	return in.SkipASN1(der.SEQUENCE) && len(bytes.Trim(in, "\r\n\x00")) == 0
}

// isPKCS12 tells whether a sequence begins with the version of PKCS #12.
func isPKCS12(data []byte) bool {
	in := cryptobyte.String(data)
	var body cryptobyte.String
	var version int
	return in.ReadASN1(&body, der.SEQUENCE) && body.ReadASN1Integer(&version) && version == 3
}

// readPEM reads the blocks of a PEM file (RFC 7468), with what may stand around them.
func (r *reader) readPEM(data []byte) error {
	n := 0
	for rest := data; ; n++ {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		err := r.readBlock(block)
		clear(block.Bytes)
		if err != nil {
			return err
		}
	}
	if n == 0 {
		return errors.New("there is a line \"-----BEGIN\" in the file, but no complete PEM block")
	}
	return nil
}

// readBlock reads a PEM block.
func (r *reader) readBlock(b *pem.Block) error {
	content := b.Bytes
	//lint:ignore SA1019 old files are encrypted so, and have to be read
	if x509.IsEncryptedPEMBlock(b) {
		plain, err := r.decryptPEM(b)
		if err != nil {
			return err
		}
		defer clear(plain)
		content = plain
	}
	switch b.Type {
	case "PRIVATE KEY":
		r.found("PKCS #8")
		return r.addPrivate(content, "")
	case "ENCRYPTED PRIVATE KEY":
		r.found("PKCS #8, encrypted")
		return r.readEncrypted(content)
	case "RSA PRIVATE KEY":
		r.found("PKCS #1")
		return r.readPKCS1(content)
	case "EC PRIVATE KEY":
		r.found("SEC 1")
		return r.readSEC1(content)
	case "DSA PRIVATE KEY":
		r.found("DSA key of OpenSSL")
		return r.readDSA(content)
	case "OPENSSH PRIVATE KEY":
		return r.readOpenSSH(b)
	case "PUBLIC KEY":
		r.found("SubjectPublicKeyInfo")
		return r.addPublic(content, "")
	case "RSA PUBLIC KEY":
		r.found("public key of PKCS #1")
		return r.readPKCS1Public(content)
	case "CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE":
		r.found("certificate")
		return r.readCertificate(content)
	case "PKCS12":
		return r.readPKCS12(content)
	case "EC PARAMETERS":
		r.ecParams = bytes.Clone(content)
		return nil
	case "DSA PARAMETERS", "DH PARAMETERS", "X9.42 DH PARAMETERS", "CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST":
		return nil // they stand before a key, or beside it
	}
	return fmt.Errorf("the file has a PEM block %q, which holds no key that is known", b.Type)
}

// decryptPEM decrypts a block with the header DEK-Info, as OpenSSL wrote keys before PKCS #8.
func (r *reader) decryptPEM(b *pem.Block) ([]byte, error) {
	password, err := r.askPassword()
	if err != nil {
		return nil, err
	}
	r.found(map[string]string{"RSA PRIVATE KEY": "PKCS #1, encrypted", "EC PRIVATE KEY": "SEC 1, encrypted"}[b.Type])
	//lint:ignore SA1019 old files are encrypted so, and have to be read
	plain, err := x509.DecryptPEMBlock(b, password)
	switch {
	case errors.Is(err, x509.IncorrectPasswordError):
		return nil, ErrPassword
	case err != nil:
		return nil, fmt.Errorf("the file is encrypted in a way that is not known: %w", err)
	case !isDER(plain): // the padding of a wrong password is right once in 256 times
		clear(plain)
		return nil, ErrPassword
	}
	return plain, nil
}

// readCertificate reads a certificate. OpenSSL's "trusted" ones have more behind it.
func (r *reader) readCertificate(content []byte) error {
	in := cryptobyte.String(content)
	var whole cryptobyte.String
	if !in.ReadASN1Element(&whole, der.SEQUENCE) {
		return r.addCertificate(content, "")
	}
	return r.addCertificate(whole, "")
}

// readDER finds out what a sequence is by what it begins with.
func (r *reader) readDER(data []byte) error {
	in := cryptobyte.String(data)
	var whole, body, first cryptobyte.String
	var tag der.Tag
	if !in.ReadASN1Element(&whole, der.SEQUENCE) {
		return ErrUnknown
	}
	content := []byte(whole)
	if !whole.ReadASN1(&body, der.SEQUENCE) || !body.ReadAnyASN1(&first, &tag) {
		return ErrUnknown
	}
	switch {
	case tag == der.INTEGER:
		return r.readVersioned(content, first, body)
	case tag != der.SEQUENCE:
		return ErrUnknown
	case body.PeekASN1Tag(der.BIT_STRING): // an algorithm, and a public key
		r.found("SubjectPublicKeyInfo")
		return r.addPublic(content, "")
	case body.PeekASN1Tag(der.OCTET_STRING): // an algorithm, and something encrypted
		r.found("PKCS #8, encrypted")
		return r.readEncrypted(content)
	case body.PeekASN1Tag(der.SEQUENCE): // what is signed, and the algorithm of the signature
		r.found("certificate")
		return r.addCertificate(content, "")
	}
	return ErrUnknown
}

// readVersioned reads what begins with a number. rest is what follows it.
func (r *reader) readVersioned(content []byte, number, rest cryptobyte.String) error {
	version := -1
	if len(number) == 1 {
		version = int(number[0])
	}
	switch {
	case version == 3 && rest.PeekASN1Tag(der.SEQUENCE):
		return r.readPKCS12(content)
	case version <= 1 && rest.PeekASN1Tag(der.SEQUENCE):
		r.found("PKCS #8")
		return r.addPrivate(content, "")
	case version == 1 && rest.PeekASN1Tag(der.OCTET_STRING):
		r.found("SEC 1")
		return r.readSEC1(content)
	}
	numbers := 0
	for rest.PeekASN1Tag(der.INTEGER) && rest.SkipASN1(der.INTEGER) {
		numbers++
	}
	switch {
	case !rest.Empty():
	case numbers == 1:
		r.found("public key of PKCS #1")
		return r.readPKCS1Public(content)
	case numbers == 5:
		r.found("DSA key of OpenSSL")
		return r.readDSA(content)
	case numbers == 8:
		r.found("PKCS #1")
		return r.readPKCS1(content)
	}
	return ErrUnknown
}

// readSecret reads the bytes of a secret key. Hex digits may have colons between them.
func (r *reader) readSecret(data []byte) error {
	text := bytes.Join(bytes.Fields(data), nil)
	defer clear(text)
	switch r.options.Form {
	case "raw":
	case "base64":
		value := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
		defer clear(value)
		n, err := base64.StdEncoding.Decode(value, text)
		if err != nil {
			return errors.New("the file is not in base64")
		}
		r.found("base64")
		return r.addSecret(*r.options.Secret, value[:n], "")
	default:
		digits := bytes.ReplaceAll(text, []byte(":"), nil)
		defer clear(digits)
		value := make([]byte, hex.DecodedLen(len(digits)))
		defer clear(value)
		if _, err := hex.Decode(value, digits); err == nil {
			r.found("hex digits")
			return r.addSecret(*r.options.Secret, value, "")
		}
		if r.options.Form == "hex" {
			return errors.New("the file is not an even number of hex digits")
		}
	}
	r.found("the bytes of a key")
	return r.addSecret(*r.options.Secret, data, "")
}
