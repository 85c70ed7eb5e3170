package token

import (
	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/mechanisms"
)

// EncryptInit implements C_EncryptInit, section 5.8.1.
func (m *Module) EncryptInit(h ck.SessionHandle, mech *ck.Mechanism, key ck.ObjectHandle) error {
	return m.cryptInit(h, encrypting, mech, key)
}

// DecryptInit implements C_DecryptInit, section 5.10.1.
func (m *Module) DecryptInit(h ck.SessionHandle, mech *ck.Mechanism, key ck.ObjectHandle) error {
	return m.cryptInit(h, decrypting, mech, key)
}

func (m *Module) cryptInit(h ck.SessionHandle, kind int, mech *ck.Mechanism, key ck.ObjectHandle) error {
	s, err := m.lock(h)
	if err != nil {
		return err
	}
	defer s.unlock()
	return s.initOperation(kind, mech, key, starters[kind])
}

// starters make what an operation of a kind works with.
var starters = [operationKinds]func(*operation, *mechanisms.Mechanism, *mechanisms.Key, *ck.Param) error{
	encrypting: func(op *operation, row *mechanisms.Mechanism, k *mechanisms.Key, p *ck.Param) (err error) {
		op.cipher, err = row.Encrypt(k, p)
		return err
	},
	decrypting: func(op *operation, row *mechanisms.Mechanism, k *mechanisms.Key, p *ck.Param) (err error) {
		op.cipher, err = row.Decrypt(k, p)
		return err
	},
	signing: func(op *operation, row *mechanisms.Mechanism, k *mechanisms.Key, p *ck.Param) (err error) {
		op.signer, err = row.Sign(k, p)
		return err
	},
	verifying: func(op *operation, row *mechanisms.Mechanism, k *mechanisms.Key, p *ck.Param) (err error) {
		op.verifier, err = row.Verify(k, p)
		return err
	},
	signRecovering: func(op *operation, row *mechanisms.Mechanism, k *mechanisms.Key, p *ck.Param) (err error) {
		op.signer, err = row.SignRecover(k, p)
		return err
	},
	verifyRecovering: func(op *operation, row *mechanisms.Mechanism, k *mechanisms.Key, p *ck.Param) (err error) {
		op.cipher, err = row.VerifyRecover(k, p)
		return err
	},
	messageEncrypting: func(op *operation, row *mechanisms.Mechanism, k *mechanisms.Key, p *ck.Param) (err error) {
		op.process = new(process)
		op.process.cipher, err = row.Message(k, p, false)
		return err
	},
	messageDecrypting: func(op *operation, row *mechanisms.Mechanism, k *mechanisms.Key, p *ck.Param) (err error) {
		op.process = new(process)
		op.process.cipher, err = row.Message(k, p, true)
		return err
	},
}

// Encrypt implements C_Encrypt, section 5.8.2.
func (m *Module) Encrypt(h ck.SessionHandle, data []byte, out *ck.Buffer) error {
	return m.cryptWhole(h, encrypting, data, out)
}

// Decrypt implements C_Decrypt, section 5.10.2.
func (m *Module) Decrypt(h ck.SessionHandle, data []byte, out *ck.Buffer) error {
	return m.cryptWhole(h, decrypting, data, out)
}

// cryptWhole does an operation in one call.
func (m *Module) cryptWhole(h ck.SessionHandle, kind int, data []byte, out *ck.Buffer) error {
	s, op, err := m.operation(h, kind)
	if err != nil {
		return err
	}
	defer s.unlock()
	if op.parts {
		return op.endUnlessTooSmall(ck.CKR_OPERATION_ACTIVE)
	}
	op.whole = true
	need := op.cipher.WholeLen(len(data))
	if !out.Has {
		if c, ok := op.cipher.(mechanisms.LengthChecker); ok {
			if err := c.CheckWhole(len(data)); err != nil {
				return op.endUnlessTooSmall(err)
			}
		}
		out.N = uint(need)
		return nil
	}
	if len(out.Data) >= need {
		n, err := op.cipher.Whole(out.Data, data)
		out.N = uint(n)
		op.end()
		return err
	}
	return op.produceShort(need, out, func(dst []byte) (int, error) { return op.cipher.Whole(dst, data) })
}

// produceShort writes the output of an operation, which is at most need bytes, to a buffer that is shorter than that. The output may
// fit nevertheless; where it does not, the operation goes on.
func (op *operation) produceShort(need int, out *ck.Buffer, produce func(dst []byte) (int, error)) error {
	if c, ok := op.cipher.(mechanisms.Inexact); !ok || !c.Inexact() {
		out.N = uint(need)
		return ck.CKR_BUFFER_TOO_SMALL
	}
	scratch := ck.Allocate(need)
	defer clear(scratch)
	n, err := produce(scratch)
	if err == nil {
		err = out.FillWith(scratch[:n])
	}
	return op.endUnlessTooSmall(err)
}

// EncryptUpdate implements C_EncryptUpdate, section 5.8.3.
func (m *Module) EncryptUpdate(h ck.SessionHandle, data []byte, out *ck.Buffer) error {
	return m.cryptPart(h, encrypting, data, out)
}

// DecryptUpdate implements C_DecryptUpdate, section 5.10.3.
func (m *Module) DecryptUpdate(h ck.SessionHandle, data []byte, out *ck.Buffer) error {
	return m.cryptPart(h, decrypting, data, out)
}

// cryptPart processes the next part of the data.
func (m *Module) cryptPart(h ck.SessionHandle, kind int, data []byte, out *ck.Buffer) error {
	s, op, err := m.operation(h, kind)
	if err != nil {
		return err
	}
	defer s.unlock()
	if op.whole {
		return op.endUnlessTooSmall(ck.CKR_OPERATION_ACTIVE)
	}
	if c, ok := op.cipher.(mechanisms.LengthChecker); ok && !out.Has {
		if err := c.CheckUpdate(len(data)); err != nil {
			return op.endUnlessTooSmall(err)
		}
	}
	err = out.Fill(op.cipher.UpdateLen(len(data)), func(dst []byte) (int, error) {
		op.parts, op.interrupted = true, true
		n, err := op.cipher.Update(dst, data)
		op.interrupted = false
		return n, err
	})
	if err != nil {
		return op.endUnlessTooSmall(err)
	}
	return nil
}

// EncryptFinal implements C_EncryptFinal, section 5.8.4.
func (m *Module) EncryptFinal(h ck.SessionHandle, out *ck.Buffer) error {
	return m.cryptFinal(h, encrypting, out)
}

// DecryptFinal implements C_DecryptFinal, section 5.10.4.
func (m *Module) DecryptFinal(h ck.SessionHandle, out *ck.Buffer) error {
	return m.cryptFinal(h, decrypting, out)
}

// cryptFinal ends an operation in parts.
func (m *Module) cryptFinal(h ck.SessionHandle, kind int, out *ck.Buffer) error {
	s, op, err := m.operation(h, kind)
	if err != nil {
		return err
	}
	defer s.unlock()
	if op.whole {
		return op.endUnlessTooSmall(ck.CKR_OPERATION_ACTIVE)
	}
	need := op.cipher.FinalLen()
	if !out.Has {
		if c, ok := op.cipher.(mechanisms.LengthChecker); ok {
			if err := c.CheckFinal(); err != nil {
				return op.endUnlessTooSmall(err)
			}
		}
		out.N = uint(need)
		return nil
	}
	if len(out.Data) >= need {
		n, err := op.cipher.Final(out.Data)
		out.N = uint(n)
		op.end()
		return err
	}
	return op.produceShort(need, out, op.cipher.Final)
}
