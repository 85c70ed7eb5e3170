package token

import (
	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/mechanisms"
)

// The kinds of operations with a key. A session has at most one of each; digests and searches are separate.
const (
	encrypting = iota
	decrypting
	signing
	verifying
	signRecovering
	verifyRecovering
	verifyingSignature // that C_VerifySignatureInit was given
	messageEncrypting
	messageDecrypting
	messageSigning
	messageVerifying
	operationKinds
)

// allOperations are the flags of C_SessionCancel for every operation.
const allOperations = ^ck.Flags(0)

// operationFlagOf are the flags by which C_SessionCancel and C_GetMechanismInfo name the operations.
var operationFlagOf = [operationKinds]ck.Flags{
	ck.CKF_ENCRYPT, ck.CKF_DECRYPT, ck.CKF_SIGN, ck.CKF_VERIFY,
	signRecovering: ck.CKF_SIGN_RECOVER, verifyRecovering: ck.CKF_VERIFY_RECOVER, verifyingSignature: ck.CKF_VERIFY,
	messageEncrypting: ck.CKF_MESSAGE_ENCRYPT, messageDecrypting: ck.CKF_MESSAGE_DECRYPT,
	messageSigning: ck.CKF_MESSAGE_SIGN, messageVerifying: ck.CKF_MESSAGE_VERIFY,
}

// purposes are the attributes that permit a key the operations.
var purposes = [operationKinds]ck.AttributeType{
	ck.CKA_ENCRYPT, ck.CKA_DECRYPT, ck.CKA_SIGN, ck.CKA_VERIFY,
	signRecovering: ck.CKA_SIGN_RECOVER, verifyRecovering: ck.CKA_VERIFY_RECOVER, verifyingSignature: ck.CKA_VERIFY,
	messageEncrypting: ck.CKA_ENCRYPT, messageDecrypting: ck.CKA_DECRYPT, messageSigning: ck.CKA_SIGN, messageVerifying: ck.CKA_VERIFY,
}

// An operation is a cryptographic operation in progress.
type operation struct {
	active   bool
	session  *session
	parts    bool // data has been processed in parts: only the Update and Final functions may go on
	whole    bool // C_Encrypt or C_Decrypt has told the length of the output: only the same function may go on
	loginDue bool // C_Login with CKU_CONTEXT_SPECIFIC is due
	// interrupted is set while a part is processed, and stays set where that faulted in the caller's memory: the state is half changed.
	interrupted bool
	private     bool // with a private key, which takes long
	// unrecorded is the key where its role could not be recorded: recordrole.go.
	unrecorded  *entry
	cipher      mechanisms.Cipher
	signer      mechanisms.Signer
	takeCounter func() error // what signer needs of a counter, nil without one
	verifier    mechanisms.Verifier
	// signature is what C_VerifySignatureInit was given.
	signature []byte
	process   *process // of messages, nil otherwise
	start     operationStart
}

// end ends an operation.
func (op *operation) end() {
	if op.process != nil {
		op.process.end()
	}
	cipher, signer, verifier := op.cipher, op.signer, op.verifier
	*op = operation{}
	if e, ok := cipher.(mechanisms.Ender); ok {
		e.End()
	}
	if e, ok := signer.(mechanisms.Ender); ok {
		e.End()
	}
	if e, ok := verifier.(mechanisms.Ender); ok {
		e.End()
	}
}

// cancel ends the operations that the flags name. The session is locked.
func (s *session) cancel(flags ck.Flags) {
	for kind := range s.ops {
		if flags&operationFlagOf[kind] != 0 {
			s.ops[kind].end()
		}
	}
	if flags&ck.CKF_DIGEST != 0 {
		s.digest.end()
	}
	if flags&ck.CKF_FIND_OBJECTS != 0 {
		s.find.end()
	}
}

// awaitingLogin returns the operation that waits for C_Login with CKU_CONTEXT_SPECIFIC, nil if there is none.
func (s *session) awaitingLogin() *operation {
	if s.sessionOperations == nil {
		return nil
	}
	for kind := range s.ops {
		if op := &s.ops[kind]; op.active && op.loginDue {
			return op
		}
	}
	return nil
}

