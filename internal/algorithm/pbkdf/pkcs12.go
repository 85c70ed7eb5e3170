package pbkdf

import "hash"

// What the function of PKCS #12 makes bits for: its ID byte.
const (
	PKCS12Key = 1
	PKCS12IV  = 2
	PKCS12MAC = 3
)

// PKCS12 fills out as RFC 7292, appendix B.2, says. id is one of the constants above, and password a BMPString.
func (w *Work) PKCS12(out []byte, newHash func() hash.Hash, id byte, password, salt []byte, iterations int) {
	h := newHash()
	v := h.BlockSize()
	diversifier := repeat(nil, []byte{id}, v)
	input := repeat(nil, salt, roundUp(len(salt), v))
	input = repeat(input, password, roundUp(len(password), v))
	var a, b []byte
	for len(out) > 0 {
		h.Reset()
		h.Write(diversifier)
		h.Write(input)
		a = h.Sum(a[:0])
		for i := 1; i < iterations && w.next(); i++ {
			h.Reset()
			h.Write(a)
			a = h.Sum(a[:0])
		}
		out = out[copy(out, a):]
		b = repeat(b[:0], a, v)
		for i := 0; i < len(input); i += v {
			addOne(input[i:i+v], b)
		}
	}
	clear(input)
	clear(a)
	clear(b)
}

func roundUp(n, v int) int { return (n + v - 1) / v * v }

// repeat appends n bytes, s over and over.
func repeat(dst, s []byte, n int) []byte {
	for n > 0 {
		k := min(n, len(s))
		dst = append(dst, s[:k]...)
		n -= k
	}
	return dst
}

// addOne adds b and 1 to x, numbers in big-endian order of the same length, and drops the carry.
func addOne(x, b []byte) {
	carry := uint(1)
	for i := len(x) - 1; i >= 0; i-- {
		carry += uint(x[i]) + uint(b[i])
		x[i] = byte(carry)
		carry >>= 8
	}
}
