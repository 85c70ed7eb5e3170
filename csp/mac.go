package csp

import (
	"github.com/softcsp/softcsp/capi"
	"github.com/softcsp/softcsp/ck"
)

// A macState is a CALG_MAC object in progress: CBC with PKCS padding, of which the last block is the value. It goes its own
// way from the key's IV; what the key encrypts meanwhile does not matter, as on Windows 8 and later.
type macState struct {
	chain [maxBlock]byte
	rest  [maxBlock]byte
	n     int // how much of rest there is
}

// newMAC begins a MAC with the key, which must be one of a block cipher.
func (k *Key) newMAC() (*macState, error) {
	if k.check() != nil || k.blockLen() == 0 || k.hmacOnly {
		return nil, capi.NTE_BAD_KEY
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return &macState{chain: k.iv}, nil
}

// write encrypts all whole blocks.
func (m *macState) write(k *Key, data []byte) error {
	size := k.blockLen()
	whole := ck.AppendWiping(append([]byte(nil), m.rest[:m.n]...), data)
	n := len(whole) / size * size
	next := copy(m.rest[:], whole[n:])
	if n > 0 {
		if err := k.cryptBlocks(false, capi.CRYPT_MODE_CBC, m.chain[:size], whole[:n]); err != nil {
			return err
		}
		copy(m.chain[:], whole[n-size:n])
	}
	m.n = next
	clear(whole)
	return nil
}

// finish writes the value.
func (m *macState) finish(k *Key, value []byte) error {
	size := k.blockLen()
	last := make([]byte, size)
	copy(last, m.rest[:m.n])
	for i := m.n; i < size; i++ {
		last[i] = byte(size - m.n)
	}
	if err := k.cryptBlocks(false, capi.CRYPT_MODE_CBC, m.chain[:size], last); err != nil {
		return err
	}
	copy(value, last)
	return nil
}
