package store

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/locked"
)

// manyObjects makes many objects of a kilobyte each.
func manyObjects(t testing.TB, tok *Token, k *Keys, n int) (ids []ID) {
	t.Helper()
	records := make([]*Record, n)
	for i := range records {
		records[i] = private(fmt.Sprint(i))
		records[i].Sealed = append(records[i].Sealed, make([]byte, 1000)...)
	}
	for some := range slices.Chunk(records, 500) {
		create(t, tok, k, some...)
	}
	for _, r := range records {
		ids = append(ids, r.ID)
	}
	return ids
}

// relaxedToken makes a token whose commits do not wait for the disk.
func relaxedToken(t *testing.T, p *Place) (*Token, *Keys) {
	t.Helper()
	tok, k := makeToken(t, p)
	k.Wipe()
	wants(t, tok.Reformat(Format{SOPIN: soPIN, KDF: "test", Relaxed: true}), ck.CKR_OK)
	so := unlock(t, tok, SO, soPIN)
	defer so.Wipe()
	wants(t, tok.SetPIN(so, User, userPIN), ck.CKR_OK)
	return tok, unlock(t, tok, User, userPIN)
}

// fileSize returns the size of the token's file.
func fileSize(t *testing.T, tok *Token) int64 {
	t.Helper()
	st, err := os.Stat(tok.backend.(*boltFile).path)
	if err != nil {
		t.Fatal(err)
	}
	return st.Size()
}

// TestTidy deletes most of what is in a token: the file becomes small by itself, keeps its mode, and another process that has it
// in use notices nothing.
func TestTidy(t *testing.T) {
	p := newPlace(t, "bolt")
	tok, k := relaxedToken(t, p)
	defer k.Wipe()
	wants(t, os.Chmod(tok.backend.(*boltFile).path, 0o640), ck.CKR_OK)
	ids := manyObjects(t, tok, k, 2000)
	large := fileSize(t, tok)
	other := sameToken(t, p, tok)
	theirs := unlock(t, other, User, userPIN)
	defer theirs.Wipe()
	for some := range slices.Chunk(ids[:1900], 300) {
		wants(t, tok.Delete(k, some...), ck.CKR_OK)
	}
	if small := fileSize(t, tok); small > large/4 || large < compactFrom {
		t.Errorf("%d bytes of %d are left with 100 objects of 2000", small, large)
	}
	st, err := os.Stat(tok.backend.(*boltFile).path)
	if wants(t, err, ck.CKR_OK); st.Mode().Perm() != 0o640 {
		t.Errorf("mode %v", st.Mode())
	}
	c := private("another")
	create(t, other, theirs, c)
	for _, who := range []struct {
		tok *Token
		k   *Keys
	}{{tok, k}, {other, theirs}} {
		seen := 0
		wants(t, who.tok.All(who.k, nil, func(r Record) error {
			seen++
			locked.Free(r.Sealed)
			return nil
		}), ck.CKR_OK)
		if seen != 101 {
			t.Errorf("%d objects", seen)
		}
		got, err := who.tok.Get(who.k, c.ID)
		wantRecord(t, got, err, c)
	}
	wantSound(t, tok)
}

// TestCompact writes a file anew that is mostly in use, and one that is small.
func TestCompact(t *testing.T) {
	eachBackend(t, func(t *testing.T, p *Place) {
		tok, k := makeToken(t, p)
		a, b := private("a"), public("b")
		create(t, tok, k, a, b)
		gen := tok.Generation()
		for range 2 {
			before, after, err := tok.Compact()
			if wants(t, err, ck.CKR_OK); after > before {
				t.Errorf("%d bytes, were %d", after, before)
			}
		}
		if tok.Generation() != gen {
			t.Errorf("generation %d, was %d", tok.Generation(), gen)
		}
		for _, r := range []*Record{a, b} {
			got, err := tok.Get(k, r.ID)
			wantRecord(t, got, err, r)
		}
		ids, err := tok.Find(k, []byte("class"))
		if wants(t, err, ck.CKR_OK); len(ids) != 2 {
			t.Errorf("%d objects are found", len(ids))
		}
		wants(t, tok.Delete(k, b.ID), ck.CKR_OK)
		wantSound(t, tok)
	})
}

