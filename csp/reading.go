package csp

import (
	"github.com/softcsp/softcsp/capi"
	"github.com/softcsp/softcsp/ck"
)

// ReadParam is CryptGetKeyParam with the caller's buffer.
func (k *Key) ReadParam(param, flags uint32, out *ck.Buffer) error {
	v, err := k.Param(param, flags)
	if err != nil {
		return err
	}
	return translated(out.Copy(v))
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
		return translated(out.Copy(dword(uint32(h.algid))))
	case capi.HP_HASHSIZE:
		return translated(out.Copy(dword(uint32(h.Size()))))
	case capi.HP_HASHVAL:
		if n := h.Size(); out.Query(n) {
			return translated(out.Fill(n, nil))
		}
		v, err := h.Value()
		if err != nil {
			return err
		}
		return translated(out.Copy(v))
	}
	return capi.NTE_BAD_TYPE
}

// CheckProvider tells whether AcquireContext would find a provider, before anything else that is wrong with its arguments.
func (s *System) CheckProvider(name string, typ uint32) error {
	_, err := s.selectProvider(name, typ)
	return err
}
