package office

import (
	"bytes"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"unicode/utf16"

	"github.com/softcsp/softcsp/capi"
	"github.com/softcsp/softcsp/examples/internal/fields"
)

// The encryptions that are opened here, by the versions in their headers (MS-OFFCRYPTO 2.3.4.5 and 2.3.5.1).
const (
	minorCryptoAPI = 2     // both: the lower half of the version is 2, 3 or 4 above it
	aesSpins       = 50000 // how often ECMA-376 standard encryption hashes the password's hash
	external       = 1 << 4
)

// A header is what a document says of its encryption: the EncryptionHeader and the EncryptionVerifier of MS-OFFCRYPTO 2.3.2
// and 2.3.3.
type header struct {
	algorithm    capi.AlgID
	bits         uint32 // of the key
	salt         []byte
	verifier     []byte // encrypted
	verifierHash []byte // encrypted

	hash []byte // H_0 of RC4, H_n of AES: what the keys are derived from, once there is a password
}

// ErrPassword says that the password is not the document's.
var ErrPassword = errors.New("office: the password is not this document's")

// ErrFormat says that a document has no encryption that this package opens, or none at all.
var ErrFormat = errors.New("office: this is no document with ECMA-376 or RC4 CryptoAPI encryption")

// readHeader reads an encryption header.
func readHeader(b []byte) (*header, error) {
	r := fields.New(b)
	version := r.Uint32()
	major := version & 0xffff
	if !r.Good() || version>>16 != minorCryptoAPI || major < 2 || major > 4 {
		return nil, fmt.Errorf("%w: version %d.%d", ErrFormat, major, version>>16)
	}
	if flags := r.Uint32(); flags&external != 0 {
		return nil, fmt.Errorf("%w: encryption by an extension", ErrFormat)
	}
	inner := fields.New(r.Counted())
	h := new(header)
	inner.Bytes(8) // the flags again, and the size of something that is not there
	h.algorithm = capi.AlgID(inner.Uint32())
	inner.Uint32() // the hash, which is always SHA-1
	h.bits = inner.Uint32()
	h.salt = bytes.Clone(r.Counted())
	h.verifier = bytes.Clone(r.Bytes(16))
	r.Uint32() // the length of a SHA-1 hash value
	size := uint32(sha1.Size)
	if h.algorithm != capi.CALG_RC4 {
		size = 32 // whole blocks
	}
	h.verifierHash = bytes.Clone(r.Bytes(size))
	if h.bits == 0 {
		h.bits = 40 // MS-OFFCRYPTO 2.3.5.1
	}
	if !r.Good() || !inner.Good() || h.bits > 256 {
		return nil, fmt.Errorf("%w: its header is damaged", ErrFormat)
	}
	return h, nil
}

// unlock hashes a password, as MS-OFFCRYPTO 2.3.4.7 and 2.3.5.2 say.
func (h *header) unlock(password string) {
	sum := sha1.New()
	sum.Write(h.salt)
	for _, u := range utf16.Encode([]rune(password)) {
		sum.Write([]byte{byte(u), byte(u >> 8)})
	}
	h.hash = sum.Sum(nil)
	if h.algorithm == capi.CALG_RC4 {
		return
	}
	var round [4 + sha1.Size]byte
	for i := range uint32(aesSpins) {
		binary.LittleEndian.PutUint32(round[:], i)
		copy(round[4:], h.hash)
		next := sha1.Sum(round[:])
		copy(h.hash, next[:])
	}
}

// key derives the key of a block.
func (h *header) key(keys Keys, block uint32) (Key, error) {
	base := binary.LittleEndian.AppendUint32(bytes.Clone(h.hash), block)
	defer clear(base)
	return keys.Derive(h.algorithm, h.bits, base)
}

// decrypt decrypts b in place with the key of a block.
func (h *header) decrypt(keys Keys, block uint32, b []byte) error {
	k, err := h.key(keys, block)
	if err != nil {
		return err
	}
	defer k.Destroy()
	return k.Decrypt(b)
}

// verify tells whether the password is the right one: ErrPassword where it is not.
func (h *header) verify(keys Keys) error {
	both := append(bytes.Clone(h.verifier), h.verifierHash...)
	if err := h.decrypt(keys, 0, both); err != nil {
		return err
	}
	want := sha1.Sum(both[:16])
	if subtle.ConstantTimeCompare(want[:], both[16:16+sha1.Size]) != 1 {
		return ErrPassword
	}
	return nil
}

// blocks decrypts b in place, each block of size bytes with a key of its own.
func (h *header) blocks(keys Keys, b []byte, size int) error {
	for block := uint32(0); len(b) > 0; block++ {
		n := min(size, len(b))
		if err := h.decrypt(keys, block, b[:n]); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}
