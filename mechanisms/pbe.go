package mechanisms

import (
	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/secret"
)

// pbeRows are the password-based encryption of PKCS #5 version 1.5 and of PKCS #12, which make a key and an IV. A password of
// PKCS #12 is given as PKCS #12 wants it, a BMPString with its two zeros at the end: what the function hashes are the bytes
// that the application gives.
var pbeRows = []Mechanism{
	pbe(ck.CKM_PBE_MD2_DES_CBC, ck.CKK_DES, 8, true, pbkdf1(ck.CKM_MD2)),
	pbe(ck.CKM_PBE_MD5_DES_CBC, ck.CKK_DES, 8, true, pbkdf1(ck.CKM_MD5)),
	pbe(ck.CKM_PBE_SHA1_RC4_128, ck.CKK_RC4, 16, false, pkcs12KDF(pkcs12Key)),
	pbe(ck.CKM_PBE_SHA1_RC4_40, ck.CKK_RC4, 5, false, pkcs12KDF(pkcs12Key)),
	pbe(ck.CKM_PBE_SHA1_DES3_EDE_CBC, ck.CKK_DES3, 24, true, pkcs12KDF(pkcs12Key)),
	pbe(ck.CKM_PBE_SHA1_DES2_EDE_CBC, ck.CKK_DES2, 16, true, pkcs12KDF(pkcs12Key)),
	pbe(ck.CKM_PBE_SHA1_RC2_128_CBC, ck.CKK_RC2, 16, true, pkcs12KDF(pkcs12Key)),
	pbe(ck.CKM_PBE_SHA1_RC2_40_CBC, ck.CKK_RC2, 5, true, pkcs12KDF(pkcs12Key)),
	pbe(ck.CKM_PBA_SHA1_WITH_SHA1_HMAC, ck.CKK_GENERIC_SECRET, 20, false, pkcs12KDF(pkcs12MAC)),
}

// pbeIV is the length of the IVs in bytes.
const pbeIV = 8

// A pbeParam is a CK_PBE_PARAMS, read.
type pbeParam struct {
	iv             []byte // of the caller's memory
	password, salt []byte
	iterations     int
	work           work
}

func readPBE(p *ck.Param) (r pbeParam, err error) {
	at := p.Ulong()
	r.password = p.Bytes()
	r.salt = p.Bytes()
	iterations := p.Ulong()
	if at != 0 {
		r.iv = p.BytesAt(at, pbeIV)
	}
	if err := p.Done(); err != nil {
		return r, err
	}
	if iterations == 0 || iterations > mostIterations || len(r.password) >= longPassword || len(r.salt) > maxSecret {
		err = ck.CKR_MECHANISM_PARAM_INVALID
	}
	r.iterations = int(iterations)
	return r, err
}

// pbe makes a row: a key of n bytes, and an IV where the cipher has one.
func pbe(m ck.MechanismType, t ck.KeyType, n uint, hasIV bool, kdf func(r *pbeParam, key, iv []byte)) Mechanism {
	return Mechanism{Type: m, Min: n, Max: n, FromPassword: func(p *ck.Param, _ []ck.Attribute, d *Derived) error {
		r, err := readPBE(p)
		if err != nil {
			return err
		}
		secret.Do(func() {
			r.work.stopped = d.Stopped
			both := d.room(n + pbeIV)
			d.Type, d.Value = t, both[:n]
			iv := both[n:]
			kdf(&r, d.Value, iv)
			FixParity(t, d.Value)
			if hasIV {
				d.Results = []Result{{r.iv, iv}}
			}
		})
		return r.work.done()
	}}
}

// pbkdf1 is PBKDF1 with a hash, whose first half is the key and whose second half is the IV: RFC 8018, section 6.1.
func pbkdf1(m ck.MechanismType) func(r *pbeParam, key, iv []byte) {
	return func(r *pbeParam, key, iv []byte) {
		h := findHash(m).New()
		h.Write(r.password)
		h.Write(r.salt)
		t := h.Sum(nil)
		for i := 1; i < r.iterations && r.work.goesOn(); i++ {
			h.Reset()
			h.Write(t)
			t = h.Sum(t[:0])
		}
		copy(iv, t[copy(key, t):])
		clear(t)
	}
}

// What the function of PKCS #12 makes bits for: its ID byte.
const (
	pkcs12Key = 1
	pkcs12IV  = 2
	pkcs12MAC = 3
)

// pkcs12KDF is the function of PKCS #12 with SHA-1, for the key, and for the IV that goes with it.
func pkcs12KDF(id byte) func(r *pbeParam, key, iv []byte) {
	return func(r *pbeParam, key, iv []byte) {
		r.pkcs12(key, id)
		r.pkcs12(iv, pkcs12IV)
	}
}

// pkcs12 fills out as RFC 7292, appendix B.2, says.
func (r *pbeParam) pkcs12(out []byte, id byte) {
	hash := findHash(ck.CKM_SHA_1)
	h, v := hash.New(), hash.Block
	diversifier := repeat(nil, []byte{id}, v)
	input := repeat(nil, r.salt, roundUp(len(r.salt), v))
	input = repeat(input, r.password, roundUp(len(r.password), v))
	var a, b []byte
	for len(out) > 0 {
		h.Reset()
		h.Write(diversifier)
		h.Write(input)
		a = h.Sum(a[:0])
		for i := 1; i < r.iterations && r.work.goesOn(); i++ {
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
