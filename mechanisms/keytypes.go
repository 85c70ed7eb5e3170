package mechanisms

import (
	"crypto/cipher"
	"crypto/sha1"
	"errors"
	"io"
	"slices"

	"golang.org/x/crypto/blake2b"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/algorithm/cdmf"
	"github.com/softcsp/softcsp/internal/algorithm/idea"
	"github.com/softcsp/softcsp/internal/algorithm/parity"
	"github.com/softcsp/softcsp/internal/algorithm/rc2"
	"github.com/softcsp/softcsp/internal/algorithm/rc5"
	"github.com/softcsp/softcsp/internal/algorithm/seed"
	"github.com/softcsp/softcsp/internal/secret"
)

// maxSecret is the length in bytes of the longest generic secret.
const maxSecret = 1 << 16

// checkValueLen is the length of CKA_CHECK_VALUE in bytes.
const checkValueLen = 3

// A keyType is a row of the one table of secret key types: the lengths of values in bytes, and the cipher that makes their check value.
type keyType struct {
	Type     ck.KeyType
	Min, Max uint
	Step     uint                                     // between lengths, 1 where it is 0
	Parity   bool                                     // odd parity in each byte
	cipher   func(value []byte) (cipher.Block, error) // nil: the check value is a hash
}

var keyTypes = []keyType{
	{Type: ck.CKK_GENERIC_SECRET, Min: 1, Max: maxSecret},
	{Type: ck.CKK_RC2, Min: 1, Max: rc2.MaxKeySize, cipher: rc2Default},
	{Type: ck.CKK_RC4, Min: 1, Max: 256},
	{Type: ck.CKK_DES, Min: 8, Max: 8, Parity: true, cipher: newDES},
	{Type: ck.CKK_DES2, Min: 16, Max: 16, Parity: true, cipher: newDES},
	{Type: ck.CKK_DES3, Min: 24, Max: 24, Parity: true, cipher: newDES},
	{Type: ck.CKK_RC5, Min: 0, Max: rc5.MaxKeySize},
	{Type: ck.CKK_AES, Min: 16, Max: 32, Step: 8, cipher: newAES},
	{Type: ck.CKK_HKDF, Min: 1, Max: maxSecret},
	{Type: ck.CKK_MD5_HMAC, Min: 1, Max: maxSecret},
	{Type: ck.CKK_SHA_1_HMAC, Min: 1, Max: maxSecret},
	{Type: ck.CKK_SHA256_HMAC, Min: 1, Max: maxSecret},
	{Type: ck.CKK_SHA384_HMAC, Min: 1, Max: maxSecret},
	{Type: ck.CKK_SHA512_HMAC, Min: 1, Max: maxSecret},
	{Type: ck.CKK_SHA224_HMAC, Min: 1, Max: maxSecret},
	{Type: ck.CKK_SHA512_224_HMAC, Min: 1, Max: maxSecret},
	{Type: ck.CKK_SHA512_256_HMAC, Min: 1, Max: maxSecret},
	{Type: ck.CKK_CHACHA20, Min: chachaKey, Max: chachaKey},
	{Type: ck.CKK_SALSA20, Min: chachaKey, Max: chachaKey},
	{Type: ck.CKK_POLY1305, Min: chachaKey, Max: chachaKey},
	{Type: ck.CKK_BLOWFISH, Min: 1, Max: blowfishMaxKey, cipher: newBlowfish},
	{Type: ck.CKK_TWOFISH, Min: 16, Max: 32, Step: 8, cipher: newTwofish},
	{Type: ck.CKK_CAST128, Min: cast128Key, Max: cast128Key, cipher: newCAST128},
	{Type: ck.CKK_CAMELLIA, Min: 16, Max: 32, Step: 8, cipher: newCamellia},
	{Type: ck.CKK_SEED, Min: seed.KeySize, Max: seed.KeySize, cipher: newSEED},
	{Type: ck.CKK_ARIA, Min: 16, Max: 32, Step: 8, cipher: newARIA},
	{Type: ck.CKK_CDMF, Min: cdmf.KeySize, Max: cdmf.KeySize, Parity: true, cipher: newCDMF},
	{Type: ck.CKK_IDEA, Min: idea.KeySize, Max: idea.KeySize, cipher: newIDEA},
	{Type: ck.CKK_HOTP, Min: 1, Max: hotpMaxKey},
	{Type: ck.CKK_AES_XTS, Min: 32, Max: 64, Step: 32},
	{Type: ck.CKK_SHA512_T_HMAC, Min: 1, Max: maxSecret},
	{Type: ck.CKK_SHA3_224_HMAC, Min: 1, Max: maxSecret},
	{Type: ck.CKK_SHA3_256_HMAC, Min: 1, Max: maxSecret},
	{Type: ck.CKK_SHA3_384_HMAC, Min: 1, Max: maxSecret},
	{Type: ck.CKK_SHA3_512_HMAC, Min: 1, Max: maxSecret},
	{Type: ck.CKK_RIPEMD128_HMAC, Min: 1, Max: maxSecret},
	{Type: ck.CKK_RIPEMD160_HMAC, Min: 1, Max: maxSecret},
	{Type: ck.CKK_BLAKE2B_160_HMAC, Min: 1, Max: blake2b.Size},
	{Type: ck.CKK_BLAKE2B_256_HMAC, Min: 1, Max: blake2b.Size},
	{Type: ck.CKK_BLAKE2B_384_HMAC, Min: 1, Max: blake2b.Size},
	{Type: ck.CKK_BLAKE2B_512_HMAC, Min: 1, Max: blake2b.Size},
}

