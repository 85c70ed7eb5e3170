package mechanisms

import (
	"crypto/subtle"
	"encoding"
)

// A Saver is an operation whose state can be saved, and restored in another operation of the same mechanism with the same key:
// C_GetOperationState and C_SetOperationState. Those without a parameter, or with an IV alone, can be.
type Saver interface {
	// Save returns the parameter that an operation has to begin with which goes on where this one is, and the state to restore
	// in it; ok is false where that cannot be. The caller wipes the state.
	Save() (param, state []byte, ok bool)
	// Restore reports whether the state was one. The operation has not been used yet.
	Restore(state []byte) bool
}

var (
	_ Saver = (*blockCipher)(nil)
	_ Saver = (*signature)(nil)
)

// Save implements Saver. Go's CBC does not tell where the chain is; a block of zeros does.
func (c *blockCipher) Save() (param, state []byte, ok bool) {
	if c.lastDecrypted {
		return nil, nil, false
	}
	if chain, ok := c.mode.(interface{ SetIV([]byte) }); ok {
		var zero, next [maxBlock]byte
		param = make([]byte, c.size)
		c.mode.CryptBlocks(next[:c.size], zero[:c.size])
		if c.decrypt {
			c.block.Decrypt(param, zero[:c.size])
			subtle.XORBytes(param, param, next[:c.size])
		} else {
			c.block.Decrypt(param, next[:c.size])
		}
		chain.SetIV(param)
	}
	return param, append([]byte(nil), c.buf[:c.n]...), true
}

// Restore implements Saver.
func (c *blockCipher) Restore(state []byte) bool {
	if len(state) > c.size {
		return false
	}
	c.n = copy(c.buf[:], state)
	return true
}

// Save implements Saver.
func (s *signature) Save() (param, state []byte, ok bool) {
	if s.ended {
		return nil, nil, false
	}
	if s.hash == nil {
		return nil, append([]byte(nil), s.data...), true
	}
	h, ok := s.hash.(encoding.BinaryMarshaler)
	if !ok {
		return nil, nil, false
	}
	state, err := h.MarshalBinary()
	return nil, state, err == nil
}

// Restore implements Saver.
func (s *signature) Restore(state []byte) bool {
	if s.hash == nil {
		return s.Update(state) == nil
	}
	h, ok := s.hash.(encoding.BinaryUnmarshaler)
	return ok && h.UnmarshalBinary(state) == nil
}
