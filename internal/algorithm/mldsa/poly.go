package mldsa

import (
	"crypto/sha3"
	"math/bits"
)

// The ring of FIPS 204: polynomials of degree 255 over the integers modulo q. Nothing here branches on a coefficient or has it
// for an index, but for what comes of public bytes: the matrix, challenges and hints.

const (
	q            = 8380417
	coefficients = 256
	droppedBits  = 13 // bits that are dropped from t

	qInverse = 58728449 // of q modulo 2^32
)

type poly [coefficients]int32

// zetas are the powers of 1753, a root of unity of order 512, in the order in which the transform uses them, times 2^32.
var zetas = func() (z [coefficients]int32) {
	power := func(e uint) int64 {
		x := int64(1)
		for range e {
			x = x * 1753 % q
		}
		return x
	}
	for i := range z {
		z[i] = int32(power(uint(bits.Reverse8(uint8(i)))) << 32 % q)
	}
	return z
}()

// montgomeryReduce returns a/2^32 modulo q, between -q and q, for |a| <= 2^31 q.
func montgomeryReduce(a int64) int32 {
	t := int32(a) * qInverse
	return int32((a - int64(t)*q) >> 32)
}

// reduce32 returns a modulo q between -6283009 and 6283008.
func reduce32(a int32) int32 { return a - (a+1<<22)>>23*q }

// addQ adds q to a negative number.
func addQ(a int32) int32 { return a + a>>31&q }

// reduce brings the coefficients between 0 and q-1.
func (p *poly) reduce() {
	for i := range p {
		p[i] = addQ(reduce32(p[i]))
	}
}

func (p *poly) add(a, b *poly) {
	for i := range p {
		p[i] = a[i] + b[i]
	}
}

func (p *poly) sub(a, b *poly) {
	for i := range p {
		p[i] = a[i] - b[i]
	}
}

// mul multiplies two polynomials that are transformed.
func (p *poly) mul(a, b *poly) {
	for i := range p {
		p[i] = montgomeryReduce(int64(a[i]) * int64(b[i]))
	}
}

// ntt is algorithm 41. Coefficients grow by 8q at most.
func (p *poly) ntt() {
	k := 0
	for length := 128; length > 0; length >>= 1 {
		for start := 0; start < coefficients; start += 2 * length {
			k++
			zeta := int64(zetas[k])
			a, b := p[start:start+length], p[start+length:start+2*length]
			for j := range a {
				t := montgomeryReduce(zeta * int64(b[j]))
				b[j] = a[j] - t
				a[j] += t
			}
		}
	}
}

// inverseNTT is algorithm 42, times 2^32. Its input is below q.
func (p *poly) inverseNTT() {
	k := coefficients
	for length := 1; length < coefficients; length <<= 1 {
		for start := 0; start < coefficients; start += 2 * length {
			k--
			zeta := -int64(zetas[k])
			a, b := p[start:start+length], p[start+length:start+2*length]
			for j := range a {
				t := a[j]
				a[j] = t + b[j]
				b[j] = montgomeryReduce(zeta * int64(t-b[j]))
			}
		}
	}
	for i := range p {
		p[i] = montgomeryReduce(41978 * int64(p[i])) // 2^64/256 modulo q
	}
}

// exceeds reports whether a coefficient, all of which are centered, has an absolute value of bound or more.
func (p *poly) exceeds(bound int32) bool {
	var over int32
	for _, a := range p {
		sign := a >> 31
		over |= bound - 1 - ((a ^ sign) - sign)
	}
	return over < 0
}

// pack appends the coefficients, which have n bits, to b.
func (p *poly) pack(b []byte, n uint) []byte {
	var acc uint64
	var have uint
	for _, a := range p {
		acc |= uint64(uint32(a)) << have
		for have += n; have >= 8; have -= 8 {
			b = append(b, byte(acc))
			acc >>= 8
		}
	}
	return b
}

// unpack reads coefficients of n bits.
func (p *poly) unpack(b []byte, n uint) {
	var acc uint64
	var have uint
	for i := range p {
		for have < n {
			acc |= uint64(b[0]) << have
			b = b[1:]
			have += 8
		}
		p[i] = int32(acc & (1<<n - 1))
		acc >>= n
		have -= n
	}
}

// subtractFrom makes each coefficient c - a.
func (p *poly) subtractFrom(c int32) {
	for i := range p {
		p[i] = c - p[i]
	}
}

// rejNTTPoly is algorithm 30: an element of the matrix, of rho and its place.
func (p *poly) rejNTTPoly(rho []byte, column, row int) {
	h := sha3.NewSHAKE128()
	h.Write(rho)
	h.Write([]byte{byte(column), byte(row)})
	var block [168]byte
	for n := 0; n < coefficients; {
		h.Read(block[:])
		for b := block[:]; len(b) > 0 && n < coefficients; b = b[3:] {
			if a := int32(b[0]) | int32(b[1])<<8 | int32(b[2]&0x7f)<<16; a < q {
				p[n] = a
				n++
			}
		}
	}
}

// sampleInBall is algorithm 29: a polynomial with tau coefficients that are 1 or -1.
func (p *poly) sampleInBall(seed []byte, tau int) {
	h := sha3.NewSHAKE256()
	h.Write(seed)
	var signs [8]byte
	h.Read(signs[:])
	*p = poly{}
	var one [1]byte
	for i := coefficients - tau; i < coefficients; i++ {
		j := i + 1
		for j > i {
			h.Read(one[:])
			j = int(one[0])
		}
		p[i] = p[j]
		n := i - (coefficients - tau)
		p[j] = 1 - 2*int32(signs[n/8]>>(n%8)&1)
	}
}

// decompose is algorithm 36, for a coefficient between 0 and q-1.
func (m *Parameters) decompose(a int32) (high, low int32) {
	high = (a + 127) >> 7
	if m.gamma2 == (q-1)/32 {
		high = (high*1025 + 1<<21) >> 22 & 15
	} else {
		high = (high*11275 + 1<<23) >> 24
		high ^= (43 - high) >> 31 & high
	}
	low = a - high*2*m.gamma2
	low -= ((q-1)/2 - low) >> 31 & q
	return high, low
}

// useHint is algorithm 40.
func (m *Parameters) useHint(a, hint int32) int32 {
	high, low := m.decompose(a)
	if hint == 0 {
		return high
	}
	count := (q - 1) / (2 * m.gamma2)
	if low > 0 {
		return (high + 1) % count
	}
	return (high + count - 1) % count
}
