package stripe

import (
	"reflect"
	"sync"
	"testing"
)

func TestCounter(t *testing.T) {
	t.Parallel()
	var c Counter
	if !c.Zero() {
		t.Fatal("a new counter is not 0")
	}
	var wait sync.WaitGroup
	for i := range uint32(3 * Count) {
		wait.Go(func() {
			for range 1000 {
				c.Part(i).Add(1)
				c.Part(i + 1).Add(-1) // the sum counts, not the part
			}
		})
	}
	wait.Wait()
	if !c.Zero() {
		t.Error("not 0")
	}
	if c.Part(Count + 3).Add(1); c.Zero() || c.Part(3).n.Load() == 0 {
		t.Error("a part was not changed")
	}
	if size := reflect.TypeFor[Part]().Size(); size != Line {
		t.Errorf("a part has %d bytes", size)
	}
}

// TestHere has every number below Count, and the same one again for who asks alone.
func TestHere(t *testing.T) {
	t.Parallel()
	for range 1000 {
		if n := Here(); n >= Count {
			t.Fatalf("%d", n)
		}
	}
}
