package keyfile

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha512"
	"encoding/binary"

	"golang.org/x/crypto/blowfish" //lint:ignore SA1019 OpenSSH encrypts keys under a password that Blowfish has hashed
	"golang.org/x/crypto/cryptobyte"
)

// The comment of a private key of OpenSSH stands behind the key, encrypted with it (PROTOCOL.key of OpenSSH). Package ssh reads the key and
// leaves the comment.

// sshMagic begins the file.
const sshMagic = "openssh-key-v1\x00"

// sshComment returns the comment of a private key, "" where there is none that can be read. The password is nil for a key that is not encrypted.
func sshComment(file, password []byte) string {
	rest, is := bytes.CutPrefix(file, []byte(sshMagic))
	in := cryptobyte.String(rest)
	var name, kdf, options, public, sealed cryptobyte.String
	var keys uint32
	if !is || !sshString(&in, &name) || !sshString(&in, &kdf) || !sshString(&in, &options) || !in.ReadUint32(&keys) || keys != 1 ||
		!sshString(&in, &public) || !sshString(&in, &sealed) {
		return ""
	}
	plain := bytes.Clone(sealed)
	defer clear(plain)
	if string(name) != "none" && !sshDecrypt(plain, string(name), string(kdf), options, password) {
		return ""
	}
	in = plain
	if !in.Skip(8) { // the same random number twice
		return ""
	}
	var kind, field cryptobyte.String
	if !sshString(&in, &kind) {
		return ""
	}
	for range sshFields[string(kind)] {
		if !sshString(&in, &field) {
			return ""
		}
	}
	var comment cryptobyte.String
	if sshFields[string(kind)] == 0 || !sshString(&in, &comment) || !isSSHPadding(in) {
		return ""
	}
	return string(comment)
}

// sshFields are how many fields a private key has, by the name of its type: what follows them is the comment, and nothing secret.
var sshFields = map[string]int{
	"ssh-rsa": 6, "ssh-dss": 5, "ssh-ed25519": 2, "ecdsa-sha2-nistp256": 3, "ecdsa-sha2-nistp384": 3, "ecdsa-sha2-nistp521": 3,
}

func sshString(in, out *cryptobyte.String) bool {
	var n uint32
	var b []byte
	if !in.ReadUint32(&n) || uint64(n) > uint64(len(*in)) || !in.ReadBytes(&b, int(n)) {
		return false
	}
	*out = b
	return true
}

// isSSHPadding reports whether only 1, 2, 3 and so on are left, up to less than a block.
func isSSHPadding(rest []byte) bool {
	for i, b := range rest {
		if int(b) != i+1 {
			return false
		}
	}
	return len(rest) < aes.BlockSize
}

// sshDecrypt decrypts with the ciphers that package ssh has.
func sshDecrypt(data []byte, name, kdf string, options cryptobyte.String, password []byte) bool {
	var salt cryptobyte.String
	var rounds uint32
	if kdf != "bcrypt" || !sshString(&options, &salt) || !options.ReadUint32(&rounds) || len(data)%aes.BlockSize != 0 {
		return false
	}
	const keySize = 32
	key := bcryptKey(password, salt, int(rounds), keySize+aes.BlockSize)
	defer clear(key)
	block, err := aes.NewCipher(key[:keySize])
	if err != nil {
		return false
	}
	switch name {
	case "aes256-ctr":
		cipher.NewCTR(block, key[keySize:]).XORKeyStream(data, data)
	case "aes256-cbc":
		cipher.NewCBCDecrypter(block, key[keySize:]).CryptBlocks(data, data)
	default:
		return false
	}
	return true
}

// bcryptKey makes a key of a password as OpenBSD's bcrypt_pbkdf does: PBKDF2 with bcrypt as its function, whose blocks are strewn over the key.
func bcryptKey(password, salt []byte, rounds, size int) []byte {
	hashed := sha512.Sum512(password)
	defer clear(hashed[:])
	blocks := (size + bcryptSize - 1) / bcryptSize
	key := make([]byte, blocks*bcryptSize)
	for i := range blocks {
		next := sha512.Sum512(binary.BigEndian.AppendUint32(bytes.Clone(salt), uint32(i+1)))
		var sum [bcryptSize]byte
		for range rounds {
			part := bcryptHash(hashed[:], next[:])
			for j := range sum {
				sum[j] ^= part[j]
			}
			next = sha512.Sum512(part[:])
		}
		for j, b := range sum {
			key[j*blocks+i] = b
		}
	}
	return key[:size]
}

// bcryptSize is the length of a hash value of bcrypt_pbkdf in bytes.
const bcryptSize = 32

// bcryptHash is bcrypt, with 64 rounds and a longer text, of hash values.
func bcryptHash(password, salt []byte) (sum [bcryptSize]byte) {
	c, err := blowfish.NewSaltedCipher(password, salt)
	if err != nil {
		return sum // which does not happen: keys of 64 bytes are short enough
	}
	const rounds = 64
	for range rounds {
		blowfish.ExpandKey(salt, c)
		blowfish.ExpandKey(password, c)
	}
	copy(sum[:], "OxychromaticBlowfishSwatDynamite")
	for at := 0; at < bcryptSize; at += blowfish.BlockSize {
		block := sum[at : at+blowfish.BlockSize]
		for range rounds {
			c.Encrypt(block, block)
		}
	}
	for at := 0; at < bcryptSize; at += 4 { // the other byte order
		binary.LittleEndian.PutUint32(sum[at:], binary.BigEndian.Uint32(sum[at:]))
	}
	return sum
}
