package store

import (
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A sharedCounter is a number that all processes see: the first eight bytes of a sidecar file, mapped. That of a token tells its generation. It
// is even, twice the generation, while nobody writes. A writer makes it odd before it commits and even after, both under the exclusive
// lock, so a writer that dies between leaves it odd, and whoever meets an odd counter looks into the file. Zero, as in a
// sidecar that was just made, means the same.
//
// This is the one place of the package that needs unsafe: atomic access to memory that the kernel mapped.
type sharedCounter struct {
	value    *atomic.Uint64
	dev, ino uint64
	readOnly bool
	lost     atomic.Bool
}

// counterSize is how many bytes of the sidecar it takes.
const counterSize = 8

// mapCounter maps the counter of the sidecar that fd is open on. The mapping goes when nobody refers to the counter any more.
func mapCounter(fd int, st *unix.Stat_t, readOnly bool) (*sharedCounter, error) {
	prot := unix.PROT_READ | unix.PROT_WRITE
	if readOnly {
		prot = unix.PROT_READ
	}
	if st.Size < counterSize {
		if readOnly {
			return nil, unix.EROFS
		}
		if err := checkSizeLimit(counterSize); err != nil {
			return nil, err
		}
		if err := unix.Ftruncate(fd, counterSize); err != nil {
			return nil, err
		}
	}
	mem, err := unix.Mmap(fd, 0, counterSize, prot, unix.MAP_SHARED)
	if err != nil {
		return nil, err
	}
	c := &sharedCounter{value: (*atomic.Uint64)(unsafe.Pointer(&mem[0])), dev: st.Dev, ino: st.Ino, readOnly: readOnly}
	runtime.AddCleanup(c, func(mem []byte) { _ = unix.Munmap(mem) }, mem)
	return c, nil
}

// Whoever may write to the file can cut it short, and the mapping with it: reading the counter is a fault then, which would end
// the process. So each access is made under recoverFault, which notes that the counter is lost, and the process goes on.

// recoverFault ends an access. It is deferred, with what debug.SetPanicOnFault answered.
func (c *sharedCounter) recoverFault(before bool) {
	if r := recover(); r != nil {
		c.lost.Store(true)
	}
	debug.SetPanicOnFault(before)
	runtime.KeepAlive(c)
}

// load returns the value, 0 where it is gone.
func (c *sharedCounter) load() (v uint64) {
	defer c.recoverFault(debug.SetPanicOnFault(true))
	return c.value.Load()
}

// store sets the value, where this process may.
func (c *sharedCounter) store(v uint64) {
	defer c.recoverFault(debug.SetPanicOnFault(true))
	if !c.readOnly {
		c.value.Store(v)
	}
}

// add adds one, where this process may.
func (c *sharedCounter) add() {
	defer c.recoverFault(debug.SetPanicOnFault(true))
	if !c.readOnly {
		c.value.Add(1)
	}
}
