package store

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/config"
	"github.com/softcsp/softcsp/internal/locked"
)

func TestUnlock(t *testing.T) {
	eachBackend(t, func(t *testing.T, p *Place) {
		tok, err := p.Format("", Format{Label: "l", SOPIN: soPIN, KDF: "test", MaxTries: 3})
		wants(t, err, ck.CKR_OK)
		_, err = tok.Unlock(User, userPIN)
		wants(t, err, ck.CKR_USER_PIN_NOT_INITIALIZED)
		_, err = tok.Unlock(UserType(2), userPIN)
		wants(t, err, ck.CKR_USER_TYPE_INVALID)
		so := unlock(t, tok, SO, soPIN)
		defer so.Wipe()
		wants(t, tok.SetPIN(so, User, userPIN), ck.CKR_OK)

		for w, right := range [][]byte{userPIN, soPIN} {
			for n := range 2 { // two wrong ones, then the right one: it clears the count
				_, err = tok.Unlock(UserType(w), []byte("wrong"))
				wants(t, err, ck.CKR_PIN_INCORRECT)
				wantTries(t, tok, UserType(w), uint(2-n))
			}
			unlock(t, tok, UserType(w), right).Wipe()
			wantTries(t, tok, UserType(w), 3)
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

func wantTries(t *testing.T, tok *Token, u UserType, want uint) {
	t.Helper()
	i, err := tok.Info()
	if err != nil {
		t.Fatal(err)
	}
	if got := [userTypes]uint{i.UserTries, i.SOTries}[u]; got != want {
		t.Errorf("%d tries left, want %d", got, want)
	}
}

// TestParallelGuesses makes more guesses at once than there are attempts left: no more are looked at than are counted.
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
		if n := looked.Load(); n != defaultMaxTries {
			t.Errorf("%d guesses were looked at, want %d", n, defaultMaxTries)
		}
	})
}

// TestManyAtOnce has many log in at the same moment with the right PIN, user and SO, through places that share a directory as
// processes do: with a single attempt there is, all get in, and nobody ever sees it gone.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "bolt")
	tok, k := makeToken(t, p)
	wants(t, tok.Reformat(Format{SOPIN: soPIN, KDF: "test", MaxTries: 1}), ck.CKR_OK)
	k.Wipe()
	k = unlock(t, tok, SO, soPIN)
	defer k.Wipe()
	wants(t, tok.SetPIN(k, User, userPIN), ck.CKR_OK)
	var wg sync.WaitGroup
	var done atomic.Bool
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		other := sameToken(t, p, tok)
		for !done.Load() {
			wantTries(t, other, User, 1)
			wantTries(t, other, SO, 1)
		}
	}()
	for n := range 24 {
		other := sameToken(t, p, tok)
		wg.Go(func() {
			keys, err := other.Unlock(UserType(n%2), [][]byte{userPIN, soPIN}[n%2])
			if wants(t, err, ck.CKR_OK); err == nil {
				keys.Wipe()
			}
		})
	}
	wg.Wait()
	done.Store(true)
	<-watched
}

// TestPINChangesMeanwhile sets a PIN between the computation of a login and its try, which is counted for nobody then.
func TestPINChangesMeanwhile(t *testing.T) {
	eachBackend(t, func(t *testing.T, p *Place) {
		tok, k := makeToken(t, p)
		defer k.Wipe()
		c, err := tok.newPINCheck(User)
		wants(t, err, ck.CKR_OK)
		kek, err := c.keySlot.derive(userPIN)
		wants(t, err, ck.CKR_OK)
		defer locked.Free(kek)
		wants(t, tok.SetPIN(k, User, []byte("new")), ck.CKR_OK)
		if _, err := tok.countAndUnwrap(c, kek); !errors.Is(err, errSlotChanged) {
			t.Errorf("a login with a PIN that was changed: %v", err)
		}
		wantTries(t, tok, User, defaultMaxTries)
	})
}

