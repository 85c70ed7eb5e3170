package main

// #include "cells.h"
import "C"

import (
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/softcsp/softcsp/capi"
	"github.com/softcsp/softcsp/csp"
)

// A HCRYPTPROV of Windows is a pointer, and there are programs that look at what it points to. So the handle of a context is
// the address of a cell, which holds the handle that package csp knows it by: 0 in a cell that is not in use. Cells are used
// in turn, so that a handle that was given back means nothing for as long as possible.
type cellTable struct {
	mu   sync.Mutex
	next int
	free []int // given back, in the order in which they are used again
}

var cells cellTable

// assign puts a handle in a cell and stores the cell's address.
func (t *cellTable) assign(addr uintptr, h csp.Handle) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := t.next
	switch {
	case i < C.SOFTCSP_CELLS:
		t.next++
	case len(t.free) > 0:
		i, t.free = t.free[0], t.free[1:]
	default:
		return capi.NTE_NO_MEMORY
	}
	atomic.StoreUintptr((*uintptr)(unsafe.Pointer(&C.softcsp_cells[i])), uintptr(h))
	*(*uintptr)(pointer(addr)) = uintptr(unsafe.Pointer(&C.softcsp_cells[i]))
	return nil
}

// take empties the cell of a context that is no more.
func (t *cellTable) take(hProv uintptr) {
	i, cell := cellAt(hProv)
	t.mu.Lock()
	defer t.mu.Unlock()
	if cell != nil && atomic.SwapUintptr(cell, 0) != 0 {
		t.free = append(t.free, i)
	}
}

// cellAt finds the cell with an address, nil where there is none.
func cellAt(addr uintptr) (int, *uintptr) {
	off := addr - uintptr(unsafe.Pointer(&C.softcsp_cells[0]))
	if off >= unsafe.Sizeof(C.softcsp_cells) || off%unsafe.Sizeof(C.softcsp_cells[0]) != 0 {
		return 0, nil
	}
	i := int(off / unsafe.Sizeof(C.softcsp_cells[0]))
	return i, (*uintptr)(unsafe.Pointer(&C.softcsp_cells[i]))
}

// handleAt is the handle that package csp knows a context by, 0 for none.
func handleAt(hProv uintptr) csp.Handle {
	if _, cell := cellAt(hProv); cell != nil {
		return csp.Handle(atomic.LoadUintptr(cell))
	}
	return 0
}

// inProv is the context with a handle.
func inProv(hProv uintptr) (*csp.Context, error) { return handles.Context(handleAt(hProv)) }
