package office

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
)

// Records of a workbook: MS-XLS 2.4.117 and 2.2.10.
const (
	excelBlock       = 1024
	excelFilePass    = 0x2f
	excelBoundSheet  = 0x85
	excelCryptoAPI   = 1 // wEncryptionType
	excelRecordFront = 4
)

// excelOpen are the records that stay as they are: BOF, FILEPASS, USREXCL, FILELOCK, INTERFACEHDR, RRDINFO and RRDHEAD.
var excelOpen = []uint16{0x809, excelFilePass, 0x194, 0x195, 0xe1, 0x196, 0x138}

// openExcel opens a workbook. The record that says how it is encrypted becomes one of zeros that nobody reads.
func (d *document) openExcel() ([]byte, error) {
	pass, err := d.filePass()
	if err != nil {
		return nil, err
	}
	if len(pass) < 2 || binary.LittleEndian.Uint16(pass) != excelCryptoAPI {
		return nil, ErrFormat
	}
	if err := d.unlock(pass[2:]); err != nil {
		return nil, err
	}
	plain := bytes.Clone(d.main)
	if err := d.blocks(d.keys, plain, excelBlock); err != nil {
		return nil, err
	}
	for kind, record := range excelRecords(d.main) {
		body := record.body(plain)
		switch {
		case kind == excelFilePass:
			clear(body)
			binary.LittleEndian.PutUint16(d.main[record.at:], 0)
		case slices.Contains(excelOpen, kind):
			continue
		case kind == excelBoundSheet && len(body) >= 4:
			copy(body, d.main[record.at+excelRecordFront:][:4]) // a position
		}
		copy(d.main[record.at+excelRecordFront:], body)
	}
	err = d.write(d.name, d.main)
	return d.bytes(), err
}

// filePass returns the body of the record that says how the workbook is encrypted.
func (d *document) filePass() ([]byte, error) {
	for kind, record := range excelRecords(d.main) {
		if kind == excelFilePass {
			return bytes.Clone(record.body(d.main)), nil
		}
	}
	return nil, ErrFormat
}

// body returns a record's body.
func (r piece) body(stream []byte) []byte { return stream[r.at+excelRecordFront : r.at+r.n] }

// excelRecords walks over the records of a workbook: the kind of each, and where it is. It ends at what can be none.
func excelRecords(stream []byte) func(yield func(kind uint16, record piece) bool) {
	return func(yield func(uint16, piece) bool) {
		for at := 0; at+excelRecordFront <= len(stream); {
			kind := binary.LittleEndian.Uint16(stream[at:])
			n := excelRecordFront + int(binary.LittleEndian.Uint16(stream[at+2:]))
			if kind == 0 || at+n > len(stream) || !yield(kind, piece{at, n}) {
				return
			}
			at += n
		}
	}
}

// Records of a presentation: MS-PPT 2.3.
const (
	pptHeader        = 8 // of a record: version and instance, kind, length
	pptUserEdit      = 0x0ff5
	pptDirectory     = 0x1772
	pptSession       = 0x2f14
	pptEditSession   = 36 // where in the UserEditAtom the number of the encryption's object is
	pptEditDirectory = 20 // and the offset of the directory
	pptEditLast      = 16 // and of the edit before
	pptPlainLength   = 0x1c
	pptToken         = 0xe391c05f
)

