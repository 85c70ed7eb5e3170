package store

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/config"
	"github.com/softcsp/softcsp/internal/locked"
)

// The PINs of the tokens in testdata/v1.
var v1SO, v1User = []byte("so-87654321"), []byte("user-1234")

// oldToken opens a copy of a token that 0.2 made.
func oldToken(t *testing.T, kind, separation string) (*Place, *Token) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata/v1", kind, "*.token"))
	if err != nil || len(files) != 1 {
		t.Fatalf("files %v, %v", files, err)
	}
	b, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "tokens")
	p, err := OpenPlace(&config.Config{Store: "bolt", TokenDir: dir, KeySeparation: separation})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, filepath.Base(files[0])), b, 0o600); err != nil {
		t.Fatal(err)
	}
	tok, err := p.Token(strings.TrimSuffix(filepath.Base(files[0]), suffix))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p, tok
}

// everything reads every object with k.
func everything(t *testing.T, tok *Token, k *Keys) map[ID]Record {
	t.Helper()
	all := map[ID]Record{}
	wants(t, tok.All(k, nil, func(r Record) error {
		sealed := bytes.Clone(r.Sealed)
		locked.Free(r.Sealed)
		r.Sealed = sealed
		all[r.ID] = r
		return nil
	}), ck.CKR_OK)
	return all
}

// oldKeys logs in without an upgrade, as a process does that cannot write.
func oldKeys(t *testing.T, tok *Token) *Keys {
	t.Helper()
	c, master, err := tok.checkPIN(User, v1User)
	wants(t, err, ck.CKR_OK)
	k, err := newKeys(tok, c.header, master)
	wants(t, err, ck.CKR_OK)
	wants(t, tok.backend.view(k.verify), ck.CKR_OK)
	return k
}

// TestUpgrade logs in to tokens of format 1, as the user and as the security officer, with and without a separation in the
// configuration.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"strict", "standard"} {
		for _, setting := range []string{"", "standard", "strict"} {
			for _, u := range []UserType{User, SO} {
				t.Run(kind+"/"+setting, func(t *testing.T) { testUpgrade(t, kind, setting, u) })
			}
		}
	}
}

func testUpgrade(t *testing.T, kind, setting string, u UserType) {
	_, tok := oldToken(t, kind, setting)
	info, err := tok.Info()
	if err != nil || info.Version != 1 || info.Separation != SeparationStandard || info.Label != kind {
		t.Fatalf("%+v, %v", info, err)
	}
	open := everything(t, tok, nil)
	before := oldKeys(t, tok)
	defer before.Wipe()
	was := everything(t, tok, before)
	if len(was) != 14 || len(open) == 0 {
		t.Fatalf("%d objects, %d public ones", len(was), len(open))
	}
	pin := [userTypes][]byte{User: v1User, SO: v1SO}[u]
	k := unlock(t, tok, u, pin)
	defer k.Wipe()
	info, err = tok.Info()
	want := SeparationStandard
	if setting == "strict" {
		want = SeparationStrict
	}
	if err != nil || info.Version != version || info.Separation != want {
		t.Errorf("%+v, %v", info, err)
	}
	// Who was logged in, and could not write, goes on.
	for name, keys := range map[string]*Keys{"before": before, "after": k, "other": unlock(t, tok, 1-u, [userTypes][]byte{User: v1User, SO: v1SO}[1-u])} {
		now := everything(t, tok, keys)
		for id, r := range was {
			got := now[id]
			if got.Rev != r.Rev || !bytes.Equal(got.Public, r.Public) || !bytes.Equal(got.Sealed, r.Sealed) || got.Origin != OriginBefore2 ||
				got.Birth != SeparationStandard {
				t.Errorf("%s: object %s is %+v, was %+v", name, id, got, r)
			}
		}
		if len(now) != len(was) {
			t.Errorf("%s: %d objects", name, len(now))
		}
		create(t, tok, keys, private("late"))
		was = everything(t, tok, k)
		for id, r := range was {
			r.Origin, r.Birth = OriginBefore2, SeparationStandard
			if was[id] = r; bytes.HasPrefix(r.Sealed, []byte("sealed value of late")) {
				delete(was, id)
				wants(t, tok.Delete(keys, id), ck.CKR_OK)
			}
		}
	}
	if now := everything(t, tok, nil); len(now) != len(open) {
		t.Errorf("%d public objects, were %d", len(now), len(open))
	}
	for _, check := range []func() ([]Fault, error){func() ([]Fault, error) { return tok.Check(nil) }, func() ([]Fault, error) { return tok.CheckPIN(User, v1User) }} {
		if faults, err := check(); err != nil || len(faults) != 0 {
			t.Errorf("%v, %v", faults, err)
		}
	}
	// A PIN that is set anew opens, and the other still does.
	wants(t, tok.SetPIN(k, User, []byte("fresh")), ck.CKR_OK)
	unlock(t, tok, User, []byte("fresh")).Wipe()
	unlock(t, tok, SO, v1SO).Wipe()
}

