package token

import (
	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/mechanisms"
)

// The operations that a session has beside digesting and searching, one of each kind at a time.
const (
	encrypting = iota
	decrypting
	signing
	verifying
	signRecovering
	verifyRecovering
	verifyingGiven // with a signature that C_VerifySignatureInit was told
	messageEncrypting
	messageDecrypting
	messageSigning
	messageVerifying
	operations
)

// allOperations are the flags of C_SessionCancel for every operation.
const allOperations = ^ck.Flags(0)

// cancelFlags are the flags by which C_SessionCancel names the operations.
var cancelFlags = [operations]ck.Flags{
	ck.CKF_ENCRYPT, ck.CKF_DECRYPT, ck.CKF_SIGN, ck.CKF_VERIFY,
	signRecovering: ck.CKF_SIGN_RECOVER, verifyRecovering: ck.CKF_VERIFY_RECOVER, verifyingGiven: ck.CKF_VERIFY,
	messageEncrypting: ck.CKF_MESSAGE_ENCRYPT, messageDecrypting: ck.CKF_MESSAGE_DECRYPT,
	messageSigning: ck.CKF_MESSAGE_SIGN, messageVerifying: ck.CKF_MESSAGE_VERIFY,
}

// usage is the attribute that a key needs for an operation.
var usage = [operations]ck.AttributeType{
	ck.CKA_ENCRYPT, ck.CKA_DECRYPT, ck.CKA_SIGN, ck.CKA_VERIFY,
	signRecovering: ck.CKA_SIGN_RECOVER, verifyRecovering: ck.CKA_VERIFY_RECOVER, verifyingGiven: ck.CKA_VERIFY,
	messageEncrypting: ck.CKA_ENCRYPT, messageDecrypting: ck.CKA_DECRYPT, messageSigning: ck.CKA_SIGN, messageVerifying: ck.CKA_VERIFY,
}

// An operation is a cryptographic operation in progress.
type operation struct {
	active  bool
	session *session
	parts   bool // data has been processed in parts: the operation ends with its Final
	whole   bool // C_Encrypt or C_Decrypt was asked for a length: the operation ends with it
	confirm bool // C_Login with CKU_CONTEXT_SPECIFIC is due
	private bool // with a private key, which takes long
	// unrecorded is the key where its role could not be recorded: hold.go.
	unrecorded *entry
	cipher     mechanisms.Cipher
	signer     mechanisms.Signer
	count      func() error // what signer needs of a counter, nil without one
	checker    mechanisms.Verifier
	// signature is what C_VerifySignatureInit was told.
	signature []byte
	process   *process // of messages, nil otherwise
	origin    origination
}

// end ends an operation.
func (op *operation) end() {
	if op.process != nil {
		op.process.end()
	}
	*op = operation{}
}

// cancel ends the operations that the flags name. The session is locked.
func (s *session) cancel(flags ck.Flags) {
	for kind := range s.ops {
		if flags&cancelFlags[kind] != 0 {
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

// waiting returns the operation that waits for C_Login with CKU_CONTEXT_SPECIFIC, nil if there is none.
func (s *session) waiting() *operation {
	if s.work == nil {
		return nil
	}
	for kind := range s.ops {
		if op := &s.ops[kind]; op.active && op.confirm {
			return op
		}
	}
	return nil
}

// excluded reports whether an operation is active that one of a kind cannot be in progress beside.
func (s *session) excluded(kind int) bool {
	switch kind {
	case verifying:
		return s.ops[verifyingGiven].active
	case verifyingGiven:
		return s.ops[verifying].active
	}
	return false
}

// begin begins an operation of a kind: it checks the mechanism and the key, and has start make what the operation works
// with. A NULL mechanism ends an operation that is active (PKCS#11 3.0, section 5.8.1).
func (s *session) begin(kind int, mech *ck.Mechanism, key ck.ObjectHandle, start func(*operation, *mechanisms.Mechanism, *mechanisms.Key, *ck.Param) error) error {
	op := &s.ops[kind]
	if mech == nil {
		if !op.active {
			return ck.CKR_ARGUMENTS_BAD
		}
		op.end()
		return nil
	}
	if op.active || s.excluded(kind) {
		return ck.CKR_OPERATION_ACTIVE
	}
	row := mechanisms.Lookup(mech.Type)
	if row == nil || !row.Has(cancelFlags[kind]) || !s.restriction.allows(mech.Type, cancelFlags[kind]) {
		return ck.CKR_MECHANISM_INVALID
	}
	u := keyUse{purpose: usage[kind], row: row, decides: kind == verifying || kind == verifyingGiven}
	o, err := s.useKey(key, &u)
	if err != nil {
		return err
	}
	defer o.release()
	defer func() {
		if !op.active { // also after a fault in the parameter
			op.end()
		}
	}()
	op.session = s
	var param ck.Param
	if u.asksParam() {
		param = mech.Param
	}
	if err = start(op, row, o.key(), &mech.Param); err == nil && u.asksParam() {
		err = o.standing().mayExpose(o.key(), &u, &param, s.strict)
	}
	if err == nil {
		err = s.assume(o, &u)
	}
	if err != nil {
		return err
	}
	op.unrecorded = s.unrecorded(o, &u)
	op.counting(s, key)
	op.origin.mechanism, op.origin.param, op.origin.id, op.origin.serial = row.Type, mech.Param.Len(), o.id, o.serial
	op.active, op.confirm, op.private = true, o.flag(ck.CKA_ALWAYS_AUTHENTICATE), o.class() == ck.CKO_PRIVATE_KEY
	return nil
}

// current returns the operation of a kind that is active and may go on. One that goes on without the C_Login that was due
// ends, as any error ends it (section 5.8.2 and those like it).
func (s *session) current(kind int) (*operation, error) {
	op := &s.ops[kind]
	switch {
	case !op.active:
		return nil, ck.CKR_OPERATION_NOT_INITIALIZED
	case op.confirm:
		op.end()
		return nil, ck.CKR_USER_NOT_LOGGED_IN
	}
	if err := op.overtaken(); err != nil {
		op.end()
		return nil, err
	}
	return op, nil
}

// add adds data to what is signed, and check to what is verified.
func (op *operation) add(data []byte) error   { return op.session.inPieces(data, op.signer.Update) }
func (op *operation) check(data []byte) error { return op.session.inPieces(data, op.checker.Update) }

// settle ends an operation unless err says that the caller's buffer is too small.
func (op *operation) settle(err error) error {
	if err != ck.CKR_BUFFER_TOO_SMALL {
		op.end()
	}
	return err
}
