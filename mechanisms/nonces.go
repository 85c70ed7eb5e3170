package mechanisms

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"sync"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/randombytes"
	"github.com/softcsp/softcsp/internal/secret"
)

// minRandomBits is how many bits of a nonce must be free where it is to be random.
const minRandomBits = 64

// A nonceSource makes nonces for a key. In a process no counter is used twice with the same value of a key. The standard asks for that
// within a session only, but GCM gives its authentication key away when a nonce repeats. The first counter is zero, as the standard has it.
type nonceSource struct {
	id string // of the value of the key: a keyed hash
}

// A nonceCounters has the counters of all keys: one for each value of a key and fixed part of a nonce. When there are too many, all are
// dropped; a counter that is made after that starts at firstNew, above every dropped one.
type nonceCounters struct {
	secret [sha256.Size]byte

	mu       sync.Mutex
	byNonce  map[string]nonceCounter
	firstNew uint64
}

// A nonceCounter is the next value of a counter, and the bytes that it is combined with by exclusive or.
type nonceCounter struct {
	base string
	next uint64
}

// counters returns the counters of the process. They do not belong to a Key: a copy of a key, or the same key after another login, must go
// on counting where the first one stopped.
var counters = sync.OnceValue(func() *nonceCounters {
	t := &nonceCounters{byNonce: make(map[string]nonceCounter)}
	_, _ = rand.Read(t.secret[:]) // does not fail
	return t
})

const (
	// maxCounters is how many counters are remembered.
	maxCounters = 1 << 14
	// maxCountedNonce is the length in bytes of the longest nonce that may contain a counter.
	maxCountedNonce = 64
)

// nonceSourceOf returns what makes the nonces of a key.
func nonceSourceOf(k *Key) *nonceSource {
	n := new(nonceSource)
	secret.Do(func() {
		h := hmac.New(sha256.New, counters().secret[:])
		h.Write(k.Value)
		n.id = string(h.Sum(nil)[:16])
	})
	return n
}

// generateNonce makes a nonce for one use of a key.
func generateNonce(k *Key, nonce []byte, fixed, generator uint) error {
	if generator == uint(ck.CKG_NO_GENERATE) {
		return nil
	}
	return nonceSourceOf(k).generate(nonce, fixed, generator)
}

// generate makes a nonce behind its first fixed bits, in the caller's memory, as CK_GCM_MESSAGE_PARAMS and its kin ask for. The token
// may choose how for CKG_GENERATE: a random nonce, too.
func (n *nonceSource) generate(nonce []byte, fixed, generator uint) error {
	bits := 8 * uint(len(nonce))
	switch generator {
	case uint(ck.CKG_NO_GENERATE):
		return nil
	case uint(ck.CKG_GENERATE), uint(ck.CKG_GENERATE_RANDOM):
		if fixed > bits || bits-fixed < min(minRandomBits, bits) {
			return ck.FieldError("ulIvFixedBits or ulNonceFixedBits")
		}
		return randomNonce(nonce, fixed)
	case uint(ck.CKG_GENERATE_COUNTER), uint(ck.CKG_GENERATE_COUNTER_XOR):
		if fixed >= bits || len(nonce) > maxCountedNonce {
			return ck.FieldError("ulIvFixedBits or ulNonceFixedBits")
		}
		return counters().count(n.id, nonce, fixed, generator == uint(ck.CKG_GENERATE_COUNTER_XOR))
	}
	return ck.FieldError("ivGenerator or nonceGenerator")
}

// randomNonce fills what is free with random bits.
func randomNonce(nonce []byte, fixed uint) error {
	var head [1]byte
	randombytes.Fill(head[:])
	first, free := nonce[fixed/8:], byte(0xff)>>(fixed%8)
	first[0] = first[0]&^free | head[0]&free
	randombytes.Fill(first[1:])
	return nil
}

// count fills in the next counter, or adds it to what is there, which must be the same each time. When all counters have been used
// there is no more nonce with this fixed part, which is CKR_TOKEN_RESOURCE_EXCEEDED.
func (t *nonceCounters) count(id string, nonce []byte, fixed uint, xor bool) error {
	free := byte(0xff) >> (fixed % 8) // what is free of the first byte that is not all fixed
	base := append([]byte(nil), nonce[fixed/8:]...)
	name := append([]byte(id), byte(len(nonce)), byte(fixed), byte(fixed>>8))
	name = append(append(name, nonce[:fixed/8]...), base[0]&^free)
	base[0] &= free
	if !xor {
		clear(base)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	c, found := t.byNonce[string(name)]
	switch {
	case !found && len(t.byNonce) >= maxCounters:
		t.forget()
		fallthrough
	case !found:
		c = nonceCounter{string(base), t.firstNew}
	case c.base != string(base):
		return ck.FieldError("what pIv or pNonce leads to")
	}
	if left := 8*uint(len(nonce)) - fixed; left < 64 && c.next>>left != 0 || c.next == ^uint64(0) {
		return ck.CKR_TOKEN_RESOURCE_EXCEEDED
	}
	for i := range min(8, len(base)) {
		base[len(base)-1-i] ^= byte(c.next >> (8 * i))
	}
	base[0] |= nonce[fixed/8] &^ free
	copy(nonce[fixed/8:], base)
	c.next++
	t.byNonce[string(name)] = c
	return nil
}

// forget drops all counters. The lock is held.
func (t *nonceCounters) forget() {
	for _, c := range t.byNonce {
		t.firstNew = max(t.firstNew, c.next)
	}
	clear(t.byNonce)
}
