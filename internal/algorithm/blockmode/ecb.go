// Package blockmode is the modes of block ciphers in NIST SP 800-38A that [crypto/cipher] lacks: ECB, CFB and OFB with segments of any
// length, CFB by single bits, and CBC with ciphertext stealing. Blocks have up to 16 bytes.
package blockmode

import "crypto/cipher"

const maxBlock = 16 // bytes

// NewECB returns the electronic codebook mode: SP 800-38A, 6.1.
func NewECB(b cipher.Block, decrypt bool) cipher.BlockMode { return ecb{b, decrypt} }

// An ecb is a cipher.BlockMode without chaining.
type ecb struct {
	block   cipher.Block
	decrypt bool
}

func (m ecb) BlockSize() int { return m.block.BlockSize() }

func (m ecb) CryptBlocks(dst, src []byte) {
	if !m.decrypt {
		EncryptECB(m.block, dst, src)
		return
	}
	n := m.block.BlockSize()
	for ; len(src) > 0; dst, src = dst[n:], src[n:] {
		m.block.Decrypt(dst[:n], src[:n])
	}
}

// EncryptECB encrypts whole blocks, as [NewECB] does, and allocates nothing.
func EncryptECB(b cipher.Block, dst, src []byte) {
	n := b.BlockSize()
	for ; len(src) > 0; dst, src = dst[n:], src[n:] {
		b.Encrypt(dst[:n], src[:n])
	}
}
