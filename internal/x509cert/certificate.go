// Package x509cert writes certificates (RFC 5280) and requests for them (RFC 2986) that a key elsewhere signs, and reads the requests of others.
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

// ErrForm says that something does not have the form that it should have.
var ErrForm = errors.New("this is not a request for a certificate (PKCS #10)")

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
