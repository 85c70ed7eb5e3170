package blockmode

import (
	"crypto/cipher"
	"crypto/subtle"
)

// StealEncrypt encrypts the end of a message, a block and what follows it that is less than another, in place: the end of
// CBC-CS1-Encrypt of the addendum to SP 800-38A. mode is CBC with blocks of 16 bytes, which has encrypted what comes before.
func StealEncrypt(mode cipher.BlockMode, data []byte) {
	whole, rest := split(data)
	mode.CryptBlocks(whole, whole)
	if len(rest) == 0 {
		return
	}
	var last [maxBlock]byte
	copy(last[:], rest)
	mode.CryptBlocks(last[:], last[:])
	copy(data[len(data)-maxBlock:], last[:]) // over the end of the last whole block, which can be computed again
}

// StealDecrypt undoes [StealEncrypt]: the end of CBC-CS1-Decrypt. mode is CBC over b.
func StealDecrypt(b cipher.Block, mode cipher.BlockMode, data []byte) {
	whole, rest := split(data)
	if len(rest) > 0 {
		var last [maxBlock]byte
		b.Decrypt(last[:], data[len(data)-maxBlock:])
		var plain [maxBlock]byte
		subtle.XORBytes(plain[:], whole[:len(rest)], last[:])
		copy(whole[len(rest):], last[len(rest):])
		copy(rest, plain[:])
		clear(last[:])
		clear(plain[:])
	}
	mode.CryptBlocks(whole, whole)
}

// split parts whole blocks from the rest.
func split(data []byte) (whole, rest []byte) {
	n := len(data) - len(data)%maxBlock
	return data[:n], data[n:]
}
