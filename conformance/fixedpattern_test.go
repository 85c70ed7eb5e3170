package conformance

import (
	"bytes"
	"crypto/aes"
	"encoding/hex"
	"fmt"
	"math/big"
	"strings"
	"testing"
)

// A fixedPattern is a way to sign in which the caller chooses all of the block but a few bytes: the block is first + step·x, with any x
// below limit, as data says it. Two such blocks are found whose quotient is any ciphertext that is wanted, so that the
// quotient of their signatures is its plaintext: W. de Jonge, D. Chaum, Attacks on Some RSA Signatures, CRYPTO 1985.
type fixedPattern struct {
	mechanism          string
	first, step, limit *big.Int
	data               func(x *big.Int) []byte
}

// fixedPatterns are those of the mechanisms for moduli of k bytes.
func fixedPatterns(k int) []fixedPattern {
	shifted := func(first string, free int) *big.Int {
		b, _ := hex.DecodeString(first)
		n := new(big.Int).SetBytes(b)
		return n.Lsh(n, uint(8*free))
	}
	ansi := fixedPattern{mechanism: "CKM_RSA_X9_31", first: shifted("6bba", k-2), step: big.NewInt(16), limit: new(big.Int).Lsh(big.NewInt(1), uint(8*(k-2)-4))}
	ansi.first.Add(ansi.first, big.NewInt(12))
	ansi.data = func(x *big.Int) []byte {
		n := new(big.Int).Lsh(x, 4)
		return n.Add(n, big.NewInt(12)).FillBytes(make([]byte, k-2))
	}
	return []fixedPattern{{mechanism: "CKM_RSA_PKCS", first: shifted("0001ffffffffffffffff00", k-11), step: big.NewInt(1), limit: new(big.Int).Lsh(big.NewInt(1), uint(8*(k-11))),
		data: func(x *big.Int) []byte { return x.FillBytes(make([]byte, k-11)) }}, ansi}
}

// blocks finds two numbers whose blocks have the quotient c modulo n, nil where there are none: x - c·y = first·(c-1)/step is the
// distance of a point from a lattice.
func (f *fixedPattern) blocks(c, n *big.Int) (x, y *big.Int) {
	t := new(big.Int).Sub(c, big.NewInt(1))
	t.Mul(t, f.first).Mul(t, new(big.Int).ModInverse(f.step, n)).Mod(t, n)
	a, b := [2]*big.Int{n, new(big.Int)}, [2]*big.Int{c, big.NewInt(1)} // the lattice of all pairs with the quotient c
	dot := func(u, v [2]*big.Int) *big.Int {
		p := new(big.Int).Mul(u[0], v[0])
		return p.Add(p, new(big.Int).Mul(u[1], v[1]))
	}
	less := func(u [2]*big.Int, q *big.Int, v [2]*big.Int) [2]*big.Int {
		return [2]*big.Int{new(big.Int).Sub(u[0], new(big.Int).Mul(q, v[0])), new(big.Int).Sub(u[1], new(big.Int).Mul(q, v[1]))}
	}
	nearest := func(p, q *big.Int) *big.Int {
		r := new(big.Int).Lsh(p, 1)
		r.Add(r, q)
		return r.Div(r, new(big.Int).Lsh(q, 1))
	}
	for {
		if dot(a, a).Cmp(dot(b, b)) < 0 {
			a, b = b, a
		}
		q := nearest(dot(a, b), dot(b, b))
		if q.Sign() == 0 {
			break
		}
		a = less(a, q, b)
	}
	half := new(big.Int).Rsh(f.limit, 1)
	point := [2]*big.Int{new(big.Int).Sub(t, half), new(big.Int).Neg(half)} // from the middle of what is permitted
	det := new(big.Int).Sub(new(big.Int).Mul(a[0], b[1]), new(big.Int).Mul(a[1], b[0]))
	in := func(p *big.Int) *big.Int {
		if det.Sign() < 0 {
			return nearest(p.Neg(p), new(big.Int).Neg(det))
		}
		return nearest(p, det)
	}
	u := in(new(big.Int).Sub(new(big.Int).Mul(point[0], b[1]), new(big.Int).Mul(point[1], b[0])))
	v := in(new(big.Int).Sub(new(big.Int).Mul(a[0], point[1]), new(big.Int).Mul(a[1], point[0])))
	point = less(less(point, u, a), v, b)
	x, y = point[0].Add(point[0], half), point[1].Add(point[1], half)
	if x.Sign() < 0 || y.Sign() < 0 || x.Cmp(f.limit) >= 0 || y.Cmp(f.limit) >= 0 {
		return nil, nil
	}
	return x, y
}

