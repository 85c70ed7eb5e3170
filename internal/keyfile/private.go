package keyfile

import (
	"encoding/asn1"
	"errors"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/softcsp/softcsp/ck"
)

// The identifiers of the algorithms of keys whose own encodings do not name them.
var (
	oidRSA = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}
	oidDSA = asn1.ObjectIdentifier{1, 2, 840, 10040, 4, 1}
	oidPSS = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 10}
	oidEC  = asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}
)

// pssOnly is the CKA_ALLOWED_MECHANISMS of an RSA key whose algorithm is RSASSA-PSS: it signs in no other way (RFC 4055, section 3.1). Which hashes
// its parameters name, nothing holds it to.
var pssOnly = func() (value []byte) {
	for _, m := range []ck.MechanismType{
		ck.CKM_RSA_PKCS_PSS, ck.CKM_SHA1_RSA_PKCS_PSS, ck.CKM_SHA224_RSA_PKCS_PSS, ck.CKM_SHA256_RSA_PKCS_PSS, ck.CKM_SHA384_RSA_PKCS_PSS,
		ck.CKM_SHA512_RSA_PKCS_PSS, ck.CKM_SHA3_224_RSA_PKCS_PSS, ck.CKM_SHA3_256_RSA_PKCS_PSS, ck.CKM_SHA3_384_RSA_PKCS_PSS, ck.CKM_SHA3_512_RSA_PKCS_PSS,
	} {
		value = ck.AppendUlong(value, uint(m))
	}
	return value
}()

// readPrivateKeyInfo takes a PrivateKeyInfo apart. A key for RSASSA-PSS is an RSA key.
func readPrivateKeyInfo(info []byte) (oid asn1.ObjectIdentifier, params, key []byte, err error) {
	in := cryptobyte.String(info)
	var body, algorithm, octets cryptobyte.String
	var version int
	if !in.ReadASN1(&body, der.SEQUENCE) || !body.ReadASN1Integer(&version) || !body.ReadASN1(&algorithm, der.SEQUENCE) ||
		!algorithm.ReadASN1ObjectIdentifier(&oid) || !body.ReadASN1(&octets, der.OCTET_STRING) {
		return nil, nil, nil, errDER
	}
	return oid, algorithm, octets, nil
}

// plainRSA is a SubjectPublicKeyInfo in which a key for RSASSA-PSS is any RSA key. It reports whether it was such a one.
func plainRSA(info []byte) ([]byte, bool) {
	in := cryptobyte.String(info)
	var body, algorithm cryptobyte.String
	var oid asn1.ObjectIdentifier
	var key []byte
	if !in.ReadASN1(&body, der.SEQUENCE) || !body.ReadASN1(&algorithm, der.SEQUENCE) || !algorithm.ReadASN1ObjectIdentifier(&oid) ||
		!oid.Equal(oidPSS) || !body.ReadASN1BitStringAsBytes(&key) {
		return info, false
	}
	return publicKeyInfo(oidRSA, asn1.NullBytes, key), true
}

// privateKeyInfo makes the PrivateKeyInfo of a key. params are in DER.
func privateKeyInfo(oid asn1.ObjectIdentifier, params, key []byte) []byte {
	b := cryptobyte.NewBuilder(make([]byte, 0, len(key)+len(params)+64)) // with room, so that no copy is left behind
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Uint64(0)
		addAlgorithm(b, oid, params)
		b.AddASN1OctetString(key)
	})
	return b.BytesOrPanic()
}

// publicKeyInfo makes the SubjectPublicKeyInfo of a key. params are in DER.
func publicKeyInfo(oid asn1.ObjectIdentifier, params, key []byte) []byte {
	var b cryptobyte.Builder
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		addAlgorithm(b, oid, params)
		b.AddASN1BitString(key)
	})
	return b.BytesOrPanic()
}

func addAlgorithm(b *cryptobyte.Builder, oid asn1.ObjectIdentifier, params []byte) {
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oid)
		b.AddBytes(params)
	})
}

// addPrivateParts adds a private key of an algorithm and its own encoding.
func (r *reader) addPrivateParts(oid asn1.ObjectIdentifier, params, key []byte, name string) error {
	info := privateKeyInfo(oid, params, key)
	defer clear(info)
	return r.addPrivate(info, name)
}

// readPKCS1 reads an RSAPrivateKey (RFC 8017, appendix A.1.2).
func (r *reader) readPKCS1(key []byte) error {
	return r.addPrivateParts(oidRSA, asn1.NullBytes, key, "")
}

// readPKCS1Public reads an RSAPublicKey (RFC 8017, appendix A.1.1).
func (r *reader) readPKCS1Public(key []byte) error {
	return r.addPublic(publicKeyInfo(oidRSA, asn1.NullBytes, key), "")
}

// readSEC1 reads an ECPrivateKey (RFC 5915). It names its curve, or the block before it does.
func (r *reader) readSEC1(key []byte) error {
	in := cryptobyte.String(key)
	var body, skipped, params cryptobyte.String
	var version int
	var has bool
	if !in.ReadASN1(&body, der.SEQUENCE) || !body.ReadASN1Integer(&version) || !body.ReadASN1(&skipped, der.OCTET_STRING) ||
		!body.ReadOptionalASN1(&params, &has, der.Tag(0).ContextSpecific().Constructed()) {
		return errDER
	}
	if !has {
		params = r.ecParams
	}
	if len(params) == 0 {
		return errors.New("the key does not say which curve it is on; openssl ec -param_enc named_curve writes one that does")
	}
	return r.addPrivateParts(oidEC, params, key, "")
}

// readDSA reads the sequence that OpenSSL writes of a DSA key: a zero, p, q, g, y and x.
func (r *reader) readDSA(key []byte) error {
	in := cryptobyte.String(key)
	var body, x cryptobyte.String
	var numbers [4]cryptobyte.String
	var version int
	if !in.ReadASN1(&body, der.SEQUENCE) || !body.ReadASN1Integer(&version) || version != 0 {
		return errDER
	}
	for i := range numbers {
		if !body.ReadASN1Element(&numbers[i], der.INTEGER) {
			return errDER
		}
	}
	if !body.ReadASN1Element(&x, der.INTEGER) || !body.Empty() {
		return errDER
	}
	params := sequence(numbers[:3]...)
	if err := r.addPrivateParts(oidDSA, params, x, ""); err != nil {
		return err
	}
	return r.addPublic(publicKeyInfo(oidDSA, params, numbers[3]), "") // finish compares
}

// sequence makes a sequence of encoded elements.
func sequence(elements ...cryptobyte.String) []byte {
	var b cryptobyte.Builder
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		for _, e := range elements {
			b.AddBytes(e)
		}
	})
	return b.BytesOrPanic()
}
