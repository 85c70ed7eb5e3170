package mechanisms

import (
	"bytes"
	goaes "crypto/aes"
	"crypto/cipher"
	"sync"
	"testing"

	"github.com/softcsp/softcsp/ck"
)

func aesKey() *Key { return secretKey(ck.CKK_AES, pattern(16)) }

func mustWhole(t *testing.T, begin beginFunc, k *Key, p ck.Param, src []byte) []byte {
	t.Helper()
	got, err := whole(begin, k, &p, src)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// TestCTREnd sees that a counter ends where its bits do, and not before.
func TestCTREnd(t *testing.T) {
	t.Parallel()
	ones := bytes.Repeat([]byte{0xff}, 16)
	for _, c := range []struct {
		bits   int
		block  []byte
		blocks int // that it lasts; -1 for longer than can be tried
	}{
		{2, append(make([]byte, 15), 1), 3}, // the example of PKCS #11
		{2, make([]byte, 16), 4},
		{1, ones, 1},
		{8, append(bytes.Clone(ones[:15]), 0xf0), 16},
		{63, ones, 1},
		{64, ones, 1},
		{65, ones, 1},
		{128, ones, 1},
		{128, append(bytes.Clone(ones[:15]), 0xfe), 2},
		{64, append(bytes.Clone(ones[:8]), make([]byte, 8)...), -1},
		{65, append(append(make([]byte, 7), 0), ones[:8]...), -1},
		{128, make([]byte, 16), -1},
		{9, append(bytes.Clone(ones[:15]), 0), 256},
	} {
		n := c.blocks
		if n < 0 {
			n = 300
		}
		param := func() *ck.Param { p := params(c.bits, c.block); return &p }
		want, err := whole(ctr(keyedAES), aesKey(), param(), make([]byte, 16*n))
		if err != nil {
			t.Errorf("%d bits from %x, %d blocks: %v", c.bits, c.block, n, err)
			continue
		}
		if !bytes.Equal(lastBlock(t, c.block, n), want[16*(n-1):]) {
			t.Errorf("%d bits from %x: the last block is wrong", c.bits, c.block)
		}
		if c.blocks < 0 {
			continue
		}
		if _, err := whole(ctr(keyedAES), aesKey(), param(), make([]byte, 16*n+1)); err != ck.CKR_DATA_LEN_RANGE {
			t.Errorf("%d bits from %x, a byte more than %d blocks: %v", c.bits, c.block, n, err)
		}
		s, err := ctr(keyedAES)(aesKey(), param())
		if err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 16*n)
		if _, err := s.Update(buf, buf); err != nil {
			t.Error(err)
		}
		if _, err := s.Update(buf[:1], buf[:1]); err != ck.CKR_DATA_LEN_RANGE {
			t.Errorf("%d bits from %x in parts, a byte more: %v", c.bits, c.block, err)
		}
	}
}

// lastBlock is the last of n blocks of the key stream of aesKey, with a counter of all bits.
func lastBlock(t *testing.T, first []byte, n int) []byte {
	block, err := goaes.NewCipher(aesKey().Value)
	if err != nil {
		t.Fatal(err)
	}
	last, counter := make([]byte, 16), bytes.Clone(first)
	for range n {
		block.Encrypt(last, counter)
		for i := 15; i >= 0; i-- {
			if counter[i]++; counter[i] != 0 {
				break
			}
		}
	}
	return last
}

