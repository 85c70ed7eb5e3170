// Package sqlite reads the tables of a SQLite 3 database that nobody writes to. It is for taking over what other programs have kept in
// such files: it knows no SQL and no indexes, and gives the rows of a table as they are stored, in the order of their numbers.
//
// It promises that the file stays as it is, down to its time of change, that nothing is left beside it, and that a damaged or hostile file
// is an error: no number in the file is believed beyond the size that the file has, and no page is visited twice. The format is that of
// https://www.sqlite.org/fileformat.html, whose sections the comments name.
package sqlite

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"strings"
	"syscall"

	"github.com/softcsp/softcsp/internal/foreignfile"
)

// ErrDamaged is what all errors about the contents of the file wrap.
var ErrDamaged = errors.New("not a sound SQLite 3 database")

// maxSize is how large a database may be. It is read as a whole.
const maxSize = 1 << 30

// A DB is a database, in memory.
type DB struct {
	file     []byte
	pageSize int
	usable   int // of each page: the rest is reserved for extensions (section 1.3.4)
	tables   map[string]table
}

// A table is what the schema says of a table.
type table struct {
	root    uint32
	columns []string
}

// Open reads a database. It waits for a program that is writing to it.
func Open(name string) (*DB, error) {
	file, err := read(name)
	if err != nil {
		return nil, err
	}
	db, err := parse(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return db, nil
}

// readers is what SQLite's own readers lock: the shared range of its locks (os_unix.c has the protocol).
var readers = foreignfile.Lock{Start: 0x40000000 + 2, Size: 510}

// read reads a file. What a writer has left half done, or has not yet brought into the file, is an error: only SQLite can finish it, and for
// that it writes.
func read(name string) ([]byte, error) {
	b, err := foreignfile.Read(name, readers, maxSize, func() error {
		for _, suffix := range []string{"-journal", "-wal"} {
			switch pending, err := isPending(name + suffix); {
			case err != nil:
				return err
			case pending:
				return fmt.Errorf("%s%s has changes that are not in the database yet: open the database once with the program that it belongs to", name, suffix)
			}
		}
		return nil
	})
	if errors.Is(err, foreignfile.ErrUnfit) {
		err = fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return b, err
}

// isPending reports whether a journal or a write-ahead log has anything in it. A journal whose header is zeros is a finished one (section 3).
func isPending(name string) (bool, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	var head [28]byte
	n, err := io.ReadFull(f, head[:])
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return false, err
	}
	return !bytes.Equal(head[:n], make([]byte, n)), nil
}

// magic is what a database begins with.
const magic = "SQLite format 3\x00"

// headerSize is the size of the header of the file, which is in the first page.
const headerSize = 100

// parse reads the header of the file and the schema: sections 1.3 and 2.6.
func parse(file []byte) (*DB, error) {
	if len(file) < headerSize || string(file[:len(magic)]) != magic {
		return nil, ErrDamaged
	}
	db := &DB{file: file, pageSize: int(binary.BigEndian.Uint16(file[16:])), tables: make(map[string]table)}
	if db.pageSize == 1 {
		db.pageSize = 1 << 16
	}
	if db.usable = db.pageSize - int(file[20]); db.pageSize < 512 || db.pageSize&(db.pageSize-1) != 0 || db.usable < 480 {
		return nil, fmt.Errorf("%w: pages of %d bytes", ErrDamaged, db.pageSize)
	}
	if encoding := binary.BigEndian.Uint32(file[56:]); encoding > 1 {
		return nil, fmt.Errorf("its text is not UTF-8 but in encoding %d", encoding)
	}
	for row, err := range db.rows(1) {
		if err != nil {
			return nil, err
		}
		// type, name, tbl_name, rootpage, sql
		if len(row.Values) != 5 || string(row.Values[0].Bytes) != "table" {
			continue
		}
		name, root := string(row.Values[1].Bytes), row.Values[3].Int
		if root <= 0 || root > int64(len(file)/db.pageSize) {
			continue // a virtual table
		}
		db.tables[name] = table{uint32(root), columns(string(row.Values[4].Bytes))}
	}
	return db, nil
}

// columns returns the first words between the commas of a CREATE TABLE, which are the names of the columns where the statement is a plain one.
func columns(sql string) (list []string) {
	_, inner, _ := strings.Cut(sql, "(")
	for part := range strings.SplitSeq(inner, ",") {
		if words := strings.Fields(part); len(words) > 0 {
			list = append(list, strings.ToLower(words[0]))
		}
	}
	return list
}

// Columns returns the names of the columns of a table, and whether there is such a table.
func (db *DB) Columns(name string) ([]string, bool) {
	t, ok := db.tables[name]
	return t.columns, ok
}

// Rows returns the rows of a table, which must not be changed. After an error there are no more.
func (db *DB) Rows(name string) iter.Seq2[Row, error] {
	t, ok := db.tables[name]
	if !ok {
		return func(yield func(Row, error) bool) {
			yield(Row{}, fmt.Errorf("%w: there is no table %s", ErrDamaged, name))
		}
	}
	return db.rows(t.root)
}
