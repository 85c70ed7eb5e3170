package ck

import "errors"

// A Kept is a copy of a parameter that can be read after the call that the parameter came with, any number of times. What
// reading leads to is copied when it is first read, until Close.
type Kept struct {
	data   []byte // what is there already
	addr   uint64 // or where it lies
	length uint
	pieces []piece
	live   func(address uint64, n uint) []byte
	size   uint // of all pieces
}

// mostKept is how much a parameter may lead to, in bytes.
const mostKept = 1 << 24

// A piece is memory that a parameter points to: the caller's, and a copy.
type piece struct {
	address     uint64
	theirs, own []byte
}

// Keep starts a copy of the parameter.
func (p *Param) Keep() *Kept {
	k := &Kept{addr: p.addr, length: uint(p.Len()), live: p.follow}
	if p.addr == 0 {
		k.data = Clone(p.data)
	}
	return k
}

// Param returns the copy, to be read from its beginning.
func (k *Kept) Param() Param {
	p := Param{addr: k.addr, data: k.data, follow: k.follow}
	if k.data == nil {
		p.absent = k.length
	}
	return p
}

func (k *Kept) follow(address uint64, n uint) []byte {
	for _, p := range k.pieces {
		if p.address == address && uint(len(p.own)) == n {
			return p.own
		}
	}
	if k.live == nil || n > mostKept-k.size {
		return nil
	}
	b := k.live(address, n)
	if b == nil {
		return nil
	}
	own := Clone(b)
	k.size += n
	k.pieces = append(k.pieces, piece{address, b, own})
	return own
}

// errRead is what Done and None answer under Read: what reads goes no further.
var errRead = errors.New("the parameter has been read")

// Read has a function read the parameter, and stop when it has: at Done or None. It reports whether that happened.
func (k *Kept) Read(read func(*Param)) bool {
	reached := false
	p := k.Param()
	p.stop = &reached
	read(&p)
	return reached
}

func (p *Param) stopped() error {
	if p.stop == nil {
		return nil
	}
	*p.stop = true
	return errRead
}

// Close says that the call ends: nothing more of the caller's memory is looked at.
func (k *Kept) Close() { k.live = nil }

// Origin returns the caller's memory that b, read from the copy, is a copy of; nil where it is none.
func (k *Kept) Origin(b []byte) []byte {
	for _, p := range k.pieces {
		if len(b) > 0 && len(p.own) >= len(b) && &p.own[0] == &b[0] {
			return p.theirs[:len(b)]
		}
	}
	return nil
}

// Wipe overwrites the copy, which is of no use any more.
func (k *Kept) Wipe() {
	clear(k.data)
	for _, p := range k.pieces {
		clear(p.own)
	}
	k.pieces, k.live = nil, nil
}
