// Package x509cert writes certificates (RFC 5280) and requests for them (RFC 2986) that a key elsewhere signs, and reads what a small certification
// authority has to know of those of others.
//
// It has no cryptography, and knows keys by their SubjectPublicKeyInfo alone. So it serves every algorithm: package crypto/x509 refuses keys of curves
// that Go does not have, Ed448, and signatures after quantum computers.
package x509cert

import (
	"encoding/asn1"
	"errors"
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"
)

// ErrForm says that something is no certificate, or no request for one.
var ErrForm = errors.New("this is not an X.509 certificate or request")

// A Template is what a certificate says.
type Template struct {
	Serial              *big.Int
	Issuer, Subject     []byte // Names in DER
	NotBefore, NotAfter time.Time
	PublicKey           []byte // a SubjectPublicKeyInfo
	Extensions          []Extension
}

// ToBeSigned returns the TBSCertificate, for a signature by an algorithm (an AlgorithmIdentifier).
func (t *Template) ToBeSigned(algorithm []byte) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(der.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) { b.AddASN1Int64(2) }) // version 3
		b.AddASN1BigInt(t.Serial)
		b.AddBytes(algorithm)
		b.AddBytes(t.Issuer)
		b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
			addTime(b, t.NotBefore)
			addTime(b, t.NotAfter)
		})
		b.AddBytes(t.Subject)
		b.AddBytes(t.PublicKey)
		b.AddASN1(der.Tag(3).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) { addExtensions(b, t.Extensions) })
	})
	return b.Bytes()
}

// addTime adds a time, as UTCTime until 2049: section 4.1.2.5.
func addTime(b *cryptobyte.Builder, t time.Time) {
	if t = t.UTC(); t.Year() < 2050 {
		b.AddASN1UTCTime(t)
		return
	}
	b.AddASN1GeneralizedTime(t)
}

// RequestToBeSigned returns the CertificationRequestInfo for a key.
func RequestToBeSigned(subject, publicKey []byte, extensions []Extension) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(0)
		b.AddBytes(subject)
		b.AddBytes(publicKey)
		b.AddASN1(der.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
			if len(extensions) == 0 {
				return
			}
			b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier(oidExtensionRequest)
				b.AddASN1(der.SET, func(b *cryptobyte.Builder) { addExtensions(b, extensions) })
			})
		})
	})
	return b.Bytes()
}

// oidExtensionRequest is the attribute of a request with extensions: RFC 2985, section 5.4.2.
var oidExtensionRequest = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 14}

// Sealed puts what was signed, the algorithm and the signature together.
func Sealed(tbs, algorithm, signature []byte) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(tbs)
		b.AddBytes(algorithm)
		b.AddASN1BitString(signature)
	})
	return b.Bytes()
}

// A Certificate is what is read of a certificate.
type Certificate struct {
	Raw             []byte
	Serial          []byte // the INTEGER in DER
	Issuer, Subject []byte
	NotAfter        time.Time
	PublicKey       []byte
	KeyID           []byte // its SubjectKeyIdentifier, nil where it has none
	CA              bool   // whether it may issue certificates: BasicConstraints, and KeyUsage where there is one
}

// Parse reads a certificate. It does not verify it.
func Parse(b []byte) (*Certificate, error) {
	in := cryptobyte.String(b)
	var body, tbs, serial, issuer, validity, subject, key cryptobyte.String
	c := &Certificate{Raw: b}
	if !in.ReadASN1(&body, der.SEQUENCE) || !in.Empty() || !body.ReadASN1(&tbs, der.SEQUENCE) ||
		!tbs.SkipOptionalASN1(der.Tag(0).ContextSpecific().Constructed()) || !tbs.ReadASN1Element(&serial, der.INTEGER) ||
		!tbs.SkipASN1(der.SEQUENCE) || !tbs.ReadASN1Element(&issuer, der.SEQUENCE) || !tbs.ReadASN1(&validity, der.SEQUENCE) ||
		!readTime(&validity, new(time.Time)) || !readTime(&validity, &c.NotAfter) || !tbs.ReadASN1Element(&subject, der.SEQUENCE) ||
		!tbs.ReadASN1Element(&key, der.SEQUENCE) ||
		!tbs.SkipOptionalASN1(der.Tag(1).ContextSpecific()) || !tbs.SkipOptionalASN1(der.Tag(2).ContextSpecific()) {
		return nil, ErrForm
	}
	c.Serial, c.Issuer, c.Subject, c.PublicKey = serial, issuer, subject, key
	var explicit cryptobyte.String
	var present bool
	if !tbs.ReadOptionalASN1(&explicit, &present, der.Tag(3).ContextSpecific().Constructed()) || !tbs.Empty() {
		return nil, ErrForm
	}
	if !present {
		return c, nil
	}
	extensions, ok := readExtensions(&explicit)
	if !ok {
		return nil, ErrForm
	}
	return c, c.read(extensions)
}

