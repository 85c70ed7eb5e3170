package store

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/locked"
)

// A tamperedToken is a token file with objects in it, open to tampering.
type tamperedToken struct {
	tok  *Token
	path string
	a, b *Record // a was updated twice
	old  map[bucket]map[string][]byte
}

// newTamperedToken makes a token with five objects. old is a copy of everything before a's last update.
func newTamperedToken(t testing.TB) *tamperedToken {
	t.Helper()
	p := newPlace(t, "bolt")
	tok, err := p.Format("", Format{SOPIN: soPIN, KDF: "test", Relaxed: true, MaxTries: 1000})
	if err != nil {
		t.Fatal(err)
	}
	k := unlock(t, tok, SO, soPIN)
	defer k.Wipe()
	wants(t, tok.SetPIN(k, User, userPIN), ck.CKR_OK)
	s := &tamperedToken{tok: tok, path: tok.backend.(*boltFile).path, a: private("a"), b: public("b")}
	create(t, tok, k, s.a, s.b, private("c"), public("d"), private("e"))
	wants(t, update(tok, k, s.a), ck.CKR_OK)
	s.old = s.dump(t)
	wants(t, update(tok, k, s.a), ck.CKR_OK)
	wantSound(t, tok)
	return s
}

// edit changes the file behind the back of the package.
func (s *tamperedToken) edit(t testing.TB, f func(put func(b bucket, key, value []byte), get func(b bucket, key []byte) []byte)) {
	t.Helper()
	db, err := bbolt.Open(s.path, 0o600, &bbolt.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(x *bbolt.Tx) error {
		f(func(b bucket, key, value []byte) {
			bb := x.Bucket([]byte(b.String()))
			err := bb.Delete(key)
			if value != nil {
				err = bb.Put(key, value)
			}
			if err != nil {
				t.Fatal(err)
			}
		}, func(b bucket, key []byte) []byte {
			return bytes.Clone(x.Bucket([]byte(b.String())).Get(key))
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// dump returns everything in the file.
func (s *tamperedToken) dump(t testing.TB) map[bucket]map[string][]byte {
	t.Helper()
	all := map[bucket]map[string][]byte{}
	err := s.tok.backend.view(func(x tx) error {
		for b := range buckets {
			all[b] = map[string][]byte{}
			if err := x.each(b, nil, func(key, value []byte) error {
				all[b][string(key)] = bytes.Clone(value)
				return nil
			}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// wantFound fails the test unless the tampering is found: by Unlock, or by reading the object, and by Check, which names
// what it is about.
func (s *tamperedToken) wantFound(t *testing.T, name string, about string) {
	t.Helper()
	found := ""
	k, err := s.tok.Unlock(User, userPIN)
	if err == nil {
		err = s.tok.All(k, nil, func(r Record) error { locked.Free(r.Sealed); return nil })
		if err == nil {
			_, err = s.tok.Find(k, []byte("class"))
		}
		k.Wipe()
	}
	if err != nil {
		found = err.Error()
		if rv := ck.Code(err); rv != ck.CKR_DEVICE_ERROR {
			t.Errorf("%s: answers %v", name, err)
		}
	}
	faults, err := s.tok.CheckPIN(SO, soPIN)
	if err != nil {
		t.Errorf("%s: Check answers %v", name, err)
	}
	if len(faults) == 0 {
		t.Errorf("%s: Check finds nothing", name)
	}
	if text := fmt.Sprint(faults, found); !strings.Contains(text, about) {
		t.Errorf("%s: %s does not name %s", name, text, about)
	}
}

func TestTamperedObjects(t *testing.T) {
	t.Parallel()
	s := newTamperedToken(t)
	a, b := s.a.ID[:], s.b.ID[:]
	clean, err := os.ReadFile(s.path)
	if err != nil {
		t.Fatal(err)
	}
	type put = func(bucket, []byte, []byte)
	type get = func(bucket, []byte) []byte
	swap := func(put put, get get, bucket bucket) {
		x, y := get(bucket, a), get(bucket, b)
		put(bucket, a, y)
		put(bucket, b, x)
	}
	copyOf := func(put put, get get, id []byte) {
		put(bObjects, id, get(bObjects, a))
		put(bManifest, id, get(bManifest, a))
	}
	for name, f := range map[string]func(put, get){
		"deleted":           func(p put, _ get) { p(bObjects, a, nil); p(bManifest, a, nil) },
		"deleted object":    func(p put, _ get) { p(bObjects, a, nil) },
		"deleted from roll": func(p put, _ get) { p(bManifest, a, nil) },
		"put back": func(p put, _ get) {
			p(bObjects, a, s.old[bObjects][string(a)])
			p(bManifest, a, s.old[bManifest][string(a)])
		},
		"object put back":      func(p put, _ get) { p(bObjects, a, s.old[bObjects][string(a)]) },
		"roll put back":        func(p put, _ get) { p(bManifest, a, s.old[bManifest][string(a)]) },
		"swapped":              func(p put, g get) { swap(p, g, bObjects) },
		"swapped with roll":    func(p put, g get) { swap(p, g, bObjects); swap(p, g, bManifest) },
		"copied over":          func(p put, g get) { copyOf(p, g, b) },
		"copied to a new name": func(p put, g get) { copyOf(p, g, bytes.Repeat([]byte{1}, 16)) },
		"cut short":            func(p put, g get) { p(bObjects, a, g(bObjects, a)[:40]) },
		"roll cut short":       func(p put, g get) { p(bManifest, a, g(bManifest, a)[:20]) },
	} {
		if err := os.WriteFile(s.path, clean, 0o600); err != nil {
			t.Fatal(err)
		}
		s.edit(t, f)
		about := s.a.ID.String()
		if strings.Contains(name, "new name") {
			about = strings.Repeat("01", 16)
		} else if name == "copied over" {
			about = s.b.ID.String()
		}
		s.wantFound(t, name, about)
	}
}

// TestTamperedIndex changes the index. It is not looked at when a token is unlocked; Check does.
func TestTamperedIndex(t *testing.T) {
	t.Parallel()
	s := newTamperedToken(t)
	clean, err := os.ReadFile(s.path)
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]func(key []byte) ([]byte, []byte){
		"index entry deleted": func(key []byte) ([]byte, []byte) { return key, nil },
		"index entry added":   func(key []byte) ([]byte, []byte) { return append(bytes.Repeat([]byte{3}, 16), key[16:]...), []byte{} },
		"index entry damaged": func(key []byte) ([]byte, []byte) { return key[:30], []byte{} },
	} {
		if err := os.WriteFile(s.path, clean, 0o600); err != nil {
			t.Fatal(err)
		}
		var key []byte
		for k := range s.dump(t)[bIndex] {
			if ID([]byte(k)[16:]) == s.a.ID {
				key = []byte(k)
			}
		}
		s.edit(t, func(put func(bucket, []byte, []byte), _ func(bucket, []byte) []byte) {
			k, v := f(key)
			put(bIndex, k, v)
		})
		s.wantFound(t, name, s.a.ID.String()[:28])
	}
}

// TestTamperedHeader changes each part of the header, and puts parts of an earlier header in its place.
func TestTamperedHeader(t *testing.T) {
	t.Parallel()
	s := newTamperedToken(t)
	clean, err := os.ReadFile(s.path)
	if err != nil {
		t.Fatal(err)
	}
	now := s.dump(t)[bHeader]
	try := func(name string, key, value []byte) {
		t.Helper()
		if err := os.WriteFile(s.path, clean, 0o600); err != nil {
			t.Fatal(err)
		}
		s.edit(t, func(put func(bucket, []byte, []byte), _ func(bucket, []byte) []byte) { put(bHeader, key, value) })
		_, err := s.tok.Unlock(User, userPIN)
		if err == nil {
			t.Errorf("%s: unlocks", name)
		}
		if faults, err := s.tok.Check(nil); err == nil && len(faults) == 0 {
			if faults, err = s.tok.CheckPIN(SO, soPIN); err == nil && len(faults) == 0 {
				t.Errorf("%s: Check finds nothing", name)
			}
		}
	}
	for _, key := range [][]byte{headerStatic, headerState, headerSlots[User]} {
		for i := range now[string(key)] {
			if testing.Short() && i%16 != 0 {
				continue
			}
			b := bytes.Clone(now[string(key)])
			b[i] ^= 1 << (i % 8)
			try(fmt.Sprintf("byte %d of %s", i, key), key, b)
		}
		try(fmt.Sprintf("%s is gone", key), key, nil)
		try(fmt.Sprintf("%s is cut", key), key, now[string(key)][:10])
	}
	try("state put back", headerState, s.old[bHeader][string(headerState)])
	try("count cut", headerTries, make([]byte, 3))
}

// TestOldSlot puts a key slot of an earlier PIN back: the old PIN opens it, and the state tells.
func TestOldSlot(t *testing.T) {
	s := newTamperedToken(t)
	k := unlock(t, s.tok, SO, soPIN)
	defer k.Wipe()
	wants(t, s.tok.SetPIN(k, User, []byte("new PIN")), ck.CKR_OK)
	s.edit(t, func(put func(bucket, []byte, []byte), _ func(bucket, []byte) []byte) {
		put(bHeader, headerSlots[User], s.old[bHeader][string(headerSlots[User])])
	})
	_, err := s.tok.Unlock(User, userPIN)
	wants(t, err, ck.CKR_DEVICE_ERROR)
}

// TestTamperedWhileInUse holds that keys that were unlocked before the tampering find it too.
func TestTamperedWhileInUse(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]func(s *tamperedToken, put func(bucket, []byte, []byte)){
		"object put back": func(s *tamperedToken, put func(bucket, []byte, []byte)) {
			put(bObjects, s.a.ID[:], s.old[bObjects][string(s.a.ID[:])])
		},
		"object deleted": func(s *tamperedToken, put func(bucket, []byte, []byte)) { put(bObjects, s.a.ID[:], nil) },
		"everything put back": func(s *tamperedToken, put func(bucket, []byte, []byte)) {
			for b, all := range s.old {
				for key, value := range all {
					put(b, []byte(key), value)
				}
			}
		},
		"everything put back, later generation": func(s *tamperedToken, put func(bucket, []byte, []byte)) {
			for b, all := range s.old {
				for key, value := range all {
					put(b, []byte(key), value)
				}
			}
			put(bHeader, headerGeneration, beBytes(1000))
		},
	} {
		s := newTamperedToken(t)
		k := unlock(t, s.tok, User, userPIN)
		s.edit(t, func(put func(bucket, []byte, []byte), _ func(bucket, []byte) []byte) { f(s, put) })
		_, err := s.tok.Get(k, s.a.ID)
		if ck.Code(err) != ck.CKR_DEVICE_ERROR {
			t.Errorf("%s: Get answers %v", name, err)
		}
		k.Wipe()
	}
}

// TestDeleteTampered holds that an object that was tampered with can be deleted, and nothing of it stays.
func TestDeleteTampered(t *testing.T) {
	s := newTamperedToken(t)
	s.edit(t, func(put func(bucket, []byte, []byte), get func(bucket, []byte) []byte) {
		b := get(bObjects, s.a.ID[:])
		b[11] ^= 1 // a term
		put(bObjects, s.a.ID[:], b)
	})
	k := unlock(t, s.tok, User, userPIN)
	defer k.Wipe()
	wants(t, s.tok.Delete(k, s.a.ID), ck.CKR_OK)
	wantSound(t, s.tok)
}

// TestNothingToRead searches the files of a token for what is secret.
func TestNothingToRead(t *testing.T) {
	p := newPlace(t, "bolt")
	tok, k := makeToken(t, p)
	a := private("a very private name")
	b := public("known")
	create(t, tok, k, a, b)
	a.Sealed = []byte("second sealed value")
	wants(t, update(tok, k, a), ck.CKR_OK)
	secrets := [][]byte{soPIN, userPIN, []byte("a very private name"), []byte("sealed value"), []byte("label known")}
	wants(t, k.use(func() error {
		for p := range purposes {
			secrets = append(secrets, bytes.Clone(k.purposeKey(version, p)))
		}
		secrets = append(secrets, bytes.Clone(k.master()))
		return nil
	}), ck.CKR_OK)
	entries, err := os.ReadDir(p.dir())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		content, err := os.ReadFile(p.file(e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range secrets {
			if bytes.Contains(content, s) {
				t.Errorf("%s contains %q", e.Name(), s)
			}
		}
		if strings.HasSuffix(e.Name(), suffix) && !bytes.Contains(content, b.Public) {
			t.Error("the search does not find the public part either")
		}
		if info, err := e.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", e.Name(), info.Mode())
		}
	}
}

// TestPutBackAndOn puts a copy of the file back while a process has the token, and has another one commit to it until the file has the number
// that it had: the first process does not take it for what it knows, and spoils nothing.
func TestPutBackAndOn(t *testing.T) {
	p := newPlace(t, "bolt")
	tok, k := makeToken(t, p)
	defer k.Wipe()
	kept := private("kept")
	create(t, tok, k, kept)
	other := sameToken(t, p, tok)
	theirs := unlock(t, other, User, userPIN)
	defer theirs.Wipe()
	path := p.file(tok.uuid + suffix)
	copied, err := os.ReadFile(path)
	wants(t, err, ck.CKR_OK)
	create(t, tok, k, private("lost"))
	gen := tok.Generation()
	wants(t, os.WriteFile(path+".copy", copied, 0o600), ck.CKR_OK)
	wants(t, os.Rename(path+".copy", path), ck.CKR_OK)
	create(t, other, theirs, private("new"))
	if now := other.Generation(); now != gen {
		t.Fatalf("the number is %d, want %d", now, gen)
	}
	wants(t, tok.Create(k, private("more")), ck.CKR_DEVICE_ERROR)
	wants(t, tok.Delete(k, kept.ID), ck.CKR_DEVICE_ERROR)
	_, err = tok.Get(k, kept.ID)
	wants(t, err, ck.CKR_DEVICE_ERROR)
	again := unlock(t, tok, User, userPIN)
	defer again.Wipe()
	create(t, tok, again, private("more"))
	wantSound(t, other)
}