// openPowerPoint opens a presentation: MS-PPT 2.3.7 and MS-OFFCRYPTO 2.3.5. Each object of its directory is encrypted
// with a key of its own, whose block is the object's number.
func (d *document) openPowerPoint() ([]byte, error) {
	user, err := d.read("Current User")
	if err != nil {
		return nil, err
	}
	if len(user) < 20 {
		return nil, ErrFormat
	}
	edit, err := d.record(binary.LittleEndian.Uint32(user[16:]), pptUserEdit)
	if err != nil {
		return nil, err
	}
	if len(edit) < pptEditSession+4 {
		return nil, fmt.Errorf("%w: a presentation that is not encrypted", ErrFormat)
	}
	if binary.LittleEndian.Uint32(edit[pptEditLast:]) != 0 {
		return nil, fmt.Errorf("%w: a presentation that was edited and not rewritten", ErrFormat)
	}
	directory, err := d.record(binary.LittleEndian.Uint32(edit[pptEditDirectory:]), pptDirectory)
	if err != nil {
		return nil, err
	}
	objects := pptObjects(directory)
	number := binary.LittleEndian.Uint32(edit[pptEditSession:])
	session, err := d.record(objects[number], pptSession)
	if err != nil {
		return nil, err
	}
	if err := d.unlock(session[pptHeader:]); err != nil {
		return nil, err
	}
	if !pptForget(directory, number) {
		return nil, ErrFormat
	}
	for object, at := range objects {
		if object != number {
			if err := d.openObject(object, at); err != nil {
				return nil, err
			}
		}
	}
	if err := d.openPictures(); err != nil {
		return nil, err
	}
	// The session, its entry and its number go.
	clear(session)
	binary.LittleEndian.PutUint32(edit[4:], pptPlainLength)
	binary.LittleEndian.PutUint32(edit[pptEditSession:], 0)
	binary.LittleEndian.PutUint32(user[12:], pptToken)
	if err := d.write("Current User", user); err != nil {
		return nil, err
	}
	err = d.write(d.name, d.main)
	return d.bytes(), err
}

// record returns a record of the main stream, with its header.
func (d *document) record(at uint32, kind uint16) ([]byte, error) {
	h, err := part(d.main, at, pptHeader)
	if err != nil {
		return nil, err
	}
	if binary.LittleEndian.Uint16(h[2:]) != kind {
		return nil, ErrFormat
	}
	n := binary.LittleEndian.Uint32(h[4:])
	if n > uint32(len(d.main)) {
		return nil, ErrFormat
	}
	return part(d.main, at, pptHeader+n)
}

// openObject decrypts an object, whose length is encrypted with it.
func (d *document) openObject(object, at uint32) error {
	h, err := part(d.main, at, pptHeader)
	if err != nil {
		return err
	}
	k, err := d.key(d.keys, object)
	if err != nil {
		return err
	}
	defer k.Destroy()
	if err := k.Decrypt(h); err != nil {
		return err
	}
	body, err := part(d.main, at+pptHeader, binary.LittleEndian.Uint32(h[4:]))
	if err != nil {
		return err
	}
	return k.Decrypt(body)
}

// pptObjects reads the directory: runs of objects, each a number and a count in one word, and the offsets.
func pptObjects(directory []byte) map[uint32]uint32 {
	objects := make(map[uint32]uint32)
	for b := directory[pptHeader:]; len(b) >= 4; {
		first, count := binary.LittleEndian.Uint32(b)&0xfffff, binary.LittleEndian.Uint32(b)>>20
		b = b[4:]
		for i := uint32(0); i < count && len(b) >= 4; i++ {
			objects[first+i] = binary.LittleEndian.Uint32(b)
			b = b[4:]
		}
	}
	return objects
}

// pptForget takes an object out of the directory, and reports whether it could: the object has to be the last one.
func pptForget(directory []byte, object uint32) bool {
	for b := directory[pptHeader:]; len(b) >= 4; {
		first, count := binary.LittleEndian.Uint32(b)&0xfffff, binary.LittleEndian.Uint32(b)>>20
		run := 4 + 4*int(count)
		if run < len(b) {
			b = b[run:]
			continue
		}
		if run != len(b) || count == 0 || first+count-1 != object {
			return false
		}
		if count > 1 {
			binary.LittleEndian.PutUint32(b, first|(count-1)<<20)
		} else {
			binary.LittleEndian.PutUint32(directory[4:], uint32(len(directory)-pptHeader-run))
		}
		return true
	}
	return false
}
