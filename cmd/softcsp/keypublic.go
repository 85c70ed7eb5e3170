package main

import (
	"crypto/sha1"
	"encoding/asn1"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/softcsp/softcsp/ck"
)

// publicKeyInfo returns the SubjectPublicKeyInfo of a public or private key, in DER: both halves of a pair have it.
func (s *session) publicKeyInfo(o ck.ObjectHandle) ([]byte, error) {
	info, err := s.attribute(o, ck.CKA_PUBLIC_KEY_INFO)
	if err != nil {
		return nil, explain("reading the public key", err)
	}
	if len(info) == 0 {
		return nil, fmt.Errorf("the object has no public key")
	}
	return info, nil
}

// keyIdentifier is the SHA-1 hash of the bits of a public key, as certificates name keys (RFC 5280, section 4.2.1.2, method 1).
func keyIdentifier(info []byte) ([]byte, error) {
	in := cryptobyte.String(info)
	var body, algorithm cryptobyte.String
	var bits asn1.BitString
	if !in.ReadASN1(&body, der.SEQUENCE) || !body.ReadASN1(&algorithm, der.SEQUENCE) || !body.ReadASN1BitString(&bits) {
		return nil, fmt.Errorf("the token gives a public key that is no SubjectPublicKeyInfo")
	}
	sum := sha1.Sum(bits.Bytes)
	return sum[:], nil
}
