package store

import (
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A word is the generation of a token as all processes see it: eight bytes of the sidecar file, mapped. It is even, twice
// the generation, while nobody writes. A writer makes it odd before it commits and even after, both under the exclusive
// lock, so a writer that dies between leaves it odd, and whoever meets an odd word looks into the file. Zero, as in a
// sidecar that was just made, means the same.
//
// This is the one place of the package that needs unsafe: atomic access to memory that the kernel mapped.
type word struct {
	v        *atomic.Uint64
	dev, ino uint64
	readOnly bool
	lost     atomic.Bool
}

// wordSize is the length of the sidecar file.
const wordSize = 8

// mapWord maps the word of the sidecar that fd is open on. The mapping goes when nobody refers to the word any more.
func mapWord(fd int, st *unix.Stat_t, readOnly bool) (*word, error) {
	prot := unix.PROT_READ | unix.PROT_WRITE
	if readOnly {
		prot = unix.PROT_READ
	}
	if st.Size < wordSize {
		if readOnly {
			return nil, unix.EROFS
		}
		if err := small(wordSize); err != nil {
			return nil, err
		}
		if err := unix.Ftruncate(fd, wordSize); err != nil {
			return nil, err
		}
	}
	mem, err := unix.Mmap(fd, 0, wordSize, prot, unix.MAP_SHARED)
	if err != nil {
		return nil, err
	}
	w := &word{v: (*atomic.Uint64)(unsafe.Pointer(&mem[0])), dev: st.Dev, ino: st.Ino, readOnly: readOnly}
	runtime.AddCleanup(w, func(mem []byte) { _ = unix.Munmap(mem) }, mem)
	return w, nil
}

// Whoever may write to the file can cut it short, and the mapping with it: reading the word is a fault then, which would end
// the process. So each access is made under guarded, the word is gone then, and the process goes on.

// guarded ends an access. It is deferred, with what debug.SetPanicOnFault answered.
func (w *word) guarded(before bool) {
	if r := recover(); r != nil {
		w.lost.Store(true)
	}
	debug.SetPanicOnFault(before)
	runtime.KeepAlive(w)
}

// load returns the value, 0 where it is gone.
func (w *word) load() (v uint64) {
	defer w.guarded(debug.SetPanicOnFault(true))
	return w.v.Load()
}

// store sets the value, where this process may.
func (w *word) store(v uint64) {
	defer w.guarded(debug.SetPanicOnFault(true))
	if !w.readOnly {
		w.v.Store(v)
	}
}

// add adds one, where this process may.
func (w *word) add() {
	defer w.guarded(debug.SetPanicOnFault(true))
	if !w.readOnly {
		w.v.Add(1)
	}
}
