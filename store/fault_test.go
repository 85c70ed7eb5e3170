package store

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/config"
	"github.com/softcsp/softcsp/internal/locked"
)

// A storeCall is one call of the store: what it is to bring about, and between which steps it was made.
type storeCall struct {
	what       string // object, or "pin" or "tries"
	value      string // "" for gone
	begin, end int
	err        error
}

// A faultRun is a token that is worked with on a recorded disk, and what came of it.
type faultRun struct {
	t     *testing.T
	r     *recorder
	tok   *Token
	calls []storeCall
	pin   []byte
}

// newFaultRun makes a token on a recorded disk.
func newFaultRun(t *testing.T, fail func(n int, s *diskStep) error) *faultRun {
	x := &faultRun{t: t, r: &recorder{files: map[string]int{}}, pin: userPIN}
	p := newPlace(t, "bolt")
	p.backend.(*dirPlace).wrapDisk = func(d disk) disk { return recordedDisk{d, x.r} }
	tok, err := p.Format("", Format{SOPIN: soPIN, UserPIN: userPIN, KDF: "test"})
	if err != nil {
		t.Fatal(err)
	}
	x.tok = tok
	from := len(x.r.steps)
	if fail != nil {
		x.r.fail = func(n int, s *diskStep) error { return fail(n-from, s) }
	}
	return x
}

// do makes a call.
func (x *faultRun) do(what, value string, f func() error) {
	c := storeCall{what: what, value: value, begin: len(x.r.steps)}
	c.err = f()
	c.end = len(x.r.steps)
	x.calls = append(x.calls, c)
}

// work makes, changes and destroys objects, logs in, and changes the PIN, and goes on whatever fails.
func (x *faultRun) work() {
	var k *Keys
	login := func() {
		for range 12 { // the try itself may fail
			var err error
			if k, err = x.tok.Unlock(User, x.pin); err == nil {
				return
			}
		}
	}
	set := func(name, value string) {
		x.do(name, value, func() error {
			r, err := named(x.tok, k, name)
			if err != nil {
				return err
			}
			if r == nil {
				return x.tok.Create(k, &Record{Sealed: []byte(value), Terms: [][]byte{[]byte(name)}})
			}
			locked.Free(r.Sealed)
			if value == "" {
				return x.tok.Delete(k, r.ID)
			}
			r.Sealed, r.Terms = []byte(value), [][]byte{[]byte(name)}
			return x.tok.Update(k, r)
		})
	}
	login()
	set("a", "1")
	set("b", "2")
	set("a", "3")
	x.do("tries", "", func() error {
		_, err := x.tok.Unlock(User, []byte("wrong"))
		return err
	})
	set("c", string(make([]byte, 20000)))
	set("b", "")
	x.do("pin", "new", func() error {
		err := x.tok.ChangePIN(User, x.pin, []byte("new"))
		if err == nil {
			x.pin = []byte("new")
		}
		return err
	})
	_, _, err := x.tok.Compact()
	_ = err // whatever it answers, nothing may be lost
	set("a", "4")
	set("d", "5")
	k.Wipe()
}

// named reads the object with a name, nil where there is none.
func named(tok *Token, k *Keys, name string) (*Record, error) {
	ids, err := tok.Find(k, []byte(name))
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	r, err := tok.Get(k, ids[0])
	return &r, err
}

// may returns what each object may be after some steps: what it was acknowledged to be, or what a call left in doubt.
func (x *faultRun) may(steps int) map[string][]string {
	may := map[string][]string{"pin": {string(userPIN)}, "a": {""}, "b": {""}, "c": {""}, "d": {""}}
	for _, c := range x.calls {
		switch {
		case c.begin >= steps && c.err == nil:
		case c.end <= steps && c.err == nil:
			may[c.what] = []string{c.value}
		case c.end <= steps || c.begin < steps:
			may[c.what] = append(may[c.what], c.value)
		}
	}
	return may
}

// check opens the token in dir as another process, and compares.
func (x *faultRun) check(dir string, steps int, what string) {
	x.t.Helper()
	p, err := OpenPlace(&config.Config{Store: "bolt", TokenDir: dir})
	wants(x.t, err, ck.CKR_OK)
	tok, err := p.Token(x.tok.uuid)
	if err != nil {
		x.t.Fatalf("%s: %v", what, err)
	}
	may := x.may(steps)
	var k *Keys
	for _, pin := range may["pin"] {
		if k, err = tok.Unlock(User, []byte(pin)); ck.Code(err) != ck.CKR_PIN_INCORRECT {
			break
		}
	}
	if err != nil {
		x.t.Fatalf("%s: %v", what, err)
	}
	defer k.Wipe()
	for _, name := range []string{"a", "b", "c", "d"} {
		r, err := named(tok, k, name)
		if err != nil {
			x.t.Errorf("%s: %s: %v", what, name, err)
			continue
		}
		is := ""
		if r != nil {
			is = string(r.Sealed)
			locked.Free(r.Sealed)
		}
		if !slices.Contains(may[name], is) {
			x.t.Errorf("%s: %s is %.20q, and may be %.60q", what, name, is, may[name])
		}
	}
	for _, keys := range []*Keys{nil, k} {
		faults, err := tok.Check(keys)
		wants(x.t, err, ck.CKR_OK)
		for _, f := range faults {
			x.t.Errorf("%s: %v", what, f)
		}
	}
}

