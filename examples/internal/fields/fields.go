// Package fields reads little-endian structures as the file formats of Windows have them. The first field that is cut short
// is kept in mind, in the manner of cryptobyte.String.
package fields

import "encoding/binary"

// A Reader takes fields off the front of what it reads.
type Reader struct {
	rest []byte
	bad  bool
}

// New returns a Reader of b. What it takes are parts of b.
func New(b []byte) *Reader { return &Reader{rest: b} }

// Bytes takes n bytes, nil where there are fewer.
func (r *Reader) Bytes(n uint32) []byte {
	if r.bad || uint64(n) > uint64(len(r.rest)) {
		r.bad = true
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

// Uint32 takes a number, 0 where there is none.
func (r *Reader) Uint32() uint32 {
	if b := r.Bytes(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

// Counted takes bytes behind their length, a number.
func (r *Reader) Counted() []byte { return r.Bytes(r.Uint32()) }

// Left is how many bytes are left.
func (r *Reader) Left() int { return len(r.rest) }

// Good reports whether there was all that was taken.
func (r *Reader) Good() bool { return !r.bad }
