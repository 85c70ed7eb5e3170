package token

import (
	"encoding"
	"encoding/binary"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/locked"
	erasing "github.com/softcsp/softcsp/internal/secret"
	"github.com/softcsp/softcsp/mechanisms"
)

// A saved state is that of a digest: its mechanism, 8 bytes in big-endian order, whether it has been fed in parts, one
// byte, and the state of the hash. It is sealed under a key of the session's token, so that it means nothing elsewhere, and
// needs a login.
const stateHead = 8 + 1

// GetOperationState implements C_GetOperationState, section 5.6.6. The state of a digest can be saved; that of an operation
// with a key cannot.
func (m *Module) GetOperationState(h ck.SessionHandle, out *ck.Buffer) error {
	s, err := m.lock(h)
	if err != nil {
		return err
	}
	defer s.unlock()
	busy := s.find.active
	for kind := range s.ops {
		busy = busy || s.ops[kind].active
	}
	d := &s.digest
	_, keys := s.slot.login()
	switch {
	case busy:
		return ck.CKR_STATE_UNSAVEABLE
	case !d.active:
		return ck.CKR_OPERATION_NOT_INITIALIZED
	case d.finished || keys == nil:
		return ck.CKR_STATE_UNSAVEABLE
	}
	hash, ok := d.hash.(encoding.BinaryMarshaler)
	if !ok {
		return ck.CKR_STATE_UNSAVEABLE
	}
	var sealed []byte
	erasing.Do(func() {
		var state []byte
		if state, err = hash.MarshalBinary(); err != nil {
			return
		}
		plain := binary.BigEndian.AppendUint64(make([]byte, 0, stateHead+len(state)), uint64(d.row.Digest))
		plain = append(append(plain, ck.BoolValue(d.parts)...), state...)
		clear(state)
		sealed, err = keys.Save(plain)
		clear(plain)
	})
	if err != nil {
		return err
	}
	return out.Copy(sealed)
}

// SetOperationState implements C_SetOperationState, section 5.6.7. It ends the digest that the session has.
func (m *Module) SetOperationState(h ck.SessionHandle, saved []byte, encryption, authentication ck.ObjectHandle) error {
	s, err := m.lock(h)
	if err != nil {
		return err
	}
	defer s.unlock()
	_, keys := s.slot.login()
	if keys == nil {
		return ck.CKR_SAVED_STATE_INVALID
	}
	plain, err := keys.Restore(saved)
	if err != nil {
		return err
	}
	defer locked.Free(plain)
	if encryption != ck.InvalidHandle || authentication != ck.InvalidHandle {
		return ck.CKR_KEY_NOT_NEEDED
	}
	var d digestOperation
	erasing.Do(func() { d, err = restoredDigest(plain) })
	if err != nil {
		return err
	}
	s.cancel(allOperations &^ ck.CKF_FIND_OBJECTS) // what is restored is the whole state
	s.digest = d
	return nil
}

// restoredDigest makes a digest of its saved state.
func restoredDigest(plain []byte) (d digestOperation, err error) {
	if len(plain) < stateHead {
		return d, ck.CKR_SAVED_STATE_INVALID
	}
	row := mechanisms.Lookup(ck.MechanismType(binary.BigEndian.Uint64(plain)))
	if row == nil || row.Digest == nil || row.Hash == nil {
		return d, ck.CKR_SAVED_STATE_INVALID
	}
	hash, err := row.Digest(&ck.Param{})
	if err != nil {
		return d, ck.CKR_SAVED_STATE_INVALID
	}
	state, ok := hash.(encoding.BinaryUnmarshaler)
	if !ok || state.UnmarshalBinary(plain[stateHead:]) != nil {
		return d, ck.CKR_SAVED_STATE_INVALID
	}
	return digestOperation{active: true, parts: plain[8] == 1, row: row.Hash, hash: hash}, nil
}
