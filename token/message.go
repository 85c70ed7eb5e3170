package token

import (
	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/mechanisms"
)

// The message functions of PKCS#11 3.0: a process, which an Init function begins and a Final one ends, of any number of messages
// with one mechanism and one key. What goes wrong with a message ends the message, not the process. A message in parts ends with
// its last part.

// A process is what the operations of the message functions have that others do not.
type process struct {
	loginPerMessage bool // C_Login with CKU_CONTEXT_SPECIFIC is due before each message
	inParts         bool // a message in parts is in progress
	cipher          mechanisms.MessageCipher

	// Of signing and verifying:
	key    *Object // referred to until the process ends
	handle ck.ObjectHandle
	row    *mechanisms.Mechanism
	param  *ck.ParamCopy // the parameter of the Init function
}

// end wipes and releases what the process has.
func (p *process) end() {
	if p.cipher != nil {
		p.cipher.End()
	}
	if p.key != nil {
		p.key.release()
	}
	if p.param != nil {
		p.param.Wipe()
	}
}

// messageInit begins a process.
func (m *Module) messageInit(h ck.SessionHandle, kind int, mech *ck.Mechanism, key ck.ObjectHandle) error {
	s, err := m.lock(h)
	if err != nil {
		return err
	}
	defer s.unlock()
	start := starters[kind]
	if start == nil {
		start = s.messageSigner(kind, key)
	}
	if err := s.initOperation(kind, mech, key, start); err != nil {
		return err
	}
	if op := &s.ops[kind]; mech != nil {
		op.process.loginPerMessage = op.loginDue
	}
	return nil
}

// message finds the process of a kind and locks its session. A message in parts must be in progress if inParts is set, and must not be
// otherwise. The caller calls unlock.
func (m *Module) message(h ck.SessionHandle, kind int, inParts bool) (*session, *operation, error) {
	s, err := m.lock(h)
	if err != nil {
		return nil, nil, err
	}
	op := &s.ops[kind]
	switch {
	case !op.active, inParts && !op.process.inParts:
		err = ck.CKR_OPERATION_NOT_INITIALIZED
	case op.loginDue:
		err = ck.CKR_USER_NOT_LOGGED_IN
	case op.process.inParts && !inParts:
		err = ck.CKR_OPERATION_ACTIVE
	default:
		if err = op.checkUnrecorded(); err == nil {
			return s, op, nil
		}
	}
	s.unlock()
	return nil, nil, err
}

// messageFinal ends a process.
func (m *Module) messageFinal(h ck.SessionHandle, kind int) error {
	s, err := m.lock(h)
	if err != nil {
		return err
	}
	defer s.unlock()
	op := &s.ops[kind]
	switch {
	case !op.active:
		return ck.CKR_OPERATION_NOT_INITIALIZED
	case op.process.inParts:
		return ck.CKR_OPERATION_ACTIVE
	}
	op.end()
	return nil
}

// endMessage ends a message. With a key that has CKA_ALWAYS_AUTHENTICATE the next one needs a C_Login of its own.
func (op *operation) endMessage() {
	if op.process.cipher != nil {
		op.process.cipher.End()
	}
	op.signer, op.verifier = nil, nil
	op.process.inParts, op.loginDue = false, op.process.loginPerMessage
}

// MessageEncryptInit implements C_MessageEncryptInit, section 5.9.1.
func (m *Module) MessageEncryptInit(h ck.SessionHandle, mech *ck.Mechanism, key ck.ObjectHandle) error {
	return m.messageInit(h, messageEncrypting, mech, key)
}

// MessageDecryptInit implements C_MessageDecryptInit, section 5.11.1.
func (m *Module) MessageDecryptInit(h ck.SessionHandle, mech *ck.Mechanism, key ck.ObjectHandle) error {
	return m.messageInit(h, messageDecrypting, mech, key)
}

