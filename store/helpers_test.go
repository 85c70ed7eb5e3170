package store

import (
	"bytes"
	"maps"
	"os"
	"slices"
	"testing"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/config"
	"github.com/softcsp/softcsp/internal/locked"
)

var (
	soPIN   = []byte("so-pin-28374")
	userPIN = []byte("user-pin-91823")
)

// takesLong reports whether make long runs the tests, which may take minutes then.
func takesLong() bool { return os.Getenv("SOFTCSP_LONG") != "" }

// eachBackend runs f over a place of each kind, and again with each function of an update run twice.
func eachBackend(t *testing.T, f func(t *testing.T, p *Place)) {
	for _, kind := range slices.Sorted(maps.Keys(placeKinds)) {
		t.Run(kind, func(t *testing.T) { f(t, newPlace(t, kind)) })
		t.Run(kind+", updates twice", func(t *testing.T) {
			p := newPlace(t, kind)
			p.backend = rerunPlace{p.backend}
			f(t, p)
		})
	}
}

// newPlace opens a place of its own for a test.
func newPlace(t testing.TB, kind string) *Place {
	t.Helper()
	p, err := OpenPlace(&config.Config{Store: kind, TokenDir: t.TempDir() + "/tokens"})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// makeToken makes a token with both PINs and unlocks it. Every invariant of it is tested when the test ends.
func makeToken(t testing.TB, p *Place) (*Token, *Keys) {
	t.Helper()
	return makeTokenOf(t, p, "test")
}

// makeTokenOf is makeToken for a cost of the PINs.
func makeTokenOf(t testing.TB, p *Place, kdf string) (*Token, *Keys) {
	t.Helper()
	tok, err := p.Format("", Format{Label: "label", SOPIN: soPIN, KDF: kdf})
	if err != nil {
		t.Fatal(err)
	}
	so := unlock(t, tok, SO, soPIN)
	defer so.Wipe()
	if err := tok.SetPIN(so, User, userPIN); err != nil {
		t.Fatal(err)
	}
	k := unlock(t, tok, User, userPIN)
	t.Cleanup(func() {
		t.Helper()
		wantSound(t, tok)
		k.Wipe()
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return tok, k
}

// wantSound fails the test where Check finds a fault, with keys or without.
func wantSound(t testing.TB, tok *Token) {
	t.Helper()
	for _, check := range []func() ([]Fault, error){
		func() ([]Fault, error) { return tok.Check(nil) },
		func() ([]Fault, error) { return tok.CheckPIN(SO, soPIN) },
	} {
		faults, err := check()
		if err != nil {
			t.Error(err)
		}
		for _, f := range faults {
			t.Error(f)
		}
	}
}

func unlock(t testing.TB, tok *Token, u UserType, pin []byte) *Keys {
	t.Helper()
	k, err := tok.Unlock(u, pin)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// private and public are records of a kind each.
func private(name string) *Record {
	return &Record{Sealed: []byte("sealed value of " + name), Terms: terms(name)}
}

func public(name string) *Record {
	r := private(name)
	r.Public = []byte("public part of " + name)
	return r
}

func terms(name string) [][]byte {
	return [][]byte{[]byte("label " + name), []byte("class"), []byte("class")}
}

func create(t testing.TB, tok *Token, k *Keys, records ...*Record) {
	t.Helper()
	copies := make([]*Record, len(records))
	for i, r := range records {
		copies[i] = r.clone()
	}
	if err := tok.Create(k, copies...); err != nil {
		t.Fatal(err)
	}
	for i, c := range copies {
		records[i].ID, records[i].Rev = c.ID, c.Rev
	}
}

// update is Update of a copy, since the store wipes what it has sealed.
func update(tok *Token, k *Keys, r *Record) error {
	c := r.clone()
	err := tok.Update(k, c)
	r.Rev = c.Rev
	return err
}

// clone returns a record that the store may wipe.
func (r *Record) clone() *Record {
	c := *r
	c.Sealed, c.Terms = bytes.Clone(r.Sealed), nil
	for _, term := range r.Terms {
		c.Terms = append(c.Terms, bytes.Clone(term))
	}
	return &c
}

// wants fails the test unless err has the code; nil is CKR_OK.
func wants(t testing.TB, err error, rv ck.RV) {
	t.Helper()
	if ck.Code(err) != rv {
		t.Errorf("answers %v, want %v", err, rv)
	}
}

// wantRecord fails the test unless got is what want was created as.
func wantRecord(t testing.TB, got Record, err error, want *Record) {
	t.Helper()
	if err != nil {
		t.Error(err)
		return
	}
	if got.ID != want.ID || got.Rev != want.Rev || !bytes.Equal(got.Public, want.Public) || !bytes.Equal(got.Sealed, want.Sealed) || got.Terms != nil {
		t.Errorf("got %+v, want %+v", got, *want)
	}
	locked.Free(got.Sealed)
}

// dir returns the directory of a place, "" for one in memory.
func (p *Place) dir() string {
	if d := p.dirBackend(); d != nil {
		return d.dir
	}
	return ""
}

// dirBackend returns the directory of a place, nil for one in memory.
func (p *Place) dirBackend() *dirPlace {
	be := p.backend
	if r, ok := be.(rerunPlace); ok {
		be = r.placeBackend
	}
	d, _ := be.(*dirPlace)
	return d
}

// file returns the path of a file of the directory.
func (p *Place) file(name string) string { return p.dirBackend().file(name) }

// sameToken opens a token of a directory again, as another process does.
func sameToken(t *testing.T, p *Place, tok *Token) *Token {
	t.Helper()
	q, err := OpenPlace(&config.Config{Store: "bolt", TokenDir: p.dir()})
	if err != nil {
		t.Fatal(err)
	}
	other, err := q.Token(tok.uuid)
	if err != nil {
		t.Fatal(err)
	}
	return other
}

// unprivileged runs f without the right to write to everything.
func unprivileged(t *testing.T, f func()) {
	t.Helper()
	if os.Getuid() == 0 {
		asNobody(t, f)
	} else {
		f()
	}
}
