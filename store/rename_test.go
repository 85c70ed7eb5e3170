package store

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/softcsp/softcsp/ck"
)

// TestRename gives a token other labels, with the keys of either user. Whoever has it open sees the new one, and stays logged in.
func TestRename(t *testing.T) {
	t.Parallel()
	eachBackend(t, func(t *testing.T, p *Place) {
		tok, k := makeToken(t, p)
		a := private("a")
		create(t, tok, k, a)
		so := unlock(t, tok, SO, soPIN)
		for keys, label := range map[*Keys]string{k: "by the user", so: "by the security officer, 32 bytes"[:maxLabel]} {
			wants(t, tok.Rename(keys, label), ck.CKR_OK)
			if i, err := tok.Info(); err != nil || i.Label != label || i.Serial != serial(tok.uuid) {
				t.Errorf("%+v, %v, want the label %q", i, err, label)
			}
		}
		for _, label := range []string{"", "one of thirty-three bytes, or so,"} {
			wants(t, tok.Rename(k, label), ck.CKR_ARGUMENTS_BAD)
		}
		so.Wipe()
		wants(t, tok.Rename(so, "x"), ck.CKR_USER_NOT_LOGGED_IN)
		got, err := tok.Get(k, a.ID)
		wantRecord(t, got, err, a)
		wants(t, tok.SetPIN(k, User, userPIN), ck.CKR_OK)
	})
}

// TestRenameElsewhere renames a token that another process has open and is logged in to.
func TestRenameElsewhere(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "bolt")
	tok, k := makeToken(t, p)
	other := sameToken(t, p, tok)
	theirs := unlock(t, other, User, userPIN)
	defer theirs.Wipe()
	a := private("a")
	create(t, other, theirs, a)
	if i, err := other.Info(); err != nil || i.Label != "label" {
		t.Fatal(i, err)
	}
	wants(t, tok.Rename(k, "another"), ck.CKR_OK)
	if i, err := other.Info(); err != nil || i.Label != "another" {
		t.Errorf("another process sees %+v, %v", i, err)
	}
	got, err := other.Get(theirs, a.ID)
	wantRecord(t, got, err, a)
	create(t, other, theirs, private("b"))
	create(t, tok, k, private("c"))
	wants(t, other.Rename(theirs, "a third"), ck.CKR_OK)
}

// TestRenameTampered holds that the label cannot be changed in the file.
func TestRenameTampered(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "bolt")
	tok, err := p.Format("", Format{Label: "label", SOPIN: soPIN, UserPIN: userPIN, KDF: "test"})
	wants(t, err, ck.CKR_OK)
	rewrite(t, tok, func(h *fixedHeader) { h.label = "another" })
	_, err = tok.Unlock(User, userPIN)
	wants(t, err, ck.CKR_DEVICE_ERROR)
}

// TestRenameBesideWriters renames while others write, and set PINs.
func TestRenameBesideWriters(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes seconds")
	}
	p := newPlace(t, "bolt")
	tok, k := makeToken(t, p)
	r := rand.New(rand.NewPCG(9, 1))
	for range 5 {
		done := make(chan struct{})
		go func() {
			run(t, "work:"+tok.uuid+":"+p.dir(), time.Duration(100+r.IntN(200))*time.Millisecond, func([]string) {})
			close(done)
		}()
		for n := 0; ; n++ {
			label := string(rune('a' + n%26))
			wants(t, tok.Rename(k, label), ck.CKR_OK)
			wants(t, tok.SetPIN(k, User, userPIN), ck.CKR_OK)
			if i, err := tok.Info(); err != nil || i.Label != label {
				t.Errorf("%+v, %v, want %q", i, err, label)
			}
			select {
			case <-done:
			default:
				continue
			}
			break
		}
		wantSound(t, tok)
	}
}

// TestRenameKilled renames in processes that are killed at every step: the label is the old one or the new one, and the token is sound.
func TestRenameKilled(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "bolt")
	tok, _ := makeToken(t, p)
	killedAtEachStep(t, p.dir(), func(p *Place) error {
		killed, err := p.Token(tok.uuid)
		wants(t, err, ck.CKR_OK)
		k, err := killed.Unlock(SO, soPIN)
		if err != nil {
			return err
		}
		defer k.Wipe()
		return killed.Rename(k, "another")
	}, func(what string) {
		now := sameToken(t, p, tok)
		k, err := now.Unlock(User, userPIN) // clears nothing of the officer's tries, of which there are ten
		wants(t, err, ck.CKR_OK)
		i, err := now.Info()
		if err != nil || i.Label != "label" && i.Label != "another" {
			t.Errorf("%s: %+v, %v", what, i, err)
		}
		k.Wipe()
		wantSound(t, now) // logs the officer in, which clears the tries
	})
	if i, err := tok.Info(); err != nil || i.Label != "another" {
		t.Errorf("in the end: %+v, %v", i, err)
	}
}
