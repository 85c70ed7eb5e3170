package mechanisms

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/softcsp/softcsp/ck"
)

// An aeadCase is a mode of authenticated encryption with its parameter, for a plaintext of n bytes.
type aeadCase struct {
	name  string
	m     ck.MechanismType
	tag   int
	param func(n int, aad []byte) ck.Param
}

func aeadCases() (all []aeadCase) {
	for _, tag := range []int{4, 12, 16} {
		all = append(all, aeadCase{"GCM", ck.CKM_AES_GCM, tag, func(_ int, aad []byte) ck.Param {
			return params(pointed(pattern(12)), 96, pointed(aad), 8*tag)
		}}, aeadCase{"GCM with another nonce", ck.CKM_AES_GCM, tag, func(_ int, aad []byte) ck.Param {
			return params(pointed(pattern(21)), 168, pointed(aad), 8*tag)
		}}, aeadCase{"CCM", ck.CKM_AES_CCM, tag, func(n int, aad []byte) ck.Param {
			return params(n, pointed(pattern(11)), pointed(aad), tag)
		}})
	}
	for _, nonce := range []int{8, 12, 24} {
		all = append(all, aeadCase{"ChaCha20-Poly1305", ck.CKM_CHACHA20_POLY1305, 16, func(_ int, aad []byte) ck.Param {
			return params(alone(pattern(nonce)), 8*nonce, pointed(aad))
		}})
	}
	return all
}

// TestAEADParts encrypts and decrypts in parts, with lengths around those at which something is hashed or collected: each part of a
// plaintext gives as much ciphertext at once, and the end the tag alone.
func TestAEADParts(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	for _, c := range aeadCases() {
		row := Lookup(c.m)
		k := secretKey(row.Keys[0], pattern(32))
		for _, n := range []int{0, 1, 16, 100, 4095, 4096, 4097, 9000, 20000} {
			aad, plain := pattern([]int{0, 20, 5000}[r.IntN(3)]), pattern(n)
			sealed := mustWhole(t, row.Encrypt, k, c.param(n, aad), plain) // and in parts
			if n > 0 && len(sealed) != n+c.tag {
				t.Errorf("%s: %d bytes give %d", c.name, n, len(sealed))
			}
			if got := mustWhole(t, row.Decrypt, k, c.param(n, aad), sealed); !bytes.Equal(got, plain) {
				t.Errorf("%s: %d bytes come back as others", c.name, n)
			}
			sealed[r.IntN(len(sealed))] ^= 4
			p := c.param(n, aad)
			if got, err := whole(row.Decrypt, k, &p, sealed); err != ck.CKR_ENCRYPTED_DATA_INVALID {
				t.Errorf("%s: what was changed decrypts to %d bytes, %v", c.name, len(got), err)
			}
			p = c.param(n, aad)
			if _, err := inRandomParts(row.Decrypt, k, p, sealed[:c.tag-1]); err != ck.CKR_ENCRYPTED_DATA_LEN_RANGE {
				t.Errorf("%s: less than a tag: %v", c.name, err)
			}
		}
	}
}

// TestAEADOverlap encrypts parts where what is written lies over what is read.
func TestAEADOverlap(t *testing.T) {
	t.Parallel()
	for _, c := range aeadCases() {
		row := Lookup(c.m)
		k := secretKey(row.Keys[0], pattern(32))
		const n = 5000
		want := mustWhole(t, row.Encrypt, k, c.param(n, nil), pattern(n))
		for _, shift := range []int{-33, -1, 0, 1, 16, 100} {
			p := c.param(n, nil)
			op, err := row.Encrypt(k, &p)
			if err != nil {
				t.Fatal(err)
			}
			var got []byte
			for i := 0; i < n; i += 1250 {
				memory := make([]byte, 1500)
				in := memory[100:1350]
				copy(in, pattern(n)[i:])
				if _, err := op.Update(memory[100+shift:][:1250], in); err != nil {
					t.Fatal(err)
				}
				got = append(got, memory[100+shift:][:1250]...)
			}
			tag := make([]byte, c.tag)
			if _, err := op.Final(tag); err != nil || !bytes.Equal(append(got, tag...), want) {
				t.Errorf("%s, %d further on: %v", c.name, shift, err)
			}
		}
	}
}

// TestCCMParts encrypts more and less in parts than the parameter told.
func TestCCMParts(t *testing.T) {
	t.Parallel()
	row := Lookup(ck.CKM_AES_CCM)
	begin := func() Cipher {
		p := params(32, pointed(pattern(12)), pointed(nil), 16)
		c, err := row.Encrypt(aesKey(), &p)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	buf := make([]byte, 64)
	c := begin()
	if n, err := c.Update(buf, pattern(30)); n != 30 || err != nil {
		t.Errorf("30 bytes of 32: %d, %v", n, err)
	}
	if n, err := c.Update(buf, pattern(3)); n != 0 || err != ck.CKR_DATA_LEN_RANGE {
		t.Errorf("33 bytes of 32: %d, %v", n, err)
	}
	c = begin()
	if _, err := c.Update(buf, pattern(31)); err != nil {
		t.Error(err)
	}
	if n, err := c.Final(buf); n != 0 || err != ck.CKR_DATA_LEN_RANGE {
		t.Errorf("31 bytes of 32 at the end: %d, %v", n, err)
	}
}

// TestStealingParts takes parts of modes that steal ciphertext: all comes at once but for the last two blocks.
func TestStealingParts(t *testing.T) {
	t.Parallel()
	for _, m := range []ck.MechanismType{ck.CKM_AES_CTS, ck.CKM_AES_XTS} {
		row := Lookup(m)
		k := secretKey(row.Keys[0], pattern(32))
		for n := 16; n < 100; n++ {
			sealed := mustWhole(t, row.Encrypt, k, params(pattern(16)), pattern(n))
			if got := mustWhole(t, row.Decrypt, k, params(pattern(16)), sealed); !bytes.Equal(got, pattern(n)) {
				t.Errorf("%v: %d bytes come back as %x", m, n, got)
			}
		}
		for _, begin := range []beginFunc{row.Encrypt, row.Decrypt} {
			p := params(pattern(16))
			c, err := begin(k, &p)
			if err != nil {
				t.Fatal(err)
			}
			if a, b := c.UpdateLen(1000), c.UpdateLen(31); a != 1000-1000%16-16 || b != 0 {
				t.Errorf("%v: of 1000 bytes %d come at once, of 31 %d", m, a, b)
			}
		}
	}
}

// TestSegments holds parts of all lengths, and takes what is at the end.
func TestSegments(t *testing.T) {
	t.Parallel()
	var s segments
	var all []byte
	for n := range 3000 {
		if err := s.add(pattern(n)); err != nil {
			t.Fatal(err)
		}
		all = append(all, pattern(n)...)
	}
	for _, n := range []int{0, 1, 16, 3000, 1<<20 + 5, 16} {
		if got := s.cut(n); !bytes.Equal(got, all[len(all)-n:]) {
			t.Errorf("the last %d bytes are others", n)
		}
		all = all[:len(all)-n]
		if s.n != len(all) || !bytes.Equal(bytes.Join(s.list, nil), all) {
			t.Fatalf("%d bytes are left of %d", s.n, len(all))
		}
	}
	if len(s.list) > 20 {
		t.Errorf("%d segments", len(s.list))
	}
	s.n = ck.MostCopied
	if err := s.add([]byte{1}); err != ck.CKR_HOST_MEMORY {
		t.Errorf("more than there may be: %v", err)
	}
}
