package softcsp

import (
	"errors"

	"github.com/softcsp/softcsp/ck"
)

// do calls f with a session that nobody else uses meanwhile. One in which f fails is closed, since an operation may still be in it.
func (t *Token) do(f func(ck.SessionHandle) error) error {
	s, err := t.take()
	if err != nil {
		return err
	}
	done := false
	defer func() { t.give(s, done) }()
	err = f(s)
	done = err == nil
	return err
}

// doKept calls f with the session that lives as long as the token is open, for what makes objects that do: those of a session end with it.
// f begins no operation in it.
func (t *Token) doKept(f func(ck.SessionHandle) error) error {
	t.mu.Lock()
	if t.closing {
		t.mu.Unlock()
		return ErrClosed
	}
	t.busy++
	t.mu.Unlock()
	defer func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.busy--
		t.wake.Broadcast()
	}()
	return f(t.login)
}

// sessionFlags are those of all sessions: they can write where the token can be written to.
func (t *Token) sessionFlags() ck.Flags {
	if t.info.Flags&ck.CKF_WRITE_PROTECTED != 0 {
		return ck.CKF_SERIAL_SESSION
	}
	return ck.CKF_SERIAL_SESSION | ck.CKF_RW_SESSION
}

// take returns a session that is idle, or a new one. Where the token has no more of them it waits.
func (t *Token) take() (ck.SessionHandle, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for {
		if t.closing {
			return 0, ErrClosed
		}
		if n := len(t.idle); n > 0 {
			s := t.idle[n-1]
			t.idle = t.idle[:n-1]
			t.busy++
			return s, nil
		}
		s, err := t.module.OpenSession(t.slot, t.sessionFlags())
		switch {
		case err == nil:
			t.busy++
			return s, nil
		case !errors.Is(err, ck.CKR_SESSION_COUNT) || t.busy == 0:
			return 0, failed("opening a session", err)
		}
		t.wake.Wait()
	}
}

// give takes a session back.
func (t *Token) give(s ck.SessionHandle, done bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.busy--
	if done && len(t.idle) < mostIdle {
		t.idle = append(t.idle, s)
	} else {
		_ = t.module.CloseSession(s)
	}
	t.wake.Broadcast()
}

// mostIdle is how many sessions are kept for the next calls.
const mostIdle = 64

// search returns the objects that have the attributes.
func (t *Token) search(template []ck.Attribute) (list []ck.ObjectHandle, err error) {
	err = t.do(func(s ck.SessionHandle) error {
		if err := t.module.FindObjectsInit(s, template); err != nil {
			return failed("searching", err)
		}
		for some := make([]ck.ObjectHandle, 64); ; {
			n, err := t.module.FindObjects(s, some)
			if err != nil {
				return failed("searching", err)
			}
			if n == 0 {
				return t.module.FindObjectsFinal(s)
			}
			list = append(list, some[:n]...)
		}
	})
	return list, err
}

// attributes reads attributes of an object. What it does not have is nil.
func (t *Token) attributes(o ck.ObjectHandle, types ...ck.AttributeType) (values [][]byte, err error) {
	ask := make([]ck.AttributeBuffer, len(types))
	for i := range ask {
		ask[i].Type = types[i]
	}
	err = t.do(func(s ck.SessionHandle) error {
		// Once for the lengths, and once for the values.
		for range 2 {
			if err := t.module.GetAttributeValue(s, o, ask); err != nil && !errors.Is(err, ck.CKR_ATTRIBUTE_TYPE_INVALID) {
				return failed("reading attributes", err)
			}
			for i, a := range ask {
				if !a.Has && a.N != ck.UnavailableInformation {
					ask[i].Buffer = ck.Into(make([]byte, a.N))
				}
			}
		}
		return nil
	})
	for _, a := range ask {
		if a.Has && a.N != ck.UnavailableInformation {
			values = append(values, a.Data[:a.N])
		} else {
			values = append(values, nil)
		}
	}
	return values, err
}

// ulong and flag are attributes that are a number, and true or false.
func ulong[N ~uint](t ck.AttributeType, n N) ck.Attribute {
	return ck.Attribute{Type: t, Value: ck.UlongValue(uint(n))}
}

func flag(t ck.AttributeType, b bool) ck.Attribute {
	return ck.Attribute{Type: t, Value: ck.BoolValue(b)}
}
