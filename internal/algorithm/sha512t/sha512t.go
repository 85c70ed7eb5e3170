// Package sha512t is SHA-512/t with results of any whole number of bytes: FIPS 180-4, 5.3.6.
package sha512t

import (
	"crypto/sha512"
	"encoding"
	"hash"
	"strconv"
)

// A digest is SHA-512 from another initial value, cut.
type digest struct {
	hash.Hash
	first []byte // the state at the beginning, as crypto/sha512 writes it
	size  int
}

var _ hash.Cloner = (*digest)(nil)

// New returns SHA-512/t with results of size bytes, where t is eight times that. Its initial value is made by SHA-512 with an initial value
// of its own, from the name of the function: FIPS 180-4, 5.3.6.
func New(size int) hash.Cloner {
	const stateAt, stateLen = 4, 64 // where crypto/sha512 writes the chaining value
	h := sha512.New()
	start := marshal(h)
	for i := range start[stateAt : stateAt+stateLen] {
		start[stateAt+i] ^= 0xa5
	}
	unmarshal(h, start)
	h.Write([]byte("SHA-512/" + strconv.Itoa(8*size)))
	value := h.Sum(nil)
	copy(start[stateAt:], value)
	s := &digest{h, start, size}
	s.Reset()
	return s
}

// marshal and unmarshal save and load a state of crypto/sha512, which refuses none of its own.
func marshal(h hash.Hash) []byte {
	state, err := h.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil {
		panic(err)
	}
	return state
}

func unmarshal(h hash.Hash, state []byte) {
	if err := h.(encoding.BinaryUnmarshaler).UnmarshalBinary(state); err != nil {
		panic(err)
	}
}

// Size implements [hash.Hash].
func (s *digest) Size() int { return s.size }

// Reset implements [hash.Hash].
func (s *digest) Reset() { unmarshal(s.Hash, s.first) }

// Sum implements [hash.Hash]. It needs room for the cut value only: the caller's memory is no longer.
func (s *digest) Sum(b []byte) []byte {
	var whole [sha512.Size]byte
	return append(b, s.Hash.Sum(whole[:0])[:s.size]...)
}

// Clone implements [hash.Cloner].
func (s *digest) Clone() (hash.Cloner, error) {
	h, err := s.Hash.(hash.Cloner).Clone()
	if err != nil {
		return nil, err
	}
	return &digest{h, s.first, s.size}, nil
}
