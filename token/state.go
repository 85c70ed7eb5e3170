package token

import (
	"encoding"
	"encoding/binary"
	"fmt"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/locked"
	erasing "github.com/softcsp/softcsp/internal/secret"
	"github.com/softcsp/softcsp/mechanisms"
	"github.com/softcsp/softcsp/store"
)

// A saved state is the operations of a session, one after the other, sealed under a key of its token: so it is of no use with another
// token or without a login. It does not contain the keys of operations but names them by CKA_UNIQUE_ID. An operation is encoded
// as its kind and whether it has processed parts, a byte each; its mechanism, 8 bytes; and three fields, each after its length of 4 bytes: the
// CKA_UNIQUE_ID of the key, the parameter for its Init function, and the state of the mechanism. Numbers are big-endian.

// An operationStart is what the Init function of an operation was given, as far as saving the operation needs it.
type operationStart struct {
	mechanism ck.MechanismType
	paramLen  int // the length of the parameter
	id        store.ID
	serial    uint64
}

// maxSavedState is more bytes than a saved state can have: of the data of an operation it has only what does not fill a block.
const maxSavedState = 1 << 20

// digesting is the kind of a digest in a saved state.
const digesting = 0xff

// savable are the kinds of operations with keys that may be in a saved state.
var savable = [...]int{encrypting, decrypting, signing, verifying}

// A savedOperation is an operation of a saved state.
type savedOperation struct {
	kind              int
	parts             bool
	mechanism         ck.MechanismType
	key, param, state []byte
}

func (x *savedOperation) appendTo(b []byte) []byte {
	b = append(append(b, byte(x.kind)), ck.BoolValue(x.parts)...)
	b = binary.BigEndian.AppendUint64(b, uint64(x.mechanism))
	for _, field := range [...][]byte{x.key, x.param, x.state} {
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(field))), field...)
	}
	return b
}

// parseSavedState reads the operations of a saved state.
func parseSavedState(b []byte) (all []savedOperation, err error) {
	const head, length = 1 + 1 + 8, 4
	for len(b) >= head {
		x := savedOperation{kind: int(b[0]), parts: b[1] == 1, mechanism: ck.MechanismType(binary.BigEndian.Uint64(b[2:]))}
		b = b[head:]
		for _, field := range [...]*[]byte{&x.key, &x.param, &x.state} {
			if len(b) < length || uint32(len(b)-length) < binary.BigEndian.Uint32(b) {
				return nil, ck.CKR_SAVED_STATE_INVALID
			}
			n := length + int(binary.BigEndian.Uint32(b))
			*field, b = b[length:n], b[n:]
		}
		all = append(all, x)
	}
	if len(b) > 0 || len(all) == 0 {
		return nil, ck.CKR_SAVED_STATE_INVALID
	}
	return all, nil
}

// GetOperationState implements C_GetOperationState, section 5.6.6. All operations of the session are saved, or none.
func (m *Module) GetOperationState(h ck.SessionHandle, out *ck.Buffer) error {
	s, err := m.lock(h)
	if err != nil {
		return err
	}
	defer s.unlock()
	_, keys := s.slot.currentLogin()
	active := s.digest.active
	for kind := range s.ops {
		active = active || s.ops[kind].active
	}
	switch {
	case s.find.active:
		return ck.CKR_STATE_UNSAVEABLE
	case !active:
		return ck.CKR_OPERATION_NOT_INITIALIZED
	case keys == nil:
		return ck.CKR_STATE_UNSAVEABLE
	}
	var sealed []byte
	erasing.Do(func() {
		var plain []byte
		if plain, err = s.marshalOperations(); err == nil {
			sealed, err = keys.Save(plain)
		}
		clear(plain)
	})
	if err != nil {
		return err
	}
	return out.FillWith(sealed)
}

// marshalOperations encodes the operations of the session: CKR_STATE_UNSAVEABLE where one of them cannot be saved.
func (s *session) marshalOperations() (plain []byte, err error) {
	if s.digest.active {
		x, ok := s.digest.save()
		if !ok {
			return nil, ck.CKR_STATE_UNSAVEABLE
		}
		plain = x.appendTo(plain)
		clear(x.state)
	}
	left := 0
	for kind := range s.ops {
		if s.ops[kind].active {
			left++
		}
	}
	for _, kind := range savable {
		op := &s.ops[kind]
		if !op.active {
			continue
		}
		x, ok := op.save(kind)
		if !ok {
			break
		}
		old := plain
		plain = x.appendTo(append([]byte(nil), old...))
		clear(old)
		clear(x.state)
		left--
	}
	if left > 0 {
		clear(plain)
		return nil, ck.CKR_STATE_UNSAVEABLE
	}
	return plain, nil
}

func (d *digestOperation) save() (x savedOperation, ok bool) {
	hash, ok := d.hash.(encoding.BinaryMarshaler)
	if !ok || d.finished || d.row == nil {
		return x, false
	}
	state, err := hash.MarshalBinary()
	return savedOperation{kind: digesting, parts: d.parts, mechanism: d.row.Digest, state: state}, err == nil
}

// saver returns what can save the state of an operation, nil where nothing can.
func (op *operation) saver() mechanisms.Saver {
	for _, x := range [...]any{op.cipher, op.signer, op.verifier} {
		if saver, ok := x.(mechanisms.Saver); ok {
			return saver
		}
	}
	return nil
}

func (op *operation) save(kind int) (x savedOperation, ok bool) {
	saver := op.saver()
	if saver == nil || op.loginDue {
		return x, false
	}
	x = savedOperation{kind: kind, parts: op.parts, mechanism: op.start.mechanism, key: []byte((&Object{id: op.start.id, uniqueNumber: op.start.serial}).uniqueID())}
	x.param, x.state, ok = saver.Save()
	if ok && len(x.param) != op.start.paramLen { // the mechanism could not be given the same parameter again
		clear(x.state)
		return x, false
	}
	return x, ok
}

