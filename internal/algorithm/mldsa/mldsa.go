// Package mldsa implements the signatures of ML-DSA, FIPS 204. Algorithms by number are those of that document.
//
// There are two engines, and neither can do without the other:
//
//   - circl (circl.go) makes keys, and signs and verifies a message as it is. It uses AVX2. But it has no way in below the message: it
//     signs no mu, so neither HashML-DSA nor what somebody else has hashed (ML-DSA with external mu), takes no rnd, and does not tell
//     whether the parts of a private key are of each other.
//   - mldsa.go, over the ring of poly.go, does all of that, and makes no keys. It takes about four times as long.
//
// Microseconds on one core of an AMD EPYC, Go 1.26, the least of three runs of
// go test ./internal/algorithm/mldsa -run '^$' -bench Engines -benchtime 300x -count 3:
//
//	           keys     sign a message     verify a message
//	           circl    circl    ours      circl    ours
//	ML-DSA-44    97     192      672         18      79
//	ML-DSA-65   209     207      901         17      86
//	ML-DSA-87   258     222      892         37     159
//
// The tests have both compute every vector.
//
// What is expanded of a private key is secret: keys are made where temporary storage is erased, which is the caller's business.
package mldsa

import (
	"crypto/subtle"
	"errors"

	"github.com/softcsp/softcsp/internal/algorithm/shake"
)

// Parameters are a parameter set: FIPS 204, section 4.
type Parameters struct {
	k, l      int
	eta       int32
	tau       int
	gamma1    uint // as a power of 2
	gamma2    int32
	omega     int
	challenge int // bytes
}

// The parameter sets.
var (
	MLDSA44 = &Parameters{4, 4, 2, 39, 17, (q - 1) / 88, 80, 32}
	MLDSA65 = &Parameters{6, 5, 4, 49, 19, (q - 1) / 32, 55, 48}
	MLDSA87 = &Parameters{8, 7, 2, 60, 19, (q - 1) / 32, 75, 64}
)

// etaBits, highBits and maskBits are the lengths of packed coefficients.
func (m *Parameters) etaBits() uint {
	if m.eta == 2 {
		return 3
	}
	return 4
}

func (m *Parameters) highBits() uint {
	if m.gamma2 == (q-1)/32 {
		return 4
	}
	return 6
}

func (m *Parameters) maskBits() uint { return m.gamma1 + 1 }
func (m *Parameters) beta() int32    { return int32(m.tau) * m.eta }

// packedSize is the length of a polynomial in bytes whose coefficients have n bits.
func packedSize(n uint) int { return coefficients / 8 * int(n) }

// PublicKeySize is the length of a public key in bytes.
func (m *Parameters) PublicKeySize() int { return 32 + m.k*packedSize(23-droppedBits) }

// PrivateKeySize is the length of a private key in bytes, as FIPS 204 encodes it.
func (m *Parameters) PrivateKeySize() int {
	return 128 + (m.k+m.l)*packedSize(m.etaBits()) + m.k*packedSize(droppedBits)
}

// SignatureSize is the length of a signature in bytes.
func (m *Parameters) SignatureSize() int {
	return m.challenge + m.l*packedSize(m.maskBits()) + m.omega + m.k
}

// A PublicKey is a public key: the matrix, t1 times 2^d, both transformed, and the hash of the encoding.
type PublicKey struct {
	*Parameters
	tr     []byte
	matrix [][]poly
	t1     []poly
}

// expandA is algorithm 32.
func (m *Parameters) expandA(rho []byte) [][]poly {
	a := make([][]poly, m.k)
	for i := range a {
		a[i] = make([]poly, m.l)
		for j := range a[i] {
			a[i][j].rejNTTPoly(rho, j, i)
		}
	}
	return a
}

// NewPublicKey reads a public key of [Parameters.PublicKeySize] bytes, which every string of the length is.
func (m *Parameters) NewPublicKey(b []byte) *PublicKey {
	p := &PublicKey{m, shake.Sum256(64, b), m.expandA(b[:32]), make([]poly, m.k)}
	size := packedSize(23 - droppedBits)
	for i := range p.t1 {
		t := &p.t1[i]
		t.unpack(b[32+i*size:], 23-droppedBits)
		for j := range t {
			t[j] <<= droppedBits
		}
		t.ntt()
	}
	return p
}

// Mu is what is signed in the place of the message M', 64 bytes: algorithm 7, line 6. M' may come in parts.
func (p *PublicKey) Mu(message ...[]byte) []byte {
	return shake.Sum256(64, append([][]byte{p.tr}, message...)...)
}

