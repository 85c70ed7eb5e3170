package token

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/softcsp/softcsp/ck"
)

func TestWaitForSlotEvent(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a, b := New(), New()
	for _, m := range []*Module{a, b} {
		must(t, m.Initialize(ck.InitArgs{Reserved: "kdf='test' tokendir='" + dir + "'"}))
	}
	defer a.Finalize()
	none := func(when string) {
		t.Helper()
		_, err := a.WaitForSlotEvent(ck.CKF_DONT_BLOCK)
		want(t, when, err, ck.CKR_NO_EVENT)
	}
	none("at first")
	type event struct {
		id  ck.SlotID
		err error
	}
	events := make(chan event)
	wait := func() {
		id, err := a.WaitForSlotEvent(0)
		events <- event{id, err}
	}
	go wait()
	made := lastSlot(t, b)
	must(t, b.InitToken(made, []byte(soPIN), []byte(pad("new"))))
	arrived := <-events
	if must(t, arrived.err); arrived.id == made {
		t.Errorf("the event is of slot %v, whose token was there before; it is the next free slot that arrives", made)
	}
	none("after an arrival")

	must(t, b.Finalize())
	files, err := filepath.Glob(filepath.Join(dir, "*.token"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	must(t, os.Remove(files[0]))
	go wait()
	if gone := <-events; gone.err != nil || gone.id != made {
		t.Errorf("event of slot %v, %v, want %v", gone.id, gone.err, made)
	}

	go wait()
	time.Sleep(2 * eventPoll)
	must(t, a.Finalize())
	must(t, a.Initialize(ck.InitArgs{Reserved: "kdf='test' tokendir='" + dir + "'"})) // who waited does not wait on
	if end := <-events; !errors.Is(end.err, ck.CKR_CRYPTOKI_NOT_INITIALIZED) {
		t.Errorf("at C_Finalize: %v", end.err)
	}
}
