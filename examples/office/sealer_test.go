package office_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash"
	"slices"
	"testing"
	"unicode/utf16"

	"github.com/softcsp/softcsp/internal/algorithm/rc2"
)

// A sealer encrypts as MS-OFFCRYPTO 2.3.4.10 to 2.3.4.15 say, with Go's ciphers and no token. That it does it right is seen
// by the files of Excel, which OpenAgile opens too.
type sealer struct {
	cipher   sealerCipher
	hash     string
	spins    int
	password string
	edit     func(string) string // of the description, nil for none
	size     uint64              // that the package says it has, 0 for what it has

	description string // what seal wrote
	sealed      []byte
}

type sealerCipher struct {
	name        string
	bits, block int
	begin       func(key []byte) (cipher.Block, error)
}

var sealerCiphers = []sealerCipher{
	{"AES", 256, 16, aes.NewCipher},
	{"AES", 192, 16, aes.NewCipher},
	{"AES", 128, 16, aes.NewCipher},
	{"3DES", 192, 8, des.NewTripleDESCipher},
	{"3DES_112", 128, 8, func(k []byte) (cipher.Block, error) { return des.NewTripleDESCipher(append(bytes.Clone(k), k[:8]...)) }},
	{"DES", 64, 8, des.NewCipher},
	{"RC2", 128, 8, func(k []byte) (cipher.Block, error) { return rc2.NewCipher(k, 128) }},
	{"RC2", 40, 8, func(k []byte) (cipher.Block, error) { return rc2.NewCipher(k, 40) }},
}

var sealerHashes = map[string]func() hash.Hash{"SHA1": sha1.New, "SHA256": sha256.New, "SHA384": sha512.New384, "SHA512": sha512.New}

// sum hashes parts.
func (x *sealer) sum(parts ...[]byte) []byte {
	h := sealerHashes[x.hash]()
	h.Write(bytes.Join(parts, nil))
	return h.Sum(nil)
}

// fit cuts, or fills up with 0x36.
func fit(b []byte, n int) []byte {
	return append(bytes.Clone(b), bytes.Repeat([]byte{0x36}, n)...)[:n]
}

