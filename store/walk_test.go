package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/config"
)

// TestWalk damages the tree of pages where bbolt would not survive it: each is an error, and it is the file's, not the
// process's, end.
func TestWalk(t *testing.T) {
	s := newTamperedToken(t)
	k := unlock(t, s.tok, SO, soPIN)
	records := make([]*Record, 150)
	for i := range records {
		records[i] = private(fmt.Sprint(i))
	}
	create(t, s.tok, k, records...)
	wants(t, s.tok.Delete(k, records[3].ID), ck.CKR_OK)
	k.Wipe()
	clean, err := os.ReadFile(s.path)
	if err != nil {
		t.Fatal(err)
	}
	size := os.Getpagesize()
	// at returns the number of the last page in force of a kind.
	at := func(kind uint16) int {
		for n := len(clean)/size - 1; n > 1; n-- {
			p := clean[n*size:]
			if binary.LittleEndian.Uint16(p[8:]) == kind && leUint64(p) == uint64(n) && binary.LittleEndian.Uint16(p[10:]) > 1 {
				return n
			}
		}
		t.Fatalf("the file has no page of kind %d", kind)
		return 0
	}
	branch, leaf, free := at(pageBranch), at(pageLeaf), at(pageFree)
	if err := walkFile(t, s.path, true); err != nil {
		t.Fatal(err)
	}
	for name, f := range damages(clean, branch, leaf, free) {
		b := bytes.Clone(clean)
		if f != nil {
			f(b)
		} else {
			b = b[:(branch-1)*size]
		}
		if err := os.WriteFile(s.path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := walkFile(t, s.path, true); ck.Code(err) != ck.CKR_DEVICE_ERROR {
			t.Errorf("%s: %v", name, err)
		}
		s.readEverything(t)
	}
}

// walkFile walks the file at path.
func walkFile(t testing.TB, path string, full bool) error {
	t.Helper()
	d, err := openDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	f, err := d.open(filepath.Base(path), false)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.close() }()
	st, err := f.stat()
	if err != nil {
		t.Fatal(err)
	}
	r, err := openPages(path, f, &st)
	if err != nil {
		return err
	}
	if !full {
		return r.walk()
	}
	return errors.Join(r.faults()...)
}

// damages are changes to the pages of the given numbers; nil cuts the file short.
func damages(clean []byte, branch, leaf, free int) map[string]func([]byte) {
	size := os.Getpagesize()
	put := func(n, offset int, v uint64) func([]byte) {
		return func(b []byte) { binary.LittleEndian.PutUint64(b[n*size+offset:], v) }
	}
	return map[string]func([]byte){
		"a page is its own child":         put(branch, pageHead+8, uint64(branch)),
		"a page has a child twice":        put(branch, pageHead+8, leUint64(clean[branch*size+pageHead+elementHead+8:])),
		"a child is out of bounds":        put(branch, pageHead+8, 1<<40),
		"a child is a meta page":          put(branch, pageHead+8, 1),
		"a page has another's number":     put(branch, 0, uint64(branch+1)),
		"a page goes on behind the end":   put(branch, 8, leUint64(clean[branch*size+8:])|0xffff<<32),
		"a page in use is free":           put(free, pageHead, uint64(branch)),
		"a leaf in use is free":           put(free, pageHead, uint64(leaf)),
		"a free page is out of bounds":    put(free, pageHead, 1<<40),
		"there are more free pages":       put(free, 8, leUint64(clean[free*size+8:])|0xf000<<16),
		"a key is behind the end":         put(leaf, pageHead+4, 0xffffff),
		"a leaf has a bucket, or none":    put(leaf, pageHead, leUint64(clean[leaf*size+pageHead:])^1),
		"a leaf has more elements":        put(leaf, 8, leUint64(clean[leaf*size+8:])|0xf000<<16),
		"a branch has more elements":      put(branch, 8, leUint64(clean[branch*size+8:])|0xf000<<16),
		"a branch page is a leaf":         func(b []byte) { b[branch*size+8] = pageLeaf },
		"both meta pages are overwritten": func(b []byte) { b[pageHead+20] ^= 1; b[size+pageHead+20] ^= 1 },
		"the file is cut short":           nil,
	}
}

