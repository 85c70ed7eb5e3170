package mechanisms

import (
	"bytes"
	"crypto/des"
	"errors"
	"testing"

	"github.com/softcsp/softcsp/ck"
)

// TestOFB8 compares with FIPS 81: eight bits of the cipher's output are used and fed back.
func TestOFB8(t *testing.T) {
	t.Parallel()
	key, iv, plain := secretKey(ck.CKK_DES, pattern(8)), pattern(8), pattern(50)
	block, err := des.NewCipher(key.Value)
	if err != nil {
		t.Fatal(err)
	}
	want, reg := make([]byte, len(plain)), bytes.Clone(iv)
	for i := range plain {
		out := make([]byte, 8)
		block.Encrypt(out, reg)
		want[i] = plain[i] ^ out[0]
		reg = append(reg[1:], out[0])
	}
	row := Lookup(ck.CKM_DES_OFB8)
	if got := mustWhole(t, row.Encrypt, key, params(iv), plain); !bytes.Equal(got, want) {
		t.Errorf("%x, want %x", got, want)
	}
}

// TestStealing gives the modes with ciphertext stealing less than a block, and a whole number of blocks.
func TestStealing(t *testing.T) {
	t.Parallel()
	iv := pattern(16)
	for m, k := range map[ck.MechanismType]*Key{ck.CKM_AES_CTS: aesKey(), ck.CKM_AES_XTS: secretKey(ck.CKK_AES_XTS, pattern(64))} {
		row := Lookup(m)
		for _, n := range []int{0, 1, 15} {
			p := params(iv)
			if _, err := whole(row.Encrypt, k, &p, pattern(n)); err != ck.CKR_DATA_LEN_RANGE {
				t.Errorf("%v: encrypting %d bytes: %v", m, n, err)
			}
			p = params(iv)
			if _, err := whole(row.Decrypt, k, &p, pattern(n)); err != ck.CKR_ENCRYPTED_DATA_LEN_RANGE {
				t.Errorf("%v: decrypting %d bytes: %v", m, n, err)
			}
			p = params(iv)
			if _, err := row.Wrap(k, &p, pattern(n)); err != ck.CKR_KEY_SIZE_RANGE {
				t.Errorf("%v: wrapping %d bytes: %v", m, n, err)
			}
		}
	}
	cbc := mustWhole(t, Lookup(ck.CKM_AES_CBC).Encrypt, aesKey(), params(iv), pattern(64))
	if cts := mustWhole(t, Lookup(ck.CKM_AES_CTS).Encrypt, aesKey(), params(iv), pattern(64)); !bytes.Equal(cts, cbc) {
		t.Errorf("nothing to steal: %x, and CBC makes %x", cts, cbc)
	}
}

// TestCCMLength gives CCM more and less data than the parameter tells.
func TestCCMLength(t *testing.T) {
	t.Parallel()
	row, nonce := Lookup(ck.CKM_AES_CCM), pattern(13)
	sealed := mustWhole(t, row.Encrypt, aesKey(), params(20, pointed(nonce), pointed(nil), 8), pattern(20))
	for _, told := range []int{0, 19, 21, 28, 1 << 16, -1} {
		p := params(told, pointed(nonce), pointed(nil), 8)
		want, back := error(ck.CKR_DATA_LEN_RANGE), error(ck.CKR_ENCRYPTED_DATA_LEN_RANGE)
		if uint(told) >= 1<<16 { // two bytes are left for the length
			want, back = ck.CKR_MECHANISM_PARAM_INVALID, ck.CKR_MECHANISM_PARAM_INVALID
		}
		if _, err := whole(row.Encrypt, aesKey(), &p, pattern(20)); !errors.Is(err, want) {
			t.Errorf("%d bytes told, encrypting 20: %v", told, err)
		}
		p = params(told, pointed(nonce), pointed(nil), 8)
		if _, err := whole(row.Decrypt, aesKey(), &p, sealed); !errors.Is(err, back) {
			t.Errorf("%d bytes told, decrypting 20: %v", told, err)
		}
	}
	for i := range sealed {
		sealed[i] ^= 4
		p := params(20, pointed(nonce), pointed(nil), 8)
		c, err := row.Decrypt(aesKey(), &p)
		if err != nil {
			t.Fatal(err)
		}
		dst := make([]byte, 20)
		if n, err := c.Whole(dst, sealed); n != 0 || err != ck.CKR_ENCRYPTED_DATA_INVALID || !bytes.Equal(dst, make([]byte, 20)) {
			t.Errorf("byte %d changed: %d, %v, %x", i, n, err, dst)
		}
		sealed[i] ^= 4
	}
}

// TestCCMLongAAD crosses the limit at which the length of the associated data is written otherwise (SP 800-38C, A.2.2, and
// its example 4).
func TestCCMLongAAD(t *testing.T) {
	t.Parallel()
	aad := make([]byte, 1<<16)
	for i := range aad {
		aad[i] = byte(i)
	}
	key := secretKey(ck.CKK_AES, seq(0x40, 16))
	got := mustWhole(t, Lookup(ck.CKM_AES_CCM).Encrypt, key, params(32, pointed(seq(0x10, 13)), pointed(aad), 14), seq(0x20, 32))
	want := []byte("\x69\x91\x5d\xad\x1e\x84\xc6\x37\x6a\x68\xc2\x96\x7e\x4d\xab\x61\x5a\xe0\xfd\x1f\xae\xc4\x4c\xc4\x84\x82\x85\x29\x46\x3c\xcf\x72" +
		"\xb4\xac\x6b\xec\x93\xe8\x59\x8e\x7f\x0d\xad\xbc\xea\x5b")
	if !bytes.Equal(got, want) {
		t.Errorf("%x, want %x", got, want)
	}
}

