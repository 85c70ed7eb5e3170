package office

import (
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/binary"
	"encoding/xml"
	"fmt"
	"hash"
	"slices"
	"strings"

	"github.com/softcsp/softcsp/ck"
)

// What a descriptor may ask for: MS-OFFCRYPTO 2.3.4.10.
const (
	agileVersion = 4 | 4<<16
	maxSpins     = 10_000_000
	maxSalt      = 1 << 16
	cbcChaining  = "ChainingModeCBC"
)

// A descriptor is the XML that says how a document of agile encryption is encrypted.
type descriptor struct {
	XMLName   xml.Name  `xml:"http://schemas.microsoft.com/office/2006/encryption encryption"`
	Package   cipherRow `xml:"keyData"`
	Integrity *struct {
		Key   bytes64 `xml:"encryptedHmacKey,attr"`
		Value bytes64 `xml:"encryptedHmacValue,attr"`
	} `xml:"dataIntegrity"`
	Encryptors []encryptor `xml:"keyEncryptors>keyEncryptor"`
}

// An encryptor is one way to the key of the package. Without a password it is the private key of a certificate.
type encryptor struct {
	Password *passwordRow `xml:"http://schemas.microsoft.com/office/2006/keyEncryptor/password encryptedKey"`
}

// A passwordRow is the key of the package, encrypted with keys of the password, and what tells whether the password is right.
type passwordRow struct {
	cipherRow
	Spins         uint32  `xml:"spinCount,attr"`
	VerifierInput bytes64 `xml:"encryptedVerifierHashInput,attr"`
	VerifierHash  bytes64 `xml:"encryptedVerifierHashValue,attr"`
	Key           bytes64 `xml:"encryptedKeyValue,attr"`
}

// A cipherRow is the cipher and the hash of one part of a document, and their salt.
type cipherRow struct {
	Cipher   string  `xml:"cipherAlgorithm,attr"`
	Chaining string  `xml:"cipherChaining,attr"`
	KeyBits  uint    `xml:"keyBits,attr"`
	Hash     string  `xml:"hashAlgorithm,attr"`
	SaltSize uint    `xml:"saltSize,attr"`
	Salt     bytes64 `xml:"saltValue,attr"`

	cipher *agileCipher
	hash   *agileHash
}

// bytes64 are bytes that stand as base64.
type bytes64 []byte

// UnmarshalText implements encoding.TextUnmarshaler.
func (b *bytes64) UnmarshalText(text []byte) (err error) {
	*b, err = base64.StdEncoding.AppendDecode(nil, text)
	return err
}

// An agileCipher is a cipher that agile encryption can name, in CBC mode.
type agileCipher struct {
	name  string
	bits  []uint
	block int
	key   ck.KeyType
	mech  ck.MechanismType
}

var agileCiphers = []*agileCipher{
	{"AES", []uint{128, 192, 256}, 16, ck.CKK_AES, ck.CKM_AES_CBC},
	{"3DES", []uint{192}, 8, ck.CKK_DES3, ck.CKM_DES3_CBC},
	{"3DES_112", []uint{128}, 8, ck.CKK_DES2, ck.CKM_DES3_CBC},
	{"DES", []uint{64}, 8, ck.CKK_DES, ck.CKM_DES_CBC},
	{"RC2", []uint{40, 48, 56, 64, 72, 80, 88, 96, 104, 112, 120, 128}, 8, ck.CKK_RC2, ck.CKM_RC2_CBC},
}

// An agileHash is a hash that agile encryption can name, and the mechanism that derives a key with it.
type agileHash struct {
	name   string
	begin  func() hash.Hash
	derive ck.MechanismType
}

var agileHashes = []*agileHash{
	{"SHA1", sha1.New, ck.CKM_SHA1_KEY_DERIVATION},
	{"SHA256", sha256.New, ck.CKM_SHA256_KEY_DERIVATION},
	{"SHA384", sha512.New384, ck.CKM_SHA384_KEY_DERIVATION},
	{"SHA512", sha512.New, ck.CKM_SHA512_KEY_DERIVATION},
}

// isAgile tells whether an EncryptionInfo stream is that of agile encryption.
func isAgile(info []byte) bool {
	return len(info) >= 8 && binary.LittleEndian.Uint32(info) == agileVersion
}

// readDescriptor reads what stands behind the version and a reserved number, and finds its ciphers and hashes.
func readDescriptor(info []byte) (*descriptor, *passwordRow, error) {
	d := new(descriptor)
	if err := xml.Unmarshal(info[8:], d); err != nil {
		return nil, nil, fmt.Errorf("%w: the description of its encryption: %w", ErrFormat, err)
	}
	i := slices.IndexFunc(d.Encryptors, func(e encryptor) bool { return e.Password != nil })
	switch {
	case i < 0:
		return nil, nil, fmt.Errorf("%w: no password opens it, only the private key of a certificate", ErrFormat)
	case d.Integrity == nil:
		return nil, nil, fmt.Errorf("%w: it has no check of its integrity", ErrFormat)
	case d.Encryptors[i].Password.Spins > maxSpins:
		return nil, nil, fmt.Errorf("%w: the password is to be hashed %d times, and %d is the limit", ErrFormat, d.Encryptors[i].Password.Spins, maxSpins)
	}
	p := d.Encryptors[i].Password
	for _, row := range []*cipherRow{&d.Package, &p.cipherRow} {
		if err := row.resolve(); err != nil {
			return nil, nil, err
		}
	}
	return d, p, nil
}

// resolve finds the cipher and the hash.
func (r *cipherRow) resolve() error {
	c := slices.IndexFunc(agileCiphers, func(c *agileCipher) bool { return c.name == r.Cipher && slices.Contains(c.bits, r.KeyBits) })
	h := slices.IndexFunc(agileHashes, func(h *agileHash) bool { return h.name == strings.ReplaceAll(r.Hash, "-", "") })
	switch {
	case c < 0:
		return fmt.Errorf("%w: the cipher %q with %d bits", ErrFormat, r.Cipher, r.KeyBits)
	case r.Chaining != cbcChaining:
		return fmt.Errorf("%w: the mode %q", ErrFormat, r.Chaining)
	case h < 0:
		return fmt.Errorf("%w: the hash %q", ErrFormat, r.Hash)
	case len(r.Salt) == 0 || len(r.Salt) > maxSalt || uint(len(r.Salt)) != r.SaltSize:
		return fmt.Errorf("%w: a salt of %d bytes", ErrFormat, len(r.Salt))
	}
	r.cipher, r.hash = agileCiphers[c], agileHashes[h]
	return nil
}

// iv is the initialisation vector for a part of the package: 2.3.4.12. Without a part it is the salt itself.
func (r *cipherRow) iv(part []byte) []byte {
	b := []byte(r.Salt)
	if part != nil {
		b = r.hash.sum(r.Salt, part)
	}
	return fit(b, r.cipher.block)
}

// sum hashes parts.
func (h *agileHash) sum(parts ...[]byte) []byte {
	sum := h.begin()
	for _, p := range parts {
		sum.Write(p)
	}
	return sum.Sum(nil)
}

// fit cuts a copy of b to n bytes, or fills it up with 0x36.
func fit(b []byte, n int) []byte {
	b = slices.Clone(b[:min(n, len(b))])
	for len(b) < n {
		b = append(b, filler)
	}
	return b
}

// filler stands behind what is too short.
const filler = 0x36
