package store

import (
	"os"
	"testing"

	"github.com/softcsp/softcsp/ck"
)

// TestWordCutShort cuts the file under a mapped counter: the process lives, and the token is found to be as it is.
func TestWordCutShort(t *testing.T) {
	p := newPlace(t, "bolt")
	tok, k := makeToken(t, p)
	b := tok.backend.(*boltFile)
	gen := tok.Generation()
	for range 2 {
		for _, name := range []string{b.sidecar, placeName} {
			if err := os.Truncate(p.file(name), 0); err != nil {
				t.Fatal(err)
			}
		}
		p.Stamp()
		if got := tok.Generation(); got != gen {
			t.Errorf("generation %d, want %d", got, gen)
		}
		if got := b.counter.Load().load(); got != gen<<1 {
			t.Errorf("the counter is %#x, want %#x", got, gen<<1)
		}
		create(t, tok, k, private("a"))
		gen = tok.Generation()
	}
	if err := os.Truncate(p.file(b.sidecar), 0); err != nil {
		t.Fatal(err)
	}
	create(t, tok, k, private("b")) // a writer meets it first
	_, err := p.Format("", Format{SOPIN: soPIN, KDF: "test"})
	wants(t, err, ck.CKR_OK)
	if got := tok.Generation(); got != gen+1 {
		t.Errorf("generation %d, want %d", got, gen+1)
	}
}
