package store

import (
	"bytes"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/softcsp/softcsp/internal/config"
	"github.com/softcsp/softcsp/internal/locked"
)

// TestDamagedFile flips bits and cuts the file anywhere, bbolt's own pages too: every call answers, nothing panics, and no
// other bytes than the object's come back.
func TestDamagedFile(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes a second")
	}
	s := newTamperedToken(t)
	clean, err := os.ReadFile(s.path)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 1000 {
		b := bytes.Clone(clean)
		if i%10 == 0 {
			b = b[:r.IntN(len(b))]
		}
		for range 1 + r.IntN(4) {
			if len(b) > 0 {
				at := r.IntN(len(b))
				for range 1000 { // most of a file is zeros that nobody reads
					if b[at] != 0 {
						break
					}
					at = r.IntN(len(b))
				}
				b[at] ^= 1 << r.IntN(8)
			}
		}
		if err := os.WriteFile(s.path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		s.readEverything(t)
	}
}

// readEverything calls what reads. Errors are expected.
func (s *tamperedToken) readEverything(t *testing.T) {
	t.Helper()
	p, err := OpenPlace(&config.Config{Store: "bolt", TokenDir: s.path[:strings.LastIndexByte(s.path, '/')]})
	if err != nil {
		t.Fatal(err)
	}
	uuids, _, err := p.List()
	if err != nil || !slices.Equal(uuids, []string{s.tok.uuid}) {
		t.Fatalf("List: %v, %v", uuids, err)
	}
	tok, err := p.Token(s.tok.uuid)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = tok.Info()
	_, _ = tok.Check(nil)
	_, _ = tok.Find(nil, []byte("class"))
	k, err := tok.Unlock(User, userPIN)
	if err != nil {
		return
	}
	defer k.Wipe()
	for _, want := range []*Record{s.a, s.b} {
		if got, err := tok.Get(k, want.ID); err == nil {
			if !bytes.Equal(got.Sealed, want.Sealed) || !bytes.Equal(got.Public, want.Public) {
				t.Errorf("got %+v, want %+v", got, *want)
			}
			locked.Free(got.Sealed)
		}
	}
}