// secretKeys are all types of secret keys except those for one-time passwords, which are for nothing else.
var secretKeys = func() (all []ck.KeyType) {
	for i := range keyTypes {
		if t := keyTypes[i].Type; t != ck.CKK_HOTP {
			all = append(all, t)
		}
	}
	return all
}()

// SecretKeyTypes returns the types that objects of CKO_SECRET_KEY can have. The caller may keep and change the slice.
func SecretKeyTypes() []ck.KeyType { return slices.Clone(secretKeys) }

// findKeyType returns the row of a type, nil if there is none.
func findKeyType(t ck.KeyType) *keyType {
	for i := range keyTypes {
		if keyTypes[i].Type == t {
			return &keyTypes[i]
		}
	}
	return nil
}

func (t *keyType) valid(n uint) bool {
	return n >= t.Min && n <= t.Max && (t.Step == 0 || (n-t.Min)%t.Step == 0)
}

func validSize(t ck.KeyType, n uint) bool {
	row := findKeyType(t)
	return row != nil && row.valid(n)
}

// Size returns the length in bytes of the values of a type of keys, if all have the same. A template need not give it then.
func Size(t ck.KeyType) (n uint, fixed bool) {
	row := findKeyType(t)
	if row == nil || row.Min != row.Max {
		return 0, false
	}
	return row.Min, true
}

// ValidValue checks the value of a secret key that comes from outside (C_CreateObject, C_UnwrapKey): nil,
// CKR_ATTRIBUTE_VALUE_INVALID for a length that the type does not have, CKR_TEMPLATE_INCONSISTENT for a type that is none
// of secret keys. Parity and weakness of DES keys are not checked: SoftHSM2 and NSS do not either, and keys derived on
// Windows have to be importable.
func ValidValue(t ck.KeyType, value []byte) error {
	row := findKeyType(t)
	switch {
	case row == nil:
		return ck.CKR_TEMPLATE_INCONSISTENT
	case !row.valid(uint(len(value))):
		return ck.CKR_ATTRIBUTE_VALUE_INVALID
	}
	return nil
}

// CheckValue returns the CKA_CHECK_VALUE of a secret key: the first three bytes of a block of zeros encrypted with the
// cipher of the key's type in ECB mode, and where the type has no such cipher of the SHA-1 hash of the value (PKCS #11,
// "Secret key objects"). RC2 counts with all bits of the key as effective; RC5, whose rounds are no part of the key, and
// RC4 have the hash. The result is nil for a value that the type does not have.
func CheckValue(t ck.KeyType, value []byte) (kcv []byte) {
	row := findKeyType(t)
	if row == nil || !row.valid(uint(len(value))) {
		return nil
	}
	kcv = make([]byte, checkValueLen)
	secret.Do(func() {
		if row.cipher == nil {
			sum := sha1.Sum(value)
			copy(kcv, sum[:])
			return
		}
		b, err := row.cipher(value)
		if err != nil {
			kcv = nil
			return
		}
		var block [maxBlock]byte
		b.Encrypt(block[:b.BlockSize()], block[:b.BlockSize()])
		copy(kcv, block[:])
	})
	return kcv
}

// HasParity reports whether keys of a type have a parity bit in each byte.
func HasParity(t ck.KeyType) bool {
	row := findKeyType(t)
	return row != nil && row.Parity
}

// FixParity gives the bytes of a DES key odd parity, and leaves the values of other types as they are.
func FixParity(t ck.KeyType, value []byte) {
	if row := findKeyType(t); row != nil && row.Parity {
		parity.SetOdd(value)
	}
}

// keyGen makes the row of a mechanism that generates keys of type t. The limits are in bytes.
func keyGen(m ck.MechanismType, t ck.KeyType) Mechanism {
	row := findKeyType(t)
	if row == nil {
		panic("mechanisms: no row of keyTypes for " + t.String())
	}
	return Mechanism{Type: m, Min: row.Min, Max: row.Max, Makes: t,
		Generate: func(rand io.Reader, p *ck.Param, size uint) ([]byte, error) {
			if err := p.None(); err != nil {
				return nil, err
			}
			switch {
			case size == 0 && row.Min == row.Max:
				size = row.Min
			case size == 0:
				return nil, ck.CKR_TEMPLATE_INCOMPLETE
			case !row.valid(size):
				return nil, ck.CKR_KEY_SIZE_RANGE
			}
			return generate(rand, row, size)
		}}
}

// generate returns size random bytes that are a good key.
func generate(rand io.Reader, row *keyType, size uint) (value []byte, err error) {
	secret.Do(func() {
		value = make([]byte, size)
		for range 100 { // a weak key is one draw in 2^52
			if _, err = io.ReadFull(rand, value); err != nil {
				err = errors.Join(ck.CKR_DEVICE_ERROR, err)
				break
			}
			if !row.Parity {
				return
			}
			parity.SetOdd(value)
			if !weakDES(value) {
				return
			}
			err = ck.CKR_DEVICE_ERROR
		}
		clear(value)
		value = nil
	})
	return value, err
}

// sizesInBits turns the limits of a row from bytes into bits, in which some mechanisms give them.
func sizesInBits(m Mechanism) Mechanism {
	m.Min, m.Max = 8*m.Min, 8*m.Max
	return m
}
