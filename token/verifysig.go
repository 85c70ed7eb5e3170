package token

import "github.com/softcsp/softcsp/ck"

// The functions of PKCS#11 3.2 that verify a signature which is known before the data is.

// VerifySignatureInit implements C_VerifySignatureInit, section 5.15.7. What it begins excludes an operation of C_VerifyInit,
// and the other way round.
func (m *Module) VerifySignatureInit(h ck.SessionHandle, mech *ck.Mechanism, key ck.ObjectHandle, signature []byte) error {
	s, err := m.lock(h)
	if err != nil {
		return err
	}
	defer s.unlock()
	given := ck.Clone(signature)
	err = s.initOperation(verifyingSignature, mech, key, starters[verifying])
	if err == nil && mech != nil {
		s.ops[verifyingSignature].signature = given
	}
	return err
}

// VerifySignature implements C_VerifySignature, section 5.15.8.
func (m *Module) VerifySignature(h ck.SessionHandle, data []byte) error {
	s, op, err := m.operation(h, verifyingSignature)
	if err != nil {
		return err
	}
	defer s.unlock()
	return op.verify(data, op.signature)
}

// VerifySignatureUpdate implements C_VerifySignatureUpdate, section 5.15.9.
func (m *Module) VerifySignatureUpdate(h ck.SessionHandle, part []byte) error {
	return m.verifyPart(h, verifyingSignature, part)
}

// VerifySignatureFinal implements C_VerifySignatureFinal, section 5.15.10.
func (m *Module) VerifySignatureFinal(h ck.SessionHandle) error {
	s, op, err := m.operation(h, verifyingSignature)
	if err != nil {
		return err
	}
	defer s.unlock()
	return op.endUnlessTooSmall(op.verifier.Verify(op.signature))
}