// seq returns n bytes that count up from first.
func seq(first byte, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = first + byte(i)
	}
	return b
}

// TestNonceGeneration wraps with each of the ways to make a nonce, and unwraps with what has been made.
func TestNonceGeneration(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		m      ck.MechanismType
		nonce  int
		params func(nonce []byte, fixed, generator int) ck.Param
	}{
		{ck.CKM_AES_GCM, 16, func(n []byte, fixed, g int) ck.Param { return params(pointed(n), fixed, g, pointed(pattern(3)), 128) }},
		{ck.CKM_AES_CCM, 13, func(n []byte, fixed, g int) ck.Param {
			return params(0, pointed(n), fixed, g, pointed(pattern(3)), 16)
		}},
	} {
		row, seen := Lookup(c.m), make(map[string]bool)
		for _, g := range []struct {
			generator, fixed int
			want             error
			made             bool
		}{
			{int(ck.CKG_NO_GENERATE), 0, nil, false},
			{int(ck.CKG_GENERATE), 0, nil, true},
			{int(ck.CKG_GENERATE), 37, nil, true},
			{int(ck.CKG_GENERATE_RANDOM), 40, nil, true},
			{int(ck.CKG_GENERATE_RANDOM), 0, nil, true},
			{int(ck.CKG_GENERATE), 8*c.nonce - minRandomBits + 1, ck.CKR_MECHANISM_PARAM_INVALID, false},
			{int(ck.CKG_GENERATE), -1, ck.CKR_MECHANISM_PARAM_INVALID, false},
			{int(ck.CKG_GENERATE_COUNTER), 32, nil, true},
			{int(ck.CKG_GENERATE_COUNTER), 8 * c.nonce, ck.CKR_MECHANISM_PARAM_INVALID, false},
			{int(ck.CKG_GENERATE_COUNTER_XOR), 32, nil, false}, // the first counter is zero
			{99, 0, ck.CKR_MECHANISM_PARAM_INVALID, false},
		} {
			nonce, k := pattern(c.nonce), someKey(t)
			p := c.params(nonce, g.fixed, g.generator)
			wrapped, err := row.Wrap(k, &p, pattern(32))
			if !errors.Is(err, g.want) {
				t.Errorf("%v, generator %d, %d bits fixed: %v", c.m, g.generator, g.fixed, err)
			}
			if made := !bytes.Equal(nonce, pattern(c.nonce)); made != g.made || !sameBits(nonce, pattern(c.nonce), g.fixed) {
				t.Errorf("%v, generator %d, %d bits fixed: %x", c.m, g.generator, g.fixed, nonce)
			}
			if seen[string(nonce)] && g.made {
				t.Errorf("%v: %x twice", c.m, nonce)
			}
			seen[string(nonce)] = true
			if err != nil {
				continue
			}
			p = c.params(nonce, 99, 99)
			if got, err := row.Unwrap(k, &p, wrapped); err != nil || !bytes.Equal(got, pattern(32)) {
				t.Errorf("%v: unwraps to %x, %v", c.m, got, err)
			}
			p = c.params(pattern(c.nonce-1), 0, 0)
			if _, err := row.Unwrap(k, &p, wrapped); err != ck.CKR_WRAPPED_KEY_INVALID {
				t.Errorf("%v: unwraps with another nonce: %v", c.m, err)
			}
		}
	}
}

// sameBits compares the first n bits, or all where there are not so many.
func sameBits(a, b []byte, n int) bool {
	if n < 0 || n > 8*len(a) {
		n = 8 * len(a)
	}
	if !bytes.Equal(a[:n/8], b[:n/8]) {
		return false
	}
	return n%8 == 0 || (a[n/8]^b[n/8])>>(8-n%8) == 0
}

// TestPadByHand compares CBC with padding with CBC of what has been padded by hand.
func TestPadByHand(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		key      ck.KeyType
		cbc, pad ck.MechanismType
		block    int
	}{
		{ck.CKK_TWOFISH, ck.CKM_TWOFISH_CBC, ck.CKM_TWOFISH_CBC_PAD, 16},
		{ck.CKK_IDEA, ck.CKM_IDEA_CBC, ck.CKM_IDEA_CBC_PAD, 8},
	} {
		k, iv := secretKey(c.key, pattern(16)), pattern(c.block)
		for n := range 40 {
			plain := pattern(n)
			pad := c.block - n%c.block
			want := mustWhole(t, Lookup(c.cbc).Encrypt, k, params(iv), append(bytes.Clone(plain), bytes.Repeat([]byte{byte(pad)}, pad)...))
			param := func() *ck.Param { p := params(iv); return &p }
			if err := checkCipher(Lookup(c.pad), k, param, plain, want); err != nil {
				t.Errorf("%v: %d bytes: %v", c.pad, n, err)
			}
		}
	}
}