// TestDeadInTheMiddle ends a login between its count and its answer, as a process that is killed does: it has used one try
// up, and the next success gives it back.
func TestDeadInTheMiddle(t *testing.T) {
	eachBackend(t, func(t *testing.T, p *Place) {
		tok, _ := makeToken(t, p)
		for n := range uint(3) {
			wants(t, tok.alone(func(update func(func(tx) error) error) error {
				return update(func(x tx) error {
					counts := readLoginCounts(x)
					counts[User].attempts++
					return counts.write(x)
				})
			}), ck.CKR_OK)
			wantTries(t, tok, User, defaultMaxTries-n-1)
		}
		unlock(t, tok, User, userPIN).Wipe()
		wantTries(t, tok, User, defaultMaxTries)
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
			UUID: before.UUID, Serial: before.Serial, Label: "other", KDF: "test", Relaxed: true, Version: version,
			UserTries: 5, SOTries: 5, MaxTries: 5, Voucher: after.Voucher,
		}
		if want.Voucher = after.Voucher; after != want || after.Voucher == before.Voucher {
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

// TestChangePINAtOnce has several change a PIN from what it was to one of their own: one succeeds, the PIN of the others is wrong.
func TestChangePINAtOnce(t *testing.T) {
	eachBackend(t, func(t *testing.T, p *Place) {
		tok, _ := makeToken(t, p)
		var wg sync.WaitGroup
		var won atomic.Int64
		for n := range byte(6) {
			wg.Go(func() {
				switch rv := ck.Code(tok.ChangePIN(User, userPIN, []byte{'p', 'i', 'n', '0' + n})); rv {
				case ck.CKR_OK:
					won.Add(1)
				case ck.CKR_PIN_INCORRECT:
				default:
					t.Error(rv)
				}
			})
		}
		wg.Wait()
		if n := won.Load(); n != 1 {
			t.Errorf("%d changed the PIN", n)
		}
		wantTries(t, tok, User, defaultMaxTries-5)
	})
}

// TestHeaderIsVerified changes the cost of PINs in the file of a token whose keys are open, and the generation stays: no new
// PIN gets the cheaper cost, and no commit makes the change true.
func TestHeaderIsVerified(t *testing.T) {
	s := newTamperedToken(t)
	k := unlock(t, s.tok, User, userPIN)
	defer k.Wipe()
	so := unlock(t, s.tok, SO, soPIN)
	defer so.Wipe()
	for _, keys := range []*Keys{k, so} {
		wants(t, s.tok.SetPIN(keys, User, userPIN), ck.CKR_OK) // follows, so that the generation tells nothing new
	}
	s.edit(t, func(put func(b bucket, key, value []byte), get func(b bucket, key []byte) []byte) {
		b := get(bHeader, headerStatic)
		b[fixedHeaderHead+partHead] = byte(kdfInteractive)
		put(bHeader, headerStatic, b)
	})
	wants(t, s.tok.SetPIN(so, User, []byte("new")), ck.CKR_DEVICE_ERROR)
	wants(t, s.tok.Create(so, public("f")), ck.CKR_DEVICE_ERROR)
	wants(t, s.tok.ChangePIN(User, userPIN, []byte("new")), ck.CKR_DEVICE_ERROR)
}

// TestReadonlyLogin logs in to a token that cannot be written to: not unless that is asked for, and then with failed logins that this
// process counts beside those of the file.
func TestReadonlyLogin(t *testing.T) {
	p := newPlace(t, "bolt")
	tok, k := makeToken(t, p)
	b := private("b")
	create(t, tok, k, b)
	_, err := tok.Unlock(User, []byte("wrong"))
	wants(t, err, ck.CKR_PIN_INCORRECT)
	path := tok.backend.(*boltFile).path
	for dir := p.dir(); dir != filepath.Clean(os.TempDir()) && dir != "/"; dir = filepath.Dir(dir) {
		wants(t, os.Chmod(dir, 0o755), ck.CKR_OK)
	}
	wants(t, os.Chmod(path, 0o444), ck.CKR_OK)
	wants(t, os.Chmod(p.dir(), 0o555), ck.CKR_OK)
	unprivileged(t, func() {
		for _, allowed := range []bool{false, true} {
			q, err := OpenPlace(&config.Config{Store: "bolt", TokenDir: p.dir(), ReadonlyLogin: allowed})
			wants(t, err, ck.CKR_OK)
			tok, err := q.Token(tok.uuid)
			wants(t, err, ck.CKR_OK)
			if !allowed {
				_, err = tok.Unlock(User, userPIN)
				wants(t, err, ck.CKR_TOKEN_WRITE_PROTECTED)
				continue
			}
			for n := range uint(2) {
				_, err = tok.Unlock(User, []byte("wrong"))
				wants(t, err, ck.CKR_PIN_INCORRECT)
				wantTries(t, tok, User, defaultMaxTries-2-n)
			}
			keys := unlock(t, tok, User, userPIN)
			wantTries(t, tok, User, defaultMaxTries-1) // what the file has counted stays
			got, err := tok.Get(keys, b.ID)
			wantRecord(t, got, err, b)
			wants(t, tok.Create(keys, private("c")), ck.CKR_TOKEN_WRITE_PROTECTED)
			keys.Wipe()
			for range defaultMaxTries - 1 {
				_, err = tok.Unlock(User, []byte("wrong"))
				wants(t, err, ck.CKR_PIN_INCORRECT)
			}
			_, err = tok.Unlock(User, userPIN)
			wants(t, err, ck.CKR_PIN_LOCKED)
			wantTries(t, tok, User, 0)
		}
	})
	wants(t, os.Chmod(p.dir(), 0o755), ck.CKR_OK)
	wants(t, os.Chmod(path, 0o644), ck.CKR_OK)
	wantTries(t, tok, User, defaultMaxTries-1)
}

// TestMovedForEver has somebody put another key slot into the file whenever a login has looked at it: it ends.
func TestMovedForEver(t *testing.T) {
	p := newPlace(t, "bolt")
	tok, k := makeToken(t, p)
	defer k.Wipe()
	b, other := tok.backend.(*boltFile), sameToken(t, p, tok).backend
	moves := 0
	tok.backend = meddledBackend{b, func() {
		moves++
		wants(t, other.update(func(x tx) error {
			slot := slices.Clone(x.get(bHeader, headerSlots[User]))
			slot[0]++
			return x.put(bHeader, headerSlots[User], slot)
		}, nil), ck.CKR_OK)
	}}
	before, err := os.ReadFile(b.path)
	wants(t, err, ck.CKR_OK)
	_, err = tok.Unlock(User, userPIN)
	if ck.Code(err) != ck.CKR_FUNCTION_FAILED || moves > 20 {
		t.Errorf("%v after %d changes", err, moves)
	}
	tok.backend = b
	wants(t, os.WriteFile(b.path, before, 0o600), ck.CKR_OK)
}

// A meddledBackend is one that somebody else writes to after each transaction that only reads.
type meddledBackend struct {
	backend
	f func()
}

func (m meddledBackend) view(f func(tx) error) error {
	err := m.backend.view(f)
	m.f()
	return err
}

// TestTryThatIsNotCounted logs in while nothing can be written: how long it takes does not tell whether the PIN is right, also in a process
// that remembers it.
func TestTryThatIsNotCounted(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	p := newPlace(t, "bolt")
	tok, k := makeTokenOf(t, p, "sensitive")
	k.Wipe()
	b := tok.backend.(*boltFile)
	b.wrapDisk = func(d disk) disk { return fullDisk{d, new(int64(1))} }
	took := func(pin []byte) (least time.Duration) {
		least = time.Hour
		for range 3 {
			began := time.Now()
			_, err := tok.Unlock(User, pin)
			if err == nil || ck.Code(err) == ck.CKR_PIN_INCORRECT {
				t.Errorf("answers %v", err)
			}
			least = min(least, time.Since(began))
		}
		return least
	}
	right, wrong := took(userPIN), took([]byte("wrong"))
	if right < wrong/3 {
		t.Errorf("the right PIN takes %v, a wrong one %v", right, wrong)
	}
	b.wrapDisk = nil
}
