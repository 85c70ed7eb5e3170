package dpapi

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"slices"
	"strings"
	"unicode/utf16"

	"golang.org/x/crypto/md4" //lint:ignore SA1019 Windows hashes the passwords of domains with it

	"github.com/softcsp/softcsp/capi"
	"github.com/softcsp/softcsp/examples/internal/fields"
)

// ErrPassword says that the password, or the SID, is not that of a master key.
var ErrPassword = errors.New("dpapi: the password or the SID is not the one of this master key")

// ErrMasterKey says that something is no file of a master key, or a damaged one.
var ErrMasterKey = errors.New("dpapi: this is no file of a master key, or a damaged one")

// masterKeySize is the length of a master key.
const masterKeySize = 64

// maxRounds is more than any Windows asks for by itself: 24,000 is the most that has been seen.
const maxRounds = 10_000_000

// A MasterKeyFile is a file of a user's master key, Protect\SID\GUID in the profile, that has been read.
type MasterKeyFile struct {
	GUID   string // as the file is called
	Cipher capi.AlgID
	Hash   capi.AlgID
	Rounds uint32

	salt, data []byte
}

// ParseMasterKey reads a file of a master key. What is none is ErrMasterKey. The MasterKeyFile keeps parts of b.
func ParseMasterKey(b []byte) (*MasterKeyFile, error) {
	r := fields.New(b)
	version := r.Uint32()
	r.Bytes(8)
	f := &MasterKeyFile{GUID: text(r.Bytes(72))}
	r.Bytes(12) // two of them are flags
	length := r.Uint32()
	r.Bytes(4 + 3*8) // the upper half of the length; the lengths of the backup key, of the credential history and of the domain's key
	m := fields.New(r.Bytes(length))
	m.Uint32() // a version
	f.salt = m.Bytes(16)
	f.Rounds, f.Hash, f.Cipher = m.Uint32(), capi.AlgID(m.Uint32()), capi.AlgID(m.Uint32())
	f.data = m.Bytes(uint32(max(m.Left(), 0)))
	if !r.Good() || !m.Good() || version != 2 && version != 1 {
		return nil, ErrMasterKey
	}
	if f.Rounds > maxRounds {
		return nil, fmt.Errorf("%w: %d rounds of hashing, and %d is the limit", ErrMasterKey, f.Rounds, maxRounds)
	}
	return f, nil
}

// Open returns the master key, which is the caller's to wipe. sid is the user's, S-1-5-21-… A password that is not the right one is
// ErrPassword.
func (f *MasterKeyFile) Open(password, sid string) ([]byte, error) {
	if _, _, err := f.algorithms(); err != nil {
		return nil, err
	}
	for secret := range secrets(utf16Bytes(password), utf16Bytes(sid)) {
		master, err := f.OpenWith(secret)
		clear(secret)
		if err == nil {
			return master, nil
		}
	}
	return nil, ErrPassword
}

// secrets yields what a password and a SID can stand for: of a local account, of one of a domain, and of one of a domain from Windows
// 10 1607 on.
func secrets(password, sid []byte) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		ended := append(bytes.Clone(sid), 0, 0)
		local := sha1.Sum(password)
		nt := md4.New()
		nt.Write(password)
		domain := nt.Sum(nil)
		if !yield(plainMAC(sha1.New, local[:], ended)) || !yield(plainMAC(sha1.New, domain, ended)) {
			return
		}
		// The parameters are in range, so there is no error.
		longer, _ := pbkdf2.Key(sha256.New, string(domain), sid, 10000, 32)
		protected, _ := pbkdf2.Key(sha256.New, string(longer), sid, 1, 16)
		yield(plainMAC(sha1.New, protected, ended))
	}
}

// OpenWith returns the master key that a secret of 20 bytes opens: what a password and a SID make, or for the master keys of
// the system one of the halves of the LSA secret DPAPI_SYSTEM. A secret that is not the right one is ErrPassword.
func (f *MasterKeyFile) OpenWith(secret []byte) ([]byte, error) {
	newHash, begin, err := f.algorithms()
	if err != nil {
		return nil, err
	}
	key := stretch(newHash, secret, f.salt, f.Rounds, begin.key+begin.block)
	defer clear(key)
	block, err := begin.cipher(key[:begin.key])
	if err != nil {
		return nil, err
	}
	size := newHash().Size()
	if len(f.data)%begin.block != 0 || len(f.data) < 16+size+masterKeySize {
		return nil, ErrMasterKey
	}
	plain := make([]byte, len(f.data))
	defer clear(plain)
	cipher.NewCBCDecrypter(block, key[begin.key:]).CryptBlocks(plain, f.data)
	salt, mac, master := plain[:16], plain[16:16+size], plain[len(plain)-masterKeySize:]
	macKey := plainMAC(newHash, secret, salt)
	defer clear(macKey)
	if !hmac.Equal(plainMAC(newHash, macKey, master), mac) {
		return nil, ErrPassword
	}
	return slices.Clone(master), nil
}

// A beginning is how a cipher is begun: the lengths of its key and of its block.
type beginning struct {
	key, block int
	cipher     func(key []byte) (cipher.Block, error)
}

// algorithms returns the hash and the cipher of the file.
func (f *MasterKeyFile) algorithms() (func() hash.Hash, beginning, error) {
	newHash, _, ok := hashOf(f.Hash)
	switch {
	case !ok:
		return nil, beginning{}, fmt.Errorf("%w: hash %#x", ErrMasterKey, uint32(f.Hash))
	case f.Cipher == capi.CALG_3DES:
		return newHash, beginning{24, des.BlockSize, des.NewTripleDESCipher}, nil
	case f.Cipher == capi.CALG_AES_256:
		return newHash, beginning{32, aes.BlockSize, aes.NewCipher}, nil
	}
	return nil, beginning{}, fmt.Errorf("%w: cipher %#x", ErrMasterKey, uint32(f.Cipher))
}

// stretch is PBKDF2 as DPAPI has it: what is hashed in each round is not the result of the last one, but that of all of them together.
func stretch(newHash func() hash.Hash, secret, salt []byte, rounds uint32, length int) []byte {
	mac := hmac.New(newHash, secret)
	var out []byte
	for block := uint32(1); len(out) < length; block++ {
		mac.Reset()
		mac.Write(salt)
		mac.Write(binary.BigEndian.AppendUint32(nil, block))
		sum := mac.Sum(nil)
		next := make([]byte, 0, len(sum))
		for i := uint32(1); i < rounds; i++ {
			mac.Reset()
			mac.Write(sum)
			next = mac.Sum(next[:0])
			for j := range sum {
				sum[j] ^= next[j]
			}
		}
		out = append(out, sum...)
	}
	return out[:length]
}

func utf16Bytes(s string) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return b
}

// GUID returns the name of the file with the blob's master key.
func (b *Blob) GUID() string {
	g := b.MasterKey
	slices.Reverse(g[:4])
	slices.Reverse(g[4:6])
	slices.Reverse(g[6:8])
	var parts []string
	for _, p := range [][]byte{g[:4], g[4:6], g[6:8], g[8:10], g[10:]} {
		parts = append(parts, hex.EncodeToString(p))
	}
	return strings.Join(parts, "-")
}

// Find returns what begins with the first blob in a file that holds one, a file of the Windows credential manager say. Where there
// is none it is nil.
func Find(file []byte) []byte {
	i := bytes.Index(file, []byte("\x01\x00\x00\x00"+provider))
	if i < 0 {
		return nil
	}
	return file[i:]
}
