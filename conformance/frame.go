package conformance

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
)

// A frame is the memory of one call: blocks in the driver's arena with guard bytes between them. After the call all that
// was not the callee's to write must be as it was, guards and inputs alike.
type frame struct {
	arena  uint64 // address of the arena
	end    int    // offset of its end, which no one can read or write past
	start  int    // offset of the frame
	mem    []byte // from start
	blocks []block
	edge   []byte // a block that ends where the arena ends
}

type block struct {
	at, size int // offset in mem; in edge where inEdge is set
	inEdge   bool
	out      bool // the callee may write it
}

const (
	guard     = 32
	guardByte = 0xA5
)

func newFrame(t *tables, start int) *frame {
	f := &frame{arena: t.consts["driver.arena"], end: int(t.consts["driver.arena_size"]), start: start}
	f.pad(guard)
	return f
}

func (f *frame) pad(n int) { f.mem = append(f.mem, bytes.Repeat([]byte{guardByte}, n)...) }

// A place says where a block lies.
type place struct{ odd, edge bool }

// put places data and returns the block's number.
func (f *frame) put(data []byte, where place, out bool) int {
	if where.edge && f.edge == nil {
		f.edge = bytes.Clone(data)
		f.blocks = append(f.blocks, block{0, len(data), true, out})
		return len(f.blocks) - 1
	}
	for len(f.mem)%16 != 0 {
		f.pad(1)
	}
	if where.odd {
		f.pad(1)
	}
	f.blocks = append(f.blocks, block{len(f.mem), len(data), false, out})
	f.mem = append(f.mem, data...)
	f.pad(guard)
	return len(f.blocks) - 1
}

// room places n bytes for the callee to write.
func (f *frame) room(n int, where place) int {
	return f.put(bytes.Repeat([]byte{guardByte}, n), where, true)
}

// ulong places a CK_ULONG that the callee may write.
func (f *frame) ulong(v uint64) int {
	return f.put(binary.NativeEndian.AppendUint64(nil, v), place{}, true)
}

// address is the address of a block in the driver.
func (f *frame) address(b int) uint64 {
	if f.blocks[b].inEdge {
		return f.arena + uint64(f.end-len(f.edge))
	}
	return f.arena + uint64(f.start+f.blocks[b].at)
}

// bytes is what is in a block.
func (f *frame) bytes(b int) []byte {
	k := f.blocks[b]
	if k.inEdge {
		return f.edge[k.at : k.at+k.size]
	}
	return f.mem[k.at : k.at+k.size]
}

func (f *frame) number(b int) uint64 { return binary.NativeEndian.Uint64(f.bytes(b)) }

// store sends the frame to the host.
func (f *frame) store(h *Host) {
	h.send(fmt.Sprintf("w %d %s", f.start, hex.EncodeToString(f.mem)))
	if f.edge != nil {
		h.send(fmt.Sprintf("w %d %s", f.end-len(f.edge), hex.EncodeToString(f.edge)))
	}
}

// fetch reads the frame back, and finds what was written that was not the callee's to write.
func (f *frame) fetch(h *Host) error {
	f.request(h)
	return f.receive(h)
}

// request asks for the frame, and receive reads the answer as fetch does.
func (f *frame) request(h *Host) {
	h.send(fmt.Sprintf("r %d %d", f.start, len(f.mem)))
	if f.edge != nil {
		h.send(fmt.Sprintf("r %d %d", f.end-len(f.edge), len(f.edge)))
	}
}

func (f *frame) receive(h *Host) error {
	now, err := h.lineBytes()
	if err != nil {
		return err
	}
	edge := f.edge
	if edge != nil {
		if edge, err = h.lineBytes(); err != nil {
			return err
		}
	}
	was, wasEdge := f.mem, f.edge
	f.mem, f.edge = now, edge
	for _, b := range f.blocks {
		if b.out && b.inEdge {
			copy(wasEdge, edge)
		} else if b.out {
			copy(was[b.at:b.at+b.size], now[b.at:])
		}
	}
	if i := firstDifference(was, now); i >= 0 {
		return fmt.Errorf("the module wrote where it may not: offset %d of the call's memory, %02x became %02x (%s)", i, was[i], now[i], f.near(i))
	}
	if i := firstDifference(wasEdge, edge); i >= 0 {
		return fmt.Errorf("the module wrote into an input, at %d", i)
	}
	return nil
}

// near says what lies at an offset.
func (f *frame) near(i int) string {
	for n, b := range f.blocks {
		switch {
		case b.inEdge:
		case i >= b.at && i < b.at+b.size:
			return fmt.Sprintf("inside input block %d", n)
		case i >= b.at+b.size && i < b.at+b.size+guard:
			return fmt.Sprintf("%d past the end of block %d of %d bytes", i-b.at-b.size, n, b.size)
		}
	}
	return "before the first block"
}

func firstDifference(a, b []byte) int {
	if bytes.Equal(a, b) {
		return -1
	}
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}
