package token

import (
	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/mechanisms"
)

// A wrapCall is where C_WrapKey and C_WrapKeyAuthenticated differ.
type wrapCall struct {
	row   *mechanisms.Mechanism
	param *ck.Param
	// size returns how long the wrapped key of n bytes is. It is nil where wrapping writes nothing to the parameter, so that the answer to a
	// length query can be found by wrapping.
	size func(n int) (int, error)
	wrap func(with *mechanisms.Key, value []byte) ([]byte, error)
}

// WrapKey implements C_WrapKey, section 5.18.3.
func (m *Module) WrapKey(h ck.SessionHandle, mech *ck.Mechanism, with, key ck.ObjectHandle, out *ck.Buffer) error {
	a, s, err := m.session(h)
	if err != nil {
		return err
	}
	defer a.endCall()
	row, err := s.rowFor(mech, ck.CKF_WRAP)
	if err != nil {
		return err
	}
	w := wrapCall{row: row, param: &mech.Param, wrap: func(with *mechanisms.Key, value []byte) ([]byte, error) { return row.Wrap(with, &mech.Param, value) }}
	if row.WrapSize != nil {
		w.size = func(n int) (int, error) {
			p := mech.Param
			return row.WrapSize(&p, n)
		}
	}
	return s.wrapKey(&w, with, key, out)
}

// WrapKeyAuthenticated implements C_WrapKeyAuthenticated, section 5.18.6 of PKCS#11 3.2. Its parameter is that of a message.
func (m *Module) WrapKeyAuthenticated(h ck.SessionHandle, mech *ck.Mechanism, with, key ck.ObjectHandle, aad []byte, out *ck.Buffer) error {
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
	return s.wrapKey(&wrapCall{
		row: row, param: &mech.Param, size: func(n int) (int, error) { return n, nil },
		wrap: func(with *mechanisms.Key, value []byte) ([]byte, error) {
			return row.WrapMessage(with, &mech.Param, aad, value)
		},
	}, with, key, out)
}

// wrapKey wraps the key at the handle key with that at the handle with.
func (s *session) wrapKey(x *wrapCall, with, key ck.ObjectHandle, out *ck.Buffer) error {
	u := &keyUse{purpose: ck.CKA_WRAP, row: x.row, param: x.param, oneCall: true}
	w, err := s.useKey(with, u)
	if err != nil {
		return withCode(err, map[ck.RV]ck.RV{
			ck.CKR_KEY_HANDLE_INVALID: ck.CKR_WRAPPING_KEY_HANDLE_INVALID, ck.CKR_KEY_TYPE_INCONSISTENT: ck.CKR_WRAPPING_KEY_TYPE_INCONSISTENT,
			ck.CKR_KEY_SIZE_RANGE: ck.CKR_WRAPPING_KEY_SIZE_RANGE,
		})
	}
	defer w.release()
	target, err := s.useKey(key, &keyUse{purpose: anyPurpose, takes: keyToWrap, wrappedBy: w.Object, wrapRow: x.row, oneCall: true})
	if err != nil {
		return err
	}
	defer target.release()
	u.sensitive, u.wrapWithTrusted = target.flag(ck.CKA_SENSITIVE), target.flag(ck.CKA_WRAP_WITH_TRUSTED)
	if out.Has {
		if err := s.mayTakeRole(w, u); err != nil {
			return err
		}
	}
	if target.table.isSecret() {
		return s.wrapAndTakeRole(x, w, u, target.key().Value, out)
	}
	value, err := mechanisms.MarshalPrivate(target.key())
	if err != nil {
		return err
	}
	defer clear(value)
	return s.wrapAndTakeRole(x, w, u, value, out)
}

// wrapAndTakeRole wraps value, which is that of a secret key or the PrivateKeyInfo of a private key. The wrapping key takes its role only when a
// wrapped key goes to the caller: not in a call that fails or asks for the length.
func (s *session) wrapAndTakeRole(x *wrapCall, w foundKey, u *keyUse, value []byte, out *ck.Buffer) error {
	if x.size != nil {
		need, err := x.size(len(value))
		if err != nil {
			return err
		}
		if out.Query(need) {
			return out.Fill(need, nil)
		}
	}
	wrapped, err := x.wrap(w.key(), value)
	if err != nil {
		return err
	}
	if !out.Query(len(wrapped)) {
		if err := s.takeRole(w, u); err != nil {
			clear(wrapped)
			return err
		}
	}
	return out.FillWith(wrapped)
}
