package store

import (
	"encoding/binary"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/chacha20poly1305"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/locked"
	"github.com/softcsp/softcsp/internal/secret"
)

// A kdf is how much work Argon2id makes of a PIN, by a name.
type kdf byte

const (
	kdfInteractive kdf = iota
	kdfSensitive
	kdfTest
	kdfs
)

// costs are Argon2id's parameters. Those of interactive are the second recommendation of OWASP's password storage cheat
// sheet; sensitive takes RFC 9106's second recommended memory size.
var costs = [kdfs]struct {
	name           string
	passes, memory uint32 // memory in KiB
}{
	kdfInteractive: {"interactive", 2, 19 << 10},
	kdfSensitive:   {"sensitive", 3, 64 << 10},
	kdfTest:        {"test", 1, 64},
}

// String returns the name.
func (k kdf) String() string { return costs[k].name }

// DescribeKDF says what a name of a cost means, "" for a name that is none.
func DescribeKDF(name string) string {
	for _, c := range costs {
		if c.name == name {
			memory := fmt.Sprintf("%d KiB", c.memory)
			if c.memory >= 1<<10 {
				memory = fmt.Sprintf("%d MiB", c.memory>>10)
			}
			passes := "passes"
			if c.passes == 1 {
				passes = "pass"
			}
			return fmt.Sprintf("Argon2id with %s and %d %s", memory, c.passes, passes)
		}
	}
	return ""
}

// parseKDF finds a kdf by its name; "" is interactive.
func parseKDF(name string) (kdf, error) {
	if name == "" {
		return kdfInteractive, nil
	}
	for k, c := range costs {
		if c.name == name {
			return kdf(k), nil
		}
	}
	return 0, fmt.Errorf("%w: kdf %q is none of interactive, sensitive, test", ck.CKR_ARGUMENTS_BAD, name)
}

const (
	masterSize   = 32
	saltSize     = 16
	keySlotHead  = saltSize + 4 + 4 + 1
	keySlot1Size = keySlotHead + chacha20poly1305.NonceSizeX + masterSize + chacha20poly1305.Overhead
	keySlotSize  = keySlot1Size + 1

	// What a file may ask for. It is read before anything in it can be trusted, and must not cost the process its memory.
	maxPasses, maxMemory, maxLanes = 16, 256 << 10, 8
)

// A keySlot is, as it stands in the file, the master key wrapped under Argon2id of a user's PIN.
type keySlot []byte

// newKeySlot returns a key slot without a master key: salt, cost and nonce.
func newKeySlot(h *fixedHeader) keySlot {
	b := make(keySlot, keySlotHead+chacha20poly1305.NonceSizeX, keySlotSize)
	random(b)
	binary.BigEndian.PutUint32(b[saltSize:], costs[h.kdf].passes)
	binary.BigEndian.PutUint32(b[saltSize+4:], costs[h.kdf].memory)
	b[saltSize+8] = 1
	return b
}

// derive makes the wrapping key of pin, in locked memory. It takes as long as the token's kdf says. CKR_HOST_MEMORY where there is not
// the memory for it.
func (b keySlot) derive(pin []byte) (kek []byte, err error) {
	passes, memory, lanes := b.costs()
	if memory > costs[kdfInteractive].memory {
		n, err := takeShares(memory)
		if err != nil {
			return nil, err
		}
		defer giveShares(n)
	}
	kek = locked.Alloc(chacha20poly1305.KeySize)
	secret.Do(func() {
		copy(kek, argon2.IDKey(pin, b[:saltSize], passes, memory, lanes, chacha20poly1305.KeySize))
	})
	if memory > shareSize {
		debug.FreeOSMemory() // before the next takes as much
	} else if memory >= 1<<10 {
		freeSoon()
	}
	return kek, nil
}

// A file may ask for a lot of memory, and any number of threads may log in at once. So there is a limit for all of them in this process, in
// shares of shareSize: a key slot that asks for more than a token does by default takes as many as it needs, and waits for them.
const shareSize = 64 << 10 // KiB

