package store

import (
	"bytes"
	"encoding/binary"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/softcsp/softcsp/ck"
)

func TestUnlock(t *testing.T) {
	eachBackend(t, func(t *testing.T, p *Place) {
		tok, err := p.Format("", Format{Label: "l", SOPIN: soPIN, KDF: "test", MaxTries: 3})
		wants(t, err, ck.CKR_OK)
		_, err = tok.Unlock(User, userPIN)
		wants(t, err, ck.CKR_USER_PIN_NOT_INITIALIZED)
		_, err = tok.Unlock(Way(2), userPIN)
		wants(t, err, ck.CKR_USER_TYPE_INVALID)
		so := unlock(t, tok, SO, soPIN)
		defer so.Wipe()
		wants(t, tok.SetPIN(so, User, userPIN), ck.CKR_OK)

		for w, right := range [][]byte{userPIN, soPIN} {
			for n := range 2 { // two wrong ones, then the right one: it clears the count
				_, err = tok.Unlock(Way(w), []byte("wrong"))
				wants(t, err, ck.CKR_PIN_INCORRECT)
				wantTries(t, tok, Way(w), uint(2-n))
			}
			unlock(t, tok, Way(w), right).Wipe()
			wantTries(t, tok, Way(w), 3)
		}
		for n := range 3 {
			_, err = tok.Unlock(User, []byte("wrong"))
			wants(t, err, ck.CKR_PIN_INCORRECT)
			wantTries(t, tok, User, uint(2-n))
		}
		_, err = tok.Unlock(User, userPIN)
		wants(t, err, ck.CKR_PIN_LOCKED)
		wantTries(t, tok, SO, 3) // the ways are counted apart
		wants(t, tok.SetPIN(so, User, []byte("new")), ck.CKR_OK)
		wantTries(t, tok, User, 3)
		_, err = tok.Unlock(User, userPIN)
		wants(t, err, ck.CKR_PIN_INCORRECT)
		unlock(t, tok, User, []byte("new")).Wipe()

		for range 3 {
			wants(t, tok.Reformat(Format{SOPIN: []byte("wrong")}), ck.CKR_PIN_INCORRECT)
		}
		wants(t, tok.Reformat(Format{SOPIN: soPIN}), ck.CKR_PIN_LOCKED) // the SO's own PIN locks too
		_, err = tok.Unlock(SO, soPIN)
		wants(t, err, ck.CKR_PIN_LOCKED)
	})
}

func wantTries(t *testing.T, tok *Token, w Way, want uint) {
	t.Helper()
	i, err := tok.Info()
	if err != nil {
		t.Fatal(err)
	}
	if got := [ways]uint{i.UserTries, i.SOTries}[w]; got != want {
		t.Errorf("%d tries left, want %d", got, want)
	}
}

