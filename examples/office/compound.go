package office

import (
	"bytes"
	"encoding/binary"
	"errors"
	"unicode/utf16"
)

// A compound is a compound file (MS-CFB) in memory whose streams can be read, and written over in their places.
type compound struct {
	data    []byte   // in whole sectors
	length  int      // of the file, which need not end with a whole one
	sector  int      // the length of a sector
	mini    int      // the length of a sector of a small stream
	cutoff  uint64   // streams shorter than this are small
	fat     []uint32 // the sector after each sector
	minifat []uint32
	root    []piece // where the small streams' sectors lie
	streams map[string]stream
}

// A stream is a directory entry of a stream.
type stream struct {
	start uint32
	size  uint64
}

// A piece is a part of the file.
type piece struct{ at, n int }

// errCompound is the error of what is no compound file, or of a damaged one.
var errCompound = errors.New("office: this is no compound file, or a damaged one")

// The numbers of sectors that are none: MS-CFB 2.1.
const firstSpecial = 0xfffffffa

const (
	headerSize   = 512
	shortSector  = 512 // of version 3
	headerDIFAT  = 76  // where the header's sectors of the FAT begin
	headerFATs   = 109
	entrySize    = 128
	entryStream  = 2
	entryRoot    = 5
	largestShift = 16
)

var compoundMagic = []byte{0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1}

// openCompound reads the structure of a compound file. The compound works on a copy.
func openCompound(file []byte) (*compound, error) {
	data := file
	if len(data) < headerSize || !bytes.HasPrefix(data, compoundMagic) {
		return nil, errCompound
	}
	u16 := func(at int) int { return int(binary.LittleEndian.Uint16(data[at:])) }
	u32 := func(at int) uint32 { return binary.LittleEndian.Uint32(data[at:]) }
	if u16(30) < 7 || u16(30) > largestShift || u16(32) > u16(30) {
		return nil, errCompound
	}
	c := &compound{length: len(file), sector: 1 << u16(30), mini: 1 << u16(32), cutoff: uint64(u32(56)), streams: make(map[string]stream)}
	c.data = make([]byte, (len(file)+c.sector-1)/c.sector*c.sector)
	copy(c.data, file)
	if err := c.readFAT(u32(68)); err != nil {
		return nil, err
	}
	var err error
	if c.minifat, err = c.numbers(u32(60)); err != nil {
		return nil, err
	}
	return c, c.readDirectory(u32(48))
}

// bytes is the file as it is now.
func (c *compound) bytes() []byte { return c.data[:c.length] }

// at is where a sector begins, -1 where it is not in the file.
func (c *compound) at(sector uint32) int {
	at := (int64(sector) + 1) * int64(c.sector)
	if at+int64(c.sector) > int64(len(c.data)) {
		return -1
	}
	return int(at)
}

// readFAT reads the table of sectors: the sectors that the header names, and those of the chain that begins at more.
func (c *compound) readFAT(more uint32) error {
	add := func(list []byte) error {
		for ; len(list) >= 4; list = list[4:] {
			n := binary.LittleEndian.Uint32(list)
			if n >= firstSpecial {
				continue
			}
			at := c.at(n)
			if at < 0 {
				return errCompound
			}
			c.fat = appendNumbers(c.fat, c.data[at:at+c.sector])
		}
		return nil
	}
	if err := add(c.data[headerDIFAT : headerDIFAT+4*headerFATs]); err != nil {
		return err
	}
	for left := len(c.data) / c.sector; more < firstSpecial; left-- {
		at := c.at(more)
		if at < 0 || left == 0 {
			return errCompound
		}
		if err := add(c.data[at : at+c.sector-4]); err != nil {
			return err
		}
		more = binary.LittleEndian.Uint32(c.data[at+c.sector-4:])
	}
	return nil
}

func appendNumbers(list []uint32, b []byte) []uint32 {
	for ; len(b) >= 4; b = b[4:] {
		list = append(list, binary.LittleEndian.Uint32(b))
	}
	return list
}

// chain returns the sectors of a chain. One that does not end is an error.
func chain(start uint32, next []uint32) (all []uint32, err error) {
	for n := start; n < firstSpecial; n = next[n] {
		if uint64(n) >= uint64(len(next)) || len(all) > len(next) {
			return nil, errCompound
		}
		all = append(all, n)
	}
	return all, nil
}

