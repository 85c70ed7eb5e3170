// Package xts is XTS with ciphertext stealing (NIST SP 800-38E and IEEE 1619) over any cipher with blocks of 128 bits. The package of that
// name in golang.org/x/crypto takes whole blocks alone, and only a number of 64 bits for a data unit.
package xts

import (
	"crypto/cipher"
	"crypto/subtle"
)

// BlockSize is the length of a block in bytes.
const BlockSize = 16

// A Cipher is XTS with a key.
type Cipher struct{ data, tweak cipher.Block }

// New returns XTS with ciphers that have the two halves of the key.
func New(data, tweak cipher.Block) *Cipher { return &Cipher{data, tweak} }

// A Unit is a data unit that is processed, all of its blocks but the end first: IEEE 1619, 5.3.2 and 5.4.2.
type Unit struct {
	crypt   func(dst, src []byte)
	decrypt bool
	tweak   [BlockSize]byte // of the next block
}

// NewUnit begins a data unit. Its number has 16 bytes, the least first.
func (c *Cipher) NewUnit(number []byte, decrypt bool) *Unit {
	u := &Unit{crypt: c.data.Encrypt, decrypt: decrypt}
	if decrypt {
		u.crypt = c.data.Decrypt
	}
	c.tweak.Encrypt(u.tweak[:], number)
	return u
}

func (u *Unit) block(b []byte, tweak *[BlockSize]byte) {
	subtle.XORBytes(b, b, tweak[:])
	u.crypt(b, b)
	subtle.XORBytes(b, b, tweak[:])
}

// Blocks processes whole blocks in place.
func (u *Unit) Blocks(data []byte) {
	for ; len(data) > 0; data = data[BlockSize:] {
		u.block(data[:BlockSize], &u.tweak)
		doubleTweak(&u.tweak)
	}
}

// End processes the last whole block and what follows it, in place.
func (u *Unit) End(data []byte) {
	last, rest := data[:BlockSize], data[BlockSize:]
	if len(rest) == 0 {
		u.block(last, &u.tweak)
		return
	}
	first, second := u.tweak, u.tweak
	doubleTweak(&second)
	if u.decrypt { // the whole block was encrypted with the later of the two
		first, second = second, first
	}
	u.block(last, &first)
	for i := range rest {
		last[i], rest[i] = rest[i], last[i]
	}
	u.block(last, &second)
}

// doubleTweak multiplies by x in GF(2^128), with the least byte first: IEEE 1619, 5.2.
func doubleTweak(t *[BlockSize]byte) {
	carry := byte(0)
	for i, b := range t {
		t[i] = b<<1 | carry
		carry = b >> 7
	}
	t[0] ^= 0x87 & -carry
}