var (
	memoryShares = make(chan struct{}, maxMemory/shareSize)
	takingShares sync.Mutex // one takes all of its shares before the next begins
)

// takeShares waits for the shares of some KiB, and returns how many they are. It asks the system whether there is memory for all shares that
// are taken: those who took the others may not have allocated theirs yet.
func takeShares(memory uint32) (n int, err error) {
	n = int((memory + shareSize - 1) / shareSize)
	takingShares.Lock()
	defer takingShares.Unlock()
	for range n {
		memoryShares <- struct{}{}
	}
	if err := ck.Available(len(memoryShares) * shareSize << 10); err != nil {
		giveShares(n)
		return 0, fmt.Errorf("%w: a PIN takes %d KiB to check", err, memory)
	}
	return n, nil
}

func giveShares(n int) {
	for range n {
		<-memoryShares
	}
}

var freeing atomic.Bool

// freeSoon gives the memory that Argon2id worked in back to the system, which also erases it. Left to itself the collector
// would keep some 40 MB for as long as the host makes no garbage. It is put off a little, so that logins in a row share
// the memory and the cost of some milliseconds of another thread.
func freeSoon() {
	if freeing.CompareAndSwap(false, true) {
		time.AfterFunc(100*time.Millisecond, func() {
			freeing.Store(false)
			debug.FreeOSMemory()
		})
	}
}

// wrap returns the new key slot with master in it, under kek.
func (b keySlot) wrap(h *fixedHeader, u UserType, kek, master []byte) (out keySlot) {
	secret.Do(func() { out = newAEAD(kek).Seal(b, b[keySlotHead:], master, b.associatedData(h, u)) })
	return append(out, version)
}

// unwrap unwraps the master key into locked memory: CKR_PIN_INCORRECT where kek is not of the PIN.
func (b keySlot) unwrap(h *fixedHeader, u UserType, kek []byte) (master []byte, err error) {
	master = locked.Alloc(masterSize)
	nonce := b[keySlotHead : keySlotHead+chacha20poly1305.NonceSizeX]
	secret.Do(func() {
		_, err = newAEAD(kek).Open(master[:0], nonce, b[keySlotHead+len(nonce):keySlot1Size], b.associatedData(h, u))
	})
	if err != nil {
		locked.Free(master)
		return nil, ck.CKR_PIN_INCORRECT
	}
	return master, nil
}

// check tests that the key slot has its length and asks for no more than it may.
func (b keySlot) check() error {
	if len(b) != keySlot1Size && len(b) != keySlotSize || b.version() > version {
		return tampered("a key slot is damaged")
	}
	passes, memory, lanes := b.costs()
	if passes < 1 || passes > maxPasses || memory > maxMemory || lanes < 1 || lanes > maxLanes {
		return tampered("a key slot asks for Argon2id with %d passes, %d KiB, %d lanes", passes, memory, lanes)
	}
	return nil
}

// version returns the version of the format that the key slot was written by: when a token is upgraded, the slot of the PIN that is not known
// stays what it was.
func (b keySlot) version() byte {
	switch len(b) {
	case keySlot1Size:
		return 1
	case keySlotSize:
		return b[keySlot1Size]
	}
	return version // one that is being made
}

// costs returns the parameters of Argon2id.
func (b keySlot) costs() (passes, memory uint32, lanes uint8) {
	return binary.BigEndian.Uint32(b[saltSize:]), binary.BigEndian.Uint32(b[saltSize+4:]), b[saltSize+8]
}

// associatedData returns what the wrapped key is bound to: a key slot opens in its token, as it was initialised last, for its user, and
// nowhere else.
func (b keySlot) associatedData(h *fixedHeader, u UserType) []byte {
	ad := append([]byte("softcsp keyslot"), 0, b.version())
	ad = append(ad, h.uuid[:]...)
	ad = append(ad, h.initID[:]...)
	ad = append(ad, byte(u))
	return append(ad, b[:keySlotHead]...)
}
