package token

import (
	"reflect"
	"runtime"
	"testing"

	"github.com/softcsp/softcsp/ck"
)

// TestCyclesCostNoCollection initialises and finalizes again and again: where no session was opened there is nothing to erase, and
// no collection is worth its milliseconds.
func TestCyclesCostNoCollection(t *testing.T) {
	m := New()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const cycles = 50
	for range cycles {
		must(t, m.Initialize(ck.InitArgs{Reserved: "store=memory"}))
		_, err := m.GetSlotList(true)
		must(t, err)
		must(t, m.Finalize())
	}
	runtime.ReadMemStats(&after)
	if n := after.NumGC - before.NumGC; n > cycles/2 {
		t.Errorf("%d collections in %d cycles", n, cycles)
	}
}

// TestSessionIsSmall holds that a session takes little memory before it has an operation: hosts open millions.
func TestSessionIsSmall(t *testing.T) {
	if n := reflect.TypeFor[session]().Size(); n > 256 {
		t.Errorf("a session takes %d bytes", n)
	}
}
