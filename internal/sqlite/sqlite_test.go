package sqlite

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// databases are files that sqlite3 made of testdata/make.sql.
func databases(t *testing.T) []string {
	t.Helper()
	list, err := filepath.Glob("testdata/*.db")
	if err != nil || len(list) < 3 {
		t.Fatalf("databases %q, %v", list, err)
	}
	return list
}

// TestRows reads every row of databases with small and large pages.
func TestRows(t *testing.T) {
	for _, name := range databases(t) {
		t.Run(filepath.Base(name), func(t *testing.T) {
			db, err := Open(name)
			if err != nil {
				t.Fatal(err)
			}
			checkNumbers(t, db)
			checkContents(t, db)
			if _, ok := db.Columns("by_label"); ok {
				t.Error("an index is a table")
			}
			for _, err := range db.Rows("by_label") {
				if !errors.Is(err, ErrDamaged) {
					t.Errorf("rows of no table: %v", err)
				}
			}
		})
	}
}

func checkNumbers(t *testing.T, db *DB) {
	if c, ok := db.Columns("numbers"); !ok || !slices.Equal(c, []string{"n", "id"}) {
		t.Errorf("columns %q", c)
	}
	var want []int64
	for i := range 64 {
		want = append(want, int64(uint64(1)<<i))
	}
	for i := range 63 {
		want = append(want, -1<<i)
	}
	want = append(want, 0, 1, -1)
	var got []int64
	for row, err := range db.Rows("numbers") {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, row.Values[0].Int)
		if row.ID != int64(len(got)) || row.Values[0].Kind != Integer || row.Values[1].Kind != Null {
			t.Errorf("row %d: %v", len(got), row)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("%v\nwant %v", got, want)
	}
}

func checkContents(t *testing.T, db *DB) {
	x := 1
	for row, err := range db.Rows("contents") {
		if err != nil {
			t.Fatal(err)
		}
		data := bytes.Repeat([]byte("y"), 17*x)
		if x == 3 {
			data = make([]byte, 5000)
		}
		want := []Value{{Bytes: bytes.Repeat([]byte("x"), x), Kind: Text}, {Bytes: data, Kind: Blob}, {}, {}, {}}
		if row.ID != int64(3*x) || !slices.EqualFunc(row.Values, want, func(a, b Value) bool {
			return a.Kind == b.Kind && a.Int == b.Int && bytes.Equal(a.Bytes, b.Bytes)
		}) {
			t.Errorf("row %d", row.ID)
		}
		x += 2
	}
	if x != 61 {
		t.Errorf("the last row is %d", x)
	}
	for range db.Rows("contents") {
		break // which must not call on
	}
}

// damaged returns the database of small pages with a change.
func damaged(t *testing.T, change func([]byte) []byte) string {
	t.Helper()
	b, err := os.ReadFile("testdata/rows512.db")
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "a.db")
	if err := os.WriteFile(name, change(b), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// readAll reads all that is in a database.
func readAll(db *DB) (rows int, err error) {
	var all error
	for name := range db.tables {
		for _, err := range db.Rows(name) {
			rows, all = rows+1, errors.Join(all, err)
		}
	}
	return rows, all
}

// TestDamaged cuts a database at each page, and has each page point to itself.
func TestDamaged(t *testing.T) {
	size, noticed := 0, 0
	damaged(t, func(b []byte) []byte { size = len(b); return b })
	for n := 0; n < size; n += 512 {
		for what, change := range map[string]func([]byte) []byte{
			"cut":  func(b []byte) []byte { return b[:n] },
			"zero": func(b []byte) []byte { clear(b[n : n+512]); return b },
			"loop": func(b []byte) []byte {
				copy(b[n:], []byte{0, 0, byte((n/512 + 1) >> 8), byte(n/512 + 1)})
				return b
			},
		} {
			db, err := Open(damaged(t, change))
			if err == nil {
				_, err = readAll(db)
			}
			if err != nil {
				noticed++
			}
			if err != nil && !errors.Is(err, ErrDamaged) {
				t.Errorf("%s at %d: %v", what, n, err)
			}
		}
	}
	if noticed < size/512 {
		t.Errorf("%d changes were noticed, of %d", noticed, 3*size/512)
	}
}

// TestPending refuses a database with changes beside it, and takes journals that are finished.
func TestPending(t *testing.T) {
	for _, c := range []struct {
		suffix, contents string
		pending          bool
	}{
		{"-journal", "", false}, {"-journal", strings.Repeat("\x00", 1024), false}, {"-journal", "\xd9\xd5\x05\xf9\x20\xa1\x63\xd7", true},
		{"-wal", "", false}, {"-wal", "\x37\x7f\x06\x82", true},
	} {
		name := damaged(t, func(b []byte) []byte { return b })
		if err := os.WriteFile(name+c.suffix, []byte(c.contents), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Open(name)
		if pending := err != nil; pending != c.pending || pending && !strings.Contains(err.Error(), "open the database once") {
			t.Errorf("%s %.4q: %v", c.suffix, c.contents, err)
		}
	}
}

// TestOpen refuses what is no database.
func TestOpen(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{dir, pipe, "sqlite_test.go"} {
		if _, err := Open(name); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Open(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	other := damaged(t, func(b []byte) []byte { b[59] = 2; return b })
	if _, err := Open(other); err == nil || !strings.Contains(err.Error(), "UTF-8") {
		t.Errorf("UTF-16: %v", err)
	}
}

// TestChanged reads a database many times, with some bytes changed.
func TestChanged(t *testing.T) {
	b, err := os.ReadFile("testdata/rows512.db")
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		bad := bytes.Clone(b)
		for range 1 + random.IntN(20) {
			bad[random.IntN(len(bad))] = byte(random.Uint32())
		}
		readBytes(t, bad)
	}
}

// readBytes reads anything as a database. What is read is no more than the file could hold.
func readBytes(t *testing.T, b []byte) {
	t.Helper()
	db, err := parse(b)
	if err != nil {
		return
	}
	if rows, _ := readAll(db); rows > len(b)*(len(db.tables)+1) {
		t.Errorf("%d rows in %d bytes", rows, len(b))
	}
}

// FuzzParse reads anything.
func FuzzParse(f *testing.F) {
	b, err := os.ReadFile("testdata/small.seed")
	if err != nil {
		f.Fatal(err)
	}
	if db, err := parse(b); err != nil {
		f.Fatal(err)
	} else if rows, err := readAll(db); rows != 4 || err != nil {
		f.Fatal(rows, err)
	}
	f.Add(b)
	f.Fuzz(readBytes)
}
