package mechanisms

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/subtle"
	"encoding/asn1"
	"errors"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/algorithm/rawrsa"
	"github.com/softcsp/softcsp/internal/secret"
)

// An rsaHash is a hash as RSA uses it: the mechanisms that hash with it and sign, its identifier in a DigestInfo (RFC 8017, appendix B.1), and its
// number in the standard library. A hash without such a number serves neither OAEP nor PSS.
type rsaHash struct {
	Digest, PKCS, PSS ck.MechanismType
	std               crypto.Hash
	oid               asn1.ObjectIdentifier
}

var rsaHashes = []rsaHash{
	{Digest: ck.CKM_MD2, PKCS: ck.CKM_MD2_RSA_PKCS, oid: asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 2}},
	{Digest: ck.CKM_MD5, PKCS: ck.CKM_MD5_RSA_PKCS, oid: asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 5}},
	{Digest: ck.CKM_RIPEMD128, PKCS: ck.CKM_RIPEMD128_RSA_PKCS, oid: asn1.ObjectIdentifier{1, 3, 36, 3, 2, 2}},
	{Digest: ck.CKM_RIPEMD160, PKCS: ck.CKM_RIPEMD160_RSA_PKCS, oid: asn1.ObjectIdentifier{1, 3, 36, 3, 2, 1}},
	{Digest: ck.CKM_SHA_1, PKCS: ck.CKM_SHA1_RSA_PKCS, PSS: ck.CKM_SHA1_RSA_PKCS_PSS, std: crypto.SHA1, oid: asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}},
	{Digest: ck.CKM_SHA224, PKCS: ck.CKM_SHA224_RSA_PKCS, PSS: ck.CKM_SHA224_RSA_PKCS_PSS, std: crypto.SHA224, oid: nistHash(4)},
	{Digest: ck.CKM_SHA256, PKCS: ck.CKM_SHA256_RSA_PKCS, PSS: ck.CKM_SHA256_RSA_PKCS_PSS, std: crypto.SHA256, oid: nistHash(1)},
	{Digest: ck.CKM_SHA384, PKCS: ck.CKM_SHA384_RSA_PKCS, PSS: ck.CKM_SHA384_RSA_PKCS_PSS, std: crypto.SHA384, oid: nistHash(2)},
	{Digest: ck.CKM_SHA512, PKCS: ck.CKM_SHA512_RSA_PKCS, PSS: ck.CKM_SHA512_RSA_PKCS_PSS, std: crypto.SHA512, oid: nistHash(3)},
	{Digest: ck.CKM_SHA512_224, std: crypto.SHA512_224, oid: nistHash(5)},
	{Digest: ck.CKM_SHA512_256, std: crypto.SHA512_256, oid: nistHash(6)},
	{Digest: ck.CKM_SHA3_224, PKCS: ck.CKM_SHA3_224_RSA_PKCS, PSS: ck.CKM_SHA3_224_RSA_PKCS_PSS, std: crypto.SHA3_224, oid: nistHash(7)},
	{Digest: ck.CKM_SHA3_256, PKCS: ck.CKM_SHA3_256_RSA_PKCS, PSS: ck.CKM_SHA3_256_RSA_PKCS_PSS, std: crypto.SHA3_256, oid: nistHash(8)},
	{Digest: ck.CKM_SHA3_384, PKCS: ck.CKM_SHA3_384_RSA_PKCS, PSS: ck.CKM_SHA3_384_RSA_PKCS_PSS, std: crypto.SHA3_384, oid: nistHash(9)},
	{Digest: ck.CKM_SHA3_512, PKCS: ck.CKM_SHA3_512_RSA_PKCS, PSS: ck.CKM_SHA3_512_RSA_PKCS_PSS, std: crypto.SHA3_512, oid: nistHash(10)},
}

// nistHash is an identifier in NIST's list of hash algorithms.
func nistHash(n int) asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, n}
}

// findRSAHash returns the row of a digest mechanism, nil if there is none.
func findRSAHash(digest ck.MechanismType) *rsaHash {
	for i := range rsaHashes {
		if rsaHashes[i].Digest == digest {
			return &rsaHashes[i]
		}
	}
	return nil
}