// TestGCMShortTags compares every length of tag and nonce with the whole tag, and those that Go offers with Go.
func TestGCMShortTags(t *testing.T) {
	t.Parallel()
	row, plain, aad := Lookup(ck.CKM_AES_GCM), pattern(37), pattern(100)
	block, err := goaes.NewCipher(aesKey().Value)
	if err != nil {
		t.Fatal(err)
	}
	for _, nonce := range [][]byte{pattern(1), pattern(8), pattern(12), pattern(13), pattern(16), pattern(70), pattern(300)} {
		full := mustWhole(t, row.Encrypt, aesKey(), params(pointed(nonce), 0, pointed(aad), 128), plain)
		for tag := 4; tag <= 16; tag++ {
			p := params(pointed(nonce), 0, pointed(aad), 8*tag)
			got := mustWhole(t, row.Encrypt, aesKey(), p, plain)
			if !bytes.Equal(got, full[:len(plain)+tag]) {
				t.Errorf("nonce of %d, tag of %d: %x", len(nonce), tag, got)
			}
			if tag >= 12 && len(nonce) == 12 {
				aead, err := cipher.NewGCMWithTagSize(block, tag)
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(got, aead.Seal(nil, nonce, plain, aad)) {
					t.Errorf("a tag of %d is not that of Go", tag)
				}
			}
			if back := mustWhole(t, row.Decrypt, aesKey(), p, got); !bytes.Equal(back, plain) {
				t.Errorf("nonce of %d, tag of %d: decrypts to %x", len(nonce), tag, back)
			}
			for i := range got {
				got[i] ^= 0x10
				q := p
				if _, err := whole(row.Decrypt, aesKey(), &q, got); err != ck.CKR_ENCRYPTED_DATA_INVALID {
					t.Errorf("nonce of %d, tag of %d, byte %d changed: %v", len(nonce), tag, i, err)
				}
				got[i] ^= 0x10
			}
			q := p
			if _, err := whole(row.Decrypt, aesKey(), &q, got[:tag-1]); err != ck.CKR_ENCRYPTED_DATA_LEN_RANGE {
				t.Errorf("less than a tag: %v", err)
			}
		}
	}
}

// TestGCMRelease sees that nothing of a plaintext comes out before the tag is right, or when it is wrong.
func TestGCMRelease(t *testing.T) {
	t.Parallel()
	row, plain := Lookup(ck.CKM_AES_GCM), bytes.Repeat([]byte("plain"), 20)
	for _, tag := range []int{32, 128} {
		p := params(pointed(pattern(12)), 96, pointed(nil), tag)
		ct := mustWhole(t, row.Encrypt, aesKey(), p, plain)
		ct[len(ct)-1] ^= 1
		q := p
		c, err := row.Decrypt(aesKey(), &q)
		if err != nil {
			t.Fatal(err)
		}
		if n := c.UpdateLen(len(ct)); n != 0 {
			t.Errorf("Update would write %d bytes", n)
		}
		if n, err := c.Update(nil, ct); n != 0 || err != nil {
			t.Errorf("Update: %d, %v", n, err)
		}
		dst := make([]byte, c.FinalLen())
		if n, err := c.Final(dst); n != 0 || err != ck.CKR_ENCRYPTED_DATA_INVALID || bytes.Contains(dst, []byte("plain")) {
			t.Errorf("Final: %d, %v, %q", n, err, dst)
		}
		q = p
		if c, err = row.Decrypt(aesKey(), &q); err != nil {
			t.Fatal(err)
		}
		if n, err := c.Whole(dst, ct); n != 0 || err != ck.CKR_ENCRYPTED_DATA_INVALID || bytes.Contains(dst, []byte("plain")) {
			t.Errorf("Whole: %d, %v, %q", n, err, dst)
		}
	}
}

// TestPadding tries every last block that could be a padding.
func TestPadding(t *testing.T) {
	t.Parallel()
	iv := pattern(16)
	cbc, pad := Lookup(ck.CKM_AES_CBC), Lookup(ck.CKM_AES_CBC_PAD)
	for last := range 256 {
		for wrong := -1; wrong < min(last, 16)-1; wrong++ { // which byte of the padding is another, -1 for none
			plain := bytes.Repeat([]byte{byte(last)}, 32)
			copy(plain[:32-min(last, 16)], pattern(32))
			if wrong >= 0 {
				plain[32-min(last, 16)+wrong] ^= 0x80
			}
			ct := mustWhole(t, cbc.Encrypt, aesKey(), params(iv), plain)
			p := params(iv)
			got, err := whole(pad.Decrypt, aesKey(), &p, ct)
			if good := last >= 1 && last <= 16 && wrong < 0; good {
				if err != nil || !bytes.Equal(got, plain[:32-last]) {
					t.Errorf("padding %d: %x, %v", last, got, err)
				}
			} else if err != ck.CKR_ENCRYPTED_DATA_INVALID || len(got) != 0 {
				t.Errorf("padding %d with byte %d wrong: %x, %v", last, wrong, got, err)
			}
			p = params(iv)
			if _, err := pad.Unwrap(aesKey(), &p, ct); (err == nil) != (last >= 1 && last <= 16 && wrong < 0) ||
				err != nil && err != ck.CKR_WRAPPED_KEY_INVALID {
				t.Errorf("unwrapping with padding %d: %v", last, err)
			}
		}
	}
}

