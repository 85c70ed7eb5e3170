package mechanisms

import (
	"crypto/cipher"
	"slices"

	"golang.org/x/crypto/blowfish" //lint:ignore SA1019 PKCS #11 has it
	"golang.org/x/crypto/cast5"    //lint:ignore SA1019 PKCS #11 has it
	"golang.org/x/crypto/twofish"  //lint:ignore SA1019 PKCS #11 has it

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/secret"
)

const (
	blowfishMaxKey = 56 // bytes
	cast128Key     = cast5.KeySize
)

var (
	blowfishKeys = []ck.KeyType{ck.CKK_BLOWFISH}
	twofishKeys  = []ck.KeyType{ck.CKK_TWOFISH}
	cast128Keys  = []ck.KeyType{ck.CKK_CAST128}

	keyedBlowfish = keyedBy(ck.CKM_BLOWFISH_CBC, newBlowfish)
	keyedTwofish  = keyedBy(ck.CKM_TWOFISH_CBC, newTwofish)
	keyedCAST128  = keyedBy(ck.CKM_CAST128_ECB, newCAST128)
)

// oldCipherRows are Blowfish, Twofish and CAST-128 (RFC 2144), the last with keys of 128 bits only.
var oldCipherRows = slices.Concat([]Mechanism{
	keyGen(ck.CKM_BLOWFISH_KEY_GEN, ck.CKK_BLOWFISH),
	zeroFilled(blockRow(ck.CKM_BLOWFISH_CBC, blowfishKeys, 1, blowfishMaxKey, cbc(keyedBlowfish, ivField, false))),
	blockRow(ck.CKM_BLOWFISH_CBC_PAD, blowfishKeys, 1, blowfishMaxKey, cbc(keyedBlowfish, ivField, true)),
	keyGen(ck.CKM_TWOFISH_KEY_GEN, ck.CKK_TWOFISH),
	zeroFilled(blockRow(ck.CKM_TWOFISH_CBC, twofishKeys, 16, 32, cbc(keyedTwofish, ivField, false))),
	blockRow(ck.CKM_TWOFISH_CBC_PAD, twofishKeys, 16, 32, cbc(keyedTwofish, ivField, true)),
	keyGen(ck.CKM_CAST128_KEY_GEN, ck.CKK_CAST128),
	zeroFilled(blockRow(ck.CKM_CAST128_ECB, cast128Keys, cast128Key, cast128Key, ecb(keyedCAST128))),
	zeroFilled(blockRow(ck.CKM_CAST128_CBC, cast128Keys, cast128Key, cast128Key, cbc(keyedCAST128, ivField, false))),
	blockRow(ck.CKM_CAST128_CBC_PAD, cast128Keys, cast128Key, cast128Key, cbc(keyedCAST128, ivField, true)),
}, blockMACRows(ck.CKM_CAST128_MAC, ck.CKM_CAST128_MAC_GENERAL, cast128Keys, cast128Key, cast128Key, keyedCAST128))

// keyedBy makes the keyedBlock of a cipher that has no parameter. form is the name of the prepared form.
func keyedBy(form ck.MechanismType, expand func([]byte) (cipher.Block, error)) keyedBlock {
	prepare := func(k *Key) (any, error) { return expand(k.Value) }
	return func(k *Key, _ *ck.Param) (cipher.Block, error) {
		b, err := k.Prepared(form, prepare)
		if err != nil {
			return nil, err
		}
		return b.(cipher.Block), nil
	}
}

var (
	newBlowfish = expandSecretly(blowfish.NewCipher)
	newTwofish  = expandSecretly(twofish.NewCipher)
	newCAST128  = expandSecretly(cast5.NewCipher)
)

// expandSecretly has newCipher run inside secret.Do. Its only error is a key length that the cipher does not have.
func expandSecretly[B cipher.Block](newCipher func(key []byte) (B, error)) func(value []byte) (cipher.Block, error) {
	return func(value []byte) (b cipher.Block, err error) {
		secret.Do(func() { b, err = newCipher(value) })
		if err != nil {
			return nil, ck.CKR_KEY_SIZE_RANGE
		}
		return b, nil
	}
}
