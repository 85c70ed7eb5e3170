package csp

import (
	"hash"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/softcsp/softcsp/capi"
	"github.com/softcsp/softcsp/internal/secret"
)

// A Hash is a hash object. It may be used by several threads at once.
type Hash struct {
	ctx    *Context
	algid  capi.AlgID
	handle Handle

	mu        sync.Mutex
	algorithm *capi.Hash // nil for CALG_HMAC before HP_HMAC_INFO, and for CALG_MAC
	state     hash.Hash
	finished  bool
	size      int
	value     [64]byte // of a finished one
	key       *Key     // of CALG_MAC and CALG_HMAC
	mac       *macState
	pads      *hmacPads // of CALG_HMAC
}

// hmacPads are the padded keys of an HMAC, which HMAC objects that were duplicated from each other share. The last one wipes them.
type hmacPads struct {
	refs atomic.Int32
	wipe func()
}

func (p *hmacPads) release() {
	if p != nil && p.refs.Add(-1) == 0 {
		p.wipe()
	}
}

// CreateHash is CryptCreateHash. key is that of CALG_MAC and CALG_HMAC, nil otherwise.
func (c *Context) CreateHash(algid capi.AlgID, key *Key, flags uint32) (*Hash, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if !c.provider.Offers(algid) || algid != capi.CALG_HMAC && algid != capi.CALG_MAC && capi.HashByID(algid) == nil {
		return nil, capi.NTE_BAD_ALGID
	}
	if flags != 0 {
		return nil, capi.NTE_BAD_FLAGS
	}
	h := &Hash{ctx: c, algid: algid}
	switch algid {
	case capi.CALG_HMAC, capi.CALG_MAC:
		if key == nil || key.pair != nil {
			return nil, capi.NTE_BAD_KEY
		}
		if algid == capi.CALG_MAC {
			mac, err := key.newMAC()
			if err != nil {
				return nil, err
			}
			h.mac, h.size = mac, key.blockLen()
		}
		if !key.retain() {
			return nil, capi.NTE_BAD_KEY
		}
		h.key = key
	default:
		h.algorithm = capi.HashByID(algid)
		h.state, h.size = h.algorithm.New(), h.algorithm.Size
	}
	return h, nil
}

// Destroy is CryptDestroyHash.
func (h *Hash) Destroy() error {
	key := h.wipe()
	if key != nil {
		key.release() // it locks the key, and who has locked a key may wait for a hash object
	}
	return nil
}

// wipe overwrites what the hash object holds, and returns its key.
func (h *Hash) wipe() *Key {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.state != nil {
		eraseHash(h.state)
		h.state = nil
	}
	h.pads.release()
	h.pads = nil
	if h.mac != nil {
		*h.mac = macState{}
	}
	clear(h.value[:])
	h.finished = true
	key := h.key
	h.key = nil
	return key
}

// zeros are as long as the longest block of a hash.
var zeros [256]byte

// eraseHash overwrites the bytes of input that a hash holds back, a password perhaps.
func eraseHash(h hash.Hash) {
	h.Reset()
	n := h.BlockSize()
	h.Write(zeros[:n-1])
	h.Write(zeros[:1])
	h.Reset()
}

// check returns NTE_BAD_HASH for no hash object, or one whose context was released.
func (h *Hash) check() error {
	if h == nil || h.ctx.closed.Load() {
		return capi.NTE_BAD_HASH
	}
	return nil
}

// HashData is CryptHashData.
func (h *Hash) HashData(data []byte, flags uint32) error {
	if err := h.check(); err != nil {
		return err
	}
	if flags&^capi.CRYPT_USERDATA != 0 {
		return capi.NTE_BAD_FLAGS
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.write(data)
}

// write adds data. The hash is locked.
func (h *Hash) write(data []byte) error {
	switch {
	case h.algid == capi.CALG_SSL3_SHAMD5:
		return capi.NTE_BAD_ALGID // its value is set: HP_HASHVAL
	case h.finished:
		return capi.NTE_BAD_HASH_STATE
	case h.mac != nil:
		return h.mac.write(h.key, data)
	case h.state == nil:
		return capi.NTE_BAD_HASH_STATE
	}
	secret.Do(func() { h.state.Write(data) })
	return nil
}

// finish computes the value. The hash is locked.
func (h *Hash) finish() error {
	switch {
	case h.finished:
		return nil
	case h.mac != nil:
		if err := h.mac.finish(h.key, h.value[:h.size]); err != nil {
			return err
		}
	case h.state == nil:
		return capi.NTE_BAD_HASH_STATE
	default:
		secret.Do(func() { h.state.Sum(h.value[:0]) })
	}
	h.finished = true
	return nil
}

// HashSessionKey is CryptHashSessionKey: the value of a key, its last byte first, or, with CRYPT_LITTLE_ENDIAN, its first.
func (h *Hash) HashSessionKey(key *Key, flags uint32) error {
	if err := h.check(); err != nil {
		return err
	}
	if key.check() != nil || key.pair != nil {
		return capi.NTE_BAD_KEY
	}
	if flags&^capi.CRYPT_LITTLE_ENDIAN != 0 {
		return capi.NTE_BAD_FLAGS
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.write(nil); err != nil {
		return err
	}
	return key.withValue(func(value []byte) error {
		v := append([]byte(nil), value...)
		defer clear(v)
		if flags&capi.CRYPT_LITTLE_ENDIAN == 0 {
			slices.Reverse(v)
		}
		return h.write(v)
	})
}

// Duplicate is CryptDuplicateHash.
func (h *Hash) Duplicate(flags uint32) (*Hash, error) {
	if err := h.check(); err != nil {
		return nil, err
	}
	if flags != 0 {
		return nil, capi.NTE_BAD_FLAGS
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	d := &Hash{ctx: h.ctx, algid: h.algid, algorithm: h.algorithm, finished: h.finished, size: h.size, value: h.value}
	if h.state != nil {
		state, err := capi.CloneHash(h.state)
		if err != nil {
			return nil, translated(err)
		}
		d.state = state
	}
	if h.mac != nil {
		mac := *h.mac
		d.mac = &mac
	}
	if h.pads != nil {
		h.pads.refs.Add(1)
		d.pads = h.pads
	}
	if h.key != nil && h.key.retain() {
		d.key = h.key
	}
	return d, nil
}

// finishedValue finishes the hash object for CryptDeriveKey and CryptSignHash: which hash it is, and its value, which lies in it.
// The hash is locked.
func (h *Hash) finishedValue() (*capi.Hash, []byte, error) {
	if err := h.finish(); err != nil {
		return nil, nil, err
	}
	row := h.algorithm
	if h.mac != nil {
		row = capi.NewMAC(h.size)
	}
	return row, h.value[:h.size], nil
}