// TestLengths gives block modes what is no number of blocks.
func TestLengths(t *testing.T) {
	t.Parallel()
	for _, s := range samples(t) {
		if s.row.Encrypt == nil {
			continue
		}
		c, ok := s.begin(t, s.row.Encrypt).(*blockCipher)
		if !ok {
			continue
		}
		for _, d := range []struct {
			begin beginFunc
			bad   bool
			want  error
		}{{s.row.Encrypt, !c.pad, ck.CKR_DATA_LEN_RANGE}, {s.row.Decrypt, true, ck.CKR_ENCRYPTED_DATA_LEN_RANGE}} {
			src := pattern(c.size + 1)
			p := s.param()
			if _, err := whole(d.begin, s.key, &p, src); d.bad && err != d.want {
				t.Errorf("%s: %d bytes: %v, want %v", s.name, len(src), err, d.want)
			}
			parts := s.begin(t, d.begin)
			dst := make([]byte, 64)
			if _, err := parts.Update(dst, src); err != nil {
				t.Errorf("%s: %v", s.name, err)
			}
			if _, err := parts.Final(dst); d.bad && err != d.want {
				t.Errorf("%s: %d bytes in parts: %v, want %v", s.name, len(src), err, d.want)
			}
		}
	}
}

// TestKeyWrapPKCS7 compares with CKM_AES_KEY_WRAP of what has been padded by hand.
func TestKeyWrapPKCS7(t *testing.T) {
	t.Parallel()
	pkcs, plain := Lookup(ck.CKM_AES_KEY_WRAP_PKCS7), Lookup(ck.CKM_AES_KEY_WRAP)
	for n := 8; n <= 40; n++ {
		value := pattern(n)
		pad := 8 - n%8
		p := params()
		got, err := pkcs.Wrap(aesKey(), &p, value)
		want := mustWhole(t, plain.Encrypt, aesKey(), params(), append(bytes.Clone(value), bytes.Repeat([]byte{byte(pad)}, pad)...))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes: %x, %v; want %x", n, got, err, want)
		}
		bad := mustWhole(t, plain.Encrypt, aesKey(), params(), append(bytes.Clone(value[:n-n%8]), 1, 2, 3, 4, 5, 6, 7, 9))
		if _, err := pkcs.Unwrap(aesKey(), &p, bad); err != ck.CKR_WRAPPED_KEY_INVALID {
			t.Errorf("%d bytes with a bad padding: %v", n, err)
		}
	}
}

// TestMACGeneral compares cut MACs with whole ones.
func TestMACGeneral(t *testing.T) {
	t.Parallel()
	rows := map[ck.MechanismType]ck.MechanismType{ck.CKM_AES_CMAC: ck.CKM_AES_CMAC_GENERAL, ck.CKM_DES3_CMAC: ck.CKM_DES3_CMAC_GENERAL}
	for _, h := range hashes {
		if h.HMAC != 0 {
			rows[h.HMAC] = h.HMACGeneral
		}
	}
	for full, general := range rows {
		keyType := Lookup(full).Keys[0]
		size, fixed := Size(keyType)
		if !fixed {
			size = 32
		}
		k := secretKey(keyType, pattern(int(size)))
		sign := func(m ck.MechanismType, p ck.Param) []byte {
			s, err := Lookup(m).Sign(k, &p)
			if err != nil {
				t.Fatal(err)
			}
			dst := make([]byte, s.Size())
			if err := s.Update(pattern(50)); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Sign(dst); err != nil {
				t.Fatal(err)
			}
			return dst
		}
		want := sign(full, params())
		for n := 1; n <= len(want); n++ {
			if got := sign(general, params(n)); !bytes.Equal(got, want[:n]) {
				t.Errorf("%v of %d bytes: %x, want %x", general, n, got, want[:n])
			}
		}
	}
}

