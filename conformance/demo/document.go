package main

import (
	"bytes"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"unicode/utf16"

	"github.com/richardlehane/mscfb"
)

// spins is how often the password's hash is hashed: MS-OFFCRYPTO 2.3.4.7.
const spins = 50000

// A document is an Office document with ECMA-376 standard encryption, MS-OFFCRYPTO 2.3.4.5.
type document struct {
	algorithm, keyBits     uint32
	salt                   []byte
	verifier, verifierHash []byte
	content                []byte // encrypted
	size                   uint64 // of the content
}

// readDocument reads the two streams of the compound file that matter.
func readDocument(name string) (*document, error) {
	raw, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	compound, err := mscfb.New(bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	d := new(document)
	for e, err := compound.Next(); err == nil; e, err = compound.Next() {
		if e.Name != "EncryptionInfo" && e.Name != "EncryptedPackage" {
			continue
		}
		stream, err := io.ReadAll(e)
		if err == nil && e.Name == "EncryptionInfo" {
			err = d.readInfo(stream)
		} else if err == nil {
			err = d.readPackage(stream)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", e.Name, err)
		}
	}
	if d.verifier == nil || d.content == nil {
		return nil, errors.New("the document has no standard encryption")
	}
	return d, nil
}

var errCut = errors.New("it is cut short")

// A reader takes fields off the front of a stream.
type reader struct {
	b   []byte
	err error
}

func (r *reader) take(n uint32) []byte {
	if r.err != nil || uint64(n) > uint64(len(r.b)) {
		r.err = errCut
		return nil
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

func (r *reader) uint32() uint32 {
	if b := r.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

// readInfo reads the stream EncryptionInfo: version, header, verifier.
func (d *document) readInfo(stream []byte) error {
	r := &reader{b: stream}
	version := r.uint32()
	if r.err == nil && version>>16 != 2 {
		return fmt.Errorf("version %d.%d is not standard encryption", version&0xffff, version>>16)
	}
	r.uint32() // flags, which the header repeats
	header := &reader{b: r.take(r.uint32())}
	header.take(8) // flags, and the size of something that is not there
	d.algorithm = header.uint32()
	header.uint32() // the hash, which is always SHA-1
	d.keyBits = header.uint32()
	d.salt = r.take(r.uint32())
	d.verifier = r.take(16)
	r.uint32() // the length of a SHA-1 hash value
	d.verifierHash = r.take(32)
	return errors.Join(r.err, header.err)
}

// readPackage reads the stream EncryptedPackage: a length, and whole blocks.
func (d *document) readPackage(stream []byte) error {
	if len(stream) < 8 {
		return errCut
	}
	d.size, d.content = binary.LittleEndian.Uint64(stream), stream[8:]
	d.content = d.content[:len(d.content)/16*16]
	if d.size > uint64(len(d.content)) {
		return errCut
	}
	return nil
}

// baseData is what CryptHashData is given before CryptDeriveKey: the hash of salt and password, hashed again and again, and
// the number of the block, which is 0.
func (d *document) baseData(password string) []byte {
	data := bytes.Clone(d.salt)
	for _, u := range utf16.Encode([]rune(password)) {
		data = binary.LittleEndian.AppendUint16(data, u)
	}
	h := sha1.Sum(data)
	var round [4 + sha1.Size]byte
	for i := range uint32(spins) {
		binary.LittleEndian.PutUint32(round[:], i)
		copy(round[4:], h[:])
		h = sha1.Sum(round[:])
	}
	return append(h[:], 0, 0, 0, 0)
}
