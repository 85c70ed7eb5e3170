package token

import "github.com/softcsp/softcsp/ck"

// SignRecoverInit implements C_SignRecoverInit, section 5.13.5.
func (m *Module) SignRecoverInit(h ck.SessionHandle, mech *ck.Mechanism, key ck.ObjectHandle) error {
	return m.cryptInit(h, signRecovering, mech, key)
}

// SignRecover implements C_SignRecover, section 5.13.6.
func (m *Module) SignRecover(h ck.SessionHandle, data []byte, out *ck.Buffer) error {
	s, op, err := m.operation(h, signRecovering)
	if err != nil {
		return err
	}
	defer s.unlock()
	return op.sign(data, out)
}

// VerifyRecoverInit implements C_VerifyRecoverInit, section 5.15.5.
func (m *Module) VerifyRecoverInit(h ck.SessionHandle, mech *ck.Mechanism, key ck.ObjectHandle) error {
	return m.cryptInit(h, verifyRecovering, mech, key)
}

// VerifyRecover implements C_VerifyRecover, section 5.15.6.
func (m *Module) VerifyRecover(h ck.SessionHandle, signature []byte, out *ck.Buffer) error {
	return m.cryptWhole(h, verifyRecovering, signature, out)
}