// TestUpgradeKeepsTerms finds a private object by what it was found by before.
func TestUpgradeKeepsTerms(t *testing.T) {
	_, tok := oldToken(t, "strict", "")
	k := oldKeys(t, tok)
	defer k.Wipe()
	before := map[term]int{}
	wants(t, tok.backend.view(func(x tx) error {
		return x.each(bIndex, nil, func(key, _ []byte) error {
			before[term(key)]++
			return nil
		})
	}), ck.CKR_OK)
	shown, err := k.Fingerprint([]byte("value"))
	wants(t, err, ck.CKR_OK)
	k2 := unlock(t, tok, User, v1User)
	defer k2.Wipe()
	after := map[term]int{}
	wants(t, tok.backend.view(func(x tx) error {
		return x.each(bIndex, nil, func(key, _ []byte) error {
			after[term(key)]++
			return nil
		})
	}), ck.CKR_OK)
	again, err := k2.Fingerprint([]byte("value"))
	wants(t, err, ck.CKR_OK)
	if len(before) == 0 || len(before) != len(after) || shown != again {
		t.Errorf("%d terms, were %d; fingerprints %x, %x", len(after), len(before), shown, again)
	}
}

// TestUpgradeOnRequest keeps a copy, that is a token of format 1 when it is called like one, and is not listed as one before.
func TestUpgradeOnRequest(t *testing.T) {
	p, tok := oldToken(t, "strict", "")
	old, err := os.ReadFile(p.file(tok.uuid + suffix))
	wants(t, err, ck.CKR_OK)
	_, err = tok.Upgrade(User, []byte("wrong"))
	wants(t, err, ck.CKR_PIN_INCORRECT)
	did, err := tok.Upgrade(SO, v1SO)
	if !did || err != nil {
		t.Fatal(did, err)
	}
	name := p.file(tok.uuid + suffix + CopySuffix)
	st, err := os.Lstat(name)
	if err != nil || st.Mode() != 0o600 {
		t.Fatalf("%v, %v", st, err)
	}
	if list, _, err := p.List(); len(list) != 1 || err != nil {
		t.Errorf("tokens %v, %v", list, err)
	}
	if did, err := tok.Upgrade(SO, v1SO); did || err != nil {
		t.Errorf("a second time: %v, %v", did, err)
	}
	kept, err := os.ReadFile(name)
	wants(t, err, ck.CKR_OK)
	if len(kept) < len(old) || bytes.Contains(kept, []byte(magic+"\x00\x02")) || !bytes.Contains(kept, []byte(magic+"\x00\x01")) {
		t.Error("the copy is not of format 1")
	}
}

// TestUpgradeOfTampered leaves a token as it is where it was tampered with.
func TestUpgradeOfTampered(t *testing.T) {
	for name, change := range map[string]func(x tx, id []byte) error{
		"an object": func(x tx, id []byte) error {
			b := bytes.Clone(x.get(bObjects, id))
			b[len(b)-1] ^= 1
			return x.put(bObjects, id, b)
		},
		"an object and the roll": func(x tx, id []byte) error {
			b := bytes.Clone(x.get(bObjects, id))
			b[len(b)-1] ^= 1
			o, _ := parseObject(1, b)
			return errors.Join(x.put(bObjects, id, b), x.put(bManifest, id, o.entry().encode()))
		},
		"a deleted object": func(x tx, id []byte) error { return x.del(bObjects, id) },
		"the label": func(x tx, _ []byte) error {
			return x.put(bHeader, headerStatic, append(bytes.Clone(x.get(bHeader, headerStatic)), 'x'))
		},
	} {
		_, tok := oldToken(t, "strict", "")
		var id []byte
		wants(t, tok.backend.view(func(x tx) error {
			return x.each(bObjects, nil, func(key, _ []byte) error {
				id = bytes.Clone(key)
				return nil
			})
		}), ck.CKR_OK)
		wants(t, tok.backend.update(func(x tx) error { return change(x, id) }, nil), ck.CKR_OK)
		k, err := tok.Unlock(User, v1User)
		if k != nil {
			k.Wipe()
		}
		if info, e := tok.Info(); e != nil || info.Version != 1 {
			t.Errorf("%s: the token is of version %d, %v; login: %v", name, info.Version, e, err)
		}
		if faults, e := tok.CheckPIN(User, v1User); e != nil || len(faults) == 0 {
			t.Errorf("%s: %v, %v", name, faults, e)
		}
	}
}

