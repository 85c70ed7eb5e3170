package mechanisms

import (
	"crypto/hmac"
	"crypto/subtle"
	"hash"
	"sync"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/secret"
)

// hmacs are HMAC (RFC 2104) with each hash, or the hash's own MAC, whole and truncated to a length that the parameter gives, and the generation of
// keys.
var hmacs = rowsPerHash(func(h *Hash) []Mechanism {
	if h.HMAC == 0 {
		return nil
	}
	keys := []ck.KeyType{ck.CKK_GENERIC_SECRET}
	if h.KeyType != 0 {
		keys = append(keys, h.KeyType)
	}
	largest := uint(maxSecret)
	if h.Keyed != nil {
		largest = uint(h.MaxKey)
	}
	row := func(t ck.MechanismType, size macSizer) Mechanism {
		begin := func(k *Key, p *ck.Param) (*mac, error) { return beginHMAC(h, k, p, size) }
		return macRow(t, keys, 1, largest, begin)
	}
	rows := []Mechanism{
		row(h.HMAC, wholeMAC(h.Size)),
		row(h.HMACGeneral, truncatedMAC(h.Size)),
	}
	if h.KeyGen != 0 {
		rows = append(rows, keyGen(h.KeyGen, h.KeyType))
	}
	return rows
})

// macRow makes the row of a MAC from a function that begins it.
func macRow(t ck.MechanismType, keys []ck.KeyType, smallest, largest uint, begin func(*Key, *ck.Param) (*mac, error)) Mechanism {
	return Mechanism{Type: t, Keys: keys, Min: smallest, Max: largest,
		Sign: func(k *Key, p *ck.Param) (Signer, error) {
			m, err := begin(k, p)
			if err != nil {
				return nil, err
			}
			return m, nil
		},
		Verify: func(k *Key, p *ck.Param) (Verifier, error) {
			m, err := begin(k, p)
			if err != nil {
				return nil, err
			}
			return m, nil
		}}
}

// A macSizer reads the parameter of a MAC and tells how many bytes of it are wanted.
type macSizer func(p *ck.Param) (int, error)

// wholeMAC is for mechanisms without a parameter: all of the bytes are wanted.
func wholeMAC(full int) macSizer {
	return func(p *ck.Param) (int, error) { return full, p.None() }
}

// truncatedMAC reads a CK_MAC_GENERAL_PARAMS: how many of the bytes are wanted.
func truncatedMAC(full int) macSizer {
	return func(p *ck.Param) (int, error) {
		n := p.Ulong()
		if err := p.Done(); err != nil {
			return 0, err
		}
		if n == 0 || n > uint(full) {
			return 0, ck.FieldError("the length of the MAC")
		}
		return int(n), nil
	}
}

// A macKey is the prepared form of a MAC's key: a state that has taken in the key. Operations get copies of it, and give them back to the pool
// when they end. The pool lives as long as the prepared form.
type macKey struct {
	fresh hash.Cloner
	pool  sync.Pool
}

// newMACKey prepares the MAC that start makes.
func newMACKey(start func() (hash.Hash, error)) (form any, err error) {
	secret.Do(func() {
		var h hash.Hash
		if h, err = start(); err != nil {
			return
		}
		h.Reset() // the HMAC of Go keeps the states after the pads from the first Reset on
		form = &macKey{fresh: h.(hash.Cloner)}
	})
	return form, err
}

// get returns a state for one operation, ready for data.
func (k *macKey) get() (*macState, error) {
	if s, ok := k.pool.Get().(*macState); ok {
		return s, nil
	}
	s := new(macState)
	var err error
	secret.Do(func() { s.Hash, err = k.fresh.Clone() })
	return s, err
}

// A macState is the state of a MAC, room for its result, and the operation that uses it.
type macState struct {
	hash.Hash
	sum [maxHashSize]byte
	mac mac
}

// A mac is a MAC in progress. It ends with Sign or Verify.
type mac struct {
	key   *macKey // nil where the state is not used again
	state *macState
	size  int
	ended bool
}

var (
	_ Signer   = (*mac)(nil)
	_ Verifier = (*mac)(nil)
)

func beginHMAC(h *Hash, k *Key, p *ck.Param, size macSizer) (*mac, error) {
	n, err := size(p)
	if err != nil {
		return nil, err
	}
	form, err := k.Prepared(h.HMAC, func(k *Key) (any, error) {
		return newMACKey(func() (hash.Hash, error) {
			if h.Keyed != nil {
				return h.Keyed(k.Value)
			}
			return hmac.New(h.New, k.Value), nil
		})
	})
	if err != nil {
		return nil, err
	}
	return newMAC(form.(*macKey), n)
}

func newMAC(key *macKey, size int) (*mac, error) {
	state, err := key.get()
	if err != nil {
		return nil, err
	}
	m := &state.mac
	m.key, m.state, m.size = key, state, size
	return m, nil
}

// End leaves the state to the next operation with the key.
func (m *mac) End() {
	if !m.ended {
		m.end()
	}
	key, state := m.key, m.state
	*m = mac{}
	if key != nil {
		key.pool.Put(state)
	}
}

func (m *mac) Size() int { return m.size }

func (m *mac) Update(data []byte) error {
	if m.ended {
		return ck.CKR_OPERATION_NOT_INITIALIZED
	}
	_, err := m.state.Write(data)
	return err
}

func (m *mac) Sign(dst []byte) (int, error) {
	if m.ended {
		return 0, ck.CKR_OPERATION_NOT_INITIALIZED
	}
	n := copy(dst, m.state.Sum(m.state.sum[:0])[:m.size])
	m.end()
	return n, nil
}

func (m *mac) Verify(signature []byte) error {
	if m.ended {
		return ck.CKR_OPERATION_NOT_INITIALIZED
	}
	defer m.end()
	if len(signature) != m.size {
		return ck.CKR_SIGNATURE_LEN_RANGE
	}
	if subtle.ConstantTimeCompare(m.state.Sum(m.state.sum[:0])[:m.size], signature) != 1 {
		return ck.CKR_SIGNATURE_INVALID
	}
	return nil
}

// end makes the state ready for another operation.
func (m *mac) end() {
	clear(m.state.sum[:])
	m.state.Reset()
	m.ended = true
}
