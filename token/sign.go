package token

import "github.com/softcsp/softcsp/ck"

// SignInit implements C_SignInit, section 5.13.1.
func (m *Module) SignInit(h ck.SessionHandle, mech *ck.Mechanism, key ck.ObjectHandle) error {
	return m.cryptInit(h, signing, mech, key)
}

// VerifyInit implements C_VerifyInit, section 5.15.1.
func (m *Module) VerifyInit(h ck.SessionHandle, mech *ck.Mechanism, key ck.ObjectHandle) error {
	return m.cryptInit(h, verifying, mech, key)
}

// Sign implements C_Sign, section 5.13.2.
func (m *Module) Sign(h ck.SessionHandle, data []byte, out *ck.Buffer) error {
	s, op, err := m.operation(h, signing)
	if err != nil {
		return err
	}
	defer s.unlock()
	if op.parts {
		return op.endUnlessTooSmall(ck.CKR_OPERATION_ACTIVE)
	}
	if s.async && op.private {
		return s.signAsync("C_Sign", op, data, out)
	}
	return op.sign(data, out)
}

// SignUpdate implements C_SignUpdate, section 5.13.3.
func (m *Module) SignUpdate(h ck.SessionHandle, data []byte) error {
	s, op, err := m.operation(h, signing)
	if err != nil {
		return err
	}
	defer s.unlock()
	op.parts = true
	if err := op.updateSigner(data); err != nil {
		return op.endUnlessTooSmall(err)
	}
	return nil
}

// SignFinal implements C_SignFinal, section 5.13.4.
func (m *Module) SignFinal(h ck.SessionHandle, out *ck.Buffer) error {
	s, op, err := m.operation(h, signing)
	if err != nil {
		return err
	}
	defer s.unlock()
	if s.async && op.private {
		return s.signAsync("C_SignFinal", op, nil, out)
	}
	return op.sign(nil, out)
}

// sign adds data and writes the signature, if there is a buffer that can hold it.
func (op *operation) sign(data []byte, out *ck.Buffer) error {
	size := op.signer.Size()
	if !out.Has {
		out.N = uint(size)
		return nil
	}
	return op.endUnlessTooSmall(out.Fill(size, func(dst []byte) (int, error) { return op.signTo(dst, data) }))
}

// signTo adds data and writes the signature to dst.
func (op *operation) signTo(dst, data []byte) (int, error) {
	if err := op.updateSigner(data); err != nil {
		return 0, err
	}
	if op.takeCounter != nil {
		if err := op.takeCounter(); err != nil {
			return 0, err
		}
	}
	return op.signer.Sign(dst)
}

// Verify implements C_Verify, section 5.15.2.
func (m *Module) Verify(h ck.SessionHandle, data, signature []byte) error {
	s, op, err := m.operation(h, verifying)
	if err != nil {
		return err
	}
	defer s.unlock()
	return op.verify(data, signature)
}

// verify verifies the signature of data in one part.
func (op *operation) verify(data, signature []byte) error {
	if op.parts {
		return op.endUnlessTooSmall(ck.CKR_OPERATION_ACTIVE)
	}
	if err := op.updateVerifier(data); err != nil {
		return op.endUnlessTooSmall(err)
	}
	return op.endUnlessTooSmall(op.verifier.Verify(signature))
}

// VerifyUpdate implements C_VerifyUpdate, section 5.15.3.
func (m *Module) VerifyUpdate(h ck.SessionHandle, data []byte) error {
	return m.verifyPart(h, verifying, data)
}

// verifyPart processes the next part of what is verified.
func (m *Module) verifyPart(h ck.SessionHandle, kind int, data []byte) error {
	s, op, err := m.operation(h, kind)
	if err != nil {
		return err
	}
	defer s.unlock()
	op.parts = true
	if err := op.updateVerifier(data); err != nil {
		return op.endUnlessTooSmall(err)
	}
	return nil
}

// VerifyFinal implements C_VerifyFinal, section 5.15.4.
func (m *Module) VerifyFinal(h ck.SessionHandle, signature []byte) error {
	s, op, err := m.operation(h, verifying)
	if err != nil {
		return err
	}
	defer s.unlock()
	return op.endUnlessTooSmall(op.verifier.Verify(signature))
}