// SetOperationState implements C_SetOperationState, section 5.6.7. It ends the operations that the session has. Operations with a key are
// initialised anew with the key that the caller gives: one that the key does not permit any more fails.
func (m *Module) SetOperationState(h ck.SessionHandle, saved []byte, encryption, authentication ck.ObjectHandle) error {
	s, err := m.lock(h)
	if err != nil {
		return err
	}
	defer s.unlock()
	if saved == nil {
		return ck.CKR_ARGUMENTS_BAD
	}
	_, keys := s.slot.currentLogin()
	if keys == nil {
		return ck.CKR_SAVED_STATE_INVALID
	}
	if len(saved) > maxSavedState {
		return ck.CKR_SAVED_STATE_INVALID
	}
	plain, err := keys.Restore(ck.Clone(saved)) // cloned, so that a fault happens before locked memory is allocated
	if err != nil {
		return err
	}
	defer locked.Free(plain)
	all, err := parseSavedState(plain)
	if err != nil {
		return err
	}
	if err := s.checkSavedKeys(all, encryption, authentication); err != nil {
		return err
	}
	if len(all) == 1 && all[0].kind == digesting && s.isLastWithoutDigest() {
		return fmt.Errorf("%w: a digest would be under way in every session", ck.CKR_FUNCTION_FAILED)
	}
	old, digest := s.ops, s.digest
	s.ops, s.digest = [operationKinds]operation{}, digestOperation{}
	erasing.Do(func() { err = s.restore(all, encryption, authentication) })
	if err != nil {
		s.cancel(allOperations &^ ck.CKF_FIND_OBJECTS)
		s.ops, s.digest = old, digest
		return err
	}
	for kind := range old {
		old[kind].end()
	}
	digest.end()
	return nil
}

// isLastWithoutDigest reports whether there are other sessions with the token and all of them have a digest under way, so that with a digest
// in s no session would be left without. SunPKCS11 clones a digest into another session, and closes both when they are done; with
// the last session the login ends (§5.6.3), which Java does not expect. It gets on without clones.
func (s *session) isLastWithoutDigest() bool {
	others := false
	for _, other := range s.slot.sessions.open() {
		if other == s {
			continue
		}
		others = true
		if !other.mu.TryLock() {
			continue
		}
		free := other.sessionOperations == nil || !other.digest.active
		other.mu.Unlock()
		if free {
			return false
		}
	}
	return others
}

// checkSavedKeys tells whether the two keys are those of the saved operations.
func (s *session) checkSavedKeys(all []savedOperation, encryption, authentication ck.ObjectHandle) error {
	var encrypts, authenticates bool
	for i := range all {
		switch all[i].kind {
		case digesting:
			continue
		case encrypting, decrypting:
			encrypts = true
		case signing, verifying:
			authenticates = true
		default:
			return ck.CKR_SAVED_STATE_INVALID
		}
		h := keyHandleFor(all[i].kind, encryption, authentication)
		if h == ck.InvalidHandle {
			return ck.CKR_KEY_NEEDED
		}
		_, o, err := s.object(h)
		if err != nil {
			return keyHandleError(err)
		}
		same := o.uniqueID() == string(all[i].key)
		o.release()
		if !same {
			return ck.CKR_KEY_CHANGED
		}
	}
	if encryption != ck.InvalidHandle && !encrypts || authentication != ck.InvalidHandle && !authenticates {
		return ck.CKR_KEY_NOT_NEEDED
	}
	return nil
}

// keyHandleFor chooses between the two keys by the kind of an operation.
func keyHandleFor(kind int, encryption, authentication ck.ObjectHandle) ck.ObjectHandle {
	if kind == encrypting || kind == decrypting {
		return encryption
	}
	return authentication
}

// restore begins the operations of a saved state.
func (s *session) restore(all []savedOperation, encryption, authentication ck.ObjectHandle) error {
	for i := range all {
		x := &all[i]
		if x.kind == digesting {
			d, err := s.restoredDigest(x)
			if err != nil {
				return err
			}
			s.digest = d
			continue
		}
		mech := &ck.Mechanism{Type: x.mechanism, Param: ck.NewParam(x.param, nil)}
		if err := s.initOperation(x.kind, mech, keyHandleFor(x.kind, encryption, authentication), starters[x.kind]); err != nil {
			return err
		}
		op := &s.ops[x.kind]
		if saver := op.saver(); saver == nil || !saver.Restore(x.state) {
			return ck.CKR_SAVED_STATE_INVALID
		}
		op.parts = x.parts
	}
	return nil
}

// restoredDigest makes a digest of its saved state.
func (s *session) restoredDigest(x *savedOperation) (d digestOperation, err error) {
	row := mechanisms.Lookup(x.mechanism)
	if row == nil || row.Digest == nil || row.Hash == nil || !s.restriction.allows(x.mechanism, ck.CKF_DIGEST) {
		return d, ck.CKR_SAVED_STATE_INVALID
	}
	hash, err := row.Digest(&ck.Param{})
	if err != nil {
		return d, ck.CKR_SAVED_STATE_INVALID
	}
	state, ok := hash.(encoding.BinaryUnmarshaler)
	if !ok || state.UnmarshalBinary(x.state) != nil {
		return d, ck.CKR_SAVED_STATE_INVALID
	}
	return digestOperation{active: true, parts: x.parts, row: row.Hash, hash: hash}, nil
}
