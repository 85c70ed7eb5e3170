package store

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/config"
)

// TestRemove removes tokens, and nothing else.
func TestRemove(t *testing.T) {
	t.Parallel()
	eachBackend(t, func(t *testing.T, p *Place) {
		makeToken(t, p)
		tok, err := p.Format("", Format{Label: "label", SOPIN: soPIN, UserPIN: userPIN, KDF: "test"})
		wants(t, err, ck.CKR_OK)
		stamp := p.Stamp()
		wants(t, p.Remove(tok.uuid), ck.CKR_OK)
		if p.Stamp() == stamp {
			t.Error("the stamp does not tell of it")
		}
		wants(t, p.Remove(tok.uuid), ck.CKR_TOKEN_NOT_PRESENT)
		_, err = p.Token(tok.uuid)
		wants(t, err, ck.CKR_TOKEN_NOT_PRESENT)
		if list, _, err := p.List(); err != nil || len(list) != 1 {
			t.Errorf("%v, %v", list, err)
		}
		if p.Remove("../"+tok.uuid) == nil {
			t.Error("a name that is none")
		}
	})
}

// TestRemoveElsewhere removes a token that another process is logged in to: it is gone for that one, too, which makes nothing of it anew.
func TestRemoveElsewhere(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "bolt")
	tok, err := p.Format("", Format{Label: "label", SOPIN: soPIN, UserPIN: userPIN, KDF: "test"})
	wants(t, err, ck.CKR_OK)
	other := sameToken(t, p, tok)
	k := unlock(t, other, User, userPIN)
	defer k.Wipe()
	a := private("a")
	create(t, other, k, a)
	before := other.Generation()
	wants(t, p.Remove(tok.uuid), ck.CKR_OK)
	if other.Generation() == before {
		t.Error("the generation does not tell of it")
	}
	_, err = other.Info()
	wants(t, err, ck.CKR_TOKEN_NOT_PRESENT)
	_, err = other.Get(k, a.ID)
	wants(t, err, ck.CKR_TOKEN_NOT_PRESENT)
	wants(t, other.Create(k, private("b")), ck.CKR_TOKEN_NOT_PRESENT)
	_, err = other.Unlock(User, userPIN)
	wants(t, err, ck.CKR_TOKEN_NOT_PRESENT)
	if left, _ := filepath.Glob(filepath.Join(p.dir(), "*"+tok.uuid+"*")); len(left) > 0 {
		t.Errorf("%v is left", left)
	}
	if left, _ := filepath.Glob(filepath.Join(p.dir(), "."+tok.uuid+"*")); len(left) > 0 {
		t.Errorf("%v is left", left)
	}
}

// TestRemoveDamaged removes a file that is no token any more.
func TestRemoveDamaged(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "bolt")
	tok, err := p.Format("", Format{Label: "label", SOPIN: soPIN, UserPIN: userPIN, KDF: "test"})
	wants(t, err, ck.CKR_OK)
	wants(t, os.WriteFile(p.file(tok.uuid+suffix), []byte("no token"), 0o600), ck.CKR_OK)
	wants(t, p.Remove(tok.uuid), ck.CKR_OK)
}

// TestRemoveKilled removes a token in processes that are killed at every step: it is there and sound, or gone.
func TestRemoveKilled(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "bolt")
	tok, err := p.Format("", Format{Label: "label", SOPIN: soPIN, UserPIN: userPIN, KDF: "test"})
	wants(t, err, ck.CKR_OK)
	f := openFile(t, backup(t, tok))
	killedAtEachStep(t, p.dir(), func(p *Place) error { return p.Remove(tok.uuid) }, func(what string) {
		q, err := OpenPlace(&config.Config{Store: "bolt", TokenDir: p.dir()})
		wants(t, err, ck.CKR_OK)
		list, _, err := q.List()
		wants(t, err, ck.CKR_OK)
		for _, uuid := range list {
			now, err := q.Token(uuid)
			wants(t, err, ck.CKR_OK)
			wantSound(t, now)
		}
		if len(list) == 0 {
			wants(t, q.Restore(f, false), ck.CKR_OK)
		}
		_ = what
	})
}
