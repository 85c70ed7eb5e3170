package ck

import "encoding/binary"

// ulongSize is the size of a CK_ULONG and of a pointer, in bytes.
const ulongSize = 8

// A Param reads the parameter of a mechanism, a C structure of CK_ULONGs, pointers and byte arrays, in the order in
// which its fields are declared. The first bad read is kept and reported by Done, in the manner of cryptobyte.String.
// What it returns lies in the caller's memory and is valid during the call only.
//
// The structure is looked at with the first read and not before: applications leave what stands for the parameter of a
// mechanism without one uninitialised, as PowerDNS does for CKM_SHA_1.
type Param struct {
	addr       uint64 // where the structure lies in the caller's memory, 0 for one given as bytes
	unresolved uint   // how long it is where it has not been reached
	data       []byte
	off        int
	bad        bool
	memory     func(address uint64, n uint) []byte
	stop       *bool // where ParamCopy.Read wants to know that all has been read
}

// NewParam makes a Param over the bytes of a structure. memory returns the n bytes at an address of the caller's
// memory, or nil where there can be none, and does not look at them; memory itself may be nil for a structure without pointers.
func NewParam(data []byte, memory func(address uint64, n uint) []byte) Param {
	return Param{data: data, memory: memory}
}

// At has the Param read the structure of n bytes at an address of the caller's memory, from its beginning.
func (p *Param) At(addr uint64, n uint, memory func(address uint64, n uint) []byte) {
	p.addr, p.unresolved, p.off, p.bad, p.memory, p.stop = addr, 0, 0, false, memory, nil
	if p.data = nil; n == 0 {
		return
	}
	if addr != 0 {
		p.data = memory(addr, n)
	}
	if p.data == nil {
		p.unresolved = n
	}
}

// resolve finds the structure. Where there can be none it panics with CKR_ARGUMENTS_BAD, as a fault does. NULL is a bad read.
func (p *Param) resolve() {
	if p.data = p.target(p.addr, p.unresolved); p.data != nil {
		p.unresolved = 0
	} else if p.addr != 0 {
		panic(CKR_ARGUMENTS_BAD)
	}
}

// Release drops what leads to the caller's memory. The parameter is of no use any more.
func (p *Param) Release() { p.data = nil }

// Present reports whether the mechanism has a parameter at all.
func (p *Param) Present() bool { return p.Len() != 0 }

// Len returns the length of the whole parameter in bytes.
func (p *Param) Len() int { return len(p.data) + int(p.unresolved) }

// Rest returns all that has not been read, for parameters that are plain bytes, an IV say.
func (p *Param) Rest() []byte {
	if p.unresolved != 0 {
		p.resolve()
	}
	b := p.data[p.off:]
	p.off = len(p.data)
	return b
}

// Fixed reads n bytes that stand in the structure itself, a CK_BYTE iv[16] say.
func (p *Param) Fixed(n int) []byte {
	at := p.off
	if p.bad || uint(n) > uint(len(p.data)-at) {
		return p.fixedSlow(n)
	}
	p.off += n
	return p.data[at:p.off:p.off]
}

// fixedSlow is Fixed where the bytes are not there, or not yet.
func (p *Param) fixedSlow(n int) []byte {
	if p.unresolved != 0 && !p.bad {
		p.resolve()
		return p.Fixed(n)
	}
	p.bad = true
	return nil
}

// Align skips the padding that a C compiler puts before a field with the alignment of a CK_ULONG.
func (p *Param) Align() {
	if r := p.off % ulongSize; r != 0 {
		p.Fixed(ulongSize - r)
	}
}

// Ulong reads a CK_ULONG.
func (p *Param) Ulong() uint {
	b := p.Fixed(ulongSize)
	if b == nil {
		return 0
	}
	return uint(binary.NativeEndian.Uint64(b))
}

// Bool reads a CK_BBOOL.
func (p *Param) Bool() bool {
	b := p.Fixed(1)
	return b != nil && b[0] != 0
}

