// Package kmac is KMAC of NIST SP 800-185.
//
// What has taken in a key is secret: MACs are made where temporary storage is erased, which is the caller's business.
package kmac

import (
	"crypto/sha3"
	"encoding/binary"
	"hash"
)

// A mac is KMAC with results of a length. It has taken in the key.
type mac struct {
	*sha3.SHAKE
	fresh func() *sha3.SHAKE // makes another of its kind
	keyed []byte             // the state after the key
	size  int
}

var _ hash.Cloner = (*mac)(nil)

// New128 returns KMAC128 with a key, a customization string and results of size bytes. It keeps the string, and not the key.
func New128(key, custom []byte, size int) (hash.Cloner, error) {
	return newMAC(sha3.NewCSHAKE128, key, custom, size)
}

// New256 returns KMAC256 in the same way.
func New256(key, custom []byte, size int) (hash.Cloner, error) {
	return newMAC(sha3.NewCSHAKE256, key, custom, size)
}

func newMAC(start func(name, custom []byte) *sha3.SHAKE, key, custom []byte, size int) (*mac, error) {
	fresh := func() *sha3.SHAKE { return start([]byte("KMAC"), custom) }
	s := fresh()
	block := append(encodeLeft(uint64(s.BlockSize())), encodeLeft(8*uint64(len(key)))...)
	block = append(block, key...)
	s.Write(block)
	s.Write(make([]byte, (s.BlockSize()-len(block)%s.BlockSize())%s.BlockSize()))
	clear(block)
	keyed, err := s.MarshalBinary()
	return &mac{s, fresh, keyed, size}, err
}

// Size implements [hash.Hash].
func (k *mac) Size() int { return k.size }

// Reset implements [hash.Hash]: it goes back to after the key.
func (k *mac) Reset() { k.restore(k.keyed) }

// restore takes a state that MarshalBinary made, which UnmarshalBinary does not refuse.
func (k *mac) restore(state []byte) {
	if err := k.UnmarshalBinary(state); err != nil {
		panic(err)
	}
}

// Clone implements [hash.Cloner].
func (k *mac) Clone() (hash.Cloner, error) {
	state, err := k.MarshalBinary()
	if err != nil {
		return nil, err
	}
	c := &mac{k.fresh(), k.fresh, k.keyed, k.size}
	return c, c.UnmarshalBinary(state)
}

// Sum implements [hash.Hash]. It ends with the length of the result in bits: SP 800-185, 4.3.
func (k *mac) Sum(b []byte) []byte {
	state, err := k.MarshalBinary()
	if err != nil {
		panic(err)
	}
	end := encodeLeft(8 * uint64(k.size))
	k.Write(append(end[1:], end[0]))
	out := make([]byte, k.size)
	k.Read(out)
	k.restore(state)
	return append(b, out...)
}

// encodeLeft is left_encode of SP 800-185, 2.3.1: the bytes of a number after how many they are. right_encode has that at
// the end.
func encodeLeft(n uint64) []byte {
	b := binary.BigEndian.AppendUint64(make([]byte, 1, 9), n)
	skip := 0
	for skip < 7 && b[1+skip] == 0 {
		skip++
	}
	b[skip] = byte(8 - skip)
	return b[skip:]
}
