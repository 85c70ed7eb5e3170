package sqlite

import (
	"encoding/binary"
	"fmt"
	"iter"
)

// A Row is a row of a table.
type Row struct {
	ID     int64 // what a column that is INTEGER PRIMARY KEY has, whose own value is NULL
	Values []Value
}

// A Value is the value of a column: one of a number and bytes, or neither where it is NULL. A floating point number is NULL, too.
type Value struct {
	Int   int64
	Bytes []byte // of texts and blobs
	Kind  Kind
}

// A Kind is what a value is.
type Kind uint8

// The kinds of values.
const (
	Null Kind = iota
	Integer
	Text
	Blob
)

// The types of pages: section 1.6.
const (
	interiorTable = 5
	leafTable     = 13
)

// A walk goes through the pages of one table.
type walk struct {
	*DB
	seen []bool // by the number of the page
}

// rows returns the rows of the table with a root page.
func (db *DB) rows(root uint32) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		w := walk{db, make([]bool, len(db.file)/db.pageSize+1)}
		if _, err := w.visit(root, 0, yield); err != nil {
			yield(Row{}, err)
		}
	}
}

// page returns a page that was not visited before.
func (w *walk) page(number uint32) ([]byte, error) {
	if number == 0 || uint64(number) >= uint64(len(w.seen)) {
		return nil, fmt.Errorf("%w: there is no page %d", ErrDamaged, number)
	}
	if w.seen[number] {
		return nil, fmt.Errorf("%w: page %d is in two places", ErrDamaged, number)
	}
	w.seen[number] = true
	start := (int(number) - 1) * w.pageSize
	return w.file[start : start+w.usable], nil
}

// maxDepth is more than the levels of any table: an interior page has two children at least.
const maxDepth = 40

// visit yields the rows below a page, which is depth levels below the root: section 1.6. It reports whether to go on.
func (w *walk) visit(number uint32, depth int, yield func(Row, error) bool) (bool, error) {
	page, err := w.page(number)
	if err != nil {
		return false, err
	}
	if depth > maxDepth {
		return false, fmt.Errorf("%w: page %d is too deep", ErrDamaged, number)
	}
	head := 0
	if number == 1 {
		head = headerSize
	}
	kind, count, cells := page[head], int(binary.BigEndian.Uint16(page[head+3:])), head+8
	if kind == interiorTable {
		cells += 4
	}
	if kind != interiorTable && kind != leafTable || cells+2*count > len(page) {
		return false, fmt.Errorf("%w: page %d is none of a table", ErrDamaged, number)
	}
	for i := range count {
		at := int(binary.BigEndian.Uint16(page[cells+2*i:]))
		if at >= len(page) {
			return false, fmt.Errorf("%w: a cell of page %d is outside of it", ErrDamaged, number)
		}
		cell := page[at:]
		if kind == leafTable {
			row, err := w.row(cell)
			if err != nil {
				return false, fmt.Errorf("page %d: %w", number, err)
			}
			if !yield(row, nil) {
				return false, nil
			}
			continue
		}
		if len(cell) < 4 {
			return false, fmt.Errorf("%w: a cell of page %d is cut", ErrDamaged, number)
		}
		if more, err := w.visit(binary.BigEndian.Uint32(cell), depth+1, yield); !more || err != nil {
			return more, err
		}
	}
	if kind == leafTable {
		return true, nil
	}
	return w.visit(binary.BigEndian.Uint32(page[head+8:]), depth+1, yield)
}

// row reads the cell of a row.
func (w *walk) row(cell []byte) (Row, error) {
	size, n := varint(cell)
	id, m := varint(cell[n:])
	if n == 0 || m == 0 || size > uint64(len(w.file)) {
		return Row{}, fmt.Errorf("%w: a row of %d bytes", ErrDamaged, size)
	}
	payload, err := w.payload(cell[n+m:], int(size))
	if err != nil {
		return Row{}, err
	}
	values, err := record(payload)
	return Row{int64(id), values}, err
}

// payload returns the size bytes of a row, of which cell has the first: the others are in a chain of pages. How many the cell has is in
// section 1.6, whose names U, X, M and K are.
func (w *walk) payload(cell []byte, size int) ([]byte, error) {
	u := w.usable
	x := u - 35
	local := size
	if size > x {
		m := (u-12)*32/255 - 23
		if local = m + (size-m)%(u-4); local > x {
			local = m
		}
	}
	next := uint32(0)
	if local < size {
		if len(cell) < local+4 {
			return nil, fmt.Errorf("%w: a row is cut", ErrDamaged)
		}
		next = binary.BigEndian.Uint32(cell[local:])
	}
	if len(cell) < local {
		return nil, fmt.Errorf("%w: a row is cut", ErrDamaged)
	}
	if local == size {
		return cell[:size], nil
	}
	b := append(make([]byte, 0, size), cell[:local]...)
	for len(b) < size {
		page, err := w.page(next)
		if err != nil {
			return nil, err
		}
		next = binary.BigEndian.Uint32(page)
		b = append(b, page[4:min(len(page), 4+size-len(b))]...)
	}
	return b, nil
}

// maxColumns is more columns than SQLite makes.
const maxColumns = 1 << 15

// record reads the values of a row: section 2.1.
func record(b []byte) ([]Value, error) {
	size, n := varint(b)
	if n == 0 || size < uint64(n) || size > uint64(len(b)) {
		return nil, fmt.Errorf("%w: the header of a row is cut", ErrDamaged)
	}
	var values []Value
	for types, rest := b[n:size], b[size:]; len(types) > 0; {
		t, n := varint(types)
		length := contentSize(t)
		if n == 0 || length > uint64(len(rest)) || len(values) == maxColumns {
			return nil, fmt.Errorf("%w: a value is cut", ErrDamaged)
		}
		values = append(values, value(t, rest[:length:length]))
		types, rest = types[n:], rest[length:]
	}
	return values, nil
}

// contentSize returns the size of a value by its serial type.
func contentSize(t uint64) uint64 {
	switch {
	case t >= 12:
		return (t - 12) / 2
	case t < 8:
		return [8]uint64{0, 1, 2, 3, 4, 6, 8, 8}[t]
	}
	return 0
}

// value makes the value of a serial type.
func value(t uint64, b []byte) Value {
	switch {
	case t >= 12 && t%2 == 0:
		return Value{Bytes: b, Kind: Blob}
	case t >= 12:
		return Value{Bytes: b, Kind: Text}
	case t == 8 || t == 9:
		return Value{Int: int64(t - 8), Kind: Integer}
	case t == 0 || t > 6:
		return Value{}
	}
	n := int64(int8(b[0])) // the sign
	for _, c := range b[1:] {
		n = n<<8 | int64(c)
	}
	return Value{Int: n, Kind: Integer}
}

// varint reads a number of 1 to 9 bytes and tells how many: section 1.6. It is 0 bytes long where b ends before it.
func varint(b []byte) (uint64, int) {
	var v uint64
	for i := range min(9, len(b)) {
		if i == 8 {
			return v<<8 | uint64(b[i]), 9
		}
		v = v<<7 | uint64(b[i]&0x7f)
		if b[i] < 0x80 {
			return v, i + 1
		}
	}
	return 0, 0
}
