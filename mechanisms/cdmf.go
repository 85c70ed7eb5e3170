package mechanisms

import (
	"crypto/cipher"
	"crypto/des"
	"encoding/binary"

	"github.com/softcsp/softcsp/ck"
)

const cdmfKey = 8

// newCDMF makes DES with the key that CDMF shortens a key to, of 40 bits that count: Johnson, Matyas, Le and Wilkins, "The
// Commercial Data Masking Facility (CDMF) data privacy algorithm", IBM Journal of Research and Development, 1994.
func newCDMF(key []byte) (cipher.Block, error) {
	if len(key) != cdmfKey {
		return nil, ck.CKR_KEY_SIZE_RANGE
	}
	const (
		first, second = 0xc408b0540ba1e0ae, 0xef2c041ce6382fe6
		keyBits       = 0xfefefefefefefefe // all but those for parity
		counting      = 0x0efe0efe0efe0efe
	)
	k := binary.BigEndian.Uint64(key) & keyBits
	short, err := encryptDES(first, k)
	if err == nil {
		k, err = encryptDES(second, (short^k)&counting)
	}
	if err != nil {
		return nil, err
	}
	return des.NewCipher(binary.BigEndian.AppendUint64(nil, k))
}

// encryptDES encrypts a block.
func encryptDES(key, block uint64) (uint64, error) {
	c, err := des.NewCipher(binary.BigEndian.AppendUint64(nil, key))
	if err != nil {
		return 0, err
	}
	var b [des.BlockSize]byte
	binary.BigEndian.PutUint64(b[:], block)
	c.Encrypt(b[:], b[:])
	return binary.BigEndian.Uint64(b[:]), nil
}
