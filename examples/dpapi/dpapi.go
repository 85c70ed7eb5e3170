// Package dpapi opens blobs of the Windows Data Protection API (CryptProtectData): [Blob], with a master key, which a
// password opens: [MasterKeyFile]. Both come from a backup of a profile, say. The key of each blob is one of CryptDeriveKey,
// from a hash object whose value is set.
//
// The keys of blobs are derived and used by whoever implements [Keys]; [CSP] does it with package csp, in whose token they
// stay. How a password opens a master key has nothing of CryptDeriveKey, and is computed here. The layouts are not documented
// by Microsoft; they are known from those who have read many.
package dpapi

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha512"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"unicode/utf16"

	"github.com/softcsp/softcsp/capi"
	"github.com/softcsp/softcsp/examples/internal/fields"
)

// Keys derives keys as CryptDeriveKey does.
type Keys interface {
	// Derive makes a hash object whose value is value, and derives from it a key of the cipher and of its default length. The key is
	// to work in CBC mode with padding.
	Derive(hash capi.AlgID, value []byte, cipher capi.AlgID) (Key, error)
}

// A Key decrypts.
type Key interface {
	// Decrypt decrypts the whole of b in place, and returns what is left of it without the padding.
	Decrypt(b []byte) ([]byte, error)
	// Destroy ends the use of the key.
	Destroy()
}

// ErrBlob says that something is no blob, or a damaged one, or one that another master key or other entropy made.
var ErrBlob = errors.New("dpapi: this is no blob of this master key and entropy, or a damaged one")

// A Blob is a blob that has been read.
type Blob struct {
	MasterKey   [16]byte // the GUID of the master key, as it lies in memory
	Description string
	Cipher      capi.AlgID
	Hash        capi.AlgID

	salt, mac, data   []byte
	signed, signature []byte
}

// provider is the GUID of the provider of all blobs, as it lies in memory.
const provider = "\xd0\x8c\x9d\xdf\x01\x15\xd1\x11\x8c\x7a\x00\xc0\x4f\xc2\x97\xeb"

// Parse reads a blob. What is none is ErrBlob. The Blob keeps parts of b.
func Parse(b []byte) (*Blob, error) {
	const signedFrom = 20 // behind the version and the GUID of the provider
	r := fields.New(b)
	version := r.Uint32()
	if guid := r.Bytes(16); string(guid) != provider || version != 1 {
		return nil, ErrBlob
	}
	blob := new(Blob)
	r.Uint32() // the version of the master key
	copy(blob.MasterKey[:], r.Bytes(16))
	r.Uint32() // flags
	blob.Description = text(r.Counted())
	blob.Cipher = capi.AlgID(r.Uint32())
	r.Uint32() // the length of its key
	blob.salt = r.Counted()
	r.Counted() // the key of a MAC that is not used
	blob.Hash = capi.AlgID(r.Uint32())
	r.Uint32() // its length
	blob.mac = r.Counted()
	blob.data = r.Counted()
	end := len(b) - r.Left()
	blob.signature = r.Counted()
	if !r.Good() {
		return nil, ErrBlob
	}
	blob.signed = b[signedFrom:end]
	return blob, nil
}

// text reads a string of UTF-16 that ends with a zero.
func text(b []byte) string {
	var u []uint16
	for ; len(b) >= 2; b = b[2:] {
		if c := binary.LittleEndian.Uint16(b); c != 0 {
			u = append(u, c)
		}
	}
	return string(utf16.Decode(u))
}

// hashOf returns a hash, and the ALG_ID of hash objects for it.
func hashOf(id capi.AlgID) (newHash func() hash.Hash, object capi.AlgID, ok bool) {
	switch id {
	case capi.CALG_SHA1, capi.CALG_HMAC: // CALG_HMAC stands for SHA-1
		return sha1.New, capi.CALG_SHA1, true
	case capi.CALG_SHA_512:
		return sha512.New, capi.CALG_SHA_512, true
	}
	return nil, 0, false
}

// Open decrypts the blob. entropy is what the program that made it added, nil in most cases. The master key, 64 bytes, is
// the caller's to wipe, and so is the result.
func (b *Blob) Open(masterKey, entropy []byte, keys Keys) ([]byte, error) {
	newHash, id, ok := hashOf(b.Hash)
	if !ok {
		return nil, fmt.Errorf("%w: hash %#x", ErrBlob, uint32(b.Hash))
	}
	master := sha1.Sum(masterKey)
	defer clear(master[:])
	for _, mac := range []func(func() hash.Hash, []byte, []byte, ...[]byte) []byte{plainMAC, olderMAC} {
		if hmac.Equal(mac(newHash, master[:], b.mac, entropy, b.signed), b.signature) {
			value := mac(newHash, master[:], b.salt, entropy)
			defer clear(value)
			return b.decrypt(id, value, keys)
		}
	}
	return nil, ErrBlob
}

// decrypt decrypts the data with the key that a value gives.
func (b *Blob) decrypt(id capi.AlgID, value []byte, keys Keys) ([]byte, error) {
	key, err := keys.Derive(id, value, b.Cipher)
	if err != nil {
		return nil, err
	}
	defer key.Destroy()
	return key.Decrypt(append([]byte(nil), b.data...))
}

// plainMAC is an HMAC with the hash of the master key over a salt and what follows it. It signs a blob, and makes the value that
// its key is derived from.
func plainMAC(newHash func() hash.Hash, master, salt []byte, rest ...[]byte) []byte {
	h := hmac.New(newHash, master)
	h.Write(salt)
	for _, part := range rest {
		h.Write(part)
	}
	return h.Sum(nil)
}

// olderMAC is what stands for an HMAC in blobs of Windows XP: the inner hash is over the salt alone, all the rest is in the outer. Without
// anything beside the salt, entropy say, it is the same.
func olderMAC(newHash func() hash.Hash, master, salt []byte, rest ...[]byte) []byte {
	inner, outer := newHash(), newHash()
	pad := make([]byte, inner.BlockSize())
	defer clear(pad)
	copy(pad, master)
	for i := range pad {
		pad[i] ^= 0x36
	}
	inner.Write(pad)
	inner.Write(salt)
	for i := range pad {
		pad[i] ^= 0x36 ^ 0x5c
	}
	outer.Write(pad)
	outer.Write(inner.Sum(nil))
	for _, part := range rest {
		outer.Write(part)
	}
	return outer.Sum(nil)
}