// encrypt encrypts, with zeros up to a whole block.
func (x *sealer) encrypt(t testing.TB, key, iv, b []byte) []byte {
	t.Helper()
	block, err := x.cipher.begin(key)
	if err != nil {
		t.Fatal(err)
	}
	b = append(bytes.Clone(b), make([]byte, (x.cipher.block-len(b)%x.cipher.block)%x.cipher.block)...)
	cipher.NewCBCEncrypter(block, fit(iv, x.cipher.block)).CryptBlocks(b, b)
	return b
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

// seal returns a document.
func (x *sealer) seal(t testing.TB, plain []byte) []byte {
	t.Helper()
	salt, packageSalt, key, input := random(16), random(16), random(x.cipher.bits/8), random(16)
	var password []byte
	for _, u := range utf16.Encode([]rune(x.password)) {
		password = binary.LittleEndian.AppendUint16(password, u)
	}
	hashed := x.sum(salt, password)
	for i := range x.spins {
		hashed = x.sum(binary.LittleEndian.AppendUint32(nil, uint32(i)), hashed)
	}
	under := func(purpose uint64, b []byte) string {
		k := fit(x.sum(hashed, binary.BigEndian.AppendUint64(nil, purpose)), len(key))
		return base64.StdEncoding.EncodeToString(x.encrypt(t, k, salt, b))
	}
	size := uint64(len(plain))
	if x.size != 0 {
		size = x.size
	}
	x.sealed = binary.LittleEndian.AppendUint64(nil, size)
	for i := 0; i*4096 < len(plain); i++ {
		iv := x.sum(packageSalt, binary.LittleEndian.AppendUint32(nil, uint32(i)))
		x.sealed = append(x.sealed, x.encrypt(t, key, iv, plain[i*4096:min(len(plain), i*4096+4096)])...)
	}
	macKey := random(len(hashed))
	mac := hmac.New(sealerHashes[x.hash], macKey)
	mac.Write(x.sealed)
	integrity := func(purpose uint64, b []byte) string {
		iv := x.sum(packageSalt, binary.BigEndian.AppendUint64(nil, purpose))
		return base64.StdEncoding.EncodeToString(x.encrypt(t, key, iv, b))
	}
	row := func(salt []byte) string {
		return fmt.Sprintf(`saltSize="16" blockSize="%d" keyBits="%d" hashSize="%d" cipherAlgorithm="%s" cipherChaining="ChainingModeCBC" hashAlgorithm="%s" saltValue="%s"`,
			x.cipher.block, x.cipher.bits, len(hashed), x.cipher.name, x.hash, base64.StdEncoding.EncodeToString(salt))
	}
	x.description = fmt.Sprintf(`<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<encryption xmlns="http://schemas.microsoft.com/office/2006/encryption" xmlns:p="http://schemas.microsoft.com/office/2006/keyEncryptor/password"><keyData %s/>`+
		`<dataIntegrity encryptedHmacKey="%s" encryptedHmacValue="%s"/><keyEncryptors><keyEncryptor uri="http://schemas.microsoft.com/office/2006/keyEncryptor/password">`+
		`<p:encryptedKey spinCount="%d" %s encryptedVerifierHashInput="%s" encryptedVerifierHashValue="%s" encryptedKeyValue="%s"/></keyEncryptor></keyEncryptors></encryption>`,
		row(packageSalt), integrity(0x5fb2ad010cb9e1f6, macKey), integrity(0xa0677f02b22c8433, mac.Sum(nil)),
		x.spins, row(salt), under(0xfea7d2763b4b9e79, input), under(0xd7aa0f6d3061344e, x.sum(input)), under(0x146e0be7abacd0d6, key))
	if x.edit != nil {
		x.description = x.edit(x.description)
	}
	info := binary.LittleEndian.AppendUint64(nil, 0x40<<32|4<<16|4)
	return compound([]string{"EncryptionInfo", "EncryptedPackage"}, [][]byte{append(info, x.description...), x.sealed})
}

// compound writes a compound file (MS-CFB) with a few streams, none of which is small: FAT, DIFAT, directory, streams.
func compound(names []string, streams [][]byte) []byte {
	const sector, end, free, inHead = 512, 0xfffffffe, 0xffffffff, 109
	sectors := 1 // of all but FAT and DIFAT
	for _, s := range streams {
		sectors += (len(s) + sector - 1) / sector
	}
	fats, difats := 0, 0
	for fats*sector/4 < sectors+fats+difats {
		fats++
		difats = (max(fats-inHead, 0) + sector/4 - 2) / (sector/4 - 1)
	}
	var fat []uint32
	for i := range fats + difats {
		fat = append(fat, map[bool]uint32{true: 0xfffffffd, false: 0xfffffffc}[i < fats])
	}
	root := uint32(len(fat))
	fat = append(fat, end)
	directory := entryOf("Root Entry", 5, end, 0)
	var body []byte
	for i, s := range streams {
		directory = append(directory, entryOf(names[i], 2, uint32(len(fat)), uint64(len(s)))...)
		for left := len(s); left > 0; left -= sector {
			next := uint32(len(fat) + 1)
			if left <= sector {
				next = end
			}
			fat = append(fat, next)
		}
		body = append(body, s...)
		body = append(body, make([]byte, -len(body)&(sector-1))...)
	}
	for len(fat) < fats*sector/4 {
		fat = append(fat, free)
	}
	directory = append(directory, make([]byte, sector-len(directory))...)
	// Where the sectors of the FAT are: in the header, and then in a chain of sectors that end with the number of the next.
	where := make([]uint32, 0, inHead+difats*sector/4)
	for i := range max(fats, inHead) {
		where = append(where, map[bool]uint32{true: uint32(i), false: free}[i < fats])
	}
	first := uint32(end)
	if difats > 0 {
		first = uint32(fats)
	}
	for i := 1; i <= difats; i++ {
		at := inHead + i*sector/4 - 1
		for len(where) < at {
			where = append(where, free)
		}
		where = slices.Insert(where, at, map[bool]uint32{true: uint32(fats + i), false: end}[i < difats])
	}
	head := make([]byte, 76)
	copy(head, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
	for at, v := range map[int]uint32{24: 3<<16 | 0x3e, 28: 9<<16 | 0xfffe, 32: 6, 44: uint32(fats), 48: root, 56: 0, 60: end, 68: first, 72: uint32(difats)} {
		binary.LittleEndian.PutUint32(head[at:], v)
	}
	return bytes.Join([][]byte{head, numbers(where[:inHead]), numbers(fat), numbers(where[inHead:]), directory, body}, nil)
}

func numbers(list []uint32) (b []byte) {
	for _, v := range list {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	return b
}

// entryOf is an entry of the directory.
func entryOf(name string, kind byte, start uint32, size uint64) []byte {
	e := make([]byte, 128)
	for i := range name {
		e[2*i] = name[i]
	}
	binary.LittleEndian.PutUint16(e[64:], uint16(2*len(name)+2))
	e[66] = kind
	binary.LittleEndian.PutUint32(e[116:], start)
	binary.LittleEndian.PutUint64(e[120:], size)
	return e
}
