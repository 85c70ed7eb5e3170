package store

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/softcsp/softcsp/ck"
)

// TestTree writes and deletes at random, few keys and many at once, and compares with a map. bbolt itself, and the walk,
// find nothing wrong with the file, and no page is lost.
func TestTree(t *testing.T) {
	t.Parallel()
	seeds, first := uint64(2), uint64(0)
	if takesLong() {
		seeds, first = 200, rand.Uint64()
	}
	for seed := range seeds {
		if testTree(t, rand.New(rand.NewPCG(7, first+seed))); t.Failed() {
			t.Fatalf("with the seed %d", first+seed)
		}
	}
}

func testTree(t *testing.T, r *rand.Rand) {
	t.Helper()
	const rounds = 120
	b := newBoltFile(t.TempDir(), formatUUID(newUUID()))
	wants(t, b.create(func(x tx) error { return nil }), ck.CKR_OK)
	want := map[string][]byte{}
	key := func() []byte { return fmt.Appendf(nil, "key %016x", r.Uint64N(3000)*0x9e3779b97f4a7c15) }
	for round := range rounds {
		wants(t, b.update(func(x tx) error {
			n := 1 + r.IntN(8)
			if r.IntN(12) == 0 {
				n = 800
			}
			shrink := round/20%2 == 1
			for range n {
				k := key()
				if r.IntN(10) < 3 == shrink {
					wants(t, x.put(bIndex, k, bytes.Repeat([]byte{byte(round)}, r.IntN(300))), ck.CKR_OK)
					want[string(k)] = bytes.Repeat([]byte{byte(round)}, len(x.get(bIndex, k)))
				} else {
					wants(t, x.del(bIndex, k), ck.CKR_OK)
					delete(want, string(k))
				}
			}
			if r.IntN(25) == 0 { // nothing is left
				for k := range want {
					wants(t, x.del(bIndex, []byte(k)), ck.CKR_OK)
				}
				clear(want)
			}
			if r.IntN(30) == 0 { // a value of many pages, alone or between others
				of, k := bObjects, []byte("large")
				if r.IntN(2) == 0 {
					of, k = bIndex, key()
				}
				v := bytes.Repeat([]byte{byte(round)}, r.IntN(100_000))
				wants(t, x.put(of, k, v), ck.CKR_OK)
				if of == bIndex {
					want[string(k)] = v
				}
			}
			return nil
		}, nil), ck.CKR_OK)
		if round%10 == 9 {
			wantContents(t, b, want)
			wants(t, walkFile(t, b.path, true), ck.CKR_OK)
		}
		if t.Failed() {
			t.Fatalf("in round %d", round)
		}
	}
	if err := walkFile(t, b.path, true); err != nil {
		t.Error(err)
	}
	db, err := bbolt.Open(b.path, 0o600, &bbolt.Options{ReadOnly: true})
	wants(t, err, ck.CKR_OK)
	defer func() { _ = db.Close() }()
	wants(t, db.View(func(btx *bbolt.Tx) error {
		for err := range btx.Check() {
			t.Error(err)
		}
		return nil
	}), ck.CKR_OK)
}

// wantContents fails the test unless the index is what want says.
func wantContents(t *testing.T, b *boltFile, want map[string][]byte) {
	t.Helper()
	wants(t, b.view(func(x tx) error {
		n := 0
		for k, v := range want {
			if got := x.get(bIndex, []byte(k)); !bytes.Equal(got, v) {
				t.Errorf("%q is %d bytes, want %d", k, len(got), len(v))
			}
		}
		err := x.each(bIndex, []byte("key"), func(k, v []byte) error {
			n++
			if w, there := want[string(k)]; !there || !bytes.Equal(v, w) {
				t.Errorf("%q is there as %d bytes", k, len(v))
			}
			return nil
		})
		if n != len(want) {
			t.Errorf("there are %d keys, want %d", n, len(want))
		}
		return err
	}), ck.CKR_OK)
}

// A counter counts what is written to a disk.
type counter struct {
	disk
	n *int
}

type countedFile struct {
	file
	n *int
}

func (d counter) open(name string, write bool) (file, error) {
	f, err := d.disk.open(name, write)
	return countedFile{f, d.n}, err
}

func (f countedFile) WriteAt(p []byte, off int64) (int, error) {
	*f.n += len(p)
	return f.file.WriteAt(p, off)
}

// TestTreeNeighbours changes small values beside large ones: these are not written anew each time.
func TestTreeNeighbours(t *testing.T) {
	const large = 1 << 20
	b := newBoltFile(t.TempDir(), formatUUID(newUUID()))
	wants(t, b.create(func(tx) error { return nil }), ck.CKR_OK)
	put := func(key string, size int) {
		wants(t, b.update(func(x tx) error { return x.put(bObjects, []byte(key), make([]byte, size)) }, nil), ck.CKR_OK)
	}
	for _, key := range []string{"b", "d", "f"} {
		put(key, large)
	}
	written := 0
	b.wrapDisk = func(d disk) disk { return counter{d, &written} }
	for _, key := range []string{"a", "c", "e", "g"} {
		for n := range 3 {
			written = 0
			if put(key, 10+n); n > 0 && written > large/4 {
				t.Errorf("to change %d bytes at %q, %d were written", 10+n, key, written)
			}
		}
	}
	wants(t, walkFile(t, b.path, true), ck.CKR_OK)
}

// TestTreeLargeAmidFree makes large values while there are many free pages that are no two in a row: it takes no longer than it
// should.
func TestTreeLargeAmidFree(t *testing.T) {
	b := &commitBuilder{end: 1 << 20}
	for id := range uint64(200_000) {
		b.freePages = append(b.freePages, 2*id+2)
	}
	began := time.Now()
	for range 20_000 {
		b.alloc(3)
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("it took %v", took)
	}
}