// TestCompactLarge writes a file anew that is larger than memory is taken for: in another file, of which nothing is left.
func TestCompactLarge(t *testing.T) {
	defer func(most int64) { maxMemfd = most }(maxMemfd)
	maxMemfd = 1 << 20
	p := newPlace(t, "bolt")
	tok, k := makeToken(t, p)
	ids := manyObjects(t, tok, k, 1000)
	defer func(was func(string, int) (int, error)) { memfdCreate = was }(memfdCreate)
	memfdCreate = func(name string, flags int) (int, error) {
		t.Error("it is made in memory")
		return unix.MemfdCreate(name, flags)
	}
	before, after, err := tok.Compact()
	if wants(t, err, ck.CKR_OK); after > before {
		t.Errorf("%d bytes, were %d", after, before)
	}
	if all := everything(t, tok, k); len(all) != len(ids) {
		t.Errorf("%d objects, want %d", len(all), len(ids))
	}
	names, err := os.ReadDir(p.dir())
	wants(t, err, ck.CKR_OK)
	for _, e := range names {
		if strings.Contains(e.Name(), "scratch") || strings.HasSuffix(e.Name(), ".new") {
			t.Errorf("%s is left", e.Name())
		}
	}
}

// TestCompactOld writes a file of version 1 anew: it stays one, and is upgraded as ever.
func TestCompactOld(t *testing.T) {
	_, tok := oldToken(t, "strict", "")
	_, _, err := tok.Compact()
	wants(t, err, ck.CKR_OK)
	if i, err := tok.Info(); err != nil || i.Version != 1 {
		t.Errorf("version %d, %v", i.Version, err)
	}
	k := unlock(t, tok, User, v1User)
	defer k.Wipe()
	if i, err := tok.Info(); err != nil || i.Version != version {
		t.Errorf("version %d, %v", i.Version, err)
	}
	_, _, err = tok.Compact()
	wants(t, err, ck.CKR_OK)
	faults, err := tok.Check(k)
	if wants(t, err, ck.CKR_OK); len(faults) > 0 {
		t.Error(faults)
	}
}

// A fullDisk is a directory on a disk that has no room any more from some moment on: what lies before limit has its place.
type fullDisk struct {
	disk
	limit *int64
}

type fullFile struct {
	file
	limit *int64
}

func (d fullDisk) open(name string, write bool) (file, error) {
	f, err := d.disk.open(name, write)
	return fullFile{f, d.limit}, err
}

func (d fullDisk) create(name string) (file, error) {
	if *d.limit > 0 {
		return nil, unix.ENOSPC
	}
	return d.disk.create(name)
}

// WriteAt writes where the file has its place, and nowhere else.
func (f fullFile) WriteAt(b []byte, off int64) (int, error) {
	if *f.limit > 0 && off+int64(len(b)) > *f.limit {
		return 0, unix.ENOSPC
	}
	return f.file.WriteAt(b, off)
}

func (f fullFile) allocate(size int64) error {
	if *f.limit > 0 && size > *f.limit {
		return unix.ENOSPC
	}
	return f.file.allocate(size)
}

func (f fullFile) stat() (unix.Stat_t, error) {
	st, err := f.file.stat()
	if *f.limit > 0 {
		st.Blocks = *f.limit / 512 // whatever the file system makes of holes
	}
	return st, err
}

// TestFullDisk fills a disk by making objects: each is made or is not; and then everything can be deleted, by a process that logs
// in, and there is room again.
func TestFullDisk(t *testing.T) {
	p := newPlace(t, "bolt")
	tok, k := relaxedToken(t, p)
	var limit int64
	over := func(d disk) disk { return fullDisk{d, &limit} }
	tok.backend.(*boltFile).wrapDisk = over
	ids := manyObjects(t, tok, k, 1000)
	limit = fileSize(t, tok)
	for n := 0; ; n++ {
		r := private(fmt.Sprint("more ", n))
		r.Sealed = make([]byte, 8000)
		err := tok.Create(k, r)
		if err != nil {
			wants(t, err, ck.CKR_DEVICE_MEMORY)
			break
		}
		if ids = append(ids, r.ID); n > 1000 {
			t.Fatal("the disk is never full")
		}
	}
	k.Wipe()
	other := sameToken(t, p, tok)
	other.backend.(*boltFile).wrapDisk = over
	k = unlock(t, other, User, userPIN)
	defer k.Wipe()
	_, err := other.Unlock(User, []byte("wrong"))
	wants(t, err, ck.CKR_PIN_INCORRECT)
	for _, id := range ids[:100] {
		wants(t, other.Delete(k, id), ck.CKR_OK)
	}
	create(t, other, k, private("again"))
	for some := range slices.Chunk(ids[100:], 50) {
		wants(t, other.Delete(k, some...), ck.CKR_OK)
	}
	wantSound(t, other)
}

