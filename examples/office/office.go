// Package office opens Office documents that a password protects with a key of CryptDeriveKey: ECMA-376 standard
// encryption (.docx, .xlsx, .pptx of Office 2007) and RC4 CryptoAPI encryption (.doc, .xls, .ppt of Office 2002 to 2003),
// MS-OFFCRYPTO 2.3.4 and 2.3.5. The keys are derived and used by whoever implements [Keys]; [CSP] does it with package csp,
// in whose token they stay.
//
// Since few people know which encryption a document has, it opens agile encryption too, that of Office 2010 and later. Its
// keys are not those of CryptDeriveKey: [OpenAgile] derives them with mechanisms of PKCS #11, in a [Session].
//
// The package is an example of how a program that reads such data is written.
package office

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/softcsp/softcsp/capi"
)

// Keys derives keys as CryptDeriveKey does.
type Keys interface {
	// Derive hashes base with SHA-1 and derives a key of the algorithm with so many bits. A block cipher is to
	// work in ECB mode without padding.
	Derive(algorithm capi.AlgID, bits uint32, base []byte) (Key, error)
}

// A Key decrypts.
type Key interface {
	// Decrypt decrypts b in place. Of a stream cipher, a further call goes on where the last one ended.
	Decrypt(b []byte) error
	// Destroy ends the use of the key.
	Destroy()
}

// Open returns a document without its encryption. file is not changed. What is wrong with it is ErrFormat, with the password
// ErrPassword. One with agile encryption is ErrAgile.
//
// A document of ECMA-376 is the package that was encrypted, a zip file. The others are the same file with the contents in
// place of what was encrypted, and without the record of the encryption.
func Open(file []byte, password string, keys Keys) ([]byte, error) {
	c, err := openCompound(file)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	for _, kind := range []struct {
		stream string
		open   func(d *document) ([]byte, error)
	}{
		{"EncryptedPackage", (*document).openPackage},
		{"WordDocument", (*document).openWord},
		{"Workbook", (*document).openExcel},
		{"PowerPoint Document", (*document).openPowerPoint},
	} {
		read := c.read
		if kind.stream == "EncryptedPackage" { // which says itself how long it is
			read = c.readShort
		}
		main, err := read(kind.stream)
		if err != nil {
			return nil, err
		}
		if main != nil {
			return kind.open(&document{compound: c, keys: keys, password: password, name: kind.stream, main: main})
		}
	}
	return nil, ErrFormat
}

// SealedProperties tells whether title, author and the like of a document are encrypted too, in a stream of their own, which Open leaves as
// it is: MS-OFFCRYPTO 2.3.5.4.
func SealedProperties(file []byte) bool {
	c, err := openCompound(file)
	if err != nil {
		return false
	}
	for _, name := range []string{"encryption", "EncryptedSummary"} {
		if s, there := c.streams[name]; there && s.size > 0 {
			return true
		}
	}
	return false
}

// A document is a document that is being opened.
type document struct {
	*compound
	*header
	keys     Keys
	password string
	name     string // of the stream that makes it what it is
	main     []byte // that stream
}

// unlock reads the header and tries the password.
func (d *document) unlock(header []byte) (err error) {
	if d.header, err = readHeader(header); err != nil {
		return err
	}
	d.header.unlock(d.password)
	return d.verify(d.keys)
}

// part returns n bytes of b at an offset, which the document names.
func part(b []byte, at, n uint32) ([]byte, error) {
	if uint64(at)+uint64(n) > uint64(len(b)) {
		return nil, fmt.Errorf("%w: an offset leads out of it", ErrFormat)
	}
	return b[at : uint64(at)+uint64(n)], nil
}

// openPackage opens a document of ECMA-376: MS-OFFCRYPTO 2.3.4.4.
func (d *document) openPackage() ([]byte, error) {
	info, err := d.read("EncryptionInfo")
	if err != nil {
		return nil, err
	}
	if isAgile(info) {
		return nil, ErrAgile
	}
	h, err := readHeader(info)
	switch {
	case err != nil:
		return nil, err
	case h.algorithm == capi.CALG_RC4:
		return nil, fmt.Errorf("%w: a package that RC4 encrypts", ErrFormat)
	case len(d.main) < 8:
		return nil, fmt.Errorf("%w: the package is cut short", ErrFormat)
	}
	if err := d.unlock(info); err != nil {
		return nil, err
	}
	const block = 16
	size, content := binary.LittleEndian.Uint64(d.main), d.main[8:]
	content = content[:len(content)/block*block]
	if size > uint64(len(content)) {
		return nil, fmt.Errorf("%w: the package is cut short", ErrFormat)
	}
	if err := d.decrypt(d.keys, 0, content); err != nil {
		return nil, err
	}
	return content[:size], nil
}

// Word's blocks are 512 bytes long, and the front of its main stream, the FIB up to there, is not encrypted.
const (
	wordBlock     = 512
	wordFront     = 0x44
	fibFlags      = 0x0a
	fibKey        = 0x0e
	fibEncrypted  = 1 << 8
	fibWhichTable = 1 << 9
	fibObfuscated = 1 << 15
)

// openWord opens a document of Word: MS-DOC 2.2.6.3.
func (d *document) openWord() ([]byte, error) {
	front, err := part(d.main, 0, wordFront)
	if err != nil {
		return nil, err
	}
	flags := binary.LittleEndian.Uint16(front[fibFlags:])
	if flags&fibEncrypted == 0 || flags&fibObfuscated != 0 {
		return nil, ErrFormat
	}
	name := "0Table"
	if flags&fibWhichTable != 0 {
		name = "1Table"
	}
	table, err := d.read(name)
	if err != nil {
		return nil, err
	}
	head, err := part(table, 0, binary.LittleEndian.Uint32(front[fibKey:]))
	if err != nil {
		return nil, err
	}
	if err := d.unlock(head); err != nil {
		return nil, err
	}
	front = bytes.Clone(front)
	binary.LittleEndian.PutUint16(front[fibFlags:], flags&^fibEncrypted)
	binary.LittleEndian.PutUint32(front[fibKey:], 0)
	data, err := d.read("Data")
	if err != nil {
		return nil, err
	}
	for _, s := range []struct {
		name string
		b    []byte
	}{{d.name, d.main}, {name, table}, {"Data", data}} {
		if err := d.blocks(d.keys, s.b, wordBlock); err != nil {
			return nil, err
		}
		if s.name == d.name {
			copy(s.b, front)
		}
		if s.b != nil {
			if err := d.write(s.name, s.b); err != nil {
				return nil, err
			}
		}
	}
	return d.bytes(), nil
}
