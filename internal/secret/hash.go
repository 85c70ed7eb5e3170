package secret

import "hash"

// zeros are as long as the longest block of a hash.
var zeros [256]byte

// Overwrite resets a hash and overwrites the input in its state, which is less than a block: two writes reach all of it. Reset alone leaves it there.
func Overwrite(h hash.Hash) {
	h.Reset()
	n := h.BlockSize()
	h.Write(zeros[:n-1])
	h.Write(zeros[:1])
	h.Reset()
}