// row is the row of the hash in the one list.
func (h *rsaHash) row() *Hash {
	i := slices.IndexFunc(hashes, func(row *Hash) bool { return row.Digest == h.Digest })
	return hashes[i]
}

// digestInfo is a DigestInfo without the digest at its end.
func (h *rsaHash) digestInfo() []byte {
	size := h.row().Size
	var b cryptobyte.Builder
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		addAlgorithm(b, h.oid, asn1.NullBytes)
		b.AddASN1OctetString(make([]byte, size))
	})
	whole := b.BytesOrPanic()
	return whole[: len(whole)-size : len(whole)-size]
}

var rsaKeys = []ck.KeyType{ck.CKK_RSA}

// pkcs1Overhead is what padding of version 1.5 takes at least, in bytes.
const pkcs1Overhead = 11

// rsaRows are RSA: section 6.1.
var rsaRows = slices.Concat([]Mechanism{
	{Type: ck.CKM_RSA_PKCS_KEY_PAIR_GEN, Min: minRSA, Max: maxRSA, Makes: ck.CKK_RSA, GeneratePair: rsaGenerate},
	{Type: ck.CKM_RSA_X9_31_KEY_PAIR_GEN, Min: minRSA, Max: maxRSA, Makes: ck.CKK_RSA, GeneratePair: rsaGenerate},
	rsaRecovers(rsaSigns(rsaEncapsulates(rsaUnwrapsImplicitly(rsaWraps(rsaCrypts(Mechanism{Type: ck.CKM_RSA_PKCS, Seals: true, RawPrivate: true}, pkcs1Scheme)))), func(p *ck.Param) (*rsaSigner, error) {
		return &rsaSigner{overhead: pkcs1Overhead, sign: signPKCS1(nil), verify: verifyPKCS1(nil)}, p.None()
	}), pkcs1Overhead, unpadPKCS1),
	rsaRecovers(rsaSigns(rsaSecretValue(rsaWraps(rsaCrypts(Mechanism{Type: ck.CKM_RSA_X_509, KeyAtEnd: true, RawPrivate: true}, rawScheme))), func(p *ck.Param) (*rsaSigner, error) {
		return &rsaSigner{sign: rsaRawPrivate, verify: verifyRaw}, p.None()
	}), 0, unpadNone),
	rsaSigns(Mechanism{Type: ck.CKM_RSA_PKCS_PSS}, pssSigner(nil)),
	rsaEncapsulates(rsaWraps(rsaCrypts(Mechanism{Type: ck.CKM_RSA_PKCS_OAEP, Seals: true}, oaepScheme))),
	{Type: ck.CKM_RSA_AES_KEY_WRAP, Keys: rsaKeys, Min: minRSA, Max: maxRSA, Authentic: true, Seals: true, Wrap: rsaAESWrap, Unwrap: rsaAESUnwrap},
}, rsaHashRows(), x931Rows, tpmRows)

// rsaHashRows are the mechanisms that hash and sign.
func rsaHashRows() (rows []Mechanism) {
	for i := range rsaHashes {
		h := &rsaHashes[i]
		if h.PKCS != 0 {
			info := h.digestInfo()
			rows = append(rows, rsaSigns(Mechanism{Type: h.PKCS}, func(p *ck.Param) (*rsaSigner, error) {
				return &rsaSigner{hash: h.row(), sign: signPKCS1(info), verify: verifyPKCS1(info)}, p.None()
			}))
		}
		if h.PSS != 0 {
			rows = append(rows, rsaSigns(Mechanism{Type: h.PSS}, pssSigner(h)))
		}
	}
	return rows
}

// An rsaSigner is a way of signing, with what its parameter says.
type rsaSigner struct {
	hash     *Hash // nil where data is signed as it is
	overhead int   // by how many bytes that is shorter than the modulus, at least
	sign     func(priv *rawrsa.PrivateKey, data []byte) ([]byte, error)
	verify   func(pub *rawrsa.PublicKey, data, sig []byte) error
	checkKey func(pub *rsa.PublicKey) error // nil where every key is long enough
}