// EncryptMessage implements C_EncryptMessage, section 5.9.2.
func (m *Module) EncryptMessage(h ck.SessionHandle, p *ck.Param, aad, data []byte, out *ck.Buffer) error {
	return m.wholeMessage(h, messageEncrypting, p, aad, data, out)
}

// DecryptMessage implements C_DecryptMessage, section 5.11.2. No plaintext is released before its tag has been found right.
func (m *Module) DecryptMessage(h ck.SessionHandle, p *ck.Param, aad, data []byte, out *ck.Buffer) error {
	return m.wholeMessage(h, messageDecrypting, p, aad, data, out)
}

func (m *Module) wholeMessage(h ck.SessionHandle, kind int, p *ck.Param, aad, data []byte, out *ck.Buffer) error {
	s, op, err := m.message(h, kind, false)
	if err != nil {
		return err
	}
	defer s.unlock()
	if out.Query(len(data)) {
		return out.Fill(len(data), nil)
	}
	defer op.endMessage()
	if err := op.process.cipher.Whole(p, aad, out.Data, data); err != nil {
		return err
	}
	out.N = uint(len(data))
	return nil
}

// EncryptMessageBegin implements C_EncryptMessageBegin, section 5.9.3.
func (m *Module) EncryptMessageBegin(h ck.SessionHandle, p *ck.Param, aad []byte) error {
	return m.beginMessage(h, messageEncrypting, p, aad)
}

// DecryptMessageBegin implements C_DecryptMessageBegin, section 5.11.3.
func (m *Module) DecryptMessageBegin(h ck.SessionHandle, p *ck.Param, aad []byte) error {
	return m.beginMessage(h, messageDecrypting, p, aad)
}

func (m *Module) beginMessage(h ck.SessionHandle, kind int, p *ck.Param, aad []byte) error {
	s, op, err := m.message(h, kind, false)
	if err != nil {
		return err
	}
	defer s.unlock()
	defer func() {
		if !op.process.inParts { // also after a fault in memory
			op.endMessage()
		}
	}()
	if err := op.process.cipher.Begin(p, aad); err != nil {
		return err
	}
	op.process.inParts = true
	return nil
}

// EncryptMessageNext implements C_EncryptMessageNext, section 5.9.4.
func (m *Module) EncryptMessageNext(h ck.SessionHandle, p *ck.Param, part []byte, out *ck.Buffer, flags ck.Flags) error {
	return m.nextPart(h, messageEncrypting, p, part, out, flags)
}

// DecryptMessageNext implements C_DecryptMessageNext, section 5.11.4. The plaintext comes with the last part, when the tag has been
// found right.
func (m *Module) DecryptMessageNext(h ck.SessionHandle, p *ck.Param, part []byte, out *ck.Buffer, flags ck.Flags) error {
	return m.nextPart(h, messageDecrypting, p, part, out, flags)
}

func (m *Module) nextPart(h ck.SessionHandle, kind int, p *ck.Param, part []byte, out *ck.Buffer, flags ck.Flags) error {
	s, op, err := m.message(h, kind, true)
	if err != nil {
		return err
	}
	defer s.unlock()
	last := flags&ck.CKF_END_OF_MESSAGE != 0
	n := op.process.cipher.NextLen(len(part), last)
	if out.Query(n) {
		return out.Fill(n, nil)
	}
	goesOn := false // nor does the message after a fault in memory
	defer func() {
		if !goesOn {
			op.endMessage()
		}
	}()
	if err := op.process.cipher.Next(p, out.Data, part, last); err != nil {
		return err
	}
	goesOn, out.N = !last, uint(n)
	return nil
}

// MessageEncryptFinal implements C_MessageEncryptFinal, section 5.9.5.
func (m *Module) MessageEncryptFinal(h ck.SessionHandle) error {
	return m.messageFinal(h, messageEncrypting)
}

// MessageDecryptFinal implements C_MessageDecryptFinal, section 5.11.5.
func (m *Module) MessageDecryptFinal(h ck.SessionHandle) error {
	return m.messageFinal(h, messageDecrypting)
}
