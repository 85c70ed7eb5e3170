// Package certinfo reads of X.509 certificates what PKCS #11 keeps beside them. It does not judge them, and it does not read the key: so it
// takes certificates of algorithms and curves that crypto/x509 does not have.
package certinfo

import (
	"bytes"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"
)

// A Certificate is what a certificate says. The slices are DER, parts of Raw.
type Certificate struct {
	Raw             []byte
	Serial          []byte // with tag and length, as CKA_SERIAL_NUMBER has it
	Issuer, Subject []byte
	NotBefore       time.Time
	NotAfter        time.Time
	PublicKeyInfo   []byte // the SubjectPublicKeyInfo
	CA              bool   // basicConstraints says so
	Issues          bool   // it may sign certificates: the same, and keyUsage, where there is one, permits it
	KeyID           []byte // its subjectKeyIdentifier, nil where it has none
}

// ErrNone is the error of what has no certificate.
var ErrNone = errors.New("no X.509 certificate")

// Parse reads a certificate (RFC 5280, section 4.1): all of it is there, and nothing behind it.
func Parse(raw []byte) (*Certificate, error) {
	in := cryptobyte.String(raw)
	var outer, body, serial, issuer, validity, subject, key, signature cryptobyte.String
	c := new(Certificate)
	if !in.ReadASN1(&outer, der.SEQUENCE) || !in.Empty() || !outer.ReadASN1(&body, der.SEQUENCE) ||
		!body.SkipOptionalASN1(der.Tag(0).ContextSpecific().Constructed()) ||
		!body.ReadASN1Element(&serial, der.INTEGER) || !body.SkipASN1(der.SEQUENCE) ||
		!body.ReadASN1Element(&issuer, der.SEQUENCE) || !body.ReadASN1(&validity, der.SEQUENCE) ||
		!readTime(&validity, &c.NotBefore) || !readTime(&validity, &c.NotAfter) || !validity.Empty() ||
		!body.ReadASN1Element(&subject, der.SEQUENCE) || !body.ReadASN1Element(&key, der.SEQUENCE) ||
		!outer.SkipASN1(der.SEQUENCE) || !outer.ReadASN1(&signature, der.BIT_STRING) || !outer.Empty() {
		return nil, ErrNone
	}
	c.Raw, c.Serial, c.Issuer, c.Subject, c.PublicKeyInfo = raw, serial, issuer, subject, key
	c.readExtensions(body)
	return c, nil
}

func readTime(in *cryptobyte.String, t *time.Time) bool {
	if in.PeekASN1Tag(der.UTCTime) {
		return in.ReadASN1UTCTime(t)
	}
	return in.ReadASN1GeneralizedTime(t)
}

// Identifiers of extensions: RFC 5280, section 4.2.1.
var (
	subjectKeyIdentifier = asn1.ObjectIdentifier{2, 5, 29, 14}
	keyUsage             = asn1.ObjectIdentifier{2, 5, 29, 15}
	basicConstraints     = asn1.ObjectIdentifier{2, 5, 29, 19}
)

// keyCertSign is a bit of keyUsage.
const keyCertSign = 5

// readExtensions reads what counts here of what follows the key. What it cannot read it leaves.
func (c *Certificate) readExtensions(rest cryptobyte.String) {
	var wrapped, list cryptobyte.String
	var has bool
	if !rest.SkipOptionalASN1(der.Tag(1).ContextSpecific()) || !rest.SkipOptionalASN1(der.Tag(2).ContextSpecific()) ||
		!rest.ReadOptionalASN1(&wrapped, &has, der.Tag(3).ContextSpecific().Constructed()) || !has ||
		!wrapped.ReadASN1(&list, der.SEQUENCE) {
		return
	}
	signs := true
	for !list.Empty() {
		var extension, value, inner cryptobyte.String
		var id asn1.ObjectIdentifier
		if !list.ReadASN1(&extension, der.SEQUENCE) || !extension.ReadASN1ObjectIdentifier(&id) ||
			!extension.SkipOptionalASN1(der.BOOLEAN) || !extension.ReadASN1(&value, der.OCTET_STRING) {
			return
		}
		switch {
		case id.Equal(basicConstraints):
			var ca bool
			c.CA = value.ReadASN1(&inner, der.SEQUENCE) && inner.ReadASN1Boolean(&ca) && ca
		case id.Equal(subjectKeyIdentifier) && value.ReadASN1(&inner, der.OCTET_STRING):
			c.KeyID = inner
		case id.Equal(keyUsage):
			var bits asn1.BitString
			signs = value.ReadASN1BitString(&bits) && bits.At(keyCertSign) == 1
		}
	}
	c.Issues = c.CA && signs
}

