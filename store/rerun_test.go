package store

import (
	"bytes"
	"errors"
	"testing"

	"github.com/softcsp/softcsp/ck"
)

// A rerunPlace is another place in which each function that is given to update is run once more than it needs to be, as by a backend
// whose commits can lose against others': what the first run has written and answered is thrown away.
type rerunPlace struct{ placeBackend }

func (p rerunPlace) open(uuid string) (backend, error) {
	be, err := p.placeBackend.open(uuid)
	return rerunBackend{backend: be}, err
}

func (p rerunPlace) create(uuid string, write func(tx) error) (backend, error) {
	be, err := p.placeBackend.create(uuid, twice(write))
	return rerunBackend{backend: be}, err
}

type rerunBackend struct {
	backend
	between func() // commits as another process between the runs of an update, nil for nobody
}

// errCommitLost is why the first run comes to nothing.
var errCommitLost = errors.New("another process was faster")

func rerun(update updater, between func(), f func(tx) error, done func()) error {
	err := update(func(x tx) error {
		_ = f(x)
		return errCommitLost
	}, func() { panic("a commit that was lost is done") })
	if !errors.Is(err, errCommitLost) {
		return err
	}
	if between != nil {
		between()
	}
	return update(f, done)
}

func (b rerunBackend) update(f func(tx) error, done func()) error {
	return rerun(b.backend.update, b.between, f, done)
}

func (b rerunBackend) alone(f func(update updater) error) error {
	return b.backend.alone(func(update updater) error {
		return f(func(g func(tx) error, done func()) error { return rerun(update, nil, g, done) })
	})
}

func (b rerunBackend) replace(check func(tx) error, f func(tx) error) error {
	return b.backend.replace(twice(check), twice(f))
}

// twice runs f twice over the same transaction, which is all that can be thrown away of one that is not begun again.
func twice(f func(tx) error) func(tx) error {
	return func(x tx) error {
		_ = f(x)
		return f(x)
	}
}

// TestLostCommits has another process commit whenever this one is about to: what both did is there, and this one knows it.
func TestLostCommits(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "bolt")
	tok, k := makeToken(t, p)
	other := sameToken(t, p, tok)
	theirs := unlock(t, other, User, userPIN)
	defer theirs.Wipe()
	want := 0
	tok.backend = rerunBackend{tok.backend, func() {
		want++
		create(t, other, theirs, public("theirs"))
	}}
	a, b := private("a"), private("b")
	create(t, tok, k, a, b)
	a.Sealed = []byte("another")
	wants(t, update(tok, k, a), ck.CKR_OK)
	wants(t, tok.Delete(k, b.ID), ck.CKR_OK)
	var id ID
	wants(t, tok.AddUnvouched(&id, Unvouched{Kind: Created, Data: []byte("template")}), ck.CKR_OK)
	wants(t, tok.Adopt(k, []Adoption{{ID: id, Number: 1, Object: public("adopted")}}), ck.CKR_OK)
	wants(t, tok.SetPIN(k, User, []byte("new")), ck.CKR_OK)
	wants(t, tok.SetPIN(k, User, userPIN), ck.CKR_OK)
	if want != 7 {
		t.Errorf("%d commits were lost", want)
	}
	if all := everything(t, tok, k); len(all) != want+2 || !bytes.Equal(all[a.ID].Sealed, []byte("another")) {
		t.Errorf("%d objects, want %d; %q", len(all), want+2, all[a.ID].Sealed)
	}
	tok.backend = tok.backend.(rerunBackend).backend
}

// TestLostUpgrade has another process upgrade a token when this one is about to: this one goes on with what the other made.
func TestLostUpgrade(t *testing.T) {
	t.Parallel()
	p, tok := oldToken(t, "strict", "")
	// From this commit on every one takes an entry out of the journal, so that one that has nothing else to do is a commit, too.
	(&tamperedToken{path: p.file(tok.uuid + suffix)}).edit(t, func(put func(b bucket, key, value []byte), _ func(b bucket, key []byte) []byte) {
		put(bHeader, headerGeneration, beBytes(journalLength+100))
	})
	k := oldKeys(t, tok)
	defer k.Wipe()
	other := sameToken(t, p, tok)
	tok.backend = rerunBackend{tok.backend, func() { unlock(t, other, User, v1User).Wipe() }}
	wants(t, tok.upgrade(k, false), ck.CKR_OK)
	if n := len(everything(t, tok, k)); n != 14 || k.formatVersion() != version {
		t.Errorf("%d objects of version %d", n, k.formatVersion())
	}
	wants(t, tok.Create(k, private("a")), ck.CKR_OK)
}
