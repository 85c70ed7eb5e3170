// Package cdmf implements the Commercial Data Masking Facility: DES with keys of which 40 bits count. Johnson, Matyas, Le and Wilkins,
// "The Commercial Data Masking Facility (CDMF) data privacy algorithm", IBM Journal of Research and Development, 1994.
//
// Who tries all keys finds the right one.
package cdmf

import (
	"crypto/cipher"
	"crypto/des"
	"encoding/binary"
)

const (
	// BlockSize is the length of a block in bytes.
	BlockSize = des.BlockSize
	// KeySize is the length of a key in bytes. The lowest bit of each, the parity of DES, does not count.
	KeySize = 8
)

// NewCipher returns DES with the key that CDMF shortens a key of [KeySize] bytes to. Other lengths are a [des.KeySizeError].
func NewCipher(key []byte) (cipher.Block, error) {
	if len(key) != KeySize {
		return nil, des.KeySizeError(len(key))
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
