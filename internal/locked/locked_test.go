package locked

import (
	"bytes"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
)

// sizes are around every boundary between classes.
func sizes() []int {
	s := []int{0, 1, 31}
	for c := 32; c <= 1<<17; c *= 2 {
		s = append(s, c-1, c, c+1)
	}
	return s
}

func TestAlloc(t *testing.T) {
	for _, n := range sizes() {
		a, b := Alloc(n), Alloc(n)
		if len(a) != n || cap(a) != n || !zero(a) {
			t.Fatalf("Alloc(%d): length %d, capacity %d", n, len(a), cap(a))
		}
		fill(a, 1)
		fill(b, 2)
		if !bytes.Equal(a, bytes.Repeat([]byte{1}, n)) {
			t.Fatalf("Alloc(%d): two blocks overlap", n)
		}
		Free(a)
		if !bytes.Equal(b, bytes.Repeat([]byte{2}, n)) {
			t.Fatalf("Free of %d bytes touched another block", n)
		}
		c := Alloc(n)
		if !zero(c) {
			t.Fatalf("Alloc(%d) after Free is not zero", n)
		}
		Free(b)
		Free(c)
	}
}

func TestFreeWipes(t *testing.T) {
	b := Alloc(100)
	fill(b, 7)
	Free(b[:10]) // the whole block goes, whatever part of it is shown
	if !zero(b) {
		t.Error("bytes are left after Free")
	}
}

func TestFreeOfOthers(t *testing.T) {
	Free(nil)
	Free([]byte{})
	heap := []byte("not ours")
	Free(heap)
	if !zero(heap) {
		t.Error("ordinary bytes are not wiped")
	}

	before := Usage().Live
	a := Alloc(64)
	fill(a, 1)
	Free(a[8:]) // not the start of a block: wiped, and still the owner's
	if !bytes.Equal(a[:8], bytes.Repeat([]byte{1}, 8)) || !zero(a[8:]) {
		t.Error("a tail is not wiped, or more than it")
	}
	Free(a)
	Free(a)
	b, c := Alloc(64), Alloc(64)
	fill(b, 3)
	if !zero(c) {
		t.Error("a second Free hands a block out twice")
	}
	Free(b)
	Free(c)

	large := Alloc(1 << 20)
	Free(large)
	Free(large) // unmapped by now
	if got := Usage().Live; got != before {
		t.Errorf("%d blocks live, want %d", got, before)
	}
}

func TestDrain(t *testing.T) {
	Drain()
	before := Usage()
	var all [][]byte
	for i := range 20_000 {
		all = append(all, Alloc(1+i%2000))
	}
	keep := Alloc(40)
	fill(keep, 9)
	if u := Usage(); u.Live != before.Live+20_001 || u.Mapped <= before.Mapped {
		t.Errorf("in use: %+v, before %+v", u, before)
	}
	stale := all[len(all)-1]
	for _, b := range all {
		Free(b)
	}
	Drain()
	if !bytes.Equal(keep, bytes.Repeat([]byte{9}, 40)) {
		t.Error("Drain took a block that is in use")
	}
	Free(keep)
	Drain()
	Free(stale)
	if u := Usage(); u != before {
		t.Errorf("in use after Drain: %+v, before %+v", u, before)
	}
	b := Alloc(100)
	if !zero(b) {
		t.Error("Alloc after Drain is not zero")
	}
	Free(b)
}

func TestConcurrent(t *testing.T) {
	before := Usage().Live
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(1, uint64(g)))
			var mine [][]byte
			for range 600 {
				if len(mine) > 50 {
					i := r.IntN(len(mine))
					if !bytes.Equal(mine[i], bytes.Repeat([]byte{byte(g + 1)}, len(mine[i]))) {
						t.Error("somebody else wrote here")
					}
					Free(mine[i])
					mine[i] = mine[len(mine)-1]
					mine = mine[:len(mine)-1]
				}
				b := Alloc(1 + r.IntN(20_000))
				if !zero(b) {
					t.Error("not zero")
				}
				fill(b, byte(g+1))
				mine = append(mine, b)
				if r.IntN(500) == 0 {
					Drain()
				}
			}
			for _, b := range mine {
				Free(b)
			}
		})
	}
	wg.Wait()
	if got := Usage().Live; got != before {
		t.Errorf("%d blocks live, want %d", got, before)
	}
}

// TestMapping asks the kernel whether the memory is what the package says: "dd" is left out of core dumps, "wf" wiped on
// fork, "lo" locked.
func TestMapping(t *testing.T) {
	b := Alloc(32)
	defer Free(b)
	smaps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(smaps)) {
		if flags, ok := strings.CutPrefix(line, "VmFlags:"); ok && strings.Contains(flags, " dd ") && strings.Contains(flags, " wf ") {
			if Usage().Locked > 0 == strings.Contains(string(smaps), " lo ") {
				return
			}
			t.Fatal("the count of locked bytes is not the kernel's")
		}
	}
	t.Error("no mapping is left out of core dumps and wiped on fork")
}

func BenchmarkAllocFree(b *testing.B) {
	for _, n := range []int{32, 256, 4096} {
		b.Run(size(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Free(Alloc(n))
			}
		})
	}
	b.Run("10000 live", func(b *testing.B) {
		var all [][]byte
		for range 10_000 {
			all = append(all, Alloc(1000))
		}
		b.ReportAllocs()
		for b.Loop() {
			Free(Alloc(1000))
		}
		for _, b := range all {
			Free(b)
		}
	})
}

func size(n int) string { return map[int]string{32: "32", 256: "256", 4096: "4096"}[n] }

func fill(b []byte, v byte) {
	for i := range b {
		b[i] = v
	}
}

func zero(b []byte) bool {
	for _, v := range b {
		if v != 0 {
			return false
		}
	}
	return true
}