// maxFile is more than any file of certificates has.
const maxFile = 16 << 20

// Read reads all certificates of a file: those in PEM, with whatever stands between them, or one in DER; or those of a PKCS #7 file, as
// authorities hand out chains, in either.
func Read(r io.Reader) (list []*Certificate, err error) {
	b, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxFile {
		return nil, fmt.Errorf("more than %d MiB, and so %w", maxFile>>20, ErrNone)
	}
	if !bytes.Contains(b, []byte("-----BEGIN ")) {
		if c, err := Parse(b); err == nil {
			return []*Certificate{c}, nil
		}
		return parsePKCS7(b)
	}
	for block, rest := pem.Decode(b); block != nil; block, rest = pem.Decode(rest) {
		switch block.Type {
		case "CERTIFICATE", "X509 CERTIFICATE":
		case "TRUSTED CERTIFICATE": // of OpenSSL: its own data follow the certificate
			block.Bytes = firstElement(block.Bytes)
		case "PKCS7", "CMS":
			more, err := parsePKCS7(block.Bytes)
			if err != nil {
				return nil, err
			}
			list = append(list, more...)
			continue
		default:
			continue
		}
		c, err := Parse(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d of the file: %w", len(list)+1, err)
		}
		list = append(list, c)
	}
	if len(list) == 0 {
		return nil, ErrNone
	}
	return list, nil
}

// signedData is id-signedData of PKCS #7.
var signedData = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}

// parsePKCS7 reads the certificates of a SignedData (RFC 2315, section 9.1), of which nothing else is looked at.
func parsePKCS7(b []byte) (list []*Certificate, err error) {
	in := cryptobyte.String(b)
	var outer, content, data, certificates cryptobyte.String
	var id asn1.ObjectIdentifier
	zero := der.Tag(0).ContextSpecific().Constructed()
	if !in.ReadASN1(&outer, der.SEQUENCE) || !outer.ReadASN1ObjectIdentifier(&id) || !id.Equal(signedData) ||
		!outer.ReadASN1(&content, zero) || !content.ReadASN1(&data, der.SEQUENCE) || !data.SkipASN1(der.INTEGER) ||
		!data.SkipASN1(der.SET) || !data.SkipASN1(der.SEQUENCE) || !data.ReadASN1(&certificates, zero) {
		return nil, ErrNone
	}
	for !certificates.Empty() {
		var one cryptobyte.String
		if !certificates.ReadASN1Element(&one, der.SEQUENCE) {
			return nil, ErrNone
		}
		c, err := Parse(one)
		if err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	if len(list) == 0 {
		return nil, ErrNone
	}
	return list, nil
}

// firstElement is the first of DER encodings one after another.
func firstElement(b []byte) []byte {
	in := cryptobyte.String(b)
	var first cryptobyte.String
	if !in.ReadASN1Element(&first, der.SEQUENCE) {
		return b
	}
	return first
}

// CommonName returns the common name of a subject or issuer, or what stands last in it.
func CommonName(name []byte) string {
	var sequence pkix.RDNSequence
	if rest, err := asn1.Unmarshal(name, &sequence); err != nil || len(rest) > 0 {
		return ""
	}
	var n pkix.Name
	n.FillFromRDNSequence(&sequence)
	if n.CommonName != "" || len(sequence) == 0 || len(sequence[len(sequence)-1]) == 0 {
		return n.CommonName
	}
	return fmt.Sprint(sequence[len(sequence)-1][0].Value)
}
