package handle

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/softcsp/softcsp/internal/stripe"
)

// A thing has a handle.
type thing struct {
	handle uint64
	gone   atomic.Bool
}

// tables returns a table that counts and one that draws.
func tables() map[string]*Table[uint64, thing] {
	drawn := new(Table[uint64, thing])
	drawn.Draw(2)
	return map[string]*Table[uint64, thing]{"counted": new(Table[uint64, thing]), "drawn": drawn}
}

// add gives a new thing a handle.
func add(t *Table[uint64, thing]) *thing {
	v := new(thing)
	t.Add(v, &v.handle)
	return v
}

func TestTable(t *testing.T) {
	for name, table := range tables() {
		t.Run(name, func(t *testing.T) {
			if table.Get(0) != nil || table.Get(1) != nil || table.Remove(1) != nil {
				t.Fatal("an empty table has something")
			}
			table.Sweep(func(*thing) bool { return true })
			const many = 1000 // the table grows a few times
			var things []*thing
			seen := make(map[uint64]bool)
			for range many {
				v := add(table)
				if v.handle == 0 || seen[v.handle] {
					t.Fatalf("handle %#x is none, or not the only one", v.handle)
				}
				things, seen[v.handle] = append(things, v), true
			}
			for _, v := range things {
				if table.Get(v.handle) != v {
					t.Fatalf("handle %#x is lost", v.handle)
				}
				if table.Get(v.handle^1<<tagShift) != nil || table.Get(v.handle^many*8) != nil {
					t.Fatalf("a handle beside %#x has something", v.handle)
				}
			}
			for _, v := range things {
				if table.Remove(v.handle) != v || table.Remove(v.handle) != nil || table.Get(v.handle) != nil {
					t.Fatalf("handle %#x was not taken back once", v.handle)
				}
			}
			for range many {
				v := add(table)
				if seen[v.handle] {
					t.Fatalf("handle %#x is used again", v.handle)
				}
			}
			if n := len(*table.chunks.Load()); n > many/chunkSize+1+stripe.Count {
				t.Errorf("%d chunks for %d handles", n, many)
			}
		})
	}
}

func TestFirstHandles(t *testing.T) {
	var table Table[uint, thing]
	var h uint
	for want := uint(1); want <= 3; want++ {
		if table.AddOn(5, new(thing), &h); h != want {
			t.Errorf("handle %d is %#x", want, h)
		}
	}
	if table.AddOn(6, new(thing), &h); h != chunkSize+1 || table.Stripe(h) == table.Stripe(3) {
		t.Errorf("the first handle of another stripe is %#x", h)
	}
	table.Remove(2)
	if table.AddOn(5, new(thing), &h); h != 1<<tagShift|2 {
		t.Errorf("a place that is used again has the handle %#x", h)
	}
}

func TestKinds(t *testing.T) {
	var list [3]Table[uint64, thing]
	for i := range list {
		list[i].Draw(uint32(i + 1))
	}
	for i := range list {
		for range 100 {
			v := add(&list[i])
			for j := range list {
				if got := list[j].Get(v.handle); (got != nil) != (i == j) {
					t.Fatalf("table %d finds %p by handle %#x of table %d", j, got, v.handle, i)
				}
			}
		}
	}
}

func TestSweep(t *testing.T) {
	for name, table := range tables() {
		t.Run(name, func(t *testing.T) {
			var things []*thing
			for i := range 200 {
				v := add(table)
				v.gone.Store(i%3 == 0)
				things = append(things, v)
			}
			table.Sweep(func(v *thing) bool { return v.gone.Load() })
			for _, v := range things {
				if (table.Get(v.handle) == nil) != v.gone.Load() {
					t.Errorf("handle %#x, of what is gone: %v", v.handle, v.gone.Load())
				}
			}
		})
	}
}

// TestParallel has handles looked up while they come and go: one finds what it was given for or nothing.
func TestParallel(t *testing.T) {
	for name, table := range tables() {
		t.Run(name, func(t *testing.T) {
			lasting := add(table)
			var last atomic.Uint64
			var done atomic.Bool
			var readers, writers sync.WaitGroup
			for range 2 {
				readers.Go(func() {
					for !done.Load() {
						h := last.Load()
						if v := table.Get(h); v != nil && v.handle != h {
							t.Errorf("handle %#x finds what has the handle %#x", h, v.handle)
							return
						}
						if table.Get(lasting.handle) != lasting {
							t.Error("a handle is lost while others come and go")
							return
						}
					}
				})
				writers.Go(func() {
					for round := range 100 {
						var own []*thing
						for range round {
							v := add(table)
							last.Store(v.handle)
							own = append(own, v)
						}
						for _, v := range own {
							if round%2 == 0 {
								v.gone.Store(true)
							} else if table.Remove(v.handle) != v {
								t.Error("a handle is lost before it is taken back")
							}
						}
						table.Sweep(func(v *thing) bool { return v.gone.Load() })
					}
				})
			}
			writers.Wait()
			done.Store(true)
			readers.Wait()
		})
	}
}

func BenchmarkGet(b *testing.B) {
	for name, table := range tables() {
		var h uint64
		for range 100 {
			h = add(table).handle
		}
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if table.Get(h) == nil {
					b.Fatal("lost")
				}
			}
		})
	}
}

func BenchmarkAddRemove(b *testing.B) {
	for name, table := range tables() {
		b.Run(name, func(b *testing.B) {
			v := new(thing)
			for b.Loop() {
				table.Add(v, &v.handle)
				table.Remove(v.handle)
			}
		})
	}
}
