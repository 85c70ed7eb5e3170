package mechanisms

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/softcsp/softcsp/ck"
)

// someKey is a key with a value that no other test has.
func someKey(t *testing.T) *Key {
	t.Helper()
	v := make([]byte, 32)
	if _, err := rand.Read(v); err != nil {
		t.Fatal(err)
	}
	return secretKey(ck.CKK_AES, v)
}

// TestCounters makes nonces that count: the first is zero, none comes twice for a key, and they end where the free bits do.
func TestCounters(t *testing.T) {
	t.Parallel()
	k := someKey(t)
	count := func(nonce []byte, fixed int, generator uint) error {
		return generateNonce(secretKey(ck.CKK_AES, bytes.Clone(k.Value)), nonce, uint(fixed), generator)
	}
	counter, xor := uint(ck.CKG_GENERATE_COUNTER), uint(ck.CKG_GENERATE_COUNTER_XOR)
	for i := range 16 {
		nonce := bytes.Repeat([]byte{0xff}, 12)
		if err := count(nonce, 92, counter); err != nil {
			t.Fatal(err)
		}
		if want := append(bytes.Repeat([]byte{0xff}, 11), 0xf0|byte(i)); !bytes.Equal(nonce, want) {
			t.Errorf("nonce %d is %x, want %x", i, nonce, want)
		}
	}
	last := bytes.Repeat([]byte{0xff}, 12)
	if err := count(last, 92, counter); err != ck.CKR_TOKEN_RESOURCE_EXCEEDED || !bytes.Equal(last, bytes.Repeat([]byte{0xff}, 12)) {
		t.Errorf("after the last counter: %x, %v", last, err)
	}
	for i := range 300 {
		nonce := pattern(13)
		if err := count(nonce, 32, xor); err != nil {
			t.Fatal(err)
		}
		want := pattern(13)
		want[12] ^= byte(i)
		want[11] ^= byte(i >> 8)
		if !bytes.Equal(nonce, want) {
			t.Errorf("nonce %d is %x, want %x", i, nonce, want)
		}
	}
	// What is added to may not vary, and a counter alone is one that is added to zero.
	other := pattern(13)
	other[12] ^= 1
	for _, c := range []error{count(other, 32, xor), count(pattern(13), 32, counter), count(pattern(13), 13*8, counter), count(pattern(65), 0, counter)} {
		if !errors.Is(c, ck.CKR_MECHANISM_PARAM_INVALID) {
			t.Errorf("another base, or nothing free: %v", c)
		}
	}
	// Another key has counters of its own.
	nonce := make([]byte, 12)
	if err := generateNonce(someKey(t), nonce, 0, counter); err != nil || !bytes.Equal(nonce, make([]byte, 12)) {
		t.Errorf("the first of another key: %x, %v", nonce, err)
	}
}

// TestManyCounters counts for more fixed parts than are remembered, and by several at once: no nonce comes twice.
func TestManyCounters(t *testing.T) {
	t.Parallel()
	table := &nonceCounters{byNonce: make(map[string]nonceCounter)}
	var mu sync.Mutex
	var wg sync.WaitGroup
	seen := make(map[string]bool)
	for range 4 {
		wg.Go(func() {
			for i := range 3 * maxCounters / 2 {
				nonce := append(fmt.Appendf(nil, "%8d", i), make([]byte, 4)...)
				if err := table.count("key", nonce, 64, false); err != nil {
					t.Error(err)
				}
				mu.Lock()
				if seen[string(nonce)] {
					t.Errorf("%q twice", nonce)
				}
				seen[string(nonce)] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(table.byNonce) > maxCounters {
		t.Errorf("%d are remembered", len(table.byNonce))
	}
}
