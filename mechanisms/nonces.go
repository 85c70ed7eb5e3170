package mechanisms

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"sync"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/secret"
)

// leastFree is how many bits of a nonce must be free for its generation by chance.
const leastFree = 64

// ivs make nonces for a key. Those that count never come twice in a process for the same value of a key: the standard asks for
// that within a session only, but a nonce that repeats gives the key of GCM away. The first counter is zero, as the standard has it.
type ivs struct {
	id string // tells the values of keys apart, and nothing else about them
}

// A counterTable has the counters of all keys, for each value of a key and fixed part of a nonce. Where there are too many all are
// dropped, and what begins anew begins behind the highest.
type counterTable struct {
	secret [sha256.Size]byte

	mu      sync.Mutex
	counted map[string]counting
	floor   uint64
}

// A counting is a counter, and what it is added to by exclusive or.
type counting struct {
	base string
	next uint64
}

// counters are one for the process and not part of a key: a key that was copied, that was read anew, or whose login has ended
// and begun again, is the same key.
var counters = sync.OnceValue(func() *counterTable {
	t := &counterTable{counted: make(map[string]counting)}
	_, _ = rand.Read(t.secret[:]) // does not fail
	return t
})

const (
	// mostCounted is how many counters are remembered.
	mostCounted = 1 << 14
	// longestCounted is how long a nonce may be of which a counter is a part, in bytes.
	longestCounted = 64
)

// ivsOf returns what makes the nonces of a key.
func ivsOf(k *Key) *ivs {
	n := new(ivs)
	secret.Do(func() {
		h := hmac.New(sha256.New, counters().secret[:])
		h.Write(k.Value)
		n.id = string(h.Sum(nil)[:16])
	})
	return n
}

// makeNonce makes a nonce for one use of a key.
func makeNonce(k *Key, nonce []byte, fixed, generator uint) error {
	if generator == uint(ck.CKG_NO_GENERATE) {
		return nil
	}
	return ivsOf(k).make(nonce, fixed, generator)
}

// make makes a nonce behind its first fixed bits, in the caller's memory, as CK_GCM_MESSAGE_PARAMS and its kin ask for. The token
// may choose how for CKG_GENERATE: by chance, too.
func (n *ivs) make(nonce []byte, fixed, generator uint) error {
	bits := 8 * uint(len(nonce))
	switch generator {
	case uint(ck.CKG_NO_GENERATE):
		return nil
	case uint(ck.CKG_GENERATE), uint(ck.CKG_GENERATE_RANDOM):
		if fixed > bits || bits-fixed < min(leastFree, bits) {
			return ck.CKR_MECHANISM_PARAM_INVALID
		}
		return randomNonce(nonce, fixed)
	case uint(ck.CKG_GENERATE_COUNTER), uint(ck.CKG_GENERATE_COUNTER_XOR):
		if fixed >= bits || len(nonce) > longestCounted {
			return ck.CKR_MECHANISM_PARAM_INVALID
		}
		return counters().count(n.id, nonce, fixed, generator == uint(ck.CKG_GENERATE_COUNTER_XOR))
	}
	return ck.CKR_MECHANISM_PARAM_INVALID
}

// randomNonce fills in what is free by chance.
func randomNonce(nonce []byte, fixed uint) error {
	var head [1]byte
	Random(head[:])
	first, free := nonce[fixed/8:], byte(0xff)>>(fixed%8)
	first[0] = first[0]&^free | head[0]&free
	Random(first[1:])
	return nil
}

// count fills in the next counter, or adds it to what is there, which must be the same each time. When all counters have been used
// there is no more nonce with this fixed part, which is CKR_TOKEN_RESOURCE_EXCEEDED.
func (t *counterTable) count(id string, nonce []byte, fixed uint, xor bool) error {
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
	c, found := t.counted[string(name)]
	switch {
	case !found && len(t.counted) >= mostCounted:
		t.forget()
		fallthrough
	case !found:
		c = counting{string(base), t.floor}
	case c.base != string(base):
		return ck.CKR_MECHANISM_PARAM_INVALID
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
	t.counted[string(name)] = c
	return nil
}

// forget drops all counters. The lock is held.
func (t *counterTable) forget() {
	for _, c := range t.counted {
		t.floor = max(t.floor, c.next)
	}
	clear(t.counted)
}
