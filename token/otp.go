package token

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/mechanisms"
	"github.com/softcsp/softcsp/store"
)

// otpKey is section 6.53, "OTP objects". The default format is decimal, and a password depends on nothing but the key and a counter: the
// key's own, or one that the application gives.
var otpKey = tablePart{"one-time password key", []attribute{
	{ck.CKA_VALUE, octets, mustCreate | notGenerate | notUnwrap | concealed, 0},
	{ck.CKA_VALUE_LEN, lengthOf, notCreate, 0},
	{ck.CKA_OTP_FORMAT, ulong, 0, ck.CK_OTP_FORMAT_DECIMAL},
	{ck.CKA_OTP_LENGTH, ulong, defaulted, 6},
	{ck.CKA_OTP_USER_FRIENDLY_MODE, boolean, defaulted, 1},
	{ck.CKA_OTP_CHALLENGE_REQUIREMENT, ulong, defaulted, ck.CK_OTP_PARAM_IGNORED},
	{ck.CKA_OTP_TIME_REQUIREMENT, ulong, defaulted, ck.CK_OTP_PARAM_IGNORED},
	{ck.CKA_OTP_COUNTER_REQUIREMENT, ulong, defaulted, ck.CK_OTP_PARAM_OPTIONAL},
	{ck.CKA_OTP_PIN_REQUIREMENT, ulong, defaulted, ck.CK_OTP_PARAM_IGNORED},
	{ck.CKA_OTP_COUNTER, octets, 0, 0},
	{ck.CKA_OTP_TIME, octets, 0, 0},
	{ck.CKA_OTP_USER_IDENTIFIER, octets, 0, 0},
	{ck.CKA_OTP_SERVICE_IDENTIFIER, octets, 0, 0},
	{ck.CKA_OTP_SERVICE_LOGO, octets, 0, 0},
	{ck.CKA_OTP_SERVICE_LOGO_TYPE, octets, 0, 0},
}}

// completeOTP checks a new key for one-time passwords, after it has written out the defaults, which the mechanism reads from the key. The
// counter begins with 0.
func (d *draft) completeOTP() error {
	for i := range d.table.rows {
		row := &d.table.rows[i]
		v := make([]byte, ulongSize) // a counter of 8 bytes, which is the size of a CK_ULONG
		switch {
		case d.present>>i&1 != 0:
			continue
		case row.kind == ulong && row.rule&notCreate == 0:
			v = ck.UlongValue(row.def)
		case row.Type != ck.CKA_OTP_COUNTER:
			continue
		}
		if err := d.put(i, v); err != nil {
			return err
		}
	}
	return mechanisms.ValidHOTP(d.bytes)
}

// nextCounter takes a number from the counter of a key: what it returns nobody gets again, neither another session nor
// another process, nor anybody after a power failure.
func (s *session) nextCounter(h ck.ObjectHandle) ([]byte, error) {
	for {
		e, o, err := s.object(h)
		if err != nil {
			return nil, keyHandleError(err)
		}
		_, keys := s.slot.currentLogin()
		counter, next, err := o.withNextCounter()
		if err == nil {
			err = s.slot.replace(e, o, next, keys)
		}
		o.release()
		if !errors.Is(err, store.ErrStale) {
			return counter, err
		}
	}
}

// withNextCounter returns the counter of a key, and the key with the next.
func (o *Object) withNextCounter() (counter []byte, next *Object, err error) {
	if o.secretsMissing {
		return nil, nil, ck.CKR_USER_NOT_LOGGED_IN
	}
	counter = append(counter, o.bytes(ck.CKA_OTP_COUNTER)...)
	n := binary.BigEndian.Uint64(counter)
	if n == math.MaxUint64 {
		return nil, nil, fmt.Errorf("%w: the counter is at its end", ck.CKR_FUNCTION_FAILED)
	}
	var d draft
	o.startDraft(&d)
	if err := d.put(o.table.find(ck.CKA_OTP_COUNTER), binary.BigEndian.AppendUint64(nil, n+1)); err != nil {
		return nil, nil, err
	}
	return counter, d.object().asVersionOf(o), nil
}

// useCounter has an operation whose signatures need a counter take the key's next number for each.
func (op *operation) useCounter(s *session, key ck.ObjectHandle) {
	c, ok := op.signer.(mechanisms.CounterSigner)
	if !ok || !c.NeedsCounter() {
		return
	}
	op.takeCounter = func() error {
		counter, err := s.nextCounter(key)
		if err == nil {
			c.SetCounter(counter)
		}
		return err
	}
}