// Bytes reads a pointer and the length that follows it. NULL with a length other than 0 is a bad read.
func (p *Param) Bytes() []byte {
	addr, n := p.twoUlongs()
	return p.target(uint64(addr), n)
}

// BytesAfter reads a length and the pointer that follows it.
func (p *Param) BytesAfter() []byte {
	n, addr := p.twoUlongs()
	return p.target(uint64(addr), n)
}

// twoUlongs reads two numbers, of which one is a pointer.
func (p *Param) twoUlongs() (first, second uint) {
	b := p.Fixed(2 * ulongSize)
	if b == nil {
		return 0, 0
	}
	return uint(binary.NativeEndian.Uint64(b)), uint(binary.NativeEndian.Uint64(b[ulongSize:]))
}

// BytesOrNull reads a pointer to n bytes, which may be NULL: nil.
func (p *Param) BytesOrNull(n uint) []byte {
	if addr := uint64(p.Ulong()); addr != 0 {
		return p.target(addr, n)
	}
	return nil
}

// BytesAt returns n bytes at an address that has been read as a number.
func (p *Param) BytesAt(addr, n uint) []byte { return p.target(uint64(addr), n) }

// Structs reads a pointer to n structures of size bytes each, which are read in their turn from what it returns.
func (p *Param) Structs(n, size uint) Param {
	addr := uint64(p.Ulong())
	if n > maxStructs {
		p.bad = true
	}
	inner := NewParam(p.target(addr, n*size), p.memory)
	inner.bad = p.bad
	return inner
}

// maxStructs is how many structures a parameter can point to, generously.
const maxStructs = 1 << 16

// attributeSize is the size of a CK_ATTRIBUTE in bytes.
const attributeSize = 3 * ulongSize

// Template reads a pointer to an array of attributes and the number of its elements. Arrays of attributes within it come
// in the encoding of AppendTemplate.
func (p *Param) Template() []Attribute {
	nested := 0
	return p.template(0, &nested)
}

// maxNested is how many bytes the templates within a template may have together, encoded.
const maxNested = 1 << 24

func (p *Param) template(depth int, nested *int) []Attribute {
	addr, n := p.Ulong(), p.Ulong()
	if n > maxStructs || depth > 2 {
		p.bad = true
	}
	rows := NewParam(p.BytesAt(addr, n*attributeSize), p.memory)
	rows.bad = p.bad
	if p.bad {
		return nil
	}
	ProbeRead(rows.data)
	t := make([]Attribute, n)
	for i := range t {
		t[i].Type = AttributeType(rows.Ulong())
		if !IsTemplate(t[i].Type) {
			t[i].Value = rows.Bytes()
			continue
		}
		addr, length := rows.Ulong(), rows.Ulong()
		inner := NewParam(AppendUlong(AppendUlong(nil, addr), length/attributeSize), p.memory)
		template := inner.template(depth+1, nested)
		*nested += TemplateLen(template)
		rows.bad = rows.bad || inner.bad || length%attributeSize != 0 || *nested > maxNested
		if rows.bad {
			break
		}
		t[i].Value = AppendTemplate(nil, template)
	}
	p.bad = p.bad || rows.Done() != nil
	return t
}

// BytesOf reads a pointer to n bytes, n being known otherwise.
func (p *Param) BytesOf(n uint) []byte { return p.target(uint64(p.Ulong()), n) }

func (p *Param) target(addr uint64, n uint) []byte {
	if p.bad || n == 0 {
		return nil
	}
	if addr == 0 || p.memory == nil || n > 1<<40 {
		p.bad = true
		return nil
	}
	b := p.memory(addr, n)
	p.bad = b == nil
	return b
}

// Done returns nil if every read was good and the whole parameter was read, and CKR_MECHANISM_PARAM_INVALID otherwise. Where
// nothing has been read there is no parameter, and Done is None.
func (p *Param) Done() error {
	if p.bad || p.off != 0 && p.off != len(p.data) {
		return CKR_MECHANISM_PARAM_INVALID
	}
	return p.stopped()
}

// None says that the mechanism has no parameter: what stands for one is not looked at.
func (p *Param) None() error { return p.stopped() }
