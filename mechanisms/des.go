package mechanisms

import (
	"crypto/cipher"
	"crypto/des"
	"encoding/binary"
	"slices"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/secret"
)

var (
	desKeys = []ck.KeyType{ck.CKK_DES}
	tdeKeys = []ck.KeyType{ck.CKK_DES2, ck.CKK_DES3}
	anyDES  = []ck.KeyType{ck.CKK_DES, ck.CKK_DES2, ck.CKK_DES3}
)

// desRows are DES and triple DES with two keys and three (FIPS 46-3), in the modes of FIPS 81, and the derivation of keys by
// encryption. PKCS #11 does not use the key sizes of these mechanisms.
var desRows = []Mechanism{
	withoutSizes(keyGen(ck.CKM_DES_KEY_GEN, ck.CKK_DES)),
	withoutSizes(keyGen(ck.CKM_DES2_KEY_GEN, ck.CKK_DES2)),
	withoutSizes(keyGen(ck.CKM_DES3_KEY_GEN, ck.CKK_DES3)),
	zeroFilled(blockRow(ck.CKM_DES_ECB, desKeys, 0, 0, ecb(keyedDES))),
	zeroFilled(blockRow(ck.CKM_DES_CBC, desKeys, 0, 0, cbc(keyedDES, ivField, false))),
	blockRow(ck.CKM_DES_CBC_PAD, desKeys, 0, 0, cbc(keyedDES, ivField, true)),
	zeroFilled(blockRow(ck.CKM_DES3_ECB, tdeKeys, 0, 0, ecb(keyedDES))),
	zeroFilled(blockRow(ck.CKM_DES3_CBC, tdeKeys, 0, 0, cbc(keyedDES, ivField, false))),
	blockRow(ck.CKM_DES3_CBC_PAD, tdeKeys, 0, 0, cbc(keyedDES, ivField, true)),
	// PKCS #11 names the feedback modes after DES alone. They take the other two types as well, as CryptoAPI does.
	streamRow(ck.CKM_DES_CFB8, anyDES, 0, 0, cfb(keyedDES, ivField, 1)),
	streamRow(ck.CKM_DES_CFB64, anyDES, 0, 0, cfb(keyedDES, ivField, 8)),
	streamRow(ck.CKM_DES_OFB64, anyDES, 0, 0, ofb(keyedDES, ivField, 8)),
	streamRow(ck.CKM_DES_OFB8, anyDES, 0, 0, ofb(keyedDES, ivField, 1)),
	{Type: ck.CKM_DES_ECB_ENCRYPT_DATA, Keys: desKeys, Derive: encryptData(keyedDES, false)},
	{Type: ck.CKM_DES_CBC_ENCRYPT_DATA, Keys: desKeys, Derive: encryptData(keyedDES, true)},
	{Type: ck.CKM_DES3_ECB_ENCRYPT_DATA, Keys: tdeKeys, Derive: encryptData(keyedDES, false)},
	{Type: ck.CKM_DES3_CBC_ENCRYPT_DATA, Keys: tdeKeys, Derive: encryptData(keyedDES, true)},
}

// desMACRows are CBC-MAC with DES and triple DES.
var desMACRows = append(
	blockMACRows(ck.CKM_DES_MAC, ck.CKM_DES_MAC_GENERAL, desKeys, 0, 0, keyedDES),
	blockMACRows(ck.CKM_DES3_MAC, ck.CKM_DES3_MAC_GENERAL, tdeKeys, 0, 0, keyedDES)...)

func withoutSizes(m Mechanism) Mechanism {
	m.Min, m.Max = 0, 0
	return m
}

// newDES makes the cipher of a key of 8, 16 or 24 bytes.
func newDES(value []byte) (b cipher.Block, err error) {
	secret.Do(func() {
		switch len(value) {
		case 8:
			b, err = des.NewCipher(value)
		case 16:
			b, err = des.NewTripleDESCipher(slices.Concat(value, value[:8]))
		default:
			b, err = des.NewTripleDESCipher(value)
		}
	})
	if err != nil {
		return nil, ck.CKR_KEY_SIZE_RANGE
	}
	return b, nil
}

func prepareDES(k *Key) (any, error) { return newDES(k.Value) }

func keyedDES(k *Key, _ *ck.Param) (cipher.Block, error) {
	form, err := k.Prepared(ck.CKM_DES_ECB, prepareDES)
	if err != nil {
		return nil, err
	}
	return form.(cipher.Block), nil
}

// weakKeys are the weak and semi-weak keys of DES, with odd parity (SP 800-67, 3.3.2).
var weakKeys = []uint64{
	0x0101010101010101, 0xfefefefefefefefe, 0xe0e0e0e0f1f1f1f1, 0x1f1f1f1f0e0e0e0e,
	0x011f011f010e010e, 0x1f011f010e010e01, 0x01e001e001f101f1, 0xe001e001f101f101,
	0x01fe01fe01fe01fe, 0xfe01fe01fe01fe01, 0x1fe01fe00ef10ef1, 0xe01fe01ff10ef10e,
	0x1ffe1ffe0efe0efe, 0xfe1ffe1ffe0efe0e, 0xe0fee0fef1fef1fe, 0xfee0fee0fef1fef1,
}

// weakDES reports whether a key with odd parity has a part that is weak, or two parts that are equal, which makes triple DES weaker than its
// length says.
func weakDES(key []byte) bool {
	var seen []uint64
	for part := range slices.Chunk(key, 8) {
		u := binary.BigEndian.Uint64(part)
		if slices.Contains(weakKeys, u) || slices.Contains(seen, u) {
			return true
		}
		seen = append(seen, u)
	}
	return false
}
