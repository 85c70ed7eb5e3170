package sqlite

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A written is what SQLite says is in a database that testdata/write.py has written.
type written struct {
	Free, Pages int
	A           [][]any // value, type, object_id, id
	B           [][]any // name, id
}

// write has SQLite write a database. As long as it is open, finish has not been called.
func write(t *testing.T, name string, page int, how string) (w written, finish func()) {
	t.Helper()
	if _, err := exec.LookPath("python3"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("this test needs SQLite: apt-get install python3")
	}
	cmd := exec.CommandContext(t.Context(), "python3", "testdata/write.py", name, fmt.Sprint(page), how)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(said))
	d.UseNumber()
	if err := d.Decode(&w); err != nil {
		t.Fatal(err)
	}
	return w, func() {
		t.Helper()
		_ = in.Close()
		if err := cmd.Wait(); err != nil {
			t.Fatal(err)
		}
	}
}

// holds wants a table to have the rows that SQLite selects.
func holds(t *testing.T, db *DB, name string, want [][]any) {
	t.Helper()
	n := 0
	for row, err := range db.Rows(name) {
		if err != nil {
			t.Fatalf("table %s, row %d: %v", name, n, err)
		}
		if n == len(want) {
			t.Fatalf("table %s has more than %d rows", name, n)
		}
		w := want[n]
		if id := w[len(w)-1].(json.Number).String(); fmt.Sprint(row.ID) != id {
			t.Fatalf("table %s, row %d: id %d, not %s", name, n, row.ID, id)
		}
		for i, x := range w[:len(w)-1] {
			v := row.Values[i]
			is := string(v.Bytes)
			switch v.Kind {
			case Blob:
				is = hex.EncodeToString(v.Bytes)
			case Integer:
				is = fmt.Sprint(v.Int)
			}
			if is != fmt.Sprint(x) {
				t.Fatalf("table %s, row %d, column %d: %.80q, not %.80q", name, n, i, is, x)
			}
		}
		n++
	}
	if n != len(want) {
		t.Errorf("table %s has %d rows, not %d", name, n, len(want))
	}
}

// TestWritten reads databases of each size of pages, as SQLite leaves them: with rows in chains of pages, with free pages, after VACUUM, with
// pages that point back, and after a log was brought in.
func TestWritten(t *testing.T) {
	t.Parallel()
	sizes := []int{512, 1024, 2048, 4096, 8192, 16384, 32768, 65536}
	ways := []string{"plain", "deleted", "deleted,secure", "deleted,vacuum", "deleted,autovacuum", "deleted,incremental", "emptied", "emptied,vacuum", "deleted,wal", "deleted,persist", "added"}
	if testing.Short() {
		sizes = []int{512, 65536}
	}
	free := 0
	for _, page := range sizes {
		for _, how := range ways {
			t.Run(fmt.Sprintf("%d/%s", page, how), func(t *testing.T) {
				name := filepath.Join(t.TempDir(), "a.db")
				w, finish := write(t, name, page, how)
				finish()
				db, err := Open(name)
				if err != nil {
					t.Fatal(err)
				}
				holds(t, db, "a", w.A)
				holds(t, db, "b", w.B)
				holds(t, db, "empty", nil)
				free += w.Free
			})
		}
	}
	if free == 0 {
		t.Error("no database has free pages")
	}
}

// TestOpenLog refuses a database whose changes are in a log beside it, and reads it as soon as they are brought in.
func TestOpenLog(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a.db")
	w, finish := write(t, name, 4096, "open-wal")
	if _, err := Open(name); err == nil || !strings.Contains(err.Error(), "open the database once") {
		t.Errorf("with a log: %v", err)
	}
	finish()
	db, err := Open(name)
	if err != nil {
		t.Fatal(err)
	}
	holds(t, db, "a", w.A)
	holds(t, db, "b", w.B)
}

// FuzzWritten reads databases that SQLite has written and that were changed anywhere: it ends, and gives no more than the file could hold.
func FuzzWritten(f *testing.F) {
	var bases [][]byte
	for _, page := range []int{512, 4096} {
		name := filepath.Join(f.TempDir(), "a.db")
		if out, err := exec.Command("python3", "testdata/write.py", name, fmt.Sprint(page), "deleted").CombinedOutput(); err != nil {
			f.Skipf("%v: %.500s", err, out)
		}
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		which := uint8(len(bases))
		f.Add(which, uint32(16), uint32(1), byte(3))         // in the header: the size of pages
		f.Add(which, uint32(page), uint32(0), byte(5))       // the kind of a page
		f.Add(which, uint32(2*page+3), uint32(7), byte(255)) // where its cells are
		bases = append(bases, b)
	}
	f.Fuzz(func(t *testing.T, which uint8, at, step uint32, value byte) {
		b := bytes.Clone(bases[int(which)%len(bases)])
		for i := range uint32(8) {
			b[(uint64(at)+uint64(i)*uint64(step))%uint64(len(b))] = value
		}
		readBytes(t, b)
	})
}
