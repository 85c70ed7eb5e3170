package csp

import (
	"github.com/softcsp/softcsp/capi"
	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/secret"
)

// Value is CryptGetHashParam with HP_HASHVAL: it finishes the hash object.
func (h *Hash) Value() ([]byte, error) {
	if err := h.check(); err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.finish(); err != nil {
		return nil, err
	}
	return append([]byte(nil), h.value[:h.size]...), nil
}

// Size is CryptGetHashParam with HP_HASHSIZE: the length of the value in bytes, 0 for an HMAC that does not know its hash.
func (h *Hash) Size() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.size
}

// ALGID is CryptGetHashParam with HP_ALGID.
func (h *Hash) ALGID() capi.AlgID { return h.algid }

// SetValue is CryptSetHashParam with HP_HASHVAL: it sets the value and finishes the hash object. value is as long as Size.
func (h *Hash) SetValue(value []byte) error {
	if err := h.check(); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(value) != h.size || h.size == 0 {
		return capi.ERROR_INVALID_PARAMETER
	}
	copy(h.value[:], value)
	h.finished = true
	return nil
}

// HMACInfo is an HMAC_INFO: the hash, and what the key is xored into before the data and before the inner hash value; empty
// strings are 64 bytes of 0x36 and of 0x5c.
type HMACInfo struct {
	HashAlgid    capi.AlgID
	Inner, Outer []byte
}

// SetHMACInfo is CryptSetHashParam with HP_HMAC_INFO.
func (h *Hash) SetHMACInfo(info HMACInfo) error {
	if err := h.check(); err != nil {
		return err
	}
	if h.algid != capi.CALG_HMAC {
		return capi.NTE_BAD_TYPE
	}
	inner := capi.HashByID(info.HashAlgid)
	if inner == nil || !h.ctx.provider.Offers(info.HashAlgid) || info.HashAlgid == capi.CALG_SSL3_SHAMD5 {
		return capi.NTE_BAD_ALGID
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.finished {
		return capi.NTE_BAD_HASH_STATE
	}
	return h.key.withValue(func(value []byte) error {
		row, wipe := capi.NewHMAC(inner, value, ck.Clone(info.Inner), ck.Clone(info.Outer))
		h.pads.release()
		h.pads = &hmacPads{wipe: wipe}
		h.pads.refs.Store(1)
		h.algorithm = row
		secret.Do(func() { h.state = h.algorithm.New() })
		h.size = h.algorithm.Size
		return nil
	})
}

// ReadParam is CryptGetHashParam with the caller's buffer. Asking for the length of the value does not finish the hash object.
func (h *Hash) ReadParam(param, flags uint32, out *ck.Buffer) error {
	if err := h.check(); err != nil {
		return err
	}
	if flags != 0 {
		return capi.NTE_BAD_FLAGS
	}
	switch param {
	case capi.HP_ALGID:
		return translated(out.FillWith(dword(uint32(h.algid))))
	case capi.HP_HASHSIZE:
		return translated(out.FillWith(dword(uint32(h.Size()))))
	case capi.HP_HASHVAL:
		if n := h.Size(); out.Query(n) {
			return translated(out.Fill(n, nil))
		}
		v, err := h.Value()
		if err != nil {
			return err
		}
		return translated(out.FillWith(v))
	}
	return capi.NTE_BAD_TYPE
}
