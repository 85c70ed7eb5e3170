package ck

import "errors"

// A ParamCopy is a copy of a parameter that can be read after the call that the parameter came with, any number of times. What
// reading leads to is copied when it is first read, until Close.
type ParamCopy struct {
	data   []byte // what is there already
	addr   uint64 // or where it lies
	length uint
	pieces []piece
	caller func(address uint64, n uint) []byte // the memory of the caller, until Close
	size   uint                                // of all pieces
}

// maxCopied is how much a parameter may lead to, in bytes.
const maxCopied = 1 << 24

// A piece is memory that a parameter points to: the caller's, and a copy.
type piece struct {
	address          uint64
	original, copied []byte
}

// Clone starts a copy of the parameter.
func (p *Param) Clone() *ParamCopy {
	c := &ParamCopy{addr: p.addr, length: uint(p.Len()), caller: p.memory}
	if p.addr == 0 {
		c.data = Clone(p.data)
	}
	return c
}

// Param returns the copy, to be read from its beginning.
func (c *ParamCopy) Param() Param {
	p := Param{addr: c.addr, data: c.data, memory: c.memory}
	if c.data == nil {
		p.unresolved = c.length
	}
	return p
}

func (c *ParamCopy) memory(address uint64, n uint) []byte {
	for _, p := range c.pieces {
		if p.address == address && uint(len(p.copied)) == n {
			return p.copied
		}
	}
	if c.caller == nil || n > maxCopied-c.size {
		return nil
	}
	b := c.caller(address, n)
	if b == nil {
		return nil
	}
	copied := Clone(b)
	c.size += n
	c.pieces = append(c.pieces, piece{address, b, copied})
	return copied
}

// errReadThrough is what Done and None answer under Read: what reads goes no further.
var errReadThrough = errors.New("the parameter has been read")

// Read has a function read the parameter, and stop when it has: at Done or None. It reports whether that happened.
func (c *ParamCopy) Read(read func(*Param)) bool {
	reached := false
	p := c.Param()
	p.stop = &reached
	read(&p)
	return reached
}

func (p *Param) stopped() error {
	if p.stop == nil {
		return nil
	}
	*p.stop = true
	return errReadThrough
}

// Close says that the call ends: nothing more of the caller's memory is looked at.
func (c *ParamCopy) Close() { c.caller = nil }

// Origin returns the caller's memory that b, read from the copy, is a copy of; nil where it is none.
func (c *ParamCopy) Origin(b []byte) []byte {
	for _, p := range c.pieces {
		if len(b) > 0 && len(p.copied) >= len(b) && &p.copied[0] == &b[0] {
			return p.original[:len(b)]
		}
	}
	return nil
}

// Wipe overwrites the copy, which is of no use any more.
func (c *ParamCopy) Wipe() {
	clear(c.data)
	for _, p := range c.pieces {
		clear(p.copied)
	}
	c.pieces, c.caller = nil, nil
}