// begin makes the operation, without sign and verify.
func (r *rsaSigner) begin(pub *rsa.PublicKey) (*signature, error) {
	if r.checkKey != nil {
		if err := r.checkKey(pub); err != nil {
			return nil, err
		}
	}
	s := &signature{size: pub.Size(), limit: pub.Size() - r.overhead}
	if r.hash != nil {
		s.hash = r.hash.New()
	}
	return s, nil
}

// rsaSigns gives a row the columns of signatures.
func rsaSigns(m Mechanism, read func(p *ck.Param) (*rsaSigner, error)) Mechanism {
	m.Keys, m.Min, m.Max = rsaKeys, minRSA, maxRSA
	m.Sign = func(k *Key, p *ck.Param) (Signer, error) {
		r, err := read(p)
		if err != nil {
			return nil, err
		}
		priv, err := rsaKey(k)
		if err != nil {
			return nil, err
		}
		s, err := r.begin(&priv.PublicKey)
		if err != nil {
			return nil, err
		}
		s.sign = func(data []byte) ([]byte, error) { return r.sign(priv, data) }
		return s, nil
	}
	m.Verify = func(k *Key, p *ck.Param) (Verifier, error) {
		r, err := read(p)
		if err != nil {
			return nil, err
		}
		pub, err := rsaPublicKey(k)
		if err != nil {
			return nil, err
		}
		s, err := r.begin(pub.PublicKey)
		if err != nil {
			return nil, err
		}
		s.verify = func(data, sig []byte) error { return r.verify(pub, data, sig) }
		return s, nil
	}
	return m
}

// padPKCS1 makes the block of size bytes that is signed (RFC 8017, section 9.2): the padding of type 1, prefix and data.
func padPKCS1(prefix, data []byte, size int) ([]byte, error) {
	padding := size - len(prefix) - len(data) - 3
	if padding < pkcs1Overhead-3 {
		return nil, ck.CKR_DATA_LEN_RANGE
	}
	block := append(make([]byte, 0, size), 0, 1)
	for range padding {
		block = append(block, 0xff)
	}
	return append(append(append(block, 0), prefix...), data...), nil
}

// signPKCS1 signs what comes after prefix with the padding of version 1.5.
func signPKCS1(prefix []byte) func(*rawrsa.PrivateKey, []byte) ([]byte, error) {
	return func(priv *rawrsa.PrivateKey, data []byte) ([]byte, error) {
		block, err := padPKCS1(prefix, data, priv.Size())
		if err != nil {
			return nil, err
		}
		return rsaRawPrivate(priv, block)
	}
}

// verifyPKCS1 verifies such signatures: they are those of the block that would be signed, so that only one encoding of a DigestInfo is accepted.
func verifyPKCS1(prefix []byte) func(*rawrsa.PublicKey, []byte, []byte) error {
	return func(pub *rawrsa.PublicKey, data, sig []byte) error {
		block, err := padPKCS1(prefix, data, pub.Size())
		if err != nil {
			return ck.CKR_SIGNATURE_INVALID // no key of this size has signed it
		}
		m, err := rsaOpen(pub, sig)
		if err != nil || subtle.ConstantTimeCompare(m, block) != 1 {
			return ck.CKR_SIGNATURE_INVALID
		}
		return nil
	}
}

// verifyRaw verifies a signature without padding. Shorter data has zeros before it.
func verifyRaw(pub *rawrsa.PublicKey, data, sig []byte) error {
	m, err := rsaOpen(pub, sig)
	if err != nil {
		return ck.CKR_SIGNATURE_INVALID
	}
	padded := make([]byte, len(m))
	copy(padded[len(padded)-len(data):], data)
	if subtle.ConstantTimeCompare(m, padded) != 1 {
		return ck.CKR_SIGNATURE_INVALID
	}
	return nil
}

// rsaError turns an error of crypto/rsa into a code. tooLong is the one for a message that does not fit.
func rsaError(err error, tooLong ck.RV) error {
	var rv ck.RV
	switch {
	case err == nil, errors.As(err, &rv):
		return err
	case errors.Is(err, rsa.ErrMessageTooLong):
		return tooLong
	case errors.Is(err, rsa.ErrVerification):
		return ck.CKR_SIGNATURE_INVALID
	case errors.Is(err, rsa.ErrDecryption):
		return ck.CKR_ENCRYPTED_DATA_INVALID
	}
	return errors.Join(ck.CKR_FUNCTION_FAILED, err)
}