// TestParallelGuesses makes more guesses at once than there are tries: no more are looked at than are counted.
func TestParallelGuesses(t *testing.T) {
	eachBackend(t, func(t *testing.T, p *Place) {
		tok, _ := makeToken(t, p)
		var looked atomic.Int64
		var wg sync.WaitGroup
		for range 30 {
			wg.Go(func() {
				_, err := tok.Unlock(User, []byte("wrong"))
				switch ck.Code(err) {
				case ck.CKR_PIN_INCORRECT:
					looked.Add(1)
				case ck.CKR_PIN_LOCKED:
				default:
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := looked.Load(); n != defaultTries {
			t.Errorf("%d guesses were looked at, want %d", n, defaultTries)
		}
	})
}

// TestClearForgivesNoLaterTry holds that a success clears what was counted up to itself.
func TestClearForgivesNoLaterTry(t *testing.T) {
	eachBackend(t, func(t *testing.T, p *Place) {
		tok, _ := makeToken(t, p)
		first, err := tok.attempt(User)
		wants(t, err, ck.CKR_OK)
		_, err = tok.attempt(User)
		wants(t, err, ck.CKR_OK)
		wants(t, tok.clear(first), ck.CKR_OK)
		wantTries(t, tok, User, defaultTries-1)
	})
}

func TestReformat(t *testing.T) {
	eachBackend(t, func(t *testing.T, p *Place) {
		tok, k := makeToken(t, p)
		a := public("a")
		create(t, tok, k, a)
		before, _ := tok.Info()
		gen := tok.Generation()
		wants(t, tok.Reformat(Format{Label: "other", SOPIN: soPIN, KDF: "test", MaxTries: 5, Relaxed: true}), ck.CKR_OK)
		after, err := tok.Info()
		wants(t, err, ck.CKR_OK)
		want := Info{
			UUID: before.UUID, Serial: before.Serial, Label: "other", KDF: "test", Relaxed: true,
			UserTries: 5, SOTries: 5, MaxTries: 5,
		}
		if after != want {
			t.Errorf("Info: %+v, want %+v", after, want)
		}
		if tok.Generation() <= gen {
			t.Errorf("generation %d, was %d", tok.Generation(), gen)
		}
		// Keys of before open nothing any more.
		_, err = tok.Get(k, a.ID)
		wants(t, err, ck.CKR_USER_NOT_LOGGED_IN)
		wants(t, tok.Create(k, private("x")), ck.CKR_USER_NOT_LOGGED_IN)
		_, err = tok.Get(nil, a.ID)
		wants(t, err, ck.CKR_OBJECT_HANDLE_INVALID)
		_, err = tok.Unlock(User, userPIN)
		wants(t, err, ck.CKR_USER_PIN_NOT_INITIALIZED)
		so := unlock(t, tok, SO, soPIN)
		defer so.Wipe()
		create(t, tok, so, private("b"))
	})
}

func TestFormatArguments(t *testing.T) {
	eachBackend(t, func(t *testing.T, p *Place) {
		for _, f := range []Format{
			{KDF: "cheap"},
			{MaxTries: 1 << 32},
			{Label: string(make([]byte, 2000))},
		} {
			_, err := p.Format("", f)
			wants(t, err, ck.CKR_ARGUMENTS_BAD)
		}
		_, err := p.Format("no uuid", Format{KDF: "test"})
		wants(t, err, ck.CKR_ARGUMENTS_BAD)
	})
}

// TestSlotCosts holds what a file may ask for.
func TestSlotCosts(t *testing.T) {
	s := &static{kdf: kdfTest}
	for _, c := range []struct {
		passes, memory uint32
		lanes          byte
	}{
		{0, 64, 1}, {maxPasses + 1, 64, 1}, {1, maxMemory + 1, 1}, {1, 1 << 31, 1}, {1, 64, 0}, {1, 64, maxLanes + 1},
	} {
		b := newSlot(s)
		b = b.wrap(s, User, make([]byte, keySize), make([]byte, masterSize))
		binary.BigEndian.PutUint32(b[saltSize:], c.passes)
		binary.BigEndian.PutUint32(b[saltSize+4:], c.memory)
		b[saltSize+8] = c.lanes
		_, err := b.open(s, User, userPIN)
		wants(t, err, ck.CKR_DEVICE_ERROR)
	}
	for n := range slotSize {
		_, err := make(slot, n).open(s, User, userPIN)
		wants(t, err, ck.CKR_DEVICE_ERROR)
	}
}

// TestSlotIsBound holds that a slot opens with its PIN, for its way, in its token, and not otherwise.
func TestSlotIsBound(t *testing.T) {
	s := &static{uuid: newUUID(), kdf: kdfTest}
	master := bytes.Repeat([]byte{7}, masterSize)
	b := newSlot(s)
	b = b.wrap(s, User, b.derive(userPIN), master)
	got, err := b.open(s, User, userPIN)
	if err != nil || !bytes.Equal(got, master) {
		t.Fatalf("opens to %x, %v", got, err)
	}
	era := *s
	era.era[0]++
	uuid := *s
	uuid.uuid[0]++
	for _, c := range []struct {
		s   *static
		w   Way
		pin []byte
	}{{s, SO, userPIN}, {s, User, soPIN}, {&era, User, userPIN}, {&uuid, User, userPIN}} {
		_, err := b.open(c.s, c.w, c.pin)
		wants(t, err, ck.CKR_PIN_INCORRECT)
	}
	for i := range b {
		b[i] ^= 1
		if i < saltSize || i >= slotHead { // the costs are tested above
			_, err := b.open(s, User, userPIN)
			wants(t, err, ck.CKR_PIN_INCORRECT)
		}
		b[i] ^= 1
	}
}

func TestStatic(t *testing.T) {
	s := &static{newUUID(), newUUID(), kdfSensitive, true, 7, "a label"}
	b := s.encode()
	got, err := parseStatic(b)
	if err != nil || *got != *s {
		t.Fatalf("%+v, %v", got, err)
	}
	for n := range staticSize {
		if _, err := parseStatic(b[:n]); err == nil {
			t.Errorf("%d bytes of a header are a header", n)
		}
	}
	b[len(magic)+1]++
	_, err = parseStatic(b)
	wants(t, err, ck.CKR_TOKEN_NOT_RECOGNIZED)
}