// TestNoWayBack puts the header of format 1 back in a file of format 2.
func TestNoWayBack(t *testing.T) {
	_, tok := oldToken(t, "strict", "")
	var old []byte
	wants(t, tok.backend.view(func(x tx) error {
		old = bytes.Clone(x.get(bHeader, headerStatic))
		return nil
	}), ck.CKR_OK)
	k := unlock(t, tok, User, v1User)
	defer k.Wipe()
	wants(t, tok.backend.update(func(x tx) error { return x.put(bHeader, headerStatic, old) }, nil), ck.CKR_OK)
	_, err := tok.Unlock(User, v1User)
	wants(t, err, ck.CKR_DEVICE_ERROR)
	wants(t, tok.All(k, nil, func(Record) error { return nil }), ck.CKR_DEVICE_ERROR)
	seen := 0
	wants(t, tok.All(nil, nil, func(Record) error { seen++; return nil }), ck.CKR_OK)
	if seen != 0 {
		t.Errorf("%d public objects are shown of a token whose key is gone", seen)
	}
}

// TestUpgradeAtOnce has several processes log in to one token of format 1 at the same time: one upgrades it, and all go on.
func TestUpgradeAtOnce(t *testing.T) {
	t.Parallel()
	p, tok := oldToken(t, "strict", "")
	var wg sync.WaitGroup
	for n := range 6 {
		wg.Go(func() {
			other, err := OpenPlace(&config.Config{Store: "bolt", TokenDir: p.dir()})
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = other.Close() }()
			mine, err := other.Token(tok.uuid)
			if err != nil {
				t.Error(err)
				return
			}
			u := UserType(n % userTypes)
			k, err := mine.Unlock(u, [userTypes][]byte{User: v1User, SO: v1SO}[u])
			if err != nil {
				t.Error(err)
				return
			}
			defer k.Wipe()
			seen := 0
			err = mine.All(k, nil, func(r Record) error {
				locked.Free(r.Sealed)
				seen++
				return nil
			})
			if err != nil || seen < 14 {
				t.Errorf("%d objects, %v", seen, err)
			}
			if err := mine.Create(k, private("mine")); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	k := unlock(t, tok, User, v1User)
	defer k.Wipe()
	if n := len(everything(t, tok, k)); n != 14+6 {
		t.Errorf("%d objects", n)
	}
	if faults, err := tok.Check(k); err != nil || len(faults) > 0 {
		t.Errorf("%v, %v", faults, err)
	}
}

// TestUpgradeFullDisk logs in to a token of format 1 on a full disk: it stays one, and can be used. What writes waits for room.
func TestUpgradeFullDisk(t *testing.T) {
	_, tok := oldToken(t, "strict", "")
	limit := fileSize(t, tok)
	tok.backend.(*boltFile).wrapDisk = func(d disk) disk { return fullDisk{d, &limit} }
	k := unlock(t, tok, User, v1User)
	defer k.Wipe()
	if i, err := tok.Info(); err != nil || i.Version != 1 || i.UserTries != i.MaxTries {
		t.Errorf("%+v, %v", i, err)
	}
	all := everything(t, tok, k)
	if len(all) != 14 {
		t.Errorf("%d objects", len(all))
	}
	for id := range all {
		wants(t, tok.Delete(k, id), ck.CKR_DEVICE_MEMORY)
	}
	wants(t, tok.Create(k, private("a")), ck.CKR_DEVICE_MEMORY)
	wants(t, tok.SetPIN(k, User, []byte("new")), ck.CKR_DEVICE_MEMORY)
	_, err := tok.Upgrade(User, v1User)
	wants(t, err, ck.CKR_DEVICE_MEMORY)
	_, err = tok.Unlock(User, []byte("wrong"))
	wants(t, err, ck.CKR_PIN_INCORRECT)
	limit = 0
	for id := range all {
		wants(t, tok.Delete(k, id), ck.CKR_OK)
	}
	if i, err := tok.Info(); err != nil || i.Version != version {
		t.Errorf("%+v, %v", i, err)
	}
}