// TestSignaturesThatDecrypt wraps a key with one half of a pair, and signs two blocks with the other. In a standard token that tells
// the key; in a strict one nothing is signed so with a pair that wraps sensitive keys, and nothing wrapped so with one that has signed.
func TestSignaturesThatDecrypt(t *testing.T) {
	t.Parallel()
	only(t)
	const size = 128
	for _, f := range fixedPatterns(size) {
		for _, begin := range []string{"C_SignInit", "C_SignRecoverInit"} {
			if begin == "C_SignRecoverInit" && f.mechanism != "CKM_RSA_PKCS" {
				continue
			}
			pair := "C_GenerateKeyPair s CKM_RSA_PKCS_KEY_PAIR_GEN {CKA_MODULUS_BITS=1024,CKA_WRAP=true} {CKA_SIGN=true,CKA_SIGN_RECOVER=true} &pub &priv"
			const wrap = "C_WrapKey s CKM_RSA_PKCS pub victim w=out:128"
			s := module.script(t)
			do(t, s, "login", aesVictim, pair, wrap, begin+" s "+f.mechanism+" priv -> CKR_KEY_FUNCTION_NOT_PERMITTED",
				"C_SignInit s CKM_SHA256_RSA_PKCS priv", "C_Sign s str:hashed out:128", "C_DestroyObject s pub", "C_DestroyObject s priv",
				pair, begin+" s "+f.mechanism+" priv", wrap+" -> CKR_KEY_FUNCTION_NOT_PERMITTED")

			s = module.script(t, "key_separation = 'standard'")
			do(t, s, "login", aesVictim, pair, wrap, "C_GetAttributeValue s pub {CKA_MODULUS=?128}")
			n, c := new(big.Int).SetBytes(s.Vars.Bytes("a.CKA_MODULUS")), new(big.Int).SetBytes(s.Vars.Bytes("w"))
			x, y := f.blocks(c, n)
			if x == nil {
				t.Fatalf("%s: no two blocks", f.mechanism)
			}
			for name, data := range map[string]*big.Int{"sx": x, "sy": y} {
				do(t, s, begin+" s "+f.mechanism+" priv", fmt.Sprintf("%s s hex:%x %s=out:128", strings.TrimSuffix(begin, "Init"), f.data(data), name))
			}
			m := new(big.Int).ModInverse(new(big.Int).SetBytes(s.Vars.Bytes("sy")), n)
			m.Mul(m, new(big.Int).SetBytes(s.Vars.Bytes("sx"))).Mod(m, n)
			if m.BitLen() > 8*size-14 { // CKM_RSA_X9_31 gives the lesser of two numbers
				m.Sub(n, m)
			}
			do(t, s, "C_EncryptInit s CKM_AES_ECB victim", "C_Encrypt s rep:16:00 is=out:16")
			found, _ := aes.NewCipher(m.FillBytes(make([]byte, size))[size-16:])
			got := make([]byte, 16)
			if found.Encrypt(got, got); !bytes.Equal(got, s.Vars.Bytes("is")) {
				t.Errorf("%s: the attack does not find the key in a standard token", f.mechanism)
			}
		}
	}
}