// An rsaScheme is a way of encrypting, with what its parameter says.
type rsaScheme struct {
	encrypt func(pub *rawrsa.PublicKey, data []byte) ([]byte, error)
	decrypt func(priv *rawrsa.PrivateKey, data []byte) ([]byte, error)
	exact   bool // what is decrypted is as long as the modulus
}

// rsaCrypts gives a row the columns of encryption.
func rsaCrypts(m Mechanism, read func(p *ck.Param) (*rsaScheme, error)) Mechanism {
	m.Keys, m.Min, m.Max = rsaKeys, minRSA, maxRSA
	m.Encrypt = func(k *Key, p *ck.Param) (Cipher, error) {
		r, err := read(p)
		if err != nil {
			return nil, err
		}
		pub, err := rsaPublicKey(k)
		if err != nil {
			return nil, err
		}
		return rsaCipher(pub.Size(), false, func(data []byte) ([]byte, error) { return r.encrypt(pub, data) }), nil
	}
	m.Decrypt = func(k *Key, p *ck.Param) (Cipher, error) {
		r, err := read(p)
		if err != nil {
			return nil, err
		}
		priv, err := rsaKey(k)
		if err != nil {
			return nil, err
		}
		return rsaCipher(priv.Size(), !r.exact, func(data []byte) ([]byte, error) {
			if len(data) != priv.Size() {
				return nil, ck.CKR_ENCRYPTED_DATA_LEN_RANGE
			}
			return r.decrypt(priv, data)
		}), nil
	}
	return m
}

// rsaCipher makes the Cipher of a function that takes all of its input.
func rsaCipher(size int, inexact bool, f func(data []byte) ([]byte, error)) Cipher {
	run := func(dst, src []byte) (n int, err error) {
		secret.Do(func() {
			var out []byte
			out, err = f(src)
			n = copy(dst, out)
			clear(out)
		})
		return n, err
	}
	return &wholeInputCipher{size: func(int) int { return size }, run: run, inexact: inexact}
}

// rsaWraps gives a row the columns of wrapping, over those of encryption.
func rsaWraps(m Mechanism) Mechanism {
	encrypt, decrypt := m.Encrypt, m.Decrypt
	m.Wrap = func(k *Key, p *ck.Param, value []byte) ([]byte, error) {
		wrapped, err := wrapWith(encrypt)(k, p, value)
		if errors.Is(err, ck.CKR_DATA_LEN_RANGE) {
			err = ck.CKR_KEY_SIZE_RANGE
		}
		return wrapped, err
	}
	m.Unwrap = unwrapWith(decrypt)
	return m
}

// pkcs1Scheme is encryption with the padding of version 1.5. A wrong padding gives the same error, in the same time, whatever is wrong with it.
func pkcs1Scheme(p *ck.Param) (*rsaScheme, error) {
	return &rsaScheme{
		encrypt: func(pub *rawrsa.PublicKey, data []byte) ([]byte, error) {
			//lint:ignore SA1019 PKCS #11 has it; docs/limits.md says what it is worth
			out, err := rsa.EncryptPKCS1v15(rand.Reader, pub.PublicKey, data)
			return out, rsaError(err, ck.CKR_DATA_LEN_RANGE)
		},
		decrypt: func(priv *rawrsa.PrivateKey, data []byte) ([]byte, error) {
			//lint:ignore SA1019 as above
			out, err := rsa.DecryptPKCS1v15(nil, priv.PrivateKey, data)
			return out, rsaError(err, ck.CKR_ENCRYPTED_DATA_LEN_RANGE)
		},
	}, p.None()
}

// rawScheme is encryption without padding.
func rawScheme(p *ck.Param) (*rsaScheme, error) {
	return &rsaScheme{encrypt: rsaEncrypt, exact: true, decrypt: func(priv *rawrsa.PrivateKey, data []byte) ([]byte, error) {
		out, err := rsaRawPrivate(priv, data)
		if errors.Is(err, ck.CKR_DATA_INVALID) {
			err = ck.CKR_ENCRYPTED_DATA_INVALID
		}
		return out, err
	}}, p.None()
}