// TestPowerCut has the power fail after every step of a trace, with what nothing had waited for on the disk, not there, or there in
// part and out of order: what was acknowledged is there, what was not is there or not, and the token is sound.
func TestPowerCut(t *testing.T) {
	t.Parallel()
	x := newFaultRun(t, nil)
	made := len(x.r.steps)
	x.work()
	x.r.fail = nil
	for _, c := range x.calls {
		if c.err != nil && c.what != "tries" {
			t.Fatalf("%s: %v", c.what, c.err)
		}
	}
	r := rand.New(rand.NewPCG(1, uint64(os.Getpid())))
	fates := map[string]survival{
		"nothing": func() float64 { return 0 },
		"all":     func() float64 { return 1 },
		"some":    func() float64 { return float64(r.IntN(2)) },
		"torn":    r.Float64,
	}
	times, every := 1, 4
	switch {
	case takesLong():
		times, every = 20, 1
	case testing.Short():
		every = 8
	}
	for n := made; n <= len(x.r.steps); n += every {
		for name, f := range fates {
			for range times {
				dir := t.TempDir()
				after(x.r.steps[:n], f).write(t, dir)
				x.check(dir, n, fmt.Sprintf("power cut after step %d of %d, %s", n-made, len(x.r.steps)-made, name))
				if t.Failed() {
					return
				}
				_ = os.RemoveAll(dir)
			}
		}
	}
	t.Logf("%d steps", len(x.r.steps)-made)
}

// TestFaults lets every step of the work fail once, and all from one on: whatever the answers were is true, for this process, for
// the next, and after a power cut.
func TestFaults(t *testing.T) {
	t.Parallel()
	every := 11
	switch {
	case takesLong():
		every = 1
	case testing.Short():
		every = 31
	}
	for name, fail := range map[string]func(at int) func(n int, s *diskStep) error{
		"EIO": func(at int) func(int, *diskStep) error {
			return func(n int, s *diskStep) error { return when(n == at, unix.EIO) }
		},
		"ENOSPC": func(at int) func(int, *diskStep) error {
			return func(n int, s *diskStep) error {
				return when(n >= at && n < at+6 && (s.kind == "write" || s.kind == "truncate" || s.kind == "create"), unix.ENOSPC)
			}
		},
		"fsync": func(at int) func(int, *diskStep) error {
			return func(n int, s *diskStep) error { return when(n >= at && n < at+8 && s.kind == "sync", unix.EIO) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			for at := 0; ; at += every {
				failed := false
				x := newFaultRun(t, func(n int, s *diskStep) error {
					err := fail(at)(n, s)
					failed = failed || err != nil
					return err
				})
				from := len(x.r.steps)
				x.work()
				what := fmt.Sprintf("%s at step %d", name, at)
				x.check(filepath.Dir(x.tok.backend.(*boltFile).path), len(x.r.steps), what)
				dir := t.TempDir()
				after(x.r.steps, func() float64 { return 0 }).write(t, dir)
				x.check(dir, len(x.r.steps), what+", power cut")
				if t.Failed() || at > len(x.r.steps)-from {
					return
				}
			}
		})
	}
}

// TestPowerCutAfterFault has one waiting for the disk fail, or the process die that waits, and then the power, while others go on with
// what they find in the system's memory: nothing that was acknowledged may rest on what the disk does not have.
func TestPowerCutAfterFault(t *testing.T) {
	t.Parallel()
	every, most := 5, 12
	switch {
	case takesLong():
		every, most = 1, 30
	case testing.Short():
		every = 13
	}
	fates := map[string]survival{
		"nothing": func() float64 { return 0 },
		"some":    func() float64 { return float64(rand.IntN(2)) },
	}
	for _, fault := range []error{unix.EIO, errDied} {
		for at := 0; ; at += every {
			syncs, failed := 0, -1
			x := newFaultRun(t, nil)
			made := len(x.r.steps)
			x.r.fail = func(n int, s *diskStep) error {
				if s.kind != "sync" {
					return nil
				}
				if syncs++; syncs == at+1 {
					failed = n
					return fault
				}
				return nil
			}
			x.work()
			x.r.fail = nil
			if failed < 0 {
				break
			}
			for n := max(failed, made) + 1; n <= min(failed+most, len(x.r.steps)); n++ {
				for name, f := range fates {
					dir := t.TempDir()
					after(x.r.steps[:n], f).write(t, dir)
					x.check(dir, n, fmt.Sprintf("%v when waiting for the %dth time, power cut %d steps later, %s", fault, at, n-failed, name))
					if t.Failed() {
						return
					}
					_ = os.RemoveAll(dir)
				}
			}
		}
	}
}

// when returns err if it is to be.
func when(is bool, err error) error {
	if is {
		return err
	}
	return nil
}