// conflicts reports whether an active operation excludes one of a kind: section 5.15.7.
func (s *session) conflicts(kind int) bool {
	switch kind {
	case verifying:
		return s.ops[verifyingSignature].active
	case verifyingSignature:
		return s.ops[verifying].active
	}
	return false
}

// initOperation begins an operation of a kind: it checks the mechanism and the key, and has start make what the operation works
// with. A NULL mechanism ends an operation that is active (PKCS#11 3.0, section 5.8.1).
func (s *session) initOperation(kind int, mech *ck.Mechanism, key ck.ObjectHandle, start func(*operation, *mechanisms.Mechanism, *mechanisms.Key, *ck.Param) error) error {
	op := &s.ops[kind]
	if mech == nil {
		if !op.active {
			return ck.CKR_ARGUMENTS_BAD
		}
		op.end()
		return nil
	}
	if op.active || s.conflicts(kind) {
		return ck.CKR_OPERATION_ACTIVE
	}
	row, err := s.rowFor(mech, operationFlagOf[kind])
	if err != nil {
		return err
	}
	u := keyUse{purpose: purposes[kind], row: row, verifies: kind == verifying || kind == verifyingSignature}
	k, err := s.useKey(key, &u)
	if err != nil {
		return err
	}
	defer k.release()
	defer func() {
		if !op.active { // also after a fault in the parameter
			op.end()
		}
	}()
	op.session = s
	var param ck.Param
	if u.dependsOnParam() {
		param = mech.Param
	}
	if err = start(op, row, k.key(), &mech.Param); err == nil && u.dependsOnParam() {
		err = k.protection().mayExpose(k.key(), &u, &param, s.strict)
	}
	if err == nil {
		err = s.takeRole(k, &u)
	}
	if err != nil {
		return err
	}
	op.unrecorded = s.unrecordedEntry(k, &u)
	op.useCounter(s, key)
	op.start.mechanism, op.start.paramLen, op.start.id, op.start.serial = row.Type, mech.Param.Len(), k.id, k.uniqueNumber
	op.active, op.loginDue, op.private = true, k.flag(ck.CKA_ALWAYS_AUTHENTICATE), k.class() == ck.CKO_PRIVATE_KEY
	return nil
}

// currentOperation returns the operation of a kind that is active and may go on. Where C_Login is due first it is an error, which ends the operation
// like any other (section 5.8.2 and those like it).
func (s *session) currentOperation(kind int) (*operation, error) {
	op := &s.ops[kind]
	switch {
	case !op.active:
		return nil, ck.CKR_OPERATION_NOT_INITIALIZED
	case op.interrupted:
		op.end()
		return nil, ck.CKR_OPERATION_NOT_INITIALIZED
	case op.loginDue:
		op.end()
		return nil, ck.CKR_USER_NOT_LOGGED_IN
	}
	if err := op.checkUnrecorded(); err != nil {
		op.end()
		return nil, err
	}
	return op, nil
}

// updateSigner adds data to what is signed, and updateVerifier to what is verified.
func (op *operation) updateSigner(data []byte) error {
	op.interrupted = true
	err := op.session.inChunks(data, op.signer.Update)
	op.interrupted = false
	return err
}
func (op *operation) updateVerifier(data []byte) error {
	op.interrupted = true
	err := op.session.inChunks(data, op.verifier.Update)
	op.interrupted = false
	return err
}

// endUnlessTooSmall ends an operation unless err says that the caller's buffer is too small.
func (op *operation) endUnlessTooSmall(err error) error {
	if err != ck.CKR_BUFFER_TOO_SMALL {
		op.end()
	}
	return err
}

// operation finds the operation of a kind that may go on, and locks its session. The caller calls unlock.
func (m *Module) operation(h ck.SessionHandle, kind int) (*session, *operation, error) {
	s, err := m.lock(h)
	if err != nil {
		return nil, nil, err
	}
	op, err := s.currentOperation(kind)
	if err != nil {
		s.unlock()
		return nil, nil, err
	}
	return s, op, nil
}
