package x509cert

import (
	"bytes"
	"encoding/asn1"
	"errors"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"
)

// A Family is a way to sign that is combined with a hash.
type Family string

// The families.
const (
	RSA   Family = "RSA"     // PKCS#1 v1.5
	PSS   Family = "RSA-PSS" // with MGF1 of the same hash, and as much salt as that has bytes
	ECDSA Family = "ECDSA"
	DSA   Family = "DSA"
)

// nist is the arc of NIST's algorithms; hashes are below 2, signatures below 3.
func nist(kind, number int) asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, kind, number}
}

// A hashRow says how a hash is identified, and signatures with it: RFC 3279, RFC 4055, RFC 5758, and NIST's list.
type hashRow struct {
	name            string
	size            int
	id              asn1.ObjectIdentifier
	rsa, ecdsa, dsa asn1.ObjectIdentifier
}

func rsaWith(n int) asn1.ObjectIdentifier { return asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, n} }

func ecdsaWith(n int) asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, n}
}

var hashRows = []hashRow{
	{"sha1", 20, asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}, rsaWith(5), asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 1}, asn1.ObjectIdentifier{1, 2, 840, 10040, 4, 3}},
	{"sha224", 28, nist(2, 4), rsaWith(14), ecdsaWith(1), nist(3, 1)},
	{"sha256", 32, nist(2, 1), rsaWith(11), ecdsaWith(2), nist(3, 2)},
	{"sha384", 48, nist(2, 2), rsaWith(12), ecdsaWith(3), nist(3, 3)},
	{"sha512", 64, nist(2, 3), rsaWith(13), ecdsaWith(4), nist(3, 4)},
	{"sha3-224", 28, nist(2, 7), nist(3, 13), nist(3, 9), nist(3, 5)},
	{"sha3-256", 32, nist(2, 8), nist(3, 14), nist(3, 10), nist(3, 6)},
	{"sha3-384", 48, nist(2, 9), nist(3, 15), nist(3, 11), nist(3, 7)},
	{"sha3-512", 64, nist(2, 10), nist(3, 16), nist(3, 12), nist(3, 8)},
}

var (
	oidPSS  = rsaWith(10)
	oidMGF1 = rsaWith(8)
)

// Hashes are the names of the hashes that signatures of certificates can have.
func Hashes() []string {
	names := make([]string, len(hashRows))
	for i, h := range hashRows {
		names[i] = h.name
	}
	return names
}

// Algorithm returns the AlgorithmIdentifier of signatures of a family with a hash.
func Algorithm(f Family, hash string) ([]byte, bool) {
	i := slices.IndexFunc(hashRows, func(h hashRow) bool { return h.name == hash })
	if i < 0 {
		return nil, false
	}
	h := hashRows[i]
	null := []byte{byte(der.NULL), 0}
	switch f {
	case RSA:
		return identifier(h.rsa, null), true
	case ECDSA:
		return identifier(h.ecdsa, nil), true
	case DSA:
		return identifier(h.dsa, nil), true
	}
	hashID := identifier(h.id, null)
	var b cryptobyte.Builder
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) { // RSASSA-PSS-params: RFC 4055, section 3.1
		if h.name != "sha1" { // the default, which DER leaves out
			b.AddASN1(der.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) { b.AddBytes(hashID) })
			b.AddASN1(der.Tag(1).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) { b.AddBytes(identifier(oidMGF1, hashID)) })
			b.AddASN1(der.Tag(2).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) { b.AddASN1Int64(int64(h.size)) })
		}
	})
	return identifier(oidPSS, b.BytesOrPanic()), true
}

// FindAlgorithm is the way back.
func FindAlgorithm(algorithm []byte) (f Family, hash string, ok bool) {
	for _, f := range []Family{RSA, PSS, ECDSA, DSA} {
		for _, h := range hashRows {
			if a, _ := Algorithm(f, h.name); bytes.Equal(a, algorithm) {
				return f, h.name, true
			}
		}
	}
	return "", "", false
}

// OwnAlgorithm returns the AlgorithmIdentifier of signatures with a key whose algorithm leaves no choice: it is that of the key. So it is with EdDSA
// (RFC 8410), ML-DSA (RFC 9881) and SLH-DSA (RFC 9909).
func OwnAlgorithm(publicKey []byte) ([]byte, error) {
	in := cryptobyte.String(publicKey)
	var body, algorithm cryptobyte.String
	var id asn1.ObjectIdentifier
	if !in.ReadASN1(&body, der.SEQUENCE) || !body.ReadASN1(&algorithm, der.SEQUENCE) || !algorithm.ReadASN1ObjectIdentifier(&id) || !algorithm.Empty() {
		return nil, errors.New("the algorithm of this key leaves a choice")
	}
	return identifier(id, nil), nil
}

func identifier(id asn1.ObjectIdentifier, params []byte) []byte {
	var b cryptobyte.Builder
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(id)
		b.AddBytes(params)
	})
	return b.BytesOrPanic()
}