// TestSalt sees what RC2 and RC4 are keyed with where CryptDeriveKey made the key.
func TestSalt(t *testing.T) {
	t.Parallel()
	value, salt := pattern(5), bytes.Repeat([]byte{9}, 14)
	salted := &Key{Type: ck.CKK_RC2, Value: value, Salt: salt, EffectiveBits: 40}
	joined := func() *Key { return secretKey(ck.CKK_RC2, append(bytes.Clone(value), salt[:11]...)) }
	rc2, rc4 := Lookup(ck.CKM_RC2_ECB), Lookup(ck.CKM_RC4)
	src := pattern(16)
	if got, want := mustWhole(t, rc2.Encrypt, salted, params(0), src), mustWhole(t, rc2.Encrypt, joined(), params(40), src); !bytes.Equal(got, want) {
		t.Errorf("RC2: %x, want %x", got, want)
	}
	// A second setting of the same key, and the first again.
	for _, bits := range []int{128, 40, 1024} {
		if got, want := mustWhole(t, rc2.Encrypt, salted, params(bits), src), mustWhole(t, rc2.Encrypt, joined(), params(bits), src); !bytes.Equal(got, want) {
			t.Errorf("RC2 with %d bits: %x, want %x", bits, got, want)
		}
	}
	if got, want := mustWhole(t, rc4.Encrypt, salted, params(), src), mustWhole(t, rc4.Encrypt, joined(), params(), src); !bytes.Equal(got, want) {
		t.Errorf("RC4: %x, want %x", got, want)
	}
	long := secretKey(ck.CKK_RC4, pattern(100)) // without a salt nothing is cut
	short := secretKey(ck.CKK_RC4, pattern(16))
	if bytes.Equal(mustWhole(t, rc4.Encrypt, long, params(), src), mustWhole(t, rc4.Encrypt, short, params(), src)) {
		t.Error("a long key is cut")
	}
}

// TestConcurrent uses one key in many operations at once.
func TestConcurrent(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes a while with the race detector")
	}
	for _, s := range samples(t) {
		if s.row.Encrypt == nil && s.row.Sign == nil {
			continue
		}
		k := secretKey(s.key.Type, s.key.Value)
		run := func() []byte {
			p := s.param()
			if s.row.Encrypt != nil {
				got, err := whole(s.row.Encrypt, k, &p, pattern(64))
				if err != nil {
					t.Errorf("%s: %v", s.name, err)
				}
				return got
			}
			c, err := s.row.Sign(k, &p)
			if err != nil {
				t.Errorf("%s: %v", s.name, err)
				return nil
			}
			dst := make([]byte, c.Size())
			if err := c.Update(pattern(64)); err != nil {
				t.Error(err)
			}
			if _, err := c.Sign(dst); err != nil {
				t.Error(err)
			}
			return dst
		}
		want := run()
		k.Forget()
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range 20 {
					if got := run(); !bytes.Equal(got, want) {
						t.Errorf("%s: %x, want %x", s.name, got, want)
					}
				}
			})
		}
		wg.Wait()
	}
}

// TestReusedCBC has one cipher do operation after operation, with padding and without, to the end and not: each is that of a new one. A cipher of a
// key that has been destroyed is not kept.
func TestReusedCBC(t *testing.T) {
	t.Parallel()
	value := pattern(32)
	k := &Key{Class: ck.CKO_SECRET_KEY, Type: ck.CKK_AES, Value: value}
	begin := func(k *Key, row *Mechanism, decrypt bool, iv []byte) Cipher {
		p := ck.NewParam(iv, nil)
		f := row.Encrypt
		if decrypt {
			f = row.Decrypt
		}
		c, err := f(k, &p)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	for round := range 64 {
		row, decrypt := Lookup([]ck.MechanismType{ck.CKM_AES_CBC, ck.CKM_AES_CBC_PAD}[round%2]), round%4 > 1
		iv, data := bytes.Repeat([]byte{byte(round)}, 16), pattern(48)
		used, fresh := begin(k, row, decrypt, iv), begin(&Key{Class: ck.CKO_SECRET_KEY, Type: ck.CKK_AES, Value: value}, row, decrypt, iv)
		var got, want [64]byte
		var n, m int
		var err, err2 error
		switch round % 3 {
		case 0:
			n, err = used.Whole(got[:], data)
			m, err2 = fresh.Whole(want[:], data)
		default: // in a part, which leaves something behind
			n, err = used.Update(got[:], data[:round%32])
			m, err2 = fresh.Update(want[:], data[:round%32])
		}
		if n != m || err != err2 || got != want {
			t.Fatalf("%v, decrypt: %v: %x, %v; want %x, %v", row.Type, decrypt, got[:n], err, want[:m], err2)
		}
		used.(Ender).End()
	}
	c := begin(k, Lookup(ck.CKM_AES_CBC), false, make([]byte, 16))
	pool := c.(*blockCipher).pool
	k.Forget()
	for pool.Get() != nil { // what other operations have left
	}
	if c.(Ender).End(); pool.Get() != nil {
		t.Error("a cipher is kept whose key is gone")
	}
}