// TestTidyAtOnce has processes fill and empty a token beside each other, so that its file is replaced again and again under all of
// them: each finds what it has made, and nothing that it has deleted.
func TestTidyAtOnce(t *testing.T) {
	p := newPlace(t, "bolt")
	tok, k := relaxedToken(t, p)
	defer k.Wipe()
	stays := private("stays")
	create(t, tok, k, stays)
	inodes := map[uint64]bool{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for n := range 2 {
		other := sameToken(t, p, tok)
		keys := unlock(t, other, User, userPIN)
		wg.Go(func() {
			defer keys.Wipe()
			for round := range 2 {
				mine := private(fmt.Sprint(n, " ", round))
				create(t, other, keys, mine)
				var ids []ID
				for range 3 {
					ids = append(ids, manyObjects(t, other, keys, 300)...)
				}
				for some := range slices.Chunk(ids, 100) {
					wants(t, other.Delete(keys, some...), ck.CKR_OK)
					var st unix.Stat_t
					wants(t, unix.Stat(other.backend.(*boltFile).path, &st), ck.CKR_OK)
					mu.Lock()
					inodes[st.Ino] = true
					mu.Unlock()
				}
				for _, r := range []*Record{mine, stays} {
					got, err := other.Get(keys, r.ID)
					wantRecord(t, got, err, r)
				}
			}
		})
	}
	wg.Wait()
	if len(inodes) < 2 {
		t.Error("the file was never written anew")
	}
	seen := 0
	wants(t, tok.All(k, nil, func(r Record) error {
		seen++
		locked.Free(r.Sealed)
		return nil
	}), ck.CKR_OK)
	if seen != 5 {
		t.Errorf("%d objects, want 5", seen)
	}
	wantSound(t, tok)
}

// TestFullFromTheStart fills the disk when a token has just been made: logging in works all the same.
func TestFullFromTheStart(t *testing.T) {
	p := newPlace(t, "bolt")
	var limit int64
	p.backend.(*dirPlace).wrapDisk = func(d disk) disk { return fullDisk{d, &limit} }
	tok, err := p.Format("", Format{SOPIN: soPIN, UserPIN: userPIN, KDF: "test"})
	if err != nil {
		t.Fatal(err)
	}
	limit = fileSize(t, tok)
	unlock(t, tok, SO, soPIN).Wipe()
	k := unlock(t, tok, User, userPIN)
	defer k.Wipe()
	wants(t, tok.Create(k, &Record{Sealed: make([]byte, 1<<20)}), ck.CKR_DEVICE_MEMORY)
	wants(t, tok.SetPIN(k, User, []byte("new")), ck.CKR_OK)
}

// TestCompactUnknown writes a file anew that has buckets of a later softcsp, small and large: they stay.
func TestCompactUnknown(t *testing.T) {
	p := newPlace(t, "bolt")
	tok, k := makeToken(t, p)
	create(t, tok, k, private("a"))
	path := tok.backend.(*boltFile).path
	sizes := map[string]int{"audit": 1, "zones": 3000, "empty": 0}
	open := func(f func(*bbolt.Tx) error) {
		t.Helper()
		db, err := bbolt.Open(path, 0o600, nil)
		wants(t, err, ck.CKR_OK)
		wants(t, db.Update(f), ck.CKR_OK)
		wants(t, db.Close(), ck.CKR_OK)
	}
	open(func(btx *bbolt.Tx) error {
		for name, n := range sizes {
			bb, err := btx.CreateBucket([]byte(name))
			if err != nil {
				return err
			}
			for i := range n {
				if err := bb.Put(fmt.Appendf(nil, "key %d", i), fmt.Appendf(nil, "value %d", i)); err != nil {
					return err
				}
			}
			wants(t, bb.SetSequence(uint64(n+7)), ck.CKR_OK)
		}
		return nil
	})
	create(t, tok, k, private("b")) // a commit keeps them too
	_, _, err := tok.Compact()
	wants(t, err, ck.CKR_OK)
	open(func(btx *bbolt.Tx) error {
		for name, n := range sizes {
			bb := btx.Bucket([]byte(name))
			if bb == nil {
				t.Errorf("bucket %s is gone", name)
				continue
			}
			if bb.Sequence() != uint64(n+7) {
				t.Errorf("bucket %s has the sequence %d", name, bb.Sequence())
			}
			for i := range n {
				if v := bb.Get(fmt.Appendf(nil, "key %d", i)); string(v) != fmt.Sprint("value ", i) {
					t.Errorf("bucket %s: %d is %q", name, i, v)
				}
			}
		}
		return nil
	})
}
