package mechanisms

import (
	"bytes"
	"testing"

	"github.com/softcsp/softcsp/ck"
)

// TestStreamCounters begins streams in the middle, and sees that each end where their counter does.
func TestStreamCounters(t *testing.T) {
	t.Parallel()
	key, nonce, ones := pattern(chachaKey), pattern(24), bytes.Repeat([]byte{0xff}, 8)
	for _, c := range []struct {
		m              ck.MechanismType
		k              ck.KeyType
		nonce, counter int
		param          func(counter, nonce []byte) ck.Param
	}{
		{ck.CKM_CHACHA20, ck.CKK_CHACHA20, 12, 4, chachaParam},
		{ck.CKM_CHACHA20, ck.CKK_CHACHA20, 8, 8, chachaParam},
		{ck.CKM_CHACHA20, ck.CKK_CHACHA20, 24, 8, chachaParam},
		{ck.CKM_SALSA20, ck.CKK_SALSA20, 8, 8, salsaParam},
		{ck.CKM_SALSA20, ck.CKK_SALSA20, 24, 8, salsaParam},
	} {
		row, k := Lookup(c.m), secretKey(c.k, key)
		counter := make([]byte, c.counter)
		all := mustWhole(t, row.Encrypt, k, c.param(counter, nonce[:c.nonce]), make([]byte, 7*chachaBlock))
		counter[0] = 3
		if got := mustWhole(t, row.Encrypt, k, c.param(counter, nonce[:c.nonce]), make([]byte, 200)); !bytes.Equal(got, all[3*chachaBlock:][:200]) {
			t.Errorf("%v, nonce of %d bytes: the fourth block is %x, want %x", c.m, c.nonce, got, all[3*chachaBlock:][:200])
		}
		copy(counter, ones)
		counter[0] = 0xfe // two blocks before the end
		p := c.param(counter, nonce[:c.nonce])
		s, err := row.Encrypt(k, &p)
		if err != nil {
			t.Fatal(err)
		}
		last := make([]byte, 2*chachaBlock)
		if _, err := s.Update(last, last); err != nil {
			t.Errorf("%v, nonce of %d bytes: the last blocks: %v", c.m, c.nonce, err)
		}
		if _, err := s.Update(last[:1], last[:1]); err != ck.CKR_DATA_LEN_RANGE {
			t.Errorf("%v, nonce of %d bytes: beyond the last block: %v", c.m, c.nonce, err)
		}
		if bytes.Contains(all, last[:chachaBlock]) || bytes.Contains(all, last[chachaBlock:]) {
			t.Errorf("%v, nonce of %d bytes: the counter begins anew", c.m, c.nonce)
		}
	}
}

func chachaParam(counter, nonce []byte) ck.Param {
	return params(alone(counter), 8*len(counter), alone(nonce), 8*len(nonce))
}

func salsaParam(counter, nonce []byte) ck.Param {
	return params(alone(counter), alone(nonce), 8*len(nonce))
}

// TestShortCounter gives the longer nonces a counter of 32 bits, which goes on into the upper half.
func TestShortCounter(t *testing.T) {
	t.Parallel()
	row, k := Lookup(ck.CKM_CHACHA20), secretKey(ck.CKK_CHACHA20, pattern(chachaKey))
	nonce := pattern(8)
	short := mustWhole(t, row.Encrypt, k, chachaParam([]byte{0xff, 0xff, 0xff, 0xff}, nonce), make([]byte, 300))
	long := mustWhole(t, row.Encrypt, k, chachaParam([]byte{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0}, nonce), make([]byte, 300))
	if !bytes.Equal(short, long) {
		t.Errorf("%x and %x", short, long)
	}
	next := mustWhole(t, row.Encrypt, k, chachaParam([]byte{0, 0, 0, 0, 1, 0, 0, 0}, nonce), make([]byte, 300-chachaBlock))
	if !bytes.Equal(long[chachaBlock:], next) {
		t.Errorf("across the halves of the counter: %x, want %x", long[chachaBlock:], next)
	}
}

// TestOlderChaChaPoly alters what the older construction has sealed.
func TestOlderChaChaPoly(t *testing.T) {
	t.Parallel()
	row, k := Lookup(ck.CKM_CHACHA20_POLY1305), secretKey(ck.CKK_CHACHA20, pattern(chachaKey))
	for _, nonce := range []int{8, 12, 24} {
		p := params(alone(pattern(nonce)), 8*nonce, pointed(pattern(5)))
		sealed := mustWhole(t, row.Encrypt, k, p, pattern(70))
		for i := range sealed {
			sealed[i] ^= 1
			p := params(alone(pattern(nonce)), 8*nonce, pointed(pattern(5)))
			if got, err := whole(row.Decrypt, k, &p, sealed); err != ck.CKR_ENCRYPTED_DATA_INVALID || len(got) != 0 {
				t.Errorf("nonce of %d bytes, byte %d changed: %x, %v", nonce, i, got, err)
			}
			sealed[i] ^= 1
		}
		q := params(alone(pattern(nonce)), 8*nonce, pointed(pattern(4)))
		if _, err := whole(row.Decrypt, k, &q, sealed); err != ck.CKR_ENCRYPTED_DATA_INVALID {
			t.Errorf("nonce of %d bytes, other data: %v", nonce, err)
		}
	}
}
