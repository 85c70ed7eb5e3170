package main

import (
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"math/big"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/keyfile"
	"github.com/softcsp/softcsp/mechanisms"
)

// A signer signs with a private key of a session, part by part.
type signer struct {
	s    *session
	key  ck.ObjectHandle
	mech *ck.Mechanism
	der  bool // signatures are the SEQUENCE of r and s that X.509 and OpenSSL have, not r and s alone as in PKCS#11
}

// pairs reports whether a type's signatures are pairs of numbers.
func pairs(kind ck.KeyType) bool { return kind == ck.CKK_EC || kind == ck.CKK_DSA }

// sign returns the signature of all there is to read.
func (k *signer) sign(in io.Reader, size int64) ([]byte, error) {
	s := k.s
	if err := s.SignInit(s.handle, k.mech, k.key); err != nil {
		return nil, explainUse("signing", k.mech.Type, err)
	}
	if err := s.confirm(k.key); err != nil {
		return nil, err
	}
	err := s.app.parts(in, size, "signing", func(part []byte) error { return s.SignUpdate(s.handle, part) })
	if err != nil {
		return nil, explainUse("signing", k.mech.Type, err)
	}
	sig, err := growing(make([]byte, 1<<10), func(b *ck.Buffer) error { return s.SignFinal(s.handle, b) })
	if err != nil || !k.der {
		return sig, explainUse("signing", k.mech.Type, err)
	}
	return pairToDER(sig)
}

// pairToDER makes the SEQUENCE of two numbers of one that stands behind the other.
func pairToDER(raw []byte) ([]byte, error) {
	half := len(raw) / 2
	return asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(raw[:half]), new(big.Int).SetBytes(raw[half:])})
}

// errSignatureForm says that what should be a signature does not have the form of one.
var errSignatureForm = errors.New("is no DER-encoded signature; --raw is for r and s as PKCS#11 has them")

// pairFromDER is the way back, to numbers of size bytes each.
func pairFromDER(der []byte, size int) ([]byte, error) {
	var pair struct{ R, S *big.Int }
	rest, err := asn1.Unmarshal(der, &pair)
	if err != nil || len(rest) > 0 || pair.R.Sign() < 0 || pair.S.Sign() < 0 || pair.R.BitLen() > 8*size || pair.S.BitLen() > 8*size {
		return nil, errSignatureForm
	}
	return append(pair.R.FillBytes(make([]byte, size)), pair.S.FillBytes(make([]byte, size))...), nil
}

// halfSize is how many bytes each number of a key's signatures has: as many as the order of the group, which for curves is as long as a coordinate.
func (s *session) halfSize(key ck.ObjectHandle, kind ck.KeyType) (int, error) {
	if kind == ck.CKK_DSA {
		q, err := s.attribute(key, ck.CKA_SUBPRIME)
		return len(new(big.Int).SetBytes(q).Bytes()), explain("reading the key", err)
	}
	var point []byte
	b, err := s.attribute(key, ck.CKA_EC_POINT)
	if err == nil {
		_, err = asn1.Unmarshal(b, &point)
	}
	switch {
	case err != nil:
		return 0, explain("reading the public key", err)
	case len(point) > 0 && point[0] == 4: // uncompressed: SEC 1, section 2.3.3
		return len(point) / 2, nil
	}
	return len(point) - 1, nil
}

// plainSignature returns a signature as PKCS#11 has it of one as X.509 has it.
func (s *session) plainSignature(key ck.ObjectHandle, kind ck.KeyType, sig []byte) ([]byte, error) {
	if !pairs(kind) {
		return sig, nil
	}
	half, err := s.halfSize(key, kind)
	if err != nil {
		return nil, err
	}
	return pairFromDER(sig, half)
}

// keyType reads the type of a key.
func (s *session) keyType(key ck.ObjectHandle) (ck.KeyType, error) {
	n, err := s.ulong(key, ck.CKA_KEY_TYPE)
	return ck.KeyType(n), explain("reading the key", err)
}

// publicObject makes a session object of a public key for the uses that are given.
func (s *session) publicObject(info []byte, uses ...ck.AttributeType) (ck.ObjectHandle, error) {
	kind, attrs, err := mechanisms.UnmarshalPublic(info)
	if err != nil {
		return 0, explain("reading the public key", err)
	}
	attrs = append(attrs, classIs(ck.CKO_PUBLIC_KEY), ck.Attribute{Type: ck.CKA_KEY_TYPE, Value: ck.UlongValue(uint(kind))}, yes(ck.CKA_TOKEN, false))
	for _, u := range uses {
		attrs = append(attrs, yes(u, true))
	}
	key, err := s.CreateObject(s.handle, attrs)
	return key, explain("using the public key", err)
}

// yes is an attribute that is true or false.
func yes(t ck.AttributeType, is bool) ck.Attribute {
	return ck.Attribute{Type: t, Value: ck.BoolValue(is)}
}

// readPublicKey reads the SubjectPublicKeyInfo of the key in a file: a public key of any form, or a certificate.
func (a *app) readPublicKey(name string) ([]byte, error) {
	b, err := a.readSmall(name, keyfile.MaxSize)
	if err != nil {
		return nil, err
	}
	defer clear(b)
	contents, err := keyfile.Read(b, keyfile.Options{Password: func() ([]byte, error) { return nil, errors.New("it is encrypted: a public key is not") }})
	if err != nil {
		return nil, fmt.Errorf("%s: no public key and no certificate that can be read: %w", name, err)
	}
	defer contents.Wipe()
	for _, e := range contents.Entries {
		if e.PublicKeyInfo != nil {
			return e.PublicKeyInfo, nil
		}
	}
	return nil, fmt.Errorf("%s: there is no public key and no certificate in it", name)
}

// public returns the public key that is meant: one that is named so, or the other half of a private key that is. Where a private key has none in the
// token, a session object is made for the use.
func (s *session) public(k objectChoice, use ck.AttributeType) (ck.ObjectHandle, error) {
	list, err := s.matching(k, ck.CKO_PUBLIC_KEY)
	if err != nil || len(list) == 1 {
		return first(list), err
	}
	private, err := s.matching(k, ck.CKO_PRIVATE_KEY)
	if err != nil {
		return 0, err
	}
	if len(list) > 1 || len(private) != 1 {
		return s.one(k, ck.CKO_PUBLIC_KEY)
	}
	info, err := s.publicKeyInfo(private[0])
	if err != nil {
		return 0, err
	}
	same, err := s.find(classIs(ck.CKO_PUBLIC_KEY), ck.Attribute{Type: ck.CKA_PUBLIC_KEY_INFO, Value: info})
	if err != nil || len(same) > 0 {
		return first(same), explain("looking for the public key", err)
	}
	return s.publicObject(info, use)
}

func first(list []ck.ObjectHandle) ck.ObjectHandle {
	if len(list) == 0 {
		return 0
	}
	return list[0]
}
