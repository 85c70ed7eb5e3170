// Package inparts is authenticated encryption of messages that come in parts, for which [crypto/cipher.AEAD] has no methods.
package inparts

import (
	"bytes"
	"crypto/cipher"
	"crypto/subtle"
	"errors"
)

// An AEAD is a mode of authenticated encryption with a key.
type AEAD interface {
	cipher.AEAD
	// Begin begins a message in parts, of length bytes where the mode must know that before.
	Begin(nonce, aad []byte, length uint64) Message
}

// A Message is an encryption, or a decryption, in parts.
type Message interface {
	// Encrypt and Decrypt process the next part. dst and src are the same memory, or have none in common. What Decrypt gives is
	// not to be believed before the tag has been compared.
	Encrypt(dst, src []byte)
	Decrypt(dst, src []byte)
	// Tag ends the message and appends its tag to b.
	Tag(b []byte) []byte
}

// ErrTag says that a tag is not the one of the data.
var ErrTag = errors.New("inparts: wrong tag")

// Seal is Seal of a cipher.AEAD that works in parts.
func Seal(m Message, dst, plaintext []byte) []byte {
	n := len(dst)
	dst = append(dst, plaintext...)
	m.Encrypt(dst[n:], dst[n:])
	return m.Tag(dst)
}

// Open is Open of a cipher.AEAD that works in parts, with tags of so many bytes. sealed is no shorter than a tag.
func Open(m Message, tagSize int, dst, sealed []byte) ([]byte, error) {
	data, want := sealed[:len(sealed)-tagSize], bytes.Clone(sealed[len(sealed)-tagSize:])
	n := len(dst)
	dst = append(dst, data...)
	m.Decrypt(dst[n:], dst[n:])
	if subtle.ConstantTimeCompare(m.Tag(nil), want) != 1 {
		clear(dst[n:])
		return nil, ErrTag
	}
	return dst, nil
}
