package vectors

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/sha512"
	"encoding/asn1"
	"fmt"
	"hash"

	"github.com/softcsp/softcsp/ck"
)

// A hashNames is what PKCS #11 calls all that is made of one hash, 0 where it has no name, and the hash itself, by which a
// digest is computed that a mechanism signs as it is.
type hashNames struct {
	name                  string
	sum                   func() hash.Hash
	digest, hmac, general ck.MechanismType
	ecdsa, dsa, pkcs, pss ck.MechanismType
	mask, prf             uint // CKG_MGF1_*, CKP_PKCS5_PBKD2_HMAC_*
	oid                   asn1.ObjectIdentifier
}

func sha3Of[H hash.Hash](f func() H) func() hash.Hash { return func() hash.Hash { return f() } }

// nistHash is a name in NIST's list of hash algorithms.
func nistHash(n int) asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, n}
}

var hashTable = []hashNames{
	{name: "MD5", sum: md5.New, digest: ck.CKM_MD5, hmac: ck.CKM_MD5_HMAC, general: ck.CKM_MD5_HMAC_GENERAL, pkcs: ck.CKM_MD5_RSA_PKCS},
	{name: "SHA-1", sum: sha1.New, digest: ck.CKM_SHA_1, hmac: ck.CKM_SHA_1_HMAC, general: ck.CKM_SHA_1_HMAC_GENERAL, ecdsa: ck.CKM_ECDSA_SHA1,
		dsa: ck.CKM_DSA_SHA1, pkcs: ck.CKM_SHA1_RSA_PKCS, pss: ck.CKM_SHA1_RSA_PKCS_PSS, mask: ck.CKG_MGF1_SHA1, prf: ck.CKP_PKCS5_PBKD2_HMAC_SHA1},
	{name: "SHA-224", sum: sha256.New224, digest: ck.CKM_SHA224, hmac: ck.CKM_SHA224_HMAC, general: ck.CKM_SHA224_HMAC_GENERAL, ecdsa: ck.CKM_ECDSA_SHA224,
		dsa: ck.CKM_DSA_SHA224, pkcs: ck.CKM_SHA224_RSA_PKCS, pss: ck.CKM_SHA224_RSA_PKCS_PSS, mask: ck.CKG_MGF1_SHA224, prf: ck.CKP_PKCS5_PBKD2_HMAC_SHA224},
	{name: "SHA-256", sum: sha256.New, digest: ck.CKM_SHA256, hmac: ck.CKM_SHA256_HMAC, general: ck.CKM_SHA256_HMAC_GENERAL, ecdsa: ck.CKM_ECDSA_SHA256,
		dsa: ck.CKM_DSA_SHA256, pkcs: ck.CKM_SHA256_RSA_PKCS, pss: ck.CKM_SHA256_RSA_PKCS_PSS, mask: ck.CKG_MGF1_SHA256, prf: ck.CKP_PKCS5_PBKD2_HMAC_SHA256},
	{name: "SHA-384", sum: sha512.New384, digest: ck.CKM_SHA384, hmac: ck.CKM_SHA384_HMAC, general: ck.CKM_SHA384_HMAC_GENERAL, ecdsa: ck.CKM_ECDSA_SHA384,
		dsa: ck.CKM_DSA_SHA384, pkcs: ck.CKM_SHA384_RSA_PKCS, pss: ck.CKM_SHA384_RSA_PKCS_PSS, mask: ck.CKG_MGF1_SHA384, prf: ck.CKP_PKCS5_PBKD2_HMAC_SHA384},
	{name: "SHA-512", sum: sha512.New, digest: ck.CKM_SHA512, hmac: ck.CKM_SHA512_HMAC, general: ck.CKM_SHA512_HMAC_GENERAL, ecdsa: ck.CKM_ECDSA_SHA512,
		dsa: ck.CKM_DSA_SHA512, pkcs: ck.CKM_SHA512_RSA_PKCS, pss: ck.CKM_SHA512_RSA_PKCS_PSS, mask: ck.CKG_MGF1_SHA512, prf: ck.CKP_PKCS5_PBKD2_HMAC_SHA512},
	{name: "SHA-512/224", sum: sha512.New512_224, digest: ck.CKM_SHA512_224, hmac: ck.CKM_SHA512_224_HMAC, general: ck.CKM_SHA512_224_HMAC_GENERAL,
		prf: ck.CKP_PKCS5_PBKD2_HMAC_SHA512_224, oid: nistHash(5)},
	{name: "SHA-512/256", sum: sha512.New512_256, digest: ck.CKM_SHA512_256, hmac: ck.CKM_SHA512_256_HMAC, general: ck.CKM_SHA512_256_HMAC_GENERAL,
		prf: ck.CKP_PKCS5_PBKD2_HMAC_SHA512_256, oid: nistHash(6)},
	{name: "SHA3-224", sum: sha3Of(sha3.New224), digest: ck.CKM_SHA3_224, hmac: ck.CKM_SHA3_224_HMAC, general: ck.CKM_SHA3_224_HMAC_GENERAL, ecdsa: ck.CKM_ECDSA_SHA3_224,
		dsa: ck.CKM_DSA_SHA3_224, pkcs: ck.CKM_SHA3_224_RSA_PKCS, pss: ck.CKM_SHA3_224_RSA_PKCS_PSS, mask: ck.CKG_MGF1_SHA3_224},
	{name: "SHA3-256", sum: sha3Of(sha3.New256), digest: ck.CKM_SHA3_256, hmac: ck.CKM_SHA3_256_HMAC, general: ck.CKM_SHA3_256_HMAC_GENERAL, ecdsa: ck.CKM_ECDSA_SHA3_256,
		dsa: ck.CKM_DSA_SHA3_256, pkcs: ck.CKM_SHA3_256_RSA_PKCS, pss: ck.CKM_SHA3_256_RSA_PKCS_PSS, mask: ck.CKG_MGF1_SHA3_256},
	{name: "SHA3-384", sum: sha3Of(sha3.New384), digest: ck.CKM_SHA3_384, hmac: ck.CKM_SHA3_384_HMAC, general: ck.CKM_SHA3_384_HMAC_GENERAL, ecdsa: ck.CKM_ECDSA_SHA3_384,
		dsa: ck.CKM_DSA_SHA3_384, pkcs: ck.CKM_SHA3_384_RSA_PKCS, pss: ck.CKM_SHA3_384_RSA_PKCS_PSS, mask: ck.CKG_MGF1_SHA3_384},
	{name: "SHA3-512", sum: sha3Of(sha3.New512), digest: ck.CKM_SHA3_512, hmac: ck.CKM_SHA3_512_HMAC, general: ck.CKM_SHA3_512_HMAC_GENERAL, ecdsa: ck.CKM_ECDSA_SHA3_512,
		dsa: ck.CKM_DSA_SHA3_512, pkcs: ck.CKM_SHA3_512_RSA_PKCS, pss: ck.CKM_SHA3_512_RSA_PKCS_PSS, mask: ck.CKG_MGF1_SHA3_512},
	// SHAKE as a hash: RFC 8702, of 256 and 512 bits.
	{name: "SHAKE128", sum: func() hash.Hash { return shake{sha3.NewSHAKE128(), 32} }},
	{name: "SHAKE256", sum: func() hash.Hash { return shake{sha3.NewSHAKE256(), 64} }},
}

// shake is SHAKE with an output of one length.
type shake struct {
	*sha3.SHAKE
	size int
}

func (s shake) Size() int { return s.size }

func (s shake) Sum(b []byte) []byte {
	out := make([]byte, s.size)
	_, _ = s.Read(out)
	return append(b, out...)
}

// hashNamed finds a hash.
func hashNamed(name string) (*hashNames, error) {
	for i := range hashTable {
		if hashTable[i].name == name {
			return &hashTable[i], nil
		}
	}
	return nil, fmt.Errorf("no hash %q", name)
}

// of is the digest of data.
func (h *hashNames) of(data []byte) []byte {
	f := h.sum()
	f.Write(data)
	return f.Sum(nil)
}

// digestInfo is what RSASSA-PKCS1-v1_5 signs (RFC 8017, section 9.2), for the hashes that have no mechanism of their own.
func (h *hashNames) digestInfo(data []byte) []byte {
	return encode(struct {
		Algorithm struct {
			OID  asn1.ObjectIdentifier
			Null asn1.RawValue
		}
		Digest []byte
	}{struct {
		OID  asn1.ObjectIdentifier
		Null asn1.RawValue
	}{h.oid, asn1.NullRawValue}, h.of(data)})
}
