package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/config"
	"github.com/softcsp/softcsp/internal/locked"
)

// pageDamages are what happens to a page of a file.
var pageDamages = map[string]func(page, other []byte, r *rand.Rand){
	"zeros":                         func(p, _ []byte, _ *rand.Rand) { clear(p) },
	"noise":                         func(p, _ []byte, r *rand.Rand) { noise(p, r) },
	"another page":                  func(p, other []byte, _ *rand.Rand) { copy(p, other) },
	"another page under its number": func(p, other []byte, _ *rand.Rand) { copy(p[8:], other[8:]) },
	"its number":                    func(p, _ []byte, r *rand.Rand) { p[r.IntN(8)] ^= 1 << r.IntN(8) },
	"its kind":                      func(p, _ []byte, r *rand.Rand) { p[8+r.IntN(2)] ^= 1 << r.IntN(8) },
	"its count":                     func(p, _ []byte, r *rand.Rand) { p[10+r.IntN(2)] ^= 1 << r.IntN(8) },
	"its length":                    func(p, _ []byte, r *rand.Rand) { p[12+r.IntN(4)] ^= 1 << r.IntN(8) },
	"an element":                    func(p, _ []byte, r *rand.Rand) { p[pageHead+r.IntN(4*elementHead)] ^= 1 << r.IntN(8) },
	"its contents":                  func(p, _ []byte, r *rand.Rand) { p[len(p)-1-r.IntN(len(p)/2)] ^= 1 << r.IntN(8) },
	"half of it":                    func(p, _ []byte, r *rand.Rand) { noise(p[len(p)/2:], r) },
}

func noise(p []byte, r *rand.Rand) {
	for i := range p {
		p[i] = byte(r.Uint32())
	}
}

// TestDamagedPages damages each page of a file in every way. A check always ends with a list of faults, and does not take for damaged what can be
// read; what it says is sound can be read. It writes nothing to the file.
func TestDamagedPages(t *testing.T) {
	t.Parallel()
	s := newTamperedToken(t)
	k := unlock(t, s.tok, SO, soPIN)
	records := make([]*Record, 150)
	for i := range records {
		if records[i] = private(fmt.Sprint(i)); i%3 == 0 {
			records[i] = public(fmt.Sprint(i))
		}
	}
	create(t, s.tok, k, records...)
	wants(t, s.tok.Delete(k, records[3].ID), ck.CKR_OK)
	k.Wipe()
	clean, err := os.ReadFile(s.path)
	wants(t, err, ck.CKR_OK)
	inUse := pagesInUse(t, clean)
	r := rand.New(rand.NewPCG(3, 4))
	partly := 0
	for n := range len(clean) / int(pageSize) {
		if testing.Short() && n%8 != 0 || n > 2 && inUse[n] == "" && inUse[n-1] == "" { // of pages that nobody reads one is enough
			continue
		}
		for name, damage := range pageDamages {
			b := bytes.Clone(clean)
			at := n * int(pageSize)
			other := b[int(pageSize)*((n+1)%len(inUse)):]
			damage(b[at:at+int(pageSize)], other[:pageSize], r)
			if bytes.Equal(b, clean) {
				continue
			}
			wants(t, os.WriteFile(s.path, b, 0o600), ck.CKR_OK)
			what := fmt.Sprintf("page %d (%s), %s", n, inUse[n], name)
			if damaged := s.examineDamaged(t, what, inUse[n], b); damaged > 0 && damaged < len(records) {
				partly++
			}
		}
	}
	if partly == 0 {
		t.Error("no page had some of the objects")
	}
}

// pagesInUse returns what each page of a file is for, "" for those that are free.
func pagesInUse(t *testing.T, file []byte) []string {
	t.Helper()
	use := make([]string, len(file)/int(pageSize))
	for n := range use {
		p := file[n*int(pageSize):]
		switch binary.LittleEndian.Uint16(p[8:]) {
		case pageMeta:
			use[n] = "meta"
		case pageBranch:
			use[n] = "branch"
		case pageLeaf:
			use[n] = "leaf"
		case pageFree:
			use[n] = "list of free pages"
		}
	}
	return use
}

// examineDamaged checks a damaged file as another process does, and returns how many objects it says are damaged.
func (s *tamperedToken) examineDamaged(t *testing.T, what, use string, file []byte) int {
	t.Helper()
	p, err := OpenPlace(&config.Config{Store: "bolt", TokenDir: s.path[:len(s.path)-len("/"+s.tok.uuid+suffix)]})
	wants(t, err, ck.CKR_OK)
	defer p.Close()
	tok, err := p.Token(s.tok.uuid)
	wants(t, err, ck.CKR_OK)
	if _, err := tok.Info(); err != nil {
		if rv := ck.Code(err); rv != ck.CKR_DEVICE_ERROR && rv != ck.CKR_TOKEN_NOT_RECOGNIZED {
			t.Errorf("%s: Info answers %v", what, err)
		}
		return 0
	}
	seen, err := tok.Check(nil)
	if err != nil {
		t.Errorf("%s: without keys the check answers %v", what, err)
	}
	k, err := tok.UnlockToCheck(SO, soPIN)
	if err != nil {
		if rv := ck.Code(err); use != "leaf" || rv != ck.CKR_PIN_INCORRECT && rv != ck.CKR_DEVICE_ERROR && rv != ck.CKR_PIN_LOCKED {
			t.Errorf("%s: the PIN is answered with %v", what, err)
		}
		return 0
	}
	defer k.Wipe()
	opened := map[ID]bool{}
	e, err := tok.Examine(k, func(r Record) { opened[r.ID] = r.Sealed != nil })
	if err != nil {
		t.Errorf("%s: the check answers %v", what, err)
	}
	if now, err := os.ReadFile(s.path); err != nil || len(seen) > 0 && !bytes.Equal(now, file) {
		t.Errorf("%s: the check has written to the file: %v", what, err)
	}
	damaged := e.Damaged()
	for _, id := range e.Objects {
		if !slices.Contains(damaged, id) && !opened[id] {
			t.Errorf("%s: object %s is said to be sound, and was not opened", what, id)
		}
	}
	if len(e.Faults) > 0 || len(e.Objects) == 0 {
		return len(damaged)
	}
	// What nothing is said of can be read as if nothing had happened.
	found := 0
	full, err := tok.Unlock(SO, soPIN)
	if err == nil {
		err = tok.All(full, nil, func(r Record) error { found++; locked.Free(r.Sealed); return nil })
		full.Wipe()
	}
	if err != nil || found != len(e.Objects) {
		t.Errorf("%s: the check finds nothing, but %d of %d objects can be read: %v", what, found, len(e.Objects), err)
	}
	return 0
}
