package office

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// Records of pictures: MS-ODRAW 2.2.22 to 2.2.32.
const (
	pictureEntry = 0xf007 // what the others may stand in
	pictureEMF   = 0xf01a
	picturePICT  = 0xf01c // WMF is between
	pictureUID   = 16
)

var (
	// pictureEntryFields are the lengths of the fields of an OfficeArtFBSE before the name, whose length is the ninth.
	pictureEntryFields = []int{1, 1, 16, 2, 4, 4, 4, 1, 1, 1, 1}
	pictureNameLength  = 33
	// pictureMetafile are those of an OfficeArtMetafileHeader.
	pictureMetafile = []int{4, 16, 8, 4, 1, 1}
	// pictureTwoUIDs are the instances of records that have a second identifier.
	pictureTwoUIDs = []uint16{0x217, 0x3d5, 0x46b, 0x543, 0x6e1, 0x6e3, 0x6e5, 0x7a9}
)

// openPictures decrypts the pictures of a presentation. Each field of a record is encrypted by itself, from the beginning of the key
// stream of block 0 on: MS-PPT 2.1.3.
func (d *document) openPictures() error {
	b, err := d.read("Pictures")
	if err != nil || b == nil {
		return err
	}
	for p := (&pictures{document: d, rest: b}); len(p.rest) >= pptHeader; {
		if err := p.next(); err != nil {
			return err
		}
	}
	return d.write("Pictures", b)
}

// pictures are what is left of the stream.
type pictures struct {
	*document
	rest []byte
}

// field decrypts the next n bytes.
func (p *pictures) field(n int) ([]byte, error) {
	if n < 0 || n > len(p.rest) {
		return nil, fmt.Errorf("%w: a picture is cut short", ErrFormat)
	}
	b := p.rest[:n]
	p.rest = p.rest[n:]
	if n == 0 {
		return b, nil
	}
	return b, p.decrypt(p.keys, 0, b)
}

// fields decrypts fields of these lengths, and returns them together.
func (p *pictures) fields(lengths []int) ([]byte, error) {
	from, n := p.rest, 0
	for _, length := range lengths {
		if _, err := p.field(length); err != nil {
			return nil, err
		}
		n += length
	}
	return from[:n], nil
}

// next decrypts a record.
func (p *pictures) next() error {
	head, err := p.field(pptHeader)
	if err != nil {
		return err
	}
	end := len(p.rest) - int(binary.LittleEndian.Uint32(head[4:])) // of what is left behind it
	if end < 0 {
		return fmt.Errorf("%w: a picture is cut short", ErrFormat)
	}
	if binary.LittleEndian.Uint16(head[2:]) == pictureEntry {
		entry, err := p.fields(pictureEntryFields)
		if err == nil {
			_, err = p.field(int(entry[pictureNameLength]))
		}
		if err != nil || len(p.rest) <= end { // without a picture in it
			return err
		}
		if head, err = p.field(pptHeader); err != nil {
			return err
		}
	}
	lengths := []int{pictureUID}
	if slices.Contains(pictureTwoUIDs, binary.LittleEndian.Uint16(head)>>4) {
		lengths = append(lengths, pictureUID)
	}
	if kind := binary.LittleEndian.Uint16(head[2:]); kind >= pictureEMF && kind <= picturePICT {
		lengths = append(lengths, pictureMetafile...)
	} else {
		lengths = append(lengths, 1)
	}
	if _, err = p.fields(lengths); err == nil {
		_, err = p.field(len(p.rest) - end)
	}
	return err
}
