package locked

import (
	"os"
	"reflect"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// regionSize is the size of a mapping that slabs are cut from.
const regionSize = 1 << 20

// A slab is a run of blocks of one class. The class's lock guards used and live.
type slab struct {
	class int
	mem   []byte
	base  uintptr
	used  []uint64 // a bit for each block
	live  int
	// locked says that the memory cannot be swapped.
	locked bool
}

// A region is a mapping of slabs, in the order in which they were taken.
type region struct {
	mem   []byte
	base  uintptr
	slabs [regionSize >> slabShift]atomic.Pointer[slab]
}

var (
	mapped, pinned atomic.Int64

	// arena guards the making and unmaking of mappings. It is taken after a class's lock, never before.
	arena sync.Mutex
	// regions is sorted by address. It is replaced, never changed, so that find needs no lock.
	regions atomic.Pointer[[]*region]
	// large holds the mappings of blocks beyond the largest class, by address.
	large = map[uintptr]mapping{}
)

// A mapping is a block of its own.
type mapping struct {
	mem    []byte
	locked bool
}

// newSlab takes the next unused slab of a region, or maps a region. It returns nil where the system has no memory.
func newSlab(i int) *slab {
	arena.Lock()
	defer arena.Unlock()
	for _, r := range list() {
		for n := range r.slabs {
			if r.slabs[n].Load() == nil {
				return r.take(n, i)
			}
		}
	}
	mem, base := newMapping(regionSize)
	if mem == nil {
		return nil
	}
	r := &region{mem: mem, base: base}
	all := append(slices.Clone(list()), r)
	slices.SortFunc(all, func(a, b *region) int {
		if a.base < b.base {
			return -1
		}
		return 1
	})
	regions.Store(&all)
	return r.take(0, i)
}

// take makes slab n of the region one of class i. The caller holds arena.
func (r *region) take(n, i int) *slab {
	mem := r.mem[n<<slabShift : (n+1)<<slabShift]
	blocks := len(mem) >> (i + minShift)
	s := &slab{
		class:  i,
		mem:    mem,
		base:   r.base + uintptr(n)<<slabShift,
		used:   make([]uint64, (blocks+63)/64),
		locked: unix.Mlock(mem) == nil,
	}
	if s.locked {
		pinned.Add(1 << slabShift)
	}
	r.slabs[n].Store(s)
	return s
}

// list returns the regions there are.
func list() []*region {
	if p := regions.Load(); p != nil {
		return *p
	}
	return nil
}

// find returns the slab that holds addr, nil where there is none.
func find(addr uintptr) *slab {
	all := list()
	lo, hi := 0, len(all)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if all[mid].base <= addr {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo == 0 || addr-all[lo-1].base >= regionSize {
		return nil
	}
	return all[lo-1].slabs[(addr-all[lo-1].base)>>slabShift].Load()
}

// release wipes the block at addr and takes it back. It reports whether a block that is in use starts there.
func (s *slab) release(addr uintptr) bool {
	size := uintptr(1) << (s.class + minShift)
	if (addr-s.base)%size != 0 {
		return false
	}
	n := uint32((addr - s.base) / size)
	c := &table[s.class]
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.used[n/64]&(1<<(n%64)) == 0 {
		return false
	}
	at := addr - s.base
	clear(s.mem[at : at+size])
	s.used[n/64] &^= 1 << (n % 64)
	s.live--
	live.Add(-1)
	c.free = append(c.free, block{s, n})
	return true
}

// inUse reports whether addr lies in a block that is in use.
func (s *slab) inUse(addr uintptr) bool {
	n := (addr - s.base) >> (s.class + minShift)
	c := &table[s.class]
	c.mu.Lock()
	defer c.mu.Unlock()
	return s.used[n/64]&(1<<(n%64)) != 0
}

// allocLarge returns a block with a mapping of its own.
func allocLarge(n int) []byte {
	page := os.Getpagesize()
	size := (n + page - 1) &^ (page - 1)
	if size < n {
		return make([]byte, n)
	}
	mem, base := newMapping(size)
	if mem == nil {
		return make([]byte, n)
	}
	m := mapping{mem, unix.Mlock(mem) == nil}
	if m.locked {
		pinned.Add(int64(size))
	}
	arena.Lock()
	large[base] = m
	arena.Unlock()
	live.Add(1)
	return mem[:n:n]
}

// freeLarge unmaps the block at addr; b is wiped where there is none.
func freeLarge(addr uintptr, b []byte) {
	arena.Lock()
	m, ok := large[addr]
	delete(large, addr)
	arena.Unlock()
	if !ok {
		wipeForeign(b)
		return
	}
	live.Add(-1)
	clear(m.mem)
	if m.locked {
		pinned.Add(-int64(len(m.mem)))
	}
	mapped.Add(-int64(len(m.mem)))
	_ = unix.Munmap(m.mem)
}

// wipeForeign wipes b, which is not in any mapping: ordinary memory that Alloc fell back to, or what was unmapped since. The
// latter faults, and is wiped already.
func wipeForeign(b []byte) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() { _ = recover() }()
	clear(b)
}

// Drain gives back to the system what nobody uses. C_Finalize calls it, so that no cycle of C_Initialize and C_Finalize
// leaves memory behind.
func Drain() {
	for i := range table {
		table[i].mu.Lock()
		defer table[i].mu.Unlock()
	}
	arena.Lock()
	defer arena.Unlock()
	idle := map[*slab]bool{}
	var keep []*region
	for _, r := range list() {
		if r.busy() {
			keep = append(keep, r)
			continue
		}
		for n := range r.slabs {
			if s := r.slabs[n].Load(); s != nil {
				idle[s] = true
			}
		}
	}
	for i := range table {
		table[i].free = slices.DeleteFunc(table[i].free, func(b block) bool { return idle[b.slab] })
		if len(table[i].free) == 0 {
			table[i].free = nil
		}
	}
	gone := list()
	regions.Store(&keep)
	for _, r := range gone {
		if !r.busy() {
			r.unmap()
		}
	}
}

// busy reports whether a block of the region is in use. The caller holds the locks of all classes.
func (r *region) busy() bool {
	for n := range r.slabs {
		if s := r.slabs[n].Load(); s != nil && s.live > 0 {
			return true
		}
	}
	return false
}

// unmap gives the region back.
func (r *region) unmap() {
	for n := range r.slabs {
		if s := r.slabs[n].Load(); s != nil && s.locked {
			pinned.Add(-(1 << slabShift))
		}
	}
	mapped.Add(-int64(len(r.mem)))
	_ = unix.Munmap(r.mem)
}

// newMapping maps zero bytes, and returns their address too; nil where the system refuses. What else the system can do
// for them is asked for, and done without where it cannot.
func newMapping(size int) ([]byte, uintptr) {
	mem, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return nil, 0
	}
	_ = unix.Madvise(mem, unix.MADV_DONTDUMP)
	_ = unix.Madvise(mem, unix.MADV_WIPEONFORK)
	mapped.Add(int64(size))
	return mem, reflect.ValueOf(&mem[0]).Pointer()
}
