package token

import (
	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/mechanisms"
)

// A wrapCall is what C_WrapKey and C_WrapKeyAuthenticated are called with.
type wrapCall struct {
	row           *mechanisms.Mechanism
	param         *ck.Param
	authenticated bool
	aad           []byte
}

// size returns how long the wrapped key of n bytes is. It has no answer, and ok is false, where wrapping writes nothing to the parameter, so
// that a length query can be answered by wrapping.
func (c *wrapCall) size(n int) (size int, ok bool, err error) {
	switch {
	case c.authenticated:
		return n, true, nil
	case c.row.WrapSize != nil:
		p := *c.param
		size, err = c.row.WrapSize(&p, n)
		return size, true, err
	}
	return 0, false, nil
}

func (c *wrapCall) wrap(k *mechanisms.Key, value []byte) ([]byte, error) {
	if c.authenticated {
		return c.row.WrapMessage(k, c.param, c.aad, value)
	}
	return c.row.Wrap(k, c.param, value)
}

// WrapKey implements C_WrapKey, section 5.18.3.
func (m *Module) WrapKey(h ck.SessionHandle, mech *ck.Mechanism, wrappingHandle, keyHandle ck.ObjectHandle, out *ck.Buffer) error {
	a, s, err := m.session(h)
	if err != nil {
		return err
	}
	defer a.endCall()
	row, err := s.rowFor(mech, ck.CKF_WRAP)
	if err != nil {
		return err
	}
	return s.wrapKey(&wrapCall{row: row, param: &mech.Param}, wrappingHandle, keyHandle, out)
}

// WrapKeyAuthenticated implements C_WrapKeyAuthenticated, section 5.18.6 of PKCS#11 3.2. Its parameter is that of a message.
func (m *Module) WrapKeyAuthenticated(h ck.SessionHandle, mech *ck.Mechanism, wrappingHandle, keyHandle ck.ObjectHandle, aad []byte, out *ck.Buffer) error {
	a, s, err := m.session(h)
	if err != nil {
		return err
	}
	defer a.endCall()
	row, err := s.rowFor(mech, ck.CKF_WRAP)
	if err == nil && row.Message == nil {
		err = ck.CKR_MECHANISM_INVALID
	}
	if err != nil {
		return err
	}
	return s.wrapKey(&wrapCall{row: row, param: &mech.Param, authenticated: true, aad: aad}, wrappingHandle, keyHandle, out)
}

// wrapKey wraps the key at keyHandle with that at wrappingHandle.
func (s *session) wrapKey(call *wrapCall, wrappingHandle, keyHandle ck.ObjectHandle, out *ck.Buffer) error {
	u := &keyUse{purpose: ck.CKA_WRAP, row: call.row, param: call.param, oneCall: true}
	wrappingKey, err := s.useKey(wrappingHandle, u)
	if err != nil {
		return withCode(err, map[ck.RV]ck.RV{
			ck.CKR_KEY_HANDLE_INVALID: ck.CKR_WRAPPING_KEY_HANDLE_INVALID, ck.CKR_KEY_TYPE_INCONSISTENT: ck.CKR_WRAPPING_KEY_TYPE_INCONSISTENT,
			ck.CKR_KEY_SIZE_RANGE: ck.CKR_WRAPPING_KEY_SIZE_RANGE,
		})
	}
	defer wrappingKey.release()
	target, err := s.useKey(keyHandle, &keyUse{purpose: anyPurpose, takes: keyToWrap, wrappedBy: wrappingKey.Object, wrapRow: call.row, oneCall: true})
	if err != nil {
		return err
	}
	defer target.release()
	u.sensitive, u.wrapWithTrusted = target.flag(ck.CKA_SENSITIVE), target.flag(ck.CKA_WRAP_WITH_TRUSTED)
	if out.Has {
		if err := s.mayTakeRole(wrappingKey, u); err != nil {
			return err
		}
	}
	if target.table.isSecret() {
		return s.wrapAndTakeRole(call, wrappingKey, u, target.key().Value, out)
	}
	value, err := mechanisms.MarshalPrivate(target.key())
	if err != nil {
		return err
	}
	defer clear(value)
	return s.wrapAndTakeRole(call, wrappingKey, u, value, out)
}

// wrapAndTakeRole wraps value, which is that of a secret key or the PrivateKeyInfo of a private key. The wrapping key takes its role only when a
// wrapped key goes to the caller: not in a call that fails or asks for the length.
func (s *session) wrapAndTakeRole(call *wrapCall, wrappingKey foundKey, u *keyUse, value []byte, out *ck.Buffer) error {
	if need, ok, err := call.size(len(value)); err != nil {
		return err
	} else if ok && out.Query(need) {
		return out.Fill(need, nil)
	}
	wrapped, err := call.wrap(wrappingKey.key(), value)
	if err != nil {
		return err
	}
	if !out.Query(len(wrapped)) {
		if err := s.takeRole(wrappingKey, u); err != nil {
			clear(wrapped)
			return err
		}
	}
	return out.FillWith(wrapped)
}