// A PrivateKey is a private key: its secrets transformed.
type PrivateKey struct {
	*Parameters
	rho, key, tr []byte
	matrix       [][]poly
	s1, s2, t0   []poly
}

// errPrivateKey is the error of what is no private key: its parts are not of each other.
var errPrivateKey = errors.New("mldsa: invalid private key")

// NewPrivateKey reads a private key of [Parameters.PrivateKeySize] bytes: algorithm 25. Coefficients out of their range are no key,
// and an error. b is not kept.
func (m *Parameters) NewPrivateKey(b []byte) (*PrivateKey, error) {
	if len(b) != m.PrivateKeySize() {
		return nil, errPrivateKey
	}
	b = append([]byte(nil), b...)
	k := &PrivateKey{Parameters: m, rho: b[:32], key: b[32:64], tr: b[64:128], s1: make([]poly, m.l), s2: make([]poly, m.k), t0: make([]poly, m.k)}
	k.matrix = m.expandA(k.rho)
	rest := b[128:]
	var bad int32
	read := func(list []poly, bits uint, top, most int32) {
		for i := range list {
			p := &list[i]
			p.unpack(rest, bits)
			rest = rest[packedSize(bits):]
			for _, a := range p {
				bad |= most - a
			}
			p.subtractFrom(top)
			p.ntt()
		}
	}
	read(k.s1, m.etaBits(), m.eta, 2*m.eta)
	read(k.s2, m.etaBits(), m.eta, 2*m.eta)
	read(k.t0, droppedBits, 1<<(droppedBits-1), 1<<droppedBits-1)
	if bad < 0 {
		return nil, errPrivateKey
	}
	return k, nil
}

// Mu is [PublicKey.Mu] of the public key.
func (k *PrivateKey) Mu(message ...[]byte) []byte {
	return shake.Sum256(64, append([][]byte{k.tr}, message...)...)
}

// multiplyRow multiplies row i of the matrix by a vector that is transformed. The result is not transformed.
func (m *Parameters) multiplyRow(row []poly, v []poly) (p poly) {
	for j := range v {
		var t poly
		t.mul(&row[j], &v[j])
		p.add(&p, &t)
	}
	for i := range p {
		p[i] = reduce32(p[i])
	}
	return p
}

// PublicKey makes the public key, and sees that the rest of the private key is of it, which is an error otherwise: algorithm 6,
// lines 5 to 9.
func (k *PrivateKey) PublicKey() ([]byte, error) {
	b := append(make([]byte, 0, k.PublicKeySize()), k.rho...)
	var differs int32
	for i := range k.s2 {
		t := k.multiplyRow(k.matrix[i], k.s1)
		t.inverseNTT()
		s2, t0 := k.s2[i], k.t0[i]
		for _, p := range []*poly{&s2, &t0} {
			p.leaveNTT()
		}
		t.add(&t, &s2)
		t.reduce()
		for j := range t { // algorithm 35
			high := (t[j] + 1<<(droppedBits-1) - 1) >> droppedBits
			low := t[j] - high<<droppedBits
			differs |= addQ(reduce32(low - t0[j]))
			t[j] = high
		}
		b = t.pack(b, 23-droppedBits)
	}
	if differs != 0 || subtle.ConstantTimeCompare(shake.Sum256(64, b), k.tr) != 1 {
		return nil, errPrivateKey
	}
	return b, nil
}

// leaveNTT undoes a transform. inverseNTT also multiplies by 2^32, which is undone first.
func (p *poly) leaveNTT() {
	for i := range p {
		p[i] = montgomeryReduce(int64(p[i]))
	}
	p.inverseNTT()
}

// expandMask is algorithm 34.
func (m *Parameters) expandMask(seed []byte, kappa int) []poly {
	y := make([]poly, m.l)
	for i := range y {
		n := kappa + i
		y[i].unpack(shake.Sum256(packedSize(m.maskBits()), seed, []byte{byte(n), byte(n >> 8)}), m.maskBits())
		y[i].subtractFrom(1 << m.gamma1)
	}
	return y
}

