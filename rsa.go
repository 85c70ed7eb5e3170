package softcsp

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/subtle"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"

	"github.com/softcsp/softcsp/ck"
)

// A hashRow says what a hash of Go's is in PKCS #11, and in ASN.1.
type hashRow struct {
	hash crypto.Hash
	oid  asn1.ObjectIdentifier
	ckm  ck.MechanismType
	mgf  uint
	hmac ck.MechanismType
}

// hashes are those that keys sign, decrypt and compute MACs with.
var hashes = []hashRow{
	{crypto.MD5, asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 5}, ck.CKM_MD5, 0, ck.CKM_MD5_HMAC},
	{crypto.SHA1, asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}, ck.CKM_SHA_1, ck.CKG_MGF1_SHA1, ck.CKM_SHA_1_HMAC},
	{crypto.SHA224, nistHash(4), ck.CKM_SHA224, ck.CKG_MGF1_SHA224, ck.CKM_SHA224_HMAC},
	{crypto.SHA256, nistHash(1), ck.CKM_SHA256, ck.CKG_MGF1_SHA256, ck.CKM_SHA256_HMAC},
	{crypto.SHA384, nistHash(2), ck.CKM_SHA384, ck.CKG_MGF1_SHA384, ck.CKM_SHA384_HMAC},
	{crypto.SHA512, nistHash(3), ck.CKM_SHA512, ck.CKG_MGF1_SHA512, ck.CKM_SHA512_HMAC},
	{crypto.SHA3_224, nistHash(7), ck.CKM_SHA3_224, ck.CKG_MGF1_SHA3_224, ck.CKM_SHA3_224_HMAC},
	{crypto.SHA3_256, nistHash(8), ck.CKM_SHA3_256, ck.CKG_MGF1_SHA3_256, ck.CKM_SHA3_256_HMAC},
	{crypto.SHA3_384, nistHash(9), ck.CKM_SHA3_384, ck.CKG_MGF1_SHA3_384, ck.CKM_SHA3_384_HMAC},
	{crypto.SHA3_512, nistHash(10), ck.CKM_SHA3_512, ck.CKG_MGF1_SHA3_512, ck.CKM_SHA3_512_HMAC},
}

func nistHash(n int) asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, n}
}

func findHash(hash crypto.Hash) (hashRow, error) {
	for _, row := range hashes {
		if row.hash == hash {
			return row, nil
		}
	}
	return hashRow{}, fmt.Errorf("softcsp: hash %v: %w", hash, errors.ErrUnsupported)
}

// pkcs1Mechanism is the signature of version 1.5, and what it signs of a hash: RFC 8017, section 9.2. Without a hash it signs what it is given, and
// MD5SHA1 of TLS 1.1 has no DigestInfo.
func pkcs1Mechanism(hash crypto.Hash, digest []byte) (*ck.Mechanism, []byte, error) {
	m := mechanism(ck.CKM_RSA_PKCS, nil)
	if hash == 0 || hash == crypto.MD5SHA1 {
		return m, digest, nil
	}
	row, err := findHash(hash)
	if err != nil {
		return nil, nil, err
	}
	info, err := asn1.Marshal(struct {
		Algorithm pkix.AlgorithmIdentifier
		Digest    []byte
	}{pkix.AlgorithmIdentifier{Algorithm: row.oid, Parameters: asn1.NullRawValue}, digest})
	return m, info, err
}

// pssMechanism is CKM_RSA_PKCS_PSS with a CK_RSA_PKCS_PSS_PARAMS.
func pssMechanism(public *rsa.PublicKey, hash crypto.Hash, salt int) (*ck.Mechanism, error) {
	row, err := findHash(hash)
	if err != nil {
		return nil, err
	}
	switch salt {
	case rsa.PSSSaltLengthEqualsHash:
		salt = hash.Size()
	case rsa.PSSSaltLengthAuto: // the longest there can be: RFC 8017, section 9.1.1
		salt = (public.N.BitLen()-1+7)/8 - 2 - hash.Size()
	}
	if salt < 0 || row.mgf == 0 {
		return nil, rsa.ErrMessageTooLong
	}
	return new(param).ulong(uint(row.ckm)).ulong(row.mgf).ulong(uint(salt)).mechanism(ck.CKM_RSA_PKCS_PSS), nil
}

// oaepMechanism is CKM_RSA_PKCS_OAEP with a CK_RSA_PKCS_OAEP_PARAMS.
func oaepMechanism(o *rsa.OAEPOptions) (*ck.Mechanism, error) {
	row, err := findHash(o.Hash)
	if err != nil {
		return nil, err
	}
	mgf := row
	if o.MGFHash != 0 {
		if mgf, err = findHash(o.MGFHash); err != nil {
			return nil, err
		}
	}
	if mgf.mgf == 0 {
		return nil, fmt.Errorf("softcsp: hash %v in a mask: %w", mgf.hash, errors.ErrUnsupported)
	}
	return new(param).ulong(uint(row.ckm)).ulong(mgf.mgf).ulong(uint(ck.CKZ_DATA_SPECIFIED)).bytes(o.Label).mechanism(ck.CKM_RSA_PKCS_OAEP), nil
}

// sessionKey takes a key of n bytes out of a block with the padding of version 1.5, or a random one where the padding is wrong or the key has another
// length, in the same time: RFC 8017, section 7.2.2, and the reason is RFC 5246, section 7.4.7.1. With a length known there is
// one right block: 0, 2, so many bytes that are not 0, 0, and the key.
func sessionKey(block []byte, n int) ([]byte, error) {
	key := make([]byte, n)
	rand.Read(key)
	at := len(block) - n
	if at < 11 { // 8 bytes of padding at least
		return nil, fmt.Errorf("softcsp: %w: a key of %d bytes is too long for the RSA key", rsa.ErrDecryption, n)
	}
	right := subtle.ConstantTimeByteEq(block[0], 0) & subtle.ConstantTimeByteEq(block[1], 2) & subtle.ConstantTimeByteEq(block[at-1], 0)
	for _, b := range block[2 : at-1] {
		right &= 1 ^ subtle.ConstantTimeByteEq(b, 0)
	}
	subtle.ConstantTimeCopy(right, key, block[at:])
	return key, nil
}