// TestMetaPages puts back or damages one of the two meta pages. bbolt takes the file for what it was a commit before; a check
// says so.
func TestMetaPages(t *testing.T) {
	s := newTamperedToken(t)
	k := unlock(t, s.tok, SO, soPIN)
	older, err := os.ReadFile(s.path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 4 { // a file as it was one commit ago is sound: no file can say that it is not the newest
		create(t, s.tok, k, private(fmt.Sprint(i)))
	}
	k.Wipe()
	clean, err := os.ReadFile(s.path)
	if err != nil {
		t.Fatal(err)
	}
	size := os.Getpagesize()
	for n := range 2 {
		back, damaged := bytes.Clone(clean), bytes.Clone(clean)
		copy(back[n*size:(n+1)*size], older[n*size:])
		damaged[n*size+pageHead+20] ^= 1
		for name, b := range map[string][]byte{"put back": back, "damaged": damaged} {
			if err := os.WriteFile(s.path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := walkFile(t, s.path, false); err != nil {
				t.Errorf("meta page %d %s, in use: %v", n, name, err)
			}
			if err := walkFile(t, s.path, true); ck.Code(err) != ck.CKR_DEVICE_ERROR {
				t.Errorf("meta page %d %s: %v", n, name, err)
			}
			s.wantFault(t, fmt.Sprintf("meta page %d, at byte %d, ", n, n*size), b)
		}
		// What stands before the meta is not needed to read the file.
		zeros := bytes.Clone(clean)
		clear(zeros[n*size:][:pageHead])
		s.wantFault(t, fmt.Sprintf("meta page %d, at byte %d, has a damaged head", n, n*size), zeros)
	}
}

// wantFault puts contents in the place of the token's, and wants a check to find a fault and to write nothing.
func (s *tamperedToken) wantFault(t *testing.T, what string, b []byte) {
	t.Helper()
	wants(t, os.WriteFile(s.path, b, 0o600), ck.CKR_OK)
	faults, err := s.tok.CheckPIN(SO, soPIN)
	if err != nil || !slices.ContainsFunc(faults, func(f Fault) bool { return strings.Contains(f.What, what) }) {
		t.Errorf("%s: the check finds %v, %v", what, faults, err)
	}
	if now, err := os.ReadFile(s.path); err != nil || !bytes.Equal(now, b) {
		t.Errorf("%s: the check has written to the file: %v", what, err)
	}
}

// TestCheckWritesNothing checks a sound file, and one from which only free pages were cut off, with a PIN, right and wrong.
func TestCheckWritesNothing(t *testing.T) {
	s := newTamperedToken(t)
	k := unlock(t, s.tok, SO, soPIN)
	create(t, s.tok, k, private("a"))
	k.Wipe()
	whole, err := os.ReadFile(s.path)
	wants(t, err, ck.CKR_OK)
	for _, b := range [][]byte{whole, whole[:(len(whole)-3*int(pageSize))|1]} {
		wants(t, os.WriteFile(s.path, b, 0o600), ck.CKR_OK)
		p, err := OpenPlace(&config.Config{Store: "bolt", TokenDir: filepath.Dir(s.path)})
		wants(t, err, ck.CKR_OK)
		tok, err := p.Token(s.tok.uuid)
		wants(t, err, ck.CKR_OK)
		_, err = tok.UnlockToCheck(SO, []byte("wrong"))
		wants(t, err, ck.CKR_PIN_INCORRECT)
		k, err := tok.UnlockToCheck(SO, soPIN)
		wants(t, err, ck.CKR_OK)
		e, err := tok.Examine(k, nil)
		if err != nil || len(e.Faults) > 0 || (e.Missing > 0) != (len(b) < len(whole)) {
			t.Errorf("%d of %d bytes: %+v, %v", len(b), len(whole), e, err)
		}
		k.Wipe()
		wants(t, p.Close(), ck.CKR_OK)
		if now, err := os.ReadFile(s.path); err != nil || !bytes.Equal(now, b) {
			t.Errorf("%d of %d bytes: the check has written to the file: %v", len(b), len(whole), err)
		}
	}
}

// TestOtherPages has a token of a machine whose pages have another size: it is no damaged one, and the answer says what it is.
func TestOtherPages(t *testing.T) {
	p := newPlace(t, "bolt")
	tok, k := makeToken(t, p)
	k.Wipe()
	path := p.file(tok.uuid + suffix)
	before, err := os.ReadFile(path)
	wants(t, err, ck.CKR_OK)
	for _, size := range []int{1024, 16 << 10, 64 << 10} {
		wants(t, os.Remove(path), ck.CKR_OK)
		db, err := bbolt.Open(path, 0o600, &bbolt.Options{PageSize: size})
		wants(t, err, ck.CKR_OK)
		wants(t, db.Close(), ck.CKR_OK)
		made, err := os.ReadFile(path)
		wants(t, err, ck.CKR_OK)
		_, err = sameToken(t, p, tok).Info()
		if ck.Code(err) != ck.CKR_TOKEN_NOT_RECOGNIZED || !strings.Contains(err.Error(), fmt.Sprintf("pages of %d bytes", size)) {
			t.Errorf("%d: %v", size, err)
		}
		_, err = sameToken(t, p, tok).Unlock(User, userPIN)
		wants(t, err, ck.CKR_TOKEN_NOT_RECOGNIZED)
		if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, made) {
			t.Errorf("%d: the file is another now, %v", size, err)
		}
	}
	wants(t, os.WriteFile(path, before, 0o600), ck.CKR_OK)
}
