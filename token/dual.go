package token

import "github.com/softcsp/softcsp/ck"

// The functions of section 5.17 do two operations in parts at once. A length query and a short buffer leave both as they
// were; an error of either ends both.

// DigestEncryptUpdate implements C_DigestEncryptUpdate, section 5.17.1.
func (m *Module) DigestEncryptUpdate(h ck.SessionHandle, part []byte, out *ck.Buffer) error {
	s, op, err := m.operation(h, encrypting)
	if err != nil {
		return err
	}
	defer s.unlock()
	d, err := s.unfinishedDigest()
	if err != nil {
		return err
	}
	return s.dual(op, out, d.end, len(part), func(dst []byte) (int, error) {
		d.parts = true
		if err := s.inChunks(part, d.write); err != nil { // before it is overwritten, where out is the same memory
			return 0, err
		}
		return op.cipher.Update(dst, part)
	})
}

// DecryptDigestUpdate implements C_DecryptDigestUpdate, section 5.17.2.
func (m *Module) DecryptDigestUpdate(h ck.SessionHandle, part []byte, out *ck.Buffer) error {
	s, op, err := m.operation(h, decrypting)
	if err != nil {
		return err
	}
	defer s.unlock()
	d, err := s.unfinishedDigest()
	if err != nil {
		return err
	}
	return s.dual(op, out, d.end, len(part), func(dst []byte) (int, error) {
		n, err := op.cipher.Update(dst, part)
		if err == nil {
			d.parts = true
			err = s.inChunks(dst[:n], d.write)
		}
		return n, err
	})
}

// SignEncryptUpdate implements C_SignEncryptUpdate, section 5.17.3.
func (m *Module) SignEncryptUpdate(h ck.SessionHandle, part []byte, out *ck.Buffer) error {
	s, op, err := m.operation(h, encrypting)
	if err != nil {
		return err
	}
	defer s.unlock()
	sign, err := s.currentOperation(signing)
	if err != nil {
		return err
	}
	return s.dual(op, out, sign.end, len(part), func(dst []byte) (int, error) {
		sign.parts = true
		if err := sign.updateSigner(part); err != nil {
			return 0, err
		}
		return op.cipher.Update(dst, part)
	})
}

// DecryptVerifyUpdate implements C_DecryptVerifyUpdate, section 5.17.4.
func (m *Module) DecryptVerifyUpdate(h ck.SessionHandle, part []byte, out *ck.Buffer) error {
	s, op, err := m.operation(h, decrypting)
	if err != nil {
		return err
	}
	defer s.unlock()
	verify, err := s.currentOperation(verifying)
	if err != nil {
		return err
	}
	return s.dual(op, out, verify.end, len(part), func(dst []byte) (int, error) {
		n, err := op.cipher.Update(dst, part)
		if err == nil {
			verify.parts = true
			err = verify.updateVerifier(dst[:n])
		}
		return n, err
	})
}

// dual runs the next part of n bytes through an encryption or decryption and the operation beside it, which endOther ends.
func (s *session) dual(op *operation, out *ck.Buffer, endOther func(), n int, both func(dst []byte) (int, error)) error {
	err := out.Fill(op.cipher.UpdateLen(n), func(dst []byte) (int, error) {
		op.parts, op.interrupted = true, true
		n, err := both(dst)
		op.interrupted = false
		return n, err
	})
	if err != nil && err != ck.CKR_BUFFER_TOO_SMALL {
		op.end()
		endOther()
	}
	return err
}