// SignMu signs mu: algorithm 7 from line 7 on. rnd is zero for a deterministic signature, and random for a hedged one.
func (k *PrivateKey) SignMu(mu []byte, rnd *[32]byte) []byte {
	seed := shake.Sum256(64, k.key, rnd[:], mu)
	for kappa := 0; ; kappa += k.l {
		y := k.expandMask(seed, kappa)
		hat := make([]poly, k.l)
		for i := range y {
			hat[i] = y[i]
			hat[i].ntt()
		}
		w1, w0 := make([]poly, k.k), make([]poly, k.k)
		encoded := make([]byte, 0, k.k*packedSize(k.highBits()))
		for i := range w1 {
			w := k.multiplyRow(k.matrix[i], hat)
			w.inverseNTT()
			w.reduce()
			for j, a := range w {
				w1[i][j], w0[i][j] = k.decompose(a)
			}
			encoded = w1[i].pack(encoded, k.highBits())
		}
		challenge := shake.Sum256(k.challenge, mu, encoded)
		if sig := k.respond(challenge, y, w1, w0); sig != nil {
			return sig
		}
	}
}

// respond answers a challenge, or returns nil where the answer would tell something of the key: lines 15 to 33.
func (k *PrivateKey) respond(challenge []byte, y, w1, w0 []poly) []byte {
	var c, t poly
	c.sampleInBall(challenge, k.tau)
	c.ntt()
	reject := false
	sig := append(make([]byte, 0, k.SignatureSize()), challenge...)
	for i := range y {
		t.mul(&c, &k.s1[i])
		t.inverseNTT()
		z := &y[i]
		z.add(z, &t)
		z.center()
		reject = z.exceeds(1<<k.gamma1-k.beta()) || reject
		z.subtractFrom(1 << k.gamma1)
		sig = z.pack(sig, k.maskBits())
	}
	hints, count := make([]byte, k.omega+k.k), 0
	for i := range w0 {
		r0 := &w0[i]
		t.mul(&c, &k.s2[i])
		t.inverseNTT()
		r0.sub(r0, &t)
		r0.center()
		reject = r0.exceeds(k.gamma2-k.beta()) || reject
		t.mul(&c, &k.t0[i])
		t.inverseNTT()
		t.center()
		reject = t.exceeds(k.gamma2) || reject
		r0.add(r0, &t)
		if reject {
			return nil
		}
		for j, a := range r0 {
			if a > k.gamma2 || a < -k.gamma2 || a == -k.gamma2 && w1[i][j] != 0 {
				if count == k.omega {
					return nil
				}
				hints[count] = byte(j)
				count++
			}
		}
		hints[k.omega+i] = byte(count)
	}
	return append(sig, hints...)
}

// center brings the coefficients between -q/2 and q/2.
func (p *poly) center() {
	for i := range p {
		a := addQ(reduce32(p[i]))
		p[i] = a - ((q-1)/2-a)>>31&q
	}
}

// hintBitUnpack is algorithm 21. Hints that are not in order, or more than there are, make no signature.
func (m *Parameters) hintBitUnpack(b []byte) ([]poly, bool) {
	h := make([]poly, m.k)
	at := 0
	for i := range h {
		end := int(b[m.omega+i])
		if end < at || end > m.omega {
			return nil, false
		}
		for first := at; at < end; at++ {
			if at > first && b[at-1] >= b[at] {
				return nil, false
			}
			h[i][b[at]] = 1
		}
	}
	for _, x := range b[at:m.omega] {
		if x != 0 {
			return nil, false
		}
	}
	return h, true
}

// VerifyMu verifies a signature of mu: algorithm 8 from line 2 on. sig has [Parameters.SignatureSize] bytes.
func (p *PublicKey) VerifyMu(mu, sig []byte) bool {
	challenge, rest := sig[:p.challenge], sig[p.challenge:]
	z := make([]poly, p.l)
	for i := range z {
		z[i].unpack(rest, p.maskBits())
		rest = rest[packedSize(p.maskBits()):]
		z[i].subtractFrom(1 << p.gamma1)
		if z[i].exceeds(1<<p.gamma1 - p.beta()) {
			return false
		}
		z[i].ntt()
	}
	hints, ok := p.hintBitUnpack(rest)
	if !ok {
		return false
	}
	var c, t poly
	c.sampleInBall(challenge, p.tau)
	c.ntt()
	encoded := make([]byte, 0, p.k*packedSize(p.highBits()))
	for i := range p.t1 {
		w := p.multiplyRow(p.matrix[i], z)
		t.mul(&c, &p.t1[i])
		w.sub(&w, &t)
		for j := range w {
			w[j] = reduce32(w[j])
		}
		w.inverseNTT()
		w.reduce()
		for j := range w {
			w[j] = p.useHint(w[j], hints[i][j])
		}
		encoded = w.pack(encoded, p.highBits())
	}
	return subtle.ConstantTimeCompare(shake.Sum256(p.challenge, mu, encoded), challenge) == 1
}