// read reads the extensions that count.
func (c *Certificate) read(extensions []Extension) error {
	usage := true
	for _, e := range extensions {
		value := cryptobyte.String(e.Value)
		ok := true
		switch {
		case e.ID.Equal(oidSubjectKeyID):
			ok = value.ReadASN1((*cryptobyte.String)(&c.KeyID), der.OCTET_STRING)
		case e.ID.Equal(oidBasicConstraints):
			var body cryptobyte.String
			ok = value.ReadASN1(&body, der.SEQUENCE) && readFlag(&body, &c.CA)
		case e.ID.Equal(oidKeyUsage):
			var bits asn1.BitString
			ok = value.ReadASN1BitString(&bits)
			usage = bits.At(usageCertSign) == 1
		}
		if !ok {
			return ErrForm
		}
	}
	c.CA = c.CA && usage
	return nil
}

func readTime(in *cryptobyte.String, t *time.Time) bool {
	if in.PeekASN1Tag(der.UTCTime) {
		return in.ReadASN1UTCTime(t)
	}
	return in.ReadASN1GeneralizedTime(t)
}

// A Request is what is read of a request.
type Request struct {
	Signed     []byte // the CertificationRequestInfo
	Subject    []byte
	PublicKey  []byte
	Extensions []Extension
	Algorithm  []byte
	Signature  []byte
}

// ParseRequest reads a request. Whether its signature is good is for the caller to see.
func ParseRequest(b []byte) (*Request, error) {
	in := cryptobyte.String(b)
	var body, signed, algorithm, signature cryptobyte.String
	if !in.ReadASN1(&body, der.SEQUENCE) || !in.Empty() || !body.ReadASN1Element(&signed, der.SEQUENCE) ||
		!body.ReadASN1Element(&algorithm, der.SEQUENCE) || !body.ReadASN1BitStringAsBytes((*[]byte)(&signature)) || !body.Empty() {
		return nil, ErrForm
	}
	r := &Request{Signed: signed, Algorithm: algorithm, Signature: signature}
	var info, subject, key, attributes cryptobyte.String
	var version int64
	var present bool
	if !signed.ReadASN1(&info, der.SEQUENCE) || !info.ReadASN1Integer(&version) || version != 0 || !info.ReadASN1Element(&subject, der.SEQUENCE) ||
		!info.ReadASN1Element(&key, der.SEQUENCE) || !info.ReadOptionalASN1(&attributes, &present, der.Tag(0).ContextSpecific().Constructed()) || !info.Empty() {
		return nil, ErrForm
	}
	r.Subject, r.PublicKey = subject, key
	for !attributes.Empty() {
		var attribute, set cryptobyte.String
		var oid asn1.ObjectIdentifier
		if !attributes.ReadASN1(&attribute, der.SEQUENCE) || !attribute.ReadASN1ObjectIdentifier(&oid) || !attribute.ReadASN1(&set, der.SET) {
			return nil, ErrForm
		}
		if !oid.Equal(oidExtensionRequest) {
			continue
		}
		var ok bool
		if r.Extensions, ok = readExtensions(&set); !ok {
			return nil, ErrForm
		}
	}
	return r, nil
}

// Extension returns an extension that is asked for.
func (r *Request) Extension(id asn1.ObjectIdentifier) (Extension, bool) {
	for _, e := range r.Extensions {
		if e.ID.Equal(id) {
			return e, true
		}
	}
	return Extension{}, false
}
