package token

import (
	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/mechanisms"
)

// Messages that are signed or verified. A message may have a parameter of the mechanism of its own; one without has the parameter of the
// Init function. With some mechanisms a parameter must not be used twice: there each message must have its own.

// messageSigner returns a starter of processes that sign or verify with the key at h.
func (s *session) messageSigner(kind int, h ck.ObjectHandle) func(*operation, *mechanisms.Mechanism, *mechanisms.Key, *ck.Param) error {
	return func(op *operation, row *mechanisms.Mechanism, _ *mechanisms.Key, p *ck.Param) error {
		_, o, err := s.object(h)
		if err != nil {
			return keyHandleError(err)
		}
		x := &process{key: o, handle: h, row: row}
		op.process = x
		x.param = p.Clone()
		defer x.param.Close()
		if row.ParamOncePerMessage && !p.Present() {
			return nil
		}
		err = op.prepareSigner(s, kind, &ck.Param{})
		if row.ParamOncePerMessage {
			op.signer, op.verifier = nil, nil
		}
		return err
	}
}

// prepareSigner makes the signer or the verifier of the next message, unless there is one.
func (op *operation) prepareSigner(s *session, kind int, p *ck.Param) (err error) {
	x := op.process
	if !p.Present() {
		switch {
		case x.row.ParamOncePerMessage && op.active:
			return ck.CKR_MECHANISM_PARAM_INVALID
		case op.signer != nil || op.verifier != nil:
			return nil
		}
		kept := x.param.Param()
		p = &kept
	}
	u := keyUse{row: x.row}
	given := *p
	if kind == messageSigning {
		op.signer, err = x.row.Sign(x.key.key(), p)
		op.takeCounter = nil
		op.useCounter(s, x.handle)
	} else {
		op.verifier, err = x.row.Verify(x.key.key(), p)
	}
	if err == nil && u.dependsOnParam() {
		err = x.key.protection().mayExpose(x.key.key(), &u, &given, s.strict)
	}
	return err
}

// beginSignedMessage begins a message in one part, or the first of several, and goes on with it. What goes wrong ends the message, also
// a fault in the parameter.
func (m *Module) beginSignedMessage(h ck.SessionHandle, kind int, p *ck.Param, goOn func(op *operation) error) error {
	s, op, err := m.message(h, kind, false)
	if err != nil {
		return err
	}
	defer s.unlock()
	begun := false
	defer func() {
		if !begun {
			op.endMessage()
		}
	}()
	if err := op.prepareSigner(s, kind, p); err != nil {
		return err
	}
	begun = true
	return goOn(op)
}

// expectParts says that parts of the message follow.
func (op *operation) expectParts() error {
	op.process.inParts = true
	return nil
}

// MessageSignInit implements C_MessageSignInit, section 5.14.1.
func (m *Module) MessageSignInit(h ck.SessionHandle, mech *ck.Mechanism, key ck.ObjectHandle) error {
	return m.messageInit(h, messageSigning, mech, key)
}

// SignMessage implements C_SignMessage, section 5.14.2.
func (m *Module) SignMessage(h ck.SessionHandle, p *ck.Param, data []byte, out *ck.Buffer) error {
	return m.beginSignedMessage(h, messageSigning, p, func(op *operation) error { return op.signMessage(data, out) })
}

// signMessage adds data and signs, if there is a buffer that can hold the signature, which ends the message.
func (op *operation) signMessage(data []byte, out *ck.Buffer) error {
	size := op.signer.Size()
	if out.Query(size) {
		return out.Fill(size, nil)
	}
	defer op.endMessage()
	return out.Fill(size, func(dst []byte) (int, error) { return op.signTo(dst, data) })
}

// SignMessageBegin implements C_SignMessageBegin, section 5.14.3.
func (m *Module) SignMessageBegin(h ck.SessionHandle, p *ck.Param) error {
	return m.beginSignedMessage(h, messageSigning, p, (*operation).expectParts)
}

// SignMessageNext implements C_SignMessageNext, section 5.14.4. Without a buffer more of the message follows.
func (m *Module) SignMessageNext(h ck.SessionHandle, _ *ck.Param, part []byte, out *ck.Buffer) error {
	s, op, err := m.message(h, messageSigning, true)
	if err != nil {
		return err
	}
	defer s.unlock()
	if out != nil {
		return op.signMessage(part, out)
	}
	return op.messagePart(func() error { return op.updateSigner(part) })
}

// messagePart takes a part of a message, which ends with an error, and with a fault in the part.
func (op *operation) messagePart(take func() error) (err error) {
	taken := false
	defer func() {
		if !taken || err != nil {
			op.endMessage()
		}
	}()
	err = take()
	taken = true
	return err
}

// MessageSignFinal implements C_MessageSignFinal, section 5.14.5.
func (m *Module) MessageSignFinal(h ck.SessionHandle) error { return m.messageFinal(h, messageSigning) }

// MessageVerifyInit implements C_MessageVerifyInit, section 5.16.1.
func (m *Module) MessageVerifyInit(h ck.SessionHandle, mech *ck.Mechanism, key ck.ObjectHandle) error {
	return m.messageInit(h, messageVerifying, mech, key)
}

// VerifyMessage implements C_VerifyMessage, section 5.16.2.
func (m *Module) VerifyMessage(h ck.SessionHandle, p *ck.Param, data, signature []byte) error {
	return m.beginSignedMessage(h, messageVerifying, p, func(op *operation) error { return op.verifyMessage(data, signature) })
}

// verifyMessage adds data and verifies, which ends the message.
func (op *operation) verifyMessage(data, signature []byte) error {
	defer op.endMessage()
	if err := op.updateVerifier(data); err != nil {
		return err
	}
	return op.verifier.Verify(signature)
}

// VerifyMessageBegin implements C_VerifyMessageBegin, section 5.16.3.
func (m *Module) VerifyMessageBegin(h ck.SessionHandle, p *ck.Param) error {
	return m.beginSignedMessage(h, messageVerifying, p, (*operation).expectParts)
}

// VerifyMessageNext implements C_VerifyMessageNext, section 5.16.4. Without a signature more of the message follows.
func (m *Module) VerifyMessageNext(h ck.SessionHandle, _ *ck.Param, part, signature []byte) error {
	s, op, err := m.message(h, messageVerifying, true)
	if err != nil {
		return err
	}
	defer s.unlock()
	if signature != nil {
		return op.verifyMessage(part, signature)
	}
	return op.messagePart(func() error { return op.updateVerifier(part) })
}

// MessageVerifyFinal implements C_MessageVerifyFinal, section 5.16.5.
func (m *Module) MessageVerifyFinal(h ck.SessionHandle) error {
	return m.messageFinal(h, messageVerifying)
}