// sectors are the pieces of a chain of whole sectors.
func (c *compound) sectors(start uint32) (all []piece, err error) {
	list, err := chain(start, c.fat)
	for _, n := range list {
		at := c.at(n)
		if at < 0 {
			return nil, errCompound
		}
		all = append(all, piece{at, c.sector})
	}
	return all, err
}

// numbers reads a chain of sectors that hold numbers.
func (c *compound) numbers(start uint32) (list []uint32, err error) {
	pieces, err := c.sectors(start)
	for _, p := range pieces {
		list = appendNumbers(list, c.data[p.at:p.at+p.n])
	}
	return list, err
}

// readDirectory reads the entries of streams. Of two with one name in different storages the first counts: the documents
// that are opened here have theirs at the top.
func (c *compound) readDirectory(start uint32) error {
	pieces, err := c.sectors(start)
	if err != nil {
		return err
	}
	for _, p := range pieces {
		for e := c.data[p.at : p.at+p.n]; len(e) >= entrySize; e = e[entrySize:] {
			s := stream{binary.LittleEndian.Uint32(e[116:]), binary.LittleEndian.Uint64(e[120:])}
			if c.sector == shortSector { // where the upper half of the size is to be ignored: MS-CFB 2.6.1
				s.size &= 1<<32 - 1
			}
			switch name := entryName(e); e[66] {
			case entryRoot:
				if c.root, err = c.sectors(s.start); err != nil {
					return err
				}
			case entryStream:
				if _, there := c.streams[name]; !there {
					c.streams[name] = s
				}
			}
		}
	}
	return nil
}

func entryName(e []byte) string {
	n := min(int(binary.LittleEndian.Uint16(e[64:])), 64)/2 - 1 // the zero at the end counts
	var name []uint16
	for i := range max(n, 0) {
		name = append(name, binary.LittleEndian.Uint16(e[2*i:]))
	}
	return string(utf16.Decode(name))
}

// pieces are where the bytes of a stream lie, in their order. All that its directory entry tells must be there.
func (c *compound) pieces(s stream) ([]piece, error) {
	all, missing, err := c.found(s)
	if missing != 0 {
		err = errCompound
	}
	return all, err
}

// found are the pieces that there are of a stream, and how many bytes are missing.
func (c *compound) found(s stream) (all []piece, missing uint64, err error) {
	if s.size >= c.cutoff {
		all, err = c.sectors(s.start)
	} else {
		all, err = c.smallPieces(s.start)
	}
	left := s.size
	for i := range all {
		all[i].n = int(min(uint64(all[i].n), left))
		left -= uint64(all[i].n)
	}
	return all, left, err
}

// smallPieces are the pieces of a small stream, whose sectors lie in the root's.
func (c *compound) smallPieces(start uint32) (all []piece, err error) {
	list, err := chain(start, c.minifat)
	for _, n := range list {
		at := int(n) * c.mini
		if at/c.sector >= len(c.root) {
			return nil, errCompound
		}
		all = append(all, piece{c.root[at/c.sector].at + at%c.sector, c.mini})
	}
	return all, err
}

// read returns a copy of a stream, nil where there is none.
func (c *compound) read(name string) ([]byte, error) {
	s, there := c.streams[name]
	if !there {
		return nil, nil
	}
	pieces, err := c.pieces(s)
	return c.joined(pieces), err
}

// readShort returns what there is of a stream, nil where there is none. Some writers tell a longer length than the stream has.
func (c *compound) readShort(name string) ([]byte, error) {
	s, there := c.streams[name]
	if !there {
		return nil, nil
	}
	pieces, _, err := c.found(s)
	return c.joined(pieces), err
}

// joined copies pieces into one.
func (c *compound) joined(pieces []piece) []byte {
	size := 0
	for _, p := range pieces {
		size += p.n
	}
	b := make([]byte, 0, size)
	for _, p := range pieces {
		b = append(b, c.data[p.at:p.at+p.n]...)
	}
	return b
}

// write writes a stream over in its place. b is as long as the stream.
func (c *compound) write(name string, b []byte) error {
	pieces, err := c.pieces(c.streams[name])
	for _, p := range pieces {
		b = b[copy(c.data[p.at:p.at+p.n], b):]
	}
	return err
}
